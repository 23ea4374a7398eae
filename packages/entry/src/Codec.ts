/**
 * Values and entries as MessagePack, with nothing lost: 64-bit integers are `bigint`, dates are timestamps.
 *
 * An entry is the list `[id, kind, meta, data]`. What a version or a checkpoint looks like around it is the business of
 * `@heph/changeset` and `@heph/history`.
 */
import {
  Decoder,
  decodeTimestampExtension,
  Encoder,
  encodeTimestampExtension,
  EXT_TIMESTAMP,
  ExtData,
  type ExtensionCodecType
} from "@msgpack/msgpack"
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

/** Dates are the only extension: the library's own codec would make values of no known type of all others. */
const extensionCodec: ExtensionCodecType<undefined> = {
  tryToEncode(value) {
    const bytes = encodeTimestampExtension(value)
    return bytes === null ? null : new ExtData(EXT_TIMESTAMP, bytes)
  },
  decode(bytes, type) {
    if (type !== EXT_TIMESTAMP) throw new Error(`it holds an extension of type ${type}`)
    const date = decodeTimestampExtension(bytes)
    if (Number.isNaN(date.getTime())) throw new Error("it holds an invalid date")
    return date
  }
}

// The lists around a value add to its own 100 levels.
const maxDepth = Value.maxDepth + 16
const newEncoder = () => new Encoder({ extensionCodec, useBigInt64: true, maxDepth })
let encoder = newEncoder()

/**
 * Reads texts and keys whole. The library hands those of more than 200 bytes to a `TextDecoder`, which drops a byte order
 * mark at the start; nothing public of it lets one put that back.
 */
interface Internals {
  readonly bytes: Uint8Array
  readonly pos: number
  decodeUtf8String(byteLength: number, headerLength: number): string
}
class WholeDecoder extends Decoder {}
const library = Decoder.prototype as unknown as Internals
const whole = WholeDecoder.prototype as unknown as Internals
whole.decodeUtf8String = function (byteLength, headerLength) {
  const start = this.pos + headerLength
  let at = start
  while (at + 3 <= start + byteLength && isMark(this.bytes, at)) at += 3
  const marks = at - start
  const text = library.decodeUtf8String.call(this, byteLength - marks, headerLength + marks)
  return marks === 0 ? text : "\ufeff".repeat(marks / 3) + text
}
const isMark = (bytes: Uint8Array, at: number): boolean =>
  bytes[at] === 0xef && bytes[at + 1] === 0xbb && bytes[at + 2] === 0xbf

/** The bytes of a checked value, ~10 µs for 500 bytes. Numbers beyond 32 bits become floats, `bigint`s 64-bit integers. */
export const encode = (value: unknown): Uint8Array<ArrayBuffer> => {
  const bytes = encoder.encode(value)
  // An encoder keeps its buffer, so one that met something large is let go.
  if (bytes.length > 1024 * 1024) encoder = newEncoder()
  return bytes
}

/**
 * The value of these bytes; `what` names them in the error. Byte arrays in it are views of `bytes` until the entry they
 * belong to is {@link unpack}ed.
 */
export const decode = (bytes: Uint8Array, what: string): Result.Result<unknown, CorruptBytes> =>
  Result.try({
    try: () => {
      // A list or a record has no more items than there are bytes. Damaged ones may say that it has millions, and the
      // library makes room for as many as they say before it reads the first.
      const limit = bytes.length
      return new WholeDecoder({ extensionCodec, useBigInt64: true, maxArrayLength: limit, maxMapLength: limit }).decode(
        bytes
      )
    },
    catch: (cause) => new CorruptBytes({ what, reason: cause instanceof Error ? cause.message : String(cause) })
  })

/** The stored form of an entry, for {@link encode}. */
export const pack = (entry: Entry.Entry): PackedEntry => [entry.id.value, entry.kind, entry.meta, entry.data]

/**
 * The entry of a decoded {@link PackedEntry}, which must not be used afterwards: its values become the entry's.
 *
 * @example
 * import * as Codec from "@heph/entry/Codec"
 * import * as Entry from "@heph/entry/Entry"
 * import * as Result from "effect/Result"
 *
 * const bytes = Codec.encode(Codec.pack(Entry.makeUnsafe({ id: "app:users", kind: "service", data: { limit: 2n ** 60n } })))
 * const entry = Result.flatMap(Codec.decode(bytes, "entry"), (packed) => Codec.unpack(packed, "entry"))
 * console.log(Result.getOrThrow(entry).data) //=> { limit: 1152921504606846976n }
 *
 * const damaged = Codec.decode(bytes.subarray(0, 20), "entry")
 * console.log(Result.isFailure(damaged) && damaged.failure._tag) //=> CorruptBytes
 */
export const unpack = (packed: unknown, what: string): Result.Result<Entry.Entry, CorruptBytes> => {
  if (!Array.isArray(packed) || packed.length !== 4) return corrupt(what, "an entry is a list of four")
  const [text, kind, meta, data] = packed as [unknown, unknown, Value.Value, Value.Value]
  if (typeof text !== "string" || typeof kind !== "string" || !Value.isRecord(meta)) {
    return corrupt(what, "an entry is an id, a kind, a record and a value")
  }
  const id = EntryId.parse(text)
  if (Result.isFailure(id)) return corrupt(what, id.failure.message)
  const entry = Entry.fromDecoded(id.success, kind, meta, data)
  return Result.isFailure(entry) ? corrupt(what, entry.failure.message) : Result.succeed(entry.success)
}

const corrupt = (what: string, reason: string): Result.Result<never, CorruptBytes> =>
  Result.fail(new CorruptBytes({ what, reason }))
