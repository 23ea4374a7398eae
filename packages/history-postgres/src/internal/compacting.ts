/**
 * Compaction: one transaction after which nobody sees the versions that were dropped, and then their rows, some at a time.
 *
 * What takes long comes first in the transaction and locks nothing that a writer needs. Then writers wait, for as long as
 * it takes to look once more and to note the runs; the new epoch makes them look too before they write on.
 */
import type { Compaction, HistoryStoreError } from "@heph/history/HistoryStore"
import * as Precondition from "@heph/history/Precondition"
import * as Effect from "effect/Effect"
import { newEpoch } from "./appending.ts"
import * as Checkpoints from "./checkpoints.ts"
import type { Session } from "./connections.ts"
import { readFacts, type Registry } from "./registry.ts"
import { damaged, droppedChecksum, formatRuns, writtenRow } from "./rows.ts"

export const compact = Effect.fnUntraced(function* (
  registry: Registry,
  compaction: Compaction
): Effect.fn.Return<void, HistoryStoreError> {
  const { connections, key, sql, store } = registry
  const { drop, fold } = compaction
  const check = Effect.fnUntraced(function* (session: Session) {
    const facts = yield* readFacts(registry, session)
    const tags = yield* session.query<{ readonly version: number }>(sql.tagged, [key])
    const parents = yield* session.query<{ readonly parent: number }>(sql.parents, [key, compaction.last])
    const beside = { tags: tags.map(({ version }) => version), parents: parents.map(({ parent }) => parent) }
    const refusal = Precondition.compact(facts, compaction, beside, store)
    if (refusal !== undefined) return yield* refusal
    return facts
  })
  const saves = yield* connections.transaction((session) =>
    Effect.gen(function* () {
      yield* session.query(sql.oneCompaction, [key])
      yield* check(session)
      if (drop.length === 0 && fold.length === 0) return []
      const runs = formatRuns(drop)
      yield* session.query(sql.keepMoves, [key, runs])
      const revisions = new Map(
        (yield* session.query<{ readonly id: number; readonly revision: number }>(sql.revisionsOf, [
          key,
          fold.map(({ id }) => id)
        ])).map(({ id, revision }) => [id, revision])
      )
      for (const version of fold) {
        const revision = revisions.get(version.id)
        if (revision === undefined) return yield* damaged(store, `v${version.id}`)
        const row = yield* writtenRow(version, revision)
        yield* session.query(sql.fold, [
          key,
          row.id,
          row.parent,
          row.message,
          row.author,
          row.created,
          row.updated,
          row.deleted,
          row.folded,
          row.checksum,
          row.zstd,
          row.bytes,
          row.timestamp,
          row.moved
        ])
      }
      yield* session.query(sql.stop, [key])
      const facts = yield* check(session)
      const dropped = Precondition.union(facts.dropped, drop)
      yield* session.query(sql.dropRuns, [key, formatRuns(dropped), runs, droppedChecksum(dropped)])
      const checkpoints = yield* session.query<{ readonly save: number }>(sql.droppedCheckpoints, [key, runs])
      yield* session.query(sql.newEpoch, newEpoch(key, facts))
      return checkpoints.map(({ save }) => save)
    })
  )
  yield* Checkpoints.sweep(registry, saves)
  // It is done. What is left over takes room, and the next compaction sweeps it.
  yield* Effect.ignore(sweep(registry))
})

/** Gives back the room of what this and earlier compactions dropped, and of saves that were given up. */
const sweep = Effect.fnUntraced(function* (registry: Registry): Effect.fn.Return<void, HistoryStoreError> {
  const { connections, key, sql } = registry
  const some = connections.transaction((session) =>
    Effect.gen(function* () {
      const [range] = yield* session.query<{ readonly first: number; readonly end: number }>(sql.leftover, [key])
      if (range === undefined) return false
      yield* session.query(sql.sweep, [key, range.first, range.end])
      return true
    })
  )
  while (yield* some) yield* Effect.yieldNow
  const left = yield* connections.use((session) => session.query<{ readonly save: number }>(sql.leftChunks, [key]))
  yield* Checkpoints.sweep(
    registry,
    left.map(({ save }) => save)
  )
})
