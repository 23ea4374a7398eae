/** Contents to store, and stores that do as they are told. */
import { type Blob, BlobStore } from "@heph/content/BlobStore"
import * as ContentMemory from "@heph/content/ContentMemory"
import * as ContentStore from "@heph/content/ContentStore"
import * as Effect from "effect/Effect"

export type Rows = BlobStore["Service"]
export type Contents = ContentStore.ContentStore["Service"]

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
export const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

/** A small generator with a seed, so that a run can be repeated: `below(n)` is a whole number from 0 to n - 1. */
export const random = (seed: number) => {
  let state = seed
  return (n: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * n)
  }
}

/** Bytes that no compression makes smaller. */
export const noise = (length: number, seed: number): Uint8Array => {
  const below = random(seed)
  return Uint8Array.from({ length }, () => below(256))
}

/** Versions of a file of some hundred lines, of which each has a few lines changed. */
export const versions = (count: number, seed: number, lines = 300): ReadonlyArray<Uint8Array> => {
  const below = random(seed)
  const line = () => `const value${below(1000)} = compute(${below(10_000)}, "${below(1_000_000).toString(36)}")`
  const file = Array.from({ length: lines }, line)
  return Array.from({ length: count }, () => {
    for (let change = 0; change < 2; change++) file[below(lines)] = line()
    return bytesOf(file.join("\n"))
  })
}

/** Stores versions one by one, each near the one before it. */
export const putChain = Effect.fnUntraced(function* (contents: Contents, versions: ReadonlyArray<Uint8Array>) {
  const puts: Array<ContentStore.Put> = []
  for (const bytes of versions) {
    const last = puts.at(-1)
    puts.push(yield* contents.put({ bytes, near: last === undefined ? [] : [last.hash] }))
  }
  return puts
})

/** A store of contents over rows in memory, and the rows; `change` makes the rows do otherwise. */
export const make = Effect.fnUntraced(function* (
  options?: ContentStore.Options,
  change: (rows: Rows) => Partial<Rows> = () => ({})
) {
  const sound = yield* ContentMemory.make
  const rows = BlobStore.of({ ...sound, ...change(sound) })
  return { rows, contents: yield* over(rows, options) }
})

/** Another store of contents over the same rows, as another process has it. */
export const over = (rows: Rows, options?: ContentStore.Options) =>
  Effect.provideService(ContentStore.make(options), BlobStore, rows)

/** Rows of which some are not what they were: read so, by themselves and below others, or not there. */
export const misread = (rows: Rows, wrong: (blob: Blob) => Blob | undefined): Rows => {
  const all = Effect.map(
    Effect.flatMap(rows.heads({ after: "", limit: 10_000 }), (heads) => rows.read(heads.map(({ hash }) => hash))),
    (blobs) => new Map(blobs.flatMap((blob) => [wrong(blob) ?? []].flat().map((blob) => [blob.hash, blob])))
  )
  return BlobStore.of({
    ...rows,
    heads: (range) =>
      Effect.map(Effect.all([rows.heads(range), all]), ([heads, blobs]) =>
        heads.flatMap((head) => {
          const blob = blobs.get(head.hash)
          return blob === undefined ? [] : { ...head, base: blob.base, depth: blob.depth, size: blob.size }
        })
      ),
    read: (hashes) =>
      Effect.map(all, (blobs) => {
        const found = new Set<Blob>()
        for (const hash of hashes) {
          for (let row = blobs.get(hash); row !== undefined && !found.has(row);) {
            found.add(row)
            row = row.base === undefined ? undefined : blobs.get(row.base)
          }
        }
        return [...found]
      })
  })
}
