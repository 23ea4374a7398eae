/** Contents in the file of a history: shared with it, durable with it, damaged with it. */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it, vi } from "@effect/vitest"
import type { Blob } from "@heph/content/BlobStore"
import * as ContentStore from "@heph/content/ContentStore"
import * as Hash from "@heph/content/Hash"
import * as Backup from "@heph/history-sqlite/Backup"
import * as ContentSqlite from "@heph/history-sqlite/ContentSqlite"
import * as HistorySqlite from "@heph/history-sqlite/HistorySqlite"
import { HistoryStore } from "@heph/history/HistoryStore"
import Sqlite from "better-sqlite3"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Contents from "../src/internal/contents.ts"
import { open } from "../src/internal/open.ts"
import { migrations } from "../src/internal/schema.ts"
import { makeWith } from "../src/internal/store.ts"
import { change, schemaOf } from "./fixtures/backup-stores.ts"
import { asOrdinaryUser, contents as filesOf, temporaryFile } from "./fixtures/files.ts"
import { noise, recordOf } from "./fixtures/records.ts"
import { contentOf, register, stores } from "./fixtures/registrations.ts"
import { makeSchema1 } from "./fixtures/schema1.ts"

// Each backup and restore starts a thread.
vi.setConfig({ testTimeout: 30_000 })

/** Runs something with the contents of a file, which is closed afterwards. */
const within = <A, E>(
  filename: string,
  use: (contents: ContentStore.ContentStore["Service"]) => Effect.Effect<A, E, ContentStore.ContentStore | HistoryStore>
) => Effect.provide(Effect.flatMap(ContentStore.ContentStore, use), stores(filename))

/** Puts versions of a file, each near the one before. */
const putAll = (filename: string, count: number) =>
  within(filename, (contents) =>
    Effect.gen(function* () {
      const hashes: Array<string> = []
      for (let i = 0; i < count; i++) {
        hashes.push((yield* contents.put({ bytes: contentOf(i), near: hashes.slice(-1) })).hash)
      }
      return hashes
    })
  )

describe("one file for both stores", () => {
  it.effect("versions and contents are there together after it was closed, for writing and for reading", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const { hashes } = yield* within(filename, () => register([1, 2], []))
      for (const readOnly of [false, true]) {
        const layer = ContentSqlite.layer({ filename, readOnly })
        yield* Effect.gen(function* () {
          const contents = yield* ContentStore.ContentStore
          const history = yield* HistoryStore
          assert.deepStrictEqual(yield* contents.get(hashes[0]!), contentOf(1))
          assert.deepStrictEqual(yield* contents.get(hashes[1]!), contentOf(2))
          const [version] = yield* history.versions({ ids: [1] })
          assert.strictEqual(version!.message, hashes.join(" "))
          assert.deepStrictEqual(yield* contents.verify(), [])
        }).pipe(Effect.provide(Layer.provideMerge(ContentStore.layer(), layer)))
      }
    })
  )
  it.effect("whoever opens the history alone sees it, and leaves the contents where they are", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const hashes = yield* putAll(filename, 3)
      yield* Effect.scoped(
        Effect.flatMap(HistorySqlite.make({ filename }), (store) => store.append([recordOf(1), recordOf(2)], 0))
      )
      yield* within(filename, (contents) =>
        Effect.gen(function* () {
          for (const [i, hash] of hashes.entries()) assert.deepStrictEqual(yield* contents.get(hash), contentOf(i))
        })
      )
    })
  )
  it.effect("for reading every write fails with ReadOnly, and the file keeps its bytes", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const hashes = yield* putAll(filename, 3)
      const before = filesOf(path.dirname(filename))["registry.db"]
      yield* Effect.gen(function* () {
        const contents = yield* ContentStore.ContentStore
        const put = contents.put({ bytes: noise(10, 1) })
        const again = contents.put({ bytes: contentOf(0) })
        const sweep = contents.sweep(Effect.succeed(new Set(hashes.slice(0, 2))))
        const rebase = contents.sweep(Effect.succeed(new Set(hashes.slice(2))))
        for (const write of [
          put,
          again,
          sweep,
          rebase,
          contents.holding([{ bytes: contentOf(0) }], () => Effect.void)
        ]) {
          const error = yield* Effect.flip(write)
          assert.strictEqual(error._tag === "HistoryStoreError" ? error.reason : error._tag, "ReadOnly")
        }
        assert.deepStrictEqual(yield* contents.get(hashes[2]!), contentOf(2))
        const dry = yield* contents.sweep(Effect.succeed(new Set(hashes.slice(0, 2))), { dryRun: true })
        assert.deepStrictEqual(dry.removed, hashes.slice(2))
      }).pipe(Effect.provide(Layer.provide(ContentStore.layer(), ContentSqlite.layer({ filename, readOnly: true }))))
      assert.strictEqual(filesOf(path.dirname(filename))["registry.db"], before)
    })
  )
  it.effect("in a folder that cannot be written a private copy is read, and not written either", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const hashes = yield* putAll(filename, 2)
      const folder = path.dirname(filename)
      fs.chmodSync(folder, 0o555)
      yield* asOrdinaryUser(
        [folder],
        Effect.gen(function* () {
          const contents = yield* ContentStore.ContentStore
          assert.deepStrictEqual(yield* contents.get(hashes[1]!), contentOf(1))
          const error = yield* Effect.flip(contents.sweep(Effect.succeed(new Set())))
          assert.strictEqual(error._tag === "HistoryStoreError" ? error.reason : error._tag, "ReadOnly")
        }).pipe(Effect.provide(Layer.provide(ContentStore.layer(), ContentSqlite.layer({ filename, readOnly: true }))))
      )
      fs.chmodSync(folder, 0o755)
    })
  )
  it.effect("compaction of the history leaves the contents as they are", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* within(filename, (contents) =>
        Effect.gen(function* () {
          const history = yield* HistoryStore
          const { hashes } = yield* register([1, 2, 3], [])
          yield* register([4], hashes)
          const before = yield* contents.info
          const [last] = yield* history.versions({ ids: [2] })
          yield* history.compact({ drop: [[1, 1]], fold: [{ ...last!, parent: 0, folded: 1 }], last: 2 })
          assert.deepStrictEqual(yield* contents.info, before)
          assert.deepStrictEqual(yield* contents.verify(), [])
          assert.deepStrictEqual(yield* history.verify, [])
        })
      )
    })
  )
})

describe("a commit", () => {
  const opening = Effect.fnUntraced(function* (filename: string, durability: "full" | "normal") {
    const opened = yield* Effect.acquireRelease(
      Effect.sync(() => open({ filename, durability, readOnly: false, busyTimeout: 0, now: 0, migrations })),
      ({ close }) => Effect.sync(close)
    )
    const { database } = opened
    const seen: Array<string> = []
    // Called by the writes themselves, to see between what they are.
    database.function("seen", () => seen.push("a row"))
    database.exec("CREATE TEMP TRIGGER looking AFTER INSERT ON contents BEGIN SELECT seen(); END")
    const exec = database.exec.bind(database)
    database.exec = (sql) => (seen.push(sql), exec(sql))
    const synchronous = () => database.pragma("synchronous", { simple: true })
    return { blobs: Contents.make(opened, filename, durability === "full"), synchronous, seen }
  })
  const blob = (bytes: Uint8Array): Blob => {
    return { hash: Hash.of(bytes), size: bytes.length, base: undefined, depth: 0, encoding: "raw", bytes }
  }
  const [normal, full] = [1, 2]

  it.effect("waits for the disk, unless there is a hold; and the one after it waits again", () =>
    Effect.gen(function* () {
      const { blobs, seen, synchronous } = yield* opening(yield* temporaryFile, "full")
      const hold = { holder: "one", until: 100 }
      yield* blobs.write({ add: [blob(noise(10, 1))], touch: [], now: 0 })
      yield* blobs.write({ add: [blob(noise(10, 2))], touch: [], hold, now: 0 })
      yield* blobs.write({ add: [blob(noise(10, 3))], touch: [], now: 0 })
      assert.deepStrictEqual(seen, [
        "a row",
        "PRAGMA synchronous = normal",
        "a row",
        "PRAGMA synchronous = full",
        "a row"
      ])
      yield* blobs.hold("one", null)
      assert.lengthOf(yield* blobs.write({ add: [blob(noise(10, 3))], touch: [], hold, now: 0 }), 1)
      assert.strictEqual(synchronous(), full)
    })
  )
  it.effect("waits again also after one with a hold that failed", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const { blobs, synchronous } = yield* opening(filename, "full")
      const other = new Sqlite(filename)
      other.exec("BEGIN IMMEDIATE")
      const hold = { holder: "one", until: 100 }
      const error = yield* Effect.flip(blobs.write({ add: [], touch: [], hold, now: 0 }))
      assert.strictEqual(error.reason, "Busy")
      other.close()
      assert.strictEqual(synchronous(), full)
    })
  )
  it.effect("never waits where the store was opened so", () =>
    Effect.gen(function* () {
      const { blobs, seen, synchronous } = yield* opening(yield* temporaryFile, "normal")
      yield* blobs.write({ add: [blob(noise(10, 1))], touch: [], hold: { holder: "one", until: 100 }, now: 0 })
      assert.deepStrictEqual(seen, ["a row"])
      assert.strictEqual(synchronous(), normal)
    })
  )
})

describe("room", () => {
  it.effect("of contents that are swept is given back to the disk", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* within(filename, (contents) =>
        Effect.gen(function* () {
          const keep = yield* contents.put({ bytes: contentOf(1) })
          yield* contents.putAll(Array.from({ length: 100 }, (_, i) => ({ bytes: noise(50_000, i) })))
          const { freed } = yield* contents.sweep(Effect.succeed(new Set([keep.hash])))
          assert.strictEqual(freed, 5_000_000)
        })
      )
      assert.isBelow(fs.statSync(filename).size, 300_000)
      yield* within(filename, (contents) =>
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* contents.get(Hash.of(contentOf(1))), contentOf(1))
          assert.deepStrictEqual(yield* contents.verify(), [])
        })
      )
    })
  )
})

describe("a file of an older schema", () => {
  it.effect("gets its tables for contents when it is opened for writing, and not for reading", () =>
    Effect.gen(function* () {
      for (const schema of [1, 2]) {
        const filename = yield* temporaryFile
        if (schema === 1) yield* makeSchema1(filename, 5)
        else {
          const old = makeWith({ filename }, migrations.slice(0, 2))
          yield* Effect.scoped(Effect.flatMap(old, (store) => store.append([1, 2, 3, 4, 5].map(recordOf), 0)))
        }
        const error = yield* Effect.flip(Effect.scoped(ContentSqlite.make({ filename, readOnly: true })))
        assert.strictEqual(error.reason, "ReadOnly")
        assert.match(error.message, new RegExp(`schema ${schema} .* brought to 3; open it once for writing`))
        assert.strictEqual(schemaOf(filename), schema)
        const [hash] = yield* putAll(filename, 2)
        assert.strictEqual(schemaOf(filename), 3)
        yield* within(filename, (contents) =>
          Effect.gen(function* () {
            assert.deepStrictEqual(yield* contents.get(hash!), contentOf(0))
            const history = yield* HistoryStore
            assert.strictEqual((yield* history.info).last, 5)
            assert.deepStrictEqual(yield* history.verify, [])
          })
        )
      }
    })
  )
})

describe("a backup", () => {
  it.effect("has the contents, and brings them back", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const { hashes } = yield* within(filename, () => register([1, 2], []))
      const made = yield* Backup.backup({ filename })
      yield* within(filename, (contents) => contents.sweep(Effect.succeed(new Set())))
      yield* Backup.restore({ from: made.file, filename })
      yield* within(filename, (contents) =>
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* contents.get(hashes[1]!), contentOf(2))
          assert.deepStrictEqual(yield* contents.verify(), [])
        })
      )
    })
  )
  it.effect("of a store with a damaged content is not made, and says which it is", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const hashes = yield* putAll(filename, 3)
      change(filename, "UPDATE contents SET bytes = zeroblob(length(bytes)) WHERE id = 2")
      const error = yield* Effect.flip(Backup.backup({ filename }))
      assert.strictEqual(error.reason, "Corrupt")
      assert.deepStrictEqual(
        error.damage.map(({ what }) => what).sort(),
        [`content ${hashes[1]}`, `content ${hashes[2]}`].sort()
      )
      assert.deepStrictEqual(
        fs
          .readdirSync(path.dirname(filename))
          .filter(
            (name) => name.startsWith("backups") && fs.readdirSync(path.join(path.dirname(filename), name)).length > 0
          ),
        []
      )
    })
  )
})

/** Damage by SQL, and the contents (of v0 ◀─ v1 ◀─ v2 ◀─ v3, and one alone) that cannot be read then. */
const damages: ReadonlyArray<readonly [what: string, sql: string, lost: ReadonlyArray<number>]> = [
  ["bytes", "UPDATE contents SET bytes = zeroblob(length(bytes)) WHERE id = 2", [1, 2, 3]],
  ["bytes of a text", "UPDATE contents SET bytes = CAST('text' AS BLOB) WHERE id = 4", [3]],
  ["a size", "UPDATE contents SET size = size + 1 WHERE id = 2", [1, 2, 3]],
  ["an enormous size", "UPDATE contents SET size = 9e15 WHERE id = 1", [0, 1, 2, 3]],
  ["a negative size", "UPDATE contents SET size = -1 WHERE id = 5", [4]],
  ["an encoding", "UPDATE contents SET zstd = 0 WHERE id = 3", [2, 3]],
  ["an encoding that is none", "UPDATE contents SET zstd = 7 WHERE id = 3", [2, 3]],
  ["a base that is another", "UPDATE contents SET base = 5 WHERE id = 3", [2, 3]],
  ["a base that is another version", "UPDATE contents SET base = 1 WHERE id = 4", [3]],
  ["a base that is none", "UPDATE contents SET base = NULL WHERE id = 4", [3]],
  ["a base that is not there", "UPDATE contents SET base = 17 WHERE id = 3", [2, 3]],
  ["a base that is itself", "UPDATE contents SET base = 3 WHERE id = 3", [2, 3]],
  ["a base that stands on it", "UPDATE contents SET base = 4 WHERE id = 1", [0, 1, 2, 3]],
  ["a row that is gone", "DELETE FROM contents WHERE id = 2", [2, 3]],
  [
    "two rows that changed places",
    "UPDATE contents SET bytes = (SELECT bytes FROM contents WHERE id = 3) WHERE id = 4",
    [3]
  ]
]

describe("damage", () => {
  for (const [what, sql, lost] of damages) {
    it.effect(`${what}: what cannot be read says so, everything else is read, verify lists the same`, () =>
      Effect.gen(function* () {
        const filename = yield* temporaryFile
        const hashes = [
          ...(yield* putAll(filename, 4)),
          (yield* within(filename, (contents) => contents.put({ bytes: noise(500, 9) }))).hash
        ]
        const all = [0, 1, 2, 3].map(contentOf).concat([noise(500, 9)])
        const database = new Sqlite(filename)
        for (const pragma of ["foreign_keys = OFF", "ignore_check_constraints = ON"]) database.pragma(pragma)
        database.exec(sql)
        database.close()
        yield* within(filename, (contents) =>
          Effect.gen(function* () {
            for (const [i, hash] of hashes.entries()) {
              if (!lost.includes(i) && what !== "a row that is gone") {
                assert.deepStrictEqual(yield* contents.get(hash), all[i], `content ${i}`)
                continue
              }
              const found = yield* Effect.result(contents.get(hash))
              if (found._tag === "Success") assert.deepStrictEqual([found.success, lost.includes(i)], [all[i], false])
              else
                assert.strictEqual(
                  found.failure._tag,
                  i === 1 && what === "a row that is gone" ? "ContentMissing" : "ContentDamaged"
                )
            }
            const listed = (yield* contents.verify()).map(({ hash }) => hash)
            assert.deepStrictEqual(listed.sort(), lost.map((i) => hashes[i]!).sort())
            // It goes on beside what is damaged.
            const next = yield* contents.put({ bytes: contentOf(4), near: [hashes[3]!, hashes[0]!] })
            assert.deepStrictEqual(yield* contents.get(next.hash), contentOf(4))
          })
        )
      })
    )
  }
  it.effect("a base that is not there is for the history's verify to list, too", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* putAll(filename, 3)
      change(filename, "DELETE FROM contents WHERE id = 2")
      const found = yield* Effect.scoped(Effect.flatMap(HistorySqlite.make({ filename }), (store) => store.verify))
      assert.deepStrictEqual(
        found.map(({ what }) => what),
        ["row 3 of contents"]
      )
    })
  )
  it.effect("any bit of a hash in the file: nothing wrong is read, and the file's check finds it", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const hashes = yield* putAll(filename, 3)
      const bytes = fs.readFileSync(filename)
      const hash = Buffer.from(hashes[1]!, "hex")
      const places: Array<number> = []
      for (let at = bytes.indexOf(hash); at !== -1; at = bytes.indexOf(hash, at + 1)) places.push(at)
      // In its row and in the index.
      assert.lengthOf(places, 2)
      for (const at of places) {
        const damaged = yield* temporaryFile
        fs.writeFileSync(damaged, bytes)
        const file = fs.openSync(damaged, "r+")
        fs.writeSync(file, Uint8Array.of(bytes[at + 5]! ^ 4), 0, 1, at + 5)
        fs.closeSync(file)
        yield* within(damaged, (contents) =>
          Effect.gen(function* () {
            for (const i of [0, 2]) assert.deepStrictEqual(yield* contents.get(hashes[i]!), contentOf(i))
            const found = yield* Effect.result(contents.get(hashes[1]!))
            if (found._tag === "Success") assert.deepStrictEqual(found.success, contentOf(1))
            else assert.strictEqual(found.failure._tag, "ContentMissing")
            const history = yield* HistoryStore
            assert.include(
              (yield* history.verify).map(({ what }) => what),
              "the file"
            )
          })
        )
      }
    })
  )
})

it.effect("both stores of a file are given by one layer", () =>
  Effect.gen(function* () {
    const filename = yield* temporaryFile
    const built = yield* Layer.build(ContentSqlite.layer({ filename }))
    assert.deepStrictEqual(Context.get(built, HistoryStore).capabilities, { durable: true, shared: true, travel: true })
  })
)
