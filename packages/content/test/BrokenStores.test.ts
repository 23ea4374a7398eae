/** The conformance suite must reject a backend that is wrong in any one way: each of these is, and a check that catches it is named. */
import { assert, describe, it } from "@effect/vitest"
import { type Blob, BlobStore, type Head } from "@heph/content/BlobStore"
import * as ContentMemory from "@heph/content/ContentMemory"
import { checks, placeChecks } from "@heph/content/testing/BlobStoreSuite"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type { Rows } from "./fixtures.ts"

/** A store in memory with some members that do wrong. */
const broken = (wrong: (sound: Rows) => Partial<Rows>): Layer.Layer<BlobStore> =>
  Layer.effect(
    BlobStore,
    Effect.map(ContentMemory.make, (sound) => BlobStore.of({ ...sound, ...wrong(sound) }))
  )

const reading = (change: (blobs: ReadonlyArray<Blob>) => ReadonlyArray<Blob>) =>
  broken((sound) => ({ read: (hashes) => Effect.map(sound.read(hashes), change) }))

const heading = (change: (heads: ReadonlyArray<Head>) => ReadonlyArray<Head>) =>
  broken((sound) => ({ heads: (range) => Effect.map(sound.heads(range), change) }))

const whole = "a row comes back as it was written, field by field"
const chains = "a read gives a row and all that it stands on, each once"
const notSettled = "what is written with a hold and after it is not settled until it is released"
const rebased = "another encoding of a row takes the place of the one it had, and is as old"
const mayNot = "another encoding is refused where the row, its base or its depth is not what it must be"

const catches: ReadonlyArray<readonly [what: string, layer: Layer.Layer<BlobStore>, check: string]> = [
  ["drops bytes", reading((blobs) => blobs.map((blob) => ({ ...blob, bytes: blob.bytes.slice(0, 1) }))), whole],
  ["forgets how bytes are encoded", reading((blobs) => blobs.map((blob) => ({ ...blob, encoding: "zstd" }))), whole],
  ["keeps a size in 32 bits", reading((blobs) => blobs.map((blob) => ({ ...blob, size: blob.size >>> 0 }))), whole],
  [
    "counts the steps itself",
    reading((blobs) => blobs.map((blob) => ({ ...blob, depth: blob.base === undefined ? 0 : 1 }))),
    whole
  ],
  [
    "tells the size where it should tell what is stored",
    heading((h) => h.map((x) => ({ ...x, stored: x.size }))),
    whole
  ],
  [
    "keeps the array that it was given",
    broken((sound) => {
      const given = new Map<string, Uint8Array>()
      return {
        write: (write) =>
          Effect.suspend(() => {
            for (const { bytes, hash } of write.add) given.set(hash, bytes)
            return sound.write(write)
          }),
        read: (hashes) =>
          Effect.map(sound.read(hashes), (blobs) =>
            blobs.map((blob) => ({ ...blob, bytes: given.get(blob.hash) ?? blob.bytes }))
          )
      }
    }),
    "what is written or read may be changed afterwards: nobody else sees it"
  ],
  [
    "reads no bases",
    broken((sound) => ({
      read: (hashes) => Effect.map(sound.read(hashes), (blobs) => blobs.filter(({ hash }) => hashes.includes(hash)))
    })),
    chains
  ],
  ["reads a base for each row that stands on it", reading((blobs) => [...blobs, ...blobs.slice(0, 1)]), chains],
  ["reads no more than fifty bases", reading((blobs) => blobs.slice(0, 51)), chains],
  [
    "begins a run with its bound",
    broken((sound) => ({
      heads: (range) =>
        "hashes" in range
          ? sound.heads(range)
          : Effect.map(Effect.all([sound.heads({ hashes: [range.after] }), sound.heads(range)]), (heads) =>
              heads.flat().slice(0, range.limit)
            )
    })),
    "a run of heads is by hash, from its exclusive bound, at most its limit"
  ],
  [
    "has runs in the order of writing",
    broken((sound) => ({
      heads: (range) => Effect.map(sound.heads(range), (heads) => [...heads].sort((a, b) => a.touched - b.touched))
    })),
    "a run of heads is by hash, from its exclusive bound, at most its limit"
  ],
  [
    "tells of a row twice",
    broken((sound) => ({
      heads: (range) =>
        Effect.map(sound.heads(range), (heads) =>
          "hashes" in range ? range.hashes.flatMap((hash) => heads.filter((head) => head.hash === hash)) : heads
        )
    })),
    "heads of hashes are those that are there, each once"
  ],
  [
    "adds up what is stored where it should add up sizes",
    broken((sound) => ({
      totals: (now) => Effect.map(sound.totals(now), (totals) => ({ ...totals, bytes: totals.stored }))
    })),
    "the totals count rows, and add up what they hold and take"
  ],
  [
    "takes a row that is there for written",
    broken((sound) => ({
      write: (write) =>
        Effect.gen(function* () {
          const there = (yield* sound.heads({ hashes: write.add.map(({ hash }) => hash) })).map(({ hash }) => hash)
          return yield* sound.write({ ...write, add: write.add.filter(({ hash }) => !there.includes(hash)) })
        })
    })),
    "a write is refused whole for a row that is there already"
  ],
  [
    "writes what it can of what it refuses",
    broken((sound) => ({
      write: (write) =>
        Effect.gen(function* () {
          const refused: Array<string> = []
          for (const blob of write.add) refused.push(...(yield* sound.write({ ...write, add: [blob], touch: [] })))
          return [...refused, ...(yield* sound.write({ ...write, add: [] }))]
        })
    })),
    "a write is refused whole for a row that is there already"
  ],
  [
    "takes any base that is there",
    broken((sound) => ({
      write: (write) =>
        sound.write({
          ...write,
          add: write.add.map((blob) => ({ ...blob, depth: blob.depth + 100 * (blob.base === undefined ? 0 : 1) }))
        })
    })),
    "a write is refused whole for a base that is not there, or not of a smaller depth"
  ],
  [
    "takes a base that is not there",
    broken((sound) => ({
      write: (write) =>
        Effect.gen(function* () {
          const bases = write.add.flatMap(({ base }) => base ?? [])
          const there = (yield* sound.heads({ hashes: bases })).map(({ hash }) => hash)
          const own = write.add.map(({ hash }) => hash)
          const add = write.add.map((blob) =>
            blob.base === undefined || there.includes(blob.base) || own.includes(blob.base)
              ? blob
              : { ...blob, base: undefined }
          )
          return yield* sound.write({ ...write, add })
        })
    })),
    "a write is refused whole for a base that is not there, or not of a smaller depth"
  ],
  [
    "touches what is there, and says nothing of the rest",
    broken((sound) => ({
      write: (write) =>
        Effect.flatMap(sound.heads({ hashes: write.touch }), (heads) =>
          sound.write({ ...write, touch: heads.map(({ hash }) => hash) })
        )
    })),
    "a write is refused whole for a row to touch that is not there"
  ],
  [
    "holds also what it refuses",
    broken((sound) => ({
      write: (write) =>
        Effect.gen(function* () {
          const refused = yield* sound.write(write)
          if (refused.length > 0) yield* sound.write({ ...write, add: [], touch: [] })
          return refused
        })
    })),
    "a write is refused whole for a row to touch that is not there"
  ],
  [
    "does not touch",
    broken((sound) => ({ write: (write) => sound.write({ ...write, touch: [] }) })),
    "each write takes a serial of its own, larger than those before, and all its rows bear it"
  ],
  [
    "writes row by row, each with a serial",
    broken((sound) => ({
      write: (write) =>
        Effect.gen(function* () {
          const refused: Array<string> = []
          for (const blob of write.add) refused.push(...(yield* sound.write({ ...write, add: [blob] })))
          return write.add.length === 0 ? yield* sound.write(write) : refused
        })
    })),
    "each write takes a serial of its own, larger than those before, and all its rows bear it"
  ],
  [
    "counts no hold",
    broken((sound) => ({ write: ({ add, now, touch }) => sound.write({ add, touch, now }) })),
    notSettled
  ],
  [
    "takes a hold after what it holds",
    broken((sound) => ({
      write: (write) =>
        Effect.gen(function* () {
          const refused = yield* sound.write({ ...write, hold: undefined })
          if (refused.length === 0 && write.hold !== undefined) yield* sound.write({ ...write, add: [], touch: [] })
          return refused
        })
    })),
    notSettled
  ],
  [
    "releases no hold",
    broken((sound) => ({ hold: (holder, until) => (until === null ? Effect.void : sound.hold(holder, until)) })),
    notSettled
  ],
  [
    "knows one hold at a time",
    broken((sound) => ({
      write: (write) =>
        sound.write(write.hold === undefined ? write : { ...write, hold: { ...write.hold, holder: "the hold" } }),
      hold: (_, until) => sound.hold("the hold", until)
    })),
    "of several holds the oldest counts"
  ],
  [
    "lets no hold end",
    broken((sound) => ({ totals: () => sound.totals(0) })),
    "a hold ends by itself at its time, and not before"
  ],
  [
    "lets a hold end a moment too late",
    broken((sound) => ({ totals: (now) => sound.totals(now - 1) })),
    "a hold ends by itself at its time, and not before"
  ],
  [
    "renews no hold",
    broken((sound) => ({ hold: (holder, until) => (until === null ? sound.hold(holder, null) : Effect.void) })),
    "a hold can be set to end later"
  ],
  [
    "takes a hold to set for one to take",
    broken((sound) => ({
      hold: (holder, until) =>
        until === null
          ? sound.hold(holder, null)
          : Effect.asVoid(sound.write({ add: [], touch: [], hold: { holder, until }, now: 0 }))
    })),
    "to set or release a hold that is not there does nothing"
  ],
  [
    "keeps holds that have ended",
    broken((sound) => ({ write: (write) => sound.write({ ...write, now: 0 }) })),
    "holds that have ended are cleared away when the next one is taken"
  ],
  [
    "takes another encoding for a new row",
    broken((sound) => ({
      rebase: (rebase) =>
        Effect.tap(sound.rebase(rebase), (done) =>
          done ? sound.write({ add: [], touch: [rebase.blob.hash], now: 0 }) : Effect.void
        )
    })),
    rebased
  ],
  ["says that it took another encoding", broken(() => ({ rebase: () => Effect.succeed(true) })), rebased],
  [
    "takes another encoding whatever the row stands on",
    broken((sound) => ({
      rebase: (rebase) =>
        Effect.flatMap(sound.heads({ hashes: [rebase.blob.hash] }), ([head]) =>
          sound.rebase({ ...rebase, from: head?.base })
        )
    })),
    mayNot
  ],
  [
    "takes another encoding on any base",
    broken((sound) => ({
      rebase: (rebase) =>
        Effect.flatMap(sound.rebase(rebase), (done) =>
          done ? Effect.succeed(true) : sound.rebase({ ...rebase, blob: { ...rebase.blob, base: undefined } })
        )
    })),
    mayNot
  ],
  [
    "takes another encoding of any depth",
    broken((sound) => ({
      rebase: (rebase) =>
        Effect.flatMap(sound.rebase(rebase), (done) =>
          done
            ? Effect.succeed(true)
            : sound.rebase({ ...rebase, blob: { ...rebase.blob, depth: rebase.blob.depth - 1 } })
        )
    })),
    mayNot
  ],
  [
    "removes nothing",
    broken(() => ({ remove: () => Effect.succeed([]) })),
    "rows that are removed are gone, and no others"
  ],
  [
    "says of rows that were gone that it removed them",
    broken((sound) => ({
      remove: (removals) =>
        Effect.as(
          sound.remove(removals),
          removals.map(({ hash }) => hash)
        )
    })),
    "rows that are removed are gone, and no others"
  ],
  [
    "removes what was touched since",
    broken((sound) => ({
      remove: (removals) =>
        Effect.flatMap(sound.heads({ hashes: removals.map(({ hash }) => hash) }), (heads) =>
          sound.remove(removals.flatMap(({ hash }) => heads.filter((head) => head.hash === hash)))
        )
    })),
    "a row that was touched since it was seen is not removed"
  ],
  [
    "removes in an order of its own",
    broken((sound) => ({
      remove: (removals) => sound.remove([...removals].sort((a, b) => (a.hash < b.hash ? 1 : -1)))
    })),
    "a row that another stands on is not removed, unless that one went before it"
  ],
  [
    "removes a thousand rows at most",
    broken((sound) => ({ remove: (removals) => sound.remove(removals.slice(0, 1000)) })),
    "thousands of rows are removed in one call"
  ],
  [
    "stores no more than one row at a time",
    broken((sound) => ({ write: (write) => sound.write({ ...write, add: write.add.slice(0, 1) }) })),
    "any order of writes, new encodings and removals does what it would do to a map of rows (property)"
  ]
]

describe("the suite rejects a backend that", () => {
  it.each(catches)("%s", async (_, layer, name) => {
    const check = checks.find((check) => check.name === name)
    assert.isDefined(check)
    const run = (layer: Layer.Layer<BlobStore>) => Effect.runPromiseExit(Effect.provide(check.run, layer))
    assert.isTrue(Exit.isSuccess(await run(ContentMemory.layer)))
    assert.isTrue(Exit.isFailure(await run(layer)))
  })
})

describe("the suite rejects a place that", () => {
  const durable = { durable: true, shared: false }
  const shared = { durable: false, shared: true }
  const places: ReadonlyArray<readonly [what: string, name: string]> = [
    ["forgets", "everything is there after the store was closed and opened again, and serials go on"],
    ["has a store for each opening", "what one opening writes, another one sees and is bound by"],
    [
      "keeps no serials for all",
      "fifty writers over two openings: each row is there, each with a serial of its own, and settled last"
    ]
  ]
  it.each(places)("%s", async (_, name) => {
    const check = placeChecks.find((check) => check.name === name)
    assert.isTrue(check!.appliesTo(name.startsWith("everything") ? durable : shared))
    assert.isTrue(Exit.isFailure(await Effect.runPromiseExit(check!.run(ContentMemory.layer))))
  })
  it("promises nothing of the kind is not asked for it", () => {
    assert.deepStrictEqual(
      placeChecks.filter((check) => check.appliesTo({ durable: false, shared: false })),
      []
    )
  })
})
