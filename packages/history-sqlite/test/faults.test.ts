/**
 * Faults from outside: after each, what was acknowledged is there, or there is a typed error and the data of before.
 * Bits and rows that were changed are in `damage.test.ts`, killed processes in `crash.test.ts`.
 */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as HistorySqlite from "@heph/history-sqlite/HistorySqlite"
import type { HistoryStore, VersionRecord } from "@heph/history/HistoryStore"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as fc from "fast-check"
import { fill, inFolder, opened, whole } from "./fixtures/backup-stores.ts"
import { temporaryFile, temporaryFolder } from "./fixtures/files.ts"
import { onSmallDisk, run } from "./fixtures/processes.ts"
import { chunksOf, recordOf } from "./fixtures/records.ts"

type Store = HistoryStore["Service"]

const length = 40

/** v1 … v40, head back at v3, a tag, a checkpoint. */
const grow = Effect.fnUntraced(function* (filename: string) {
  yield* fill(filename, length)
  yield* opened(filename, (store) =>
    Effect.gen(function* () {
      yield* store.moveHead(3, 1_700_000_000_000, length)
      yield* store.tag("release", 7)
      yield* store.checkpoints.save(4, chunksOf(4))
    })
  )
})

const plain = Effect.fnUntraced(function* ({ changeset, ...fields }: VersionRecord) {
  yield* changeset.value
  return JSON.stringify([fields, [...(yield* changeset.bytes)]])
})

/** Every single thing that a store can be asked for, by name, as it was stored or not at all. */
const answers = (store: Store): Record<string, Effect.Effect<string, unknown>> => ({
  info: Effect.map(store.info, (info) => JSON.stringify({ ...info, tags: [...info.tags] })),
  heads: Effect.map(store.heads(0, 1000), (moves) => JSON.stringify(moves)),
  checkpoint: Effect.map(store.checkpoints.load(4), (chunks) => JSON.stringify(chunks.map((chunk) => [...chunk]))),
  ...Object.fromEntries(
    Array.from({ length }, (_, i) => [
      `v${i + 1}`,
      Effect.flatMap(store.versions({ ids: [i + 1] }), ([found]) =>
        found === undefined ? Effect.succeed("missing") : plain(found)
      )
    ])
  )
})

const ask = (store: Store) =>
  Effect.all(Object.fromEntries(Object.entries(answers(store)).map(([name, answer]) => [name, Effect.exit(answer)])))

const isTyped = (exit: Exit.Exit<unknown, unknown>) =>
  Exit.isFailure(exit) && exit.cause.reasons.every(({ _tag }) => _tag === "Fail")

/**
 * A file that something was done to is refused; or it opens, and each answer is the one of before or a typed error, unless
 * `verify` tells that something is damaged.
 */
const keepsItsPromise = Effect.fnUntraced(function* (
  filename: string,
  before: Record<string, Exit.Exit<string, unknown>>
) {
  const exit = yield* Effect.exit(opened(filename, (store) => Effect.all({ damage: store.verify, after: ask(store) })))
  if (Exit.isFailure(exit)) {
    assert.isTrue(isTyped(exit), String(exit.cause))
    return "refused"
  }
  const { after, damage } = exit.value
  for (const [name, answer] of Object.entries(after)) {
    if (Exit.isFailure(answer)) assert.isTrue(isTyped(answer), `${name}: ${String(answer.cause)}`)
    else if (damage.length === 0) assert.deepStrictEqual(answer, before[name], name)
    // A row may be missing where a page is, but no version is another than it was.
    else if (name.startsWith("v") && answer.value !== "missing") assert.deepStrictEqual(answer, before[name], name)
  }
  return damage.length === 0 ? "unharmed" : "found"
})

/** A sound file, what it answers, and a place for what is made of it. */
const prepared = Effect.gen(function* () {
  const filename = yield* temporaryFile
  yield* grow(filename)
  const before = yield* opened(filename, ask)
  for (const [name, answer] of Object.entries(before)) assert.isTrue(Exit.isSuccess(answer), name)
  const bytes = fs.readFileSync(filename)
  const folder = yield* temporaryFolder
  const harmed = path.join(folder, "harmed.db")
  /** How a file of these bytes keeps the promise. */
  const outcome = (changed: Uint8Array) =>
    Effect.suspend(() => {
      for (const file of fs.readdirSync(folder)) fs.rmSync(path.join(folder, file))
      fs.writeFileSync(harmed, changed)
      return keepsItsPromise(harmed, before)
    })
  return { bytes, before, outcome }
})

describe("file truncated", () => {
  it.effect(
    "at any byte (property): it is refused or found damaged, and nothing wrong is read",
    () =>
      Effect.gen(function* () {
        const { bytes, outcome } = yield* prepared
        yield* Effect.promise(() =>
          fc.assert(
            fc.asyncProperty(fc.integer({ min: 2, max: bytes.length - 1 }), async (size) => {
              assert.notStrictEqual(await Effect.runPromise(outcome(bytes.subarray(0, size))), "unharmed")
            }),
            { numRuns: 60 }
          )
        )
        assert.strictEqual(yield* outcome(bytes), "unharmed")
      }),
    60_000
  )

  it.effect("to one byte: it is refused and not touched, though SQLite takes such a file for an empty one", () =>
    Effect.gen(function* () {
      const { bytes } = yield* prepared
      const filename = yield* temporaryFile
      fs.writeFileSync(filename, bytes.subarray(0, 1))
      assert.isTrue(isTyped(yield* Effect.exit(opened(filename, (store) => store.info))))
      assert.deepStrictEqual([...fs.readFileSync(filename)], [bytes[0]])
    })
  )

  it.effect(
    "while it is open: this process reads what was there or a typed error, another one is refused or finds it",
    () =>
      Effect.gen(function* () {
        const filename = yield* temporaryFile
        yield* grow(filename)
        const before = yield* opened(filename, ask)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const store = yield* HistorySqlite.make({ filename })
            yield* store.info
            // By another process: closing a file would drop the locks that this one has on it.
            const half = Math.floor(fs.statSync(filename).size / 2)
            assert.strictEqual(spawnSync("truncate", ["-s", String(half), filename]).status, 0)
            for (const [name, answer] of Object.entries(yield* ask(store))) {
              if (Exit.isSuccess(answer)) assert.deepStrictEqual(answer, before[name], name)
              else assert.isTrue(isTyped(answer), name)
            }
            assert.isAbove((yield* store.verify).length, 0)
            assert.isTrue(isTyped(yield* Effect.exit(store.append([recordOf(99)], length + 1))))
          })
        )
        assert.notStrictEqual(yield* keepsItsPromise(filename, before), "unharmed")
      })
  )
})

describe("page overwritten", () => {
  const fills: Record<string, (page: Uint8Array, others: ReadonlyArray<Uint8Array>) => Uint8Array> = {
    zeros: (page) => new Uint8Array(page.length),
    ones: (page) => new Uint8Array(page.length).fill(255),
    "its own bytes, moved by one": (page) => Uint8Array.from(page, (_, i) => page[(i + 1) % page.length]!),
    "the page before it": (_, others) => others[0]!
  }
  for (const [what, fill] of Object.entries(fills)) {
    it.effect(
      `each page, by ${what}: it is refused, found damaged, or nobody needed it`,
      () =>
        Effect.gen(function* () {
          const { bytes, outcome } = yield* prepared
          const size = bytes.readUInt16BE(16)
          const found = new Map<string, number>()
          for (let at = 0; at < bytes.length; at += size) {
            const other = at === 0 ? bytes.length - size : at - size
            const changed = Uint8Array.from(bytes)
            changed.set(fill(bytes.subarray(at, at + size), [bytes.subarray(other, other + size)]), at)
            const how = yield* outcome(changed)
            found.set(how, (found.get(how) ?? 0) + 1)
            if (at === 0) assert.strictEqual(how, "refused")
          }
          // Pages of free room may be anything; those with data are most.
          assert.isAbove((found.get("found") ?? 0) + (found.get("refused") ?? 0), (bytes.length / size) * 0.7)
        }),
      60_000
    )
  }
})

describe("WAL removed", () => {
  it.effect("after a clean close, with the index: there was nothing in it", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* grow(filename)
      const before = yield* opened(filename, ask)
      // A reader leaves one, empty.
      yield* Effect.scoped(Effect.flatMap(HistorySqlite.make({ filename, readOnly: true }), (store) => store.info))
      for (const end of ["-wal", "-shm"]) fs.rmSync(filename + end, { force: true })
      assert.strictEqual(yield* keepsItsPromise(filename, before), "unharmed")
    })
  )

  it.effect(
    "of a killed process, while versions are only in it: those before are there, in one unbroken run, and it goes on",
    () =>
      Effect.gen(function* () {
        const filename = yield* temporaryFile
        yield* fill(filename, length)
        const { created } = yield* opened(filename, (store) => store.info)
        const left = inFolder(filename, "left.db")
        yield* opened(filename, (store) =>
          Effect.gen(function* () {
            for (let id = length + 1; id <= length + 30; id++) yield* store.append([recordOf(id)], id - 1)
            // What a killed process leaves, without its log.
            assert.strictEqual(spawnSync("cp", [filename, left]).status, 0)
          })
        )
        const found = yield* whole(left)
        assert.isAtLeast(found, length)
        assert.isBelow(found, length + 30)
        const info = yield* opened(left, (store) =>
          Effect.andThen(store.append([recordOf(found + 1)], found), store.info)
        )
        assert.deepStrictEqual([info.created, info.head, info.revision], [created, found + 1, found + 1])
        assert.strictEqual(yield* whole(left), found + 1)
      })
  )

  it.effect("of a process killed right after it made the store: it is still that store, not a new one", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* TestClock.setTime(1_000_000)
      const left = inFolder(filename, "left.db")
      yield* opened(filename, (store) =>
        Effect.gen(function* () {
          yield* store.append([recordOf(1)], 0)
          assert.strictEqual(spawnSync("cp", [filename, left]).status, 0)
        })
      )
      yield* TestClock.setTime(2_000_000)
      const exit = yield* Effect.exit(opened(left, (store) => store.info))
      if (Exit.isSuccess(exit)) assert.strictEqual(exit.value.created, 1_000_000)
      else assert.isTrue(isTyped(exit))
    })
  )

  it.effect(
    "while it is open: verify tells, another process is refused or reads what was there, and a clean close saves all",
    () =>
      Effect.gen(function* () {
        const filename = yield* temporaryFile
        yield* Effect.scoped(
          Effect.gen(function* () {
            const store = yield* HistorySqlite.make({ filename })
            for (let id = 1; id <= length; id++) yield* store.append([recordOf(id)], id - 1)
            fs.rmSync(`${filename}-wal`)
            assert.isAbove((yield* store.verify).length, 0)
            const script = new URL("./fixtures/appender.ts", import.meta.url)
            const other = yield* run(script, [filename, "other", "1"])
            assert.strictEqual(other.code, 1)
            assert.match(other.stderr, /HistoryStoreError|HeadConflict/)
            yield* store.append([recordOf(length + 1)], length)
          })
        )
        assert.strictEqual(yield* whole(filename), length + 1)
      })
  )
})

describe("clock set back", () => {
  it.effect("ids, order, the log of heads and followers stay as they are; only the timestamps go back", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const late = Date.UTC(2026, 5, 1)
      yield* TestClock.setTime(late)
      const store = yield* HistorySqlite.make({ filename })
      const other = yield* HistorySqlite.make({ filename })
      const seen: Array<number> = []
      const follower = yield* Effect.forkChild(
        store.changes.pipe(
          Stream.mapEffect(() => store.versions({ after: seen.at(-1) ?? 0, limit: 100 })),
          Stream.tap((versions) => Effect.sync(() => seen.push(...versions.map(({ id }) => id)))),
          Stream.takeUntil(() => seen.length >= 9),
          Stream.runDrain
        )
      )
      const times = [0, 1, -86_400_000, -86_400_000, 5, -1e12, -1e11, 2, -3].map((ms) => late + ms)
      for (const [i, timestamp] of times.entries()) {
        yield* TestClock.setTime(timestamp)
        yield* other.append([{ ...recordOf(i + 1), parent: i, timestamp }], i)
      }
      yield* other.moveHead(2, late - 1e12, 9)
      yield* TestClock.setTime(late)
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(follower)
      const ids = [1, 2, 3, 4, 5, 6, 7, 8, 9]
      assert.deepStrictEqual(seen, ids)
      // Opened anew, long before it was made.
      yield* TestClock.setTime(1000)
      const after = yield* opened(filename, (store) =>
        Effect.all({
          info: store.info,
          versions: store.versions({ after: 0, limit: 100 }),
          back: store.versions({ before: 10, limit: 100 }),
          heads: store.heads(0, 100),
          damage: store.verify
        })
      )
      assert.deepStrictEqual(
        after.versions.map(({ id, parent, timestamp }) => [id, parent, timestamp]),
        ids.map((id, i) => [id, i, times[i]])
      )
      assert.deepStrictEqual(
        after.back.map(({ id }) => id),
        ids.toReversed()
      )
      assert.deepStrictEqual(after.heads, [
        ...ids.map((id, i) => ({ revision: id, version: id, timestamp: times[i]! })),
        { revision: 10, version: 2, timestamp: late - 1e12 }
      ])
      const { created, head, revision } = after.info
      assert.deepStrictEqual({ created, head, revision }, { created: late, head: 2, revision: 10 })
      assert.deepStrictEqual(after.damage, [])
    })
  )
})

describe("disk full", () => {
  it.effect(
    "a migration fails with Full and leaves the file as it was; so do a checkpoint, a tag and a compaction; then there is room",
    (context) =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const within = onSmallDisk(folder, 9000)
        const { status, stderr: why } = spawnSync(within[0]!, [...within.slice(1), "true"], { encoding: "utf8" })
        if (status !== 0) context.skip(`NO SMALL DISK CAN BE MOUNTED HERE, SO A FULL ONE IS NOT TESTED: ${why}`)
        const script = new URL("./fixtures/faults-filler.ts", import.meta.url)
        const { code, lines, stderr } = yield* run(script, [folder], { within })
        assert.strictEqual(code, 0, stderr)
        assert.deepStrictEqual(JSON.parse(lines.join("")), {
          migration: { reason: "Full", same: true, afterwards: 200 },
          writes: { found: ["Full", "Full", "Full"], damage: [], kept: true, goesOn: true }
        })
      }),
    60_000
  )
})
