/** Files that are no store to open: one clear error each, and everything stays as it was. */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as HistorySqlite from "@heph/history-sqlite/HistorySqlite"
import type { HistoryStoreError, StoreErrorReason } from "@heph/history/HistoryStore"
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import { open } from "../src/internal/open.ts"
import { migrations } from "../src/internal/schema.ts"
import { fromOpened } from "../src/internal/store.ts"
import { asOrdinaryUser, contents, temporaryFile, temporaryFolder, withTemporary } from "./fixtures/files.ts"
import { onSmallDisk, run } from "./fixtures/processes.ts"
import { noise, recordOf } from "./fixtures/records.ts"

/** What opening a file fails with. */
const refusal = (options: HistorySqlite.Options): Effect.Effect<HistoryStoreError> =>
  Effect.scoped(Effect.orDie(Effect.flip(HistorySqlite.make(options))))

/** Appends v1 … vn to the store of a file, which it makes and closes. */
const fill = (filename: string, length: number) =>
  Effect.scoped(
    Effect.flatMap(HistorySqlite.make({ filename }), (store) =>
      store.append(
        Array.from({ length }, (_, i) => recordOf(i + 1)),
        0
      )
    )
  )

/** Writes to a database as a process does that is killed before it closes: the log stays. */
const leaveOpen = (filename: string, write: (database: Sqlite.Database) => void): void => {
  const beside = `${filename}.live`
  if (fs.existsSync(filename)) fs.copyFileSync(filename, beside)
  const database = new Sqlite(beside)
  database.pragma("journal_mode = WAL")
  write(database)
  for (const end of ["", "-wal", "-shm"]) fs.copyFileSync(beside + end, filename + end)
  database.close()
  fs.rmSync(beside)
}

const refuses = (
  name: string,
  prepare: (filename: string) => Effect.Effect<unknown, unknown> | void,
  reason: StoreErrorReason,
  message: RegExp,
  options?: Partial<HistorySqlite.Options>
) =>
  it.effect(name, () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const prepared = prepare(filename)
      if (prepared !== undefined) yield* prepared
      const before = contents(path.dirname(filename))
      const error = yield* refusal({ filename, ...options })
      assert.strictEqual(error.reason, reason)
      assert.match(error.message, message)
      assert.include(error.message, path.dirname(filename))
      assert.deepStrictEqual(contents(path.dirname(filename)), before)
    })
  )

describe("what is no registry is refused and not touched", () => {
  const texts = {
    "a short text": "hello\n",
    "a text of one byte": "S",
    "a long text": "# Not a registry\n".repeat(2000),
    zeros: "\0".repeat(8192),
    "a text that begins as a database does": `SQLite format 3\0${"no, it is not. ".repeat(1000)}`
  }
  for (const [what, text] of Object.entries(texts)) {
    refuses(what, (filename) => fs.writeFileSync(filename, text), "NotARegistry", /not a SQLite database/)
    refuses(
      `${what}, for reading`,
      (filename) => fs.writeFileSync(filename, text),
      "NotARegistry",
      /not a SQLite database/,
      { readOnly: true }
    )
  }

  refuses("a folder", (filename) => fs.mkdirSync(filename), "NotARegistry", /not a file/)

  const foreign = (mode: string, mark: string) => (filename: string) => {
    const database = new Sqlite(filename)
    database.pragma(`journal_mode = ${mode}`)
    database.exec(`CREATE TABLE versions (id INTEGER PRIMARY KEY); INSERT INTO versions VALUES (1); ${mark}`)
    database.close()
  }
  refuses("a database of another application", foreign("DELETE", ""), "NotARegistry", /another application/)
  refuses("one that keeps a log", foreign("WAL", ""), "NotARegistry", /another application/)
  refuses(
    "one that is marked as another's",
    foreign("WAL", "PRAGMA application_id = 1196444487; PRAGMA user_version = 1"),
    "NotARegistry",
    /another application/
  )
  refuses(
    "one that is empty and marked",
    (filename) => {
      const database = new Sqlite(filename)
      database.pragma("user_version = 4")
      database.close()
    },
    "NotARegistry",
    /another application/
  )
  refuses(
    "one whose process was killed and left its log",
    (filename) => {
      leaveOpen(filename, (database) => database.exec("CREATE TABLE other (a); INSERT INTO other VALUES (1)"))
      assert.isAbove(fs.statSync(`${filename}-wal`).size, 0)
    },
    "NotARegistry",
    /another application/
  )
})

describe("a store of a newer schema is refused and not touched", () => {
  const newer = (database: Sqlite.Database) => database.pragma("user_version = 99")
  const says = /schema 99 .* schemas up to 3;.*Update/

  refuses(
    "closed",
    (filename) =>
      Effect.map(fill(filename, 3), () => {
        const database = new Sqlite(filename)
        newer(database)
        database.close()
      }),
    "NewerSchema",
    says
  )
  refuses(
    "with its log left by a killed process",
    (filename) => Effect.map(fill(filename, 3), () => leaveOpen(filename, newer)),
    "NewerSchema",
    says
  )
  refuses(
    "for reading",
    (filename) => Effect.map(fill(filename, 3), () => leaveOpen(filename, newer)),
    "NewerSchema",
    says,
    { readOnly: true }
  )
})

describe("a place that does not do is refused", () => {
  it.effect("a folder that is not there", () =>
    Effect.gen(function* () {
      const folder = path.dirname(yield* temporaryFile)
      const error = yield* refusal({ filename: path.join(folder, "missing", "registry.db") })
      assert.strictEqual(error.reason, "NotFound")
      assert.include(error.message, `no folder ${path.join(folder, "missing")}`)
      assert.deepStrictEqual(fs.readdirSync(folder), [])
    })
  )
  it.effect("a path through a file", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      fs.writeFileSync(filename, "text")
      assert.strictEqual((yield* refusal({ filename: path.join(filename, "registry.db") })).reason, "NotFound")
    })
  )
  refuses("for reading, a file that is not there", () => {}, "NotFound", /no such file/, { readOnly: true })
  refuses("for reading, an empty file", (filename) => fs.writeFileSync(filename, ""), "NotARegistry", /empty/, {
    readOnly: true
  })
  it.effect("a name that ends in white space, which the driver would cut off", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const error = yield* refusal({ filename: `${filename} ` })
      assert.strictEqual(error.reason, "Unsupported")
      assert.deepStrictEqual(fs.readdirSync(path.dirname(filename)), [])
    })
  )
})

describe("a store that is not whole is refused and not touched", () => {
  refuses(
    "its file is gone and its log is there",
    (filename) => {
      leaveOpen(filename, (database) => database.exec("CREATE TABLE a (b)"))
      fs.rmSync(filename)
    },
    "Corrupt",
    /-wal/
  )
  refuses(
    "its file was emptied and its log is there",
    (filename) => {
      leaveOpen(filename, (database) => database.exec("CREATE TABLE a (b)"))
      fs.truncateSync(filename)
    },
    "Corrupt",
    /-wal/
  )
  refuses(
    "a table is missing",
    (filename) =>
      Effect.map(fill(filename, 3), () => {
        const database = new Sqlite(filename)
        database.pragma("foreign_keys = OFF")
        database.exec("DROP TABLE heads")
        database.close()
      }),
    "Corrupt",
    /no such table: heads/
  )
  refuses(
    "it was cut short",
    (filename) => Effect.map(fill(filename, 40), () => fs.truncateSync(filename, 4096)),
    "Corrupt",
    /damaged/
  )
})

describe("what cannot be written is refused, and read when asked to", () => {
  const readBack = (filename: string) =>
    Effect.scoped(
      Effect.gen(function* () {
        const store = yield* HistorySqlite.make({ filename, readOnly: true })
        const versions = yield* store.versions({ after: 0, limit: 100 })
        for (const { changeset, id } of versions) {
          assert.deepStrictEqual(yield* changeset.bytes, yield* recordOf(id).changeset.bytes)
        }
        assert.deepStrictEqual(yield* store.verify, [])
        const error = yield* Effect.flip(store.append([recordOf(versions.length + 1)], versions.length))
        assert.strictEqual(error._tag === "HistoryStoreError" ? error.reason : error._tag, "ReadOnly")
        return versions.length
      })
    )

  const cases: ReadonlyArray<readonly [what: string, file: number, folder: number]> = [
    ["a read-only file", 0o444, 0o755],
    ["a read-only folder", 0o644, 0o555],
    ["a read-only file in a read-only folder", 0o444, 0o555]
  ]
  for (const [what, fileMode, folderMode] of cases) {
    for (const log of [false, true]) {
      it.effect(`${what}${log ? ", with the log of a killed process" : ""}`, () =>
        Effect.gen(function* () {
          const filename = yield* temporaryFile
          const folder = path.dirname(filename)
          yield* fill(filename, 20)
          if (log) {
            leaveOpen(filename, (database) => database.exec("UPDATE metadata SET value = value WHERE key = 'created'"))
            fs.rmSync(`${filename}-shm`)
          }
          const before = contents(folder)
          for (const file of fs.readdirSync(folder)) fs.chmodSync(path.join(folder, file), fileMode)
          fs.chmodSync(folder, folderMode)
          const temporary = yield* temporaryFolder
          const { error, length } = yield* asOrdinaryUser(
            [folder, temporary],
            withTemporary(temporary, Effect.all({ error: refusal({ filename }), length: readBack(filename) }))
          )
          assert.strictEqual(error.reason, "ReadOnly", error.message)
          assert.strictEqual(length, 20)
          const after = contents(folder)
          // A reader may leave an empty log, which says no more than none.
          assert.deepStrictEqual(
            { ...after, "registry.db-wal": log ? after["registry.db-wal"] : "" },
            { "registry.db-wal": "", ...before }
          )
          // A private copy, where there had to be one, is gone.
          assert.deepStrictEqual(fs.readdirSync(temporary), [])
          fs.chmodSync(folder, 0o755)
        })
      )
    }
  }
  it.effect("a new store in a read-only folder", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const folder = path.dirname(filename)
      fs.chmodSync(folder, 0o555)
      const error = yield* asOrdinaryUser([folder], refusal({ filename }))
      assert.strictEqual(error.reason, "ReadOnly", error.message)
      assert.match(error.message, /the folder .* cannot be written/)
      assert.deepStrictEqual(fs.readdirSync(folder), [])
    })
  )
  it.effect("a file that may not be read", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* fill(filename, 1)
      fs.chmodSync(filename, 0o000)
      const error = yield* asOrdinaryUser([path.dirname(filename)], refusal({ filename }))
      assert.strictEqual(error.reason, "Unavailable")
      assert.match(error.message, /check its permissions/)
    })
  )
})

describe("a store that is locked", () => {
  it.effect("is Busy, which passes: nothing was changed, and the same call then works", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const store = yield* HistorySqlite.make({ filename, busyTimeout: "1 millis" })
      yield* store.append([recordOf(1)], 0)
      const other = new Sqlite(filename)
      other.exec("BEGIN IMMEDIATE")
      const errors = [
        yield* Effect.flip(store.append([recordOf(2)], 1)),
        yield* Effect.flip(store.moveHead(0, 1, 1)),
        yield* Effect.flip(store.tag("a", 1)),
        yield* Effect.flip(store.checkpoints.save(1, [new Uint8Array(1)])),
        yield* refusal({ filename, busyTimeout: 1 })
      ]
      for (const error of errors) {
        assert.strictEqual(error._tag === "HistoryStoreError" ? error.reason : error._tag, "Busy")
        assert.isTrue(error._tag === "HistoryStoreError" && error.isRetryable)
      }
      // Readers wait for nobody.
      assert.strictEqual((yield* store.info).last, 1)
      other.exec("ROLLBACK")
      other.close()
      assert.strictEqual(yield* store.append([recordOf(2)], 1), 2)
      assert.deepStrictEqual(yield* store.verify, [])
    })
  )
})

describe("a full disk", () => {
  it.effect(
    "a disk of 600 KB: Full, what was acknowledged is there, and the store works again once there is room",
    (context) =>
      Effect.gen(function* () {
        const folder = path.dirname(yield* temporaryFile)
        const within = onSmallDisk(folder, 600)
        const { status, stderr: why } = spawnSync(within[0]!, [...within.slice(1), "true"], { encoding: "utf8" })
        // Only Linux gives an ordinary user a disk of its own; the test below provokes the same anywhere.
        if (status !== 0) context.skip(`no small disk can be mounted here: ${why}`)
        const { code, lines, stderr } = yield* run(new URL("./fixtures/filler.ts", import.meta.url), [folder], {
          within
        })
        assert.strictEqual(code, 0, stderr)
        const answer = JSON.parse(lines.join("")) as Record<string, unknown>
        assert.isAbove(answer["acknowledged"] as number, 0)
        const { acknowledged, ...rest } = answer
        assert.deepStrictEqual(rest, {
          refused: "Full",
          last: acknowledged,
          wrong: [],
          damage: [],
          second: "Full",
          afterwards: (acknowledged as number) + 1
        })
      }),
    60_000
  )

  it.effect("anywhere: Full, nothing was changed, and the same calls work once there is room", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const opened = yield* Effect.acquireRelease(
        Effect.sync(() =>
          open({ filename, durability: "full", readOnly: false, busyTimeout: 1000, now: 0, migrations })
        ),
        (opened) => Effect.sync(opened.close)
      )
      const store = yield* fromOpened(opened, filename)
      yield* store.append([recordOf(1), recordOf(2)], 0)
      yield* store.checkpoints.save(1, [new Uint8Array(100)])
      const before = yield* store.info
      opened.database.pragma("max_page_count = 1")
      // The tables have no room for what is larger than the rest of their last pages.
      const large = Array.from({ length: 40 }, (_, i) => ({ ...recordOf(i + 3), parent: 1 }))
      const errors = [
        yield* Effect.flip(store.append(large, 2)),
        yield* Effect.flip(store.checkpoints.save(1, [noise(100_000, 1)])),
        yield* Effect.flip(store.tag("x".repeat(10_000), 1))
      ]
      for (const error of errors) {
        assert.strictEqual(error._tag === "HistoryStoreError" ? error.reason : error._tag, "Full")
      }
      assert.deepStrictEqual(yield* store.info, before)
      assert.deepStrictEqual(yield* store.checkpoints.load(1), [new Uint8Array(100)])
      assert.deepStrictEqual(yield* store.verify, [])
      opened.database.pragma("max_page_count = 1000000")
      assert.strictEqual(yield* store.append(large, 2), 42)
      yield* store.checkpoints.save(1, [noise(100_000, 1)])
      assert.deepStrictEqual(yield* store.verify, [])
    })
  )
})
