/**
 * Dependencies spelled out by the letter of their definition, as texts: the model that the fast ones are tested against.
 * Quadratic and worse, so for small states.
 */
import type * as Entry from "@heph/entry/Entry"

/** What each id depends on. Every id has a row. */
export type Graph = ReadonlyMap<string, ReadonlySet<string>>

/** The texts in `meta.depends_on`: a text, the texts of a list, or those of a record. */
export const declared = (entry: Entry.Entry): ReadonlyArray<string> => {
  const value = entry.meta["depends_on"]
  const found: ReadonlyArray<unknown> = typeof value === "object" && value !== null ? Object.values(value) : [value]
  return found.filter((text): text is string => typeof text === "string")
}

const leadsTo = (text: string, from: Entry.Entry, to: Entry.Entry): boolean => {
  const colon = text.indexOf(":")
  const [first, rest] = [text.slice(0, Math.max(colon, 0)), text.slice(colon + 1)]
  if (first === "ns") return to.id.namespace === rest
  if (first === "group") {
    const groups = to.meta["groups"]
    return groups === rest || (Array.isArray(groups) && groups.includes(rest))
  }
  return to.id.value === (colon < 0 ? `${from.id.namespace}:${text}` : text)
}

/** Which of these entries each of them depends on: never itself. `texts` finds the references of an entry. */
export const dependencies = (entries: Iterable<Entry.Entry>, texts = declared): Graph => {
  const all = [...entries]
  return new Map(
    all.map((from) => {
      const found = all.filter((to) => to !== from && texts(from).some((text) => leadsTo(text, from, to)))
      return [from.id.value, new Set(found.map((to) => to.id.value))]
    })
  )
}

/** The same graph the other way round: what depends on each id. */
export const dependents = (graph: Graph): Graph =>
  new Map([...graph.keys()].map((id) => [id, new Set([...graph.keys()].filter((other) => graph.get(other)!.has(id)))]))

/** Everything an id leads to, directly or through others; itself too where it is on a cycle. */
export const reached = (graph: Graph, from: string): ReadonlySet<string> => {
  const found = new Set(graph.get(from))
  for (const id of found) for (const next of graph.get(id) ?? []) found.add(next)
  return found
}

/** The ids that lead to each other, sorted: for most ids that is one alone. Sorted by their first ids. */
export const components = (graph: Graph): ReadonlyArray<ReadonlyArray<string>> => {
  const reaches = new Map([...graph.keys()].map((id) => [id, reached(graph, id)]))
  const together = [...graph.keys()].map((id) =>
    [...graph.keys()]
      .filter((other) => other === id || (reaches.get(id)!.has(other) && reaches.get(other)!.has(id)))
      .sort()
  )
  const first = new Map(together.map((ids) => [ids[0]!, ids]))
  return [...first].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, ids]) => ids)
}

/** The components of more than one id. */
export const cycles = (graph: Graph): ReadonlyArray<ReadonlyArray<string>> =>
  components(graph).filter((ids) => ids.length > 1)

/** Components in order, dependencies first; of those that may come next, the one of the smallest id. */
export const order = (graph: Graph): ReadonlyArray<ReadonlyArray<string>> => {
  const left = [...components(graph)]
  const placed = new Set<string>()
  const ordered: Array<ReadonlyArray<string>> = []
  while (left.length > 0) {
    const next = left.findIndex((ids) =>
      ids.every((id) => [...graph.get(id)!].every((before) => placed.has(before) || ids.includes(before)))
    )
    const [ids = []] = left.splice(next, 1)
    for (const id of ids) placed.add(id)
    ordered.push(ids)
  }
  return ordered
}
