/** How a database gets its tables: all of them or nothing, once, and later ones on top. */
import { assert, describe, it } from "@effect/vitest"
import * as HistoryPostgres from "@heph/history-postgres/HistoryPostgres"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as TestClock from "effect/testing/TestClock"
import { type Migration, migrations } from "../src/internal/schema.ts"
import { makeWith } from "../src/internal/store.ts"
import { freshSchema, sql, url } from "./fixtures/places.ts"
import { recordOf } from "./fixtures/records.ts"

/** What a later version of the package might do: a column, filled for the rows that are there. */
const addSize: Migration = (schema) =>
  `ALTER TABLE ${schema}.versions ADD COLUMN size bigint; UPDATE ${schema}.versions SET size = length(bytes)`
const fails: Migration = (schema) => `${addSize(schema)}; SELECT 1 / 0`

const versionOf = (schema: string) => sql(`SELECT schema FROM "${schema}".heph_store`)
const relations = (schema: string) =>
  sql("SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = $1", [schema])

describe("schema migrations", () => {
  it.effect("a new registry is as old as the clock says", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      yield* TestClock.setTime(1_234_567_890_123)
      const store = yield* HistoryPostgres.make({ url, schema })
      assert.strictEqual((yield* store.info).created, 1_234_567_890_123)
      assert.deepStrictEqual(yield* versionOf(schema), [{ schema: migrations.length }])
    })
  )
  it.effect("of ten that make it at once one does, and all find the same", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      const stores = yield* Effect.forEach(
        Array.from({ length: 10 }, (_, i) => i),
        () => HistoryPostgres.make({ url, schema, poolSize: 1 }),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(yield* versionOf(schema), [{ schema: migrations.length }])
      yield* stores[0]!.append([recordOf(1)], 0)
      for (const store of stores) assert.strictEqual((yield* store.info).last, 1)
      assert.deepStrictEqual(yield* stores[9]!.verify, [])
    })
  )
  it.effect("a store is brought to the next version with everything in it, once, by whoever comes", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      const now = migrations.length
      yield* Effect.scoped(
        Effect.flatMap(makeWith({ url, schema }, migrations), (store) => store.append([recordOf(1), recordOf(2)], 0))
      )
      const error = yield* Effect.flip(makeWith({ url, schema, readOnly: true }, [...migrations, addSize]))
      assert.strictEqual(error.reason, "ReadOnly")
      assert.include(error.message, `has version ${now} and must be brought to ${now + 1}; open it once for writing`)
      const stores = yield* Effect.all(
        Array.from({ length: 6 }, () => makeWith({ url, schema }, [...migrations, addSize])),
        { concurrency: "unbounded" }
      )
      for (const store of stores) {
        const [v1] = yield* store.versions({ ids: [1] })
        assert.deepStrictEqual(yield* v1!.changeset.bytes, yield* recordOf(1).changeset.bytes)
      }
      assert.deepStrictEqual(yield* versionOf(schema), [{ schema: now + 1 }])
      assert.deepStrictEqual(yield* sql(`SELECT count(size)::int AS filled FROM "${schema}".versions`), [{ filled: 2 }])
      // The package of the version before now leaves it alone.
      assert.strictEqual((yield* Effect.flip(makeWith({ url, schema }, migrations))).reason, "NewerSchema")
    })
  )
  it.effect("a migration that fails half-way leaves the store at its version, and working", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      const store = yield* HistoryPostgres.make({ url, schema })
      yield* store.append([recordOf(1)], 0)
      const before = yield* relations(schema)
      const exit = yield* Effect.exit(Effect.scoped(makeWith({ url, schema }, [...migrations, fails])))
      assert.isTrue(Exit.isFailure(exit))
      assert.deepStrictEqual(yield* relations(schema), before)
      assert.deepStrictEqual(yield* versionOf(schema), [{ schema: migrations.length }])
      assert.strictEqual(yield* store.append([recordOf(2)], 1), 2)
    })
  )
  it.effect("B20: making a store that fails half-way leaves nothing of one, and it can be made again", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      const exit = yield* Effect.exit(Effect.scoped(makeWith({ url, schema }, [...migrations, fails])))
      assert.isTrue(Exit.isFailure(exit))
      assert.deepStrictEqual(yield* sql("SELECT FROM pg_namespace WHERE nspname = $1", [schema]), [])
      const store = yield* HistoryPostgres.make({ url, schema })
      assert.strictEqual((yield* store.info).head, 0)
      assert.deepStrictEqual(yield* store.verify, [])
    })
  )
})
