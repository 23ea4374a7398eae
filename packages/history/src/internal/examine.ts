/** What `verify` finds beside damage to the store: versions and checkpoints that do not follow from what came before. */
import type * as ChangeSet from "@heph/changeset/ChangeSet"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { HistoryError } from "../History.ts"
import type * as HistoryStore from "../HistoryStore.ts"
import * as Trace from "./trace.ts"

/** Every version up to the last of `info`, a page at a time. */
const pages = Effect.fnUntraced(function* (
  store: HistoryStore.HistoryStore["Service"],
  { last }: HistoryStore.StoreInfo,
  size: number,
  each: (record: HistoryStore.VersionRecord) => Effect.Effect<void, HistoryError>
) {
  for (let after = 0; after < last;) {
    const page = yield* store.versions({ after, limit: size })
    for (const record of page) if (record.id <= last) yield* each(record)
    // Ids have gaps where compaction was.
    after = page.at(-1)?.id ?? last
    yield* Effect.yieldNow
  }
})

/** Every version on what its ancestors did, whatever the baseline; a parent's part is let go with its last child. */
export const examine = Effect.fnUntraced(function* (
  store: HistoryStore.HistoryStore["Service"],
  info: HistoryStore.StoreInfo,
  loadCheckpoint: (version: number) => Effect.Effect<ReadonlyArray<ChangeSet.ChangeSet>, HistoryError>
) {
  const damage: Array<HistoryStore.Damage> = []
  const report = (id: number, reason: string) => damage.push({ what: `v${id}`, reason })
  const children = new Map<number, number>()
  yield* pages(store, info, 1000, ({ parent }) =>
    Effect.sync(() => children.set(parent, (children.get(parent) ?? 0) + 1))
  )
  const reached = new Map<number, Trace.Trace>([[0, Trace.empty]])
  const checkpoints = new Set(info.checkpoints)
  // What does not follow, and all that follows from it: told once.
  const broken = new Set<number>()
  yield* pages(
    store,
    info,
    200,
    Effect.fnUntraced(function* (record: HistoryStore.VersionRecord) {
      const { id, parent } = record
      const before = reached.get(parent)
      const left = (children.get(parent) ?? 0) - 1
      children.set(parent, left)
      if (left === 0) reached.delete(parent)
      if (before === undefined) {
        if (!broken.has(parent)) report(id, `v${parent}, which it was applied to, is missing`)
        broken.add(id)
        return
      }
      const operations = yield* Effect.result(record.changeset.value)
      if (Result.isFailure(operations)) {
        const error = operations.failure
        if (error._tag === "HistoryStoreError" && error.reason !== "Corrupt") return yield* error
        report(id, error.message)
        broken.add(id)
        return
      }
      const traced = Trace.extend(before, [operations.success])
      if (Result.isFailure(traced)) {
        report(id, `it does not follow from v${parent}: ${traced.failure}`)
        broken.add(id)
        return
      }
      reached.set(id, traced.success)
      if (!checkpoints.has(id)) return
      const written = yield* Effect.result(loadCheckpoint(id))
      if (Result.isSuccess(written)) {
        if (!Trace.leadsTo(written.success, traced.success)) {
          report(id, "its checkpoint is not the state that its changesets lead to")
        }
        return
      }
      const error = written.failure
      if (error._tag === "CorruptBytes" || (error._tag === "HistoryStoreError" && error.reason === "Corrupt")) {
        report(id, error.message)
      } else if ((yield* store.info).checkpoints.includes(id)) return yield* error
      // Else it was dropped meanwhile, as older ones are by any process that writes a new one.
    })
  )
  return damage
})
