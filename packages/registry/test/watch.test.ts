import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Handler from "@heph/bus/Handler"
import * as HistoryMemory from "@heph/history-memory/HistoryMemory"
import * as HistorySqlite from "@heph/history-sqlite/HistorySqlite"
import * as HistoryNone from "@heph/history/HistoryNone"
import type * as Registry from "@heph/registry/Registry"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Scheduler from "effect/Scheduler"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as fc from "fast-check"
import { altered, create, eventually, folder, memory, open, openMemory, remove, sqlite, update } from "./support.ts"

type Registry_ = Registry.Registry["Service"]

const silently = Effect.provide(Logger.layer([]))

/** Writes versions in which the one with the number n sets `a:count` to n. */
const count = Effect.fnUntraced(function* (registry: Registry_, times: number) {
  for (let i = 0; i < times; i++) {
    yield* registry.apply((state) => {
      const next = registry.status().last + 1
      return [state.has("a:count") ? update("a:count", next) : create("a:count", next)]
    })
  }
})

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

/** Watches in a fiber of its own, until it is interrupted or there is an error. */
const watch = Effect.fnUntraced(function* (
  registry: Registry_,
  options?: { readonly from?: number | string; readonly each?: Effect.Effect<void> }
) {
  const seen: Array<Registry.Committed> = []
  const fiber = yield* registry.watch(options).pipe(
    Stream.runForEach((committed) =>
      Effect.andThen(
        options?.each ?? Effect.void,
        Effect.sync(() => seen.push(committed))
      )
    ),
    Effect.forkDetach({ startImmediately: true })
  )
  return {
    fiber,
    seen,
    /** The ids, after a check that each version brought the change that it made. */
    ids: () =>
      seen.map(({ changeset, version }) => {
        expect(changeset).toHaveLength(1)
        expect(changeset[0]).toMatchObject({ entry: { data: version.id } })
        return version.id
      })
  }
})

describe("a watcher", () => {
  it.effect("gets what is in history and then what comes, each version once, in order", () =>
    Effect.gen(function* () {
      const { registry } = yield* openMemory()
      yield* count(registry, 10)
      yield* registry.tag("seven", 7)
      const [all, some, none, tagged] = [
        yield* watch(registry, { from: 0 }),
        yield* watch(registry, { from: 4 }),
        yield* watch(registry),
        yield* watch(registry, { from: "seven" })
      ]
      yield* count(registry, 10)
      yield* eventually(() => none.seen.length === 10, "everything is seen")
      expect(all.ids()).toEqual(numbers(1, 20))
      expect(some.ids()).toEqual(numbers(5, 20))
      expect(none.ids()).toEqual(numbers(11, 20))
      expect(tagged.ids()).toEqual(numbers(8, 20))
    })
  )

  it.effect("from a version that is not there is told so", () =>
    Effect.gen(function* () {
      const { registry } = yield* openMemory()
      for (const from of [1, -1, "v9", "nothing"]) {
        const error = yield* Effect.flip(Stream.runDrain(registry.watch({ from })))
        expect(error).toMatchObject({ _tag: "UnknownVersion", version: String(from) })
      }
    })
  )

  it.effect("sees a version when it is there for readers, not before", () =>
    Effect.gen(function* () {
      const store = yield* HistoryMemory.make
      // Durable stores share their appends, so that many versions come at once.
      const layer = altered({ ...store, capabilities: { ...store.capabilities, durable: true } }, () => ({}))
      const { registry } = yield* open(layer)
      const behind: Array<number> = []
      const watching = yield* registry.watch().pipe(
        Stream.runForEach(({ version }) =>
          Effect.sync(() => {
            if (registry.current().version < version.id) behind.push(version.id)
          })
        ),
        Effect.forkDetach({ startImmediately: true })
      )
      yield* Effect.forEach(numbers(1, 300), (i) => registry.apply([create(`a:${i}`)]), { concurrency: "unbounded" })
      expect(behind).toEqual([])
      yield* Fiber.interrupt(watching)
    })
  )

  it.effect(
    "that is slow misses nothing of 5,000 versions, and delays nobody",
    () =>
      Effect.gen(function* () {
        for (const place of [memory, sqlite]) {
          const { registry } = yield* open(yield* place)
          const turns = Semaphore.makeUnsafe(0)
          const slow = yield* watch(registry, { from: 0, each: Effect.asVoid(turns.take(1)) })
          yield* count(registry, 5000)
          // It has not moved, and everything is written.
          expect(slow.ids()).toEqual([])
          expect(registry.current().version).toBe(5000)
          yield* turns.resize(3)
          yield* eventually(() => slow.seen.length === 3, "three are seen")
          yield* turns.resize(10_000)
          yield* count(registry, 10)
          yield* eventually(() => slow.seen.length >= 5010, "it catches up")
          expect(slow.ids()).toEqual(numbers(1, 5010))
          yield* Fiber.interrupt(slow.fiber)
        }
      }),
    60_000
  )

  it.effect("may come in the middle of whatever goes on, and leave", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.array(fc.constantFrom("write", "burst", "watch", "leave", "yield", "travel", "refused"), {
            maxLength: 40
          }),
          // With few operations between two yields, others come in between at nearly every point.
          fc.oneof(fc.constant(2048), fc.integer({ min: 4, max: 60 })),
          (actions, operations) =>
            Effect.runPromise(
              Effect.gen(function* () {
                const { bus, registry } = yield* openMemory()
                yield* bus.handle("never", () => Effect.andThen(Effect.yieldNow, Effect.succeed(Handler.reject("no"))))
                const watchers: Array<{
                  readonly ids: () => ReadonlyArray<number>
                  readonly seen: ReadonlyArray<unknown>
                  readonly from: number
                }> = []
                const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
                for (const action of actions) {
                  const { last } = registry.status()
                  if (action === "write") yield* count(registry, 1)
                  else if (action === "burst") {
                    const one = (i: number) => registry.apply([create(`b:${i}-${last}`, last + i)])
                    yield* Effect.forEach(numbers(1, 7), one, { concurrency: "unbounded" })
                  } else if (action === "watch") {
                    const from = watchers.length % 2 === 0 ? 0 : last
                    const watching = yield* watch(registry, { from })
                    watchers.push({ ...watching, from })
                    fibers.push(watching.fiber)
                  } else if (action === "leave") {
                    const fiber = fibers.pop()
                    if (fiber !== undefined) yield* Fiber.interrupt(fiber)
                    watchers.pop()
                  } else if (action === "yield") yield* Effect.yieldNow
                  else if (action === "travel") yield* registry.applyVersion(Math.floor(last / 2))
                  else yield* Effect.exit(registry.apply([create("c:1", 1, "never")]))
                }
                const { last } = registry.status()
                for (const { from, ids, seen } of watchers) {
                  yield* eventually(() => seen.length >= last - from, "everything is seen")
                  expect(ids()).toEqual(numbers(from + 1, last))
                }
              }).pipe(Effect.scoped, silently, Effect.provideService(Scheduler.MaxOpsBeforeYield, operations))
            )
        )
      )
    )
  )

  it.effect("sees versions of every branch, and no moves of head", () =>
    Effect.gen(function* () {
      const { registry } = yield* openMemory()
      const watching = yield* watch(registry, { from: 0 })
      yield* count(registry, 3)
      yield* registry.applyVersion(1)
      yield* count(registry, 1)
      yield* registry.applyVersion(3)
      yield* eventually(() => watching.seen.length === 4, "everything is seen")
      expect(watching.ids()).toEqual([1, 2, 3, 4])
    })
  )

  it.effect("gets each version without another one after it, however fibers take turns", () =>
    Effect.gen(function* () {
      for (let operations = 4; operations <= 24; operations++) {
        const { registry } = yield* openMemory()
        const watching = yield* watch(registry, { from: 0 }).pipe(
          Effect.provideService(Scheduler.MaxOpsBeforeYield, operations)
        )
        let written = 0
        for (let turns = 0; turns < 24; turns++) {
          // The second one comes at every point of what the watcher does about the first.
          yield* count(registry, 1)
          for (let i = 0; i < turns; i++) yield* Effect.yieldNow
          yield* count(registry, 1)
          written += 2
          yield* eventually(() => watching.seen.length === written, "both are seen")
        }
        yield* Fiber.interrupt(watching.fiber)
      }
    })
  )

  it.effect("ends with its scope, and leaves nothing behind", () =>
    Effect.gen(function* () {
      const { registry } = yield* openMemory()
      const scope = yield* Scope.make()
      const seen: Array<number> = []
      yield* registry.watch({ from: 0 }).pipe(
        Stream.runForEach(({ version }) => Effect.sync(() => seen.push(version.id))),
        Effect.forkIn(scope, { startImmediately: true })
      )
      yield* count(registry, 2)
      yield* eventually(() => seen.length === 2, "both are seen")
      yield* Scope.close(scope, Exit.void)
      yield* count(registry, 2)
      for (let i = 0; i < 100; i++) yield* Effect.yieldNow
      expect(seen).toEqual([1, 2])
    })
  )

  it.effect("is not told of what was refused, or changed nothing", () =>
    Effect.gen(function* () {
      const { bus, registry } = yield* openMemory()
      yield* bus.handle("never", () => Handler.reject("no"))
      const watching = yield* watch(registry)
      yield* Effect.exit(registry.apply([create("a:bad", 1, "never")]))
      yield* registry.apply([])
      yield* count(registry, 1)
      yield* registry.apply([update("a:count", 1)])
      yield* eventually(() => watching.seen.length === 1, "the one is seen")
      expect(watching.ids()).toEqual([1])
    }).pipe(silently)
  )
})

describe("a watcher on a store that other processes write", () => {
  it.effect("finds their versions, between its own registry's and in order", () =>
    Effect.gen(function* () {
      const place = yield* sqlite
      const [here, there] = [yield* open(place), yield* open(place)]
      const [mine, theirs] = [yield* watch(here.registry, { from: 0 }), yield* watch(there.registry, { from: 0 })]
      for (const { registry } of [here, there, there, here, there]) {
        yield* registry.follow
        yield* count(registry, 2)
        yield* TestClock.adjust("100 millis")
      }
      yield* TestClock.adjust("100 millis")
      expect(mine.ids()).toEqual(numbers(1, 10))
      expect(theirs.ids()).toEqual(numbers(1, 10))
      yield* Effect.forEach([mine, theirs], ({ fiber }) => Fiber.interrupt(fiber))
    })
  )

  it.effect("misses none of theirs, though its registry's own come right after them", () =>
    Effect.gen(function* () {
      const place = yield* memory
      const [here, there] = [yield* open(place), yield* open(place)]
      yield* count(here.registry, 2)
      yield* there.registry.follow
      yield* count(there.registry, 3)
      yield* here.registry.follow
      const watching = yield* watch(here.registry, { from: 0 })
      yield* eventually(() => watching.seen.length === 5, "what there is")
      yield* count(there.registry, 1)
      yield* here.registry.follow
      yield* count(here.registry, 2)
      yield* eventually(() => watching.seen.length === 8, "what came")
      expect(watching.ids()).toEqual(numbers(1, 8))
      yield* Fiber.interrupt(watching.fiber)
    })
  )

  it.effect("is not ahead of its registry", () =>
    Effect.gen(function* () {
      const place = yield* sqlite
      const there = yield* open(place)
      yield* count(there.registry, 3)
      const here = yield* open(place)
      yield* count(there.registry, 3)
      const watching = yield* watch(here.registry, { from: 0 })
      const ahead: Array<number> = []
      const following = yield* here.registry.watch({ from: 0 }).pipe(
        Stream.runForEach(({ version }) =>
          Effect.sync(() => {
            if (version.id > here.registry.current().version) ahead.push(version.id)
          })
        ),
        Effect.forkChild({ startImmediately: true })
      )
      yield* eventually(() => watching.seen.length === 6, "what there is")
      expect(here.registry.current().version).toBe(6)
      yield* count(there.registry, 3)
      yield* TestClock.adjust("100 millis")
      yield* eventually(() => watching.seen.length === 9, "what came")
      expect(ahead).toEqual([])
      yield* Fiber.interrupt(following)
      yield* Fiber.interrupt(watching.fiber)
    })
  )

  it.effect("looks as often as it is set to, and not while there is something to see", () =>
    Effect.gen(function* () {
      const made = yield* folder
      const place = HistorySqlite.layer({ filename: path.join(made, "registry.db"), pollInterval: "1 minute" })
      const [here, there] = [yield* open(place), yield* open(place)]
      const watching = yield* watch(here.registry)
      // It looks once as it begins.
      for (let i = 0; i < 100; i++) yield* Effect.yieldNow
      yield* count(there.registry, 3)
      yield* TestClock.adjust("59 seconds")
      expect(watching.ids()).toEqual([])
      yield* TestClock.adjust("1 second")
      expect(watching.ids()).toEqual([1, 2, 3])
      expect(here.registry.current().version).toBe(3)
      yield* Fiber.interrupt(watching.fiber)
    })
  )

  it.effect("waits for a resync, where handlers are out of step", () =>
    Effect.gen(function* () {
      const place = yield* sqlite
      const [here, there] = [yield* open(place), yield* open(place)]
      yield* here.bus.handle("k", ({ phase }) => (phase === "rollback" ? Handler.reject("no") : Handler.accept))
      yield* here.bus.handle("never", () => Handler.reject("no"))
      const watching = yield* watch(here.registry)
      yield* Effect.exit(here.registry.apply([create("a:1", 1, "k"), create("b:1", 1, "never")]))
      expect(here.registry.status().outOfStep).toEqual(["a:1"])
      yield* count(there.registry, 1)
      yield* TestClock.adjust("1 second")
      expect(watching.ids()).toEqual([])
      yield* here.registry.resync
      yield* TestClock.adjust("1 second")
      expect(watching.ids()).toEqual([1])
      yield* Fiber.interrupt(watching.fiber)
    }).pipe(silently)
  )

  it.effect("is told where handlers here refuse what others committed", () =>
    Effect.gen(function* () {
      const place = yield* sqlite
      const [here, there] = [yield* open(place), yield* open(place)]
      yield* here.bus.handle("never", () => Handler.reject("no"))
      const watching = yield* watch(here.registry)
      yield* there.registry.apply([create("a:1", 1, "never")])
      yield* TestClock.adjust("1 second")
      expect(yield* Effect.flip(Fiber.join(watching.fiber))).toMatchObject({ _tag: "HandlerRejected", id: "a:1" })
      // The registry works on, and says the same to whoever writes.
      expect(yield* Effect.flip(here.registry.apply([remove("a:1")]))).toMatchObject({ _tag: "HandlerRejected" })
    }).pipe(silently)
  )
})

describe("a watcher where no history is kept", () => {
  it.effect("gets what comes, and is told when it fell too far behind", () =>
    Effect.gen(function* () {
      const { registry } = yield* open(HistoryNone.layer)
      const live = yield* watch(registry)
      const turns = Semaphore.makeUnsafe(0)
      const slow = yield* watch(registry, { each: Effect.asVoid(turns.take(1)) })
      for (let i = 1; i <= 30; i++) {
        yield* count(registry, 100)
        yield* eventually(() => live.seen.length === i * 100, "everything is seen")
      }
      expect(live.ids()).toEqual(numbers(1, 3000))
      yield* turns.resize(10_000)
      expect(yield* Effect.flip(Fiber.join(slow.fiber))).toMatchObject({ reason: "Unsupported" })
      expect(yield* Effect.flip(Stream.runDrain(registry.watch({ from: 0 })))).toMatchObject({ reason: "Unsupported" })
    })
  )
})
