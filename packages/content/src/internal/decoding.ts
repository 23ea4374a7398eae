/** Contents of rows: each from the last base of its chain up, and checked against its hash. */
import * as Result from "effect/Result"
import type { Blob } from "../BlobStore.ts"
import { type Hash, of as hashOf } from "../Hash.ts"
import { decompress } from "./frames.ts"

export type Rows = ReadonlyMap<Hash, Blob>

/** Which row is not as it was stored, and what is wrong with it. */
export interface Fault {
  readonly at: Hash
  readonly reason: string
}

/** Contents that were checked, and need not be decoded again. */
export type Known = (hash: Hash) => Uint8Array | undefined

export const rowsOf = (blobs: Iterable<Blob>): Map<Hash, Blob> =>
  new Map(Array.from(blobs, (blob) => [blob.hash, blob]))

/** A row and those it stands on, down to the last one that is there. */
export const chainOf = (rows: Rows, hash: Hash): ReadonlyArray<Blob> => {
  const chain = new Set<Blob>()
  for (let row = rows.get(hash); row !== undefined && !chain.has(row);) {
    chain.add(row)
    row = row.base === undefined ? undefined : rows.get(row.base)
  }
  return [...chain]
}

const unpack = ({ bytes, encoding, size }: Blob, base: Uint8Array | undefined): Uint8Array | undefined =>
  encoding === "zstd" ? decompress(bytes, base, size) : bytes.length === size ? bytes : undefined

/**
 * The content of a hash. The contents on the way are not checked, which would take as long as to decode them; where the
 * last one is wrong, all are, to tell which row is to blame.
 */
export const decode = (rows: Rows, hash: Hash, known: Known): Result.Result<Uint8Array, Fault> => {
  const steps: Array<Blob> = []
  let start: Uint8Array | undefined
  for (let next: Hash | undefined = hash; next !== undefined;) {
    start = known(next)
    if (start !== undefined) break
    const row = rows.get(next)
    if (row === undefined) return Result.fail({ at: next, reason: "it is not there" })
    if (steps.includes(row)) return Result.fail({ at: next, reason: "it stands on itself" })
    steps.push(row)
    next = row.base
  }
  steps.reverse()
  let content = start
  for (const row of steps) {
    content = unpack(row, content)
    if (content === undefined) break
  }
  if (content !== undefined && (steps.length === 0 || hashOf(content) === hash)) return Result.succeed(content)
  return Result.fail(faultOf(steps, start, hash))
}

const otherContent = "its bytes give another content"

const faultOf = (steps: ReadonlyArray<Blob>, start: Uint8Array | undefined, hash: Hash): Fault => {
  let content = start
  for (const row of steps) {
    content = unpack(row, content)
    if (content === undefined) return { at: row.hash, reason: `its bytes do not give the ${row.size} that it had` }
    if (hashOf(content) !== row.hash) return { at: row.hash, reason: otherContent }
  }
  return { at: hash, reason: otherContent }
}

/** Those of several contents that can be read. Ancestors come first, so that no step of a chain is taken twice. */
export const decodeAll = (rows: Rows, wanted: ReadonlyArray<Hash>, known: Known): ReadonlyMap<Hash, Uint8Array> => {
  const contents = new Map<Hash, Uint8Array>()
  const depth = (hash: Hash): number => rows.get(hash)?.depth ?? 0
  for (const hash of wanted.toSorted((a, b) => depth(a) - depth(b))) {
    const content = decode(rows, hash, (base) => contents.get(base) ?? known(base))
    if (Result.isSuccess(content)) contents.set(hash, content.success)
  }
  return contents
}
