/**
 * What a caller wants changed: operations, or a function that finds them in the state they will be applied to. A
 * function is asked again when somebody else was faster, so that it never decides on a state that is gone.
 */
import * as Operation from "@heph/changeset/Operation"
import * as Entry from "@heph/entry/Entry"
import type * as EntryId from "@heph/entry/EntryId"
import type * as State from "@heph/entry/State"

export type Change =
  | ReadonlyArray<Operation.OperationInput | Operation.Operation>
  | ((state: State.State) => ReadonlyArray<Operation.OperationInput | Operation.Operation>)

export interface HoldOptions {
  /** Delete every entry that is not among these. Off by default. */
  readonly prune?: boolean | undefined
}

/**
 * The change after which a registry holds these entries: creates those it lacks, updates those that differ, replaces
 * those of another kind. Applying it twice changes nothing the second time.
 */
export const hold =
  (entries: Iterable<Entry.Entry>, options?: HoldOptions) =>
  (state: State.State): ReadonlyArray<Operation.Operation> => {
    const operations: Array<Operation.Operation> = []
    const named = new Set<EntryId.EntryId>()
    for (const entry of entries) {
      named.add(entry.id)
      const there = state.get(entry.id)
      if (there === undefined) operations.push(Operation.create(entry))
      else if (there.kind !== entry.kind) operations.push(Operation.remove(entry.id, there), Operation.create(entry))
      else if (!Entry.equals(there, entry)) operations.push(Operation.update(entry, there))
    }
    if (options?.prune === true) {
      for (const there of state) if (!named.has(there.id)) operations.push(Operation.remove(there.id, there))
    }
    return operations
  }
