/**
 * Where a command writes: results on standard output, messages and progress on standard error. A command that is run
 * inside another program, as the demonstration does, is given other streams.
 */
import { styleText } from "node:util"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** Whoever reads the output has gone, as `head` does when it has enough. Nothing is wrong, and nobody to tell. */
export class OutputClosed extends Schema.TaggedError<OutputClosed>()("OutputClosed", {}) {}

/** The output cannot be written, as on a full disk. What the command did to the registry is done. */
export class OutputFailed extends Schema.TaggedError<OutputFailed>()("OutputFailed", { reason: Schema.String }) {
  override get message(): string {
    return `standard output cannot be written: ${this.reason}`
  }
}

export interface Stream {
  /** Succeeds when the text is handed over, so that a slow reader slows the command down. Bytes go out as they are. */
  readonly write: (text: string | Uint8Array) => Effect.Effect<void, OutputClosed | OutputFailed>
  readonly isTerminal: boolean
  /** How many columns lines may have; no limit where it is no terminal. */
  readonly columns: number | undefined
  readonly style: Style
}

export interface Streams {
  readonly out: Stream
  readonly err: Stream
}

/** Marks text for people, or leaves it as it is where there is no colour. */
export interface Style {
  readonly bold: (text: string) => string
  readonly dim: (text: string) => string
  readonly red: (text: string) => string
  readonly green: (text: string) => string
  readonly yellow: (text: string) => string
  readonly cyan: (text: string) => string
}

const marker =
  (format: keyof Style, isColoured: boolean) =>
  (text: string): string =>
    isColoured && text !== "" ? styleText(format, text, { validateStream: false }) : text

/** The marks of a stream with colour, or of one without. */
export const style = (isColoured: boolean): Style => ({
  bold: marker("bold", isColoured),
  dim: marker("dim", isColoured),
  red: marker("red", isColoured),
  green: marker("green", isColoured),
  yellow: marker("yellow", isColoured),
  cyan: marker("cyan", isColoured)
})

/** Whether a stream gets colour: `NO_COLOR` says no, `FORCE_COLOR` yes, else a terminal does. */
export const isColoured = (isTerminal: boolean, environment: NodeJS.ProcessEnv): boolean => {
  const { FORCE_COLOR: force = "", NO_COLOR: no = "", TERM: term } = environment
  if (no !== "") return false
  return /^(?:0|false)?$/i.test(force) ? isTerminal && term !== "dumb" : true
}

const fromNode = (stream: NodeJS.WriteStream): Stream => {
  // A failed write is told to whoever wrote; without a listener it would end the process too.
  stream.on("error", () => {})
  const isTerminal = stream.isTTY
  return {
    isTerminal,
    get columns() {
      // A terminal that does not know its size says 0.
      return isTerminal ? stream.columns || 80 : undefined
    },
    style: style(isColoured(isTerminal, process.env)),
    write: (text) =>
      Effect.callback((resume) => {
        stream.write(text, (error: NodeJS.ErrnoException | null | undefined) => {
          if (error === null || error === undefined) resume(Effect.void)
          else if (error.code === "EPIPE" || error.code === "ERR_STREAM_DESTROYED")
            resume(Effect.fail(new OutputClosed()))
          else resume(Effect.fail(new OutputFailed({ reason: error.message })))
        })
      })
  }
}

/** The streams of this fiber; those of the process unless others are provided. */
export const Output: Context.Reference<Streams> = Context.Reference("@heph/cli/Output", {
  defaultValue: () => ({ out: fromNode(process.stdout), err: fromNode(process.stderr) })
})

/** Writes a result. A line break is added. */
export const print = (text: string): Effect.Effect<void, OutputClosed | OutputFailed> =>
  Effect.flatMap(Output, ({ out }) => out.write(`${text}\n`))

/** Writes a message for people, on standard error. Nobody can be told where that fails. */
export const note = (text: string): Effect.Effect<void> =>
  Effect.flatMap(Output, ({ err }) => Effect.ignore(err.write(`${text}\n`)))

/** The text with its control characters spelled out, so that no stored text moves a cursor or rings a bell. */
export const printable = (text: string): string =>
  text.replace(
    // eslint-disable-next-line no-control-regex
    /[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u2028-\u202E\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
  )
