/**
 * Strict JSON: where each document of a text is, and where the first thing is that JSON does not have.
 *
 * The values come from the YAML parser, which knows positions, big integers and repeated keys; YAML reads everything
 * that JSON has and more, so `JSON.parse` decides first.
 */
import * as Result from "effect/Result"
import { CST, Lexer } from "yaml"

/** One document: its text, where that begins, and its value, with numbers as `JSON.parse` rounds them. */
export interface Piece {
  readonly offset: number
  readonly text: string
  readonly value: unknown
}

/** Something wrong at an offset of the text. */
export interface Problem {
  readonly offset: number
  readonly reason: string
}

/** The documents of a text: usually one; several may follow each other, a line each or not. */
export const split = (text: string): Result.Result<ReadonlyArray<Piece>, Problem> => {
  if (text.trim() === "") return Result.succeed([])
  const whole = parse(text, 0, undefined)
  if (Result.isSuccess(whole)) return Result.succeed([whole.success])
  const { odd, starts } = scan(text)
  const pieces: Array<Piece> = []
  for (const [i, start] of starts.entries()) {
    const piece = parse(text.slice(start, starts[i + 1]), start, odd)
    if (Result.isFailure(piece)) return Result.fail(piece.failure)
    pieces.push(piece.success)
  }
  return Result.succeed(pieces)
}

const parse = (text: string, offset: number, odd: number | undefined): Result.Result<Piece, Problem> =>
  Result.try({
    try: () => ({ offset, text, value: JSON.parse(text) as unknown }),
    catch: (cause) => {
      const message = cause instanceof Error ? cause.message : String(cause)
      const at = / at position (\d+)/.exec(message)?.[1]
      const what = message.replace(/ in JSON at position.*$|, (?:\.\.\.)?".*$/s, "")
      return {
        // An engine that meets a token it does not know names the token and not the place.
        offset: at === undefined ? Math.max(offset, odd ?? offset) : offset + Number(at),
        reason: `this is not JSON, which has no comments, no trailing commas and its keys in double quotes: ${what}`
      }
    }
  })

const literal = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/

/** Where each document starts, and the first token that no JSON document has there. */
const scan = (text: string): { readonly starts: ReadonlyArray<number>; readonly odd: number | undefined } => {
  const starts = [0]
  let odd: number | undefined
  let offset = 0
  let depth = 0
  let before: string | null = null
  for (const lexeme of new Lexer().lex(text)) {
    const type: string | null = before === "scalar" ? "plain" : CST.tokenType(lexeme)
    // Marks of the lexer itself, which stand for no text.
    if (type === "doc-mode" || type === "flow-error-end") continue
    if (type === "scalar") {
      before = type
      continue
    }
    if (depth === 0 && type !== "space" && type !== "newline" && text.slice(starts.at(-1), offset).trim() !== "") {
      starts.push(offset)
    }
    if (odd === undefined && isOdd(type, before, lexeme)) odd = offset
    if (type === "flow-map-start" || type === "flow-seq-start") depth++
    if (type === "flow-map-end" || type === "flow-seq-end") depth--
    if (type !== "space" && type !== "newline") before = type
    offset += lexeme.length
  }
  return { starts, odd }
}

const isOdd = (type: string | null, before: string | null, lexeme: string): boolean => {
  const afterOpening = before === "flow-map-start" || before === "flow-seq-start"
  switch (type) {
    case "space":
    case "newline":
    case "double-quoted-scalar":
    case "flow-map-start":
    case "flow-seq-start":
      return false
    case "plain":
      return !literal.test(lexeme)
    case "flow-map-end":
    case "flow-seq-end":
      return before === "comma" || before === "map-value-ind"
    case "comma":
    case "map-value-ind":
      return before === "comma" || before === "map-value-ind" || afterOpening
    default:
      return true
  }
}
