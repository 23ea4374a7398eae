/**
 * Calling what others plugged in: a callback gives a value or an effect, and whatever it does comes back as an outcome.
 * An effect runs in a fiber of its own, so that its interruption is never mistaken for the caller's, and one that ends
 * without waiting costs no timer.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"

export type Outcome<A> =
  | { readonly _tag: "Answered"; readonly value: A }
  | { readonly _tag: "Broke"; readonly how: "failed" | "died" | "was interrupted"; readonly cause: unknown }
  | {
      readonly _tag: "TimedOut"
      /** What it came to after all while it was being stopped; nothing if it is still busy. */
      readonly late: Outcome<A> | undefined
    }

/** An outcome, or the fiber that will have one. */
export type Asked<A> =
  | { readonly outcome: Outcome<A>; readonly fiber: undefined }
  | { readonly outcome: undefined; readonly fiber: Fiber.Fiber<A, unknown> }

/** How long a callback that was told to stop may take over it before it counts as still busy. */
export const grace = 1000

/** Calls back, and runs an effect as far as it gets without waiting. */
export const ask = <A>(call: () => A | Effect.Effect<A, unknown>): Effect.Effect<Asked<A>> | Asked<A> => {
  let answer: A | Effect.Effect<A, unknown>
  try {
    answer = call()
  } catch (cause) {
    return { outcome: { _tag: "Broke", how: "died", cause }, fiber: undefined }
  }
  if (!Effect.isEffect(answer)) return answered(answer)
  return Effect.map(Effect.forkDetach(answer, { startImmediately: true }), (fiber): Asked<A> => {
    const exit = fiber.pollUnsafe()
    return exit === undefined ? { outcome: undefined, fiber } : { outcome: fromExit(exit), fiber: undefined }
  })
}

/** The outcome of what was asked, or that it took longer than this. It is stopped then; a late answer stays late. */
export const settle = <A>(asked: Asked<A>, millis: number): Effect.Effect<Outcome<A>> => {
  const { fiber } = asked
  if (fiber === undefined) return Effect.succeed(asked.outcome)
  return Effect.flatMap(Effect.timeoutOption(Fiber.await(fiber), millis), (exit) =>
    Option.isSome(exit)
      ? Effect.succeed(fromExit(exit.value))
      : Effect.map(stop(fiber), (late): Outcome<A> => ({ _tag: "TimedOut", late }))
  )
}

/** Interrupts what was asked and gives what it came to; nothing if it is still busy after {@link grace}. */
export const stop = <A>(fiber: Fiber.Fiber<A, unknown>): Effect.Effect<Outcome<A> | undefined> =>
  Effect.uninterruptible(
    Effect.suspend(() => {
      fiber.interruptUnsafe()
      return Effect.flatMap(Effect.yieldNow, () => {
        const exit = fiber.pollUnsafe()
        return exit === undefined
          ? Effect.map(Effect.timeoutOption(Fiber.await(fiber), grace), (late) =>
              Option.isSome(late) ? fromExit(late.value) : undefined
            )
          : Effect.succeed(fromExit(exit))
      })
    })
  )

/** The text of whatever was thrown or failed with. */
export const describe = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

const answered = <A>(value: A): Asked<A> => ({ outcome: { _tag: "Answered", value }, fiber: undefined })

const fromExit = <A>(exit: Exit.Exit<A, unknown>): Outcome<A> => {
  if (exit._tag === "Success") return { _tag: "Answered", value: exit.value }
  const how = Cause.hasInterruptsOnly(exit.cause) ? "was interrupted" : Cause.hasFails(exit.cause) ? "failed" : "died"
  return { _tag: "Broke", how, cause: Cause.squash(exit.cause) }
}
