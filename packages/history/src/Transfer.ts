/**
 * A whole history from one store to another: versions with their ids, the log of heads, tags, what compaction dropped,
 * checkpoints.
 *
 *     compare what the target has ──▶ copy what follows, move by move ──▶ tags, compaction, checkpoints ──▶ compare states
 *                                      └─ before that, what versions refer to: `first`
 *
 * The target holds a beginning of the history at any moment, so that a transfer that was broken off is done again and
 * goes on where it was. Writers of the source may go on; the transfer ends when it has caught up with them.
 */
import * as Entry from "@heph/entry/Entry"
import * as State from "@heph/entry/State"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as History from "./History.ts"
import * as HistoryStore from "./HistoryStore.ts"
import * as Packed from "./Packed.ts"
import * as Precondition from "./Precondition.ts"
import type * as Version from "./Version.ts"

type Store = HistoryStore.HistoryStore["Service"]

/** The target holds something that the source does not, or came to do so meanwhile. Nothing of it was changed. */
export class TargetDiffers extends Schema.TaggedError<TargetDiffers>()("TargetDiffers", {
  what: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `the target is not a beginning of the source: ${this.what} ${this.reason}. Transfer to a store that holds nothing yet.`
  }
}

export type TransferError = History.HistoryError | TargetDiffers

export interface Progress {
  readonly phase: "comparing" | "copying" | "verifying"
  readonly done: number
  readonly total: number
}

export interface Options<E = never, R = never> {
  /** How many versions' states are compared at the end, beside head and the tagged ones. 16 by default. */
  readonly samples?: number | undefined
  readonly onProgress?: ((progress: Progress) => void) | undefined
  /**
   * Brings what versions refer to, and what must therefore be in the target before they are. Run after each look at what
   * the source has, before versions up to there are copied: again where writers of the source went on.
   */
  readonly first?: Effect.Effect<unknown, E, R> | undefined
}

export interface Transferred {
  /** How many versions the target holds now, and how many of them came with this transfer. */
  readonly versions: number
  readonly copied: number
  /** Moves of head, and tags, that the target holds now. */
  readonly moves: number
  readonly tags: number
  /** Versions whose states were compared, and are equal. */
  readonly verified: ReadonlyArray<number>
}

const pageSize = 500
/** Versions and bytes of one append: long enough to share a disk sync, short enough to be held in memory twice. */
const batchSize = 128
const batchBytes = 4_000_000

/**
 * Brings everything of one store to another; tags of the source move where they are there, and others stay. The target must hold nothing, or a beginning of the source, and have been
 * made at the same time: build it under a `Clock` that stands where the source's `info.created` says. Reads the source
 * once, and the target once for what it holds already.
 */
export const transfer = Effect.fn("Transfer.transfer")(function* <E = never, R = never>(
  from: Store,
  to: Store,
  options?: Options<E, R>
): Effect.fn.Return<Transferred, TransferError | E, R> {
  const told = options?.onProgress ?? (() => {})
  const { last: before } = yield* to.info
  yield* compare(from, to, told)
  for (;;) {
    const source = yield* from.info
    if (options?.first !== undefined) yield* options.first
    yield* copy(from, to, source.revision, told)
    const now = yield* from.info
    // Nothing is dropped before all moves are copied: some of them may lead to what is dropped by now.
    if (now.revision !== source.revision) continue
    yield* settle(from, to, now)
    const target = yield* to.info
    const compared = yield* Effect.result(compareStates(from, to, target, options?.samples ?? 16, told))
    if (shown(yield* from.info) !== shown(now)) continue
    if (shown(target, now.tags.keys()) !== shown(now))
      return yield* differs("what compaction dropped", "is something else")
    const verified = yield* Effect.fromResult(compared)
    /** How many versions there are up to one. */
    const upTo = (last: number) =>
      Precondition.count({
        last,
        dropped: target.dropped.flatMap(([a, b]) => (a > last ? [] : [[a, Math.min(b, last)] as const]))
      })
    return {
      versions: upTo(target.last),
      copied: upTo(target.last) - upTo(before),
      moves: target.revision,
      tags: target.tags.size,
      verified
    }
  }
})

/** What two stores that hold the same have in common, as text. */
const shown = (
  { created, dropped, head, last, revision, tags }: HistoryStore.StoreInfo,
  names: Iterable<string> = tags.keys()
): string =>
  JSON.stringify([created, dropped, head, last, revision, [...names].sort().map((name) => [name, tags.get(name)])])

const differs = (what: string, reason: string) => Effect.fail(new TargetDiffers({ what, reason }))

/** That everything in the target is in the source. */
const compare = Effect.fnUntraced(function* (from: Store, to: Store, told: (progress: Progress) => void) {
  const source = yield* from.info
  const target = yield* to.info
  if (source.created !== target.created) return yield* differs("v0", "was made at another time")
  if (target.revision > source.revision) return yield* differs("head", "moved more often")
  const [gone] = Precondition.difference(target.dropped, source.dropped)
  if (gone !== undefined) return yield* differs(`v${gone[0]}`, "was dropped there alone")
  const total = target.revision + target.last
  for (let after = 0; after < target.revision; after += pageSize) {
    const moves = yield* to.heads(after, pageSize)
    const theirs = yield* from.heads(after, moves.length)
    const other = moves.findIndex((move, i) => !isSameMove(move, theirs[i]))
    if (other !== -1) return yield* differs(`move ${after + other + 1} of head`, "went elsewhere")
    told({ phase: "comparing", done: after + moves.length, total })
  }
  for (let after = 0; ;) {
    const page = yield* to.versions({ after, limit: pageSize })
    if (page.length === 0) return
    const theirs = new Map(
      (yield* from.versions({ ids: page.map(({ id }) => id) })).map((version) => [version.id, version])
    )
    for (const version of page) {
      const other = theirs.get(version.id)
      // What was dropped since is dropped at the end, and what was folded since is folded then.
      if (other === undefined && Precondition.isIn(source.dropped, version.id)) continue
      if (other !== undefined && other.folded !== undefined && other.folded !== version.folded) continue
      if (other === undefined || !(yield* isSameVersion(version, other))) {
        return yield* differs(`v${version.id}`, "is another version")
      }
    }
    after = page.at(-1)!.id
    told({ phase: "comparing", done: target.revision + after, total })
  }
})

const isSameMove = (a: Version.HeadMove, b: Version.HeadMove | undefined): boolean =>
  a.revision === b?.revision && a.version === b.version && a.timestamp === b.timestamp

const isSameVersion = Effect.fnUntraced(function* (a: HistoryStore.VersionRecord, b: HistoryStore.VersionRecord) {
  const fields = (record: HistoryStore.VersionRecord) =>
    JSON.stringify([record.parent, record.timestamp, record.message ?? null, record.author ?? null, record.folded ?? 0])
  if (fields(a) !== fields(b)) return false
  const [one, other] = [yield* a.changeset.bytes, yield* b.changeset.bytes]
  return one.length === other.length && one.every((byte, i) => byte === other[i])
})

/** Does in the target what was done in the source, up to a revision. */
const copy = Effect.fnUntraced(function* (from: Store, to: Store, until: number, told: (progress: Progress) => void) {
  let { last, revision } = yield* to.info
  // Versions that wait to be appended, and how many bytes they are.
  let batch: Array<HistoryStore.VersionRecord> = []
  let bytes = 0
  const append = Effect.suspend(() => {
    if (batch.length === 0) return Effect.void
    const versions = batch
    batch = []
    bytes = 0
    return Effect.map(written(to.append(versions, revision)), (now) => (revision = now))
  })
  while (revision + batch.length < until) {
    const moves = yield* from.heads(revision + batch.length, Math.min(pageSize, until - revision - batch.length))
    if (moves.length === 0) return yield* damaged(`move ${revision + batch.length + 1} of head is missing`)
    const newer = moves.flatMap(({ version }) => (version > last ? [version] : []))
    const records = new Map((yield* from.versions({ ids: newer })).map((version) => [version.id, version]))
    for (const { timestamp, version } of moves) {
      if (version <= last) {
        yield* append
        revision = yield* written(to.moveHead(version, timestamp, revision))
        continue
      }
      if (version !== last + 1) return yield* damaged(`v${version} follows v${last}`)
      const record = records.get(version) ?? placeholder(version, timestamp)
      bytes += (yield* record.changeset.bytes).length
      batch.push(record)
      last = version
      if (batch.length >= batchSize || bytes >= batchBytes) yield* append
    }
    told({ phase: "copying", done: revision + batch.length, total: until })
  }
  yield* append
})

/** What stands for a version that compaction dropped in the source, until it is dropped here, too. */
const placeholder = (id: number, timestamp: number): HistoryStore.VersionRecord => ({
  id,
  parent: 0,
  timestamp,
  message: undefined,
  author: undefined,
  ...Packed.countsOf([]),
  changeset: Packed.fromChangeSet([])
})

const damaged = (detail: string) =>
  Effect.fail(
    new HistoryStore.HistoryStoreError({
      reason: "Corrupt",
      store: "the source",
      detail: `${detail}; verify lists all damage`
    })
  )

/** Nobody else may write to the target. */
const written = <A>(
  write: Effect.Effect<A, HistoryStore.HeadConflict | HistoryStore.HistoryStoreError>
): Effect.Effect<A, HistoryStore.HistoryStoreError | TargetDiffers> =>
  Effect.catchTag(write, "HeadConflict", () => differs("head", "was moved by somebody else meanwhile"))

/** Tags, what compaction dropped and folded, and checkpoints. */
const settle = Effect.fnUntraced(function* (from: Store, to: Store, source: HistoryStore.StoreInfo) {
  const target = yield* to.info
  for (const [name, version] of source.tags) {
    if (target.tags.get(name) !== version && version <= target.last) yield* to.tag(name, version)
  }

  const drop = Precondition.difference(source.dropped, target.dropped).filter(([, last]) => last <= target.last)
  if (drop.length > 0) {
    const fold: Array<HistoryStore.VersionRecord> = []
    for (let after = 0; after < target.last;) {
      const page = yield* from.versions({ after, limit: pageSize })
      if (page.length === 0) break
      const folded = page.filter((version) => version.folded !== undefined && version.id <= target.last)
      const theirs = yield* to.versions({ ids: folded.map(({ id }) => id) })
      fold.push(...folded.filter((version, i) => version.folded !== theirs[i]?.folded))
      after = page.at(-1)!.id
    }
    yield* to.compact({ drop, fold, last: target.last })
  }
  const superfluous = target.checkpoints.filter((version) => !source.checkpoints.includes(version))
  if (superfluous.length > 0) yield* to.checkpoints.drop(superfluous)
  for (const version of source.checkpoints) {
    if (target.checkpoints.includes(version)) continue
    const chunks = yield* Effect.result(from.checkpoints.load(version))
    if (Result.isSuccess(chunks)) yield* to.checkpoints.save(version, chunks.success)
    // One that a writer of the source has dropped meanwhile is no loss.
    else if (chunks.failure.reason !== "NotFound") return yield* chunks.failure
  }
})

/** The states of some versions, which must be equal in both. */
const compareStates = Effect.fnUntraced(function* (
  from: Store,
  to: Store,
  target: HistoryStore.StoreInfo,
  samples: number,
  told: (progress: Progress) => void
) {
  const chosen = new Set([0, target.head, target.last, ...target.tags.values()])
  const step = Math.max(target.last / Math.max(samples, 1), 1)
  for (let at = step; at < target.last && samples > 0; at += step) {
    const [version] = yield* to.versions({ after: Math.floor(at) - 1, limit: 1 })
    if (version !== undefined) chosen.add(version.id)
  }
  const versions = [...chosen].sort((a, b) => a - b)
  const histories = yield* Effect.forEach([from, to], (store) =>
    Effect.provideService(History.make, HistoryStore.HistoryStore, store)
  )
  for (const [i, version] of versions.entries()) {
    const [mine, theirs] = yield* Effect.forEach(histories, (history) =>
      Effect.catchTag(history.load(State.empty, version, { misfit: "history wins" }), "HistoryMisfit", Effect.die)
    )
    let other: Entry.Entry | undefined
    State.diff(mine!.state, theirs!.state, (a, b) => {
      if (a === undefined || b === undefined || !Entry.equals(a, b)) other ??= a ?? b
    })
    if (other !== undefined) return yield* differs(`${other.id.value} at v${version}`, "is another entry")
    told({ phase: "verifying", done: i + 1, total: versions.length })
  }
  return versions
})
