/**
 * Watching: each watcher has a cursor of its own and reads on from there, from what was just committed while it keeps up
 * and from history when it does not. So a slow one costs the writers nothing and misses nothing.
 */
import { type History, UnknownVersion } from "@heph/history/History"
import type * as HistoryStore from "@heph/history/HistoryStore"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Committed } from "../Registry.ts"
import type { WriteError } from "../RegistryError.ts"
import { patiently } from "./following.ts"

/** Versions that are found without asking the store. */
const recentVersions = 1024
/** Versions that a watcher takes at a time. */
const batchSize = 500

/** A version with its changeset read. */
export const committed = (record: HistoryStore.VersionRecord) =>
  Effect.map(record.changeset.value, (changeset): Committed => ({ version: record, changeset }))

export const make = (history: History["Service"]) => {
  let recent: Array<HistoryStore.VersionRecord> = []
  let seen = history.info().last
  const wakers = new Set<() => void>()
  // Why what other processes committed cannot be followed, until it can.
  let failure: WriteError | undefined

  /** Waits until there is more than a watcher has seen, or a reason why there will not be. */
  const wokenAfter = (cursor: number) =>
    Effect.callback<void, WriteError>((resume) => {
      const outcome = () => (cursor < seen || failure === undefined ? Effect.void : Effect.fail(failure))
      // It may have come between the last look and here.
      if (cursor < seen || failure !== undefined) return resume(outcome())
      const wake = () => {
        wakers.delete(wake)
        // A resumed fiber runs at once, inside of whoever wakes it: it is to wait until the commit is over.
        resume(Effect.andThen(Effect.yieldNow, outcome()))
      }
      wakers.add(wake)
      return Effect.sync(() => wakers.delete(wake))
    })
  const wakeAll = () => {
    for (const wake of wakers) wake()
  }

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
      wakeAll()
    },
    /** Forgets what is at hand: compaction may have dropped it. */
    forget: () => {
      recent = []
    },
    /** Tells those who wait that versions of other processes cannot be followed; with nothing, that they can again. */
    failed: (error: WriteError | undefined) => {
      failure = error
      if (error !== undefined) wakeAll()
    },
    /** Every version after `from`, once each, by id. */
    stream: (from: number) => {
      // The last one that was shown, and how far the watcher has looked: compaction leaves gaps.
      let shown = from
      let cursor = from
      const look = Effect.gen(function* () {
        const records = atHand(cursor) ?? (yield* patiently(history.versions({ after: cursor, limit: batchSize })))
        if (shown > 0 && records[0] !== undefined && records[0].id > shown + 1) {
          // Compaction folded what came next into it. Where it took the last one shown too, that would not follow from it.
          const [there] = yield* patiently(history.versions({ ids: [shown] }))
          if (there === undefined) {
            const { last } = history.info()
            return yield* new UnknownVersion({ version: String(shown), last, next: records[0].id })
          }
        }
        const batch: Array<Committed> = []
        for (const record of records) if (record.id <= seen) batch.push(yield* patiently(committed(record)))
        return batch
      })
      const next = Effect.gen(function* () {
        while (cursor >= seen) yield* wokenAfter(cursor)
        const until = seen
        // A large changeset that was compacted between the look at its version and the look at itself is looked for again.
        const batch = yield* Effect.retry(look, {
          while: (error) => error._tag === "HistoryStoreError" && error.reason === "NotFound",
          times: 5
        })
        shown = batch.at(-1)?.version.id ?? shown
        cursor = batch.length === 0 ? until : shown
        return batch
      })
      return Stream.flattenIterable(Stream.fromEffectRepeat(next))
    }
  }
}
