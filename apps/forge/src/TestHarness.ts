/**
 * Runs a candidate: loads it, tests it, and measures it where every test passed. Whatever it does, whether it throws,
 * hangs, crashes, or takes all memory, is told as the failure of the step it did it in.
 *
 *     code ──▶ a process of its own, with limits ──▶ "loads" · the task's tests · "is measured" ──▶ Trial
 */
import type { TestResult } from "@heph/implementations/Implementation"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Module from "./internal/module.ts"
import * as Sandbox from "./internal/sandbox.ts"
import { InvalidTask, type Task } from "./Task.ts"

/** What became of a candidate. */
export interface Trial {
  /** Of each step, in order; those that the candidate did not come to are skipped, and one before them failed. */
  readonly results: ReadonlyArray<TestResult>
  /** What the judge measured; nothing unless every step passed. */
  readonly measured: { readonly [metric: string]: number } | undefined
}

/** Which data a candidate is measured on. */
export type Data = keyof Task["data"]

/** Runs candidates. */
export class TestHarness extends Context.Service<
  TestHarness,
  {
    /**
     * Runs a candidate on data of the task, `train` by default. Costs a process, ~60 ms beside what the candidate takes. Fails
     * with `InvalidTask` where the judge itself is broken, and with `CannotStart` where no process can be started; never
     * for what a candidate does. Several may run at once. Interrupted, it ends once the process has.
     */
    readonly run: (task: Task, code: string, data?: Data) => Effect.Effect<Trial, InvalidTask | Sandbox.CannotStart>
  }
>()("@heph/forge/TestHarness") {}

/** The steps that are no tests of the task. */
const loading = "loads"
const measuring = "is measured"

/** The harness that runs each candidate in a process of its own. */
export const make: TestHarness["Service"] = TestHarness.of({
  run: Effect.fn("TestHarness.run")(function* (task, code, data = "train") {
    const script = Module.toScript(code)
    if (Result.isFailure(script)) {
      return { results: [{ name: loading, outcome: "failed", message: script.failure }], measured: undefined }
    }
    const told = yield* Sandbox.run({
      judge: task.judge,
      candidate: script.success.code,
      data: task.data[data],
      limits: task.limits,
      loading,
      measuring
    })
    return yield* Effect.fromResult(trialOf(task, told))
  })
})

/** Candidates in processes of their own. */
export const layer: Layer.Layer<TestHarness> = Layer.succeed(TestHarness, make)

const trialOf = (task: Task, { ended, messages }: Sandbox.Told): Result.Result<Trial, InvalidTask> => {
  const outcomes = new Map<string, TestResult>()
  let names: ReadonlyArray<string> | undefined
  let measured: Trial["measured"]
  for (const message of messages) {
    switch (message._tag) {
      case "Broken":
        return Result.fail(new InvalidTask({ path: `${task.name}/judge.ts`, reason: message.reason }))
      case "Listed":
        names = message.names
        break
      case "Begun":
        outcomes.set(message.name, {
          name: message.name,
          outcome: "failed",
          message: ended ?? "it did not come to its end"
        })
        break
      case "Ended": {
        const { duration, name } = message
        const failed = message.message === null ? undefined : { message: message.message }
        outcomes.set(name, { name, outcome: failed === undefined ? "passed" : "failed", duration, ...failed })
        break
      }
      case "Measured":
        measured = message.metrics
        break
      case "Done":
    }
  }
  if (names === undefined) {
    return Result.fail(new InvalidTask({ path: `${task.name}/judge.ts`, reason: ended ?? "it lists no tests" }))
  }
  const results = [loading, ...names, measuring].map(
    (name): TestResult => outcomes.get(name) ?? { name, outcome: "skipped", message: "an earlier step failed" }
  )
  return Result.succeed({ results, measured })
}
