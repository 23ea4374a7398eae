import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { inMemory, lines } from "./support.ts"

const ids = (found: { readonly versions: ReadonlyArray<{ readonly id: string }> }) => found.versions.map(({ id }) => id)

describe("search", () => {
  it.effect("looks at metadata with the finder's language, and at nothing that is no version", () =>
    inMemory(({ implementations: { register, search }, registry }) =>
      Effect.gen(function* () {
        yield* registry.apply([{ op: "create", entry: { id: "a.b:note", kind: "note", meta: { tags: ["fast"] } } }])
        yield* register("1", { component: "a.b", tags: ["fast"], metrics: { score: 0.5 } })
        yield* register("2", { component: "a.b", tags: ["fast", "small"], metrics: { score: 0.9 } })
        yield* register("3", { component: "a.c", tags: ["small"], metrics: { score: 0.95 }, fields: { run: 3 } })
        expect(ids(yield* search(["meta.tags=fast"]))).toEqual(["a.b:1", "a.b:2"])
        expect(
          ids(yield* search([">=meta.metrics.score=0.9"], { sortBy: "meta.metrics.score", descending: true }))
        ).toEqual(["a.c:1", "a.b:2"])
        expect(ids(yield* search([".ns=a.c", "meta.run=3"]))).toEqual(["a.c:1"])
        expect(ids(yield* search([]))).toEqual(["a.b:1", "a.b:2", "a.c:1"])
        expect(ids(yield* search([], { at: 2 }))).toEqual(["a.b:1"])
        const first = yield* search([], { limit: 2 })
        expect([ids(first), first.total]).toEqual([["a.b:1", "a.b:2"], 3])
        yield* register("4", { component: "a.a" })
        const second = yield* search([], { limit: 2, cursor: first.cursor })
        expect([ids(second), second.at, second.cursor]).toEqual([["a.c:1"], first.at, undefined])
        expect((yield* search(["meta.tags=small"])).scanned).toMatchObject({
          finder: { matches: 2 },
          code: { versions: 0, contents: 0 }
        })
      })
    )
  )

  it.effect("looks into code, of what metadata leaves, at each content once", () =>
    inMemory(({ implementations: { register, search } }) =>
      Effect.gen(function* () {
        yield* register("let a = 1\nlet b = 2\n", { component: "a.b" })
        yield* register({ "x.ts": "let a = 1\nlet b = 2\n", "y.ts": "eval(later)\n" }, { component: "a.b" })
        yield* register("const c = a.b\n", { component: "a.b", tags: ["last"] })
        expect(ids(yield* search(["code~^let b"]))).toEqual(["a.b:1", "a.b:2"])
        expect(ids(yield* search(["code*eval("]))).toEqual(["a.b:2"])
        expect(ids(yield* search(["!code*let"]))).toEqual(["a.b:3"])
        expect(ids(yield* search(["~code=a.b$", "meta.tags=last"]))).toEqual(["a.b:3"])
        expect(ids(yield* search(["code~let", "!code*eval"]))).toEqual(["a.b:1"])
        expect((yield* search(["code~zzz"])).scanned.code).toEqual({
          versions: 3,
          contents: 3,
          bytes: "let a = 1\nlet b = 2\n".length + "eval(later)\n".length + "const c = a.b\n".length
        })
        expect((yield* search(["code~zzz", "meta.tags=last"])).scanned).toMatchObject({
          finder: { matches: 1 },
          code: { versions: 1 }
        })
        const page = yield* search(["code*let"], { limit: 1 })
        expect([ids(page), page.total]).toEqual([["a.b:1"], 2])
        expect(ids(yield* search(["code*let"], { limit: 1, cursor: page.cursor }))).toEqual(["a.b:2"])
      })
    )
  )

  it.effect("finds what is near, the nearest first, with the share of lines in common", () =>
    inMemory(({ implementations: { register, search } }) =>
      Effect.gen(function* () {
        const base = Array.from({ length: 100 }, (_, i) => `line number ${i} of this file`)
        const changed = (count: number) => base.map((line, i) => (i < count ? `other ${count} ${i}` : line)).join("\n")
        yield* register(changed(0), { component: "a.b" })
        for (const count of [50, 10, 90, 1, 100]) yield* register(changed(count), { component: "a.c" })
        yield* register(`  ${changed(0).replaceAll("\n", "  \n\n\t")}`, { component: "a.d" })
        const found = yield* search(["near", "a.b:1"])
        expect(ids(found)).toEqual(["a.d:1", "a.c:4", "a.c:2", "a.c:1", "a.c:3"])
        for (const [id, share] of [
          ["a.d:1", 1],
          ["a.c:4", 99 / 101],
          ["a.c:2", 90 / 110],
          ["a.c:1", 50 / 150],
          ["a.c:3", 10 / 190]
        ] as const) {
          expect(found.similarity.get(id)).toBe(share)
        }
        expect(found.scanned.near.sketches).toBe(7)
        expect(ids(yield* search(["near=a.b:1", ".ns=a.c"], { limit: 1 }))).toEqual(["a.c:4"])
        expect(yield* Effect.flip(search(["near", "a.b:9"]))).toMatchObject({ _tag: "UnknownImplementation" })
      })
    )
  )

  it.effect("never leaves out what it does not understand", () =>
    inMemory(({ implementations: { search } }) =>
      Effect.gen(function* () {
        for (const criterion of [
          "code~(",
          "code~",
          "code*",
          "code=x",
          "code",
          "near=",
          "^code=x",
          `code~${"a".repeat(1001)}`
        ]) {
          expect(yield* Effect.flip(search([criterion])), criterion).toMatchObject({ _tag: "InvalidSearch", criterion })
        }
        expect(yield* Effect.flip(search(["near"]))).toMatchObject({ _tag: "InvalidSearch" })
        expect(yield* Effect.flip(search(["near=a.b:1", "near=a.b:2"]))).toMatchObject({ _tag: "InvalidSearch" })
        for (const criterion of ["name=x", "meta.x", "~meta.x=("]) {
          expect(yield* Effect.flip(search([criterion])), criterion).toMatchObject({ _tag: "InvalidQuery" })
        }
        expect(yield* Effect.flip(search(["code*x"], { limit: 0 }))).toMatchObject({ _tag: "InvalidSearch" })
        expect(yield* Effect.flip(search(["code*x"], { cursor: "?" }))).toMatchObject({ _tag: "InvalidCursor" })
      })
    )
  )

  it.effect("runs hostile expressions in linear time", () =>
    inMemory(({ implementations: { register, search } }) =>
      Effect.gen(function* () {
        yield* register("a".repeat(100_000), { component: "a.b" })
        expect(ids(yield* search(["code~(a+)+$"]))).toEqual(["a.b:1"])
        expect(ids(yield* search(["code~(a|aa)+b"]))).toEqual([])
      })
    )
  )
})

describe("lists", () => {
  const fill = inMemory(({ implementations }) =>
    Effect.gen(function* () {
      const { listVersions, recordTestResults, register } = implementations
      for (const [i, score] of [3, undefined, 1, 2, 3].entries()) {
        yield* register(lines(i), {
          component: "a.b",
          created: i * 1000,
          tags: i % 2 === 0 ? ["even"] : ["odd", `t${i}`],
          ...(score === undefined ? undefined : { metrics: { score } })
        })
      }
      yield* register("x", { component: "a.c" })
      yield* recordTestResults("a.b:2", [{ name: "t", outcome: "failed" }])
      yield* recordTestResults("a.b:3", [{ name: "t", outcome: "passed" }])
      const names = (
        ...args: Parameters<typeof listVersions> extends readonly [unknown, ...infer Rest] ? Rest : never
      ) => Effect.map(listVersions("a.b", ...args), ({ versions }) => versions.map(({ version }) => Number(version)))
      return {
        all: yield* names(),
        failed: yield* names({ status: "failed" }),
        untested: yield* names({ status: "untested" }),
        even: yield* names({ tags: ["even"] }),
        both: yield* names({ tags: ["odd", "t3"] }),
        ranged: yield* names({ metrics: { score: { min: 2 } } }),
        between: yield* names({ metrics: { score: { min: 1, max: 2 } } }),
        timed: yield* names({ since: 1000, until: 3000 }),
        byScore: yield* names({}, { sortBy: "metrics.score" }),
        byScoreDown: yield* names({}, { sortBy: "metrics.score", descending: true }),
        newest: yield* names({}, { descending: true, limit: 2 }),
        unknown: yield* Effect.flip(listVersions("a.d")),
        wrong: yield* Effect.flip(listVersions("a.b", {}, { sortBy: "hash" })),
        components: (yield* implementations.components()).map(({ component, count, newest }) => [
          component,
          count,
          newest.id
        ])
      }
    })
  )

  it.effect("are filtered and ordered, versions without a value last", () =>
    Effect.gen(function* () {
      expect(yield* fill).toMatchObject({
        all: [1, 2, 3, 4, 5],
        failed: [2],
        untested: [1, 4, 5],
        even: [1, 3, 5],
        both: [4],
        ranged: [1, 4, 5],
        between: [3, 4],
        timed: [2, 3],
        byScore: [3, 4, 1, 5, 2],
        byScoreDown: [1, 5, 4, 3, 2],
        newest: [5, 4],
        unknown: { _tag: "UnknownImplementation", id: "a.d" },
        wrong: { _tag: "InvalidSearch" },
        components: [
          ["a.b", 5, "a.b:5"],
          ["a.c", 1, "a.c:1"]
        ]
      })
    })
  )

  it("have pages that together are the whole list, whatever is registered meanwhile (property)", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined }), { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 1, max: 5 }),
        fc.boolean(),
        (scores, limit, descending) =>
          Effect.runPromise(
            inMemory(({ implementations: { listVersions, register } }) =>
              Effect.gen(function* () {
                const add = (i: number, score: number | undefined) =>
                  register(`code ${i}`, { component: "a.b", metrics: score === undefined ? {} : { score } })
                for (const [i, score] of scores.entries()) yield* add(i, score)
                const options = { sortBy: "metrics.score", descending }
                const whole = yield* listVersions("a.b", {}, options)
                const paged: Array<string> = []
                let cursor: string | undefined
                do {
                  const page = yield* listVersions("a.b", {}, { ...options, limit, cursor })
                  expect(page.total).toBe(scores.length)
                  expect(page.versions.length).toBeLessThanOrEqual(limit)
                  paged.push(...ids(page))
                  cursor = page.cursor
                  yield* add(paged.length + 100, 1)
                } while (cursor !== undefined)
                expect(paged).toEqual(ids(whole))
              })
            )
          )
      ),
      { numRuns: 40 }
    ))
})
