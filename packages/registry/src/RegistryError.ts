/** What a registry refuses, one error for each outcome that a caller tells apart. */
import type * as Transaction from "@heph/bus/Transaction"
import type * as ChangeSet from "@heph/changeset/ChangeSet"
import type * as Entry from "@heph/entry/Entry"
import type * as EntryId from "@heph/entry/EntryId"
import type * as History from "@heph/history/History"
import * as Schema from "effect/Schema"

/** The registry was at another version than the writer expected; `current` is where it is now. Nothing was written. */
export class VersionConflict extends Schema.TaggedError<VersionConflict>()("VersionConflict", {
  expected: Schema.Number,
  current: Schema.Number
}) {
  override get message(): string {
    return `expected the registry at v${this.expected}, but it is at v${this.current}: look at what changed, and apply again`
  }
}

/** A handler called back into the registry that was waiting for it. */
export class ReentrantWrite extends Schema.TaggedError<ReentrantWrite>()("ReentrantWrite", {
  method: Schema.String
}) {
  override get message(): string {
    return `${this.method} was called by a handler inside a transaction of the same registry, which would wait for itself. Defer the operation, or write after the commit.`
  }
}

/** Handlers are out of step with the registry, so that writing on would make it worse. `resync` first. */
export class OutOfStep extends Schema.TaggedError<OutOfStep>()("OutOfStep", {
  ids: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `handlers may be out of step on ${this.ids.join(", ")} since a rollback that failed: call resync first`
  }
}

/** Entries that depend on each other in a cycle, where cycles are refused. */
export class CyclesRefused extends Schema.TaggedError<CyclesRefused>()("CyclesRefused", {
  cycles: Schema.Array(Schema.Array(Schema.String))
}) {
  override get message(): string {
    return `these entries would depend on each other: ${this.cycles.map((ids) => ids.join(" → ")).join("; ")}`
  }
}

/** A version cannot be undone: later versions changed the same entries. */
export class RevertConflict extends Schema.TaggedError<RevertConflict>()("RevertConflict", {
  version: Schema.Number,
  ids: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `v${this.version} cannot be undone: ${this.ids.join(", ")} changed since. Undo the later versions first, or apply what you want.`
  }
}

/** A version cannot be undone by itself: compaction folded others into it, and its changeset is that of them all. */
export class FoldedVersion extends Schema.TaggedError<FoldedVersion>()("FoldedVersion", {
  version: Schema.Number,
  folded: Schema.Number
}) {
  override get message(): string {
    return `v${this.version} cannot be undone: since compaction it stands for ${this.folded} versions before it, too. Apply what you want, or go to another version.`
  }
}

/** What can be wrong with a change itself. */
export type InvalidChange =
  | EntryId.InvalidEntryId
  | Entry.InvalidEntry
  | ChangeSet.DoesNotFit
  | ChangeSet.ImpossibleSequence

/** What every write can fail with. */
export type WriteError =
  | Transaction.Refused
  | Transaction.RollbackIncomplete
  | History.HistoryError
  | OutOfStep
  | ReentrantWrite
  | VersionConflict
