/** What is put for a write that refers to it stays until that write is done, however it ends. */
import { assert, describe, it } from "@effect/vitest"
import type { BlobStore, Write } from "@heph/content/BlobStore"
import { HistoryStoreError } from "@heph/history/HistoryStore"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { bytesOf, make, over, putChain, versions } from "./fixtures.ts"

const nothing = Effect.succeed<ReadonlySet<string>>(new Set())
const item = { bytes: bytesOf("held") }

/** What a sweep by somebody else would remove now. */
const swept = (rows: BlobStore["Service"]) =>
  Effect.flatMap(over(rows), (other) => Effect.map(other.sweep(nothing), ({ removed }) => removed))

describe("holding", () => {
  it.effect("what is new, and what was there, stays as long as it is used, and is given to whoever uses it", () =>
    Effect.gen(function* () {
      const { contents, rows } = yield* make()
      const old = yield* contents.put({ bytes: bytesOf("old") })
      const other = yield* contents.put({ bytes: bytesOf("other") })
      const used = yield* contents.holding([{ bytes: bytesOf("old") }, item], (puts) =>
        Effect.gen(function* () {
          assert.deepStrictEqual(
            puts.map(({ wasThere }) => wasThere),
            [true, false]
          )
          assert.deepStrictEqual(yield* swept(rows), [other.hash])
          return puts.map(({ hash }) => hash)
        })
      )
      assert.strictEqual(used[0], old.hash)
      assert.deepStrictEqual(yield* swept(rows), [...used].sort())
    })
  )
  it.effect("what was put beside it since it began stays too, and what was there before goes", () =>
    Effect.gen(function* () {
      const { contents, rows } = yield* make()
      const before = yield* contents.put({ bytes: bytesOf("before") })
      const later = yield* contents.holding([item], () =>
        Effect.gen(function* () {
          const { hash } = yield* contents.put({ bytes: bytesOf("later") })
          assert.deepStrictEqual(yield* swept(rows), [before.hash])
          return hash
        })
      )
      assert.include(yield* swept(rows), later)
    })
  )
  it.effect("it is released when its use ends well, fails, dies or is interrupted", () =>
    Effect.gen(function* () {
      const ends: ReadonlyArray<Effect.Effect<unknown, string>> = [
        Effect.void,
        Effect.fail("refused"),
        Effect.die("a bug"),
        Effect.interrupt
      ]
      for (const end of ends) {
        const { contents, rows } = yield* make()
        const exit = yield* Effect.exit(contents.holding([item], () => end))
        assert.strictEqual(Exit.isSuccess(exit), end === ends[0])
        assert.lengthOf(yield* swept(rows), 1)
      }
    })
  )
  it.effect("an interruption from outside ends the use, and what is held is free then", () =>
    Effect.gen(function* () {
      const { contents, rows } = yield* make()
      const using = yield* Deferred.make<void>()
      const fiber = yield* Effect.forkChild(
        contents.holding([item], () => Effect.andThen(Deferred.succeed(using, undefined), Effect.never))
      )
      yield* Deferred.await(using)
      assert.deepStrictEqual(yield* swept(rows), [])
      yield* Fiber.interrupt(fiber)
      assert.lengthOf(yield* swept(rows), 1)
    })
  )
  it.effect("a long use stays held, for hours if it must be", () =>
    Effect.gen(function* () {
      const { contents, rows } = yield* make()
      yield* contents.holding([item], () =>
        Effect.gen(function* () {
          for (let hour = 0; hour < 3; hour++) {
            yield* TestClock.adjust("1 hour")
            assert.deepStrictEqual(yield* swept(rows), [])
          }
        })
      )
      yield* TestClock.adjust("1 hour")
      assert.lengthOf(yield* swept(rows), 1)
    })
  )
  it.effect("a process that died holds what it held for ten minutes, and no longer", () =>
    Effect.gen(function* () {
      // Whoever cannot release is as good as dead.
      const dead = new HistoryStoreError({ reason: "Unavailable", store: "test", detail: "the power went out" })
      const { contents, rows } = yield* make({}, () => ({ hold: () => Effect.fail(dead) }))
      yield* contents.holding([item], () => Effect.void)
      yield* TestClock.adjust("9 minutes")
      assert.deepStrictEqual(yield* swept(rows), [])
      yield* TestClock.adjust("1 minute")
      assert.lengthOf(yield* swept(rows), 1)
    })
  )
  it.effect("a process that slept too long to renew puts back what was removed while it slept", () =>
    Effect.gen(function* () {
      const busy = new HistoryStoreError({ reason: "Busy", store: "test", detail: "locked" })
      let asleep = true
      const { contents, rows } = yield* make({}, (rows) => ({
        hold: (holder, until) => (asleep && until !== null ? Effect.fail(busy) : rows.hold(holder, until))
      }))
      const [one, two] = versions(2, 1)
      const parent = yield* contents.put({ bytes: one! })
      const items = [item, { bytes: two!, near: [parent.hash] }]
      const hashes = yield* contents.holding(items, (puts) =>
        Effect.gen(function* () {
          yield* TestClock.adjust("11 minutes")
          assert.lengthOf(yield* swept(rows), 3)
          return puts.map(({ hash }) => hash)
        })
      )
      asleep = false
      const fresh = yield* over(rows)
      assert.deepStrictEqual(yield* fresh.get(hashes[0]!), item.bytes)
      assert.deepStrictEqual(yield* fresh.get(hashes[1]!), two)
    })
  )
  it.effect("what cannot be written is not used", () =>
    Effect.gen(function* () {
      const full = new HistoryStoreError({ reason: "Full", store: "test", detail: "the disk is full" })
      const { contents } = yield* make({}, () => ({ write: () => Effect.fail(full) }))
      const error = yield* Effect.flip(contents.holding([item], () => Effect.die("used")))
      assert.strictEqual(error.reason, "Full")
    })
  )
  it.effect("its write need not wait for the disk; one without a hold must", () =>
    Effect.gen(function* () {
      const writes: Array<Write> = []
      const { contents } = yield* make({}, (rows) => ({
        write: (write) => Effect.suspend(() => (writes.push(write), rows.write(write)))
      }))
      yield* contents.holding([item], () => Effect.void)
      yield* contents.holding([item], () => Effect.void)
      yield* putChain(contents, versions(1, 1))
      assert.deepStrictEqual(
        writes.map(({ hold }) => hold !== undefined),
        [true, true, false]
      )
      const holders = writes.flatMap(({ hold }) => hold?.holder ?? [])
      assert.strictEqual(new Set(holders).size, 2)
    })
  )
  it.effect("of nothing nothing is held, and nothing is written", () =>
    Effect.gen(function* () {
      const { contents } = yield* make({}, () => ({ write: () => Effect.die("written") }))
      assert.strictEqual(yield* contents.holding([], (puts) => Effect.succeed(puts.length)), 0)
    })
  )
  it.effect("two that hold the same content: it goes when both have ended", () =>
    Effect.gen(function* () {
      const { contents, rows } = yield* make()
      const other = yield* over(rows)
      yield* contents.holding([item], () =>
        Effect.gen(function* () {
          yield* other.holding([item], () => Effect.void)
          assert.deepStrictEqual(yield* swept(rows), [])
        })
      )
      assert.lengthOf(yield* swept(rows), 1)
    })
  )
})
