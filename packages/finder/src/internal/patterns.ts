/**
 * Compiled globs and regular expressions. Both match in time that follows the length of the text, whoever wrote the
 * pattern: RE2 has no backtracking, and minimatch walks a glob without any.
 */
import * as Result from "effect/Result"
import { LRUCache } from "lru-cache"
import { braceExpand, Minimatch, type MinimatchOptions } from "minimatch"
import { RE2JS } from "re2js"

export type Matches = (text: string) => boolean

/** Gives the matcher of a pattern, or why there is none. */
export interface Patterns {
  readonly regex: (pattern: string) => Result.Result<Matches, string>
  readonly glob: (pattern: string) => Result.Result<Matches, string>
}

/** The longest pattern, in UTF-16 units. An id is at most 512 bytes; RE2's time grows with the pattern's length too. */
const maxLength = 1000

/** The most alternatives that the braces of one glob may spell out, and the most braces and parentheses it may have. */
const maxExpansions = 100
const maxGroups = 16

/** Compiles each time it is asked: 30 to 60 µs. */
export const uncached: Patterns = {
  regex: (pattern) =>
    pattern.length > maxLength
      ? Result.fail(`the regular expression is longer than ${maxLength} characters`)
      : compile(() => {
          const compiled = RE2JS.compile(pattern)
          return (text) => compiled.test(text)
        }),
  glob: (pattern) => {
    const problem = globProblem(pattern)
    return problem === undefined ? compile(() => globMatcher(pattern)) : Result.fail(problem)
  }
}

const compile = (make: () => Matches): Result.Result<Matches, string> =>
  Result.try({ try: make, catch: (cause) => (cause instanceof Error ? cause.message : String(cause)) })

/** Keeps the `size` patterns of each sort that were used last. */
export const cached = (size: number): Patterns => {
  if (size === 0) return uncached
  const keep = (make: (pattern: string) => Result.Result<Matches, string>) => {
    const cache = new LRUCache<string, Result.Result<Matches, string>>({ max: size })
    return (pattern: string) => {
      const known = cache.get(pattern)
      if (known !== undefined) return known
      const compiled = make(pattern)
      cache.set(pattern, compiled)
      return compiled
    }
  }
  return { regex: keep(uncached.regex), glob: keep(uncached.glob) }
}

/** The text that all matches of a glob begin with; `exact` where it is all of the glob. */
export const literalPrefix = (glob: string): { readonly text: string; readonly exact: boolean } => {
  const at = glob.search(/[*?[\]{}()\\+@!|]/)
  return at < 0 ? { text: glob, exact: true } : { text: glob.slice(0, at), exact: false }
}

const options: MinimatchOptions = { dot: true, nocomment: true, nonegate: true, platform: "linux" }

// To minimatch a "/" separates path portions that "*" does not cross, and portions "." and ".." match no wildcard.
// Kinds and ids are no paths: a stand-in takes the place of the "/", which no kind or id can hold, and a guard in front
// keeps "." from being a portion. Globs with "**" between slashes are also tried as paths, where it may be no portion.
const standIn = "\u0001"
const flat = (text: string) => `=${text.replaceAll("/", standIn)}`

const globMatcher = (pattern: string): Matches => {
  if (literalPrefix(pattern).exact) return (text) => text === pattern
  const whole = new Minimatch(flat(pattern), { ...options, noglobstar: true })
  if (!pattern.includes("**") || !pattern.includes("/")) return (text) => whole.match(flat(text))
  const path = new Minimatch(pattern, { ...options, preserveMultipleSlashes: true, optimizationLevel: 0 })
  return (text) => whole.match(flat(text)) || path.match(text)
}

const globProblem = (pattern: string): string | undefined => {
  if (pattern.length > maxLength) return `the glob is longer than ${maxLength} characters`
  if (/\p{Cc}/u.test(pattern)) return "the glob holds control characters, which no kind or id has"
  // minimatch leaves out what its limits exclude without a word, and a negated criterion would then match too much.
  if (pattern.split("{").length - 1 > maxGroups) return `the glob has more than ${maxGroups} braces`
  // 200 of "!(a)" against 500 letters take 0.4 s: not for ever, but for each entry.
  if (pattern.split("(").length - 1 > maxGroups) return `the glob has more than ${maxGroups} parentheses`
  if (braceExpand(pattern, { braceExpandMax: maxExpansions + 1 }).length > maxExpansions) {
    return `the braces of the glob spell out more than ${maxExpansions} alternatives`
  }
  return undefined
}
