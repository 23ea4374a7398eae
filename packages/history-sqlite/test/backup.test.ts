/** A backup holds what the store held, counts only when it is whole, and leaves everything else alone. */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it, vi } from "@effect/vitest"
import * as Backup from "@heph/history-sqlite/Backup"
import * as HistorySqlite from "@heph/history-sqlite/HistorySqlite"
import Sqlite from "better-sqlite3"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { migrations } from "../src/internal/schema.ts"
import { change, fill, inFolder, leaveOpen, names, opened, schemaOf, whole } from "./fixtures/backup-stores.ts"
import { asOrdinaryUser, contents, temporaryFile, temporaryFolder } from "./fixtures/files.ts"
import { recordOf } from "./fixtures/records.ts"
import { makeSchema1 } from "./fixtures/schema1.ts"

// Each backup and restore starts a thread.
vi.setConfig({ testTimeout: 30_000 })

const refusal = (options: Backup.BackupOptions) => Effect.flip(Backup.backup(options))

const noon = Date.UTC(2026, 0, 31, 12)

describe("a backup", () => {
  it.effect(
    "is a store with everything in it, in a file of its own, in a folder beside the store, named by the time",
    () =>
      Effect.gen(function* () {
        const filename = yield* temporaryFile
        yield* TestClock.setTime(noon)
        const store = yield* HistorySqlite.make({ filename })
        yield* store.append(
          Array.from({ length: 40 }, (_, i) => recordOf(i + 1)),
          0
        )
        yield* store.moveHead(7, 1_700_000_000_000, 40)
        yield* store.tag("release", 5)
        const told: Array<Backup.Progress> = []
        const made = yield* Backup.backup({ filename, onProgress: (progress) => told.push(progress) })
        assert.deepStrictEqual(made, {
          file: path.join(fs.realpathSync(path.dirname(filename)), "backups", "registry-2026-01-31T12-00-00.000Z.db"),
          bytes: fs.statSync(made.file).size,
          versions: 40,
          head: 7,
          time: noon,
          duration: Duration.zero,
          removed: []
        })
        assert.deepStrictEqual(names(path.dirname(made.file)), [path.basename(made.file)])
        assert.deepStrictEqual(told.at(-1), { bytes: made.bytes, total: made.bytes })
        // The store goes on, and the backup does not follow.
        yield* store.append([recordOf(41)], 41)
        assert.strictEqual(yield* whole(made.file), 40)
        const info = yield* opened(made.file, (store) => store.info)
        const { checkpoints, created, head, revision, tags } = info
        assert.deepStrictEqual(
          { checkpoints, created, head, revision, tags: [...tags] },
          { checkpoints: [], created: noon, head: 7, revision: 41, tags: [["release", 5]] }
        )
      })
  )

  it.effect("holds what a killed process left in the log, and leaves that where it is", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* fill(filename, 3)
      leaveOpen(filename, (database) => database.pragma("user_version = user_version"))
      leaveOpen(filename, (database) => database.exec("UPDATE tags SET version = version; DELETE FROM tags"))
      const log = fs.readFileSync(`${filename}-wal`)
      const { file } = yield* Backup.backup({ filename, to: inFolder(filename, "b.db") })
      assert.strictEqual(yield* whole(file), 3)
      assert.isTrue(log.equals(fs.readFileSync(`${filename}-wal`)))
    })
  )

  it.effect("goes to the file or folder that is named, and a name that ends in a separator is made a folder", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* fill(filename, 2)
      const folder = fs.realpathSync(yield* temporaryFolder)
      const places = [path.join(folder, "one.db"), folder, path.join(folder, "a", "b") + path.sep]
      const files: Array<string> = []
      for (const to of places) files.push((yield* Backup.backup({ filename, to })).file)
      const name = "registry-1970-01-01T00-00-00.000Z.db"
      assert.deepStrictEqual(files, [
        path.join(folder, "one.db"),
        path.join(folder, name),
        path.join(folder, "a", "b", name)
      ])
      for (const file of files) assert.strictEqual(yield* whole(file), 2)
    })
  )

  it.effect("is of the file that a link leads to, and has its permissions", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* fill(filename, 2)
      fs.chmodSync(filename, 0o600)
      const link = path.join(yield* temporaryFolder, "link.db")
      fs.symlinkSync(filename, link)
      const { file } = yield* Backup.backup({ filename: link })
      assert.strictEqual(path.dirname(file), path.join(fs.realpathSync(path.dirname(filename)), "backups"))
      assert.strictEqual(fs.statSync(file).mode & 0o777, 0o600)
      assert.strictEqual(yield* whole(file), 2)
    })
  )

  it.effect("of a store of an older schema keeps that schema, and opening it brings it to the newest", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* makeSchema1(filename, 4)
      const { file, versions } = yield* Backup.backup({ filename, to: inFolder(filename, "b.db") })
      assert.deepStrictEqual([versions, schemaOf(file), schemaOf(filename)], [4, 1, 1])
      assert.strictEqual(yield* whole(file), 4)
      assert.strictEqual(schemaOf(file), migrations.length)
    })
  )

  it.effect("of the same millisecond gets the next one", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* fill(filename, 1)
      yield* TestClock.setTime(noon)
      yield* Effect.forEach([1, 2, 3], () => Backup.backup({ filename }), { concurrency: 3 })
      assert.deepStrictEqual(names(inFolder(filename, "backups")), [
        "registry-2026-01-31T12-00-00.000Z.db",
        "registry-2026-01-31T12-00-00.001Z.db",
        "registry-2026-01-31T12-00-00.002Z.db"
      ])
    })
  )
})

describe("list", () => {
  it.effect("names the backups of a folder, newest first, with their time and size", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* fill(filename, 1)
      const folder = inFolder(filename, "backups")
      const times = [noon, noon + 1, noon + 3_600_000]
      for (const time of times) {
        yield* TestClock.setTime(time)
        yield* Backup.backup({ filename })
      }
      for (const name of ["notes.txt", "registry-2026.db", "registry-2026-99-31T12-00-00.000Z.db"]) {
        fs.writeFileSync(path.join(folder, name), "text")
      }
      fs.mkdirSync(path.join(folder, "registry-2026-01-01T00-00-00.000Z.db"))
      const found = yield* Backup.list(folder)
      assert.deepStrictEqual(
        found.map(({ time }) => time),
        times.toReversed()
      )
      for (const { bytes, file } of found) assert.strictEqual(bytes, fs.statSync(file).size)
      const error = yield* Effect.flip(Backup.list(path.join(folder, "missing")))
      assert.strictEqual(error.reason, "NotFound")
    })
  )
})

describe("rotation", () => {
  it.effect("keeps the newest, and deletes only backups of this store", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* TestClock.setTime(5)
      yield* fill(filename, 1)
      const folder = inFolder(filename, "backups")
      const at = (hour: number) => `registry-2026-01-01T${String(hour).padStart(2, "0")}-00-00.000Z.db`
      const make = Effect.fnUntraced(function* (hour: number, keep?: number) {
        yield* TestClock.setTime(Date.UTC(2026, 0, 1, hour))
        const options = keep === undefined ? {} : { keep }
        const { removed } = yield* Backup.backup({ filename, ...options })
        return removed.map((file) => path.basename(file))
      })
      yield* make(1)
      // Everything here is older than all that follows, has the name of a backup, and is none of this store.
      const foreign = (day: number) => path.join(folder, `registry-2025-01-0${day}T00-00-00.000Z.db`)
      fs.writeFileSync(foreign(1), "text")
      fs.mkdirSync(foreign(2))
      fs.symlinkSync(path.join(folder, at(1)), foreign(3))
      change(foreign(4), "CREATE TABLE a (b)")
      const other = yield* temporaryFile
      yield* TestClock.setTime(6)
      yield* fill(other, 1)
      yield* Backup.backup({ filename: other, to: foreign(5) })
      const kept = names(folder).slice(0, 5)

      assert.deepStrictEqual(yield* make(2, 3), [])
      assert.deepStrictEqual(yield* make(3, 3), [])
      assert.deepStrictEqual(yield* make(4, 3), [at(1)])
      assert.deepStrictEqual(names(folder), [...kept, at(2), at(3), at(4)])
      assert.deepStrictEqual(yield* make(5, 1), [at(2), at(3), at(4)])
      assert.deepStrictEqual(names(folder), [...kept, at(5)])
      // The clock was set back: the one that was just made is the one that stays.
      assert.deepStrictEqual(yield* make(0, 1), [at(5)])
      assert.deepStrictEqual(names(folder), [...kept, at(0)])
    })
  )

  it.effect("deletes nothing when the new backup does not count", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* fill(filename, 6)
      const { file } = yield* Backup.backup({ filename, keep: 1 })
      change(filename, "UPDATE changesets SET bytes = zeroblob(length(bytes)) WHERE version = 5")
      assert.strictEqual((yield* refusal({ filename, keep: 1 })).reason, "Corrupt")
      assert.deepStrictEqual(names(path.dirname(file)), [path.basename(file)])
      assert.strictEqual(yield* whole(file), 6)
    })
  )

  for (const keep of [0, -1, 1.5, Number.NaN]) {
    it.effect(`keeping ${keep} is refused`, () =>
      Effect.gen(function* () {
        const filename = yield* temporaryFile
        yield* fill(filename, 1)
        assert.strictEqual((yield* refusal({ filename, keep })).reason, "Unsupported")
        assert.deepStrictEqual(names(path.dirname(filename)), ["registry.db"])
      })
    )
  }
})

describe("a store that cannot be backed up is refused, and no file is made", () => {
  const refuses = (
    name: string,
    prepare: (filename: string) => Effect.Effect<unknown, unknown> | void,
    reason: Backup.BackupErrorReason,
    message: RegExp
  ) =>
    it.effect(name, () =>
      Effect.gen(function* () {
        const filename = yield* temporaryFile
        const prepared = prepare(filename)
        if (prepared !== undefined) yield* prepared
        const before = contents(path.dirname(filename))
        const to = yield* temporaryFolder
        const error = yield* refusal({ filename, to })
        assert.strictEqual(error.reason, reason, error.message)
        assert.match(error.message, message)
        assert.strictEqual(error.damage.length > 0, reason === "Corrupt")
        assert.deepStrictEqual(names(to), [])
        // A reader may leave an empty log, which says no more than none.
        const { "registry.db-wal": _, ...after } = contents(path.dirname(filename))
        assert.deepStrictEqual(after, before)
      })
    )
  const damaged = (sql: string) => (filename: string) => Effect.map(fill(filename, 40), () => change(filename, sql))

  refuses("missing", () => {}, "NotFound", /no such file/)
  refuses("empty", (filename) => fs.writeFileSync(filename, ""), "NotARegistry", /empty/)
  refuses("a text", (filename) => fs.writeFileSync(filename, "hello\n"), "NotARegistry", /not a SQLite database/)
  refuses("a folder", (filename) => fs.mkdirSync(filename), "NotARegistry", /not a file/)
  refuses(
    "a database of another application",
    (filename) => change(filename, "CREATE TABLE a (b)"),
    "NotARegistry",
    /another application/
  )
  refuses("of a newer schema", damaged("PRAGMA user_version = 99"), "NewerSchema", /schema 99/)
  refuses(
    "damaged: a changeset is another",
    damaged("UPDATE changesets SET bytes = zeroblob(length(bytes)) WHERE version = 5"),
    "Corrupt",
    /damaged, so there is no backup of it: v5: /
  )
  refuses(
    "damaged in four places",
    damaged("UPDATE versions SET message = 'x' WHERE id IN (3, 4, 7, 8)"),
    "Corrupt",
    /v3: .*v4: .*v7: .*and 1 more/
  )
  refuses("damaged: a table is gone", damaged("DROP TABLE heads"), "Corrupt", /heads/)
  refuses(
    "damaged: a page is overwritten",
    (filename) =>
      Effect.map(fill(filename, 40), () => {
        const bytes = fs.readFileSync(filename)
        bytes.fill(0xaa, bytes.length - 8192, bytes.length - 4096)
        fs.writeFileSync(filename, bytes)
      }),
    "Corrupt",
    /damaged/
  )
  refuses(
    "damaged: an index does not fit its table",
    damaged(`PRAGMA writable_schema = ON; CREATE INDEX at ON versions (timestamp);
      UPDATE sqlite_schema SET sql = 'CREATE INDEX at ON versions (id)' WHERE name = 'at'`),
    "Corrupt",
    /index/
  )
  refuses(
    "damaged: cut short",
    (filename) =>
      Effect.map(fill(filename, 40), () => fs.truncateSync(filename, fs.statSync(filename).size - 5 * 4096)),
    "Corrupt",
    /damaged/
  )
})

describe("a place that does not do is refused, and left as it is", () => {
  it.effect(
    "a file that is there, a link to nothing, a folder that is missing, a name with white space at its end",
    () =>
      Effect.gen(function* () {
        const filename = yield* temporaryFile
        yield* fill(filename, 1)
        const folder = yield* temporaryFolder
        const at = (name: string) => path.join(folder, name)
        fs.writeFileSync(at("there.db"), "kept")
        fs.symlinkSync(at("nothing"), at("link.db"))
        const before = names(folder)
        const reasons: Array<readonly [string, string]> = []
        for (const to of ["there.db", "link.db", "missing/b.db", "there.db/b.db", "b.db "]) {
          const error = yield* refusal({ filename, to: at(to) })
          assert.include(error.message, folder)
          reasons.push([to, error.reason])
        }
        assert.deepStrictEqual(reasons, [
          ["there.db", "Exists"],
          ["link.db", "Exists"],
          ["missing/b.db", "NotFound"],
          ["there.db/b.db", "NotFound"],
          ["b.db ", "Unsupported"]
        ])
        assert.strictEqual((yield* refusal({ filename, to: filename })).reason, "Exists")
        assert.strictEqual((yield* refusal({ filename, to: at("b.db"), keep: 2 })).reason, "Unsupported")
        assert.deepStrictEqual(names(folder), before)
        assert.strictEqual(fs.readFileSync(at("there.db"), "utf8"), "kept")
      })
  )

  it.effect("a file that somebody makes while the copy is made", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* fill(filename, 1)
      const to = inFolder(filename, "b.db")
      const error = yield* refusal({ filename, to, onProgress: () => fs.writeFileSync(to, "theirs") })
      assert.strictEqual(error.reason, "Exists")
      assert.strictEqual(fs.readFileSync(to, "utf8"), "theirs")
      assert.deepStrictEqual(
        names(path.dirname(filename)).filter((name) => name.startsWith(".")),
        []
      )
    })
  )

  it.effect("a folder without the right to write", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* fill(filename, 1)
      const to = yield* temporaryFolder
      fs.chmodSync(to, 0o555)
      const error = yield* asOrdinaryUser([path.dirname(filename), to], refusal({ filename, to }))
      assert.strictEqual(error.reason, "ReadOnly", error.message)
      assert.match(error.message, /another folder/)
      assert.deepStrictEqual(names(to), [])
    })
  )

  it.effect("a store without the right to read", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* fill(filename, 1)
      fs.chmodSync(filename, 0o000)
      const error = yield* asOrdinaryUser([path.dirname(filename)], refusal({ filename }))
      assert.strictEqual(error.reason, "Unavailable", error.message)
      assert.deepStrictEqual(names(inFolder(filename, "backups")), [])
    })
  )
})

describe("what is not whole", () => {
  it.effect("is removed when the backup is interrupted", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* fill(filename, 200)
      const to = yield* temporaryFolder
      const copying = yield* Deferred.make<ReadonlyArray<string>>()
      const fiber = yield* Effect.forkChild(
        Backup.backup({ filename, to, onProgress: () => Deferred.doneUnsafe(copying, Effect.succeed(names(to))) })
      )
      assert.match((yield* Deferred.await(copying)).join(), /^\.heph-partial-/)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(names(to), [])
      assert.strictEqual(yield* whole(filename), 200)
    })
  )

  it.effect("is removed by the next run when its process is no more, and left when it is alive", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* fill(filename, 1)
      const to = yield* temporaryFolder
      for (const name of [".heph-partial-dead01", ".heph-partial-alive1"]) {
        fs.mkdirSync(path.join(to, name))
        fs.writeFileSync(path.join(to, name, "store.db"), "half")
      }
      const alive = new Sqlite(path.join(to, ".heph-partial-alive1", "lock"))
      alive.pragma("journal_mode = MEMORY")
      alive.exec("BEGIN EXCLUSIVE")
      yield* Backup.backup({ filename, to })
      assert.deepStrictEqual(names(to), [".heph-partial-alive1", "registry-1970-01-01T00-00-00.000Z.db"])
      assert.deepStrictEqual(names(path.join(to, ".heph-partial-alive1")), ["lock", "store.db"])
      alive.close()
      yield* Backup.backup({ filename, to })
      assert.strictEqual((yield* Backup.list(to)).length, names(to).length)
    })
  )

  it.effect("a caller's mistake in onProgress is the caller's, and leaves nothing", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* fill(filename, 1)
      const to = yield* temporaryFolder
      const mistake = new Error("the bar is gone")
      const onProgress = () => {
        throw mistake
      }
      const defect = yield* Backup.backup({ filename, to, onProgress }).pipe(
        Effect.catchDefect((defect) => Effect.succeed(defect))
      )
      assert.strictEqual(defect, mistake)
      assert.deepStrictEqual(names(to), [])
    })
  )
})
