/**
 * An entry: `{ id, kind, meta, data }`, immutable, checked once on the way in.
 *
 * {@link make} is the only door from outside. Equal entries need not be one object; {@link equals} compares them, and
 * costs one reference check where states share structure.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as EntryId from "./EntryId.ts"
import * as Value from "./Value.ts"

/** What {@link make} takes. `meta` is `{}` and `data` is `null` where they are left out. */
export interface EntryInput {
  readonly id: EntryId.EntryId | string
  readonly kind: string
  readonly meta?: unknown
  readonly data?: unknown
}

/** The entry `id` cannot be stored; `path` leads to what is wrong with it. */
export class InvalidEntry extends Schema.TaggedError<InvalidEntry>()("InvalidEntry", {
  id: Schema.String,
  path: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `the entry ${this.id} cannot be stored: ${this.path}: ${this.reason}`
  }
}

class EntryImpl {
  readonly id: EntryId.EntryId
  readonly kind: string
  readonly meta: Value.Bag
  readonly data: Value.Value

  constructor(id: EntryId.EntryId, kind: string, meta: Value.Bag, data: Value.Value, thawed: boolean) {
    this.id = id
    this.kind = kind
    this.meta = meta
    this.data = data
    // Bytes and dates cannot be frozen, so an entry that holds some hands out copies of them: what a reader does to
    // them changes nothing stored. All others share their frozen values.
    if (thawed) {
      Object.defineProperty(this, "meta", { enumerable: true, get: () => Value.thaw(meta) })
      Object.defineProperty(this, "data", { enumerable: true, get: () => Value.thaw(data) })
    }
    Object.freeze(this)
  }
}

export type Entry = EntryImpl

/** Whether a value is an entry made by this module, checked and frozen. */
export const isEntry = (value: unknown): value is Entry => value instanceof EntryImpl

/**
 * A checked entry with values of its own: changing what was passed changes nothing stored. An entry is returned as it
 * is. Cost follows the size of `meta` and `data`, ~2 µs for 1 KB.
 *
 * @example
 * import * as Entry from "@heph/entry/Entry"
 * import * as Result from "effect/Result"
 *
 * const entry = Result.getOrThrow(Entry.make({ id: "app:users", kind: "service", data: { port: 80 } }))
 * console.log(entry.id.name, entry.data) //=> users { port: 80 }
 */
export const make = (input: EntryInput | Entry): Result.Result<Entry, EntryId.InvalidEntryId | InvalidEntry> => {
  if (isEntry(input)) return Result.succeed(input)
  const id = EntryId.isEntryId(input.id) ? input.id : Result.getOrElse(EntryId.parse(input.id), (error) => error)
  if (!EntryId.isEntryId(id)) return Result.fail(id)
  const wrongKind = kindProblem(input.kind)
  if (wrongKind !== undefined) return invalid(id, "kind", wrongKind)
  const meta = Value.copy(input.meta ?? {}, "meta")
  if (Result.isFailure(meta)) return invalid(id, meta.failure.path, meta.failure.reason)
  if (!Value.isRecord(meta.success.value)) return invalid(id, "meta", "it must be a record")
  const data = Value.copy(input.data === undefined ? null : input.data, "data")
  if (Result.isFailure(data)) return invalid(id, data.failure.path, data.failure.reason)
  const thawed = meta.success.thawed || data.success.thawed
  return Result.succeed(new EntryImpl(id, input.kind, meta.success.value, data.success.value, thawed))
}

/** {@link make} for entries known to be right: throws its errors. */
export const makeUnsafe = (input: EntryInput | Entry): Entry => Result.getOrThrow(make(input))

/**
 * An entry of parts that were checked before and that nobody else holds, as a decoder has them: they are frozen where
 * they are, not copied.
 */
export const fromDecoded = (id: EntryId.EntryId, kind: string, meta: Value.Bag, data: Value.Value): Entry => {
  const metaThawed = Value.freeze(meta)
  const dataThawed = Value.freeze(data)
  return new EntryImpl(id, kind, meta, data, metaThawed || dataThawed)
}

/** Same id, same kind, equal meta and data. */
export const equals = (a: Entry, b: Entry): boolean =>
  a === b || (a.id === b.id && a.kind === b.kind && Value.equals(a.meta, b.meta) && Value.equals(a.data, b.data))

/** What is wrong with a kind, or nothing: text of 1 to 512 characters, no white space, no control characters. */
export const kindProblem = (kind: unknown): string | undefined => {
  if (typeof kind !== "string" || kind.length === 0) return "a kind is text that is not empty"
  if (kind.length > 512) return "it is longer than 512 characters"
  if (!kind.isWellFormed()) return "it holds half a surrogate pair"
  return /[\s\p{Cc}]/u.test(kind) ? `${JSON.stringify(kind)} holds white space or control characters` : undefined
}

const invalid = (id: EntryId.EntryId, path: string, reason: string): Result.Result<never, InvalidEntry> =>
  Result.fail(new InvalidEntry({ id: id.value, path, reason }))
