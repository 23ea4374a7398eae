/**
 * What depends on what in a state: an index kept up to date change by change, at a cost that follows the change.
 *
 *     references   id ──▶ what it refers to               named    id ──▶ who names it
 *     members      group or namespace ──▶ its entries     asked    group or namespace ──▶ who refers to all of it
 *
 * A group or a namespace is one node, so that a thousand entries which depend on a thousand others cost two thousand
 * edges and not a million. Graphs are mutable and belong to one owner; for another state build another one.
 */
import type * as Entry from "@heph/entry/Entry"
import * as EntryId from "@heph/entry/EntryId"
import type * as State from "@heph/entry/State"
import { DirectedGraph } from "graphology"
import * as Reference from "./Reference.ts"
import type * as Resolver from "./Resolver.ts"
import * as Topological from "./Topological.ts"

export interface Reach {
  /** Follow dependencies of dependencies too. Off by default. */
  readonly transitive?: boolean | undefined
}

export interface DependencyGraph {
  /** Takes one change in: what the entry was, and what it is now. Cost follows its references. */
  readonly update: (before: Entry.Entry | undefined, after: Entry.Entry | undefined) => void
  /** What an entry depends on, sorted; only what exists, and never itself. Nothing for an unknown id. */
  readonly dependenciesOf: (id: EntryId.EntryId, reach?: Reach) => ReadonlyArray<EntryId.EntryId>
  /** What depends on an entry, sorted; never itself. Also for an id that does not exist but is referred to. */
  readonly dependentsOf: (id: EntryId.EntryId, reach?: Reach) => ReadonlyArray<EntryId.EntryId>
  /** The references an entry makes, whether they lead anywhere or not. */
  readonly referencesOf: (id: EntryId.EntryId) => Reference.References
  /** Every cycle: sets of entries that all depend on each other, each sorted, by their first id. */
  readonly cycles: () => ReadonlyArray<ReadonlyArray<EntryId.EntryId>>
  /** The cycles that these ids are on. Cost follows what can be reached from them, not the size of the state. */
  readonly cyclesThrough: (ids: Iterable<EntryId.EntryId>) => ReadonlyArray<ReadonlyArray<EntryId.EntryId>>
  /** A graphology graph for export, layout and analysis: one node an entry, an edge from it to each dependency. */
  readonly toGraphology: () => DirectedGraph
}

/** The graph of a state. ~2 µs an entry and reference. */
export const fromState = (state: Iterable<Entry.Entry>, references: Resolver.References): DependencyGraph => {
  const graph = make(references)
  for (const entry of state) graph.update(undefined, entry)
  return graph
}

/** The graph of no entries. */
export const make = (references: Resolver.References): DependencyGraph => {
  const known = new Map<EntryId.EntryId, Known>()
  const named = new Map<EntryId.EntryId, Set<EntryId.EntryId>>()
  const members = new Map<string, Set<EntryId.EntryId>>()
  const asked = new Map<string, Set<EntryId.EntryId>>()

  const remove = (id: EntryId.EntryId) => {
    const row = known.get(id)
    if (row === undefined) return
    known.delete(id)
    for (const target of row.references.entries) drop(named, target, id)
    for (const set of row.sets) drop(members, set, id)
    for (const set of setsReferredTo(row.references)) drop(asked, set, id)
  }
  const add = (entry: Entry.Entry) => {
    const id = entry.id
    const row: Known = { references: references(entry), sets: setsOf(entry) }
    known.set(id, row)
    for (const target of row.references.entries) put(named, target, id)
    for (const set of row.sets) put(members, set, id)
    for (const set of setsReferredTo(row.references)) put(asked, set, id)
  }

  const dependencies = (id: EntryId.EntryId, visit: (id: EntryId.EntryId) => void) => {
    const row = known.get(id)
    if (row === undefined) return
    for (const target of row.references.entries) if (known.has(target)) visit(target)
    for (const set of setsReferredTo(row.references)) members.get(set)?.forEach((target) => visit(target))
  }
  const dependents = (id: EntryId.EntryId, visit: (id: EntryId.EntryId) => void) => {
    named.get(id)?.forEach((source) => visit(source))
    for (const set of known.get(id)?.sets ?? []) asked.get(set)?.forEach((source) => visit(source))
  }

  const cyclesAmong = (ids: ReadonlyArray<EntryId.EntryId>) => {
    const plan = layout(
      ids,
      (id) => known.get(id)!.references,
      (id) => known.get(id)!.sets
    )
    return cyclesIn(plan.sorted().components, ids)
  }

  return {
    update(before, after) {
      if (before !== undefined) remove(before.id)
      if (after !== undefined) {
        remove(after.id)
        add(after)
      }
    },
    dependenciesOf: (id, reach) => gather(id, dependencies, reach),
    dependentsOf: (id, reach) => gather(id, dependents, reach),
    referencesOf: (id) => known.get(id)?.references ?? Reference.none,
    cycles: () => cyclesAmong([...known.keys()].sort(EntryId.compare)),
    cyclesThrough(ids) {
      const from = new Set<EntryId.EntryId>()
      // An entry that nothing depends on, or that depends on nothing, is on no cycle: most changes end here.
      for (const id of ids) {
        if (gather(id, dependencies).length > 0 && gather(id, dependents).length > 0) from.add(id)
      }
      const reached = new Set(from)
      for (const id of reached) dependencies(id, (target) => reached.add(target))
      return cyclesAmong([...reached].sort(EntryId.compare)).filter((cycle) => cycle.some((id) => from.has(id)))
    },
    toGraphology() {
      const graph = new DirectedGraph()
      for (const id of [...known.keys()].sort(EntryId.compare)) graph.addNode(id.value)
      for (const id of known.keys()) {
        dependencies(id, (target) => {
          if (target !== id) graph.mergeEdge(id.value, target.value)
        })
      }
      return graph
    }
  }
}

/**
 * The entries, dependencies first; of those that may come next, the smallest id. Entries of one cycle stand together,
 * by id. Only what is among them orders them.
 */
export const order = (entries: Iterable<Entry.Entry>, references: Resolver.References): ReadonlyArray<Entry.Entry> =>
  levelled(entries, references).flat()

/** Batches of entries, each depending on earlier ones alone (or, within a cycle, on each other), each sorted by id. */
export const levels = (
  entries: Iterable<Entry.Entry> | State.State,
  references: Resolver.References
): ReadonlyArray<ReadonlyArray<Entry.Entry>> => {
  const batches: Array<Array<Entry.Entry>> = []
  for (const { entry, level } of sortedEntries(entries, references)) (batches[level] ??= []).push(entry)
  for (const batch of batches) batch.sort((a, b) => EntryId.compare(a.id, b.id))
  return batches
}

const levelled = (entries: Iterable<Entry.Entry>, references: Resolver.References) =>
  sortedEntries(entries, references).map(({ entry }) => [entry])

const sortedEntries = (entries: Iterable<Entry.Entry>, references: Resolver.References) => {
  const byId = new Map<EntryId.EntryId, Entry.Entry>()
  for (const entry of entries) byId.set(entry.id, entry)
  const ids = [...byId.keys()].sort(EntryId.compare)
  const { components, levels } = layout(
    ids,
    (id) => references(byId.get(id)!),
    (id) => setsOf(byId.get(id)!)
  ).sorted()
  return components.flatMap((nodes, at) =>
    nodes.flatMap((node) => (node < ids.length ? [{ entry: byId.get(ids[node]!)!, level: levels[at]! }] : []))
  )
}

interface Known {
  readonly references: Reference.References
  readonly sets: ReadonlyArray<string>
}

// Groups and namespaces share the maps, told apart by the prefix that references use.
const setsOf = (entry: Entry.Entry): ReadonlyArray<string> => [
  `ns:${entry.id.namespace}`,
  ...Reference.groupsOf(entry).map((group) => `group:${group}`)
]
const setsReferredTo = ({ groups, namespaces }: Reference.References): ReadonlyArray<string> =>
  groups.length === 0 && namespaces.length === 0
    ? nothing
    : [...groups.map((group) => `group:${group}`), ...namespaces.map((namespace) => `ns:${namespace}`)]
const nothing: ReadonlyArray<string> = []

/** Sorted ids as the nodes of a graph, with a node more for each group or namespace that is referred to. */
const layout = (
  ids: ReadonlyArray<EntryId.EntryId>,
  references: (id: EntryId.EntryId) => Reference.References,
  sets: (id: EntryId.EntryId) => ReadonlyArray<string>
) => {
  const nodes = new Map(ids.map((id, node) => [id, node]))
  const setNodes = new Map<string, number>()
  const edges: Topological.Edges = { sources: [], targets: [] }
  const edge = (source: number, target: number) => {
    edges.sources.push(source)
    edges.targets.push(target)
  }
  ids.forEach((id, node) => {
    const found = references(id)
    for (const target of found.entries) {
      const before = nodes.get(target)
      if (before !== undefined) edge(before, node)
    }
    for (const set of setsReferredTo(found)) {
      const before = setNodes.get(set) ?? ids.length + setNodes.size
      setNodes.set(set, before)
      edge(before, node)
    }
  })
  if (setNodes.size > 0) {
    ids.forEach((id, node) => {
      for (const set of sets(id)) {
        const after = setNodes.get(set)
        if (after !== undefined) edge(node, after)
      }
    })
  }
  const rank = Int32Array.from({ length: ids.length + setNodes.size }, (_, node) => (node < ids.length ? node : -1))
  return { sorted: () => Topological.sort(rank.length, edges, rank) }
}

/** Components of more than one entry. An entry that refers to a group it is in makes a component with that group alone. */
const cyclesIn = (components: ReadonlyArray<ReadonlyArray<number>>, ids: ReadonlyArray<EntryId.EntryId>) =>
  components
    .filter((nodes) => nodes.length > 1)
    .map((nodes) => nodes.filter((node) => node < ids.length).map((node) => ids[node]!))
    .filter((cycle) => cycle.length > 1)
    .sort((a, b) => EntryId.compare(a[0]!, b[0]!))

const gather = (
  id: EntryId.EntryId,
  step: (id: EntryId.EntryId, visit: (id: EntryId.EntryId) => void) => void,
  reach?: Reach
): ReadonlyArray<EntryId.EntryId> => {
  const found = new Set<EntryId.EntryId>()
  step(id, (next) => found.add(next))
  // A set yields what is added while it is walked, so that this walk ends with everything reached.
  if (reach?.transitive === true) for (const next of found) step(next, (further) => found.add(further))
  found.delete(id)
  return [...found].sort(EntryId.compare)
}

const put = <K>(map: Map<K, Set<EntryId.EntryId>>, key: K, id: EntryId.EntryId): void => {
  const set = map.get(key)
  if (set === undefined) map.set(key, new Set([id]))
  else set.add(id)
}

const drop = <K>(map: Map<K, Set<EntryId.EntryId>>, key: K, id: EntryId.EntryId): void => {
  const set = map.get(key)
  if (set?.delete(id) === true && set.size === 0) map.delete(key)
}
