import { describe, expect, it } from "@effect/vitest"
import type * as Registry from "@heph/registry/Registry"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { create, memory, open, showAll, sqlite, update } from "./support.ts"

const count = Effect.fnUntraced(function* (registry: Registry.Registry["Service"], times: number) {
  for (let i = 0; i < times; i++) {
    yield* registry.apply((state) => {
      const there = state.get("a:count")
      return [there === undefined ? create("a:count", 1) : update("a:count", (there.data as number) + 1)]
    })
  }
})

const collect = <A, E>(stream: Stream.Stream<A, E>, length: number) => Stream.runCollect(Stream.take(stream, length))

describe.each([
  ["memory", memory],
  ["a file", sqlite]
] as const)("a registry in %s that is compacted", (_, place) => {
  it.effect("goes on as if nothing had happened, with its baseline", () =>
    Effect.gen(function* () {
      const store = yield* place
      const { registry } = yield* open(store)
      const baseline = [{ id: "base:1", kind: "thing", data: "one" }]
      yield* registry.loadState(baseline)
      yield* registry.apply([update("base:1", "two")])
      yield* count(registry, 9)
      const before = yield* Effect.forEach([8, 9, 10], (version) =>
        Effect.map(registry.snapshotAt(version), (snapshot) => showAll(snapshot))
      )
      yield* registry.compact({ keep: { versions: 2 } })
      const after = yield* Effect.forEach([8, 9, 10], (version) =>
        Effect.map(registry.snapshotAt(version), (snapshot) => showAll(snapshot))
      )
      expect(after).toEqual(before)
      expect((yield* registry.path(10, 0)).map(({ version }) => version)).toEqual([9, 8, 0])
      yield* registry.applyVersion(8)
      expect(showAll(registry.current())).toEqual(before[0])
      yield* registry.applyVersion(0)
      expect(registry.current().get("base:1")?.data).toBe("one")
      yield* registry.applyVersion(10)
      yield* count(registry, 1)
      expect(registry.current().version).toBe(11)
      expect(yield* registry.verify).toEqual({ versions: 4, damage: [] })
      const again = yield* open(store)
      yield* again.registry.loadState(baseline)
      expect(showAll(again.registry.current())).toEqual(showAll(registry.current()))
    })
  )

  it.effect("shows watchers what is left, and says where that does not follow from what they saw", () =>
    Effect.gen(function* () {
      const { registry } = yield* open(yield* place)
      yield* count(registry, 10)
      yield* registry.tag("third", 3)
      yield* registry.compact({ keep: { versions: 2 } })
      const seen = yield* collect(registry.watch({ from: 0 }), 5)
      expect(seen.map(({ version }) => [version.id, version.parent])).toEqual([
        [2, 0],
        [3, 2],
        [8, 3],
        [9, 8],
        [10, 9]
      ])
      // Each begins with what the one before it left.
      expect(seen.map(({ changeset: [operation] }) => operation?.op !== "delete" && operation?.entry.data)).toEqual([
        2, 3, 8, 9, 10
      ])
      expect((yield* collect(registry.watch({ from: "third" }), 1))[0]?.version.id).toBe(8)
      expect(yield* Effect.flip(Stream.runDrain(registry.watch({ from: 5 })))).toMatchObject({
        _tag: "UnknownVersion",
        next: 8
      })
    })
  )

  it.effect("tells a slow watcher that what it saw last is no more", () =>
    Effect.gen(function* () {
      const { registry } = yield* open(yield* place)
      // More than are at hand without asking the store.
      yield* count(registry, 2100)
      const seen: Array<number> = []
      const error = yield* registry.watch({ from: 0 }).pipe(
        Stream.runForEach(({ version }) =>
          Effect.gen(function* () {
            seen.push(version.id)
            if (version.id === 500) yield* registry.compact({ keep: { versions: 100 } })
          })
        ),
        Effect.flip
      )
      expect(error).toMatchObject({ _tag: "UnknownVersion", version: "500", next: 2000 })
      expect(seen.at(-1)).toBe(500)
    })
  )

  it.effect("does not undo a version that stands for many", () =>
    Effect.gen(function* () {
      const { registry } = yield* open(yield* place)
      yield* count(registry, 10)
      yield* registry.compact({ keep: { versions: 2 } })
      expect(yield* Effect.flip(registry.revert(8))).toMatchObject({ _tag: "FoldedVersion", version: 8, folded: 7 })
      expect((yield* registry.revert(10)).version?.id).toBe(11)
      expect(registry.current().get("a:count")?.data).toBe(9)
    })
  )

  it.effect("keeps what is needed, while writers and travellers go on", () =>
    Effect.gen(function* () {
      const { registry } = yield* open(yield* place)
      yield* count(registry, 50)
      const others = Effect.gen(function* () {
        for (let i = 0; i < 20; i++) {
          const { last } = registry.status()
          yield* registry.tag(`tag-${i}`, last)
          yield* registry.applyVersion(Math.max(last - 3, 0))
          yield* count(registry, 2)
        }
      })
      const compactions = Effect.forEach([20, 10, 5, 3, 1], (versions) =>
        Effect.andThen(Effect.yieldNow, registry.compact({ keep: { versions } }))
      )
      yield* Effect.all([Effect.ignore(others), compactions], { concurrency: "unbounded" })
      const tags = [...registry.tags()]
      expect(tags.length).toBeGreaterThan(0)
      for (const [name, version] of tags) expect((yield* registry.snapshotAt(name)).version).toBe(version)
      expect((yield* registry.verify).damage).toEqual([])
      const left = new Set([0, ...(yield* registry.versions()).map(({ id }) => id)])
      for (const { parent } of yield* registry.versions()) if (parent !== null) expect(left).toContain(parent)
    })
  )
})
