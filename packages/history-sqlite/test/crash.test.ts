/** A process that writes is killed at any moment: what it was told is written is there, whole, and the store is sound. */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as HistorySqlite from "@heph/history-sqlite/HistorySqlite"
import type { HistoryStore } from "@heph/history/HistoryStore"
import * as Effect from "effect/Effect"
import { temporaryFile, temporaryFolder } from "./fixtures/files.ts"
import { run } from "./fixtures/processes.ts"
import { chunksOf, recordOf } from "./fixtures/records.ts"

type Store = HistoryStore["Service"]

/** A small generator with a seed, so that a run can be repeated: `below(n)` is a whole number from 0 to n - 1. */
const random = (seed: number) => {
  let state = seed
  return (n: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * n)
  }
}

/** Lets a process live until it has written so many lines, and a little longer; what it wrote until it was dead. */
const livesFor = (script: URL, file: string, count: number, turns: number) => {
  let seen = 0
  return run(script, [file], {
    onLine: (_, child) => {
      if (++seen !== count) return
      const killAfter = (turns: number): void => {
        if (turns === 0) child.kill("SIGKILL")
        else setImmediate(() => killAfter(turns - 1))
      }
      killAfter(turns)
    }
  })
}

/** What acknowledged lines say is there, compared with what is; versions from `after` on, one by one. */
const isThere = Effect.fnUntraced(function* (store: Store, lines: ReadonlyArray<string>, after: number) {
  const info = yield* store.info
  const versions = yield* store.versions({ after, limit: 1_000_000 })
  // No gap, nothing twice, nothing half: also what was not acknowledged is either whole or not there.
  assert.deepStrictEqual(
    versions.map(({ id }) => id),
    Array.from({ length: info.last - after }, (_, i) => after + i + 1)
  )
  for (const { changeset, ...fields } of versions) {
    const { changeset: expected, ...expectedFields } = recordOf(fields.id)
    assert.deepStrictEqual(fields, expectedFields)
    assert.strictEqual(
      Buffer.compare(yield* changeset.bytes, yield* expected.bytes),
      0,
      `the changeset of v${fields.id}`
    )
  }
  for (const id of info.checkpoints.filter((id) => id > after)) {
    assert.deepStrictEqual(yield* store.checkpoints.load(id), chunksOf(id))
  }
  const moves = new Map((yield* store.heads(0, 1_000_000)).map((move) => [move.revision, move.version]))
  assert.strictEqual(moves.size, info.revision)
  let tagged = 0
  for (const line of lines) {
    const [what, ...rest] = line.split(" ")
    const numbers = rest.map(Number)
    if (what === "v") assert.isAtMost(numbers[0]!, info.last)
    else if (what === "h") assert.strictEqual(moves.get(numbers[0]!), numbers[1])
    else if (what === "c") assert.include(info.checkpoints, numbers[0])
    else if (what === "t") tagged = numbers[1]!
    else assert.fail(`an unknown line: ${line}`)
  }
  // The one tag may be ahead of the last acknowledged line, never behind it.
  assert.isAtLeast(info.tags.get("last") ?? 0, tagged)
  assert.deepStrictEqual(yield* store.verify, [])
  return info.last
})

describe("kill -9", () => {
  const lives = Effect.fnUntraced(function* (seed: number) {
    const below = random(seed)
    const filename = yield* temporaryFile
    const opened = <A, E>(use: (store: Store) => Effect.Effect<A, E>) =>
      Effect.scoped(Effect.flatMap(HistorySqlite.make({ filename }), use))
    const acknowledged: Array<string> = []
    let last = 0
    for (let life = 0; life < 25; life++) {
      const ended = yield* livesFor(new URL("./fixtures/writer.ts", import.meta.url), filename, 1 + below(40), below(4))
      assert.strictEqual(ended.signal, "SIGKILL", ended.stderr)
      acknowledged.push(...ended.lines)
      last = yield* opened((store) => isThere(store, acknowledged, last))
    }
    yield* opened((store) => isThere(store, acknowledged, 0))
  })

  it.effect(
    "50 random moments of a process that writes: all that was acknowledged is there, whole",
    () =>
      Effect.gen(function* () {
        const ended = yield* run(new URL("./fixtures/writer.ts", import.meta.url), [yield* temporaryFile, "1"])
        assert.deepStrictEqual(ended.lines, ["v 1"], ended.stderr)
        yield* Effect.forEach([1, 2], lives, { concurrency: 2, discard: true })
      }),
    120_000
  )

  it.effect(
    "B20: random moments of a process that makes stores: each file is a sound store, or one that can still be made",
    () =>
      Effect.gen(function* () {
        const below = random(3)
        for (let life = 0; life < 3; life++) {
          const folder = yield* temporaryFolder
          const { lines, signal, stderr } = yield* livesFor(
            new URL("./fixtures/maker.ts", import.meta.url),
            folder,
            1 + below(30),
            below(4)
          )
          assert.strictEqual(signal, "SIGKILL", stderr)
          const files = fs.readdirSync(folder).filter((file) => file.endsWith(".db"))
          assert.isAtLeast(files.length, lines.length)
          for (const file of files) {
            const facts = yield* Effect.scoped(
              Effect.gen(function* () {
                const store = yield* HistorySqlite.make({ filename: path.join(folder, file) })
                const { head, last, revision } = yield* store.info
                return { head, last, revision, damage: yield* store.verify }
              })
            )
            assert.deepStrictEqual(facts, { head: 0, last: 0, revision: 0, damage: [] })
          }
        }
      }),
    60_000
  )
})
