import { assert, describe, it } from "@effect/vitest"
import { BlobStore, type Write } from "@heph/content/BlobStore"
import * as ContentMemory from "@heph/content/ContentMemory"
import * as ContentStore from "@heph/content/ContentStore"
import * as ContentTransfer from "@heph/content/ContentTransfer"
import * as Hash from "@heph/content/Hash"
import { HistoryStoreError } from "@heph/history/HistoryStore"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"

type Blobs = BlobStore["Service"]

const over = (blobs: Blobs, options?: ContentStore.Options) =>
  Effect.provideService(ContentStore.make(options), BlobStore, blobs)

const everything = { after: "", limit: 100_000 }

/** Text that is not like any other. */
const noise = (seed: number, length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => Math.imul((i + 1) ^ (seed * 7919), 2_654_435_761) >>> 24)

/** Versions of a text, each the one before with a line in the middle. */
const grown = (seed: number, versions: number): ReadonlyArray<Uint8Array> => {
  const lines = [...noise(seed, 200)].map((byte, i) => `line ${i * byte} of ${seed}`)
  return Array.from({ length: versions }, (_, i) => {
    lines.splice(100, 0, `line added by ${i} to ${seed}`)
    return new TextEncoder().encode(lines.join("\n"))
  })
}

/** A store that holds chains of versions, and what it was given. */
const filled = Effect.fnUntraced(function* (chains: ReadonlyArray<number>) {
  const blobs = yield* ContentMemory.make
  const store = yield* over(blobs)
  const given = new Map<string, Uint8Array>()
  for (const [seed, versions] of chains.entries()) {
    let near: ReadonlyArray<string> = []
    for (const bytes of grown(seed, versions)) {
      const { hash } = yield* store.put({ bytes, near })
      given.set(hash, bytes)
      near = [hash]
    }
  }
  return { blobs, store, given }
})

/** A store whose writes come to `write` first. */
const watched = (blobs: Blobs, write: (write: Write) => Effect.Effect<void, HistoryStoreError>): Blobs => ({
  ...blobs,
  write: (plan) => Effect.andThen(write(plan), blobs.write(plan))
})

/** That a store holds what was given, each read anew. */
const holds = Effect.fnUntraced(function* (blobs: Blobs, given: ReadonlyMap<string, Uint8Array>) {
  const store = yield* over(blobs)
  assert.deepStrictEqual(
    (yield* blobs.heads(everything)).map(({ hash }) => hash),
    [...given.keys()].sort()
  )
  for (const [hash, bytes] of given) assert.deepStrictEqual(yield* store.get(hash), bytes)
  assert.deepStrictEqual(yield* store.verify(), [])
})

describe("a copy of all contents", () => {
  it.effect("is whole and as small, wherever it was broken off and begun again (property)", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.array(fc.integer({ min: 1, max: 150 }), { maxLength: 4 }),
          fc.array(fc.nat(3), { maxLength: 3 }),
          (chains, breaks) =>
            Effect.runPromise(
              Effect.gen(function* () {
                const { blobs: from, given } = yield* filled(chains)
                const to = yield* ContentMemory.make
                let came = 0
                for (const after of breaks) {
                  let left = after
                  const failing = watched(to, () =>
                    left-- > 0
                      ? Effect.void
                      : Effect.fail(new HistoryStoreError({ reason: "Unavailable", store: "test", detail: "gone" }))
                  )
                  const copied = yield* Effect.result(ContentTransfer.copy(from, failing))
                  if (copied._tag === "Failure") assert.strictEqual(copied.failure._tag, "HistoryStoreError")
                  const there = yield* to.heads(everything)
                  came = there.length
                  // Whatever is there stands on something that is.
                  const hashes = new Set(there.map(({ hash }) => hash))
                  for (const { base } of there) if (base !== undefined) assert.isTrue(hashes.has(base))
                }
                const all = given.size
                assert.deepStrictEqual(yield* ContentTransfer.copy(from, to), { contents: all, copied: all - came })
                yield* holds(to, given)
                assert.deepStrictEqual(yield* to.totals(0), {
                  ...(yield* from.totals(0)),
                  settled: (yield* to.totals(0)).settled
                })
                assert.deepStrictEqual(yield* ContentTransfer.copy(from, to), { contents: all, copied: 0 })
              })
            )
        ),
        { numRuns: 12 }
      )
    )
  )

  it.effect("fits what it brings onto what the target has in another encoding, and leaves what is there beside", () =>
    Effect.gen(function* () {
      const { blobs: from, given } = yield* filled([20])
      const to = yield* ContentMemory.make
      const target = yield* over(to)
      // The first version is deep there.
      const texts = grown(0, 20)
      let near: ReadonlyArray<string> = []
      for (const bytes of [...texts.slice(1, 16).reverse(), texts[0]!]) {
        near = [(yield* target.put({ bytes, near })).hash]
      }
      const own = noise(9, 50)
      yield* target.put({ bytes: own })
      assert.deepStrictEqual(yield* ContentTransfer.copy(from, to), { contents: 20, copied: 4 })
      yield* holds(to, new Map([...given, [Hash.of(own), own]]))
    })
  )

  it.effect("holds few contents at a time, and says how far it is", () =>
    Effect.gen(function* () {
      const from = yield* ContentMemory.make
      const source = yield* over(from, { compression: false })
      for (let seed = 0; seed < 20; seed++) yield* source.put({ bytes: noise(seed, 1_000_000) })
      yield* source.put({ bytes: noise(99, 9_000_000) })
      yield* source.putAll(Array.from({ length: 600 }, (_, seed) => ({ bytes: noise(1000 + seed, 10) })))
      const to = yield* ContentMemory.make
      const writes: Array<readonly [rows: number, bytes: number]> = []
      const counting = watched(to, ({ add }) =>
        Effect.sync(() => void writes.push([add.length, add.reduce((sum, { size }) => sum + size, 0)]))
      )
      const told: Array<ContentTransfer.Progress> = []
      yield* ContentTransfer.copy(from, counting, { onProgress: (progress) => told.push(progress) })
      for (const [rows, bytes] of writes) assert.isTrue(rows === 1 || (rows <= 128 && bytes <= 8_000_000))
      assert.isAtLeast(writes.length, 6)
      assert.deepStrictEqual(told.at(-1), { done: 621, total: 621, copied: 621 })
      for (const [i, { copied, done }] of told.entries()) {
        assert.isTrue(i === 0 || (done >= told[i - 1]!.done && copied >= told[i - 1]!.copied))
      }
    })
  )

  it.effect("stops at one that is damaged, and names it and the row that is to blame", () =>
    Effect.gen(function* () {
      const { blobs: from } = yield* filled([3])
      const [first, second] = grown(0, 3).map((bytes) => Hash.of(bytes))
      const broken: Blobs = {
        ...from,
        read: (hashes) =>
          Effect.map(from.read(hashes), (rows) =>
            rows.map((row) => (row.hash === second ? { ...row, bytes: row.bytes.toReversed() } : row))
          )
      }
      const to = yield* ContentMemory.make
      const error = yield* Effect.flip(ContentTransfer.copy(broken, to))
      assert.isTrue(error._tag === "ContentDamaged" && error.hash === second && error.at === second, error.message)
      const there = (yield* to.heads(everything)).map(({ hash }) => hash)
      assert.deepStrictEqual(there, there.length === 0 ? [] : [first])
    })
  )

  it.effect("leaves out what the source removes meanwhile", () =>
    Effect.gen(function* () {
      const { blobs: from, given, store } = yield* filled([2, 1])
      const last = Hash.of(grown(0, 2)[1]!)
      const sweeping: Blobs = {
        ...from,
        read: (hashes) =>
          Effect.andThen(
            Effect.orDie(store.sweep(Effect.succeed(new Set([...given.keys()].filter((hash) => hash !== last))))),
            from.read(hashes)
          )
      }
      const to = yield* ContentMemory.make
      assert.deepStrictEqual(yield* ContentTransfer.copy(sweeping, to), { contents: 2, copied: 2 })
      given.delete(last)
      yield* holds(to, given)
    })
  )

  it.effect("finds that the target was swept meanwhile", () =>
    Effect.gen(function* () {
      const { blobs: from, given } = yield* filled([300, 300])
      const to = yield* ContentMemory.make
      const target = yield* over(to)
      let writes = 0
      const swept = watched(to, () =>
        ++writes === 3 ? Effect.orDie(target.sweep(Effect.succeed(new Set<string>()))) : Effect.void
      )
      const error = yield* Effect.flip(ContentTransfer.copy(from, swept))
      assert.strictEqual(error._tag, "TargetSwept")
      assert.strictEqual((yield* ContentTransfer.copy(from, to)).contents, 600)
      yield* holds(to, given)
    })
  )
})
