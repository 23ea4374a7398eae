import { describe, expect, it } from "@effect/vitest"
import * as Handler from "@heph/bus/Handler"
import type * as Registry from "@heph/registry/Registry"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { create, Holder, open, postgres, remove, showAll, sqlite, update } from "./support.ts"

type Registry_ = Registry.Registry["Service"]

const silently = Effect.provide(Logger.layer([]))
const backends = [
  ["a file", sqlite],
  ["PostgreSQL", postgres]
] as const

/** Looks until it is so: for what a server or the polling of a file brings, on the real clock of `it.live`. */
const until = (condition: () => boolean) =>
  Effect.suspend(() => (condition() ? Effect.void : Effect.fail("not yet"))).pipe(
    Effect.retry(Schedule.spaced("2 millis")),
    Effect.timeout("20 seconds")
  )

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

const count = Effect.fnUntraced(function* (registry: Registry_, times: number) {
  for (let i = 0; i < times; i++) {
    yield* registry.apply((state) => {
      const there = state.get("a:count")
      return [there === undefined ? create("a:count", 1, "k") : update("a:count", (there.data as number) + 1, "k")]
    })
  }
})

describe.each(backends)("a registry on %s that others write to", (_, place) => {
  it.live("keeps up with them from loadState on, through its handlers", () =>
    Effect.gen(function* () {
      const store = yield* place
      const [here, there] = [yield* open(store), yield* open(store)]
      const holder = new Holder()
      yield* here.bus.handle("k", holder.handler)
      yield* count(there.registry, 2)
      yield* here.registry.loadState([])
      expect(here.registry.current().get("a:count")?.data).toBe(2)
      yield* count(there.registry, 3)
      yield* there.registry.apply([create("a:other", 1, "k")])
      yield* until(() => here.registry.current().version === 6)
      expect(holder.wrong).toEqual([])
      expect(holder.all).toEqual(showAll(there.registry.current()))
      yield* there.registry.applyVersion(1)
      yield* until(() => here.registry.current().version === 1)
      expect(holder.all).toEqual(showAll(there.registry.current()))
    })
  )

  it.live("does not where it was told not to, until somebody watches", () =>
    Effect.gen(function* () {
      const store = yield* place
      const [here, there] = [yield* open(store, { follow: false }), yield* open(store)]
      const [sign, other] = [yield* open(store), []]
      yield* here.registry.loadState([])
      yield* sign.registry.loadState([])
      yield* count(there.registry, 3)
      // Another one that follows has seen it by now: whoever listens, listens.
      yield* until(() => sign.registry.current().version === 3)
      expect(here.registry.current().version).toBe(0)
      const seen: Array<number> = other
      const watching = yield* here.registry.watch({ from: 0 }).pipe(
        Stream.runForEach(({ version }) => Effect.sync(() => seen.push(version.id))),
        Effect.forkChild
      )
      yield* until(() => seen.length === 3)
      expect(here.registry.current().version).toBe(3)
      yield* Fiber.interrupt(watching)
    })
  )

  it.live("says that its handlers refuse what came, and goes on with what comes next", () =>
    Effect.gen(function* () {
      const store = yield* place
      const [here, there] = [yield* open(store), yield* open(store)]
      const warnings: Array<string> = []
      const logger = Logger.layer([Logger.make(({ message }) => warnings.push([message].flat().join(" ")))])
      yield* here.bus.handle("never", () => Handler.reject("not here"))
      yield* Effect.gen(function* () {
        yield* here.registry.loadState([])
        const watching = yield* Effect.forkChild(Stream.runDrain(here.registry.watch({ from: 0 })))
        yield* there.registry.apply([create("a:1", 1, "never")])
        expect(yield* Effect.flip(Fiber.join(watching))).toMatchObject({ _tag: "HandlerRejected", id: "a:1" })
        yield* until(() =>
          warnings.some((text) => text.includes("after v0 is not followed") && text.includes("not here"))
        )
        expect(here.registry.current().version).toBe(0)
        yield* there.registry.apply([remove("a:1")])
        yield* count(there.registry, 1)
        yield* until(() => here.registry.current().version === 3)
        // And whoever watches from then on sees all of it.
        const seen = yield* here.registry.watch({ from: 0 }).pipe(Stream.take(3), Stream.runCollect)
        expect(seen.map(({ version }) => version.id)).toEqual([1, 2, 3])
      }).pipe(Effect.provide(logger))
    })
  )

  it.live("shows a watcher every version of all once and in order, while it writes itself", () =>
    Effect.gen(function* () {
      const store = yield* place
      const opened = [yield* open(store), yield* open(store), yield* open(store)]
      const seen = opened.map((): Array<number> => [])
      for (const [i, { registry }] of opened.entries()) {
        yield* registry.loadState([])
        yield* registry.watch({ from: 0 }).pipe(
          Stream.runForEach(({ version }) => Effect.sync(() => seen[i]!.push(version.id))),
          Effect.forkChild
        )
      }
      yield* Effect.forEach(opened, ({ registry }) => count(registry, 30), { concurrency: "unbounded" })
      yield* until(() => seen.every(({ length }) => length === 90))
      expect(seen).toEqual(opened.map(() => numbers(1, 90)))
      for (const { registry } of opened) expect(registry.current().get("a:count")?.data).toBe(90)
    })
  )

  it.live("tells a watcher why there is no more, also where compaction left nothing to show before it", () =>
    Effect.gen(function* () {
      const store = yield* place
      const writer = yield* open(store)
      yield* count(writer.registry, 10)
      yield* writer.registry.tag("five", 5)
      const here = yield* open(store)
      yield* here.bus.handle("bad", () => Handler.reject("no"))
      yield* here.registry.loadState([])
      const there = yield* open(store)
      yield* there.registry.apply([create("b:1", 1, "bad")])
      yield* count(there.registry, 2)
      yield* there.registry.compact({ keep: { versions: 1 } })
      const error = yield* Effect.flip(Stream.runDrain(here.registry.watch({ from: 5 })))
      expect(error).toMatchObject({ _tag: "HandlerRejected", id: "b:1" })
    }).pipe(silently)
  )

  it.live("goes on with what compaction left, however far behind it is", () =>
    Effect.gen(function* () {
      const store = yield* place
      const here = yield* open(store, { follow: false })
      const there = yield* open(store)
      yield* count(there.registry, 5)
      yield* here.registry.follow
      yield* here.registry.snapshotAt(3)
      yield* count(there.registry, 20)
      const { dropped } = yield* there.registry.compact({ keep: { versions: 3 } })
      expect(dropped).toEqual([[1, 21]])
      // Where it is itself is no more.
      expect(here.registry.current().version).toBe(5)
      expect(yield* Effect.flip(here.registry.snapshotAt(24))).toMatchObject({ _tag: "UnknownVersion", last: 5 })
      yield* here.registry.follow
      expect(here.registry.current().get("a:count")?.data).toBe(25)
      expect((yield* here.registry.snapshotAt(23)).get("a:count")?.data).toBe(23)
      const gone = yield* Effect.flip(here.registry.snapshotAt(3))
      expect(gone).toMatchObject({ _tag: "UnknownVersion", next: 22 })
      yield* count(here.registry, 1)
      yield* there.registry.follow
      expect(there.registry.current().get("a:count")?.data).toBe(26)
      expect((yield* there.registry.verify).damage).toEqual([])
    }).pipe(silently)
  )
})
