/**
 * A judge and a candidate in a process of their own, watched from here.
 *
 *     start ──▶ Listed ──▶ Begun, Ended … of each step ──▶ Measured ──▶ Done
 *       │          └─ no line for longer than a step may take, or too much memory ──▶ killed
 *       └─ Broken: the judge itself
 *
 * The process gets no environment, no files and no network tools of Node, and a heap of its own size. That is there
 * against accidents, which mutation is full of; it is no wall against people who mean harm.
 */
import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Module from "./module.ts"

/** What the process is given, as JSON, on its standard input. */
export interface Request {
  /** Scripts whose values are records of what they export. */
  readonly judge: string
  readonly candidate: string
  readonly data: unknown
  readonly limits: Limits
  /** The names of the steps that are no tests. */
  readonly loading: string
  readonly measuring: string
}

export interface Limits {
  /** In milliseconds, for each test. */
  readonly test: number
  /** In milliseconds, for measuring. */
  readonly measure: number
  /** In MB: of the heap, and of the process beside what Node itself takes. */
  readonly memory: number
}

/** A line of what the process says. */
export const Message = Schema.Union([
  Schema.TaggedStruct("Broken", { reason: Schema.String }),
  Schema.TaggedStruct("Listed", { names: Schema.Array(Schema.String) }),
  Schema.TaggedStruct("Begun", { name: Schema.String }),
  Schema.TaggedStruct("Ended", {
    name: Schema.String,
    /** Why it failed. */
    message: Schema.NullOr(Schema.String),
    /** In milliseconds. */
    duration: Schema.Number
  }),
  Schema.TaggedStruct("Measured", { metrics: Schema.Record(Schema.String, Schema.Number) }),
  Schema.TaggedStruct("Done", {})
])
export type Message = typeof Message.Type

/** All that was said, and why the process ended before it was done, if it did. */
export interface Told {
  readonly messages: ReadonlyArray<Message>
  readonly ended: string | undefined
}

/** No process can be started here. */
export class CannotStart extends Schema.TaggedError<CannotStart>()("CannotStart", {
  program: Schema.String,
  cause: Schema.Defect()
}) {
  override get message(): string {
    return `${this.program} cannot be started to run code in: ${String(this.cause)}`
  }
}

/** What a step may take beyond its time before the process is ended, and Node to start, on a machine with other work. */
const grace = 2000
const starting = 20_000
/** What Node takes before a candidate takes anything, in MB. */
const ownMemory = 128
/** How often memory is looked at, in milliseconds. */
const interval = 20
/** What people end a program with. */
const interruptions: ReadonlyArray<NodeJS.Signals> = ["SIGINT", "SIGTERM", "SIGHUP"]
/** In bytes. */
const mostOutput = 4_000_000
const mostComplaints = 16_000

const decode = Schema.decodeUnknownResult(Schema.fromJsonString(Message))

// Beside this module, and TypeScript where this module is; of that Node runs no text.
const childFile = fileURLToPath(new URL(`sandboxChild${path.extname(import.meta.url)}`, import.meta.url))
let childText: string | undefined
const child = (): string => {
  if (childText !== undefined) return childText
  const text = readFileSync(childFile, "utf8")
  return (childText = childFile.endsWith(".ts")
    ? Result.getOrThrowWith(Module.strip(text), (message) => new Error(message))
    : text)
}

/** Runs it to its end, whatever that is. Interrupted, it ends once the process has. */
export const run = (request: Request): Effect.Effect<Told, CannotStart> =>
  Effect.callback((resume) => {
    const { limits } = request
    const flags = [
      "--permission",
      "--no-warnings",
      "--disallow-code-generation-from-strings",
      `--max-old-space-size=${limits.memory}`,
      "--input-type=module",
      "--eval",
      child()
    ]
    const running = spawn(process.execPath, flags, {
      cwd: tmpdir(),
      // Windows starts nothing without it.
      env: process.env["SystemRoot"] === undefined ? {} : { SystemRoot: process.env["SystemRoot"] },
      stdio: ["pipe", "pipe", "pipe"],
      windowsHide: true
    })
    if (running.pid === undefined) {
      // It has no streams then.
      running.on("error", (cause) => resume(Effect.fail(new CannotStart({ program: process.execPath, cause }))))
      return
    }
    const messages: Array<Message> = []
    let killed: string | undefined
    const kill = (reason: string): void => {
      killed ??= reason
      running.kill("SIGKILL")
    }
    let deadline: NodeJS.Timeout | undefined
    const wait = (time: number): void => {
      clearTimeout(deadline)
      deadline = setTimeout(() => kill(`it did not answer for ${time} ms`), time)
    }
    const memory = setInterval(() => {
      const used = residentOf(running.pid)
      if (used > limits.memory + ownMemory) kill(`it took more than ${limits.memory} MB of memory`)
    }, interval)
    let said = 0
    let rest = ""
    let complaints = ""
    running.stdout.setEncoding("utf8").on("data", (text: string) => {
      said += text.length
      if (said > mostOutput) return kill("it said too much")
      const lines = (rest + text).split("\n")
      rest = lines.pop()!
      for (const line of lines) {
        const message = decode(line)
        if (Result.isFailure(message)) return kill("it said what nobody understands")
        messages.push(message.success)
        const begun = message.success
        wait(
          grace + (begun._tag !== "Begun" ? starting : begun.name === request.measuring ? limits.measure : limits.test)
        )
      }
    })
    running.stderr.setEncoding("utf8").on("data", (text: string) => {
      if (complaints.length < mostComplaints) complaints += text
    })
    // A process that ends before it has read everything closes the pipe.
    running.stdin.on("error", () => {})
    running.stdin.end(JSON.stringify(request))
    wait(starting)
    const stop = (): void => {
      clearTimeout(deadline)
      clearInterval(memory)
    }
    running.on("close", (code, signal) => {
      stop()
      const isDone = messages.at(-1)?._tag === "Done"
      // Ctrl-C is for every process of the terminal: this one is about to hear of it, and nothing is known of the candidate.
      if (!isDone && signal !== null && interruptions.includes(signal)) return resume(Effect.interrupt)
      const ended = isDone ? undefined : (killed ?? reasonOf(complaints, code, signal, limits))
      resume(Effect.succeed({ messages, ended }))
    })
    return Effect.callback<void>((stopped) => {
      if (running.exitCode !== null || running.signalCode !== null) return stopped(Effect.void)
      running.once("close", () => stopped(Effect.void))
      running.kill("SIGKILL")
    })
  })

const reasonOf = (complaints: string, code: number | null, signal: string | null, { memory }: Limits): string =>
  complaints.includes("heap out of memory") || complaints.includes("Reached heap limit")
    ? `it took more than ${memory} MB of memory`
    : `its process ended with ${signal ?? `code ${code}`}`

/** In MB, of a process; 0 where the system does not say, so that only its heap is bounded. */
const residentOf = (pid: number | undefined): number => {
  try {
    const [, size = "0"] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? []
    return Number(size) / 1024
  } catch {
    return 0
  }
}
