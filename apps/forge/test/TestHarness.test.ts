import { execFileSync } from "node:child_process"
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Module from "../src/internal/module.ts"
import type { Task } from "../src/Task.ts"
import * as TestHarness from "../src/TestHarness.ts"
import { task } from "./support.ts"

const { run } = TestHarness.make

/** A task with short limits, for candidates that reach them. */
const short: Task = { ...task, limits: { ...task.limits, test: 150, measure: 150 } }

const outcomes = ({ results }: TestHarness.Trial) => results.map(({ outcome }) => outcome)
const passing = ["passed", "passed", "passed", "passed", "passed"]

/** Why the first step that failed did. */
const failure = ({ results }: TestHarness.Trial) => {
  const failed = results.find(({ outcome }) => outcome === "failed")
  return failed && `${failed.name}: ${failed.message}`
}

const guess = (body: string): string => `export const guess = (n: number): number => { ${body} }`

describe("a candidate that does its work", () => {
  it.effect("passes every step by name, and is measured on the data that was asked for", () =>
    Effect.gen(function* () {
      const code = guess("return 10 * n")
      const [train, heldOut] = yield* Effect.all([run(task, code), run(task, code, "heldOut")], { concurrency: 2 })
      expect(train.results.map(({ name }) => name)).toEqual([
        "loads",
        "is a number",
        "is no surprise",
        "stays in bounds",
        "is measured"
      ])
      expect(outcomes(train)).toEqual(passing)
      // For n from 1 to 4 the error is 0 of 10 n, and 2 n of 12 n.
      expect([train.measured, heldOut.measured]).toEqual([{ error: 0 }, { error: 20 }])
    })
  )

  it.effect("draws the same numbers in every run, and begins each test anew", () =>
    Effect.gen(function* () {
      const code = "let calls = 0\nexport const guess = (n: number): number => Math.random() + calls++ * n * 0"
      const [first, second] = yield* Effect.all([run(task, code), run(task, code)], { concurrency: 2 })
      // Within one test the second draw is another.
      expect(failure(first)).toBe("is no surprise: guess(2) is not always the same")
      expect(outcomes(first)).toEqual(outcomes(second))
      const counting = "let calls = 0\nexport const guess = (): number => ++calls * 400"
      // The third call of one test would be out of bounds.
      expect(outcomes(yield* run(task, counting))[3]).toBe("passed")
    })
  )
})

describe("a candidate that misbehaves", () => {
  const cases: ReadonlyArray<readonly [what: string, code: string, expected: RegExp]> = [
    ["never ends", guess("for (;;);"), /^is a number: it took longer than 150 ms$/],
    ["never ends while it loads", "for (;;);\nexport const guess = 1", /^loads: it took longer than 150 ms$/],
    ["throws", guess("throw new Error('on purpose')"), /^is a number: on purpose$/],
    ["throws what is no error", guess("throw { toString: null }"), /^is a number: it threw what cannot be told$/],
    ["throws what never becomes a text", guess("throw { toString() { for (;;); } }"), /^is a number: it took longer/],
    ["calls itself for ever", guess("return guess(n)"), /^is a number: RangeError: Maximum call stack/],
    ["gives a text", guess("return 'ten' as never"), /^is a number: guess\(1\) is ten$/],
    [
      "gives a promise",
      "export const guess = async (n: number) => n",
      /^is a number: guess\(1\) is \[object Promise\]$/
    ],
    ["waits for ever", "export const guess = (n: number) => new Promise(() => {})", /^is a number: guess\(1\) is/],
    ["exports nothing", "const guess = 1", /^is a number: TypeError: guess is not a function$/],
    ["does not parse", "export const guess = (", /^loads: .+ \(1:\d+\)$/],
    ["imports", "import { exit } from 'node:process'\nexport const guess = exit", /^loads: it imports node:process/],
    ["imports while it runs", guess("import('node:fs'); return 1"), /^loads: it imports while it runs/],
    ["ends the process", guess("process.exit(0)"), /^is a number: ReferenceError: process is not defined$/],
    ["looks at the clock", guess("return Date.now()"), /^is a number: ReferenceError: Date is not defined$/],
    ["runs code from strings", guess("return eval('1')"), /^is a number: EvalError/],
    [
      "reaches for the process through what it is given",
      "export const guess = (n: number): number => (tests as never, n)",
      /^is a number: ReferenceError: tests is not defined$/
    ],
    ["searches for ever", guess("return /(a+)+b/.test('a'.repeat(60)) ? 1 : 2"), /^is a number: it took longer/]
  ]

  it.effect.each(cases)("and %s fails by name", ([, code, expected]) =>
    Effect.gen(function* () {
      const trial = yield* run(short, code)
      expect(failure(trial)).toMatch(expected)
      expect(trial.measured).toBeUndefined()
    })
  )

  it.effect("and fails one test is tested by the others, and not measured", () =>
    Effect.gen(function* () {
      const trial = yield* run(task, guess("return n === 2 ? Math.random() : n"))
      expect(outcomes(trial)).toEqual(["passed", "passed", "failed", "passed", "skipped"])
    })
  )

  const hogs: ReadonlyArray<readonly [what: string, code: string]> = [
    ["the heap", guess("const all: Array<unknown> = []; for (;;) all.push([n, n])")],
    ["memory outside of the heap", guess("const all = []; for (;;) all.push(new Uint8Array(1e7).fill(1))")]
  ]
  it.effect.each(hogs)("and takes all of %s fails by name, and the process with it", ([, code]) =>
    Effect.gen(function* () {
      const patient: Task = { ...task, limits: { ...task.limits, test: 30_000 } }
      const trial = yield* run(patient, code)
      expect(failure(trial)).toBe("is a number: it took more than 64 MB of memory")
      expect(outcomes(trial)).toEqual(["passed", "failed", "skipped", "skipped", "skipped"])
    })
  )

  it.effect("and talks all the time is not heard", () =>
    Effect.gen(function* () {
      const talking = guess(
        "for (let i = 0; i < 1e4; i++) (globalThis as any).console?.log('x'.repeat(1000)); return n"
      )
      expect(outcomes(yield* run({ ...task, limits: { ...task.limits, test: 20_000 } }, talking))).toEqual(passing)
    })
  )

  it.effect("and leaves promises behind that never end does not hold anybody up", () =>
    Effect.gen(function* () {
      const code = guess("const on = (): unknown => Promise.resolve().then(on); on(); return n")
      expect(outcomes(yield* run(task, code))).toEqual(passing)
    })
  )

  it.effect("and changes what all objects have changes it for itself alone", () =>
    Effect.gen(function* () {
      const code = `
        Array.prototype.push = () => { throw new Error("not for you") }
        Object.prototype.toString = () => "number"
        Number.isFinite = () => true
        Math.abs = () => 0
        export const guess = (n: number): number => 7000 * n`
      const trial = yield* run(task, code)
      expect(failure(trial)).toBe("stays in bounds: guess(1) is 7000")
    })
  )

  it.effect("and is given objects of the judge cannot change what others have", () =>
    Effect.gen(function* () {
      const judge = Result.getOrThrow(
        Module.toScript(`
          export const tests = {
            "given a list": ({ use }: { use: (items: ReadonlyArray<number>) => void }) => { try { use([1]) } catch {} },
            "lists are as they were": () => { if ([2].includes(1)) throw new Error("they are not") }
          }
          export const measure = () => ({ error: [3].includes(1) ? 0 : 1 })`)
      ).code
      const code = `export const use = (items: any) => {
        Object.getPrototypeOf(items).includes = () => true
        items.constructor.constructor("return process")().exit(0)
      }`
      const trial = yield* run({ ...task, judge }, code)
      expect(trial.measured).toEqual({ error: 1 })
    })
  )
})

describe("the harness", () => {
  it.effect("says what is wrong with a judge, which is nobody's failed test", () =>
    Effect.gen(function* () {
      const broken = [
        ["(() => { throw new Error('no good') })()", "no good"],
        ["(() => ({}))()", "it must export tests, a record of functions, and measure, a function"],
        ["(() => ({ tests: { loads: () => {} }, measure: () => ({}) }))()", 'a test cannot be called "loads"']
      ] as const
      for (const [judge, reason] of broken) {
        const error = yield* Effect.flip(run({ ...task, judge }, guess("return 1")))
        expect(error._tag).toBe("InvalidTask")
        expect(error.message).toContain(reason)
      }
    })
  )

  it.effect("fails a test that is asynchronous, and a measure that is no number", () =>
    Effect.gen(function* () {
      const judged = (tests: string, measure: string) => ({
        ...task,
        judge: `(() => ({ tests: { later: ${tests} }, measure: ${measure} }))()`
      })
      const later = yield* run(judged("async () => {}", "() => ({ error: 1 })"), guess("return 1"))
      expect(failure(later)).toMatch(/^later: the test is asynchronous/)
      const none = yield* run(judged("() => {}", "() => ({ error: NaN })"), guess("return 1"))
      expect(failure(none)).toBe("is measured: error is no finite number: NaN")
    })
  )

  it.effect("leaves not even the judge a process or modules to reach for", () =>
    Effect.gen(function* () {
      const judge = `(() => ({
        tests: { "is alone": () => { if (typeof process !== "undefined" || typeof require !== "undefined") throw new Error("it is not") } },
        measure: () => ({ error: 0 })
      }))()`
      expect((yield* run({ ...task, judge }, guess("return 1"))).measured).toEqual({ error: 0 })
    })
  )

  it.effect("runs several at once, each with its own outcome", () =>
    Effect.gen(function* () {
      const trials = yield* Effect.forEach([1, 2, 3, 4], (n) => run(task, guess(`return ${n} * n`)), {
        concurrency: 4
      })
      // 10 n - k n, summed for n from 1 to 4.
      expect(trials.map(({ measured }) => measured)).toEqual([90, 80, 70, 60].map((error) => ({ error })))
    })
  )

  /** A candidate that never ends, once its process is there. */
  const endless = Effect.gen(function* () {
    const patient: Task = { ...task, limits: { ...task.limits, test: 60_000 } }
    const fiber = yield* Effect.forkChild(run(patient, guess("for (;;);")))
    const [pid] = yield* Effect.repeat(Effect.andThen(Effect.sleep(20), Effect.sync(running)), {
      until: (pids) => pids.length === 1
    })
    return { fiber, pid: pid! }
  })

  it.live("ends the process when it is interrupted", () =>
    Effect.gen(function* () {
      const { fiber } = yield* endless
      yield* Fiber.interrupt(fiber)
      expect(running()).toEqual([])
    })
  )

  it.live("is interrupted itself by whoever ends the process, and blames no candidate for it", () =>
    Effect.gen(function* () {
      const { fiber, pid } = yield* endless
      process.kill(pid, "SIGTERM")
      const exit = yield* Fiber.await(fiber)
      expect(Exit.isFailure(exit) && Cause.hasInterrupts(exit.cause)).toBe(true)
    })
  )
})

/** The processes of candidates that this one has. */
const running = (): ReadonlyArray<number> =>
  execFileSync("ps", ["-A", "-o", "ppid=,pid=,args="], { encoding: "utf8" })
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([parent, , ...args]) => Number(parent) === process.pid && args.includes("--permission"))
    .map(([, pid]) => Number(pid))
