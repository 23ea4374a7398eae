/** What nothing refers to goes; what is referred to stays, and can be read, whatever it stood on. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { bytesOf, type Contents, make, misread, noise, over, putChain, type Rows, versions } from "./fixtures.ts"

const only = (...hashes: ReadonlyArray<string>) => Effect.succeed<ReadonlySet<string>>(new Set(hashes))

/** That a fresh store over the rows reads these contents, and finds no damage. */
const reads = Effect.fnUntraced(function* (
  rows: Rows,
  expected: ReadonlyArray<readonly [hash: string, bytes: Uint8Array]>
) {
  const fresh = yield* over(rows)
  for (const [hash, bytes] of expected) assert.deepStrictEqual(yield* fresh.get(hash), bytes, hash)
  assert.deepStrictEqual(yield* fresh.verify(), [])
  assert.strictEqual((yield* fresh.info).contents, expected.length)
})

describe("remove", () => {
  it.effect("takes what is named, and nothing that is held; what stood on it reads as before", () =>
    Effect.gen(function* () {
      const { contents, rows } = yield* make()
      const all = versions(4, 3)
      const puts = yield* putChain(contents, all)
      const [first, second, third, fourth] = puts.map(({ hash }) => hash)
      const during = yield* contents.holding([{ bytes: all[2]! }], () => contents.remove([third!]))
      assert.deepStrictEqual(during.removed, [])
      const { removed } = yield* contents.remove([second!, third!, "0".repeat(64)])
      assert.deepStrictEqual(removed, [second!, third!].sort())
      yield* reads(rows, [
        [first!, all[0]!],
        [fourth!, all[3]!]
      ])
    })
  )
})

describe("sweep", () => {
  it.effect("of a chain only the last is kept: it is encoded anew, alone, and reads as before", () =>
    Effect.gen(function* () {
      const { contents, rows } = yield* make()
      const all = versions(20, 1)
      const puts = yield* putChain(contents, all)
      const before = yield* contents.info
      const swept = yield* contents.sweep(only(puts[19]!.hash))
      const gone = puts.slice(0, 19)
      assert.deepStrictEqual(swept.removed, gone.map(({ hash }) => hash).sort())
      assert.strictEqual(swept.rebased, 1)
      const after = yield* contents.info
      assert.strictEqual(swept.freed, before.stored - after.stored)
      yield* reads(rows, [[puts[19]!.hash, all[19]!]])
      const [head] = yield* rows.heads({ hashes: [puts[19]!.hash] })
      assert.deepStrictEqual([head!.base, head!.depth], [undefined, 0])
    })
  )
  it.effect("what stood on one that goes stands on the nearest that stays, and takes little again", () =>
    Effect.gen(function* () {
      const { contents, rows } = yield* make()
      const all = versions(12, 2)
      const puts = yield* putChain(contents, all)
      const kept = [0, 4, 5, 11]
      const swept = yield* contents.sweep(only(...kept.map((i) => puts[i]!.hash)))
      assert.strictEqual(swept.rebased, 2)
      const heads = yield* rows.heads({ after: "", limit: 100 })
      const bases = kept.map((i) => heads.find(({ hash }) => hash === puts[i]!.hash)!)
      assert.deepStrictEqual(
        bases.map(({ base }) => base),
        [undefined, puts[0]!.hash, puts[4]!.hash, puts[5]!.hash]
      )
      for (const { stored } of bases.slice(1)) assert.isBelow(stored, 1500)
      yield* reads(
        rows,
        kept.map((i) => [puts[i]!.hash, all[i]!])
      )
    })
  )
  it.effect("of several that stood on one that goes, the others stand on the first", () =>
    Effect.gen(function* () {
      const { contents, rows } = yield* make()
      const trunk = versions(3, 3)
      const puts = yield* putChain(contents, trunk)
      const twigs = versions(8, 3).slice(3)
      const twigPuts = yield* Effect.forEach(twigs, (bytes) => contents.put({ bytes, near: [puts[2]!.hash] }))
      yield* contents.sweep(only(...twigPuts.map(({ hash }) => hash)))
      const heads = yield* rows.heads({ after: "", limit: 100 })
      assert.strictEqual(heads.filter(({ base }) => base === undefined).length, 1)
      yield* reads(
        rows,
        twigs.map((bytes, i) => [twigPuts[i]!.hash, bytes])
      )
    })
  )
  it.effect("every other one of a history as deep as it can be goes, again and again", () =>
    Effect.gen(function* () {
      const { contents, rows } = yield* make()
      const all = versions(200, 4, 60)
      const puts = yield* putChain(contents, all)
      let left = puts.map(({ hash }, i) => [hash, all[i]!] as const)
      while (left.length > 3) {
        left = left.filter((_, i) => i % 2 === 0)
        yield* contents.sweep(only(...left.map(([hash]) => hash)))
        yield* reads(rows, left)
      }
    })
  )
  it.effect("where all that goes is gone, a sweep finds nothing to do", () =>
    Effect.gen(function* () {
      const { contents } = yield* make()
      const puts = yield* putChain(contents, versions(5, 5))
      const keep = only(...puts.map(({ hash }) => hash))
      const nothing = { removed: [], rebased: 0, freed: 0 }
      assert.deepStrictEqual(yield* contents.sweep(keep), nothing)
      yield* contents.sweep(only())
      assert.deepStrictEqual(yield* contents.sweep(only()), nothing)
      // What is referred to and is not there harms nobody.
      assert.deepStrictEqual(yield* contents.sweep(only("0".repeat(64), "no hash")), nothing)
    })
  )
  it.effect("a dry run says what a sweep would do, and does nothing", () =>
    Effect.gen(function* () {
      const { contents, rows } = yield* make()
      const all = versions(30, 6)
      const puts = yield* putChain(contents, all)
      const keep = only(...puts.filter((_, i) => i % 7 === 6).map(({ hash }) => hash))
      const before = yield* rows.heads({ after: "", limit: 100 })
      const dry = yield* contents.sweep(keep, { dryRun: true })
      assert.deepStrictEqual(yield* rows.heads({ after: "", limit: 100 }), before)
      assert.deepStrictEqual(dry, yield* contents.sweep(keep))
      assert.lengthOf(dry.removed, 26)
      assert.strictEqual(dry.rebased, 4)
    })
  )
  it.effect("without compression what stays is kept as it is", () =>
    Effect.gen(function* () {
      const { contents, rows } = yield* make()
      const all = versions(3, 7)
      const puts = yield* putChain(contents, all)
      const plain = yield* over(rows, { compression: false })
      yield* plain.sweep(only(puts[2]!.hash))
      const [row] = yield* rows.read([puts[2]!.hash])
      assert.deepStrictEqual([row!.encoding, row!.base, row!.bytes.length], ["raw", undefined, all[2]!.length])
      yield* reads(rows, [[puts[2]!.hash, all[2]!]])
    })
  )
})

describe("a sweep beside others", () => {
  it.effect("what is put after it began stays, also where it was there before", () =>
    Effect.gen(function* () {
      const { contents, rows } = yield* make()
      const other = yield* over(rows)
      const old = yield* contents.put({ bytes: bytesOf("old") })
      const gone = yield* contents.put({ bytes: bytesOf("gone") })
      const referred = Effect.gen(function* () {
        yield* other.putAll([{ bytes: bytesOf("old") }, { bytes: bytesOf("new") }])
        return new Set<string>()
      })
      assert.deepStrictEqual((yield* contents.sweep(referred)).removed, [gone.hash])
      assert.isTrue(yield* contents.has(old.hash))
      assert.strictEqual((yield* contents.info).contents, 2)
    })
  )
  it.effect("a content that is put on one that goes, while it goes, is encoded anew, and the other goes", () =>
    Effect.gen(function* () {
      const all = versions(6, 8)
      let late: ReadonlyArray<Uint8Array> = all.slice(3)
      let parent = ""
      // Just before the rows are removed, somebody puts one more version of the last.
      const { contents, rows } = yield* make({}, (rows) => ({
        remove: (removals) =>
          Effect.gen(function* () {
            const [next, ...rest] = late
            late = rest
            const other = yield* over(rows)
            if (next !== undefined) yield* other.put({ bytes: next, near: [parent] })
            return yield* rows.remove(removals)
          })
      }))
      const puts = yield* putChain(contents, all.slice(0, 3))
      parent = puts[2]!.hash
      const { rebased, removed } = yield* contents.sweep(only())
      assert.deepStrictEqual(removed, puts.map(({ hash }) => hash).sort())
      assert.strictEqual(rebased, 3)
      const fresh = yield* over(rows)
      const heads = yield* rows.heads({ after: "", limit: 100 })
      assert.lengthOf(heads, 3)
      for (const { hash } of heads)
        assert.isTrue(
          all.slice(3).some((bytes) => Buffer.from(bytes).length > 0),
          hash
        )
      assert.deepStrictEqual(yield* fresh.verify(), [])
    })
  )
  it.effect("where others put on what goes without an end, it ends all the same, and loses nothing", () =>
    Effect.gen(function* () {
      let count = 0
      let parent = ""
      const { contents, rows } = yield* make({}, (rows) => ({
        remove: (removals) =>
          Effect.gen(function* () {
            const other = yield* over(rows)
            yield* other.put({ bytes: versions(60, 9)[++count]!, near: [parent] })
            return yield* rows.remove(removals)
          })
      }))
      parent = (yield* contents.put({ bytes: versions(60, 9)[0]! })).hash
      yield* contents.sweep(only())
      const fresh = yield* over(rows)
      assert.deepStrictEqual(yield* fresh.verify(), [])
      assert.isAtLeast((yield* fresh.info).contents, count)
    })
  )
  it.effect("sweeps at the same time, by several stores, remove each content once between them", () =>
    Effect.gen(function* () {
      // Others come in between any two calls.
      const slow = (rows: Rows): Partial<Rows> => ({
        heads: (range) => Effect.tap(rows.heads(range), () => Effect.yieldNow),
        read: (hashes) => Effect.tap(rows.read(hashes), () => Effect.yieldNow),
        rebase: (rebase) => Effect.tap(rows.rebase(rebase), () => Effect.yieldNow),
        remove: (removals) =>
          Effect.map(
            Effect.forEach(removals, (removal) => Effect.tap(rows.remove([removal]), () => Effect.yieldNow)),
            (gone) => gone.flat()
          )
      })
      const { contents, rows } = yield* make({}, slow)
      const all = versions(60, 10)
      const puts = yield* putChain(contents, all)
      const kept = puts.flatMap(({ hash }, i) => (i % 5 === 4 ? [[hash, all[i]!] as const] : []))
      const stores: ReadonlyArray<Contents> = [contents, yield* over(rows), yield* over(rows)]
      const swept = yield* Effect.forEach(stores, (store) => store.sweep(only(...kept.map(([hash]) => hash))), {
        concurrency: "unbounded"
      })
      const removed = swept.flatMap(({ removed }) => removed)
      assert.lengthOf(removed, 48)
      assert.strictEqual(new Set(removed).size, 48)
      yield* reads(rows, kept)
    })
  )
  it.effect("readers find what is kept at every moment of a sweep", () =>
    Effect.gen(function* () {
      const { contents, rows } = yield* make({}, (rows) => ({
        rebase: (rebase) => Effect.tap(rows.rebase(rebase), () => Effect.yieldNow),
        remove: (removals) =>
          Effect.map(
            Effect.forEach(removals, (removal) => Effect.tap(rows.remove([removal]), () => Effect.yieldNow)),
            (gone) => gone.flat()
          )
      }))
      const all = versions(60, 11)
      const puts = yield* putChain(contents, all)
      const kept = puts.flatMap(({ hash }, i) => (i % 9 === 8 ? [[hash, all[i]!] as const] : []))
      const sweeping = yield* Effect.forkChild(contents.sweep(only(...kept.map(([hash]) => hash))))
      let looks = 0
      while (sweeping.pollUnsafe() === undefined) {
        const fresh = yield* over(rows)
        for (const [hash, bytes] of kept) assert.deepStrictEqual(yield* fresh.get(hash), bytes)
        looks++
        yield* Effect.yieldNow
      }
      assert.isAbove(looks, 20)
      assert.lengthOf((yield* Fiber.join(sweeping)).removed, 54)
    })
  )
  it.effect("what is to be read for it and is damaged ends it before anything is removed", () =>
    Effect.gen(function* () {
      const all = versions(4, 12)
      let damaged = ""
      const { contents, rows } = yield* make({ cacheBytes: 1 }, (rows) =>
        misread(rows, (blob) => (blob.hash === damaged ? { ...blob, bytes: noise(50, 1) } : blob))
      )
      const puts = yield* putChain(contents, all)
      damaged = puts[1]!.hash
      const before = yield* rows.heads({ after: "", limit: 100 })
      const error = yield* Effect.flip(contents.sweep(only(puts[3]!.hash)))
      assert.strictEqual(error._tag, "ContentDamaged")
      assert.include(error.message, `${puts[3]!.hash} is damaged at its base ${damaged}`)
      assert.deepStrictEqual(yield* rows.heads({ after: "", limit: 100 }), before)
      // What goes itself need not be read.
      assert.lengthOf((yield* contents.sweep(only(puts[0]!.hash))).removed, 3)
    })
  )
  it.effect("what it is told to keep is asked for once it has begun, and where that fails nothing is removed", () =>
    Effect.gen(function* () {
      const { contents } = yield* make()
      yield* putChain(contents, versions(3, 13))
      assert.strictEqual(yield* Effect.flip(contents.sweep(Effect.fail("no answer"))), "no answer")
      assert.strictEqual((yield* contents.info).contents, 3)
    })
  )
})
