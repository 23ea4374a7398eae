/**
 * Connections: a pool that short work borrows from, and ones of their own for long work.
 *
 *     use ──▶ wait for a place ──▶ borrow ──▶ work ──▶ give back, or close what is not as it was
 *
 * Whatever way the work ends, by an interruption too, a connection that has not had its answer, or is still in a
 * transaction, is closed and never lent again.
 */
import type { HistoryStoreError } from "@heph/history/HistoryStore"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { Client, type ClientConfig, type QueryResult, TypeOverrides } from "pg"
import type { Address } from "./address.ts"
import { classify, isDefinite, storeError } from "./native.ts"

/** A statement with a name is prepared once on each connection. */
export interface Statement {
  readonly name?: string
  readonly text: string
}

export type Parameter = string | number | boolean | null | Uint8Array | ReadonlyArray<string | number | boolean | null>

export interface Session {
  /** How many rows a statement wrote. */
  readonly write: (statement: Statement, values: ReadonlyArray<Parameter>) => Effect.Effect<number, HistoryStoreError>
  readonly query: <Row = unknown>(
    statement: Statement,
    values?: ReadonlyArray<Parameter>
  ) => Effect.Effect<ReadonlyArray<Row>, HistoryStoreError>
}

type Work<A, E> = (session: Session) => Effect.Effect<A, E>

export interface Connections {
  /** Work on a connection of the pool, each statement a transaction of its own. */
  readonly use: <A, E>(work: Work<A, E>) => Effect.Effect<A, E | HistoryStoreError>
  /** Work as one transaction: committed if it succeeds, and rolled back if it fails or is interrupted. */
  readonly transaction: <A, E>(work: Work<A, E>) => Effect.Effect<A, E | HistoryStoreError>
  /** A connection outside the pool, for what would keep others waiting. */
  readonly beside: Effect.Effect<Session & { readonly client: Client }, HistoryStoreError, Scope.Scope>
  /** Whether a server process is one that works for this pool. */
  readonly isOwn: (processId: number) => boolean
}

export interface Settings {
  readonly address: Address
  readonly poolSize: number
  /** Milliseconds. */
  readonly connectTimeout: number
}

/**
 * What a connection is told at first. Every statement finds its rows by a key and in the order of it: a plan that was made
 * before the server knew how large a table is must not read and sort all of it for a page. Whoever waits for a lock is
 * told after a while, unless the user is set up otherwise.
 */
const settle: Statement = {
  text: `SELECT pg_backend_pid() AS pid, set_config('enable_seqscan', 'off', false),
    set_config('enable_bitmapscan', 'off', false), set_config('jit', 'off', false),
    set_config('plan_cache_mode', 'force_generic_plan', false),
    CASE WHEN current_setting('lock_timeout') = '0' THEN set_config('lock_timeout', '5s', false) END`
}

const int8 = 20
/** Those of the driver, but for `int8`: every number stored is a safe integer. For these connections alone. */
const parsers = new TypeOverrides()
parsers.setTypeParser(int8, Number)

/** How long the server may take to say goodbye. */
const farewell = "1 second"

/** A connection at work. */
interface Lease {
  readonly client: Client
  /** A statement has not had its answer. */
  busy: boolean
  /** It has ended, or it cannot be told what became of a statement. */
  broken: boolean
  /** The process of the server that works for it. */
  processId: number | undefined
}

export const make = Effect.fnUntraced(function* ({
  address,
  connectTimeout,
  poolSize
}: Settings): Effect.fn.Return<Connections, HistoryStoreError, Scope.Scope> {
  const store = address.shown
  const config: ClientConfig = {
    connectionString: address.url,
    connectionTimeoutMillis: connectTimeout,
    fallback_application_name: "@heph/history-postgres",
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    types: parsers
  }
  // What the driver cannot make of the parameters: a certificate that is not there, a mode that is none.
  yield* Effect.try({
    try: () => new Client(config),
    catch: (cause) => storeError(store, "Unsupported", `its parameters cannot be used (${String(cause)})`, cause)
  })
  const gate = yield* Semaphore.make(poolSize)
  // The pool of the driver would cost a turn of the event loop and two timers for each append.
  let idle: Array<Lease> = []
  const own = new Set<number>()
  let closed = false

  const failing = (cause: unknown): Effect.Effect<never, HistoryStoreError> => {
    if (closed) return Effect.fail(storeError(store, "Unavailable", "the store is closed; open it again"))
    const error = classify(store, cause)
    return error === undefined ? Effect.die(cause) : Effect.fail(error)
  }

  const sessionOf = (lease: Lease): Session => {
    const run = <A>(
      statement: Statement,
      values: ReadonlyArray<Parameter> | undefined,
      read: (result: QueryResult<never>) => A
    ): Effect.Effect<A, HistoryStoreError> =>
      Effect.callback((resume) => {
        lease.busy = true
        const config = values === undefined ? statement : { ...statement, values: values as Array<Parameter> }
        lease.client.query<never>(config, (cause: Error | null, result) => {
          lease.busy = false
          if (cause === null) return resume(Effect.succeed(read(result)))
          const error = classify(store, cause)
          lease.broken ||= error !== undefined && !isDefinite(error)
          return resume(failing(cause))
        })
      })
    return {
      query: <Row>(statement: Statement, values?: ReadonlyArray<Parameter>) =>
        run(statement, values, ({ rows }): ReadonlyArray<Row> => rows),
      write: (statement, values) => run(statement, values, ({ rowCount }) => rowCount ?? 0)
    }
  }

  /** A connection that is still to be made. */
  const newLease = (): Lease => {
    const lease: Lease = { client: new Client(config), busy: true, broken: false, processId: undefined }
    const end = () => {
      lease.broken = true
      idle = idle.filter((other) => other !== lease)
    }
    // Without a listener the end of a connection would be the end of the process. Its work hears of it anyway.
    lease.client.on("error", end)
    lease.client.on("end", end)
    return lease
  }

  const connect = (lease: Lease): Effect.Effect<void, HistoryStoreError> =>
    Effect.callback<void, HistoryStoreError>((resume) => {
      lease.client.connect((cause: Error | null) => {
        lease.busy = false
        lease.broken ||= cause !== null
        resume(cause === null ? Effect.void : failing(cause))
      })
    }).pipe(
      Effect.andThen(sessionOf(lease).query<{ readonly pid: number }>(settle)),
      Effect.map(([row]) => {
        lease.processId = row!.pid
      })
    )

  /** Ends a connection: with a farewell, or at once where the server may still be at work for it. */
  const disconnect = (lease: Lease): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (lease.processId !== undefined) own.delete(lease.processId)
      const cut = Effect.sync(() => void lease.client.connection.stream.destroy())
      if (lease.busy || lease.broken) return cut
      // Over a connection that has gone silent no farewell is ever answered.
      return Effect.callback<void>((resume) => lease.client.end(() => resume(Effect.void))).pipe(
        Effect.interruptible,
        Effect.timeoutOption(farewell),
        Effect.flatMap((said) => (Option.isSome(said) ? Effect.void : cut))
      )
    })

  const giveBack = (lease: Lease): Effect.Effect<void> => {
    if (lease.busy || lease.broken || lease.client.getTransactionStatus() !== "I") {
      // Something is not as it was: whatever the server was doing on it is rolled back.
      lease.broken = true
      return disconnect(lease)
    }
    idle.push(lease)
    return Effect.void
  }

  const withLease = <A, E>(work: (lease: Lease) => Effect.Effect<A, E>): Effect.Effect<A, E | HistoryStoreError> =>
    gate.withPermit(
      Effect.uninterruptibleMask((restore): Effect.Effect<A, E | HistoryStoreError> => {
        if (closed) return failing(undefined)
        const lent = idle.pop()
        if (lent !== undefined) return Effect.onExit(restore(work(lent)), () => giveBack(lent))
        const made = newLease()
        const first = Effect.flatMap(connect(made), () => {
          own.add(made.processId!)
          return work(made)
        })
        return Effect.onExit(restore(first), () => giveBack(made))
      })
    )

  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      closed = true
      // Waits for the work on connections that are lent.
      return gate.withPermits(poolSize)(Effect.suspend(() => Effect.forEach(idle, disconnect, { discard: true })))
    })
  )

  const transaction = <A, E>(work: Work<A, E>): Effect.Effect<A, E | HistoryStoreError> =>
    withLease((lease) => {
      const session = sessionOf(lease)
      return Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          yield* restore(session.query({ text: "BEGIN" }))
          const exit = yield* Effect.exit(restore(work(session)))
          if (Exit.isSuccess(exit)) yield* session.query({ text: "COMMIT" })
          // A connection in any other state is closed, which rolls back as well.
          else if (!lease.busy && !lease.broken) yield* Effect.exit(session.query({ text: "ROLLBACK" }))
          return yield* exit
        })
      )
    })

  const beside = Effect.gen(function* () {
    const lease = newLease()
    yield* Effect.addFinalizer(() => disconnect(lease))
    yield* connect(lease)
    return { ...sessionOf(lease), client: lease.client }
  })

  return {
    use: (work) => withLease((lease) => work(sessionOf(lease))),
    transaction,
    beside,
    isOwn: (processId) => own.has(processId)
  }
})
