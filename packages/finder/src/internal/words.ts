/** Queries as words: splitting a text into them, and the value after a word's `=`. */
import type * as Value from "@heph/entry/Value"
import * as Result from "effect/Result"
import * as Literal from "./literal.ts"

/** Words are what white space separates, except inside quotes; or the word at which a quote is not closed. */
export const split = (
  text: string
): Result.Result<ReadonlyArray<string>, { readonly index: number; readonly word: string }> => {
  const words: Array<string> = []
  let at = 0
  while (true) {
    blank.lastIndex = at
    at += blank.exec(text)![0].length
    if (at === text.length) return Result.succeed(words)
    word.lastIndex = at
    const found = word.exec(text)?.[0] ?? ""
    at += found.length
    if (at < text.length && !/\s/.test(text[at]!)) {
      return Result.fail({ index: words.length, word: found + text.slice(at) })
    }
    words.push(found)
  }
}

const blank = /\s*/y
const word = /(?:[^\s"']+|"(?:[^"\\]|\\[^])*"|'[^']*')+/y

/**
 * The value that is written after a word's `=`, or why there is none. Where only text can be meant, a bare word is text
 * whatever it looks like, and so are brackets that hold no JSON list of texts: they may be a glob or an expression.
 */
export const readValue = (text: string, textOnly: boolean): Result.Result<unknown, string> => {
  switch (text[0]) {
    case undefined:
      return Result.fail(`nothing follows the "="; write "" for empty text`)
    case `"`: {
      const value = Literal.read(text)
      return Result.isSuccess(value) && typeof value.success === "string"
        ? value
        : Result.fail(`${text} is not text as JSON quotes it; in single quotes a backslash is just itself`)
    }
    case "'":
      return text.length > 1 && text.indexOf("'", 1) === text.length - 1
        ? Result.succeed(text.slice(1, -1))
        : Result.fail(`${text} is not text between two single quotes`)
    case "[":
    case "{":
      return readJson(text, textOnly)
    default:
      return textOnly ? Result.succeed(text) : readBare(text)
  }
}

/** The shortest text that {@link readValue} reads as the value: bare where that is text, JSON otherwise. */
export const showValue = (value: Value.Value, textOnly: boolean): string => {
  if (typeof value !== "string" || !/^[^\s"'[{\p{C}][^\s"'\p{C}]*$/u.test(value)) return Literal.show(value)
  return textOnly || Result.getOrUndefined(readBare(value)) === value ? value : Literal.show(value)
}

const readBare = (text: string): Result.Result<unknown, string> => {
  if (text === "true" || text === "false") return Result.succeed(text === "true")
  if (text === "null") return Result.succeed(null)
  const number = Literal.readNumber(text)
  return number === Infinity || number === -Infinity
    ? Result.fail(`the number ${text} is too large`)
    : Result.succeed(number ?? text)
}

const readJson = (text: string, textOnly: boolean): Result.Result<unknown, string> => {
  const value = Literal.read(text)
  if (!textOnly) {
    return Result.mapError(value, (reason) => `${reason}; put text that begins with ${text[0]} into quotes`)
  }
  const texts = Result.getOrUndefined(value)
  return Result.succeed(Array.isArray(texts) && texts.every((item) => typeof item === "string") ? texts : text)
}
