import { describe, expect, it } from "@effect/vitest"
import * as Bus from "@heph/bus/Bus"
import * as Handler from "@heph/bus/Handler"
import * as Operation from "@heph/changeset/Operation"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import { drive, entry, failure, Holdings, input, noting } from "./support/kit.ts"

class Unreachable extends Data.TaggedError("Unreachable")<{ readonly message: string; readonly cause?: unknown }> {}

const a = entry("app:a", 1)
const create = [Operation.create(a)]

/** Asks one handler about one create, and gives what the transaction came to. */
const ask = Effect.fnUntraced(function* (handler: Handler.Handler<unknown>, options?: Handler.Options) {
  const bus = yield* Bus.make()
  yield* bus.handle("function.*", handler, { name: "db", ...options })
  return yield* drive(bus.transact(input(create)))
})

describe("answers", () => {
  it.effect("are values or effects", () =>
    Effect.gen(function* () {
      expect(yield* ask(() => Handler.accept)).toEqual(Exit.void)
      expect(yield* ask(() => Effect.succeed(Handler.accept))).toEqual(Exit.void)
      expect(yield* ask(() => Effect.as(Effect.sleep("1 second"), Handler.accept))).toEqual(Exit.void)
    })
  )

  const cases: ReadonlyArray<readonly [string, Handler.Handler<unknown>, string, string]> = [
    ["rejects", () => Handler.reject("the port is taken"), "rejected", "the port is taken"],
    ["rejects by an effect", () => Effect.succeed(Handler.reject("taken")), "rejected", "taken"],
    ["fails", () => Effect.fail(new Unreachable({ message: "connection refused" })), "failed", "connection refused"],
    ["fails with text", () => Effect.fail("connection refused"), "failed", "connection refused"],
    ["fails with a record", () => Effect.fail({ code: 7 }), "failed", `{"code":7}`],
    ["fails with an error of no words", () => Effect.fail(new Unreachable({ message: "" })), "failed", "Unreachable"],
    [
      "throws",
      () => {
        throw new Error("no such table")
      },
      "died",
      "no such table"
    ],
    ["dies", () => Effect.die(new Error("no such table")), "died", "no such table"],
    ["is interrupted", () => Effect.interrupt, "was interrupted", "All fibers interrupted without error"]
  ]
  for (const [what, handler, how, detail] of cases) {
    it.effect(`one that ${what} has rejected, with its reason`, () =>
      Effect.gen(function* () {
        const error = failure(yield* ask(handler))
        expect(error).toMatchObject({ _tag: "HandlerRejected", handler: "db", op: "create", id: "app:a", how, detail })
        expect((error as Error).message).toBe(`the create of app:a was refused: handler db ${how}: ${detail}`)
      })
    )
  }

  it.effect("E23: the cause of a refusal is kept as it was", () =>
    Effect.gen(function* () {
      const cause = new Unreachable({ message: "disk full", cause: new Error("ENOSPC") })
      expect(failure(yield* ask(() => Effect.fail(cause)))).toMatchObject({ cause })
      expect((failure(yield* ask(() => Effect.fail(cause))) as Error).cause).toBe(cause)
    })
  )

  const unreadable = new (class extends Error {
    override get message(): string {
      throw new Error("not even this")
    }
  })()
  const nonsense: ReadonlyArray<readonly [string, unknown]> = [
    ["nothing", undefined],
    ["null", null],
    ["true", true],
    ["another tag", { _tag: "Perhaps" }],
    ["a promise", Promise.resolve(Handler.accept)],
    ["a rejection without a reason", { _tag: "Reject" }],
    ["a rejection with a number as reason", { _tag: "Reject", reason: 42 }],
    ["an error that cannot be read", Effect.fail(unreadable)]
  ]
  for (const [what, answer] of nonsense) {
    it.effect(`${what} is no answer, and rejects`, () =>
      Effect.gen(function* () {
        const error = failure(yield* ask(() => answer as Handler.Verdict))
        expect(error).toMatchObject({ _tag: "HandlerRejected", detail: expect.stringMatching(/./) as string })
      })
    )
  }

  it.effect("E5: every matching handler has a say, and a later no counts", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const held = new Holdings()
      yield* bus.handle("function.*", held.accept, { name: "first" })
      yield* bus.handle("*.lua", () => Effect.delay(Effect.succeed(Handler.reject("no")), "1 second"), {
        name: "second"
      })
      expect(failure(yield* drive(bus.transact(input(create))))).toMatchObject({ handler: "second", detail: "no" })
      expect(held.list).toEqual({})
    })
  )

  it.effect("of several that say no the first registered is named, whoever was faster", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      yield* bus.handle("*", () => Effect.as(Effect.sleep("5 seconds"), Handler.reject("slow")), { name: "first" })
      yield* bus.handle("*", () => Handler.reject("fast"), { name: "second" })
      expect(failure(yield* drive(bus.transact(input(create))))).toMatchObject({ handler: "first", detail: "slow" })
    })
  )

  it.effect("E18: without a matching handler an operation is accepted at once", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      yield* bus.handle("service.*", () => Handler.reject("not mine"))
      yield* bus.transact(input(create))
      expect(yield* Clock.currentTimeMillis).toBe(0)
    })
  )
})

describe("requests", () => {
  it.effect("say what was and what will be; E15, E16: a delete has the stored kind and entry", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const requests: Array<Handler.Request> = []
      yield* bus.handle("*", (request) => {
        requests.push(request)
        return Handler.accept
      })
      const next = entry("app:a", 2)
      const changeset = [Operation.create(a), Operation.update(next, a), Operation.remove(next.id, next)]
      yield* bus.transact(input(changeset, { version: 9, cause: "travel" }))
      const transaction = { id: 1, cause: "travel", version: 9, operations: 3 }
      const common = { id: a.id, kind: "function.lua", phase: "forward", attempt: 1, transaction }
      expect(requests).toEqual([
        { ...common, event: "entry.create", op: "create", entry: a, original: undefined },
        { ...common, event: "entry.update", op: "update", entry: next, original: a },
        { ...common, event: "entry.delete", op: "delete", entry: undefined, original: next }
      ])
    })
  )

  it.effect("are one for all, so that nobody can change them", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const outcomes: Array<boolean> = []
      yield* bus.observe("entry.create", (request) => outcomes.push(Reflect.set(request, "entry", undefined)))
      yield* bus.handle("*", (request) => {
        outcomes.push(Reflect.set(request.transaction, "version", 99), request.entry === a)
        return Handler.accept
      })
      yield* bus.transact(input(create))
      expect(outcomes).toEqual([false, false, true])
    })
  )

  it.effect("on the way back are the inverse, with the phase", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const requests: Array<Handler.Request> = []
      yield* bus.handle("*", (request) => {
        if (request.phase === "rollback") requests.push(request)
        return Handler.accept
      })
      const [b, c, next] = [entry("app:b", 1), entry("app:c", 1), entry("app:b", 2)]
      const changeset = [Operation.create(a), Operation.update(next, b), Operation.remove(c.id, c)]
      yield* Effect.exit(bus.transact(input(changeset, { append: Effect.fail("no") })))
      expect(requests).toMatchObject([
        { op: "create", id: c.id, entry: c, original: undefined },
        { op: "update", id: b.id, entry: b, original: next },
        { op: "delete", id: a.id, entry: undefined, original: a }
      ])
    })
  )

  it.effect("H8: two operations on one id have an answer each", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const service = entry("app:a", 1, "service.http")
      const held = new Holdings([a])
      yield* bus.handle("*", (request) =>
        Effect.delay(
          Effect.sync(() => held.accept(request)),
          "1 second"
        )
      )
      const exit = yield* drive(bus.transact(input([Operation.remove(a.id, a), Operation.create(service)])))
      expect(exit).toEqual(Exit.void)
      expect(held.list).toEqual({ "app:a": ["service.http", 1] })
      expect(held.misfits).toEqual([])
    })
  )
})

class Database extends Context.Service<Database, { readonly name: string }>()("test/Database") {}

describe("services", () => {
  const namesIn = (names: Array<string>) => () =>
    Effect.map(Database, ({ name }) => {
      names.push(name)
      return Handler.accept
    })

  it.effect("are those from where the handler was registered", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const names: Array<string> = []
      yield* Effect.provideService(bus.handle("*", namesIn(names)), Database, { name: "the handler's" })
      const transaction = bus.transact(input(create))
      yield* transaction
      yield* Effect.provideService(transaction, Database, { name: "the caller's" })
      expect(names).toEqual(["the handler's", "the handler's"])
    })
  )

  it.effect("of participants too", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const names: Array<string> = []
      const begin = namesIn(names)
      yield* Effect.provideService(bus.participate({ name: "p", begin }), Database, { name: "the participant's" })
      yield* bus.transact(input(create))
      expect(names).toEqual(["the participant's"])
    })
  )

  it.effect("beneath them are the transaction's own: whose span and log annotations it has", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const seen: Array<unknown> = []
      yield* bus
        .handle("*", () =>
          Effect.gen(function* () {
            const span = yield* Effect.currentSpan
            seen.push(span.name, yield* References.CurrentLogAnnotations)
            return Handler.accept
          }).pipe(Effect.orDie)
        )
        .pipe(Effect.withSpan("registration"))
      yield* bus.transact(input(create)).pipe(Effect.withSpan("caller"), Effect.annotateLogs("request", 7))
      expect(seen).toEqual(["caller", { request: 7 }])
    })
  )

  const Depth = Context.Reference<string>("test/Depth", { defaultValue: () => "none" })

  it.effect("of a handler that a handler registered are not those of a transaction long over", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const seen: Array<string> = []
      const scope = yield* Scope.make()
      const inner = () =>
        Effect.gen(function* () {
          seen.push(yield* Depth, (yield* Database).name)
          return Handler.accept
        })
      let registered = false
      const outer = () => {
        if (registered) return Handler.accept
        registered = true
        return Effect.as(Scope.provide(bus.handle("*", inner), scope), Handler.accept)
      }
      yield* Effect.provideService(bus.handle("*", outer), Database, { name: "the handler's" })
      yield* Effect.provideService(bus.transact(input(create)), Depth, "the first transaction's")
      expect(seen).toEqual([])
      yield* Effect.provideService(bus.transact(input(create)), Depth, "the second transaction's")
      yield* bus.transact(input(create))
      expect(seen).toEqual(["the second transaction's", "the handler's", "none", "the handler's"])
      yield* Scope.close(scope, Exit.void)
    })
  )

  it.effect("the tracer's parent is not the span of the registration", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      let parent: unknown = "not asked"
      yield* Effect.withSpan(
        bus.handle("*", () =>
          Effect.map(Effect.serviceOption(Tracer.ParentSpan), (span) => {
            parent = span
            return Handler.accept
          })
        ),
        "registration"
      )
      yield* bus.transact(input(create))
      expect(parent).toMatchObject({ _tag: "None" })
    })
  )
})

describe("registrations", () => {
  const changeset = ["app:a", "app:b"].map((id) => Operation.create(entry(id)))

  it.effect("in the middle of a transaction count from the next one on", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const notes: Array<string> = []
      const scope = yield* Effect.scope
      let registered = false
      yield* bus.handle("*", () => {
        if (registered) return Handler.accept
        registered = true
        return Effect.as(Effect.orDie(Scope.provide(bus.handle("*", noting(notes)), scope)), Handler.accept)
      })
      yield* bus.transact(input(changeset))
      expect(notes).toEqual([])
      yield* bus.transact(input(changeset))
      expect(notes).toEqual(["forward create app:a", "forward create app:b"])
    })
  )

  it.effect("H3: a handler may close its own scope, and is not asked again, not even to undo", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const notes: Array<string> = []
      const others: Array<string> = []
      const scope = yield* Scope.make()
      const leave = noting(notes, () => Effect.as(Scope.close(scope, Exit.void), Handler.accept))
      yield* Scope.provide(bus.handle("*", leave), scope)
      yield* bus.handle("*", noting(others))
      const exit = yield* Effect.exit(bus.transact(input(changeset, { append: Effect.fail("no") })))
      expect(exit).toEqual(Exit.fail("no"))
      expect(notes).toEqual(["forward create app:a"])
      expect(others.slice(2)).toEqual(["rollback delete app:b", "rollback delete app:a"])
    })
  )

  it.effect("H7: end with their scope", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const notes: Array<string> = []
      yield* Effect.scoped(Effect.andThen(bus.handle("*", noting(notes)), bus.transact(input(create))))
      yield* bus.transact(input(create))
      expect(notes).toEqual(["forward create app:a"])
      expect(bus.concerns(create)).toBe(false)
    })
  )

  it.effect("H11: of the same name and pattern are each told, and each reported", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const answers = [Handler.reject("stuck"), Handler.defer("later"), Handler.accept, undefined]
      for (const answer of answers) {
        yield* bus.handle("*", ({ phase }) => (phase === "forward" ? Handler.accept : answer!), { name: "twin" })
      }
      const exit = yield* Effect.exit(bus.transact(input(create, { append: Effect.fail("no") })))
      const about = { handler: "twin", op: "delete", id: "app:a" }
      expect(failure(exit)).toMatchObject({
        _tag: "RollbackIncomplete",
        failures: [
          { ...about, detail: "it rejected: stuck" },
          { ...about, detail: "it deferred: later" },
          { ...about, detail: "it answered neither accept, reject nor defer" }
        ]
      })
    })
  )
})
