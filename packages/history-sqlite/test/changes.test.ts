/** Signals that somebody else wrote: within the interval, from another connection and another process, and no others. */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as HistorySqlite from "@heph/history-sqlite/HistorySqlite"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { asOrdinaryUser, temporaryFile, temporaryFolder, withTemporary } from "./fixtures/files.ts"
import { run } from "./fixtures/processes.ts"
import { recordOf } from "./fixtures/records.ts"

/** Counts the signals of a store as they come. */
const counting = Effect.fnUntraced(function* (options: HistorySqlite.Options) {
  const store = yield* HistorySqlite.make(options)
  const signals = yield* Queue.unbounded<void>()
  const fiber = yield* Effect.forkScoped(Stream.runForEach(store.changes, () => Queue.offer(signals, undefined)))
  yield* Queue.take(signals)
  /** How many came while so much time passes; what is ready to run has run. */
  const within = Effect.fnUntraced(function* (time: `${number} millis`) {
    yield* TestClock.adjust(time)
    let count = 0
    while (Option.isSome(yield* Queue.poll(signals))) count++
    return count
  })
  return { store, within, fiber }
})

describe("changes", () => {
  it.effect("tells of each write of another connection once the interval is over, and of none of its own", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const { store, within } = yield* counting({ filename })
      const other = yield* HistorySqlite.make({ filename })
      assert.strictEqual(yield* within("1000 millis"), 0)
      yield* other.append([recordOf(1)], 0)
      assert.strictEqual(yield* within("49 millis"), 0)
      assert.strictEqual(yield* within("1 millis"), 1)
      assert.strictEqual(yield* within("1000 millis"), 0)
      // Whatever a write is, and many of them are one signal.
      yield* other.moveHead(0, 1, 1)
      yield* other.tag("a", 1)
      assert.strictEqual(yield* within("1000 millis"), 1)
      yield* store.append([recordOf(2)], 2)
      yield* store.tag("b", 1)
      assert.strictEqual(yield* within("1000 millis"), 0)
      yield* other.append([recordOf(3)], 3)
      assert.strictEqual(yield* within("1000 millis"), 1)
    })
  )
  it.effect("looks as often as it is told to, and for a reader too", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const other = yield* HistorySqlite.make({ filename })
      const { within } = yield* counting({ filename, readOnly: true, pollInterval: "3 seconds" })
      yield* other.append([recordOf(1)], 0)
      assert.strictEqual(yield* within("2999 millis"), 0)
      assert.strictEqual(yield* within("1 millis"), 1)
    })
  )
  it.effect("makes one signal of what happens while one is handled, and loses none of it", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const store = yield* HistorySqlite.make({ filename })
      const other = yield* HistorySqlite.make({ filename })
      const seen: Array<number> = []
      const follower = yield* store.changes.pipe(
        Stream.mapEffect(() =>
          Effect.gen(function* () {
            const { last } = yield* store.info
            seen.push(last)
            // While this one is handled, others write what it has not read.
            if (last < 30) {
              for (let id = last + 1; id <= last + 10; id++)
                yield* other.append([{ ...recordOf(id), parent: 0 }], id - 1)
            }
            return last
          })
        ),
        Stream.takeUntil((last) => last === 30),
        Stream.runDrain,
        Effect.forkScoped
      )
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(follower)
      assert.deepStrictEqual(seen, [0, 10, 20, 30])
    })
  )
  for (const [what, damage] of [
    ["is deleted", (file: string) => fs.rmSync(file)],
    ["is moved", (file: string) => fs.renameSync(file, `${file}.old`)],
    [
      "is replaced",
      (file: string) => {
        fs.copyFileSync(file, `${file}.new`)
        fs.renameSync(`${file}.new`, file)
      }
    ]
  ] as const) {
    it.effect(`fails when the file ${what}, and is not silent`, () =>
      Effect.gen(function* () {
        const filename = yield* temporaryFile
        const { fiber, within } = yield* counting({ filename })
        damage(filename)
        yield* within("50 millis")
        const error = yield* Effect.flip(Fiber.join(fiber))
        assert.strictEqual(error.reason, "NotFound")
        assert.match(error.message, what === "is replaced" ? /replaced by another one/ : /moved or deleted/)
      })
    )
  }
  it.effect("of a private copy emits once: nobody writes to it", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const folder = path.dirname(filename)
      yield* Effect.scoped(Effect.flatMap(HistorySqlite.make({ filename }), (store) => store.append([recordOf(1)], 0)))
      fs.chmodSync(folder, 0o555)
      const temporary = yield* temporaryFolder
      const { within } = yield* asOrdinaryUser(
        [folder, temporary],
        withTemporary(temporary, counting({ filename, readOnly: true }))
      )
      fs.chmodSync(folder, 0o755)
      assert.lengthOf(fs.readdirSync(temporary), 1)
      assert.strictEqual(yield* within("60000 millis"), 0)
    })
  )
  it.live(
    "reaches followers of other processes' appends: each version seen, in order",
    () =>
      Effect.gen(function* () {
        const filename = yield* temporaryFile
        const store = yield* HistorySqlite.make({ filename, pollInterval: "5 millis" })
        const seen: Array<number> = []
        const follower = yield* store.changes.pipe(
          Stream.mapEffect(() => store.versions({ after: seen.at(-1) ?? 0, limit: 1000 })),
          Stream.tap((versions) => Effect.sync(() => versions.forEach(({ id }) => seen.push(id)))),
          Stream.takeUntil(() => seen.length === 200),
          Stream.runDrain,
          Effect.forkScoped
        )
        const ended = yield* Effect.forEach(
          ["a", "b"],
          (name) => run(new URL("./fixtures/appender.ts", import.meta.url), [filename, name, "100"]),
          { concurrency: 2 }
        )
        for (const { code, stderr } of ended) assert.strictEqual(code, 0, stderr)
        yield* Fiber.join(follower)
        assert.deepStrictEqual(
          seen,
          Array.from({ length: 200 }, (_, i) => i + 1)
        )
      }),
    60_000
  )
})
