import { describe, expect, it } from "@effect/vitest"
import type { TestResult } from "@heph/implementations/Implementation"
import * as Effect from "effect/Effect"
import { inMemory, lines } from "./support.ts"

const results: ReadonlyArray<TestResult> = [
  { name: "adds", outcome: "passed", duration: 1.5 },
  { name: "subtracts", outcome: "failed", message: 'expected 1, "found" 2\n' },
  { name: "later", outcome: "skipped" }
]

describe("recording", () => {
  it.effect("sets test results, in place of those before, and the status by them", () =>
    inMemory(({ implementations: { describe, recordTestResults, register, testResults }, registry }) =>
      Effect.gen(function* () {
        yield* register("x", { component: "a.b", metrics: { score: 1 } })
        expect(yield* testResults("a.b:1")).toEqual([])
        const recorded = yield* recordTestResults("a.b:1", results)
        expect(recorded).toMatchObject({ status: "failed", tests: { passed: 1, failed: 1, skipped: 1 } })
        expect(yield* testResults("a.b:1")).toEqual(results)
        expect(yield* recordTestResults("a.b:1", results.slice(0, 1))).toMatchObject({ status: "passed" })
        expect(yield* testResults("a.b:1")).toEqual(results.slice(0, 1))
        // Each is a version of the registry, which remembers what was.
        expect(registry.status().version).toBe(3)
        expect(yield* testResults("a.b:1", { at: 2 })).toEqual(results)
        expect(yield* describe("a.b:1", { at: 1 })).toMatchObject({ status: "untested", tests: null })
        expect(yield* recordTestResults("a.b:1", [])).toMatchObject({ status: "untested", tests: null })
        expect(yield* describe("a.b:1")).toMatchObject({ metrics: { score: 1 }, size: 1 })
      })
    )
  )

  it.effect("adds metrics and tags to those that are there", () =>
    inMemory(({ implementations: { describe, getVersion, recordMetrics, recordTags, register } }) =>
      Effect.gen(function* () {
        yield* register(lines(1), { component: "a.b", metrics: { score: 1, size: 2 }, tags: ["a"], fields: { run: 1 } })
        yield* recordMetrics("a.b:1", { score: 3, time: -0.5 })
        yield* recordTags("a.b:1", ["b", "a"])
        // A component stands for its newest version.
        yield* recordMetrics("a.b", { size: 4 })
        expect(yield* describe("a.b:1")).toMatchObject({
          metrics: { score: 3, size: 4, time: -0.5 },
          tags: ["a", "b"],
          fields: { run: 1 },
          sequence: 1
        })
        expect((yield* getVersion("a.b:1")).code.get("main")).toEqual(new TextEncoder().encode(lines(1)))
      })
    )
  )

  it.effect("refuses what cannot be, and leaves the version as it was", () =>
    inMemory(({ implementations: { recordMetrics, recordTags, recordTestResults, register }, registry }) =>
      Effect.gen(function* () {
        yield* register("x", { component: "a.b" })
        const wrong: ReadonlyArray<ReadonlyArray<TestResult>> = [
          [{ name: "", outcome: "passed" }],
          [
            { name: "x", outcome: "passed" },
            { name: "x", outcome: "failed" }
          ],
          [{ name: "x", outcome: "flaky" as never }],
          [{ name: "x", outcome: "passed", duration: -1 }]
        ]
        for (const some of wrong) {
          expect(yield* Effect.flip(recordTestResults("a.b:1", some))).toMatchObject({ _tag: "InvalidImplementation" })
        }
        for (const value of [Number.NaN, Infinity, "1" as never]) {
          expect(yield* Effect.flip(recordMetrics("a.b:1", { score: value }))).toMatchObject({ path: "metrics.score" })
        }
        expect(yield* Effect.flip(recordTags("a.b:1", [""]))).toMatchObject({ path: "tags" })
        for (const record of [
          recordMetrics("a.b:2", { x: 1 }),
          recordTestResults("a.b:2", results),
          recordTags("a.x", ["t"])
        ]) {
          expect(yield* Effect.flip(record)).toMatchObject({ _tag: "UnknownImplementation" })
        }
        expect(registry.status().version).toBe(1)
      })
    )
  )

  it.effect("from many at once loses nothing", () =>
    inMemory(({ implementations: { describe, recordMetrics, recordTags, register } }) =>
      Effect.gen(function* () {
        yield* register("x", { component: "a.b" })
        const names = Array.from({ length: 30 }, (_, i) => `n${i}`)
        yield* Effect.forEach(
          names,
          (name, i) => Effect.all([recordMetrics("a.b:1", { [name]: i }), recordTags("a.b:1", [name])]),
          {
            concurrency: "unbounded"
          }
        )
        const { metrics, tags } = yield* describe("a.b:1")
        expect(metrics).toEqual(Object.fromEntries(names.map((name, i) => [name, i])))
        expect([...tags].sort()).toEqual([...names].sort())
      })
    )
  )
})

describe("what is known of a component", () => {
  it.effect("is its best, its trend, its generations, what a loop has to see", () =>
    inMemory(({ implementations: { best, contextOf, generations, recordTestResults, register, stagnation, trend } }) =>
      Effect.gen(function* () {
        const component = "a.b"
        for (const [i, score] of [1, 4, 2, 4, 3].entries())
          yield* register(`code ${i}`, { component, metrics: { score } })
        yield* register("none", { component })
        yield* recordTestResults("a.b:3", [{ name: "t", outcome: "failed" }])
        expect((yield* best(component, "score"))?.id).toBe("a.b:2")
        expect((yield* best(component, "score", { direction: "min" }))?.id).toBe("a.b:1")
        expect((yield* best(component, "score", { at: 1 }))?.id).toBe("a.b:1")
        expect(yield* best(component, "speed")).toBe(undefined)
        expect((yield* trend(component, "score")).points.map(({ best, value }) => [value, best])).toEqual([
          [1, 1],
          [4, 4],
          [2, 4],
          [4, 4],
          [3, 4]
        ])
        expect(
          (yield* generations(component, "score")).generations.map(({ generation, max }) => [generation, max])
        ).toEqual([
          [0, 1],
          [1, 4],
          [2, 2],
          [3, 4],
          [4, 3]
        ])
        expect(yield* stagnation(component, "score", { patience: 3 })).toMatchObject({
          best: "a.b:2",
          versions: 3,
          isStagnant: true
        })
        const context = yield* contextOf(component, "score", { count: 2 })
        expect(context).toMatchObject({ component, versions: 6, stagnation: { isStagnant: false } })
        const ids = (versions: ReadonlyArray<{ readonly id: string }>) => versions.map(({ id }) => id)
        expect([ids(context.best), ids(context.recent), ids(context.failed)]).toEqual([
          ["a.b:2", "a.b:4"],
          ["a.b:6", "a.b:5"],
          ["a.b:3"]
        ])
        expect(yield* Effect.flip(best("a.x", "score"))).toMatchObject({ _tag: "UnknownImplementation" })
      })
    )
  )

  it.effect("is the difference of two versions: files, metadata, metrics, tests", () =>
    inMemory(({ implementations: { compareVersions, recordTestResults, register } }) =>
      Effect.gen(function* () {
        yield* register({ "a.ts": "one\ntwo\n" }, { component: "a.b", metrics: { score: 1 }, goal: "x" })
        yield* register({ "a.ts": "one\n2\n" }, { component: "a.b", metrics: { score: 3 }, goal: "y" })
        yield* recordTestResults("a.b:1", [
          { name: "p", outcome: "passed" },
          { name: "f", outcome: "failed" },
          { name: "s", outcome: "failed" }
        ])
        yield* recordTestResults("a.b:2", [
          { name: "p", outcome: "failed" },
          { name: "f", outcome: "passed" },
          { name: "s", outcome: "failed" }
        ])
        const compared = yield* compareVersions("a.b:1", "a.b")
        expect(compared).toMatchObject({
          from: "a.b:1",
          to: "a.b:2",
          files: [{ path: "a.ts", status: "modified", added: 1, removed: 1 }],
          metrics: [{ metric: "score", from: 1, to: 3, delta: 2 }],
          tests: { newlyPassing: ["f"], newlyFailing: ["p"], stillFailing: ["s"] }
        })
        expect(compared.files[0]?.diff).toContain("-two\n+2\n")
        expect(compared.metadata).toContainEqual(expect.objectContaining({ field: "goal", from: "x", to: "y" }))
      })
    )
  )
})
