/** Contents on their way into rows: each encoded, and all written at once, again where somebody else was faster. */
import { HistoryStoreError } from "@heph/history/HistoryStore"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Blob, Head, Hold } from "../BlobStore.ts"
import type { Item, Put } from "../ContentStore.ts"
import { type Hash, isHash, of as hashOf } from "../Hash.ts"
import type { Contents } from "./contents.ts"
import { chainOf, decodeAll } from "./decoding.ts"
import { against, cheapest, depthLimit, type Encoded, hopsFrom, isGoodEnough, orAlone } from "./encoding.ts"
import { compress, type Compress, compressAside, type Effort } from "./frames.ts"

/** A hop of a content up to this size is encoded once more, thoroughly: 20 ms for 150 KB, beside the event loop. */
const thoroughBytes = 262_144
/** How many are encoded at a time: what Node has threads for. */
const sideBySide = 4
/** How often in a row somebody else may be faster. */
const patience = 100

/** A content that is to be stored, which nobody else changes. */
export interface Given {
  readonly hash: Hash
  readonly bytes: Uint8Array
  readonly near: ReadonlyArray<Hash>
}

/** A row to be, its content, and how it is going to be better encoded. */
interface Planned extends Encoded {
  readonly content: Uint8Array
  readonly better?: Fiber.Fiber<Uint8Array> | undefined
}

/** What a plan is made beside: the rows that are there, and those planned before it. */
interface Beside {
  readonly heads: ReadonlyMap<Hash, Head>
  readonly planned: Map<Hash, Planned>
  readonly compress: Compress
}

export interface Options {
  /** Is taken with the write, which then need not wait for the disk. */
  readonly hold: Hold
  /** What encoding runs in, which takes most of the time. */
  readonly restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

export const givenOf = ({ bytes, near = [] }: Item): Given => {
  const own = new Uint8Array(bytes)
  return { hash: hashOf(own), bytes: own, near: near.filter(isHash) }
}

/** How hard to compress by an option, nothing where not at all. */
export const effortOf = (compression: boolean | number): Effort | undefined =>
  compression === false ? undefined : compression === true ? "quick" : compression

export const make = ({ blobs, known, remember, some }: Contents, effort: Effort | undefined) => {
  /** A difference against one of the ancestors, where the parent is as deep as a row may be. */
  const hop = Effect.fnUntraced(function* (content: Uint8Array, parent: Hash, effort: Effort, beside: Beside) {
    const { compress, planned } = beside
    const limit = depthLimit(content.length)
    const rows = new Map<Hash, Blob>()
    let next: Hash | undefined = parent
    for (let own; next !== undefined && (own = planned.get(next)) !== undefined; next = own.base) {
      rows.set(next, { ...own, hash: next, size: own.content.length })
    }
    if (next !== undefined) for (const row of yield* blobs.read([next])) rows.set(row.hash, row)
    const chain = chainOf(rows, parent)
    const { ancestors, cost } = hopsFrom(chain, limit)
    const contents = decodeAll(
      rows,
      ancestors.map(({ hash }) => hash),
      (hash) => planned.get(hash)?.content ?? known(hash)
    )
    const differences = yield* Effect.forEach(ancestors, ({ depth, hash }) => {
      const base = contents.get(hash)
      return base === undefined
        ? Effect.succeed(undefined)
        : against(content, { hash, depth, content: base }, effort, compress)
    })
    const best = cheapest(differences, cost)
    if (best === undefined || effort !== "quick" || content.length > thoroughBytes) return best
    return { ...best, better: yield* Effect.forkChild(compressAside(content, contents.get(best.base!), "thorough")) }
  })

  const plan = Effect.fnUntraced(function* ({ bytes: content, hash, near }: Given, beside: Beside) {
    const { compress, heads, planned } = beside
    if (effort === undefined) return { ...(yield* orAlone(undefined, content, effort, compress)), content }
    const limit = depthLimit(content.length)
    const depthOf = (hash: Hash) => (planned.get(hash) ?? heads.get(hash))?.depth
    const [parent, ...others] = [...new Set(near)].filter((near) => near !== hash && depthOf(near) !== undefined)
    const differences = Effect.fnUntraced(function* (hashes: ReadonlyArray<Hash>) {
      const short = hashes.filter((hash) => depthOf(hash)! < limit)
      const contents = yield* some(short, (hash) => planned.get(hash)?.content)
      return yield* Effect.forEach(contents, ([hash, base]) =>
        against(content, { hash, depth: depthOf(hash)!, content: base }, effort, compress)
      )
    })
    let best: (Encoded & Pick<Planned, "better">) | undefined
    if (parent !== undefined) {
      best =
        depthOf(parent)! < limit ? cheapest(yield* differences([parent])) : yield* hop(content, parent, effort, beside)
    }
    if (!isGoodEnough(best, content)) {
      best = yield* orAlone(cheapest([best, ...(yield* differences(others))]), content, effort, compress)
    }
    return { ...best, content }
  })

  /** Rows for what is not there yet. Several are encoded side by side, each once those before it that are near it are. */
  const planAll = Effect.fnUntraced(function* (given: ReadonlyArray<Given>, heads: ReadonlyMap<Hash, Head>) {
    const places = new Map<Hash, number>()
    const fresh: Array<Given> = []
    for (const item of given) {
      if (!heads.has(item.hash) && !places.has(item.hash)) places.set(item.hash, fresh.push(item) - 1)
    }
    const beside: Beside = {
      heads,
      planned: new Map<Hash, Planned>(),
      compress: fresh.length > 1 ? compressAside : compress
    }
    const ready: Array<Deferred.Deferred<void>> = []
    for (let i = 0; i < fresh.length; i++) ready.push(yield* Deferred.make<void>())
    const encode = Effect.fnUntraced(function* (item: Given, i: number) {
      // Those behind it may be ready too, and what it becomes must not depend on who is faster.
      const near = item.near.filter((hash) => (places.get(hash) ?? -1) < i)
      for (const hash of near) if (places.has(hash)) yield* Deferred.await(ready[places.get(hash)!]!)
      const planned = yield* plan({ ...item, near }, beside)
      beside.planned.set(item.hash, planned)
      yield* Deferred.succeed(ready[i]!, undefined)
      const thorough = planned.better === undefined ? planned.bytes : yield* Fiber.join(planned.better)
      return thorough.length < planned.bytes.length ? { ...planned, bytes: thorough } : planned
    })
    const encoded = yield* Effect.forEach(fresh, encode, { concurrency: sideBySide })
    return encoded.map(({ base, bytes, content, depth, encoding }, i): Blob => ({
      hash: fresh[i]!.hash,
      size: content.length,
      base,
      depth,
      encoding,
      bytes
    }))
  })

  const attempt = Effect.fnUntraced(function* (given: ReadonlyArray<Given>, options: Options | undefined) {
    const restore = options?.restore ?? ((effect) => effect)
    const hashes = new Set(given.flatMap(({ hash, near }) => [hash, ...near]))
    const found = yield* blobs.heads({ hashes: [...hashes] })
    const heads = new Map(found.map((head) => [head.hash, head]))
    const add = yield* restore(planAll(given, heads))
    const touch = new Set(given.flatMap(({ hash }) => (heads.has(hash) ? hash : [])))
    const now = yield* Clock.currentTimeMillis
    const refused = yield* blobs.write({ add, touch: [...touch], hold: options?.hold, now })
    if (refused.length > 0) return undefined
    for (const { bytes, hash } of given) remember(hash, bytes)
    const added = new Map(add.map((blob) => [blob.hash, blob]))
    return given.map(({ bytes, hash }): Put => {
      const blob = added.get(hash)
      // The first one of its hash stored it; it was there for those that follow.
      added.delete(hash)
      const base = (blob ?? heads.get(hash) ?? add.find((blob) => blob.hash === hash))?.base
      return { hash, size: bytes.length, wasThere: blob === undefined, stored: blob?.bytes.length ?? 0, base }
    })
  })

  /** Stores contents, in one transaction. */
  return Effect.fnUntraced(function* (given: ReadonlyArray<Given>, options?: Options) {
    for (let tries = 0; tries < patience; tries++) {
      const puts = yield* attempt(given, options)
      if (puts !== undefined) return puts
    }
    const detail = "others kept changing what new contents stand on; nothing was changed, try again"
    return yield* new HistoryStoreError({ reason: "Busy", store: "contents", detail })
  })
}
