/** What `verify` finds beside damage to the store: versions and checkpoints that do not follow from what came before. */
import type * as ChangeSet from "@heph/changeset/ChangeSet"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { HistoryError } from "../History.ts"
import type * as HistoryStore from "../HistoryStore.ts"
import * as Trace from "./trace.ts"

/** Every version on what its ancestors did, whatever the baseline; a parent's part is let go with its last child. */
export const examine = Effect.fnUntraced(function* (
  store: HistoryStore.HistoryStore["Service"],
  info: HistoryStore.StoreInfo,
  loadCheckpoint: (version: number) => Effect.Effect<ReadonlyArray<ChangeSet.ChangeSet>, HistoryError>
) {
  const damage: Array<HistoryStore.Damage> = []
  const report = (id: number, reason: string) => damage.push({ what: `v${id}`, reason })
  const children = new Map<number, number>()
  for (let after = 0; after < info.last; after += 1000) {
    for (const { parent } of yield* store.versions({ after, limit: 1000 })) {
      children.set(parent, (children.get(parent) ?? 0) + 1)
    }
  }
  const reached = new Map<number, Trace.Trace>([[0, Trace.empty]])
  const checkpoints = new Set(info.checkpoints)
  for (let after = 0; after < info.last; after += 200) {
    for (const record of yield* store.versions({ after, limit: 200 })) {
      const parent = reached.get(record.parent)
      const left = (children.get(record.parent) ?? 0) - 1
      children.set(record.parent, left)
      if (left === 0) reached.delete(record.parent)
      if (parent === undefined) continue
      const operations = yield* Effect.result(record.changeset.value)
      if (Result.isFailure(operations)) {
        const error = operations.failure
        if (error._tag === "HistoryStoreError" && error.reason !== "Corrupt") return yield* error
        report(record.id, error.message)
        continue
      }
      const traced = Trace.extend(parent, [operations.success])
      if (Result.isFailure(traced)) {
        report(record.id, `it does not follow from v${record.parent}: ${traced.failure}`)
        continue
      }
      reached.set(record.id, traced.success)
      if (checkpoints.has(record.id)) {
        const written = yield* Effect.result(loadCheckpoint(record.id))
        if (Result.isFailure(written)) report(record.id, written.failure.message)
        else if (!Trace.leadsTo(written.success, traced.success)) {
          report(record.id, "its checkpoint is not the state that its changesets lead to")
        }
      }
    }
    yield* Effect.yieldNow
  }
  return damage
})
