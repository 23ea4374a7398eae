/** Files that were changed behind the store's back: it says so, and hands out nothing wrong. */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as HistorySqlite from "@heph/history-sqlite/HistorySqlite"
import type { HistoryStore } from "@heph/history/HistoryStore"
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as fc from "fast-check"
import { everyTenth, linkOf, stepAlone } from "./fixtures/compactions.ts"
import { temporaryFile, temporaryFolder } from "./fixtures/files.ts"
import { chunksOf, recordOf } from "./fixtures/records.ts"

type Store = HistoryStore["Service"]

/** v1 … v18 (v17 is large), head at v3, two tags, a checkpoint of v4. */
const grow = Effect.fnUntraced(function* (store: Store) {
  yield* store.append(
    Array.from({ length: 18 }, (_, i) => recordOf(i + 1)),
    0
  )
  yield* store.moveHead(3, 1_700_000_000_000, 18)
  yield* store.tag("release", 7)
  yield* store.tag("start", 0)
  yield* store.checkpoints.save(4, chunksOf(4))
})

/** Everything a store holds, in a form that can be compared. */
const read = Effect.fnUntraced(function* (store: Store) {
  const info = yield* store.info
  const versions = yield* store.versions({ after: 0, limit: 100 })
  for (const { changeset } of versions) yield* changeset.value
  const bytes = yield* Effect.forEach(versions, ({ changeset, ...fields }) =>
    Effect.map(changeset.bytes, (bytes) => ({ ...fields, bytes: [...bytes] }))
  )
  const chunks = yield* Effect.forEach(info.checkpoints, store.checkpoints.load)
  return JSON.stringify([
    { ...info, tags: [...info.tags] },
    bytes,
    yield* store.heads(0, 100),
    chunks.map((list) => list.map((chunk) => [...chunk]))
  ])
})

const opened = <A, E>(filename: string, use: (store: Store) => Effect.Effect<A, E>) =>
  Effect.scoped(Effect.flatMap(HistorySqlite.make({ filename }), use))

/** v1 … v30 compacted to v10, v20 (compressed) and v21 … v30, with a compressed checkpoint of v30. */
const growCompacted = Effect.fnUntraced(function* (store: Store) {
  yield* store.append(
    Array.from({ length: 30 }, (_, i) => linkOf(i + 1)),
    0
  )
  yield* store.checkpoints.save(30, chunksOf(30))
  yield* store.compact(yield* everyTenth(30))
})

/** A store that was grown, closed, and changed by SQL. */
const changed = Effect.fnUntraced(function* (sql: string, growing: typeof grow = grow) {
  const filename = yield* temporaryFile
  yield* opened(filename, growing)
  const database = new Sqlite(filename)
  database.pragma("foreign_keys = OFF")
  database.pragma("ignore_check_constraints = ON")
  database.exec(sql)
  database.close()
  return yield* HistorySqlite.make({ filename })
})

const swapped = `
  CREATE TEMP TABLE two AS SELECT * FROM changesets WHERE version IN (5, 6);
  UPDATE changesets SET bytes = (SELECT bytes FROM two WHERE version = 11 - changesets.version),
    checksum = (SELECT checksum FROM two WHERE version = 11 - changesets.version) WHERE version IN (5, 6);`

const damages: ReadonlyArray<readonly [sql: string, what: string, reason: RegExp]> = [
  ["UPDATE changesets SET bytes = zeroblob(length(bytes)) WHERE version = 5", "v5", /checksum/],
  ["UPDATE changesets SET bytes = zeroblob(length(bytes)) WHERE version = 17", "v17", /checksum/],
  [swapped, "v5", /checksum/],
  ["DELETE FROM changesets WHERE version = 6", "v6", /no changeset/],
  ["UPDATE versions SET message = 'changed' WHERE id = 7", "v7", /checksum/],
  ["UPDATE versions SET parent = 1 WHERE id = 8", "v8", /checksum/],
  ["UPDATE versions SET parent = 12 WHERE id = 8", "v8", /checksum/],
  ["DELETE FROM versions WHERE id = 9; DELETE FROM changesets WHERE version = 9", "v9", /missing/],
  [
    "UPDATE versions SET id = 40 WHERE id = 18; UPDATE changesets SET version = 40 WHERE version = 18",
    "v18",
    /missing/
  ],
  ["DELETE FROM versions WHERE id = 0", "v0", /missing/],
  ["UPDATE metadata SET value = value + 1", "v0", /as old as the store/],
  ["UPDATE heads SET version = 2 WHERE revision = 19", "move 19 of head", /checksum/],
  ["DELETE FROM heads WHERE revision = 10", "move 10 of head", /missing/],
  ["DELETE FROM heads WHERE revision >= 18", "v18", /never at it/],
  ["UPDATE heads SET version = 99 WHERE revision = 19", "move 19 of head", /no version v99/],
  ["UPDATE tags SET version = 3 WHERE name = 'release'", "the tag release", /checksum/],
  ["UPDATE tags SET name = 'Release' WHERE name = 'release'", "the tag Release", /checksum/],
  [
    "UPDATE checkpoint_chunks SET bytes = zeroblob(20000) WHERE number = 2",
    "chunk 2 of the checkpoint of v4",
    /checksum/
  ],
  ["DELETE FROM checkpoint_chunks WHERE number = 3", "the checkpoint of v4", /3 chunks of 4/],
  ["UPDATE checkpoints SET version = 5", "the checkpoint of v5", /checksum/],
  ["UPDATE checkpoints SET save = save + 1", "the checkpoint of v4", /0 chunks of 4/],
  ["DELETE FROM checkpoint_chunks WHERE number = 0", "the checkpoint of v4", /3 chunks of 4/]
]

const compactedDamages: typeof damages = [
  ["UPDATE dropped SET last = 8 WHERE run = 1", "the note that v1 to v8 were dropped", /checksum/],
  ["UPDATE dropped SET last = 30 WHERE run = 2", "the note that v11 to v30 were dropped", /the last version is v30/],
  ["UPDATE dropped SET first = 9 WHERE run = 2", "the note that v9 to v19 were dropped", /dropped before/],
  ["DELETE FROM dropped WHERE run = 1", "note 1 of what was dropped", /missing/],
  ["DELETE FROM dropped WHERE run = 2", "v11", /missing/],
  ["UPDATE versions SET folded = 3 WHERE id = 20", "v20", /checksum/],
  ["UPDATE versions SET folded = NULL WHERE id = 10", "v10", /checksum/],
  ["UPDATE versions SET folded = 1 WHERE id = 25", "v25", /checksum/],
  ["UPDATE changesets SET zstd = 0 WHERE version = 20", "v20", /checksum/],
  ["UPDATE changesets SET zstd = 1 WHERE version = 25", "v25", /checksum/],
  ["UPDATE checkpoint_chunks SET zstd = 0 WHERE number = 2", "chunk 2 of the checkpoint of v30", /checksum/],
  ["INSERT INTO versions SELECT 5, 0, 1, '', '', 0, 0, 0, NULL", "v5", /dropped, and is there/],
  ["UPDATE versions SET parent = 19 WHERE id = 21", "v21", /its parent v19 was dropped/],
  ["INSERT INTO tags VALUES ('gone', 5, 0)", "the tag gone", /v5 was dropped/],
  ["UPDATE heads SET version = 5 WHERE revision = 30", "head", /at v5, which was dropped/],
  ["UPDATE checkpoints SET version = 19", "the checkpoint of v19", /its version was dropped/]
]

describe("verify", () => {
  for (const [sql, what, reason] of compactedDamages) {
    it.effect(`of what was compacted finds what this does: ${sql}`, () =>
      Effect.gen(function* () {
        const store = yield* changed(sql, growCompacted)
        const damage = yield* store.verify
        assert.isTrue(
          damage.some((found) => found.what === what && reason.test(found.reason)),
          JSON.stringify(damage)
        )
      })
    )
  }

  it.effect("finds nothing wrong with what was compacted", () =>
    Effect.gen(function* () {
      const store = yield* changed("SELECT 1", growCompacted)
      assert.deepStrictEqual(yield* store.verify, [])
    })
  )

  for (const [sql, what, reason] of damages) {
    it.effect(`finds what this does: ${sql.trim().split("\n")[0]}`, () =>
      Effect.gen(function* () {
        const store = yield* changed(sql)
        const damage = yield* store.verify
        assert.isTrue(
          damage.some((found) => found.what === what && reason.test(found.reason)),
          JSON.stringify(damage)
        )
      })
    )
  }

  it.effect("finds a changeset that cannot be decoded, or does not hold what its version counts", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const store = yield* HistorySqlite.make({ filename })
      const bytes = new Uint8Array([0, 0xc1])
      const broken = { bytes: Effect.succeed(bytes), value: recordOf(1).changeset.value }
      yield* store.append([{ ...recordOf(1), changeset: broken }, { ...recordOf(2), created: 2 }, recordOf(3)], 0)
      const damage = yield* store.verify
      assert.deepStrictEqual(
        damage.map(({ what }) => what),
        ["v1", "v2"]
      )
      assert.match(damage[0]!.reason, /cannot be read/)
      assert.match(damage[1]!.reason, /operations that it counts/)
    })
  )

  it.effect("sees one moment of a store that others write to", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const store = yield* HistorySqlite.make({ filename })
      yield* store.append(
        Array.from({ length: 600 }, (_, i) => ({ ...recordOf(1), id: i + 1, parent: i })),
        0
      )
      const appends = Effect.gen(function* () {
        for (let id = 601; id <= 650; id++) {
          yield* store.append([{ ...recordOf(1), id, parent: 1 }], id - 1)
          yield* store.checkpoints.save(id, [new Uint8Array(10)])
          yield* Effect.yieldNow
        }
      })
      const [damage] = yield* Effect.all([store.verify, appends], { concurrency: 2 })
      assert.deepStrictEqual(damage, [])
      assert.strictEqual((yield* store.info).last, 650)
    })
  )
})

describe("a damaged store", () => {
  it.effect("fails to read what is damaged with Corrupt, and reads the rest", () =>
    Effect.gen(function* () {
      const store = yield* changed("UPDATE changesets SET bytes = zeroblob(length(bytes)) WHERE version IN (5, 17)")
      const error = yield* Effect.flip(store.versions({ ids: [5] }))
      assert.strictEqual(error.reason, "Corrupt")
      assert.include(error.message, "v5")
      const [v6] = yield* store.versions({ ids: [6] })
      assert.deepStrictEqual(yield* v6!.changeset.bytes, yield* recordOf(6).changeset.bytes)
      // A large changeset is read when somebody asks for it, so that is when its damage shows.
      const [v17] = yield* store.versions({ ids: [17] })
      const failures = [yield* Effect.flip(v17!.changeset.value), yield* Effect.flip(v17!.changeset.bytes)]
      for (const failure of failures) {
        assert.strictEqual(failure._tag === "HistoryStoreError" ? failure.reason : failure._tag, "Corrupt")
        assert.include(failure.message, "v17 is damaged")
      }
    })
  )
  it.effect("does not take a damaged head for a fresh store, nor write past it (B2)", () =>
    Effect.gen(function* () {
      const store = yield* changed("UPDATE heads SET version = 2 WHERE revision = 19")
      const errors = [
        yield* Effect.flip(store.info),
        yield* Effect.flip(store.append([recordOf(19)], 19)),
        yield* Effect.flip(store.moveHead(1, 1, 19))
      ]
      for (const error of errors) {
        assert.strictEqual(error._tag === "HistoryStoreError" ? error.reason : error._tag, "Corrupt")
      }
    })
  )
  it.effect("does not hand out a damaged checkpoint", () =>
    Effect.gen(function* () {
      const store = yield* changed("UPDATE checkpoint_chunks SET bytes = zeroblob(20000) WHERE number = 2")
      assert.strictEqual((yield* Effect.flip(store.checkpoints.load(4))).reason, "Corrupt")
    })
  )
  it.effect("does not hand out what is said to be compressed, or not, and is not so", () =>
    Effect.gen(function* () {
      const sql = "UPDATE checkpoint_chunks SET zstd = 1 - zstd; UPDATE changesets SET zstd = 1 - zstd"
      const store = yield* changed(sql, growCompacted)
      assert.strictEqual((yield* Effect.flip(store.checkpoints.load(30))).reason, "Corrupt")
      assert.strictEqual((yield* Effect.flip(store.versions({ ids: [25] }))).reason, "Corrupt")
      const [v20] = yield* store.versions({ ids: [20] })
      assert.strictEqual((yield* Effect.flip(v20!.changeset.bytes)).reason, "Corrupt")
    })
  )
  it.effect("does not take a damaged list of what was dropped for another one", () =>
    Effect.gen(function* () {
      for (const sql of ["UPDATE dropped SET last = 8 WHERE run = 1", "DELETE FROM dropped WHERE run = 1"]) {
        const store = yield* changed(sql, growCompacted)
        assert.strictEqual((yield* Effect.flip(store.info)).reason, "Corrupt")
        const error = yield* Effect.flip(store.append([linkOf(31)], 30))
        assert.strictEqual(error._tag === "HistoryStoreError" ? error.reason : error._tag, "Corrupt")
      }
    })
  )
  it.effect("does not append over a row that should not be there", () =>
    Effect.gen(function* () {
      const store = yield* changed("INSERT INTO changesets (version, checksum, bytes) VALUES (19, 0, x'00')")
      const error = yield* Effect.flip(store.append([recordOf(19)], 19))
      assert.strictEqual(error._tag === "HistoryStoreError" ? error.reason : error._tag, "Corrupt")
      assert.strictEqual((yield* store.info).last, 18)
    })
  )

  const whole = (filename: string) => opened(filename, grow)
  /** As a process leaves it that is killed after the step of a compaction: what was dropped is still there. */
  const halfSwept = Effect.fnUntraced(function* (filename: string) {
    const chain = Array.from({ length: 20 }, (_, i) => linkOf(i + 1))
    yield* opened(filename, (store) => Effect.andThen(store.append(chain, 0), store.checkpoints.save(20, chunksOf(20))))
    yield* stepAlone(
      filename,
      [
        [1, 6],
        [8, 17]
      ],
      20
    )
  })
  const stores = { "a store": whole, "a store that is being compacted": halfSwept }
  for (const [what, growing] of Object.entries(stores)) {
    it.effect(
      `B24: one flipped bit anywhere in the file of ${what} is refused, found by verify, or changes nothing (property)`,
      () =>
        Effect.gen(function* () {
          const filename = yield* temporaryFile
          yield* growing(filename)
          const sound = fs.readFileSync(filename)
          const before = yield* opened(filename, read)
          const folder = yield* temporaryFolder
          const flipped = path.join(folder, "flipped.db")
          yield* Effect.promise(() =>
            fc.assert(
              fc.asyncProperty(fc.nat(sound.length * 8 - 1), async (bit) => {
                const bytes = Uint8Array.from(sound)
                bytes[bit >> 3]! ^= 1 << (bit & 7)
                for (const file of fs.readdirSync(folder)) fs.rmSync(path.join(folder, file))
                fs.writeFileSync(flipped, bytes)
                const exit = await Effect.runPromiseExit(
                  opened(flipped, (store) => Effect.all({ damage: store.verify, after: Effect.exit(read(store)) }))
                )
                if (Exit.isFailure(exit)) return assert.isTrue(exit.cause.reasons.every(({ _tag }) => _tag === "Fail"))
                const { after, damage } = exit.value
                if (damage.length === 0) assert.deepStrictEqual(after, Exit.succeed(before))
              }),
              { numRuns: 300 }
            )
          )
        }),
      60_000
    )
  }
})
