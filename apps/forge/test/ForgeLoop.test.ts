import { describe, expect, it } from "@effect/vitest"
import type { Version } from "@heph/implementations/Implementation"
import * as Implementations from "@heph/implementations/Implementations"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as ForgeLoop from "../src/ForgeLoop.ts"
import * as MutationEngine from "../src/MutationEngine.ts"
import { score } from "../src/ScoringSystem.ts"
import * as Task from "../src/Task.ts"
import * as TestHarness from "../src/TestHarness.ts"
import { folder, quickHarness, services, task } from "./support.ts"

const run = (options?: ForgeLoop.Options, what = task) =>
  Effect.flatMap(ForgeLoop.ForgeLoop, (loop) => loop.run(what, options))

const versionsOf = (component = task.component) =>
  Effect.flatMap(Implementations.Implementations, (implementations) =>
    Effect.map(implementations.listVersions(component), ({ versions }) => versions)
  )

const codesOf = (versions: ReadonlyArray<Version>) =>
  Effect.flatMap(Implementations.Implementations, (implementations) =>
    Effect.forEach(versions, ({ id }) => Effect.map(implementations.getVersion(id), ForgeLoop.codeOf))
  )

/** Everything about versions that does not depend on when they were made. */
const summary = (versions: ReadonlyArray<Version>) =>
  versions.map(({ generator, hash, id, metrics, parents, status }) => ({
    id,
    hash,
    parents,
    generator,
    status,
    metrics
  }))

describe("the loop", () => {
  it.effect("improves on what it began with, and measures both on data that nothing was chosen by", () =>
    Effect.gen(function* () {
      const outcome = yield* run({ rounds: 150 })
      const versions = yield* versionsOf()
      expect(outcome.tried).toBe(150)
      expect(versions).toHaveLength(151)
      expect(outcome.start).toMatchObject({ id: "test.guess:1", metrics: { error: 100, [ForgeLoop.heldOut]: 120 } })
      const { error, [ForgeLoop.heldOut]: heldOut } = outcome.best.metrics
      expect(error).toBeLessThan(50)
      expect(heldOut).toEqual(expect.any(Number))
      // Its own figures, looked for in the code.
      const [code = ""] = yield* codesOf([outcome.best])
      const trial = yield* Effect.flatMap(TestHarness.TestHarness, (harness) => harness.run(task, code))
      expect(trial.measured).toEqual({ error })
    }).pipe(Effect.provide(Layer.mergeAll(services(), quickHarness)))
  )

  it.effect("records of each candidate where it comes from, what it is for, and what became of it", () =>
    Effect.gen(function* () {
      const { failed } = yield* run({ rounds: 120 })
      const [start, ...candidates] = yield* versionsOf()
      expect(start).toMatchObject({ parents: [], tags: ["start"], status: "passed", metrics: { [score]: -100 } })
      const ids = new Set([start!.id])
      for (const { context, generator, goal, id, language, message, metrics, parents, status, tests } of candidates) {
        expect(parents.length).toBeGreaterThan(0)
        for (const parent of parents) expect(ids).toContain(parent)
        expect(generator).toMatch(/^built-in:/)
        expect(goal).toMatch(/error/)
        expect(message).not.toBe("")
        expect(language).toBe("typescript")
        expect(context).toMatchObject({ seed: 1, strategy: expect.any(String) as string })
        expect(tests).not.toBeNull()
        expect(status).toMatch(/passed|failed/)
        expect(metrics[score] === undefined).toBe(status === "failed")
        ids.add(id)
      }
      expect(ids.size).toBe(121)
      expect(candidates.filter(({ status }) => status === "failed")).toHaveLength(failed)
      expect(candidates.some(({ parents }) => parents.length === 2)).toBe(true)
    }).pipe(Effect.provide(services()))
  )

  it.effect("never tries the same code twice", () =>
    Effect.gen(function* () {
      yield* run({ rounds: 100 })
      const codes = yield* codesOf(yield* versionsOf())
      expect(new Set(codes).size).toBe(codes.length)
    }).pipe(Effect.provide(services()))
  )

  it.effect("tries the same from the same seed, whatever runs at once, and other things from another", () =>
    Effect.gen(function* () {
      const tried = (options: ForgeLoop.Options) =>
        Effect.andThen(run(options), Effect.map(versionsOf(), summary)).pipe(Effect.provide(services()))
      const first = yield* tried({ rounds: 40, seed: 7 })
      expect(yield* tried({ rounds: 40, seed: 7, concurrency: 4 })).toEqual(first)
      expect(yield* tried({ rounds: 40, seed: 8 })).not.toEqual(first)
    })
  )

  it.effect("goes on where it was: two runs are one", () =>
    Effect.gen(function* () {
      const inOne = yield* Effect.andThen(run({ rounds: 40 }), Effect.map(versionsOf(), summary)).pipe(
        Effect.provide(services())
      )
      const store = folder()
      const half = Effect.provide(run({ rounds: 20 }), services({ store }))
      const first = yield* half
      const second = yield* half
      expect([first.tried, second.tried, second.settled]).toEqual([20, 20, 0])
      const inTwo = yield* Effect.provide(Effect.map(versionsOf(), summary), services({ store }))
      // The best of the first run was measured on more data at its end.
      const chosenBy = (versions: typeof inOne) =>
        versions.map((version) => {
          const metrics: Record<string, number> = { ...version.metrics }
          delete metrics[ForgeLoop.heldOut]
          return { ...version, metrics }
        })
      expect(chosenBy(inTwo)).toEqual(chosenBy(inOne))
    })
  )

  it.effect("loses nothing when it is interrupted: what was not tested is tested the next time", () =>
    Effect.gen(function* () {
      const store = folder()
      const reached = yield* Deferred.make<void>()
      // Stops for ever in the middle of the second batch.
      let calls = 0
      const stuck = Layer.effect(
        TestHarness.TestHarness,
        Effect.map(TestHarness.TestHarness, (harness) =>
          TestHarness.TestHarness.of({
            run: (...args) =>
              Effect.suspend(() =>
                calls++ < 6 ? harness.run(...args) : Effect.andThen(Deferred.succeed(reached, undefined), Effect.never)
              )
          })
        )
      ).pipe(Layer.provide(quickHarness))
      const fiber = yield* Effect.forkChild(Effect.provide(run({ rounds: 20 }), services({ store, harness: stuck })))
      yield* Deferred.await(reached)
      yield* Fiber.interrupt(fiber)

      const before = yield* Effect.provide(versionsOf(), services({ store }))
      const untested = before.filter(({ status }) => status === "untested")
      expect(untested.length).toBeGreaterThan(0)
      expect(before.length - untested.length).toBe(6)
      const { settled, tried } = yield* Effect.provide(run({ rounds: 4 }), services({ store }))
      expect([settled, tried]).toEqual([untested.length, 4])
      const after = yield* Effect.provide(versionsOf(), services({ store }))
      expect(after.slice(0, before.length).map(({ hash, id }) => [id, hash])).toEqual(
        before.map(({ hash, id }) => [id, hash])
      )
      expect(after).toHaveLength(before.length + 4)
      expect(after.filter(({ status }) => status === "untested")).toEqual([])
    })
  )

  it.effect("tests what somebody else has registered, and takes it for a parent", () =>
    Effect.gen(function* () {
      yield* run({ rounds: 4 })
      const implementations = yield* Implementations.Implementations
      const code = "export const guess = (n: number): number => n * 9.75\n"
      const own = yield* implementations.register(code, { component: task.component, author: "Ada" })
      const outcome = yield* run({ rounds: 40 })
      expect(outcome.settled).toBe(1)
      expect(yield* implementations.describe(own.id)).toMatchObject({ status: "passed", metrics: { error: 2.5 } })
      const versions = yield* versionsOf()
      expect(versions.some(({ parents }) => parents.includes(own.id))).toBe(true)
    }).pipe(Effect.provide(services()))
  )

  it.effect("ends when its time is over, and tells how each candidate came out", () =>
    Effect.gen(function* () {
      const told: Array<ForgeLoop.Progress> = []
      const outcome = yield* run({ rounds: 10, onProgress: (progress) => Effect.sync(() => void told.push(progress)) })
      expect(told.map(({ tried }) => tried)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
      expect(told.at(-1)).toMatchObject({ failed: outcome.failed })
      const best = told.findLast(({ isBest }) => isBest)?.version.id ?? outcome.start.id
      expect(outcome.best.id).toBe(best)
      expect(yield* run({ time: 0 })).toMatchObject({ tried: 0, ended: "time" })
    }).pipe(Effect.provide(services()))
  )

  it.effect("ends where nothing new is proposed any more", () =>
    Effect.gen(function* () {
      const same = MutationEngine.MutationEngine.of({
        attempts: 2,
        propose: () =>
          Effect.succeed({ code: "export const guess = () => 1\n", generator: "same", message: "the same" })
      })
      const engine = Layer.succeed(MutationEngine.MutationEngine, same)
      expect(yield* Effect.provide(run(), services({ engine }))).toMatchObject({ tried: 1, ended: "exhausted" })
    })
  )

  it.effect("fails with what the engine fails with, where it does so time after time", () =>
    Effect.gen(function* () {
      const failing = MutationEngine.MutationEngine.of({
        attempts: 1,
        propose: () => Effect.fail(new MutationEngine.MutationFailed({ ids: ["test.guess:1"], reason: "no idea" }))
      })
      const engine = Layer.succeed(MutationEngine.MutationEngine, failing)
      expect(yield* Effect.flip(Effect.provide(run(), services({ engine })))).toMatchObject({ reason: "no idea" })
    })
  )

  it.effect("refuses a task whose versions to begin with fail, and says why", () =>
    Effect.gen(function* () {
      const broken = { ...task, starts: [{ name: "broken", code: "export const guess = () => 5000\n" }] }
      const error = yield* Effect.flip(run({}, broken))
      expect(error).toMatchObject({ _tag: "InvalidTask" })
      expect(error.message).toMatch(/no version passes the tests of the task: .*guess\(1\) is 5000/)
    }).pipe(Effect.provide(services({ harness: TestHarness.layer })))
  )
})

describe("the tasks that come with this", () => {
  it.live("improve from their start, on the data they are measured on", () =>
    Effect.gen(function* () {
      // Few candidates of seeds that find something early; what many find is in the README.
      for (const [name, seed, rounds] of [
        ["bin-packing", 6, 16],
        ["tour", 1, 8]
      ] as const) {
        const loaded = yield* Task.load(name)
        const { best, failed, start } = yield* run({ rounds, seed, concurrency: 2 }, loaded)
        expect(start.tags).toEqual(["start"])
        expect(failed).toBeLessThan(rounds / 2)
        expect(best.metrics["excess"]).toBeLessThan(start.metrics["excess"]!)
        expect(best.metrics[ForgeLoop.heldOut]).toBeLessThan(start.metrics[ForgeLoop.heldOut]!)
      }
    }).pipe(Effect.provide(services({ harness: TestHarness.layer })))
  )
})
