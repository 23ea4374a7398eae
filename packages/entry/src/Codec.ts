/**
 * Values and entries as MessagePack, with nothing lost: 64-bit integers are `bigint`, dates are timestamps.
 *
 * An entry is the list `[id, kind, meta, data]`. What a version or a checkpoint looks like around it is the business of
 * `@heph/changeset` and `@heph/history`.
 */
import { Decoder, Encoder } from "@msgpack/msgpack"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Entry from "./Entry.ts"
import * as EntryId from "./EntryId.ts"
import * as Value from "./Value.ts"

/** The bytes are not what this version of the packages writes: damaged, cut short, or somebody else's. */
export class CorruptBytes extends Schema.TaggedError<CorruptBytes>()("CorruptBytes", {
  what: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `the stored ${this.what} cannot be read: ${this.reason}`
  }
}

/** An entry as it is stored. */
export type PackedEntry = readonly [id: string, kind: string, meta: unknown, data: unknown]

// The lists around a value add to its own 100 levels.
const maxDepth = Value.maxDepth + 16
const newEncoder = () => new Encoder({ useBigInt64: true, maxDepth })
const decoder = new Decoder({ useBigInt64: true })
let encoder = newEncoder()

/** The bytes of a checked value, ~10 µs for 500 bytes. Numbers beyond 32 bits become floats, `bigint`s 64-bit integers. */
export const encode = (value: unknown): Uint8Array<ArrayBuffer> => {
  const bytes = encoder.encode(value)
  // An encoder keeps its buffer, so one that met something large is let go.
  if (bytes.length > 1024 * 1024) encoder = newEncoder()
  return bytes
}

/** The value of these bytes; `what` names them in the error. */
export const decode = (bytes: Uint8Array, what: string): Result.Result<unknown, CorruptBytes> =>
  Result.try({
    try: () => decoder.decode(bytes),
    catch: (cause) => new CorruptBytes({ what, reason: cause instanceof Error ? cause.message : String(cause) })
  })

/** The stored form of an entry, for {@link encode}. */
export const pack = (entry: Entry.Entry): PackedEntry => [entry.id.value, entry.kind, entry.meta, entry.data]

/** The entry of a decoded {@link PackedEntry}, which must not be used afterwards: its values become the entry's. */
export const unpack = (packed: unknown, what: string): Result.Result<Entry.Entry, CorruptBytes> => {
  if (!Array.isArray(packed) || packed.length !== 4) return corrupt(what, "an entry is a list of four")
  const [text, kind, meta, data] = packed as [unknown, unknown, Value.Value, Value.Value]
  if (typeof text !== "string" || typeof kind !== "string" || !Value.isRecord(meta)) {
    return corrupt(what, "an entry is an id, a kind, a record and a value")
  }
  const id = EntryId.find(text)
  if (id !== undefined) return Result.succeed(Entry.fromDecoded(id, kind, meta, data))
  const parsed = EntryId.parse(text)
  return Result.isFailure(parsed)
    ? corrupt(what, parsed.failure.message)
    : Result.succeed(Entry.fromDecoded(parsed.success, kind, meta, data))
}

const corrupt = (what: string, reason: string): Result.Result<never, CorruptBytes> =>
  Result.fail(new CorruptBytes({ what, reason }))
