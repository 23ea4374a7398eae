import { describe, expect, it } from "@effect/vitest"
import * as Entry from "@heph/entry/Entry"
import * as State from "@heph/entry/State"
import * as Finder from "@heph/finder/Finder"
import type * as Query from "@heph/finder/Query"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import * as Generators from "./generators.ts"

const service = (name: string, meta: Record<string, unknown>) =>
  Entry.makeUnsafe({ id: `app:${name}`, kind: "service", meta })
const stateOf = (...entries: ReadonlyArray<Entry.Entry>) => State.fromIterable(entries)
const set = (state: State.State, ...entries: ReadonlyArray<Entry.Entry>) =>
  State.update(state, (builder) => {
    for (const entry of entries) builder.set(entry)
  })

const page = (
  finder: Finder.Finder["Service"],
  target: Finder.Target,
  query: Query.Input,
  options?: Finder.FindOptions
) => Result.getOrThrow(finder.findSync(target, query, options))

const hitsOf = (finder: Finder.Finder["Service"], ask: () => unknown): number => {
  const before = finder.stats().hits
  ask()
  return finder.stats().hits - before
}

describe("the cache", () => {
  it("answers as no cache at all would, whatever is written, in any order of versions and states", () => {
    const step = fc.record({
      changes: Generators.changes.map((all) => all.slice(0, 2)),
      back: fc.constantFrom(0, 0, 0, 1, 3),
      asked: fc.array(
        fc.record({
          query: fc.nat(3),
          sortBy: fc.constantFrom(undefined, undefined, "meta.x"),
          limit: fc.constantFrom(undefined, undefined, 1, 5)
        }),
        { maxLength: 8 }
      )
    })
    let hits = 0
    fc.assert(
      fc.property(
        Generators.state,
        fc.array(Generators.query, { minLength: 4, maxLength: 4 }),
        fc.array(step, { maxLength: 8 }),
        (start, queries, steps) => {
          const finder = Finder.make({ queryCacheSize: 3 })
          const states = [start]
          for (const { asked, back, changes } of steps) {
            states.push(Generators.apply(states.at(-1)!, changes))
            const version = Math.max(0, states.length - 1 - back)
            const target = { version, state: states[version]! }
            for (const { limit, query, sortBy } of asked) {
              const found = page(finder, target, queries[query]!, { limit, sortBy })
              const expected = page(Finder.make({ queryCacheSize: 0 }), target, queries[query]!, { limit, sortBy })
              expect(found.entries).toEqual(expected.entries)
              expect([found.total, found.cursor]).toEqual([expected.total, expected.cursor])
            }
          }
          hits += finder.stats().hits
        }
      ),
      { numRuns: 2000 }
    )
    // Otherwise the property says nothing.
    expect(hits).toBeGreaterThan(1000)
  })

  it("keeps what a write could not change, and drops what it could", () => {
    const first = stateOf(service("a", { n: 1, x: "one" }), service("b", { n: 2, x: "two" }), service("c", { n: 3 }))
    const finder = Finder.make()
    const queries = ["meta.n=1", "meta.n=2", ">=meta.n=2", "*meta.x=o", "!?meta.x", "meta.n=9", ""]
    const ask = (target: Finder.Target) =>
      queries.filter((query) => hitsOf(finder, () => page(finder, target, query)) === 1)
    expect(ask({ version: 1, state: first })).toEqual([])
    expect(ask({ version: 1, state: first })).toEqual(queries)
    const moved = set(first, service("b", { n: 9, x: "to" }))
    expect(ask({ version: 2, state: moved })).toEqual(["meta.n=1", "!?meta.x"])
    const grown = set(moved, service("d", { n: 100 }))
    expect(ask({ version: 3, state: grown })).toEqual(["meta.n=1", "meta.n=2", "*meta.x=o", "meta.n=9"])
    const less = State.update(grown, (builder) => builder.remove(grown.get("app:d")!.id))
    expect(ask({ version: 4, state: less })).toEqual(["meta.n=1", "meta.n=2", "*meta.x=o", "meta.n=9"])
  })

  it("keeps an answer over writes in between that nobody searched, and over none too many", () => {
    const finder = Finder.make()
    let state = stateOf(service("a", { n: 1 }))
    const kept = page(finder, { version: 0, state }, "meta.n=1").entries
    for (let i = 0; i < 200; i++) state = set(state, service(`b${i}`, { n: 2 }))
    expect(page(finder, { version: 200, state }, "meta.n=1").entries).toBe(kept)
    const many = set(state, ...Array.from({ length: 300 }, (_, i) => service(`c${i}`, { n: 2 })))
    const again = page(finder, { version: 201, state: many }, "meta.n=1").entries
    expect(again).toEqual(kept)
    expect(again).not.toBe(kept)
  })

  it("keeps pages by what they begin behind, and counts the rest when asked", () => {
    const state = stateOf(
      ...Array.from({ length: 3000 }, (_, i) => service(`e${String(i).padStart(4, "0")}`, { n: i % 7, m: i }))
    )
    const finder = Finder.make()
    const ask = (cursor?: string) =>
      page(finder, { version: 1, state }, "!meta.n=3", { sortBy: "meta.m", limit: 10, cursor })
    const one = ask()
    const two = ask(one.cursor)
    expect([one, two].map(({ entries }) => entries.map((entry) => entry.meta["m"]))).toEqual([
      [0, 1, 2, 4, 5, 6, 7, 8, 9, 11],
      [12, 13, 14, 15, 16, 18, 19, 20, 21, 22]
    ])
    expect(hitsOf(finder, () => ask(one.cursor))).toBe(1)
    expect(two.total).toBe([...state].filter((entry) => entry.meta["n"] !== 3).length)
    expect(Object.isFrozen(one.entries) && Object.isFrozen(two.entries)).toBe(true)
  })

  it("tells apart what differs in anything but the order of its terms", () => {
    const finder = Finder.make()
    const target = { version: 1, state: stateOf(service("a", { n: 1, x: "1" })) }
    page(finder, target, "meta.n=1 any(meta.x=a meta.x='1')")
    const hits = (query: Query.Input, options?: Finder.FindOptions) =>
      hitsOf(finder, () => page(finder, target, query, options))
    expect(hits({ any: [{ "meta.x": "1" }, { "meta.x": "a" }], "meta.n": 1n })).toBe(1)
    expect(hits("meta.n='1' any(meta.x=a meta.x='1')")).toBe(0)
    expect(hits("meta.n=1 all(meta.x=a meta.x='1')")).toBe(0)
    expect(hits("meta.n=1 !any(meta.x=a meta.x='1')")).toBe(0)
    expect(hits("meta.n=1 any(meta.x=a meta.x='1')", { sortBy: "meta.n" })).toBe(0)
    expect(hits("meta.n=1 any(meta.x=a meta.x='1')", { descending: true })).toBe(0)
  })

  it.effect("shows its hit rate as a metric, for as long as its layer lives", () =>
    Effect.gen(function* () {
      const registry = new Map()
      const target = { version: 1, state: stateOf(service("a", { n: 1 })) }
      const rate = Metric.value(Finder.cacheHitRate)
      const program = Effect.gen(function* () {
        const finder = yield* Finder.Finder
        const rates = [(yield* rate).value]
        for (let i = 0; i < 4; i++) {
          yield* finder.find(target, "meta.n=1")
          rates.push((yield* rate).value)
        }
        expect((yield* Metric.snapshot).map(({ id }) => id)).toEqual(["heph_finder_cache_hit_rate"])
        return rates
      })
      const rates = yield* program.pipe(
        Effect.provide(Finder.layer()),
        Effect.provideService(Metric.MetricRegistry, registry as never)
      )
      expect(rates).toEqual([0, 0, 1 / 2, 2 / 3, 3 / 4])
      expect(registry.size).toBe(0)
    })
  )
})

describe("explain", () => {
  const state = stateOf(
    ...Array.from({ length: 1000 }, (_, i) =>
      Entry.makeUnsafe({
        id: `app:e${i}`,
        kind: i % 2 === 0 ? "even" : "odd",
        meta: { n: i, text: `the number ${i}.` }
      })
    )
  )
  const target = { version: 7, state }
  const explain = (finder: Finder.Finder["Service"], query: Query.Input, options?: Finder.FindOptions) =>
    Result.getOrThrow(finder.explain(target, query, options))

  it("names the index, what it leaves, what answers and the other ways", () => {
    expect(explain(Finder.make(), ".kind=even >=meta.n=10 <meta.n=20")).toEqual({
      version: 7,
      cached: false,
      index: "b-tree",
      criterion: "<meta.n=20",
      candidates: 10,
      matches: 5,
      considered: [
        { index: "b-tree", criterion: "<meta.n=20", candidates: 10 },
        { index: "b-tree", criterion: ".kind=even", candidates: 500 },
        { index: "scan", criterion: undefined, candidates: 1000 },
        { index: "b-tree", criterion: ">=meta.n=10", candidates: 990 }
      ]
    })
  })

  it.each([
    ["", "scan", 1000, 1000],
    [".id=app:e5 meta.n=6", "id", 1, 0],
    ["any(meta.n=1 meta.n=2) .kind=odd", "b-tree", 2, 1]
  ] as const)("%s: %s", (query, index, candidates, matches) => {
    expect(explain(Finder.make(), query)).toMatchObject({ index, candidates, matches })
  })

  it("of an index of texts, which leaves what may hold the text: all that does, and a few more", () => {
    const { candidates, index, matches } = explain(Finder.make(), "$meta.text='number 77.'")
    expect([index, matches]).toEqual(["text", 1])
    expect(candidates).toBeGreaterThanOrEqual(1)
    expect(candidates).toBeLessThan(100)
  })

  it("of a hash index", () => {
    expect(explain(Finder.make({ indexType: "hash" }), "meta.n=5 >meta.n=1")).toMatchObject({
      index: "hash",
      candidates: 1,
      matches: 1
    })
  })

  it("says whether a kept answer would serve, and keeps none itself", () => {
    const finder = Finder.make()
    const cached = (options?: Finder.FindOptions) => explain(finder, "meta.n=5", options).cached
    expect([cached(), cached()]).toEqual([false, false])
    page(finder, target, "meta.n=5")
    expect([cached(), cached({ sortBy: "meta.n" })]).toEqual([true, false])
    expect(finder.stats()).toMatchObject({ hits: 0, misses: 1 })
  })

  it("fails as find does", () => {
    expect(Result.isFailure(Finder.make().explain(target, "n=5"))).toBe(true)
  })
})
