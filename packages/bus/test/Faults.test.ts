import { describe, expect, it } from "@effect/vitest"
/**
 * Every fault at every point of a transaction of five operations, three handlers and three participants, and on its way
 * back. What has to come of it follows from the contract alone, see `Expected`.
 */
import * as Bus from "@heph/bus/Bus"
import * as Handler from "@heph/bus/Handler"
import * as Operation from "@heph/changeset/Operation"
import type * as Entry from "@heph/entry/Entry"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { entry, finish, Holdings, input } from "./support/kit.ts"

const before = [entry("app:a", 1), entry("app:b", 1), entry("app:c", 1)]
const [a, b, c] = before as [Entry.Entry, Entry.Entry, Entry.Entry]
const changeset = [
  Operation.create(entry("app:d", 2)),
  Operation.update(entry("app:a", 2), a),
  Operation.remove(b.id, b),
  Operation.create(entry("app:e", 2)),
  Operation.update(entry("app:c", 2), c)
]
const ids = changeset.map((operation) => Operation.idOf(operation).value)
const positions = [0, 1, 2, 3, 4]
const handlers = [0, 1, 2]
const participants = [0, 1, 2]

/** What a handler or a participant may do instead of its work. */
const mischief = {
  rejects: () => Handler.reject("no"),
  fails: () => Effect.fail("failed"),
  throws: () => {
    throw new Error("thrown")
  },
  dies: () => Effect.die("died"),
  hangs: () => Effect.never,
  "hangs and does not stop": () => Effect.uninterruptible(Effect.never),
  "hangs, and stops late": () => Effect.onInterrupt(Effect.never, () => Effect.sleep("500 millis")),
  defers: () => Handler.defer("not yet"),
  "is interrupted": () => Effect.interrupt,
  "answers nonsense": () => ({ _tag: "Perhaps" })
}
type Mischief = keyof typeof mischief
const tricks = Object.keys(mischief) as ReadonlyArray<Mischief>
/** Tricks of handlers that accept all the same, in a step that nobody interrupts: in time, just after it, long after. */
const lateness = {
  "takes half a second": "500 millis",
  "accepts half a second late": "30.5 seconds",
  "accepts a minute late": "90 seconds"
} as const
type Late = keyof typeof lateness
const lates = Object.keys(lateness) as ReadonlyArray<Late>

class StoreDown extends Data.TaggedError("StoreDown") {}
class HeadConflict extends Data.TaggedError("HeadConflict") {}
const appends = {
  fails: Effect.fail(new StoreDown()),
  conflicts: Effect.fail(new HeadConflict()),
  dies: Effect.die("disk on fire"),
  "is interrupted": Effect.interrupt
}
type AppendFault = keyof typeof appends

/** A place where something goes wrong, as in "forward:2:1": operation 2 at handler 1, on the way forward. */
type Place = string
const at = (phase: "forward" | "rollback" | "begin" | "commit" | "discard", ...where: ReadonlyArray<number>): Place =>
  [phase, ...where].join(":")

interface Faults {
  readonly tricks?: Readonly<Record<Place, Mischief | Late>>
  readonly append?: AppendFault
  /** Where the caller is interrupted: by whoever is asked there, "before" begin or in the "append". */
  readonly interrupted?: Place
}

interface Expected {
  /** What the transaction fails with first; nothing where it commits. */
  readonly failure?: (cause: Cause.Cause<unknown>) => unknown
  readonly appended?: boolean
  /** Handlers out of step: the operation, the handler, and whether it holds the change or lacks it. */
  readonly outOfStep?: ReadonlyArray<{ readonly position: number; readonly handler: number; readonly holds: boolean }>
  /** Participants that are told no end, because they said no. */
  readonly untold?: ReadonlyArray<number>
  readonly callerIsGone?: boolean
}

let cells = 0
/** One cell of the matrix. */
const cell = (name: string, faults: Faults, expected: Expected): void => {
  cells++
  it.effect(name, () => run(faults, expected))
}

const run = Effect.fnUntraced(function* (faults: Faults, expected: Expected) {
  const bus = yield* Bus.make()
  const pass = (place: Place) => {
    if (faults.interrupted === place) caller.interruptUnsafe()
  }
  const trickAt = (place: Place): Mischief | Late | undefined => {
    pass(place)
    return faults.tricks?.[place]
  }

  const held = handlers.map(() => new Holdings(before))
  /** What each handler accepted forward, and was asked to take back, in order. */
  const done = handlers.map((): { readonly forward: Array<string>; readonly rollback: Array<string> } => ({
    forward: [],
    rollback: []
  }))
  for (const handler of handlers) {
    const mine = held[handler]!
    const work = (request: Handler.Request): Handler.Verdict => {
      if (request.phase === "forward") done[handler]!.forward.push(request.id.value)
      return mine.accept(request)
    }
    yield* bus.handle("function.*", (request) => {
      const position = ids.indexOf(request.id.value)
      if (request.phase === "rollback") done[handler]!.rollback.push(request.id.value)
      const trick = trickAt(at(request.phase, position, handler))
      if (trick !== undefined && trick in lateness) {
        return Effect.uninterruptible(
          Effect.delay(
            Effect.sync(() => work(request)),
            lateness[trick as Late]
          )
        )
      }
      if (trick !== undefined) return mischief[trick as Mischief]() as Handler.Verdict
      // One answers at once, one by an effect, one after a while.
      if (handler === 0) return work(request)
      const effect = Effect.sync(() => work(request))
      return handler === 1 ? effect : Effect.delay(effect, "10 millis")
    })
  }

  const told = participants.map((): Array<string> => [])
  for (const participant of participants) {
    const callback = (phase: "begin" | "commit" | "discard") => (): undefined | Effect.Effect<undefined, unknown> => {
      told[participant]!.push(phase)
      const trick = trickAt(at(phase, participant))
      if (trick !== undefined) return mischief[trick as Mischief]() as unknown as undefined
      if (participant === 0) return undefined
      return Effect.as(participant === 1 ? Effect.void : Effect.sleep("10 millis"), undefined)
    }
    yield* bus.participate({
      name: `participant ${participant}`,
      begin: callback("begin"),
      commit: callback("commit"),
      discard: callback("discard")
    })
  }

  const events: Array<string> = []
  for (const event of ["registry.begin", "registry.commit", "registry.discard"] as const) {
    yield* bus.observe(event, () => events.push(event))
  }

  // The registry, in short: one step makes the version durable and the state visible.
  const store = { version: 6, history: [] as Array<unknown>, visible: new Holdings(before).list }
  const after = new Map(
    [...before, entry("app:d", 2), entry("app:a", 2), entry("app:e", 2), entry("app:c", 2)].map((e) => [e.id.value, e])
  )
  after.delete("app:b")
  const afterList = new Holdings([...after.values()]).list
  let appended = 0
  const reports: Array<string> = []
  const transaction = bus.transact(
    input(changeset, {
      version: 7,
      append: Effect.suspend((): Effect.Effect<number, StoreDown | HeadConflict> => {
        appended++
        pass("append")
        if (faults.append !== undefined) return appends[faults.append]
        return Effect.sync(() => {
          store.history.push(changeset)
          store.visible = afterList
          return (store.version = 7)
        })
      }),
      onOutOfStep: (failures) => reports.push(...failures.map(({ handler, id }) => `${handler} ${id}`))
    })
  )
  const caller: Fiber.Fiber<unknown, unknown> = yield* Effect.forkChild(transaction)
  pass("before")
  const exit = yield* finish(caller)
  const soon = handlers.map((handler) => held[handler]!.list)
  // Whoever is late comes to an end.
  yield* TestClock.adjust("10 minutes")

  const committed = expected.failure === undefined
  // State, history and versions.
  expect(store).toEqual(
    committed
      ? { version: 7, history: [changeset], visible: afterList }
      : { version: 6, history: [], visible: new Holdings(before).list }
  )
  expect(appended).toBe((expected.appended ?? committed) ? 1 : 0)

  // What each handler holds, and in which order it let go of it.
  const astray = expected.outOfStep ?? []
  for (const handler of handlers) {
    const expectedHeld = new Map(committed ? after : before.map((e) => [e.id.value, e]))
    const mine = astray.filter((each) => each.handler === handler)
    for (const { holds, position } of mine) {
      const operation = changeset[position]!
      if (!holds) continue
      if (operation.op === "delete") expectedHeld.delete(ids[position]!)
      else expectedHeld.set(ids[position]!, operation.entry)
    }
    expect(held[handler]!.list).toEqual(new Holdings(expectedHeld.values()).list)
    expect(held[handler]!.misfits).toEqual([])
    // One that is given up and accepts later does so when all is over, and is not asked to take that back.
    const plays = (phase: "forward" | "rollback", position: number) =>
      (faults.tricks?.[at(phase, position, handler)] ?? "") in lateness
    const changesLater = mine.some(({ position }) => plays("forward", position) || plays("rollback", position))
    if (!changesLater) expect(soon[handler]).toEqual(held[handler]!.list)
    const kept = mine.filter(({ position }) => plays("forward", position)).map(({ position }) => ids[position])
    const undone = done[handler]!.forward.filter((id) => !kept.includes(id))
    expect(done[handler]!.rollback).toEqual(committed ? [] : undone.toReversed())
  }

  // Whoever was begun is told the end, once.
  for (const participant of participants) {
    const end = expected.untold?.includes(participant) === true ? [] : [committed ? "commit" : "discard"]
    const nothing = faults.interrupted === "before"
    expect(told[participant]).toEqual(nothing ? [] : ["begin", ...end])
  }
  expect(events).toEqual(
    faults.interrupted === "before" ? [] : ["registry.begin", committed ? "registry.commit" : "registry.discard"]
  )

  // The error, and who is out of step.
  const names = astray.map(({ handler, position }) => `function.*#${handler + 1} ${ids[position]}`).sort()
  const reported = [...new Set(reports)].sort()
  expect(reported).toEqual(names)
  if (expected.callerIsGone === true) {
    expect(Exit.isFailure(exit) && Cause.hasInterrupts(exit.cause)).toBe(true)
    return
  }
  if (Exit.isSuccess(exit)) {
    expect([committed, exit.value]).toEqual([true, 7])
    return
  }
  expect(committed).toBe(false)
  const error = Cause.squash(exit.cause) as {
    readonly _tag?: string
    readonly reason?: unknown
    readonly outOfStep?: unknown
  }
  const incomplete = error._tag === "RollbackIncomplete"
  expect(incomplete).toBe(names.length > 0)
  expect(expected.failure?.(incomplete ? Cause.fail(error.reason) : exit.cause)).toBe(true)
  if (incomplete) expect(error.outOfStep).toEqual([...new Set(astray.map(({ position }) => ids[position]!))])
})

// ---------------------------------------------------------------- what has to come of a fault

const errorWith = (fields: Readonly<Record<string, unknown>>) => (cause: Cause.Cause<unknown>) => {
  expect(Cause.squash(cause)).toMatchObject(fields)
  return true
}
const gone = () => true

const hows: Partial<Record<Mischief, string>> = {
  rejects: "rejected",
  fails: "failed",
  throws: "died",
  dies: "died",
  "is interrupted": "was interrupted",
  "answers nonsense": "rejected"
}

/** What an operation fails with when a handler plays a trick on it. */
const failureOf = (trick: Mischief | Late, position: number, handler: number) => {
  const about = { handler: `function.*#${handler + 1}`, op: changeset[position]!.op, id: ids[position] }
  if (trick === "defers")
    return errorWith({ _tag: "OperationsDeferred", operations: [{ ...about, reason: "not yet" }] })
  const how = hows[trick as Mischief]
  return how === undefined
    ? errorWith({ _tag: "HandlerTimedOut", ...about, millis: 30_000 })
    : errorWith({ _tag: "HandlerRejected", ...about, how })
}

/** Tricks that leave it open what the handler holds when the transaction is over. */
const isUnsure = (trick: Mischief | Late): boolean =>
  trick === "hangs and does not stop" || trick === "accepts a minute late"

describe("no fault", () => {
  cell("it commits", {}, {})
})

describe("a handler on the way forward", () => {
  for (const trick of [...tricks, ...lates]) {
    for (const position of positions) {
      for (const handler of handlers) {
        cell(
          `handler ${handler} ${trick} at operation ${position}`,
          { tricks: { [at("forward", position, handler)]: trick } },
          trick === "takes half a second"
            ? {}
            : {
                failure: failureOf(trick, position, handler),
                outOfStep: isUnsure(trick) ? [{ position, handler, holds: trick === "accepts a minute late" }] : []
              }
        )
      }
    }
  }
})

describe("a handler on the way back", () => {
  const triggers: ReadonlyArray<readonly [string, Faults, Expected, number]> = [
    ["the append failed", { append: "fails" }, { failure: errorWith({ _tag: "StoreDown" }), appended: true }, 5],
    ...positions
      .slice(1)
      .map((position): readonly [string, Faults, Expected, number] => [
        `operation ${position} was rejected`,
        { tricks: { [at("forward", position, 0)]: "rejects" } },
        { failure: failureOf("rejects", position, 0) },
        position
      ])
  ]
  for (const [when, faults, expected, reached] of triggers) {
    for (const trick of [...tricks, ...lates]) {
      for (const position of positions.slice(0, reached)) {
        for (const handler of handlers) {
          // To accept late is to take the change back late; to be asked about the next one meanwhile is no harm.
          const undone = trick === "accepts half a second late" || trick === "takes half a second"
          cell(
            `${when}: handler ${handler} ${trick} when it is to undo operation ${position}`,
            { ...faults, tricks: { ...faults.tricks, [at("rollback", position, handler)]: trick } },
            { ...expected, outOfStep: undone ? [] : [{ position, handler, holds: trick !== "accepts a minute late" }] }
          )
        }
      }
    }
  }
})

describe("a participant", () => {
  for (const participant of participants) {
    for (const trick of tricks) {
      const no = trick === "rejects" || trick === "defers"
      cell(
        `participant ${participant} ${trick} at begin`,
        { tricks: { [at("begin", participant)]: trick } },
        {
          failure: errorWith({ _tag: "ParticipantRefused", participant: `participant ${participant}` }),
          untold: no ? [participant] : []
        }
      )
      cell(`participant ${participant} ${trick} at commit`, { tricks: { [at("commit", participant)]: trick } }, {})
      cell(
        `participant ${participant} ${trick} at discard`,
        { append: "fails", tricks: { [at("discard", participant)]: trick } },
        { failure: errorWith({ _tag: "StoreDown" }), appended: true }
      )
    }
  }
})

describe("the append", () => {
  const failures: Record<AppendFault, (cause: Cause.Cause<unknown>) => unknown> = {
    fails: errorWith({ _tag: "StoreDown" }),
    conflicts: errorWith({ _tag: "HeadConflict" }),
    dies: (cause) => Cause.hasDies(cause),
    "is interrupted": (cause) => Cause.hasInterruptsOnly(cause)
  }
  for (const append of Object.keys(appends) as ReadonlyArray<AppendFault>) {
    cell(`it ${append}`, { append }, { failure: failures[append], appended: true })
    cell(
      `it ${append}, and the caller is interrupted meanwhile`,
      { append, interrupted: "append" },
      { failure: gone, appended: true, callerIsGone: true }
    )
  }
})

describe("the caller is interrupted", () => {
  cell("before begin", { interrupted: "before" }, { failure: gone, callerIsGone: true })
  cell("in the append", { interrupted: "append" }, { callerIsGone: true })
  for (const participant of participants) {
    cell(
      `while participant ${participant} begins`,
      { interrupted: at("begin", participant) },
      { failure: gone, callerIsGone: true }
    )
    cell(
      `while participant ${participant} is told to commit`,
      { interrupted: at("commit", participant) },
      { callerIsGone: true }
    )
    cell(
      `while participant ${participant} is told to discard`,
      { append: "fails", interrupted: at("discard", participant) },
      { failure: gone, appended: true, callerIsGone: true }
    )
  }
  for (const position of positions) {
    for (const handler of handlers) {
      cell(
        `while handler ${handler} is asked about operation ${position}`,
        { interrupted: at("forward", position, handler) },
        { failure: gone, callerIsGone: true }
      )
      cell(
        `while handler ${handler} is to undo operation ${position}`,
        { append: "fails", interrupted: at("rollback", position, handler) },
        { failure: gone, appended: true, callerIsGone: true }
      )
      for (const trick of [...tricks, ...lates]) {
        cell(
          `while handler ${handler} is asked about operation ${position}, and it ${trick}`,
          { interrupted: at("forward", position, handler), tricks: { [at("forward", position, handler)]: trick } },
          {
            failure: gone,
            callerIsGone: true,
            outOfStep:
              isUnsure(trick) || trick === "accepts half a second late"
                ? [{ position, handler, holds: trick in lateness }]
                : []
          }
        )
      }
    }
  }
})

it("the matrix has more than 500 cells", () => expect(cells).toBeGreaterThan(500))
