/** What each operator asks of a field's value. Built once for a criterion, then run over entries. */
import type * as Value from "@heph/entry/Value"
import * as Result from "effect/Result"
import type { Operator } from "../Ast.ts"
import type { Field } from "../Field.ts"
import type { Need } from "./grams.ts"
import * as Key from "./key.ts"
import type { Compiled, Patterns } from "./patterns.ts"

/** Whether a field's value, nothing if it is missing, holds to a criterion that is not negated. */
export type Holds = (found: Value.Value | undefined) => boolean

/** What a wanted value asks, and what an index may go by. */
export interface Item {
  /** Nothing stands for an empty list, which wants a list. */
  readonly wanted: Value.Value | undefined
  readonly test: (candidate: Value.Value, inList: boolean) => boolean
  /** The value it equals, where it asks for nothing else; the text it begins with; what it holds. */
  readonly literal?: Value.Value | undefined
  readonly prefix?: string | undefined
  readonly need?: Need | undefined
}

export interface Matcher {
  readonly holds: Holds
  readonly items: ReadonlyArray<Item>
}

/** Why a wanted value is none for a field and an operator, and what would be one. */
export interface Refusal {
  readonly reason: string
  readonly expected: string
}

/** Whether an operator on a field compares with text alone. */
export const wantsText = (field: Field, operator: Operator): boolean =>
  field._tag === "Root" || operator === "~" || operator === "^" || operator === "$"

/** The test of a criterion, or why its wanted value is none for this field and operator. */
export const compile = (
  field: Field,
  operator: Operator,
  wanted: Value.Value,
  patterns: Patterns
): Result.Result<Matcher, Refusal> => {
  if (operator === "?") {
    return wanted === true
      ? Result.succeed({ holds: (found) => found !== undefined, items: [] })
      : refuse(`"?" asks that the field is there and takes no value but true`, `"!?" asks that it is not`)
  }
  if (!Key.isList(wanted)) {
    return Result.map(itemOf(field, operator, wanted, patterns), (item) => ({
      holds: (found) => any(found, item),
      items: [item]
    }))
  }
  const items: Array<Item> = []
  for (const each of wanted) {
    const item = itemOf(field, operator, each, patterns)
    if (Result.isFailure(item)) return Result.fail(item.failure)
    items.push(item.success)
  }
  // No item is wanted of an empty list, only that there is a list.
  if (items.length === 0) return Result.succeed({ holds: Key.isList, items: [{ wanted: undefined, test: () => true }] })
  return Result.succeed({ holds: (found) => items.every((item) => any(found, item)), items })
}

const any = (found: Value.Value | undefined, { test }: Item): boolean => {
  if (found === undefined) return false
  if (!Key.isList(found)) return test(found, false)
  for (const item of found) if (test(item, true)) return true
  return false
}

const itemOf = (
  field: Field,
  operator: Operator,
  wanted: Value.Value,
  patterns: Patterns
): Result.Result<Item, Refusal> => {
  if (wantsText(field, operator)) {
    return typeof wanted === "string"
      ? textItem(operator, wanted, patterns)
      : refuse(`it is ${describe(wanted)}`, "text or a list of texts is wanted here")
  }
  switch (operator) {
    case "=":
      return Result.succeed(equality(wanted))
    case "*":
      return typeof wanted === "string"
        ? Result.succeed(containing(wanted))
        : Result.succeed({ wanted, test: (candidate, inList) => inList && Key.same(candidate, wanted) })
    default:
      return ordered(operator, wanted)
  }
}

const textItem = (operator: Operator, wanted: string, patterns: Patterns): Result.Result<Item, Refusal> => {
  switch (operator) {
    case "=":
      return patternItem(wanted, patterns.glob(wanted))
    case "~":
      return patternItem(wanted, patterns.regex(wanted))
    case "*":
      return Result.succeed(containing(wanted))
    case "^":
      return Result.succeed({
        wanted,
        test: (candidate) => typeof candidate === "string" && candidate.startsWith(wanted),
        prefix: wanted
      })
    case "$":
      return Result.succeed({
        wanted,
        test: (candidate) => typeof candidate === "string" && candidate.endsWith(wanted),
        need: { _tag: "Text", text: wanted, atEnd: true }
      })
    default:
      return ordered(operator, wanted)
  }
}

const patternItem = (wanted: string, compiled: Compiled): Result.Result<Item, Refusal> =>
  Result.map(compiled, ({ exact, matches, need, prefix }) => ({
    wanted,
    test: (candidate) => typeof candidate === "string" && matches(candidate),
    literal: exact ? prefix : undefined,
    prefix: prefix === "" ? undefined : prefix,
    need
  }))

const containing = (wanted: string): Item => ({
  wanted,
  test: (candidate) => typeof candidate === "string" && candidate.includes(wanted),
  need: { _tag: "Text", text: wanted, atEnd: false }
})

const equality = (wanted: Value.Value): Item => ({
  wanted,
  test:
    typeof wanted === "string" || typeof wanted === "boolean" || wanted === null
      ? (candidate) => candidate === wanted
      : (candidate) => Key.same(candidate, wanted),
  literal: wanted
})

const ordered = (operator: Operator, wanted: Value.Value): Result.Result<Item, Refusal> => {
  const holds = outcomes[operator]!
  const key = Key.of(wanted)
  if (key.rank !== Key.rank.number && key.rank !== Key.rank.text && key.rank !== Key.rank.date) {
    return refuse(`it is ${describe(wanted)}`, "a number, text or a date to compare with is wanted here")
  }
  return Result.succeed({
    wanted,
    test: (candidate) => {
      const other = Key.of(candidate)
      return other.rank === key.rank && holds(Key.compare(other, key))
    }
  })
}

const outcomes: Readonly<Partial<Record<Operator, (order: number) => boolean>>> = {
  ">": (order) => order > 0,
  ">=": (order) => order >= 0,
  "<": (order) => order < 0,
  "<=": (order) => order <= 0
}

const describe = (value: Value.Value): string => {
  if (value === null) return "null"
  if (typeof value === "bigint" || typeof value === "number") return `the number ${value}`
  if (typeof value === "boolean") return String(value)
  if (value instanceof Date) return "a date"
  if (value instanceof Uint8Array) return "bytes"
  return Key.isList(value) ? "a list" : "a record"
}

const refuse = (reason: string, expected: string): Result.Result<never, Refusal> => Result.fail({ reason, expected })
