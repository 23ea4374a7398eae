/** The order that `sortBy` promises, said in the plainest way. */
import type * as Entry from "@heph/entry/Entry"
import { compare, typeOf, valueOf } from "./oracle.ts"

const types = ["Null", "Boolean", "Number", "NaN", "String", "Date", "Uint8Array", "Array", "Object"]

const compareValues = (a: unknown, b: unknown): number =>
  types.indexOf(typeOf(a)) - types.indexOf(typeOf(b)) || (types.indexOf(typeOf(a)) > 5 ? 0 : compare(a, b))

export const sorted = (
  entries: ReadonlyArray<Entry.Entry>,
  field: string,
  descending: boolean
): ReadonlyArray<Entry.Entry> => {
  const places = entries.map((entry) => {
    const value = valueOf(entry, field)
    const values = value === undefined ? [] : Array.isArray(value) ? [...(value as ReadonlyArray<unknown>)] : [value]
    values.sort(compareValues)
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
