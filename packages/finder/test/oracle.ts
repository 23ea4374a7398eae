/**
 * What a query means, said once more in the plainest way: a criterion at a time, over one entry, by the words of the
 * documentation and with none of the package's code.
 */
import type * as Entry from "@heph/entry/Entry"

export type Record_ = Readonly<Record<string, unknown>>

/** Whether an entry answers a record of criteria. Fields are dotted paths whose keys hold no dots of their own. */
export const answers = (entry: Entry.Entry, record: Record_): boolean =>
  Object.entries(record).every(([key, wanted]) => {
    const negated = key.startsWith("!")
    const rest = negated ? key.slice(1) : key
    const operator = [">=", "<=", "~", "*", "^", "$", ">", "<", "?"].find((prefix) => rest.startsWith(prefix)) ?? ""
    return holds(entry, operator, rest.slice(operator.length), wanted) !== negated
  })

/** The values of a field, and whether it is a list; nothing if it is missing. */
const fieldOf = (
  entry: Entry.Entry,
  field: string
): { readonly values: ReadonlyArray<unknown>; readonly list: boolean } | undefined => {
  const roots: Readonly<Record<string, string>> = {
    ".id": entry.id.value,
    ".kind": entry.kind,
    ".ns": entry.id.value.split(":")[0]!,
    ".name": entry.id.value.split(":").slice(1).join(":")
  }
  const root = roots[field]
  if (root !== undefined) return { values: [root], list: false }
  let list = false
  let current: ReadonlyArray<unknown> = [entry.meta]
  const keys = field.split(".").slice(1)
  for (const key of keys) {
    if (current.some(Array.isArray)) list = true
    current = (current.flat(Infinity) as ReadonlyArray<unknown>).flatMap((value) =>
      isRecord(value) && Object.hasOwn(value, key) ? [value[key]] : []
    )
  }
  if (current.length === 0) {
    const flat = keys.join(".")
    if (!Object.hasOwn(entry.meta, flat)) return undefined
    current = [entry.meta[flat]]
    list = false
  }
  if (current.some(Array.isArray)) list = true
  return { values: current.flat(1), list }
}

const isRecord = (value: unknown): value is Record_ =>
  Object.prototype.toString.call(value) === "[object Object]" && !(value instanceof Date)

const holds = (entry: Entry.Entry, operator: string, field: string, wanted: unknown): boolean => {
  const found = fieldOf(entry, field)
  if (found === undefined) return false
  if (operator === "?") return true
  if (!Array.isArray(wanted)) return found.values.some((value) => one(operator, field, value, wanted, found.list))
  if (wanted.length === 0) return found.list
  return wanted.every((item) => found.values.some((value) => one(operator, field, value, item, found.list)))
}

const one = (operator: string, field: string, value: unknown, wanted: unknown, list: boolean): boolean => {
  const texts = typeof value === "string" && typeof wanted === "string"
  switch (operator) {
    case "":
      return field.startsWith(".") ? texts && globToRegExp(wanted).test(value) : equal(value, wanted)
    case "~":
      return texts && new RegExp(wanted, "u").test(value)
    case "*":
      return texts ? value.includes(wanted) : list && equal(value, wanted)
    case "^":
      return texts && value.startsWith(wanted)
    case "$":
      return texts && value.endsWith(wanted)
    default:
      return compared(operator, value, wanted)
  }
}

/** For globs of literal characters, `*` and `?`. */
const globToRegExp = (glob: string): RegExp =>
  new RegExp(
    `^${glob
      .replace(/[.+^$()|[\]\\/{}]/g, "\\$&")
      .replace(/\*+/g, ".*")
      .replaceAll("?", ".")}$`,
    "su"
  )

const equal = (a: unknown, b: unknown): boolean => {
  if (isNumeric(a) && isNumeric(b)) return (Number.isNaN(a) && Number.isNaN(b)) || (!(a < b) && !(a > b) && same(a, b))
  if (a instanceof Date && b instanceof Date) return a.toISOString() === b.toISOString()
  if (a instanceof Uint8Array && b instanceof Uint8Array) return a.join() === b.join()
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, i) => equal(item, b[i]))
  if (isRecord(a) && isRecord(b)) {
    const keys = Object.keys({ ...a, ...b })
    return keys.every((key) => Object.hasOwn(a, key) && Object.hasOwn(b, key) && equal(a[key], b[key]))
  }
  return a === b
}

const isNumeric = (value: unknown): value is number | bigint => typeof value === "number" || typeof value === "bigint"
/** NaN is neither below nor above anything. */
const same = (a: number | bigint, b: number | bigint): boolean => !Number.isNaN(a) && !Number.isNaN(b)

const compared = (operator: string, value: unknown, wanted: unknown): boolean => {
  const outcome = (a: string | number | bigint, b: string | number | bigint): boolean => {
    const below = (a as number) < (b as number)
    const above = (a as number) > (b as number)
    if (operator === ">" || operator === "<") return operator === ">" ? above : below
    return operator === ">=" ? !below : !above
  }
  if (typeof value === "string" && typeof wanted === "string") return outcome(value, wanted)
  if (isNumeric(value) && isNumeric(wanted)) {
    return !Number.isNaN(value) && !Number.isNaN(wanted) && outcome(value, wanted)
  }
  if (!(value instanceof Date) && !(wanted instanceof Date)) return false
  const a = instant(value)
  const b = instant(wanted)
  return a !== undefined && b !== undefined && outcome(a, b)
}

/** The ISO texts that the generators make. Every other text is no instant. */
const instant = (value: unknown): number | undefined => {
  if (value instanceof Date) return value.getTime()
  return typeof value === "string" && /^\d{4}-/.test(value) ? Date.parse(value) : undefined
}

/** The order that `sortBy` promises. */
export const sorted = (
  entries: ReadonlyArray<Entry.Entry>,
  field: string,
  descending: boolean
): ReadonlyArray<Entry.Entry> => {
  const places = entries.map((entry) => {
    const values = (fieldOf(entry, field)?.values ?? []).toSorted(compareValues)
    return { entry, missing: values.length === 0, value: descending ? values.at(-1) : values[0] }
  })
  return places
    .sort((a, b) => {
      if (a.missing !== b.missing) return a.missing ? 1 : -1
      const order = a.missing ? 0 : compareValues(a.value, b.value) * (descending ? -1 : 1)
      return order !== 0 ? order : a.entry.id.value < b.entry.id.value ? -1 : 1
    })
    .map(({ entry }) => entry)
}

const types: ReadonlyArray<(value: unknown) => boolean> = [
  (value) => value === null,
  (value) => typeof value === "boolean",
  (value) => isNumeric(value) && !Number.isNaN(value),
  (value) => Number.isNaN(value),
  (value) => typeof value === "string",
  (value) => value instanceof Date,
  (value) => value instanceof Uint8Array,
  (value) => Array.isArray(value),
  isRecord
]

const compareValues = (a: unknown, b: unknown): number => {
  const typeOf = (value: unknown) => types.findIndex((is) => is(value))
  if (typeOf(a) !== typeOf(b)) return typeOf(a) - typeOf(b)
  if (typeOf(a) > 5) return 0
  return (a as number) < (b as number) ? -1 : (a as number) > (b as number) ? 1 : 0
}
