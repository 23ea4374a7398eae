/**
 * Compiled globs and regular expressions. Both match in time that follows the length of the text, whoever wrote the
 * pattern: RE2 has no backtracking, and minimatch walks a glob without any. What every match must hold is taken out of
 * the pattern, so that an index leaves few texts to run it on, and a look for that text most of these.
 */
import * as Result from "effect/Result"
import { LRUCache } from "lru-cache"
import { braceExpand, Minimatch, type MinimatchOptions } from "minimatch"
import { RE2JS, RE2JSSyntaxException } from "re2js"
import type { Need } from "./grams.ts"

/** A compiled pattern. */
export interface Pattern {
  readonly matches: (text: string) => boolean
  /** The text that every match begins with, maybe none. */
  readonly prefix: string
  /** Whether the prefix is all of it. */
  readonly exact: boolean
  /** What a text must hold to match; nothing if the pattern does not say. */
  readonly need: Need | undefined
}

export type Compiled = Result.Result<Pattern, { readonly reason: string; readonly expected: string }>

/** Gives a compiled pattern, or why there is none. */
export interface Patterns {
  readonly regex: (pattern: string) => Compiled
  readonly glob: (pattern: string) => Compiled
}

/** The longest pattern, in UTF-16 units. An id is at most 512 bytes; RE2's time grows with the pattern's length too. */
const maxLength = 1000

/** How many steps an expression may be compiled to: its time is the text's length times at most this, 30 ns each. */
const maxSteps = 500

/** The most memory that one expression's automaton takes, in bytes: what does not fit is made again when needed. */
const maxAutomaton = 1 << 20

/** The most alternatives that the braces of one glob may spell out, and the most braces and parentheses it may have. */
const maxExpansions = 100
const maxGroups = 16

/** Compiles each time it is asked: 30 to 60 µs. */
export const uncached: Patterns = {
  regex: (pattern) => {
    if (pattern.length > maxLength) return tooLong("regular expression")
    const compiled = Result.try({ try: () => RE2JS.compile(pattern), catch: (cause) => unsupported(pattern, cause) })
    if (Result.isFailure(compiled)) return Result.fail(compiled.failure)
    const regex = compiled.success
    if (regex.programSize() > maxSteps) {
      const reason = `the regular expression takes ${regex.programSize()} steps when its repeats are written out`
      return Result.fail({ reason, expected: `at most ${maxSteps}` })
    }
    const re2 = regex.re2()
    const { dfa } = re2
    dfa.maxMem = dfa.stateBudget = dfa.memBudget = maxAutomaton
    const prefix = (re2.cond & beginsText) === 0 ? "" : anchored(pattern)
    const need = needOf(re2.prefilter as Prefilter | null)
    return Result.succeed({ matches: (text) => regex.test(text), prefix, exact: false, need })
  },
  glob: (pattern) => {
    const problem = globProblem(pattern)
    if (problem !== undefined) return Result.fail(problem)
    return Result.try({
      try: () => globPattern(pattern),
      catch: (cause) => ({ reason: cause instanceof Error ? cause.message : String(cause), expected: "a glob" })
    })
  }
}

const tooLong = (what: string) =>
  Result.fail({
    reason: `the ${what} is longer than ${maxLength} characters`,
    expected: "a shorter one, or any(…) of several"
  })

/** How RE2JS writes down what every match holds: a text, all of some, or any of some. */
interface Prefilter {
  readonly type: number
  readonly str: string
  readonly subs: ReadonlyArray<Prefilter>
}

const needOf = (filter: Prefilter | null): Need | undefined => {
  if (filter === null) return undefined
  switch (filter.type) {
    case 1:
      return { _tag: "Text", text: filter.str, atEnd: false }
    case 2:
    case 3: {
      const needs = filter.subs.map(needOf)
      const known = needs.filter((need) => need !== undefined)
      if (filter.type === 2) return known.length === 0 ? undefined : { _tag: "All", needs: known }
      return known.length < needs.length ? undefined : { _tag: "Any", needs: known }
    }
    default:
      return undefined
  }
}

/** RE2's flag for an expression that matches at the start of the text alone. */
const beginsText = 4

/** The literal text after "^". Of alternatives, even in parentheses, RE2 takes out what they share: then not a character. */
const anchored = (pattern: string): string => {
  const literal = /^\^([\w\-/:#@%,]*)/.exec(pattern)?.[1] ?? ""
  if (pattern.includes("|")) return ""
  return /[?*{]/.test(pattern.charAt(literal.length + 1)) ? literal.slice(0, -1) : literal
}

/** What other engines have and RE2 has not, by how it begins. */
const perl: ReadonlyArray<readonly [RegExp, string]> = [
  [/\(\?<?[=!]/, "look-around"],
  [/\\[1-9]|\\k|\(\?P=/, "a back reference"],
  [/\(\?>/, "an atomic group"],
  [/[+*?}]\+/, "a possessive repeat"],
  [/\(\?\(/, "a condition"],
  [/\(\?#/, "a comment"],
  [/\(\?(?:R|&|\d)/, "recursion"]
]

const unsupported = (pattern: string, cause: unknown) => {
  const where = cause instanceof RE2JSSyntaxException ? (cause.getPattern() ?? pattern) : pattern
  for (const [begins, name] of perl) {
    const found = begins.exec(where)?.[0] ?? (where.length < 4 ? begins.exec(pattern)?.[0] : undefined)
    if (found !== undefined) {
      const reason = `${name}, ${JSON.stringify(found)}, is not supported`
      return { reason, expected: "an expression as RE2 has it, which takes time linear in the text" }
    }
  }
  return { reason: cause instanceof Error ? cause.message : String(cause), expected: "an expression as RE2 has it" }
}

/** Keeps the `size` patterns of each sort that were used last. */
export const cached = (size: number): Patterns => {
  if (size === 0) return uncached
  const keep = (make: (pattern: string) => Compiled) => {
    const cache = new LRUCache<string, Compiled>({ max: size })
    return (pattern: string) => {
      const known = cache.get(pattern)
      if (known !== undefined) return known
      const compiled = make(pattern)
      // A pattern that is refused is refused fast, and its text may be long.
      if (Result.isSuccess(compiled)) cache.set(pattern, compiled)
      return compiled
    }
  }
  return { regex: keep(uncached.regex), glob: keep(uncached.glob) }
}

/** The text that all matches of a glob begin with; `exact` where it is all of the glob. */
const literalPrefix = (glob: string): { readonly text: string; readonly exact: boolean } => {
  const at = glob.search(/[*?[\]{}()\\+@!|]/)
  return at < 0 ? { text: glob, exact: true } : { text: glob.slice(0, at), exact: false }
}

const options: MinimatchOptions = { dot: true, nocomment: true, nonegate: true, platform: "linux" }

// To minimatch a "/" separates path portions that "*" does not cross, and portions "." and ".." match no wildcard.
// Kinds and ids are no paths: a stand-in takes the place of the "/", which no kind or id can hold, and a guard in front
// keeps "." from being a portion. Globs with "**" between slashes are also tried as paths, where it may be no portion.
const standIn = "\u0001"
const flat = (text: string) => `=${text.replaceAll("/", standIn)}`

const globPattern = (pattern: string): Pattern => {
  const { exact, text: prefix } = literalPrefix(pattern)
  if (exact) return { matches: (text) => text === pattern, prefix, exact, need: undefined }
  return { matches: globMatcher(pattern), prefix, exact, need: globNeed(pattern) }
}

/** The pieces between the wildcards, where these are nothing but stars and question marks. */
const globNeed = (pattern: string): Need | undefined => {
  if (/[[\]{}()\\+@!|/]/.test(pattern)) return undefined
  const pieces = pattern.split(/[*?]+/)
  const needs = pieces.map((text, i): Need => ({ _tag: "Text", text, atEnd: i === pieces.length - 1 }))
  return { _tag: "All", needs: needs.filter((need) => need._tag === "Text" && need.text !== "") }
}

const globMatcher = (pattern: string): ((text: string) => boolean) => {
  const whole = new Minimatch(flat(pattern), { ...options, noglobstar: true })
  if (!pattern.includes("**") || !pattern.includes("/")) return (text) => whole.match(flat(text))
  const path = new Minimatch(pattern, { ...options, preserveMultipleSlashes: true, optimizationLevel: 0 })
  return (text) => whole.match(flat(text)) || path.match(text)
}

const globProblem = (pattern: string) => {
  if (pattern.length > maxLength)
    return { reason: `the glob is longer than ${maxLength} characters`, expected: "a shorter one" }
  const refuse = (reason: string) => ({ reason: `the glob ${reason}`, expected: "any(…) of several globs" })
  if (/\p{Cc}/u.test(pattern)) {
    return { reason: "the glob holds control characters", expected: "what a kind or an id can hold" }
  }
  // minimatch leaves out what its limits exclude without a word, and a negated criterion would then match too much.
  if (pattern.split("{").length - 1 > maxGroups) return refuse(`has more than ${maxGroups} braces`)
  // 200 of "!(a)" against 500 letters take 0.4 s: not for ever, but for each entry.
  if (pattern.split("(").length - 1 > maxGroups) return refuse(`has more than ${maxGroups} parentheses`)
  if (braceExpand(pattern, { braceExpandMax: maxExpansions + 1 }).length > maxExpansions) {
    return refuse(`has braces that spell out more than ${maxExpansions} alternatives`)
  }
  return undefined
}
