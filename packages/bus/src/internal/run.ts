/**
 * One transaction from begin to its end. What the steps are and why is told in `Transaction`.
 *
 * All of it is uninterruptible but for the waiting on the way forward: there the caller's interruption is one more way
 * for the transaction to fail. Who has accepted is written down before anything else is made of the answers, so that
 * the way back leads over everybody.
 */
import * as Delta from "@heph/changeset/Delta"
import * as Operation from "@heph/changeset/Operation"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Tracer from "effect/Tracer"
import type { Input } from "../Bus.ts"
import type * as Handler from "../Handler.ts"
import type { RegistryEvents } from "../RegistryEvent.ts"
import * as Transaction from "../Transaction.ts"
import * as Answers from "./answers.ts"
import * as Asking from "./asking.ts"
import * as Surroundings from "./surroundings.ts"
import * as Watch from "./watch.ts"

export interface Registered {
  readonly name: string
  /** In milliseconds. */
  readonly timeout: number
  readonly matches: (kind: string) => boolean
  /** What it needs is in `context`; only `handle` knew the type of both. */
  readonly handler: Handler.Handler<unknown, unknown>
  readonly context: Context.Context<never>
  /** Its scope is closed: it is not asked again, not even in a transaction that has begun. */
  gone: boolean
}

export interface Joined {
  readonly participant: Handler.Participant<unknown>
  readonly timeout: number
  readonly context: Context.Context<never>
}

/** The bus as it was when the transaction began. */
export interface Setting {
  readonly id: number
  /** The handlers of a kind, in the order they were registered; nothing for a kind that skips the bus. */
  readonly handlersOf: (kind: string) => ReadonlyArray<Registered> | undefined
  readonly participants: ReadonlyArray<Joined>
  /** How long it may take up to its append, in milliseconds. */
  readonly deadline: number | undefined
  readonly observability: boolean | undefined
  readonly emit: <K extends keyof RegistryEvents>(event: K, value: RegistryEvents[K]) => void
}

/** An operation put to a handler. */
interface Put extends Watch.Put {
  readonly handler: Registered
}

/** An operation put to its handlers. */
interface Round {
  readonly request: Handler.Request
  readonly puts: ReadonlyArray<Put>
  readonly span: Watch.Span | undefined
}

/** An operation that some handlers accepted, for the way back. */
interface Accepted {
  readonly operation: Operation.Operation
  readonly handlers: ReadonlyArray<Registered>
}

type Mask = <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>

/** After so many operations others get a turn, and a caller who has left is noticed. */
const stretch = 256

export const transact = <A, E>(
  input: Input<A, E>,
  setting: Setting
): Effect.Effect<A, E | Transaction.Refused | Transaction.RollbackIncomplete> => {
  if (input.changeset.length === 0) return Effect.uninterruptible(input.append)
  const broken = input.changeset.find((operation) => operation.op !== "create" && operation.original === undefined)
  if (broken !== undefined) {
    const id = Operation.idOf(broken).value
    return Effect.die(new Error(`the ${broken.op} of ${id} lacks its original: complete the changeset first`))
  }
  return Effect.uninterruptibleMask((restore) =>
    Effect.withFiber((fiber) => new Runner(input, setting, restore, fiber.context).run())
  )
}

class Runner<A, E> {
  readonly input: Input<A, E>
  readonly setting: Setting
  readonly restore: Mask
  readonly context: Context.Context<never>
  readonly contexts = new Map<object, Context.Context<never>>()
  readonly transaction: Transaction.Transaction
  readonly watch: Watch.Watch | undefined
  readonly now: () => number
  readonly endsAt: number
  readonly accepted: Array<Accepted> = []
  readonly failures: Array<Transaction.OutOfStep> = []
  begun: ReadonlyArray<Joined> = []
  appending = false

  constructor(input: Input<A, E>, setting: Setting, restore: Mask, context: Context.Context<never>) {
    this.input = input
    this.setting = setting
    this.restore = restore
    const { cause, changeset, version } = input
    this.transaction = Object.freeze({ id: setting.id, cause, version, operations: changeset.length })
    this.watch = Watch.start(this.transaction, context, setting.observability)
    this.context = this.watch === undefined ? context : Context.add(context, Tracer.ParentSpan, this.watch.span)
    const clock = Context.get(context, Clock.Clock)
    // By the monotonic clock: setting the wall clock must end no deadline.
    this.now = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
    this.endsAt = setting.deadline === undefined ? Infinity : this.now() + setting.deadline
  }

  run() {
    return Effect.matchCauseEffect(this.forward(), {
      onFailure: (cause) => this.back(cause),
      onSuccess: (value) => Effect.as(this.end("commit"), value)
    })
  }

  /** Up to and with the append. */
  readonly forward = Effect.fnUntraced(function* (this: Runner<A, E>) {
    this.setting.emit("registry.begin", { transaction: this.transaction })
    if (this.setting.participants.length > 0) yield* this.begin()
    yield* this.operations()
    // Handlers that answer at once never wait, so that a caller who has left may only be noticed here.
    yield* this.restore(Effect.void)
    this.appending = true
    return yield* this.watch === undefined ? this.input.append : this.watch.append(this.input.append)
  })

  readonly begin = Effect.fnUntraced(function* (this: Runner<A, E>) {
    const { participants } = this.setting
    const left = this.left()
    const votes = participants.map((joined) => this.call(joined, "begin", left))
    const interruption = yield* Asking.settle(votes, this.now, this.restore)
    // A no in so many words is the only vote that tells us it holds nothing open; all others are told the end.
    this.begun = participants.filter((_, i) => !Answers.isNo(votes[i]!))
    if (interruption !== undefined) return yield* Effect.failCause(interruption)
    for (const [i, { participant, timeout }] of participants.entries()) {
      const vote = votes[i]!
      const detail = Answers.noVote(vote)
      if (detail === undefined) continue
      if (vote.late && vote.limit < timeout) return yield* this.timedOut(`participant ${participant.name} to begin`)
      const cause = vote.outcome?._tag === "Broke" ? { cause: vote.outcome.cause } : {}
      return yield* new Transaction.ParticipantRefused({
        participant: participant.name,
        detail: `it ${detail}`,
        ...cause
      })
    }
  })

  /** Every operation, and the deferred ones again, pass after pass, as long as a pass gets somewhere. */
  readonly operations = Effect.fnUntraced(function* (this: Runner<A, E>) {
    const { changeset, references } = this.input
    /** Of operations that were deferred: how often they were put, and who has accepted already. */
    const held = new Map<number, { readonly attempts: number; readonly accepted: ReadonlyArray<Registered> }>()
    let successors: ((index: number) => ReadonlySet<number>) | undefined
    let todo: Iterable<number> = changeset.keys()
    let count = 0
    for (;;) {
      const deferred = new Map<number, Transaction.Deferral>()
      let progress = false
      for (const index of todo) {
        if (deferred.has(index)) continue
        if (++count % stretch === 0) yield* this.restore(Effect.yieldNow)
        const operation = changeset[index]!
        const handlers = this.setting.handlersOf(Operation.kindOf(operation)!)
        const before = held.get(index)
        const request = requestOf(operation, "forward", (before?.attempts ?? 0) + 1, this.transaction)
        if (before === undefined && handlers !== undefined) this.setting.emit(request.event, request)
        const asked = before === undefined ? handlers : handlers?.filter((each) => !before.accepted.includes(each))
        const round = this.put(request, asked ?? [], this.left())
        const interruption = isSettled(round) ? undefined : yield* this.settle(round, this.restore)
        const accepted = this.keep(operation, round)
        if (interruption !== undefined) return yield* Effect.failCause(interruption)
        const refusal = Answers.first(round.puts, (put) => Answers.refusal(put, request, this.setting.deadline))
        if (refusal !== undefined) return yield* refusal
        if (this.left() === 0) return yield* this.timedOut(`the ${request.op} of ${request.id}`)
        const deferral = Answers.first(round.puts, (put) => Answers.deferral(put, request))
        if (deferral === undefined || accepted.length > 0) progress = true
        if (deferral === undefined) continue
        held.set(index, { attempts: request.attempt, accepted: [...(before?.accepted ?? []), ...accepted] })
        deferred.set(index, deferral)
        successors ??= Delta.successors(changeset, { references })
        for (const later of successors(index)) {
          // Where the changeset is in no order, what should have waited may have been accepted already.
          if (later < index || deferred.has(later)) continue
          const { op } = changeset[later]!
          deferred.set(later, { op, id: Operation.idOf(changeset[later]!).value, reason: `it waits for ${request.id}` })
        }
      }
      if (deferred.size === 0) return
      const waiting = [...deferred.keys()].sort((a, b) => a - b)
      if (!progress) {
        return yield* new Transaction.OperationsDeferred({ operations: waiting.map((index) => deferred.get(index)!) })
      }
      todo = waiting
    }
  })

  /** Undoes what was accepted and ends the transaction with what went wrong. */
  readonly back = Effect.fnUntraced(function* (this: Runner<A, E>, cause: Cause.Cause<E | Transaction.Refused>) {
    for (const { handlers, operation } of this.accepted.toReversed()) {
      // The way back has no deadline of its own: each handler is given its time.
      const round = this.put(
        requestOf(Operation.inverse(operation), "rollback", 1, this.transaction),
        handlers,
        Infinity
      )
      if (!isSettled(round)) yield* this.settle(round, identity)
      for (const put of round.puts) if (!Answers.holds(put)) this.leave(put, round.request)
      this.watch?.roundDone(round)
    }
    yield* this.end("discard", cause)
    if (this.failures.length === 0) return yield* Effect.failCause(cause)
    const error = new Transaction.RollbackIncomplete({ reason: Cause.squash(cause), failures: this.failures })
    yield* Effect.annotateLogs(Effect.logError(`${error.message}. Resync or restart them.`), this.about)
    this.input.onOutOfStep(this.failures)
    return yield* error
  })

  /** Tells everybody the end. What goes wrong now is reported and changes nothing. */
  readonly end = Effect.fnUntraced(function* (
    this: Runner<A, E>,
    how: "commit" | "discard",
    cause?: Cause.Cause<E | Transaction.Refused>
  ) {
    const told = this.begun.map((joined) => this.call(joined, how, Infinity))
    if (told.length > 0) yield* Asking.settle(told, this.now, identity)
    for (const [i, { participant }] of this.begun.entries()) {
      const detail = Answers.problem(told[i]!)
      if (detail !== undefined) yield* this.warn(`participant ${participant.name} was told to ${how}: it ${detail}`)
    }
    this.setting.emit(`registry.${how}`, { transaction: this.transaction })
    this.watch?.done(cause, this.appending, this.failures)
  })

  /** Puts an operation to handlers, all at once. */
  put(request: Handler.Request, handlers: ReadonlyArray<Registered>, left: number): Round {
    const span = handlers.length === 0 ? undefined : this.watch?.operation(request)
    const puts: Array<Put> = []
    for (const handler of handlers) {
      if (handler.gone) continue
      const own = span && this.watch?.handler(handler.name, span)
      const asked = Asking.ask<Handler.Verdict>(
        // Its services are in its context; whatever it fails with is no error of ours.
        () => handler.handler(request) as Handler.Verdict | Effect.Effect<Handler.Verdict, unknown>,
        () => this.contextOf(handler, own),
        Math.min(handler.timeout, left),
        this.now
      )
      const put = { handler, asked, span: own }
      puts.push(put)
      if (own !== undefined) Asking.whenDone(asked, () => this.watch?.handlerDone(put, request))
    }
    return { request, puts, span }
  }

  settle(round: Round, wait: Mask) {
    const asked = round.puts.map((put) => put.asked)
    return Asking.settle(asked, this.now, wait)
  }

  /** Writes down who accepted, and who may do so yet. */
  keep(operation: Operation.Operation, round: Round): ReadonlyArray<Registered> {
    const handlers: Array<Registered> = []
    for (const put of round.puts) {
      if (Answers.holds(put)) handlers.push(put.handler)
      else if (Asking.isBusy(put.asked)) this.leave(put, round.request)
    }
    if (handlers.length > 0) this.accepted.push({ operation, handlers })
    this.watch?.roundDone(round)
    return handlers
  }

  /** Gives a handler up, as one that may be out of step. One that is still busy is heard of again when it ends. */
  leave({ asked, handler }: Put, { id, op }: Handler.Request): void {
    const about = { handler: handler.name, op, id: id.value }
    this.failures.push({ ...about, detail: `it ${Answers.noYes(asked)}` })
    if (!Asking.isBusy(asked)) return
    const called = asked.running.since
    Asking.whenDone(asked, () => {
      const after = `${Math.round(this.now() - called)} ms after it was called`
      const end = { ...asked, late: false }
      const answer = Answers.noYes(end) ?? "accepted"
      // An interruption may have taken the place of a yes. The registry may have moved on by now, or been put in step.
      const unsure = ["accept", "interrupted"].includes(Answers.word(end))
      if (unsure) this.input.onOutOfStep([{ ...about, detail: `it ${answer} ${after}` }])
      const so = unsure
        ? "it may hold something else than the registry does: resync or restart it"
        : "it is busy no more"
      const line = `handler ${handler.name}, given up on the ${op} of ${id}, ${answer} ${after}: ${so}`
      Effect.runForkWith(this.context)(this.warn(line))
    })
  }

  /** One callback of a participant. */
  call(joined: Joined, phase: "begin" | "commit" | "discard", left: number): Asking.Asked<unknown> {
    const { participant } = joined
    const span = participant[phase] && this.watch?.participant(participant.name, phase)
    const asked = Asking.ask<unknown>(
      () => participant[phase]?.(this.transaction),
      () => this.contextOf(joined, span),
      Math.min(joined.timeout, left),
      this.now
    )
    if (span !== undefined) Asking.whenDone(asked, () => this.watch?.participantDone(span, asked))
    return asked
  }

  contextOf(owner: { readonly context: Context.Context<never> }, span: Watch.Span | undefined): Context.Context<never> {
    let context = this.contexts.get(owner)
    if (context === undefined) {
      context = Surroundings.lend(owner.context, this.context)
      this.contexts.set(owner, context)
    }
    return span === undefined ? context : Context.add(context, Tracer.ParentSpan, span.span)
  }

  /** How much of the whole transaction's time is left, in milliseconds. */
  left(): number {
    return this.endsAt === Infinity ? Infinity : Math.max(0, this.endsAt - this.now())
  }

  timedOut(waitingFor: string): Transaction.TransactionTimedOut {
    return new Transaction.TransactionTimedOut({ millis: this.setting.deadline!, waitingFor })
  }

  get about() {
    const { cause, id, version } = this.transaction
    return { "heph.transaction": id, "heph.cause": cause, "heph.version": version }
  }

  warn(line: string): Effect.Effect<void> {
    return Effect.annotateLogs(Effect.logWarning(line), this.about)
  }
}

const requestOf = (
  operation: Operation.Operation,
  phase: Handler.Request["phase"],
  attempt: number,
  transaction: Transaction.Transaction
): Handler.Request =>
  // One for all handlers and observers, so nobody may change it.
  Object.freeze({
    event: `entry.${operation.op}`,
    op: operation.op,
    id: Operation.idOf(operation),
    kind: Operation.kindOf(operation)!,
    entry: operation.op === "delete" ? undefined : operation.entry,
    original: operation.op === "create" ? undefined : operation.original,
    phase,
    attempt,
    transaction
  })

const isSettled = ({ puts }: Round): boolean => !puts.some(({ asked }) => Asking.isBusy(asked))
