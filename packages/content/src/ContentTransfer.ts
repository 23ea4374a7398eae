/**
 * All contents from one store to another.
 *
 *     a run of hashes ──▶ those that the target lacks, and what they stand on ──▶ read, and check ──▶ the same rows there
 *                                                                                 └─ a row that does not fit: put anew
 *
 * The target holds some of the contents at any moment, each with what it stands on, so that a transfer that was broken off
 * is done again and goes on where it was.
 */
import type { HistoryStoreError } from "@heph/history/HistoryStore"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type Blob, BlobStore, type Hash, type Head } from "./BlobStore.ts"
import * as ContentStore from "./ContentStore.ts"
import { decode, rowsOf } from "./internal/decoding.ts"

type Store = BlobStore["Service"]

/** Contents that were in the target are gone: somebody swept it, while nothing referred to them yet. */
export class TargetSwept extends Schema.TaggedError<TargetSwept>()("TargetSwept", {
  /** How many are missing, at least. */
  missing: Schema.Number
}) {
  override get message(): string {
    return `contents are gone from the target again, ${this.missing} at least: it was pruned while nothing referred to them there. Transfer again, and prune afterwards`
  }
}

export type CopyError = HistoryStoreError | ContentStore.ContentDamaged | TargetSwept

export interface Progress {
  /** How many of the source's contents were looked at, in the order of their hashes, and how many it has. */
  readonly done: number
  readonly total: number
  /** How many were copied; some of them are looked at later. */
  readonly copied: number
}

export interface Options {
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

export interface Copied {
  /** How many contents of the source the target holds now, and how many of them came with this call. */
  readonly contents: number
  readonly copied: number
}

/** How many hashes are looked at together. */
const pageSize = 256
/** Contents and bytes of one write: enough to share a wait for the disk, few enough to be held in memory. */
const batchSize = 128
const batchBytes = 8_000_000

/**
 * Brings every content of one store to another, in the bytes that it has there, each checked against its hash. What the
 * target has beside stays. Memory is bounded by the largest content and what it stands on. What the source removes
 * meanwhile is left out. Fails with `ContentDamaged` at the first content that cannot be read.
 *
 * Copy contents before the history that names them (`Transfer.transfer` does by its `first`), and while nobody sweeps the
 * target, where nothing refers to them yet.
 *
 * @example
 * import { BlobStore } from "@heph/content/BlobStore"
 * import * as ContentMemory from "@heph/content/ContentMemory"
 * import * as ContentStore from "@heph/content/ContentStore"
 * import * as ContentTransfer from "@heph/content/ContentTransfer"
 * import * as Effect from "effect/Effect"
 *
 * const program = Effect.gen(function* () {
 *   const [from, to] = [yield* ContentMemory.make, yield* ContentMemory.make]
 *   const content = yield* Effect.provideService(ContentStore.make(), BlobStore, from)
 *   yield* content.put({ bytes: new TextEncoder().encode("one") })
 *   return yield* ContentTransfer.copy(from, to)
 * })
 * console.log(await Effect.runPromise(program)) //=> { contents: 1, copied: 1 }
 */
export const copy = Effect.fn("ContentTransfer.copy")(function* (
  from: Store,
  to: Store,
  options?: Options
): Effect.fn.Return<Copied, CopyError> {
  const { contents: total } = yield* from.totals(yield* Clock.currentTimeMillis)
  let [done, contents, copied] = [0, 0, 0]
  const tell = () => options?.onProgress?.({ done, total: Math.max(total, done), copied })
  for (let after = ""; ;) {
    const page = yield* from.heads({ after, limit: pageSize })
    if (page.length === 0) break
    const gone = new Set<Hash>()
    for (const batch of batches(yield* lacking(from, to, page))) {
      const there = yield* move(from, to, batch)
      for (const { hash } of batch) if (!there.has(hash)) gone.add(hash)
      copied += there.size
      tell()
    }
    after = page.at(-1)!.hash
    done += page.length
    contents += page.filter(({ hash }) => !gone.has(hash)).length
    tell()
  }
  const held = yield* to.totals(yield* Clock.currentTimeMillis)
  if (held.contents < contents) return yield* new TargetSwept({ missing: contents - held.contents })
  return { contents, copied }
})

/** What the target lacks of some contents and of all that they stand on; each right after what it stands on, if it can be. */
const lacking = Effect.fnUntraced(function* (from: Store, to: Store, page: ReadonlyArray<Head>) {
  const found = new Map<Hash, Head>()
  for (let heads = page; heads.length > 0;) {
    const there = new Set((yield* to.heads({ hashes: heads.map(({ hash }) => hash) })).map(({ hash }) => hash))
    const bases = new Set<Hash>()
    for (const head of heads) {
      if (there.has(head.hash)) continue
      found.set(head.hash, head)
      if (head.base !== undefined) bases.add(head.base)
    }
    const next = [...bases].filter((hash) => !found.has(hash))
    heads = next.length === 0 ? [] : yield* from.heads({ hashes: next })
  }
  const ordered = new Set<Head>()
  for (const head of found.values()) {
    const chain = new Set<Head>()
    for (let next: Head | undefined = head; next !== undefined && !ordered.has(next) && !chain.has(next);) {
      chain.add(next)
      next = next.base === undefined ? undefined : found.get(next.base)
    }
    for (const one of [...chain].reverse()) ordered.add(one)
  }
  return ordered
})

/** As many contents as are written together. */
const batches = function* (heads: Iterable<Head>): Iterable<ReadonlyArray<Head>> {
  let batch: Array<Head> = []
  let bytes = 0
  for (const head of heads) {
    if (batch.length === batchSize || (batch.length > 0 && bytes + head.size > batchBytes)) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(head)
    bytes += head.size
  }
  if (batch.length > 0) yield batch
}

/** Copies contents, of which each stands on one before it or on one that the target has; gives those that were there. */
const move = Effect.fnUntraced(function* (from: Store, to: Store, batch: ReadonlyArray<Head>) {
  const rows = rowsOf(yield* from.read(batch.map(({ hash }) => hash)))
  const contents = new Map<Hash, Uint8Array>()
  const add: Array<Blob> = []
  for (const { hash } of batch) {
    const row = rows.get(hash)
    if (row === undefined) continue
    const content = decode(rows, hash, (base) => contents.get(base))
    if (Result.isFailure(content)) return yield* new ContentStore.ContentDamaged({ hash, ...content.failure })
    contents.set(hash, content.success)
    add.push(row)
  }
  const refused = yield* to.write({ add, touch: [], now: yield* Clock.currentTimeMillis })
  if (refused.length > 0) {
    // The target has one of the bases in another encoding, in which it is as deep as what stands on it here.
    const target = yield* Effect.provideService(ContentStore.make(), BlobStore, to)
    yield* target.putAll(
      add.map(({ base, hash }) => ({ bytes: contents.get(hash)!, near: base === undefined ? [] : [base] }))
    )
  }
  return contents
})
