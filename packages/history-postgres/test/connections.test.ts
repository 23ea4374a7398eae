/** Connections that end in the middle of something, work that is interrupted, and what others hear of it. */
import { assert, describe, it } from "@effect/vitest"
import * as HistoryPostgres from "@heph/history-postgres/HistoryPostgres"
import type { HeadConflict, HistoryStore, HistoryStoreError } from "@heph/history/HistoryStore"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { layFuse, lightFuse, putOutFuse } from "./fixtures/fuse.ts"
import { connectionsOf, freshSchema, session, sql, url } from "./fixtures/places.ts"
import { chunksOf, foldedOf, recordOf } from "./fixtures/records.ts"
import { wireTo } from "./fixtures/wire.ts"

type Store = HistoryStore["Service"]

const reasonOf = (error: HeadConflict | HistoryStoreError): string =>
  error._tag === "HistoryStoreError" ? error.reason : error._tag

const chain = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => ({ ...recordOf(from + i), parent: from + i - 1 }))

/** A store behind a wire, one beside it, and v1 … v10. */
const wired = Effect.gen(function* () {
  const schema = yield* freshSchema
  const wire = yield* wireTo(url)
  const store = yield* HistoryPostgres.make({ url: wire.url, schema, poolSize: 2 })
  const other = yield* HistoryPostgres.make({ url, schema, poolSize: 1 })
  yield* store.append(chain(1, 10), 0)
  return { schema, wire, store, other }
})

describe("an append whose answer is lost", () => {
  for (const [what, records] of [
    ["one version", chain(11, 11)],
    ["a batch", chain(11, 140)]
  ] as const) {
    it.live(`${what} that was written succeeds`, () =>
      Effect.gen(function* () {
        const { other, store, wire } = yield* wired
        wire.loseAnswerTo("version 11")
        assert.strictEqual(yield* store.append(records, 10), 10 + records.length)
        assert.deepStrictEqual(
          (yield* other.versions({ after: 10, limit: 500 })).map(({ message }) => message),
          records.map(({ message }) => message)
        )
        assert.deepStrictEqual(yield* other.verify, [])
        assert.strictEqual(
          yield* store.append(chain(11 + records.length, 11 + records.length), 10 + records.length),
          11 + records.length
        )
      })
    )
    it.live(`${what} that never arrived fails, changes nothing, and can be tried again`, () =>
      Effect.gen(function* () {
        const { other, store, wire } = yield* wired
        wire.loseRequest("version 11")
        const error = yield* Effect.flip(store.append(records, 10))
        assert.strictEqual(reasonOf(error), "Unavailable")
        assert.match(error.message, /nothing was changed, try again/)
        assert.strictEqual((yield* other.info).last, 10)
        // Another process knows the epoch before.
        assert.strictEqual(yield* other.append(records, 10), 10 + records.length)
        assert.deepStrictEqual(yield* other.verify, [])
      })
    )
  }
  it.live("that arrives after it was told to have failed does nothing", () =>
    Effect.gen(function* () {
      const { other, store, wire } = yield* wired
      wire.delay("version 11")
      const error = yield* Effect.flip(store.append(chain(11, 11), 10))
      assert.match(error.message, /nothing was changed, try again/)
      yield* Effect.promise(() => wire.deliver())
      assert.strictEqual((yield* other.info).last, 10)
      assert.deepStrictEqual(yield* other.verify, [])
      assert.strictEqual(yield* store.append(chain(11, 11), 10), 11)
    })
  )
  it.live("fails with the conflict where another was faster", () =>
    Effect.gen(function* () {
      const { other, store, wire } = yield* wired
      wire.loseRequest("version 11")
      wire.stayAway = false
      yield* other.append([{ ...recordOf(11), parent: 10, message: "faster" }], 10)
      const error = yield* Effect.flip(store.append(chain(11, 11), 10))
      assert.deepStrictEqual(error._tag === "HeadConflict" ? { ...error.found } : error, { head: 11, revision: 11 })
      assert.strictEqual((yield* store.versions({ ids: [11] }))[0]?.message, "faster")
    })
  )
  it.effect("fails and says that it may or may not be there, where the server stays away", () =>
    Effect.gen(function* () {
      const { other, store, wire } = yield* wired
      wire.stayAway = true
      wire.loseAnswerTo("version 11")
      const failing = yield* Effect.forkScoped(Effect.flip(store.append(chain(11, 11), 10)))
      const error = yield* Effect.raceFirst(Fiber.join(failing), passing)
      assert.strictEqual(reasonOf(error), "Unavailable")
      assert.match(error.message, /it may or may not be there/)
      assert.strictEqual((yield* other.info).last, 11)
    })
  )
  it.live("that the server is still at is waited for, and told as it ends", () =>
    Effect.gen(function* () {
      const { other, schema, store, wire } = yield* wired
      const holder = yield* session()
      yield* Effect.promise(() => holder.query(`BEGIN; SELECT FROM "${schema}".registries FOR UPDATE`))
      const appending = yield* Effect.forkScoped(store.append(chain(11, 11), 10))
      yield* waiting(schema, 1)
      wire.cut()
      // The server does not know that nobody listens any more; whoever looks waits in line behind it.
      yield* waiting(schema, 2)
      yield* Effect.promise(() => holder.query("COMMIT"))
      assert.strictEqual(yield* Fiber.join(appending), 11)
      assert.strictEqual((yield* other.versions({ ids: [11] })).length, 1)
      assert.deepStrictEqual(yield* other.verify, [])
    })
  )
})

/** Lets the clock of a test go on, so that what waits for it does not for long. */
const passing = Effect.forever(
  Effect.andThen(
    Effect.promise(() => import("effect/testing/TestClock")).pipe(
      Effect.flatMap((TestClock) => TestClock.adjust("1 second"))
    ),
    Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
  )
)

/** Until so many sessions wait for a lock of a schema. */
const waiting = (schema: string, count: number) =>
  Effect.repeat(
    sql<{ readonly waiting: number }>(
      `SELECT count(*)::int AS waiting FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1`,
      [`%"${schema}"%`]
    ),
    { until: ([row]) => row!.waiting >= count }
  )

describe("a connection that the server ends at any step", () => {
  /** What a store holds, apart from what nobody can tell the difference of. */
  const seen = Effect.fnUntraced(function* (store: Store) {
    const { tags, ...info } = yield* store.info
    const versions = yield* store.versions({ after: 0, limit: 1000 })
    return {
      ...info,
      tags: [...tags],
      versions: yield* Effect.forEach(versions, ({ changeset, ...fields }) =>
        Effect.map(changeset.bytes, (bytes) => ({ ...fields, size: bytes.length }))
      ),
      heads: yield* store.heads(0, 1000),
      loaded: yield* Effect.forEach(info.checkpoints, store.checkpoints.load)
    }
  })

  const steps = (
    what: string,
    least: number,
    act: (store: Store) => Effect.Effect<unknown, HeadConflict | HistoryStoreError>
  ) =>
    it.live(
      `${what}: nothing or all of it, nobody is in the way, and then it works`,
      () =>
        Effect.gen(function* () {
          const grown = Effect.gen(function* () {
            const schema = yield* freshSchema
            const store = yield* HistoryPostgres.make({ url, schema, poolSize: 2 })
            yield* store.append(chain(1, 10), 0)
            yield* store.checkpoints.save(2, chunksOf(2))
            yield* store.checkpoints.save(10, chunksOf(10))
            return { schema, store }
          })
          const whole = yield* Effect.scoped(
            Effect.gen(function* () {
              const { store } = yield* grown
              yield* act(store)
              return { ...(yield* seen(store)), created: 0 }
            })
          )
          let survived = 0
          for (let at = 1; ; at++) {
            const ended = yield* Effect.scoped(
              Effect.gen(function* () {
                const { schema, store } = yield* grown
                yield* layFuse(schema)
                const before = { ...(yield* seen(store)), created: 0 }
                yield* lightFuse(schema, at)
                const result = yield* Effect.result(act(store))
                const reached = yield* putOutFuse(schema)
                const after = { ...(yield* seen(store)), created: 0 }
                if (result._tag === "Failure") {
                  assert.strictEqual(reasonOf(result.failure), "Unavailable", result.failure.message)
                  assert.deepStrictEqual(after, before)
                  yield* act(store)
                } else {
                  survived++
                }
                assert.deepStrictEqual({ ...(yield* seen(store)), created: 0 }, whole)
                assert.deepStrictEqual(yield* store.verify, [])
                return reached < at
              })
            )
            if (ended) {
              assert.isAtLeast(at, least)
              break
            }
          }
          assert.isAtLeast(survived, 1)
        }),
      120_000
    )

  steps("append", 5, (store) => store.append(chain(11, 11), 10))
  steps("an append of a batch", 6, (store) => store.append(chain(11, 13), 10))
  steps("a move of head", 5, (store) => store.moveHead(3, 5, 10))
  steps("a tag", 3, (store) => store.tag("release", 4))
  steps("compaction", 12, (store) => store.compact({ drop: [[1, 3]], fold: [foldedOf(4, 0)], last: 10 }))
  steps("saving a checkpoint", 12, (store) => store.checkpoints.save(10, chunksOf(9)))
  steps("dropping one", 3, (store) => store.checkpoints.drop([2]))
})

describe("a connection that the server ended while nobody used it", () => {
  it.live("is replaced, and what was asked on it is Unavailable at worst", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      const marked = `${url}?application_name=${encodeURIComponent(schema)}`
      const store = yield* HistoryPostgres.make({ url: marked, schema, poolSize: 3 })
      yield* store.append([recordOf(1)], 0)
      for (let time = 0; time < 5; time++) {
        yield* sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1", [schema])
        const info = yield* Effect.retry(store.info, { while: ({ isRetryable }) => isRetryable, times: 5 })
        assert.strictEqual(info.last, 1)
      }
      assert.strictEqual(yield* store.append([recordOf(2)], 1), 2)
    })
  )
})

describe("work that is interrupted", () => {
  it.live("leaves no connection in a transaction, and none lost", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      const marked = `${url}?application_name=${encodeURIComponent(schema)}`
      const store = yield* HistoryPostgres.make({ url: marked, schema, poolSize: 2 })
      yield* store.append(chain(1, 10), 0)
      const holder = yield* session()
      yield* Effect.promise(() => holder.query(`BEGIN; SELECT FROM "${schema}".registries FOR UPDATE`))
      const works: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
        store.tag("a", 1),
        store.moveHead(1, 1, 10),
        store.checkpoints.save(10, chunksOf(10)),
        store.compact({ drop: [[1, 3]], fold: [foldedOf(4, 0)], last: 10 })
      ]
      for (const work of works) {
        const fiber = yield* Effect.forkScoped(work)
        yield* waiting(schema, 1)
        yield* Fiber.interrupt(fiber)
        // The server may wait on for a lock that nobody wants.
        yield* sql(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'`,
          [schema]
        )
      }
      yield* Effect.promise(() => holder.query("ROLLBACK"))
      // Both places of the pool are free, and what they lend is fit for work.
      yield* Effect.all(
        Array.from({ length: 6 }, () => store.info),
        { concurrency: "unbounded" }
      )
      const idle = yield* sql(
        "SELECT state FROM pg_stat_activity WHERE application_name = $1 AND state LIKE 'idle in transaction%'",
        [schema]
      )
      assert.deepStrictEqual(idle, [])
      assert.deepStrictEqual([...(yield* store.info).tags], [])
      assert.strictEqual(yield* store.append(chain(11, 11), 10), 11)
      assert.deepStrictEqual(yield* store.verify, [])
    })
  )
  it.live("at any moment, many at once: whatever was acknowledged is there, once", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      const store = yield* HistoryPostgres.make({ url, schema, poolSize: 2 })
      let acknowledged = 0
      const writer = Effect.gen(function* () {
        while (true) {
          const { last, revision } = yield* store.info
          const record = { ...recordOf(last + 1), parent: last }
          const written = yield* Effect.result(store.append([record], revision))
          if (written._tag === "Success") acknowledged = Math.max(acknowledged, record.id)
        }
      })
      for (let time = 0; time < 60; time++) {
        const fibers = yield* Effect.forEach([1, 2, 3], () => Effect.forkScoped(writer))
        for (let turn = 0; turn < time; turn++)
          yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        yield* Fiber.interruptAll(fibers)
      }
      const { last, revision } = yield* store.info
      assert.isAtLeast(last, acknowledged)
      assert.strictEqual(revision, last)
      assert.deepStrictEqual(yield* store.verify, [])
    })
  )
})

describe("changes", () => {
  /** What a stream tells, one by one. */
  const listening = Effect.fnUntraced(function* (store: Store) {
    const signals = yield* Queue.unbounded<number>()
    const fiber = yield* Effect.forkScoped(Stream.runForEach(store.changes, () => Queue.offer(signals, 1)))
    return { next: Queue.take(signals), waiting: Queue.size(signals), fiber }
  })

  it.live("tells of each sort of write of another store, and not of its own", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      const one = yield* HistoryPostgres.make({ url, schema })
      const two = yield* HistoryPostgres.make({ url, schema })
      const elsewhere = yield* HistoryPostgres.make({ url, schema, registry: "elsewhere" })
      const { next, waiting } = yield* listening(one)
      yield* next
      const writes: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
        two.append(chain(1, 1), 0),
        two.append(chain(2, 10), 1),
        two.moveHead(3, 5, 10),
        two.tag("a", 1),
        two.tag("a", null),
        two.checkpoints.save(2, chunksOf(2)),
        two.checkpoints.drop([2]),
        two.compact({ drop: [[1, 2]], fold: [foldedOf(3, 0)], last: 10 })
      ]
      for (const write of writes) {
        yield* write
        yield* next
      }
      yield* one.append(chain(11, 11), 11)
      yield* elsewhere.append(chain(1, 1), 0)
      // Notifications of one session come in order: when this one is there, those before it were.
      yield* two.tag("last", 4)
      yield* next
      assert.strictEqual(yield* waiting, 0)
    })
  )
  it.live("is one connection for all who listen, and none when nobody does", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      const marked = `${url}?application_name=${encodeURIComponent(schema)}`
      const store = yield* HistoryPostgres.make({ url: marked, schema, poolSize: 1 })
      const listeners = yield* Effect.forEach([1, 2, 3], () => listening(store))
      for (const { next } of listeners) yield* next
      assert.strictEqual(yield* connectionsOf(schema), 2)
      const late = yield* listening(store)
      yield* late.next
      assert.strictEqual(yield* connectionsOf(schema), 2)
      yield* Fiber.interruptAll([late.fiber, ...listeners.map(({ fiber }) => fiber)])
      yield* Effect.repeat(connectionsOf(schema), { until: (count) => count === 1 })
    })
  )
  it.live("signals after each lost connection, when it is there again", () =>
    Effect.gen(function* () {
      const { other, store, wire } = yield* wired
      const { next } = yield* listening(store)
      yield* next
      for (let id = 11; id < 14; id++) {
        wire.cut()
        yield* other.append(chain(id, id), id - 1)
        yield* next
        assert.isAtLeast((yield* Effect.retry(store.info, { times: 5 })).last, id)
      }
    })
  )
  it.live("fails where it never will connect again", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      const role = `listener ${process.pid}`
      yield* sql(`CREATE ROLE "${role}" LOGIN; CREATE SCHEMA "${schema}" AUTHORIZATION "${role}"`)
      const to = new URL(url)
      to.username = encodeURIComponent(role)
      const store = yield* HistoryPostgres.make({ url: to.toString(), schema })
      const { fiber, next } = yield* listening(store)
      yield* next
      yield* sql(
        `ALTER ROLE "${role}" NOLOGIN; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '${role}'`
      )
      const error = yield* Effect.flip(Fiber.join(fiber))
      assert.strictEqual(error.reason, "NotFound")
      yield* sql(`DROP OWNED BY "${role}" CASCADE; DROP ROLE "${role}"`)
    })
  )
})
