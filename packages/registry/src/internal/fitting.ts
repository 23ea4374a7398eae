/** From what a caller wants to what can be put to the handlers: checked, complete, one operation an id. */
import * as ChangeSet from "@heph/changeset/ChangeSet"
import * as Operation from "@heph/changeset/Operation"
import type * as EntryId from "@heph/entry/EntryId"
import type * as State from "@heph/entry/State"
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
    for (const operation of yield* find(state)) operations.push(yield* Operation.fromInput(operation))
    const fitted = yield* ChangeSet.complete(state, operations)
    const changeset = yield* ChangeSet.net([fitted.changeset])
    // Where nothing is left the state may still be another object with equal entries.
    return { changeset, state: changeset.length === 0 ? state : fitted.state }
  })

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
  for (const operation of changeset.toReversed()) {
    graph.update(
      operation.op === "delete" ? undefined : operation.entry,
      operation.op === "create" ? undefined : operation.original
    )
  }
  return cycles
}
