/** Rows of contents in a map: the shortest correct backend, for tests and for registries that end with their process. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type Blob, BlobStore, type Hash, type Head } from "./BlobStore.ts"

interface Row extends Blob {
  readonly touched: number
}

/** A fresh store, which ends with whoever holds it. */
export const make = Effect.sync(() => {
  const rows = new Map<Hash, Row>()
  const holds = new Map<string, { readonly serial: number; readonly until: number }>()
  let serial = 0

  const headOf = ({ base, bytes, depth, hash, size, touched }: Row): Head => {
    return { hash, size, base, depth, stored: bytes.length, touched }
  }
  const found = (hashes: ReadonlyArray<Hash>) => [...new Set(hashes)].flatMap((hash) => rows.get(hash) ?? [])
  const isBelow = (depth: number, base: Hash | undefined): boolean =>
    base === undefined || (rows.get(base)?.depth ?? Infinity) < depth

  return BlobStore.of({
    capabilities: { durable: false, shared: false },
    totals: (now) =>
      Effect.sync(() => {
        const all = [...rows.values()]
        const held = [...holds.values()].filter(({ until }) => until > now)
        return {
          contents: all.length,
          bytes: all.reduce((sum, { size }) => sum + size, 0),
          stored: all.reduce((sum, { bytes }) => sum + bytes.length, 0),
          settled: Math.min(serial, ...held.map(({ serial }) => serial))
        }
      }),
    heads: (range) =>
      Effect.sync(() => {
        if ("hashes" in range) return found(range.hashes).map(headOf)
        const after = [...rows.values()].filter(({ hash }) => hash > range.after)
        return after
          .sort((a, b) => (a.hash < b.hash ? -1 : 1))
          .slice(0, range.limit)
          .map(headOf)
      }),
    read: (hashes) =>
      Effect.sync(() => {
        const chains = new Set<Row>()
        for (const row of found(hashes)) {
          for (let next: Row | undefined = row; next !== undefined && !chains.has(next);) {
            chains.add(next)
            next = next.base === undefined ? undefined : rows.get(next.base)
          }
        }
        return [...chains]
      }),
    write: ({ add, hold, now, touch }) =>
      Effect.sync(() => {
        const refused = touch.filter((hash) => !rows.has(hash))
        const depths = new Map<Hash, number>()
        for (const { base, depth, hash } of add) {
          const below = base === undefined ? -1 : (depths.get(base) ?? rows.get(base)?.depth ?? Infinity)
          if (rows.has(hash) || depths.has(hash) || below >= depth) refused.push(hash)
          depths.set(hash, depth)
        }
        if (refused.length > 0) return refused
        if (hold !== undefined) {
          for (const [holder, { until }] of holds) if (until <= now) holds.delete(holder)
          holds.set(hold.holder, { serial, until: hold.until })
        }
        serial++
        for (const blob of add) rows.set(blob.hash, { ...blob, bytes: new Uint8Array(blob.bytes), touched: serial })
        for (const hash of touch) rows.set(hash, { ...rows.get(hash)!, touched: serial })
        return []
      }),
    hold: (holder, until) =>
      Effect.sync(() => {
        const held = holds.get(holder)
        if (held === undefined) return
        if (until === null) holds.delete(holder)
        else holds.set(holder, { ...held, until })
      }),
    rebase: ({ blob, from }) =>
      Effect.sync(() => {
        const row = rows.get(blob.hash)
        if (row === undefined || row.base !== from || blob.depth > row.depth) return false
        if (!isBelow(blob.depth, blob.base)) return false
        rows.set(blob.hash, { ...blob, bytes: new Uint8Array(blob.bytes), touched: row.touched })
        return true
      }),
    remove: (removals) =>
      Effect.sync(() => {
        const standing = new Map<Hash | undefined, number>()
        const count = (hash: Hash | undefined, more: number): void => {
          standing.set(hash, (standing.get(hash) ?? 0) + more)
        }
        for (const { base } of rows.values()) count(base, 1)
        return removals.flatMap(({ hash, touched }) => {
          const row = rows.get(hash)
          if (row?.touched !== touched || (standing.get(hash) ?? 0) > 0) return []
          rows.delete(hash)
          count(row.base, -1)
          return [hash]
        })
      })
  })
})

/**
 * A fresh store for each time the layer is built.
 *
 * @example
 * import { BlobStore } from "@heph/content/BlobStore"
 * import * as ContentMemory from "@heph/content/ContentMemory"
 * import * as Effect from "effect/Effect"
 *
 * const totals = Effect.flatMap(BlobStore, (store) => store.totals(0))
 * console.log(await Effect.runPromise(Effect.provide(totals, ContentMemory.layer)))
 * //=> { contents: 0, bytes: 0, stored: 0, settled: 0 }
 */
export const layer: Layer.Layer<BlobStore> = Layer.effect(BlobStore, make)
