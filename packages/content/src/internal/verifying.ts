/** Reads every content, each row once: what stands on another is read right after it. */
import type { HistoryStoreError } from "@heph/history/HistoryStore"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Hash, Head } from "../BlobStore.ts"
import type { Damage } from "../ContentStore.ts"
import { allHeads, type Contents } from "./contents.ts"
import { chainOf, decode, type Fault, rowsOf } from "./decoding.ts"

/** Contents read between two calls of `onProgress`. */
const stride = 256

export type OnProgress = (read: number, of: number) => void

/** Rows that nothing stands on, in an order in which those that share a base are together. */
const leaves = (heads: ReadonlyArray<Head>): ReadonlyArray<Hash> => {
  const there = new Set(heads.map(({ hash }) => hash))
  const standing = new Map<Hash | undefined, Array<Hash>>()
  for (const { base, hash } of heads) {
    const under = base !== undefined && there.has(base) ? base : undefined
    const beside = standing.get(under)
    if (beside === undefined) standing.set(under, [hash])
    else beside.push(hash)
  }
  const found: Array<Hash> = []
  const stack = [...(standing.get(undefined) ?? [])]
  for (let hash; (hash = stack.pop()) !== undefined;) {
    const above = standing.get(hash)
    if (above === undefined) found.push(hash)
    else for (const one of above) stack.push(one)
  }
  return found
}

export const verify = (
  { blobs, known, remember }: Contents,
  onProgress: OnProgress
): Effect.Effect<ReadonlyArray<Damage>, HistoryStoreError> =>
  Effect.gen(function* () {
    const heads = yield* allHeads(blobs)
    const sound = new Set<Hash>()
    const faults = new Map<Hash, Fault>()
    const isRead = (hash: Hash): boolean => sound.has(hash) || faults.has(hash)
    let told = 0
    const tell = (): void => onProgress((told = sound.size + faults.size), heads.length)
    // After the leaves, whatever is on no way from one down to a row without a base, which only damage makes.
    for (const hash of [...leaves(heads), ...heads.map(({ hash }) => hash)]) {
      if (isRead(hash)) continue
      const rows = rowsOf(yield* blobs.read([hash]))
      for (const row of chainOf(rows, hash).toReversed()) {
        if (isRead(row.hash)) continue
        const content = decode(rows, row.hash, known)
        if (Result.isFailure(content)) faults.set(row.hash, content.failure)
        else if (row.base !== undefined && !(row.depth > rows.get(row.base)!.depth))
          faults.set(row.hash, shallow(row.hash))
        else {
          remember(row.hash, content.success)
          sound.add(row.hash)
        }
      }
      if (sound.size + faults.size - told >= stride) tell()
      yield* Effect.yieldNow
    }
    tell()
    return Array.from(faults, ([hash, { at, reason }]): Damage => {
      return { hash, reason: at === hash ? reason : `it stands on ${at}: ${reason}` }
    }).sort((a, b) => (a.hash < b.hash ? -1 : 1))
  })

const shallow = (at: Hash): Fault => ({ at, reason: "it says that no more contents are below it than below its base" })
