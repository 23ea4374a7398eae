import { describe, expect, it } from "@effect/vitest"
import * as ChangeSet from "@heph/changeset/ChangeSet"
import * as Codec from "@heph/changeset/Codec"
import * as Operation from "@heph/changeset/Operation"
import * as Entry from "@heph/entry/Entry"
import * as State from "@heph/entry/State"
import * as History from "@heph/history/History"
import * as HistoryNone from "@heph/history/HistoryNone"
import { HistoryStore, HistoryStoreError } from "@heph/history/HistoryStore"
import * as Packed from "@heph/history/Packed"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import * as Memory from "./memory.ts"

const over = ({ store }: Pick<Memory.Counted, "store">) => Effect.provideService(History.make, HistoryStore, store)

const entry = (id: string, data: unknown = null, kind = "k") => Entry.makeUnsafe({ id, kind, data })
const stateOf = (...entries: ReadonlyArray<Entry.Entry>) => State.fromIterable(entries)
const show = (state: Iterable<Entry.Entry>) => Array.from(state, ({ data, id, kind }) => [id.value, kind, data])
const draft = (parent: number, changeset: ChangeSet.ChangeSet): History.Draft => ({
  parent,
  timestamp: 1,
  message: undefined,
  author: undefined,
  changeset
})

/** One entry an id, set to a value or deleted: how the changesets here are told. */
type Values = Readonly<Record<string, unknown>>

/** The operations that lead from a state to values; `undefined` deletes, a kind comes before a `/`. */
const towards = (state: State.State, values: Values): ChangeSet.ChangeSet =>
  Object.entries(values).flatMap(([id, value]): ReadonlyArray<Operation.Operation> => {
    const there = state.get(id)
    if (value === undefined) return there === undefined ? [] : [Operation.remove(there.id, there)]
    const made = entry(id, value, typeof value === "string" ? value.split("/")[0]! : "k")
    if (there === undefined) return [Operation.create(made)]
    if (there.kind !== made.kind) return [Operation.remove(there.id, there), Operation.create(made)]
    return Entry.equals(there, made) ? [] : [Operation.update(made, there)]
  })

/** Appends a version with these values to one that is there, and keeps its state as a registry does. */
const grow = Effect.fnUntraced(function* (history: History.History["Service"], parent: number, values: Values) {
  const state = yield* history.stateAt(parent)
  const operations = towards(state, values)
  const [record] = yield* history.append([draft(parent, operations)])
  history.keep(record!.id, Result.getOrThrow(ChangeSet.apply(state, operations)))
  return record!.id
})

/** A checkpoint of a version, as a registry writes them. */
const checkpoint = Effect.fnUntraced(function* (history: History.History["Service"], version: number) {
  yield* history.checkpoint(version, yield* history.stateAt(version))
})

const load = Effect.fnUntraced(function* (
  history: History.History["Service"],
  baseline: State.State,
  version = history.info().head,
  options?: History.LoadOptions
) {
  const loaded = yield* history.load(baseline, version, options)
  loaded.adopt()
  return loaded.state
})

// ---------------------------------------------------------------- trees

interface Tree {
  /** The parent of v(i + 1), by a fraction of the versions before it; 999 is the one before. */
  readonly parents: ReadonlyArray<number>
  readonly values: ReadonlyArray<Values>
}

const ids = ["a:1", "a:2", "b:1", "base:1", "base:2"]
const value = fc.oneof(fc.nat({ max: 3 }), fc.constant(undefined), fc.constantFrom("other/1", "k/2"))
const tree = (max: number): fc.Arbitrary<Tree> =>
  fc
    .array(
      fc.tuple(
        fc.oneof({ weight: 3, arbitrary: fc.constant(999) }, { weight: 1, arbitrary: fc.nat({ max: 998 }) }),
        fc.dictionary(fc.constantFrom(...ids), value, { minKeys: 1, maxKeys: 3 })
      ),
      { minLength: 1, maxLength: max, size: "max" }
    )
    .map((nodes) => ({ parents: nodes.map(([parent]) => parent), values: nodes.map(([, values]) => values) }))

const parentOf = ({ parents }: Tree, version: number): number => {
  const at = parents[version - 1]!
  return at === 999 ? version - 1 : Math.floor((at / 999) * version)
}

/** The way that a search over all neighbours finds, and so the shortest. */
const searched = (parents: ReadonlyArray<number>, from: number, to: number): ReadonlyArray<History.Step> => {
  const ways = new Map<number, ReadonlyArray<History.Step>>([[from, []]])
  for (const [at, way] of ways) {
    const neighbours = parents.flatMap((parent, i): ReadonlyArray<History.Step> => {
      if (parent === at) return [{ version: i + 1, direction: "forward" }]
      return i + 1 === at ? [{ version: parent, direction: "backward" }] : []
    })
    for (const step of neighbours) if (!ways.has(step.version)) ways.set(step.version, [...way, step])
  }
  return ways.get(to)!
}

const baseline = stateOf(entry("base:1", 0), entry("base:2", 0))

/** A history of the tree, over a baseline, with the states that were seen when it grew. */
const grown = Effect.fnUntraced(function* (counted: Memory.Counted, tree: Tree) {
  const history = yield* over(counted)
  yield* load(history, baseline)
  const states = [show(baseline)]
  for (const [i, values] of tree.values.entries()) {
    const id = yield* grow(history, parentOf(tree, i + 1), values)
    states.push(show(yield* history.stateAt(id)))
  }
  return { history, states }
})

const property = <T extends ReadonlyArray<unknown>>(
  arbitraries: { readonly [K in keyof T]: fc.Arbitrary<T[K]> },
  body: (...values: T) => Effect.Effect<void, unknown>
) =>
  Effect.promise(() =>
    fc.assert(
      fc.asyncProperty(fc.tuple(...(arbitraries as unknown as ReadonlyArray<fc.Arbitrary<unknown>>)), (values) =>
        Effect.runPromise(body(...(values as unknown as T)))
      )
    )
  )

const fraction = fc.nat({ max: 999 })
const pick = (at: number, last: number) => Math.floor((at / 1000) * (last + 1))

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
