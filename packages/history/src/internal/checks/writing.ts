/** What a store does when it is written to: appends, moves of head, tags; what it refuses, and that refusing writes nothing. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import {
  appendChain,
  appendRetrying,
  chain,
  type Check,
  check,
  conflicts,
  equal,
  equalVersions,
  fail,
  plainInfo,
  refused,
  type Store,
  unchanged,
  version
} from "./check.ts"

/** v1 … v5 on three branches of v0 and v2, head at v4, and tags: something to leave as it is. */
const grown = Effect.fnUntraced(function* (store: Store) {
  yield* appendChain(store, 3)
  yield* store.append([version(4, { parent: 2 }), version(5, { parent: 0 })], 3)
  yield* store.moveHead(4, 1_700_000_001_000, 5)
  yield* store.tag("release", 2)
  yield* store.checkpoints.save(3, [new Uint8Array([1, 2, 3])])
})

const fresh: ReadonlyArray<Check> = [
  check("a fresh store is at v0 with nothing in it", (store) =>
    Effect.gen(function* () {
      const { created, ...info } = plainInfo(yield* store.info)
      yield* equal("a fresh store", info, { head: 0, revision: 0, last: 0, tags: [], checkpoints: [], dropped: [] })
      const now = yield* Clock.currentTimeMillis
      if (!(Number.isInteger(created) && created <= now && created > now - 3_600_000)) {
        return yield* fail("the time a fresh store was created", `whole milliseconds, up to ${now}`, created)
      }
      yield* equalVersions("a fresh store", yield* store.versions({ after: 0, limit: 10 }), [])
      yield* equalVersions("a fresh store by id", yield* store.versions({ ids: [0, 1] }), [])
      yield* equal("the log of heads of a fresh store", yield* store.heads(0, 10), [])
      yield* equal("what verify finds in a fresh store", yield* store.verify, [])
    })
  )
]

const appending: ReadonlyArray<Check> = [
  check("an append is read back whole, and head moves to it", (store) =>
    Effect.gen(function* () {
      const first = version(1, { message: "first", author: "Ada" })
      const second = version(2, { timestamp: 1_700_000_009_000 })
      yield* equal("the revision of the first append", yield* store.append([first], 0), 1)
      yield* equal("the revision of the second append", yield* store.append([second], 1), 2)
      const { head, last, revision } = yield* store.info
      yield* equal("info after two appends", { head, last, revision }, { head: 2, last: 2, revision: 2 })
      yield* equalVersions("two appends", yield* store.versions({ after: 0, limit: 10 }), [first, second])
      yield* equal("the log of heads", yield* store.heads(0, 10), [
        { revision: 1, version: 1, timestamp: first.timestamp },
        { revision: 2, version: 2, timestamp: second.timestamp }
      ])
    })
  ),
  check("a batch is a chain of versions and one move of head for each", (store) =>
    Effect.gen(function* () {
      const batch = chain(4)
      yield* equal("the revision after a batch of four", yield* store.append(batch, 0), 4)
      yield* equalVersions("a batch", yield* store.versions({ after: 0, limit: 10 }), batch)
      yield* equal(
        "the log of heads after a batch",
        yield* store.heads(0, 10),
        batch.map(({ id, timestamp }) => ({ revision: id, version: id, timestamp }))
      )
      const { head, last, revision } = yield* store.info
      yield* equal("info after a batch", { head, last, revision }, { head: 4, last: 4, revision: 4 })
    })
  ),
  check("a batch of none writes nothing, and still tells a stale revision", (store) =>
    Effect.gen(function* () {
      yield* grown(store)
      yield* unchanged(
        "a batch of none",
        store,
        Effect.flatMap(store.append([], 6), (revision) => equal("the revision", revision, 6))
      )
      yield* conflicts("a stale batch of none", store.append([], 5), 5, { head: 4, revision: 6 })
    })
  ),
  check("an id that repeats, goes back or leaves a gap is refused and writes nothing", (store) =>
    Effect.gen(function* () {
      yield* grown(store)
      for (const id of [0, 1, 5, 7, 100, -1, 5.5, Number.NaN]) {
        const append = store.append([version(id, { parent: 1 })], 6)
        yield* unchanged(`an append of id ${id} after 5`, store, refused(`the id ${id} after 5`, append, "NotFound"))
      }
      const again = store.append([version(6), version(6, { message: "again" })], 6)
      yield* unchanged("a batch with one id twice", store, refused("one id twice in a batch", again, "NotFound"))
      const gap = store.append([version(6), version(8, { parent: 6 })], 6)
      yield* unchanged("a batch with a gap", store, refused("a gap in a batch", gap, "NotFound"))
    })
  ),
  check("an unknown parent is refused and writes nothing", (store) =>
    Effect.gen(function* () {
      yield* grown(store)
      for (const parent of [6, 7, 100, -1, 2.5, Number.NaN]) {
        const append = store.append([version(6, { parent })], 6)
        yield* unchanged(`an append to v${parent}`, store, refused(`the parent ${parent}`, append, "NotFound"))
      }
      const late = store.append([version(6, { parent: 7 }), version(7, { parent: 5 })], 6)
      yield* unchanged("a batch with a parent after its child", store, refused("a late parent", late, "NotFound"))
    })
  ),
  check("a batch is all or nothing", (store) =>
    Effect.gen(function* () {
      yield* grown(store)
      const batch = [version(6), version(7), version(8, { parent: 50 })]
      yield* unchanged("a batch whose last is wrong", store, refused("the batch", store.append(batch, 6), "NotFound"))
      const whole = [version(6), version(7), version(8, { parent: 5 })]
      yield* equal("the same batch put right", yield* store.append(whole, 6), 9)
      yield* equalVersions("the batch put right", yield* store.versions({ after: 5, limit: 10 }), whole)
    })
  ),
  check("a stale revision writes nothing and is told what the store holds", (store) =>
    Effect.gen(function* () {
      yield* grown(store)
      const found = { head: 4, revision: 6 }
      for (const revision of [0, 5, 7, 1_000_000]) {
        const append = conflicts(`an append at ${revision}`, store.append([version(6)], revision), revision, found)
        yield* unchanged(`an append at revision ${revision} of 6`, store, append)
        const move = conflicts(`a move at ${revision}`, store.moveHead(1, 1_700_000_002_000, revision), revision, found)
        yield* unchanged(`a move of head at revision ${revision} of 6`, store, move)
      }
      // Both at once: the writer has to look again before anything it says can be judged.
      yield* conflicts("a stale append with a wrong id", store.append([version(60)], 2), 2, found)
      yield* conflicts("a stale move to an unknown version", store.moveHead(60, 1, 2), 2, found)
    })
  ),
  check("a version may branch off any other", (store) =>
    Effect.gen(function* () {
      const versions = [
        version(1),
        version(2),
        version(3, { parent: 1 }),
        version(4, { parent: 0 }),
        version(5, { parent: 3 }),
        version(6, { parent: 2 })
      ]
      for (const [revision, record] of versions.entries()) yield* store.append([record], revision)
      yield* equalVersions("a tree", yield* store.versions({ after: 0, limit: 10 }), versions)
    })
  ),
  check("fifty writers at once end in one chain, with none lost", (store) =>
    Effect.gen(function* () {
      const messages = Array.from({ length: 50 }, (_, i) => `writer ${i}`)
      yield* Effect.forEach(messages, (message) => appendRetrying(store, message), {
        concurrency: "unbounded",
        discard: true
      })
      yield* oneChain(store, messages)
    })
  )
]

/** That a store holds one version of each message, each the child of the one before it, and head at the last. */
export const oneChain = Effect.fnUntraced(function* (store: Store, messages: ReadonlyArray<string>) {
  const { head, last, revision } = yield* store.info
  const count = messages.length
  yield* equal("info after all writers", { head, last, revision }, { head: count, last: count, revision: count })
  const versions = yield* store.versions({ after: 0, limit: count + 1 })
  const written = new Set(versions.map(({ message }) => message))
  yield* equal(
    "the writers that were lost",
    messages.filter((message) => !written.has(message)),
    []
  )
  yield* equalVersions(
    "all writers",
    versions,
    versions.map(({ message }, i) => version(i + 1, { parent: i, message }))
  )
})

const heads: ReadonlyArray<Check> = [
  check("head moves to any version that exists, and each move is kept", (store) =>
    Effect.gen(function* () {
      yield* appendChain(store, 3)
      const moves = [1, 3, 3, 0, 2]
      for (const [i, to] of moves.entries()) {
        yield* equal(
          `the revision of the move to v${to}`,
          yield* store.moveHead(to, 1_700_000_005_000 + i, 3 + i),
          4 + i
        )
        const { head, last, revision } = yield* store.info
        yield* equal(`info at v${to}`, { head, last, revision }, { head: to, last: 3, revision: 4 + i })
      }
      yield* equal(
        "the moves in the log of heads",
        yield* store.heads(3, 10),
        moves.map((to, i) => ({ revision: 4 + i, version: to, timestamp: 1_700_000_005_000 + i }))
      )
    })
  ),
  check("head does not move to a version that does not exist", (store) =>
    Effect.gen(function* () {
      yield* grown(store)
      for (const to of [6, 77, -1, 1.5, Number.NaN]) {
        yield* unchanged(`a move to v${to}`, store, refused(`v${to}`, store.moveHead(to, 1, 6), "NotFound"))
      }
    })
  ),
  check("the log of heads is paged by revision", (store) =>
    Effect.gen(function* () {
      yield* appendChain(store, 7)
      yield* store.moveHead(2, 1_700_000_005_000, 7)
      const all = [
        ...chain(7).map(({ id, timestamp }) => ({ revision: id, version: id, timestamp })),
        { revision: 8, version: 2, timestamp: 1_700_000_005_000 }
      ]
      const pages: ReadonlyArray<readonly [after: number, limit: number]> = [
        [0, 3],
        [3, 3],
        [6, 3],
        [7, 1],
        [8, 3],
        [100, 3],
        [0, 0],
        [5, 0],
        [0, 8],
        [0, Number.MAX_SAFE_INTEGER]
      ]
      for (const [after, limit] of pages) {
        const expected = all.slice(after, Math.min(after + limit, all.length))
        yield* equal(`at most ${limit} moves after ${after}`, yield* store.heads(after, limit), expected)
      }
    })
  )
]

const tagging: ReadonlyArray<Check> = [
  check("a tag is set, moved and forgotten, and touches nothing else", (store) =>
    Effect.gen(function* () {
      yield* appendChain(store, 3)
      const before = plainInfo(yield* store.info)
      const tags = Effect.map(store.info, (info) => plainInfo(info))
      yield* store.tag("one", 1)
      yield* store.tag("root", 0)
      yield* equal("two tags", yield* tags, {
        ...before,
        tags: [
          ["one", 1],
          ["root", 0]
        ]
      })
      yield* store.tag("one", 3)
      yield* equal("a moved tag", yield* tags, {
        ...before,
        tags: [
          ["one", 3],
          ["root", 0]
        ]
      })
      yield* store.tag("one", null)
      yield* equal("a forgotten tag", yield* tags, { ...before, tags: [["root", 0]] })
      yield* store.tag("never set", null)
      yield* equal("forgetting a name that is none", yield* tags, { ...before, tags: [["root", 0]] })
    })
  ),
  check("a tag of an unknown version is refused, and the tag stays where it was", (store) =>
    Effect.gen(function* () {
      yield* grown(store)
      for (const to of [6, -1, 0.5, Number.NaN]) {
        yield* unchanged(`a tag of v${to}`, store, refused(`a tag of v${to}`, store.tag("release", to), "NotFound"))
      }
    })
  ),
  check("a tag may have any name", (store) =>
    Effect.gen(function* () {
      yield* appendChain(store, 1)
      const names = [
        "",
        " ",
        "v1",
        'it\'s "quoted"',
        "'; DROP TABLE versions; --",
        "%_\\",
        "release/1.0",
        "名前 ☃ 𝄞",
        "é",
        "e\u0301",
        "RELEASE",
        "release",
        "__proto__",
        "constructor",
        "x".repeat(1000)
      ]
      for (const name of names) yield* store.tag(name, 1)
      const expected = [...names].sort((a, b) => (a < b ? -1 : 1)).map((name) => [name, 1])
      yield* equal("tags of odd names", plainInfo(yield* store.info).tags, expected)
      for (const name of names) yield* store.tag(name, null)
      yield* equal("all of them forgotten", plainInfo(yield* store.info).tags, [])
    })
  )
]

/** For stores that keep nothing but the count. */
const counting: ReadonlyArray<Check> = [
  check(
    "without history versions are counted, under the same conditions",
    (store) =>
      Effect.gen(function* () {
        const facts = Effect.map(store.info, ({ head, last, revision }) => ({ head, last, revision }))
        yield* equal("a fresh store", yield* facts, { head: 0, last: 0, revision: 0 })
        yield* equal("the first append", yield* store.append([version(1)], 0), 1)
        yield* equal("a batch", yield* store.append([version(2), version(3)], 1), 3)
        yield* equal("three versions", yield* facts, { head: 3, last: 3, revision: 3 })
        yield* conflicts("a stale append", store.append([version(4)], 2), 2, { head: 3, revision: 3 })
        yield* refused("an id that repeats", store.append([version(3)], 3), "NotFound")
        yield* refused("an unknown parent", store.append([version(4, { parent: 9 })], 3), "NotFound")
        yield* equal("nothing was written", yield* facts, { head: 3, last: 3, revision: 3 })
        yield* equal("a batch of none", yield* store.append([], 3), 3)
        yield* equal("nothing was written", yield* facts, { head: 3, last: 3, revision: 3 })
        yield* equal("what verify finds", yield* store.verify, [])
      }),
    ({ travel }) => !travel
  ),
  check(
    "without history every way back is refused as unsupported",
    (store) =>
      Effect.gen(function* () {
        yield* store.append([version(1)], 0)
        yield* refused("versions by id", store.versions({ ids: [1] }), "Unsupported")
        yield* refused("a run of versions", store.versions({ after: 0, limit: 1 }), "Unsupported")
        yield* refused("the log of heads", store.heads(0, 1), "Unsupported")
        yield* refused("a move of head", store.moveHead(0, 1, 1), "Unsupported")
        yield* refused("a tag", store.tag("one", 1), "Unsupported")
        yield* refused("saving a checkpoint", store.checkpoints.save(1, []), "Unsupported")
        yield* refused("loading a checkpoint", store.checkpoints.load(1), "Unsupported")
        yield* refused("dropping a checkpoint", store.checkpoints.drop([1]), "Unsupported")
        yield* refused("compaction", store.compact({ drop: [], fold: [], last: 1 }), "Unsupported")
      }),
    ({ travel }) => !travel
  )
]

export const writing: ReadonlyArray<Check> = [...fresh, ...appending, ...heads, ...tagging, ...counting]
