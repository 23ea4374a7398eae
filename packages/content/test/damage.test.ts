/** Rows that are not as they were stored: whoever stands on them is told, everybody else is read. */
import { assert, describe, it } from "@effect/vitest"
import type { Blob } from "@heph/content/BlobStore"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { make, misread, noise, over, putChain, versions } from "./fixtures.ts"

/**
 * Eight versions, of which the fifth to eighth stand on the fourth: v0 ◀─ v1 ◀─ v2 ◀─ v3 ◀─ v4 … v7, and two others.
 */
const stored = Effect.gen(function* () {
  const { contents, rows } = yield* make()
  const all = [...versions(8, 1), noise(500, 1), noise(10, 2)]
  const puts = yield* putChain(contents, all.slice(0, 8))
  for (const bytes of all.slice(8)) puts.push(yield* contents.put({ bytes }))
  const blobs = yield* rows.read(puts.map(({ hash }) => hash))
  const order = puts.map(({ hash }) => blobs.find((blob) => blob.hash === hash)!)
  return { rows, all, hashes: puts.map(({ hash }) => hash), order }
})

/** What is wrong with a row, where in a chain it is, and what that is called. */
const wrongs: ReadonlyArray<
  readonly [
    what: string,
    wrong: (blob: Blob, all: ReadonlyArray<Blob>) => Blob | undefined,
    reason: RegExp,
    at?: number
  ]
> = [
  ["is missing", () => undefined, /is not there/],
  ["has no bytes", (blob) => ({ ...blob, bytes: new Uint8Array(0) }), /do not give the \d+ that it had/],
  ["ends early", (blob) => ({ ...blob, bytes: blob.bytes.subarray(0, -1) }), /do not give the \d+ that it had|another/],
  ["is longer than it was", (blob) => ({ ...blob, bytes: Uint8Array.of(...blob.bytes, 0) }), /do not give/],
  ["says another size", (blob) => ({ ...blob, size: blob.size + 1 }), /do not give the \d+ that it had/],
  ["says an enormous size", (blob) => ({ ...blob, size: 2 ** 50 }), /do not give the \d+ that it had/],
  ["says a size that is none", (blob) => ({ ...blob, size: Number.NaN }), /do not give the NaN that it had/],
  ["says that it is not compressed", (blob) => ({ ...blob, encoding: "raw" }), /do not give the \d+ that it had/],
  ["stands on none", (blob) => ({ ...blob, base: undefined }), /do not give|another content/],
  [
    "stands on a content of another kind",
    (blob, all) => ({ ...blob, base: all[8]!.hash }),
    /do not give|another content/
  ],
  ["stands on the wrong version", (blob, all) => ({ ...blob, base: all[0]!.hash }), /do not give|another content/],
  ["holds the bytes of another", (blob, all) => ({ ...blob, bytes: all[3]!.bytes }), /do not give|another content/],
  ["stands on what is not there", (blob) => ({ ...blob, base: "row 17" }), /is not there/]
]

describe("a row that", () => {
  for (const [what, wrong, reason] of wrongs) {
    it.effect(`${what}: it and what stands on it fail and name it, all others are read, verify lists them`, () =>
      Effect.gen(function* () {
        const { all, hashes, order, rows } = yield* stored
        const damaged = order[2]!
        const broken = yield* over(misread(rows, (blob) => (blob.hash === damaged.hash ? wrong(blob, order) : blob)))
        const failed = new Map<string, string>()
        for (const [i, hash] of hashes.entries()) {
          const exit = yield* Effect.result(broken.get(hash))
          if (exit._tag === "Success") {
            assert.deepStrictEqual(exit.success, all[i], `content ${i}`)
            continue
          }
          const error = exit.failure
          if (error._tag === "ContentMissing") {
            assert.strictEqual(hash, damaged.hash)
            continue
          }
          if (error._tag !== "ContentDamaged") return assert.fail(error.message)
          assert.match(error.reason, reason)
          assert.strictEqual(error.at, what === "stands on what is not there" ? "row 17" : damaged.hash)
          assert.include(error.message, hash)
          assert.match(error.message, error.at === hash ? /is damaged: / : /is damaged at its base /)
          failed.set(hash, error.reason)
        }
        const expected = what === "is missing" ? hashes.slice(3, 8) : hashes.slice(2, 8)
        assert.deepStrictEqual([...failed.keys()], expected)
        const found = yield* broken.verify()
        assert.deepStrictEqual(found.map(({ hash }) => hash).sort(), expected.sort())
        for (const damage of found) assert.match(damage.reason, reason)
      })
    )
  }
  it.effect("stands on itself, by itself or by way of others: an error, and no read without an end", () =>
    Effect.gen(function* () {
      const { hashes, rows } = yield* stored
      for (const top of [0, 1, 5]) {
        const broken = yield* over(
          misread(rows, (blob) => (blob.hash === hashes[0] ? { ...blob, base: hashes[top] } : blob))
        )
        const error = yield* Effect.flip(broken.get(hashes[3]!))
        assert.strictEqual(error._tag, "ContentDamaged")
        const found = yield* broken.verify()
        assert.deepStrictEqual(found.map(({ hash }) => hash).sort(), hashes.slice(0, 8).sort())
      }
    })
  )
  it.effect("says that it is less deep than it is: it is read, and verify lists it", () =>
    Effect.gen(function* () {
      const { all, hashes, rows } = yield* stored
      const broken = yield* over(misread(rows, (blob) => (blob.hash === hashes[2] ? { ...blob, depth: 1 } : blob)))
      assert.deepStrictEqual(yield* broken.get(hashes[2]!), all[2])
      const found = yield* broken.verify()
      assert.deepStrictEqual(
        found.map(({ hash }) => hash),
        [hashes[2]]
      )
    })
  )
  it.effect("is damaged is no base: a version of it is stored alone, and can be read", () =>
    Effect.gen(function* () {
      const { all, hashes, rows } = yield* stored
      const broken = yield* over(
        misread(rows, (blob) => (blob.hash === hashes[7] ? { ...blob, bytes: noise(40, 3) } : blob))
      )
      const bytes = Uint8Array.of(...all[7]!, 33)
      const put = yield* broken.put({ bytes, near: [hashes[7]!] })
      assert.strictEqual(put.base, undefined)
      const fresh = yield* over(rows)
      assert.deepStrictEqual(yield* fresh.get(put.hash), bytes)
    })
  )
  it.effect("has any one of its bits changed: what is read is right, or an error (property)", () =>
    Effect.gen(function* () {
      const { all, hashes, order, rows } = yield* stored
      const bit = fc.record({ row: fc.nat(9), at: fc.nat(), bit: fc.nat(7) })
      yield* Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(bit, ({ at, bit, row }) =>
            Effect.runPromise(
              Effect.gen(function* () {
                const bytes = order[row]!.bytes.slice()
                bytes[at % bytes.length]! ^= 1 << bit
                const broken = yield* over(
                  misread(rows, (blob) => (blob.hash === hashes[row] ? { ...blob, bytes } : blob))
                )
                const failed: Array<string> = []
                for (const [i, hash] of hashes.entries()) {
                  const found = yield* Effect.result(broken.get(hash))
                  if (found._tag === "Success") assert.deepStrictEqual(found.success, all[i])
                  else failed.push(hash)
                }
                const listed = (yield* broken.verify()).map(({ hash }) => hash)
                assert.deepStrictEqual(listed.sort(), failed.sort())
              })
            )
          ),
          { numRuns: 200 }
        )
      )
    })
  )
})

describe("verify", () => {
  it.effect("tells how far it is, and at the end that it has read all", () =>
    Effect.gen(function* () {
      const { contents } = yield* make()
      const all = versions(700, 2, 40)
      for (let i = 0; i < 700; i += 100) yield* contents.putAll(all.slice(i, i + 100).map((bytes) => ({ bytes })))
      const told: Array<readonly [number, number]> = []
      assert.deepStrictEqual(yield* contents.verify({ onProgress: (read, of) => told.push([read, of]) }), [])
      assert.isAtLeast(told.length, 3)
      assert.deepStrictEqual(told.at(-1), [700, 700])
      assert.deepStrictEqual(
        told.map(([read]) => read),
        told.map(([read]) => read).sort((a, b) => a - b)
      )
    })
  )
  it.effect("finds nothing in a store that has nothing", () =>
    Effect.gen(function* () {
      const { contents } = yield* make()
      assert.deepStrictEqual(yield* contents.verify(), [])
    })
  )
})
