/**
 * What a backend provides: durable rows and one conditional write. Everything a history means (paths, tags that resolve,
 * checkpoint policy, what fits on what) is above it in `History`, so that backends cannot differ.
 *
 *     versions    id ─▶ parent, timestamp, …, changeset     insert-only; ids 1, 2, 3 … with no gaps
 *     heads       revision ─▶ version, timestamp            insert-only log; the last row is head
 *     tags        name ─▶ version
 *     checkpoints version ─▶ chunks                         a state written out, to be read instead of its history
 *
 * A fresh store has head `v0` at revision 0. The conformance suite is `@heph/history/testing/HistoryStoreSuite`.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type * as Packed from "./Packed.ts"
import type * as Version from "./Version.ts"

/** A version with its changeset, which is encoded or decoded when somebody asks for it. */
export interface VersionRecord extends Version.Version {
  readonly parent: number
  readonly changeset: Packed.PackedChangeSet
}

/** The small facts of a store, read in one go. */
export interface StoreInfo {
  /** When the store was created, in milliseconds since 1970: the timestamp of `v0`. */
  readonly created: number
  /** The version that head is at. */
  readonly head: number
  /** How many times head has moved. Conditional writes name the one they saw. */
  readonly revision: number
  /** The largest version id there is. */
  readonly last: number
  readonly tags: ReadonlyMap<string, number>
  /** The versions that have a checkpoint, ascending. */
  readonly checkpoints: ReadonlyArray<number>
  /** The versions that compaction dropped: runs of ids, ascending, with at least one version between two of them. */
  readonly dropped: ReadonlyArray<Run>
}

/** Consecutive ids, from the first to the last of them. */
export type Run = readonly [first: number, last: number]

/**
 * A part of the history made shorter. The states of all versions that stay are what they were.
 *
 *     v0 ── v1 ── v2 ── v3 ── v4        drop v1 … v2, fold v3:  v0 ───────── v3' ── v4
 */
export interface Compaction {
  /** Versions that are no more, as runs: ascending, apart, and none of them dropped already. */
  readonly drop: ReadonlyArray<Run>
  /**
   * Versions that stay and get another parent, which stays too, and the changeset that leads from there; with the number
   * of versions that are `folded` into it. Every version that stays and has a parent that does not is one.
   */
  readonly fold: ReadonlyArray<VersionRecord>
  /** The last version when this was planned: those after it are checked for a parent that would be dropped. */
  readonly last: number
}

/** What `verify` found wrong. `what` names the row or the page, `reason` says what is wrong with it. */
export interface Damage {
  readonly what: string
  readonly reason: string
}

export interface Capabilities {
  /** What was acknowledged survives the end of the process. */
  readonly durable: boolean
  /** Other processes can write to the same store. */
  readonly shared: boolean
  /** Changesets are kept; without them going back is refused. */
  readonly travel: boolean
}

/** Somebody else moved head first: nothing was written. `found` is what the store holds now. */
export class HeadConflict extends Schema.TaggedError<HeadConflict>()("HeadConflict", {
  expected: Schema.Number,
  found: Schema.Struct({ head: Schema.Number, revision: Schema.Number })
}) {
  override get message(): string {
    return `head was at revision ${this.expected} and is now v${this.found.head} at revision ${this.found.revision}: somebody else wrote`
  }
}

/**
 * Why a store could not do it.
 *
 * - `NotARegistry`: the file or database is something else. Never touched.
 * - `NewerSchema`: written by a newer version of the package.
 * - `Corrupt`: damaged; nothing was changed.
 * - `ReadOnly` · `Full` · `Busy` (retryable) · `Unavailable` (retryable): the file, disk or server says no.
 * - `NotFound`: a row that was named is not there.
 * - `Unsupported`: this backend does not keep what was asked for.
 */
export const StoreErrorReason = Schema.Literals([
  "NotARegistry",
  "NewerSchema",
  "Corrupt",
  "ReadOnly",
  "Full",
  "Busy",
  "Unavailable",
  "NotFound",
  "Unsupported"
])
export type StoreErrorReason = (typeof StoreErrorReason)["Type"]

/** A backend's trouble, classified. `store` names it for a person (a path, a URL without secrets). */
export class HistoryStoreError extends Schema.TaggedError<HistoryStoreError>()("HistoryStoreError", {
  reason: StoreErrorReason,
  store: Schema.String,
  detail: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return `${this.store}: ${this.detail}`
  }
  /** Whether the same call may succeed later with nothing changed by hand. */
  get isRetryable(): boolean {
    return this.reason === "Busy" || this.reason === "Unavailable"
  }
}

/** Which versions to read: these, or a run of consecutive ids in either direction. v0 has no row and is never returned. */
export type VersionRange =
  | { readonly ids: ReadonlyArray<number> }
  /** Ascending, from the first id above `after`. */
  | { readonly after: number; readonly limit: number }
  /** Descending, from the first id below `before`. */
  | { readonly before: number; readonly limit: number }

export class HistoryStore extends Context.Service<
  HistoryStore,
  {
    readonly capabilities: Capabilities
    /** The facts of now. One round trip. */
    readonly info: Effect.Effect<StoreInfo, HistoryStoreError>
    /**
     * Appends the versions, in order, and moves head to each, in one durable transaction: all or nothing, and on disk
     * once it succeeds. `revision` is the one the writer saw; another one in the store is a conflict and writes nothing.
     * Ids must follow `last` without a gap and parents must exist, else `HistoryStoreError` `NotFound`; a stale revision is
     * told first (`Precondition.append`). Of no versions nothing is written. Returns the new revision.
     */
    readonly append: (
      versions: ReadonlyArray<VersionRecord>,
      revision: number
    ) => Effect.Effect<number, HeadConflict | HistoryStoreError>
    /** Moves head to a version that exists, under the same condition. Returns the new revision. */
    readonly moveHead: (
      version: number,
      timestamp: number,
      revision: number
    ) => Effect.Effect<number, HeadConflict | HistoryStoreError>
    /**
     * Names a version, or with `null` forgets the name, if it is one. An existing name moves. The version must exist.
     */
    readonly tag: (name: string, version: number | null) => Effect.Effect<void, HistoryStoreError>
    /** Those of the range that exist: in the order asked for with `ids` (duplicates and all), else by id. */
    readonly versions: (range: VersionRange) => Effect.Effect<ReadonlyArray<VersionRecord>, HistoryStoreError>
    /** Moves of head with a revision above `after`, ascending, at most `limit`. */
    readonly heads: (after: number, limit: number) => Effect.Effect<ReadonlyArray<Version.HeadMove>, HistoryStoreError>
    /**
     * A state written out in chunks. `save` is atomic and replaces; `load` fails with `NotFound` where there is none.
     * The version must exist; 0 is one. `drop` deletes those of these versions; where there is none, it is done.
     */
    readonly checkpoints: {
      readonly save: (version: number, chunks: Iterable<Uint8Array>) => Effect.Effect<void, HistoryStoreError>
      readonly load: (version: number) => Effect.Effect<ReadonlyArray<Uint8Array>, HistoryStoreError>
      readonly drop: (versions: ReadonlyArray<number>) => Effect.Effect<void, HistoryStoreError>
    }
    /**
     * Drops versions and their checkpoints and folds others, in one durable step, beside writers: it is not conditional
     * on the revision. Refused with `Busy`, and nothing changed, where head, a tag or the parent of a version after
     * `last` is one of those to be dropped, or another compaction was faster: plan it again (`Precondition.compact`).
     * Moves of head to versions that are dropped stay in the log. The room is given back after the step, a little at a
     * time, so that no writer waits for it; what a crash leaves of that is done by the next compaction.
     */
    readonly compact: (compaction: Compaction) => Effect.Effect<void, HistoryStoreError>
    /**
     * Emits when there may be something new: once as soon as it listens, after every write of another process, and after
     * a connection that was lost is there again. A signal is not a log: whoever gets one reads, and may find nothing.
     * Signals that come while one is handled are one. Never ends; a store of one process emits once and then never.
     */
    readonly changes: Stream.Stream<void, HistoryStoreError>
    /** Reads everything and lists what is damaged; nothing is repaired. Cost follows the size of the store. */
    readonly verify: Effect.Effect<ReadonlyArray<Damage>, HistoryStoreError>
  }
>()("@heph/history/HistoryStore") {}
