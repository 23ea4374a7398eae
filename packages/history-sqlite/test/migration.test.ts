/** A file of schema 1, as it lies on disks: opened, brought to the newest schema, and nothing of it lost. */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as HistorySqlite from "@heph/history-sqlite/HistorySqlite"
import type { HistoryStore } from "@heph/history/HistoryStore"
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import { temporaryFile, temporaryFolder } from "./fixtures/files.ts"
import { run } from "./fixtures/processes.ts"
import { chunksOf, recordOf } from "./fixtures/records.ts"
import { makeSchema1 } from "./fixtures/schema1.ts"

const length = 40

/** That a store holds what `makeSchema1` wrote. */
const isWhole = Effect.fnUntraced(function* (store: HistoryStore["Service"]) {
  const { tags, ...info } = yield* store.info
  assert.deepStrictEqual(info, {
    created: 1_600_000_000_000,
    head: 2,
    revision: length + 1,
    last: length,
    checkpoints: [4],
    dropped: []
  })
  assert.deepStrictEqual(
    [...tags],
    [
      ["release", 3],
      ["start", 0]
    ]
  )
  const versions = yield* store.versions({ after: 0, limit: 100 })
  assert.strictEqual(versions.length, length)
  for (const [i, { changeset, ...fields }] of versions.entries()) {
    const { changeset: expected, ...expectedFields } = recordOf(i + 1)
    assert.deepStrictEqual(fields, expectedFields)
    assert.deepStrictEqual(yield* changeset.bytes, yield* expected.bytes)
    assert.deepStrictEqual(yield* changeset.value, yield* expected.value)
  }
  assert.deepStrictEqual(yield* store.heads(0, 100), [
    ...versions.map(({ id, timestamp }) => ({ revision: id, version: id, timestamp })),
    { revision: length + 1, version: 2, timestamp: 1_700_000_000_000 }
  ])
  assert.deepStrictEqual(yield* store.checkpoints.load(4), chunksOf(4))
  assert.deepStrictEqual(yield* store.verify, [])
})

describe("a file of schema 1", () => {
  it.effect("is brought to the newest schema with every version, move, tag and checkpoint, and goes on", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* makeSchema1(filename, length)
      const refused = yield* Effect.flip(HistorySqlite.make({ filename, readOnly: true }))
      assert.strictEqual(refused.reason, "ReadOnly")
      assert.match(refused.message, /schema 1 .* brought to 3; open it once for writing/)
      for (let time = 0; time < 2; time++)
        yield* Effect.scoped(Effect.flatMap(HistorySqlite.make({ filename }), isWhole))
      yield* Effect.scoped(Effect.flatMap(HistorySqlite.make({ filename, readOnly: true }), isWhole))
      const store = yield* HistorySqlite.make({ filename })
      assert.strictEqual(yield* store.append([recordOf(length + 1)], length + 1), length + 2)
      assert.deepStrictEqual(yield* store.verify, [])
    })
  )
  it.effect("is compacted as others are; what that frees is used again, since its pages cannot be given back", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* makeSchema1(filename, length)
      const pages = () => {
        const database = new Sqlite(filename, { readonly: true })
        const found = ["page_count", "freelist_count"].map((name) => database.pragma(name, { simple: true }) as number)
        database.close()
        return { all: found[0]!, free: found[1]! }
      }
      const store = yield* HistorySqlite.make({ filename })
      const before = pages()
      yield* store.moveHead(length, 1, length + 1)
      yield* store.tag("release", null)
      yield* store.compact({
        drop: [[1, length - 1]],
        fold: [{ ...recordOf(length), parent: 0, folded: length - 1 }],
        last: length
      })
      assert.deepStrictEqual((yield* store.info).dropped, [[1, length - 1]])
      assert.deepStrictEqual(yield* store.verify, [])
      const after = pages()
      assert.isAtLeast(after.free, 10)
      yield* store.append([{ ...recordOf(17), id: length + 1, parent: length }], length + 2)
      assert.isAtMost(pages().all, before.all)
      assert.isBelow(pages().free, after.free)
    })
  )
  it.effect(
    "that two processes open at the same moment is migrated by one of them, and whole for both",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const count = 40
        for (let i = 0; i < count; i++) yield* makeSchema1(path.join(folder, `${i}.db`), length)
        const twins = [
          ["a", "b"],
          ["b", "a"]
        ] as const
        const ended = yield* Effect.forEach(
          twins,
          (names) => run(new URL("./fixtures/twin.ts", import.meta.url), [folder, ...names, String(count)]),
          { concurrency: 2 }
        )
        for (const { code, lines, stderr } of ended) {
          assert.strictEqual(code, 0, stderr)
          assert.deepStrictEqual(
            lines,
            Array.from({ length: count }, () => "1600000000000")
          )
        }
        assert.lengthOf(
          fs.readdirSync(folder).filter((file) => file.endsWith(".db")),
          count
        )
        for (let i = 0; i < count; i++) {
          yield* Effect.scoped(Effect.flatMap(HistorySqlite.make({ filename: path.join(folder, `${i}.db`) }), isWhole))
        }
      }),
    60_000
  )
})
