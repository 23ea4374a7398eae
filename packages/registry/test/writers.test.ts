import { describe, expect, it } from "@effect/vitest"
import * as Handler from "@heph/bus/Handler"
import * as HistoryMemory from "@heph/history-memory/HistoryMemory"
import { HistoryStoreError, type VersionRecord } from "@heph/history/HistoryStore"
import type * as Registry from "@heph/registry/Registry"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Scheduler from "effect/Scheduler"
import * as Stream from "effect/Stream"
import * as fc from "fast-check"
import * as Support from "./support.ts"

const { create, open, openMemory, update } = Support
const silently = Effect.provide(Logger.layer([]))

type Registry_ = Registry.Registry["Service"]

const full = new HistoryStoreError({ reason: "Full", store: "test", detail: "full" })

/** One more, in an entry of its own and in one that all share: from what is there when its turn comes. */
const increment = (registry: Registry_, own: string) =>
  registry.apply((state) =>
    [own, "all:count"].map((id) => {
      const there = state.get(id)
      return there === undefined ? create(id, 1, "k") : update(id, (there.data as number) + 1, "k")
    })
  )

describe("64 writers and 64 readers", () => {
  const run = Effect.fnUntraced(function* (registry: Registry_, applies: number) {
    let requested = 0
    let done = 0
    let longestWait = 0
    let mostOvertaken = 0
    const writer = (i: number) =>
      Effect.gen(function* () {
        while (requested < applies) {
          const ticket = ++requested
          const at = registry.current().version
          const { version } = yield* increment(registry, `own:${i}`)
          done++
          longestWait = Math.max(longestWait, version!.id - at)
          mostOvertaken = Math.max(mostOvertaken, version!.id - ticket)
          // What it wrote, it reads.
          expect(registry.current().version).toBeGreaterThanOrEqual(version!.id)
        }
      })
    let reads = 0
    const reader = Effect.gen(function* () {
      let last = -1
      while (done < applies) {
        const snapshot = registry.current()
        expect(snapshot.version).toBeGreaterThanOrEqual(last)
        last = snapshot.version
        // Every version counts one more: a state that is not a committed one does not add up.
        expect((snapshot.get("all:count")?.data as number | undefined) ?? 0).toBe(snapshot.version)
        reads++
        yield* Effect.yieldNow
      }
    })
    yield* Effect.all(
      [...Array.from({ length: 64 }, (_, i) => writer(i)), ...Array.from({ length: 64 }, () => reader)],
      { concurrency: "unbounded" }
    )
    const last = registry.current()
    let sum = 0
    for (let i = 0; i < 64; i++) sum += last.get(`own:${i}`)!.data as number
    expect(sum).toBe(applies)
    expect(last.version).toBe(applies)
    return { longestWait, mostOvertaken, reads }
  })

  it.effect(
    "apply 10,000 times: no update is lost, readers see whole versions in order, nobody is overtaken twice by the same",
    () =>
      Effect.gen(function* () {
        const { registry } = yield* openMemory()
        const { longestWait, mostOvertaken, reads } = yield* run(registry, 10_000)
        expect(mostOvertaken).toBeLessThan(64)
        expect(longestWait).toBeLessThanOrEqual(2 * 64)
        expect(reads).toBeGreaterThan(64)
        expect((yield* registry.versions()).map(({ id }) => id)).toEqual(
          Array.from({ length: 10_001 }, (_, i) => 10_000 - i)
        )
      }),
    60_000
  )

  it.effect(
    "E6: nor do readers wait for handlers that take their time",
    () =>
      Effect.gen(function* () {
        const { bus, registry } = yield* openMemory()
        const holder = new Support.Holder()
        yield* bus.handle("k", (request) =>
          Effect.andThen(
            Effect.yieldNow,
            Effect.sync(() => holder.handler(request) as Handler.Verdict)
          )
        )
        const { mostOvertaken, reads } = yield* run(registry, 500)
        expect(mostOvertaken).toBeLessThan(64)
        expect(reads).toBeGreaterThan(64 * 100)
        expect(holder.wrong).toEqual([])
        expect(holder.all).toEqual(Support.showAll(registry.current()))
      }),
    60_000
  )

  it.effect(
    "and so it is on disk",
    () =>
      Effect.gen(function* () {
        const { registry } = yield* open(yield* Support.sqlite)
        const { mostOvertaken } = yield* run(registry, 2000)
        expect(mostOvertaken).toBeLessThan(64)
        expect(yield* registry.verify).toEqual({ versions: 2000, damage: [] })
      }),
    60_000
  )
})

/** A store in memory whose appends can be held, counted and refused. */
const controlled = Effect.gen(function* () {
  const store = yield* HistoryMemory.make
  const control = { appends: [] as Array<ReadonlyArray<VersionRecord>>, open: true, refuse: false, rest: 0 }
  const layer = Support.altered({ ...store, capabilities: { ...store.capabilities, durable: true } }, () => ({
    append: (versions, revision) =>
      Effect.gen(function* () {
        control.appends.push(versions)
        while (!control.open) yield* Effect.yieldNow
        for (let i = 0; i < control.rest; i++) yield* Effect.yieldNow
        if (control.refuse) return yield* full
        return yield* store.append(versions, revision)
      })
  }))
  return { control, layer, store }
})

describe("100 writers at once", () => {
  const start = (registry: Registry_, more: number = 0) =>
    Effect.forEach(
      Array.from({ length: 100 }, (_, i) => i + more),
      (i) => Effect.forkDetach(registry.apply([create(`a:${i}`, i)]), { startImmediately: true })
    )

  it.effect("make 100 versions in one chain, with few appends, and are told when theirs is done", () =>
    Effect.gen(function* () {
      const { control, layer, store } = yield* controlled
      const { registry } = yield* open(layer)
      control.open = false
      const fibers = yield* start(registry)
      yield* Support.eventually(() => control.appends.length > 0, "an append")
      for (let i = 0; i < 1000; i++) yield* Effect.yieldNow
      expect(fibers.filter((fiber) => fiber.pollUnsafe() !== undefined)).toEqual([])
      expect(registry.current().version).toBe(0)
      control.open = true
      const applied = yield* Fiber.joinAll(fibers)
      expect(applied.map(({ parent, version }) => [version?.id, version?.parent, parent])).toEqual(
        Array.from({ length: 100 }, (_, i) => [i + 1, i, i])
      )
      expect(control.appends.length).toBeLessThanOrEqual(2)
      expect((yield* store.info).revision).toBe(100)
      expect(registry.current().size).toBe(100)
    })
  )

  it.effect("all fail where the append fails, and nothing has changed", () =>
    Effect.gen(function* () {
      const { control, layer, store } = yield* controlled
      const { registry } = yield* open(layer)
      control.refuse = true
      for (const fiber of yield* start(registry)) expect(yield* Effect.flip(Fiber.join(fiber))).toBe(full)
      expect(registry.current()).toMatchObject({ version: 0, size: 0 })
      expect((yield* store.info).last).toBe(0)
      control.refuse = false
      const applied = yield* Fiber.joinAll(yield* start(registry))
      expect(applied.map(({ version }) => version?.id)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1))
    })
  )

  it.effect("are each told what is wrong with their own change alone", () =>
    Effect.gen(function* () {
      const { control, layer } = yield* controlled
      const { registry } = yield* open(layer)
      yield* registry.apply([create("a:7")])
      const fibers = yield* start(registry)
      const exits = yield* Effect.forEach(fibers, Fiber.await)
      expect(exits.flatMap((exit, i) => (Exit.isFailure(exit) ? [i] : []))).toEqual([7])
      expect(yield* Effect.flip(Fiber.join(fibers[7]!))).toMatchObject({ _tag: "EntryExists", id: "a:7" })
      expect(registry.current()).toMatchObject({ version: 100, size: 100 })
      expect(control.appends.length).toBeLessThanOrEqual(4)
    })
  )

  it.effect("of whom one travels, and one reads what is not durable yet, stay in order", () =>
    Effect.gen(function* () {
      const { control, layer } = yield* controlled
      const { registry } = yield* open(layer)
      control.rest = 3
      const before = yield* start(registry)
      const travel = yield* Effect.forkDetach(registry.applyVersion(50), { startImmediately: true })
      const after = yield* start(registry, 100)
      const expecting = yield* Effect.forkDetach(registry.apply([create("b:1")], { expected: 200 }), {
        startImmediately: true
      })
      yield* Fiber.joinAll(before)
      expect((yield* Fiber.join(travel)).version).toBe(50)
      const [first] = yield* Fiber.joinAll(after)
      expect(first?.version).toMatchObject({ id: 101, parent: 50 })
      expect((yield* Fiber.join(expecting)).version).toMatchObject({ id: 201, parent: 200 })
      expect(registry.current().size).toBe(50 + 100 + 1)
    })
  )

  it.effect("beside two of another kind, whom a handler is asked about", () =>
    Effect.gen(function* () {
      const { layer } = yield* controlled
      const { bus, registry } = yield* open(layer)
      const seen: Array<number> = []
      yield* bus.handle("handled", ({ transaction }) => {
        // Whatever came before it is durable, and visible.
        expect(registry.current().version).toBe(transaction.version - 1)
        seen.push(transaction.version)
        return Handler.accept
      })
      const first = yield* start(registry)
      const one = yield* Effect.forkDetach(registry.apply([create("h:1", 1, "handled")]), { startImmediately: true })
      const second = yield* start(registry, 100)
      const two = yield* Effect.forkDetach(registry.apply([create("h:2", 1, "handled")]), { startImmediately: true })
      yield* Fiber.joinAll([...first, one, ...second, two])
      expect(seen).toEqual([101, 202])
    })
  )
})

describe("writers that are interrupted", () => {
  type Action =
    | { readonly _tag: "Write"; readonly handled: boolean }
    | { readonly _tag: "Interrupt"; readonly writer: number }
    | { readonly _tag: "Wait"; readonly turns: number }
    | { readonly _tag: "Store"; readonly open: boolean; readonly refuse: boolean; readonly rest: number }

  const action: fc.Arbitrary<Action> = fc.oneof(
    { weight: 8, arbitrary: fc.record({ _tag: fc.constant("Write" as const), handled: fc.boolean() }) },
    { weight: 6, arbitrary: fc.record({ _tag: fc.constant("Interrupt" as const), writer: fc.nat({ max: 40 }) }) },
    { weight: 4, arbitrary: fc.record({ _tag: fc.constant("Wait" as const), turns: fc.nat({ max: 6 }) }) },
    {
      weight: 3,
      arbitrary: fc.record({
        _tag: fc.constant("Store" as const),
        open: fc.boolean(),
        refuse: fc.boolean(),
        rest: fc.nat({ max: 4 })
      })
    }
  )

  /**
   * Writers come, wait, are interrupted and meet a store in every mood; in the end the store is well again. With few
   * operations between two yields, others come in between at nearly every point.
   */
  const run = (actions: ReadonlyArray<Action>, operationsBeforeYield = 2048) =>
    Effect.gen(function* () {
      const { control, layer, store } = yield* controlled
      const { bus, registry } = yield* open(layer)
      const holder = new Support.Holder()
      yield* bus.handle("handled", (request) =>
        Effect.andThen(
          Effect.yieldNow,
          Effect.sync(() => holder.handler(request) as Handler.Verdict)
        )
      )
      const fibers: Array<Fiber.Fiber<Registry.Applied, unknown>> = []
      const atExit: Array<boolean> = []
      for (const action of actions) {
        if (action._tag === "Write") {
          const i = fibers.length
          const write = registry.apply([create(`w:${i}`, i, action.handled ? "handled" : "loose")])
          const fiber = yield* Effect.forkDetach(write, { startImmediately: true })
          // As soon as a writer has left, it is decided whether its version is there.
          fiber.addObserver(() => (atExit[i] = registry.current().has(`w:${i}`)))
          fibers.push(fiber)
        } else if (action._tag === "Interrupt") fibers[action.writer]?.interruptUnsafe()
        else if (action._tag === "Store") Object.assign(control, action)
        else for (let i = 0; i < action.turns; i++) yield* Effect.yieldNow
      }
      control.open = true
      yield* Support.eventually(() => fibers.every((fiber) => fiber.pollUnsafe() !== undefined), "everybody leaves")
      control.refuse = false
      const exits = fibers.map((fiber) => fiber.pollUnsafe()!)
      const last = registry.current()
      const versions = yield* store.versions({ after: 0, limit: 1000 })
      for (const [i, exit] of exits.entries()) {
        const committed = yield* Effect.filter(versions, ({ changeset }) =>
          Effect.map(Support.entriesOf(changeset), (entries) =>
            Support.showAll(entries).includes(Support.shown(`w:${i}`, i, "loose"))
          )
        )
        const handled = last.get(`w:${i}`)?.kind === "handled"
        expect(last.has(`w:${i}`)).toBe(atExit[i])
        if (!handled) expect(committed.length).toBe(last.has(`w:${i}`) ? 1 : 0)
        if (Exit.isSuccess(exit)) {
          expect(last.has(`w:${i}`)).toBe(true)
          expect(versions[exit.value.version!.id - 1]).toMatchObject({ id: exit.value.version!.id, created: 1 })
        }
      }
      expect(versions.map(({ id, parent }) => [id, parent])).toEqual(versions.map((_, i) => [i + 1, i]))
      expect(last.size).toBe(versions.length)
      expect(holder.wrong).toEqual([])
      expect(holder.all).toEqual(Support.showAll([...last].filter(({ kind }) => kind === "handled")))
      const { version } = yield* registry.apply([create("w:after")])
      expect(version?.id).toBe(versions.length + 1)
    }).pipe(Effect.scoped, silently, Effect.provideService(Scheduler.MaxOpsBeforeYield, operationsBeforeYield))

  it.effect(
    "leave no version behind that nobody hears of, no write that hangs, and no wake-up that is lost",
    () =>
      Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(
            fc.array(action, { maxLength: 60, size: "max" }),
            fc.oneof(fc.constant(2048), fc.integer({ min: 4, max: 60 })),
            (actions, operations) => Effect.runPromise(run(actions, operations))
          ),
          { numRuns: 500 }
        )
      ),
    60_000
  )

  it.effect(
    "one of two or three, at any moment, take nobody with them",
    () =>
      Effect.gen(function* () {
        for (const writers of [2, 3]) {
          for (let writer = 0; writer < writers; writer++) {
            for (let turns = 0; turns < 12; turns++) {
              const writes = Array.from({ length: writers }, (): Action => ({ _tag: "Write", handled: false }))
              const actions: ReadonlyArray<Action> = [...writes, { _tag: "Wait", turns }, { _tag: "Interrupt", writer }]
              for (const operations of [2048, 40, 20, 10, 7, 5]) yield* run(actions, operations)
            }
          }
        }
      }),
    60_000
  )

  it.effect("while they queue leave at once, and nothing of them stays", () =>
    Effect.gen(function* () {
      const { control, layer } = yield* controlled
      const { bus, registry } = yield* open(layer)
      const gate = { open: false }
      yield* bus.handle("handled", () =>
        Effect.gen(function* () {
          while (!gate.open) yield* Effect.yieldNow
          return Handler.accept
        })
      )
      const busy = yield* Effect.forkDetach(registry.apply([create("h:1", 1, "handled")]), { startImmediately: true })
      const waiting = yield* Effect.forEach([1, 2, 3], (i) =>
        Effect.forkDetach(registry.apply([create(`w:${i}`)]), { startImmediately: true })
      )
      yield* Fiber.interrupt(waiting[1]!)
      expect(busy.pollUnsafe()).toBeUndefined()
      gate.open = true
      yield* Fiber.joinAll([busy, waiting[0]!, waiting[2]!])
      expect(Array.from(registry.current(), ({ id }) => id.value)).toEqual(["h:1", "w:1", "w:3"])
      expect(control.appends.map((versions) => versions.length)).toEqual([1, 2])
    })
  )

  it.effect("E22: before they began do nothing", () =>
    Effect.gen(function* () {
      const { registry } = yield* openMemory()
      const fiber = yield* Effect.forkDetach(Effect.andThen(Effect.yieldNow, registry.apply([create("a:1")])))
      yield* Fiber.interrupt(fiber)
      expect(registry.current()).toMatchObject({ version: 0, size: 0 })
    })
  )

  it.effect("with what they wrote for watchers, leave the watchers whole", () =>
    Effect.gen(function* () {
      const { control, layer } = yield* controlled
      const { registry } = yield* open(layer)
      const watching = yield* registry
        .watch({ from: 0 })
        .pipe(Stream.take(20), Stream.runCollect, Effect.forkDetach({ startImmediately: true }))
      control.rest = 2
      const fibers = yield* Effect.forEach(Array.from({ length: 40 }), (_, i) =>
        Effect.forkDetach(registry.apply([create(`w:${i}`)]), { startImmediately: true })
      )
      for (let i = 0; i < 20; i++) fibers[i * 2]!.interruptUnsafe()
      yield* Effect.forEach(fibers, Fiber.await)
      const seen = yield* Fiber.join(watching)
      expect(seen.map(({ version }) => version.id)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1))
    })
  )
})
