/**
 * Who wants to know of changes, and the one connection that tells them: held while there is somebody, and made again for
 * as long as there is. Notifications are no log, so that each time it is made everybody is told to look.
 */
import type { HistoryStoreError } from "@heph/history/HistoryStore"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as RcRef from "effect/RcRef"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Registry } from "./registry.ts"

type Subscriber = Queue.Queue<void, HistoryStoreError>

interface Hub {
  readonly subscribers: Set<Subscriber>
  /** Whether what is written from now on is heard of. */
  isListening: boolean
}

/** Up to this long, in milliseconds, between two attempts to connect. */
const longest = 5000
const backoff = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced(longest)])

export const make = (registry: Registry): Effect.Effect<Stream.Stream<void, HistoryStoreError>, never, Scope.Scope> =>
  Effect.map(RcRef.make({ acquire: hub(registry) }), (shared) =>
    Stream.unwrap(
      Effect.gen(function* () {
        const hub = yield* RcRef.get(shared)
        const queue = yield* Queue.sliding<void, HistoryStoreError>(1)
        yield* Effect.acquireRelease(
          Effect.sync(() => hub.subscribers.add(queue)),
          () => Effect.sync(() => hub.subscribers.delete(queue))
        )
        if (hub.isListening) Queue.offerUnsafe(queue, undefined)
        return Stream.fromQueue(queue)
      })
    )
  )

const hub = Effect.fnUntraced(function* (registry: Registry): Effect.fn.Return<Hub, never, Scope.Scope> {
  const hub: Hub = { subscribers: new Set(), isListening: false }
  const tellAll = () => {
    for (const queue of hub.subscribers) Queue.offerUnsafe(queue, undefined)
  }
  const forever = Effect.gen(function* () {
    while (true) {
      let isTold = false
      // Ends when the connection does. To connect is tried again for ever, unless it will never do.
      yield* listen(registry, hub, tellAll).pipe(
        Effect.tapError((error) => {
          if (isTold || !error.isRetryable) return Effect.void
          isTold = true
          return Effect.logWarning(`${error.message}; listening for changes again as soon as it can be had`)
        }),
        Effect.retry({ while: (error) => error.isRetryable, schedule: backoff })
      )
    }
  })
  yield* forever.pipe(
    Effect.catch((error) =>
      Effect.sync(() => {
        for (const queue of hub.subscribers) Queue.failCauseUnsafe(queue, Cause.fail(error))
      })
    ),
    Effect.forkScoped
  )
  return hub
})

/** Listens on a connection of its own until that is lost. */
const listen = ({ connections, key, sql }: Registry, hub: Hub, tellAll: () => void) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { client, query } = yield* connections.beside
      client.on("notification", ({ payload, processId }) => {
        // What this store writes itself it knows.
        if (payload === key && !connections.isOwn(processId)) tellAll()
      })
      const lost = Effect.callback<void>((resume) => {
        client.on("end", () => resume(Effect.void))
      })
      yield* query({ text: `LISTEN ${sql.schema}` })
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          hub.isListening = true
          tellAll()
        }),
        () =>
          Effect.sync(() => {
            hub.isListening = false
          })
      )
      yield* lost
    })
  )
