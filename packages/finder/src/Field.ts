/**
 * What a criterion looks at and `sortBy` orders by: a root field of an entry, or a path into its `meta`.
 *
 *     .id .kind .ns .name          the entry's id, kind, namespace, name
 *     meta.server.port             nested records; a list on the way stands for each of its items
 *     meta."a.b".port              a segment in double quotes, as JSON has them, may hold anything
 *
 * Outside quotes a segment is made of letters, digits and `_ - @ : / # + %`. A key that holds a dot is found without
 * quotes too, `meta.a.b`, where it sits directly in `meta` and nothing is found at the nested path.
 */
import type * as Entry from "@heph/entry/Entry"
import * as Value from "@heph/entry/Value"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Key from "./internal/key.ts"

/** Get one from {@link parse}. Equal fields have equal `text`. */
export type Field =
  | { readonly _tag: "Root"; readonly text: string; readonly name: "id" | "kind" | "ns" | "name" }
  | { readonly _tag: "Meta"; readonly text: string; readonly path: ReadonlyArray<string> }

/** The text names no field. */
export class InvalidField extends Schema.TaggedError<InvalidField>()("InvalidField", {
  field: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `${JSON.stringify(this.field)} is no field: ${this.reason}`
  }
}

/**
 * The field that a text names.
 *
 * @example
 * import * as Field from "@heph/finder/Field"
 * import * as Result from "effect/Result"
 *
 * console.log(Result.getOrThrow(Field.parse(`meta.server."listen on"`)))
 * //=> { _tag: 'Meta', text: 'meta.server."listen on"', path: [ 'server', 'listen on' ] }
 */
export const parse = (text: string): Result.Result<Field, InvalidField> => {
  const taken = take(text)
  if (taken.field === undefined) return invalid(text, taken)
  return taken.rest === "" ? Result.succeed(taken.field) : invalid(text, trailing(taken.rest))
}

/**
 * The field's value in an entry, nothing where it is missing. Of a path through lists it is the list of what the items
 * have there, the lists among them flattened. `meta` saves an entry that holds dates or bytes another copy of them.
 */
export const valueOf = (field: Field, entry: Entry.Entry, meta: Value.Bag = entry.meta): Value.Value | undefined => {
  if (field._tag === "Meta") {
    const nested = descend(meta, field.path, 0)
    if (nested !== undefined || field.path.length === 1) return nested
    const flat = field.path.join(".")
    return Object.hasOwn(meta, flat) && field.text === `meta.${flat}` ? meta[flat] : undefined
  }
  switch (field.name) {
    case "id":
      return entry.id.value
    case "kind":
      return entry.kind
    case "ns":
      return entry.id.namespace
    case "name":
      return entry.id.name
  }
}

/**
 * {@link valueOf} for one field and many entries: where the path is a single key, a third of the cost.
 *
 * @internal
 */
export const getter = (field: Field): ((entry: Entry.Entry, meta: Value.Bag) => Value.Value | undefined) => {
  const key = field._tag === "Meta" && field.path.length === 1 ? field.path[0]! : undefined
  // What every record inherits would be found under these.
  if (key === undefined || key in Object.prototype) return (entry, meta) => valueOf(field, entry, meta)
  return (_, meta) => meta[key]
}

/** Why a text is no field, what would be one, and at which of its UTF-16 units that shows. */
interface Refusal {
  readonly field?: undefined
  readonly at: number
  readonly reason: string
  readonly expected: string
}

/**
 * The field at the start of a text and what follows it, or why there is none.
 *
 * @internal
 */
export const take = (text: string): { readonly field: Field; readonly rest: string } | Refusal => {
  const root = /^\.(id|kind|ns|name)(?![\p{L}\p{N}_.-])/u.exec(text)
  if (root !== null) {
    const name = root[1] as "id" | "kind" | "ns" | "name"
    return { field: Object.freeze({ _tag: "Root", text: root[0], name }), rest: text.slice(root[0].length) }
  }
  const start = /^meta(?=\.)/.exec(text)
  if (start === null) return unknownField(text)
  const path: Array<string> = []
  let at = start[0].length
  while (text[at] === ".") {
    segment.lastIndex = at + 1
    const found = segment.exec(text)?.[0]
    if (found === undefined) return badSegment(text, at + 1)
    const name = found.startsWith(`"`) ? unquote(found) : found
    if (name === undefined) {
      return { at: at + 1, reason: `${found} is not text as JSON quotes it`, expected: `a key, as in meta."a key"` }
    }
    if (path.length === maxPath)
      return { at, reason: `the path has more than ${maxPath} keys`, expected: "a shorter one" }
    path.push(name)
    at += 1 + found.length
  }
  const shown = ["meta", ...path.map((name) => (plain.test(name) ? name : JSON.stringify(name)))].join(".")
  return { field: Object.freeze({ _tag: "Meta", text: shown, path: Object.freeze(path) }), rest: text.slice(at) }
}

/** No value is nested deeper, so that no longer path leads anywhere. */
const maxPath = Value.maxDepth

/**
 * What to say about text after a field that does not belong there.
 *
 * @internal
 */
export const trailing = (rest: string) => ({
  reason: `${JSON.stringify(rest)} follows the field`,
  expected: /^\s*[=<>~*^$!?]/.test(rest)
    ? "an operator stands before it, as in >=meta.port"
    : `put a key that holds it into double quotes, as in meta."a key"`
})

const segment = /"(?:[^"\\]|\\.)*"|[\p{L}\p{M}\p{N}_@:/#+%-]+/uy
const plain = /^[\p{L}\p{M}\p{N}_@:/#+%-]+$/u

const unquote = (text: string): string | undefined => {
  const read = Result.try(() => JSON.parse(text) as unknown)
  return Result.isSuccess(read) && typeof read.success === "string" ? read.success : undefined
}

const descend = (value: Value.Value, path: ReadonlyArray<string>, at: number): Value.Value | undefined => {
  if (at === path.length) return value
  if (Key.isList(value)) {
    const found = value.map((item) => descend(item, path, at)).filter((item) => item !== undefined)
    return found.length === 0 ? undefined : found.flatMap((item): ReadonlyArray<Value.Value> | Value.Value => item)
  }
  const key = path[at]!
  return Value.isRecord(value) && Object.hasOwn(value, key) ? descend(value[key]!, path, at + 1) : undefined
}

const unknownField = (text: string): Refusal => {
  const word = /^\.?[\p{L}\p{N}_-]+/u.exec(text)?.[0]
  const expected = "there are .id, .kind, .ns, .name and meta.<path>"
  const name = word?.replace(".", "")
  if (name === undefined) return { at: 0, reason: "no field begins here", expected }
  if (name === "meta" || name === "data") return { at: 0, reason: `${JSON.stringify(word)} is no field`, expected }
  const meant = ["id", "kind", "ns", "name"].includes(name) ? `.${name}` : `meta.${name}`
  return { at: 0, reason: `${JSON.stringify(word)} is no field`, expected: `${expected}; did you mean ${meant}?` }
}

const badSegment = (text: string, at: number): Refusal =>
  at === text.length
    ? { at, reason: "a path may not end with a dot", expected: "a key follows it" }
    : {
        at,
        reason: `no key can begin at ${JSON.stringify(text.slice(at))}`,
        expected: `one with other characters goes into double quotes, as in meta."a key"`
      }

const invalid = (
  field: string,
  { expected, reason }: { readonly reason: string; readonly expected: string }
): Result.Result<never, InvalidField> => Result.fail(new InvalidField({ field, reason: `${reason}; ${expected}` }))
