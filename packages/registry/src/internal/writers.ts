/**
 * The queue of writers: turns one after the other, first come first served, and disk syncs that several share.
 *
 *     turn: fit a change ──▶ push ─┐
 *     turn: fit a change ──▶ push ─┼──▶ flush: one append for all ──▶ each is published and told
 *     turn: fit a change ──▶ push ─┘
 *
 * A writer that nobody waits behind flushes in its own turn. With others behind it, it leaves its version for the last
 * of them to flush; whatever is pushed is flushed before anything that could wait runs, so that nobody hangs on others.
 */
import type * as State from "@heph/entry/State"
import type * as History from "@heph/history/History"
import type * as HistoryStore from "@heph/history/HistoryStore"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { ReentrantWrite } from "../RegistryError.ts"

/** Why an append came to nothing. */
export type Lost = HistoryStore.HistoryStoreError | HistoryStore.HeadConflict

/** A transaction that has everything but its disk sync. */
export interface Pending {
  readonly draft: History.Draft
  readonly state: State.State
  readonly done: Deferred.Deferred<HistoryStore.VersionRecord, Lost>
}

/** Versions that share a disk sync at most. */
const largestBatch = 128

/** The registries whose transactions a fiber is part of: how a handler that writes back is told from others. */
const Within = Context.Reference<ReadonlyArray<{ readonly writers: object; active: boolean }>>(
  "@heph/registry/Within",
  { defaultValue: () => [] }
)

export interface Options {
  readonly scope: Scope.Scope
  readonly append: History.History["Service"]["append"]
  /** Called for each version of a flush, in order, once all of them are durable. */
  readonly publish: (pending: Pending, record: HistoryStore.VersionRecord) => void
}

export const make = ({ append, publish, scope }: Options) => {
  const self = {}
  const lock = Semaphore.makeUnsafe(1)
  let queued = 0
  let pending: Array<Pending> = []

  /** Makes everything that was pushed durable, or fails all of it. */
  const flush: Effect.Effect<void> = Effect.suspend(() => {
    if (pending.length === 0) return Effect.void
    const batch = pending
    pending = []
    return Effect.matchEffect(append(batch.map(({ draft }) => draft)), {
      onFailure: (error) => Effect.forEach(batch, ({ done }) => Deferred.fail(done, error), { discard: true }),
      onSuccess: (records) => {
        batch.forEach((each, i) => publish(each, records[i]!))
        return Effect.forEach(batch, ({ done }, i) => Deferred.succeed(done, records[i]!), { discard: true })
      }
    })
  })

  return {
    flush,
    /** What was pushed and is not durable yet, in order. */
    pending: (): ReadonlyArray<Pending> => pending,
    /** Leaves a version to the next flush. */
    push: (draft: History.Draft, state: State.State): Effect.Effect<Pending> =>
      Effect.suspend(() => {
        const each: Pending = { draft, state, done: Deferred.makeUnsafe() }
        pending.push(each)
        return Effect.as(pending.length >= largestBatch ? flush : Effect.void, each)
      }),
    /** Runs a writer's turn: alone, after those who came before it. */
    turn: <A, E>(method: string, body: Effect.Effect<A, E>): Effect.Effect<A, E | ReentrantWrite> =>
      Effect.flatMap(Within, (within): Effect.Effect<A, E | ReentrantWrite> => {
        if (within.some(({ active, writers }) => active && writers === self)) {
          return Effect.fail(new ReentrantWrite({ method }))
        }
        queued++
        return Effect.uninterruptibleMask((restore) =>
          Effect.matchCauseEffect(restore(lock.take(1)), {
            onFailure: (cause) => {
              queued--
              // The others may have counted on this one to flush for them.
              const left = queued === 0 && pending.length > 0
              return Effect.andThen(
                left ? Effect.forkIn(lock.withPermit(flush), scope) : Effect.void,
                Effect.failCause(cause)
              )
            },
            onSuccess: () => {
              queued--
              const last = Effect.suspend(() => (queued === 0 ? flush : Effect.void))
              return Effect.onExit(restore(body), () => Effect.andThen(last, lock.release(1)))
            }
          })
        )
      }),
    /** Marks an effect as part of a transaction of this registry: whoever it calls must not wait for a turn. */
    within: <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
      Effect.flatMap(Within, (outer) => {
        const token = { writers: self, active: true }
        return Effect.onExit(Effect.provideService(effect, Within, [...outer, token]), () =>
          Effect.sync(() => {
            token.active = false
          })
        )
      })
  }
}
