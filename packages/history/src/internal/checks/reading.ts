/** What a store does when it is read: versions by id and by range, checkpoints, verify. */
import * as Effect from "effect/Effect"
import type { VersionRange } from "../../HistoryStore.ts"
import { appendChain, type Check, check, equal, equalVersions, refused, version } from "./check.ts"

const versions: ReadonlyArray<Check> = [
  check("versions by id come in the order asked for, with duplicates and without those that are none", (store) =>
    Effect.gen(function* () {
      const chain = yield* appendChain(store, 5)
      const lists = [[3], [5, 1, 3], [2, 2, 4, 2], [], [0], [6, 1, 99, 5, 0, -1], [1.5, Number.NaN, 4]]
      for (const ids of lists) {
        const expected = ids.flatMap((id) => chain.filter((record) => record.id === id))
        yield* equalVersions(`the ids [${ids.join(", ")}]`, yield* store.versions({ ids }), expected)
      }
    })
  ),
  check("many versions by id", (store) =>
    Effect.gen(function* () {
      const batch = Array.from({ length: 1200 }, (_, i) => version(i + 1))
      yield* store.append(batch, 0)
      const ids = batch.map(({ id }) => id).reverse()
      yield* equalVersions("1,200 ids", yield* store.versions({ ids }), [...batch].reverse())
    })
  ),
  check("a run of versions is by id, from its exclusive bound, at most its limit", (store) =>
    Effect.gen(function* () {
      const chain = yield* appendChain(store, 6)
      const huge = Number.MAX_SAFE_INTEGER
      const above = (after: number, limit: number) => chain.filter(({ id }) => id > after).slice(0, limit)
      const below = (before: number, limit: number) =>
        chain
          .filter(({ id }) => id < before)
          .reverse()
          .slice(0, limit)
      for (const limit of [0, 1, 3, 6, 7, huge]) {
        for (const bound of [0, 1, 3, 5, 6, 7, 8, 100, huge]) {
          const ranges: ReadonlyArray<readonly [VersionRange, typeof chain]> = [
            [{ after: bound, limit }, above(bound, limit)],
            [{ before: bound, limit }, below(bound, limit)]
          ]
          for (const [range, expected] of ranges) {
            yield* equalVersions(JSON.stringify(range), yield* store.versions(range), expected)
          }
        }
      }
    })
  )
]

const bytes = (length: number, seed: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + seed * 17 + (i >> 8)) & 0xff)

const checkpoints: ReadonlyArray<Check> = [
  check("a checkpoint is loaded as it was saved: no chunks, one, empty ones, many", (store) =>
    Effect.gen(function* () {
      yield* appendChain(store, 5)
      const saved: ReadonlyArray<readonly [version: number, chunks: ReadonlyArray<Uint8Array>]> = [
        [4, [bytes(10, 1)]],
        [0, [bytes(3, 2), bytes(5, 3)]],
        [5, []],
        [2, [new Uint8Array(0), bytes(1, 4), new Uint8Array(0)]],
        [3, Array.from({ length: 300 }, (_, i) => bytes(100 + i, i))]
      ]
      for (const [id, chunks] of saved) yield* store.checkpoints.save(id, chunks)
      for (const [id, chunks] of saved) {
        yield* equal(`the chunks of v${id}`, yield* store.checkpoints.load(id), chunks)
      }
      yield* equal("the versions that have one", (yield* store.info).checkpoints, [0, 2, 3, 4, 5])
    })
  ),
  check("a checkpoint saved again replaces the first, chunk for chunk", (store) =>
    Effect.gen(function* () {
      yield* appendChain(store, 2)
      yield* store.checkpoints.save(1, [bytes(10, 1), bytes(20, 2), bytes(30, 3)])
      yield* store.checkpoints.save(2, [bytes(7, 7)])
      yield* store.checkpoints.save(1, [bytes(5, 5)])
      yield* equal("the second checkpoint of v1", yield* store.checkpoints.load(1), [bytes(5, 5)])
      yield* equal("the checkpoint of v2", yield* store.checkpoints.load(2), [bytes(7, 7)])
      yield* store.checkpoints.save(1, [])
      yield* equal("the empty checkpoint of v1", yield* store.checkpoints.load(1), [])
      yield* equal("the versions that have one", (yield* store.info).checkpoints, [1, 2])
    })
  ),
  check("a checkpoint that is none is NotFound, and so is one of an unknown version", (store) =>
    Effect.gen(function* () {
      yield* appendChain(store, 2)
      for (const id of [0, 1, 3, -1]) yield* refused(`loading v${id}`, store.checkpoints.load(id), "NotFound")
      for (const id of [3, -1, 1.5]) {
        yield* refused(`saving v${id}`, store.checkpoints.save(id, [bytes(1, 1)]), "NotFound")
      }
      yield* equal("the versions that have one", (yield* store.info).checkpoints, [])
    })
  ),
  check("chunks are taken one by one, and may be made in one buffer", (store) =>
    Effect.gen(function* () {
      const buffer = new Uint8Array(1000)
      const produce = function* () {
        for (let i = 0; i < 40; i++) {
          buffer.set(bytes(1000, i))
          yield buffer
        }
      }
      yield* store.checkpoints.save(0, produce())
      const expected = Array.from({ length: 40 }, (_, i) => bytes(1000, i))
      const loaded = yield* store.checkpoints.load(0)
      yield* equal("chunks made in one buffer", loaded, expected)
      for (const chunk of loaded) chunk.fill(0)
      yield* equal("the same after a reader wrote into its copy", yield* store.checkpoints.load(0), expected)
    })
  ),
  check("a checkpoint whose chunks cannot be made leaves the one before it", (store) =>
    Effect.gen(function* () {
      yield* store.checkpoints.save(0, [bytes(9, 9)])
      const produce = function* () {
        yield bytes(1, 1)
        throw new Error("the state could not be encoded")
      }
      yield* Effect.exit(store.checkpoints.save(0, produce()))
      yield* equal("the checkpoint before it", yield* store.checkpoints.load(0), [bytes(9, 9)])
      yield* store.checkpoints.save(0, [bytes(2, 2)])
      yield* equal("the checkpoint after it", yield* store.checkpoints.load(0), [bytes(2, 2)])
    })
  ),
  check("checkpoints are dropped one by one, and those of other versions stay", (store) =>
    Effect.gen(function* () {
      yield* appendChain(store, 3)
      for (const id of [0, 1, 3]) yield* store.checkpoints.save(id, [bytes(5000, id), bytes(10, id)])
      yield* store.checkpoints.drop([1, 2, 77])
      yield* equal("the checkpoints left", (yield* store.info).checkpoints, [0, 3])
      yield* refused("loading one that was dropped", store.checkpoints.load(1), "NotFound")
      for (const id of [0, 3]) {
        yield* equal(`the checkpoint of v${id}`, yield* store.checkpoints.load(id), [bytes(5000, id), bytes(10, id)])
      }
      yield* store.checkpoints.save(1, [bytes(7, 7)])
      yield* equal("one saved again", yield* store.checkpoints.load(1), [bytes(7, 7)])
      yield* equal("what verify finds", yield* store.verify, [])
    })
  )
]

const verifying: ReadonlyArray<Check> = [
  check("verify finds nothing in a sound store", (store) =>
    Effect.gen(function* () {
      yield* appendChain(store, 4)
      yield* store.append([version(5, { parent: 2 }), version(6, { parent: 5 })], 4)
      yield* store.moveHead(3, 1_700_000_005_000, 6)
      yield* store.append([version(7, { parent: 3, changeset: [] })], 7)
      yield* store.tag("kept", 4)
      yield* store.tag("gone", 5)
      yield* store.tag("gone", null)
      yield* store.checkpoints.save(4, [bytes(100, 1), bytes(100, 2)])
      yield* store.checkpoints.save(4, [bytes(50, 3)])
      yield* store.checkpoints.save(0, [])
      yield* equal("what verify finds", yield* store.verify, [])
    })
  )
]

export const reading: ReadonlyArray<Check> = [...versions, ...checkpoints, ...verifying]
