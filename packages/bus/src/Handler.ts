/**
 * Whoever has a say in a change: it is asked about each operation of the kinds it handles and answers accept, reject or
 * defer. An answer is a value, or an effect that gives one.
 *
 * A handler that accepted an operation may be asked for the inverse later, if the transaction fails: then `phase` is
 * `"rollback"`, and there is nothing left to reject with.
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

export const accept: Verdict = { _tag: "Accept" }
export const reject = (reason: string): Verdict => ({ _tag: "Reject", reason })
export const defer = (reason: string): Verdict => ({ _tag: "Defer", reason })

/** One operation put to a handler. */
export interface Request {
  readonly event: "entry.create" | "entry.update" | "entry.delete"
  readonly op: Operation.Operation["op"]
  readonly id: EntryId.EntryId
  readonly kind: string
  /** The entry as it will be; nothing for a delete. */
  readonly entry: Entry.Entry | undefined
  /** The entry as it was; nothing for a create. */
  readonly original: Entry.Entry | undefined
  /** `forward` on the way to a commit, `rollback` on the way back from one that failed. */
  readonly phase: "forward" | "rollback"
  /** 1 for the first time of asking, one more after each deferral. */
  readonly attempt: number
  readonly transaction: Transaction.Transaction
}

/** Answers a request. An effect that fails, dies or is interrupted has rejected. */
export type Handler<E = never, R = never> = (request: Request) => Verdict | Effect.Effect<Verdict, E, R>

export interface Options {
  /** For errors and logs. By default the pattern and a number. */
  readonly name?: string | undefined
  /** How long it may take over one operation. By default what the bus is set to, 30 seconds. */
  readonly timeout?: Duration.Input | undefined
}

/**
 * Takes part in whole transactions. `begin` is a vote: a rejection or a failure ends the transaction before its first
 * operation. Whoever was begun is told the end by `commit` or `discard`; what goes wrong there is reported and undoes
 * nothing.
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
