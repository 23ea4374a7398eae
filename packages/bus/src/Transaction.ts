/**
 * A transaction, and the ways it can fail.
 *
 *     begin ──▶ operation 1 … n ──▶ append ──▶ visible ──▶ commit
 *       │            │                │
 *       └────────────┴────────────────┴──▶ inverse operations, in reverse order ──▶ discard
 *
 * The durable append is the commit point: whatever fails before it is undone, and nothing after it undoes anything. An
 * operation is put to all its handlers side by side, and the next one when all of them have answered; so is its inverse
 * on the way back, to those that had accepted.
 */
import * as Schema from "effect/Schema"

/** What all requests and callbacks of one transaction share. */
export interface Transaction {
  /** Counts the transactions of one bus from 1. */
  readonly id: number
  /**
   * Why: `apply` a new version · `travel` to another version · `load` at boot · `follow` a version that another process
   * committed · `resync` the present state put to the handlers again.
   */
  readonly cause: "apply" | "travel" | "load" | "follow" | "resync"
  /** The version it leads to, once it is committed. */
  readonly version: number
  /** How many operations it has, those that skip the bus included. */
  readonly operations: number
}

const Op = Schema.Literals(["create", "update", "delete"])

/** A handler would not have an operation: it said so, failed, died or was interrupted. `detail` is its reason. */
export class HandlerRejected extends Schema.TaggedError<HandlerRejected>()("HandlerRejected", {
  handler: Schema.String,
  op: Op,
  id: Schema.String,
  how: Schema.Literals(["rejected", "failed", "died", "was interrupted"]),
  detail: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return `the ${this.op} of ${this.id} was refused: handler ${this.handler} ${this.how}: ${this.detail}`
  }
}

/** A handler did not answer in time; a late answer counts for nothing. */
export class HandlerTimedOut extends Schema.TaggedError<HandlerTimedOut>()("HandlerTimedOut", {
  handler: Schema.String,
  op: Op,
  id: Schema.String,
  millis: Schema.Finite
}) {
  override get message(): string {
    return `the ${this.op} of ${this.id} was refused: handler ${this.handler} did not answer within ${this.millis} ms`
  }
}

/** The deadline of the whole transaction ran out while `waitingFor` was busy. */
export class TransactionTimedOut extends Schema.TaggedError<TransactionTimedOut>()("TransactionTimedOut", {
  millis: Schema.Finite,
  waitingFor: Schema.String
}) {
  override get message(): string {
    return `the transaction took longer than ${this.millis} ms; it was waiting for ${this.waitingFor}`
  }
}

const DeferralFields = Schema.Struct({
  op: Op,
  id: Schema.String,
  handler: Schema.optionalKey(Schema.String),
  reason: Schema.String
})

/** Why an operation was left for later: a handler's reason, or, without one, the operation that it waits for. */
export type Deferral = typeof DeferralFields.Type

/** A whole pass over the deferred operations made no progress. Each has its own reason. */
export class OperationsDeferred extends Schema.TaggedError<OperationsDeferred>()("OperationsDeferred", {
  operations: Schema.Array(DeferralFields)
}) {
  override get message(): string {
    const each = this.operations.map(
      ({ handler, id, op, reason }) => `${op} of ${id} (${handler === undefined ? "" : `${handler}: `}${reason})`
    )
    return `${each.length === 1 ? "an operation was" : `${each.length} operations were`} deferred for good: ${listed(each)}`
  }
}

/** A participant voted against the transaction, failed, or did not vote in time. */
export class ParticipantRefused extends Schema.TaggedError<ParticipantRefused>()("ParticipantRefused", {
  participant: Schema.String,
  detail: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return `participant ${this.participant} did not begin the transaction: ${this.detail}`
  }
}

/** Why a transaction came to nothing before its append. Everything was undone, and may be tried again. */
export type Refused = HandlerRejected | HandlerTimedOut | TransactionTimedOut | OperationsDeferred | ParticipantRefused

/**
 * A handler that could not take back an operation, then `op` is the inverse that failed, or one that may still be busy
 * with an operation that nobody waits for any more.
 */
export interface OutOfStep {
  readonly handler: string
  readonly op: "create" | "update" | "delete"
  readonly id: string
  readonly detail: string
}

/**
 * The transaction failed, and so did part of its rollback: these handlers may hold something else than the registry
 * does. `reason` is what failed first, `failures` what failed on the way back.
 */
export class RollbackIncomplete extends Schema.TaggedError<RollbackIncomplete>()("RollbackIncomplete", {
  reason: Schema.Defect(),
  failures: Schema.Array(Schema.Struct({ handler: Schema.String, op: Op, id: Schema.String, detail: Schema.String }))
}) {
  /** The ids whose handlers may be out of step, each once. */
  get outOfStep(): ReadonlyArray<string> {
    return [...new Set(this.failures.map((failure) => failure.id))]
  }
  override get message(): string {
    const first = this.reason instanceof Error ? this.reason.message : String(this.reason)
    const each = this.failures.map(({ detail, handler, id, op }) => `${handler} on the ${op} of ${id}: ${detail}`)
    return `${first}. Undoing it failed too, so handlers may be out of step on ${listed(this.outOfStep, ", ")}: ${listed(each)}`
  }
}

/** The first ten; all of them are in the error's fields. */
const listed = (texts: ReadonlyArray<string>, separator = "; "): string =>
  texts.length <= 10
    ? texts.join(separator)
    : `${texts.slice(0, 10).join(separator)}${separator}and ${texts.length - 10} more`
