/** A hold: it lasts for some minutes, and is renewed for as long as it is needed. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type { BlobStore, Hold } from "../BlobStore.ts"

/** How long a hold lasts that nobody renews, in milliseconds. */
const lease = 600_000

/** A hold that is to be taken: now, with the first write. */
export const make = Effect.fnUntraced(function* (blobs: BlobStore["Service"]) {
  const [some, more] = [yield* Random.next, yield* Random.next]
  const holder = some.toString(36).slice(2) + more.toString(36).slice(2)
  let until = (yield* Clock.currentTimeMillis) + lease
  const first: Hold = { holder, until }

  const renew = Effect.gen(function* () {
    yield* Effect.sleep(lease / 4)
    const longer = (yield* Clock.currentTimeMillis) + lease
    yield* blobs.hold(holder, longer)
    until = longer
  })
  // One that fails is tried again; that the hold ended meanwhile is seen when it is released.
  const renewing = Effect.forever(Effect.ignore(renew))

  return {
    first,
    /** Renews the hold while something runs. */
    during: <A, E, R>(use: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      Effect.flatMap(Effect.forkChild(renewing), (fiber) =>
        // Nobody waits for its end: where `use` took no time, it never began.
        Effect.ensuring(
          use,
          Effect.sync(() => fiber.interruptUnsafe())
        )
      ),
    /** Releases it, and tells whether it had ended by itself before. */
    release: Effect.gen(function* () {
      const isOver = (yield* Clock.currentTimeMillis) >= until
      // What cannot be released ends by itself, and what was done under it is done.
      yield* Effect.ignore(blobs.hold(holder, null))
      return isOver
    })
  }
})
