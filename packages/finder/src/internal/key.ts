/**
 * The one order over all values that indexes, ranges and `sortBy` share: by type first, then by value.
 *
 *     null · booleans · numbers · NaN · text · dates · bytes · lists · records
 *
 * Numbers and `bigint`s are one type here, compared by value; text is compared by code point. Bytes, lists and records
 * have a place among the types but no order among themselves.
 */
import * as Value from "@heph/entry/Value"
import { compareValues, type Value as Comparable } from "./tree.ts"

/** Where the types stand. `list` is a list inside a list; `isList` marks that a field as such holds a list. */
export const rank = {
  null: 0,
  boolean: 1,
  number: 2,
  nan: 3,
  text: 4,
  date: 5,
  bytes: 6,
  list: 7,
  record: 8,
  isList: 9
} as const

export interface Key {
  readonly rank: number
  /** Comparable with the values of the same rank: text with text, numbers and `bigint`s with each other. */
  readonly value: Comparable
}

/** One representation for equal numbers: integers beyond 2^53 that fit into 64 bits are `bigint`, all others numbers. */
export const canonicalNumber = (value: number | bigint): number | bigint => {
  if (typeof value === "bigint") {
    return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value
  }
  return Number.isInteger(value) && !Number.isSafeInteger(value) && value >= -(2 ** 63) && value < 2 ** 64
    ? BigInt(value)
    : value
}

export const of = (value: Value.Value): Key => {
  switch (typeof value) {
    case "string":
      return { rank: rank.text, value }
    case "number":
    case "bigint":
      return Number.isNaN(value) ? { rank: rank.nan, value: 0 } : { rank: rank.number, value: canonicalNumber(value) }
    case "boolean":
      return { rank: rank.boolean, value: value ? 1 : 0 }
    default:
      if (value === null) return { rank: rank.null, value: 0 }
      if (value instanceof Date) return { rank: rank.date, value: value.getTime() }
      if (value instanceof Uint8Array) return { rank: rank.bytes, value: 0 }
      return { rank: Array.isArray(value) ? rank.list : rank.record, value: 0 }
  }
}

/** The keys under which a field's value is found: one of a single value, one for each distinct item of a list. */
export const ofField = (value: Value.Value | undefined): ReadonlyArray<Key> => {
  if (value === undefined) return []
  if (!isList(value)) return [of(value)]
  const keys = value.map(of).toSorted(compare)
  const distinct = keys.filter((key, i) => i === 0 || compare(keys[i - 1]!, key) !== 0)
  return [...distinct, { rank: rank.isList, value: 0 }]
}

export const compare = (a: Key, b: Key): number =>
  a.rank === b.rank ? compareValues(a.value, b.value) : a.rank - b.rank

/** Equality as criteria have it: `Value.equals`, with numbers and `bigint`s equal by value at any depth. */
export const same = (a: Value.Value, b: Value.Value): boolean => {
  if (isNumeric(a)) return isNumeric(b) && compare(of(a), of(b)) === 0
  if (isList(a)) return isList(b) && a.length === b.length && a.every((item, i) => same(item, b[i]!))
  if (!Value.isRecord(a)) return Value.equals(a, b)
  if (!Value.isRecord(b)) return false
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && same(a[key]!, b[key]!))
}

/** `Array.isArray`, which does not narrow to lists that cannot be changed. */
export const isList = (value: Value.Value | undefined): value is ReadonlyArray<Value.Value> => Array.isArray(value)

const isNumeric = (value: Value.Value): value is number | bigint =>
  typeof value === "number" || typeof value === "bigint"
