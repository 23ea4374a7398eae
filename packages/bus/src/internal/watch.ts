/**
 * Spans and metrics of transactions. Nothing of this runs for a transaction that is not watched.
 *
 *     heph.transaction ─┬─ heph.operation ─── heph.handler    its effects have the span as their parent
 *                       ├─ heph.participant
 *                       └─ heph.append
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as Tracer from "effect/Tracer"
import type * as Handler from "../Handler.ts"
import type * as Transaction from "../Transaction.ts"
import * as Answers from "./answers.ts"
import type * as Asking from "./asking.ts"

const transactions = Metric.counter("heph_transactions_total", {
  description: "Transactions that went over the bus",
  incremental: true
})
const transactionDuration = Metric.timer("heph_transaction_duration", {
  description: "How long transactions took from begin to the end, rollback and callbacks included"
})
const operations = Metric.counter("heph_operations_total", {
  description: "Operations put to handlers, each time of asking",
  incremental: true
})
const answers = Metric.counter("heph_handler_answers_total", {
  description: "What handlers answered",
  incremental: true
})
const handlerDuration = Metric.timer("heph_handler_duration", {
  description: "How long handlers took over one operation"
})
const appendDuration = Metric.timer("heph_append_duration", {
  description: "How long the durable append took"
})
const outOfStep = Metric.counter("heph_out_of_step_total", {
  description: "Operations on which a handler was left out of step",
  incremental: true
})

/** A span, and since when it is open in milliseconds of the monotonic clock. */
export interface Span {
  readonly span: Tracer.Span
  readonly since: number
}

/** A handler's answer with its span. */
export interface Put extends Answers.Put {
  readonly span: Span | undefined
}

/** The watch over a transaction, if it is to be watched: by default if there is a tracer to see its spans. */
export const start = (
  transaction: Transaction.Transaction,
  context: Context.Context<never>,
  wanted: boolean | undefined
): Watch | undefined =>
  (wanted ?? Context.get(context, Tracer.Tracer) !== Tracer.nativeTracer) ? new Watch(transaction, context) : undefined

export class Watch {
  readonly #transaction: Transaction.Transaction
  readonly #context: Context.Context<never>
  readonly #clock: Clock.Clock
  readonly #whole: Span

  constructor(transaction: Transaction.Transaction, context: Context.Context<never>) {
    this.#transaction = transaction
    this.#context = context
    this.#clock = Context.get(context, Clock.Clock)
    const { cause, id, operations, version } = transaction
    this.#whole = this.#start("heph.transaction", { transaction: id, cause, version, operations })
  }

  /** The span of the transaction. */
  get span(): Tracer.Span {
    return this.#whole.span
  }

  operation({ attempt, id, kind, op, phase }: Handler.Request): Span {
    return this.#start("heph.operation", { op, id: id.value, kind, phase, attempt }, this.#whole)
  }

  handler(handler: string, operation: Span): Span {
    return this.#start("heph.handler", { handler }, operation)
  }

  participant(participant: string, phase: string): Span {
    return this.#start("heph.participant", { participant, phase }, this.#whole)
  }

  /** To be called when a handler is done, and again when it is no longer waited for: the first call counts. */
  handlerDone({ asked, handler, span }: Put, { phase }: Handler.Request): void {
    if (span === undefined || span.span.status._tag === "Ended") return
    const answer = Answers.word(asked)
    const millis = this.#end(span, answer, answer === "defer" ? undefined : Answers.noYes(asked))
    this.#update(answers, { handler: handler.name, phase, answer }, 1)
    this.#update(handlerDuration, { handler: handler.name }, Duration.millis(millis))
  }

  /** To be called when an operation's handlers are no longer waited for. */
  roundDone(round: {
    readonly request: Handler.Request
    readonly puts: ReadonlyArray<Put>
    readonly span: Span | undefined
  }): void {
    if (round.span === undefined) return
    const { op, phase } = round.request
    for (const put of round.puts) this.handlerDone(put, round.request)
    // The answer that decides: the first that is neither yes nor a deferral, or else the first deferral.
    const other = round.puts.filter((put) => put.asked.late || !Answers.holds(put))
    const deciding = other.find(({ asked }) => Answers.word(asked) !== "defer") ?? other[0]
    const answer = deciding === undefined ? "accept" : Answers.word(deciding.asked)
    const problem = answer === "accept" || answer === "defer" ? undefined : Answers.noYes(deciding!.asked)
    this.#end(round.span, answer, problem)
    this.#update(operations, { op, phase, answer }, 1)
  }

  participantDone(span: Span, asked: Asking.Asked<unknown>): void {
    this.#end(span, Answers.word(asked), Answers.noVote(asked))
  }

  /** The append, in a span of its own. */
  append<A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.suspend(() => {
      const since = this.#now()
      return Effect.onExit(Effect.withSpan(effect, "heph.append", { parent: this.#whole.span }), () =>
        Effect.sync(() => this.#update(appendDuration, {}, Duration.millis(this.#now() - since)))
      )
    })
  }

  /** To be called at the end of the transaction, with why it failed, if it has. */
  done(
    problem: Cause.Cause<unknown> | undefined,
    appending: boolean,
    failures: ReadonlyArray<Transaction.OutOfStep>
  ): void {
    const { cause } = this.#transaction
    const outcome = outcomeOf(problem, appending)
    const millis = this.#end(this.#whole, outcome, problem && Cause.squash(problem))
    this.#update(transactions, { cause, outcome }, 1)
    this.#update(transactionDuration, { cause, outcome }, Duration.millis(millis))
    for (const { handler } of failures) this.#update(outOfStep, { handler }, 1)
  }

  #start(name: string, about: Record<string, unknown>, parent?: Span): Span {
    const attributes = Object.fromEntries(Object.entries(about).map(([key, value]) => [`heph.${key}`, value]))
    const span = Effect.runSyncWith(this.#context)(Effect.makeSpan(name, { attributes, parent: parent?.span }))
    return { span, since: this.#now() }
  }

  /** Ends a span; a problem makes it a failed one. Gives how long it took, in milliseconds. */
  #end({ since, span }: Span, answer: string, problem: unknown): number {
    const millis = this.#now() - since
    span.attribute("heph.answer", answer)
    const exit = problem === undefined ? Exit.void : Exit.fail(problem)
    span.end(span.status.startTime + BigInt(Math.round(millis * 1e6)), exit)
    return millis
  }

  #update<I>(metric: Metric.Metric<I, unknown>, attributes: Record<string, string>, input: I): void {
    Metric.withAttributes(metric, attributes).updateUnsafe(input, this.#context)
  }

  #now(): number {
    return Number(this.#clock.monotonicTimeNanosUnsafe()) / 1e6
  }
}

const outcomeOf = (problem: Cause.Cause<unknown> | undefined, appending: boolean): string => {
  if (problem === undefined) return "committed"
  if (appending) return "append_failed"
  if (Cause.hasInterrupts(problem)) return "interrupted"
  return Cause.hasFails(problem) ? "refused" : "died"
}
