/** What a query finds, said once more in the plainest way: a scan, by the table in the README, with none of its code. */
import type * as Entry from "@heph/entry/Entry"
export type Record_ = Readonly<Record<string, unknown>>
type List = ReadonlyArray<unknown>
/** Whether an entry answers a record of criteria. Fields are dotted paths whose keys hold no dots of their own. */
export const answers = (entry: Entry.Entry, record: Record_): boolean =>
  Object.entries(record).every(([key, wanted]) => {
    const [, not, operator = "", field = ""] = /^(!?)(any|all|>=|<=|[~*^$><?])?(.*)$/.exec(key)!
    return holds(entry, operator, field, wanted) !== (not === "!")
  })
const holds = (entry: Entry.Entry, operator: string, field: string, wanted: unknown): boolean => {
  if (operator === "any") return (wanted as List).some((each) => answers(entry, each as Record_))
  if (operator === "all") return (wanted as List).every((each) => answers(entry, each as Record_))
  const found = valueOf(entry, field)
  if (found === undefined || operator === "?") return found !== undefined
  const list = Array.isArray(found)
  const items: List = list ? found : [found]
  if (Array.isArray(wanted) && wanted.length === 0) return list
  const each: List = Array.isArray(wanted) ? wanted : [wanted]
  return each.every((item) => items.some((value) => one(operator, field.startsWith("."), value, item, list)))
}
export const valueOf = ({ id, kind, meta }: Entry.Entry, field: string): unknown => {
  const [ns, ...name] = id.value.split(":")
  const roots: Record_ = { ".id": id.value, ".kind": kind, ".ns": ns, ".name": name.join(":") }
  if (field.startsWith(".")) return roots[field]
  const keys = field.split(".").slice(1)
  const nested = keys.reduce<unknown>(step, meta)
  return nested === undefined ? step(meta, keys.join(".")) : nested
}
const step = (value: unknown, key: string): unknown => {
  if (!Array.isArray(value)) return typeOf(value) === "Object" ? (value as Record_)[key] : undefined
  const found = value.map((item) => step(item, key)).filter((item) => item !== undefined)
  return found.length === 0 ? undefined : found.flat(1)
}
const one = (operator: string, root: boolean, value: unknown, wanted: unknown, list: boolean): boolean => {
  if (operator === "" && !root) return equal(value, wanted)
  if (/[<>]/.test(operator)) {
    if (typeOf(value) !== typeOf(wanted) || !["Number", "String", "Date"].includes(typeOf(value))) return false
    const order = compare(value, wanted) * (operator.startsWith(">") ? 1 : -1)
    return order > 0 || (operator.endsWith("=") && order === 0)
  }
  if (typeof value !== "string" || typeof wanted !== "string") return operator === "*" && list && equal(value, wanted)
  const glob = wanted.replace(/[.+^$()|[\]\\/{}]/g, "\\$&").replace(/[*?]/g, (wild) => (wild === "*" ? ".*" : "."))
  if (operator === "~" || operator === "") return new RegExp(operator === "~" ? wanted : `^${glob}$`, "u").test(value)
  if (operator === "*") return value.includes(wanted)
  return operator === "^" ? value.startsWith(wanted) : value.endsWith(wanted)
}
export const typeOf = (value: unknown): string =>
  Number.isNaN(value) ? "NaN" : Object.prototype.toString.call(value).slice(8, -1).replace("BigInt", "Number")
const equal = (a: unknown, b: unknown): boolean => {
  if (typeOf(a) !== typeOf(b)) return false
  if (!["Array", "Object", "Uint8Array"].includes(typeOf(a))) return typeOf(a) === "NaN" || compare(a, b) === 0
  const [left, right] = [Object.entries(a as Record_), new Map(Object.entries(b as Record_))]
  return left.length === right.size && left.every(([key, item]) => right.has(key) && equal(item, right.get(key)))
}
/** Numbers and bigints by value, dates by instant, text by code point, which is the order of its bytes in UTF-8. */
export const compare = (a: unknown, b: unknown): number =>
  typeof a === "string"
    ? Buffer.compare(Buffer.from(a), Buffer.from(b as string))
    : Number((a as number) > (b as number)) - Number((a as number) < (b as number))
