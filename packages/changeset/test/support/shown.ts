import type * as ChangeSet from "@heph/changeset/ChangeSet"
import type * as Operation from "@heph/changeset/Operation"
import type * as Entry from "@heph/entry/Entry"
import type * as State from "@heph/entry/State"

const ofEntry = (entry: Entry.Entry | undefined): string =>
  entry === undefined ? "?" : `${entry.id} ${entry.kind} ${JSON.stringify([entry.meta, entry.data])}`

const ofOperation = (operation: Operation.Operation): string => {
  if (operation.op === "create") return `create ${ofEntry(operation.entry)}`
  if (operation.op === "delete") return `delete ${operation.id} of ${ofEntry(operation.original)}`
  return `update ${ofEntry(operation.entry)} of ${ofEntry(operation.original)}`
}

/** A changeset as lines that say all there is to it. */
export const shown = (changeset: ChangeSet.ChangeSet): ReadonlyArray<string> => changeset.map(ofOperation)

/** A state as lines that say all there is to it. */
export const shownState = (state: State.State): ReadonlyArray<string> => Array.from(state, ofEntry)

/** A changeset as `create a:x`, `delete a:y`. */
export const brief = (changeset: ChangeSet.ChangeSet): ReadonlyArray<string> =>
  changeset.map((operation) => `${operation.op} ${operation.op === "delete" ? operation.id : operation.entry.id}`)
