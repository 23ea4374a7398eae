/** The conformance suite must reject a store that is wrong in any one way: each of these is, and a check that catches it is named. */
import { assert, describe, it } from "@effect/vitest"
import * as Codec from "@heph/changeset/Codec"
import * as HistoryMemory from "@heph/history-memory/HistoryMemory"
import { HistoryStore, type Run, type VersionRecord } from "@heph/history/HistoryStore"
import * as Packed from "@heph/history/Packed"
import { checks, placeChecks } from "@heph/history/testing/HistoryStoreSuite"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"

type Store = HistoryStore["Service"]

/** A memory store with some members that do wrong. */
const broken = (wrong: (sound: Store) => Partial<Store>): Layer.Layer<HistoryStore> =>
  Layer.effect(
    HistoryStore,
    Effect.map(HistoryMemory.make, (sound) => HistoryStore.of({ ...sound, ...wrong(sound) }))
  )

/** A store that does wrong in what it hands out. */
const reading = (change: (records: ReadonlyArray<VersionRecord>) => ReadonlyArray<VersionRecord>) =>
  broken((sound) => ({ versions: (range) => Effect.map(sound.versions(range), change) }))

const withBytes = (change: (bytes: Uint8Array) => Uint8Array) =>
  reading((records) =>
    records.map((record) => ({ ...record, changeset: Packed.fromStore(Effect.map(record.changeset.bytes, change)) }))
  )

/** Does what was asked in the place of what is refused as NotFound. */
const notFoundIsFine = <A, E extends { readonly _tag: string }>(effect: Effect.Effect<A, E>, instead: A) =>
  Effect.catchIf(
    effect,
    (error) => error._tag === "HistoryStoreError",
    () => Effect.succeed(instead)
  )

const catches: ReadonlyArray<readonly [what: string, layer: Layer.Layer<HistoryStore>, check: string]> = [
  [
    "drops payloads",
    reading((records) => records.map((record) => ({ ...record, changeset: Packed.fromChangeSet([]) }))),
    "an append is read back whole, and head moves to it"
  ],
  [
    "ignores the revision that the writer saw",
    broken((sound) => ({
      append: (versions) => Effect.flatMap(sound.info, ({ revision }) => sound.append(versions, revision))
    })),
    "a stale revision writes nothing and is told what the store holds"
  ],
  [
    "looks at the revision, lets others in, and then writes",
    broken((sound) => ({
      append: Effect.fnUntraced(function* (versions, seen) {
        const { revision } = yield* sound.info
        if (revision !== seen) return yield* sound.append(versions, seen)
        yield* Effect.yieldNow
        const now = yield* sound.info
        const moved = versions.map((version, i) => ({ ...version, id: now.last + 1 + i }))
        return yield* sound.append(moved, now.revision)
      })
    })),
    "fifty writers at once end in one chain, with none lost"
  ],
  [
    "returns versions in the wrong order",
    reading((records) => [...records].reverse()),
    "a run of versions is by id, from its exclusive bound, at most its limit"
  ],
  [
    "returns versions by id in the order of ids",
    broken((sound) => ({
      versions: (range) =>
        sound.versions("ids" in range ? { ids: [...new Set(range.ids)].sort((a, b) => a - b) } : range)
    })),
    "versions by id come in the order asked for, with duplicates and without those that are none"
  ],
  [
    "loses the second version of a batch",
    broken((sound) => ({ append: (versions, revision) => sound.append(versions.slice(0, 1), revision) })),
    "a batch is a chain of versions and one move of head for each"
  ],
  [
    "writes the first versions of a batch before it refuses the last",
    broken((sound) => ({
      append: Effect.fnUntraced(function* (versions, revision) {
        if (versions.length === 0) return yield* sound.append(versions, revision)
        for (const version of versions) revision = yield* sound.append([version], revision)
        return revision
      })
    })),
    "a batch is all or nothing"
  ],
  [
    "takes a version that is there for written",
    broken((sound) => ({ append: (versions, seen) => notFoundIsFine(sound.append(versions, seen), seen + 1) })),
    "an id that repeats, goes back or leaves a gap is refused and writes nothing"
  ],
  [
    "takes any parent",
    broken((sound) => ({
      append: Effect.fnUntraced(function* (versions, seen) {
        const { last } = yield* sound.info
        const known = versions.map((version) => (version.parent > last ? { ...version, parent: last } : version))
        return yield* sound.append(known, seen)
      })
    })),
    "an unknown parent is refused and writes nothing"
  ],
  [
    "moves head anywhere",
    broken((sound) => ({
      moveHead: (version, timestamp, seen) => notFoundIsFine(sound.moveHead(version, timestamp, seen), seen + 1)
    })),
    "head does not move to a version that does not exist"
  ],
  [
    "keeps no log of moves",
    broken(() => ({ heads: () => Effect.succeed([]) })),
    "head moves to any version that exists, and each move is kept"
  ],
  [
    "pages the log of heads from an inclusive bound",
    broken((sound) => ({ heads: (after, limit) => sound.heads(Math.max(after - 1, 0), limit) })),
    "the log of heads is paged by revision"
  ],
  [
    "never forgets a tag",
    broken((sound) => ({ tag: (name, version) => (version === null ? Effect.void : sound.tag(name, version)) })),
    "a tag is set, moved and forgotten, and touches nothing else"
  ],
  [
    "tags what does not exist",
    broken((sound) => ({ tag: (name, version) => notFoundIsFine(sound.tag(name, version), undefined) })),
    "a tag of an unknown version is refused, and the tag stays where it was"
  ],
  [
    "takes tags that differ in case for one",
    broken((sound) => ({ tag: (name, version) => sound.tag(name.toLowerCase(), version) })),
    "a tag may have any name"
  ],
  [
    "rounds numbers, as JSON and 32-bit floats do",
    withBytes((bytes) => {
      const at = bytes.indexOf(0xcb) // a 64-bit float
      return at < 0 ? bytes : Uint8Array.from(bytes, (byte, i) => (i === at + 8 ? byte ^ 1 : byte))
    }),
    "the ends of the value model come back equal"
  ],
  [
    "hands out Buffers",
    withBytes((bytes) => Buffer.from(bytes)),
    "bytes come back as Uint8Array, and as nothing that only looks like one"
  ],
  [
    "cuts large changesets short",
    withBytes((bytes) => bytes.subarray(0, 1_000_000)),
    "a changeset of 5 MB in one entry, and one of 2,000 operations, come back equal"
  ],
  [
    "takes an empty message for none",
    reading((records) =>
      records.map((record) => ({ ...record, message: record.message === "" ? undefined : record.message }))
    ),
    "a version keeps its message, author, time and counts as they are"
  ],
  [
    "keeps the caller's objects",
    broken((sound) => {
      const kept = new Map<number, VersionRecord>()
      return {
        append: (versions, revision) => {
          for (const version of versions) kept.set(version.id, version)
          return sound.append(versions, revision)
        },
        versions: (range) =>
          Effect.map(sound.versions(range), (records) => records.map((record) => kept.get(record.id) ?? record))
      }
    }),
    "changing what was passed, or what was returned, changes nothing stored"
  ],
  [
    "keeps the encoder's buffer as a chunk",
    broken((sound) => {
      const kept = new Map<number, ReadonlyArray<Uint8Array>>()
      const save: Store["checkpoints"]["save"] = (version, chunks) =>
        Effect.suspend(() => {
          kept.set(version, [...chunks])
          return sound.checkpoints.save(version, [])
        })
      return { checkpoints: { ...sound.checkpoints, save, load: (version) => Effect.succeed(kept.get(version) ?? []) } }
    }),
    "chunks are taken one by one, and may be made in one buffer"
  ],
  [
    "adds to a checkpoint instead of replacing it",
    broken((sound) => ({
      checkpoints: {
        ...sound.checkpoints,
        save: (version, chunks) =>
          Effect.flatMap(
            Effect.orElseSucceed(sound.checkpoints.load(version), () => []),
            (before) => sound.checkpoints.save(version, [...before, ...chunks])
          )
      }
    })),
    "a checkpoint saved again replaces the first, chunk for chunk"
  ],
  [
    "takes a checkpoint that is none for an empty one",
    broken((sound) => ({
      checkpoints: { ...sound.checkpoints, load: (version) => notFoundIsFine(sound.checkpoints.load(version), []) }
    })),
    "a checkpoint that is none is NotFound, and so is one of an unknown version"
  ],
  [
    "drops all checkpoints when it is to drop some",
    broken((sound) => ({
      checkpoints: {
        ...sound.checkpoints,
        drop: () => Effect.flatMap(sound.info, ({ checkpoints }) => sound.checkpoints.drop(checkpoints))
      }
    })),
    "checkpoints are dropped one by one, and those of other versions stay"
  ],
  [
    "compacts without folding",
    broken((sound) => ({ compact: ({ drop, last }) => sound.compact({ drop, fold: [], last }) })),
    "compaction drops versions and their checkpoints, folds others, and leaves all else"
  ],
  [
    "forgets on the next compaction what the first dropped",
    broken((sound) => {
      let latest: ReadonlyArray<Run> = []
      return {
        compact: (compaction) =>
          Effect.tap(sound.compact(compaction), () => Effect.sync(() => (latest = compaction.drop))),
        info: Effect.map(sound.info, (info) => ({ ...info, dropped: latest }))
      }
    }),
    "a second compaction goes on from the first, and runs that meet are one"
  ],
  [
    "drops what came to be needed",
    broken((sound) => ({
      compact: (compaction) =>
        Effect.catch(sound.compact(compaction), () =>
          sound.compact({ drop: [[1, 1]], fold: [], last: compaction.last })
        )
    })),
    "compaction of what is needed is refused and changes nothing"
  ],
  [
    "finds damage where there is none",
    broken(() => ({ verify: Effect.succeed([{ what: "v1", reason: "it looks odd" }]) })),
    "verify finds nothing in a sound store"
  ],
  [
    "decodes what it was never given",
    withBytes(() => Codec.encode([])),
    "whatever a changeset may hold comes back equal, in value and in bytes (property)"
  ],
  [
    "counts nothing where it keeps nothing",
    broken(() => ({ capabilities: { durable: false, shared: false, travel: false } })),
    "without history every way back is refused as unsupported"
  ]
]

describe("the conformance suite rejects a store that", () => {
  for (const [what, layer, name] of catches) {
    it.effect(
      what,
      () =>
        Effect.gen(function* () {
          const check = checks.find((check) => check.name === name)
          assert.isDefined(check, `there is no check "${name}"`)
          assert.isTrue(Exit.isFailure(yield* Effect.exit(Effect.provide(check.run, Layer.fresh(layer)))))
          // The same check passes on the store that all of these are made of, so it is this fault that it caught.
          const promised = check.appliesTo({ durable: false, shared: false, travel: true })
          const sound = yield* Effect.exit(Effect.provide(check.run, Layer.fresh(HistoryMemory.layer)))
          assert.strictEqual(Exit.isSuccess(sound), promised)
        }),
      60_000
    )
  }

  it.effect("says it is durable and is empty when it is opened again", () =>
    Effect.gen(function* () {
      const forgetful = broken(() => ({ capabilities: { durable: true, shared: false, travel: true } }))
      const check = placeChecks.find(({ name }) => name.startsWith("everything is there after"))
      assert.isDefined(check)
      assert.isTrue(Exit.isFailure(yield* Effect.exit(check.run(forgetful))))
      // A place that keeps its store, as a file does, passes.
      const kept = yield* HistoryMemory.make
      yield* check.run(Layer.succeed(HistoryStore, kept))
    })
  )
})

describe("the checks", () => {
  it("have names of their own", () => {
    const names = [...checks, ...placeChecks].map(({ name }) => name)
    assert.deepStrictEqual(
      names.filter((name, i) => names.indexOf(name) !== i),
      []
    )
  })
})
