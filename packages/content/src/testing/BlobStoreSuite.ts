/**
 * The conformance suite: what every backend of contents must do, as named checks. {@link suite} makes Vitest tests of them,
 * which is all that a backend's test file needs; {@link checks} and {@link placeChecks} are the same as data, to be run one
 * by one.
 *
 * Needs `vitest`, `@effect/vitest` and `fast-check` beside this package. A check that asks for more than a backend promises by
 * its `capabilities` does not apply to it.
 */
import { describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { BlobStore } from "../BlobStore.ts"
import type { Check } from "../internal/checks/check.ts"
import { holds } from "../internal/checks/holds.ts"
import { model } from "../internal/checks/model.ts"
import { type PlaceCheck, places } from "../internal/checks/places.ts"
import { rows } from "../internal/checks/rows.ts"

export type { Check } from "../internal/checks/check.ts"
export type { PlaceCheck } from "../internal/checks/places.ts"

/**
 * What must hold of a fresh backend. Each `run` wants one of its own and fails, or dies, where it is broken; it applies to
 * backends whose capabilities pass `appliesTo`.
 */
export const checks: ReadonlyArray<Check> = [...rows, ...holds, ...model]

/** What must hold of a place that backends are opened in again (durable) or twice at a time (shared). */
export const placeChecks: ReadonlyArray<PlaceCheck> = places

export interface Options<E, E2> {
  /** A fresh backend each time it is built. */
  readonly layer: Layer.Layer<BlobStore, E>
  /**
   * A new place (a file, a schema), as the layer that opens the backend in it each time it is built. A durable or shared
   * one must give one. What the place needs ends with the scope.
   */
  readonly reopen?: Effect.Effect<Layer.Layer<BlobStore, E>, E2, Scope.Scope>
}

/** In milliseconds. A check is far below it on any disk; Vitest's own limit of 5 s is not, with a slow one. */
const timeout = 60_000

/**
 * Declares the tests of a backend, one for each check that applies to it. The clock is the test clock, so a backend that
 * reads the time elsewhere is found out.
 *
 * @example no-run
 * import * as ContentMemory from "@heph/content/ContentMemory"
 * import * as BlobStoreSuite from "@heph/content/testing/BlobStoreSuite"
 *
 * BlobStoreSuite.suite("ContentMemory", { layer: ContentMemory.layer })
 */
export const suite = <E, E2 = never>(name: string, options: Options<E, E2>): void => {
  describe(`${name} as a backend of contents`, async () => {
    const capabilities = await Effect.runPromise(
      Effect.scoped(Effect.map(Layer.build(options.layer), (built) => Context.get(built, BlobStore).capabilities))
    )
    for (const check of checks.filter((check) => check.appliesTo(capabilities))) {
      it.effect(check.name, () => Effect.provide(check.run, Layer.fresh(options.layer)), timeout)
    }
    const reopen = options.reopen ?? Effect.die(new Error("a durable or shared backend must be given `reopen`"))
    for (const check of placeChecks.filter((check) => check.appliesTo(capabilities))) {
      it.effect(check.name, () => Effect.flatMap(reopen, check.run), timeout)
    }
  })
}
