/** From what a caller wants to what can be put to the handlers: checked, complete, one operation an id. */
import * as ChangeSet from "@heph/changeset/ChangeSet"
import * as Delta from "@heph/changeset/Delta"
import * as Operation from "@heph/changeset/Operation"
import * as Entry from "@heph/entry/Entry"
import type * as EntryId from "@heph/entry/EntryId"
import * as State from "@heph/entry/State"
import type * as DependencyGraph from "@heph/resolver/DependencyGraph"
import * as Result from "effect/Result"

/** What finds the operations of a change in the state it will be applied to. */
export type Find<E> = (
  state: State.State
) => Result.Result<ReadonlyArray<Operation.OperationInput | Operation.Operation>, E>

/** The net operations of a change on a state, and the state they lead to. */
export const fit = <E>(find: Find<E>, state: State.State) =>
  Result.gen(function* () {
    const operations: Array<Operation.Operation> = []
    for (const input of yield* find(state)) {
      const operation = Operation.fromInput(input)
      // Yielded only to fail: a step of the generator for each operation is a tenth of a large apply.
      operations.push(Result.isSuccess(operation) ? operation.success : yield* operation)
    }
    const fitted = yield* ChangeSet.complete(state, operations)
    const changeset = yield* ChangeSet.net([fitted.changeset])
    // Where nothing is left the state may still be another object with equal entries.
    return { changeset, state: changeset.length === 0 ? state : fitted.state }
  })

/** What a state becomes by operations that may not fit it. */
export const after = (state: State.State, changeset: ChangeSet.ChangeSet): State.State =>
  State.update(state, (builder) => {
    for (const operation of changeset) Operation.put(builder, operation)
  })

/** What undoes a changeset in a later state, and the ids that changed again since. What is undone already is left out. */
export const undoing = (changeset: ChangeSet.ChangeSet, state: State.State) => {
  // An entry that changed its kind has two operations: what it was is in the first, what it became in the last.
  const was = new Map<EntryId.EntryId, Entry.Entry | undefined>()
  const became = new Map<EntryId.EntryId, Entry.Entry | undefined>()
  for (const operation of changeset) {
    const id = Operation.idOf(operation)
    if (!was.has(id)) was.set(id, operation.op === "create" ? undefined : operation.original)
    became.set(id, operation.op === "delete" ? undefined : operation.entry)
  }
  const from: Array<Entry.Entry> = []
  const to: Array<Entry.Entry> = []
  const changed: Array<string> = []
  for (const [id, original] of was) {
    const there = state.get(id)
    if (same(there, original)) continue
    if (!same(there, became.get(id))) changed.push(id.value)
    if (there !== undefined) from.push(there)
    if (original !== undefined) to.push(original)
  }
  const { changeset: operations } = Delta.buildDelta(State.fromIterable(from), State.fromIterable(to))
  return { operations, changed: changed.sort() }
}

const same = (a: Entry.Entry | undefined, b: Entry.Entry | undefined): boolean =>
  a === undefined || b === undefined ? a === b : Entry.equals(a, b)

/** Takes an operation into a graph. */
export const updateGraph = (graph: DependencyGraph.DependencyGraph, operation: Operation.Operation): void =>
  graph.update(
    operation.op === "create" ? undefined : operation.original,
    operation.op === "delete" ? undefined : operation.entry
  )

/** The cycles there would be with these operations: tried out on the graph, and taken back. */
export const cyclesWith = (
  graph: DependencyGraph.DependencyGraph,
  changeset: ChangeSet.ChangeSet
): ReadonlyArray<ReadonlyArray<EntryId.EntryId>> => {
  for (const operation of changeset) updateGraph(graph, operation)
  const cycles = graph.cyclesThrough(
    changeset.filter((operation) => operation.op !== "delete").map((operation) => Operation.idOf(operation))
  )
  for (const operation of changeset.toReversed()) updateGraph(graph, Operation.inverse(operation))
  return cycles
}
