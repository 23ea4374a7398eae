/** How a file gets its schema: all of it or nothing, and later ones on top. */
import * as fs from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as HistorySqlite from "@heph/history-sqlite/HistorySqlite"
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as TestClock from "effect/testing/TestClock"
import { applicationId, type Migration, migrations } from "../src/internal/schema.ts"
import { makeWith } from "../src/internal/store.ts"
import { temporaryFile } from "./fixtures/files.ts"
import { recordOf } from "./fixtures/records.ts"

/** What a later version of the package might do: a column, filled for the rows that are there. */
const addSize: Migration = (database) => {
  database.exec("ALTER TABLE versions ADD COLUMN size INTEGER")
  database.exec("UPDATE versions SET size = (SELECT length(bytes) FROM changesets WHERE version = id)")
}
const fails: Migration = (database) => {
  addSize(database, 0)
  throw new Error("the power went out")
}

const marks = (filename: string) => {
  const database = new Sqlite(filename, { readonly: true })
  const pragma = (name: string) => database.pragma(name, { simple: true }) as number
  const tables = database.prepare("SELECT count(*) FROM sqlite_schema").pluck().get()
  const found = { application: pragma("application_id"), schema: pragma("user_version"), empty: tables === 0 }
  database.close()
  return found
}

describe("schema migrations", () => {
  it.effect("a new file is marked as a registry of the newest schema, as old as the clock says", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* TestClock.setTime(1_234_567_890_123)
      const info = yield* Effect.scoped(Effect.flatMap(HistorySqlite.make({ filename }), (store) => store.info))
      assert.strictEqual(info.created, 1_234_567_890_123)
      assert.deepStrictEqual(marks(filename), {
        application: applicationId,
        schema: migrations.length,
        empty: false
      })
    })
  )
  it.effect(
    "a store is brought to a schema that a later version of the package adds, with everything in it, once",
    () =>
      Effect.gen(function* () {
        const filename = yield* temporaryFile
        const options = { filename }
        const known = migrations.length
        yield* Effect.scoped(
          Effect.flatMap(makeWith(options, migrations), (store) => store.append([recordOf(1), recordOf(2)], 0))
        )
        const error = yield* Effect.flip(makeWith({ ...options, readOnly: true }, [...migrations, addSize]))
        assert.strictEqual(error.reason, "ReadOnly")
        assert.match(error.message, /schema 3 .* brought to 4; open it once for writing/)
        for (const revision of [2, 3]) {
          yield* Effect.scoped(
            Effect.gen(function* () {
              const store = yield* makeWith(options, [...migrations, addSize])
              const [v1] = yield* store.versions({ ids: [1] })
              assert.deepStrictEqual(yield* v1!.changeset.bytes, yield* recordOf(1).changeset.bytes)
              assert.strictEqual(yield* store.append([recordOf(revision + 1)], revision), revision + 1)
            })
          )
          assert.deepStrictEqual(marks(filename), { application: applicationId, schema: known + 1, empty: false })
        }
        // The package of today now leaves it alone.
        assert.strictEqual((yield* Effect.flip(makeWith(options, migrations))).reason, "NewerSchema")
      })
  )
  it.effect("a migration that fails half-way leaves the store at its schema, and working", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* Effect.scoped(Effect.flatMap(HistorySqlite.make({ filename }), (store) => store.append([recordOf(1)], 0)))
      const before = fs.readFileSync(filename)
      assert.isTrue(Exit.isFailure(yield* Effect.exit(Effect.scoped(makeWith({ filename }, [...migrations, fails])))))
      assert.isTrue(before.equals(fs.readFileSync(filename)))
      const store = yield* HistorySqlite.make({ filename })
      assert.strictEqual(yield* store.append([recordOf(2)], 1), 2)
      assert.deepStrictEqual(yield* store.verify, [])
    })
  )
  it.effect("B20: making a store that fails half-way leaves nothing of one, and it can be made again", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      assert.isTrue(Exit.isFailure(yield* Effect.exit(Effect.scoped(makeWith({ filename }, [...migrations, fails])))))
      assert.deepStrictEqual(marks(filename), { application: 0, schema: 0, empty: true })
      const store = yield* HistorySqlite.make({ filename })
      assert.strictEqual((yield* store.info).head, 0)
      assert.deepStrictEqual(yield* store.verify, [])
    })
  )
  it.effect("what a new store is stands in its file: without its log it is that store still, and no new one", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* TestClock.setTime(1_234_567_890_123)
      const store = yield* HistorySqlite.make({ filename })
      yield* store.append([recordOf(1)], 0)
      // What is left of a process that was killed, when somebody then removes the log.
      const alone = yield* temporaryFile
      fs.copyFileSync(filename, alone)
      yield* TestClock.setTime(1_500_000_000_000)
      const found = yield* HistorySqlite.make({ filename: alone })
      assert.strictEqual((yield* found.info).created, 1_234_567_890_123)
      assert.deepStrictEqual(yield* found.verify, [])
    })
  )
  it.effect("an empty file becomes a store, as a process leaves one that is killed before it made anything", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      fs.writeFileSync(filename, "")
      const store = yield* HistorySqlite.make({ filename })
      assert.strictEqual(yield* store.append([recordOf(1)], 0), 1)
    })
  )
})
