/** The child process of {@link file://./Examples.ts}: imports the examples it is sent, one after another. */
import { mkdtempSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { format, inspect } from "node:util"
import type { Expectation } from "./Examples.ts"

export interface Task {
  readonly name: string
  readonly file: string
  readonly offset: number
  readonly expectations: ReadonlyArray<Expectation>
}

export interface Outcome {
  readonly name: string
  /** What is wrong, for a person, or nothing. */
  readonly problem: string | undefined
}

/** How long an example that has run may take to print what it still owes, in milliseconds. */
const patience = 3_000

const normal = (text: string): string => text.replaceAll(/\s+/g, " ").trim()

/** The line of `url` that the running call comes from, if it is on the stack. */
const callingLine = (url: string): number | undefined => {
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 50
  const stack = new Error("where").stack ?? ""
  Error.stackTraceLimit = limit
  const at = stack.indexOf(`${url}:`)
  return at < 0 ? undefined : Number.parseInt(stack.slice(at + url.length + 1), 10)
}

const runTask = async (task: Task): Promise<string | undefined> => {
  const url = pathToFileURL(task.file).href
  const byLine = new Map<number, string>()
  const elsewhere: Array<string> = []
  const failures: Array<unknown> = []
  const log = console.log
  const onFailure = (cause: unknown) => failures.push(cause)
  console.log = (...args: ReadonlyArray<unknown>) => {
    const line = callingLine(url)
    if (line === undefined) elsewhere.push(format(...args))
    else byLine.set(line, `${byLine.get(line) ?? ""} ${format(...args)}`)
  }
  process.on("unhandledRejection", onFailure)
  process.on("uncaughtException", onFailure)
  const check = (): { readonly problem: string | undefined; readonly final: boolean } => {
    const free = elsewhere.values()
    for (const { line, text } of task.expectations) {
      const printed = normal((line === undefined ? free.next().value : byLine.get(line)) ?? "")
      const expected = normal(text)
      if (printed === expected) continue
      const where = line === undefined ? "a line" : `line ${task.offset + line}`
      const problem = `${where} printed${printed === "" ? " nothing" : `: ${printed}`}\nexpected: ${expected}`
      return { problem, final: !expected.startsWith(printed) }
    }
    return { problem: undefined, final: true }
  }
  try {
    await import(url)
    const start = performance.now()
    // At least one turn, in which a rejection that nobody handles comes up.
    do await new Promise((resolve) => setTimeout(resolve, 1))
    while (!check().final && failures.length === 0 && performance.now() - start < patience)
  } catch (cause) {
    failures.push(cause)
  } finally {
    console.log = log
    process.off("unhandledRejection", onFailure)
    process.off("uncaughtException", onFailure)
  }
  return failures.length > 0 ? failures.map((cause) => inspect(cause)).join("\n") : check().problem
}

const runAll = async (tasks: ReadonlyArray<Task>): Promise<void> => {
  const home = process.cwd()
  for (const task of tasks) {
    process.chdir(mkdtempSync(join(home, "example-")))
    const problem = await runTask(task)
    await new Promise((resolve) => process.send?.({ name: task.name, problem } satisfies Outcome, resolve))
  }
  process.exit()
}

process.once("message", (tasks) => void runAll(tasks as ReadonlyArray<Task>))
