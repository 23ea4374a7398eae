/** What a durable or a shared store promises beyond one opening: that it is all there the next time, and for others. */
import * as Operation from "@heph/changeset/Operation"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { type Capabilities, HistoryStore } from "../../HistoryStore.ts"
import {
  appendChain,
  appendRetrying,
  conflicts,
  entry,
  equal,
  equalVersions,
  everything,
  plainInfo,
  type Store,
  version
} from "./check.ts"
import { oneChain } from "./writing.ts"

/** Opens the store of one place; what it opened is closed with the scope. */
export type Open = Effect.Effect<Store, unknown, Scope.Scope>

/** One claim about a place: a layer that opens the same store each time it is built. */
export interface PlaceCheck {
  readonly name: string
  readonly appliesTo: (capabilities: Capabilities) => boolean
  readonly run: (place: Layer.Layer<HistoryStore, unknown>) => Effect.Effect<void, unknown>
}

const check = (
  name: string,
  run: (open: Open) => Effect.Effect<void, unknown, Scope.Scope>,
  appliesTo: PlaceCheck["appliesTo"]
): PlaceCheck => ({
  name,
  appliesTo,
  run: (place) =>
    Effect.scoped(run(Effect.map(Layer.build(Layer.fresh(place)), (built) => Context.get(built, HistoryStore))))
})

const durable = ({ durable, travel }: Capabilities): boolean => durable && travel
const shared = ({ shared, travel }: Capabilities): boolean => shared && travel

export const places: ReadonlyArray<PlaceCheck> = [
  check(
    "everything is there after the store was closed and opened again",
    (open) =>
      Effect.gen(function* () {
        const large = version(4, {
          parent: 1,
          author: "",
          changeset: [Operation.create(entry("test:large", new Uint8Array(300_000).fill(7)))]
        })
        const before = yield* Effect.scoped(
          Effect.gen(function* () {
            const store = yield* open
            yield* appendChain(store, 3)
            yield* store.append([large, version(5, { changeset: [], message: undefined })], 3)
            yield* store.moveHead(2, 1_700_000_005_000, 5)
            yield* store.tag("release", 3)
            yield* store.tag("forgotten", 1)
            yield* store.tag("forgotten", null)
            yield* store.checkpoints.save(3, [new Uint8Array([1, 2]), new Uint8Array([3])])
            return yield* everything(store)
          })
        )
        const store = yield* open
        yield* equal("the store opened again", yield* everything(store), before)
        yield* equalVersions("v4 opened again", yield* store.versions({ ids: [4] }), [large])
        yield* equal("what verify finds", yield* store.verify, [])
        yield* equal("the next append", yield* store.append([version(6, { parent: 2 })], 6), 7)
      }),
    durable
  ),
  check(
    "an empty store opened again is still empty, and as old as it was",
    (open) =>
      Effect.gen(function* () {
        const before = yield* Effect.scoped(Effect.flatMap(open, everything))
        const store = yield* open
        yield* equal("the empty store opened again", yield* everything(store), before)
        yield* equal("what verify finds", yield* store.verify, [])
      }),
    durable
  ),
  check(
    "what one opening writes, another reads and is bound by",
    (open) =>
      Effect.gen(function* () {
        const one = yield* open
        const two = yield* open
        yield* equal("created, seen from both", (yield* two.info).created, (yield* one.info).created)
        yield* one.append([version(1)], 0)
        yield* equalVersions("v1 seen from the other", yield* two.versions({ ids: [1] }), [version(1)])
        yield* conflicts("a stale append of the other", two.append([version(1)], 0), 0, { head: 1, revision: 1 })
        yield* equal("an append of the other", yield* two.append([version(2)], 1), 2)
        yield* conflicts("a stale append of the one", one.append([version(2)], 1), 1, { head: 2, revision: 2 })
        yield* conflicts("a stale move of the one", one.moveHead(1, 1, 1), 1, { head: 2, revision: 2 })
        yield* two.tag("release", 2)
        yield* two.checkpoints.save(2, [new Uint8Array([9])])
        yield* equal("one, seen from the other", yield* everything(one), yield* everything(two))
        yield* equal("the tags", plainInfo(yield* one.info).tags, [["release", 2]])
        yield* equal("the checkpoint", yield* one.checkpoints.load(2), [new Uint8Array([9])])
      }),
    shared
  ),
  check(
    "fifty writers over two openings end in one chain, with none lost",
    (open) =>
      Effect.gen(function* () {
        const stores = [yield* open, yield* open]
        const messages = Array.from({ length: 50 }, (_, i) => `writer ${i}`)
        yield* Effect.forEach(messages, (message, i) => appendRetrying(stores[i % 2]!, message), {
          concurrency: "unbounded",
          discard: true
        })
        for (const store of stores) yield* oneChain(store, messages)
      }),
    shared
  ),
  check(
    "what compaction left is there after the store was closed and opened again",
    (open) =>
      Effect.gen(function* () {
        const fold = { ...version(3, { parent: 0, changeset: [Operation.create(entry("test:folded", 3))] }), folded: 2 }
        const before = yield* Effect.scoped(
          Effect.gen(function* () {
            const store = yield* open
            yield* appendChain(store, 5)
            yield* store.checkpoints.save(2, [new Uint8Array(9000)])
            yield* store.compact({ drop: [[1, 2]], fold: [fold], last: 5 })
            return yield* everything(store)
          })
        )
        const store = yield* open
        yield* equal("the store opened again", yield* everything(store), before)
        yield* equalVersions("the folded version", yield* store.versions({ ids: [1, 2, 3] }), [fold])
        yield* equal("what verify finds", yield* store.verify, [])
      }),
    durable
  ),
  check(
    "changes tells of what another opening writes, once it listens",
    (open) =>
      Effect.gen(function* () {
        const one = yield* open
        const two = yield* open
        // What a follower does: it reads at each signal, and stops when it has seen what it waits for.
        const listening = yield* Deferred.make<void>()
        const follower = yield* one.changes.pipe(
          Stream.tap(() => Deferred.succeed(listening, undefined)),
          Stream.mapEffect(() => Effect.map(one.info, ({ last }) => last)),
          Stream.takeUntil((last) => last === 20),
          Stream.runLast,
          Effect.forkScoped
        )
        yield* Deferred.await(listening)
        for (let id = 1; id <= 20; id++) yield* two.append([version(id)], id - 1)
        // A store that polls waits for the clock, which stands still in a test.
        const passing = Effect.forever(Effect.andThen(TestClock.adjust("1 second"), Effect.yieldNow))
        const seen = yield* Effect.raceFirst(Fiber.join(follower), passing)
        yield* equal("the last version that the follower saw", Option.getOrUndefined(seen), 20)
      }),
    shared
  )
]
