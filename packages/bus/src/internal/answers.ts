/** What the answers of handlers and participants mean for a transaction. */
import type * as Handler from "../Handler.ts"
import * as Transaction from "../Transaction.ts"
import * as Asking from "./asking.ts"

/** An operation put to a handler. */
export interface Put {
  readonly handler: {
    readonly name: string
    /** In milliseconds. */
    readonly timeout: number
  }
  readonly asked: Asking.Asked<Handler.Verdict>
}

/** Whether it holds what it was asked about. A late yes is no answer, and yet it has to be undone. */
export const holds = ({ asked }: Put): boolean => verdictOf(asked)?._tag === "Accept"

/** The first that is there of what is read from answers. */
export const first = <P, A>(puts: ReadonlyArray<P>, read: (put: P) => A | undefined): A | undefined => {
  for (const put of puts) {
    const found = read(put)
    if (found !== undefined) return found
  }
  return undefined
}

/** Why an operation fails by this answer, or nothing. `deadline` is that of the whole transaction. */
export const refusal = (
  { asked, handler }: Put,
  { id, op }: Handler.Request,
  deadline: number | undefined
): Transaction.Refused | undefined => {
  const about = { handler: handler.name, op, id: id.value }
  if (asked.late) {
    return deadline !== undefined && asked.limit < handler.timeout
      ? new Transaction.TransactionTimedOut({
          millis: deadline,
          waitingFor: `handler ${handler.name} on the ${op} of ${id.value}`
        })
      : new Transaction.HandlerTimedOut({ ...about, millis: handler.timeout })
  }
  const { outcome } = asked
  if (outcome?._tag === "Broke") {
    const { cause, how } = outcome
    return new Transaction.HandlerRejected({ ...about, how, detail: Asking.describe(cause), cause })
  }
  const verdict = verdictOf(asked)
  if (verdict?._tag === "Accept" || verdict?._tag === "Defer") return undefined
  const detail = verdict === undefined ? nonsense : Asking.describe(verdict.reason)
  return new Transaction.HandlerRejected({ ...about, how: "rejected", detail })
}

/** Why an operation is to be tried again by this answer, or nothing. */
export const deferral = ({ asked, handler }: Put, { id, op }: Handler.Request): Transaction.Deferral | undefined => {
  const verdict = verdictOf(asked)
  if (verdict?._tag !== "Defer") return undefined
  return { op, id: id.value, handler: handler.name, reason: Asking.describe(verdict.reason) }
}

/** What keeps a callback from counting as done, or nothing. Completes "it …". */
export const problem = (asked: Asking.Asked<unknown>): string | undefined => {
  const { late, limit, outcome } = asked
  if (outcome === undefined) return "was told to stop and is still busy"
  if (late) return `took longer than ${limit} ms`
  return outcome._tag === "Broke" ? `${outcome.how}: ${Asking.describe(outcome.cause)}` : undefined
}

/** What keeps an answer from being a yes, or nothing. Completes "it …". */
export const noYes = (asked: Asking.Asked<unknown>): string | undefined => {
  const broken = problem(asked)
  if (broken !== undefined) return broken
  const verdict = verdictOf(asked)
  if (verdict === undefined) return nonsense
  if (verdict._tag === "Accept") return undefined
  return `${verdict._tag === "Reject" ? "rejected" : "deferred"}: ${Asking.describe(verdict.reason)}`
}

/** What keeps a participant's answer from being a yes, or nothing. To answer nothing is a yes. */
export const noVote = (asked: Asking.Asked<unknown>): string | undefined => {
  const silent = !asked.late && asked.outcome?._tag === "Answered" && asked.outcome.value === undefined
  return silent ? undefined : noYes(asked)
}

/** Whether it said no, in so many words: then it holds nothing open. */
export const isNo = (asked: Asking.Asked<unknown>): boolean => {
  const verdict = verdictOf(asked)
  return verdict?._tag === "Reject" || verdict?._tag === "Defer"
}

/** The answer in a word, for metrics. */
export const word = (asked: Asking.Asked<unknown>): string => {
  if (asked.outcome === undefined) return "busy"
  if (asked.late) return "late"
  if (asked.outcome._tag === "Broke") return asked.outcome.how === "was interrupted" ? "interrupted" : asked.outcome.how
  return verdictOf(asked)?._tag.toLowerCase() ?? "none"
}

const nonsense = "answered neither accept, reject nor defer"

/** The verdict of an answer that is one. Whoever is not held to types may answer anything. */
const verdictOf = ({ outcome }: Asking.Asked<unknown>): Handler.Verdict | undefined => {
  if (outcome?._tag !== "Answered") return undefined
  const value = outcome.value as Handler.Verdict | null | undefined
  switch (value?._tag) {
    case "Accept":
    case "Reject":
    case "Defer":
      return value
    default:
      return undefined
  }
}
