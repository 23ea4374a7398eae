/** Contents as they are, of a backend: the last ones read or written are kept, up to a number of bytes. */
import { HistoryStoreError } from "@heph/history/HistoryStore"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { LRUCache } from "lru-cache"
import type { BlobStore, Hash, Head } from "../BlobStore.ts"
import { decode, decodeAll, type Fault, type Known, rowsOf } from "./decoding.ts"
import { hasDifferences } from "./frames.ts"

/** Rows that one page of {@link allHeads} has. */
const page = 5000

export interface Contents {
  readonly blobs: BlobStore["Service"]
  /** What is at hand: checked, and never to be changed nor handed out. */
  readonly known: Known
  readonly remember: (hash: Hash, content: Uint8Array) => void
  /** One content; nothing where it is not there. */
  readonly one: (hash: Hash) => Effect.Effect<Result.Result<Uint8Array, Fault> | undefined, HistoryStoreError>
  /** Those of some contents that are there and can be read. What `nearer` knows is not looked for. */
  readonly some: (
    hashes: ReadonlyArray<Hash>,
    nearer?: Known
  ) => Effect.Effect<ReadonlyMap<Hash, Uint8Array>, HistoryStoreError>
}

export const make = (store: BlobStore["Service"], bytes: number): Contents => {
  const blobs = hasDifferences ? store : withoutDifferences(store)
  // Of an entry itself are some hundred bytes, so that many small ones count too.
  const cache = new LRUCache<Hash, Uint8Array>({ maxSize: bytes, sizeCalculation: ({ length }) => length + 256 })
  const known: Known = (hash) => cache.get(hash)
  return {
    blobs,
    known,
    remember: (hash, content) => void cache.set(hash, content),
    one: Effect.fnUntraced(function* (hash) {
      const found = known(hash)
      if (found !== undefined) {
        return (yield* blobs.heads({ hashes: [hash] })).length === 0 ? undefined : Result.succeed(found)
      }
      const rows = rowsOf(yield* blobs.read([hash]))
      if (!rows.has(hash)) return undefined
      const content = decode(rows, hash, known)
      if (Result.isSuccess(content)) cache.set(hash, content.success)
      return content
    }),
    some: Effect.fnUntraced(function* (hashes, nearer) {
      const found = new Map<Hash, Uint8Array>()
      const missing: Array<Hash> = []
      for (const hash of hashes) {
        const content = nearer?.(hash) ?? known(hash)
        if (content === undefined) missing.push(hash)
        else found.set(hash, content)
      }
      if (missing.length === 0) return found
      for (const [hash, content] of decodeAll(rowsOf(yield* blobs.read(missing)), missing, known)) {
        cache.set(hash, content)
        found.set(hash, content)
      }
      return found
    })
  }
}

/** The rows of a store, where this Node cannot read differences: it must not take them for damaged. */
const withoutDifferences = (store: BlobStore["Service"]): BlobStore["Service"] => ({
  ...store,
  read: (hashes) =>
    Effect.flatMap(store.read(hashes), (rows) => {
      if (rows.every(({ base }) => base === undefined)) return Effect.succeed(rows)
      const detail =
        "some of them are kept as differences, which Node reads from 22.19, and from 24.6 on; use another one"
      return Effect.fail(new HistoryStoreError({ reason: "Unsupported", store: "contents", detail }))
    })
})

/** Every row there is without its bytes, in the order of their hashes. Not of one moment: page after page. */
export const allHeads = (blobs: BlobStore["Service"]): Effect.Effect<ReadonlyArray<Head>, HistoryStoreError> =>
  Effect.gen(function* () {
    const heads: Array<Head> = []
    for (let after = ""; ;) {
      const next = yield* blobs.heads({ after, limit: page })
      for (const head of next) heads.push(head)
      const last = next.at(-1)?.hash
      // In a damaged index the order may be wrong: never twice around.
      if (next.length < page || last === undefined || last <= after) return heads
      after = last
    }
  })
