import { describe, expect, it } from "@effect/vitest"
import * as Operation from "@heph/changeset/Operation"
import * as State from "@heph/entry/State"
import { type HistoryStore, HistoryStoreError } from "@heph/history/HistoryStore"
import * as Transfer from "@heph/history/Transfer"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { checkpoint, draft, entry, fraction, grow, grown, load, over, pick, property, show, tree } from "./grown.ts"
import * as Memory from "./memory.ts"

type Store = HistoryStore["Service"]

/** Everything a store holds, as plain data. */
const everything = Effect.fnUntraced(function* (store: Store) {
  const { checkpoints, tags, ...info } = yield* store.info
  return {
    info,
    tags: [...tags].sort(([a], [b]) => (a < b ? -1 : 1)),
    checkpoints: yield* Effect.forEach(checkpoints, (version) =>
      Effect.map(store.checkpoints.load(version), (chunks) => ({ version, chunks }))
    ),
    heads: yield* store.heads(0, 10_000),
    versions: yield* Effect.flatMap(store.versions({ after: 0, limit: 10_000 }), (records) =>
      Effect.forEach(records, ({ changeset, ...fields }) =>
        Effect.map(changeset.bytes, (bytes) => ({ ...fields, bytes }))
      )
    )
  }
})

/** A store whose writes fail once so many were done. */
const failing = (store: Store, writes: number): Store => {
  let left = writes
  const gate = <A, E>(write: Effect.Effect<A, E>): Effect.Effect<A, E | HistoryStoreError> =>
    Effect.suspend((): Effect.Effect<A, E | HistoryStoreError> =>
      left-- > 0 ? write : Effect.fail(new HistoryStoreError({ reason: "Unavailable", store: "test", detail: "gone" }))
    )
  return {
    ...store,
    append: (versions, revision) => gate(store.append(versions, revision)),
    moveHead: (version, timestamp, revision) => gate(store.moveHead(version, timestamp, revision)),
    tag: (name, version) => gate(store.tag(name, version)),
    compact: (compaction) => gate(store.compact(compaction)),
    checkpoints: { ...store.checkpoints, save: (version, chunks) => gate(store.checkpoints.save(version, chunks)) }
  }
}

describe("a transfer", () => {
  it.effect("brings everything, wherever it is broken off and begun again (property)", () =>
    property(
      [
        tree(25),
        fc.array(fraction, { maxLength: 3 }),
        fc.array(fraction, { maxLength: 3 }),
        fc.option(fc.nat({ max: 10 })),
        fc.array(fc.nat({ max: 12 }), { maxLength: 4 }),
        fc.array(fraction, { maxLength: 3 })
      ],
      (tree, tags, checkpoints, keep, breaks, later) =>
        Effect.gen(function* () {
          const source = Memory.make()
          const { history } = yield* grown(source, tree)
          const last = tree.parents.length
          for (const [i, one] of tags.entries()) {
            yield* history.tag(`tag-${i}`, pick(one, last))
            yield* history.moveHead(pick(one, last), i)
          }
          for (const one of checkpoints) yield* checkpoint(history, pick(one, last))
          if (keep !== null) yield* history.compact({ keep: { versions: keep } })

          const target = Memory.make()
          for (const writes of breaks) {
            const broken = yield* Effect.result(Transfer.transfer(source.store, failing(target.store, writes)))
            if (broken._tag === "Failure") expect(broken.failure).toMatchObject({ reason: "Unavailable" })
          }
          yield* Transfer.transfer(source.store, target.store)
          expect(yield* everything(target.store)).toEqual(yield* everything(source.store))

          // The source goes on, and is compacted again: what came is brought over what is there.
          for (const [i, one] of later.entries()) {
            yield* history.moveHead(history.info().head, i)
            yield* grow(history, history.info().head, { "a:1": one })
          }
          if (keep !== null) yield* history.compact({ keep: { versions: 1 } })
          const done = yield* Transfer.transfer(source.store, target.store)
          const there = (yield* source.store.versions({ after: 0, limit: 1000 })).map(({ id }) => id)
          expect(done).toMatchObject({ versions: there.length, copied: there.filter((id) => id > last).length })
          expect(yield* everything(target.store)).toEqual(yield* everything(source.store))
          const opened = yield* over(target)
          expect((yield* opened.verify).damage).toEqual([])
        })
    )
  )

  it.effect("compares states at head, tags, and versions in between", () =>
    Effect.gen(function* () {
      const source = Memory.make()
      const history = yield* over(source)
      for (let i = 0; i < 40; i++) yield* grow(history, i, { "a:1": i })
      yield* history.tag("release", 7)
      const { verified } = yield* Transfer.transfer(source.store, Memory.make().store, { samples: 4 })
      expect(verified).toEqual([0, 7, 10, 20, 30, 40])
    })
  )

  it.effect("goes on until it has caught up with writers of the source", () =>
    Effect.gen(function* () {
      const source = Memory.make()
      const history = yield* over(source)
      for (let i = 0; i < 5; i++) yield* grow(history, i, { "a:1": i })
      const target = Memory.make()
      let writes = 3
      const busy: Store = {
        ...target.store,
        append: (versions, revision) =>
          Effect.tap(target.store.append(versions, revision), () =>
            writes-- > 0 ? Effect.orDie(grow(history, history.info().head, { "a:2": writes })) : Effect.void
          )
      }
      const { copied } = yield* Transfer.transfer(source.store, busy)
      expect(copied).toBe(8)
      expect(yield* everything(target.store)).toEqual(yield* everything(source.store))
    })
  )

  it.effect("copies all moves before it drops what a compaction meanwhile dropped", () =>
    Effect.gen(function* () {
      for (let moment = 1; moment <= 8; moment++) {
        const source = Memory.make()
        const history = yield* over(source)
        for (let i = 0; i < 10; i++) yield* grow(history, i, { "a:1": i })
        let asked = 0
        const info = Effect.gen(function* () {
          if (++asked === moment) {
            yield* history.moveHead(3, 1)
            yield* grow(history, 3, { "a:1": "branch" })
            yield* history.moveHead(10, 2)
            yield* history.compact({ keep: { versions: 2 } })
          }
          return yield* source.store.info
        })
        const target = Memory.make()
        yield* Transfer.transfer({ ...source.store, info: Effect.orDie(info) }, target.store)
        yield* Transfer.transfer(source.store, target.store)
        expect(yield* everything(target.store)).toEqual(yield* everything(source.store))
      }
    })
  )

  it.effect("moves the tags of the source, and leaves those that the target alone has", () =>
    Effect.gen(function* () {
      const [source, target] = [Memory.make(), Memory.make()]
      const history = yield* over(source)
      for (let i = 0; i < 3; i++) yield* grow(history, i, { "a:1": i })
      yield* history.tag("release", 1)
      yield* Transfer.transfer(source.store, target.store)
      yield* history.tag("release", 2)
      yield* target.store.tag("here", 3)
      yield* Transfer.transfer(source.store, target.store)
      expect((yield* target.store.info).tags).toEqual(
        new Map([
          ["release", 2],
          ["here", 3]
        ])
      )
    })
  )

  it.effect("refuses a target in which more was dropped", () =>
    Effect.gen(function* () {
      const [source, target] = [Memory.make(), Memory.make()]
      const history = yield* over(source)
      for (let i = 0; i < 2; i++) yield* grow(history, i, { "a:1": i })
      yield* grow(history, 2, { "c:1": 1 })
      yield* history.moveHead(2, 1)
      for (let i = 2; i < 4; i++) yield* grow(history, history.info().head, { "a:1": i })
      yield* Transfer.transfer(source.store, target.store)
      const other = yield* over(target)
      yield* other.tag("one", 1)
      expect((yield* other.compact({ keep: { versions: 2 } })).dropped).toEqual([[3, 3]])
      expect(yield* Effect.flip(Transfer.transfer(source.store, target.store))).toMatchObject({
        _tag: "TargetDiffers",
        what: "v3"
      })
    })
  )

  it.effect("refuses a target with another history, and changes nothing of it", () =>
    Effect.gen(function* () {
      const source = Memory.make()
      const history = yield* over(source)
      for (let i = 0; i < 5; i++) yield* grow(history, i, { "a:1": i })
      const others: ReadonlyArray<readonly [what: string, values: ReadonlyArray<number>, move?: number]> = [
        ["v2", [0, 9]],
        ["head", [0, 1, 2, 3, 4, 5]],
        ["move 3 of head", [0, 1], 1]
      ]
      for (const [what, values, move] of others) {
        const target = Memory.make()
        const other = yield* over(target)
        for (const [i, value] of values.entries()) yield* grow(other, i, { "a:1": value })
        if (move !== undefined) yield* other.moveHead(move, 1)
        const before = yield* everything(target.store)
        expect(yield* Effect.flip(Transfer.transfer(source.store, target.store))).toMatchObject({
          _tag: "TargetDiffers",
          what
        })
        expect(yield* everything(target.store)).toEqual(before)
      }
      const elsewhen = Memory.make()
      const store: Store = {
        ...elsewhen.store,
        info: Effect.map(elsewhen.store.info, (info) => ({ ...info, created: 9 }))
      }
      expect(yield* Effect.flip(Transfer.transfer(source.store, store))).toMatchObject({ what: "v0" })
    })
  )

  it.effect("finds a store that gives back another state than it was given", () =>
    Effect.gen(function* () {
      const source = Memory.make()
      const history = yield* over(source)
      for (let i = 0; i < 5; i++) yield* grow(history, i, { "a:1": i })
      yield* checkpoint(history, 5)
      const target = Memory.make()
      const forgetful: Store = {
        ...target.store,
        checkpoints: { ...target.store.checkpoints, save: (version) => target.store.checkpoints.save(version, []) }
      }
      expect(yield* Effect.flip(Transfer.transfer(source.store, forgetful))).toMatchObject({
        _tag: "TargetDiffers",
        what: "a:1 at v5"
      })
    })
  )

  it.effect("brings what versions refer to before them, again for those that came since", () =>
    Effect.gen(function* () {
      const source = Memory.make()
      const history = yield* over(source)
      for (let i = 0; i < 3; i++) yield* grow(history, i, { "a:1": i })
      const target = Memory.make()
      const appends: Array<string> = []
      const watched: Store = {
        ...target.store,
        append: (versions, revision) => {
          appends.push(`v${versions[0]!.id} to v${versions.at(-1)!.id}`)
          return target.store.append(versions, revision)
        }
      }
      const first = Effect.gen(function* () {
        appends.push("first")
        if (appends.length === 1) yield* grow(history, 3, { "a:1": 3 })
      })
      yield* Transfer.transfer(source.store, watched, { first })
      expect(appends).toEqual(["first", "v1 to v3", "first", "v4 to v4"])
      const failing = { first: Effect.fail("no room") }
      yield* grow(history, 4, { "a:1": 4 })
      expect(yield* Effect.flip(Transfer.transfer(source.store, target.store, failing))).toBe("no room")
      expect((yield* target.store.info).last).toBe(4)
    })
  )

  it.effect("tells how far it is", () =>
    Effect.gen(function* () {
      const source = Memory.make()
      const history = yield* over(source)
      for (let i = 0; i < 1200; i++) yield* history.append([draft(i, [Operation.create(entry(`a:${i}`))])])
      const told: Array<string> = []
      const target = Memory.make()
      yield* Transfer.transfer(source.store, target.store, {
        samples: 0,
        onProgress: ({ done, phase, total }) => told.push(`${phase} ${done}/${total}`)
      })
      expect(told).toEqual([
        "copying 500/1200",
        "copying 1000/1200",
        "copying 1200/1200",
        "verifying 1/2",
        "verifying 2/2"
      ])
      const opened = yield* over(target)
      expect(show(yield* load(opened, State.empty)).length).toBe(1200)
    })
  )
})
