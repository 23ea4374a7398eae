/** What the options do, what stays beside the file, and when a store is closed. */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as HistorySqlite from "@heph/history-sqlite/HistorySqlite"
import { HistoryStore } from "@heph/history/HistoryStore"
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { open } from "../src/internal/open.ts"
import { migrations } from "../src/internal/schema.ts"
import { contents, temporaryFile, temporaryFolder } from "./fixtures/files.ts"
import { chunksOf, noise, recordOf } from "./fixtures/records.ts"

describe("durability", () => {
  it.effect("full waits for the disk with each append, normal leaves it to the system", () =>
    Effect.gen(function* () {
      const synchronous = (filename: string, durability: "full" | "normal") => {
        const opened = open({ filename, durability, readOnly: false, busyTimeout: 0, now: 0, migrations })
        const found = ["synchronous", "journal_mode", "foreign_keys"].map((name) =>
          opened.database.pragma(name, { simple: true })
        )
        opened.close()
        return found
      }
      assert.deepStrictEqual(synchronous(yield* temporaryFile, "full"), [2, "wal", 1])
      assert.deepStrictEqual(synchronous(yield* temporaryFile, "normal"), [1, "wal", 1])
    })
  )
})

describe("the file", () => {
  const names = [
    "what?.db",
    "a#b.db",
    "100%41.db",
    "with space.db",
    " leading space.db",
    "file:x.db",
    ":memory:",
    "-dash",
    "名前 é ☃.db",
    `quo'te".db`,
    "new\nline.db"
  ]
  for (const name of names) {
    it.effect(`B19: may have the name ${JSON.stringify(name)}`, () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const filename = path.join(folder, name)
        yield* Effect.scoped(
          Effect.flatMap(HistorySqlite.make({ filename }), (store) => store.append([recordOf(1)], 0))
        )
        // One file, of that name, and nothing beside it once it is closed.
        assert.deepStrictEqual(fs.readdirSync(folder), [name])
        const { last } = yield* Effect.scoped(
          Effect.flatMap(HistorySqlite.make({ filename, readOnly: true }), (store) => store.info)
        )
        assert.strictEqual(last, 1)
      })
    )
  }
  it.effect("may be named from the current folder", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const relative = path.relative(process.cwd(), filename)
      const store = yield* HistorySqlite.make({ filename: relative })
      assert.strictEqual(yield* store.append([recordOf(1)], 0), 1)
      assert.isTrue(fs.existsSync(filename))
    })
  )
  it.effect(
    "has a log beside it that stays small, and none once it is closed",
    () =>
      Effect.gen(function* () {
        const filename = yield* temporaryFile
        yield* Effect.scoped(
          Effect.gen(function* () {
            const store = yield* HistorySqlite.make({ filename, durability: "normal" })
            let largest = 0
            // 12 MB of versions, then a checkpoint of 20 MB in one transaction, then versions again.
            const appends = Effect.fnUntraced(function* (from: number) {
              for (let id = from; id < from + 200; id++) {
                yield* store.append([{ ...recordOf(17), id, parent: 0 }], id - 1)
                largest = Math.max(largest, fs.statSync(`${filename}-wal`).size)
              }
            })
            yield* appends(1)
            assert.isBelow(largest, 8_000_000)
            yield* store.checkpoints.save(
              1,
              Array.from({ length: 20 }, (_, i) => noise(1_000_000, i))
            )
            yield* appends(201)
            assert.isAtMost(fs.statSync(`${filename}-wal`).size, 8_388_608)
          })
        )
        assert.deepStrictEqual(fs.readdirSync(path.dirname(filename)), [path.basename(filename)])
      }),
    30_000
  )
})

describe("readOnly", () => {
  it.effect("reads everything, writes nothing, and leaves the bytes as they are", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* HistorySqlite.make({ filename })
          yield* store.append([recordOf(1), recordOf(2)], 0)
          yield* store.tag("a", 1)
          yield* store.checkpoints.save(2, chunksOf(2))
        })
      )
      const { "registry.db": before } = contents(path.dirname(filename))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* HistorySqlite.make({ filename, readOnly: true })
          const errors = [
            yield* Effect.flip(store.append([recordOf(3)], 2)),
            yield* Effect.flip(store.moveHead(1, 1, 2)),
            yield* Effect.flip(store.tag("b", 1)),
            yield* Effect.flip(store.tag("a", null)),
            yield* Effect.flip(store.checkpoints.save(1, chunksOf(1))),
            yield* Effect.flip(store.checkpoints.drop([2])),
            yield* Effect.flip(store.compact({ drop: [], fold: [recordOf(2)], last: 2 }))
          ]
          for (const error of errors) {
            assert.strictEqual(error._tag === "HistoryStoreError" ? error.reason : error._tag, "ReadOnly")
          }
          assert.deepStrictEqual([...(yield* store.info).tags], [["a", 1]])
          assert.deepStrictEqual(yield* store.checkpoints.load(2), chunksOf(2))
          assert.deepStrictEqual(yield* store.verify, [])
        })
      )
      assert.strictEqual(contents(path.dirname(filename))["registry.db"], before)
    })
  )
  it.effect("sees what a writer appends", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const writer = yield* HistorySqlite.make({ filename })
      const reader = yield* HistorySqlite.make({ filename, readOnly: true })
      yield* writer.append([recordOf(1)], 0)
      const [found] = yield* reader.versions({ ids: [1] })
      assert.deepStrictEqual(yield* found!.changeset.bytes, yield* recordOf(1).changeset.bytes)
    })
  )
})

describe("layerConfig", () => {
  const layer = HistorySqlite.layerConfig({
    filename: Config.NonEmptyString("HISTORY_FILE"),
    readOnly: Config.withDefault(Config.Boolean("HISTORY_READ_ONLY"), false)
  })
  const info = Effect.provide(
    Effect.flatMap(HistoryStore, (store) => store.info),
    layer
  )
  const configured = (values: Record<string, string>) =>
    Effect.provideService(info, ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown(values))

  it.effect("opens the file that the configuration names", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      assert.strictEqual((yield* configured({ HISTORY_FILE: filename })).head, 0)
      assert.isTrue(fs.existsSync(filename))
    })
  )
  it.effect("fails where the configuration does", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(configured({})))._tag, "ConfigError")
      const filename = yield* temporaryFile
      const error = yield* Effect.flip(configured({ HISTORY_FILE: filename, HISTORY_READ_ONLY: "true" }))
      assert.strictEqual(error._tag === "HistoryStoreError" ? error.reason : error._tag, "NotFound")
    })
  )
})

describe("a store that is closed", () => {
  it.effect("says so to whoever kept it, and to a large changeset that nobody asked for in time", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const { store, versions } = yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* HistorySqlite.make({ filename })
          yield* store.append(
            Array.from({ length: 17 }, (_, i) => recordOf(i + 1)),
            0
          )
          const versions = yield* store.versions({ ids: [16, 17, 17] })
          yield* versions[2]!.changeset.bytes
          return { store, versions }
        })
      )
      const exit = yield* Effect.exit(store.info)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      // Small ones came with their version; a large one that was asked for before is kept.
      assert.deepStrictEqual(yield* versions[0]!.changeset.bytes, yield* recordOf(16).changeset.bytes)
      const { bytes, value } = versions[1]!.changeset
      for (const error of [yield* Effect.flip(value), yield* Effect.flip(bytes)]) {
        assert.strictEqual(error._tag === "HistoryStoreError" ? error.reason : error._tag, "Unavailable")
        assert.match(error.message, /is closed: the changeset of v17 is large/)
      }
      assert.deepStrictEqual(yield* versions[2]!.changeset.bytes, yield* recordOf(17).changeset.bytes)
    })
  )
})
