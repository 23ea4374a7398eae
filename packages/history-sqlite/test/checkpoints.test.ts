/** Checkpoints: made while others write, whole or not there, and nothing of an old one left behind. */
import { assert, describe, it } from "@effect/vitest"
import * as HistorySqlite from "@heph/history-sqlite/HistorySqlite"
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { temporaryFile } from "./fixtures/files.ts"
import { chunksOf, recordOf } from "./fixtures/records.ts"

describe("a checkpoint", () => {
  it.effect("is made while others write, and replaces the one before it at the end", () =>
    Effect.gen(function* () {
      const store = yield* HistorySqlite.make({ filename: yield* temporaryFile })
      yield* store.append([recordOf(1)], 0)
      yield* store.checkpoints.save(1, chunksOf(1))
      let appended = 1
      const seen: Array<unknown> = []
      const chunks = function* () {
        for (const chunk of chunksOf(2)) {
          // What this process has done by the time that a chunk is asked for.
          seen.push(appended)
          yield chunk
        }
      }
      const appends = Effect.gen(function* () {
        for (let id = 2; id < 40; id++) {
          appended = yield* store.append([{ ...recordOf(id), parent: 1 }], id - 1)
          if (id < 5) assert.deepStrictEqual(yield* store.checkpoints.load(1), chunksOf(1))
          yield* Effect.yieldNow
        }
      })
      yield* Effect.all([store.checkpoints.save(1, chunks()), appends], { concurrency: 2 })
      assert.strictEqual(new Set(seen).size, seen.length)
      assert.deepStrictEqual(yield* store.checkpoints.load(1), chunksOf(2))
    })
  )
  it.effect("made twice at once is one of the two, whole", () =>
    Effect.gen(function* () {
      const store = yield* HistorySqlite.make({ filename: yield* temporaryFile })
      yield* Effect.all([store.checkpoints.save(0, chunksOf(1)), store.checkpoints.save(0, chunksOf(2))], {
        concurrency: 2
      })
      const loaded = yield* store.checkpoints.load(0)
      assert.include([chunksOf(1)[0]![0], chunksOf(2)[0]![0]], loaded[0]![0])
      assert.deepStrictEqual(loaded, loaded[0]![0] === chunksOf(1)[0]![0] ? chunksOf(1) : chunksOf(2))
    })
  )
  it.effect("of one process that ends while another is making one: the other is told to try again, and can", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const [one, two] = [yield* HistorySqlite.make({ filename }), yield* HistorySqlite.make({ filename })]
      yield* one.append([recordOf(1)], 0)
      yield* one.checkpoints.save(1, chunksOf(5))
      const many = Array.from({ length: 50 }, () => new Uint8Array(100))
      const [slow] = yield* Effect.all(
        [Effect.result(one.checkpoints.save(1, many)), two.checkpoints.save(0, chunksOf(1))],
        { concurrency: 2 }
      )
      assert.isTrue(slow._tag === "Failure" && slow.failure.reason === "Busy" && slow.failure.isRetryable)
      assert.deepStrictEqual(yield* one.checkpoints.load(1), chunksOf(5))
      assert.deepStrictEqual(yield* one.checkpoints.load(0), chunksOf(1))
      assert.deepStrictEqual(yield* two.verify, [])
      yield* one.checkpoints.save(1, many)
      assert.deepStrictEqual(yield* two.checkpoints.load(1), many)
    })
  )
  it.effect("that was replaced, or never finished, leaves nothing behind after the next one", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const store = yield* HistorySqlite.make({ filename })
      const stored = () => {
        const database = new Sqlite(filename, { readonly: true })
        const found = ["checkpoints", "checkpoint_chunks"].map((table) =>
          database.prepare(`SELECT count(*) FROM ${table}`).pluck().get()
        )
        database.close()
        return found
      }
      yield* store.checkpoints.save(0, chunksOf(1))
      yield* store.checkpoints.save(0, chunksOf(2))
      assert.deepStrictEqual(stored(), [1, 4])
      const produce = function* () {
        yield* chunksOf(3)
        throw new Error("the state could not be encoded")
      }
      assert.isTrue(Exit.isFailure(yield* Effect.exit(store.checkpoints.save(0, produce()))))
      assert.deepStrictEqual(stored(), [2, 8])
      yield* store.checkpoints.save(0, [new Uint8Array(1)])
      assert.deepStrictEqual(stored(), [1, 1])
    })
  )
})
