import { describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import * as Model from "./model.ts"
import * as Support from "./support.ts"

/** `MODEL_RUNS=10000 vitest run model` for a long night. */
const runs = Number(process.env["MODEL_RUNS"] ?? 200)
const length = 50

describe("a registry and its model agree", () => {
  it.each([
    ["memory", Support.memory],
    ["sqlite", Support.sqlite],
    ["postgres", Support.postgres]
  ] as const)(
    "in %s",
    (_, place) =>
      fc.assert(
        fc.asyncProperty(Model.commands(length), (sequence) => Effect.runPromise(Model.run(place, sequence))),
        { numRuns: runs }
      ),
    Math.max(120_000, runs * 1000)
  )
})
