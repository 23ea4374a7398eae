import { describe, expect, it } from "@effect/vitest"
import * as State from "@heph/entry/State"
import * as History from "@heph/history/History"
import * as HistoryNone from "@heph/history/HistoryNone"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as fc from "fast-check"
import {
  over,
  entry,
  stateOf,
  show,
  draft,
  grow,
  checkpoint,
  load,
  tree,
  parentOf,
  searched,
  baseline,
  grown,
  property,
  fraction,
  pick
} from "./grown.ts"
import * as Memory from "./memory.ts"

describe("paths", () => {
  it.effect("are the shortest, whatever the tree", () =>
    property([tree(40), fraction, fraction], (tree, a, b) =>
      Effect.gen(function* () {
        const { history } = yield* grown(Memory.make(), tree)
        const [from, to] = [pick(a, tree.parents.length), pick(b, tree.parents.length)]
        const parents = tree.parents.map((_, i) => parentOf(tree, i + 1))
        expect(yield* history.path(from, to)).toEqual(searched(parents, from, to))
      })
    )
  )

  it.effect("B7: read no more versions than twice their length, and on a chain a few rows at a time", () =>
    property([tree(200), fraction, fraction], (tree, a, b) =>
      Effect.gen(function* () {
        const counted = Memory.make()
        const { history: writer } = yield* grown(counted, tree)
        const [from, to] = [pick(a, tree.parents.length), pick(b, tree.parents.length)]
        const length = (yield* writer.path(from, to)).length
        const reader = yield* over(counted)
        counted.read()
        yield* reader.path(from, to)
        const { calls, versions } = counted.read()
        expect(versions).toBeLessThanOrEqual(2 * length)
        expect(calls).toBeLessThanOrEqual(length)
      })
    )
  )

  it.effect("of 5,000 steps take a hundred reads", () =>
    Effect.gen(function* () {
      const counted = Memory.make()
      const writer = yield* over(counted)
      for (let i = 0; i < 5000; i++) yield* writer.append([draft(i, [])])
      const history = yield* over(counted)
      counted.read()
      expect(yield* history.path(5000, 0)).toHaveLength(5000)
      expect(counted.read().calls).toBeLessThan(100)
      expect(yield* history.path(4990, 4993)).toHaveLength(3)
    })
  )

  it.effect("B8, B9: a version with a larger id need not be ahead, nor an ancestor have the smallest", () =>
    Effect.gen(function* () {
      const history = yield* over(Memory.make())
      for (const [parent, values] of [
        [0, { "a:1": 1 }],
        [1, { "a:2": 2 }],
        [1, { "a:3": 3 }],
        [2, {}],
        [4, { "a:5": 5 }]
      ] as const) {
        yield* grow(history, parent, values)
      }
      expect((yield* history.path(5, 3)).map(({ version }) => version)).toEqual([4, 2, 1, 3])
      history.keep(5, yield* history.stateAt(5))
      expect(show(yield* history.stateAt(3))).toEqual([
        ["a:1", "k", 1],
        ["a:3", "k", 3]
      ])
    })
  )

  it.effect("of no steps lead from a version to itself, and none lead to one that is not there", () =>
    Effect.gen(function* () {
      const history = yield* over(Memory.make())
      yield* grow(history, 0, { "a:1": 1 })
      expect(yield* history.path(1, 1)).toEqual([])
      for (const [from, to] of [
        [0, 2],
        [2, 0],
        [-1, 0]
      ] as const) {
        const error = yield* Effect.flip(history.path(from, to))
        expect(error).toMatchObject({ _tag: "UnknownVersion", last: 1 })
      }
    })
  )
})

describe("states", () => {
  it.effect("B21-B23: are the same by every way: kept, by route, from checkpoints, after opening again", () =>
    property(
      [tree(25), fc.array(fraction, { maxLength: 4 }), fc.array(fraction, { maxLength: 6 })],
      (tree, at, asked) =>
        Effect.gen(function* () {
          const counted = Memory.make()
          const { history, states } = yield* grown(counted, tree)
          const last = tree.parents.length
          for (const one of at) yield* checkpoint(history, pick(one, last))
          const again = yield* over(counted)
          yield* load(again, baseline, pick(asked[0] ?? 0, last))
          for (const reader of [history, again]) {
            for (const one of asked) {
              const version = pick(one, last)
              const state = yield* reader.stateAt(version)
              expect(show(state)).toEqual(states[version])
              reader.keep(version, state)
            }
          }
          expect(yield* again.verify).toEqual({ versions: last, damage: [] })
        })
    )
  )

  it.effect("are right where others move on while they are read", () =>
    property([tree(25), fc.array(fraction, { minLength: 2, maxLength: 8 })], (tree, asked) =>
      Effect.gen(function* () {
        const counted = Memory.make({ yielding: true })
        const { states } = yield* grown(counted, tree)
        const history = yield* over(counted)
        yield* load(history, baseline, 0)
        const read = (version: number) =>
          Effect.gen(function* () {
            const state = yield* history.stateAt(version)
            history.keep(version, state)
            return show(state)
          })
        const versions = asked.map((one) => pick(one, tree.parents.length))
        const found = yield* Effect.forEach(versions, read, { concurrency: "unbounded" })
        expect(found).toEqual(versions.map((version) => states[version]))
      })
    )
  )

  it.effect("keep to the baseline they were asked for while another one is adopted", () =>
    Effect.gen(function* () {
      const counted = Memory.make({ yielding: true })
      yield* grown(counted, { parents: [999, 999], values: [{ "a:1": 1 }, { "a:2": 2 }] })
      const history = yield* over(counted)
      yield* load(history, baseline, 0)
      const { adopt } = yield* history.load(stateOf(entry("base:1", "new"), entry("base:3", 3)), 0)
      const reading = yield* Effect.forkChild(history.stateAt(1), { startImmediately: true })
      adopt()
      expect(show(yield* Fiber.join(reading)).map(([id]) => id)).toEqual(["a:1", "base:1", "base:2"])
      expect(show(yield* history.stateAt(1)).map(([id]) => id)).toEqual(["a:1", "base:1", "base:3"])
    })
  )

  it.effect("cost the way from the state at hand, not the history", () =>
    Effect.gen(function* () {
      const counted = Memory.make()
      const writer = yield* over(counted)
      for (let i = 0; i < 2000; i++) yield* grow(writer, i, { "a:1": i })
      yield* checkpoint(writer, 2000)
      const history = yield* over(counted)
      yield* load(history, State.empty)
      counted.read()
      expect(show(yield* history.stateAt(1990))).toEqual([["a:1", "k", 1989]])
      expect(counted.read()).toMatchObject({ chunks: 0 })
    })
  )

  it.effect("of unknown versions are typed errors", () =>
    Effect.gen(function* () {
      const history = yield* over(Memory.make())
      for (const version of [-1, 1]) {
        expect(yield* Effect.flip(history.stateAt(version))).toMatchObject({ _tag: "UnknownVersion" })
        expect(yield* Effect.flip(history.load(State.empty, version))).toMatchObject({ _tag: "UnknownVersion" })
        expect(yield* Effect.flip(history.version(version))).toMatchObject({ _tag: "UnknownVersion" })
      }
      expect(yield* Effect.flip(history.version(0))).toMatchObject({ _tag: "UnknownVersion" })
      expect(yield* history.changeset(0)).toEqual([])
    })
  )
})

describe("names", () => {
  it.effect("of versions are numbers, texts, tags and head", () =>
    Effect.gen(function* () {
      const history = yield* over(Memory.make())
      for (let i = 0; i < 3; i++) yield* history.append([draft(i, [])])
      yield* history.tag("stable", 2)
      yield* history.moveHead(1, 5)
      for (const [ref, version] of [
        [0, 0],
        [3, 3],
        ["3", 3],
        ["v2", 2],
        ["stable", 2],
        ["head", 1]
      ] as const) {
        expect(yield* history.resolve(ref)).toBe(version)
      }
      for (const ref of [
        4,
        -1,
        1.5,
        Number.NaN,
        "",
        "v4",
        "unstable",
        "v-1",
        " 1",
        "1e0",
        "v",
        "99999999999999999999"
      ]) {
        expect(yield* Effect.flip(history.resolve(ref))).toMatchObject({ _tag: "UnknownVersion", version: String(ref) })
      }
      yield* history.tag("stable", 3)
      expect(yield* history.resolve("stable")).toBe(3)
      yield* history.tag("stable", null)
      expect(yield* Effect.flip(history.resolve("stable"))).toMatchObject({ _tag: "UnknownVersion" })
    })
  )

  it.effect("that would be taken for a version, or cannot be typed, are no tags", () =>
    Effect.gen(function* () {
      const history = yield* over(Memory.make())
      for (const name of ["", "head", "7", "v7", "a b", "a\n", "\u0000", "x".repeat(257), "\ud800"]) {
        expect(yield* Effect.flip(history.tag(name, 0))).toMatchObject({ _tag: "InvalidTag", name })
      }
      for (const name of ["v7.0", "HEAD", "x".repeat(256), "vv1", "größe", "a/b"]) yield* history.tag(name, 0)
      expect(history.info().tags.size).toBe(6)
    })
  )
})

describe("writing", () => {
  it.effect("is known at once, and a conflict changes nothing that is known", () =>
    Effect.gen(function* () {
      const counted = Memory.make()
      const [one, other] = [yield* over(counted), yield* over(counted)]
      yield* grow(one, 0, { "a:1": 1 })
      expect(one.info()).toMatchObject({ head: 1, last: 1, revision: 1 })
      const before = other.info()
      const error = yield* Effect.flip(other.append([draft(0, [])]))
      expect(error).toMatchObject({ _tag: "HeadConflict", expected: 0, found: { head: 1, revision: 1 } })
      expect(yield* Effect.flip(other.moveHead(0, 1))).toMatchObject({ _tag: "HeadConflict" })
      expect(other.info()).toBe(before)
      expect(yield* other.refresh).toBe(true)
      expect(yield* other.refresh).toBe(false)
      expect(other.info()).toMatchObject({ head: 1, last: 1, revision: 1 })
    })
  )

  it.effect("is not forgotten when what others wrote is read meanwhile", () =>
    Effect.gen(function* () {
      const { store } = Memory.make()
      let hold = Effect.void
      const info = Effect.tap(store.info, () => Effect.suspend(() => hold))
      const history = yield* over({ store: { ...store, info } })
      yield* grow(history, 0, { "a:1": 1 })
      for (const write of [
        history.tag("mine", 1),
        checkpoint(history, 1),
        Effect.asVoid(grow(history, 1, { "a:1": 2 })),
        history.moveHead(1, 2)
      ]) {
        const [asked, answered] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        hold = Effect.suspend(() => {
          hold = Effect.void
          return Effect.andThen(Deferred.succeed(asked, undefined), Deferred.await(answered))
        })
        const refreshing = yield* Effect.forkChild(history.refresh)
        yield* Deferred.await(asked)
        yield* write
        const written = history.info()
        yield* Deferred.succeed(answered, undefined)
        yield* Fiber.join(refreshing)
        expect(history.info()).toEqual(written)
      }
      expect(history.info()).toMatchObject({ head: 1, last: 2, revision: 3, tags: new Map([["mine", 1]]) })
    })
  )

  it.effect("B1, B11: takes the next id, wherever head is, and a refused append takes none", () =>
    Effect.gen(function* () {
      const counted = Memory.make()
      const first = yield* over(counted)
      for (let i = 0; i < 3; i++) yield* grow(first, i, { "a:1": i })
      yield* first.moveHead(1, 1)
      const history = yield* over(counted)
      yield* load(history, State.empty)
      expect((yield* history.append([draft(1, [])]))[0]).toMatchObject({ id: 4, parent: 1 })
      yield* Effect.flip(first.append([draft(1, [])]))
      expect((yield* history.append([draft(4, [])]))[0]).toMatchObject({ id: 5, parent: 4 })
      expect(show(yield* history.stateAt(3))).toEqual([["a:1", "k", 2]])
    })
  )

  it.effect("B10: makes versions that never change", () =>
    Effect.gen(function* () {
      const history = yield* over(Memory.make())
      yield* grow(history, 0, { "a:1": 1 })
      const before = { ...(yield* history.version(1)) }
      yield* grow(history, 1, { "a:1": 2 })
      yield* grow(history, 1, { "a:1": 3 })
      expect({ ...(yield* history.version(1)) }).toEqual(before)
      expect(history.root()).toMatchObject({ id: 0, parent: null, created: 0, updated: 0, deleted: 0 })
    })
  )
})

describe("no history", () => {
  it.effect("counts, knows the present, and refuses every way back", () =>
    Effect.gen(function* () {
      const history = yield* Effect.provide(History.make, HistoryNone.layer)
      yield* load(history, baseline)
      yield* grow(history, 0, { "a:1": 1 })
      yield* grow(history, 1, { "a:2": 2 })
      expect(history.info()).toMatchObject({ head: 2, last: 2, revision: 2 })
      expect((yield* history.stateAt(2)).size).toBe(4)
      const { state } = { state: yield* history.stateAt(2) }
      for (const refused of [
        history.stateAt(1),
        history.stateAt(0),
        history.version(2),
        history.changeset(1),
        history.path(2, 1),
        history.moveHead(1, 1),
        history.moveHead(0, 1),
        history.heads(0, 1),
        history.tag("stable", 1),
        history.load(baseline, 2),
        history.checkpoint(2, state)
      ] as ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>>) {
        expect(yield* Effect.flip(refused)).toMatchObject({ _tag: "HistoryStoreError", reason: "Unsupported" })
      }
      expect(history.checkpointDue(state)).toBe(false)
      expect(yield* history.verify).toEqual({ versions: 2, damage: [] })
    })
  )
})
