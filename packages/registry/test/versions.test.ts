import { describe, expect, it } from "@effect/vitest"
import * as Handler from "@heph/bus/Handler"
import * as Operation from "@heph/changeset/Operation"
import * as HistoryMemory from "@heph/history-memory/HistoryMemory"
import * as HistoryNone from "@heph/history/HistoryNone"
import * as Change from "@heph/registry/Change"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as TestClock from "effect/testing/TestClock"
import * as Support from "./support.ts"

const { create, Holder, open, openMemory, remove, showAll, shown, update } = Support

const silently = Effect.provide(Logger.layer([]))

const ids = (entries: Iterable<{ readonly id: { readonly value: string } }>) =>
  Array.from(entries, ({ id }) => id.value)
const told = (changeset: ReadonlyArray<Operation.Operation>) =>
  changeset.map((operation) => `${operation.op} ${Operation.idOf(operation)}`)

describe("travel", () => {
  it.effect("is one transaction, makes no version, and moves head", () =>
    Effect.gen(function* () {
      const { bus, history, registry } = yield* openMemory()
      for (let i = 1; i <= 4; i++) yield* registry.apply([create(`a:${i}`, i, "k")])
      const causes: Array<string> = []
      yield* bus.participate({
        name: "participant",
        begin: ({ cause, operations, version }) => void causes.push(`${cause} to v${version}: ${operations}`)
      })
      for (const ref of [1, "v3", "head", 3]) yield* registry.applyVersion(ref)
      expect(causes).toEqual(["travel to v1: 3", "travel to v3: 2"])
      expect(registry.status()).toMatchObject({ version: 3, last: 4 })
      expect((yield* history.heads(4, 10)).map(({ version }) => version)).toEqual([1, 3])
      expect(yield* Effect.flip(registry.applyVersion(5))).toMatchObject({
        _tag: "UnknownVersion",
        version: "5",
        last: 4
      })
    })
  )

  it.effect("B8, B9: to a branch takes back what is not on it, whatever the numbers", () =>
    Effect.gen(function* () {
      const { registry } = yield* openMemory()
      yield* registry.apply([create("a:1")])
      yield* registry.applyVersion(0)
      yield* registry.apply([create("b:2")])
      yield* registry.applyVersion(1)
      expect(ids(yield* registry.applyVersion(2))).toEqual(["b:2"])
      expect((yield* registry.path(1, 2)).map(({ direction, version }) => `${direction} ${version}`)).toEqual([
        "backward 0",
        "forward 2"
      ])
    })
  )

  it.effect("B4, B10: to where nothing is, changes nothing; after it apply starts a branch", () =>
    Effect.gen(function* () {
      const { registry } = yield* openMemory()
      yield* registry.apply([create("a:1")])
      yield* registry.apply([create("a:2")])
      yield* Effect.flip(registry.applyVersion(77))
      expect(registry.current().version).toBe(2)
      yield* registry.applyVersion(1)
      yield* registry.apply([create("a:3")])
      expect((yield* registry.versions()).map(({ id, parent }) => [id, parent])).toEqual([
        [3, 1],
        [2, 1],
        [1, 0],
        [0, null]
      ])
      expect(ids(registry.current())).toEqual(["a:1", "a:3"])
      expect(ids(yield* registry.snapshotAt(2))).toEqual(["a:1", "a:2"])
    })
  )

  it.effect("keeps a graph of dependencies that somebody holds up to date", () =>
    Effect.gen(function* () {
      const { registry } = yield* openMemory()
      yield* registry.apply([create("a:1"), create("a:2", 1, "k", { depends_on: "1" })])
      const graph = registry.dependencies()
      const one = registry.current().get("a:1")!.id
      yield* registry.applyVersion(0)
      expect(ids(graph.dependentsOf(one).map((id) => ({ id })))).toEqual([])
      yield* registry.applyVersion(1)
      expect(ids(graph.dependentsOf(one).map((id) => ({ id })))).toEqual(["a:2"])
      expect(registry.dependencies()).toBe(graph)
    })
  )
})

describe("revert", () => {
  it.effect("makes a version that undoes one, and leaves later ones alone", () =>
    Effect.gen(function* () {
      const { registry } = yield* openMemory()
      yield* registry.apply([create("a:1", 1), create("a:2", 1)])
      yield* registry.apply([update("a:1", 2), remove("a:2"), create("a:3", 1)])
      yield* registry.apply([create("a:4", 1)])
      const { version } = yield* registry.revert(2)
      expect(version).toMatchObject({ id: 4, parent: 3, message: "revert v2" })
      expect(showAll(registry.current())).toEqual([shown("a:1", 1), shown("a:2", 1), shown("a:4", 1)])
      yield* registry.revert(4, { message: "after all", author: "Ada" })
      expect((yield* registry.version(5)).version).toMatchObject({ message: "after all", author: "Ada" })
      expect(showAll(registry.current())).toEqual([shown("a:1", 2), shown("a:3", 1), shown("a:4", 1)])
    })
  )

  it.effect("is refused where later versions changed the same entries, with all of them", () =>
    Effect.gen(function* () {
      const { registry } = yield* openMemory()
      yield* registry.apply([create("a:1", 1), create("a:2", 1), create("a:3", 1)])
      yield* registry.apply([update("a:1", 2), update("a:2", 2), remove("a:3")])
      yield* registry.apply([update("a:2", 3), create("a:3", 9)])
      expect(yield* Effect.flip(registry.revert(2))).toMatchObject({
        _tag: "RevertConflict",
        version: 2,
        ids: ["a:2", "a:3"]
      })
      expect(registry.current().version).toBe(3)
    })
  )

  it.effect("of what is undone already makes no version", () =>
    Effect.gen(function* () {
      const { registry } = yield* openMemory()
      yield* registry.apply([create("a:1", 1)])
      yield* registry.apply([remove("a:1")])
      expect((yield* registry.revert(1)).version).toBeUndefined()
      expect((yield* registry.revert(0)).version).toBeUndefined()
      expect(yield* Effect.flip(registry.revert(3))).toMatchObject({ _tag: "UnknownVersion" })
    })
  )
})

describe("reading", () => {
  it.effect("F10: a snapshot stays what it is, of one version", () =>
    Effect.gen(function* () {
      const { registry } = yield* openMemory()
      yield* registry.apply([create("a:1", 1)])
      const snapshot = registry.current()
      yield* registry.apply([update("a:1", 2), create("a:2", 1)])
      yield* registry.applyVersion(0)
      expect(snapshot).toMatchObject({ version: 1, size: 1 })
      expect(showAll(snapshot)).toEqual([shown("a:1", 1)])
      expect(snapshot.has("a:1")).toBe(true)
      expect(snapshot.has("a:2")).toBe(false)
      expect(ids(snapshot.namespace("a"))).toEqual(["a:1"])
      expect(Object.isFrozen(snapshot)).toBe(true)
    })
  )

  it.effect("B14: versions come newest first, a page at a time, v0 last", () =>
    Effect.gen(function* () {
      const { registry } = yield* openMemory()
      for (let i = 0; i < 2500; i++) yield* registry.apply([i === 0 ? create("a:1", i) : update("a:1", i)])
      const all = (yield* registry.versions()).map(({ id }) => id)
      expect(all).toEqual(Array.from({ length: 2501 }, (_, i) => 2500 - i))
      const paged: Array<number> = []
      for (let before: number | undefined; before !== 0;) {
        const page = (yield* registry.versions({ before, limit: 600 })).map(({ id }) => id)
        paged.push(...page)
        before = page.at(-1)!
      }
      expect(paged).toEqual(all)
      for (const [options, expected] of [
        [{ limit: 0 }, []],
        [{ before: 0 }, []],
        [{ before: 1 }, [0]],
        [{ before: 3, limit: 2 }, [2, 1]],
        [{ before: 9999, limit: 1 }, [2500]]
      ] as const) {
        expect((yield* registry.versions(options)).map(({ id }) => id)).toEqual(expected)
      }
    })
  )

  it.effect("a plan is what an apply then does, at the time it is run", () =>
    Effect.gen(function* () {
      const { registry } = yield* openMemory()
      const change = Change.hold(
        [
          { id: "a:1", kind: "k" },
          { id: "a:2", kind: "k", meta: { depends_on: "1" } }
        ].map((input) => Support.made(input))
      )
      const plan = registry.plan(change)
      expect(told((yield* plan).changeset)).toEqual(["create a:1", "create a:2"])
      yield* registry.apply([create("a:1", null, "k")])
      expect(told((yield* plan).changeset)).toEqual(["create a:2"])
      const { changeset } = yield* registry.apply(change)
      expect(told(changeset)).toEqual(["create a:2"])
      expect(told((yield* plan).changeset)).toEqual([])
      expect(registry.current().version).toBe(2)
    })
  )

  it.effect("names of versions may be moved and forgotten", () =>
    Effect.gen(function* () {
      const { registry } = yield* openMemory()
      yield* registry.apply([create("a:1")])
      expect(yield* registry.tag("stable", "v1")).toBe(1)
      yield* registry.tag("start", 0)
      expect(ids(yield* registry.applyVersion("start"))).toEqual([])
      expect(ids(yield* registry.snapshotAt("stable"))).toEqual(["a:1"])
      yield* registry.tag("start", "stable")
      expect(registry.tags()).toEqual(
        new Map([
          ["stable", 1],
          ["start", 1]
        ])
      )
      yield* registry.untag("stable")
      expect(yield* Effect.flip(registry.untag("stable"))).toMatchObject({ _tag: "UnknownVersion", version: "stable" })
      expect(yield* Effect.flip(registry.tag("v1", 1))).toMatchObject({ _tag: "InvalidTag" })
      expect(yield* Effect.flip(registry.tag("new", 7))).toMatchObject({ _tag: "UnknownVersion" })
    })
  )

  it.effect("E6: goes on while a handler takes its time", () =>
    Effect.gen(function* () {
      const { bus, registry } = yield* openMemory()
      yield* registry.apply([create("a:1", 1)])
      yield* bus.handle("slow", () => Effect.as(Effect.sleep("20 seconds"), Handler.accept))
      const writing = yield* Effect.forkDetach(registry.apply([create("a:2", 1, "slow")]), { startImmediately: true })
      expect(registry.current().version).toBe(1)
      expect(ids(yield* registry.snapshotAt(1))).toEqual(["a:1"])
      expect((yield* registry.versions()).length).toBe(2)
      yield* registry.tag("during", 1)
      yield* TestClock.adjust("20 seconds")
      expect((yield* Fiber.join(writing)).version?.id).toBe(2)
    })
  )

  it.effect("F4: participants are told of a commit when it is durable and visible", () =>
    Effect.gen(function* () {
      const store = yield* HistoryMemory.make
      const { bus, registry } = yield* open(Support.altered(store, () => ({})))
      const seen: Array<unknown> = []
      yield* bus.participate({
        name: "participant",
        commit: ({ version }) =>
          Effect.map(store.info, ({ head }) => void seen.push([version, head, registry.current().version]))
      })
      yield* registry.apply([create("a:1")])
      yield* registry.applyVersion(0)
      expect(seen).toEqual([
        [1, 1, 1],
        [0, 0, 0]
      ])
    })
  )
})

describe("where no history is kept", () => {
  it.effect("versions are counted, and every way back is refused before anybody is asked", () =>
    Effect.gen(function* () {
      const { bus, registry } = yield* open(HistoryNone.layer)
      const holder = new Holder()
      yield* bus.handle("k", holder.handler)
      yield* registry.loadState([{ id: "base:1", kind: "k" }])
      for (let i = 1; i <= 3; i++) yield* registry.apply([create(`a:${i}`, i, "k")])
      const asked: Array<string> = []
      yield* bus.handle("k", ({ id }) => (asked.push(id.value), Handler.accept))
      for (const refused of [
        registry.applyVersion(1),
        registry.applyVersion(0),
        registry.revert(3),
        registry.snapshotAt(2),
        registry.diff(1, 3),
        registry.path(3, 1),
        registry.version(3),
        registry.versions(),
        registry.tag("stable", 3),
        registry.loadState([], 1)
      ] as ReadonlyArray<Effect.Effect<unknown, unknown>>) {
        expect(yield* Effect.flip(refused)).toMatchObject({ _tag: "HistoryStoreError", reason: "Unsupported" })
      }
      expect(asked).toEqual([])
      expect(registry.status()).toMatchObject({ version: 3, last: 3, entries: 4 })
      expect(holder.all).toEqual(showAll(registry.current()))
      expect(yield* registry.snapshotAt(3)).toBe(registry.current())
      expect(yield* registry.applyVersion(3)).toBe(registry.current())
      expect(yield* registry.verify).toEqual({ versions: 3, damage: [] })
      yield* registry.apply([remove("a:1")], { expected: 3 })
      expect(registry.current()).toMatchObject({ version: 4, size: 3 })
    }).pipe(silently)
  )
})
