/** Processes that share a file. */
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as HistorySqlite from "@heph/history-sqlite/HistorySqlite"
import * as Effect from "effect/Effect"
import { temporaryFile, temporaryFolder } from "./fixtures/files.ts"
import { run } from "./fixtures/processes.ts"
import { recordOf } from "./fixtures/records.ts"

describe("two processes", () => {
  it.effect(
    "B3: 200 appends each, to a store that neither found there, end in one chain of 400",
    () =>
      Effect.gen(function* () {
        const filename = yield* temporaryFile
        const ended = yield* Effect.forEach(
          ["a", "b"],
          (name) => run(new URL("./fixtures/appender.ts", import.meta.url), [filename, name, "200"]),
          {
            concurrency: 2
          }
        )
        for (const { code, stderr } of ended) assert.strictEqual(code, 0, stderr)
        const store = yield* HistorySqlite.make({ filename })
        const versions = yield* store.versions({ after: 0, limit: 1000 })
        assert.deepStrictEqual(
          versions.map(({ id, parent }) => [id, parent]),
          Array.from({ length: 400 }, (_, i) => [i + 1, i])
        )
        for (const name of ["a", "b"]) {
          assert.deepStrictEqual(
            versions.map(({ message }) => message).filter((message) => message?.startsWith(name)),
            Array.from({ length: 200 }, (_, i) => `${name} ${i}`)
          )
        }
        for (const { changeset, id } of versions) {
          assert.deepStrictEqual(yield* changeset.bytes, yield* recordOf(id).changeset.bytes)
        }
        const { head, revision } = yield* store.info
        assert.deepStrictEqual({ head, revision }, { head: 400, revision: 400 })
        assert.deepStrictEqual(yield* store.verify, [])
      }),
    60_000
  )

  it.effect(
    "that make the same 100 stores at the same moments both open each, and only one of them makes it",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const twins = [
          ["a", "b"],
          ["b", "a"]
        ] as const
        const [a, b] = yield* Effect.forEach(
          twins,
          (names) => run(new URL("./fixtures/twin.ts", import.meta.url), [folder, ...names, "100"]),
          {
            concurrency: 2
          }
        )
        assert.deepStrictEqual([a?.code, b?.code], [0, 0], `${a?.stderr}${b?.stderr}`)
        assert.strictEqual(a?.lines.length, 100)
        assert.deepStrictEqual(a.lines, b?.lines)
        const store = yield* HistorySqlite.make({ filename: path.join(folder, "99.db") })
        assert.deepStrictEqual(yield* store.verify, [])
      }),
    60_000
  )
})
