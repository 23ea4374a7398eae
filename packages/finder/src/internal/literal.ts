/**
 * Values written as text: JSON, where JSON has no form with one of its own.
 *
 *     12345678901234567890   an integer of any size up to 64 bits
 *     {"$date":"2026-01-31T12:00:00.000Z"}   {"$bytes":"AQID"}   {"$number":"NaN"}   {"$number":"12345678901234567890"}
 *     {"$$date":1}           the record {"$date":1}: in a record of one key that begins with "$", one more "$"
 */
import type * as Value from "@heph/entry/Value"
import * as Base64 from "effect/encoding/Base64"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as Key from "./key.ts"

/** The text of a value; {@link read} gives an equal one back. */
export const show = (value: Value.Value): string => {
  if (typeof value === "number") {
    if (!Number.isFinite(value)) return `{"$number":"${value}"}`
    // Written out, an integer beyond 64 bits would read as one that does not fit.
    return Number.isInteger(value) && !Number.isSafeInteger(value) && typeof Key.canonicalNumber(value) === "number"
      ? value.toExponential()
      : String(value)
  }
  if (typeof value === "bigint") return String(value)
  if (typeof value !== "object" || value === null) return JSON.stringify(value)
  if (value instanceof Date) return `{"$date":"${value.toISOString()}"}`
  if (value instanceof Uint8Array) return `{"$bytes":"${Base64.encode(value)}"}`
  if (Key.isList(value)) return `[${value.map(show).join(",")}]`
  const keys = Object.keys(value)
  const escape = keys.length === 1 && keys[0]!.startsWith("$") ? "$" : ""
  return `{${keys.map((key) => `${JSON.stringify(escape + key)}:${show(value[key]!)}`).join(",")}}`
}

/** The value as JSON has it, in which {@link show} would write it, but for integers beyond 2^53: `{"$number":"2^53…"}`. */
export const toJson = (value: Value.Value): Schema.Json => {
  if (typeof value === "bigint") return { $number: String(value) }
  if (typeof value === "number") return Number.isFinite(value) ? value : { $number: String(value) }
  if (typeof value !== "object" || value === null) return value
  if (value instanceof Date) return { $date: value.toISOString() }
  if (value instanceof Uint8Array) return { $bytes: Base64.encode(value) }
  if (Key.isList(value)) return value.map(toJson)
  const keys = Object.keys(value)
  const escape = keys.length === 1 && keys[0]!.startsWith("$") ? "$" : ""
  return Object.fromEntries(keys.map((key) => [escape + key, toJson(value[key]!)]))
}

/** The value of JSON, or why it is none. */
export const fromJson = (json: Schema.Json): Result.Result<unknown, string> =>
  Result.flatMap(Result.try({ try: () => JSON.stringify(json), catch: () => "it is nested too deep" }), (text) =>
    read(text)
  )

/** The value of a text, or why it is none. */
export const read = (text: string): Result.Result<unknown, string> =>
  Result.try({
    try: () => JSON.parse(text, revive) as unknown,
    catch: (cause) => (cause instanceof Error ? cause.message : String(cause))
  })

/** The number that the whole text spells as JSON does, integers beyond 2^53 as `bigint`; nothing for other text. */
export const readNumber = (text: string): number | bigint | undefined => {
  if (!/^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(text)) return undefined
  return Key.canonicalNumber(/^-?\d+$/.test(text) ? BigInt(text) : Number(text))
}

/**
 * The milliseconds of an ISO 8601 text: a day, or a time with its offset. A time without one would mean another instant
 * on another machine, and is none.
 */
const readInstant = (text: string): number | undefined => {
  if (!/^(?:\d{4}|[+-]\d{6})-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d))?$/.test(text)) {
    return undefined
  }
  const instant = Date.parse(text)
  return Number.isNaN(instant) ? undefined : instant
}

const revive = (_key: string, value: unknown, context?: { readonly source?: string }): unknown => {
  if (typeof value === "number") {
    const number = readNumber(context?.source ?? String(value))!
    if (number === Infinity || number === -Infinity) throw new Error(`the number ${context?.source} is too large`)
    return number
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value
  const keys = Object.keys(value)
  const key = keys[0]
  if (keys.length !== 1 || key === undefined || !key.startsWith("$")) return value
  const inner = (value as Record<string, unknown>)[key]
  if (key.startsWith("$$")) return { [key.slice(1)]: inner }
  const tag = tags[key]
  if (tag === undefined) return value
  const tagged = typeof inner === "string" ? tag(inner) : undefined
  if (tagged === undefined) throw new Error(`${JSON.stringify({ [key]: inner })} is no ${key.slice(1)}`)
  return tagged
}

const tags: Readonly<Record<string, (text: string) => Value.Value | undefined>> = {
  $date: (text) => {
    const instant = readInstant(text)
    return instant === undefined ? undefined : new Date(instant)
  },
  $bytes: (text) => Result.getOrUndefined(Base64.decode(text)),
  $number: (text) =>
    /^-?\d{1,20}$/.test(text)
      ? Key.canonicalNumber(BigInt(text))
      : ({ NaN: Number.NaN, Infinity, "-Infinity": -Infinity } as Readonly<Record<string, number>>)[text]
}
