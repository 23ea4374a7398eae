/** A store in memory that counts what is read of it: what `History` is tested over. */
import * as HistoryStore from "@heph/history/HistoryStore"
import * as Precondition from "@heph/history/Precondition"
import type * as Version from "@heph/history/Version"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

export interface Counted {
  readonly store: HistoryStore.HistoryStore["Service"]
  /** The rows, to be looked at or damaged. */
  readonly versions: Array<HistoryStore.VersionRecord>
  readonly checkpoints: Map<number, ReadonlyArray<Uint8Array>>
  /** What was read since the last time of asking. */
  readonly read: () => { readonly calls: number; readonly versions: number; readonly chunks: number }
}

export const make = (options?: { readonly yielding?: boolean }): Counted => {
  const versions: Array<HistoryStore.VersionRecord> = []
  const gone = new Set<number>()
  let dropped: ReadonlyArray<HistoryStore.Run> = []
  const heads: Array<Version.HeadMove> = []
  const tags = new Map<string, number>()
  const checkpoints = new Map<number, ReadonlyArray<Uint8Array>>()
  let count = { calls: 0, versions: 0, chunks: 0 }
  const tip = () => ({ head: heads.at(-1)?.version ?? 0, revision: heads.length, last: versions.length, dropped })
  const push = (version: number, timestamp: number) => heads.push({ revision: heads.length + 1, version, timestamp })
  const done = <A>(run: () => A): Effect.Effect<A> =>
    options?.yielding === true ? Effect.andThen(Effect.yieldNow, Effect.sync(run)) : Effect.sync(run)
  const run = (range: HistoryStore.VersionRange) => {
    if ("ids" in range) return range.ids.flatMap((id) => (gone.has(id) ? [] : (versions[id - 1] ?? [])))
    const there = (records: ReadonlyArray<HistoryStore.VersionRecord>) => records.filter(({ id }) => !gone.has(id))
    if (gone.size > 0) {
      return "after" in range
        ? there(versions.slice(range.after)).slice(0, range.limit)
        : there(versions.slice(0, Math.max(range.before - 1, 0)))
            .reverse()
            .slice(0, range.limit)
    }
    if ("after" in range) return versions.slice(range.after, range.after + range.limit)
    return versions.slice(Math.max(range.before - 1 - range.limit, 0), Math.max(range.before - 1, 0)).reverse()
  }
  const store = HistoryStore.HistoryStore.of({
    capabilities: { durable: true, shared: false, travel: true },
    info: done(() => ({
      created: 0,
      ...tip(),
      tags: new Map(tags),
      checkpoints: [...checkpoints.keys()].sort((a, b) => a - b)
    })),
    append: (added, revision) =>
      Effect.suspend(() => {
        const refusal = Precondition.append(tip(), added, revision, "test")
        if (refusal !== undefined) return Effect.fail(refusal)
        for (const version of added) {
          versions.push(version)
          push(version.id, version.timestamp)
        }
        return Effect.succeed(heads.length)
      }),
    moveHead: (version, timestamp, revision) =>
      Effect.suspend(() => {
        const refusal = Precondition.moveHead(tip(), version, revision, "test")
        return refusal === undefined ? Effect.succeed(push(version, timestamp)) : Effect.fail(refusal)
      }),
    tag: (name, version) =>
      Effect.sync(() => {
        if (version === null) tags.delete(name)
        else tags.set(name, version)
      }),
    versions: (range) =>
      done(() => {
        const found = run(range)
        count = { ...count, calls: count.calls + 1, versions: count.versions + found.length }
        return found
      }),
    heads: (after, limit) => Effect.sync(() => heads.slice(after, after + limit)),
    checkpoints: {
      save: (version, chunks) =>
        Effect.sync(() => {
          checkpoints.set(version, Array.from(chunks))
        }),
      load: (version) =>
        Effect.suspend(() => {
          const chunks = checkpoints.get(version)
          if (chunks === undefined) {
            return Effect.fail(
              new HistoryStore.HistoryStoreError({ reason: "NotFound", store: "test", detail: "none" })
            )
          }
          count = { ...count, chunks: count.chunks + chunks.length }
          return done(() => chunks)
        }),
      drop: (versions) => Effect.sync(() => versions.forEach((version) => checkpoints.delete(version)))
    },
    compact: (compaction) =>
      Effect.suspend(() => {
        const parents = versions.slice(compaction.last).map(({ parent }) => parent)
        const refusal = Precondition.compact(tip(), compaction, { tags: tags.values(), parents }, "test")
        if (refusal !== undefined) return Effect.fail(refusal)
        for (const [first, last] of compaction.drop) {
          for (let id = first; id <= last; id++) {
            gone.add(id)
            checkpoints.delete(id)
          }
        }
        for (const record of compaction.fold) versions[record.id - 1] = record
        dropped = Precondition.union(dropped, compaction.drop)
        return Effect.void
      }),
    changes: Stream.concat(Stream.succeed(undefined), Stream.never),
    verify: Effect.succeed([])
  })
  const read = () => {
    const before = count
    count = { calls: 0, versions: 0, chunks: 0 }
    return before
  }
  return { store, versions, checkpoints, read }
}
