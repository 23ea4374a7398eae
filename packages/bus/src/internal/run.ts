/** One transaction from begin to its end. What the steps are and why is told in `Transaction`. */
import * as Delta from "@heph/changeset/Delta"
import * as Operation from "@heph/changeset/Operation"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { Input } from "../Bus.ts"
import type * as Handler from "../Handler.ts"
import type { RegistryEvents } from "../RegistryEvent.ts"
import * as Transaction from "../Transaction.ts"
import * as Asking from "./asking.ts"

export interface Registered {
  readonly name: string
  readonly timeout: number
  readonly matches: (kind: string) => boolean
  /** What it needs is in `context`; only `handle` knew the type of both. */
  readonly handler: Handler.Handler<unknown, unknown>
  readonly context: Context.Context<never>
}

export interface Joined {
  readonly participant: Handler.Participant<unknown>
  readonly timeout: number
  readonly context: Context.Context<never>
}

export interface Setting {
  readonly id: number
  readonly handlersOf: (kind: string) => ReadonlyArray<Registered>
  readonly participants: ReadonlyArray<Joined>
  readonly deadline: number | undefined
  readonly emit: (<K extends keyof RegistryEvents>(event: K, value: RegistryEvents[K]) => void) | undefined
}

export const kindOf = (operation: Operation.Operation): string => Operation.kindOf(operation) ?? ""

/** What asking the handlers of one operation came to. */
interface Answers {
  readonly accepted: Array<Registered>
  refused: Transaction.Refused | undefined
  deferred: { readonly handler: string; readonly reason: string } | undefined
  readonly busy: Array<Transaction.OutOfStep>
}

/** An operation that some handlers accepted, for the way back. */
interface Accepted {
  readonly operation: Operation.Operation
  readonly handlers: ReadonlyArray<Registered>
}

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

export const transact = <A, E>(
  input: Input<A, E>,
  setting: Setting
): Effect.Effect<A, E | Transaction.Refused | Transaction.RollbackIncomplete> =>
  Effect.uninterruptibleMask((restore) => new Runner(input, setting, restore).run())

class Runner<A, E> {
  readonly input: Input<A, E>
  readonly setting: Setting
  readonly restore: Restore
  readonly transaction: Transaction.Transaction
  readonly accepted: Array<Accepted> = []
  readonly failures: Array<Transaction.OutOfStep> = []
  readonly contexts = new Map<object, Context.Context<never>>()
  begun: ReadonlyArray<Joined> = []
  endsAt: number | undefined

  constructor(input: Input<A, E>, setting: Setting, restore: Restore) {
    this.input = input
    this.setting = setting
    this.restore = restore
    this.transaction = {
      id: setting.id,
      cause: input.cause,
      version: input.version,
      operations: input.changeset.length
    }
  }

  run() {
    return Effect.matchCauseEffect(this.forward(), {
      onFailure: (cause) => this.back(cause),
      onSuccess: (value) => Effect.as(this.end("commit"), value)
    })
  }

  /** Up to and with the append. */
  readonly forward = Effect.fnUntraced(function* (this: Runner<A, E>) {
    const { deadline, emit, participants } = this.setting
    if (deadline !== undefined) this.endsAt = (yield* Clock.currentTimeMillis) + deadline
    emit?.("registry.begin", { transaction: this.transaction })
    if (participants.length > 0) yield* this.begin()
    yield* this.operations()
    // Handlers that answer at once never wait, so that a caller who has left is only noticed here.
    yield* this.restore(Effect.void)
    return yield* this.input.append
  })

  readonly begin = Effect.fnUntraced(function* (this: Runner<A, E>) {
    const outcomes = yield* Effect.forEach(
      this.setting.participants,
      (joined) => this.call(joined, joined.participant.begin),
      { concurrency: "unbounded" }
    )
    let refusal: Transaction.ParticipantRefused | undefined
    let interruption: Cause.Cause<never> | undefined
    const begun: Array<Joined> = []
    for (const [i, { interrupted, outcome }] of outcomes.entries()) {
      const joined = this.setting.participants[i]!
      interruption ??= interrupted
      const detail = beginProblem(outcome, joined.timeout)
      // A clean no is the only answer that tells us it holds nothing open; all others are told the end.
      if (detail === undefined || outcome?._tag !== "Answered") begun.push(joined)
      if (detail !== undefined) {
        const cause = outcome?._tag === "Broke" ? { cause: outcome.cause } : {}
        refusal ??= new Transaction.ParticipantRefused({ participant: joined.participant.name, detail, ...cause })
      }
    }
    this.begun = begun
    if (interruption !== undefined) return yield* Effect.failCause(interruption)
    if (refusal !== undefined) return yield* refusal
  })

  /** Every operation, and the deferred ones again, pass after pass, as long as a pass gets somewhere. */
  readonly operations = Effect.fnUntraced(function* (this: Runner<A, E>) {
    const { changeset, references } = this.input
    const held = new Map<number, Set<Registered>>()
    let successors: ((index: number) => ReadonlySet<number>) | undefined
    let todo: Iterable<number> = changeset.keys()
    for (let attempt = 1; ; attempt++) {
      const deferred = new Map<number, { readonly handler: string; readonly reason: string }>()
      let progress = false
      for (const index of todo) {
        if (deferred.has(index)) continue
        const operation = changeset[index]!
        const before = held.get(index)
        const all = this.setting.handlersOf(kindOf(operation))
        const handlers = before === undefined ? all : all.filter((handler) => !before.has(handler))
        if (all.length === 0 && this.setting.emit === undefined) continue
        const answers = yield* this.ask(operation, handlers, "forward", attempt)
        if (answers.accepted.length > 0) {
          progress = true
          this.accepted.push({ operation, handlers: answers.accepted })
        }
        this.failures.push(...answers.busy)
        if (answers.refused !== undefined) return yield* answers.refused
        if (answers.deferred === undefined) progress = true
        else {
          held.set(index, new Set([...(before ?? []), ...answers.accepted]))
          deferred.set(index, answers.deferred)
          successors ??= Delta.successors(changeset, { references })
          const id = Operation.idOf(operation).value
          for (const later of successors(index)) {
            if (!deferred.has(later)) deferred.set(later, { handler: "none", reason: `it waits for ${id}` })
          }
        }
      }
      if (deferred.size === 0) return
      const waiting = [...deferred.keys()].sort((a, b) => a - b)
      if (!progress) {
        return yield* new Transaction.OperationsDeferred({
          operations: waiting.map((index) => ({
            op: changeset[index]!.op,
            id: Operation.idOf(changeset[index]!).value,
            ...deferred.get(index)!
          }))
        })
      }
      todo = waiting
    }
  })

  /** Puts an operation to its handlers, all at once, and waits for every answer. */
  readonly ask = Effect.fnUntraced(function* (
    this: Runner<A, E>,
    operation: Operation.Operation,
    handlers: ReadonlyArray<Registered>,
    phase: Handler.Request["phase"],
    attempt: number
  ) {
    const request = requestOf(operation, phase, attempt, this.transaction)
    if (phase === "forward" && attempt === 1) this.setting.emit?.(request.event, request)
    const answers: Answers = { accepted: [], refused: undefined, deferred: undefined, busy: [] }
    const waiting: Array<{ readonly handler: Registered; readonly fiber: Fiber.Fiber<Handler.Verdict, unknown> }> = []
    for (const handler of handlers) {
      const started = Asking.ask(() => this.invoke(handler, handler.handler, request))
      const { fiber, outcome } = Effect.isEffect(started) ? yield* started : started
      if (fiber === undefined) weigh(answers, handler, request, outcome, handler.timeout)
      else waiting.push({ handler, fiber })
    }
    if (waiting.length === 0) return answers
    // The way back has no deadline of its own: each handler is given its time.
    const now = this.endsAt === undefined || phase === "rollback" ? 0 : yield* Clock.currentTimeMillis
    const left = this.endsAt === undefined || phase === "rollback" ? Infinity : Math.max(0, this.endsAt - now)
    const settled = Effect.forEach(
      waiting,
      ({ fiber, handler }) => Asking.settle({ outcome: undefined, fiber }, Math.min(handler.timeout, left)),
      { concurrency: "unbounded" }
    )
    const exit = yield* Effect.exit(phase === "rollback" ? settled : this.restore(settled))
    if (exit._tag === "Success") {
      for (const [i, { handler }] of waiting.entries()) {
        const expired = left < handler.timeout ? { total: this.setting.deadline! } : {}
        weigh(answers, handler, request, exit.value[i]!, handler.timeout, expired)
      }
      return answers
    }
    // The caller is gone. What the handlers came to by now decides whom the way back leads over.
    for (const { fiber, handler } of waiting) {
      weigh(answers, handler, request, { _tag: "TimedOut", late: yield* Asking.stop(fiber) }, handler.timeout)
    }
    if (answers.accepted.length > 0) this.accepted.push({ operation, handlers: answers.accepted })
    this.failures.push(...answers.busy)
    return yield* Effect.failCause(exit.cause)
  })

  /** Undoes what was accepted and ends the transaction with what went wrong. */
  readonly back = Effect.fnUntraced(function* (this: Runner<A, E>, cause: Cause.Cause<E | Transaction.Refused>) {
    for (const { handlers, operation } of this.accepted.toReversed()) {
      const answers = yield* this.ask(inverse(operation), handlers, "rollback", 1)
      for (const handler of handlers) {
        if (answers.accepted.includes(handler) || answers.busy.some((busy) => busy.handler === handler.name)) continue
        const { op } = inverse(operation)
        const detail = answers.refused?.message ?? answers.deferred?.reason ?? "it did not accept"
        this.failures.push({ handler: handler.name, op, id: Operation.idOf(operation).value, detail })
      }
      this.failures.push(...answers.busy)
    }
    yield* this.end("discard")
    if (this.failures.length === 0) return yield* Effect.failCause(cause)
    this.input.onOutOfStep(this.failures)
    const error = new Transaction.RollbackIncomplete({ reason: Cause.squash(cause), failures: this.failures })
    yield* Effect.logError(error.message)
    // An interrupted caller learns nothing from an error: the interruption must stay one.
    return yield* Cause.hasInterrupts(cause)
      ? Effect.failCause(Cause.combine(cause, Cause.fail(error)))
      : Effect.fail(error)
  })

  /** Tells everybody the end. What goes wrong now is reported and changes nothing. */
  readonly end = Effect.fnUntraced(function* (this: Runner<A, E>, how: "commit" | "discard") {
    if (this.begun.length > 0) {
      const outcomes = yield* Effect.forEach(
        this.begun,
        (joined) => this.call(joined, how === "commit" ? joined.participant.commit : joined.participant.discard, false),
        { concurrency: "unbounded" }
      )
      for (const [i, { outcome }] of outcomes.entries()) {
        if (outcome === undefined || outcome._tag === "Answered") continue
        const detail = outcome._tag === "Broke" ? `${outcome.how}: ${Asking.describe(outcome.cause)}` : "took too long"
        yield* Effect.logWarning(
          `participant ${this.begun[i]!.participant.name} ${detail} in ${how} of the transaction to v${this.input.version}`
        )
      }
    }
    this.setting.emit?.(how === "commit" ? "registry.commit" : "registry.discard", { transaction: this.transaction })
  })

  /** One callback of a participant. Only `begin` heeds the caller's interruption and the deadline. */
  readonly call = Effect.fnUntraced(function* <B>(
    this: Runner<A, E>,
    joined: Joined,
    callback: ((transaction: Transaction.Transaction) => B | Effect.Effect<B, unknown, unknown>) | undefined,
    heeding = true
  ): Effect.fn.Return<{
    readonly outcome: Asking.Outcome<B | undefined> | undefined
    readonly interrupted: Cause.Cause<never> | undefined
  }> {
    if (callback === undefined) return { outcome: { _tag: "Answered", value: undefined }, interrupted: undefined }
    const started = Asking.ask<B>(() => this.invoke(joined, callback, this.transaction))
    const asked = Effect.isEffect(started) ? yield* started : started
    if (asked.fiber === undefined) return { outcome: asked.outcome, interrupted: undefined }
    const left = heeding && this.endsAt !== undefined ? this.endsAt - (yield* Clock.currentTimeMillis) : Infinity
    const settled = Asking.settle(asked, Math.max(0, Math.min(joined.timeout, left)))
    const exit = yield* Effect.exit(heeding ? this.restore(settled) : settled)
    if (exit._tag === "Success") return { outcome: exit.value, interrupted: undefined }
    return { outcome: yield* Asking.stop(asked.fiber), interrupted: exit.cause }
  })

  /** Calls back; an effect gets what it asked for where it was registered, and all else from the transaction. */
  invoke<I, B>(
    owner: { readonly context: Context.Context<never> },
    callback: (input: I) => B | Effect.Effect<B, unknown, unknown>,
    input: I
  ): B | Effect.Effect<B, unknown> {
    const answer = callback(input)
    if (!Effect.isEffect(answer)) return answer
    return Effect.updateContext(answer as Effect.Effect<B, unknown>, (current: Context.Context<never>) => {
      const known = this.contexts.get(owner)
      if (known !== undefined) return known
      const merged = Context.merge(owner.context, current)
      this.contexts.set(owner, merged)
      return merged
    })
  }
}

const requestOf = (
  operation: Operation.Operation,
  phase: Handler.Request["phase"],
  attempt: number,
  transaction: Transaction.Transaction
): Handler.Request => ({
  event: `entry.${operation.op}`,
  op: operation.op,
  id: Operation.idOf(operation),
  kind: kindOf(operation),
  entry: operation.op === "delete" ? undefined : operation.entry,
  original: operation.op === "create" ? undefined : operation.original,
  phase,
  attempt,
  transaction
})

/** The changeset is complete, so that every operation has an inverse. */
const inverse = (operation: Operation.Operation): Operation.Operation => {
  if (operation.op === "create") return { op: "delete", id: operation.entry.id, original: operation.entry }
  if (operation.op === "delete") return { op: "create", entry: operation.original! }
  return { op: "update", entry: operation.original!, original: operation.entry }
}

/** Files an outcome under what it means for the operation. The first refusal, and the first deferral, are kept. */
const weigh = (
  answers: Answers,
  handler: Registered,
  { id, op }: Handler.Request,
  outcome: Asking.Outcome<Handler.Verdict>,
  timeout: number,
  deadline?: { readonly total?: number }
): void => {
  const about = { handler: handler.name, op, id: id.value }
  if (outcome._tag === "TimedOut") {
    // It may have accepted while it was being stopped. That is no answer any more, but it does hold the change.
    if (outcome.late?._tag === "Answered" && outcome.late.value._tag === "Accept") answers.accepted.push(handler)
    if (outcome.late === undefined) answers.busy.push({ ...about, detail: "it is still busy" })
    answers.refused ??=
      deadline?.total === undefined
        ? new Transaction.HandlerTimedOut({ ...about, millis: timeout })
        : new Transaction.TransactionTimedOut({
            millis: deadline.total,
            waitingFor: `handler ${handler.name} on the ${op} of ${id.value}`
          })
    return
  }
  if (outcome._tag === "Broke") {
    const detail = Asking.describe(outcome.cause)
    answers.refused ??= new Transaction.HandlerRejected({ ...about, how: outcome.how, detail, cause: outcome.cause })
    return
  }
  const verdict = outcome.value
  switch (verdict?._tag) {
    case "Accept":
      answers.accepted.push(handler)
      return
    case "Defer":
      answers.deferred ??= { handler: handler.name, reason: verdict.reason }
      return
    default: {
      const detail = verdict?._tag === "Reject" ? verdict.reason : "it answered neither accept, reject nor defer"
      answers.refused ??= new Transaction.HandlerRejected({ ...about, how: "rejected", detail })
    }
  }
}

/** Why a participant has not begun, or nothing. */
const beginProblem = (
  outcome: Asking.Outcome<Handler.Verdict | void | undefined> | undefined,
  timeout: number
): string | undefined => {
  if (outcome === undefined) return "it is still busy"
  if (outcome._tag === "TimedOut") return `it did not vote within ${timeout} ms`
  if (outcome._tag === "Broke") return `it ${outcome.how}: ${Asking.describe(outcome.cause)}`
  const verdict = outcome.value
  return verdict === undefined || verdict._tag === "Accept" ? undefined : verdict.reason
}
