/**
 * Watching: each watcher has a cursor of its own and reads on from there, from what was just committed while it keeps up
 * and from history when it does not. So a slow one costs the writers nothing and misses nothing.
 */
import type * as History from "@heph/history/History"
import type * as HistoryStore from "@heph/history/HistoryStore"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Committed } from "../Registry.ts"

/** Versions that are found without asking the store. */
const recentVersions = 1024
/** Versions that a watcher takes at a time. */
const batchSize = 500

/** A version with its changeset read. */
export const committed = (record: HistoryStore.VersionRecord) =>
  Effect.map(Effect.fromResult(record.changeset.value()), (changeset): Committed => ({ version: record, changeset }))

export const make = (history: History.History["Service"]) => {
  let recent: Array<HistoryStore.VersionRecord> = []
  let seen = history.info().last
  const wakers = new Set<() => void>()

  /** Waits until there is more than a watcher has seen. */
  const wokenAfter = (cursor: () => number) =>
    Effect.callback<void>((resume) => {
      // It may have come between the last look and here.
      if (cursor() < seen) return resume(Effect.void)
      const wake = () => {
        wakers.delete(wake)
        // A resumed fiber runs at once, inside of whoever wakes it: it is to wait until the commit is over.
        resume(Effect.yieldNow)
      }
      wakers.add(wake)
      return Effect.sync(() => wakers.delete(wake))
    })

  /** The recent versions after a cursor, if there are some and none is missing. */
  const atHand = (cursor: number): ReadonlyArray<HistoryStore.VersionRecord> | undefined => {
    const newest = recent.at(-1)?.id ?? 0
    // Ids are distinct and ascending: as many of them as there are numbers after the cursor means no gap.
    const start = recent.length - (newest - cursor)
    return recent[start]?.id === cursor + 1 ? recent.slice(start, start + batchSize) : undefined
  }

  return {
    /** The newest version that watchers may see. */
    seen: () => seen,
    /** Lets watchers see what history has by now; `record` is a version that was just committed here. */
    advance: (record?: HistoryStore.VersionRecord) => {
      if (record !== undefined) {
        recent.push(record)
        if (recent.length >= 2 * recentVersions) recent = recent.slice(-recentVersions)
      }
      seen = history.info().last
      for (const wake of wakers) wake()
    },
    /** Every version after `from`, once each, by id. `idle` runs whenever there is nothing more, until it is woken. */
    stream: <E>(from: number, idle: (woken: Effect.Effect<void>) => Effect.Effect<void, E>) => {
      let cursor = from
      const woken = wokenAfter(() => cursor)
      const next = Effect.gen(function* () {
        while (cursor >= seen) yield* idle(woken)
        const records = atHand(cursor) ?? (yield* history.versions({ after: cursor, limit: batchSize }))
        const batch: Array<Committed> = []
        for (const record of records) if (record.id <= seen) batch.push(yield* committed(record))
        cursor = batch.at(-1)?.version.id ?? cursor
        return batch
      })
      return Stream.flattenIterable(Stream.fromEffectRepeat(next))
    }
  }
}
