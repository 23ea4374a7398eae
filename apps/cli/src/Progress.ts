/** A line on a terminal's standard error that says what is going on, while it is going on. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { Output } from "./Output.ts"
import { cut, oneLine } from "./Table.ts"

const frames = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"]
const clear = "\r\u001B[2K"

/**
 * Shows what an effect is about for as long as it runs. `label` is asked again for each frame, so that it may count. Work
 * that holds up the process holds up the frames too; the first one is there before it begins.
 */
export const during =
  (label: string | (() => string)) =>
  <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.gen(function* () {
      const { err } = yield* Output
      if (!err.isTerminal) return yield* work
      const start = yield* Clock.currentTimeMillis
      const draw = Effect.gen(function* () {
        const elapsed = (yield* Clock.currentTimeMillis) - start
        const frame = frames[Math.floor(elapsed / 80) % frames.length]
        const text = typeof label === "string" ? label : label()
        const seconds = elapsed < 2000 ? "" : `  ${Math.floor(elapsed / 1000)} s`
        const line = cut(oneLine(`${frame} ${text} …${seconds}`), (err.columns ?? 80) - 1)
        yield* Effect.ignore(err.write(`${clear}${err.style.dim(line)}`))
      })
      yield* draw
      const drawing = yield* Effect.forkChild(Effect.forever(Effect.andThen(Effect.sleep(80), draw)))
      return yield* Effect.ensuring(work, Effect.andThen(Fiber.interrupt(drawing), Effect.ignore(err.write(clear))))
    })
