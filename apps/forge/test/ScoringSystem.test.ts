import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as ScoringSystem from "../src/ScoringSystem.ts"
import { task } from "./support.ts"

const { metrics } = ScoringSystem.make

describe("scores", () => {
  it.effect("are higher for what is better, and keep what was measured", () =>
    Effect.gen(function* () {
      const higher = { ...task, objective: { metric: "error", direction: "higher" } } as const
      const trial = { results: [], measured: { error: 2.5, size: 9 } }
      expect(yield* metrics(task, trial)).toEqual({ error: 2.5, size: 9, score: -2.5 })
      expect(yield* metrics(higher, trial)).toEqual({ error: 2.5, size: 9, score: 2.5 })
      // Whatever is perfect is zero, and no negative one.
      expect(yield* metrics(task, { results: [], measured: { error: 0 } })).toEqual({ error: 0, score: 0 })
    })
  )

  it.effect("are for those alone that passed every test", () =>
    Effect.gen(function* () {
      expect(yield* metrics(task, { results: [{ name: "a", outcome: "failed" }], measured: undefined })).toBeUndefined()
    })
  )

  it.effect("need the objective of the task to be measured", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(metrics(task, { results: [], measured: { speed: 1 } }))
      expect(error.message).toBe("guess/judge.ts: measure gives no error, which is the objective of the task")
    })
  )
})
