/** What a trial is worth: metrics for those that passed every test, and none for others. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Task } from "./Task.ts"
import { InvalidTask } from "./Task.ts"
import type { Trial } from "./TestHarness.ts"

/** The metric that versions are ranked by: higher is better, whatever the objective of the task. */
export const score = "score"

/** Makes metrics of trials. */
export class ScoringSystem extends Context.Service<
  ScoringSystem,
  {
    /**
     * The metrics of a trial: what was measured, and `score`, which is the task's objective, negated where lower is better.
     * Nothing where a test failed. Fails where the judge does not measure the objective.
     */
    readonly metrics: (
      task: Task,
      trial: Trial
    ) => Effect.Effect<{ readonly [metric: string]: number } | undefined, InvalidTask>
  }
>()("@heph/forge/ScoringSystem") {}

/** The scores of a task's own objective. */
export const make: ScoringSystem["Service"] = ScoringSystem.of({
  metrics: Effect.fn("ScoringSystem.metrics")(function* ({ name, objective }, { measured }) {
    if (measured === undefined) return undefined
    const value = measured[objective.metric]
    if (value === undefined) {
      const reason = `measure gives no ${objective.metric}, which is the objective of the task`
      return yield* new InvalidTask({ path: `${name}/judge.ts`, reason })
    }
    // A zero stays one: the registry keeps no negative zero.
    return { ...measured, [score]: objective.direction === "higher" ? value : 0 - value }
  })
})

/** Scores by the objective of the task. */
export const layer: Layer.Layer<ScoringSystem> = Layer.succeed(ScoringSystem, make)
