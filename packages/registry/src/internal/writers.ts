/**
 * The queue of writers: turns one after the other, first come first served, and disk syncs that several share.
 *
 *     turn: fit a change ──▶ push ─┐
 *     turn: fit a change ──▶ push ─┼──▶ flush: one append for all ──▶ each is published and told
 *     turn: fit a change ──▶ push ─┘
 *
 * A writer that nobody waits behind flushes in its own turn. With others behind it, it leaves its version for the last
 * of them to flush; whatever is pushed is flushed before anything that could wait runs, so that nobody hangs on others.
 * Until it pushes, a writer can be interrupted and leaves nothing behind; from then on it waits for the outcome.
 */
import type * as State from "@heph/entry/State"
import type * as History from "@heph/history/History"
import type * as HistoryStore from "@heph/history/HistoryStore"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import { ReentrantWrite } from "../RegistryError.ts"

/** Why an append came to nothing. */
export type Lost = HistoryStore.HistoryStoreError | HistoryStore.HeadConflict

/** A version that waits for its disk sync. */
export interface Pending extends Ready {
  readonly done: Deferred.Deferred<HistoryStore.VersionRecord, Lost>
}

/** Versions that share a disk sync at most. */
const largestBatch = 128

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** The registries whose transactions a fiber is part of: how a handler that writes back is told from others. */
const Within = Context.Reference<ReadonlyArray<{ readonly writers: object; active: boolean }>>(
  "@heph/registry/Within",
  { defaultValue: () => [] }
)

/** A version that is only to be appended. */
export interface Ready {
  readonly draft: History.Draft
  readonly state: State.State
}

export interface Options {
  readonly append: History.History["Service"]["append"]
  /** Whether an append is a disk sync, so that several versions had better share one. */
  readonly durable: boolean
  /** Called for each version of a flush, in order, once all of them are durable. */
  readonly publish: (pending: Pending, record: HistoryStore.VersionRecord) => void
}

export const make = ({ append, durable, publish }: Options) => {
  const self = {}
  const lock = Semaphore.makeUnsafe(1)
  let queued = 0
  let pending: Array<Pending> = []

  /** Makes everything that was pushed durable, or fails all of it. */
  const flush: Effect.Effect<void> = Effect.uninterruptible(
    Effect.suspend(() => {
      if (pending.length === 0) return Effect.void
      const batch = pending
      pending = []
      const appended = Effect.map(append(batch.map(({ draft }) => draft)), (records) => {
        batch.forEach((each, i) => publish(each, records[i]!))
        return records
      })
      return Effect.matchCauseEffect(appended, {
        onFailure: (cause) => Effect.forEach(batch, ({ done }) => Deferred.failCause(done, cause), { discard: true }),
        onSuccess: (records) =>
          Effect.forEach(batch, ({ done }, i) => Deferred.succeed(done, records[i]!), { discard: true })
      })
    })
  )

  // The last of those who are waiting flushes for all. Where an append is a disk sync, writers that are about to come
  // are let in first: one turn of the scheduler, a hundredth of a sync.
  const flushIfLast = Effect.suspend(() => (queued === 0 ? flush : Effect.void))
  const leave = Effect.suspend(() => {
    if (pending.length === 0 || queued > 0) return Effect.void
    return durable ? Effect.andThen(Effect.yieldNow, flushIfLast) : flushIfLast
  })

  /** A writer's turn: alone, after those who came before it. What `body` does not restore cannot be interrupted. */
  const alone = <A, E>(
    method: string,
    body: (restore: Restore) => Effect.Effect<A, E>
  ): Effect.Effect<A, E | ReentrantWrite> =>
    Effect.flatMap(Within, (within): Effect.Effect<A, E | ReentrantWrite> => {
      if (within.some(({ active, writers }) => active && writers === self)) {
        return Effect.fail(new ReentrantWrite({ method }))
      }
      let waiting = true
      const turn = Effect.uninterruptibleMask((restore) => {
        waiting = false
        queued--
        return Effect.onExit(body(restore), () => leave)
      })
      return Effect.uninterruptibleMask((restore) => {
        queued++
        return Effect.onExit(restore(lock.withPermit(turn)), () => {
          if (!waiting) return Effect.void
          queued--
          // The others may have counted on this one to flush for them.
          return queued === 0 && pending.length > 0 ? Effect.forkDetach(lock.withPermit(flush)) : Effect.void
        })
      })
    })

  const push = ({ draft, state }: Ready): Effect.Effect<Pending> =>
    Effect.suspend(() => {
      const each: Pending = { draft, state, done: Deferred.makeUnsafe() }
      pending.push(each)
      return Effect.as(pending.length >= largestBatch ? flush : Effect.void, each)
    })

  return {
    flush,
    /** What was pushed and is not durable yet, in order. */
    pending: (): ReadonlyArray<Pending> => pending,
    /** Runs a writer's turn: alone, after those who came before it. */
    turn: <A, E>(method: string, body: Effect.Effect<A, E>) => alone(method, (restore) => restore(body)),
    /** A turn that ends with what it did, or with a version that shares the next flush and is told when it is durable. */
    submit: <A extends object, E>(
      method: string,
      body: Effect.Effect<A | Ready, E>,
      told: (record: HistoryStore.VersionRecord, ready: Ready) => A
    ): Effect.Effect<A, E | ReentrantWrite | Lost> =>
      Effect.suspend(() => {
        let pushed: Pending | undefined
        const turn = alone(method, (restore) =>
          Effect.flatMap(restore(body), (end): Effect.Effect<A | Pending> =>
            "draft" in end ? Effect.tap(push(end), (each) => Effect.sync(() => (pushed = each))) : Effect.succeed(end)
          )
        )
        return Effect.uninterruptibleMask((restore) =>
          Effect.matchCauseEffect(restore(turn), {
            onFailure: (cause) =>
              pushed === undefined
                ? Effect.failCause(cause)
                : Effect.andThen(Effect.exit(Deferred.await(pushed.done)), Effect.failCause(cause)),
            onSuccess: (end) =>
              "done" in end ? Effect.map(Deferred.await(end.done), (record) => told(record, end)) : Effect.succeed(end)
          })
        )
      }),
    /** An effect that is part of no transaction, whoever begins it: what runs on by itself. */
    outside: <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> => Effect.provideService(effect, Within, []),
    /** Marks an effect as part of a transaction of this registry: whoever it calls must not wait for a turn. */
    within: <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
      Effect.flatMap(Within, (outer) => {
        const token = { writers: self, active: true }
        const within = [...outer.filter(({ active }) => active), token]
        return Effect.onExit(Effect.provideService(effect, Within, within), () =>
          Effect.sync(() => {
            token.active = false
          })
        )
      })
  }
}
