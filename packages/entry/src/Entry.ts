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
  /** What the entry is; handlers subscribe to kinds. */
  readonly kind: string
  /** What is said about the entry: names, groups, dependencies. */
  readonly meta: Value.Bag
  /** What the entry holds. */
  readonly data: Value.Value

  constructor(id: EntryId.EntryId, kind: string, meta: Value.Copied, data: Value.Copied) {
    this.id = id
    this.kind = kind
    this.meta = meta.value as Value.Bag
    this.data = data.value
    // Bytes and dates cannot be frozen, so what holds some is handed out as a copy each time: what a reader does to
    // them changes nothing stored. All else is frozen and shared.
    if (meta.thawed) this.#copyOut("meta", meta.value)
    if (data.thawed) this.#copyOut("data", data.value)
    Object.freeze(this)
  }
  #copyOut(key: "meta" | "data", value: Value.Value): void {
    Object.defineProperty(this, key, { enumerable: true, get: () => Value.thaw(value) })
  }
}

/**
 * An immutable entry. `meta` and `data` are deeply frozen; reading one that holds bytes or dates makes a copy of it
 * each time, so read it once and keep it.
 */
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
  if (wrongKind !== undefined) return invalid(id, { path: "kind", reason: wrongKind })
  const meta = Value.copy(input.meta === undefined ? {} : input.meta, "meta")
  if (Result.isFailure(meta)) return invalid(id, meta.failure)
  if (!Value.isRecord(meta.success.value)) return invalid(id, { path: "meta", reason: "it must be a record" })
  const data = Value.copy(input.data === undefined ? null : input.data, "data")
  if (Result.isFailure(data)) return invalid(id, data.failure)
  return Result.succeed(new EntryImpl(id, input.kind, meta.success, data.success))
}

/** {@link make} for entries known to be right: throws its errors. */
export const makeUnsafe = (input: EntryInput | Entry): Entry => Result.getOrThrow(make(input))

/**
 * An entry of parts that were checked before they were stored and that nobody else holds, as a decoder has them: they
 * are frozen where they are, not copied. See `Value.adopt` for what is refused.
 */
export const fromDecoded = (
  id: EntryId.EntryId,
  kind: string,
  meta: Value.Bag,
  data: Value.Value
): Result.Result<Entry, InvalidEntry> => {
  const ownMeta = Value.adopt(meta, "meta")
  if (Result.isFailure(ownMeta)) return invalid(id, ownMeta.failure)
  const ownData = Value.adopt(data, "data")
  if (Result.isFailure(ownData)) return invalid(id, ownData.failure)
  return Result.succeed(new EntryImpl(id, kind, ownMeta.success, ownData.success))
}

/**
 * Same id, same kind, equal meta and data. One reference check for an entry that states share.
 *
 * @example
 * import * as Entry from "@heph/entry/Entry"
 *
 * const one = Entry.makeUnsafe({ id: "app:users", kind: "service", data: { port: 80 } })
 * const same = Entry.makeUnsafe({ id: "app:users", kind: "service", data: { port: 80 } })
 * console.log(one === same, Entry.equals(one, same)) //=> false true
 */
export const equals = (a: Entry, b: Entry): boolean =>
  a === b || (a.id === b.id && a.kind === b.kind && Value.equals(a.meta, b.meta) && Value.equals(a.data, b.data))

/** What is wrong with a kind, or nothing: text of 1 to 512 characters, no white space, no control characters. */
export const kindProblem = (kind: unknown): string | undefined => {
  if (typeof kind !== "string" || kind.length === 0) return "a kind is text that is not empty"
  if (kind.length > 512) return "it is longer than 512 characters"
  if (!kind.isWellFormed()) return "it holds half a surrogate pair"
  return /[\s\p{Cc}]/u.test(kind) ? `${JSON.stringify(kind)} holds white space or control characters` : undefined
}

const invalid = (
  id: EntryId.EntryId,
  { path, reason }: { readonly path: string; readonly reason: string }
): Result.Result<never, InvalidEntry> => Result.fail(new InvalidEntry({ id: id.value, path, reason }))
