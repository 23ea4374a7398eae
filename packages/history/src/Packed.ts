/**
 * A changeset that is encoded, decoded or read when somebody asks for it: a store on disk asks for the bytes, one in
 * memory never does, and a list of versions asks for neither.
 */
import type * as ChangeSet from "@heph/changeset/ChangeSet"
import * as Codec from "@heph/changeset/Codec"
import type { CorruptBytes } from "@heph/entry/Codec"
import * as Effect from "effect/Effect"
import type { HistoryStoreError } from "./HistoryStore.ts"

export interface PackedChangeSet {
  /** The stored form. Encoded or read once, at the first call. */
  readonly bytes: Effect.Effect<Uint8Array, HistoryStoreError>
  /** The changeset. Read and decoded once, at the first call. */
  readonly value: Effect.Effect<ChangeSet.ChangeSet, CorruptBytes | HistoryStoreError>
}

export const fromChangeSet = (changeset: ChangeSet.ChangeSet): PackedChangeSet => {
  let bytes: Uint8Array | undefined
  return { bytes: Effect.sync(() => (bytes ??= Codec.encode(changeset))), value: Effect.succeed(changeset) }
}

export const fromBytes = (bytes: Uint8Array): PackedChangeSet => {
  let value: PackedChangeSet["value"] | undefined
  return {
    bytes: Effect.succeed(bytes),
    value: Effect.suspend(() => (value ??= Effect.fromResult(Codec.decode(bytes))))
  }
}

/**
 * A changeset too large to come with its version: a store reads it when it is asked for. A version never changes, so it
 * is kept once it was read; a read that failed is tried again.
 */
export const fromStore = (read: Effect.Effect<Uint8Array, HistoryStoreError>): PackedChangeSet => {
  let packed: PackedChangeSet | undefined
  const loaded = Effect.suspend(() =>
    packed === undefined ? Effect.map(read, (bytes) => (packed = fromBytes(bytes))) : Effect.succeed(packed)
  )
  return {
    bytes: Effect.flatMap(loaded, ({ bytes }) => bytes),
    value: Effect.flatMap(loaded, ({ value }) => value)
  }
}

/** How many operations of each sort a changeset holds, as a version says it. */
export const countsOf = (changeset: ChangeSet.ChangeSet) => {
  const counts = { create: 0, update: 0, delete: 0 }
  for (const { op } of changeset) counts[op]++
  return { created: counts.create, updated: counts.update, deleted: counts.delete }
}
