/**
 * Queries as words: splitting a text into them, and the value after a word's `=`.
 *
 *     text   ──split──▶   words, each with where it stands, and groups of them: any( … ) all( … )
 *
 * Outside groups a word ends at white space. In a group it also ends at a parenthesis that it did not open.
 */
import type * as Value from "@heph/entry/Value"
import * as Result from "effect/Result"
import * as Literal from "./literal.ts"

/** What a text says, before its words are understood. `at` is where it begins, in UTF-16 units. */
export type Part =
  | { readonly _tag: "Word"; readonly at: number; readonly text: string }
  | {
      readonly _tag: "Group"
      readonly at: number
      readonly text: string
      readonly kind: "any" | "all"
      readonly negated: boolean
      readonly parts: ReadonlyArray<Part>
    }

/** What cannot be understood: the part as written, where in all of the text, why, and what would be understood there. */
export interface Problem {
  readonly part: string
  readonly at: number
  readonly reason: string
  readonly expected: string
}

/** How deep groups may lie in each other. */
export const maxDepth = 32

/** The parts of a text, or the first at which a quote or a group is not closed, with its place among the parts. */
export const split = (text: string): Result.Result<ReadonlyArray<Part>, Problem & { readonly index: number }> => {
  const parts: Array<Part> = []
  let at = skipBlank(text, 0)
  while (at < text.length) {
    const part = take(text, at, 0)
    if (Result.isFailure(part)) return Result.fail({ ...part.failure, index: parts.length })
    parts.push(part.success)
    at = skipBlank(text, at + part.success.text.length)
  }
  return Result.succeed(parts)
}

/** The one part that a text is, as an item of a list is: a word as it stands, or a group. */
export const only = (text: string): Result.Result<Part, Problem> => {
  if (!startsGroup(text, 0)) return Result.succeed({ _tag: "Word", at: 0, text })
  const part = take(text, 0, 0)
  if (Result.isFailure(part)) return part
  const end = part.success.text.length
  if (skipBlank(text, end) === text.length) return part
  return problem(
    text,
    end,
    `${JSON.stringify(text.slice(end))} follows the group`,
    "one criterion or one group an item"
  )
}

const take = (text: string, at: number, depth: number): Result.Result<Part, Problem> => {
  if (startsGroup(text, at)) return takeGroup(text, at, depth)
  const found = depth === 0 ? match(outside, text, at) : takeInside(text, at)
  const end = at + found.length
  const next = text[end]
  if (next === `"` || next === "'") {
    return problem(text.slice(at), end, "a quote is not closed", `the word ends with ${next}`)
  }
  return Result.succeed({ _tag: "Word", at, text: found })
}

const takeGroup = (text: string, at: number, depth: number): Result.Result<Part, Problem> => {
  const head = match(groupHead, text, at)
  if (depth === maxDepth) {
    return problem(head, at, `groups lie in each other more than ${maxDepth} deep`, "a flatter query")
  }
  const parts: Array<Part> = []
  let end = skipBlank(text, at + head.length)
  while (text[end] !== ")") {
    if (end === text.length) return problem(text.slice(at), end, "the group is not closed", `a criterion or ")"`)
    const part = take(text, end, depth + 1)
    if (Result.isFailure(part)) return part
    parts.push(part.success)
    end = skipBlank(text, end + part.success.text.length)
  }
  const negated = head.startsWith("!")
  const kind = head.includes("any") ? "any" : "all"
  return Result.succeed({ _tag: "Group", at, text: text.slice(at, end + 1), kind, negated, parts })
}

/** A word in a group: up to white space, or the parenthesis that closes the group. */
const takeInside = (text: string, at: number): string => {
  let end = at
  let open = 0
  while (true) {
    end += match(inside, text, end).length
    if (text[end] === "(") open++
    else if (text[end] === ")" && open > 0) open--
    else return text.slice(at, end)
    end++
  }
}

const outside = /(?:[^\s"']+|"(?:[^"\\]|\\[^])*"|'[^']*')*/y
const inside = /(?:[^\s"'()]+|"(?:[^"\\]|\\[^])*"|'[^']*')*/y
const groupHead = /!?(?:any|all)\(/y
const blank = /\s*/y

const match = (pattern: RegExp, text: string, at: number): string => {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0] ?? ""
}
const skipBlank = (text: string, at: number): number => at + match(blank, text, at).length
const startsGroup = (text: string, at: number): boolean => match(groupHead, text, at) !== ""

const problem = (part: string, at: number, reason: string, expected: string): Result.Result<never, Problem> =>
  Result.fail({ part, at, reason, expected })

/** Why there is no value, and what would be one. */
interface Refusal {
  readonly reason: string
  readonly expected: string
}

/**
 * The value that is written after a word's `=`, or why there is none. Where only text can be meant, a bare word is text
 * whatever it looks like, and so are brackets that hold no JSON list of texts: they may be a glob or an expression.
 */
export const readValue = (text: string, textOnly: boolean): Result.Result<unknown, Refusal> => {
  switch (text[0]) {
    case undefined:
      return refuse(`nothing follows the "="`, `write "" for empty text`)
    case `"`: {
      const value = Literal.read(text)
      return Result.isSuccess(value) && typeof value.success === "string"
        ? Result.succeed(value.success)
        : refuse(`${text} is not text as JSON quotes it`, "in single quotes a backslash is just itself")
    }
    case "'":
      return text.length > 1 && text.indexOf("'", 1) === text.length - 1
        ? Result.succeed(text.slice(1, -1))
        : refuse(`${text} is not text between two single quotes`, "double quotes may hold single ones")
    case "[":
    case "{":
      return readJson(text, textOnly)
    default:
      return textOnly ? Result.succeed(text) : readBare(text)
  }
}

/** The shortest text that {@link readValue} reads as the value, in a group too: bare where it may be, JSON otherwise. */
export const showValue = (value: Value.Value, textOnly: boolean): string => {
  if (typeof value !== "string" || !/^[^\s"'()[{\p{C}][^\s"'()\p{C}]*$/u.test(value)) return Literal.show(value)
  return textOnly || Result.getOrUndefined(readBare(value)) === value ? value : Literal.show(value)
}

const readBare = (text: string): Result.Result<unknown, Refusal> => {
  if (text === "true" || text === "false") return Result.succeed(text === "true")
  if (text === "null") return Result.succeed(null)
  const number = Literal.readNumber(text)
  return number === Infinity || number === -Infinity
    ? refuse(`the number ${text} is too large`, `put it into quotes if it is text`)
    : Result.succeed(number ?? text)
}

const readJson = (text: string, textOnly: boolean): Result.Result<unknown, Refusal> => {
  const value = Literal.read(text)
  if (!textOnly) {
    return Result.mapError(value, (reason) => ({
      reason,
      expected: `put text that begins with ${text[0]} into quotes`
    }))
  }
  const texts = Result.getOrUndefined(value)
  return Result.succeed(Array.isArray(texts) && texts.every((item) => typeof item === "string") ? texts : text)
}

const refuse = (reason: string, expected: string): Result.Result<never, Refusal> => Result.fail({ reason, expected })
