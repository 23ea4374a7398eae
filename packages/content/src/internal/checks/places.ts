/** What a durable or a shared backend promises beyond one opening: that it is all there the next time, and for others. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { BlobStore, type Capabilities } from "../../BlobStore.ts"
import {
  adding,
  blob,
  chain,
  equal,
  everything,
  hashAt,
  pattern,
  plain,
  refused,
  settledAt,
  type Store,
  touchedOf,
  written
} from "./check.ts"

/** Opens the store of one place; what it opened is closed with the scope. */
type Open = Effect.Effect<Store, unknown, Scope.Scope>

/** One claim about a place: a layer that opens the same store each time it is built. */
export interface PlaceCheck {
  readonly name: string
  readonly appliesTo: (capabilities: Capabilities) => boolean
  readonly run: (place: Layer.Layer<BlobStore, unknown>) => Effect.Effect<void, unknown>
}

const check = (
  name: string,
  run: (open: Open) => Effect.Effect<void, unknown, Scope.Scope>,
  appliesTo: PlaceCheck["appliesTo"]
): PlaceCheck => ({
  name,
  appliesTo,
  run: (place) =>
    Effect.scoped(run(Effect.map(Layer.build(Layer.fresh(place)), (built) => Context.get(built, BlobStore))))
})

const durable = ({ durable }: Capabilities): boolean => durable
const shared = ({ shared }: Capabilities): boolean => shared

export const places: ReadonlyArray<PlaceCheck> = [
  check(
    "everything is there after the store was closed and opened again, and serials go on",
    (open) =>
      Effect.gen(function* () {
        const rows = [...chain(1, 10), blob(11, { bytes: pattern(300_000) })]
        const before = yield* Effect.scoped(
          Effect.gen(function* () {
            const store = yield* open
            yield* written(store, adding(...rows))
            yield* written(store, { add: [blob(12)], touch: [], hold: { holder: "one", until: 100 }, now: 0 })
            yield* store.rebase({ blob: blob(10), from: hashAt(9) })
            yield* store.remove(yield* store.heads({ hashes: [hashAt(9), hashAt(12)] }))
            return yield* everything(store)
          })
        )
        const store = yield* open
        yield* equal("the store opened again", yield* everything(store), before)
        yield* equal("the rows", before.rows, plain([...rows.slice(0, 8), blob(10), rows[10]!]))
        yield* equal("still held", (yield* settledAt(store, 0)) < (yield* settledAt(store, 100)), true)
        yield* written(store, adding(blob(13)))
        // That of a row that is gone is not taken again.
        yield* equal("the next serial", (yield* touchedOf(store, 13))[0]! > (yield* touchedOf(store, 11))[0]! + 1, true)
      }),
    durable
  ),
  check(
    "what one opening writes, another one sees and is bound by",
    (open) =>
      Effect.gen(function* () {
        const one = yield* open
        const two = yield* open
        yield* written(one, adding(...chain(1, 3)))
        yield* equal("the chain, seen from the other", plain(yield* two.read([hashAt(3)])), plain(chain(1, 3)))
        yield* refused("the same row from the other", two, adding(blob(3)), hashAt(3))
        const seen = yield* two.heads({ hashes: [hashAt(3)] })
        yield* written(one, { add: [], touch: [hashAt(3)], hold: { holder: "one", until: 100 }, now: 0 })
        yield* equal("what the other may remove", yield* two.remove(seen), [])
        yield* equal("what is settled for both", yield* settledAt(two, 0), yield* settledAt(one, 0))
        yield* two.hold("one", null)
        yield* equal("once the other released it", yield* settledAt(one, 0), (yield* touchedOf(one, 3))[0])
        yield* equal("removed by the other", yield* two.remove(yield* two.heads({ hashes: [hashAt(3)] })), [hashAt(3)])
        yield* refused("on what is gone", one, adding(blob(4, { base: hashAt(3), depth: 3 })), hashAt(4))
        yield* equal("both", yield* everything(one), yield* everything(two))
      }),
    shared
  ),
  check(
    "fifty writers over two openings: each row is there, each with a serial of its own, and settled last",
    (open) =>
      Effect.gen(function* () {
        const stores = [yield* open, yield* open]
        const numbers = Array.from({ length: 50 }, (_, i) => i + 1)
        yield* Effect.forEach(
          numbers,
          Effect.fnUntraced(function* (number) {
            const store = stores[number % 2]!
            const settled = yield* settledAt(store, 0)
            yield* Effect.yieldNow
            yield* written(store, adding(blob(number)))
            const [touched] = yield* touchedOf(store, number)
            yield* equal("a serial that was not settled before", touched! > settled, true)
          }),
          { concurrency: "unbounded", discard: true }
        )
        for (const store of stores) {
          const serials = yield* touchedOf(store, ...numbers)
          yield* equal("the number of serials", new Set(serials).size, 50)
          yield* equal("what is settled", yield* settledAt(store, 0), Math.max(...serials))
        }
      }),
    shared
  ),
  check(
    "rows that are removed by one opening while another puts rows on them: none stands on nothing",
    (open) =>
      Effect.gen(function* () {
        const one = yield* open
        const two = yield* open
        const numbers = Array.from({ length: 40 }, (_, i) => i + 1)
        yield* written(one, adding(...numbers.map((number) => blob(number))))
        const seen = yield* two.heads({ hashes: numbers.map(hashAt) })
        const [gone] = yield* Effect.all(
          [
            Effect.map(
              Effect.forEach(seen, (head) => two.remove([head]), { concurrency: 4 }),
              (gone) => gone.flat()
            ),
            Effect.forEach(
              numbers,
              (number) => one.write(adding(blob(100 + number, { base: hashAt(number), depth: 1 }))),
              { concurrency: 4 }
            )
          ],
          { concurrency: "unbounded" }
        )
        for (const number of numbers) {
          const standing = (yield* one.heads({ hashes: [hashAt(100 + number)] })).length
          const base = (yield* one.heads({ hashes: [hashAt(number)] })).length
          yield* equal(`row ${number} or what would stand on it`, [base, standing], standing === 1 ? [1, 1] : [0, 0])
          yield* equal(`whether row ${number} was said to be gone`, gone.includes(hashAt(number)), base === 0)
        }
      }),
    shared
  )
]
