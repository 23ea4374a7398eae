import { describe, expect, it } from "@effect/vitest"
import * as ChangeSet from "@heph/changeset/ChangeSet"
import * as Codec from "@heph/changeset/Codec"
import * as Operation from "@heph/changeset/Operation"
import * as State from "@heph/entry/State"
import * as History from "@heph/history/History"
import { HistoryStore, HistoryStoreError } from "@heph/history/HistoryStore"
import * as Packed from "@heph/history/Packed"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import {
  over,
  entry,
  stateOf,
  show,
  draft,
  type Values,
  towards,
  grow,
  checkpoint,
  load,
  baseline,
  grown
} from "./grown.ts"
import * as Memory from "./memory.ts"

describe("checkpoints", () => {
  /** What a registry does after each apply. */
  const applied = Effect.fnUntraced(function* (history: History.History["Service"], parent: number, values: Values) {
    const id = yield* grow(history, parent, values)
    const state = yield* history.stateAt(id)
    if (history.checkpointDue(state)) yield* history.checkpoint(id, state)
    return id
  })

  /** The most versions that one would have to read up to a checkpoint. */
  const largestGap = (counted: Memory.Counted) => {
    const at = [0, ...[...counted.checkpoints.keys()].sort((a, b) => a - b), counted.versions.length]
    return Math.max(...at.slice(1).map((version, i) => version - at[i]!))
  }

  it.effect("B12, B13: bound what is read at boot, however long the history", () =>
    Effect.gen(function* () {
      for (const length of [10_000, 20_000]) {
        const counted = Memory.make()
        const writer = yield* over(counted)
        for (let i = 0; i < length; i++) yield* applied(writer, i, { [`a:${i % 100}`]: i })
        expect(largestGap(counted)).toBeLessThan(5000)
        const history = yield* over(counted)
        counted.read()
        expect((yield* load(history, State.empty, length - 1)).size).toBe(100)
        expect(counted.read().versions).toBeLessThanOrEqual(2 * largestGap(counted))
      }
    })
  )

  it.effect("bound it also where two branches grow in turn", () =>
    Effect.gen(function* () {
      const counted = Memory.make()
      const writer = yield* over(counted)
      const tips = [
        { id: 0, state: State.empty },
        { id: 0, state: State.empty }
      ]
      for (let i = 0; i < 20_000; i++) {
        const tip = tips[i % 2]!
        if (i > 1) yield* writer.moveHead(tip.id, i)
        const operations = towards(tip.state, { [`a:${i % 2}`]: i })
        const [record] = yield* writer.append([draft(tip.id, operations)])
        tip.id = record!.id
        tip.state = Result.getOrThrow(ChangeSet.apply(tip.state, operations))
        writer.keep(tip.id, tip.state)
        if (writer.checkpointDue(tip.state)) yield* writer.checkpoint(tip.id, tip.state)
      }
      for (const { id } of tips) {
        const history = yield* over(counted)
        counted.read()
        yield* load(history, State.empty, id)
        expect(counted.read().versions).toBeLessThan(5000)
      }
    })
  )

  it.effect("are due after as many versions as is said, also where reading those costs little", () =>
    Effect.gen(function* () {
      const { store } = Memory.make()
      const history = yield* Effect.provideService(History.makeWith({ checkpointEvery: 10 }), HistoryStore, store)
      const due: Array<boolean> = []
      for (let i = 0; i < 25; i++) {
        yield* history.append([draft(i, [])])
        due.push(history.checkpointDue(State.empty))
        if (due.at(-1) === true) yield* history.checkpoint(i + 1, State.empty)
      }
      expect(due.flatMap((is, i) => (is ? [i + 1] : []))).toEqual([10, 20])
      const unsaid = yield* over({ store: Memory.make().store })
      for (let i = 0; i < 25; i++) yield* unsaid.append([draft(i, [])])
      expect(unsaid.checkpointDue(State.empty)).toBe(false)
    })
  )

  it.effect("are not due in a store that ends with its process", () =>
    Effect.gen(function* () {
      const { store } = Memory.make()
      const history = yield* over({ store: { ...store, capabilities: { ...store.capabilities, durable: false } } })
      for (let i = 0; i < 5000; i++) yield* history.append([draft(i, [])])
      expect(history.checkpointDue(State.empty)).toBe(false)
    })
  )

  it.effect("hold as much as the state, not as much as there ever was", () =>
    Effect.gen(function* () {
      const counted = Memory.make()
      const history = yield* over(counted)
      for (let i = 0; i < 300; i += 2) {
        yield* grow(history, i, { [`job:${i}`]: "x".repeat(100), "a:1": i })
        yield* grow(history, i + 1, { [`job:${i}`]: undefined })
      }
      yield* checkpoint(history, 300)
      const operations = counted.checkpoints.get(300)!.map((chunk) => Result.getOrThrow(Codec.decode(chunk)))
      expect(operations.flat().map((operation) => Operation.idOf(operation).value)).toEqual(["a:1"])
    })
  )

  it.effect("that cannot be written leave everything as it was", () =>
    Effect.gen(function* () {
      const counted = Memory.make()
      const full = new HistoryStoreError({ reason: "Full", store: "test", detail: "full" })
      const checkpoints = { ...counted.store.checkpoints, save: () => Effect.fail(full) }
      const history = yield* over({ store: { ...counted.store, checkpoints } })
      yield* grow(history, 0, { "a:1": 1 })
      expect(yield* Effect.flip(checkpoint(history, 1))).toBe(full)
      expect(history.info().checkpoints).toEqual([])
      expect(show(yield* load(history, State.empty, 1))).toEqual([["a:1", "k", 1]])
    })
  )
})

describe("verify", () => {
  const damaged = Effect.fnUntraced(function* (damage: (counted: Memory.Counted) => void) {
    const counted = Memory.make()
    const { history } = yield* grown(counted, {
      parents: [999, 999, 999, 300],
      values: [{ "a:1": 1, "base:1": 1 }, { "a:1": 2 }, { "a:1": undefined }, { "a:2": 1 }]
    })
    yield* checkpoint(history, 2)
    damage(counted)
    const again = yield* over(counted)
    yield* load(again, baseline, 0)
    return (yield* again.verify).damage.map(({ what }) => what)
  })
  const replace = (version: number, changeset: Packed.PackedChangeSet) => (counted: Memory.Counted) => {
    counted.versions[version - 1] = { ...counted.versions[version - 1]!, changeset }
  }

  it.effect.each([
    ["nothing", () => {}, []],
    ["bytes that are no changeset", replace(2, Packed.fromBytes(new Uint8Array([9]))), ["v2"]],
    ["a create of what is there", replace(2, Packed.fromChangeSet([Operation.create(entry("a:1", 2))])), ["v2"]],
    [
      "an update of what is not",
      replace(4, Packed.fromChangeSet(towards(stateOf(entry("base:1", 5)), { "base:1": 6 }))),
      ["v4"]
    ],
    ["a checkpoint of another state", ({ checkpoints }) => checkpoints.set(2, []), ["v2"]],
    [
      "a checkpoint that forgot what the baseline was",
      ({ checkpoints }) =>
        checkpoints.set(2, [Codec.encode([Operation.create(entry("a:1", 2)), Operation.create(entry("base:1", 1))])]),
      ["v2"]
    ]
  ] as ReadonlyArray<readonly [string, (counted: Memory.Counted) => void, ReadonlyArray<string>]>)(
    "finds %s",
    ([, damage, expected]) =>
      Effect.gen(function* () {
        expect(yield* damaged(damage)).toEqual(expected)
      })
  )

  it.effect("takes no other baseline for damage", () =>
    Effect.gen(function* () {
      const counted = Memory.make()
      const { history } = yield* grown(counted, {
        parents: [999, 999, 1],
        values: [{ "base:1": 1 }, { "base:2": undefined }, { "base:1": undefined }]
      })
      yield* checkpoint(history, 2)
      const without = yield* over(counted)
      expect(yield* without.verify).toEqual({ versions: 3, damage: [] })
    })
  )
})
