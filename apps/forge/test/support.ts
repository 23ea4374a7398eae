/** A small task, programs to change, and the services over a registry in memory. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as vm from "node:vm"
import type * as Implementations from "@heph/implementations/Implementations"
import * as Storage from "@heph/implementations/Storage"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { onTestFinished } from "vitest"
import * as ForgeLoop from "../src/ForgeLoop.ts"
import * as GoalProposer from "../src/GoalProposer.ts"
import * as Module from "../src/internal/module.ts"
import * as MutationEngine from "../src/MutationEngine.ts"
import * as ScoringSystem from "../src/ScoringSystem.ts"
import type { Task } from "../src/Task.ts"
import * as TestHarness from "../src/TestHarness.ts"

/** The script of a judge that tests and measures `guess(n)`, which should be `target * n`. */
const judge = Result.getOrThrow(
  Module.toScript(`
    type Candidate = { readonly guess: (n: number) => number }
    const check = (holds: boolean, message: string): void => { if (!holds) throw new Error(message) }
    export const tests = {
      "is a number": ({ guess }: Candidate) => check(Number.isFinite(guess(1)), "guess(1) is " + guess(1)),
      "is no surprise": ({ guess }: Candidate) => check(guess(2) === guess(2), "guess(2) is not always the same"),
      "stays in bounds": ({ guess }: Candidate) => check(Math.abs(guess(1)) < 1000, "guess(1) is " + guess(1))
    }
    export const measure = ({ guess }: Candidate, target: number) => {
      let error = 0
      for (let n = 1; n <= 4; n++) error += Math.abs(guess(n) - target * n)
      return { error }
    }
  `)
).code

/** The error is 100 to begin with, on the data that is held out 120. */
export const task: Task = {
  name: "guess",
  title: "A guess",
  component: "test.guess",
  goal: "Guess ten times a number.",
  objective: { metric: "error", direction: "lower" },
  limits: { test: 2000, measure: 2000, memory: 64, size: 600 },
  starts: [{ name: "nothing", code: "export const guess = (n: number): number => n * 0\n" }],
  judge,
  data: { train: 10, heldOut: 12 }
}

/** Evaluates candidates in this process, for tests that are not about processes. */
export const quickHarness: Layer.Layer<TestHarness.TestHarness> = Layer.succeed(
  TestHarness.TestHarness,
  TestHarness.TestHarness.of({
    run: ({ data, judge }, code, which = "train") =>
      Effect.sync(() => {
        const results: Array<TestHarness.Trial["results"][number]> = []
        let measured: TestHarness.Trial["measured"]
        try {
          const judged = evaluate(judge) as Judged
          const candidate = evaluate(Result.getOrThrow(Module.toScript(code)).code)
          for (const [name, test] of Object.entries(judged.tests)) {
            results.push({ name, outcome: "passed" })
            test(candidate)
          }
          measured = judged.measure(candidate, data[which])
          if (Object.values(measured).some((value) => !Number.isFinite(value))) throw new Error("no finite number")
        } catch (error) {
          measured = undefined
          results[Math.max(0, results.length - 1)] = { name: "loads", outcome: "failed", message: String(error) }
        }
        return { results, measured }
      })
  })
)

interface Judged {
  readonly tests: { readonly [name: string]: (candidate: unknown) => void }
  readonly measure: (candidate: unknown, data: unknown) => { readonly [metric: string]: number }
}

/** The value of a script, run in this process. */
export const evaluate = (script: string): unknown => vm.runInThisContext(script)

/** The five services over a registry, with other ones in place of those that are given. */
export const services = (
  options: {
    readonly harness?: Layer.Layer<TestHarness.TestHarness>
    readonly engine?: Layer.Layer<MutationEngine.MutationEngine>
    readonly store?: string
  } = {}
): Layer.Layer<
  ForgeLoop.ForgeLoop | GoalProposer.GoalProposer | Implementations.Implementations,
  Layer.Error<ReturnType<typeof Storage.layer>>
> =>
  ForgeLoop.layer.pipe(
    Layer.provideMerge(GoalProposer.layer),
    Layer.provide([options.engine ?? MutationEngine.layer, options.harness ?? quickHarness, ScoringSystem.layer]),
    Layer.provideMerge(Storage.layer(options.store ?? "memory:"))
  )

/** A request to change one program, or to recombine two, of which nothing else is known. */
export const requestFor = (
  codes: readonly [string, string?],
  strategy: GoalProposer.Strategy
): MutationEngine.Request => {
  const [first, second] = codes
    .filter((code) => code !== undefined)
    .map((code, i) => ({ id: `test.f:${i + 1}`, code, metrics: {} }))
  return {
    task,
    goal: { strategy, text: "", stagnation: 0 },
    parents: second === undefined ? [first!] : [first!, second],
    context: {
      component: "test.f",
      versions: 2,
      best: [],
      recent: [],
      failed: [],
      stagnation: {
        best: null,
        value: null,
        since: null,
        versions: 0,
        generations: 0,
        isStagnant: false,
        skipped: 0
      }
    }
  }
}

/** A folder that is gone after the test. */
export const folder = (): string => {
  const made = mkdtempSync(join(tmpdir(), "heph-forge-"))
  onTestFinished(() => rmSync(made, { recursive: true, force: true }))
  return made
}

/** Programs with something of everything that can be changed. */
export const programs: ReadonlyArray<string> = [
  "export const f = (a: number, b: number): number => a * 2 - Math.min(b, 7)\n",
  `interface City { readonly cost: number; readonly near: number; readonly isFar: boolean }
export const f = (city: City, weight = 0.5): number => {
  const gain = city.near - weight * city.cost
  if (city.isFar && gain > 3) return gain * 2
  return city.isFar ? -gain : gain
}
`,
  `/** Sums what is above a limit. */
const limit = 4
export function f(items: ReadonlyArray<number>, from: number): number {
  let sum = 0
  for (let i = 0; i < items.length; i++) {
    const item = items[i]! - from
    if (item > limit) sum += item
    else sum -= Math.abs(item) / 2
  }
  sum = Math.max(sum, -100)
  return sum
}
`,
  `const half = (n: number): number => n / 2
const isBig = (n: number): boolean => n > 100 || n < -100
export const f = (a: number, b: number): number => (isBig(a) ? half(a) : half(b) + 1)
`
]

/** Arguments that the programs can be called with. */
export const calls: ReadonlyArray<ReadonlyArray<unknown>> = [
  [3, 11],
  [{ cost: 5, near: 9, isFar: true }, 0.25],
  [[1, 8, 20, -3], 2],
  [250, 31]
]
