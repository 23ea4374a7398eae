import { describe, expect, it } from "@effect/vitest"
import type * as Entry from "@heph/entry/Entry"
import type * as State from "@heph/entry/State"
import * as Finder from "@heph/finder/Finder"
import * as Query from "@heph/finder/Query"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import * as Generators from "./generators.ts"
import * as Oracle from "./oracle.ts"
import * as Order from "./order.ts"

const idsOf = (entries: Iterable<Entry.Entry>): ReadonlyArray<string> => Array.from(entries, (entry) => entry.id.value)

const scan = (state: State.State, record: Oracle.Record_): ReadonlyArray<Entry.Entry> =>
  [...state].filter((entry) => Oracle.answers(entry, record))

/** Answers a query over each of some states, each the one before with changes, and compares them with a scan. */
const finders =
  (options: Finder.FinderOptions) =>
  (start: State.State, steps: ReadonlyArray<ReadonlyArray<Entry.Entry | string>>, query: Oracle.Record_): void => {
    const finder = Finder.make(options)
    const states = [start]
    for (const step of steps) states.push(Generators.apply(states.at(-1)!, step))
    const found = (version: number, asked: Query.Input) =>
      idsOf(Result.getOrThrow(finder.findSync({ version, state: states[version]! }, asked)).entries)
    for (const [version, state] of states.entries()) expect(found(version, query)).toEqual(idsOf(scan(state, query)))
    // The first state again, as a snapshot, from the indexes of the newest; in words and as a tree this time.
    const compiled = Result.getOrThrow(Query.from(query))
    const expected = idsOf(scan(start, query))
    expect(found(0, Query.print(compiled))).toEqual(expected)
    if (compiled.terms.length > 0) expect(found(0, Query.toAst(compiled))).toEqual(expected)
  }

describe("20,000 random queries over random states find what a scan by the table finds", () => {
  const steps = fc.array(Generators.changes, { maxLength: 2 })
  it.each([
    [12_000, {}],
    [4000, { indexType: "hash" }],
    [2000, { queryCacheSize: 0 }],
    [2000, { maxIndexBytes: 2000 }]
  ] as const)("%i with %o", (numRuns, options) => {
    fc.assert(fc.property(Generators.state, steps, Generators.query, finders(options)), { numRuns })
  })

  it("and over states of 1,300 entries, where all indexes are used", () => {
    fc.assert(fc.property(Generators.large, steps, Generators.query, finders({})), { numRuns: 150 })
  })

  it.each([
    ["small states", Generators.state, 3000],
    ["states of 1,300 entries", Generators.large, 150]
  ] as const)("in the order of a field, page after page, with and without an index of it: %s", (_, states, numRuns) => {
    fc.assert(
      fc.property(
        states,
        Generators.query,
        Generators.field,
        fc.boolean(),
        fc.integer({ min: 1, max: numRuns === 150 ? 400 : 7 }),
        fc.constantFrom<Finder.FinderOptions>({}, { queryCacheSize: 0 }, { indexType: "hash" }, { maxIndexBytes: 0 }),
        (state, query, sortBy, descending, limit, options) => {
          const finder = Finder.make(options)
          // Sorting all of a state makes the index of the field, which pages are then taken from.
          if (limit % 2 === 0) finder.findSync({ version: 1, state }, {}, { sortBy })
          const expected = idsOf(Order.sorted(scan(state, query), sortBy, descending))
          const pages: Array<ReadonlyArray<string>> = []
          let cursor: string | undefined
          do {
            const asked = { sortBy, descending, limit, cursor }
            const page: Finder.Page = Result.getOrThrow(finder.findSync({ version: 1, state }, query, asked))
            pages.push(idsOf(page.entries))
            expect(page.total).toBe(expected.length)
            cursor = page.cursor
          } while (cursor !== undefined)
          expect(pages.flat()).toEqual(expected)
          expect(pages.slice(0, -1).every((page) => page.length === limit)).toBe(true)
          const whole = finder.findSync({ version: 1, state }, query, { sortBy, descending })
          expect(idsOf(Result.getOrThrow(whole).entries)).toEqual(expected)
        }
      ),
      { numRuns }
    )
  })

  it("a page that meets the entries of one index in the order of another", () => {
    const n = fc.constantFrom(0, 200, 400, 600, 800, 999)
    fc.assert(
      fc.property(
        Generators.large,
        n,
        n,
        fc.boolean(),
        fc.integer({ min: 1, max: 60 }),
        (state, a, b, descending, limit) => {
          const query = { ">=meta.n": Math.min(a, b), "<meta.n": Math.max(a, b), "!meta.x": "a" }
          const finder = Finder.make({ queryCacheSize: 0 })
          for (const sortBy of [".name", ".kind", "meta.y", "meta.x"]) {
            finder.findSync({ version: 1, state }, {}, { sortBy })
            const page = Result.getOrThrow(finder.findSync({ version: 1, state }, query, { sortBy, descending, limit }))
            const expected = idsOf(Order.sorted(scan(state, query), sortBy, descending))
            expect(idsOf(page.entries)).toEqual(expected.slice(0, limit))
            expect([page.total, page.cursor === undefined]).toEqual([expected.length, expected.length <= limit])
          }
        }
      ),
      { numRuns: 60 }
    )
  })
})
