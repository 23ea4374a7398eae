/** What somebody breaks with SQL: verify lists it, and what reads it fails with `Corrupt` and hands nothing out. */
import { assert, describe, it } from "@effect/vitest"
import * as HistoryPostgres from "@heph/history-postgres/HistoryPostgres"
import type { HistoryStore, HistoryStoreError } from "@heph/history/HistoryStore"
import * as Effect from "effect/Effect"
import { freshSchema, sql, url } from "./fixtures/places.ts"
import { chunksOf, foldedOf, recordOf } from "./fixtures/records.ts"

type Store = HistoryStore["Service"]

/** v1 … v40 with v3 and v4 folded into v5, travel, tags and checkpoints; v17 and v34 are large. */
const grown = Effect.gen(function* () {
  const schema = yield* freshSchema
  const store = yield* HistoryPostgres.make({ url, schema })
  const chain = Array.from({ length: 40 }, (_, i) => ({ ...recordOf(i + 1), parent: i }))
  for (const [i, record] of chain.slice(0, 20).entries()) yield* store.append([record], i)
  yield* store.moveHead(7, 1_700_000_001_000, 20)
  yield* store.moveHead(20, 1_700_000_002_000, 21)
  yield* store.append(chain.slice(20), 22)
  yield* store.tag("release", 9)
  yield* store.checkpoints.save(10, chunksOf(10))
  yield* store.checkpoints.save(0, [])
  yield* store.compact({ drop: [[3, 4]], fold: [foldedOf(5, 2)], last: 40 })
  assert.deepStrictEqual(yield* store.verify, [])
  return { schema, store }
})

type Reading = "info" | "versions" | "heads" | "checkpoint" | "large"

const reading: Record<Reading, (store: Store) => Effect.Effect<unknown, HistoryStoreError>> = {
  info: (store: Store) => store.info,
  versions: (store: Store) => store.versions({ after: 0, limit: 100 }),
  heads: (store: Store) => store.heads(0, 100),
  checkpoint: (store: Store) => store.checkpoints.load(10),
  large: (store: Store) => Effect.flatMap(store.versions({ ids: [17] }), ([v17]) => v17!.changeset.bytes)
}

const damages = (
  name: string,
  text: string,
  found: ReadonlyArray<readonly [what: string, reason: RegExp]>,
  corrupt: ReadonlyArray<Reading> = []
) =>
  it.effect(name, () =>
    Effect.gen(function* () {
      const { schema, store } = yield* grown
      yield* sql(text.replaceAll("$.", `"${schema}".`))
      const damage = yield* store.verify
      for (const [what, reason] of found) {
        assert.isTrue(
          damage.some((one) => one.what === what && reason.test(one.reason)),
          `${what} is not in ${JSON.stringify(damage)}`
        )
      }
      assert.isAtMost(damage.length, found.length + 1, JSON.stringify(damage))
      for (const key of corrupt) {
        const error = yield* Effect.flip(reading[key](store))
        assert.strictEqual(error.reason, "Corrupt")
      }
    })
  )

const checksum = /checksum is not the one/

describe("a changed row", () => {
  const columns = [
    "parent = 4",
    "timestamp = 1",
    "message = 'other'",
    "message = NULL",
    "author = ''",
    "created = 2",
    "folded = 1",
    "checksum = 1"
  ]
  for (const set of columns)
    damages(`version: ${set}`, `UPDATE $.versions SET ${set} WHERE id = 12`, [["v12", checksum]], ["versions"])
  damages(
    "version: another changeset",
    "UPDATE $.versions SET bytes = (SELECT bytes FROM $.versions WHERE id = 11) WHERE id = 12",
    [["v12", checksum]],
    ["versions"]
  )
  damages(
    "version: one flipped bit in a large changeset",
    "UPDATE $.versions SET bytes = set_bit(bytes, 99, 1 - get_bit(bytes, 99)) WHERE id = 17",
    [["v17", checksum]]
  )
  damages(
    "version: a changeset that is none",
    "UPDATE $.versions SET bytes = '' WHERE id = 12",
    [["v12", checksum]],
    ["versions"]
  )
  damages(
    "version: a large one that claims to be plain",
    "UPDATE $.versions SET zstd = NOT zstd WHERE id = 17",
    [["v17", /./]],
    ["large"]
  )
  damages(
    "version: its revision",
    "UPDATE $.versions SET revision = 99 WHERE id = 30",
    [["v30", checksum]],
    ["versions", "heads"]
  )
  damages(
    "version: its id",
    "UPDATE $.versions SET id = 41 WHERE id = 40",
    [
      ["v40", /missing/],
      ["v41", /comes after v40/],
      ["v41", checksum]
    ],
    ["versions", "heads"]
  )
  damages(
    "move: its version",
    "UPDATE $.moves SET version = 8 WHERE revision = 21",
    [["move 21 of head", checksum]],
    ["heads"]
  )
  damages(
    "move: its time",
    "UPDATE $.moves SET timestamp = 8 WHERE revision = 3",
    [["move 3 of head", checksum]],
    ["heads"]
  )
  damages("move: how many versions there were", "UPDATE $.moves SET last = 19 WHERE revision = 21", [
    ["move 21 of head", /counts 19 versions/]
  ])
  for (const set of ["head = 20", "revision = 41", "last = 41", "epoch = 7", "created = 5", "checksum = 1"]) {
    damages(`registry: ${set}`, `UPDATE $.registries SET ${set}`, [["the registry", /head is damaged/]], ["info"])
  }
  damages("tag: its version", "UPDATE $.tags SET version = 8", [["the tag release", checksum]], ["info"])
  damages("tag: its name", "UPDATE $.tags SET name = 'other'", [["the tag other", checksum]], ["info"])
  damages(
    "checkpoint: its version",
    "UPDATE $.checkpoints SET version = 11 WHERE version = 10",
    [["the checkpoint of v11", checksum]],
    ["info"]
  )
  damages(
    "checkpoint: its chunks",
    "UPDATE $.checkpoints SET chunks = 3 WHERE version = 10",
    [["the checkpoint of v10", checksum]],
    ["checkpoint"]
  )
  damages(
    "chunk: its bytes",
    "UPDATE $.chunks SET bytes = set_bit(bytes, 7, 1 - get_bit(bytes, 7)) WHERE number = 2",
    [["chunk 2 of the checkpoint of v10", checksum]],
    ["checkpoint"]
  )
  damages(
    "chunk: its compression",
    "UPDATE $.chunks SET zstd = NOT zstd WHERE number = 1",
    [["chunk 1 of the checkpoint of v10", checksum]],
    ["checkpoint"]
  )
  damages(
    "dropped: its runs",
    "UPDATE $.compacted SET dropped = '{[3,9)}'",
    [["the registry", /dropped is damaged/]],
    ["info"]
  )
  damages("dropped: what is left over", "UPDATE $.compacted SET leftover = '{[30,31)}'", [
    ["the list of rows to delete", /not dropped/]
  ])
})

describe("a missing row", () => {
  damages(
    "a version",
    "DELETE FROM $.versions WHERE id = 12",
    [
      ["v12", /missing/],
      ["move 12 of head", /missing/]
    ],
    ["heads"]
  )
  damages("the last versions", "DELETE FROM $.versions WHERE id > 38", [
    ["v39", /missing, up to v40/],
    ["move 41 of head", /missing, and those up to 42/],
    ["head", /moved to v38 last/],
    ["head", /counts 40 versions, and 38/]
  ])
  damages(
    "a move of head by travel",
    "DELETE FROM $.moves WHERE revision = 21",
    [["move 21 of head", /missing/]],
    ["heads"]
  )
  damages(
    "a move to a version that was dropped",
    "DELETE FROM $.moves WHERE revision = 4",
    [["move 4 of head", /missing/]],
    ["heads"]
  )
  damages("the registry", "DELETE FROM $.registries", [["the registry", /row is missing/]])
  damages(
    "a chunk",
    "DELETE FROM $.chunks WHERE number = 1",
    [["the checkpoint of v10", /3 chunks of 4/]],
    ["checkpoint"]
  )
  damages("the list of what was dropped", "DELETE FROM $.compacted", [["v3", /missing, up to v4/]])
  damages("a table", "DROP TABLE $.tags", [["the tags", /tables are not those/]], ["info"])
  damages(
    "a column",
    "ALTER TABLE $.moves DROP COLUMN timestamp",
    [["the moves of head", /tables are not those/]],
    ["heads"]
  )
})

describe("a row too many", () => {
  damages(
    "a version that was dropped",
    `INSERT INTO $.versions SELECT 3, parent, 3, timestamp, created, updated, deleted, checksum, moved, folded, zstd, registry, message, author, bytes
     FROM $.versions WHERE id = 6`,
    [
      ["v3", /though compaction dropped it/],
      ["v3", checksum]
    ],
    ["versions"]
  )
  damages(
    "a move of head",
    "INSERT INTO $.moves (registry, revision, version, timestamp, last, checksum) SELECT registry, 12, 7, timestamp, 20, checksum FROM $.moves WHERE revision = 21",
    [["move 12 of head", checksum]],
    ["heads"]
  )
  damages(
    "a chunk",
    "INSERT INTO $.chunks SELECT registry, save, 4, checksum, zstd, written, bytes FROM $.chunks WHERE number = 3",
    [["the checkpoint of v10", /5 chunks of 4/]],
    ["checkpoint"]
  )
  it.effect("nothing is written over it", () =>
    Effect.gen(function* () {
      const { schema, store } = yield* grown
      yield* sql(`UPDATE "${schema}".versions SET id = 41 WHERE id = 12`)
      const error = yield* Effect.flip(store.append([{ ...recordOf(41), parent: 40 }], 42))
      assert.strictEqual(error._tag === "HistoryStoreError" ? error.reason : error._tag, "Corrupt")
      assert.strictEqual((yield* store.info).last, 40)
    })
  )
})
