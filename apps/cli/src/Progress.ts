/** A line on a terminal's standard error that says what is going on, while it is going on. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { Output } from "./Output.ts"
import { cut, oneLine } from "./Table.ts"
import * as Words from "./Words.ts"

const frames = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"]
const clear = "\r\u001B[2K"

/**
 * Shows what an effect is about for as long as it runs. `label` is asked again for each frame, so that it may count. Work
 * that holds up the process holds up the frames too; the first one is there before it begins.
 */
export const during = (label: string | (() => string)) =>
  drawing((elapsed) => {
    const seconds = elapsed < 2000 ? "" : `  ${Math.floor(elapsed / 1000)} s`
    return `${typeof label === "string" ? label : label()} …${seconds}`
  })

/** How far work is that can be counted. */
export interface Counts {
  /** What is gone through, and how much there is. */
  readonly done: number
  readonly of: number
  /** What comes out of it. */
  readonly made: number
}

/**
 * Shows a bar with the rate and the time left for as long as an effect runs. `made` and `done` say what is counted, in the
 * plural.
 */
export const bar = (names: { readonly done: string; readonly made: string }, counts: () => Counts) =>
  drawing((elapsed) => barText(names, counts(), elapsed))

const width = 24

/** The bar as it is after so many milliseconds. */
export const barText = (
  names: { readonly done: string; readonly made: string },
  { done, made, of }: Counts,
  elapsed: number
): string => {
  const share = of === 0 ? 0 : Math.min(1, done / of)
  const full = Math.floor(share * width)
  const parts = [
    `${"█".repeat(full)}${"░".repeat(width - full)} ${Math.floor(share * 100)} %`,
    `${Words.count(done, names.done, names.done)} of ${of.toLocaleString("en")}`
  ]
  const seconds = elapsed / 1000
  if (seconds >= 1) {
    parts.push(`${Words.count(Math.round(made / seconds), names.made, names.made)}/s`)
    if (share > 0) parts.push(`${Words.duration((seconds * (1 - share)) / share)} left`)
  }
  return parts.join("  ")
}

/** Draws a line again and again, which is gone when the effect has ended. */
const drawing =
  (line: (elapsed: number) => string) =>
  <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.gen(function* () {
      const { err } = yield* Output
      if (!err.isTerminal) return yield* work
      const start = yield* Clock.currentTimeMillis
      const draw = Effect.gen(function* () {
        const elapsed = (yield* Clock.currentTimeMillis) - start
        const frame = frames[Math.floor(elapsed / 80) % frames.length]
        const text = cut(oneLine(`${frame} ${line(elapsed)}`), (err.columns ?? 80) - 1)
        yield* Effect.ignore(err.write(`${clear}${err.style.dim(text)}`))
      })
      yield* draw
      const drawn = yield* Effect.forkChild(Effect.forever(Effect.andThen(Effect.sleep(80), draw)))
      return yield* Effect.ensuring(work, Effect.andThen(Fiber.interrupt(drawn), Effect.ignore(err.write(clear))))
    })
