/**
 * Whoever has a say in a change: it is asked about each operation of the kinds it handles and answers accept, reject or
 * defer. An answer is a value, or an effect that gives one.
 *
 *     forward    accept: I hold the change now · reject, fail, die, be interrupted: I hold nothing of it · defer: not yet
 *     rollback   accept: I hold it no more · anything else: I may be out of step, and am reported
 *
 * A handler that accepted an operation is asked for the inverse later if the transaction fails: then `phase` is
 * `"rollback"`, and there is nothing left to veto. A handler that is out of time is interrupted. Whatever it holds by
 * then it has to let go of itself (`Effect.onInterrupt`), since it is not asked to undo what it never accepted; a step
 * that must not be cut in two belongs into `Effect.uninterruptible`, and its verdict is waited for, one second more.
 */
import type * as Operation from "@heph/changeset/Operation"
import type * as Entry from "@heph/entry/Entry"
import type * as EntryId from "@heph/entry/EntryId"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Transaction from "./Transaction.ts"

/** An answer to one operation. */
export type Verdict =
  | { readonly _tag: "Accept" }
  | { readonly _tag: "Reject"; readonly reason: string }
  /** Ask again after the rest of the changeset: what the operation needs may be there by then. */
  | { readonly _tag: "Defer"; readonly reason: string }

/** The operation is fine, and done as far as this handler is concerned. */
export const accept: Verdict = { _tag: "Accept" }

/** The operation must not be, and the whole transaction fails. The reason is for whoever reads the error. */
export const reject = (reason: string): Verdict => ({ _tag: "Reject", reason })

/**
 * The operation cannot be yet: it is put again after the rest of its changeset, and what depends on it waits with it.
 * When a whole pass over what was deferred gets nowhere, the transaction fails with every reason.
 */
export const defer = (reason: string): Verdict => ({ _tag: "Defer", reason })

/** One operation put to a handler. The entries are those of the registry: immutable, and shared with everybody. */
export interface Request {
  readonly event: "entry.create" | "entry.update" | "entry.delete"
  readonly op: Operation.Operation["op"]
  readonly id: EntryId.EntryId
  readonly kind: string
  /** The entry as it will be; nothing for a delete. */
  readonly entry: Entry.Entry | undefined
  /** The entry as it was; nothing for a create. */
  readonly original: Entry.Entry | undefined
  /** `forward` on the way to a commit, `rollback` for the inverse of what was accepted, when the transaction failed. */
  readonly phase: "forward" | "rollback"
  /** 1 for the first time of asking, one more after each deferral. */
  readonly attempt: number
  readonly transaction: Transaction.Transaction
}

/**
 * Answers a request. To throw, fail, die or be interrupted is to reject, with the cause kept. An effect runs with the
 * services from where the handler was registered. An answer without an effect must not block: it cannot be timed out.
 */
export type Handler<E = never, R = never> = (request: Request) => Verdict | Effect.Effect<Verdict, E, R>

/** How a handler is registered. All of it may be left out. */
export interface Options {
  /** For errors, logs and metrics; need not be unique. By default the pattern and a number. */
  readonly name?: string | undefined
  /** How long it may take over one operation. By default what the bus is set to, 30 seconds. */
  readonly timeout?: Duration.Input | undefined
}

/**
 * Takes part in whole transactions. Participants are called side by side, before the first operation and after the last.
 *
 * `begin` is a vote: a rejection or a failure ends the transaction before its first operation; to answer nothing, or to
 * have no `begin`, is a yes. Everybody is told the end once, by `commit` or `discard`, also if its `begin` failed or ran
 * out of time; only who voted no in so many words is not. What goes wrong at the end is logged and undoes nothing.
 */
export interface Participant<R = never> {
  /** For errors and logs. */
  readonly name: string
  readonly begin?: (transaction: Transaction.Transaction) => Verdict | void | Effect.Effect<Verdict | void, unknown, R>
  readonly commit?: (transaction: Transaction.Transaction) => void | Effect.Effect<void, unknown, R>
  readonly discard?: (transaction: Transaction.Transaction) => void | Effect.Effect<void, unknown, R>
  /** How long each callback may take. By default what the bus is set to, 30 seconds. */
  readonly timeout?: Duration.Input | undefined
}
