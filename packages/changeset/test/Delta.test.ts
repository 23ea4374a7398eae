import { describe, expect, it } from "@effect/vitest"
import * as ChangeSet from "@heph/changeset/ChangeSet"
import * as Delta from "@heph/changeset/Delta"
import * as Operation from "@heph/changeset/Operation"
import * as Arbitraries from "@heph/changeset/testing/Arbitraries"
import * as Entry from "@heph/entry/Entry"
import * as State from "@heph/entry/State"
import * as Resolver from "@heph/resolver/Resolver"
import * as Model from "@heph/resolver/testing/Model"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import * as Rules from "./support/rules.ts"
import { brief, shown, shownState } from "./support/shown.ts"

const entry = (id: string, depends_on: ReadonlyArray<string> = [], kind = "k", groups: ReadonlyArray<string> = []) =>
  Entry.makeUnsafe({ id: `a:${id}`, kind, meta: { depends_on, groups } })
const state = (...entries: ReadonlyArray<Entry.Entry>) => State.fromIterable(entries)
const changes = (from: State.State, to: State.State) => brief(Delta.buildDelta(from, to).changeset)
const texts = (cycles: Delta.Delta["cycles"]) => cycles.map((cycle) => cycle.map((id) => id.value))

/** Where an operation's successors are, for each operation. */
const waits = (changeset: ChangeSet.ChangeSet): ReadonlyArray<ReadonlyArray<number>> => {
  const successors = Delta.successors(changeset)
  return changeset.map((_, index) => [...successors(index)].sort((a, b) => a - b))
}

describe("buildDelta", () => {
  it("applied to the one state gives the other", () => {
    fc.assert(
      fc.property(Arbitraries.transition, ({ from, to }) => {
        const applied = ChangeSet.apply(from, Delta.buildDelta(from, to).changeset)
        expect(shownState(Result.getOrThrow(applied))).toEqual(shownState(to))
      }),
      { numRuns: 1000 }
    )
  })

  it("has one operation for each id that differs, two where the kind changed, and every original", () => {
    fc.assert(
      fc.property(Arbitraries.transition, ({ from, to }) => {
        const ids = new Set([...from.ids(), ...to.ids()].map((id) => id.value))
        const expected = [...ids].flatMap((id) => {
          const [before, after] = [from.get(id), to.get(id)]
          if (JSON.stringify(before) === JSON.stringify(after)) return []
          if (before === undefined) return [`create ${id}`]
          if (after === undefined) return [`delete ${id}`]
          return before.kind === after.kind ? [`update ${id}`] : [`delete ${id}`, `create ${id}`]
        })
        const { changeset } = Delta.buildDelta(from, to)
        expect(brief(changeset).toSorted()).toEqual(expected.sort())
        for (const operation of changeset) {
          const id = Operation.idOf(operation)
          const { entry, original } = { entry: undefined, original: undefined, ...operation }
          expect(original).toBe(operation.op === "create" ? undefined : from.get(id))
          expect(entry).toBe(operation.op === "delete" ? undefined : to.get(id))
        }
      }),
      { numRuns: 1000 }
    )
  })

  it("of a state and an equal one is empty", () => {
    fc.assert(
      fc.property(Arbitraries.transition, ({ from }) => {
        const copy = State.fromIterable(
          Array.from(from, ({ data, id, kind, meta }) => Entry.makeUnsafe({ id, kind, meta, data }))
        )
        expect(Delta.buildDelta(from, from)).toEqual({ changeset: [], cycles: [] })
        expect(Delta.buildDelta(from, copy)).toEqual({ changeset: [], cycles: [] })
      }),
      { numRuns: 1000 }
    )
  })

  it("C8: crosses a change of kind by a delete and a create", () => {
    const [before, after] = [state(entry("x")), state(entry("x", [], "other"))]
    const { changeset } = Delta.buildDelta(before, after)
    expect(brief(changeset)).toEqual(["delete a:x", "create a:x"])
    expect(shownState(Result.getOrThrow(ChangeSet.apply(before, changeset)))).toEqual(shownState(after))
  })

  it("C9: sees no change where meta was left out or is empty, and one from 1 to 1n", () => {
    const of = (parts: object) => state(Entry.makeUnsafe({ id: "a:x", kind: "k", ...parts }))
    expect(changes(of({}), of({ meta: {} }))).toEqual([])
    expect(changes(of({ data: { a: 1, b: 2 } }), of({ data: { b: 2, a: 1 } }))).toEqual([])
    expect(changes(of({ data: 1 }), of({ data: 1.0 }))).toEqual([])
    expect(changes(of({ data: 1 }), of({ data: 1n }))).toEqual(["update a:x"])
  })

  it("C10: deletes once what was handed in twice, since a state has an id once", () => {
    expect(changes(state(entry("x"), entry("x", ["y"])), State.empty)).toEqual(["delete a:x"])
  })

  it("C12: compares data that is no record by value, and integers beyond 2^53 exactly", () => {
    const of = (data: unknown) => state(Entry.makeUnsafe({ id: "a:x", kind: "k", data }))
    for (const data of ["text", [1, "a"], new Uint8Array([1]), null]) expect(changes(of(data), of(data))).toEqual([])
    expect(changes(of(2n ** 53n), of(2n ** 53n + 1n))).toEqual(["update a:x"])
  })
})

describe("the order keeps every rule that can be kept", () => {
  it("between any two states", () => {
    let released = 0
    let impossible = 0
    let cyclic = 0
    fc.assert(
      fc.property(Arbitraries.transition, ({ from, to }) => {
        const { changeset, cycles } = Delta.buildDelta(from, to)
        const rules = Rules.between(from, to, changeset)
        expect(Rules.broken(rules, changeset.map(Rules.nameOf))).toEqual([])
        expect(texts(cycles)).toEqual(rules.cycles)
        released += rules.released.length
        impossible += Rules.impossible(rules).length
        cyclic += rules.cycles.length
      }),
      { numRuns: 2000 }
    )
    // The generator must lead into every corner, or this tests nothing.
    expect([released > 1000, impossible > 100, cyclic > 100]).toEqual([true, true, true])
  })

  it("whatever order the operations come in", () => {
    const shuffled = Arbitraries.transition.chain(({ from, to }) => {
      const { changeset } = Delta.buildDelta(from, to)
      return fc.tuple(fc.constant(changeset), fc.shuffledSubarray([...changeset], { minLength: changeset.length }))
    })
    fc.assert(
      fc.property(shuffled, ([ordered, shuffled]) => {
        expect(shown(Delta.order(shuffled).changeset)).toEqual(shown(ordered))
      }),
      { numRuns: 1000 }
    )
  })

  it("also those of patterns that were registered", () => {
    const references: Resolver.References = (entry) => ({
      entries: [],
      groups: [],
      namespaces: entry.id.name === "a" ? ["b"] : []
    })
    const to = State.fromIterable(["a:a", "b:x", "b:y"].map((id) => Entry.makeUnsafe({ id, kind: "k" })))
    expect(brief(Delta.buildDelta(State.empty, to, { references }).changeset)).toEqual([
      "create b:x",
      "create b:y",
      "create a:a"
    ])
    expect(brief(Delta.buildDelta(to, State.empty, { references }).changeset)).toEqual([
      "delete a:a",
      "delete b:x",
      "delete b:y"
    ])
  })
})

describe("the order of", () => {
  it("nothing and of one operation is what it was", () => {
    expect(Delta.order([])).toEqual({ changeset: [], cycles: [] })
    const one = [Operation.create(entry("x", ["x"]))]
    expect(Delta.order(one).changeset).toBe(one)
  })

  it("operations that have nothing to do with each other is by id, not by what they do", () => {
    const from = state(entry("b"), entry("c"))
    const to = state(entry("b", ["none"]), entry("a"), entry("d"))
    expect(changes(from, to)).toEqual(["create a:a", "update a:b", "delete a:c", "create a:d"])
  })

  it("an install is dependencies first, and of an uninstall dependents first", () => {
    const all = state(entry("1-variable", ["2-router"]), entry("2-router", ["3-backing"]), entry("3-backing"))
    expect(changes(State.empty, all)).toEqual(["create a:3-backing", "create a:2-router", "create a:1-variable"])
    expect(changes(all, State.empty)).toEqual(["delete a:1-variable", "delete a:2-router", "delete a:3-backing"])
  })

  it("a rewiring is the new, then what uses it, then the old", () => {
    const from = state(entry("user", ["old-lib"]), entry("old-lib", ["old-leaf"]), entry("old-leaf"))
    const to = state(entry("user", ["z-lib"]), entry("z-lib"))
    expect(changes(from, to)).toEqual(["create a:z-lib", "update a:user", "delete a:old-lib", "delete a:old-leaf"])
  })

  it("a rewiring by group or namespace is the same", () => {
    const from = state(entry("user", ["group:old"]), entry("1", [], "k", ["old"]), entry("2", [], "k", ["old"]))
    const to = state(entry("user", ["group:new"]), entry("8", [], "k", ["new"]), entry("9", [], "k", ["new"]))
    expect(changes(from, to)).toEqual(["create a:8", "create a:9", "update a:user", "delete a:1", "delete a:2"])
  })

  it("a reversed edge is no cycle", () => {
    const { changeset, cycles } = Delta.buildDelta(
      state(entry("x"), entry("y", ["x"])),
      state(entry("x", ["y"]), entry("y"))
    )
    expect([brief(changeset), cycles]).toEqual([["update a:y", "update a:x"], []])
  })

  it("an entry that loses its group stays free of it", () => {
    const from = state(entry("user", ["group:g"]), entry("x", [], "k", ["g"]))
    expect(changes(from, state(entry("user", ["group:g"]), entry("x", ["user"])))).toEqual(["update a:x"])
  })

  it("a replacement is delete, create, then new dependents; old dependents go before", () => {
    const from = state(entry("lib"), entry("gone", ["lib"]), entry("leaves", ["lib"]))
    const to = state(entry("lib", [], "other"), entry("leaves"), entry("comes", ["lib"]))
    expect(changes(from, to)).toEqual([
      "delete a:gone",
      "update a:leaves",
      "delete a:lib",
      "create a:lib",
      "create a:comes"
    ])
  })

  it("D2: an update that goes on depending on what is replaced comes after its create", () => {
    const from = state(entry("lib"), entry("user", ["lib"]))
    const to = state(entry("lib", [], "other"), entry("user", ["lib", "none"]))
    expect(changes(from, to)).toEqual(["delete a:lib", "create a:lib", "update a:user"])
  })

  it("D2: what can still be let go of first is, beside what cannot", () => {
    // "stays" keeps depending on the replaced lib, and lets go of "old", which nothing hinders.
    const from = state(entry("lib"), entry("old"), entry("stays", ["lib", "old"]), entry("leaves", ["lib"]))
    const to = state(entry("lib", [], "other"), entry("stays", ["lib"]), entry("leaves"))
    expect(changes(from, to)).toEqual([
      "update a:leaves",
      "delete a:lib",
      "create a:lib",
      "update a:stays",
      "delete a:old"
    ])
  })

  it("D2: the same by group, where some of those that refer to it go on and some do not", () => {
    const from = state(
      entry("lib", [], "k", ["libs"]),
      entry("old", [], "k", ["libs"]),
      entry("stays", ["group:libs"]),
      entry("leaves", ["group:libs"])
    )
    const to = state(entry("lib", [], "other", ["libs"]), entry("stays", ["group:libs", "none"]), entry("leaves"))
    expect(changes(from, to)).toEqual([
      "update a:leaves",
      "delete a:lib",
      "create a:lib",
      "update a:stays",
      "delete a:old"
    ])
  })

  it("D2: of two rewirings that exclude each other one is kept", () => {
    // Each update lets go of one replaced entry and takes up the other: both before both deletes is impossible.
    const from = state(entry("x"), entry("y"), entry("p", ["x"]), entry("q", ["y"]))
    const to = state(entry("x", [], "other"), entry("y", [], "other"), entry("p", ["y"]), entry("q", ["x"]))
    expect(changes(from, to)).toEqual([
      "delete a:y",
      "create a:y",
      "update a:p",
      "delete a:x",
      "create a:x",
      "update a:q"
    ])
  })

  it("D3: a cycle with other operations of the same changeset loses none and repeats none", () => {
    const both = [entry("b", ["c"]), entry("c", ["b"])]
    const one = entry("x")
    const squashed = ChangeSet.squash([
      [Operation.create(one), Operation.update(entry("x", ["b"]), one), ...both.map(Operation.create)]
    ])
    expect(brief(Result.getOrThrow(squashed))).toEqual(["create a:b", "create a:c", "create a:x"])
  })

  it("D4, D18: cycles are reported, with their members together by id and all else by dependency", () => {
    const from = state(entry("old1", ["old2"]), entry("old2", ["old1"]), entry("user", ["old1"]))
    const to = state(
      entry("m", ["b"]),
      entry("b", ["y"]),
      entry("y", ["m", "z"]),
      entry("z"),
      entry("a", ["m"]),
      entry("user", ["b"])
    )
    const found = Delta.buildDelta(from, to).changeset
    for (const operations of [found, found.toReversed(), [...found.slice(3), ...found.slice(0, 3)]]) {
      const { changeset, cycles } = Delta.order(operations)
      expect(brief(changeset)).toEqual([
        "create a:z",
        "create a:b",
        "create a:m",
        "create a:y",
        "create a:a",
        "update a:user",
        "delete a:old1",
        "delete a:old2"
      ])
      expect(texts(cycles)).toEqual([
        ["a:b", "a:m", "a:y"],
        ["a:old1", "a:old2"]
      ])
    }
  })

  it("D1: more operations of one id than a delete and a create is refused, not guessed", () => {
    const [one, two] = [entry("x"), entry("x", ["y"])]
    const other = Operation.create(entry("w"))
    const lists: ReadonlyArray<ChangeSet.ChangeSet> = [
      [Operation.update(two, one), Operation.remove(two.id, two)],
      [Operation.create(one), Operation.remove(one.id, one), Operation.create(two)],
      [Operation.create(one), Operation.update(two, one)],
      [Operation.remove(one.id, one), Operation.remove(one.id, one)],
      [Operation.remove(one.id, one), Operation.create(two), Operation.create(two)]
    ]
    for (const list of lists) {
      expect(() => Delta.order([other, ...list])).toThrow(/of a:x cannot be ordered: squash it first/)
    }
    const replaced = [Operation.create(two), other, Operation.remove(one.id, one)]
    expect(brief(Delta.order(replaced).changeset)).toEqual(["create a:w", "delete a:x", "create a:x"])
  })

  it("deletes without their originals is by id", () => {
    const [x, y] = [entry("x"), entry("y", ["x"])]
    const removed = Delta.order([Operation.remove(y.id), Operation.remove(x.id)])
    expect(brief(removed.changeset)).toEqual(["delete a:x", "delete a:y"])
  })

  it("D15: one changeset looks at each of its entries once, and at no other", () => {
    const looked: Array<string> = []
    const references: Resolver.References = (entry) => {
      looked.push(`${entry.id} ${entry.kind}`)
      return Resolver.declared(entry)
    }
    const many = Array.from({ length: 200 }, (_, i) => entry(`n${i}`, ["x"]))
    const from = state(entry("x"), entry("y"), entry("z", ["y"]), ...many)
    const to = State.update(from, (builder) => {
      builder.set(entry("x", [], "other"))
      builder.remove(entry("y").id)
      builder.set(entry("z", ["x"]))
    })
    Delta.buildDelta(from, to, { references })
    expect(looked.toSorted()).toEqual(["a:x k", "a:x other", "a:y k", "a:z k", "a:z k"])
  })

  it("D11: ten thousand entries that depend on ten thousand others, replaced and rewired, is found", () => {
    const count = 10_000
    const libs = (kind: string) => Array.from({ length: count }, (_, i) => entry(`lib${i}`, [], kind, ["libs"]))
    const users = (more: ReadonlyArray<string>) =>
      Array.from({ length: count }, (_, i) => entry(`user${i}`, ["group:libs", ...more]))
    const from = state(...libs("k"), ...users([]))
    expect(Delta.buildDelta(State.empty, from).changeset).toHaveLength(2 * count)
    expect(brief(Delta.buildDelta(from, State.empty).changeset)[0]).toBe("delete a:user0")
    const moved = brief(Delta.buildDelta(from, state(...libs("k"), ...users(["none"]))).changeset)
    expect(moved).toHaveLength(count)
  })

  it("a chain of 100,000 and a cycle of 20,000 is found", () => {
    const chain = Array.from({ length: 100_000 }, (_, i) => Operation.create(entry(`${i}`, [`${i + 1}`])))
    expect(Delta.order(chain).changeset.at(0)).toBe(chain.at(-1))
    const ring = Array.from({ length: 20_000 }, (_, i) => Operation.create(entry(`${i}`, [`${(i + 1) % 20_000}`])))
    expect(Delta.order(ring).cycles.map((cycle) => cycle.length)).toEqual([20_000])
  })
})

describe("successors", () => {
  it("are what must come after an operation, directly or through others, but for its own cycle", () => {
    fc.assert(
      fc.property(Arbitraries.transition, ({ from, to }) => {
        const { changeset } = Delta.buildDelta(from, to)
        const successors = Delta.successors(changeset)
        const names = changeset.map(Rules.nameOf)
        const rules = Rules.between(from, to, changeset)
        // What was given up is no reason to wait; all else that this order keeps is.
        const at = new Map(names.map((name, i) => [name, i]))
        const kept = rules.released.filter(([before, after]) => at.get(before)! < at.get(after)!)
        const firm = rules.firm
        const all = Rules.withEdges(firm, kept)
        const components = Model.components(firm)
        names.forEach((name, index) => {
          const found = [...successors(index)].map((i) => names[i]!)
          const own = components.find((component) => component.includes(name))!
          const beyond = (graph: Model.Graph) => [...Model.reached(graph, name)].filter((other) => !own.includes(other))
          expect(beyond(all)).toEqual(expect.arrayContaining(found))
          expect(found).toEqual(expect.arrayContaining(beyond(firm)))
          expect(Rules.impossible(rules).length > 0 || found.length === beyond(all).length).toBe(true)
          for (const other of found) expect(at.get(other)!).toBeGreaterThan(index)
        })
      }),
      { numRuns: 1000 }
    )
  })

  it("pass through a group, also to a member of it that refers to it", () => {
    const changeset = [entry("x", [], "k", ["g"]), entry("y", ["group:g"], "k", ["g"]), entry("z", ["group:g"])].map(
      Operation.create
    )
    expect(waits(changeset)).toEqual([[1, 2], [2], []])
  })

  it("E12: wait with what was deferred, also where an entry is replaced", () => {
    const from = state(entry("lib"), entry("user", ["lib"]))
    const to = state(entry("lib", [], "other"), entry("user", ["lib", "none"]))
    const { changeset } = Delta.buildDelta(from, to)
    expect(brief(changeset)).toEqual(["delete a:lib", "create a:lib", "update a:user"])
    expect(waits(changeset)).toEqual([[1, 2], [2], []])
  })
})
