/**
 * Removes what nothing refers to.
 *
 *     what is settled now ──▶ ask what is referred to ──▶ the rest of what is settled goes:
 *                                 ┌─▶ what stays and stands on it is encoded anew ──▶ rows are removed, the deepest first ─┐
 *                                 └──────────── again, while others keep putting contents on what goes ◀─────────────────┘
 */
import type { HistoryStoreError } from "@heph/history/HistoryStore"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Blob, Hash, Head } from "../BlobStore.ts"
import type { Swept } from "../ContentStore.ts"
import { allHeads, type Contents } from "./contents.ts"
import { chainOf, decode, type Fault, rowsOf } from "./decoding.ts"
import { against, type Base, cheapest, isGoodEnough, orAlone } from "./encoding.ts"
import { compress, type Effort } from "./frames.ts"

/** How often contents may turn up on what goes, until the rest is left to the next sweep. */
const patience = 16

/** The first content that was encoded anew because of one that goes: others that stood on that one may stand on it. */
type Heir = Omit<Base, "content">

/** `damaged` makes the error for a content that stays, must be encoded anew, and cannot be read. */
export const make = <D>(
  { blobs, known, remember, some }: Contents,
  effort: Effort | undefined,
  damaged: (hash: Hash, fault: Fault) => D
) => {
  /**
   * The new row of a content whose base goes: against the nearest ancestor that stays, or what took the place of one that
   * goes, or alone. Nothing where the content is gone.
   */
  const encode = Effect.fnUntraced(function* (
    { depth, hash }: Head,
    goes: ReadonlyMap<Hash, Head>,
    heirs: Map<Hash, Heir>
  ): Effect.fn.Return<Blob | undefined, HistoryStoreError | D> {
    const rows = rowsOf(yield* blobs.read([hash]))
    if (!rows.has(hash)) return undefined
    const content = decode(rows, hash, known)
    if (Result.isFailure(content)) return yield* Effect.fail(damaged(hash, content.failure))
    const ancestors = chainOf(rows, hash).slice(1)
    const staying = ancestors.find((row) => !goes.has(row.hash))
    const going = ancestors.slice(0, staying === undefined ? undefined : ancestors.indexOf(staying))
    const bases: Array<Base> = []
    const heir = going.flatMap((row) => heirs.get(row.hash) ?? [])[0]
    if (heir !== undefined) {
      for (const content of (yield* some([heir.hash])).values()) bases.push({ ...heir, content })
    }
    if (staying !== undefined) {
      const base = decode(rows, staying.hash, known)
      if (Result.isFailure(base)) return yield* Effect.fail(damaged(hash, base.failure))
      bases.push({ hash: staying.hash, depth: staying.depth, content: base.success })
    }
    // What stands on this one must stay deeper than it.
    const shallow = effort === undefined ? [] : bases.filter((base) => base.depth < depth)
    const differences = yield* Effect.forEach(shallow, (base) => against(content.success, base, effort!, compress))
    const difference = cheapest(differences)
    const encoded = isGoodEnough(difference, content.success)
      ? difference
      : yield* orAlone(difference, content.success, effort, compress)
    for (const { hash: gone } of going) {
      if (!heirs.has(gone)) heirs.set(gone, { hash, depth: encoded.depth })
    }
    remember(hash, content.success)
    return { ...encoded, hash, size: content.success.length }
  })

  return Effect.fnUntraced(function* <E, R>(referred: Effect.Effect<ReadonlySet<Hash>, E, R>, dryRun: boolean) {
    const { settled } = yield* blobs.totals(yield* Clock.currentTimeMillis)
    const kept = yield* referred
    const removed: Array<Hash> = []
    let rebased = 0
    let freed = 0
    for (let turn = 0; turn < patience; turn++) {
      const heads = yield* allHeads(blobs)
      const goes = new Map<Hash, Head>()
      for (const head of heads) if (head.touched <= settled && !kept.has(head.hash)) goes.set(head.hash, head)
      if (goes.size === 0) break
      const heirs = new Map<Hash, Heir>()
      const standing = heads.filter(({ base, hash }) => base !== undefined && goes.has(base) && !goes.has(hash))
      for (const head of standing.sort((a, b) => a.depth - b.depth)) {
        const blob = yield* encode(head, goes, heirs)
        if (blob === undefined || !(dryRun || (yield* blobs.rebase({ blob, from: head.base })))) continue
        rebased++
        freed += head.stored - blob.bytes.length
      }
      const order = [...goes.values()].sort((a, b) => b.depth - a.depth)
      const gone = dryRun ? order.map(({ hash }) => hash) : yield* blobs.remove(order)
      for (const hash of gone) {
        removed.push(hash)
        freed += goes.get(hash)!.stored
      }
      if (gone.length === order.length) break
    }
    return { removed: removed.sort(), rebased, freed } satisfies Swept
  })
}
