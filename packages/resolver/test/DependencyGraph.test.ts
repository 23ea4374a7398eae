import { describe, expect, it } from "@effect/vitest"
import * as Entry from "@heph/entry/Entry"
import * as EntryId from "@heph/entry/EntryId"
import * as State from "@heph/entry/State"
import * as Arbitraries from "@heph/entry/testing/Arbitraries"
import * as DependencyGraph from "@heph/resolver/DependencyGraph"
import * as Resolver from "@heph/resolver/Resolver"
import * as Model from "@heph/resolver/testing/Model"
import * as fc from "fast-check"

const texts = (ids: Iterable<EntryId.EntryId>): ReadonlyArray<string> => Array.from(ids, (id) => id.value)
const idsOf = (entries: ReadonlyArray<Entry.Entry>): ReadonlyArray<string> => entries.map((entry) => entry.id.value)
const sorted = (ids: Iterable<string> | undefined): ReadonlyArray<string> => [...(ids ?? [])].sort()
const without = (ids: ReadonlySet<string>, id: string) => [...ids].filter((other) => other !== id)

const entry = (id: string, depends_on: ReadonlyArray<string> = [], groups: ReadonlyArray<string> = []) =>
  Entry.makeUnsafe({ id, kind: "k", meta: { depends_on, groups } })

/** Everything a graph can be asked, as the model answers it. */
const expectAsModel = (graph: DependencyGraph.DependencyGraph, entries: ReadonlyMap<string, Entry.Entry>): void => {
  const model = Model.dependencies(entries.values())
  const reversed = Model.dependents(model)
  for (const id of Arbitraries.pool) {
    const { value } = id
    expect(texts(graph.dependenciesOf(id))).toEqual(sorted(model.get(value)))
    expect(texts(graph.dependenciesOf(id, { transitive: true }))).toEqual(
      sorted(without(Model.reached(model, value), value))
    )
    if (!entries.has(value)) continue
    expect(texts(graph.dependentsOf(id))).toEqual(sorted(reversed.get(value)))
    expect(texts(graph.dependentsOf(id, { transitive: true }))).toEqual(
      sorted(without(Model.reached(reversed, value), value))
    )
  }
  const cycles = Model.cycles(model)
  expect(graph.cycles().map(texts)).toEqual(cycles)
  for (const id of Arbitraries.pool) {
    expect(graph.cyclesThrough([id]).map(texts)).toEqual(cycles.filter((cycle) => cycle.includes(id.value)))
  }
  expect(graph.cyclesThrough(Arbitraries.pool).map(texts)).toEqual(cycles)
}

describe("a graph answers as the model does", () => {
  const update = fc.oneof(
    fc.constantFrom(...Arbitraries.pool).chain((id) => Arbitraries.linked(id)),
    fc.constantFrom(...Arbitraries.pool)
  )

  it("through creates, updates and deletes", () => {
    fc.assert(
      fc.property(Arbitraries.linkedEntries, fc.array(update, { maxLength: 15 }), (start, updates) => {
        const entries = new Map(start.map((entry) => [entry.id.value, entry]))
        const graph = DependencyGraph.fromState(start, Resolver.declared)
        expectAsModel(graph, entries)
        for (const change of updates) {
          if (Entry.isEntry(change)) {
            graph.update(entries.get(change.id.value), change)
            entries.set(change.id.value, change)
          } else {
            graph.update(entries.get(change.value), undefined)
            entries.delete(change.value)
          }
        }
        expectAsModel(graph, entries)
        // Nothing is left over of what was there in between.
        const again = DependencyGraph.fromState(entries.values(), Resolver.declared)
        for (const id of Arbitraries.pool) expect(graph.referencesOf(id)).toEqual(again.referencesOf(id))
        for (const { id } of entries.values()) graph.update(entries.get(id.value), undefined)
        expectAsModel(graph, new Map())
      }),
      { numRuns: 500 }
    )
  })

  it("also when it is written out as a graphology graph", () => {
    fc.assert(
      fc.property(Arbitraries.linkedEntries, (entries) => {
        const exported = DependencyGraph.fromState(entries, Resolver.declared).toGraphology()
        const model = Model.dependencies(entries)
        expect(exported.nodes()).toEqual(sorted(model.keys()))
        for (const [id, expected] of model) expect(sorted(exported.outNeighbors(id))).toEqual(sorted(expected))
      }),
      { numRuns: 200 }
    )
  })

  it("about an id that does not exist but is referred to", () => {
    const graph = DependencyGraph.fromState([entry("a:x", ["missing"])], Resolver.declared)
    const missing = EntryId.parseUnsafe("a:missing")
    expect(texts(graph.dependentsOf(missing))).toEqual(["a:x"])
    expect(graph.dependenciesOf(EntryId.parseUnsafe("a:x"))).toEqual([])
    expect(texts(graph.referencesOf(EntryId.parseUnsafe("a:x")).entries)).toEqual(["a:missing"])
    graph.update(undefined, entry("a:missing"))
    expect(texts(graph.dependenciesOf(EntryId.parseUnsafe("a:x")))).toEqual(["a:missing"])
  })
})

describe("order and levels", () => {
  it("are the model's: dependencies first, cycles together, the smallest id next", () => {
    fc.assert(
      fc.property(Arbitraries.linkedEntries, (entries) => {
        const model = Model.dependencies(entries)
        const expected = Model.order(model)
        expect(idsOf(DependencyGraph.order(entries, Resolver.declared))).toEqual(expected.flat())

        const level = new Map<string, number>()
        for (const ids of expected) {
          const before = ids.flatMap((id) => [...model.get(id)!]).filter((id) => !ids.includes(id))
          const own = Math.max(-1, ...before.map((id) => level.get(id)!)) + 1
          for (const id of ids) level.set(id, own)
        }
        const batches = Array.from({ length: Math.max(-1, ...level.values()) + 1 }, (_, at) =>
          sorted([...level.keys()].filter((id) => level.get(id) === at))
        )
        expect(DependencyGraph.levels(entries, Resolver.declared).map(idsOf)).toEqual(batches)
      }),
      { numRuns: 1000 }
    )
  })

  it("are the same whatever order the entries come in", () => {
    const shuffled = Arbitraries.linkedEntries.chain((entries) =>
      fc.tuple(fc.constant(entries), fc.shuffledSubarray([...entries], { minLength: entries.length }))
    )
    fc.assert(
      fc.property(shuffled, ([one, other]) => {
        expect(DependencyGraph.order(other, Resolver.declared)).toEqual(DependencyGraph.order(one, Resolver.declared))
        expect(DependencyGraph.levels(State.fromIterable(other), Resolver.declared)).toEqual(
          DependencyGraph.levels(one, Resolver.declared)
        )
      }),
      { numRuns: 300 }
    )
  })

  it("take no entries, one, and entries without dependencies by id", () => {
    expect(DependencyGraph.order([], Resolver.declared)).toEqual([])
    expect(DependencyGraph.levels([], Resolver.declared)).toEqual([])
    const entries = [entry("b:x"), entry("a.b:x"), entry("a:x")]
    expect(idsOf(DependencyGraph.order(entries, Resolver.declared))).toEqual(["a.b:x", "a:x", "b:x"])
  })

  it("D5: take a reference to itself, by name, group or namespace, for none", () => {
    const entries = [entry("a:x", ["x", "a:x", "group:g", "ns:a"], ["g"]), entry("b:x")]
    expect(DependencyGraph.levels(entries, Resolver.declared).map(idsOf)).toEqual([["a:x", "b:x"]])
    expect(DependencyGraph.fromState(entries, Resolver.declared).cycles()).toEqual([])
  })

  it("D6: keep the later of two entries with one id, as a state does", () => {
    const [first, second] = [entry("a:x", ["y"]), entry("a:x")]
    expect(DependencyGraph.order([first, entry("a:y"), second], Resolver.declared)).toEqual([second, entry("a:y")])
    expect(State.fromIterable([first, second]).get("a:x")).toBe(second)
  })

  it("D18: report cycles the same way, whatever order the entries come in", () => {
    const entries = [
      entry("b:x", ["y"]),
      entry("b:y", ["x"]),
      entry("a:z", ["x"]),
      entry("a:y", ["z"]),
      entry("a:x", ["y"]),
      entry("c:tail", ["a:x"])
    ]
    for (const list of [entries, entries.toReversed(), entries.toSorted((a, b) => EntryId.compare(b.id, a.id))]) {
      expect(DependencyGraph.fromState(list, Resolver.declared).cycles().map(texts)).toEqual([
        ["a:x", "a:y", "a:z"],
        ["b:x", "b:y"]
      ])
    }
  })
})

describe("large graphs", () => {
  const count = 20_000

  it("D11: a group of 20,000 that 20,000 refer to costs 40,000 edges, not 400 million", () => {
    const members = Array.from({ length: count }, (_, i) => entry(`member:${i}`, [], ["all"]))
    const users = Array.from({ length: count }, (_, i) => entry(`user:${i}`, ["group:all", "ns:member"], ["users"]))
    const last = entry("last:one", ["group:users"])
    const all = [last, ...users, ...members]
    const graph = DependencyGraph.fromState(all, Resolver.declared)
    expect(graph.dependenciesOf(last.id, { transitive: true })).toHaveLength(2 * count)
    expect(graph.dependentsOf(members[0]!.id, { transitive: true })).toHaveLength(count + 1)
    expect(graph.cycles()).toEqual([])
    expect(graph.cyclesThrough(users.map((user) => user.id))).toEqual([])
    expect(DependencyGraph.levels(all, Resolver.declared).map((batch) => batch.length)).toEqual([count, count, 1])
    expect(DependencyGraph.order(all, Resolver.declared).at(-1)).toBe(last)
  })

  it("D11: two groups of 20,000 that refer to each other are one cycle", () => {
    const left = Array.from({ length: count }, (_, i) => entry(`left:${i}`, ["group:right"], ["left"]))
    const right = Array.from({ length: count }, (_, i) => entry(`right:${i}`, ["group:left"], ["right"]))
    const graph = DependencyGraph.fromState([...left, ...right], Resolver.declared)
    expect(graph.cyclesThrough([left[0]!.id]).map((cycle) => cycle.length)).toEqual([2 * count])
    expect(graph.dependenciesOf(left[0]!.id, { transitive: true })).toHaveLength(2 * count - 1)
  })

  it("a chain of 100,000 is followed to its end", () => {
    const length = 100_000
    const name = (i: number) => `n${String(i).padStart(6, "0")}`
    const chain = Array.from({ length }, (_, i) => entry(`chain:${name(i)}`, i + 1 < length ? [name(i + 1)] : []))
    const graph = DependencyGraph.fromState(chain, Resolver.declared)
    const [first, last] = [chain[0]!.id, chain.at(-1)!.id]
    expect(graph.dependenciesOf(first, { transitive: true })).toHaveLength(length - 1)
    expect(graph.dependentsOf(last, { transitive: true })).toHaveLength(length - 1)
    expect(graph.cycles()).toEqual([])
    expect(graph.cyclesThrough([chain[1]!.id])).toEqual([])
    expect(DependencyGraph.order(chain, Resolver.declared)[0]!.id).toBe(last)
    expect(DependencyGraph.levels(chain, Resolver.declared)).toHaveLength(length)
  })

  it("a cycle of 20,000 is found", () => {
    const ring = Array.from({ length: count }, (_, i) => entry(`ring:${i}`, [String((i + 1) % count)]))
    const graph = DependencyGraph.fromState(ring, Resolver.declared)
    expect(graph.cycles().map((cycle) => cycle.length)).toEqual([count])
    expect(graph.cyclesThrough([ring[7]!.id]).map((cycle) => cycle.length)).toEqual([count])
    expect(DependencyGraph.order(ring, Resolver.declared)).toHaveLength(count)
    expect(DependencyGraph.levels(ring, Resolver.declared).map((batch) => batch.length)).toEqual([count])
  })

  it("D14: a change looks at the entry that changed and at no other", () => {
    const looked: Array<string> = []
    const counting: Resolver.References = (entry) => {
      looked.push(entry.id.value)
      return Resolver.declared(entry)
    }
    const entries = Array.from({ length: 1000 }, (_, i) => entry(`many:${i}`, [`${i + 1}`, "group:g"], ["g"]))
    const graph = DependencyGraph.fromState(entries, counting)
    looked.length = 0
    const changed = entry("many:500", ["1"])
    graph.update(entries[500], changed)
    graph.update(entries[501], undefined)
    expect(looked).toEqual(["many:500"])
    expect(texts(graph.dependenciesOf(changed.id))).toEqual(["many:1"])
    expect(graph.cyclesThrough([EntryId.parseUnsafe("many:501")])).toEqual([])
    expect(looked).toEqual(["many:500"])
  })
})
