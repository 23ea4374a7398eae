import { describe, expect, it } from "@effect/vitest"
import * as ChangeSet from "@heph/changeset/ChangeSet"
import * as Operation from "@heph/changeset/Operation"
import type * as History from "@heph/history/History"
import type { Run, VersionRecord } from "@heph/history/HistoryStore"
import * as Packed from "@heph/history/Packed"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import * as fc from "fast-check"
import { thinned } from "../src/internal/checkpoints.ts"
import {
  baseline,
  checkpoint,
  draft,
  entry,
  fraction,
  grow,
  grown,
  load,
  over,
  parentOf,
  pick,
  property,
  searched,
  show,
  tree
} from "./grown.ts"
import * as Memory from "./memory.ts"

type History_ = History.History["Service"]

const idsOf = (runs: ReadonlyArray<Run>) =>
  runs.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, i) => first + i))

/** Every version there is, as plain data. */
const rows = (history: History_) =>
  Effect.flatMap(history.versions({ after: 0, limit: 1000 }), (records) =>
    Effect.forEach(records, ({ changeset, ...fields }: VersionRecord) =>
      Effect.map(changeset.bytes, (bytes) => ({ ...fields, bytes }))
    )
  )

/** A chain of so many versions, each of which sets one of three entries. */
const chain = Effect.fnUntraced(function* (counted: Memory.Counted, length: number) {
  const history = yield* over(counted)
  yield* load(history, baseline)
  for (let i = 0; i < length; i++) yield* grow(history, i, { [`a:${i % 3}`]: i })
  return history
})

describe("compaction", () => {
  it.effect("leaves kept versions as they were, and the states and ways of all that stay (property)", () =>
    property(
      [
        tree(25),
        fc.array(fraction, { maxLength: 3 }),
        fc.array(fraction, { maxLength: 4 }),
        fc.array(fc.nat({ max: 8 }), { minLength: 1, maxLength: 3 }),
        fraction
      ],
      (tree, tags, checkpoints, keeping, at) =>
        Effect.gen(function* () {
          const counted = Memory.make()
          const { history, states } = yield* grown(counted, tree)
          const last = tree.parents.length
          const parents = tree.parents.map((_, i) => parentOf(tree, i + 1))
          for (const [i, one] of tags.entries()) yield* history.tag(`tag-${i}`, pick(one, last))
          for (const one of checkpoints) yield* checkpoint(history, pick(one, last))
          yield* history.moveHead(pick(at, last), 1)
          // Remembers every version as it was, and hears of nothing.
          const behind = yield* over(counted)
          yield* load(behind, baseline, last)
          for (let version = 1; version <= last; version++) yield* behind.version(version)

          for (const versions of keeping) {
            const before = yield* rows(history)
            const planned = yield* history.compact({ keep: { versions }, dryRun: true })
            expect(yield* rows(history)).toEqual(before)
            expect(yield* history.compact({ keep: { versions } })).toEqual(planned)
            const after = yield* rows(history)
            const left = new Set([0, ...after.map(({ id }) => id)])
            expect([...idsOf(planned.dropped), ...left].sort((a, b) => a - b)).toEqual(
              [0, ...before.map(({ id }) => id)].sort((a, b) => a - b)
            )
            expect([planned.before, planned.after]).toEqual([before.length, after.length])

            const tagged = tags.map((one) => pick(one, last))
            const newest = before.slice(before.length - versions).map(({ id }) => id)
            const kept = new Set([...newest, ...tagged, pick(at, last), last].filter((id) => id > 0))
            for (const row of before) {
              const isAsCommitted = row.folded === undefined
              if (kept.has(row.id) && isAsCommitted) expect(after.find(({ id }) => id === row.id)).toEqual(row)
            }
            const fresh = yield* over(counted)
            yield* load(fresh, baseline)
            for (const reader of [history, behind, fresh]) {
              for (const version of left) expect(show(yield* reader.stateAt(version))).toEqual(states[version])
              yield* reader.refresh
              for (const to of kept) {
                const way = searched(parents, pick(at, last), to).filter(({ version }) => left.has(version))
                expect(yield* reader.path(pick(at, last), to)).toEqual(way)
              }
              for (const version of idsOf(planned.dropped)) {
                expect(yield* Effect.flip(reader.resolve(version))).toMatchObject({
                  _tag: "UnknownVersion",
                  next: Math.min(...[...left].filter((id) => id > version))
                })
              }
            }
            expect((yield* fresh.verify).damage).toEqual([])
            expect((yield* history.compact({ keep: { versions } })).dropped).toEqual([])
          }
          const id = yield* grow(history, history.info().head, { "a:1": "more" })
          expect(id).toBe(last + 1)
        })
    )
  )

  it.effect("keeps what its policy says: the newest, the young, head, tags, and the last of all", () =>
    Effect.gen(function* () {
      const counted = Memory.make()
      const history = yield* over(counted)
      for (let i = 0; i < 20; i++) {
        yield* history.append([{ ...draft(i, [Operation.create(entry(`a:${i}`))]), timestamp: 1000 * (i + 1) }])
      }
      yield* history.tag("release", 5)
      yield* history.moveHead(9, 1)
      yield* TestClock.setTime(20_000)
      const kept = (keep: History.Keep) =>
        Effect.map(history.compact({ keep, dryRun: true }), ({ dropped }) => {
          const gone = new Set(idsOf(dropped))
          return Array.from({ length: 20 }, (_, i) => i + 1).filter((id) => !gone.has(id))
        })
      // Each comes with its parent, which holds what was dropped before it.
      expect(yield* kept({})).toEqual([4, 5, 8, 9, 19, 20])
      expect(yield* kept({ versions: 3 })).toEqual([4, 5, 8, 9, 17, 18, 19, 20])
      expect(yield* kept({ age: "3 seconds" })).toEqual([4, 5, 8, 9, 16, 17, 18, 19, 20])
      expect(yield* kept({ age: "1 second", versions: 4 })).toEqual([4, 5, 8, 9, 16, 17, 18, 19, 20])
      expect(yield* kept({ versions: 100 })).toEqual(Array.from({ length: 20 }, (_, i) => i + 1))
    })
  )

  it.effect("says how many versions one stands for, over several compactions", () =>
    Effect.gen(function* () {
      const history = yield* chain(Memory.make(), 30)
      yield* history.compact({ keep: { versions: 10 } })
      expect(yield* history.version(20)).toMatchObject({ parent: 0, folded: 19 })
      yield* history.compact({ keep: { versions: 2 } })
      expect(yield* history.version(28)).toMatchObject({ parent: 0, folded: 27 })
      expect(history.info().dropped).toEqual([[1, 27]])
    })
  )

  it.effect("drops the checkpoints of versions that go, and one that is what leads there from v0", () =>
    Effect.gen(function* () {
      const counted = Memory.make()
      const history = yield* chain(counted, 30)
      for (const version of [5, 20, 25]) yield* checkpoint(history, version)
      const { checkpoints } = yield* history.compact({ keep: { versions: 10 } })
      expect(checkpoints).toEqual([5, 20])
      expect([...counted.checkpoints.keys()]).toEqual([25])
      expect(history.info().checkpoints).toEqual([25])
    })
  )

  it.effect("plans again where a version came to be needed meanwhile", () =>
    Effect.gen(function* () {
      const counted = Memory.make()
      const asked: Array<ReadonlyArray<Run>> = []
      const history = yield* over({
        store: {
          ...counted.store,
          compact: (compaction) => {
            asked.push(compaction.drop)
            const first = asked.length === 1 ? counted.store.tag("late", 4) : Effect.void
            return Effect.andThen(Effect.orDie(first), counted.store.compact(compaction))
          }
        }
      })
      for (let i = 0; i < 10; i++) yield* grow(history, i, { "a:1": i })
      const { dropped } = yield* history.compact({ keep: { versions: 2 } })
      expect(asked).toEqual([
        [[1, 7]],
        [
          [1, 2],
          [5, 7]
        ]
      ])
      expect(dropped).toEqual(asked[1])
      expect(show(yield* history.stateAt(4))).toEqual([["a:1", "k", 3]])
    })
  )

  it.effect("leaves verify to find what is damaged, once, however large the gaps are", () =>
    Effect.gen(function* () {
      const counted = Memory.make()
      const history = yield* chain(counted, 560)
      const wrong = [Operation.update(entry("a:0", "more"), entry("a:0", "never was"))]
      yield* history.append([draft(301, wrong)])
      const before = (yield* history.verify).damage
      expect(before.map(({ what }) => what)).toEqual(["v561"])
      const { after } = yield* history.compact({ keep: { versions: 260 } })
      counted.read()
      expect((yield* history.verify).damage).toEqual(before)
      // Two readings of what is left, and not of what there ever was.
      expect(counted.read().versions).toBe(2 * after)
    })
  )

  it.effect("and checkpoints that another process dropped are no damage", () =>
    Effect.gen(function* () {
      const counted = Memory.make()
      const history = yield* chain(counted, 10)
      yield* checkpoint(history, 9)
      const behind = yield* over(counted)
      yield* load(behind, baseline)
      yield* history.compact({ keep: { versions: 1 } })
      expect(counted.checkpoints.size).toBe(0)
      expect((yield* behind.verify).damage).toEqual([])
    })
  )

  it.effect("beside another one is planned again, whatever that one took away meanwhile", () =>
    Effect.gen(function* () {
      for (const moment of ["the survey", "a page", "a checkpoint"] as const) {
        const counted = Memory.make()
        const other = yield* chain(counted, 200)
        if (moment === "a checkpoint") yield* checkpoint(other, 100)
        let isDone = false
        const meanwhile = (at: typeof moment) =>
          Effect.suspend(() => {
            if (isDone || at !== moment) return Effect.void
            isDone = true
            return Effect.orDie(Effect.asVoid(other.compact({ keep: { versions: 20 } })))
          })
        const { store } = counted
        const history = yield* over({
          store: {
            ...store,
            versions: (range) =>
              Effect.tap(store.versions(range), () => meanwhile("ids" in range ? "a page" : "the survey")),
            checkpoints: {
              ...store.checkpoints,
              load: (version) => Effect.andThen(meanwhile("a checkpoint"), store.checkpoints.load(version))
            }
          }
        })
        yield* history.compact({ keep: { versions: 60 } })
        const { before } = yield* history.compact({ keep: { versions: 60 } })
        expect([moment, before]).toEqual([moment, 21])
        expect(isDone).toBe(true)
        expect((yield* history.verify).damage).toEqual([])
        const states = yield* over(counted)
        yield* load(states, baseline)
        expect(show(yield* states.stateAt(200)).find(([id]) => id === "a:1")).toEqual(["a:1", "k", 199])
      }
    })
  )

  it.effect("of a history that is damaged changes nothing", () =>
    Effect.gen(function* () {
      const counted = Memory.make()
      const history = yield* chain(counted, 10)
      const changeset = Packed.fromChangeSet([Operation.create(entry("a:0", "again"))])
      counted.versions[3] = { ...counted.versions[3]!, changeset }
      const again = yield* over(counted)
      const error = yield* Effect.flip(again.compact({ keep: { versions: 3 } }))
      expect(error).toMatchObject({ _tag: "HistoryStoreError", reason: "Corrupt" })
      expect(error.message).toContain("v4 does not follow")
      expect((yield* rows(history)).map(({ id }) => id)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    })
  )
})

describe("the checkpoints that are kept", () => {
  it("are a few dozen at most, and an old version is near one for its age", () => {
    const step = 100
    let checkpoints: ReadonlyArray<number> = []
    for (let newest = step; newest <= 10_000 * step; newest += step) {
      checkpoints = thinned([...checkpoints, newest])
      expect(checkpoints.at(-1)).toBe(newest)
      expect(checkpoints.length).toBeLessThanOrEqual(8 + 4 * Math.ceil(Math.log2(newest / step + 1)))
    }
    for (const [i, version] of checkpoints.entries()) {
      const before = checkpoints[i - 1] ?? 0
      expect(version - before).toBeLessThanOrEqual(Math.max(step, (10_000 * step - before) / 4))
    }
  })

  /** Versions of so many operations each, with a checkpoint of each, on so many entries. */
  const written = Effect.fnUntraced(function* (versions: number, operations: number, entries: number) {
    const counted = Memory.make()
    const history = yield* over(counted)
    let done = 0
    for (let version = 1; version <= versions; version++) {
      const state = yield* history.stateAt(version - 1)
      const changes = Array.from({ length: operations }, () => {
        const made = entry(`a:${done % entries}`, done++)
        const there = state.get(made.id)
        return there === undefined ? Operation.create(made) : Operation.update(made, there)
      })
      yield* history.append([draft(version - 1, changes)])
      const next = Result.getOrThrow(ChangeSet.apply(state, changes))
      history.keep(version, next)
      yield* history.checkpoint(version, next)
    }
    return [...counted.checkpoints.keys()]
  })

  it.effect("are not those that a growing history has outgrown", () =>
    Effect.gen(function* () {
      expect(yield* written(6, 100, Infinity)).toEqual([6])
    })
  )

  it.effect("are far enough apart to be worth their room", () =>
    Effect.gen(function* () {
      // An update is read as two operations. Three readings of the state are two versions, so that every second one goes.
      expect(yield* written(9, 80, 100)).toEqual([3, 5, 7, 9])
    })
  )
})
