/**
 * Changesets as they are stored: a format byte, then MessagePack.
 *
 *     format 0   a list of [0, entry] create · [1, entry, original] update · [2, original] delete
 *
 * A stored changeset holds every original, so that it can always be reversed.
 */
import * as EntryCodec from "@heph/entry/Codec"
import type { CorruptBytes } from "@heph/entry/Codec"
import * as Result from "effect/Result"
import type * as ChangeSet from "./ChangeSet.ts"
import * as Operation from "./Operation.ts"

const format = 0
const what = "changeset"

/**
 * The stored form. Every update and delete must have its original; one without is a defect of the caller, and thrown.
 *
 * @example
 * import * as Codec from "@heph/changeset/Codec"
 * import * as Operation from "@heph/changeset/Operation"
 * import * as Entry from "@heph/entry/Entry"
 * import * as Result from "effect/Result"
 *
 * const users = Entry.makeUnsafe({ id: "app:users", kind: "service", data: { since: new Date(0), limit: 2n ** 60n } })
 * const stored = Codec.encode([Operation.create(users)])
 * const read = Result.getOrThrow(Codec.decode(stored))
 * console.log(stored.length, read[0]?.op === "create" && Entry.equals(read[0].entry, users)) //=> 52 true
 */
export const encode = (changeset: ChangeSet.ChangeSet): Uint8Array => {
  const packed = EntryCodec.encode(changeset.map(packOperation))
  const bytes = new Uint8Array(packed.length + 1)
  bytes[0] = format
  bytes.set(packed, 1)
  return bytes
}

/** The changeset of {@link encode}'s bytes. It holds on to none of them. */
export const decode = (bytes: Uint8Array): Result.Result<ChangeSet.ChangeSet, CorruptBytes> => {
  if (bytes.length === 0) return corrupt("it is empty")
  if (bytes[0] !== format) return corrupt(`unknown format ${bytes[0]}`)
  const packed = EntryCodec.decode(bytes.subarray(1), what)
  if (Result.isFailure(packed)) return Result.fail(packed.failure)
  if (!Array.isArray(packed.success)) return corrupt("a changeset is a list")
  const operations: Array<Operation.Operation> = []
  // A plain loop: every boot and every watcher that is behind goes through here, and a generator doubled its cost.
  for (const item of packed.success as ReadonlyArray<unknown>) {
    const operation = unpackOperation(item)
    if (Result.isFailure(operation)) return Result.fail(operation.failure)
    operations.push(operation.success)
  }
  return Result.succeed(operations)
}

const packOperation = (operation: Operation.Operation): unknown => {
  if (operation.op === "create") return [0, EntryCodec.pack(operation.entry)]
  if (operation.original === undefined) {
    throw new Error(`the ${operation.op} of ${Operation.idOf(operation)} has no original, so it could not be reversed`)
  }
  return operation.op === "update"
    ? [1, EntryCodec.pack(operation.entry), EntryCodec.pack(operation.original)]
    : [2, EntryCodec.pack(operation.original)]
}

const unpackOperation = (packed: unknown): Result.Result<Operation.Operation, CorruptBytes> => {
  if (!Array.isArray(packed) || packed.length !== (packed[0] === 1 ? 3 : 2)) {
    return corrupt("an operation is a list of a number and its entries")
  }
  const first = EntryCodec.unpack(packed[1], what)
  if (Result.isFailure(first)) return Result.fail(first.failure)
  const entry = first.success
  if (packed[0] === 0) return Result.succeed(Operation.create(entry))
  if (packed[0] === 2) return Result.succeed(Operation.remove(entry.id, entry))
  if (packed[0] !== 1) return corrupt(`unknown operation ${String(packed[0])}`)
  return Result.flatMap(EntryCodec.unpack(packed[2], what), (original) =>
    original.id === entry.id
      ? Result.succeed(Operation.update(entry, original))
      : corrupt(`an update of ${entry.id} has the original ${original.id}`)
  )
}

const corrupt = (reason: string): Result.Result<never, CorruptBytes> =>
  Result.fail(new EntryCodec.CorruptBytes({ what, reason }))
