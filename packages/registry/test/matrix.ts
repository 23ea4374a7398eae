/**
 * The fault matrix: one transaction of five operations, which three handlers take part in, and one thing that goes wrong
 * at one place of it. Whatever it is, afterwards the state, the history and every handler's own record agree.
 */
import * as Handler from "@heph/bus/Handler"
import * as HistoryMemory from "@heph/history-memory/HistoryMemory"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { expect } from "vitest"
import { altered, create, Holder, open, type Opened, remove, showAll, type Store, update } from "./support.ts"

/** How a handler can fail to answer, and what becomes of the transaction. */
export const faults = {
  rejects: { _tag: "HandlerRejected", how: "rejected" },
  fails: { _tag: "HandlerRejected", how: "failed" },
  throws: { _tag: "HandlerRejected", how: "died" },
  dies: { _tag: "HandlerRejected", how: "died" },
  "is interrupted": { _tag: "HandlerRejected", how: "was interrupted" },
  hangs: { _tag: "HandlerTimedOut" },
  "defers for ever": { _tag: "OperationsDeferred" }
} as const
export type Fault = keyof typeof faults
export const allFaults = Object.keys(faults) as ReadonlyArray<Fault>

/** What an answer with a fault is. */
export const commits = (fault: Fault): Handler.Verdict | Effect.Effect<Handler.Verdict, string> => {
  switch (fault) {
    case "rejects":
      return Handler.reject("no")
    case "fails":
      return Effect.fail("no")
    case "throws":
      throw new Error("no")
    case "dies":
      return Effect.die(new Error("no"))
    case "is interrupted":
      return Effect.interrupt
    case "hangs":
      return Effect.never
    case "defers for ever":
      return Handler.defer("not yet")
  }
}

export const effectOf = (answer: Handler.Verdict | Effect.Effect<Handler.Verdict, string>) =>
  Effect.isEffect(answer) ? answer : Effect.succeed(answer)

/** A place in a transaction: the handler, and the operation, both counted from 0 in the order they are asked in. */
export interface Point {
  readonly phase: Handler.Request["phase"]
  readonly handler: number
  readonly operation: number
}

/** A handler that keeps a record, and does something else instead at one point. */
class Subject extends Holder {
  /** Answers in a fiber that waits, not at once. */
  slow = false
  at: { readonly phase: Handler.Request["phase"]; readonly operation: number } | undefined
  instead: (request: Handler.Request) => ReturnType<Handler.Handler<string>> = () => Handler.accept
  /** Keeps what it was asked for, in order, each once. */
  #asked: Array<string> = []
  #phase: Handler.Request["phase"] = "forward"

  begin(): void {
    this.#asked = []
    this.#phase = "forward"
  }
  readonly answer: Handler.Handler<string> = (request) => {
    if (request.phase !== this.#phase) this.#asked = []
    this.#phase = request.phase
    const key = `${request.op} ${request.id}`
    if (!this.#asked.includes(key)) this.#asked.push(key)
    if (request.phase === this.at?.phase && this.#asked.indexOf(key) === this.at.operation) return this.instead(request)
    const accept = Effect.sync(() => {
      this.take(request)
      return Handler.accept
    })
    return this.slow ? Effect.andThen(Effect.yieldNow, accept) : Effect.runSync(accept)
  }
}

/** What is tried: each is a transaction of five operations, of every sort there is. */
export const subjects = ["apply", "travel", "revert", "load", "follow"] as const
export type SubjectName = (typeof subjects)[number]

export const operations = 5
export const handlers = 3

const baseline = [0, 1, 2, 3, 4].map((i) => ({ id: `e:${i}`, kind: "k.one", data: i }))
const changes = [
  create("e:dep", 1, "k.two", { depends_on: "new" }),
  create("e:new", 1, "k.one"),
  update("e:0", 10, "k.one"),
  update("e:2", 12, "k.one", { depends_on: "dep" }),
  remove("e:1")
]

export interface Cell {
  readonly opened: Opened
  /** Another registry on the same history, with no handlers. */
  readonly other: Opened
  readonly holders: ReadonlyArray<Subject>
  /** The transaction. */
  readonly run: Effect.Effect<unknown, unknown>
  /** The version it leads to. */
  readonly target: number
  /** What handlers ought to hold. */
  readonly expected: () => ReadonlyArray<string>
}

/** A registry that is ready for the transaction, with handlers that agree with it. */
export const cell = Effect.fnUntraced(function* (
  name: SubjectName,
  slow: boolean = false,
  change: (store: Store) => Partial<Store> = () => ({})
) {
  const store = yield* HistoryMemory.make
  const other = yield* open(altered(store, () => ({})))
  const opened = yield* open(altered(store, change))
  const holders: Array<Subject> = []
  for (let i = 0; i < handlers; i++) {
    const holder = new Subject()
    holder.slow = slow
    holders.push(holder)
    yield* opened.bus.handle("k.*", holder.answer, { name: `handler ${i}` })
  }
  const { registry } = opened
  yield* other.registry.loadState(baseline)
  if (name !== "load") yield* registry.loadState(baseline)
  let run: Effect.Effect<unknown, unknown> = registry.loadState(baseline)
  if (name === "apply") run = registry.apply(changes)
  if (name === "travel" || name === "revert") {
    yield* registry.apply(changes)
    run = name === "travel" ? registry.applyVersion(0) : registry.revert(1)
  }
  if (name === "follow") {
    yield* other.registry.apply(changes)
    run = registry.follow
  }
  for (const holder of holders) holder.begin()
  const expected = () => showAll(registry.current())
  const target = { apply: 1, travel: 0, revert: 2, load: 0, follow: 1 }[name]
  return { opened, other, holders, run, target, expected } satisfies Cell
})

/** Lets a fiber come to its end, moving the clock for whoever waits for it. */
export const end = Effect.fnUntraced(function* <A, E>(fiber: Fiber.Fiber<A, E>): Effect.fn.Return<Exit.Exit<A, E>> {
  for (let i = 0; i < 1000; i++) {
    const exit = fiber.pollUnsafe()
    if (exit !== undefined) return exit
    yield* i < 20 ? Effect.yieldNow : TestClock.adjust("1 second")
  }
  return yield* Effect.die(new Error("it never ends"))
})

/** Runs a transaction to its end. */
export const outcome = (run: Effect.Effect<unknown, unknown>): Effect.Effect<Exit.Exit<unknown, unknown>> =>
  Effect.flatMap(Effect.forkDetach(run, { startImmediately: true }), end)

/** Puts a fault at a point. */
export const arm = ({ holders }: Cell, point: Point, fault: Fault): void => {
  const holder = holders[point.handler]!
  holder.at = point
  holder.instead = () => commits(fault)
}

/** Lets a handler signal that it was asked at a point, and wait there until it is let go. */
export const hold = ({ holders }: Cell, point: Point) => {
  const holder = holders[point.handler]!
  const gate = { reached: false, open: false }
  holder.at = point
  holder.instead = (request) =>
    Effect.gen(function* () {
      gate.reached = true
      while (!gate.open) yield* Effect.yieldNow
      holder.take(request)
      return Handler.accept
    })
  return gate
}

export const disarm = ({ holders }: Cell): void => {
  for (const holder of holders) {
    holder.at = undefined
    holder.begin()
  }
}

/** What must not have changed where a transaction came to nothing. */
export const facts = Effect.fnUntraced(function* ({ opened, other }: Cell) {
  yield* other.history.refresh
  const { created: _, ...info } = other.history.info()
  return {
    info,
    version: opened.registry.current().version,
    entries: showAll(opened.registry.current()),
    visible: opened.registry.status().version,
    versions: (yield* other.registry.versions()).map(({ id }) => id)
  }
})

/** That every handler holds exactly what the registry does, and was never told what does not fit. */
export const agree = ({ expected, holders }: Cell, label: string, except: ReadonlyArray<number> = []): void => {
  for (const [i, holder] of holders.entries()) {
    if (except.includes(i)) continue
    expect(holder.wrong, `${label}: handler ${i}`).toEqual([])
    expect(holder.all, `${label}: handler ${i}`).toEqual(expected())
  }
}

/** That the registry works, and everybody agrees, once nothing is wrong any more: the transaction too, if it is not done. */
export const works = Effect.fnUntraced(function* (cell: Cell, label: string, done = false) {
  disarm(cell)
  const { opened, run } = cell
  if (!done) yield* run
  yield* opened.registry.apply([create("e:after", "after", "k.two")])
  const entries = showAll(opened.registry.current())
  expect(opened.registry.status().outOfStep, label).toEqual([])
  for (const holder of cell.holders) expect(holder.all, label).toEqual(entries)
  expect((yield* opened.registry.verify).damage, label).toEqual([])
})

/** Every handler and every operation. */
export const points = (phase: Handler.Request["phase"]): ReadonlyArray<Point> =>
  Array.from({ length: handlers * operations }, (_, i) => ({
    phase,
    handler: i % handlers,
    operation: Math.floor(i / handlers)
  }))
