/**
 * JSON for machines, with everything that an entry can hold: integers of any size as they are, bytes as
 * `{"$bytes": base64}`, dates as `{"$date": ISO 8601}`, NaN and infinities as `{"$number": "NaN"}`.
 */

// In every engine this runs on; TypeScript's library of 2024 does not know it yet.
declare global {
  interface JSON {
    /** A piece of JSON that `stringify` puts out as it is. */
    rawJSON: (text: string) => unknown
  }
}

export interface Options {
  /** How many spaces a level is indented by. On one line without it. */
  readonly indent?: number
  /** Puts the keys of the records within in one order, so that equal values print alike. The outermost keeps its own. */
  readonly isSorted?: boolean
}

/** One JSON document. A `Map` is an object with its keys; keys without a value are left out. */
export const stringify = (value: unknown, options?: Options): string => {
  const isSorted = options?.isSorted === true
  // A date has a `toJSON` that runs before the replacer, so the value is looked up where it stands.
  const replacer = function (this: unknown, key: string): unknown {
    const found = (this as { readonly [key: string]: unknown })[key]
    const isWithin = found !== value
    switch (typeof found) {
      case "bigint":
        return JSON.rawJSON(String(found))
      case "number":
        if (!Number.isFinite(found)) return { $number: String(found) }
        // Beyond 2^53 the shortest text of a number is mostly another integer than the number is.
        return Number.isInteger(found) && !Number.isSafeInteger(found) && Math.abs(found) < 1e21
          ? JSON.rawJSON(String(BigInt(found)))
          : found
      case "object":
        return found === null ? null : fromObject(found, isSorted && isWithin)
      default:
        return found
    }
  }
  return JSON.stringify(value, replacer, options?.indent)
}

const fromObject = (value: object, isSorted: boolean): unknown => {
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString("base64") }
  if (value instanceof Date) return { $date: value.toISOString() }
  if (value instanceof Map) return Object.fromEntries(value)
  if (!isSorted || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}
