/**
 * What a search asks: criteria of the finder, and three of its own.
 *
 *     code~<expression>   code*<text>   !code~… !code*…      what is in a file of the version
 *     near <id>                                              how much its lines are those of another version
 */
import * as Result from "effect/Result"
import { RE2JS, RE2JSSyntaxException } from "re2js"
import { InvalidSearch } from "../ImplementationError.ts"

/** A look into code. */
export interface Code {
  /** As it was written. */
  readonly text: string
  readonly matches: (code: string) => boolean
  /** Whether no file may match. */
  readonly negated: boolean
}

export interface Criteria {
  /** For the finder. */
  readonly words: ReadonlyArray<string>
  readonly code: ReadonlyArray<Code>
  readonly near: string | undefined
}

/** The longest expression and text, in UTF-16 units. */
const longest = 1000

/** Reads criteria, each an item of a list as a command line hands it over. */
export const read = (criteria: ReadonlyArray<string>): Result.Result<Criteria, InvalidSearch> => {
  const words: Array<string> = []
  const code: Array<Code> = []
  let near: string | undefined
  for (let i = 0; i < criteria.length; i++) {
    const text = criteria[i]!
    const refuse = (reason: string, expected: string) =>
      Result.fail(new InvalidSearch({ criterion: text, reason, expected }))
    // `code~x` as it reads best, `~code=x` as the finder writes it.
    const inside = /^(!?)(?:code([~*])=?|([~*])code=)([^]*)$/.exec(text)
    if (inside !== null) {
      const [, not, after, before, wanted = ""] = inside
      if (wanted === "") return refuse("it looks for nothing", "text follows, as in code*eval")
      if (wanted.length > longest) return refuse("it is too long", `at most ${longest} characters`)
      if ((after ?? before) === "*") {
        code.push({ text, negated: not === "!", matches: (body) => body.includes(wanted) })
        continue
      }
      const compiled = Result.try({
        try: () => RE2JS.compile(wanted, RE2JS.MULTILINE),
        catch: (cause) => {
          if (cause instanceof RE2JSSyntaxException) return cause.message
          throw cause
        }
      })
      if (Result.isFailure(compiled)) return refuse(compiled.failure, "an expression that RE2 understands")
      const expression = compiled.success
      code.push({ text, negated: not === "!", matches: (body) => expression.test(body) })
      continue
    }
    if (/^!?[~*^$<>]?=?code\b/.test(text)) {
      return refuse("code is looked into by expression or by text", "code~<expression> or code*<text>")
    }
    const beside = /^near(?:=(.*))?$/.exec(text)
    if (beside !== null) {
      const id = beside[1] ?? criteria[++i]
      if (id === undefined || id === "")
        return refuse("it is near nothing", "the id of a version follows: near web.parser:3")
      if (near !== undefined) return refuse("there can be only one of it", "one near <id>")
      near = id
      continue
    }
    words.push(text)
  }
  return Result.succeed({ words, code, near })
}
