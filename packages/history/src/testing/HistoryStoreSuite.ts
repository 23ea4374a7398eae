/**
 * The conformance suite: what every store must do, as named checks. {@link suite} makes Vitest tests of them, which is
 * all that a store's test file needs; {@link checks} and {@link placeChecks} are the same as data, to be run one by one.
 *
 * Needs `vitest`, `@effect/vitest` and `fast-check` beside this package. What a store promises is what its
 * `capabilities` say: a check that asks for more does not apply to it.
 */
import { describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { HistoryStore } from "../HistoryStore.ts"
import type { Check } from "../internal/checks/check.ts"
import { compacting } from "../internal/checks/compacting.ts"
import { fidelity } from "../internal/checks/fidelity.ts"
import { type PlaceCheck, places } from "../internal/checks/places.ts"
import { reading } from "../internal/checks/reading.ts"
import { writing } from "../internal/checks/writing.ts"

export type { Check } from "../internal/checks/check.ts"
export type { PlaceCheck } from "../internal/checks/places.ts"

/**
 * What must hold of a fresh store. Each `run` wants a store of its own and fails, or dies, where it is broken; it applies
 * to stores whose capabilities pass `appliesTo`.
 */
export const checks: ReadonlyArray<Check> = [...writing, ...reading, ...compacting, ...fidelity]

/** What must hold of a place that stores are opened in again (durable) or twice at a time (shared). */
export const placeChecks: ReadonlyArray<PlaceCheck> = places

export interface Options<E, E2> {
  /** A fresh store each time it is built. */
  readonly layer: Layer.Layer<HistoryStore, E>
  /**
   * A new place (a file, a schema), as the layer that opens the store in it each time it is built. A durable or shared
   * store must give one. What the place needs ends with the scope.
   */
  readonly reopen?: Effect.Effect<Layer.Layer<HistoryStore, E>, E2, Scope.Scope>
}

/** In milliseconds. A check is far below it on any disk; Vitest's own limit of 5 s is not, with a slow one. */
const timeout = 60_000

/**
 * Declares the tests of a store, one for each check that applies to it. The clock is the test clock, so a store that
 * reads the time elsewhere is found out.
 *
 * @example no-run
 * import * as HistoryNone from "@heph/history/HistoryNone"
 * import * as HistoryStoreSuite from "@heph/history/testing/HistoryStoreSuite"
 *
 * HistoryStoreSuite.suite("HistoryNone", { layer: HistoryNone.layer })
 */
export const suite = <E, E2 = never>(name: string, options: Options<E, E2>): void => {
  describe(`${name} as a store`, async () => {
    const capabilities = await Effect.runPromise(
      Effect.scoped(Effect.map(Layer.build(options.layer), (built) => Context.get(built, HistoryStore).capabilities))
    )
    for (const check of checks.filter((check) => check.appliesTo(capabilities))) {
      it.effect(
        check.name,
        () => Effect.andThen(TestClock.setTime(now), Effect.provide(check.run, Layer.fresh(options.layer))),
        timeout
      )
    }
    const reopen = options.reopen ?? Effect.die(new Error("a durable or shared store must be given `reopen`"))
    for (const check of placeChecks.filter((check) => check.appliesTo(capabilities))) {
      it.effect(check.name, () => Effect.andThen(TestClock.setTime(now), Effect.flatMap(reopen, check.run)), timeout)
    }
  })
}

const now = 1_700_000_000_000
