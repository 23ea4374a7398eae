/** Contents beside the history: what is written at the same time, what a stop of the server loses, and who may do what. */
import { assert, describe, it } from "@effect/vitest"
import type { Blob, BlobStore } from "@heph/content/BlobStore"
import * as HistoryPostgres from "@heph/history-postgres/HistoryPostgres"
import type { HistoryStoreError } from "@heph/history/HistoryStore"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as TestClock from "effect/testing/TestClock"
import { migrations } from "../src/internal/schema.ts"
import { makeWith } from "../src/internal/store.ts"
import { adding, blobOf, byHash, chainOf, hashesOf, hashOf, open } from "./fixtures/contents.ts"
import { layFuse, lightFuse, putOutFuse } from "./fixtures/fuse.ts"
import { freshRole, freshSchema, session, sql, url } from "./fixtures/places.ts"
import { recordOf } from "./fixtures/records.ts"
import { wireTo } from "./fixtures/wire.ts"

type Content = BlobStore["Service"]

const everything = { after: "", limit: 100_000 }

/** Until so many sessions wait for a lock of a schema. */
const waiting = (schema: string, count: number) =>
  Effect.repeat(
    sql<{ readonly waiting: number }>(
      `SELECT count(*)::int AS waiting FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1`,
      [`%"${schema}"%`]
    ),
    { until: ([row]) => row!.waiting >= count }
  )

/** That every row stands on one that is there and less deep, and is read with all it stands on. */
const isWhole = Effect.fnUntraced(function* (content: Content) {
  const heads = yield* content.heads(everything)
  const rows = new Map(heads.map((head) => [head.hash, head]))
  for (const { base, depth, hash } of heads) {
    if (base !== undefined) assert.isBelow(rows.get(base)?.depth ?? Infinity, depth, `${hash} on ${base}`)
  }
  return rows
})

describe("what others do while a write waits for them", () => {
  /** A store with `base`, and a session that keeps everybody else from writing until it commits. */
  const busy = Effect.fnUntraced(function* (text: string) {
    const schema = yield* freshSchema
    const { blobs: content } = yield* open(schema)
    yield* content.write(adding(base, other, high))
    const holder = yield* session()
    yield* Effect.promise(() =>
      holder.query(`BEGIN; SELECT FROM "${schema}".serials FOR UPDATE; ${text.replaceAll("$.", `"${schema}".`)}`)
    )
    const during = <A, E>(work: Effect.Effect<A, E>) =>
      Effect.gen(function* () {
        const working = yield* Effect.forkScoped(work)
        yield* waiting(schema, 1)
        yield* Effect.promise(() => holder.query("COMMIT"))
        return yield* Fiber.join(working)
      })
    return { content, during }
  })
  const base = blobOf("base")
  const other = blobOf("other")
  const high = { ...blobOf("high", base), depth: 5 }
  const row = blobOf("row", base)
  const of = ({ hash }: Blob) => `'\\x${hash}'`
  const stands = `INSERT INTO $.contents (registry, touched, hash, size, base, depth, zstd, bytes)
    VALUES ('main', 9, ${of(row)}, 1, ${of(base)}, 1, false, 'x')`

  it.effect("a base that goes: nothing stands on it, and nothing of the write is there", () =>
    Effect.gen(function* () {
      const { content, during } = yield* busy(`DELETE FROM $.contents WHERE hash = ${of(base)}`)
      const settled = (yield* content.totals(0)).settled
      const write = { ...adding(blobOf("free"), row), touch: [other.hash], hold: { holder: "me", until: 1e15 } }
      assert.deepStrictEqual(yield* during(content.write(write)), [row.hash])
      assert.deepStrictEqual(hashesOf(yield* content.heads(everything)), hashesOf([other, high]))
      assert.strictEqual((yield* content.totals(0)).settled, settled)
    })
  )
  it.effect("a base that gets as deep as the row: it is not written", () =>
    Effect.gen(function* () {
      const { content, during } = yield* busy(`UPDATE $.contents SET depth = 1 WHERE hash = ${of(base)}`)
      assert.deepStrictEqual(yield* during(content.write(adding(row))), [row.hash])
    })
  )
  it.effect("a row to touch that goes", () =>
    Effect.gen(function* () {
      const { content, during } = yield* busy(`DELETE FROM $.contents WHERE hash = ${of(other)}`)
      assert.deepStrictEqual(yield* during(content.write({ add: [row], touch: [other.hash], now: 0 })), [other.hash])
      assert.deepStrictEqual(hashesOf(yield* content.heads(everything)), hashesOf([base, high]))
    })
  )
  it.effect("the same row: it is refused and stays the other's", () =>
    Effect.gen(function* () {
      const { content, during } = yield* busy(stands)
      assert.deepStrictEqual(yield* during(content.write(adding(blobOf("free"), row))), [row.hash])
      assert.deepStrictEqual(hashesOf(yield* content.heads(everything)), hashesOf([base, other, high, row]))
    })
  )
  it.effect("a row that comes to stand on one that is being removed: it stays, and what does not matter goes", () =>
    Effect.gen(function* () {
      const { content, during } = yield* busy(stands)
      const removals = yield* content.heads({ hashes: [base.hash, other.hash] })
      assert.deepStrictEqual(yield* during(content.remove(removals)), [other.hash])
      yield* isWhole(content)
    })
  )
  it.effect("a touch of one that is being removed: it stays", () =>
    Effect.gen(function* () {
      const { content, during } = yield* busy(`UPDATE $.contents SET touched = touched + 1 WHERE hash = ${of(other)}`)
      const removals = yield* content.heads({ hashes: [other.hash] })
      assert.deepStrictEqual(yield* during(content.remove(removals)), [])
    })
  )
  it.effect(
    "a new base that goes or gets as deep, or a row that comes to stand elsewhere: it is not encoded anew",
    () =>
      Effect.gen(function* () {
        const anew = { blob: { ...high, base: other.hash, depth: 3 }, from: base.hash }
        const waits = Effect.fnUntraced(function* (text: string) {
          const { content, during } = yield* busy(text)
          const before = yield* content.read([high.hash])
          return [yield* during(content.rebase(anew)), before, yield* content.read([high.hash])] as const
        })
        const [done, , after] = yield* waits("SELECT 1")
        assert.isTrue(done)
        assert.deepStrictEqual(byHash(after), byHash([anew.blob, other]))
        for (const text of [
          `DELETE FROM $.contents WHERE hash = ${of(other)}`,
          `UPDATE $.contents SET depth = 3 WHERE hash = ${of(other)}`,
          `UPDATE $.contents SET depth = 2 WHERE hash = ${of(high)}`,
          `UPDATE $.contents SET base = NULL WHERE hash = ${of(high)}`
        ]) {
          const [isDone, before, after] = yield* waits(text)
          assert.isFalse(isDone, text)
          assert.deepStrictEqual(after.find(({ hash }) => hash === high.hash)?.bytes, before[0]!.bytes)
        }
      })
  )
})

describe("two pools that write, hold, sweep and encode anew at once", () => {
  it.live(
    "lose nothing that is referred to, and no row its base",
    () =>
      Effect.gen(function* () {
        const schema = yield* freshSchema
        const stores = [
          (yield* open(schema, { poolSize: 3 })).blobs,
          (yield* open(schema, { poolSize: 3 })).blobs
        ] as const
        const referred = new Set<string>()
        let writers = 6
        let [written, refused, swept, rebased] = [0, 0, 0, 0]
        const names = Array.from({ length: 40 }, (_, i) => hashOf(i))
        const until = (yield* Clock.currentTimeMillis) + 600_000

        /** Stores a few of the names, on what is there, and refers to them or not. */
        const writer = Effect.fnUntraced(function* (content: Content, name: number) {
          for (let round = 0; round < 40; round++) {
            const wanted = new Set<string>()
            while (wanted.size < 3) wanted.add(names[yield* Random.nextIntBetween(0, names.length - 1)]!)
            const holder = `${name} ${round}`
            const now = yield* Clock.currentTimeMillis
            while (true) {
              const rows = new Map((yield* content.heads(everything)).map((head) => [head.hash, head]))
              const touch = [...wanted].filter((hash) => rows.has(hash))
              const bases = [...rows.values()]
              const add: Array<Blob> = []
              for (const hash of wanted) {
                if (rows.has(hash)) continue
                const on = bases.length === 0 ? undefined : bases[yield* Random.nextIntBetween(0, bases.length - 1)]
                add.push({ ...blobOf(hash), hash, base: on?.hash, depth: on === undefined ? 0 : on.depth + 1 })
              }
              const found = yield* content.write({ add, touch, hold: { holder, until }, now })
              if (found.length === 0) break
              refused++
            }
            written++
            const isReferred = (yield* Random.nextIntBetween(0, 8)) === 0
            // What refers to them is durable now.
            if (isReferred) for (const hash of wanted) referred.add(hash)
            yield* content.hold(holder, null)
          }
          writers--
        })
        const sweeper = Effect.fnUntraced(function* (content: Content) {
          while (writers > 0) {
            const now = yield* Clock.currentTimeMillis
            const { settled } = yield* content.totals(now)
            const kept = new Set(referred)
            const heads = yield* content.heads(everything)
            const gone = heads.filter(({ hash, touched }) => !kept.has(hash) && touched <= settled)
            const going = new Set(gone.map(({ hash }) => hash))
            for (const head of heads) {
              if (head.base === undefined || !going.has(head.base) || going.has(head.hash)) continue
              const blob: Blob = { ...blobOf("anew"), hash: head.hash, size: head.size, base: undefined, depth: 0 }
              if (yield* content.rebase({ blob, from: head.base })) rebased++
            }
            const removed = yield* content.remove(gone.toSorted((a, b) => b.depth - a.depth))
            swept += removed.length
            for (const hash of removed) assert.isFalse(kept.has(hash))
          }
        })
        yield* Effect.all(
          [
            ...Array.from({ length: 6 }, (_, i) => writer(stores[(i % 2) as 0 | 1], i)),
            sweeper(stores[0]),
            sweeper(stores[1])
          ],
          { concurrency: "unbounded" }
        )
        const rows = yield* isWhole(stores[0])
        for (const hash of referred) assert.isTrue(rows.has(hash), hash)
        const read = yield* stores[1].read([...referred])
        for (const hash of referred) assert.isTrue(read.some((row) => row.hash === hash))
        assert.strictEqual(written, 240)
        // That they were in each other's way at all.
        for (const count of [refused, swept, rebased]) assert.isAbove(count, 0)
        assert.deepStrictEqual(yield* sql(`SELECT * FROM "${schema}".holds`), [])
      }),
    60_000
  )
})

describe("rows to remove", () => {
  it.effect(
    "more than are removed at a time go from the top of their chains, and what stays keeps what it stands on",
    () =>
      Effect.gen(function* () {
        const schema = yield* freshSchema
        const { blobs: content } = yield* open(schema)
        const long = chainOf(Array.from({ length: 200 }, (_, i) => i))
        yield* content.write(adding(...long))
        const before = yield* content.heads(everything)
        yield* content.write({ add: [], touch: [long[150]!.hash], now: 0 })
        const removed = yield* content.remove(before.toSorted((a, b) => b.depth - a.depth))
        const expected = long.slice(151).toReversed()
        assert.deepStrictEqual(
          removed,
          expected.map(({ hash }) => hash)
        )
        assert.deepStrictEqual(hashesOf(yield* content.heads(everything)), hashesOf(long.slice(0, 151)))
        // Given the other way round each has something on it at its turn, but for the last one.
        const again = (yield* content.heads(everything)).toSorted((a, b) => a.depth - b.depth)
        assert.deepStrictEqual(yield* content.remove(again), [long[150]!.hash])
      })
  )
})

describe("damage", () => {
  it.effect("rows whose base is gone, or that stand on each other, are read as far as they go", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      const { blobs: content } = yield* open(schema)
      const [a, b, c, d] = chainOf(["a", "b", "c", "d"])
      yield* content.write(adding(a!, b!, c!, d!))
      yield* sql(`DELETE FROM "${schema}".contents WHERE hash = '\\x${b!.hash}'`)
      assert.deepStrictEqual(byHash(yield* content.read([d!.hash])), byHash([c!, d!]))
      yield* sql(`UPDATE "${schema}".contents SET base = '\\x${d!.hash}' WHERE hash = '\\x${c!.hash}'`)
      assert.deepStrictEqual(byHash(yield* content.read([d!.hash])), byHash([{ ...c!, base: d!.hash }, d!]))
    })
  )
  it.effect("a table that is gone is Corrupt, and opening says which", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      const { blobs: content, history } = yield* open(schema)
      yield* content.write(adding(blobOf("a")))
      yield* sql(`DROP TABLE "${schema}".contents`)
      for (const work of [content.totals(0), content.read([hashOf("a")]), content.write(adding(blobOf("b")))]) {
        assert.strictEqual((yield* Effect.flip<unknown, { readonly reason: string }, never>(work)).reason, "Corrupt")
      }
      assert.strictEqual((yield* history.info).head, 0)
      assert.match((yield* Effect.flip(Effect.scoped(open(schema)))).message, /lacks contents/)
    })
  )
})

describe("a connection that ends in the middle of a write", () => {
  const wired = Effect.gen(function* () {
    const schema = yield* freshSchema
    const wire = yield* wireTo(url)
    const stores = yield* open(schema, { url: wire.url, poolSize: 2 })
    yield* stores.blobs.write(adding(blobOf("base")))
    return { ...stores, schema, wire, beside: (yield* open(schema)).blobs }
  })
  const row = blobOf("row", blobOf("base"))

  it.live("before the server had it: it is written", () =>
    Effect.gen(function* () {
      const { beside, blobs: content, wire } = yield* wired
      wire.loseRequest(row.hash)
      assert.deepStrictEqual(yield* content.write(adding(row)), [])
      assert.deepStrictEqual(byHash(yield* beside.read([row.hash])), byHash([blobOf("base"), row]))
    })
  )
  it.live("with its answer: it is there, and refused as if another one had written it", () =>
    Effect.gen(function* () {
      const { beside, blobs: content, wire } = yield* wired
      wire.loseAnswerTo(row.hash)
      assert.deepStrictEqual(yield* content.write(adding(row)), [row.hash])
      assert.deepStrictEqual(byHash(yield* beside.read([row.hash])), byHash([blobOf("base"), row]))
    })
  )
  it.live("and one that arrives late changes nothing", () =>
    Effect.gen(function* () {
      const { beside, blobs: content, wire } = yield* wired
      wire.delay(row.hash)
      assert.deepStrictEqual(yield* content.write(adding(row)), [])
      const { settled } = yield* beside.totals(0)
      yield* Effect.promise(() => wire.deliver())
      assert.strictEqual((yield* beside.totals(0)).settled, settled)
    })
  )
})

describe("a connection that the server ends at any step", () => {
  const [base, other] = [blobOf("base"), blobOf("other")]
  const high = { ...blobOf("high", base), depth: 5 }
  const seen = Effect.fnUntraced(function* (content: Content) {
    const { settled, ...totals } = yield* content.totals(0)
    const heads = yield* content.heads(everything)
    const serials = [...new Set(heads.map(({ touched }) => touched))].sort((a, b) => a - b)
    return {
      totals,
      heads: heads.map(({ touched, ...head }) => [head, serials.indexOf(touched)]),
      settled: serials.filter((serial) => serial <= settled).length
    }
  })
  const steps = (what: string, act: (content: Content) => Effect.Effect<unknown, HistoryStoreError>) =>
    it.live(`${what}: nothing or all of it, and then it works`, () =>
      Effect.gen(function* () {
        const run = (at: number) =>
          Effect.gen(function* () {
            const schema = yield* freshSchema
            const { blobs: content } = yield* open(schema, { poolSize: 2 })
            yield* content.write(adding(base, other, high))
            yield* content.write({ add: [], touch: [base.hash], hold: { holder: "me", until: 1e15 }, now: 0 })
            const before = yield* seen(content)
            yield* layFuse(schema)
            yield* lightFuse(schema, at)
            const result = yield* Effect.result(act(content))
            const reached = yield* putOutFuse(schema)
            if (result._tag === "Failure") {
              assert.strictEqual(result.failure.reason, "Unavailable", result.failure.message)
              // Of the commit nobody can tell whether it was before the end.
              const after = yield* seen(content)
              if (JSON.stringify(after) === JSON.stringify(before)) yield* act(content)
            }
            return { after: yield* seen(content), reached }
          }).pipe(Effect.scoped)
        const whole = yield* run(0)
        assert.isAtLeast(whole.reached, 3)
        for (let at = 1; at <= whole.reached; at++) {
          const { after } = yield* run(at)
          assert.deepStrictEqual(after, whole.after, `step ${at}`)
        }
      })
    )

  steps("a write", (content) =>
    content.write({
      add: [blobOf("new", other), blobOf("free")],
      touch: [high.hash],
      hold: { holder: "you", until: 1e15 },
      now: 0
    })
  )
  steps("a release", (content) => content.hold("me", null))
  steps("an encoding", (content) =>
    content.rebase({ blob: { ...high, base: other.hash, depth: 3, bytes: new Uint8Array(9) }, from: base.hash })
  )
  steps("a removal", (content) =>
    Effect.flatMap(content.heads({ hashes: [high.hash, other.hash] }), (heads) =>
      content.remove(heads.toSorted((a, b) => b.depth - a.depth))
    )
  )
})

describe("a hold", () => {
  it.effect(
    "that is lost, as by a server that stops, refuses the append of what it was for, until it is given up",
    () =>
      Effect.gen(function* () {
        const schema = yield* freshSchema
        const { blobs: content, history } = yield* open(schema)
        const write = { ...adding(blobOf("a")), hold: { holder: "me", until: 1_000_000 } }
        yield* content.write(write)
        yield* history.append([recordOf(1)], 0)
        yield* sql(`DELETE FROM "${schema}".holds; DELETE FROM "${schema}".contents`)
        for (const records of [[recordOf(2)], [recordOf(2), recordOf(3)]]) {
          const error = yield* Effect.flip(history.append(records, 1))
          assert.match(error.message, /has lost contents that were stored a moment before; nothing was appended/)
        }
        // A conflict is told first.
        assert.strictEqual((yield* Effect.flip(history.append([recordOf(1)], 0)))._tag, "HeadConflict")
        yield* content.hold("me", null)
        assert.strictEqual(yield* history.append([recordOf(2), recordOf(3)], 1), 3)
        // One whose time is over holds nobody up either.
        yield* content.write(write)
        yield* sql(`DELETE FROM "${schema}".holds`)
        yield* TestClock.setTime(1_000_000)
        assert.strictEqual(yield* history.append([recordOf(4)], 3), 4)
      })
  )
  it.effect("that others release meanwhile is in nobody's way", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      const { blobs: content, history } = yield* open(schema)
      const holding = Effect.fnUntraced(function* (name: number) {
        for (let round = 0; round < 30; round++) {
          const holder = `${name} ${round}`
          yield* content.write({ ...adding(blobOf(holder)), hold: { holder, until: 1e15 } })
          yield* Effect.yieldNow
          yield* content.hold(holder, null)
        }
      })
      const appending = Effect.gen(function* () {
        for (let id = 1; id <= 100; id++) yield* history.append([{ ...recordOf(id), parent: id - 1 }], id - 1)
      })
      yield* Effect.all([appending, ...[1, 2, 3].map(holding)], { concurrency: "unbounded" })
      assert.strictEqual((yield* history.info).last, 100)
      assert.strictEqual((yield* content.totals(0)).contents, 90)
    })
  )
  it.effect("ends by the clock of the server, whatever that of whoever sweeps says", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      const { blobs: content } = yield* open(schema)
      const [minute, day] = [60_000, 86_400_000]
      yield* TestClock.setTime(day)
      yield* content.write({ ...adding(blobOf("a")), hold: { holder: "me", until: day + 10 * minute }, now: day })
      const [touched] = (yield* content.heads(everything)).map(({ touched }) => touched)
      const isHeld = (now: number) => Effect.map(content.totals(now), ({ settled }) => settled < touched!)
      for (const wrong of [0, 2 * day, day + 60 * minute, day - 60 * minute]) {
        // Another machine, whose clock says this at that moment.
        yield* TestClock.setTime(wrong)
        assert.isTrue(yield* isHeld(wrong), `${wrong}`)
        yield* content.write({ ...adding(blobOf(wrong)), hold: { holder: "you", until: wrong }, now: wrong })
        assert.isTrue(yield* isHeld(wrong + 7 * minute), `${wrong}`)
        assert.isFalse(yield* isHeld(wrong + 13 * minute), `${wrong}`)
      }
      // What is longer than that is not cleared away before its time.
      yield* content.hold("me", day - 60 * minute + 20 * minute)
      yield* TestClock.setTime(day)
      assert.isTrue(yield* isHeld(day + 17 * minute))
      assert.isFalse(yield* isHeld(day + 23 * minute))
    })
  )
})

describe("who may do what", () => {
  it.effect("a user who may only read reads, and is told so when writing", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      const { blobs: content } = yield* open(schema)
      yield* content.write(adding(blobOf("a")))
      const role = yield* freshRole
      yield* sql(`GRANT USAGE ON SCHEMA "${schema}" TO "${role.name}";
        GRANT SELECT ON ALL TABLES IN SCHEMA "${schema}" TO "${role.name}"`)
      const works = (store: Content) =>
        [
          store.write(adding(blobOf("b"))),
          store.write({ add: [], touch: [hashOf("a")], now: 0 }),
          store.hold("me", 1),
          store.hold("me", null),
          store.rebase({ blob: blobOf("a"), from: undefined }),
          Effect.flatMap(store.heads(everything), store.remove)
        ] as ReadonlyArray<Effect.Effect<unknown, { readonly reason: string }>>
      for (const readOnly of [true, false]) {
        const reader = (yield* open(schema, { url: role.url, readOnly })).blobs
        assert.deepStrictEqual(yield* reader.read([hashOf("a")]), [blobOf("a")])
        assert.strictEqual((yield* reader.totals(0)).contents, 1)
        for (const work of works(reader)) assert.strictEqual((yield* Effect.flip(work)).reason, "ReadOnly")
      }
      const [head] = yield* content.heads(everything)
      const { settled, ...totals } = yield* content.totals(0)
      assert.deepStrictEqual(totals, { contents: 1, bytes: 300, stored: 100 })
      assert.strictEqual(settled, head!.touched)
    })
  )
  it.effect("registries of one schema know nothing of each other's", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      const one = (yield* open(schema, { registry: "one" })).blobs
      const two = (yield* open(schema, { registry: "two" })).blobs
      const [a, b] = chainOf(["a", "b"])
      yield* one.write({ ...adding(a!, b!), hold: { holder: "me", until: 1e15 } })
      assert.deepStrictEqual(yield* two.totals(0), { contents: 0, bytes: 0, stored: 0, settled: 0 })
      assert.deepStrictEqual(yield* two.write(adding(b!)), [b!.hash])
      yield* two.write({ ...adding({ ...a!, bytes: new Uint8Array(7) }), hold: { holder: "me", until: 1e15 } })
      assert.deepStrictEqual(yield* two.remove(yield* two.heads(everything)), [a!.hash])
      yield* two.hold("me", null)
      assert.deepStrictEqual(byHash(yield* one.read([b!.hash])), byHash([a!, b!]))
      assert.strictEqual((yield* one.totals(0)).settled, 0)
      assert.deepStrictEqual(yield* two.heads(everything), [])
    })
  )
  it.effect("a store without contents is brought to have them, with what it holds", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      yield* Effect.scoped(
        Effect.flatMap(makeWith({ url, schema }, migrations.slice(0, 1)), (store) => store.append([recordOf(1)], 0))
      )
      const { blobs: content, history } = yield* open(schema)
      assert.strictEqual((yield* history.info).last, 1)
      yield* content.write(adding(blobOf("a")))
      assert.deepStrictEqual((yield* content.heads(everything))[0]?.hash, hashOf("a"))
      // Whoever keeps no content opens the same store.
      const alone = yield* HistoryPostgres.make({ url, schema })
      assert.strictEqual(yield* alone.append([{ ...recordOf(2), parent: 1 }], 1), 2)
    })
  )
})
