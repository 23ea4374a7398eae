/** What a store does when a part of its history is dropped and folded: what is gone, what stays, and what it refuses. */
import * as Operation from "@heph/changeset/Operation"
import * as Effect from "effect/Effect"
import type { Compaction, VersionRecord } from "../../HistoryStore.ts"
import {
  appendChain,
  type Check,
  check,
  entry,
  equal,
  equalVersions,
  everything,
  refused,
  type Store,
  unchanged,
  version
} from "./check.ts"

/** v1 … v10, and v11 that branches off v4; head at v10, a tag on v7, checkpoints of v2, v6 and v10. */
const grown = Effect.fnUntraced(function* (store: Store) {
  const chain = yield* appendChain(store, 10)
  const branch = version(11, { parent: 4 })
  yield* store.append([branch], 10)
  yield* store.moveHead(10, 1_700_000_005_000, 11)
  yield* store.tag("release", 7)
  for (const id of [2, 6, 10]) yield* store.checkpoints.save(id, [new Uint8Array(5000).fill(id)])
  return [...chain, branch]
})

/** A version with what others did before it. */
const folding = (id: number, parent: number): VersionRecord => ({
  ...version(id, {
    parent,
    changeset: Array.from({ length: id - parent }, (_, i) =>
      Operation.create(entry(`test:folded-${parent + i + 1}`, i))
    )
  }),
  folded: id - parent - 1
})

const compaction: Compaction = {
  drop: [
    [1, 3],
    [5, 6],
    [8, 8]
  ],
  fold: [folding(4, 0), folding(7, 4), folding(9, 7)],
  last: 11
}

export const compacting: ReadonlyArray<Check> = [
  check("compaction drops versions and their checkpoints, folds others, and leaves all else", (store) =>
    Effect.gen(function* () {
      const before = yield* grown(store)
      const info = yield* store.info
      const heads = yield* store.heads(0, 100)
      yield* store.compact(compaction)
      const expected = [folding(4, 0), folding(7, 4), folding(9, 7), before[9]!, before[10]!]
      yield* equalVersions("what is left", yield* store.versions({ after: 0, limit: 100 }), expected)
      yield* equalVersions("by id", yield* store.versions({ ids: [3, 4, 6, 9, 1] }), [expected[0]!, expected[2]!])
      yield* equalVersions("downwards", yield* store.versions({ before: 9, limit: 2 }), [expected[1]!, expected[0]!])
      yield* equalVersions("upwards", yield* store.versions({ after: 4, limit: 2 }), [expected[1]!, expected[2]!])
      const now = yield* store.info
      yield* equal("the runs that were dropped", now.dropped, compaction.drop)
      yield* equal("the checkpoints", now.checkpoints, [10])
      yield* refused("a checkpoint that was dropped", store.checkpoints.load(6), "NotFound")
      yield* equal("the checkpoint left", yield* store.checkpoints.load(10), [new Uint8Array(5000).fill(10)])
      const facts = ({ head, last, revision, tags }: typeof info) => ({ head, last, revision, tags: [...tags] })
      yield* equal("head, its revision, the last version and tags", facts(now), facts(info))
      yield* equal("the log of heads", yield* store.heads(0, 100), heads)
      yield* equal("what verify finds", yield* store.verify, [])
    })
  ),
  check("what was dropped cannot be referred to, and its ids are not used again", (store) =>
    Effect.gen(function* () {
      yield* grown(store)
      yield* store.compact(compaction)
      const { revision } = yield* store.info
      for (const id of [1, 3, 5, 8]) {
        yield* refused(`a tag of v${id}`, store.tag("gone", id), "NotFound")
        yield* refused(`head at v${id}`, store.moveHead(id, 1, revision), "NotFound")
        yield* refused(`a checkpoint of v${id}`, store.checkpoints.save(id, [new Uint8Array(1)]), "NotFound")
        yield* refused(`a child of v${id}`, store.append([version(12, { parent: id })], revision), "NotFound")
      }
      yield* refused("an id that was dropped", store.append([version(8)], revision), "NotFound")
      yield* equal("the next append", yield* store.append([version(12, { parent: 4 })], revision), revision + 1)
      yield* equalVersions("the next version", yield* store.versions({ after: 11, limit: 9 }), [
        version(12, { parent: 4 })
      ])
    })
  ),
  check("a second compaction goes on from the first, and runs that meet are one", (store) =>
    Effect.gen(function* () {
      const before = yield* grown(store)
      yield* store.compact(compaction)
      yield* store.tag("release", null)
      yield* store.compact({ drop: [[7, 7]], fold: [folding(9, 4)], last: 11 })
      yield* equal("the runs that were dropped", (yield* store.info).dropped, [
        [1, 3],
        [5, 8]
      ])
      yield* equalVersions("what is left", yield* store.versions({ after: 0, limit: 100 }), [
        folding(4, 0),
        folding(9, 4),
        before[9]!,
        before[10]!
      ])
      yield* equal("what verify finds", yield* store.verify, [])
    })
  ),
  check("compaction of what is needed is refused and changes nothing", (store) =>
    Effect.gen(function* () {
      yield* grown(store)
      const attempts: ReadonlyArray<readonly [what: string, change: Partial<Compaction>]> = [
        ["head", { drop: [[10, 10]], fold: [] }],
        ["the last version", { drop: [[11, 11]], fold: [] }],
        ["a tagged version", { drop: [[7, 7]], fold: [folding(8, 6)] }],
        // Planned when v9 was the last: v11 came to branch off v4 since then.
        ["the parent of a version that came later", { drop: [[4, 4]], fold: [folding(5, 3)], last: 9 }]
      ]
      for (const [what, change] of attempts) {
        const refusal = refused(`dropping ${what}`, store.compact({ ...compaction, ...change }), "Busy")
        yield* unchanged(`a compaction that drops ${what}`, store, refusal)
      }
      yield* store.compact(compaction)
      const again = refused("dropping what is dropped", store.compact({ ...compaction, drop: [[2, 3]] }), "Busy")
      yield* unchanged("a compaction of what another dropped", store, again)
      const onto = refused(
        "folding onto what is dropped",
        store.compact({ drop: [], fold: [folding(9, 5)], last: 11 }),
        "Busy"
      )
      yield* unchanged("a compaction onto what another dropped", store, onto)
    })
  ),
  check("compaction that means no history is refused and changes nothing", (store) =>
    Effect.gen(function* () {
      yield* grown(store)
      const attempts: ReadonlyArray<readonly [what: string, change: Partial<Compaction>]> = [
        ["the root", { drop: [[0, 3]] }],
        ["versions that are not there yet", { drop: [[12, 20]] }],
        ["a run that ends before it begins", { drop: [[3, 1]] }],
        [
          "runs that overlap",
          {
            drop: [
              [1, 3],
              [2, 3]
            ]
          }
        ],
        ["a version that is folded", { drop: [[1, 4]] }],
        ["halves", { drop: [[0.5, 3]] }]
      ]
      for (const [what, change] of attempts) {
        const refusal = refused(`dropping ${what}`, store.compact({ ...compaction, ...change }), "NotFound")
        yield* unchanged(`a compaction that drops ${what}`, store, refusal)
      }
    })
  ),
  check("compaction of nothing is done", (store) =>
    Effect.gen(function* () {
      yield* grown(store)
      const before = yield* everything(store)
      yield* store.compact({ drop: [], fold: [], last: 11 })
      yield* equal("the store", yield* everything(store), before)
    })
  )
]
