import { describe, expect, it } from "@effect/vitest"
import * as Entry from "@heph/entry/Entry"
import * as State from "@heph/entry/State"
import * as AttributeIndex from "@heph/finder/AttributeIndex"
import * as Field from "@heph/finder/Field"
import * as Query from "@heph/finder/Query"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import * as Generators from "./generators.ts"
import * as Oracle from "./oracle.ts"

const idsOf = (entries: Iterable<Entry.Entry>): ReadonlyArray<string> => Array.from(entries, (entry) => entry.id.value)

const select = (index: AttributeIndex.AttributeIndex, query: Query.Input) => {
  const entries = AttributeIndex.select(index, Result.getOrThrow(Query.from(query)))
  return entries === undefined ? undefined : idsOf(entries)
}

const inOrder = (index: AttributeIndex.AttributeIndex, field: string, descending = false) => {
  const out: Array<Entry.Entry> = []
  AttributeIndex.inOrder(index, Result.getOrThrow(Field.parse(field)), descending, (entry) => out.push(entry))
  return out
}

const entry = (i: number, meta: Record<string, unknown>) =>
  Entry.makeUnsafe({ id: `ns${i % 3}:e${String(i).padStart(3, "0")}`, kind: i % 2 === 0 ? "even" : "odd.one", meta })

const numbered = (count: number) => State.fromIterable(Array.from({ length: count }, (_, i) => entry(i, { n: i })))

describe("AttributeIndex", () => {
  const state = numbered(300)
  const answers = (query: Oracle.Record_) => idsOf([...state].filter((entry) => Oracle.answers(entry, query)))

  it.each([
    { "meta.n": 7 },
    { "meta.n": 7n },
    { ".kind": "even" },
    { ".ns": "ns1" },
    { ".name": "e007" },
    { ".id": "ns1:e007" },
    { ".id": "ns1:none" },
    { ".name": "e01*" },
    { "^.id": "ns1:e0" },
    { "^meta.n": "1" },
    { ">=meta.n": 290 },
    { ">meta.n": 290 },
    { "<meta.n": 10 },
    { "<=meta.n": 10 },
    { "<=.name": "e01" },
    { ">meta.n": 100, "<=meta.n": 105 },
    { "meta.n": 7, ">=meta.n": 0 },
    { "meta.n": "7" },
    { "?meta.none": true },
    { "meta.n": [] }
  ])("serves %o with exactly what answers", (query) => {
    expect(select(AttributeIndex.make(state), query)).toEqual(answers(query))
  })

  it.each([
    {},
    { "~.name": "^e0" },
    { "$.name": "7" },
    { "*.name": "7" },
    { ".name": "*7" },
    { "!meta.n": 7 },
    { "?meta.n": true }
  ])("leaves %o to a scan", (query) => {
    expect(select(AttributeIndex.make(state), query)).toBeUndefined()
  })

  it("takes the criterion that leaves the fewest", () => {
    expect(select(AttributeIndex.make(state), { ".kind": "even", "meta.n": 8, "^.ns": "ns" })).toEqual(["ns2:e008"])
  })

  it("never loses an entry that answers, and gives each once in the order of ids", () => {
    fc.assert(
      fc.property(Generators.state, Generators.changes, Generators.query, (start, changes, query) => {
        const first = AttributeIndex.make(start)
        select(first, query)
        const index = AttributeIndex.follow(first, Generators.apply(start, changes))
        const selected = select(index, query)
        if (selected === undefined) return
        const all = idsOf(index.state)
        expect(selected).toEqual(all.filter((id) => selected.includes(id)))
        const answering = [...index.state].filter((entry) => Oracle.answers(entry, query))
        expect(selected).toEqual(expect.arrayContaining([...idsOf(answering)]))
      }),
      { numRuns: 1000 }
    )
  })

  it("comes along from state to state, and leaves the older ones as they were", () => {
    const first = AttributeIndex.make(state)
    expect(select(first, "meta.n=7")).toEqual(["ns1:e007"])
    const moved = State.update(state, (builder) => {
      builder.set(entry(7, { n: 1000 }))
      builder.set(entry(300, { n: 7 }))
      builder.remove(state.get("ns2:e008")!.id)
    })
    const second = AttributeIndex.follow(first, moved)
    const third = AttributeIndex.follow(second, state)
    expect([first, second, third].map((index) => select(index, "meta.n=7"))).toEqual([
      ["ns1:e007"],
      ["ns0:e300"],
      ["ns1:e007"]
    ])
    expect([first, second, third].map((index) => select(index, ">=meta.n=7 <=meta.n=8"))).toEqual([
      ["ns1:e007", "ns2:e008"],
      ["ns0:e300"],
      ["ns1:e007", "ns2:e008"]
    ])
    expect(select(second, ">=meta.n=1000")).toEqual(["ns1:e007"])
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
    const second = AttributeIndex.follow(first, unread)
    const bare = AttributeIndex.make(unread)
    expect(second.fields.size).toBe(2)
    expect(second.fields.get("meta.n")?.tree.size).toBe(300)
    expect(() => select(bare, "meta.n=7")).toThrow("as a whole")
  })

  it("is built anew where most of a state is another", () => {
    const first = AttributeIndex.make(state)
    select(first, "meta.n=7")
    const other = State.fromIterable(Array.from({ length: 300 }, (_, i) => entry(i, { n: i + 1 })))
    const second = AttributeIndex.follow(first, other)
    expect(second.fields.size).toBe(0)
    expect(select(second, "meta.n=7")).toEqual(["ns0:e006"])
  })

  it("keeps the fields that were used last", () => {
    const index = AttributeIndex.make(state)
    for (let i = 0; i < AttributeIndex.maxFields; i++) select(index, { [`meta.f${i}`]: 1 })
    select(index, "meta.f0=1")
    const next = AttributeIndex.follow(
      index,
      State.update(state, (builder) => builder.set(entry(0, { n: -1 })))
    )
    select(next, "meta.n=7")
    expect(next.fields.size).toBe(AttributeIndex.maxFields)
    expect(["meta.f0", "meta.f1", "meta.n"].map((field) => next.fields.has(field))).toEqual([true, false, true])
  })

  it("gives entries in the order of a field", () => {
    const mixed = State.fromIterable(
      [null, true, false, 10, 9n, Number.NaN, "b", "B", new Date(0), new Uint8Array(1), [], [3, "z"], { a: 1 }].map(
        (v, i) => Entry.makeUnsafe({ id: `app:${String.fromCharCode(97 + i)}`, kind: "k", meta: { v } })
      )
    )
    const index = AttributeIndex.make(mixed)
    const order = (descending: boolean) =>
      inOrder(index, "meta.v", descending)
        .map((entry) => entry.id.name)
        .join("")
    // The empty list, k, has no value to sort by.
    expect(order(false)).toBe("acbledfhgijm")
    expect(order(true)).toBe("mjilghfdebca")
  })
})
