/** What is stored comes back, and takes little. */
import { hash as sha } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import type * as ContentStore from "@heph/content/ContentStore"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { depthLimit } from "../src/internal/encoding.ts"
import { bytesOf, type Contents, make, noise, over, putChain, random, textOf, versions } from "./fixtures.ts"

const nowhere = "0".repeat(64)

describe("put and get", () => {
  it.effect("content is kept under its SHA-256 and comes back as it was", () =>
    Effect.gen(function* () {
      const { contents } = yield* make()
      const bytes = bytesOf("hello\n")
      const put = yield* contents.put({ bytes })
      assert.strictEqual(put.hash, "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03")
      assert.deepStrictEqual(put, { hash: put.hash, size: 6, wasThere: false, stored: 6, base: undefined })
      assert.deepStrictEqual(yield* contents.get(put.hash), bytes)
      assert.isTrue(yield* contents.has(put.hash))
    })
  )
  it.effect("content that is there is found, takes nothing more, and tells what it stands on", () =>
    Effect.gen(function* () {
      const { contents, rows } = yield* make()
      const [one, two] = yield* putChain(contents, versions(2, 1))
      assert.strictEqual(two!.base, one!.hash)
      const before = yield* contents.info
      for (const store of [contents, yield* over(rows)]) {
        const again = yield* store.put({ bytes: versions(2, 1)[1]! })
        assert.deepStrictEqual(again, { ...two!, wasThere: true, stored: 0 })
      }
      assert.deepStrictEqual(yield* contents.info, before)
    })
  )
  it.effect("what is not there is missing: an unknown hash, one that is removed, what is no hash", () =>
    Effect.gen(function* () {
      const { contents } = yield* make()
      const { hash } = yield* contents.put({ bytes: bytesOf("gone") })
      yield* contents.get(hash)
      yield* contents.sweep(Effect.succeed(new Set()))
      for (const missing of [nowhere, hash, hash.toUpperCase(), "", "main.ts", `${nowhere}0`]) {
        const error = yield* Effect.flip(contents.get(missing))
        assert.strictEqual(error._tag, "ContentMissing")
        assert.include(error.message, `no content ${missing}`)
        assert.isFalse(yield* contents.has(missing))
      }
    })
  )
  it.effect("several are stored in one write: in order, each near those before it, doubles once", () =>
    Effect.gen(function* () {
      let writes = 0
      const { contents } = yield* make({}, (rows) => ({
        write: (write) => Effect.suspend(() => (writes++, rows.write(write)))
      }))
      const [one, two] = versions(2, 2)
      const hashes = [one!, two!].map((bytes) => sha("sha256", bytes))
      const puts = yield* contents.putAll([
        { bytes: one! },
        { bytes: two!, near: [nowhere, hashes[0]!] },
        { bytes: one!, near: [hashes[1]!] }
      ])
      assert.strictEqual(writes, 1)
      assert.deepStrictEqual(
        puts.map(({ base, hash, wasThere }) => [hash, base, wasThere]),
        [
          [hashes[0], undefined, false],
          [hashes[1], hashes[0], false],
          [hashes[0], undefined, true]
        ]
      )
      assert.deepStrictEqual(yield* contents.get(hashes[1]!), two)
      assert.deepStrictEqual(yield* contents.putAll([]), [])
      assert.strictEqual(writes, 1)
    })
  )
  it.effect("what is near and is not there, no hash, or the content itself counts for nothing", () =>
    Effect.gen(function* () {
      const { contents } = yield* make()
      const [one, two] = versions(2, 3)
      const put = yield* contents.put({ bytes: one!, near: [nowhere, "parent", sha("sha256", one!)] })
      assert.strictEqual(put.base, undefined)
      const next = yield* contents.put({ bytes: two!, near: [sha("sha256", two!), nowhere, "", put.hash] })
      assert.strictEqual(next.base, put.hash)
      assert.deepStrictEqual(yield* contents.get(next.hash), two)
    })
  )
  it.effect("bytes may be changed after they were put, and after they were got", () =>
    Effect.gen(function* () {
      const { contents } = yield* make()
      const [one, two] = versions(2, 4)
      // A Buffer, whose `slice` is no copy.
      const given = Buffer.from(one!)
      const { hash } = yield* contents.put({ bytes: given })
      given.fill(0)
      const got = yield* contents.get(hash)
      assert.deepStrictEqual(got, one)
      got.fill(0)
      assert.deepStrictEqual(yield* contents.get(hash), one)
      const next = yield* contents.put({ bytes: two!, near: [hash] })
      assert.deepStrictEqual(yield* contents.get(next.hash), two)
    })
  )
  it.effect("what is got is a plain Uint8Array", () =>
    Effect.gen(function* () {
      const { contents, rows } = yield* make()
      const puts = yield* putChain(contents, versions(2, 4))
      const fresh = yield* over(rows)
      for (const { hash } of puts) assert.strictEqual((yield* fresh.get(hash)).constructor, Uint8Array)
    })
  )
})

describe("what content takes", () => {
  const sizes = [0, 1, 2, 7, 8, 9, 63, 64, 1000, 5_000_000]
  it.effect("contents of any size come back, near each other or not, and never take more than they are", () =>
    Effect.gen(function* () {
      const { contents, rows } = yield* make()
      const texts = sizes.map((size) => new Uint8Array(size).fill(97))
      const noises = sizes.map((size) => noise(size, size))
      let near: Array<string> = []
      for (const bytes of [...texts, ...noises, ...texts.map((text) => Uint8Array.of(...text.subarray(0, 1000), 98))]) {
        const put = yield* contents.put({ bytes, near })
        assert.isAtMost(put.stored, bytes.length)
        near = [put.hash, ...near].slice(0, 3)
        const fresh = yield* over(rows)
        assert.isTrue(Buffer.from(bytes).equals(yield* fresh.get(put.hash)), `${bytes.length} bytes`)
      }
    })
  )
  it.effect("content that begins like a zstd dictionary is stood on by nobody, and comes back", () =>
    Effect.gen(function* () {
      const { contents, rows } = yield* make()
      const dictionary = Uint8Array.of(0x37, 0xa4, 0x30, 0xec, ...noise(2000, 1))
      const { hash } = yield* contents.put({ bytes: dictionary })
      const next = Uint8Array.of(...dictionary, 1)
      const put = yield* contents.put({ bytes: next, near: [hash] })
      assert.strictEqual(put.base, undefined)
      const fresh = yield* over(rows)
      assert.deepStrictEqual(yield* fresh.get(hash), dictionary)
      assert.deepStrictEqual(yield* fresh.get(put.hash), next)
    })
  )
  it.effect("a version takes about what changed, also of a file of megabytes", () =>
    Effect.gen(function* () {
      const { contents } = yield* make()
      const large = noise(6_000_000, 5)
      const changed = large.slice()
      changed.set([1, 2, 3], 10)
      changed.set([4, 5, 6], 5_900_000)
      const one = yield* contents.put({ bytes: large })
      const two = yield* contents.put({ bytes: changed, near: [one.hash] })
      assert.strictEqual(two.base, one.hash)
      assert.isBelow(two.stored, 1000)
      assert.isTrue(Buffer.from(changed).equals(yield* contents.get(two.hash)))
    })
  )
  it.effect("where the parent is of no use, the nearest of the others is taken, or none", () =>
    Effect.gen(function* () {
      const { contents } = yield* make()
      const below = random(8)
      const words = (n: number) => Array.from({ length: n }, () => below(1e9).toString(36)).join(" ")
      const own = words(500)
      const parent = yield* contents.put({ bytes: bytesOf(words(500)) })
      const like = yield* contents.put({ bytes: bytesOf(`${own} and more`) })
      const other = yield* contents.put({ bytes: bytesOf(words(500)) })
      const near = [parent.hash, other.hash, like.hash]
      assert.strictEqual((yield* contents.put({ bytes: bytesOf(own), near })).base, like.hash)
      assert.strictEqual((yield* contents.put({ bytes: bytesOf(words(500)), near })).base, undefined)
    })
  )
  it.effect("a long history keeps to the limit of depth, takes little, and each version of it comes back", () =>
    Effect.gen(function* () {
      const { contents, rows } = yield* make()
      const count = 400
      const all = versions(count, 6, 60)
      const puts = yield* putChain(contents, all)
      const heads = yield* rows.heads({ after: "", limit: 1000 })
      const limit = depthLimit(all[0]!.length)
      const depths = heads.map(({ depth }) => depth)
      assert.strictEqual(Math.max(...depths), limit)
      assert.isBelow(depths.filter((depth) => depth === 0).length, 8)
      const chains = yield* Effect.forEach(puts, ({ hash }) => rows.read([hash]))
      assert.isAtMost(Math.max(...chains.map((chain) => chain.length - 1)), limit)
      assert.isBelow((yield* contents.info).stored, all.reduce((sum, { length }) => sum + length, 0) / 25)
      const fresh = yield* over(rows)
      for (const i of [0, 1, 127, 128, 129, 200, 399]) {
        assert.deepStrictEqual(yield* fresh.get(puts[i]!.hash), all[i], `version ${i}`)
      }
      assert.deepStrictEqual(yield* fresh.verify(), [])
    })
  )
  it.effect("a history put at once is as deep as one put bit by bit", () =>
    Effect.gen(function* () {
      const one = yield* make()
      const two = yield* make()
      const all = versions(300, 7, 60)
      const hashes = all.map((bytes) => sha("sha256", bytes))
      yield* putChain(one.contents, all)
      yield* two.contents.putAll(all.map((bytes, i) => ({ bytes, near: hashes.slice(Math.max(i - 1, 0), i) })))
      const range = { after: "", limit: 1000 }
      assert.deepStrictEqual(
        (yield* two.rows.heads(range)).map(({ base, depth, stored }) => [base, depth, stored]),
        (yield* one.rows.heads(range)).map(({ base, depth, stored }) => [base, depth, stored])
      )
    })
  )
  it("larger contents stand on fewer others, so that a read stays short", () => {
    assert.deepStrictEqual([0, 10_000, 150_000, 1_000_000, 5_000_000, 1e9].map(depthLimit), [128, 120, 50, 11, 4, 4])
  })
  it.effect("without compression each content is kept as it is; what is compressed already is read all the same", () =>
    Effect.gen(function* () {
      const { contents, rows } = yield* make()
      const all = versions(4, 9)
      const puts = yield* putChain(contents, all.slice(0, 2))
      const plain = yield* over(rows, { compression: false })
      for (const bytes of all.slice(2)) {
        const put = yield* plain.put({ bytes, near: [puts[1]!.hash] })
        assert.deepStrictEqual([put.stored, put.base], [bytes.length, undefined])
        puts.push(put)
      }
      for (const store of [plain, contents, yield* over(rows)]) {
        for (const [i, { hash }] of puts.entries()) assert.deepStrictEqual(yield* store.get(hash), all[i])
      }
    })
  )
  it.effect("a level is used for everything", () =>
    Effect.gen(function* () {
      const stored = Effect.fnUntraced(function* (compression: number) {
        const { contents, rows } = yield* make({ compression })
        const puts = yield* putChain(contents, versions(3, 10))
        const fresh = yield* over(rows)
        for (const [i, bytes] of versions(3, 10).entries()) {
          assert.deepStrictEqual(yield* fresh.get(puts[i]!.hash), bytes)
        }
        return puts.map(({ stored }) => stored)
      })
      const [least, most] = [yield* stored(1), yield* stored(22)]
      assert.isAbove(least[0]!, most[0]!)
    })
  )
  it.effect("the numbers of info are those of what is there", () =>
    Effect.gen(function* () {
      const { contents } = yield* make()
      assert.deepStrictEqual(yield* contents.info, { contents: 0, bytes: 0, stored: 0 })
      const all = versions(5, 11)
      const puts = yield* putChain(contents, all)
      assert.deepStrictEqual(yield* contents.info, {
        contents: 5,
        bytes: all.reduce((sum, { length }) => sum + length, 0),
        stored: puts.reduce((sum, { stored }) => sum + stored, 0)
      })
    })
  )
})

describe("others who write", () => {
  /** A store where somebody else does something between the look and the write, so many times. */
  const raced = (times: number, other: (contents: Contents) => Effect.Effect<unknown, unknown>) =>
    Effect.gen(function* () {
      let left = times
      const { contents, rows } = yield* make({}, (rows) => ({
        write: (write) =>
          Effect.suspend(() => {
            if (left-- <= 0) return rows.write(write)
            return Effect.andThen(Effect.orDie(Effect.flatMap(over(rows), other)), rows.write(write))
          })
      }))
      return { contents, rows }
    })

  it.effect("who stored the same content at the same moment was faster: it was there", () =>
    Effect.gen(function* () {
      const bytes = bytesOf("the same")
      const { contents } = yield* raced(1, (other) => other.put({ bytes }))
      const put = yield* contents.put({ bytes })
      assert.isTrue(put.wasThere)
      assert.strictEqual((yield* contents.info).contents, 1)
    })
  )
  it.effect("who removed the parent at the same moment: the content stands on another, or on none", () =>
    Effect.gen(function* () {
      const [one, two] = versions(2, 12)
      let armed = false
      const { contents } = yield* raced(2, (other) => (armed ? other.sweep(Effect.succeed(new Set())) : Effect.void))
      const parent = yield* contents.put({ bytes: one! })
      armed = true
      const put = yield* contents.put({ bytes: two!, near: [parent.hash] })
      assert.deepStrictEqual([put.base, put.wasThere], [undefined, false])
      assert.isFalse(yield* contents.has(parent.hash))
      assert.strictEqual(textOf(yield* contents.get(put.hash)), textOf(two!))
    })
  )
  it.effect("where others are faster again and again it gives up as Busy, and has stored nothing", () =>
    Effect.gen(function* () {
      const { contents } = yield* make({}, () => ({ write: () => Effect.succeed([nowhere]) }))
      const error = yield* Effect.flip(contents.put({ bytes: bytesOf("never") }))
      assert.strictEqual(error.reason, "Busy")
      assert.isTrue(error.isRetryable)
      assert.strictEqual((yield* contents.info).contents, 0)
    })
  )
  it.effect("eight stores that put the same versions at once keep each once", () =>
    Effect.gen(function* () {
      const { contents, rows } = yield* make()
      const all = versions(30, 13)
      const stores = yield* Effect.forEach(Array.from({ length: 8 }), () => over(rows))
      yield* Effect.forEach(stores, (store) => putChain(store, all), { concurrency: "unbounded" })
      assert.strictEqual((yield* contents.info).contents, 30)
      assert.deepStrictEqual(yield* contents.verify(), [])
    })
  )
})

describe("any contents", () => {
  /** Bytes of a few kinds, some of them parts of others. */
  const anyBytes = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.tuple(fc.nat(20), fc.nat(3)).map(([i, cut]) => versions(21, 14, 40)[i]!.slice(cut)),
    fc.tuple(fc.nat(255), fc.nat(5000)).map(([byte, length]) => new Uint8Array(length).fill(byte))
  )
  const anyStep = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant("put" as const),
        bytes: anyBytes,
        near: fc.array(fc.nat(30), { maxLength: 4 })
      })
    },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant("putAll" as const),
        all: fc.array(anyBytes, { maxLength: 4 }),
        near: fc.nat(30)
      })
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant("sweep" as const),
        keep: fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
        dryRun: fc.boolean()
      })
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant("reopen" as const), compression: fc.constantFrom(true, false, 3) })
    }
  )
  type Step = typeof anyStep extends fc.Arbitrary<infer A> ? A : never

  /** That a store over rows in memory does what a map of contents does. */
  const run = Effect.fnUntraced(function* (steps: ReadonlyArray<Step>, cacheBytes: number) {
    const { contents: first, rows } = yield* make({ cacheBytes })
    let contents: Contents = first
    const model = new Map<string, Uint8Array>()
    const seen: Array<string> = []
    const at = (i: number): ReadonlyArray<string> => (seen.length === 0 ? [] : [seen[i % seen.length]!])
    const note = (put: ContentStore.Put, bytes: Uint8Array) => {
      const hash = sha("sha256", bytes)
      assert.deepStrictEqual([put.hash, put.size, put.wasThere], [hash, bytes.length, model.has(hash)])
      model.set(hash, bytes)
      seen.push(hash)
    }
    for (const step of steps) {
      if (step.do === "put") {
        note(yield* contents.put({ bytes: step.bytes, near: step.near.flatMap(at) }), step.bytes)
      } else if (step.do === "putAll") {
        const items = step.all.map((bytes) => ({ bytes, near: at(step.near) }))
        for (const [i, put] of (yield* contents.putAll(items)).entries()) note(put, step.all[i]!)
      } else if (step.do === "sweep") {
        const keep = new Set([...model.keys()].filter((_, i) => step.keep[i % step.keep.length]))
        const before = yield* contents.info
        const swept = yield* contents.sweep(Effect.succeed(keep), { dryRun: step.dryRun })
        assert.deepStrictEqual(swept.removed, [...model.keys()].filter((hash) => !keep.has(hash)).sort())
        if (step.dryRun) assert.deepStrictEqual(yield* contents.info, before)
        else {
          for (const hash of swept.removed) model.delete(hash)
          assert.strictEqual((yield* contents.info).stored, before.stored - swept.freed)
        }
      } else contents = yield* over(rows, { compression: step.compression, cacheBytes })
    }
    assert.deepStrictEqual(yield* contents.verify(), [])
    assert.strictEqual((yield* contents.info).contents, model.size)
    for (const store of [contents, yield* over(rows)]) {
      for (const hash of seen) {
        const expected = model.get(hash)
        if (expected === undefined) assert.strictEqual((yield* Effect.flip(store.get(hash)))._tag, "ContentMissing")
        else assert.deepStrictEqual(yield* store.get(hash), expected)
      }
    }
  })

  it.effect(
    "in any order of puts and sweeps, near anything, every store reads what a map of contents holds (property)",
    () =>
      Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(fc.array(anyStep, { maxLength: 25 }), fc.constantFrom(1, 20_000), (steps, cacheBytes) =>
            Effect.runPromise(run(steps, cacheBytes))
          ),
          { numRuns: 100 }
        )
      ),
    60_000
  )
})
