import { describe, expect, it } from "@effect/vitest"
import * as Handler from "@heph/bus/Handler"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as TestClock from "effect/testing/TestClock"
import * as Matrix from "./matrix.ts"
import { create, Holder, open, openMemory, memory, remove, showAll, shown, update } from "./support.ts"

const silently = Effect.provide(Logger.layer([]))

/** A handler that takes part like a holder, but leaves out what it is told to while it is broken. */
class Broken extends Holder {
  breaks: (request: Handler.Request) => boolean = () => false
  readonly answer: Handler.Handler = (request) =>
    this.breaks(request) ? Handler.reject("broken") : this.handler(request)
}

const rollbackOf = (id: string) => (request: Handler.Request) => request.phase === "rollback" && request.id.value === id

describe("resync", () => {
  it.effect("takes back what exists no more, and brings what does", () =>
    Effect.gen(function* () {
      const { bus, registry } = yield* openMemory()
      const holder = new Broken()
      yield* bus.handle("k.*", holder.answer)
      yield* bus.handle("refuse", () => Handler.reject("never"))
      yield* registry.apply([
        create("a:kept", 1, "k.one"),
        create("a:changed", 1, "k.one"),
        create("a:gone", 1, "k.one")
      ])
      const before = showAll(registry.current())
      for (const id of ["a:new", "a:changed", "a:gone"]) {
        holder.breaks = rollbackOf(id)
        const error = yield* Effect.flip(
          registry.apply([
            create("a:new", 2, "k.one"),
            update("a:changed", 2, "k.one"),
            remove("a:gone"),
            create("z:refused", 2, "refuse", { depends_on: ["a:new", "a:changed", "a:gone"] })
          ])
        )
        expect(error).toMatchObject({ _tag: "RollbackIncomplete" })
        expect(registry.status().outOfStep).toEqual([id])
        expect(showAll(registry.current())).toEqual(before)
        expect(holder.all).not.toEqual(before)
        holder.breaks = () => false
        yield* registry.resync
        expect(holder.all).toEqual(before)
        expect(registry.status().outOfStep).toEqual([])
      }
    }).pipe(silently)
  )

  it.effect("takes back what is of another kind now, from whoever handled that kind", () =>
    Effect.gen(function* () {
      const { bus, registry } = yield* openMemory()
      const [one, two] = [new Broken(), new Broken()]
      yield* bus.handle("k.one", one.answer)
      yield* bus.handle("k.two", two.answer)
      yield* bus.handle("refuse", () => Handler.reject("never"))
      yield* registry.apply([create("a:x", 1, "k.one"), create("a:y", 1, "k.one")])
      two.breaks = rollbackOf("a:x")
      yield* Effect.flip(
        registry.apply([
          remove("a:x"),
          create("a:x", 2, "k.two"),
          create("z:refused", 2, "refuse", { depends_on: ["a:x"] })
        ])
      )
      expect([one.all, two.all]).toEqual([
        [shown("a:x", 1, "k.one"), shown("a:y", 1, "k.one")],
        [shown("a:x", 2, "k.two")]
      ])
      // A resync that gets stuck half way, and cannot take back what it did: the next one still knows what to do.
      two.breaks = () => false
      one.breaks = ({ id, phase }) => (phase === "rollback" ? id.value === "a:x" : id.value === "a:y")
      expect(yield* Effect.flip(registry.resync)).toMatchObject({ _tag: "RollbackIncomplete" })
      expect(two.all).toEqual([shown("a:x", 2, "k.two")])
      one.breaks = () => false
      yield* registry.resync
      expect([one.all, two.all]).toEqual([[shown("a:x", 1, "k.one"), shown("a:y", 1, "k.one")], []])
    }).pipe(silently)
  )

  it.effect("that fails leaves everything out of step, and can be called again", () =>
    Effect.gen(function* () {
      const { bus, registry } = yield* openMemory()
      const [holder, other] = [new Broken(), new Broken()]
      yield* bus.handle("k.*", holder.answer)
      yield* registry.apply([create("a:1", 1, "k.one"), create("a:2", 1, "k.one"), create("a:3", 1, "k.one")])
      yield* bus.handle("k.*", other.answer)
      other.breaks = ({ id, phase }) => phase === "forward" && id.value === "a:3"
      // Nothing was out of step; now a handler that came late is told what there is, and cannot take all of it.
      yield* Effect.flip(registry.resync)
      expect(registry.status().outOfStep).toEqual(["a:1", "a:2", "a:3"])
      expect(yield* Effect.flip(registry.apply([create("a:4", 1, "k.one")]))).toMatchObject({ _tag: "OutOfStep" })
      other.breaks = () => false
      yield* registry.resync
      const entries = showAll(registry.current())
      expect([holder.all, other.all]).toEqual([entries, entries])
      yield* registry.apply([create("a:4", 1, "k.one")])
    }).pipe(silently)
  )

  it.effect("after one that failed, still takes back what exists no more", () =>
    Effect.gen(function* () {
      const { bus, registry } = yield* openMemory()
      const holder = new Broken()
      yield* bus.handle("k.*", holder.answer)
      yield* bus.handle("refuse", () => Handler.reject("never"))
      yield* registry.apply([create("a:1", 1, "k.one")])
      holder.breaks = rollbackOf("a:new")
      yield* Effect.flip(
        registry.apply([create("a:new", 1, "k.one"), create("z:no", 1, "refuse", { depends_on: "a:new" })])
      )
      holder.breaks = ({ id, phase }) => phase === "forward" && id.value === "a:1"
      yield* Effect.flip(registry.resync)
      holder.breaks = () => false
      yield* registry.resync
      expect(holder.all).toEqual(showAll(registry.current()))
    }).pipe(silently)
  )
})

describe("a handler that answers too late", () => {
  const late = (holder: Holder, request: Handler.Request, after: `${number} seconds`) =>
    Effect.uninterruptible(
      Effect.andThen(
        Effect.sleep(after),
        Effect.sync(() => {
          holder.take(request)
          return Handler.accept
        })
      )
    )

  it.effect("E4: but while it is being stopped is asked to take back, and its answer is nobody else's", () =>
    Effect.gen(function* () {
      const { bus, registry } = yield* openMemory()
      const holder = new Holder()
      let slow = true
      yield* bus.handle("k", (request) =>
        slow && request.phase === "forward" ? late(holder, request, "30.5 seconds") : holder.handler(request)
      )
      slow = false
      yield* registry.apply([create("a:1", 1, "k")])
      slow = true
      const fiber = yield* Effect.forkDetach(registry.apply([update("a:1", 2, "k")]), { startImmediately: true })
      const exit = yield* Matrix.end(fiber)
      expect(exit._tag).toBe("Failure")
      expect(holder.all).toEqual([shown("a:1", 1, "k")])
      slow = false
      yield* registry.apply([update("a:1", 3, "k")])
      expect(holder.wrong).toEqual([])
      expect(holder.all).toEqual([shown("a:1", 3, "k")])
    }).pipe(silently)
  )

  it.effect("E4: and is still busy is told as out of step; resync heals once it is done", () =>
    Effect.gen(function* () {
      const { bus, registry } = yield* openMemory()
      const holder = new Holder()
      let slow = true
      yield* bus.handle("k", (request) =>
        slow && request.phase === "forward" ? late(holder, request, "60 seconds") : holder.handler(request)
      )
      const fiber = yield* Effect.forkDetach(registry.apply([create("a:1", 1, "k")]), { startImmediately: true })
      yield* TestClock.adjust("40 seconds")
      const exit = yield* Matrix.end(fiber)
      expect(String(exit)).toMatch(/still busy/)
      expect(registry.status().outOfStep).toEqual(["a:1"])
      yield* TestClock.adjust("60 seconds")
      expect(holder.all).toEqual([shown("a:1", 1, "k")])
      slow = false
      yield* registry.resync
      expect(holder.all).toEqual([])
      yield* registry.apply([create("a:1", 2, "k")])
      expect(holder.all).toEqual([shown("a:1", 2, "k")])
    }).pipe(silently)
  )
})

describe("what another process committed, and handlers here refuse", () => {
  const setUp = Effect.gen(function* () {
    const store = yield* memory
    const [here, there] = [yield* open(store), yield* open(store)]
    const holder = new Broken()
    yield* here.bus.handle("k", holder.answer)
    yield* here.registry.apply([create("a:1", 1, "k")])
    yield* there.registry.follow
    yield* there.registry.apply([create("a:bad", 1, "k")])
    holder.breaks = ({ id, phase }) => phase === "forward" && id.value === "a:bad"
    return { here, there, holder }
  })

  it.effect("keeps every apply from writing beside it", () =>
    Effect.gen(function* () {
      const { here, holder, there } = yield* setUp
      for (let i = 0; i < 3; i++) {
        const error = yield* Effect.flip(here.registry.apply([create("a:2", 2, "k")]))
        expect(error).toMatchObject({ _tag: "HandlerRejected", id: "a:bad" })
      }
      expect(here.registry.current().version).toBe(1)
      yield* there.registry.follow
      expect(there.registry.status()).toMatchObject({ version: 2, last: 2 })
      holder.breaks = () => false
      const { version } = yield* here.registry.apply([create("a:2", 2, "k")])
      expect(version).toMatchObject({ id: 3, parent: 2 })
      expect(holder.all).toEqual(showAll(here.registry.current()))
    }).pipe(silently)
  )

  it.effect("can be left behind by travel, which is a decision", () =>
    Effect.gen(function* () {
      const { here, holder, there } = yield* setUp
      yield* Effect.flip(here.registry.follow)
      yield* here.registry.applyVersion(1)
      expect(here.registry.status()).toMatchObject({ version: 1, last: 2 })
      const { version } = yield* here.registry.apply([create("a:2", 2, "k")])
      expect(version).toMatchObject({ id: 3, parent: 1 })
      expect(holder.all).toEqual(showAll(here.registry.current()))
      yield* there.registry.follow
      expect(showAll(there.registry.current())).toEqual(showAll(here.registry.current()))
    }).pipe(silently)
  )
})
