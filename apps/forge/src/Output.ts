/** Where a command writes: results on standard output, what goes on meanwhile on standard error. */
import { styleText } from "node:util"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"

/** Standard output cannot be written. `isClosed`: whoever read it has gone, and nothing is wrong. */
export class OutputFailed extends Schema.TaggedError<OutputFailed>()("OutputFailed", {
  reason: Schema.String,
  isClosed: Schema.Boolean
}) {
  override get message(): string {
    return `standard output cannot be written: ${this.reason}`
  }
}

export interface Stream {
  readonly write: (text: string) => Effect.Effect<void, OutputFailed>
  readonly isTerminal: boolean
  readonly columns: number
}

const fromNode = (stream: NodeJS.WriteStream): Stream => {
  // A failed write is told to whoever wrote; without a listener it would end the process too.
  stream.on("error", () => {})
  return {
    isTerminal: stream.isTTY,
    get columns() {
      return stream.columns || 80
    },
    write: (text) =>
      Effect.callback((resume) => {
        stream.write(text, (error: NodeJS.ErrnoException | null | undefined) => {
          const isClosed = error?.code === "EPIPE" || error?.code === "ERR_STREAM_DESTROYED"
          resume(error ? Effect.fail(new OutputFailed({ reason: error.message, isClosed })) : Effect.void)
        })
      })
  }
}

/** The streams of this fiber; those of the process unless others are provided. */
export const Output: Context.Reference<{ readonly out: Stream; readonly err: Stream }> = Context.Reference(
  "@heph/forge/Output",
  { defaultValue: () => ({ out: fromNode(process.stdout), err: fromNode(process.stderr) }) }
)

/** Writes a result. A line break is added. */
export const print = (text: string): Effect.Effect<void, OutputFailed> =>
  Effect.flatMap(Output, ({ out }) => out.write(`${text}\n`))

/** Writes a message for people, on standard error. Nobody can be told where that fails. */
export const note = (text: string): Effect.Effect<void> =>
  Effect.flatMap(Output, ({ err }) => Effect.ignore(err.write(`${err.isTerminal ? clear : ""}${text}\n`)))

const frames = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"]
const clear = "\r\u001B[2K"

/** Shows a line on a terminal for as long as an effect runs. `label` is asked again for each frame. */
export const during =
  (label: () => string) =>
  <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.gen(function* () {
      const { err } = yield* Output
      if (!err.isTerminal) return yield* work
      const draw = Effect.gen(function* () {
        const frame = frames[Math.floor((yield* Clock.currentTimeMillis) / 80) % frames.length]
        const line = `${frame} ${label()}`.slice(0, err.columns - 1)
        yield* Effect.ignore(err.write(`${clear}${styleText("dim", line, { validateStream: false })}`))
      })
      const drawing = yield* Effect.forkChild(Effect.forever(Effect.andThen(draw, Effect.sleep(80))))
      return yield* Effect.ensuring(work, Effect.andThen(Fiber.interrupt(drawing), Effect.ignore(err.write(clear))))
    })
