/** What a checkpoint holds, and which of them are kept. */
import type * as ChangeSet from "@heph/changeset/ChangeSet"
import * as Operation from "@heph/changeset/Operation"
import * as Entry from "@heph/entry/Entry"
import type * as EntryId from "@heph/entry/EntryId"
import * as State from "@heph/entry/State"
import type { VersionRecord } from "../HistoryStore.ts"

/** The gap that may be left by a checkpoint that goes, as a part of its distance from the newest. */
const widest = 1 / 4

/**
 * The checkpoints to keep of some, ascending: fewer the older they are, so that there are only ever a few dozen, and
 * what has to be read on from one to an old state is a part of how old it is.
 */
export const thinned = (checkpoints: ReadonlyArray<number>): ReadonlyArray<number> => {
  const newest = checkpoints.at(-1) ?? 0
  const kept: Array<number> = []
  for (const [i, version] of checkpoints.entries()) {
    const gap = (checkpoints[i + 1] ?? Infinity) - (kept.at(-1) ?? 0)
    if (gap > (newest - version) * widest) kept.push(version)
  }
  return kept
}

/** Notes the original of the first operation on an entry of the baseline. */
export const noteOriginal = (
  originals: Map<EntryId.EntryId, Entry.Entry>,
  operation: Operation.Operation,
  baseline: State.State
): void => {
  if (operation.op === "create" || originals.has(Operation.idOf(operation))) return
  const there = baseline.get(Operation.idOf(operation))
  if (there !== undefined && Entry.equals(there, operation.original!)) {
    originals.set(there.id, operation.original!)
  }
}

/**
 * Everything up to a version as one changeset. It keeps every entry of the baseline that was touched, with what the
 * history found there; what was created and deleted again leaves no trace, so that checkpoints do not grow for ever.
 */
export const summary = (
  baseline: State.State,
  state: State.State,
  originals: ReadonlyMap<EntryId.EntryId, Entry.Entry>
): ChangeSet.ChangeSet => {
  const operations: Array<Operation.Operation> = []
  for (const [id, original] of originals) {
    const now = state.get(id)
    if (now?.kind === original.kind) operations.push(Operation.update(now, original))
    else operations.push(Operation.remove(id, original), ...(now === undefined ? [] : [Operation.create(now)]))
  }
  State.diff(baseline, state, (before, after) => {
    if (originals.has((before ?? after)!.id)) return
    // The baseline has what the history created and deleted, or it would be here as an original.
    if (after === undefined) operations.push(Operation.create(before!), Operation.remove(before!.id, before))
    else if (before === undefined || !Entry.equals(before, after)) operations.push(Operation.create(after))
  })
  return operations
}

/** Whether an operation finds what it was made for. What does not come from the baseline comes from the history itself. */
export const meets = (operation: Operation.Operation, there: Entry.Entry | undefined, baseline: State.State): boolean =>
  operation.op === "create"
    ? there === undefined
    : there !== undefined && (there !== baseline.get(there.id) || Entry.equals(there, operation.original!))

/** What it takes to read versions again, in operations of a checkpoint: an update comes with its original. */
export const operationsOf = (records: ReadonlyArray<VersionRecord>): number =>
  records.reduce((sum, { created, deleted, updated }) => sum + 1 + created + 2 * updated + deleted, 0)
