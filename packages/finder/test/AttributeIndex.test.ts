import { describe, expect, it } from "@effect/vitest"
import * as Entry from "@heph/entry/Entry"
import * as State from "@heph/entry/State"
import * as AttributeIndex from "@heph/finder/AttributeIndex"
import * as Field from "@heph/finder/Field"
import * as Query from "@heph/finder/Query"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import * as Evaluate from "../src/internal/evaluate.ts"
import * as Plan from "../src/internal/plan.ts"
import * as Generators from "./generators.ts"
import * as Oracle from "./oracle.ts"

const idsOf = (entries: Iterable<Entry.Entry>): ReadonlyArray<string> => Array.from(entries, (entry) => entry.id.value)

const plan = (index: AttributeIndex.AttributeIndex, query: Query.Input): Plan.Plan =>
  Plan.of(index, Result.getOrThrow(Query.from(query)).terms)[0]!

/** The index that a query is answered from, and the ids it leaves to be looked at. */
const select = (index: AttributeIndex.AttributeIndex, query: Query.Input) => {
  const { ids, type } = plan(index, query)
  return [type, ...Array.from(ids(), (id) => id.value)]
}

const field = (text: string) => Result.getOrThrow(Field.parse(text))

const entry = (i: number, meta: Record<string, unknown>) =>
  Entry.makeUnsafe({ id: `ns${i % 3}:e${String(i).padStart(3, "0")}`, kind: i % 2 === 0 ? "even" : "odd.one", meta })

const numbered = (count: number) =>
  State.fromIterable(Array.from({ length: count }, (_, i) => entry(i, { n: i, text: `number ${i} of all` })))

const differences = (from: State.State, to: State.State): ReadonlyArray<AttributeIndex.Change> => {
  const changes: Array<AttributeIndex.Change> = []
  State.diff(from, to, (before, after) => changes.push([before, after]))
  return changes
}

const follow = (index: AttributeIndex.AttributeIndex, state: State.State) =>
  AttributeIndex.follow(index, state, differences(index.state, state))

describe("AttributeIndex", () => {
  const state = numbered(300)
  const answers = (query: Oracle.Record_) => idsOf([...state].filter((entry) => Oracle.answers(entry, query)))

  it.each([
    [{ "meta.n": 7 }, "b-tree"],
    [{ "meta.n": 7n }, "b-tree"],
    [{ ".kind": "even" }, "b-tree"],
    [{ ".ns": "ns1" }, "b-tree"],
    [{ ".name": "e007" }, "b-tree"],
    [{ ".id": "ns1:e007" }, "id"],
    [{ ".id": "ns1:none" }, "id"],
    [{ ".name": "e01*" }, "b-tree"],
    [{ "^.id": "ns1:e0" }, "b-tree"],
    [{ "^meta.n": "1" }, "b-tree"],
    [{ "~.name": "^e01" }, "b-tree"],
    [{ ">=meta.n": 290 }, "b-tree"],
    [{ ">meta.n": 290 }, "b-tree"],
    [{ "<meta.n": 10 }, "b-tree"],
    [{ "<=meta.n": 10 }, "b-tree"],
    [{ "<=.name": "e01" }, "b-tree"],
    [{ ">meta.n": 100, "<=meta.n": 105 }, "b-tree"],
    [{ "meta.n": 7, ">=meta.n": 0 }, "b-tree"],
    [{ "meta.n": "7" }, "b-tree"],
    [{ "?meta.none": true }, "b-tree"],
    [{ "meta.n": [] }, "b-tree"],
    [{ any: [{ "meta.n": 7 }, { "meta.n": 9, ".kind": "odd.one" }, { "meta.n": 7 }] }, "b-tree"],
    [{ "$meta.text": "number 7 of all" }, "text"],
    [{ "*meta.text": "er 77 " }, "text"],
    [{ "~meta.text": "er [0-9]+ of all$", "*meta.text": " 299 " }, "text"]
  ] as ReadonlyArray<readonly [Oracle.Record_, string]>)(
    "serves %o with exactly what answers, from %s",
    (query, type) => {
      expect(select(AttributeIndex.make(state), query)).toEqual([type, ...answers(query)])
    }
  )

  it.each([
    {},
    { "~.name": "[0-9]" },
    { "*.name": "7" },
    { "!meta.n": 7 },
    { "?meta.n": true },
    { any: [{ "meta.n": 7 }, { "!meta.n": 7 }] },
    { any: [{ "*meta.text": "77" }, { "*meta.text": "number 7 " }] }
  ] as ReadonlyArray<Oracle.Record_>)("leaves %o to a scan", (query) => {
    expect(plan(AttributeIndex.make(state), query).type).toBe("scan")
  })

  it("takes the criterion that leaves the fewest, and does not check again what the index has settled", () => {
    const { terms } = Result.getOrThrow(Query.parse(".kind=even meta.n=8 ^.ns=ns"))
    const [taken, ...others] = Plan.of(AttributeIndex.make(state), terms)
    expect([taken!.count, ...others.map(({ count }) => count)]).toEqual([1, 150, 300, 300])
    expect(Plan.rest(taken!, terms)).toEqual([terms[2], terms[0]])
  })

  it("never loses an entry that answers, and gives each once in the order of ids", () => {
    fc.assert(
      fc.property(
        Generators.large,
        Generators.changes,
        Generators.query,
        fc.constantFrom<AttributeIndex.IndexType>("b-tree", "hash"),
        (start, changes, query, indexType) => {
          const first = AttributeIndex.make(start, { indexType })
          plan(first, query).ids()
          const index = follow(first, Generators.apply(start, changes))
          for (const { ids, runs } of Plan.of(index, Result.getOrThrow(Query.from(query)).terms)) {
            const selected = Array.from(ids(), (id) => id.value)
            const there = selected.filter((id) => index.state.has(id))
            const answering = new Set(there)
            expect(there).toEqual(idsOf(index.state).filter((id) => answering.has(id)))
            const missed = [...index.state].filter(
              (each) => Oracle.answers(each, query) && !answering.has(each.id.value)
            )
            expect(idsOf(missed)).toEqual([])
            const run = runs?.reduce((sum, { from, to }) => sum + to - from, 0)
            expect(run ?? selected.length).toBe(selected.length)
          }
        }
      ),
      { numRuns: 100 }
    )
  })

  it.each(["b-tree", "hash"] as const)(
    "%s: comes along from state to state, and leaves the older ones as they were",
    (indexType) => {
      const first = AttributeIndex.make(state, { indexType })
      expect(select(first, "meta.n=7")).toEqual([indexType, "ns1:e007"])
      const moved = State.update(state, (builder) => {
        builder.set(entry(7, { n: 1000 }))
        builder.set(entry(300, { n: 7 }))
        builder.remove(state.get("ns2:e008")!.id)
      })
      const second = follow(first, moved)
      const third = follow(second, state)
      expect([first, second, third].map((index) => select(index, "meta.n=7")[1])).toEqual([
        "ns1:e007",
        "ns0:e300",
        "ns1:e007"
      ])
      if (indexType === "hash") return
      expect([first, second, third].map((index) => select(index, ">=meta.n=7 <=meta.n=8").slice(1))).toEqual([
        ["ns1:e007", "ns2:e008"],
        ["ns0:e300"],
        ["ns1:e007", "ns2:e008"]
      ])
      expect(select(second, ">=meta.n=1000")).toEqual(["b-tree", "ns1:e007"])
    }
  )

  it("of texts: lists what changed since, on either of two branches", () => {
    const first = AttributeIndex.make(state)
    select(first, "*meta.text=' 77 of'")
    const one = follow(
      first,
      State.update(state, (builder) => builder.set(entry(1, { text: "here is 77 of them" })))
    )
    const other = follow(
      first,
      State.update(state, (builder) => builder.set(entry(2, { text: "there is 77 of them" })))
    )
    const further = follow(
      one,
      State.update(one.state, (builder) => builder.set(entry(77, { text: "nothing" })))
    )
    const found = [first, one, other, further].map((index) => {
      const query = Result.getOrThrow(Query.parse("*meta.text=' 77 of'"))
      return idsOf(Evaluate.matching(index.state, Plan.of(index, query.terms)[0]!, query))
    })
    expect(found).toEqual([["ns2:e077"], ["ns1:e001", "ns2:e077"], ["ns2:e002", "ns2:e077"], ["ns1:e001"]])
    expect(further.indexes.has("text meta.text")).toBe(true)
  })

  it("looks at the entries that changed, and at no others", () => {
    const first = AttributeIndex.make(state)
    select(first, ".kind=even meta.n=7")
    const changed = State.update(state, (builder) => builder.set(entry(7, { n: 70 })))
    const unread = new Proxy(changed, {
      get: (target, key) => {
        if (key === Symbol.iterator || key === "entries") throw new Error("the state was read as a whole")
        return Reflect.get(target, key, target) as unknown
      }
    })
    const second = follow(first, unread)
    expect(second.indexes.size).toBe(2)
    expect(AttributeIndex.ordered(second, field("meta.n"))?.trees.reduce((sum, { size }) => sum + size, 0)).toBe(300)
    expect(() => select(AttributeIndex.make(unread), "meta.n=7")).toThrow("as a whole")
  })

  it("is built anew where most of a state is another", () => {
    const first = AttributeIndex.make(state)
    select(first, "meta.n=7")
    const other = State.fromIterable(Array.from({ length: 300 }, (_, i) => entry(i, { n: i + 1 })))
    const second = follow(first, other)
    expect(second.indexes.size).toBe(0)
    expect(select(second, "meta.n=7")).toEqual(["b-tree", "ns0:e006"])
  })

  it("stays within its memory: what was used longest ago makes room, and what cannot fit is not made", () => {
    const index = AttributeIndex.make(state, { maxIndexBytes: 3 * 300 * 24 })
    for (const name of [".kind", ".name", ".ns"]) AttributeIndex.ordered(index, field(name))
    AttributeIndex.ordered(index, field(".kind"))
    AttributeIndex.ordered(index, field("meta.n"))
    expect([...index.indexes.keys()]).toEqual(["b-tree .ns", "b-tree .kind", "b-tree meta.n"])
    expect(AttributeIndex.bytesOf(index)).toBe(3 * 300 * 24)
    const small = AttributeIndex.make(state, { maxIndexBytes: 299 * 24 })
    expect(plan(small, "meta.n=7").type).toBe("scan")
    const lists = State.fromIterable(
      [...state].map(({ id, kind }) => Entry.makeUnsafe({ id, kind, meta: { n: [1, 2] } }))
    )
    const tight = AttributeIndex.make(lists, { maxIndexBytes: 300 * 24 })
    expect([plan(tight, "meta.n=3").type, plan(tight, "meta.n=3").type]).toEqual(["scan", "scan"])
    expect(AttributeIndex.bytesOf(tight)).toBe(0)
  })

  it("walks in the order of a field, from a place on", () => {
    const mixed = State.fromIterable(
      [null, true, false, 10, 9n, Number.NaN, "b", "B", new Date(0), new Uint8Array(1), "b", { a: 1 }].map((v, i) =>
        Entry.makeUnsafe({ id: `app:${String.fromCharCode(97 + i)}`, kind: "k", meta: { v } })
      )
    )
    const index = AttributeIndex.make(mixed)
    const { trees } = AttributeIndex.ordered(index, field("meta.v"))!
    const runs = trees.map((tree, rank) => ({ rank, tree, from: 0, to: tree.size }))
    const order = (
      descending: boolean,
      after?: { readonly rank: number; readonly value: string; readonly id: string }
    ) => {
      const names: Array<string> = []
      const place = after === undefined ? undefined : { key: after, id: after.id }
      Plan.walk(mixed, runs, descending, place, (each) => {
        names.push(each.id.name)
      })
      return names.join("")
    }
    expect(order(false)).toBe("acbedfhgkijl")
    expect(order(true)).toBe("ljigkhfdebca")
    expect(order(false, { rank: 4, value: "b", id: "app:g" })).toBe("kijl")
    expect(order(true, { rank: 4, value: "b", id: "app:g" })).toBe("khfdebca")
    expect(order(true, { rank: 4, value: "b", id: "app:k" })).toBe("hfdebca")
  })
})
