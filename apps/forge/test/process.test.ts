import { type ChildProcess, spawn, type SpawnOptions } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Implementations from "@heph/implementations/Implementations"
import * as Storage from "@heph/implementations/Storage"
import * as Effect from "effect/Effect"
import { onTestFinished } from "vitest"
import { folder } from "./support.ts"

const bin = join(import.meta.dirname, "../src/bin.ts")

interface Ended {
  readonly code: number | string
  readonly stdout: string
  readonly stderr: string
}

const start = (cwd: string, args: ReadonlyArray<string>, options: SpawnOptions = {}): ChildProcess => {
  const { HEPH_FORGE_API_KEY: _, HEPH_STORE: __, ...env } = process.env
  const child = spawn(process.execPath, [bin, ...args], { cwd, env, ...options })
  onTestFinished(() => void child.kill("SIGKILL"))
  return child
}

const ended = (child: ChildProcess): Promise<Ended> =>
  new Promise((resolve, reject) => {
    let stdout = ""
    let stderr = ""
    child.stdout!.setEncoding("utf8").on("data", (text: string) => (stdout += text))
    child.stderr!.setEncoding("utf8").on("data", (text: string) => (stderr += text))
    child.on("error", reject)
    child.on("close", (code, signal) => resolve({ code: code ?? signal ?? "", stdout, stderr }))
  })

const forge = (cwd: string, ...args: ReadonlyArray<string>): Promise<Ended> => ended(start(cwd, args))

const versionsIn = (store: string) =>
  Effect.runPromise(
    Effect.flatMap(Implementations.Implementations, (implementations) =>
      Effect.map(implementations.listVersions("forge.bin-packing"), ({ versions }) => versions)
    ).pipe(
      Effect.catchTag("UnknownImplementation", () => Effect.succeed([])),
      Effect.provide(Storage.layer(store, { readOnly: true }))
    )
  )

interface Document {
  readonly tried: number
  readonly settled: number
  readonly best: { readonly id: string; readonly metrics: { readonly excess: number } }
  readonly start: Document["best"]
}

describe("heph-forge", () => {
  it("lists its tasks, and says what is wrong with its arguments", async () => {
    const at = folder()
    const [tasks, none, usage, half, missing] = await Promise.all([
      forge(at, "tasks", "--json"),
      forge(at, "run", "nothing"),
      forge(at, "run", "tour", "--time", "soon"),
      forge(at, "run", "tour", "--model", "m", "--json"),
      forge(at, "best", "tour")
    ])
    expect(tasks).toMatchObject({ code: 0, stderr: "" })
    expect(JSON.parse(tasks.stdout)).toMatchObject({ tasks: [{ name: "bin-packing" }, { name: "tour" }] })
    expect(none).toMatchObject({ code: 1, stdout: "" })
    expect(none.stderr).toMatch(/^error: nothing: there is no task\.json in it/)
    expect(usage).toMatchObject({ code: 2, stdout: "" })
    expect(usage.stderr).toContain("a number with s, m or h")
    expect(half.code).toBe(2)
    expect(JSON.parse(half.stderr)).toMatchObject({ error: { _tag: "InvalidUsage" } })
    expect(missing).toMatchObject({ code: 1, stdout: "" })
    // Nobody asked for a registry.
    expect(existsSync(join(at, "registry"))).toBe(false)
  })

  it("runs, goes on when it is run again, and prints the best", async () => {
    const at = folder()
    const first = await forge(at, "run", "bin-packing", "--rounds", "6", "--seed", "4", "--concurrency", "2")
    expect(first.code).toBe(0)
    expect(first.stdout).toMatch(/^began with {2}forge\.bin-packing:1 {2}excess 5\.695%, held out 5\.875%\n/)
    expect(first.stdout).toMatch(/\n6 candidates, \d of them failed a test, [\d.]+ a second\n$/)
    const second = await forge(at, "run", "bin-packing", "--rounds", "4", "--seed", "4", "--json")
    expect(second.stdout).toMatch(/^[^\n]*\n$/)
    const { best, settled, start, tried } = JSON.parse(second.stdout) as Document
    expect([tried, settled, start.id]).toEqual([4, 0, "forge.bin-packing:1"])
    expect(await versionsIn(join(at, "registry"))).toHaveLength(2 + 6 + 4)
    const [text, json] = await Promise.all([
      forge(at, "best", "bin-packing"),
      forge(at, "best", "bin-packing", "--json")
    ])
    expect(text.stderr).toContain(best.id)
    expect(text.stdout).toMatch(/^[^]*export const priority = [^]*\n$/)
    expect(JSON.parse(json.stdout)).toEqual({ ...best, code: text.stdout })
  })

  it.each(["SIGINT", "SIGKILL"] as const)(
    "loses nothing to %s in the middle, and goes on from there",
    async (signal) => {
      const at = folder()
      // A group of its own, which the signal is for as a terminal's Ctrl-C is: its candidates get it too.
      const child = start(at, ["run", "bin-packing", "--rounds", "500", "--concurrency", "2"], { detached: true })
      const end = ended(child)
      const store = join(at, "registry")
      let before: Awaited<ReturnType<typeof versionsIn>> = []
      // Until the store is made there is nothing to read.
      while (before.length < 8) before = await versionsIn(store).catch(() => [])
      process.kill(-child.pid!, signal)
      expect((await end).code).toBe(signal === "SIGINT" ? 130 : "SIGKILL")

      const stopped = await versionsIn(store)
      expect(stopped.slice(0, before.length).map(({ hash, id }) => [id, hash])).toEqual(
        before.map(({ hash, id }) => [id, hash])
      )
      const { settled, tried } = JSON.parse(
        (await forge(at, "run", "bin-packing", "--rounds", "2", "--json")).stdout
      ) as Document
      expect(tried).toBe(2)
      expect(settled).toBe(stopped.filter(({ metrics, status }) => status !== "failed" && !("score" in metrics)).length)
      const after = await versionsIn(store)
      expect(after.filter(({ status }) => status === "untested")).toEqual([])
      expect(new Set(after.map(({ id }) => id)).size).toBe(stopped.length + 2)
      const results = await Effect.runPromise(
        Effect.flatMap(Implementations.Implementations, (implementations) =>
          Effect.forEach(after, ({ id }) => implementations.testResults(id))
        ).pipe(Effect.provide(Storage.layer(store, { readOnly: true })))
      )
      // What ended the candidates was nothing that they did.
      expect(results.flat().filter(({ message }) => message?.includes(signal))).toEqual([])
    }
  )
})
