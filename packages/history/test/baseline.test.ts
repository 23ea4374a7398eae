import { describe, expect, it } from "@effect/vitest"
import * as ChangeSet from "@heph/changeset/ChangeSet"
import * as State from "@heph/entry/State"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import {
  over,
  entry,
  stateOf,
  show,
  towards,
  checkpoint,
  load,
  value,
  tree,
  baseline,
  grow,
  grown,
  property,
  fraction,
  pick
} from "./grown.ts"
import * as Memory from "./memory.ts"

describe("a baseline", () => {
  const changed = stateOf(entry("base:1", "changed"), entry("base:2", 0))

  it.effect("B21: is v0, and part of every version", () =>
    Effect.gen(function* () {
      const counted = Memory.make()
      const { states } = yield* grown(counted, { parents: [999, 999], values: [{ "a:1": 1 }, { "base:1": undefined }] })
      const history = yield* over(counted)
      expect(show(yield* load(history, baseline))).toEqual(states[2])
      expect(show(yield* history.stateAt(0))).toEqual(show(baseline))
      expect(show(yield* history.stateAt(1)).map(([id]) => id)).toEqual(["a:1", "base:1", "base:2"])
    })
  )

  it.effect("B25: that lacks what the history changes, or has what it creates, is refused with every id", () =>
    Effect.gen(function* () {
      const counted = Memory.make()
      yield* grown(counted, {
        parents: [999, 999, 999],
        values: [{ "base:1": 1, "a:1": 1 }, { "base:2": undefined }, { "a:2": 1 }]
      })
      const other = stateOf(entry("a:2", 7), entry("a:1", 7), entry("c:1", 7))
      const expected = { _tag: "HistoryMisfit", exists: ["a:1", "a:2"], missing: ["base:1", "base:2"] }
      for (const checkpoints of [[], [2], [3]]) {
        const history = yield* over(counted)
        for (const version of checkpoints) {
          yield* load(history, baseline)
          yield* checkpoint(history, version)
        }
        expect(yield* Effect.flip(history.load(other, 3))).toMatchObject(expected)
        const { state } = yield* history.load(other, 3, { misfit: "history wins" })
        expect(show(state)).toEqual([
          ["a:1", "k", 1],
          ["a:2", "k", 1],
          ["base:1", "k", 1],
          ["c:1", "k", 7]
        ])
        counted.checkpoints.clear()
      }
    })
  )

  it.effect("that is refused, or not adopted, changes nothing", () =>
    Effect.gen(function* () {
      const counted = Memory.make()
      const { history, states } = yield* grown(counted, { parents: [999], values: [{ "base:1": 1 }] })
      yield* Effect.flip(history.load(State.empty, 1))
      yield* history.load(changed, 1)
      expect(show(yield* history.stateAt(0))).toEqual(states[0])
      expect(show(yield* history.stateAt(1))).toEqual(states[1])
    })
  )

  it.effect("that was edited is what v0 has, and every version that did not touch it", () =>
    Effect.gen(function* () {
      const counted = Memory.make()
      yield* grown(counted, {
        parents: [999, 999, 0, 999],
        values: [{ "a:1": 1 }, { "base:1": 1 }, { "base:2": 2 }, { "base:1": 3 }]
      })
      const history = yield* over(counted)
      const expected = [
        [
          ["base:1", "k", "changed"],
          ["base:2", "k", 0]
        ], // v0
        [
          ["a:1", "k", 1],
          ["base:1", "k", "changed"],
          ["base:2", "k", 0]
        ],
        [
          ["a:1", "k", 1],
          ["base:1", "k", 1],
          ["base:2", "k", 0]
        ],
        [
          ["base:1", "k", "changed"],
          ["base:2", "k", 2]
        ],
        [
          ["base:1", "k", 3],
          ["base:2", "k", 2]
        ]
      ] as const
      for (const from of [0, 1, 2, 3, 4]) {
        yield* load(history, changed, from)
        for (const to of [2, 1, 0, 4, 3, 0, 2]) {
          const state = yield* history.stateAt(to)
          expect(show(state), `v${to} from v${from}`).toEqual(expected[to])
          history.keep(to, state)
        }
      }
    })
  )

  it.effect("that was edited leads to the same states with checkpoints and without", () =>
    property(
      [tree(15), fc.array(fraction, { maxLength: 4 }), fc.record({ "base:1": value, "base:2": value })],
      (tree, at, edited) =>
        Effect.gen(function* () {
          const [plain, counted] = [Memory.make(), Memory.make()]
          yield* grown(plain, tree)
          const { history } = yield* grown(counted, tree)
          const last = tree.parents.length
          for (const one of at) yield* checkpoint(history, pick(one, last))
          const onto = Result.getOrThrow(ChangeSet.apply(State.empty, towards(State.empty, edited)))
          const [expected, found] = [yield* over(plain), yield* over(counted)]
          for (let version = 0; version <= last; version++) {
            const [a, b] = [
              yield* Effect.result(load(expected, onto, version)),
              yield* Effect.result(load(found, onto, version))
            ]
            if (Result.isFailure(a)) {
              expect(Result.getOrUndefined(Result.flip(b))).toMatchObject({ ...(a.failure as object) })
              yield* load(expected, onto, version, { misfit: "history wins" })
              yield* load(found, onto, version, { misfit: "history wins" })
            }
            for (let to = 0; to <= last; to += 3) {
              expect(show(yield* found.stateAt(to))).toEqual(show(yield* expected.stateAt(to)))
            }
          }
        })
    )
  )

  it.effect("that was edited does not show through a change that was taken back before a checkpoint", () =>
    Effect.gen(function* () {
      const counted = Memory.make()
      const { history } = yield* grown(counted, { parents: [999, 999], values: [{ "base:1": 1 }, { "base:1": 0 }] })
      yield* checkpoint(history, 2)
      const again = yield* over(counted)
      expect(show(yield* load(again, changed))).toEqual(show(baseline))
      expect(yield* Effect.flip(again.load(stateOf(entry("base:2", 0)), 2))).toMatchObject({ missing: ["base:1"] })
    })
  )

  it.effect("that was edited is found out also far from where the registry is", () =>
    Effect.gen(function* () {
      const counted = Memory.make()
      const writer = yield* over(counted)
      yield* load(writer, baseline)
      let tip = 0
      for (let i = 0; i < 150; i++) tip = yield* grow(writer, tip, { "a:1": i })
      const here = tip
      tip = 0
      for (let i = 0; i < 60; i++) tip = yield* grow(writer, tip, { "b:1": i })
      const before = tip
      tip = yield* grow(writer, tip, { "base:1": 1 })
      const history = yield* over(counted)
      yield* load(history, changed, here)
      history.keep(tip, yield* history.stateAt(tip))
      expect(show(yield* history.stateAt(before))).toEqual([
        ["b:1", "k", 59],
        ["base:1", "k", "changed"],
        ["base:2", "k", 0]
      ])
    })
  )

  it.effect("that has by now what the history created and deleted stays without it, by checkpoints too", () =>
    Effect.gen(function* () {
      const counted = Memory.make()
      yield* grown(counted, { parents: [999, 999], values: [{ "a:1": 1 }, { "a:1": undefined }] })
      const onto = stateOf(entry("a:1", "theirs"), entry("base:1", 0))
      for (let i = 0; i < 2; i++) {
        const history = yield* over(counted)
        expect(yield* Effect.flip(history.load(onto, 2))).toMatchObject({ exists: ["a:1"], missing: [] })
        expect(show(yield* load(history, onto, 2, { misfit: "history wins" }))).toEqual([["base:1", "k", 0]])
        yield* checkpoint(history, 2)
        expect((yield* history.verify).damage).toEqual([])
      }
    })
  )

  it.effect("need not be at hand for a checkpoint to be true to it", () =>
    Effect.gen(function* () {
      const counted = Memory.make()
      const { states } = yield* grown(counted, {
        parents: [999, 999],
        values: [{ "base:1": 1, "a:1": 1 }, { "base:2": undefined }]
      })
      const without = yield* over(counted)
      yield* load(without, State.empty, 2, { misfit: "history wins" })
      yield* checkpoint(without, 2)
      const history = yield* over(counted)
      expect(show(yield* load(history, baseline))).toEqual(states[2])
      expect((yield* history.verify).damage).toEqual([])
    })
  )
})
