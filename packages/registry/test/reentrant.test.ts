import { describe, expect, it } from "@effect/vitest"
import * as Handler from "@heph/bus/Handler"
import type * as Registry from "@heph/registry/Registry"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import { create, eventually, openMemory, showAll, shown } from "./support.ts"

const silently = Effect.provide(Logger.layer([]))

type Registry_ = Registry.Registry["Service"]

const writes: ReadonlyArray<readonly [string, (registry: Registry_) => Effect.Effect<unknown, unknown>]> = [
  ["apply", (registry) => registry.apply([create("b:1")])],
  ["applyVersion", (registry) => registry.applyVersion(0)],
  ["apply", (registry) => registry.revert(1)],
  ["loadState", (registry) => registry.loadState([])],
  ["follow", (registry) => registry.follow],
  ["resync", (registry) => registry.resync]
]

describe("a handler that writes to its own registry", () => {
  it.effect.each(writes)("by %s is told so at once", ([method, write]) =>
    Effect.gen(function* () {
      const { bus, registry } = yield* openMemory()
      yield* registry.apply([create("a:1")])
      yield* bus.handle("k", () => Effect.as(write(registry), Handler.accept))
      // The clock stands still: it is not the handler's deadline that ends this.
      const error = yield* Effect.flip(registry.apply([create("a:2", 1, "k")]))
      expect(error).toMatchObject({
        _tag: "HandlerRejected",
        how: "failed",
        cause: { _tag: "ReentrantWrite", method }
      })
      expect(registry.current()).toMatchObject({ version: 1, size: 1 })
    })
  )

  it.effect("can decide for itself what to do about that", () =>
    Effect.gen(function* () {
      const { bus, registry } = yield* openMemory()
      const answers: Array<string> = []
      yield* bus.handle("k", ({ id }) =>
        Effect.gen(function* () {
          const error = yield* Effect.flip(registry.apply([create("b:1")]))
          answers.push(`${id}: ${error._tag}`)
          return Handler.accept
        })
      )
      yield* registry.apply([create("a:1", 1, "k"), create("a:2", 1, "k")])
      expect(answers).toEqual(["a:1: ReentrantWrite", "a:2: ReentrantWrite"])
      expect(showAll(registry.current())).toEqual([shown("a:1", 1, "k"), shown("a:2", 1, "k")])
    })
  )

  it.effect("may read: the state before its transaction, any version, what a change would do", () =>
    Effect.gen(function* () {
      const { bus, registry } = yield* openMemory()
      yield* registry.apply([create("a:1")])
      const seen: Array<unknown> = []
      yield* bus.handle("k", () =>
        Effect.gen(function* () {
          const plan = yield* registry.plan([create("b:1")])
          seen.push(registry.current().version, (yield* registry.snapshotAt(0)).size, plan.changeset.length)
          yield* registry.tag("seen", 1)
          return Handler.accept
        })
      )
      yield* registry.apply([create("a:2", 1, "k")])
      expect(seen).toEqual([1, 0, 1])
      expect(registry.tags().get("seen")).toBe(1)
    })
  )

  it.effect.each(["begin", "commit", "discard"] as const)("is refused also as a participant's %s", (callback) =>
    Effect.gen(function* () {
      const { bus, registry } = yield* openMemory()
      const refused: Array<string> = []
      yield* bus.participate({
        name: "participant",
        [callback]: () =>
          Effect.asVoid(
            Effect.tapError(registry.apply([create("b:1")]), ({ _tag }) => Effect.sync(() => refused.push(_tag)))
          )
      })
      yield* bus.handle("never", () => Handler.reject("never"))
      yield* Effect.exit(registry.apply([create("a:1", 1, callback === "discard" ? "never" : "k")]))
      expect(refused).toEqual(["ReentrantWrite"])
      expect(registry.current().version).toBe(callback === "commit" ? 1 : 0)
    }).pipe(silently)
  )
})

describe("a handler that writes to another registry", () => {
  it.effect("is like any other caller there", () =>
    Effect.gen(function* () {
      const [a, b] = [yield* openMemory(), yield* openMemory()]
      yield* a.bus.handle("k", ({ id }) => Effect.as(b.registry.apply([create(`copy:${id.name}`)]), Handler.accept))
      yield* a.registry.apply([create("a:1", 1, "k"), create("a:2", 1, "k")])
      expect(Array.from(b.registry.current(), ({ id }) => id.value)).toEqual(["copy:1", "copy:2"])
      expect([a.registry.current().version, b.registry.current().version]).toEqual([1, 2])
    })
  )

  it.effect("whose handler writes back is found out", () =>
    Effect.gen(function* () {
      const [a, b] = [yield* openMemory(), yield* openMemory()]
      yield* a.bus.handle("k", () => Effect.as(b.registry.apply([create("b:1", 1, "k")]), Handler.accept))
      yield* b.bus.handle("k", () => Effect.as(a.registry.apply([create("a:2")]), Handler.accept))
      const error = yield* Effect.flip(a.registry.apply([create("a:1", 1, "k")]))
      expect(error).toMatchObject({ cause: { _tag: "HandlerRejected", cause: { _tag: "ReentrantWrite" } } })
      expect([a.registry.current().size, b.registry.current().size]).toEqual([0, 0])
    })
  )
})

describe("what a handler leaves running", () => {
  it.effect("may write once the transaction is over, and not before", () =>
    Effect.gen(function* () {
      const { bus, registry } = yield* openMemory()
      const gate = { open: false }
      const left: Array<Fiber.Fiber<unknown, unknown>> = []
      const early: Array<unknown> = []
      yield* bus.handle("k", ({ id }) =>
        Effect.gen(function* () {
          const later = Effect.gen(function* () {
            early.push(yield* Effect.flip(registry.apply([create("early:1")])))
            while (!gate.open) yield* Effect.yieldNow
            return yield* registry.apply([create(`later:${id.name}`)])
          })
          left.push(yield* Effect.forkDetach(later, { startImmediately: true }))
          return Handler.accept
        })
      )
      yield* registry.apply([create("a:1", 1, "k")])
      gate.open = true
      yield* Fiber.joinAll(left)
      expect(early).toMatchObject([{ _tag: "ReentrantWrite" }])
      expect(Array.from(registry.current(), ({ id }) => id.value)).toEqual(["a:1", "later:1"])
    })
  )

  it.effect("can go on for ever, one transaction after the other", () =>
    Effect.gen(function* () {
      const { bus, registry } = yield* openMemory()
      yield* bus.handle("k", ({ id }) =>
        Effect.gen(function* () {
          const next = Number(id.name) + 1
          const later = Effect.andThen(Effect.yieldNow, registry.apply([create(`a:${next}`, next, "k")]))
          if (next <= 500) yield* Effect.forkDetach(Effect.retry(later, { times: 1000 }))
          return Handler.accept
        })
      )
      yield* registry.apply([create("a:1", 1, "k")])
      yield* eventually(() => registry.current().size === 500, "500 entries, each written by the one before")
      expect(registry.current().version).toBe(500)
    })
  )
})
