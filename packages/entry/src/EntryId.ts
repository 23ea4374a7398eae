/**
 * Entry ids, `namespace:name`, interned: equal ids are one object, so `===` compares them.
 *
 *     "app.api:users"  ── first ":" splits ──▶  namespace "app.api" · name "users"
 *
 * An id keeps its text once; the namespace is an object shared by all its ids and the name is cut from the text when
 * asked for. The table holds ids weakly: an id that nobody holds is collected, and its row with it.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** The longest id, in UTF-8 bytes, separator included. */
export const maxBytes = 512

/** The text is no entry id. `input` is the text, `reason` says what is wrong with it. */
export class InvalidEntryId extends Schema.TaggedError<InvalidEntryId>()("InvalidEntryId", {
  input: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    const shown = this.input.length > 80 ? `${this.input.slice(0, 80)}…` : this.input
    return `${JSON.stringify(shown)} is not an entry id: ${this.reason}`
  }
}

/** One per namespace in use, so that ids share the text. */
class Namespace {
  readonly value: string
  constructor(value: string) {
    this.value = value
  }
}

/**
 * An interned `namespace:name`. Get one from {@link parse}; equal ids are the same object for as long as anybody
 * holds it.
 */
class EntryIdImpl {
  /** The whole id, `namespace:name`. */
  readonly value: string
  /**
   * A small number that no other live id of this process has. States use it as the address of an entry; it is not
   * stable between processes and is given to another id once this one is collected.
   */
  readonly slot: number
  readonly #namespace: Namespace

  constructor(value: string, slot: number, namespace: Namespace) {
    this.value = value
    this.slot = slot
    this.#namespace = namespace
    Object.freeze(this)
  }
  /** The part before the first `:`. */
  get namespace(): string {
    return this.#namespace.value
  }
  /** The part after the first `:`; it may hold further ones. */
  get name(): string {
    return this.value.slice(this.#namespace.value.length + 1)
  }
  toString(): string {
    return this.value
  }
  toJSON(): string {
    return this.value
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `EntryId(${this.value})`
  }
}

export type EntryId = EntryIdImpl

/** A row of the table. The slot is beside the reference because looking through a `WeakRef` costs 1 µs. */
interface Row {
  readonly id: WeakRef<EntryId>
  readonly slot: number
}

const ids = new Map<string, Row>()
const namespaces = new Map<string, WeakRef<Namespace>>()
const freeSlots: Array<number> = []
let nextSlot = 0

// A collected id may already have a successor with the same text: then the row is the successor's, and only the slot
// is free. A state never holds an entry of a collected id, since entries hold their id, so slots can be used again.
const collectedIds = new FinalizationRegistry<{ readonly value: string; readonly slot: number }>(({ slot, value }) => {
  if (ids.get(value)?.id.deref() === undefined) ids.delete(value)
  freeSlots.push(slot)
})
const collectedNamespaces = new FinalizationRegistry<string>((value) => {
  if (namespaces.get(value)?.deref() === undefined) namespaces.delete(value)
})

const internNamespace = (value: string): Namespace => {
  const known = namespaces.get(value)?.deref()
  if (known !== undefined) return known
  const made = new Namespace(value)
  namespaces.set(value, new WeakRef(made))
  collectedNamespaces.register(made, value)
  return made
}

const refused = /[\s\p{Cc}]/u

/** What is wrong with a namespace, or nothing. */
export const namespaceProblem = (namespace: string): string | undefined => {
  if (namespace.length === 0) return "the namespace is empty"
  if (refused.test(namespace)) return "white space and control characters are not allowed"
  if (namespace.includes(":")) return `a namespace may not hold ":"`
  return namespace.split(".").includes("")
    ? `the namespace ${JSON.stringify(namespace)} has an empty segment`
    : undefined
}

const problem = (value: string, split: number): string | undefined => {
  if (split === value.length - 1) return "the name is empty"
  if (refused.test(value)) return "white space and control characters are not allowed"
  if (!value.isWellFormed()) return "it holds half a surrogate pair"
  // A UTF-16 unit is at most 3 bytes of UTF-8, so that short ids need no count.
  if (value.length * 3 > maxBytes && new TextEncoder().encode(value).length > maxBytes) {
    return `it is longer than ${maxBytes} bytes`
  }
  return namespaceProblem(value.slice(0, split))
}

/**
 * The id of this text if anything holds it; never makes one. One `Map` lookup.
 *
 * @example
 * import * as EntryId from "@heph/entry/EntryId"
 *
 * const id = EntryId.parseUnsafe("app:users")
 * console.log(EntryId.find("app:users") === id, EntryId.find("app:nobody")) //=> true undefined
 */
export const find = (value: string): EntryId | undefined => ids.get(value)?.id.deref()

/**
 * The slot of this text's id, if it has one. The id may have been collected since, but its slot is not another one's as
 * long as its row is there: both go in the same step. So what is found under the slot has this text, and need not be
 * compared with it.
 *
 * @internal
 */
export const findSlot = (value: string): number | undefined => ids.get(value)?.slot

/**
 * The id that a text names. A text without `:` is a bare name: it takes `options.namespace`, and is refused without
 * one. Costs one `Map` lookup for an id in use, ~2 µs for a new one.
 *
 * @example
 * import * as EntryId from "@heph/entry/EntryId"
 * import * as Result from "effect/Result"
 *
 * const id = Result.getOrThrow(EntryId.parse("users", { namespace: "app.api" }))
 * console.log(id.value, id.namespace, id.name) //=> app.api:users app.api users
 */
export const parse = (
  text: string,
  options?: { readonly namespace?: string | undefined }
): Result.Result<EntryId, InvalidEntryId> => {
  const known = find(text)
  if (known !== undefined) return Result.succeed(known)
  if (typeof text !== "string") return invalid(String(text), `it is ${typeof text}, not text`)
  let value = text
  let split = text.indexOf(":")
  if (split < 0) {
    const namespace = options?.namespace
    if (namespace === undefined) {
      return invalid(text, text === "" ? "it is empty" : `a bare name needs a namespace: write "namespace:name"`)
    }
    if (text.length === 0) return invalid(text, "the name is empty")
    // Checked by itself: with a ":" in it, it would move the split.
    const wrong = namespaceProblem(namespace)
    if (wrong !== undefined) return invalid(`${namespace}:${text}`, wrong)
    value = `${namespace}:${text}`
    split = namespace.length
    const qualified = find(value)
    if (qualified !== undefined) return Result.succeed(qualified)
  }
  const wrong = problem(value, split)
  return wrong === undefined ? Result.succeed(intern(value, split)) : invalid(value, wrong)
}

/** {@link parse} for texts known to be right: throws `InvalidEntryId`. */
export const parseUnsafe = (text: string, options?: { readonly namespace?: string | undefined }): EntryId =>
  find(text) ?? Result.getOrThrow(parse(text, options))

/** Whether a value is an interned id. */
export const isEntryId = (value: unknown): value is EntryId => value instanceof EntryIdImpl

/** By text, in UTF-16 code units: the order of states, exports and ties everywhere. */
export const compare = (a: EntryId, b: EntryId): -1 | 0 | 1 => (a === b ? 0 : a.value < b.value ? -1 : 1)

/** How many ids the table holds, collected ones that were not swept yet included. For tests and measurements. */
export const interned = (): number => ids.size

const invalid = (input: string, reason: string): Result.Result<never, InvalidEntryId> =>
  Result.fail(new InvalidEntryId({ input, reason }))

const intern = (value: string, split: number): EntryId => {
  const slot = freeSlots.pop() ?? nextSlot++
  const id = new EntryIdImpl(value, slot, internNamespace(value.slice(0, split)))
  ids.set(value, { id: new WeakRef(id), slot })
  collectedIds.register(id, { value, slot })
  return id
}
