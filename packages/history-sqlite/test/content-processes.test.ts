/** Processes that register contents in one file, while others sweep it. */
import { assert, describe, it } from "@effect/vitest"
import * as ContentStore from "@heph/content/ContentStore"
import * as Hash from "@heph/content/Hash"
import { HistoryStore } from "@heph/history/HistoryStore"
import * as Effect from "effect/Effect"
import { temporaryFile } from "./fixtures/files.ts"
import { run } from "./fixtures/processes.ts"
import { kept, named, referred, stores } from "./fixtures/registrations.ts"

const script = (name: string) => new URL(`./fixtures/${name}.ts`, import.meta.url)

describe("several processes", () => {
  it.effect(
    "three that register while two sweep without a pause: nothing that a kept version names is ever missing",
    () =>
      Effect.gen(function* () {
        const filename = yield* temporaryFile
        const times = 80
        const total = 3 * times
        const [writers, sweepers] = yield* Effect.all(
          [
            Effect.forEach(
              [1, 2, 3],
              (writer) => run(script("content-writer"), [filename, String(writer), String(times)]),
              { concurrency: 3 }
            ),
            Effect.forEach([1, 2], () => run(script("content-sweeper"), [filename, String(total)]), { concurrency: 2 })
          ],
          { concurrency: 2 }
        )
        for (const { code, stderr } of [...writers, ...sweepers]) assert.strictEqual(code, 0, stderr)
        const removed = sweepers.flatMap(({ lines }) => lines.map((line) => Number(line.split(" ")[0])))
        assert.isAbove(
          removed.reduce((a, b) => a + b, 0),
          total / 2
        )
        yield* Effect.gen(function* () {
          const history = yield* HistoryStore
          const contents = yield* ContentStore.ContentStore
          assert.strictEqual((yield* history.info).last, total)
          for (const { hashes } of yield* named(total - kept)) {
            for (const hash of hashes) assert.strictEqual(Hash.of(yield* contents.get(hash)), hash)
          }
          assert.deepStrictEqual(yield* contents.verify(), [])
          assert.deepStrictEqual(yield* history.verify, [])
          const asked = Effect.provideService(referred, HistoryStore, history)
          yield* contents.sweep(asked)
          assert.strictEqual((yield* contents.info).contents, (yield* asked).size)
        }).pipe(Effect.provide(stores(filename)))
      }),
    120_000
  )

  it.effect(
    "four that register the same contents at the same moments keep each once",
    () =>
      Effect.gen(function* () {
        const filename = yield* temporaryFile
        const ended = yield* Effect.forEach([1, 2, 3, 4], () => run(script("content-writer"), [filename, "1", "40"]), {
          concurrency: 4
        })
        for (const { code, stderr } of ended) assert.strictEqual(code, 0, stderr)
        yield* Effect.gen(function* () {
          const contents = yield* ContentStore.ContentStore
          const versions = yield* named(0)
          assert.lengthOf(versions, 160)
          const hashes = new Set(versions.flatMap(({ hashes }) => hashes))
          assert.strictEqual((yield* contents.info).contents, hashes.size)
          assert.deepStrictEqual(yield* contents.verify(), [])
        }).pipe(Effect.provide(stores(filename)))
      }),
    60_000
  )
})
