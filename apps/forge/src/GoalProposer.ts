/**
 * What to try next, from how a component has been doing: a strategy, and what it is for in words.
 *
 *     exploit    a small change to one of the best
 *     explore    a bigger change to something recent
 *     crossover  parts of one good version in another
 *     restart    a big change to what the component began with
 *
 * As long as it improves, mostly the best is changed a little. The longer it has not, the more is tried elsewhere.
 */
import * as Implementations from "@heph/implementations/Implementations"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import { pickWeighted } from "./internal/expressions.ts"
import { score } from "./ScoringSystem.ts"
import type { Task } from "./Task.ts"

export type Strategy = "exploit" | "explore" | "crossover" | "restart"

/** What a candidate is made for. */
export interface Goal {
  readonly strategy: Strategy
  /** For people and for models. */
  readonly text: string
  /** How many versions came since the last improvement. */
  readonly stagnation: number
}

/** Proposes what to try next. */
export class GoalProposer extends Context.Service<
  GoalProposer,
  {
    /**
     * Goals for the next candidates of a task, as many as asked for. Draws from `Random`, so that a seed repeats them. Costs
     * a look at the component's versions.
     */
    readonly propose: (task: Task, count: number) => Effect.Effect<ReadonlyArray<Goal>, Implementations.ReadError>
  }
>()("@heph/forge/GoalProposer") {}

/** After so many versions without a better one, half of all candidates are for what has not been tried. */
export const patience = 60

/** Goals from what the registry says. */
export const make = Effect.gen(function* () {
  const implementations = yield* Implementations.Implementations
  return GoalProposer.of({
    propose: Effect.fn("GoalProposer.propose")(function* ({ component, goal, objective }, count) {
      const random = yield* Random.Random
      const stagnation = yield* implementations.stagnation(component, score, { patience })
      const { points } = yield* implementations.trend(component, score)
      const weights = weightsOf(stagnation.versions)
      const value = (of: number) => `${Math.abs(of).toFixed(3)}${objective.unit ?? ""}`
      const [first, last] = [points[0], points.at(-1)]
      const standing =
        first === undefined || last === undefined
          ? "Nothing is measured yet."
          : `${objective.metric} is ${value(last.best)} at best (${objective.direction} is better), ${value(first.best)} to begin with; ${
              stagnation.isStagnant
                ? `nothing better came in ${stagnation.versions} versions`
                : `${stagnation.versions} ${stagnation.versions === 1 ? "version" : "versions"} came since the last improvement`
            }.`
      return Array.from({ length: count }, (): Goal => {
        const strategy = pickWeighted(random, weights)
        return { strategy, text: `${aims[strategy]} ${standing} ${goal}`, stagnation: stagnation.versions }
      })
    })
  })
})

/** Goals from the trend and the stagnation of a component, read from the registry. */
export const layer: Layer.Layer<GoalProposer, never, Implementations.Implementations> = Layer.effect(GoalProposer, make)

const aims: { readonly [S in Strategy]: string } = {
  exploit: "Improve it with one small change.",
  explore: "Change it in a way that was not tried.",
  crossover: "Put what is good in both together.",
  restart: "Begin anew, with another idea."
}

const weightsOf = (stagnation: number): ReadonlyArray<readonly [Strategy, number]> => {
  // From 0, just improved, towards 1.
  const stuck = stagnation / (stagnation + patience)
  return [
    ["exploit", 0.6 - 0.3 * stuck],
    ["explore", 0.15 + 0.15 * stuck],
    ["crossover", 0.22 + 0.05 * stuck],
    ["restart", 0.03 + 0.1 * stuck]
  ]
}
