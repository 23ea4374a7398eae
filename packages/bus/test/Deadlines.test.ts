import { describe, expect, it } from "@effect/vitest"
import * as Bus from "@heph/bus/Bus"
import * as Handler from "@heph/bus/Handler"
import * as Operation from "@heph/changeset/Operation"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { drive, entry, failure, Holdings, input, noting } from "./support/kit.ts"

const create = [Operation.create(entry("app:a", 1))]

/** A clock that is another one but for this. */
const withClock = (clock: Clock.Clock, own: Partial<Clock.Clock>): Clock.Clock => ({
  currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe(),
  currentTimeMillis: clock.currentTimeMillis,
  currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe(),
  currentTimeNanos: clock.currentTimeNanos,
  monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
  monotonicTimeNanos: clock.monotonicTimeNanos,
  sleep: (duration) => clock.sleep(duration),
  ...own
})

/** Asks one handler about one create, and gives what the transaction came to. */
const ask = Effect.fnUntraced(function* (handler: Handler.Handler, options?: Handler.Options) {
  const bus = yield* Bus.make()
  yield* bus.handle("function.*", handler, { name: "db", ...options })
  return yield* drive(bus.transact(input(create)))
})

describe("deadlines", () => {
  const after = (duration: `${number} millis`) => () => Effect.as(Effect.sleep(duration), Handler.accept)

  it.effect("an accept after 29.999 s counts", () =>
    Effect.gen(function* () {
      expect(yield* ask(after("29999 millis"))).toEqual(Exit.void)
    })
  )

  it.effect("an accept after 30 s does not", () =>
    Effect.gen(function* () {
      const error = failure(yield* ask(after("30000 millis")))
      expect(error).toMatchObject({ _tag: "HandlerTimedOut", handler: "db", op: "create", id: "app:a", millis: 30_000 })
      expect((error as Error).message).toBe(
        "the create of app:a was refused: handler db did not answer within 30000 ms"
      )
    })
  )

  it.effect("a handler that never answers is stopped after exactly 30 s", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      let stopped: number | undefined
      const note = Effect.map(Clock.currentTimeMillis, (now) => void (stopped = now))
      yield* bus.handle("*", () => Effect.onInterrupt(Effect.never, () => note))
      const fiber = yield* Effect.forkChild(Effect.exit(bus.transact(input(create))))
      yield* TestClock.adjust("29999 millis")
      expect([stopped, fiber.pollUnsafe()]).toEqual([undefined, undefined])
      yield* TestClock.adjust("1 millis")
      expect(stopped).toBe(30_000)
      expect(failure(yield* Fiber.join(fiber))).toMatchObject({ _tag: "HandlerTimedOut" })
    })
  )

  it.effect("a handler may have its own, and so may the bus", () =>
    Effect.gen(function* () {
      expect(failure(yield* ask(after("600 millis"), { timeout: "500 millis" }))).toMatchObject({ millis: 500 })
      expect(yield* ask(after("40000 millis"), { timeout: "1 minute" })).toEqual(Exit.void)
      const bus = yield* Bus.make({ handlerTimeout: "2 seconds" })
      yield* bus.handle("*", () => Effect.never)
      expect(failure(yield* drive(bus.transact(input(create))))).toMatchObject({ millis: 2000 })
    })
  )

  it.effect("run side by side: one handler's says nothing of the others", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const spans: Array<readonly [number, number]> = []
      const slow = (seconds: number) => () =>
        Effect.gen(function* () {
          const start = yield* Clock.currentTimeMillis
          yield* Effect.sleep(seconds * 1000)
          spans.push([start, yield* Clock.currentTimeMillis])
          return Handler.accept
        })
      yield* bus.handle("*", slow(25))
      yield* bus.handle("*", slow(29), { name: "slower" })
      yield* bus.handle("*", slow(50), { timeout: "1 minute" })
      expect(yield* drive(bus.transact(input(create)))).toEqual(Exit.void)
      expect(spans).toEqual([
        [0, 25_000],
        [0, 29_000],
        [0, 50_000]
      ])
    })
  )

  it.effect("each operation has its own", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      yield* bus.handle("*", after("25000 millis"))
      const changeset = ["app:a", "app:b", "app:c"].map((id) => Operation.create(entry(id)))
      expect(yield* drive(bus.transact(input(changeset)))).toEqual(Exit.void)
    })
  )

  it.effect("E4: a late accept is undone, and is never taken for the next operation on the id", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const held = new Holdings()
      const answers = [
        // Past its deadline by half a second, and in the middle of a step that nobody can interrupt.
        (request: Handler.Request) =>
          Effect.uninterruptible(
            Effect.delay(
              Effect.sync(() => held.accept(request)),
              "30500 millis"
            )
          ),
        held.accept,
        () => Effect.never
      ]
      yield* bus.handle("*", (request) => answers.shift()!(request), { name: "db" })
      const first = yield* Effect.forkChild(Effect.exit(bus.transact(input(create))))
      yield* TestClock.adjust("30499 millis")
      expect([first.pollUnsafe(), held.list]).toEqual([undefined, {}])
      yield* TestClock.adjust("1 millis")
      expect(failure(yield* Fiber.join(first))).toMatchObject({ _tag: "HandlerTimedOut" })
      expect([held.list, held.misfits]).toEqual([{}, []])
      // The next operation on this id has an answer of its own: none.
      expect(failure(yield* drive(bus.transact(input(create))))).toMatchObject({ _tag: "HandlerTimedOut" })
    })
  )

  it.effect("E4: an accept that comes when the handler was given up is reported, and counts for nothing", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const held = new Holdings()
      const reports: Array<unknown> = []
      let calls = 0
      yield* bus.handle("*", (request) => {
        calls++
        if (calls > 1) return Handler.reject("a second answer")
        return Effect.uninterruptible(
          Effect.delay(
            Effect.sync(() => held.accept(request)),
            "1 minute"
          )
        )
      })
      const onOutOfStep = (failures: ReadonlyArray<unknown>) => reports.push(...failures)
      const first = yield* Effect.forkChild(Effect.exit(bus.transact(input(create, { onOutOfStep }))))
      yield* TestClock.adjust("31 seconds")
      expect(failure(yield* Fiber.join(first))).toMatchObject({
        _tag: "RollbackIncomplete",
        outOfStep: ["app:a"],
        reason: { _tag: "HandlerTimedOut" }
      })
      const about = { handler: "*#1", op: "create", id: "app:a" }
      expect(reports).toEqual([{ ...about, detail: "it was told to stop and is still busy" }])
      const second = yield* Effect.exit(bus.transact(input(create)))
      expect(failure(second)).toMatchObject({ detail: "a second answer" })
      yield* TestClock.adjust("29 seconds")
      expect(reports.slice(1)).toMatchObject([{ ...about, detail: expect.stringContaining("60000 ms") as string }])
      expect(held.list).toEqual({ "app:a": ["function.lua", 1] })
    })
  )

  it.effect("an uninterruptible step that ends within the grace keeps its verdict", () =>
    Effect.gen(function* () {
      const notes: Array<string> = []
      const slow: Handler.Handler = ({ phase }) =>
        phase === "rollback"
          ? Handler.accept
          : Effect.uninterruptible(Effect.as(Effect.sleep("30900 millis"), Handler.accept))
      expect(failure(yield* ask(noting(notes, slow)))).toMatchObject({ _tag: "HandlerTimedOut" })
      expect(notes).toEqual(["forward create app:a", "rollback delete app:a"])
    })
  )
})

describe("the deadline of the whole transaction", () => {
  const changeset = Array.from({ length: 10 }, (_, i) => Operation.create(entry(`app:${i}`)))

  it.effect("runs over many handlers that each stay under theirs", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make({ transactionTimeout: "45 seconds" })
      const held = new Holdings()
      yield* bus.handle(
        "*",
        (request) =>
          request.phase === "rollback"
            ? held.accept(request)
            : Effect.delay(
                Effect.sync(() => held.accept(request)),
                "10 seconds"
              ),
        { name: "db" }
      )
      const error = failure(yield* drive(bus.transact(input(changeset))))
      expect(error).toMatchObject({ _tag: "TransactionTimedOut", millis: 45_000 })
      expect((error as Error).message).toBe(
        "the transaction took longer than 45000 ms; it was waiting for handler db on the create of app:4"
      )
      expect(held.list).toEqual({})
    })
  )

  it.effect("leaves the rollback its time", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make({ transactionTimeout: "45 seconds" })
      const held = new Holdings()
      yield* bus.handle("*", (request) =>
        Effect.delay(
          Effect.sync(() => held.accept(request)),
          "10 seconds"
        )
      )
      expect(failure(yield* drive(bus.transact(input(changeset))))).toMatchObject({ _tag: "TransactionTimedOut" })
      expect(held.list).toEqual({})
    })
  )

  it.effect("is not met by one handler's own", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make({ transactionTimeout: "45 seconds" })
      yield* bus.handle("*", () => Effect.never, { name: "db" })
      expect(failure(yield* drive(bus.transact(input(changeset))))).toMatchObject({ _tag: "HandlerTimedOut" })
    })
  )

  it.effect("counts handlers that answer at once, and slowly", () =>
    Effect.gen(function* () {
      let now = 0n
      const clock = withClock(yield* Clock.Clock, { monotonicTimeNanosUnsafe: () => now })
      const notes: Array<string> = []
      const bus = yield* Bus.make({ transactionTimeout: "45 seconds" })
      const slow = noting(notes, ({ phase }) => {
        if (phase === "forward") now += 10_000_000_000n
        return Handler.accept
      })
      yield* bus.handle("*", slow)
      let appended = false
      const append = Effect.sync(() => void (appended = true))
      const exit = yield* Effect.exit(
        Effect.provideService(bus.transact(input(changeset, { append })), Clock.Clock, clock)
      )
      expect(failure(exit)).toMatchObject({ _tag: "TransactionTimedOut", waitingFor: "the create of app:4" })
      expect(appended).toBe(false)
      const forward = [0, 1, 2, 3, 4].map((i) => `forward create app:${i}`)
      const rollback = [4, 3, 2, 1, 0].map((i) => `rollback delete app:${i}`)
      expect(notes).toEqual([...forward, ...rollback])
    })
  )

  it.effect("covers the participants' begin", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make({ transactionTimeout: "5 seconds" })
      const told: Array<string> = []
      const discard = () => void told.push("discard")
      yield* bus.participate({ name: "cache", begin: () => Effect.never, discard })
      const error = failure(yield* drive(bus.transact(input(create))))
      expect(error).toMatchObject({ _tag: "TransactionTimedOut", waitingFor: "participant cache to begin" })
      expect(told).toEqual(["discard"])
    })
  )
})

describe("what is left behind", () => {
  /** A clock that counts the sleeps under way. */
  const counting = Effect.gen(function* () {
    const real = yield* Clock.Clock
    let sleeping = 0
    const sleep: Clock.Clock["sleep"] = (duration) =>
      Effect.suspend(() => {
        sleeping++
        return Effect.ensuring(
          real.sleep(duration),
          Effect.sync(() => void sleeping--)
        )
      })
    return { clock: withClock(real, { sleep }), sleeping: () => sleeping }
  })

  it.effect("no timer when the handlers are done", () =>
    Effect.gen(function* () {
      const { clock, sleeping } = yield* counting
      const bus = yield* Bus.make()
      const gate = yield* Deferred.make<void>()
      yield* bus.handle("*", () => Effect.as(Deferred.await(gate), Handler.accept))
      const transaction = Effect.provideService(bus.transact(input(create)), Clock.Clock, clock)
      const caller = yield* Effect.forkChild(transaction, { startImmediately: true })
      expect(sleeping()).toBe(1)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(caller)
      expect(sleeping()).toBe(0)
    })
  )

  it.effect("no timer when the caller is gone", () =>
    Effect.gen(function* () {
      const { clock, sleeping } = yield* counting
      const bus = yield* Bus.make()
      yield* bus.handle("*", () => Effect.uninterruptible(Effect.never))
      const transaction = Effect.provideService(bus.transact(input(create)), Clock.Clock, clock)
      const caller = yield* Effect.forkChild(transaction, { startImmediately: true })
      expect(sleeping()).toBe(1)
      const interruption = yield* Effect.forkChild(Fiber.interrupt(caller), { startImmediately: true })
      // That of the grace.
      expect(sleeping()).toBe(1)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(interruption)
      expect(sleeping()).toBe(0)
    })
  )

  it.effect("no handler that can be stopped, even if only later", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      let stopped: number | undefined
      const note = Effect.map(Clock.currentTimeMillis, (now) => void (stopped = now))
      const steps = Effect.andThen(Effect.uninterruptible(Effect.sleep("40 seconds")), Effect.never)
      yield* bus.handle("*", () => Effect.onInterrupt(steps, () => note))
      const reports: Array<unknown> = []
      const onOutOfStep = (failures: ReadonlyArray<unknown>) => reports.push(...failures)
      expect(failure(yield* drive(bus.transact(input(create, { onOutOfStep }))))).toMatchObject({
        outOfStep: ["app:a"]
      })
      yield* TestClock.adjust("1 minute")
      expect(stopped).toBe(40_000)
      // Whether it made the change nobody can tell.
      expect(reports).toMatchObject([
        { id: "app:a", detail: "it was told to stop and is still busy" },
        {
          id: "app:a",
          detail: expect.stringMatching(/^it was interrupted: .* 40000 ms after it was called$/) as string
        }
      ])
    })
  )
})
