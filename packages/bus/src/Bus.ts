/**
 * The bus that every change goes over: handlers by kind, participants, observers, and the transaction itself.
 *
 * The bus knows nothing of states and histories. Whoever runs a transaction brings the operations, complete and in
 * order, and an effect that makes them durable: that effect is the commit point.
 */
import type * as ChangeSet from "@heph/changeset/ChangeSet"
import type * as Resolver from "@heph/resolver/Resolver"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { Minimatch } from "minimatch"
import * as Mitt from "mitt"
import type * as Handler from "./Handler.ts"
import * as Asking from "./internal/asking.ts"
import * as Run from "./internal/run.ts"
import type { RegistryEvents } from "./RegistryEvent.ts"
import type * as Transaction from "./Transaction.ts"

// mitt's types are those of its CommonJS build, where the function is one "default" further down than in the ES module.
const mitt = Mitt.default as unknown as typeof Mitt.default.default

/** Kinds that no handler is asked about unless the configuration says otherwise. */
export const silentKinds: ReadonlyArray<string> = ["registry.entry", "ns.requirement", "ns.dependency", "ns.definition"]

export interface Options {
  /** How long a handler may take over one operation, and a participant over one callback. 30 seconds. */
  readonly handlerTimeout?: Duration.Input | undefined
  /** How long a whole transaction may take up to its append. No limit. */
  readonly transactionTimeout?: Duration.Input | undefined
  /** The kinds that skip the bus, exactly as written; by default {@link silentKinds}. */
  readonly silentKinds?: ReadonlyArray<string> | undefined
}

/** A pattern that is no glob over kinds. */
export class InvalidKindPattern extends Schema.TaggedError<InvalidKindPattern>()("InvalidKindPattern", {
  pattern: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `${JSON.stringify(this.pattern)} is no pattern of kinds: ${this.reason}`
  }
}

/** What a transaction is run with. */
export interface Input<A, E> {
  readonly cause: Transaction.Transaction["cause"]
  /** The version it leads to. */
  readonly version: number
  /** Complete and ordered. */
  readonly changeset: ChangeSet.ChangeSet
  /** How the order of deferred operations is found again. */
  readonly references?: Resolver.References | undefined
  /** The commit point. Run once, uninterruptibly, when everybody has accepted; its failure rolls back. */
  readonly append: Effect.Effect<A, E>
  /** Told of handlers that are left out of step, also when the caller is gone by then. */
  readonly onOutOfStep: (failures: ReadonlyArray<Transaction.OutOfStep>) => void
}

export class Bus extends Context.Service<
  Bus,
  {
    /**
     * Asks the handler about every operation on a kind that the glob matches (`function.*`; a `.` is a character like
     * others), until the scope closes. All matching handlers have a say; they run side by side, each with its own
     * deadline. A handler that is added while a transaction runs takes part from the next one on.
     */
    readonly handle: <E, R>(
      pattern: string,
      handler: Handler.Handler<E, R>,
      options?: Handler.Options
    ) => Effect.Effect<void, InvalidKindPattern, Scope.Scope | R>
    /** Adds a participant until the scope closes. */
    readonly participate: <R>(participant: Handler.Participant<R>) => Effect.Effect<void, never, Scope.Scope | R>
    /** Calls back for each event, until the scope closes. What a listener throws is logged and changes nothing. */
    readonly observe: <K extends keyof RegistryEvents>(
      event: K,
      listener: (event: RegistryEvents[K]) => void
    ) => Effect.Effect<void, never, Scope.Scope>
    /** Whether anybody would take notice of a transaction with these operations. */
    readonly concerns: (changeset: ChangeSet.ChangeSet) => boolean
    /** Runs a transaction; see `Transaction` for its order. One at a time: the caller sees to that. */
    readonly transact: <A, E>(
      input: Input<A, E>
    ) => Effect.Effect<A, E | Transaction.Refused | Transaction.RollbackIncomplete>
  }
>()("@heph/bus/Bus") {}

/** A bus without handlers. */
export const make = (options?: Options): Effect.Effect<Bus["Service"]> =>
  Effect.sync(() => {
    const timeout = millis(options?.handlerTimeout ?? "30 seconds")
    const silent = new Set(options?.silentKinds ?? silentKinds)
    const emitter = mitt<RegistryEvents>()
    const observed = () => [...emitter.all.values()].some((listeners) => listeners.length > 0)
    let handlers: ReadonlyArray<Run.Registered> = []
    let participants: ReadonlyArray<Run.Joined> = []
    let matching = new Map<string, ReadonlyArray<Run.Registered>>()
    let named = 0
    let transactions = 0
    // Kinds are few and handlers change rarely, so that each kind is matched once.
    const handlersOf = (kind: string): ReadonlyArray<Run.Registered> => {
      const known = matching.get(kind)
      if (known !== undefined) return known
      const found = silent.has(kind) ? [] : handlers.filter((handler) => handler.matches(kind))
      matching.set(kind, found)
      return found
    }
    const setHandlers = (next: ReadonlyArray<Run.Registered>) => {
      handlers = next
      matching = new Map()
    }

    const handle: Bus["Service"]["handle"] = Effect.fnUntraced(function* <E, R>(
      pattern: string,
      handler: Handler.Handler<E, R>,
      options?: Handler.Options
    ) {
      const glob = new Minimatch(pattern, { dot: true, nocomment: true, nonegate: true })
      if (pattern === "" || glob.set.length === 0) {
        return yield* new InvalidKindPattern({ pattern, reason: `write a glob, as in "function.*"` })
      }
      const registered: Run.Registered = {
        name: options?.name ?? `${pattern}#${++named}`,
        timeout: millis(options?.timeout ?? timeout),
        matches: (kind) => glob.match(kind),
        handler,
        context: yield* Effect.context<R>()
      }
      yield* Effect.acquireRelease(
        Effect.sync(() => setHandlers([...handlers, registered])),
        () => Effect.sync(() => setHandlers(handlers.filter((other) => other !== registered)))
      )
    })

    const participate: Bus["Service"]["participate"] = Effect.fnUntraced(function* <R>(
      participant: Handler.Participant<R>
    ) {
      const joined: Run.Joined = {
        participant,
        timeout: millis(participant.timeout ?? timeout),
        context: yield* Effect.context<R>()
      }
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          participants = [...participants, joined]
        }),
        () =>
          Effect.sync(() => {
            participants = participants.filter((other) => other !== joined)
          })
      )
    })

    const observe: Bus["Service"]["observe"] = Effect.fnUntraced(function* <K extends keyof RegistryEvents>(
      event: K,
      listener: (event: RegistryEvents[K]) => void
    ) {
      const runFork = Effect.runForkWith(yield* Effect.context())
      const careful = (value: RegistryEvents[K]) => {
        try {
          listener(value)
        } catch (cause) {
          runFork(Effect.logWarning(`an observer of ${event} threw: ${Asking.describe(cause)}`))
        }
      }
      yield* Effect.acquireRelease(
        Effect.sync(() => emitter.on(event, careful)),
        () => Effect.sync(() => emitter.off(event, careful))
      )
    })

    const transact = <A, E>(input: Input<A, E>) =>
      Run.transact(input, {
        id: ++transactions,
        handlersOf,
        participants,
        deadline: options?.transactionTimeout === undefined ? undefined : millis(options.transactionTimeout),
        emit: observed() ? (event, value) => emitter.emit(event, value) : undefined
      })

    return Bus.of({
      handle,
      participate,
      observe,
      concerns: (changeset) =>
        participants.length > 0 ||
        observed() ||
        (handlers.length > 0 && changeset.some((operation) => handlersOf(Run.kindOf(operation)).length > 0)),
      transact
    })
  })

/** The bus of a registry. */
export const layer = (options?: Options): Layer.Layer<Bus> => Layer.effect(Bus, make(options))

const millis = (duration: Duration.Input): number => Duration.toMillis(Duration.fromInputUnsafe(duration))
