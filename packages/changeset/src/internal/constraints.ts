/**
 * What must come before what in a changeset, as a graph of its operations.
 *
 *     made       a dependency's create or update  ──▶  its dependent's, by the state they lead to
 *     deleted    a dependent's delete  ──▶  its dependency's, by the state they leave
 *     replaced   a delete  ──▶  the create of the same id
 *     released   an update of what depended on an entry  ──▶  that entry's delete
 *
 * The first three always hold, but for what is on a cycle of one state. The fourth can ask for too much where an entry is
 * replaced: what goes on depending on it cannot come before its delete and after its create. Of these as many hold as
 * can.
 *
 * Groups and namespaces are nodes of their own, one for each and for each of made, deleted and released.
 */
import type * as Entry from "@heph/entry/Entry"
import * as EntryId from "@heph/entry/EntryId"
import * as Reference from "@heph/resolver/Reference"
import type * as Resolver from "@heph/resolver/Resolver"
import * as Topological from "@heph/resolver/Topological"
import type * as ChangeSet from "../ChangeSet.ts"
import * as Operation from "../Operation.ts"

export interface Constraints {
  /**
   * The operations by their places in the changeset, in order, those of one cycle together and sorted. Numbers beyond the
   * changeset stand for groups and namespaces.
   */
  readonly components: ReadonlyArray<ReadonlyArray<number>>
  readonly edges: Topological.Edges
}

/** The constraints of a changeset with one operation for each id, or a delete and then a create. */
export const make = (changeset: ChangeSet.ChangeSet, references: Resolver.References): Constraints => {
  const graph = layout(changeset, references)
  const edges = noEdges()
  for (const part of [graph.firm, graph.released]) {
    for (let i = 0; i < part.sources.length; i++) add(edges, part.sources[i]!, part.targets[i]!)
  }
  const { components } = Topological.sort(graph.rank.length, edges, graph.rank)
  // Without a delete that is followed by a create of its id, nothing leads from deletes to creates and updates.
  const tangles = graph.replaces ? components.filter((nodes) => isTangle(nodes, changeset)) : []
  if (tangles.length === 0) return { components, edges }
  const kept = untangle(graph, tangles, changeset)
  return { components: Topological.sort(graph.rank.length, kept, graph.rank).components, edges: kept }
}

interface Graph {
  readonly firm: Topological.Edges
  /** From updates, and from the groups and namespaces that updates depended on, to deletes. */
  readonly released: Topological.Edges
  readonly rank: Int32Array
  readonly replaces: boolean
}

const layout = (changeset: ChangeSet.ChangeSet, references: Resolver.References): Graph => {
  const firm = noEdges()
  const released = noEdges()
  const made = new Map<EntryId.EntryId, number>()
  const deleted = new Map<EntryId.EntryId, number>()
  changeset.forEach((operation, node) =>
    (operation.op === "delete" ? deleted : made).set(Operation.idOf(operation), node)
  )
  let size = changeset.length
  const newNode = () => size++
  const madeSets = new Sets(newNode)
  const deletedSets = new Sets(newNode)
  const releasedSets = new Sets(newNode)
  let replaces = false
  changeset.forEach((operation, node) => {
    if (operation.op !== "delete") {
      const after = references(operation.entry)
      for (const id of after.entries) {
        const dependency = made.get(id)
        if (dependency !== undefined) add(firm, dependency, node)
      }
      for (const set of Reference.setsIn(after)) add(firm, madeSets.node(set), node)
    }
    if (operation.op === "create") {
      const replaced = deleted.get(operation.entry.id)
      if (replaced !== undefined) {
        add(firm, replaced, node)
        replaces = true
      }
    } else if (operation.original !== undefined && deleted.size > 0) {
      const before = references(operation.original)
      const [edges, sets] = operation.op === "delete" ? [firm, deletedSets] : [released, releasedSets]
      for (const id of before.entries) {
        const dependency = deleted.get(id)
        if (dependency !== undefined) add(edges, node, dependency)
      }
      for (const set of Reference.setsIn(before)) add(firm, node, sets.node(set))
    }
  })
  changeset.forEach((operation, node) => {
    if (operation.op !== "delete") for (const set of madeSets.of(operation.entry)) add(firm, node, set)
    else if (operation.original !== undefined) {
      for (const set of deletedSets.of(operation.original)) add(firm, set, node)
      for (const set of releasedSets.of(operation.original)) add(released, set, node)
    }
  })
  const rank = Int32Array.from({ length: size }, (_, node) => (node < changeset.length ? node : -1))
  return { firm, released, rank, replaces }
}

/** The groups and namespaces that some operations refer to. */
class Sets {
  readonly #nodes = new Map<string, number>()
  readonly #newNode: () => number
  constructor(newNode: () => number) {
    this.#newNode = newNode
  }
  node(set: string): number {
    const known = this.#nodes.get(set)
    if (known !== undefined) return known
    const node = this.#newNode()
    this.#nodes.set(set, node)
    return node
  }
  /** The nodes of those that an entry is in. */
  of(entry: Entry.Entry): ReadonlyArray<number> {
    if (this.#nodes.size === 0) return []
    return Reference.setsOf(entry).flatMap((set) => this.#nodes.get(set) ?? [])
  }
}

const isTangle = (nodes: ReadonlyArray<number>, changeset: ChangeSet.ChangeSet): boolean =>
  nodes.some((node) => changeset[node]?.op === "delete") &&
  nodes.some((node) => changeset[node] !== undefined && changeset[node].op !== "delete")

/**
 * All edges but those released ones within tangles that contradict the others, or each other: then those into the delete
 * of the smallest id stay. Cost: a walk of its tangle for each delete that something is released from.
 */
const untangle = (
  graph: Graph,
  tangles: ReadonlyArray<ReadonlyArray<number>>,
  changeset: ChangeSet.ChangeSet
): Topological.Edges => {
  const tangleOf = new Map(tangles.flatMap((nodes, tangle) => nodes.map((node) => [node, tangle])))
  const within = (source: number, target: number) =>
    tangleOf.has(source) && tangleOf.get(source) === tangleOf.get(target)
  const edges = noEdges()
  const next = new Map<number, Array<number>>()
  const before = new Map<number, Array<number>>()
  const keep = (source: number, target: number) => {
    add(edges, source, target)
    if (within(source, target)) put(next, source, target)
  }
  const { firm, released } = graph
  for (let i = 0; i < firm.sources.length; i++) {
    keep(firm.sources[i]!, firm.targets[i]!)
    if (firm.targets[i]! >= changeset.length) put(before, firm.targets[i]!, firm.sources[i]!)
  }
  const doubtful = new Map<number, Array<number>>()
  for (let i = 0; i < released.sources.length; i++) {
    const source = released.sources[i]!
    const target = released.targets[i]!
    if (within(source, target)) put(doubtful, target, source)
    else keep(source, target)
  }
  const idOf = (node: number) => Operation.idOf(changeset[node]!)
  for (const [deletion, sources] of [...doubtful].sort(([a], [b]) => EntryId.compare(idOf(a), idOf(b)))) {
    const reached = new Set([deletion])
    for (const node of reached) for (const after of next.get(node) ?? []) reached.add(after)
    for (const source of sources) {
      const updates = source < changeset.length ? [source] : before.get(source)!
      const possible = updates.filter((update) => !reached.has(update))
      if (possible.length === updates.length) keep(source, deletion)
      else for (const update of possible) keep(update, deletion)
    }
  }
  return edges
}

const noEdges = (): Topological.Edges => ({ sources: [], targets: [] })

const add = ({ sources, targets }: Topological.Edges, source: number, target: number): void => {
  sources.push(source)
  targets.push(target)
}

const put = (map: Map<number, Array<number>>, key: number, item: number): void => {
  const list = map.get(key)
  if (list === undefined) map.set(key, [item])
  else list.push(item)
}
