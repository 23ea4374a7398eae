import { describe, expect, it } from "@effect/vitest"
import * as Bus from "@heph/bus/Bus"
import * as Handler from "@heph/bus/Handler"
import * as Delta from "@heph/changeset/Delta"
import * as Operation from "@heph/changeset/Operation"
import type * as Entry from "@heph/entry/Entry"
import type * as Resolver from "@heph/resolver/Resolver"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { entry, failure, Holdings, input, noting } from "./support/kit.ts"

const dependent = (id: string, ...on: ReadonlyArray<string>): Entry.Entry =>
  entry(id, 1, "function.lua", { depends_on: on })

const creates = (...entries: ReadonlyArray<Entry.Entry>) => entries.map((entry) => Operation.create(entry))

/** Defers an id until all the others are held: dependencies that nobody declared. */
const needing =
  (held: Holdings, needs: Readonly<Record<string, ReadonlyArray<string>>>): Handler.Handler =>
  (request) => {
    if (request.phase === "rollback") return held.accept(request)
    const missing = (needs[request.id.value] ?? []).find((id) => !held.entries.has(id))
    return missing === undefined ? held.accept(request) : Handler.defer(`${missing} is missing`)
  }

const asked = (notes: ReadonlyArray<string>) => notes.map((note) => note.replace("forward create app:", ""))

describe("a deferred operation", () => {
  it.effect("is tried again after the rest of its changeset, with the number of the attempt", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const attempts: Array<string> = []
      yield* bus.handle("*", ({ attempt, id }) => {
        attempts.push(`${id.name} ${attempt}`)
        return id.name === "a" && attempt < 3 ? Handler.defer("not yet") : Handler.accept
      })
      yield* bus.handle("*", ({ attempt, id }) =>
        id.name === "b" && attempt < 2 ? Handler.defer("not yet") : Handler.accept
      )
      yield* bus.transact(input(creates(entry("app:a"), entry("app:b"), entry("app:c"))))
      // The second handler accepted "a" at once and the first one "b": neither is asked again.
      expect(attempts).toEqual(["a 1", "b 1", "c 1", "a 2", "a 3"])
    })
  )

  it.effect("passes go on as long as one makes progress, in the order of the changeset", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const held = new Holdings()
      const notes: Array<string> = []
      yield* bus.handle(
        "*",
        noting(notes, needing(held, { "app:a": ["app:b"], "app:b": ["app:c"], "app:d": ["app:a"] }))
      )
      yield* bus.transact(input(creates(...["a", "b", "c", "d"].map((name) => entry(`app:${name}`)))))
      expect(asked(notes)).toEqual(["a", "b", "c", "d", "a", "b", "d", "a", "d"])
      expect(held.entries.size).toBe(4)
    })
  )

  it.effect("one handler's yes is progress, though another still defers", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      for (const tries of [2, 3]) {
        yield* bus.handle("*", ({ attempt, id }) =>
          id.name === "a" && attempt < tries ? Handler.defer("wait") : Handler.accept
        )
      }
      expect(yield* Effect.exit(bus.transact(input(creates(entry("app:a"), entry("app:b")))))).toEqual(Exit.void)
    })
  )

  it.effect("what declares to depend on it waits with it, and is put for the first time when it is through", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const held = new Holdings()
      const notes: Array<string> = []
      const attempts: Array<number> = []
      yield* bus.handle("*", noting(notes, needing(held, { "app:a": ["app:z"] })))
      yield* bus.observe("entry.create", ({ attempt }) => attempts.push(attempt))
      const changeset = creates(
        entry("app:a"),
        dependent("app:b", "app:a"),
        dependent("app:c", "app:b"),
        entry("app:d"),
        entry("app:z")
      )
      yield* bus.transact(input(changeset))
      expect(asked(notes)).toEqual(["a", "d", "z", "a", "b", "c"])
      expect(attempts).toEqual([1, 1, 1, 1, 1])
    })
  )

  it.effect("waits only with what the references say", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const notes: Array<string> = []
      yield* bus.handle(
        "*",
        noting(notes, ({ attempt, id }) => (id.name === "a" && attempt === 1 ? Handler.defer("wait") : Handler.accept))
      )
      const changeset = creates(entry("app:a"), dependent("app:b", "app:a"))
      const none: Resolver.References = () => ({ entries: [], groups: [], namespaces: [] })
      yield* bus.transact(input(changeset, { references: none }))
      expect(asked(notes)).toEqual(["a", "b", "a"])
    })
  )

  it.effect("E12: a delete that is deferred holds back the deletes of what its entry depends on", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const [db, api, log] = [entry("app:db"), dependent("app:api", "app:db"), entry("app:log")]
      const notes: Array<string> = []
      yield* bus.handle(
        "*",
        noting(notes, ({ attempt, id }) =>
          id === api.id && attempt === 1 ? Handler.defer("draining") : Handler.accept
        )
      )
      const { changeset } = Delta.order([db, api, log].map((entry) => Operation.remove(entry.id, entry)))
      yield* bus.transact(input(changeset))
      expect(notes.map((note) => note.replace("forward delete app:", ""))).toEqual(["api", "log", "api", "db"])
    })
  )

  it.effect("in a cycle holds back nothing of its cycle, and what depends on the cycle", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const notes: Array<string> = []
      yield* bus.handle(
        "*",
        noting(notes, ({ attempt, id }) => (id.name === "a" && attempt === 1 ? Handler.defer("wait") : Handler.accept))
      )
      const { changeset, cycles } = Delta.order(
        creates(dependent("app:a", "app:b"), dependent("app:b", "app:a"), dependent("app:c", "app:b"), entry("app:d"))
      )
      expect(cycles).toHaveLength(1)
      yield* bus.transact(input(changeset))
      expect(asked(notes)).toEqual(["a", "b", "d", "a", "c"])
    })
  )

  it.effect("that every handler of a cycle defers for ever ends the transaction", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const held = new Holdings()
      yield* bus.handle("*", needing(held, { "app:a": ["app:b"], "app:b": ["app:a"] }), { name: "loader" })
      const { changeset } = Delta.order(
        creates(dependent("app:a", "app:b"), dependent("app:b", "app:a"), entry("app:c"))
      )
      expect(failure(yield* Effect.exit(bus.transact(input(changeset))))).toMatchObject({
        _tag: "OperationsDeferred",
        operations: [
          { id: "app:a", handler: "loader", reason: "app:b is missing" },
          { id: "app:b", handler: "loader", reason: "app:a is missing" }
        ]
      })
      expect(held.list).toEqual({})
    })
  )

  it.effect("in an order that is none does not put again what was accepted", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const notes: Array<string> = []
      yield* bus.handle(
        "*",
        noting(notes, ({ attempt, id }) => (id.name === "a" && attempt === 1 ? Handler.defer("wait") : Handler.accept))
      )
      yield* bus.transact(input(creates(dependent("app:b", "app:a"), entry("app:a"), entry("app:c"))))
      expect(asked(notes)).toEqual(["b", "a", "c", "a"])
    })
  )

  it.effect("gets its second try also when all others are of kinds that skip the bus", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      yield* bus.handle("*", ({ attempt }) => (attempt === 1 ? Handler.defer("wait") : Handler.accept))
      const changeset = creates(entry("app:a"), entry("app:b", 1, "registry.entry"))
      expect(yield* Effect.exit(bus.transact(input(changeset)))).toEqual(Exit.void)
    })
  )
})

describe("deferred for good", () => {
  it.effect("E24: the error names every operation with its own reason, and everything is undone", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const held = new Holdings()
      yield* bus.handle("*", needing(held, { "app:a": ["app:x"], "app:c": ["app:y"] }), { name: "loader" })
      const changeset = creates(entry("app:a"), dependent("app:b", "app:a"), entry("app:c"), entry("app:d"))
      const error = failure(yield* Effect.exit(bus.transact(input(changeset))))
      expect(error).toMatchObject({
        _tag: "OperationsDeferred",
        operations: [
          { op: "create", id: "app:a", handler: "loader", reason: "app:x is missing" },
          { op: "create", id: "app:b", reason: "it waits for app:a" },
          { op: "create", id: "app:c", handler: "loader", reason: "app:y is missing" }
        ]
      })
      expect((error as Error).message).toBe(
        "3 operations were deferred for good: create of app:a (loader: app:x is missing); " +
          "create of app:b (it waits for app:a); create of app:c (loader: app:y is missing)"
      )
      expect([held.list, held.misfits]).toEqual([{}, []])
    })
  )

  it.effect("a transaction of one operation has no rest to wait for", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const notes: Array<string> = []
      yield* bus.handle(
        "*",
        noting(notes, () => Handler.defer("not yet")),
        { name: "db" }
      )
      const error = failure(yield* Effect.exit(bus.transact(input(creates(entry("app:a"))))))
      expect((error as Error).message).toBe("an operation was deferred for good: create of app:a (db: not yet)")
      expect(notes).toEqual(["forward create app:a"])
    })
  )

  it.effect("handlers that accepted what another deferred are asked to undo it, in reverse order of acceptance", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const notes: Array<string> = []
      const accepts = noting(notes, undefined, "one: ")
      const defers = noting(
        notes,
        ({ attempt, id, phase }) =>
          phase === "forward" && id.name === "a" && attempt === 1 ? Handler.defer("wait") : Handler.accept,
        "two: "
      )
      yield* bus.handle("*", accepts)
      yield* bus.handle("*", defers)
      yield* Effect.exit(bus.transact(input(creates(entry("app:a"), entry("app:b")), { append: Effect.fail("no") })))
      expect(notes).toEqual([
        "one: forward create app:a",
        "two: forward create app:a",
        "one: forward create app:b",
        "two: forward create app:b",
        "two: forward create app:a",
        "two: rollback delete app:a",
        "one: rollback delete app:b",
        "two: rollback delete app:b",
        "one: rollback delete app:a"
      ])
    })
  )
})

describe("E13: a thousand operations", () => {
  const size = 1000
  const name = (i: number) => `app:${String(i).padStart(4, "0")}`
  const needs = Object.fromEntries(Array.from({ length: size - 1 }, (_, i) => [name(i), [name(i + 1)]]))

  it.effect("in the worst order that nobody declared take as many passes, and no more", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const held = new Holdings()
      const attempts = new Map<string, number>()
      yield* bus.handle("*", (request) => {
        attempts.set(request.id.value, request.attempt)
        return needing(held, needs)(request)
      })
      yield* bus.transact(input(creates(...Array.from({ length: size }, (_, i) => entry(name(i))))))
      expect(held.entries.size).toBe(size)
      // The last one at once, each one before it a pass later.
      for (let i = 0; i < size; i++) expect(attempts.get(name(i))).toBe(size - i)
    })
  )

  it.effect("that declare what they need are put once each", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const held = new Holdings()
      let puts = 0
      yield* bus.handle("*", (request) => {
        puts++
        return needing(held, needs)(request)
      })
      const entries = Array.from({ length: size }, (_, i) => dependent(name(i), ...(needs[name(i)] ?? [])))
      yield* bus.transact(input(Delta.order(creates(...entries)).changeset))
      expect([puts, held.entries.size]).toEqual([size, size])
    })
  )

  it.effect("behind one that is deferred for ever wait without being asked", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      let puts = 0
      yield* bus.handle("*", () => {
        puts++
        return Handler.defer("no license")
      })
      const entries = Array.from({ length: size }, (_, i) => dependent(name(i), ...(i === 0 ? [] : [name(i - 1)])))
      const error = failure(yield* Effect.exit(bus.transact(input(creates(...entries)))))
      expect(puts).toBe(1)
      expect(error).toMatchObject({ operations: { length: size } })
      expect((error as Error).message).toMatch(/and 990 more$/)
    })
  )
})
