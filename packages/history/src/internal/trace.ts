/**
 * What a run of changesets did to each entry, without the baseline they were made on: the value it has now, and for an
 * entry that was there before the first of them, what they found. Two histories with equal traces lead any baseline to
 * the same state.
 */
import * as ChangeSet from "@heph/changeset/ChangeSet"
import * as Operation from "@heph/changeset/Operation"
import * as Entry from "@heph/entry/Entry"
import * as State from "@heph/entry/State"
import * as Result from "effect/Result"

export interface Trace {
  /** The entries that they created or updated, as they left them. */
  readonly entries: State.State
  /** The entries that were there before, as they were; also of those that are deleted now. */
  readonly originals: State.State
}

/** The trace of no changesets. */
export const empty: Trace = { entries: State.empty, originals: State.empty }

/** The trace with more changesets, or what does not follow. */
export const extend = (trace: Trace, changesets: Iterable<ChangeSet.ChangeSet>): Result.Result<Trace, string> => {
  let problem: string | undefined
  let originals = trace.originals
  const entries = State.update(trace.entries, (present) => {
    originals = State.update(trace.originals, (found) => {
      for (const operations of changesets) {
        for (const operation of operations) {
          problem = misfit(operation, present, found)
          if (problem !== undefined) return
          const id = Operation.idOf(operation)
          if (operation.op !== "create" && present.get(id) === undefined) found.set(operation.original!)
          if (operation.op === "delete") present.remove(id)
          else present.set(operation.entry)
        }
      }
    })
  })
  return problem === undefined ? Result.succeed({ entries, originals }) : Result.fail(problem)
}

/** One changeset with this trace: what the changesets of the trace did, folded. */
export const fold = ({ entries, originals }: Trace): ChangeSet.ChangeSet => {
  const operations: Array<Operation.Operation> = []
  for (const original of originals) {
    const now = entries.get(original.id)
    // Also where it is the same again: that the history touched it tells whether it fits a baseline.
    if (now?.kind === original.kind) operations.push(Operation.update(now, original))
    else operations.push(Operation.remove(original.id, original), ...(now === undefined ? [] : [Operation.create(now)]))
  }
  for (const entry of entries) if (!originals.has(entry.id)) operations.push(Operation.create(entry))
  return operations
}

/** Whether these changesets have exactly this trace. */
export const leadsTo = (changesets: Iterable<ChangeSet.ChangeSet>, trace: Trace): boolean => {
  const other = extend(empty, changesets)
  return (
    Result.isSuccess(other) &&
    equal(other.success.entries, trace.entries) &&
    equal(other.success.originals, trace.originals)
  )
}

const misfit = (operation: Operation.Operation, present: State.Builder, found: State.Builder): string | undefined => {
  const id = Operation.idOf(operation)
  const there = present.get(id)
  if (operation.op === "create") {
    return there === undefined ? undefined : new ChangeSet.EntryExists({ id: id.value }).message
  }
  const { original } = operation
  if (original === undefined) return new ChangeSet.MissingOriginal({ id: id.value, op: operation.op }).message
  if (there === undefined && found.get(id) !== undefined) {
    return new ChangeSet.EntryMissing({ id: id.value, op: operation.op }).message
  }
  if (there !== undefined && !Entry.equals(there, original)) {
    return `the ${operation.op} of ${id.value} was made for another value than the one before it`
  }
  return operation.op === "update" && operation.entry.kind !== original.kind
    ? new ChangeSet.KindChanged({ id: id.value, from: original.kind, to: operation.entry.kind }).message
    : undefined
}

const equal = (a: State.State, b: State.State): boolean => {
  let same = true
  State.diff(a, b, (before, after) => {
    if (before === undefined || after === undefined || !Entry.equals(before, after)) same = false
  })
  return same
}
