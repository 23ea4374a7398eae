import { describe, expect, it } from "@effect/vitest"
import * as Handler from "@heph/bus/Handler"
import * as Operation from "@heph/changeset/Operation"
import * as Registry from "@heph/registry/Registry"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as Support from "./support.ts"

const { create, Holder, openMemory, remove, show, showAll, shown, update } = Support

const ids = (entries: Iterable<{ readonly id: { readonly value: string } }>) =>
  Array.from(entries, ({ id }) => id.value)
const told = (changeset: ReadonlyArray<Operation.Operation>) =>
  changeset.map((operation) => `${operation.op} ${Operation.idOf(operation)}`)

describe("apply", () => {
  it.effect("makes a version of what changed, with who, when and why", () =>
    Effect.gen(function* () {
      const { registry } = yield* openMemory()
      yield* TestClock.setTime(5000)
      const first = yield* registry.apply([create("a:1", 1), create("a:2", 1)], { message: "begin", author: "Ada" })
      expect(first).toMatchObject({
        parent: 0,
        version: { id: 1, parent: 0, timestamp: 5000, message: "begin", author: "Ada" }
      })
      yield* TestClock.setTime(6000)
      const second = yield* registry.apply([update("a:1", 2), remove("a:2"), create("a:3", 1)])
      expect(second.version).toMatchObject({ id: 2, parent: 1, timestamp: 6000, created: 1, updated: 1, deleted: 1 })
      expect(showAll(registry.current())).toEqual([shown("a:1", 2), shown("a:3", 1)])
      expect((yield* registry.version(1)).version).toMatchObject({ message: "begin", author: "Ada" })
    })
  )

  it.effect("E25: of nothing, or of what is there already, makes no version and asks nobody", () =>
    Effect.gen(function* () {
      const { bus, registry } = yield* openMemory()
      yield* registry.apply([create("a:1", { b: [1, 2] }), create("a:2", 1)])
      const asked: Array<string> = []
      yield* bus.handle("*", ({ id }) => (asked.push(id.value), Handler.accept))
      yield* bus.participate({ name: "participant", begin: () => void asked.push("begin") })
      for (const change of [
        [],
        [update("a:1", { b: [1, 2] })],
        [create("a:3"), remove("a:3")],
        [update("a:2", 9), update("a:2", 1)],
        [remove("a:2"), create("a:2", 1)],
        () => []
      ]) {
        expect(yield* registry.apply(change)).toEqual({ version: undefined, parent: 1, changeset: [] })
      }
      expect(asked).toEqual([])
      expect(registry.status()).toMatchObject({ version: 1, last: 1 })
    })
  )

  it.effect("D1: folds several operations on an id to one, in the order they were given in", () =>
    Effect.gen(function* () {
      const { registry } = yield* openMemory()
      yield* registry.apply([create("a:1", 1)])
      const { changeset } = yield* registry.apply([
        update("a:1", 2),
        remove("a:1"),
        create("b:1", 1),
        update("b:1", 2),
        create("a:1", 3)
      ])
      expect(
        changeset.map((operation) => [operation.op, show("entry" in operation ? operation.entry : undefined)])
      ).toEqual([
        ["update", shown("a:1", 3)],
        ["create", shown("b:1", 2)]
      ])
    })
  )

  it.effect("changes a kind by deleting and creating, told to the handlers of both", () =>
    Effect.gen(function* () {
      const { bus, registry } = yield* openMemory()
      const [one, two] = [new Holder(), new Holder()]
      yield* bus.handle("one", one.handler)
      yield* bus.handle("two", two.handler)
      yield* registry.apply([create("a:1", 1, "one")])
      const { changeset } = yield* registry.apply([remove("a:1"), create("a:1", 2, "two")])
      expect(told(changeset)).toEqual(["delete a:1", "create a:1"])
      expect([one.all, two.all]).toEqual([[], [shown("a:1", 2, "two")]])
      yield* registry.applyVersion(1)
      expect([one.all, two.all]).toEqual([[shown("a:1", 1, "one")], []])
      yield* registry.applyVersion(2)
      expect([one.all, two.all]).toEqual([[], [shown("a:1", 2, "two")]])
      yield* registry.revert(2)
      expect([one.all, two.all]).toEqual([[shown("a:1", 1, "one")], []])
    })
  )

  it.effect("E11, E14: that does not fit says what and where, before anybody is asked", () =>
    Effect.gen(function* () {
      const { bus, registry } = yield* openMemory()
      yield* registry.apply([create("a:1", 1, "k")])
      const asked: Array<string> = []
      yield* bus.handle("*", ({ id }) => (asked.push(id.value), Handler.accept))
      for (const [change, error] of [
        [[create("b:1"), create("b:2"), update("b:3")], { _tag: "EntryMissing", id: "b:3", op: "update" }],
        [[create("b:1"), remove("b:3")], { _tag: "EntryMissing", id: "b:3", op: "delete" }],
        [[create("b:1"), create("a:1")], { _tag: "EntryExists", id: "a:1" }],
        [[update("a:1", 1, "other")], { _tag: "KindChanged", id: "a:1", from: "k", to: "other" }],
        [[create("b:1"), create("b:1")], { _tag: "EntryExists", id: "b:1" }],
        [[create("bare")], { _tag: "InvalidEntryId", input: "bare" }],
        [[create("b:1", undefined, "")], { _tag: "InvalidEntry", path: "kind" }],
        [[create("b:1", { list: [0, () => 1] })], { _tag: "InvalidEntry", id: "b:1", path: "data.list[1]" }]
      ] as const) {
        expect(yield* Effect.flip(registry.apply(change))).toMatchObject(error)
        expect(yield* Effect.flip(registry.plan(change))).toMatchObject(error)
      }
      expect(asked).toEqual([])
      expect(registry.status()).toMatchObject({ version: 1, last: 1, entries: 1 })
    })
  )

  it.effect("B11: that failed takes no number", () =>
    Effect.gen(function* () {
      const { bus, registry } = yield* openMemory()
      yield* bus.handle("never", () => Handler.reject("no"))
      yield* registry.apply([create("a:1")])
      yield* Effect.flip(registry.apply([create("a:2", 1, "never")]))
      yield* Effect.flip(registry.apply([create("a:1")]))
      expect((yield* registry.apply([create("a:2")])).version).toMatchObject({ id: 2, parent: 1 })
    })
  )

  it.effect("with an expected version is refused at any other one, and told which", () =>
    Effect.gen(function* () {
      const { registry } = yield* openMemory()
      yield* registry.apply([create("a:1")])
      yield* registry.tag("first", 1)
      yield* registry.apply([create("a:2")], { expected: "first" })
      for (const expected of [1, "v1", "first", 0]) {
        const error = yield* Effect.flip(registry.apply([create("a:3")], { expected }))
        expect(error).toMatchObject({ _tag: "VersionConflict", expected: expected === 0 ? 0 : 1, current: 2 })
      }
      expect(yield* Effect.flip(registry.apply([create("a:3")], { expected: 3 }))).toMatchObject({
        _tag: "UnknownVersion"
      })
      yield* registry.apply([create("a:3")], { expected: "head" })
      expect(registry.current()).toMatchObject({ version: 3, size: 3 })
    })
  )

  it.effect("of a function that throws is a defect, and the registry goes on", () =>
    Effect.gen(function* () {
      const { registry } = yield* openMemory()
      const broken = () => {
        throw new Error("broken")
      }
      for (const write of [registry.apply(broken), registry.plan(broken)] as ReadonlyArray<
        Effect.Effect<unknown, unknown>
      >) {
        expect(yield* Effect.exit(write)).toMatchObject({ _tag: "Failure" })
      }
      yield* registry.apply([create("a:1")])
    })
  )

  it.effect("E5: needs every handler that matches; E18: none is enough", () =>
    Effect.gen(function* () {
      const { bus, registry } = yield* openMemory()
      const holder = new Holder()
      yield* bus.handle("k", holder.handler)
      yield* bus.handle("k", ({ id }) => (id.name === "bad" ? Handler.reject("bad") : Handler.accept))
      expect(yield* Effect.flip(registry.apply([create("a:bad", 1, "k")]))).toMatchObject({ detail: "bad" })
      expect(holder.all).toEqual([])
      yield* registry.apply([create("a:other", 1, "nobody.handles.this")])
      yield* registry.apply([create("a:good", 1, "k")])
      expect(ids(registry.current())).toEqual(["a:good", "a:other"])
    })
  )

  it.effect("B17, E15, E16: stores and tells what was there, whatever the caller says was", () =>
    Effect.gen(function* () {
      const { bus, registry } = yield* openMemory()
      yield* registry.apply([create("a:1", 1, "k"), create("a:2", 2, "k")])
      const requests: Array<string> = []
      yield* bus.handle("k", ({ kind, op, original }) => {
        requests.push(`${op} ${kind} ${show(original)}`)
        return Handler.accept
      })
      const lie = { id: "a:1", kind: "registry.entry", data: "a lie" }
      yield* registry.apply([
        { op: "delete", id: "a:1", original: lie },
        { op: "update", entry: { id: "a:2", kind: "k", data: 3 }, original: { ...lie, id: "a:2" } }
      ])
      expect(requests.sort()).toEqual([`delete k ${shown("a:1", 1, "k")}`, `update k ${shown("a:2", 2, "k")}`])
      const { changeset } = yield* registry.version(2)
      expect(
        changeset.map((operation) => show("original" in operation ? operation.original : undefined)).sort()
      ).toEqual([shown("a:1", 1, "k"), shown("a:2", 2, "k")])
    })
  )

  it.effect("B16, F2: shares nothing with what was passed, or with what is read", () =>
    Effect.gen(function* () {
      const { registry } = yield* openMemory()
      const data = { list: [1], bytes: new Uint8Array([1, 2]), date: new Date(0) }
      const meta = { tags: ["x"] }
      yield* registry.apply([create("a:1", data, "k", meta)])
      data.list.push(2)
      data.bytes[0] = 9
      data.date.setTime(9)
      meta.tags.push("y")
      const read = registry.current().get("a:1")!
      const values = read.data as typeof data
      values.bytes[1] = 9
      values.date.setTime(9)
      expect(() => values.list.push(3)).toThrow(TypeError)
      const again = registry.current().get("a:1")!
      expect(again.data).toEqual({ list: [1], bytes: new Uint8Array([1, 2]), date: new Date(0) })
      expect(again.meta).toEqual({ tags: ["x"] })
    })
  )

  it.effect("orders by dependencies, and by id where there are none", () =>
    Effect.gen(function* () {
      const { bus, registry } = yield* openMemory()
      const asked: Array<string> = []
      yield* bus.handle("k", ({ id, op }) => (asked.push(`${op} ${id}`), Handler.accept))
      const needs = (id: string, ...depends_on: ReadonlyArray<string>) => create(id, 1, "k", { depends_on })
      yield* registry.apply([needs("a:1", "c:1"), needs("b:1"), needs("c:1", "d:1"), needs("d:1")])
      yield* registry.applyVersion(0)
      expect(asked).toEqual([
        "create b:1",
        "create d:1",
        "create c:1",
        "create a:1",
        "delete a:1",
        "delete b:1",
        "delete c:1",
        "delete d:1"
      ])
    })
  )
})

describe("cycles", () => {
  const ring = [create("a:1", 1, "k", { depends_on: "2" }), create("a:2", 1, "k", { depends_on: "1" })]

  it.effect("are reported by a plan, and applied", () =>
    Effect.gen(function* () {
      const { registry } = yield* openMemory()
      const { changeset, cycles } = yield* registry.plan(ring)
      expect(cycles.map((cycle) => cycle.map(({ value }) => value))).toEqual([["a:1", "a:2"]])
      expect(told(changeset)).toEqual(["create a:1", "create a:2"])
      expect(registry.dependencies().cycles()).toEqual([])
      yield* registry.apply(ring)
      expect(
        registry
          .dependencies()
          .cycles()
          .map((cycle) => cycle.map(({ value }) => value))
      ).toEqual([["a:1", "a:2"]])
    })
  )

  it.effect("are refused where that is asked for, also one that closes over what is there", () =>
    Effect.gen(function* () {
      const { registry } = yield* openMemory({ refuseCycles: true })
      expect(yield* Effect.flip(registry.apply(ring))).toMatchObject({
        _tag: "CyclesRefused",
        cycles: [["a:1", "a:2"]]
      })
      yield* registry.apply([ring[0]!])
      const error = yield* Effect.flip(registry.apply([create("a:3"), ring[1]!]))
      expect(error).toMatchObject({ _tag: "CyclesRefused", cycles: [["a:1", "a:2"]] })
      expect(registry.current()).toMatchObject({ version: 1, size: 1 })
      yield* registry.apply([create("a:2", 1, "k")])
      yield* registry.apply([update("a:1", 1, "k"), update("a:2", 1, "k", { depends_on: "1" })])
      expect(registry.dependencies().cycles()).toEqual([])
    })
  )
})

describe("kinds that skip the bus", () => {
  it.effect("are versioned, watched and travelled like others", () =>
    Effect.gen(function* () {
      const { bus, registry } = yield* openMemory()
      const holder = new Holder()
      yield* bus.handle("**", holder.handler)
      yield* bus.handle("*", holder.handler)
      const silent = ["registry.entry", "ns.requirement", "ns.dependency", "ns.definition"]
      yield* registry.apply(silent.map((kind, i) => create(`a:${i}`, 1, kind)))
      yield* registry.apply([update("a:0", 2, silent[0])])
      expect(registry.current()).toMatchObject({ version: 2, size: 4 })
      expect(holder.all).toEqual([])
      yield* registry.applyVersion(1)
      expect(registry.current().get("a:0")?.data).toBe(1)
      expect((yield* registry.snapshotAt(2)).get("a:0")?.data).toBe(2)
    })
  )

  it.effect("are those that the options say", () =>
    Effect.gen(function* () {
      const { bus, registry } = yield* openMemory({ silentKinds: ["quiet"] })
      const asked: Array<string> = []
      yield* bus.handle("*", ({ id }) => (asked.push(id.value), Handler.accept))
      yield* registry.apply([
        create("a:1", 1, "quiet"),
        create("a:2", 1, "registry.entry"),
        create("a:3", 1, "quieter")
      ])
      expect(asked).toEqual(["a:2", "a:3"])
    })
  )
})

describe("patterns", () => {
  it.effect("D8: count from the moment they are registered, also for what is there", () =>
    Effect.gen(function* () {
      const { registry } = yield* openMemory()
      yield* registry.apply([create("a:z"), create("a:b", 1, "k", { server: "z" })])
      const z = registry.current().get("a:z")!.id
      expect(registry.dependencies().dependentsOf(z)).toEqual([])
      yield* registry.registerPattern({ path: "meta.server" })
      expect(
        ids(
          registry
            .dependencies()
            .dependentsOf(z)
            .map((id) => ({ id }))
        )
      ).toEqual(["a:b"])
      const { changeset } = yield* registry.plan([remove("a:z"), remove("a:b")])
      expect(told(changeset)).toEqual(["delete a:b", "delete a:z"])
      expect(yield* Effect.flip(registry.registerPattern({ path: "" }))).toMatchObject({ _tag: "InvalidPattern" })
    })
  )
})

describe("layerMemory", () => {
  it.effect("has everything, with options for all of it", () =>
    Effect.gen(function* () {
      const registry = yield* Registry.Registry
      yield* registry.apply([create("a:b"), create("a:a", 1, "k", { server: "b" })])
      const { changeset } = yield* registry.version(1)
      expect(told(changeset)).toEqual(["create a:b", "create a:a"])
      expect(registry.status().capabilities).toEqual({ durable: false, shared: false, travel: true })
    }).pipe(Effect.provide(Registry.layerMemory({ patterns: [{ path: "meta.server" }], refuseCycles: true })))
  )
})
