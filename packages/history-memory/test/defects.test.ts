/** Mistakes that another registry's history in memory makes, one test for each that a store decides. */
import { assert, describe, it } from "@effect/vitest"
import * as Operation from "@heph/changeset/Operation"
import * as Entry from "@heph/entry/Entry"
import * as HistoryMemory from "@heph/history-memory/HistoryMemory"
import type { VersionRecord } from "@heph/history/HistoryStore"
import * as Packed from "@heph/history/Packed"
import * as Effect from "effect/Effect"

const record = (id: number, parent: number, data: unknown = id): VersionRecord => ({
  id,
  parent,
  timestamp: 1_700_000_000_000 + id,
  message: `version ${id}`,
  author: undefined,
  created: 1,
  updated: 0,
  deleted: 0,
  changeset: Packed.fromChangeSet([
    Operation.create(Entry.makeUnsafe({ id: `test:entry-${id}`, kind: "test.kind", data }))
  ])
})

describe("a history in memory", () => {
  it.effect("B3: never replaces a version, whatever a writer believes the next one is", () =>
    Effect.gen(function* () {
      const store = yield* HistoryMemory.make
      yield* store.append([record(1, 0), record(2, 1)], 0)
      assert.strictEqual((yield* Effect.flip(store.append([record(2, 1, "other")], 1)))._tag, "HeadConflict")
      assert.strictEqual((yield* Effect.flip(store.append([record(2, 1, "other")], 2)))._tag, "HistoryStoreError")
      const [v2] = yield* store.versions({ ids: [2] })
      assert.deepStrictEqual(yield* v2!.changeset.bytes, yield* record(2, 1).changeset.bytes)
    })
  )
  it.effect("B4, B5: refuses a head and a parent that do not exist", () =>
    Effect.gen(function* () {
      const store = yield* HistoryMemory.make
      yield* store.append([record(1, 0)], 0)
      for (const refused of [store.moveHead(77, 1, 1), store.append([record(2, 42)], 1)]) {
        const error = yield* Effect.flip(refused)
        assert.strictEqual(error._tag === "HistoryStoreError" ? error.reason : error._tag, "NotFound")
      }
      const { head, last } = yield* store.info
      assert.deepStrictEqual({ head, last }, { head: 1, last: 1 })
    })
  )
  it.effect("B14: lists versions in the order of their ids, each time", () =>
    Effect.gen(function* () {
      const store = yield* HistoryMemory.make
      const ids = Array.from({ length: 30 }, (_, i) => i + 1)
      for (const id of ids) yield* store.append([record(id, id % 3 === 0 ? id - 1 : 0)], id - 1)
      for (let time = 0; time < 20; time++) {
        const versions = yield* store.versions({ after: 0, limit: 100 })
        assert.deepStrictEqual(
          versions.map(({ id }) => id),
          ids
        )
      }
    })
  )
  it.effect("B16: is not changed by what a caller does to the data it passed, or that it was given", () =>
    Effect.gen(function* () {
      const store = yield* HistoryMemory.make
      const data = { list: [1, 2], bytes: new Uint8Array([1, 2]), at: new Date(0) }
      const before = structuredClone(data)
      yield* store.append([record(1, 0, data)], 0)
      data.list.push(3)
      data.bytes[0] = 9
      data.at.setTime(1)
      for (let reader = 0; reader < 2; reader++) {
        const [v1] = yield* store.versions({ ids: [1] })
        const [operation] = yield* v1!.changeset.value
        const read = (operation?.op === "create" ? operation.entry.data : undefined) as typeof data
        assert.deepStrictEqual(read, before)
        // The first reader does its worst; the second must not see it.
        read.bytes[0] = 7
        read.at.setTime(7)
        assert.throws(() => read.list.push(4))
      }
    })
  )
  it.effect("keeps the changeset object that it was given: nothing is encoded", () =>
    Effect.gen(function* () {
      const store = yield* HistoryMemory.make
      const given = record(1, 0)
      yield* store.append([given], 0)
      const [v1] = yield* store.versions({ ids: [1] })
      assert.strictEqual(v1?.changeset, given.changeset)
    })
  )
})
