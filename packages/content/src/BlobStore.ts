/**
 * What a backend provides for contents: rows of bytes, a serial number that tells old from new, and holds. Everything a
 * content means (its hash, how it is compressed, what it is a difference against, what goes) is above it in
 * `ContentStore`, so that backends cannot differ. A backend looks into no bytes and checks no hash.
 *
 *     contents  hash ─▶ size, base, depth, encoding, bytes, touched      base ─▶ another row, always of a smaller depth
 *     holds     holder ─▶ serial, until
 *     serial    0, 1, 2 …                                               each write that stores or touches takes a larger one
 *
 * Three rules keep what is needed, whoever else writes and sweeps:
 *
 * - A base is there as long as a row stands on it, and its depth is smaller than the row's: checked by each write in its
 *   own transaction. So a chain has an end, and no two rows stand on each other.
 * - A serial is seen together with what bears it. Once {@link Totals.settled} was read as `n`, no write with a serial of
 *   `n` or less becomes visible any more. (Where transactions commit in another order than they took their numbers, the
 *   number must be taken under a lock that is kept until the commit.)
 * - Rows go by {@link BlobStore.remove} alone, which spares each that was touched since the caller saw it.
 *
 * Hashes are 64 small hexadecimal digits: `ContentStore` hands over no others. The conformance suite is
 * `@heph/content/testing/BlobStoreSuite`.
 */
import type { HistoryStoreError } from "@heph/history/HistoryStore"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Hash } from "./Hash.ts"

export type { Hash } from "./Hash.ts"

/** How the bytes of a row are to be read: as they are, or as a zstd frame without its first four bytes. */
export type Encoding = "raw" | "zstd"

/** What every row has, but for its bytes and its age. */
interface Fields {
  readonly hash: Hash
  /** The length of the content in bytes, which is not that of the row's bytes. */
  readonly size: number
  /** The content that this one is a difference against. */
  readonly base: Hash | undefined
  /** At least the number of rows that it stands on, 0 where there is no base; larger than the depth of its base. */
  readonly depth: number
}

/** A row as it is written. */
export interface Blob extends Fields {
  readonly encoding: Encoding
  readonly bytes: Uint8Array
}

/** A row without its bytes. */
export interface Head extends Fields {
  /** How many bytes the row has. */
  readonly stored: number
  /** The serial of the write that stored it, or was given it again, last. */
  readonly touched: number
}

/** Which rows: these, or a run in the order of their hashes, from the first one above `after` (all hashes are above `""`). */
export type Range = { readonly hashes: ReadonlyArray<Hash> } | { readonly after: Hash; readonly limit: number }

/** A claim that nothing which is written from now on goes until it is released, or its time is over. */
export interface Hold {
  /** A name that nobody else uses. */
  readonly holder: string
  /** When it ends by itself, in milliseconds since 1970: whoever took it may be dead. */
  readonly until: number
}

/** What one transaction writes. */
export interface Write {
  /** New rows, in order: a later one may stand on an earlier one. */
  readonly add: ReadonlyArray<Blob>
  /** Rows that are there and get the serial of this write. */
  readonly touch: ReadonlyArray<Hash>
  /**
   * Takes this hold in the same transaction, with the serial as it is before. The transaction need not wait for the disk
   * then: it must be there no later than the next durable write to the same database, and whole or not at all after a crash.
   */
  readonly hold?: Hold | undefined
  /** The time, in milliseconds since 1970. Whoever takes a hold clears away those that have ended by then. */
  readonly now: number
}

/** A row in another encoding. The content, and so the hash and the size, is what it was, and so is the serial. */
export interface Rebase {
  readonly blob: Blob
  /** What the row stood on when it was read. */
  readonly from: Hash | undefined
}

/** A row to remove. */
export interface Removal {
  readonly hash: Hash
  /** The serial it had when it was read. */
  readonly touched: number
}

/** The small facts, of one moment. */
export interface Totals {
  /** How many rows there are. */
  readonly contents: number
  /** The sum of their sizes. */
  readonly bytes: number
  /** The sum of the lengths of their bytes. */
  readonly stored: number
  /**
   * The largest serial that nobody holds: the serial of now, or the smallest that a hold was taken at which has not ended.
   * A row touched by a larger one may be about to be referred to.
   */
  readonly settled: number
}

export interface Capabilities {
  /** What was acknowledged survives the end of the process. */
  readonly durable: boolean
  /** Other processes can write to the same store. */
  readonly shared: boolean
}

/** Rows of contents. Every method is one transaction, and one round trip where there is a server, unless it says otherwise. */
export class BlobStore extends Context.Service<
  BlobStore,
  {
    readonly capabilities: Capabilities
    /** The facts; a hold whose `until` is not after `now` (milliseconds since 1970) counts for nothing. Cost follows the number of rows. */
    readonly totals: (now: number) => Effect.Effect<Totals, HistoryStoreError>
    /** The rows of a range that exist, without their bytes, by hash where a run was asked for; else in any order, each once. */
    readonly heads: (range: Range) => Effect.Effect<ReadonlyArray<Head>, HistoryStoreError>
    /**
     * The rows of these hashes that exist and every row that they stand on, down to the end of each chain, in any order and
     * each once, all of one moment. Where a base is missing, or rows stand on each other, because the store is damaged,
     * what was found by then; a row that cannot be read as one (a field of the wrong type) with whatever is in its place.
     */
    readonly read: (hashes: ReadonlyArray<Hash>) => Effect.Effect<ReadonlyArray<Blob>, HistoryStoreError>
    /**
     * Stores, touches and holds, all or nothing, and durable once it succeeds unless there is a hold. Every row of it gets
     * one serial as `touched`, larger than all before.
     *
     * Refused, and nothing changed, where a row to add is there already, its base is not there or not of a smaller depth,
     * or a row to touch is not there: somebody else wrote. Gives the hashes of what was found otherwise, at least one of
     * them; none when it was written. The caller looks again and makes a new plan.
     */
    readonly write: (write: Write) => Effect.Effect<ReadonlyArray<Hash>, HistoryStoreError>
    /**
     * Sets when a hold ends, or releases it with `null`. Where there is none of this holder, nothing happens. Need not
     * wait for the disk.
     */
    readonly hold: (holder: string, until: number | null) => Effect.Effect<void, HistoryStoreError>
    /**
     * Replaces the encoding of a row, where it still stands on `from`, the new base (if any) is there and of a smaller
     * depth than the new one, and the new depth is not larger than the old one: what stands on the row must stay deeper.
     * Gives whether that was so; else nothing was changed. `touched` stays. Need not wait for the disk.
     */
    readonly rebase: (rebase: Rebase) => Effect.Effect<boolean, HistoryStoreError>
    /**
     * Removes rows, in the order given: what stands on another one comes before it. A row stays where it was touched since,
     * or something stands on it at that moment. Gives the hashes of those that went.
     *
     * Not one transaction but short ones, as many as it takes for no writer to wait for more than a few milliseconds, and
     * then the room is given back as the backend does it. Interrupted, or after a crash, some are gone and others not. Need
     * not wait for the disk: what a crash brings back goes the next time.
     */
    readonly remove: (removals: ReadonlyArray<Removal>) => Effect.Effect<ReadonlyArray<Hash>, HistoryStoreError>
  }
>()("@heph/content/BlobStore") {}
