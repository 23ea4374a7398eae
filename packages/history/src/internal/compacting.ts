/** Compaction as it is done: surveyed, planned, folded, and handed to the store in one step. */
import type * as ChangeSet from "@heph/changeset/ChangeSet"
import * as Delta from "@heph/changeset/Delta"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { CompactOptions, Compacted, HistoryError } from "../History.ts"
import * as HistoryStore from "../HistoryStore.ts"
import * as Packed from "../Packed.ts"
import * as Precondition from "../Precondition.ts"
import * as Compaction from "./compaction.ts"
import * as Trace from "./trace.ts"

type Store = HistoryStore.HistoryStore["Service"]
/** The changesets that a checkpoint consists of. */
type LoadCheckpoint = (version: number) => Effect.Effect<ReadonlyArray<ChangeSet.ChangeSet>, HistoryError>

/** Versions whose changesets are in memory at a time. */
const pageSize = 64

/** One try: refused with `Busy` where the store was written to in a way that matters. */
export const compact = Effect.fnUntraced(function* (
  store: Store,
  { dryRun, keep }: CompactOptions,
  loadCheckpoint: LoadCheckpoint
) {
  const info = yield* store.info
  const tree = yield* survey(store)
  const tagged = new Set(info.tags.values())
  const newest = tree.ids.length - (keep.versions ?? 0)
  const since =
    keep.age === undefined
      ? Infinity
      : (yield* Clock.currentTimeMillis) - Duration.toMillis(Duration.fromInputUnsafe(keep.age))
  const { drop, fold, left } = Compaction.plan(tree, (index) => {
    const id = tree.ids[index]!
    // The last stays, whatever is asked for: no id is used twice. What came after `info` is no concern of this plan.
    const isNeeded = id === info.head || id >= info.last || tagged.has(id)
    return isNeeded || index >= newest || tree.timestamps[index]! >= since
  })
  const ontoRoot = new Set(fold.filter(({ parent }) => parent === 0).map(({ id }) => id))
  const compacted: Compacted = {
    dropped: drop,
    folded: fold.map(({ id }) => id),
    checkpoints: info.checkpoints.filter((version) => Precondition.isIn(drop, version) || ontoRoot.has(version)),
    before: tree.ids.length,
    after: left
  }
  // Also with nothing to drop: the room of what a compaction before left, because it was broken off, is given back.
  if (dryRun === true) return compacted
  const records: Array<HistoryStore.VersionRecord> = []
  for (const { parent, way } of fold) {
    const record = yield* folded(store, tree, parent, way, info.checkpoints, loadCheckpoint)
    records.push({ ...record, folded: way.reduce((sum, id) => sum + tree.weights.get(id)!, -1) })
  }
  yield* store.compact({ drop, fold: records, last: tree.ids.at(-1) ?? 0 })
  // From v0 one changeset leads there now, which is all that a checkpoint is.
  const superfluous = compacted.checkpoints.filter((version) => ontoRoot.has(version))
  if (superfluous.length > 0) yield* store.checkpoints.drop(superfluous)
  return compacted
})

type Survey = Effect.Success<ReturnType<typeof survey>>

/** What was surveyed is not what is there any more: plan again. */
const busy = (detail: string) =>
  Effect.fail(new HistoryStore.HistoryStoreError({ reason: "Busy", store: "the history", detail }))

/** What is gone was dropped by another compaction, or with a new checkpoint. */
const stillThere = <A, E>(what: string, read: Effect.Effect<A, E | HistoryStore.HistoryStoreError>) =>
  Effect.catch(read, (error) =>
    error instanceof HistoryStore.HistoryStoreError && error.reason === "NotFound"
      ? busy(`${what} was dropped by another process; nothing was changed`)
      : Effect.fail(error)
  )

/** Every version that there is, with what compaction asks of it. */
const survey = Effect.fnUntraced(function* (store: Store) {
  const ids: Array<number> = []
  const parents: Array<number> = []
  const timestamps: Array<number> = []
  /** How many versions each is, with those that were folded into it. */
  const weights = new Map<number, number>()
  const parentOf = new Map<number, number>()
  for (;;) {
    const page = yield* store.versions({ after: ids.at(-1) ?? 0, limit: 1000 })
    if (page.length === 0) return { ids, parents, timestamps, weights, parentOf }
    for (const { folded = 0, id, parent, timestamp } of page) {
      ids.push(id)
      parents.push(parent)
      timestamps.push(timestamp)
      weights.set(id, 1 + folded)
      parentOf.set(id, parent)
    }
    yield* Effect.yieldNow
  }
})

/** The last version of a way, as the child of the version that the way begins after. */
const folded = Effect.fnUntraced(function* (
  store: Store,
  { parentOf, weights }: Survey,
  parent: number,
  way: ReadonlyArray<number>,
  checkpoints: ReadonlyArray<number>,
  loadCheckpoint: LoadCheckpoint
) {
  let trace = Trace.empty
  const extend = (at: number, changesets: ReadonlyArray<ChangeSet.ChangeSet>) =>
    Effect.suspend(() => {
      const extended = Trace.extend(trace, changesets)
      if (Result.isFailure(extended)) {
        const detail = `v${at} does not follow from the version before it: ${extended.failure}. Nothing was changed; verify lists all damage`
        return Effect.fail(new HistoryStore.HistoryStoreError({ reason: "Corrupt", store: "the history", detail }))
      }
      trace = extended.success
      return Effect.void
    })

  const id = way.at(-1)!
  let rest = way
  // A checkpoint is all that was done since v0.
  const checkpoint = parent === 0 ? way.findLast((version) => checkpoints.includes(version)) : undefined
  if (checkpoint !== undefined) {
    yield* extend(checkpoint, yield* stillThere(`the checkpoint of v${checkpoint}`, loadCheckpoint(checkpoint)))
    rest = way.slice(way.indexOf(checkpoint) + 1)
  }
  let record: HistoryStore.VersionRecord | undefined
  for (let start = 0; start < rest.length; start += pageSize) {
    const ids = rest.slice(start, start + pageSize)
    const page = yield* store.versions({ ids })
    const isSurveyed = ids.every((id, i) => {
      const found = page[i]
      return found?.id === id && found.parent === parentOf.get(id) && 1 + (found.folded ?? 0) === weights.get(id)
    })
    if (!isSurveyed) return yield* busy(`versions up to v${id} were dropped by another process; nothing was changed`)
    for (record of page) yield* extend(record.id, [yield* stillThere(`v${record.id}`, record.changeset.value)])
    yield* Effect.yieldNow
  }
  record ??= (yield* store.versions({ ids: [id] }))[0]
  if (record === undefined) return yield* busy(`v${id} was dropped by another process; nothing was changed`)
  const { changeset } = Delta.order(Trace.fold(trace))
  return {
    ...record,
    parent,
    ...Packed.countsOf(changeset),
    changeset: Packed.fromChangeSet(changeset)
  }
})
