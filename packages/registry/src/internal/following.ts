/**
 * Keeping up with other processes: one fiber for a registry, however many watch, for as long as somebody wants it.
 *
 *     store: something may be new ──┐
 *     here: handlers are in step ───┴──▶ catch up, through the handlers ──▶ watchers go on, or are told why not
 */
import type * as History from "@heph/history/History"
import { HistoryStoreError } from "@heph/history/HistoryStore"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as RcRef from "effect/RcRef"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { WriteError } from "../RegistryError.ts"

export interface Options {
  readonly history: History.History["Service"]
  /** Catches up once. */
  readonly follow: Effect.Effect<unknown, WriteError>
  /** Whether catching up would be refused, until `again` is called. */
  readonly isHeld: () => boolean
  /** Called with why it could not catch up; what comes next tries again. */
  readonly failed: (error: WriteError) => Effect.Effect<void>
}

export interface Following {
  /** Keeps up until the scope ends. */
  readonly keepUp: Effect.Effect<void, never, Scope.Scope>
  /** Has it look again, if it is keeping up at all. */
  readonly again: Effect.Effect<void>
}

const patience = Schedule.min([Schedule.exponential("20 millis"), Schedule.spaced("5 seconds")])

const isPassing = (error: { readonly _tag: string }): boolean => error instanceof HistoryStoreError && error.isRetryable

/** Tries again what a store that is busy or out of reach could not do, less and less often; says so once. */
export const patiently = <A, E extends { readonly _tag: string; readonly message: string }>(
  effect: Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  Effect.suspend(() => {
    let isTold = false
    return effect.pipe(
      Effect.tapError((error) => {
        if (isTold || !isPassing(error)) return Effect.void
        isTold = true
        return Effect.logWarning(`${error.message}; trying again until it can be had`)
      }),
      Effect.retry({ while: isPassing, schedule: patience })
    )
  })

export const make = Effect.fnUntraced(function* ({ failed, follow, history, isHeld }: Options) {
  const signals = yield* Queue.sliding<void>(1)
  const again = Effect.asVoid(Queue.offer(signals, undefined))
  const handling = Queue.take(signals).pipe(
    Effect.andThen(Effect.suspend(() => (isHeld() ? Effect.void : Effect.catch(patiently(follow), failed)))),
    Effect.forever
  )
  // A store that can no longer be listened to may be one day, when somebody has put it right.
  const listening = Stream.runForEach(history.changes, () => again).pipe(
    patiently,
    Effect.catch((error) => Effect.andThen(failed(error), Effect.sleep("30 seconds"))),
    Effect.forever
  )
  const running = yield* RcRef.make({
    acquire: Effect.andThen(Effect.forkScoped(handling), Effect.forkScoped(listening))
  })
  return { keepUp: history.capabilities.shared ? Effect.asVoid(RcRef.get(running)) : Effect.void, again }
})
