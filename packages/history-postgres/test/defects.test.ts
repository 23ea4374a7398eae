/**
 * Mistakes that another registry's history makes, one test for each that a store decides. B20 is in `schema.test.ts`,
 * B24 in `damage.test.ts`. Not a store's: B7 to B10, B13, B21 to B23 and B25 to B27 (paths, replay and boot are above it),
 * B17 (operations are made whole before), B18 (who chooses a store).
 */
import { assert, describe, it } from "@effect/vitest"
import * as Operation from "@heph/changeset/Operation"
import * as Entry from "@heph/entry/Entry"
import * as HistoryPostgres from "@heph/history-postgres/HistoryPostgres"
import * as Packed from "@heph/history/Packed"
import * as Effect from "effect/Effect"
import { freshSchema, refusal, sql, url } from "./fixtures/places.ts"
import { foldedOf, recordOf } from "./fixtures/records.ts"

const opened = Effect.flatMap(freshSchema, (schema) => HistoryPostgres.make({ url, schema }))

describe("a history in PostgreSQL", () => {
  it.effect("B1: after head went back and the store was opened again, no id is used twice", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* HistoryPostgres.make({ url, schema })
          yield* store.append([recordOf(1), recordOf(2), recordOf(3)], 0)
          yield* store.moveHead(1, 1, 3)
        })
      )
      const store = yield* HistoryPostgres.make({ url, schema })
      const { head, last } = yield* store.info
      assert.deepStrictEqual({ head, last }, { head: 1, last: 3 })
      const again = yield* Effect.flip(store.append([{ ...recordOf(2), message: "another v2" }], 4))
      assert.strictEqual(again._tag === "HistoryStoreError" ? again.reason : again._tag, "NotFound")
      yield* store.append([{ ...recordOf(4), parent: 1 }], 4)
      assert.deepStrictEqual(
        (yield* store.versions({ after: 0, limit: 9 })).map(({ id, message }) => [id, message]),
        [1, 2, 3, 4].map((id) => [id, `version ${id}`])
      )
    })
  )
  it.effect("B2: a head that cannot be read is an error, and never an empty history", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      yield* Effect.scoped(
        Effect.flatMap(HistoryPostgres.make({ url, schema }), (store) => store.append([recordOf(1)], 0))
      )
      yield* sql(`UPDATE "${schema}".registries SET head = 0, revision = 0, last = 0`)
      assert.strictEqual((yield* refusal({ url, schema })).reason, "Corrupt")
      assert.deepStrictEqual(yield* sql(`SELECT id::int FROM "${schema}".versions`), [{ id: 1 }])
    })
  )
  it.effect("B3: never replaces a version, whatever a writer believes the next one is", () =>
    Effect.gen(function* () {
      const store = yield* opened
      yield* store.append([recordOf(1), recordOf(2)], 0)
      const usurper = { ...recordOf(3), id: 2, parent: 1, message: "another v2" }
      const stale = yield* Effect.flip(store.append([usurper], 1))
      assert.strictEqual(stale._tag, "HeadConflict")
      const wrong = yield* Effect.flip(store.append([usurper], 2))
      assert.strictEqual(wrong._tag === "HistoryStoreError" ? wrong.reason : wrong._tag, "NotFound")
      const [v2] = yield* store.versions({ ids: [2] })
      assert.strictEqual(v2?.message, recordOf(2).message)
      assert.deepStrictEqual(yield* v2!.changeset.bytes, yield* recordOf(2).changeset.bytes)
    })
  )
  it.effect("B4: refuses head at a version that does not exist, and head stays readable", () =>
    Effect.gen(function* () {
      const store = yield* opened
      yield* store.append([recordOf(1)], 0)
      const error = yield* Effect.flip(store.moveHead(77, 1, 1))
      assert.strictEqual(error._tag === "HistoryStoreError" ? error.reason : error._tag, "NotFound")
      assert.strictEqual((yield* store.info).head, 1)
    })
  )
  it.effect("B5: refuses a parent that is not stored, and everything stays readable", () =>
    Effect.gen(function* () {
      const store = yield* opened
      yield* store.append([recordOf(1)], 0)
      const error = yield* Effect.flip(store.append([{ ...recordOf(2), parent: 42 }], 1))
      assert.strictEqual(error._tag === "HistoryStoreError" ? error.reason : error._tag, "NotFound")
      assert.strictEqual(yield* store.append([recordOf(2)], 1), 2)
      assert.deepStrictEqual(
        (yield* store.versions({ after: 0, limit: 10 })).map(({ id, parent }) => [id, parent]),
        [
          [1, 0],
          [2, 1]
        ]
      )
    })
  )
  it.effect("B6: readers and a writer at once, on one connection each, do not wait for each other for ever", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      const stores = yield* Effect.forEach([1, 2], () => HistoryPostgres.make({ url, schema, poolSize: 1 }))
      const reader = Effect.gen(function* () {
        let seen = 0
        while (seen < 60) {
          for (const store of stores) {
            const { head, last } = yield* store.info
            assert.isAtLeast(last, seen)
            seen = last
            assert.lengthOf(yield* store.versions({ ids: [head] }), head === 0 ? 0 : 1)
          }
        }
      })
      const writer = Effect.gen(function* () {
        for (let id = 1; id <= 60; id++) yield* stores[id % 2]!.append([{ ...recordOf(id), parent: 0 }], id - 1)
      })
      yield* Effect.all([reader, reader, reader, reader, writer], { concurrency: "unbounded" })
      assert.strictEqual((yield* stores[0]!.info).last, 60)
    })
  )
  it.effect("B11: an append that is refused uses up no id", () =>
    Effect.gen(function* () {
      const store = yield* opened
      yield* store.append([recordOf(1)], 0)
      yield* Effect.flip(store.append([recordOf(2), { ...recordOf(3), parent: 9 }], 1))
      assert.strictEqual((yield* store.info).last, 1)
      assert.strictEqual(yield* store.append([recordOf(2)], 1), 2)
    })
  )
  it.effect("B12: what compaction drops takes no room any more", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      const store = yield* HistoryPostgres.make({ url, schema })
      const chain = Array.from({ length: 700 }, (_, i) => ({ ...recordOf(i + 1), parent: i }))
      yield* store.append(chain, 0)
      yield* store.compact({ drop: [[1, 650]], fold: [foldedOf(651, 0)], last: 700 })
      const rows = yield* sql(`SELECT count(*)::int AS rows, min(id)::int AS first FROM "${schema}".versions`)
      assert.deepStrictEqual(rows, [{ rows: 50, first: 651 }])
      assert.deepStrictEqual(yield* sql(`SELECT leftover::text FROM "${schema}".compacted`), [{ leftover: "{}" }])
      assert.deepStrictEqual(yield* store.verify, [])
    })
  )
  it.effect("B14: lists versions in the order of their ids, each time", () =>
    Effect.gen(function* () {
      const store = yield* opened
      const versions = Array.from({ length: 30 }, (_, i) => ({ ...recordOf(i + 1), parent: i % 3 }))
      for (const [revision, version] of versions.entries()) yield* store.append([version], revision)
      for (let time = 0; time < 20; time++) {
        assert.deepStrictEqual(
          (yield* store.versions({ after: 0, limit: 100 })).map(({ id }) => id),
          versions.map(({ id }) => id)
        )
      }
    })
  )
  it.effect("B15: keeps the type of every value: bytes, dates, floats, integers beyond 2^53", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      const data = {
        bytes: new Uint8Array([0, 255, 0xc3, 0x28]),
        date: new Date("1969-07-20T20:17:40.123Z"),
        float: 0.1,
        whole: 3,
        large: 9_007_199_254_740_993n,
        smallest: -(2n ** 63n)
      }
      const entry = Entry.makeUnsafe({ id: "test:values", kind: "test.kind", data })
      const changeset = Packed.fromChangeSet([Operation.create(entry)])
      yield* Effect.scoped(
        Effect.flatMap(HistoryPostgres.make({ url, schema }), (store) =>
          store.append([{ ...recordOf(1), changeset }], 0)
        )
      )
      const store = yield* HistoryPostgres.make({ url, schema })
      const [v1] = yield* store.versions({ ids: [1] })
      const [operation] = yield* v1!.changeset.value
      assert.deepStrictEqual(operation?.op === "create" ? operation.entry.data : operation, data)
    })
  )
  it.effect("B16: is not changed by what a caller does to the version, the chunks or the answer it holds", () =>
    Effect.gen(function* () {
      const store = yield* opened
      const version = { ...recordOf(1) }
      yield* store.append([version], 0)
      version.message = "changed"
      const chunk = new Uint8Array([1, 2, 3])
      yield* store.checkpoints.save(1, [chunk])
      chunk.fill(9)
      const [answer] = yield* store.versions({ ids: [1] })
      ;(yield* answer!.changeset.bytes).fill(9)
      const [v1] = yield* store.versions({ ids: [1] })
      assert.strictEqual(v1?.message, recordOf(1).message)
      assert.deepStrictEqual(yield* v1!.changeset.bytes, yield* recordOf(1).changeset.bytes)
      assert.deepStrictEqual(yield* store.checkpoints.load(1), [new Uint8Array([1, 2, 3])])
    })
  )
  it.effect(
    "B19: a user and a password may hold any character, percent-encoded, and a database what the driver can name",
    () =>
      Effect.gen(function* () {
        const user = `user ?#/@:%'"\\é ${process.pid}`
        const database = `database %'"\\é ${process.pid}`
        const quote = (name: string) => `"${name.replaceAll('"', '""')}"`
        yield* Effect.acquireRelease(sql(`CREATE ROLE ${quote(user)} LOGIN`), () => sql(`DROP ROLE ${quote(user)}`))
        yield* Effect.acquireRelease(sql(`CREATE DATABASE ${quote(database)} OWNER ${quote(user)}`), () =>
          sql(`DROP DATABASE ${quote(database)} (FORCE)`)
        )
        const encoded = encodeURIComponent(user)
        const server = `postgres://${encoded}:${encoded}@${new URL(url).host}`
        const store = yield* HistoryPostgres.make({ url: `${server}/${encodeURIComponent(database)}` })
        assert.strictEqual(yield* store.append([recordOf(1)], 0), 1)
        const error = yield* refusal({ url: `${server}/what%3F` })
        assert.strictEqual(error.reason, "Unsupported")
        assert.match(error.message, /driver cannot name a database/)
      })
  )
})
