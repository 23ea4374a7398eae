/**
 * Calling what others plugged in: a callback gives a value or an effect, and whatever it does comes back as an outcome.
 *
 *     ask ──▶ outcome                                 it answered, or broke, without waiting
 *      └────▶ fiber ── settle ──▶ outcome             in time
 *                        └─ is stopped ──▶ outcome    late: no answer, but it tells what the callback holds
 *                                  └─────▶ nothing    late, and still busy after a second of grace
 *
 * An effect runs in a fiber of its own, so that its interruption is never mistaken for the caller's, and one that ends
 * without waiting costs no timer. An answer belongs to its fiber and is never looked up by an id.
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Formatter from "effect/Formatter"

export type Outcome<A> =
  | { readonly _tag: "Answered"; readonly value: A }
  | { readonly _tag: "Broke"; readonly how: "failed" | "died" | "was interrupted"; readonly cause: unknown }

/** A callback that was called. */
export interface Asked<A> {
  /** How long it may take, in milliseconds. */
  readonly limit: number
  /** Where it runs and since when; nothing if it was done at once. */
  readonly running: { readonly fiber: Fiber.Fiber<A, unknown>; readonly since: number } | undefined
  /** What it came to; nothing while it is busy. */
  outcome: Outcome<A> | undefined
  /** Its time was up before it had come to anything, or the caller was gone. */
  late: boolean
}

/** How long callbacks that were told to stop may take over it before they count as still busy, in milliseconds. */
const grace = 1000

/** Calls back, and runs an effect as far as it gets without waiting. An answer at the very end of its time is late. */
export const ask = <A>(
  call: () => A | Effect.Effect<A, unknown>,
  context: () => Context.Context<never>,
  limit: number,
  now: () => number
): Asked<A> => {
  let answer: A | Effect.Effect<A, unknown>
  try {
    answer = call()
  } catch (cause) {
    return atOnce(limit, { _tag: "Broke", how: "died", cause })
  }
  if (!Effect.isEffect(answer)) return atOnce(limit, { _tag: "Answered", value: answer })
  // `Effect.succeed(verdict)` is an exit already and needs no fiber.
  if (Exit.isExit(answer)) return atOnce(limit, fromExit(answer as Exit.Exit<A, unknown>))
  const fiber = Effect.runForkWith(context())(answer)
  const exit = fiber.pollUnsafe()
  if (exit !== undefined) return atOnce(limit, fromExit(exit))
  const since = now()
  const asked: Asked<A> = { limit, running: { fiber, since }, outcome: undefined, late: false }
  fiber.addObserver((exit) => {
    if (now() - since >= limit) asked.late = true
    asked.outcome = fromExit(exit)
  })
  return asked
}

/**
 * Waits until each has come to something or has run out of time; those are stopped. `wait` decides whether the caller's
 * interruption is heeded: then all are stopped, and the interruption is given back.
 */
export const settle = Effect.fnUntraced(function* (
  all: ReadonlyArray<Asked<unknown>>,
  now: () => number,
  wait: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>
): Effect.fn.Return<Cause.Cause<never> | undefined> {
  let busy = all.filter(isBusy)
  while (busy.length > 0) {
    const left = busy.map(({ limit, running }) => running.since + limit - now())
    const first = left.reduce((least, millis) => Math.min(least, millis), Infinity)
    const exit = yield* Effect.exit(wait(allDone(busy, Math.max(0, first))))
    if (exit._tag === "Failure") {
      yield* stop(busy)
      return exit.cause
    }
    if (!exit.value) yield* stop(busy.filter((_, i) => left[i]! <= first))
    busy = busy.filter((asked) => isBusy(asked) && !asked.late)
  }
  return undefined
})

/** Whether it may still come to something. */
export const isBusy = <A>(asked: Asked<A>): asked is Busy<A> =>
  asked.outcome === undefined && asked.running !== undefined

/** Calls back once it has come to something, which may be now or never. */
export const whenDone = <A>(asked: Asked<A>, callback: () => void): void => {
  if (isBusy(asked)) asked.running.fiber.addObserver(callback)
  else callback()
}

/** The text of whatever was thrown or failed with. */
export const describe = (cause: unknown): string => {
  if (typeof cause === "string") return cause
  try {
    if (cause instanceof Error) return cause.message === "" ? cause.name : cause.message
  } catch {
    // An error whose own message cannot be read is described like any other value.
  }
  return Formatter.format(cause)
}

type Busy<A> = Asked<A> & { readonly running: NonNullable<Asked<A>["running"]> }

/**
 * Waits for all of them, no longer than this: whether they are done. Half the cost of `Effect.timeoutOption` around
 * `Fiber.awaitAll`, which every operation with a handler that waits would pay.
 */
const allDone = (busy: ReadonlyArray<Busy<unknown>>, millis: number): Effect.Effect<boolean> =>
  Effect.withFiber(({ context }) =>
    Effect.callback((resume) => {
      let left = busy.length
      const timer = Effect.runForkWith(context)(Effect.sleep(millis))
      for (const { running } of busy) {
        running.fiber.addObserver(() => {
          if (--left > 0) return
          timer.interruptUnsafe()
          resume(Effect.succeed(true))
        })
      }
      timer.addObserver((exit) => {
        if (exit._tag === "Success") resume(Effect.succeed(false))
      })
      return Effect.sync(() => timer.interruptUnsafe())
    })
  )

/**
 * Stops them, and gives them the grace to end. What is within an uninterruptible step is left alone for as long: its
 * verdict tells whether it holds the change, and an interruption would take the verdict's place at the end of the step.
 */
const stop = Effect.fnUntraced(function* (busy: ReadonlyArray<Busy<unknown>>) {
  for (const asked of busy) {
    // One may have ended another.
    if (!isBusy(asked)) continue
    asked.late = true
    if (!isWithinStep(asked.running.fiber)) asked.running.fiber.interruptUnsafe()
  }
  const left = busy.filter(isBusy)
  if (left.length === 0 || (yield* allDone(left, grace))) return
  for (const asked of left) asked.running.fiber.interruptUnsafe()
})

/** Whether an interruption would have to wait. The property is Effect's own, and a test holds on to what it says. */
const isWithinStep = (fiber: object): boolean => (fiber as { readonly interruptible?: boolean }).interruptible === false

const atOnce = <A>(limit: number, outcome: Outcome<A>): Asked<A> => ({
  limit,
  running: undefined,
  outcome,
  late: false
})

const fromExit = <A>(exit: Exit.Exit<A, unknown>): Outcome<A> => {
  if (exit._tag === "Success") return { _tag: "Answered", value: exit.value }
  const how = Cause.hasInterruptsOnly(exit.cause) ? "was interrupted" : Cause.hasFails(exit.cause) ? "failed" : "died"
  return { _tag: "Broke", how, cause: Cause.squash(exit.cause) }
}
