/** That rows are what was written, and that each write, each new encoding and each removal is done whole or refused. */
import * as Effect from "effect/Effect"
import {
  adding,
  blob,
  chain,
  type Check,
  check,
  equal,
  everything,
  hashAt,
  pattern,
  plain,
  refused,
  settledAt,
  type Store,
  touchedOf,
  unchanged,
  written
} from "./check.ts"

const hashesOf = (rows: ReadonlyArray<{ readonly hash: string }>) => rows.map(({ hash }) => hash).sort()
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => hashAt(from + i))

const reading: ReadonlyArray<Check> = [
  check("a fresh store holds nothing", (store) =>
    Effect.gen(function* () {
      const { rows, heads, totals } = yield* everything(store)
      yield* equal("rows and heads", [rows, heads], [[], []])
      yield* equal("the sums", { ...totals, settled: 0 }, { contents: 0, bytes: 0, stored: 0, settled: 0 })
      yield* equal("of a hash", [yield* store.read([hashAt(1)]), yield* store.heads({ hashes: [hashAt(1)] })], [[], []])
    })
  ),
  check("a row comes back as it was written, field by field", (store) =>
    Effect.gen(function* () {
      const rows = [
        blob(1, { size: 0, bytes: new Uint8Array(0), encoding: "raw" }),
        blob(2, { size: 1, bytes: Uint8Array.of(0), encoding: "zstd" }),
        blob(3, { size: 2 ** 40, base: hashAt(2), depth: 1 }),
        // A depth is an upper bound, so it may jump.
        blob(4, { base: hashAt(3), depth: 100, bytes: Uint8Array.from({ length: 256 }, (_, i) => i) }),
        blob(5, { size: 5_000_000, bytes: pattern(5_000_000) })
      ]
      yield* written(store, adding(...rows))
      yield* equal("the rows", plain(yield* store.read(hashesOf(rows))), plain(rows))
      const heads = yield* store.heads({ hashes: hashesOf(rows) })
      const found = rows.map(({ hash }) => heads.filter((head) => head.hash === hash))
      yield* equal(
        "the heads",
        found.map((heads) => heads.map(({ base, depth, size, stored }) => [size, base, depth, stored])),
        rows.map(({ base, bytes, depth, size }) => [[size, base, depth, bytes.length]])
      )
    })
  ),
  check("what is written or read may be changed afterwards: nobody else sees it", (store) =>
    Effect.gen(function* () {
      const bytes = pattern(30)
      yield* written(store, adding(blob(1, { bytes })))
      bytes.fill(0)
      for (const found of yield* store.read([hashAt(1)])) {
        yield* equal("the bytes", new Uint8Array(found.bytes), pattern(30))
      }
    })
  ),
  check("a read gives a row and all that it stands on, each once", (store) =>
    Effect.gen(function* () {
      const trunk = chain(1, 60)
      const twig = blob(70, { base: hashAt(30), depth: 30 })
      yield* written(store, adding(...trunk, twig, blob(80)))
      const read = (...wanted: ReadonlyArray<number>) => Effect.map(store.read(wanted.map(hashAt)), plain)
      yield* equal("the top of a chain", yield* read(60), plain(trunk))
      yield* equal("from its middle", yield* read(20), plain(trunk.slice(0, 20)))
      yield* equal("its end", yield* read(1), plain(trunk.slice(0, 1)))
      yield* equal("two with a part in common", yield* read(70, 40), plain([...trunk.slice(0, 40), twig]))
      yield* equal("one twice, and one that is not there", yield* read(80, 80, 99), plain([blob(80)]))
      yield* equal("none", yield* read(), [])
    })
  ),
  check("a run of heads is by hash, from its exclusive bound, at most its limit", (store) =>
    Effect.gen(function* () {
      for (const number of [5, 1, 4, 2, 3]) yield* written(store, adding(blob(number)))
      const run = (after: string, limit: number) =>
        Effect.map(store.heads({ after, limit }), (heads) => heads.map(({ hash }) => hash))
      yield* equal("all", yield* run("", 10), numbers(1, 5))
      yield* equal("the first two", yield* run("", 2), numbers(1, 2))
      yield* equal("after the second", yield* run(hashAt(2), 2), numbers(3, 4))
      yield* equal("after one that is not there", yield* run(`${hashAt(4).slice(0, -1)}5`, 2), numbers(5, 5))
      yield* equal("after the last", yield* run(hashAt(5), 2), [])
    })
  ),
  check("heads of hashes are those that are there, each once", (store) =>
    Effect.gen(function* () {
      yield* written(store, adding(...chain(1, 3)))
      const found = yield* store.heads({ hashes: [hashAt(2), hashAt(9), hashAt(1), hashAt(2)] })
      yield* equal("their hashes", hashesOf(found), numbers(1, 2))
      yield* equal("of none", yield* store.heads({ hashes: [] }), [])
    })
  ),
  check("the totals count rows, and add up what they hold and take", (store) =>
    Effect.gen(function* () {
      yield* written(store, adding(blob(1, { size: 10, bytes: pattern(3) }), blob(2, { size: 20, bytes: pattern(0) })))
      const { bytes, contents, stored } = yield* store.totals(0)
      yield* equal("the totals", { contents, bytes, stored }, { contents: 2, bytes: 30, stored: 3 })
    })
  )
]

const writing: ReadonlyArray<Check> = [
  check("a row may stand on one that is there, or on one before it in the same write", (store) =>
    Effect.gen(function* () {
      yield* written(store, adding(...chain(1, 3)))
      yield* written(store, adding(blob(4, { base: hashAt(3), depth: 3 })))
      const [row] = (yield* store.heads({ hashes: [hashAt(4)] })).map(({ base, depth }) => ({ base, depth }))
      yield* equal("the last", row, { base: hashAt(3), depth: 3 })
      yield* refused("a row before its base", store, adding(blob(6, { base: hashAt(5), depth: 1 }), blob(5)), hashAt(6))
    })
  ),
  check("a write is refused whole for a row that is there already", (store) =>
    Effect.gen(function* () {
      yield* written(store, adding(blob(1)))
      yield* refused("the same row", store, adding(blob(2), blob(1, { bytes: pattern(5) }), blob(3)), hashAt(1))
      yield* refused("one row twice", store, adding(blob(2), blob(2)), hashAt(2))
    })
  ),
  check("a write is refused whole for a base that is not there, or not of a smaller depth", (store) =>
    Effect.gen(function* () {
      yield* written(store, adding(blob(1, { depth: 5 })))
      const over = (depth: number) => blob(3, { base: hashAt(1), depth })
      yield* refused("no base", store, adding(blob(2), blob(3, { base: hashAt(9), depth: 9 })), hashAt(3))
      yield* refused("a base as deep", store, adding(blob(2), over(5)), hashAt(3))
      yield* refused("a deeper base", store, adding(blob(2), over(1)), hashAt(3))
      yield* refused("itself", store, adding(blob(4, { base: hashAt(4), depth: 1 })), hashAt(4))
      yield* written(store, adding(over(6)))
    })
  ),
  check("a write is refused whole for a row to touch that is not there", (store) =>
    Effect.gen(function* () {
      yield* written(store, adding(blob(1)))
      const hold = { holder: "refused", until: 100 }
      const write = { add: [blob(2)], touch: [hashAt(1), hashAt(9)], hold, now: 0 }
      yield* refused("a touch of nothing", store, write, hashAt(9))
      yield* written(store, adding(blob(3)))
      yield* equal("held by what was refused", yield* settledAt(store, 0), (yield* touchedOf(store, 3))[0])
    })
  ),
  check("each write takes a serial of its own, larger than those before, and all its rows bear it", (store) =>
    Effect.gen(function* () {
      const serials: Array<number> = []
      const note = Effect.fnUntraced(function* (...rows: ReadonlyArray<number>) {
        const touched = yield* touchedOf(store, ...rows)
        yield* equal("one serial", new Set(touched).size, 1)
        const serial = touched[0]!
        yield* equal("what is settled after it", yield* settledAt(store, 0), serial)
        yield* equal(`${serial} after ${serials.join()}`, serial > (serials.at(-1) ?? -1), true)
        serials.push(serial)
      })
      yield* written(store, adding(blob(1), blob(2)))
      yield* note(1, 2)
      yield* written(store, adding(blob(3)))
      yield* note(3)
      yield* written(store, { add: [blob(4)], touch: [hashAt(1)], now: 0 })
      yield* note(1, 4)
      yield* written(store, { add: [], touch: [hashAt(2), hashAt(4)], now: 0 })
      yield* note(2, 4)
      yield* equal("rows that were not touched", yield* touchedOf(store, 1, 3), [serials[2], serials[1]])
    })
  ),
  check("a touch changes the serial of a row and nothing else", (store) =>
    Effect.gen(function* () {
      const rows = chain(1, 3)
      yield* written(store, adding(...rows))
      yield* written(store, { add: [], touch: [hashAt(2)], now: 0 })
      yield* equal("the rows", plain(yield* store.read([hashAt(3)])), plain(rows))
    })
  ),
  check("fifty writers at once: each row is there, each with a serial of its own", (store) =>
    Effect.gen(function* () {
      const rows = Array.from({ length: 50 }, (_, i) => blob(i + 1))
      yield* Effect.forEach(rows, (row) => written(store, adding(row)), { concurrency: "unbounded", discard: true })
      yield* equal("the rows", plain(yield* store.read(hashesOf(rows))), plain(rows))
      const serials = yield* touchedOf(store, ...rows.map((_, i) => i + 1))
      yield* equal("the number of serials", new Set(serials).size, 50)
      yield* equal("the largest", Math.max(...serials), yield* settledAt(store, 0))
    })
  )
]

const rebasing: ReadonlyArray<Check> = [
  check("another encoding of a row takes the place of the one it had, and is as old", (store) =>
    Effect.gen(function* () {
      yield* written(store, adding(...chain(1, 4)))
      const [touched] = yield* touchedOf(store, 4)
      const shallow = blob(4, { base: hashAt(1), depth: 2, encoding: "zstd", bytes: pattern(5000) })
      yield* equal("done", yield* store.rebase({ blob: shallow, from: hashAt(3) }), true)
      yield* equal("the chain", plain(yield* store.read([hashAt(4)])), plain([blob(1), shallow]))
      const alone = blob(4, { encoding: "raw", bytes: pattern(0) })
      yield* equal("done again", yield* store.rebase({ blob: alone, from: hashAt(1) }), true)
      yield* equal("alone", plain(yield* store.read([hashAt(4)])), plain([alone]))
      yield* equal("its serial", yield* touchedOf(store, 4), [touched])
      yield* equal("the bytes in all", (yield* store.totals(0)).stored, 21 + 22 + 23)
    })
  ),
  check("another encoding is refused where the row, its base or its depth is not what it must be", (store) =>
    Effect.gen(function* () {
      yield* written(store, adding(...chain(1, 4), blob(5), blob(6, { depth: 3 })))
      const refusedFor = (what: string, number: number, fields: Parameters<typeof blob>[1], from: number | undefined) =>
        unchanged(
          what,
          store,
          Effect.flatMap(
            store.rebase({ blob: blob(number, fields), from: from === undefined ? undefined : hashAt(from) }),
            (done) => equal(what, done, false)
          )
        )
      yield* refusedFor("a row that is not there", 9, {}, undefined)
      yield* refusedFor("a row that stands on another one now", 4, {}, 2)
      yield* refusedFor("a row that has a base now", 4, {}, undefined)
      yield* refusedFor("a row that has no base now", 5, {}, 1)
      yield* refusedFor("a base that is not there", 4, { base: hashAt(9), depth: 3 }, 3)
      yield* refusedFor("a base that is as deep", 4, { base: hashAt(6), depth: 3 }, 3)
      yield* refusedFor("a depth that is larger than it was", 4, { base: hashAt(1), depth: 4 }, 3)
      yield* refusedFor("a row on itself", 4, { base: hashAt(4), depth: 3 }, 3)
    })
  )
]

const removing: ReadonlyArray<Check> = [
  check("rows that are removed are gone, and no others", (store) =>
    Effect.gen(function* () {
      yield* written(store, adding(...chain(1, 5), blob(6)))
      const gone = yield* removeAll(store, [5, 4, 6])
      yield* equal("what was removed", [...gone].sort(), [hashAt(4), hashAt(5), hashAt(6)])
      yield* equal("what is left", plain(yield* store.read(numbers(1, 6))), plain(chain(1, 3)))
      const { bytes, contents, stored } = yield* store.totals(0)
      yield* equal("the totals", [contents, bytes, stored], [3, 3006, 66])
      yield* equal("removed again", yield* store.remove([{ hash: hashAt(4), touched: 1 }]), [])
      yield* equal("of none", yield* store.remove([]), [])
      yield* written(store, adding(blob(4, { base: hashAt(3), depth: 3 })))
    })
  ),
  check("a row that was touched since it was seen is not removed", (store) =>
    Effect.gen(function* () {
      yield* written(store, adding(...chain(1, 2)))
      const seen = yield* store.heads({ hashes: numbers(1, 2) })
      yield* written(store, { add: [], touch: [hashAt(2)], now: 0 })
      const order = seen.toSorted((a, b) => b.depth - a.depth)
      yield* unchanged(
        "removing what was touched, and its base",
        store,
        Effect.flatMap(store.remove(order), (gone) => equal("what was removed", gone, []))
      )
    })
  ),
  check("a row that another stands on is not removed, unless that one went before it", (store) =>
    Effect.gen(function* () {
      yield* written(store, adding(...chain(1, 3), blob(4, { base: hashAt(2), depth: 2 })))
      yield* equal("a base before what stands on it", yield* removeAll(store, [1, 2, 3]), [hashAt(3)])
      yield* equal("the rest, the deepest first", yield* removeAll(store, [4, 2, 1]), [hashAt(4), hashAt(2), hashAt(1)])
      yield* equal("rows left", (yield* store.totals(0)).contents, 0)
      yield* written(store, adding(blob(8), blob(7, { base: hashAt(8), depth: 1 })))
      yield* equal("the smaller hash first", yield* removeAll(store, [7, 8]), [hashAt(7), hashAt(8)])
    })
  ),
  check("thousands of rows are removed in one call", (store) =>
    Effect.gen(function* () {
      const count = 2000
      // Ten rows to a chain.
      const rows = Array.from({ length: count }, (_, i) =>
        blob(i, { bytes: pattern(10), ...(i % 10 === 0 ? {} : { base: hashAt(i - 1), depth: i % 10 }) })
      )
      yield* written(store, adding(...rows))
      const down = rows.map((_, i) => count - 1 - i).filter((i) => i >= 5)
      yield* equal("how many were removed", (yield* removeAll(store, down)).length, count - 5)
      yield* equal("what is left", plain(yield* store.read([hashAt(4)])), plain(rows.slice(0, 5)))
    })
  )
]

/** Removes rows by their numbers, in this order, with the serials they have now. */
const removeAll = Effect.fnUntraced(function* (store: Store, numbers: ReadonlyArray<number>) {
  const heads = new Map((yield* store.heads({ hashes: numbers.map(hashAt) })).map((head) => [head.hash, head]))
  return yield* store.remove(numbers.flatMap((number) => heads.get(hashAt(number)) ?? []))
})

export const rows: ReadonlyArray<Check> = [...reading, ...writing, ...rebasing, ...removing]
