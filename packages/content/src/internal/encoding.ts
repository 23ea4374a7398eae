/**
 * What a content is kept as: as it is, compressed alone, or as a difference against another one.
 *
 *     near[0], the parent ──▶ short of the limit of depth ──▶ a difference against it
 *                         └─▶ at the limit ──▶ a hop: against the one further up its chain that costs least for each step
 *                                              that it leaves
 *     that is larger than a seventh of the content, or there is no parent ──▶ the others that are near, and no base at all:
 *                                                                           the smallest of them
 */
import * as Effect from "effect/Effect"
import type { Encoding, Hash } from "../BlobStore.ts"
import { canStandOn, type Compress, type Effort } from "./frames.ts"

/** The part of a row that encoding decides. */
export interface Encoded {
  readonly base: Hash | undefined
  readonly depth: number
  readonly encoding: Encoding
  readonly bytes: Uint8Array
}

/** What a content may stand on. */
export interface Base {
  readonly hash: Hash
  readonly depth: number
  readonly content: Uint8Array
}

/** A difference that is less of its content than this is good enough to look no further. */
const goodEnough = 0.15
/** A difference must be less of the best without a base than this: it takes longer to read. */
const worthABase = 0.9
/** How many ancestors a hop tries, at equal distances. */
const hopTries = 12

/**
 * How many rows a content of so many bytes may stand on, so that reading it takes a few milliseconds: each step takes as
 * long as decoding 90 KB does, and all of them together may take as long as decoding 12 MB.
 */
export const depthLimit = (size: number): number => Math.min(Math.max(Math.floor(12e6 / (90e3 + size)), 4), 128)

/**
 * The ancestors that a hop tries: those of a chain, from the parent down, that are less deep than the limit.
 *
 * What costs least is what takes fewest bytes for the square of the number of steps that it leaves. A hop that leaves many
 * steps is taken more seldom, and the next one then finds an ancestor that is younger: over histories of some hundred
 * versions this took 5-20% less than fewest bytes a step, whichever ancestors were tried.
 */
export const hopsFrom = <A extends { readonly depth: number }>(chain: ReadonlyArray<A>, limit: number) => {
  const stride = Math.ceil(limit / hopTries)
  return {
    ancestors: chain.filter(({ depth }, i) => i > 0 && i % stride === 0 && depth < limit),
    cost: ({ bytes, depth }: Encoded): number => bytes.length / (limit - depth + 1) ** 2
  }
}

const raw = (bytes: Uint8Array): Encoded => ({ base: undefined, depth: 0, encoding: "raw", bytes })

/** The smallest without a base. */
const alone = (bytes: Uint8Array, effort: Effort | undefined, compress: Compress): Effect.Effect<Encoded> =>
  effort === undefined
    ? Effect.succeed(raw(bytes))
    : Effect.map(compress(bytes, undefined, effort), (frame) =>
        frame.length < bytes.length ? { base: undefined, depth: 0, encoding: "zstd", bytes: frame } : raw(bytes)
      )

/** A difference against a base; nothing where none can be made. */
export const against = (
  bytes: Uint8Array,
  base: Base,
  effort: Effort,
  compress: Compress
): Effect.Effect<Encoded | undefined> =>
  canStandOn(base.content, bytes.length)
    ? Effect.map(compress(bytes, base.content, effort), (frame) => ({
        base: base.hash,
        depth: base.depth + 1,
        encoding: "zstd",
        bytes: frame
      }))
    : Effect.succeed(undefined)

/** The one that costs least: by default, the one of fewest bytes. */
export const cheapest = (
  encoded: Iterable<Encoded | undefined>,
  cost: (encoded: Encoded) => number = ({ bytes }) => bytes.length
): Encoded | undefined => {
  let best: Encoded | undefined
  for (const one of encoded) {
    if (one !== undefined && (best === undefined || cost(one) < cost(best))) best = one
  }
  return best
}

export const isGoodEnough = (encoded: Encoded | undefined, bytes: Uint8Array): encoded is Encoded =>
  encoded !== undefined && encoded.bytes.length < bytes.length * goodEnough

/** The best of a difference and of doing without a base. */
export const orAlone = (
  difference: Encoded | undefined,
  bytes: Uint8Array,
  effort: Effort | undefined,
  compress: Compress
): Effect.Effect<Encoded> =>
  Effect.map(alone(bytes, effort, compress), (whole) =>
    difference !== undefined && difference.bytes.length < whole.bytes.length * worthABase ? difference : whole
  )
