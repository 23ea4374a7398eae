/**
 * The examples in the documentation: every `@example` of the sources and every `ts` block of the Markdown files.
 *
 * Each is a module of its own. `console.log(…) //=> text` says what that call prints, as Node prints it, white space
 * aside; a `//=>` on a line by itself belongs to the call before it, and goes on where another one ended. A `//=>` behind
 * anything but a `console.log` call takes the prints that come from no line of the example, in turn. `ts no-run` blocks, and `@example no-run`, are
 * type-checked only.
 *
 *     collect ──▶ write (a folder where the packages resolve) ──▶ run (a child process per document)
 */
import { fork } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Outcome, Task } from "./run-examples.ts"
import * as Source from "./Source.ts"
import * as Workspace from "./Workspace.ts"

/** What a line of an example prints. */
export interface Expectation {
  /** The line of the `console.log`, from 1; nothing where the print comes from no line. */
  readonly line: number | undefined
  readonly text: string
}

export interface Example {
  /** Where it is written: `packages/entry/src/EntryId.ts:141`. Unique. */
  readonly name: string
  readonly document: string
  /** The line of the document before the example's first one. */
  readonly offset: number
  readonly code: string
  readonly run: boolean
}

/** A fenced block of a Markdown file. */
export interface Block {
  readonly language: string
  /** What follows the language: `no-run`. */
  readonly flags: ReadonlyArray<string>
  /** The line of the opening fence, from 1. */
  readonly line: number
  readonly code: string
}

/** The fenced blocks of a Markdown text, in order. */
export const blocks = (markdown: string): ReadonlyArray<Block> =>
  [...markdown.matchAll(/^( *)```([^\n`]*)\n([\s\S]*?)^\1```/gm)].map((match) => {
    const [, indent = "", info = "", code = ""] = match
    const [language = "", ...flags] = info.trim().split(/\s+/)
    return {
      language,
      flags,
      line: markdown.slice(0, match.index).split("\n").length,
      code: code.replaceAll(new RegExp(`^${indent}`, "gm"), "")
    }
  })

const fromMarkdown = (document: string): ReadonlyArray<Example> =>
  blocks(Workspace.read(document))
    .filter((block) => block.language === "ts")
    .map(({ code, flags, line }) => ({
      name: `${document}:${line}`,
      document,
      offset: line,
      code,
      run: !flags.includes("no-run")
    }))

/** The `@example`s of a source text: what follows the tag, up to the next tag or the end of the comment. */
const fromSource = (document: string): ReadonlyArray<Example> => {
  const text = Workspace.read(document)
  if (!text.includes("@example")) return []
  const source = Source.parse(document, text)
  const examples: Array<Example> = []
  for (const comment of source.comments) {
    if (comment.type !== "Block" || !comment.value.startsWith("*")) continue
    const lines = comment.value.split("\n").map((line) => line.replace(/^\s*\* ?/, ""))
    const first = source.lineAt(comment.start)
    lines.forEach((line, i) => {
      const tag = /^@example\b(.*)/.exec(line)
      if (tag === null) return
      const end = lines.findIndex((line, j) => j > i && /^@\w/.test(line))
      const body = lines.slice(i + 1, end < 0 ? undefined : end)
      examples.push({
        name: `${document}:${first + i}`,
        document,
        offset: first + i,
        // A fence around the code is blanked, so that the lines keep their numbers.
        code: body.map((line) => (line.startsWith("```") ? "" : line)).join("\n"),
        run: !`${tag[1]} ${body[0]}`.includes("no-run")
      })
    })
  }
  return examples
}

/** Every Markdown file that users read. */
export const documents = (): ReadonlyArray<string> =>
  Workspace.files("*.md", "docs/**/*.md", "{packages,apps,tooling}/*/*.md").filter(
    (path) => !path.endsWith("CHANGELOG.md")
  )

/** Every example of the repository. */
export const collect = (): ReadonlyArray<Example> => [
  ...documents().flatMap(fromMarkdown),
  ...Workspace.files("{packages,apps}/*/src/**/*.ts").flatMap(fromSource)
]

/** What an example says it prints. */
export const expectations = (example: Example): ReadonlyArray<Expectation> => {
  const source = Source.parse(example.name, example.code)
  const calls: Array<{ readonly start: number; readonly end: number }> = []
  Source.visit(source, {
    CallExpression: (call) => {
      if (Source.dotted(call.callee) === "console.log") calls.push(call)
    }
  })
  const found: Array<{ call: object | undefined; line: number | undefined; text: string }> = []
  for (const comment of source.comments) {
    const text = /^=>(.*)/.exec(comment.value)?.[1]
    if (comment.type !== "Line" || text === undefined) continue
    const line = source.lineAt(comment.start)
    const alone = example.code.split("\n")[line - 1]?.trimStart().startsWith("//=>") ?? false
    const call = calls.findLast(({ end }) => end <= comment.start && (alone || source.lineAt(end) === line))
    const last = found.at(-1)
    if (alone && last !== undefined && last.call === call) last.text += ` ${text}`
    else found.push({ call, line: call === undefined ? undefined : source.lineAt(call.start), text })
  }
  return found.map(({ line, text }) => ({ line, text }))
}

/** The file an example is written to. */
export const fileName = (example: Example): string => `${example.name.replaceAll(/[^\w-]+/g, "_")}.ts`

/** Writes the examples into a folder of their own, emptied first, as modules. */
export const write = (dir: string, examples: ReadonlyArray<Example>): void => {
  rmSync(dir, { recursive: true, force: true })
  mkdirSync(dir, { recursive: true })
  for (const example of examples) writeFileSync(join(dir, fileName(example)), example.code)
}

/**
 * Runs written examples, in one child process for each document, two at a time, each example in a working folder of
 * its own. The answer says for each name what went wrong, or nothing.
 */
export const run = async (
  dir: string,
  examples: ReadonlyArray<Example>,
  node = process.execPath
): Promise<ReadonlyMap<string, string | undefined>> => {
  const outcomes = new Map<string, string | undefined>()
  const queue = [...Map.groupBy(examples, (example) => example.document).values()]
  const worker = async () => {
    for (let group = queue.shift(); group !== undefined; group = queue.shift()) {
      const tasks = group.map((example) => ({
        name: example.name,
        file: join(dir, fileName(example)),
        offset: example.offset,
        expectations: expectations(example)
      }))
      for (const { name, problem } of await runGroup(tasks, node)) outcomes.set(name, problem)
    }
  }
  await Promise.all([worker(), worker()])
  return outcomes
}

/** The longest a document's examples may take, in milliseconds. */
const patience = 60_000

const runGroup = (tasks: ReadonlyArray<Task>, node: string): Promise<ReadonlyArray<Outcome>> =>
  new Promise((resolve, reject) => {
    const outcomes: Array<Outcome> = []
    const cwd = mkdtempSync(join(tmpdir(), "heph-examples-"))
    let printed = ""
    const child = fork(fileURLToPath(new URL("run-examples.ts", import.meta.url)), {
      cwd,
      execPath: node,
      execArgv: [],
      stdio: ["ignore", "pipe", "pipe", "ipc"]
    })
    const timer = setTimeout(() => child.kill("SIGKILL"), patience)
    child.stdout?.on("data", (chunk: Buffer) => (printed += chunk.toString()))
    child.stderr?.on("data", (chunk: Buffer) => (printed += chunk.toString()))
    child.on("message", (outcome) => outcomes.push(outcome as Outcome))
    child.on("error", reject)
    child.on("close", (code, signal) => {
      clearTimeout(timer)
      rmSync(cwd, { recursive: true, force: true })
      const unfinished = tasks.slice(outcomes.length)
      for (const { name } of unfinished) {
        outcomes.push({ name, problem: `not finished: its process ended with ${code ?? signal}\n${printed}` })
      }
      resolve(outcomes)
    })
    child.send(tasks)
  })
