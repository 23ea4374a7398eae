/**
 * The rules of order by the letter of their definition, over the two states that a changeset lies between. They know
 * nothing of how the order is found.
 */
import type * as ChangeSet from "@heph/changeset/ChangeSet"
import * as Operation from "@heph/changeset/Operation"
import type * as State from "@heph/entry/State"
import * as Model from "@heph/resolver/testing/Model"

/** Operations by name: `made a:x`, `deleted a:x`. An edge leads from one to those that must come after it. */
export interface Rules {
  /** Between creates and updates, between deletes, and from a delete to the create of its id. */
  readonly firm: Model.Graph
  /** From an update to the deletes of what its entry depended on before. */
  readonly released: ReadonlyArray<readonly [before: string, after: string]>
  /** The cycles of the state that the changeset leads to, and of the one it leaves, among its entries. */
  readonly cycles: ReadonlyArray<ReadonlyArray<string>>
}

export const nameOf = (operation: Operation.Operation): string =>
  `${operation.op === "delete" ? "deleted" : "made"} ${Operation.idOf(operation)}`

const among = (graph: Model.Graph, ids: ReadonlySet<string>): Model.Graph =>
  new Map([...ids].map((id) => [id, new Set([...graph.get(id)!].filter((other) => ids.has(other)))]))

export const between = (from: State.State, to: State.State, changeset: ChangeSet.ChangeSet): Rules => {
  const ids = (...ops: ReadonlyArray<Operation.Operation["op"]>) =>
    new Set(changeset.filter(({ op }) => ops.includes(op)).map((operation) => Operation.idOf(operation).value))
  const before = Model.dependencies(from)
  const made = among(Model.dependencies(to), ids("create", "update"))
  const deleted = among(before, ids("delete"))
  const firm = new Map(changeset.map((operation) => [nameOf(operation), new Set<string>()]))
  for (const [id, dependencies] of made) for (const on of dependencies) firm.get(`made ${on}`)!.add(`made ${id}`)
  for (const [id, dependencies] of deleted)
    for (const on of dependencies) firm.get(`deleted ${id}`)!.add(`deleted ${on}`)
  for (const id of ids("create")) firm.get(`deleted ${id}`)?.add(`made ${id}`)
  const released = [...ids("update")].flatMap((id) =>
    [...before.get(id)!].filter((on) => deleted.has(on)).map((on) => [`made ${id}`, `deleted ${on}`] as const)
  )
  // Of two with the same first id, which is deleted in the one and created in the other, the deleted one comes first.
  const cycles = [...Model.cycles(deleted), ...Model.cycles(made)].sort(([a], [b]) => (a! < b! ? -1 : a! > b! ? 1 : 0))
  return { firm, released, cycles }
}

export const withEdges = (graph: Model.Graph, edges: ReadonlyArray<readonly [string, string]>): Model.Graph => {
  const wider = new Map([...graph].map(([node, after]) => [node, new Set(after)]))
  for (const [before, after] of edges) wider.get(before)!.add(after)
  return wider
}

/** The released edges that contradict the firm ones all by themselves. */
export const impossible = ({ firm, released }: Rules): ReadonlyArray<readonly [string, string]> =>
  released.filter(([before, after]) => Model.reached(firm, after).has(before))

/** What is wrong with an order, by these rules; nothing where it keeps all that can be kept. */
export const broken = (rules: Rules, order: ReadonlyArray<string>): ReadonlyArray<string> => {
  const found: Array<string> = []
  const at = new Map(order.map((name, i) => [name, i]))
  const components = Model.components(rules.firm)
  const componentOf = new Map(components.flatMap((names) => names.map((name) => [name, names])))
  for (const [before, afters] of rules.firm) {
    for (const after of afters) {
      if (componentOf.get(before) === componentOf.get(after)) continue
      if (at.get(before)! >= at.get(after)!) found.push(`${before} is not before ${after}`)
    }
  }
  for (const names of components) {
    const places = names.map((name) => at.get(name)!)
    if (places.some((place, i) => i > 0 && place !== places[i - 1]! + 1)) found.push(`${names.join()} is torn apart`)
  }
  // One that is not kept must contradict those that are.
  const isKept = ([before, after]: readonly [string, string]) => at.get(before)! < at.get(after)!
  const kept = withEdges(rules.firm, rules.released.filter(isKept))
  for (const edge of rules.released) {
    if (!isKept(edge) && !Model.reached(kept, edge[1]).has(edge[0])) found.push(edge.join(" could be before "))
  }
  // Where those that are possible one by one are possible together, all are kept.
  const lost = new Set(impossible(rules))
  const hopeful = rules.released.filter((edge) => !lost.has(edge))
  const together = withEdges(rules.firm, hopeful)
  if (hopeful.every(([before, after]) => !Model.reached(together, after).has(before))) {
    for (const edge of hopeful) if (!isKept(edge)) found.push(edge.join(" must be before "))
  }
  // Of two neighbours, the later one has the larger id, or waited for the earlier one.
  const all = withEdges(rules.firm, rules.released)
  const least = (name: string) => componentOf.get(name)![0]!.replace(/^\w+ /, "")
  for (let i = 1; i < order.length; i++) {
    const [one, two] = [componentOf.get(order[i - 1]!)!, componentOf.get(order[i]!)!]
    if (one === two || one.some((before) => two.some((after) => all.get(before)!.has(after)))) continue
    if (least(one[0]!) > least(two[0]!)) found.push(`${two[0]} could come before ${one[0]}`)
  }
  return found
}
