/** A server of its own, which waits for its disk: it is stopped as by a crash, and asks for passwords. */
import { assert, describe, it } from "@effect/vitest"
import * as HistoryPostgres from "@heph/history-postgres/HistoryPostgres"
import type { HeadConflict, HistoryStore, HistoryStoreError } from "@heph/history/HistoryStore"
import { launch, type Server } from "@heph/test-postgres/server"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { afterAll, beforeAll } from "vitest"
import { adding, blobOf, open } from "./fixtures/contents.ts"
import { refusal, sql } from "./fixtures/places.ts"
import { run } from "./fixtures/processes.ts"
import { chunksOf, recordOf } from "./fixtures/records.ts"

type Store = HistoryStore["Service"]

let server: Server

beforeAll(async () => {
  server = await launch({ durable: true })
}, 60_000)

afterAll(() => server.close())

/** That there is one chain of versions which hold what their numbers say, each that was acknowledged by whom it was. */
const isOneChain = Effect.fnUntraced(function* (store: Store, acknowledged: ReadonlyMap<number, string>) {
  const { head, last, revision } = yield* store.info
  assert.deepStrictEqual({ head, revision }, { head: last, revision: last })
  const versions = yield* store.versions({ after: 0, limit: last + 1 })
  assert.deepStrictEqual(
    versions.map(({ id, parent }) => [id, parent]),
    Array.from({ length: last }, (_, i) => [i + 1, i])
  )
  for (const { author, changeset, id } of versions) {
    assert.strictEqual(author, acknowledged.get(id) ?? author, `v${id}`)
    assert.deepStrictEqual(yield* changeset.bytes, yield* recordOf(id).changeset.bytes)
  }
  assert.deepStrictEqual(yield* store.verify, [])
  return last
})

describe("a server that is stopped at once and started again, three times", () => {
  it.live(
    "loses nothing that was acknowledged; four writers at once end in one chain, and followers go on",
    () =>
      Effect.gen(function* () {
        const acknowledged = new Map<number, string>()
        const open = HistoryPostgres.make({ url: server.url, schema: "crash", poolSize: 2 })
        const writer = Effect.fnUntraced(function* (name: string, until: () => boolean) {
          const store = yield* open
          while (!until()) {
            const seen = yield* Effect.result(store.info)
            if (seen._tag === "Failure") {
              assert.isTrue(seen.failure.isRetryable, seen.failure.message)
              yield* Effect.sleep("20 millis")
              continue
            }
            const { last, revision } = seen.success
            const written = yield* Effect.result(
              store.append([{ ...recordOf(last + 1), parent: last, author: name }], revision)
            )
            if (written._tag === "Success") acknowledged.set(last + 1, name)
            else if (written.failure._tag === "HistoryStoreError") {
              assert.isTrue(written.failure.isRetryable, written.failure.message)
            }
          }
        })
        const follower = yield* open
        let followed = 0
        const caughtUp = yield* Deferred.make<void>()
        let end = Infinity
        yield* Effect.forkScoped(
          Stream.runForEach(follower.changes, () =>
            Effect.gen(function* () {
              const versions = yield* follower.versions({ after: followed, limit: 10_000 })
              for (const { id } of versions) {
                assert.strictEqual(id, followed + 1)
                followed = id
              }
              if (followed >= end) yield* Deferred.succeed(caughtUp, undefined)
            }).pipe(Effect.retry({ while: ({ isRetryable }) => isRetryable, schedule: Schedule.spaced("20 millis") }))
          )
        )
        let ended = false
        const writers = yield* Effect.forEach(["a", "b", "c", "d"], (name) =>
          Effect.forkScoped(writer(name, () => ended))
        )
        const grown = (by: number) => {
          const from = acknowledged.size
          return Effect.repeat(Effect.sleep("5 millis"), { until: () => acknowledged.size >= from + by })
        }
        for (let time = 0; time < 3; time++) {
          yield* grown(40)
          yield* Effect.promise(server.stopImmediately)
          yield* Effect.promise(server.start)
        }
        yield* grown(40)
        ended = true
        for (const fiber of writers) yield* Fiber.join(fiber)
        const last = yield* isOneChain(yield* open, acknowledged)
        end = last
        assert.isAtLeast(last, acknowledged.size)
        // The last signal may have come before `end` was known.
        yield* (yield* open).tag("end", last)
        yield* Deferred.await(caughtUp)
        assert.strictEqual(followed, last)
      }),
    60_000
  )
})

describe("four processes, two of them killed again and again", () => {
  it.live(
    "end in one chain, with what each of them acknowledged",
    () =>
      Effect.gen(function* () {
        const acknowledged = new Map<number, string>()
        const script = new URL("./fixtures/writer.ts", import.meta.url)
        let kills = 0
        const life = (name: string, killAfter: number | undefined): Effect.Effect<void> =>
          Effect.gen(function* () {
            let written = 0
            const { code, signal, stderr } = yield* run(script, [server.url, "killed", name, "400"], (line, kill) => {
              acknowledged.set(Number(line), name)
              if (++written === killAfter) kill()
            })
            if (signal !== "SIGKILL") return assert.strictEqual(code, 0, stderr)
            kills++
            return yield* life(name, killAfter === undefined || kills > 6 ? undefined : killAfter + 3)
          })
        yield* Effect.all([life("a", undefined), life("b", undefined), life("c", 5), life("d", 11)], {
          concurrency: "unbounded"
        })
        assert.isAtLeast(kills, 2)
        const store = yield* HistoryPostgres.make({ url: server.url, schema: "killed" })
        assert.isAtLeast(yield* isOneChain(store, acknowledged), 400)
      }),
    60_000
  )
})

describe("a save of a checkpoint that a crash of the server ends", () => {
  it.live("leaves the checkpoint before it, and its chunks are swept later", () =>
    Effect.gen(function* () {
      const store = yield* HistoryPostgres.make({ url: server.url, schema: "saves" })
      yield* store.checkpoints.save(0, chunksOf(1))
      let stopped: Promise<void> | undefined
      const produce = function* () {
        yield* chunksOf(2)
        stopped = server.stopImmediately()
        yield* chunksOf(3)
      }
      const error = yield* Effect.flip(
        Effect.flatMap(store.checkpoints.save(0, produce()), () => Effect.promise(() => stopped ?? Promise.resolve()))
      )
      assert.strictEqual(error.reason, "Unavailable")
      yield* Effect.promise(async () => {
        await stopped
        await server.start()
      })
      assert.deepStrictEqual(
        yield* Effect.retry(store.checkpoints.load(0), { while: ({ isRetryable }) => isRetryable, times: 10 }),
        chunksOf(1)
      )
      const chunks = sql(
        `SELECT count(DISTINCT save)::int AS saves, count(*)::int AS chunks FROM saves.chunks`,
        [],
        server.url
      )
      assert.notDeepEqual(yield* chunks, [{ saves: 1, chunks: 4 }])
      yield* store.compact({ drop: [], fold: [], last: 0 })
      assert.notDeepEqual(yield* chunks, [{ saves: 1, chunks: 4 }], "a save that may still go on is left alone")
      yield* sql("UPDATE saves.chunks SET written = written - interval '11 minutes'", [], server.url)
      yield* store.compact({ drop: [], fold: [], last: 0 })
      assert.deepStrictEqual(yield* chunks, [{ saves: 1, chunks: 4 }])
      assert.deepStrictEqual(yield* store.verify, [])
    })
  )
})

describe("contents under a hold, and a server that is stopped before they are on its disk", () => {
  it.live(
    "are lost, and so is the append that was to name them: no version is without its contents",
    () =>
      Effect.gen(function* () {
        yield* sql("ALTER SYSTEM SET wal_writer_delay = '10s'", [], server.url)
        yield* sql("SELECT pg_reload_conf()", [], server.url)
        const { blobs: content, history } = yield* open("held", { url: server.url, poolSize: 1 })
        const again = <A>(work: Effect.Effect<A, HistoryStoreError | HeadConflict>) =>
          Effect.retry(work, {
            while: (error) => error._tag === "HistoryStoreError" && !/lost contents/.test(error.message),
            schedule: Schedule.spaced("20 millis")
          })
        let lost = 0
        for (let round = 1; lost === 0 && round <= 20; round++) {
          const { last } = yield* again(history.info)
          const blob = blobOf(round)
          // The one who writes the log for others has done so a moment ago.
          yield* sql("SET synchronous_commit = off; CREATE TABLE IF NOT EXISTS held.any (n int)", [], server.url)
          yield* again(content.write({ ...adding(blob), hold: { holder: `${round}`, until: 9e14 } }))
          const { settled } = yield* content.totals(1e15)
          yield* Effect.promise(server.stopImmediately)
          yield* Effect.promise(server.start)
          const append = history.append([{ ...recordOf(last + 1), parent: last }], last)
          const appended = yield* Effect.result(again(append))
          const isThere = (yield* again(content.heads({ hashes: [blob.hash] }))).length === 1
          assert.strictEqual(appended._tag, isThere ? "Success" : "Failure")
          if (!isThere) {
            lost++
            assert.strictEqual((yield* history.info).last, last)
            yield* content.write({ ...adding(blob), hold: { holder: "again", until: 9e14 } })
            yield* content.hold(`${round}`, null)
            yield* append
            // A sweep that began before the stop leaves it alone.
            for (const { touched } of yield* content.heads({ hashes: [blob.hash] })) assert.isAbove(touched, settled)
          }
        }
        assert.strictEqual(lost, 1)
      }),
    60_000
  )
})

describe("a password", () => {
  it.live("that is wrong or missing is told clearly, and not shown", () =>
    Effect.gen(function* () {
      const password = "s€cret/?#@:%'\" x"
      yield* sql(
        `CREATE ROLE guarded LOGIN PASSWORD ${"'" + password.replaceAll("'", "''") + "'"};
         CREATE SCHEMA guarded AUTHORIZATION guarded;
         CREATE TABLE public.hba (line text);
         INSERT INTO public.hba VALUES ('host all guarded all scram-sha-256'), ('host all all all trust')`,
        [],
        server.url
      )
      const [{ file }] = (yield* sql("SELECT current_setting('hba_file') AS file", [], server.url)) as [
        { file: string }
      ]
      yield* sql(`COPY public.hba TO '${file}'; SELECT pg_reload_conf()`, [], server.url)
      const { host } = new URL(server.url)
      const options = (password: string) => ({
        url: `postgres://guarded${password}@${host}/postgres`,
        schema: "guarded"
      })
      // The server reads its file again in its own time.
      const wrong = yield* Effect.repeat(
        Effect.result(Effect.flip(Effect.scoped(HistoryPostgres.make(options(":wr0ng"))))),
        { until: ({ _tag }) => _tag === "Success" }
      )
      const errors = [
        ...(wrong._tag === "Success" ? [wrong.success] : []),
        yield* refusal(options("")),
        yield* refusal(options(`:${encodeURIComponent(password)}x`))
      ]
      assert.lengthOf(errors, 3)
      for (const error of errors) {
        assert.strictEqual(error.reason, "NotFound", error.message)
        assert.isFalse(error.isRetryable)
        assert.match(error.message, /does not let this user in/)
        assert.strictEqual(error.store, `postgres://guarded@${host}/postgres`)
        for (const text of ["wr0ng", password, encodeURIComponent(password)]) assert.notInclude(error.message, text)
      }
      const store = yield* HistoryPostgres.make(options(`:${encodeURIComponent(password)}`))
      assert.strictEqual(yield* store.append([recordOf(1)], 0), 1)
    })
  )
})
