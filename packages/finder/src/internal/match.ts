/** What each operator asks of a field's value. Built once for a criterion, then run over entries. */
import type * as Value from "@heph/entry/Value"
import * as Result from "effect/Result"
import type { Field } from "../Field.ts"
import type { Operator } from "../Query.ts"
import * as Key from "./key.ts"
import * as Literal from "./literal.ts"
import type { Matches, Patterns } from "./patterns.ts"

/** Whether a field's value, nothing if it is missing, holds to a criterion that is not negated. */
export type Holds = (found: Value.Value | undefined) => boolean

/** Asked of the field's value, or of each item if that is a list. */
type Test = (candidate: Value.Value, inList: boolean) => boolean

/** Whether an operator on a field compares with text alone. */
export const wantsText = (field: Field, operator: Operator): boolean =>
  field._tag === "Root" || operator === "~" || operator === "^" || operator === "$"

/** The test of a criterion, or why its wanted value is none for this field and operator. */
export const compile = (
  field: Field,
  operator: Operator,
  wanted: Value.Value,
  patterns: Patterns
): Result.Result<Holds, string> => {
  if (operator === "?") {
    return wanted === true
      ? Result.succeed((found) => found !== undefined)
      : Result.fail(`"?" asks that the field is there and takes no value but true; "!?" asks that it is not`)
  }
  if (!Key.isList(wanted)) {
    return Result.map(compileTest(field, operator, wanted, patterns), (test) => (found) => any(found, test))
  }
  const tests: Array<Test> = []
  for (const item of wanted) {
    const test = compileTest(field, operator, item, patterns)
    if (Result.isFailure(test)) return Result.fail(test.failure)
    tests.push(test.success)
  }
  // No item is wanted of an empty list, only that there is a list.
  return Result.succeed(tests.length === 0 ? Key.isList : (found) => tests.every((test) => any(found, test)))
}

const any = (found: Value.Value | undefined, test: Test): boolean => {
  if (found === undefined) return false
  if (!Key.isList(found)) return test(found, false)
  for (const item of found) if (test(item, true)) return true
  return false
}

const compileTest = (
  field: Field,
  operator: Operator,
  wanted: Value.Value,
  patterns: Patterns
): Result.Result<Test, string> => {
  if (wantsText(field, operator)) {
    if (typeof wanted !== "string") {
      return Result.fail(`it wants text, or a list of texts, and not ${describe(wanted)}`)
    }
    return textTest(operator, wanted, patterns)
  }
  switch (operator) {
    case "=":
      return Result.succeed(equality(wanted))
    case "*":
      return Result.succeed(
        typeof wanted === "string"
          ? (candidate) => typeof candidate === "string" && candidate.includes(wanted)
          : (candidate, inList) => inList && Key.same(candidate, wanted)
      )
    default:
      return ordered(operator, wanted)
  }
}

const textTest = (operator: Operator, wanted: string, patterns: Patterns): Result.Result<Test, string> => {
  switch (operator) {
    case "=":
      return Result.map(patterns.glob(wanted), onText)
    case "~":
      return Result.map(patterns.regex(wanted), onText)
    case "*":
      return Result.succeed(onText((text) => text.includes(wanted)))
    case "^":
      return Result.succeed(onText((text) => text.startsWith(wanted)))
    case "$":
      return Result.succeed(onText((text) => text.endsWith(wanted)))
    default:
      return ordered(operator, wanted)
  }
}

const onText =
  (matches: Matches): Test =>
  (candidate) =>
    typeof candidate === "string" && matches(candidate)

const equality = (wanted: Value.Value): Test =>
  typeof wanted === "string" || typeof wanted === "boolean" || wanted === null
    ? (candidate) => candidate === wanted
    : (candidate) => Key.same(candidate, wanted)

const ordered = (operator: Operator, wanted: Value.Value): Result.Result<Test, string> => {
  const holds = outcomes[operator]!
  const key = Key.of(wanted)
  if (key.rank !== Key.rank.number && key.rank !== Key.rank.text && key.rank !== Key.rank.date) {
    return Result.fail(`it wants a number, text or a date to compare with, and not ${describe(wanted)}`)
  }
  const instant = instantOf(wanted)
  return Result.succeed((candidate) => {
    const other = Key.of(candidate)
    if (other.rank === key.rank) return holds(Key.compare(other, key))
    if (instant === undefined) return false
    const at = instantOf(candidate)
    return at !== undefined && holds(at - instant)
  })
}

const outcomes: Readonly<Partial<Record<Operator, (order: number) => boolean>>> = {
  ">": (order) => order > 0,
  ">=": (order) => order >= 0,
  "<": (order) => order < 0,
  "<=": (order) => order <= 0
}

/** The instant of a date, or of text that spells one as ISO 8601 does. */
export const instantOf = (value: Value.Value): number | undefined => {
  if (typeof value === "string") return Literal.readInstant(value)
  return value instanceof Date ? value.getTime() : undefined
}

const describe = (value: Value.Value): string => {
  if (value === null) return "null"
  if (typeof value === "bigint" || typeof value === "number") return `the number ${value}`
  if (typeof value === "boolean") return String(value)
  if (value instanceof Date) return "a date"
  if (value instanceof Uint8Array) return "bytes"
  return Key.isList(value) ? "a list" : "a record"
}
