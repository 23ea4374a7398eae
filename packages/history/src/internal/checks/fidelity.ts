/** That what goes in comes out: the whole value model, large changesets, the fields of a version, and nobody's hands in it. */
import type * as ChangeSet from "@heph/changeset/ChangeSet"
import * as Codec from "@heph/changeset/Codec"
import * as Operation from "@heph/changeset/Operation"
import * as Entry from "@heph/entry/Entry"
import * as Arbitraries from "@heph/entry/testing/Arbitraries"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { changesetOf, type Check, check, entry, equal, equalVersions, fail, type Store, version } from "./check.ts"

/** What an update leads from and to: of one id and one kind. */
const changed = fc
  .tuple(Arbitraries.entry, Arbitraries.entryInput)
  .map(([original, { data, meta }]) =>
    Operation.update(Entry.makeUnsafe({ id: original.id, kind: original.kind, data, meta }), original)
  )

const operation = fc.oneof(
  Arbitraries.entry.map(Operation.create),
  changed,
  Arbitraries.entry.map((original) => Operation.remove(original.id, original))
)

const anyChangeset: fc.Arbitrary<ChangeSet.ChangeSet> = fc.array(operation, { maxLength: 5 })

/** That one more version with this changeset comes back equal, by id and in a run. */
const roundTrip = Effect.fnUntraced(function* (store: Store, changeset: ChangeSet.ChangeSet) {
  const { last, revision } = yield* store.info
  const record = version(last + 1, { changeset })
  yield* store.append([record], revision)
  yield* equalVersions("a round trip by id", yield* store.versions({ ids: [record.id] }), [record])
  yield* equalVersions("a round trip in a run", yield* store.versions({ before: record.id + 1, limit: 1 }), [record])
})

/** The paths of byte arrays that are not plain `Uint8Array`s: a `Buffer` prints, slices and compares otherwise. */
const strangers = (value: unknown, path: string): ReadonlyArray<string> => {
  if (typeof value !== "object" || value === null || value instanceof Date) return []
  if (value instanceof Uint8Array) return value.constructor === Uint8Array ? [] : [path]
  return Object.entries(value).flatMap(([key, item]) => strangers(item, `${path}.${key}`))
}

let deepest: unknown = 2n ** 64n - 1n
for (let depth = 0; depth < 100; depth++) deepest = depth % 2 === 0 ? [deepest] : { deeper: deepest }

const pattern = (length: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = i * 7 + (i >> 9)
  return bytes
}

const values: ReadonlyArray<Check> = [
  check("whatever a changeset may hold comes back equal, in value and in bytes (property)", (store) =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(anyChangeset, (changeset) => Effect.runPromise(roundTrip(store, changeset))),
        { numRuns: 150 }
      )
    )
  ),
  check("the ends of the value model come back equal", (store) =>
    Effect.gen(function* () {
      const data = {
        numbers: [0, 1.5, -1, Number.NaN, Infinity, -Infinity, Number.MAX_VALUE, Number.MIN_VALUE, 2 ** 53, 0.1],
        integers: [2n ** 64n - 1n, -(2n ** 63n), 2n ** 53n + 1n, 0n, 1n],
        texts: ["", "\0", "\u2028", "名前 𝄞", "e\u0301", "\uFEFF", "x".repeat(70_000)],
        bytes: [new Uint8Array(0), pattern(1), pattern(70_000)],
        dates: [new Date(0), new Date(-1), new Date(8.64e15), new Date(-8.64e15), new Date(1)],
        nested: [[], {}, [[]], [{}], { "": { " ": null } }]
      }
      const made = entry("test:ends", data)
      const deep = entry("test:ends", deepest)
      yield* roundTrip(store, [Operation.create(made)])
      yield* roundTrip(store, [Operation.update(deep, made)])
      yield* roundTrip(store, [Operation.remove(deep.id, deep), Operation.create(deep)])
      yield* roundTrip(store, [])
    })
  ),
  check("bytes come back as Uint8Array, and as nothing that only looks like one", (store) =>
    Effect.gen(function* () {
      yield* store.append([version(1, { changeset: [Operation.create(entry("test:bytes", [pattern(20)]))] })], 0)
      for (const record of yield* store.versions({ ids: [1] })) {
        const changeset = yield* changesetOf(record)
        yield* equal(
          "other kinds of byte arrays",
          strangers({ changeset, bytes: yield* record.changeset.bytes }, "v1"),
          []
        )
      }
    })
  ),
  check("a changeset of 5 MB in one entry, and one of 2,000 operations, come back equal", (store) =>
    Effect.gen(function* () {
      yield* roundTrip(store, [Operation.create(entry("test:large", pattern(5_000_000)))])
      const many = Array.from({ length: 2000 }, (_, i) => entry(`test:many-${i}`, { text: "x".repeat(900), i }))
      yield* roundTrip(store, many.map(Operation.create))
      yield* roundTrip(store, [Operation.create(entry("test:small", 1))])
    })
  ),
  check("a version keeps its message, author, time and counts as they are", (store) =>
    Effect.gen(function* () {
      const texts = [
        undefined,
        "",
        " ",
        "Ünïcödé 名前 𝄞 ☃",
        "two\nlines\ttabbed",
        `'quotes' "and" \\`,
        "y".repeat(100_000)
      ]
      const timestamps = [0, 1, 1_700_000_000_000, 2 ** 31, 2 ** 32, 8.64e15]
      const count = Math.max(texts.length, timestamps.length)
      const versions = Array.from({ length: count }, (_, i) => ({
        ...version(i + 1, { message: texts[i % texts.length], author: texts[(i + 1) % texts.length] }),
        timestamp: timestamps[i % timestamps.length]!,
        created: i,
        updated: i * 1000,
        deleted: 2 ** 31 + i
      }))
      yield* store.append(versions, 0)
      yield* equalVersions("odd fields", yield* store.versions({ after: 0, limit: count }), versions)
    })
  )
]

const isolation: ReadonlyArray<Check> = [
  check("changing what was passed, or what was returned, changes nothing stored", (store) =>
    Effect.gen(function* () {
      const expected = [version(1), version(2)]
      const passed = expected.map((record) => ({ ...record }))
      yield* store.append(passed, 0)
      Object.assign(passed[0]!, { message: "changed", parent: 7 })
      passed.length = 0
      yield* equalVersions("what was passed", yield* store.versions({ after: 0, limit: 5 }), expected)
      yield* store.tag("one", 1)
      const info = yield* store.info
      // A store may refuse (what it returned is frozen) or hand out copies: both leave what it holds alone.
      yield* Effect.exit(
        Effect.try(() => {
          ;(info.tags as Map<string, number>).set("two", 2)
          ;(info.checkpoints as Array<number>).push(1)
        })
      )
      const returned = yield* store.versions({ after: 0, limit: 5 })
      const moves = yield* store.heads(0, 5)
      for (const row of [...returned, ...moves])
        yield* Effect.exit(Effect.try(() => Object.assign(row, { timestamp: 1 })))
      for (const list of [returned, moves]) yield* Effect.exit(Effect.try(() => (list as Array<unknown>).pop()))
      yield* equalVersions("what was returned", yield* store.versions({ after: 0, limit: 5 }), expected)
      yield* equal(
        "the moves that were returned",
        (yield* store.heads(0, 5)).map(({ timestamp }) => timestamp),
        expected.map(({ timestamp }) => timestamp)
      )
      const { checkpoints, tags } = yield* store.info
      yield* equal("info that was returned", { tags: [...tags], checkpoints }, { tags: [["one", 1]], checkpoints: [] })
    })
  ),
  check("a changeset is stored once, whatever is asked of it first", (store) =>
    Effect.gen(function* () {
      const record = version(1)
      yield* store.append([record], 0)
      const byBytes = (yield* store.versions({ ids: [1] }))[0] ?? (yield* fail("v1", "a version", "nothing"))
      const byValue = (yield* store.versions({ ids: [1] }))[0] ?? (yield* fail("v1", "a version", "nothing"))
      const bytes = yield* byBytes.changeset.bytes
      yield* equal("bytes, then value, then bytes", Codec.encode(yield* changesetOf(byBytes)), bytes)
      yield* equal("value, then bytes", Codec.encode(yield* changesetOf(byValue)), yield* byValue.changeset.bytes)
      yield* equal("the two", yield* byValue.changeset.bytes, bytes)
    })
  )
]

export const fidelity: ReadonlyArray<Check> = [...values, ...isolation]
