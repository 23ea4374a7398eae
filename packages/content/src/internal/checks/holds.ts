/** That a hold keeps what is written after it from being settled, until it ends. */
import * as Effect from "effect/Effect"
import { adding, blob, type Check, check, equal, hashAt, settledAt, touchedOf, written } from "./check.ts"

const held = (number: number, holder: string, until: number, now = 0) => {
  return { add: [blob(number)], touch: [], hold: { holder, until }, now }
}

export const holds: ReadonlyArray<Check> = [
  check("what is written with a hold and after it is not settled until it is released", (store) =>
    Effect.gen(function* () {
      yield* written(store, adding(blob(1)))
      const before = yield* settledAt(store, 0)
      yield* written(store, held(2, "one", 100))
      yield* written(store, adding(blob(3)))
      yield* equal("what is settled", yield* settledAt(store, 0), before)
      const [older, own, newer] = yield* touchedOf(store, 1, 2, 3)
      yield* equal("the serials", [older! <= before, own! > before, newer! > before], [true, true, true])
      yield* store.hold("one", null)
      yield* equal("what is settled then", yield* settledAt(store, 0), newer)
    })
  ),
  check("of several holds the oldest counts", (store) =>
    Effect.gen(function* () {
      yield* written(store, held(1, "one", 100))
      const [first] = yield* touchedOf(store, 1)
      yield* written(store, held(2, "two", 100))
      const before = yield* settledAt(store, 0)
      yield* equal("the first write", before < first!, true)
      yield* store.hold("two", null)
      yield* equal("without the younger one", yield* settledAt(store, 0), before)
      yield* written(store, held(3, "three", 100))
      yield* store.hold("one", null)
      yield* equal("without the older ones", yield* settledAt(store, 0), (yield* touchedOf(store, 2))[0])
    })
  ),
  check("a hold ends by itself at its time, and not before", (store) =>
    Effect.gen(function* () {
      yield* written(store, held(1, "one", 1_700_000_000_100))
      const [touched] = yield* touchedOf(store, 1)
      const isHeld = (now: number) => Effect.map(settledAt(store, now), (settled) => settled < touched!)
      yield* equal("just before", yield* isHeld(1_700_000_000_099), true)
      yield* equal("at its time", yield* isHeld(1_700_000_000_100), false)
      yield* equal("later", yield* isHeld(2_000_000_000_000), false)
    })
  ),
  check("a hold can be set to end later", (store) =>
    Effect.gen(function* () {
      yield* written(store, held(1, "one", 100))
      const [touched] = yield* touchedOf(store, 1)
      yield* store.hold("one", 200)
      yield* equal("after its first time", (yield* settledAt(store, 150)) < touched!, true)
      yield* equal("after its second", yield* settledAt(store, 200), touched)
    })
  ),
  check("to set or release a hold that is not there does nothing", (store) =>
    Effect.gen(function* () {
      yield* written(store, adding(blob(1)))
      yield* store.hold("nobody", 100)
      yield* store.hold("nobody", null)
      yield* written(store, held(2, "one", 100))
      yield* store.hold("one", null)
      yield* store.hold("one", 100)
      yield* written(store, adding(blob(3)))
      yield* equal("what is settled", yield* settledAt(store, 0), (yield* touchedOf(store, 3))[0])
    })
  ),
  check("holds that have ended are cleared away when the next one is taken", (store) =>
    Effect.gen(function* () {
      yield* written(store, held(1, "old", 100))
      yield* written(store, held(2, "young", 300, 100))
      yield* store.hold("young", null)
      // Somebody who slept for too long: what it held may be gone.
      yield* store.hold("old", 400)
      yield* equal("what is settled", yield* settledAt(store, 200), (yield* touchedOf(store, 2))[0])
    })
  ),
  check("a hold is taken with the serial from before, also where rows are only touched", (store) =>
    Effect.gen(function* () {
      yield* written(store, adding(blob(1)))
      const before = yield* settledAt(store, 0)
      yield* written(store, { add: [], touch: [hashAt(1)], hold: { holder: "one", until: 100 }, now: 0 })
      yield* equal("what is settled", yield* settledAt(store, 0), before)
      yield* equal("the row", (yield* touchedOf(store, 1))[0]! > before, true)
    })
  )
]
