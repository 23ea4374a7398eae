/**
 * The bus that every change goes over: handlers by kind, participants, observers, and the transaction itself.
 *
 *     handle("function.*", …) ──┐
 *     participate({ … }) ───────┼──▶ transact(changeset, append) ──▶ begin ▸ operations ▸ append ▸ commit
 *     observe("entry.create") ──┘
 *
 * The bus knows nothing of states and histories. Whoever runs a transaction brings the operations, complete and in
 * order, and an effect that makes them durable: that effect is the commit point.
 */
import type * as ChangeSet from "@heph/changeset/ChangeSet"
import * as Operation from "@heph/changeset/Operation"
import * as Entry from "@heph/entry/Entry"
import type * as Resolver from "@heph/resolver/Resolver"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { braceExpand, Minimatch, type MinimatchOptions } from "minimatch"
import * as Mitt from "mitt"
import type * as Handler from "./Handler.ts"
import * as Asking from "./internal/asking.ts"
import * as Run from "./internal/run.ts"
import * as Surroundings from "./internal/surroundings.ts"
import type { RegistryEvents } from "./RegistryEvent.ts"
import type * as Transaction from "./Transaction.ts"

// mitt's types are those of its CommonJS build, where the function is one "default" further down than in the ES module.
const mitt = Mitt.default as unknown as typeof Mitt.default.default

/** Kinds that no handler is asked about, and no observer told of, unless the configuration says otherwise. */
export const silentKinds: ReadonlyArray<string> = ["registry.entry", "ns.requirement", "ns.dependency", "ns.definition"]

/** How a bus is set up. All of it may be left out. */
export interface Options {
  /** How long a handler may take over one operation, and a participant over one callback. 30 seconds. */
  readonly handlerTimeout?: Duration.Input | undefined
  /**
   * How long a whole transaction may take up to its append. No limit. It is looked at while handlers are waited for and
   * after each operation; a handler that blocks the thread is not cut short. Rollback and callbacks are not part of it.
   */
  readonly transactionTimeout?: Duration.Input | undefined
  /** The kinds that skip the bus, exactly as written; by default {@link silentKinds}. */
  readonly silentKinds?: ReadonlyArray<string> | undefined
  /**
   * Whether transactions have spans and metrics. By default those have that run where a tracer other than Effect's own
   * is installed; `true` for metrics without a tracer. Costs one comparison a transaction where it is off, and ~10 µs an
   * operation where it is on.
   */
  readonly observability?: boolean | undefined
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
  /**
   * Complete and ordered. An update or delete without its original is a defect, found before anybody is told. An empty
   * changeset is no news: it is appended, and nobody is told.
   */
  readonly changeset: ChangeSet.ChangeSet
  /** How the order of deferred operations is found again. */
  readonly references?: Resolver.References | undefined
  /** The commit point. Run once, uninterruptibly, when everybody has accepted; its failure rolls back. */
  readonly append: Effect.Effect<A, E>
  /**
   * Told of handlers that are left out of step, also when the caller is gone by then. Called again, after the
   * transaction, if a handler that was given up accepts after all.
   */
  readonly onOutOfStep: (failures: ReadonlyArray<Transaction.OutOfStep>) => void
}

/**
 * The bus service.
 *
 * @example
 * import * as Bus from "@heph/bus/Bus"
 * import * as Handler from "@heph/bus/Handler"
 * import * as Operation from "@heph/changeset/Operation"
 * import * as Entry from "@heph/entry/Entry"
 * import * as Effect from "effect/Effect"
 *
 * const program = Effect.gen(function* () {
 *   const bus = yield* Bus.Bus
 *   yield* bus.handle("function.*", ({ id, op }) => {
 *     console.log(`${op} ${id}`) //=> create app:resize
 *     return Handler.accept
 *   })
 *   yield* bus.transact({
 *     cause: "apply",
 *     version: 1,
 *     changeset: [Operation.create(Entry.makeUnsafe({ id: "app:resize", kind: "function.lua" }))],
 *     append: Effect.sync(() => console.log("durable")), //=> durable
 *     onOutOfStep: () => {}
 *   })
 * })
 * await Effect.runPromise(Effect.scoped(program).pipe(Effect.provide(Bus.layer())))
 */
export class Bus extends Context.Service<
  Bus,
  {
    /**
     * Asks the handler about every operation on a kind that the glob matches, until the scope closes. All matching
     * handlers have a say; they run side by side, each with its own deadline. A handler that is added while a
     * transaction runs takes part from the next one on; one whose scope closes is not asked again, not even to undo.
     *
     * In a glob `*` matches any characters, dots and slashes too (`function.*` matches `function.lua.async`), and `?`
     * one; `[ab]`, `{a,b}` and `+(a|b)` work as in minimatch. A kind that skips the bus has no handlers.
     */
    readonly handle: <E = never, R = never>(
      pattern: string,
      handler: Handler.Handler<E, R>,
      options?: Handler.Options
    ) => Effect.Effect<void, InvalidKindPattern, Scope.Scope | R>
    /**
     * Adds a participant until the scope closes, from the next transaction on. One that was begun is told the end even
     * if its scope closes in between.
     */
    readonly participate: <R = never>(
      participant: Handler.Participant<R>
    ) => Effect.Effect<void, never, Scope.Scope | R>
    /**
     * Calls back for each event, until the scope closes. Nothing waits for a listener, and what one throws, or rejects
     * with, is logged and changes nothing.
     */
    readonly observe: <K extends keyof RegistryEvents>(
      event: K,
      listener: (event: RegistryEvents[K]) => void
    ) => Effect.Effect<void, never, Scope.Scope>
    /**
     * Whether anybody would take notice of a transaction with these operations: then it has to run on the bus. Spans and
     * metrics are no reason.
     */
    readonly concerns: (changeset: ChangeSet.ChangeSet) => boolean
    /**
     * Runs a transaction; see `Transaction` for its order. One at a time: the caller sees to that. Interrupting it
     * before the append rolls back; after that the commit is completed. Either way it ends when all have been told.
     */
    readonly transact: <A, E>(
      input: Input<A, E>
    ) => Effect.Effect<A, E | Transaction.Refused | Transaction.RollbackIncomplete>
  }
>()("@heph/bus/Bus") {}

/** A bus without handlers. */
export const make = (options?: Options): Effect.Effect<Bus["Service"]> =>
  Effect.sync(() => {
    const timeout = millis(options?.handlerTimeout ?? "30 seconds")
    const deadline = options?.transactionTimeout === undefined ? undefined : millis(options.transactionTimeout)
    const silent = new Set(options?.silentKinds ?? silentKinds)
    const emitter = mitt<RegistryEvents>()
    let observers = 0
    let participants: ReadonlyArray<Run.Joined> = []
    let handlers: ReadonlyArray<Run.Registered> = []
    let handlersOf = lookup(handlers, silent)
    let named = 0
    let transactions = 0
    const setHandlers = (next: ReadonlyArray<Run.Registered>) => {
      handlers = next
      // A new one each time: a transaction under way keeps to the one it began with.
      handlersOf = lookup(next, silent)
    }

    const handle: Bus["Service"]["handle"] = Effect.fnUntraced(function* <E, R>(
      pattern: string,
      handler: Handler.Handler<E, R>,
      options?: Handler.Options
    ) {
      const registered: Run.Registered = {
        name: options?.name ?? `${pattern}#${++named}`,
        timeout: options?.timeout === undefined ? timeout : millis(options.timeout),
        matches: yield* Effect.fromResult(compile(pattern)),
        handler,
        context: yield* Surroundings.capture<R>(),
        gone: false
      }
      yield* Effect.acquireRelease(
        Effect.sync(() => setHandlers([...handlers, registered])),
        () =>
          Effect.sync(() => {
            registered.gone = true
            setHandlers(handlers.filter((other) => other !== registered))
          })
      )
    })

    const participate: Bus["Service"]["participate"] = Effect.fnUntraced(function* <R>(
      participant: Handler.Participant<R>
    ) {
      const joined: Run.Joined = {
        participant,
        timeout: participant.timeout === undefined ? timeout : millis(participant.timeout),
        context: yield* Surroundings.capture<R>()
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
      const report = (cause: unknown) => {
        runFork(Effect.logWarning(`an observer of ${event} failed, which changes nothing: ${Asking.describe(cause)}`))
      }
      const careful = (value: RegistryEvents[K]) => {
        try {
          // An async function passes for a listener, and its rejection would end the process.
          const answer: unknown = listener(value)
          if (answer instanceof Promise) answer.catch(report)
        } catch (cause) {
          report(cause)
        }
      }
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          observers++
          emitter.on(event, careful)
        }),
        () =>
          Effect.sync(() => {
            observers--
            emitter.off(event, careful)
          })
      )
    })

    const transact: Bus["Service"]["transact"] = (input) =>
      Effect.suspend(() =>
        Run.transact(input, {
          id: ++transactions,
          handlersOf,
          participants,
          deadline,
          observability: options?.observability,
          emit: (event, value) => emitter.emit(event, value)
        })
      )

    return Bus.of({
      handle,
      participate,
      observe,
      concerns: (changeset) =>
        changeset.length > 0 &&
        (participants.length > 0 ||
          observers > 0 ||
          (handlers.length > 0 && changeset.some((operation) => concerned(handlersOf, operation)))),
      transact
    })
  })

/** The bus of a registry. */
export const layer = (options?: Options): Layer.Layer<Bus> => Layer.effect(Bus, make(options))

const millis = (duration: Duration.Input): number => Duration.toMillis(Duration.fromInputUnsafe(duration))

/** Kinds are few and handlers change rarely, so that each kind is matched once. */
const lookup = (handlers: ReadonlyArray<Run.Registered>, silent: ReadonlySet<string>): Run.Setting["handlersOf"] => {
  const known = new Map<string, ReadonlyArray<Run.Registered> | undefined>()
  return (kind) => {
    if (known.has(kind)) return known.get(kind)
    const found = silent.has(kind) ? undefined : handlers.filter((handler) => handler.matches(kind))
    known.set(kind, found)
    return found
  }
}

const concerned = (handlersOf: Run.Setting["handlersOf"], operation: Operation.Operation): boolean => {
  const kind = Operation.kindOf(operation)
  return kind === undefined || (handlersOf(kind)?.length ?? 0) > 0
}

const globOptions: MinimatchOptions = {
  dot: true,
  nocomment: true,
  nonegate: true,
  platform: "linux"
}

/** How many alternatives the braces of a pattern may spell out: minimatch drops what is too many without a word. */
const maxAlternatives = 1000

// To minimatch a "/" separates portions that "*" does not cross, and portions "." and ".." match no wildcard. Kinds are
// no paths: a stand-in that no kind can hold takes the place of the "/", and a guard in front keeps "." from being one.
const flat = (text: string): string => `=${text.replaceAll("/", "\u0001")}`

const compile = (pattern: string): Result.Result<(kind: string) => boolean, InvalidKindPattern> => {
  const invalid = (reason: string) => Result.fail(new InvalidKindPattern({ pattern, reason }))
  const problem = Entry.kindProblem(pattern)
  if (problem !== undefined) return invalid(`write a glob, as in "function.*": ${problem}`)
  if (braceExpand(pattern, { braceExpandMax: maxAlternatives + 1 }).length > maxAlternatives) {
    return invalid(`its braces spell out more than ${maxAlternatives} alternatives`)
  }
  const glob = new Minimatch(flat(pattern), globOptions)
  return Result.succeed((kind) => glob.match(flat(kind)))
}
