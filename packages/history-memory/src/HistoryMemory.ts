/**
 * History in memory: the shortest correct store, for tests and for registries that need not survive their process.
 * Changesets stay the objects they are; nothing is encoded.
 */
import {
  HistoryStore,
  HistoryStoreError,
  type Run,
  type VersionRange,
  type VersionRecord
} from "@heph/history/HistoryStore"
import * as Precondition from "@heph/history/Precondition"
import type * as Version from "@heph/history/Version"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"

const store = "history in memory"

/** A fresh store at v0, of its own. It ends with whoever holds it. */
export const make: Effect.Effect<HistoryStore["Service"]> = Effect.map(Clock.currentTimeMillis, (created) => {
  const versions: Array<VersionRecord | undefined> = [] // id n is at n - 1, nothing where it was dropped
  let dropped: ReadonlyArray<Run> = []
  const heads: Array<Version.HeadMove> = [] // revision n is at n - 1
  const tags = new Map<string, number>()
  const checkpoints = new Map<number, ReadonlyArray<Uint8Array>>()

  const facts = (): Precondition.Facts => ({
    head: heads.at(-1)?.version ?? 0,
    revision: heads.length,
    last: versions.length,
    dropped
  })
  const pushHead = (version: number, timestamp: number) =>
    heads.push(Object.freeze({ revision: heads.length + 1, version, timestamp }))
  const read = (range: VersionRange): ReadonlyArray<VersionRecord> => {
    if ("ids" in range) return range.ids.flatMap((id) => versions[id - 1] ?? [])
    const limit = Math.max(range.limit, 0)
    const step = "after" in range ? 1 : -1
    const found: Array<VersionRecord> = []
    let at = "after" in range ? Math.max(range.after, 0) : Math.min(range.before, versions.length + 1) - 2
    for (; at >= 0 && at < versions.length && found.length < limit; at += step) {
      const version = versions[at]
      if (version !== undefined) found.push(version)
    }
    return found
  }

  return HistoryStore.of({
    capabilities: { durable: false, shared: false, travel: true },
    info: Effect.sync(() => ({
      created,
      ...facts(),
      tags: new Map(tags),
      checkpoints: [...checkpoints.keys()].sort((a, b) => a - b)
    })),
    append: (appended, revision) =>
      Effect.suspend(() => {
        const refusal = Precondition.append(facts(), appended, revision, store)
        if (refusal !== undefined) return Effect.fail(refusal)
        for (const version of appended) {
          versions.push(Object.freeze({ ...version }))
          pushHead(version.id, version.timestamp)
        }
        return Effect.succeed(heads.length)
      }),
    moveHead: (version, timestamp, revision) =>
      Effect.suspend(() => {
        const refusal = Precondition.moveHead(facts(), version, revision, store)
        return refusal === undefined ? Effect.succeed(pushHead(version, timestamp)) : Effect.fail(refusal)
      }),
    tag: (name, version) =>
      Effect.suspend(() => {
        const refusal = version === null ? undefined : Precondition.exists(facts(), version, store)
        if (refusal !== undefined) return Effect.fail(refusal)
        if (version === null) tags.delete(name)
        else tags.set(name, version)
        return Effect.void
      }),
    versions: (range) => Effect.sync(() => read(range)),
    heads: (after, limit) =>
      Effect.sync(() => heads.slice(Math.max(after, 0), Math.max(after, 0) + Math.max(limit, 0))),
    checkpoints: {
      save: (version, chunks) =>
        Effect.suspend(() => {
          const refusal = Precondition.exists(facts(), version, store)
          if (refusal !== undefined) return Effect.fail(refusal)
          // Copied here and in `load`: an encoder may use its buffer again, and a reader may write into what it got.
          checkpoints.set(
            version,
            Array.from(chunks, (chunk) => new Uint8Array(chunk))
          )
          return Effect.void
        }),
      load: (version) =>
        Effect.suspend(() => {
          const chunks = checkpoints.get(version)
          return chunks === undefined
            ? Effect.fail(new HistoryStoreError({ reason: "NotFound", store, detail: `v${version} has no checkpoint` }))
            : Effect.succeed(chunks.map((chunk) => new Uint8Array(chunk)))
        }),
      drop: (versions) => Effect.sync(() => versions.forEach((version) => checkpoints.delete(version)))
    },
    compact: (compaction) =>
      Effect.suspend(() => {
        const parents = versions.slice(compaction.last).flatMap((version) => version?.parent ?? [])
        const refusal = Precondition.compact(facts(), compaction, { tags: tags.values(), parents }, store)
        if (refusal !== undefined) return Effect.fail(refusal)
        for (const [first, last] of compaction.drop) {
          for (let id = first; id <= last; id++) {
            versions[id - 1] = undefined
            checkpoints.delete(id)
          }
        }
        for (const version of compaction.fold) versions[version.id - 1] = Object.freeze({ ...version })
        dropped = Precondition.union(dropped, compaction.drop)
        return Effect.void
      }),
    // Nobody else can write to it.
    changes: Stream.concat(Stream.succeed(undefined), Stream.never),
    verify: Effect.succeed([])
  })
})

/**
 * A fresh store for each time the layer is built.
 *
 * @example
 * import * as HistoryMemory from "@heph/history-memory/HistoryMemory"
 * import { HistoryStore } from "@heph/history/HistoryStore"
 * import * as Effect from "effect/Effect"
 *
 * const program = Effect.gen(function* () {
 *   const store = yield* HistoryStore
 *   return yield* store.info
 * })
 * const info = await Effect.runPromise(Effect.provide(program, HistoryMemory.layer))
 * console.log(info.head, info.revision) //=> 0 0
 */
export const layer: Layer.Layer<HistoryStore> = Layer.effect(HistoryStore, make)
