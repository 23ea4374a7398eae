/**
 * No history: versions are counted and forgotten. A registry on it works, and every way back is refused with
 * `Unsupported`: versions, the log of heads, moving head, tags and checkpoints.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { HistoryStore, HistoryStoreError } from "./HistoryStore.ts"
import * as Precondition from "./Precondition.ts"

const store = "no history"

const unsupported = (what: string): Effect.Effect<never, HistoryStoreError> =>
  Effect.fail(
    new HistoryStoreError({
      reason: "Unsupported",
      store,
      detail: `${what} needs versions that are kept, and this registry keeps none: choose a store with history`
    })
  )

/** A store that counts, at v0. It ends with whoever holds it. */
export const make: Effect.Effect<HistoryStore["Service"]> = Effect.map(Clock.currentTimeMillis, (created) => {
  let facts: Precondition.Facts = { head: 0, revision: 0, last: 0, dropped: [] }
  return HistoryStore.of({
    capabilities: { durable: false, shared: false, travel: false },
    info: Effect.sync(() => ({ created, ...facts, tags: new Map(), checkpoints: [] })),
    append: (versions, revision) =>
      Effect.suspend(() => {
        const refusal = Precondition.append(facts, versions, revision, store)
        if (refusal !== undefined) return Effect.fail(refusal)
        const last = facts.last + versions.length
        facts = {
          ...facts,
          head: versions.length === 0 ? facts.head : last,
          revision: revision + versions.length,
          last
        }
        return Effect.succeed(facts.revision)
      }),
    moveHead: () => unsupported("going to a version"),
    tag: () => unsupported("a tag"),
    versions: () => unsupported("reading a version"),
    heads: () => unsupported("the log of heads"),
    checkpoints: {
      save: () => unsupported("a checkpoint"),
      load: () => unsupported("a checkpoint"),
      drop: () => unsupported("a checkpoint")
    },
    compact: () => unsupported("compaction"),
    // Nobody else can write to it.
    changes: Stream.concat(Stream.succeed(undefined), Stream.never),
    verify: Effect.succeed([])
  })
})

/**
 * The store that keeps nothing, for registries that are only ever loaded from their definitions.
 *
 * @example
 * import * as HistoryNone from "@heph/history/HistoryNone"
 * import { HistoryStore } from "@heph/history/HistoryStore"
 * import * as Effect from "effect/Effect"
 *
 * const program = Effect.gen(function* () {
 *   const store = yield* HistoryStore
 *   return yield* Effect.flip(store.versions({ ids: [1] }))
 * })
 * const error = await Effect.runPromise(Effect.provide(program, HistoryNone.layer))
 * console.log(error.reason) //=> Unsupported
 */
export const layer: Layer.Layer<HistoryStore> = Layer.effect(HistoryStore, make)
