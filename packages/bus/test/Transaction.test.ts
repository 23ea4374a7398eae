import { describe, expect, it } from "@effect/vitest"
import * as Bus from "@heph/bus/Bus"
import * as Handler from "@heph/bus/Handler"
import * as Transaction from "@heph/bus/Transaction"
import * as Operation from "@heph/changeset/Operation"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { drive, entry, failure, Holdings, input, noting } from "./support/kit.ts"

const a = entry("app:a", 1)
const b = entry("app:b", 1)
const c = entry("app:c", 1)
const creates = [a, b, c].map((entry) => Operation.create(entry))
const no = { append: Effect.fail("no room") }

/** A participant that writes down what it is told. */
const listening = (notes: Array<string>, name: string, over?: Partial<Handler.Participant>): Handler.Participant => ({
  name,
  begin: () => void notes.push(`${name} begin`),
  commit: () => void notes.push(`${name} commit`),
  discard: () => void notes.push(`${name} discard`),
  ...over
})

/** Everything that happens on a bus, in order. */
const listened = Effect.fnUntraced(function* (answer?: Handler.Handler) {
  const bus = yield* Bus.make()
  const notes: Array<string> = []
  yield* bus.participate(listening(notes, "cache"))
  yield* bus.handle("*", noting(notes, answer))
  for (const event of ["registry.begin", "registry.commit", "registry.discard"] as const) {
    yield* bus.observe(event, () => notes.push(event))
  }
  for (const event of ["entry.create", "entry.update", "entry.delete"] as const) {
    yield* bus.observe(event, ({ id }) => notes.push(`${event} ${id}`))
  }
  return { bus, notes }
})

describe("order", () => {
  it.effect("begin, operations, append, commit", () =>
    Effect.gen(function* () {
      const { bus, notes } = yield* listened()
      const next = entry("app:b", 2)
      const changeset = [Operation.create(a), Operation.update(next, b), Operation.remove(c.id, c)]
      yield* bus.transact(input(changeset, { append: Effect.sync(() => void notes.push("append")) }))
      expect(notes).toEqual([
        "registry.begin",
        "cache begin",
        "entry.create app:a",
        "forward create app:a",
        "entry.update app:b",
        "forward update app:b",
        "entry.delete app:c",
        "forward delete app:c",
        "append",
        "cache commit",
        "registry.commit"
      ])
    })
  )

  it.effect("a failure undoes what was accepted, in reverse, and discards; later operations are never put", () =>
    Effect.gen(function* () {
      const answer: Handler.Handler = ({ id }) => (id === c.id ? Handler.reject("no") : Handler.accept)
      const { bus, notes } = yield* listened(answer)
      const last = Operation.create(entry("app:d"))
      const exit = yield* Effect.exit(bus.transact(input([...creates, last])))
      expect(failure(exit)).toMatchObject({ _tag: "HandlerRejected", id: "app:c" })
      expect(notes).toEqual([
        "registry.begin",
        "cache begin",
        "entry.create app:a",
        "forward create app:a",
        "entry.create app:b",
        "forward create app:b",
        "entry.create app:c",
        "forward create app:c",
        "rollback delete app:b",
        "rollback delete app:a",
        "cache discard",
        "registry.discard"
      ])
    })
  )

  it.effect("the same handlers that accepted are asked to undo, and no others", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const notes: Array<string> = []
      yield* bus.handle("*", noting(notes, undefined, "1 "))
      const rejecting: Handler.Handler = ({ id }) => (id === b.id ? Handler.reject("no") : Handler.accept)
      yield* bus.handle("*", noting(notes, rejecting, "2 "))
      yield* Effect.exit(bus.transact(input(creates)))
      expect(notes.filter((note) => note.includes("rollback"))).toEqual([
        "1 rollback delete app:b",
        "1 rollback delete app:a",
        "2 rollback delete app:a"
      ])
    })
  )

  it.effect("transactions of a bus are counted from 1", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const ids: Array<number> = []
      yield* bus.observe("registry.begin", ({ transaction }) => ids.push(transaction.id))
      const transaction = bus.transact(input(creates))
      yield* transaction
      yield* transaction
      expect(ids).toEqual([1, 2])
    })
  )

  it.effect("E25: an empty changeset is appended, and nobody is told", () =>
    Effect.gen(function* () {
      const { bus, notes } = yield* listened()
      expect(bus.concerns([])).toBe(false)
      expect(yield* bus.transact(input([], { append: Effect.succeed(7) }))).toBe(7)
      expect(notes).toEqual([])
    })
  )

  it.effect("E14: an incomplete changeset is a defect, and nobody is told", () =>
    Effect.gen(function* () {
      const { bus, notes } = yield* listened()
      const exit = yield* Effect.exit(bus.transact(input([...creates, Operation.remove(c.id)])))
      expect(Exit.isFailure(exit) && Cause.hasDies(exit.cause)).toBe(true)
      expect(failure(exit)).toMatchObject({
        message: "the delete of app:c lacks its original: complete the changeset first"
      })
      expect(notes).toEqual([])
    })
  )
})

describe("the append", () => {
  it.effect("E23: its own error comes through as it is", () =>
    Effect.gen(function* () {
      class Conflict extends Error {
        readonly _tag = "Conflict"
      }
      const conflict = new Conflict("head moved")
      const { bus } = yield* listened()
      expect(failure(yield* Effect.exit(bus.transact(input(creates, { append: Effect.fail(conflict) }))))).toBe(
        conflict
      )
    })
  )

  it.effect("E7: its failure rolls back all the same when the caller is interrupted meanwhile", () =>
    Effect.gen(function* () {
      const { bus, notes } = yield* listened()
      const fails = yield* Deferred.make<void>()
      const append = Effect.andThen(Deferred.await(fails), Effect.fail("disk full"))
      const caller = yield* Effect.forkChild(bus.transact(input(creates, { append })))
      yield* TestClock.adjust("1 second")
      const interruption = yield* Effect.forkChild(Fiber.interrupt(caller))
      yield* TestClock.adjust("1 second")
      expect(notes).not.toContain("cache discard")
      yield* Deferred.succeed(fails, undefined)
      yield* Fiber.join(interruption)
      expect(notes.slice(-5)).toEqual([
        "rollback delete app:c",
        "rollback delete app:b",
        "rollback delete app:a",
        "cache discard",
        "registry.discard"
      ])
    })
  )

  it.effect("once it is done the commit is completed, whether the caller waits or not", () =>
    Effect.gen(function* () {
      const { bus, notes } = yield* listened()
      const slow = yield* Deferred.make<void>()
      yield* bus.participate(listening(notes, "index", { commit: () => Deferred.await(slow) }))
      const caller = yield* Effect.forkChild(bus.transact(input(creates)))
      yield* TestClock.adjust("1 second")
      const interruption = yield* Effect.forkChild(Fiber.interrupt(caller))
      yield* TestClock.adjust("1 second")
      expect(notes).not.toContain("registry.commit")
      yield* Deferred.succeed(slow, undefined)
      yield* Fiber.join(interruption)
      expect(notes.slice(-2)).toEqual(["cache commit", "registry.commit"])
    })
  )
})

describe("participants", () => {
  it.effect("E2: if one refuses to begin, all that began are told to discard, and it is not", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const notes: Array<string> = []
      yield* bus.participate(listening(notes, "first"))
      yield* bus.participate(listening(notes, "second", { begin: () => Handler.reject("read-only") }))
      yield* bus.participate(listening(notes, "third"))
      yield* bus.handle("*", noting(notes))
      const error = failure(yield* Effect.exit(bus.transact(input(creates))))
      expect(error).toMatchObject({
        _tag: "ParticipantRefused",
        participant: "second",
        detail: "it rejected: read-only"
      })
      expect((error as Error).message).toBe("participant second did not begin the transaction: it rejected: read-only")
      expect(notes).toEqual(["first begin", "third begin", "first discard", "third discard"])
    })
  )

  it.effect("E17: begin side by side, each with its own deadline", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      for (const name of ["first", "second", "third"]) {
        yield* bus.participate({
          name,
          begin: () => Effect.sleep("20 seconds"),
          commit: () => Effect.sleep("20 seconds")
        })
      }
      const fiber = yield* Effect.forkChild(bus.transact(input(creates)))
      yield* TestClock.adjust("20 seconds")
      yield* TestClock.adjust("20 seconds")
      expect(fiber.pollUnsafe()).toEqual(Exit.void)
    })
  )

  it.effect("E10: one that fails in commit is reported; nothing is undone and the others are told", () =>
    Effect.gen(function* () {
      const { bus, notes } = yield* listened()
      const lines: Array<unknown> = []
      const logger = Logger.make(({ message }) => lines.push(message))
      yield* bus.participate(listening(notes, "index", { commit: () => Effect.fail("index is corrupt") }))
      yield* bus.participate(listening(notes, "mail"))
      const transaction = bus.transact(input(creates, { append: Effect.succeed("v1"), version: 1 }))
      expect(yield* Effect.provide(transaction, Logger.layer([logger]))).toBe("v1")
      expect(notes.filter((note) => /rollback|discard/.test(note))).toEqual([])
      expect(notes.slice(-3)).toEqual(["cache commit", "mail commit", "registry.commit"])
      expect(lines).toEqual([["participant index was told to commit: it failed: index is corrupt"]])
    })
  )

  it.effect("one that hangs in commit holds the caller up for its deadline, and no longer", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const hung = () => Effect.uninterruptible(Effect.never)
      yield* bus.participate({ name: "index", commit: hung, timeout: "5 seconds" })
      const fiber = yield* Effect.forkChild(bus.transact(input(creates)))
      yield* TestClock.adjust("5 seconds")
      expect(fiber.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("1 second")
      expect(fiber.pollUnsafe()).toEqual(Exit.void)
    })
  )

  it.effect("one that begins too late has not, and is told to discard", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const notes: Array<string> = []
      const begin = () => Effect.uninterruptible(Effect.sleep("30500 millis"))
      yield* bus.participate(listening(notes, "cache", { begin }))
      yield* bus.handle("*", noting(notes))
      expect(failure(yield* drive(bus.transact(input(creates))))).toMatchObject({
        _tag: "ParticipantRefused",
        detail: "it took longer than 30000 ms"
      })
      expect(notes).toEqual(["cache discard"])
    })
  )

  it.effect("may be objects with a state of their own", () =>
    Effect.gen(function* () {
      class Cache implements Handler.Participant {
        readonly name = "cache"
        state = "idle"
        begin() {
          this.state = "open"
        }
        commit() {
          this.state = "done"
        }
      }
      const bus = yield* Bus.make()
      const cache = new Cache()
      yield* bus.participate(cache)
      yield* bus.handle("*", () => (cache.state === "open" ? Handler.accept : Handler.reject(cache.state)))
      yield* bus.transact(input(creates))
      expect(cache.state).toBe("done")
    })
  )

  it.effect("one without a begin has begun", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const notes: Array<string> = []
      const participant = { name: "cache", discard: () => void notes.push("discard") }
      yield* bus.participate(participant)
      yield* Effect.exit(bus.transact(input(creates, no)))
      expect(notes).toEqual(["discard"])
    })
  )

  it.effect("one that was begun is told the end though its scope is closed; one that joins later is not", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const notes: Array<string> = []
      const scope = yield* Scope.make()
      const later = yield* Effect.scope
      yield* Scope.provide(bus.participate(listening(notes, "leaving")), scope)
      yield* bus.handle("*", ({ id }) =>
        id === a.id
          ? Effect.as(
              Effect.andThen(
                Scope.close(scope, Exit.void),
                Scope.provide(bus.participate(listening(notes, "joining")), later)
              ),
              Handler.accept
            )
          : Handler.accept
      )
      yield* bus.transact(input(creates))
      expect(notes).toEqual(["leaving begin", "leaving commit"])
      yield* bus.transact(input(creates.slice(1)))
      expect(notes.slice(2)).toEqual(["joining begin", "joining commit"])
    })
  )
})

describe("observers", () => {
  it.effect("E19: what they throw, reject with or answer changes nothing", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const lines: Array<unknown> = []
      const logger = Logger.layer([Logger.make(({ message }) => lines.push(message))])
      const events = ["registry.begin", "entry.create", "registry.commit"] as const
      const throwing = () => {
        throw new Error("thrown")
      }
      for (const event of events) yield* Effect.provide(bus.observe(event, throwing), logger)
      const rejecting = async () => {
        throw new Error("rejected")
      }
      // oxlint-disable-next-line typescript/no-misused-promises -- people do
      yield* Effect.provide(bus.observe("registry.begin", rejecting), logger)
      yield* bus.observe("entry.create", () => Handler.reject("no"))
      expect(yield* bus.transact(input([Operation.create(a)], { append: Effect.succeed("done") }))).toBe("done")
      yield* Effect.yieldNow
      // The rejection is heard of a turn later.
      expect(lines.flat()).toEqual([
        ...events.map((event) => `an observer of ${event} failed, which changes nothing: thrown`),
        "an observer of registry.begin failed, which changes nothing: rejected"
      ])
    })
  )

  it.effect("H2: may come and go within a callback", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const notes: Array<string> = []
      const scope = yield* Scope.make()
      const late = yield* Scope.make()
      const runSync = Effect.runSyncWith(yield* Effect.context())
      yield* Scope.provide(
        bus.observe("entry.create", ({ id }) => {
          notes.push(`first ${id}`)
          runSync(Scope.close(scope, Exit.void))
          runSync(
            Scope.provide(
              bus.observe("entry.create", ({ id }) => notes.push(`second ${id}`)),
              late
            )
          )
        }),
        scope
      )
      yield* bus.transact(input(creates))
      expect(notes).toEqual(["first app:a", "second app:b", "second app:c"])
    })
  )

  it.effect("are told of an operation once, though it is deferred, and of nothing on the way back", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const notes: Array<string> = []
      for (const event of ["entry.create", "entry.delete"] as const) {
        yield* bus.observe(event, ({ id }) => notes.push(`${event} ${id}`))
      }
      yield* bus.handle("*", ({ attempt, id }) => (id === a.id && attempt < 3 ? Handler.defer("wait") : Handler.accept))
      yield* bus.handle("*", ({ id }) => (id === b.id ? Handler.defer("wait for ever") : Handler.accept))
      yield* Effect.exit(bus.transact(input(creates)))
      expect(notes).toEqual(["entry.create app:a", "entry.create app:b", "entry.create app:c"])
    })
  )
})

describe("interruption", () => {
  it.effect("E3: in the middle of an operation undoes, discards, and needs no time where handlers can be stopped", () =>
    Effect.gen(function* () {
      const { bus, notes } = yield* listened(({ id }) => (id === b.id ? Effect.never : Handler.accept))
      const caller = yield* Effect.forkChild(bus.transact(input(creates)), { startImmediately: true })
      expect(notes.at(-1)).toBe("forward create app:b")
      yield* Fiber.interrupt(caller)
      expect(notes.slice(-3)).toEqual(["rollback delete app:a", "cache discard", "registry.discard"])
      expect(yield* Clock.currentTimeMillis).toBe(0)
      const exit = yield* Fiber.await(caller)
      expect(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)).toBe(true)
    })
  )

  it.effect("while participants begin ends their begin, and they are told to discard", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const notes: Array<string> = []
      const stopped = Effect.sync(() => void notes.push("slow begin was stopped"))
      yield* bus.participate(listening(notes, "quick"))
      yield* bus.participate(listening(notes, "slow", { begin: () => Effect.onInterrupt(Effect.never, () => stopped) }))
      const caller = yield* Effect.forkChild(bus.transact(input(creates)), { startImmediately: true })
      yield* Fiber.interrupt(caller)
      expect(notes).toEqual(["quick begin", "slow begin was stopped", "quick discard", "slow discard"])
      expect(yield* Clock.currentTimeMillis).toBe(0)
    })
  )

  it.effect("E22: is heeded before the append though no handler ever waits", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const notes: Array<string> = []
      yield* bus.observe("registry.begin", () => caller.interruptUnsafe())
      yield* bus.observe("registry.discard", () => notes.push("discard"))
      const append = Effect.sync(() => void notes.push("append"))
      const caller = yield* Effect.forkChild(
        bus.transact(input([Operation.create(entry("app:a", 1, "registry.entry"))], { append }))
      )
      yield* Fiber.await(caller)
      expect(notes).toEqual(["discard"])
    })
  )

  it.effect("is noticed in the middle of a long transaction whose handlers never wait, and others get a turn", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const held = new Holdings()
      let asked = 0
      yield* bus.handle("*", (request) => {
        if (request.phase === "forward") asked++
        return held.accept(request)
      })
      const changeset = Array.from({ length: 5000 }, (_, i) => Operation.create(entry(`app:${i}`)))
      const caller = yield* Effect.forkChild(bus.transact(input(changeset)), { startImmediately: true })
      expect([asked > 0, asked < 1000]).toEqual([true, true])
      yield* Fiber.interrupt(caller)
      expect(asked).toBeLessThan(1000)
      expect(held.entries.size).toBe(0)
    })
  )

  it.effect("during the rollback waits until everything is undone", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const held = new Holdings()
      yield* bus.handle("*", (request) =>
        Effect.delay(
          Effect.sync(() => held.accept(request)),
          "5 seconds"
        )
      )
      const caller = yield* Effect.forkChild(bus.transact(input(creates, no)))
      yield* TestClock.adjust("17 seconds")
      expect(Object.keys(held.list)).toEqual(["app:a", "app:b", "app:c"])
      const interruption = yield* Effect.forkChild(Fiber.interrupt(caller))
      yield* TestClock.adjust("8 seconds")
      expect([Object.keys(held.list), caller.pollUnsafe()]).toEqual([["app:a"], undefined])
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(interruption)
      expect([held.list, held.misfits]).toEqual([{}, []])
    })
  )
})

describe("a rollback that fails", () => {
  it.effect("E8, E9: goes on, asks each handler once, and names both causes and the ids out of step", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const notes: Array<string> = []
      const lines: Array<unknown> = []
      const logger = Logger.make(({ logLevel, message }) => lines.push([logLevel, message]))
      const stuck: Handler.Handler<unknown> = ({ id, phase }) =>
        phase === "rollback" && id === b.id ? Effect.fail("file is locked") : Handler.accept
      yield* bus.handle("*", noting(notes, stuck as Handler.Handler), { name: "files" })
      const reports: Array<unknown> = []
      const transaction = bus.transact(input(creates, { ...no, onOutOfStep: (failures) => reports.push(...failures) }))
      const error = failure(yield* Effect.exit(Effect.provide(transaction, Logger.layer([logger]))))
      expect(notes.slice(3)).toEqual(["rollback delete app:c", "rollback delete app:b", "rollback delete app:a"])
      const failures = [{ handler: "files", op: "delete", id: "app:b", detail: "it failed: file is locked" }]
      expect(error).toMatchObject({ _tag: "RollbackIncomplete", reason: "no room", failures, outOfStep: ["app:b"] })
      const message =
        "no room. Undoing it failed too, so handlers may be out of step on app:b: " +
        "files on the delete of app:b: it failed: file is locked"
      expect((error as Error).message).toBe(message)
      expect(lines).toEqual([["Error", [`${message}. Resync or restart them.`]]])
      expect(reports).toEqual(failures)
    })
  )

  it.effect("gives each handler its own time for each operation", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      yield* bus.handle("*", ({ phase }) => (phase === "rollback" ? Effect.never : Handler.accept), { name: "db" })
      const error = failure(yield* drive(bus.transact(input(creates, no))))
      expect(error).toMatchObject({ outOfStep: ["app:c", "app:b", "app:a"] })
      expect((error as Transaction.RollbackIncomplete).failures[0]).toEqual({
        handler: "db",
        op: "delete",
        id: "app:c",
        detail: "it took longer than 30000 ms"
      })
    })
  )

  it.effect("after an interruption keeps the interruption, and says what it did to the handlers", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const reports: Array<unknown> = []
      yield* bus.handle("*", ({ id, phase }) => {
        if (phase === "rollback") return Handler.reject("locked")
        return id === b.id ? Effect.never : Handler.accept
      })
      const onOutOfStep = (failures: ReadonlyArray<unknown>) => reports.push(...failures)
      const caller = yield* Effect.forkChild(bus.transact(input(creates, { onOutOfStep })), { startImmediately: true })
      yield* Fiber.interrupt(caller)
      const exit = yield* Fiber.await(caller)
      expect(Exit.isFailure(exit) && Cause.hasInterrupts(exit.cause)).toBe(true)
      expect(reports).toMatchObject([{ id: "app:a", detail: "it rejected: locked" }])
    })
  )

  it("lists ten, and counts the rest", () => {
    const failures = Array.from(
      { length: 12 },
      (_, i) => ({ handler: "db", op: "delete", id: `app:${i}`, detail: "no" }) as const
    )
    const { message, outOfStep } = new Transaction.RollbackIncomplete({ reason: "disk full", failures })
    expect(outOfStep).toHaveLength(12)
    expect(message).toMatch(/app:8, app:9, and 2 more: .*; and 2 more$/)
  })
})
