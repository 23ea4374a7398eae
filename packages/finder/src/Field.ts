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
  const { field, rest } = take(text)
  if (field === undefined) return invalid(text, rest)
  return rest === "" ? Result.succeed(field) : invalid(text, trailing(rest))
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
 * The field at the start of a text and what follows it, or no field and the reason.
 *
 * @internal
 */
export const take = (text: string): { readonly field: Field | undefined; readonly rest: string } => {
  const root = /^\.(id|kind|ns|name)(?![\p{L}\p{N}_.-])/u.exec(text)
  if (root !== null) {
    const name = root[1] as "id" | "kind" | "ns" | "name"
    return { field: Object.freeze({ _tag: "Root", text: root[0], name }), rest: text.slice(root[0].length) }
  }
  const start = /^meta(?=\.)/.exec(text)
  if (start === null) return { field: undefined, rest: unknownField(text) }
  const path: Array<string> = []
  let at = start[0].length
  while (text[at] === ".") {
    segment.lastIndex = at + 1
    const found = segment.exec(text)?.[0]
    if (found === undefined) return { field: undefined, rest: badSegment(text.slice(at + 1)) }
    const name = found.startsWith(`"`) ? unquote(found) : found
    if (name === undefined) return { field: undefined, rest: `${found} is not text as JSON quotes it` }
    path.push(name)
    at += 1 + found.length
  }
  const shown = ["meta", ...path.map((name) => (plain.test(name) ? name : JSON.stringify(name)))].join(".")
  return { field: Object.freeze({ _tag: "Meta", text: shown, path: Object.freeze(path) }), rest: text.slice(at) }
}

/**
 * What to say about text after a field that does not belong there.
 *
 * @internal
 */
export const trailing = (rest: string): string =>
  /^\s*[=<>~*^$!?]/.test(rest)
    ? `${JSON.stringify(rest)} follows the field; an operator stands before it, as in >=meta.port`
    : `${JSON.stringify(rest)} follows the field; put a key that holds it into double quotes, as in meta."a key"`

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

const unknownField = (text: string): string => {
  const word = /^\.?[\p{L}\p{N}_-]+/u.exec(text)?.[0].replace(".", "")
  const fields = "there are .id, .kind, .ns, .name and meta.<path>"
  if (word === undefined || word === "meta" || word === "data") return fields
  const meant = ["id", "kind", "ns", "name"].includes(word) ? `.${word}` : `meta.${word}`
  return `${fields}; did you mean ${meant}?`
}

const badSegment = (rest: string): string =>
  rest === ""
    ? "a path may not end with a dot"
    : `no key can begin at ${JSON.stringify(rest)}; one with other characters goes into double quotes, as in meta."a key"`

const invalid = (field: string, reason: string): Result.Result<never, InvalidField> =>
  Result.fail(new InvalidField({ field, reason }))
