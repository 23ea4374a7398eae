import { describe, expect, it } from "@effect/vitest"
import * as Implementations from "@heph/implementations/Implementations"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as GoalProposer from "../src/GoalProposer.ts"
import { score } from "../src/ScoringSystem.ts"
import { services, task } from "./support.ts"

const register = (scores: ReadonlyArray<number>) =>
  Effect.gen(function* () {
    const implementations = yield* Implementations.Implementations
    yield* implementations.registerAll(
      scores.map((value, i) => ({
        implementation: `export const guess = () => ${i}\n`,
        metadata: { component: task.component, metrics: { [score]: value } }
      }))
    )
  })

const goals = (count: number, seed = 1) =>
  Effect.flatMap(GoalProposer.GoalProposer, (proposer) => proposer.propose(task, count)).pipe(Random.withSeed(seed))

const shareOf = (all: ReadonlyArray<GoalProposer.Goal>, ...strategies: ReadonlyArray<GoalProposer.Strategy>): number =>
  all.filter(({ strategy }) => strategies.includes(strategy)).length / all.length

describe("goals", () => {
  it.effect(
    "are mostly small changes to the best as long as it improves, and mostly others once it has not for long",
    () =>
      Effect.gen(function* () {
        yield* register([-5, -4, -3])
        const improving = yield* goals(1000)
        expect(improving[0]!.stagnation).toBe(0)
        expect(shareOf(improving, "exploit")).toBeGreaterThan(0.5)
        expect(shareOf(improving, "explore", "restart")).toBeLessThan(0.25)
        yield* register(Array.from({ length: 300 }, () => -6))
        const stuck = yield* goals(1000)
        expect(stuck[0]!.stagnation).toBe(300)
        expect(shareOf(stuck, "exploit")).toBeLessThan(0.45)
        expect(shareOf(stuck, "explore", "restart")).toBeGreaterThan(0.3)
      }).pipe(Effect.provide(services()))
  )

  it.effect("say where the component stands, in the words of its objective", () =>
    Effect.gen(function* () {
      yield* register([-5, -4, -4.5])
      const [goal] = yield* goals(1)
      expect(goal!.text).toContain("error is 4.000 at best (lower is better), 5.000 to begin with")
      expect(goal!.text).toContain("1 version came since the last improvement")
    }).pipe(Effect.provide(services()))
  )

  it.effect("are the same from the same seed", () =>
    Effect.gen(function* () {
      yield* register([-5])
      expect(yield* goals(50, 3)).toEqual(yield* goals(50, 3))
      expect(yield* goals(50, 3)).not.toEqual(yield* goals(50, 4))
    }).pipe(Effect.provide(services()))
  )

  it.effect("need a component", () =>
    Effect.gen(function* () {
      expect(yield* Effect.flip(goals(1))).toMatchObject({ _tag: "UnknownImplementation" })
    }).pipe(Effect.provide(services()))
  )
})
