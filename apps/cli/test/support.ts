/** The command as people run it, in a process of its own, and as a function of this one. */
import { type ChildProcessWithoutNullStreams, spawn, type SpawnOptionsWithoutStdio } from "node:child_process"
import { hash } from "node:crypto"
import { chownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import * as Effect from "effect/Effect"
import { onTestFinished } from "vitest"
import { run } from "../src/main.ts"
import { Output, type Stream, style } from "../src/Output.ts"

/** The program's file. */
export const bin = join(import.meta.dirname, "../src/bin.ts")

/** What a command printed and ended with. `code` is the signal's name where one ended it. */
export interface Ended {
  readonly code: number | string
  readonly stdout: string
  readonly stderr: string
}

/** A folder that is gone after the test, with these files in it. */
export const folder = (files: Record<string, string | Uint8Array> = {}): string => {
  const made = mkdtempSync(join(tmpdir(), "heph-cli-"))
  onTestFinished(() => rmSync(made, { recursive: true, force: true }))
  write(made, files)
  return made
}

export const write = (at: string, files: Record<string, string | Uint8Array>): void => {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(at, name)), { recursive: true })
    writeFileSync(join(at, name), text)
  }
}

/** A definition file: entries as JSON, which is YAML too. */
export const definitions = (namespace: string, entries: ReadonlyArray<unknown>): string =>
  JSON.stringify({ namespace, entries })

const environment = (extra: NodeJS.ProcessEnv): NodeJS.ProcessEnv => {
  const { FORCE_COLOR: _, HEPH_STORE: __, NO_COLOR: ___, ...rest } = process.env
  return { ...rest, ...extra }
}

/** Starts the command in a folder. */
export const start = (
  cwd: string,
  args: ReadonlyArray<string>,
  options: SpawnOptionsWithoutStdio = {}
): ChildProcessWithoutNullStreams => {
  const child = spawn(process.execPath, [bin, ...args], { ...options, cwd, env: environment(options.env ?? {}) })
  onTestFinished(() => void child.kill("SIGKILL"))
  return child
}

/** What a process that was started prints until it ends. */
export const ended = (child: ChildProcessWithoutNullStreams): Promise<Ended> =>
  new Promise((resolve, reject) => {
    let stdout = ""
    let stderr = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text))
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text))
    child.on("error", reject)
    child.on("close", (code, signal) => resolve({ code: code ?? signal ?? "", stdout, stderr }))
  })

/** Runs the command in a process of its own, in a folder. */
export const heph = (
  cwd: string,
  args: ReadonlyArray<string>,
  options: SpawnOptionsWithoutStdio & { readonly input?: string | Uint8Array } = {}
): Promise<Ended> => {
  const child = start(cwd, args, options)
  // A command that ends before it has read everything closes the pipe.
  child.stdin.on("error", () => {})
  child.stdin.end(options.input)
  return ended(child)
}

/** The only line on standard output, as JSON. */
export const json = ({ code, stderr, stdout }: Ended): unknown => {
  if (code !== 0) throw new Error(`it ended with ${code}: ${stderr}`)
  if (!/^[^\n]*\n$/.test(stdout)) throw new Error(`not one line: ${stdout}`)
  return JSON.parse(stdout)
}

/** Runs a command inside this process, in the folder that `--store` names. `terminal` says how wide one is. */
export const inside = (
  store: string,
  args: ReadonlyArray<string>,
  terminal?: number
): Effect.Effect<Ended & { readonly code: number }> =>
  Effect.gen(function* () {
    const kept = { out: "", err: "" }
    const stream = (name: "out" | "err"): Stream => ({
      isTerminal: terminal !== undefined,
      columns: terminal,
      style: style(terminal !== undefined),
      write: (text) =>
        Effect.sync(() => void (kept[name] += typeof text === "string" ? text : Buffer.from(text).toString()))
    })
    const code = yield* run(["--store", store, ...args]).pipe(
      Effect.provideService(Output, { out: stream("out"), err: stream("err") })
    )
    return { code, stdout: kept.out, stderr: kept.err }
  })

/** Every file below a folder and a digest of it. The `-shm` files are left out: they are shared memory, not data. */
export const contents = (at: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    readdirSync(at, { recursive: true, withFileTypes: true })
      .map((item) => ({ item, path: join(item.parentPath, item.name) }))
      .filter(({ item, path }) => item.isFile() && !path.endsWith("-shm") && statSync(path).size > 0)
      .map(({ path }) => [path, hash("sha256", readFileSync(path))])
  )

/** Runs something as a user who may only do what permissions say, which root is not. Gives them the files of a folder. */
export const asOrdinaryUser = <A, E, R>(at: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
  if (process.geteuid?.() !== 0) return effect
  const nobody = 65_534
  chownSync(at, nobody, nobody)
  for (const name of readdirSync(at, { recursive: true, encoding: "utf8" })) chownSync(join(at, name), nobody, nobody)
  return Effect.acquireUseRelease(
    Effect.sync(() => process.seteuid!(nobody)),
    () => effect,
    () => Effect.sync(() => process.seteuid!(0))
  )
}
