import { describe, expect, it } from "@effect/vitest"
import * as Handler from "@heph/bus/Handler"
import * as HistoryMemory from "@heph/history-memory/HistoryMemory"
import { HistoryStoreError } from "@heph/history/HistoryStore"
import * as Effect from "effect/Effect"
import * as Support from "./support.ts"

const { create, Holder, memory, open, openMemory, remove, show, showAll, shown, sqlite, update } = Support

const ids = (entries: Iterable<{ readonly id: { readonly value: string } }>) =>
  Array.from(entries, ({ id }) => id.value)

const backends = [
  ["memory", memory],
  ["sqlite", sqlite]
] as const

describe("loadState", () => {
  const baseline = [
    { id: "base:1", kind: "k", data: 1 },
    { id: "base:2", kind: "k", data: 1, meta: { depends_on: "1" } }
  ]

  it.effect("tells handlers the state as one delta, in order, and makes no version", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const first = yield* open(store)
      yield* first.registry.loadState(baseline)
      yield* first.registry.apply([update("base:1", 2, "k"), create("a:1", 1, "k", { depends_on: "base:2" })])
      yield* first.registry.apply([create("a:2", 1, "k")])
      const { bus, history, registry } = yield* open(store)
      const asked: Array<string> = []
      const begun: Array<string> = []
      yield* bus.handle("k", ({ entry, op }) => (asked.push(`${op} ${show(entry)}`), Handler.accept))
      yield* bus.participate({ name: "p", begin: ({ cause, version }) => void begun.push(`${cause} v${version}`) })
      const snapshot = yield* registry.loadState(baseline)
      expect(begun).toEqual(["load v2"])
      expect(asked).toEqual([
        `create ${shown("a:2", 1, "k")}`,
        `create ${shown("base:1", 2, "k")}`,
        `create ${shown("base:2", 1, "k", { depends_on: "1" })}`,
        `create ${shown("a:1", 1, "k", { depends_on: "base:2" })}`
      ])
      expect(snapshot.version).toBe(2)
      expect(registry.current()).toBe(snapshot)
      expect(history.info()).toMatchObject({ head: 2, last: 2, revision: 2 })
    })
  )

  it.effect("a second time tells the difference", () =>
    Effect.gen(function* () {
      const { bus, registry } = yield* openMemory()
      const holder = new Holder()
      yield* bus.handle("k", holder.handler)
      yield* registry.loadState(baseline)
      yield* registry.apply([create("a:1", 1, "k")])
      yield* registry.loadState([
        { ...baseline[0]!, data: 2 },
        { id: "base:3", kind: "k", data: 3 }
      ])
      expect(holder.wrong).toEqual([])
      expect(holder.all).toEqual(showAll(registry.current()))
      expect(ids(registry.current())).toEqual(["a:1", "base:1", "base:3"])
      expect(showAll(yield* registry.snapshotAt(0))).toEqual([shown("base:1", 2, "k"), shown("base:3", 3, "k")])
      expect(registry.status()).toMatchObject({ version: 1, last: 1 })
    })
  )

  it.effect("after changes that handlers were told of does not tell them again", () =>
    Effect.gen(function* () {
      const { bus, registry } = yield* openMemory()
      yield* registry.apply([create("a:untold", 1, "k")])
      const holder = new Holder()
      yield* bus.handle("k", holder.handler)
      yield* registry.apply([create("a:told", 1, "k")])
      yield* registry.loadState(baseline)
      expect(holder.wrong).toEqual([])
      expect(holder.all).toEqual(showAll(registry.current()))
    })
  )

  it.effect("of a version moves head there", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const first = yield* open(store)
      for (let i = 1; i <= 3; i++) yield* first.registry.apply([create(`a:${i}`)])
      yield* first.registry.tag("stable", 2)
      const { history, registry } = yield* open(store)
      expect(ids(yield* registry.loadState([], "stable"))).toEqual(["a:1", "a:2"])
      expect(history.info()).toMatchObject({ head: 2, last: 3, revision: 4 })
      expect(yield* Effect.flip(registry.loadState([], 9))).toMatchObject({ _tag: "UnknownVersion" })
    })
  )

  it.effect("B1: after travel goes on with the next number, and loses no version", () =>
    Effect.gen(function* () {
      for (const [, place] of backends) {
        const store = yield* place
        yield* Effect.scoped(
          Effect.gen(function* () {
            const { registry } = yield* open(store)
            for (const id of ["a:a", "a:b", "a:c"]) yield* registry.apply([create(id)])
            yield* registry.applyVersion(1)
          })
        )
        const { registry } = yield* open(store)
        expect(ids(yield* registry.loadState([]))).toEqual(["a:a"])
        expect((yield* registry.apply([create("a:zzz")])).version).toMatchObject({ id: 4, parent: 1 })
        expect(ids(yield* registry.applyVersion(3))).toEqual(["a:a", "a:b", "a:c"])
      }
    })
  )

  it.effect("B21: makes the baseline part of every version, for travel and snapshots", () =>
    Effect.gen(function* () {
      const { registry } = yield* openMemory()
      yield* registry.loadState(baseline)
      yield* registry.apply([update("base:1", 2, "k"), create("a:1", 1, "k")])
      yield* registry.apply([remove("base:2")])
      expect(ids(yield* registry.snapshotAt(1))).toEqual(["a:1", "base:1", "base:2"])
      expect(showAll(yield* registry.applyVersion(0))).toEqual([
        shown("base:1", 1, "k"),
        shown("base:2", 1, "k", { depends_on: "1" })
      ])
      expect((yield* registry.diff(0, 2)).changeset.map(({ op }) => op).sort()).toEqual(["create", "delete", "update"])
    })
  )

  it.effect(
    "B25: that does not fit is refused with every id, and changes nothing; history wins where that is said",
    () =>
      Effect.gen(function* () {
        const store = yield* memory
        const first = yield* open(store)
        yield* first.registry.loadState(baseline)
        yield* first.registry.apply([create("a:1", 1, "k"), update("base:1", 2, "k"), remove("base:2")])
        const { bus, registry } = yield* open(store)
        const holder = new Holder()
        yield* bus.handle("k", holder.handler)
        const other = [{ id: "a:1", kind: "k", data: "theirs" }]
        const error = yield* Effect.flip(registry.loadState(other))
        expect(error).toMatchObject({ _tag: "HistoryMisfit", exists: ["a:1"], missing: ["base:1", "base:2"] })
        expect(holder.all).toEqual([])
        yield* registry.loadState(baseline)
        expect(showAll(registry.current())).toEqual([shown("a:1", 1, "k"), shown("base:1", 2, "k")])
        yield* registry.loadState(other, "head", { misfit: "history wins" })
        expect(showAll(registry.current())).toEqual([shown("a:1", 1, "k"), shown("base:1", 2, "k")])
        expect(showAll(yield* registry.snapshotAt(0))).toEqual([shown("a:1", "theirs", "k")])
        expect(holder.wrong).toEqual([])
      })
  )

  it.effect("that handlers refuse leaves the baseline that was there", () =>
    Effect.gen(function* () {
      const { bus, registry } = yield* openMemory()
      yield* bus.handle("never", () => Handler.reject("no"))
      yield* registry.loadState(baseline)
      yield* registry.apply([create("a:1", 1, "k")])
      yield* Effect.flip(registry.loadState([...baseline, { id: "base:3", kind: "never" }]))
      expect(ids(yield* registry.snapshotAt(0))).toEqual(["base:1", "base:2"])
      expect(ids(registry.current())).toEqual(["a:1", "base:1", "base:2"])
      expect(ids(yield* registry.applyVersion(0))).toEqual(["base:1", "base:2"])
    })
  )

  it.effect("that cannot move head leaves the baseline that was there", () =>
    Effect.gen(function* () {
      const store = yield* HistoryMemory.make
      const full = new HistoryStoreError({ reason: "Full", store: "test", detail: "full" })
      const { registry } = yield* open(Support.altered(store, () => ({ moveHead: () => Effect.fail(full) })))
      yield* registry.loadState(baseline)
      yield* registry.apply([create("a:1", 1, "k")])
      expect(yield* Effect.flip(registry.loadState([], 0))).toBe(full)
      expect(ids(yield* registry.snapshotAt(0))).toEqual(["base:1", "base:2"])
      expect(ids(registry.current())).toEqual(["a:1", "base:1", "base:2"])
    })
  )

  it.effect("D6: of entries that are wrong, or there twice, says which", () =>
    Effect.gen(function* () {
      const { registry } = yield* openMemory()
      for (const [entries, error] of [
        [[{ id: "bare", kind: "k" }], { _tag: "InvalidEntryId" }],
        [[{ id: "a:1", kind: " " }], { _tag: "InvalidEntry", id: "a:1" }],
        [[...baseline, { id: "base:1", kind: "k", data: 2 }], { _tag: "EntryExists", id: "base:1" }]
      ] as const) {
        expect(yield* Effect.flip(registry.loadState(entries))).toMatchObject(error)
      }
      expect(registry.current().size).toBe(0)
    })
  )

  it.effect("need not be called to open a history that changed a baseline, to verify it, or to read it", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const first = yield* open(store)
      yield* first.registry.loadState(baseline)
      yield* first.registry.apply([update("base:1", 2, "k"), remove("base:2")])
      const { registry } = yield* open(store)
      expect(yield* registry.verify).toEqual({ versions: 1, damage: [] })
      expect((yield* registry.version(1)).changeset).toHaveLength(2)
    })
  )
})

describe("opening", () => {
  it.effect("B2: fails where the store cannot say what it holds, and does not begin anew", () =>
    Effect.gen(function* () {
      const store = yield* HistoryMemory.make
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { registry } = yield* open(Support.altered(store, () => ({})))
          yield* registry.apply([create("a:1")])
        })
      )
      const corrupt = new HistoryStoreError({ reason: "Corrupt", store: "test", detail: "damaged" })
      for (const broken of [{ info: Effect.fail(corrupt) }, { versions: () => Effect.fail(corrupt) }]) {
        expect(yield* Effect.flip(open(Support.altered(store, () => broken)))).toBe(corrupt)
      }
    })
  )

  it.effect.each(backends)("E21: finds the entries in one order, however they came about, in %s", ([, place]) =>
    Effect.gen(function* () {
      const store = yield* place
      const names = ["b:2", "a:10", "a:9", "a.b:1", "a:1", "a-b:1", "A:1", "é:1", "a:1:2", "ab:1", "😀:1", "￿:1"]
      const sorted = [...names].sort((one, other) => (one < other ? -1 : 1))
      const orders = [
        yield* Effect.scoped(
          Effect.gen(function* () {
            const { registry } = yield* open(store)
            for (const id of names.slice(0, 6)) yield* registry.apply([create(id)])
            yield* registry.apply(names.slice(6).map((id) => create(id)))
            for (const id of names.slice(3, 9)) yield* registry.apply([remove(id)])
            for (const id of names.slice(3, 9).reverse()) yield* registry.apply([create(id)])
            return ids(registry.current())
          })
        )
      ]
      for (let i = 0; i < 3; i++) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const { history, registry } = yield* open(store)
            orders.push(ids(registry.current()), ids(yield* registry.loadState([])))
            yield* registry.applyVersion(2)
            orders.push(ids(yield* registry.applyVersion(19)))
            yield* history.checkpoint(19, registry.current().state)
          })
        )
      }
      for (const order of orders) expect(order).toEqual(sorted)
    })
  )

  it.effect.each(backends)("B15: gives back the values that were applied, in %s", ([, place]) =>
    Effect.gen(function* () {
      const store = yield* place
      const data = {
        scalars: [
          null,
          true,
          false,
          "ü😀",
          "",
          0,
          0.1,
          Number.NaN,
          -Infinity,
          2 ** 53 - 1,
          2n ** 63n - 1n,
          -(2n ** 63n)
        ],
        octets: new Uint8Array(300),
        date: new Date(-1),
        nested: { "a.b": { "": [[], [{}], [null]] } }
      }
      const meta = { date: new Date(1_700_000_000_001), list: [1, "1", 1n] }
      yield* Effect.scoped(
        Effect.flatMap(open(store), ({ registry }) => registry.apply([create("a:1", data, "k", meta)]))
      )
      const { registry } = yield* open(store)
      expect(registry.current().get("a:1")).toMatchObject({ kind: "k", data, meta })
      expect((yield* registry.apply([update("a:1", data, "k", meta)])).version).toBeUndefined()
    })
  )
})
