/**
 * Checkpoints, as chunks of a save.
 *
 *     a number for the save ──▶ its chunks, one by one ──▶ the checkpoint names the save ──▶ the chunks before are deleted
 *
 * No lock is held but for the moment in which the name changes.
 */
import type { HistoryStoreError } from "@heph/history/HistoryStore"
import * as Precondition from "@heph/history/Precondition"
import * as Stored from "@heph/history/storage/Stored"
import * as Effect from "effect/Effect"
import { storeError } from "./native.ts"
import { readFacts, type Registry } from "./registry.ts"
import { checkpointChecksum, chunkChecksum, damaged, unpack } from "./rows.ts"

export const save = Effect.fnUntraced(function* (
  registry: Registry,
  version: number,
  chunks: Iterable<Uint8Array>
): Effect.fn.Return<void, HistoryStoreError> {
  const { connections, key, sql } = registry
  const refusal = Effect.fnUntraced(function* (facts: Precondition.Facts) {
    const refused = Precondition.exists(facts, version, registry.store)
    if (refused !== undefined) return yield* refused
    return undefined
  })
  const number = yield* connections.use((session) =>
    Effect.gen(function* () {
      yield* refusal(yield* readFacts(registry, session))
      const [row] = yield* session.query<{ readonly save: number }>(sql.newSave)
      return row!.save
    })
  )
  const write = Effect.gen(function* () {
    let count = 0
    for (const chunk of chunks) {
      const stored = yield* Stored.packChunk(chunk)
      const values = [key, number, count, chunkChecksum(number, count, stored), stored.zstd, stored.bytes]
      yield* connections.use((session) => session.query(sql.addChunk, values))
      count++
    }
    return count
  })
  const name = (count: number) =>
    connections.transaction((session) =>
      Effect.gen(function* () {
        yield* session.query(sql.hold, [key])
        yield* refusal(yield* readFacts(registry, session))
        const [stored] = yield* session.query<{ readonly count: number }>(sql.countChunks, [key, number])
        if (stored!.count !== count) {
          const detail =
            "the chunks were swept away, because they took too long to write; nothing was changed, try again"
          return yield* storeError(registry.store, "Busy", detail)
        }
        const [before] = yield* session.query<{ readonly save: number }>(sql.savedAs, [key, version])
        const checksum = checkpointChecksum(number, version, count)
        yield* session.query(sql.nameCheckpoint, [key, version, number, count, checksum])
        return before?.save
      })
    )
  const count = yield* Effect.onError(write, () => sweep(registry, [number]))
  // Where the answer to this is lost the chunks may have been named: they are left alone.
  const before = yield* name(count)
  if (before !== undefined) yield* sweep(registry, [before])
})

/** Deletes the chunks of saves that no checkpoint names. What cannot be deleted now is left for the next compaction. */
export const sweep = ({ connections, key, sql }: Registry, saves: Iterable<number>): Effect.Effect<void> =>
  Effect.forEach(saves, (save) => connections.use((session) => session.query(sql.dropChunks, [key, save])), {
    discard: true
  }).pipe(Effect.ignore)

export const drop = Effect.fnUntraced(function* (
  registry: Registry,
  versions: ReadonlyArray<number>
): Effect.fn.Return<void, HistoryStoreError> {
  const { connections, key, sql } = registry
  const known = versions.filter(Number.isSafeInteger)
  if (known.length === 0) return
  const dropped = yield* connections.use((session) =>
    session.query<{ readonly save: number }>(sql.dropCheckpoints, [key, known])
  )
  yield* sweep(
    registry,
    dropped.map(({ save }) => save)
  )
})

interface LoadedRow {
  readonly save: number
  readonly chunks: number
  readonly checksum: number
  /** `null` in the one row of a checkpoint without chunks. */
  readonly number: number | null
  readonly chunkChecksum: number
  readonly zstd: boolean
  readonly bytes: Uint8Array
}

export const load = Effect.fnUntraced(function* (
  { connections, key, sql, store }: Registry,
  version: number
): Effect.fn.Return<ReadonlyArray<Uint8Array>, HistoryStoreError> {
  const rows = Number.isSafeInteger(version)
    ? yield* connections.use((session) => session.query<LoadedRow>(sql.loadCheckpoint, [key, version]))
    : []
  const [named] = rows
  if (named === undefined) return yield* storeError(store, "NotFound", `v${version} has no checkpoint`)
  const what = `the checkpoint of v${version}`
  const { checksum, chunks, save } = named
  const stored = rows.filter(({ number }) => number !== null)
  if (stored.length !== chunks || checksum !== checkpointChecksum(save, version, chunks)) {
    return yield* damaged(store, what)
  }
  const loaded: Array<Uint8Array> = []
  for (const [number, row] of stored.entries()) {
    if (row.chunkChecksum !== chunkChecksum(save, number, row)) return yield* damaged(store, what)
    loaded.push(yield* unpack(store, what, row))
  }
  return loaded
})
