/**
 * The smallest changeset between two states, and the order of its operations.
 *
 *     creates and updates   dependencies first, by the state they lead to
 *     deletes               dependents first, by the state they are deleted from
 *     update, then delete   what stops depending on an entry is updated before that entry is deleted
 *     delete, then create   of one id, where its kind changes
 *
 * Only operations of the changeset order each other; of those that may come next, the smallest id comes first, so that
 * the order never depends on the order they were given in. Entries that depend on each other in a cycle stand together,
 * by id, and the cycle is reported. Where an entry is deleted and created again, not all four rules need be possible:
 * then the third gives way, for as few as can be.
 */
import * as Entry from "@heph/entry/Entry"
import * as EntryId from "@heph/entry/EntryId"
import * as State from "@heph/entry/State"
import * as Resolver from "@heph/resolver/Resolver"
import type * as ChangeSet from "./ChangeSet.ts"
import * as Constraints from "./internal/constraints.ts"
import * as Operation from "./Operation.ts"

export interface Options {
  /** How references are found. By default in `meta.depends_on` alone. */
  readonly references?: Resolver.References | undefined
}

/**
 * An ordered changeset, and the cycles among its entries: of those created and updated, in the state they lead to, and of
 * those deleted, in the state they leave. Each is sorted by id, and they are in the order of their first ids.
 */
export interface Delta {
  readonly changeset: ChangeSet.ChangeSet
  readonly cycles: ReadonlyArray<ReadonlyArray<EntryId.EntryId>>
}

/**
 * What leads from one state to another: one operation for each id that differs, two where its kind changed, ordered.
 * Applied to `from` it gives `to`. Cost follows the difference where the states share structure.
 *
 * @example
 * import * as Delta from "@heph/changeset/Delta"
 * import * as Entry from "@heph/entry/Entry"
 * import * as State from "@heph/entry/State"
 *
 * const to = State.fromIterable([
 *   Entry.makeUnsafe({ id: "app:api", kind: "service", meta: { depends_on: "db" } }),
 *   Entry.makeUnsafe({ id: "app:db", kind: "database" })
 * ])
 * const { changeset } = Delta.buildDelta(State.empty, to)
 * console.log(changeset.map((operation) => operation.op === "create" && operation.entry.id.value)) //=> [ 'app:db', 'app:api' ]
 */
export const buildDelta = (from: State.State, to: State.State, options?: Options): Delta => {
  const operations: Array<Operation.Operation> = []
  State.diff(from, to, (before, after) => {
    if (before === undefined) {
      if (after !== undefined) operations.push(Operation.create(after))
    } else if (after === undefined) operations.push(Operation.remove(before.id, before))
    else if (before.kind !== after.kind) operations.push(Operation.remove(before.id, before), Operation.create(after))
    else if (!Entry.equals(before, after)) operations.push(Operation.update(after, before))
  })
  return order(operations, options)
}

/**
 * The operations in dependency order. There may be one operation for each id, or a delete and a create; others are a
 * defect, and thrown: fold them with `ChangeSet.squash`. Deletes without their original are ordered by id alone. Nothing
 * is followed through entries that no operation is about. ~6 µs an operation with two references.
 *
 * @example
 * import * as Delta from "@heph/changeset/Delta"
 * import * as Operation from "@heph/changeset/Operation"
 * import * as Entry from "@heph/entry/Entry"
 *
 * const db = Entry.makeUnsafe({ id: "app:db", kind: "database" })
 * const api = Entry.makeUnsafe({ id: "app:api", kind: "service", meta: { depends_on: "db" } })
 * const { changeset } = Delta.order([Operation.remove(db.id, db), Operation.remove(api.id, api)])
 * console.log(changeset.map((operation) => Operation.idOf(operation).name)) //=> [ 'api', 'db' ]
 */
export const order = (operations: ChangeSet.ChangeSet, options?: Options): Delta => {
  if (operations.length < 2) return { changeset: operations, cycles: [] }
  const sorted = operations.toSorted(byId)
  sorted.forEach((operation, i) => {
    const id = Operation.idOf(operation)
    const before = sorted[i - 1]
    if (before === undefined || Operation.idOf(before) !== id) return
    if (before.op === "delete" && operation.op === "create") return
    throw new Error(`a changeset with a ${before.op} and a ${operation.op} of ${id} cannot be ordered: squash it first`)
  })
  const { components } = Constraints.make(sorted, options?.references ?? Resolver.declared)
  const found = components.map((nodes) => nodes.filter((node) => node < sorted.length))
  return {
    changeset: found.flatMap((nodes) => nodes.map((node) => sorted[node]!)),
    cycles: found
      .filter((nodes) => nodes.length > 1)
      .map((nodes) => nodes.map((node) => Operation.idOf(sorted[node]!)))
      .sort((a, b) => EntryId.compare(a[0]!, b[0]!))
  }
}

/**
 * For an ordered changeset: which operations must not run before the one at an index has, directly or through others.
 * Operations of one cycle do not wait for each other. Cost follows the changeset, once.
 */
export const successors = (
  changeset: ChangeSet.ChangeSet,
  options?: Options
): ((index: number) => ReadonlySet<number>) => {
  const { components, edges } = Constraints.make(changeset, options?.references ?? Resolver.declared)
  const componentOf = new Map(components.flatMap((nodes, component) => nodes.map((node) => [node, component])))
  const next = new Map<number, Array<number>>()
  edges.sources.forEach((source, i) => {
    const component = componentOf.get(source)!
    const after = componentOf.get(edges.targets[i]!)!
    const known = next.get(component)
    if (known === undefined) next.set(component, [after])
    else known.push(after)
  })
  return (index) => {
    const own = componentOf.get(index)!
    const reached = new Set(next.get(own))
    for (const component of reached) for (const after of next.get(component) ?? []) reached.add(after)
    reached.delete(own)
    return new Set(
      [...reached].flatMap((component) => components[component]!).filter((node) => node < changeset.length)
    )
  }
}

// Of one id the delete comes first: there the kind changes.
const byId = (a: Operation.Operation, b: Operation.Operation): number =>
  EntryId.compare(Operation.idOf(a), Operation.idOf(b)) || Number(b.op === "delete") - Number(a.op === "delete")
