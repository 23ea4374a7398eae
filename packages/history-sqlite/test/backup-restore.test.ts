/** Restoring takes only what is whole, changes nothing when it refuses, and loses nothing when it does not. */
import fsModule, * as fs from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import * as path from "node:path"
import { assert, describe, it, vi } from "@effect/vitest"
import * as Backup from "@heph/history-sqlite/Backup"
import * as HistorySqlite from "@heph/history-sqlite/HistorySqlite"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as TestClock from "effect/testing/TestClock"
import * as fc from "fast-check"
import { migrations } from "../src/internal/schema.ts"
import { change, fill, inFolder, leaveOpen, names, opened, schemaOf, whole } from "./fixtures/backup-stores.ts"
import { asOrdinaryUser, contents, temporaryFile, temporaryFolder } from "./fixtures/files.ts"
import { run } from "./fixtures/processes.ts"
import { recordOf } from "./fixtures/records.ts"
import { makeSchema1 } from "./fixtures/schema1.ts"

// Each backup and restore starts a thread.
vi.setConfig({ testTimeout: 30_000 })

const refusal = (options: Backup.RestoreOptions) => Effect.flip(Backup.restore(options))

/** A backup of v1 … vn. */
const backupOf = Effect.fnUntraced(function* (length: number) {
  const filename = yield* temporaryFile
  yield* fill(filename, length)
  const { file } = yield* Backup.backup({ filename })
  return file
})

const noon = Date.UTC(2026, 0, 31, 12)
const replacedName = "registry.db.replaced-2026-01-31T12-00-00.000Z"

describe("restore", () => {
  it.effect("makes a store where there is none", () =>
    Effect.gen(function* () {
      const from = yield* backupOf(7)
      const filename = yield* temporaryFile
      const before = contents(path.dirname(from))
      const restored = yield* Backup.restore({ from, filename })
      const { bytes, duration: _, ...rest } = restored
      assert.deepStrictEqual(rest, {
        file: path.join(fs.realpathSync(path.dirname(filename)), "registry.db"),
        versions: 7,
        head: 7,
        replaced: undefined
      })
      assert.strictEqual(bytes, fs.statSync(filename).size)
      assert.deepStrictEqual(names(path.dirname(filename)), ["registry.db"])
      assert.strictEqual(yield* whole(filename), 7)
      yield* fill(filename, 9)
      assert.deepStrictEqual(contents(path.dirname(from)), before)
    })
  )

  it.effect("keeps what it replaces, together with what a killed process left in its log", () =>
    Effect.gen(function* () {
      const from = yield* backupOf(3)
      const filename = yield* temporaryFile
      yield* fill(filename, 20)
      leaveOpen(filename, (database) => database.exec("INSERT INTO tags VALUES ('late', 9, 0)"))
      fs.chmodSync(filename, 0o640)
      yield* TestClock.setTime(noon)
      const { file, replaced } = yield* Backup.restore({ from, filename })
      assert.strictEqual(replaced, path.join(path.dirname(file), replacedName))
      assert.deepStrictEqual(names(path.dirname(file)), ["registry.db", replacedName])
      assert.strictEqual(fs.statSync(file).mode & 0o777, 0o640)
      assert.strictEqual(yield* whole(file), 3)
      const info = yield* opened(replaced!, (store) => store.info)
      assert.deepStrictEqual([info.last, info.tags.get("late")], [20, 9])
      assert.isUndefined((yield* opened(file, (store) => store.info)).tags.get("late"))
    })
  )

  it.effect("of several in the same millisecond keeps each that it replaces, by the time that is given", () =>
    Effect.gen(function* () {
      const froms = [yield* backupOf(1), yield* backupOf(2), yield* backupOf(3)]
      const filename = yield* temporaryFile
      const replaced: Array<string | undefined> = []
      for (const from of froms) replaced.push((yield* Backup.restore({ from, filename, now: noon })).replaced)
      assert.isUndefined(replaced[0])
      assert.match(replaced[1]!, /12-00-00\.000Z$/)
      assert.match(replaced[2]!, /12-00-00\.001Z$/)
      const lengths = yield* Effect.forEach([replaced[1]!, replaced[2]!, filename], whole)
      assert.deepStrictEqual(lengths, [1, 2, 3])
    })
  )

  it.effect("of a backup of an older schema keeps it, and opening brings it to the newest", () =>
    Effect.gen(function* () {
      const from = yield* temporaryFile
      yield* makeSchema1(from, 4)
      const filename = yield* temporaryFile
      yield* fill(filename, 5)
      yield* Backup.restore({ from, filename })
      assert.strictEqual(schemaOf(filename), 1)
      assert.strictEqual(yield* whole(filename), 4)
      assert.strictEqual(schemaOf(filename), migrations.length)
    })
  )

  it.effect("goes through links: the file that is meant is replaced, and the link stays one", () =>
    Effect.gen(function* () {
      const from = yield* backupOf(2)
      const filename = yield* temporaryFile
      yield* fill(filename, 4)
      const folder = yield* temporaryFolder
      fs.symlinkSync(filename, path.join(folder, "store"))
      fs.symlinkSync(from, path.join(folder, "latest"))
      const { replaced } = yield* Backup.restore({
        from: path.join(folder, "latest"),
        filename: path.join(folder, "store")
      })
      assert.deepStrictEqual(names(folder), ["latest", "store"])
      assert.isTrue(fs.lstatSync(path.join(folder, "store")).isSymbolicLink())
      assert.strictEqual(yield* whole(filename), 2)
      assert.strictEqual(yield* whole(replaced!), 4)
    })
  )

  it.effect("takes a store that is open and written to", () =>
    Effect.gen(function* () {
      const from = yield* temporaryFile
      const store = yield* HistorySqlite.make({ filename: from })
      yield* store.append([recordOf(1), recordOf(2)], 0)
      const filename = yield* temporaryFile
      yield* Backup.restore({ from, filename })
      yield* store.append([recordOf(3)], 2)
      assert.strictEqual(yield* whole(filename), 2)
    })
  )

  it.effect("where a file system knows no second names, keeps copies", () =>
    Effect.gen(function* () {
      const from = yield* backupOf(2)
      const filename = yield* temporaryFile
      yield* fill(filename, 4)
      const link = fsModule.linkSync
      const withoutLinks = Effect.acquireRelease(
        Effect.sync(() => {
          fsModule.linkSync = () => {
            throw Object.assign(new Error("operation not permitted"), { code: "EPERM", syscall: "link" })
          }
          syncBuiltinESMExports()
        }),
        () =>
          Effect.sync(() => {
            fsModule.linkSync = link
            syncBuiltinESMExports()
          })
      )
      const other = inFolder(filename, "other.db")
      const { replaced } = yield* Effect.scoped(
        Effect.gen(function* () {
          yield* withoutLinks
          yield* Backup.restore({ from, filename: other })
          yield* Backup.backup({ filename: other, to: inFolder(filename, "b.db") })
          return yield* Backup.restore({ from, filename })
        })
      )
      assert.deepStrictEqual(
        yield* Effect.forEach([filename, replaced!, other, inFolder(filename, "b.db")], whole),
        [2, 4, 2, 2]
      )
    })
  )
})

describe("what is damaged is replaced too, and kept as it is", () => {
  const cases: Record<string, (filename: string) => void> = {
    "a text": (filename) => fs.writeFileSync(filename, "no registry ".repeat(1000)),
    "a file whose first page is gone": (filename) => {
      const bytes = fs.readFileSync(filename)
      fs.writeFileSync(filename, bytes.fill(0, 0, 4096))
    },
    "a file that was emptied": (filename) => fs.truncateSync(filename),
    "a file that was deleted": (filename) => fs.rmSync(filename)
  }
  for (const [what, damage] of Object.entries(cases)) {
    it.effect(`${what}, with a log that a killed process left`, () =>
      Effect.gen(function* () {
        const from = yield* backupOf(3)
        const filename = yield* temporaryFile
        const folder = path.dirname(filename)
        yield* fill(filename, 20)
        leaveOpen(filename, (database) => database.exec("INSERT INTO tags VALUES ('late', 9, 0)"))
        damage(filename)
        const before = contents(folder)
        yield* Backup.restore({ from, filename, now: noon })
        const { "registry.db": restored, ...after } = contents(folder)
        assert.isDefined(restored)
        assert.deepStrictEqual(
          after,
          Object.fromEntries(
            Object.entries(before).map(([name, bytes]) => [name.replace("registry.db", replacedName), bytes])
          )
        )
        const info = yield* opened(filename, (store) => store.info)
        assert.deepStrictEqual([info.last, info.tags.get("late")], [3, undefined])
        assert.strictEqual(yield* whole(filename), 3)
      })
    )
  }
})

describe("what must not be restored is refused, and everything stays as it is", () => {
  const refuses = (
    name: string,
    prepare: (from: string) => unknown,
    reason: Backup.BackupErrorReason,
    message: RegExp
  ) =>
    it.effect(name, () =>
      Effect.gen(function* () {
        const from = yield* temporaryFile
        yield* fill(from, 40)
        prepare(from)
        const filename = yield* temporaryFile
        yield* fill(filename, 3)
        leaveOpen(filename, (database) => database.exec("DELETE FROM tags"))
        const before = contents(path.dirname(filename))
        const error = yield* refusal({ from, filename })
        assert.strictEqual(error.reason, reason, error.message)
        assert.match(error.message, message)
        assert.strictEqual(error.file, fs.existsSync(from) ? fs.realpathSync(from) : from)
        assert.strictEqual(error.damage.length > 0, reason === "Corrupt")
        assert.deepStrictEqual(contents(path.dirname(filename)), before)
        assert.deepStrictEqual(
          names(path.dirname(filename)).filter((name) => name.startsWith(".")),
          []
        )
      })
    )
  refuses("a missing file", (from) => fs.rmSync(from), "NotFound", /no such file/)
  refuses(
    "a folder",
    (from) => {
      fs.rmSync(from)
      fs.mkdirSync(from)
    },
    "NotARegistry",
    /not a file/
  )
  refuses("a text", (from) => fs.writeFileSync(from, "hello\n"), "NotARegistry", /not a SQLite database/)
  refuses("an empty file", (from) => fs.truncateSync(from), "NotARegistry", /empty/)
  refuses(
    "a database of another application",
    (from) => {
      fs.rmSync(from)
      change(from, "CREATE TABLE a (b)")
    },
    "NotARegistry",
    /another application/
  )
  refuses("a newer schema", (from) => change(from, "PRAGMA user_version = 99"), "NewerSchema", /schema 99/)
  refuses(
    "a changeset that is another",
    (from) => change(from, "UPDATE changesets SET bytes = zeroblob(length(bytes)) WHERE version = 5"),
    "Corrupt",
    /not restored; choose another backup: v5: /
  )
  for (const part of [0.1, 0.5, 0.9]) {
    refuses(
      `one cut to ${part} of its size`,
      (from) => fs.truncateSync(from, Math.floor(fs.statSync(from).size * part)),
      "Corrupt",
      /damaged/
    )
  }

  it.effect(
    "flipped bits anywhere are found, or change nothing (property)",
    () =>
      Effect.gen(function* () {
        const from = yield* backupOf(20)
        const sound = fs.readFileSync(from)
        const folder = yield* temporaryFolder
        const flipped = path.join(folder, "flipped.db")
        const filename = path.join(folder, "registry.db")
        yield* Effect.promise(() =>
          fc.assert(
            fc.asyncProperty(fc.nat(sound.length * 8 - 1), async (bit) => {
              for (const file of fs.readdirSync(folder)) fs.rmSync(path.join(folder, file))
              const bytes = Uint8Array.from(sound)
              bytes[bit >> 3]! ^= 1 << (bit & 7)
              fs.writeFileSync(flipped, bytes)
              const exit = await Effect.runPromiseExit(Backup.restore({ from: flipped, filename }))
              if (Exit.isSuccess(exit)) assert.strictEqual(await Effect.runPromise(whole(filename)), 20)
              else {
                assert.isTrue(exit.cause.reasons.every(({ _tag }) => _tag === "Fail"))
                assert.isFalse(fs.existsSync(filename))
              }
            }),
            { numRuns: 15 }
          )
        )
      }),
    60_000
  )

  it.effect(
    "the store itself, a missing folder, a folder, a link to nothing, another application's database as the target",
    () =>
      Effect.gen(function* () {
        const from = yield* backupOf(2)
        const filename = yield* temporaryFile
        const folder = path.dirname(filename)
        yield* fill(filename, 4)
        fs.mkdirSync(path.join(folder, "folder"))
        fs.symlinkSync(path.join(folder, "nothing"), path.join(folder, "link"))
        change(path.join(folder, "foreign.db"), "CREATE TABLE a (b); PRAGMA application_id = 77")
        const before = contents(folder)
        const reasons: Array<string> = []
        for (const name of ["missing/registry.db", "folder", "link", "foreign.db", "white "]) {
          reasons.push((yield* refusal({ from, filename: path.join(folder, name) })).reason)
        }
        assert.deepStrictEqual(reasons, ["NotFound", "NotARegistry", "NotFound", "NotARegistry", "Unsupported"])
        assert.strictEqual((yield* refusal({ from: filename, filename })).reason, "Unsupported")
        assert.deepStrictEqual(contents(folder), before)
      })
  )

  it.effect("a target without the right to write its folder", () =>
    Effect.gen(function* () {
      const from = yield* backupOf(2)
      const filename = yield* temporaryFile
      yield* fill(filename, 4)
      const folder = path.dirname(filename)
      const before = contents(folder)
      fs.chmodSync(folder, 0o555)
      const error = yield* asOrdinaryUser(
        [path.dirname(from), path.dirname(path.dirname(from)), folder],
        refusal({ from, filename })
      )
      fs.chmodSync(folder, 0o755)
      assert.strictEqual(error.reason, "ReadOnly", error.message)
      assert.deepStrictEqual(contents(folder), before)
    })
  )
})

describe("a store that somebody has open is not replaced", () => {
  for (const readOnly of [false, true]) {
    it.effect(`this process, ${readOnly ? "reading" : "writing"}; once it is closed it is replaced`, () =>
      Effect.gen(function* () {
        const from = yield* backupOf(2)
        const filename = yield* temporaryFile
        yield* fill(filename, 4)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const store = yield* HistorySqlite.make({ filename, readOnly })
            const error = yield* refusal({ from, filename })
            assert.strictEqual(error.reason, "Busy")
            assert.isTrue(error.isRetryable)
            assert.match(error.message, /somebody has it open/)
            assert.strictEqual((yield* store.info).last, 4)
            if (!readOnly) yield* store.append([recordOf(5)], 4)
          })
        )
        assert.strictEqual(yield* whole(filename), readOnly ? 4 : 5)
        yield* Backup.restore({ from, filename })
        assert.strictEqual(yield* whole(filename), 2)
      })
    )
  }

  it.effect(
    "another process that writes all the time, which goes on",
    () =>
      Effect.gen(function* () {
        const from = yield* backupOf(2)
        const filename = yield* temporaryFile
        const errors: Array<Backup.BackupError> = []
        let last = 0
        const writer = yield* run(new URL("./fixtures/writer.ts", import.meta.url), [filename], {
          onLine: (line, child) => {
            if (line.startsWith("v ")) last = Number(line.slice(2))
            if (line !== "v 1") return
            const tries = Effect.forEach([1, 2, 3], () =>
              Effect.map(refusal({ from, filename }), (e) => errors.push(e))
            )
            void Effect.runPromise(tries).finally(() => child.kill("SIGKILL"))
          }
        })
        assert.strictEqual(writer.signal, "SIGKILL", writer.stderr)
        assert.deepStrictEqual(
          errors.map(({ reason }) => reason),
          ["Busy", "Busy", "Busy"]
        )
        assert.deepStrictEqual(
          names(path.dirname(filename)).filter((name) => !name.startsWith("registry.db") || name.includes("replaced")),
          []
        )
        assert.isAtLeast(yield* whole(filename), last)
        yield* Backup.restore({ from, filename })
        assert.strictEqual(yield* whole(filename), 2)
      }),
    30_000
  )
})

it.effect("the second name that a killed restore gave the store is forgotten, for the store goes on under it", () =>
  Effect.gen(function* () {
    const from = yield* backupOf(2)
    const filename = yield* temporaryFile
    yield* fill(filename, 4)
    fs.linkSync(filename, inFolder(filename, replacedName))
    yield* fill(filename, 5)
    const { replaced } = yield* Backup.restore({ from, filename, now: noon + 1 })
    assert.deepStrictEqual(names(path.dirname(filename)), ["registry.db", path.basename(replaced!)])
    assert.strictEqual(yield* whole(replaced!), 5)
  })
)
