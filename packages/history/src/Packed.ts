/**
 * A changeset that is encoded or decoded when somebody asks for it: a store on disk asks for the bytes, one in memory
 * never does, and a list of versions asks for neither.
 */
import type * as ChangeSet from "@heph/changeset/ChangeSet"
import * as Codec from "@heph/changeset/Codec"
import type { CorruptBytes } from "@heph/entry/Codec"
import * as Result from "effect/Result"

export interface PackedChangeSet {
  /** The stored form. Encoded once, at the first call. */
  readonly bytes: () => Uint8Array
  /** The changeset. Decoded once, at the first call. */
  readonly value: () => Result.Result<ChangeSet.ChangeSet, CorruptBytes>
}

export const fromChangeSet = (changeset: ChangeSet.ChangeSet): PackedChangeSet => {
  let bytes: Uint8Array | undefined
  const value = Result.succeed(changeset)
  return { bytes: () => (bytes ??= Codec.encode(changeset)), value: () => value }
}

export const fromBytes = (bytes: Uint8Array): PackedChangeSet => {
  let value: Result.Result<ChangeSet.ChangeSet, CorruptBytes> | undefined
  return { bytes: () => bytes, value: () => (value ??= Codec.decode(bytes)) }
}
