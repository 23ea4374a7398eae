import { execFile } from "node:child_process"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { folder, inside, json } from "./support.ts"

const demo = join(import.meta.dirname, "../src/demo.ts")

const start = (cwd: string, changed: NodeJS.ProcessEnv = {}, ...args: ReadonlyArray<string>) =>
  new Promise<{ readonly code: number | string; readonly stdout: string; readonly stderr: string }>((resolve) => {
    const { HEPH_STORE: _, FORCE_COLOR: __, ...env } = process.env
    execFile(process.execPath, [demo, ...args], { cwd, env: { ...env, ...changed } }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : (error.code ?? 1), stdout, stderr })
    })
  })

describe("npm start", () => {
  it("shows the product on the examples and on its own code, and is safe to run twice", async () => {
    const at = folder()
    const store = join(at, "registry")
    const read = (...args: ReadonlyArray<string>) => Effect.runPromise(inside(store, [...args, "--json"]))
    const first = await start(at)
    expect(first).toMatchObject({ code: 0, stderr: "" })
    const log = json(await read("log")) as { readonly head: number }
    const { operations } = json(await read("show", "v1")) as { readonly operations: ReadonlyArray<unknown> }
    const entries = operations.length
    expect(entries).toBeGreaterThanOrEqual(150)
    const commands = ["plan", "apply", "log", "find", "deps", "checkout v0", "status", "checkout v1", "verify"]
    const ofCode = ["versions", "lineage", "search"]
    for (const command of [...commands, ...ofCode])
      expect(first.stdout).toMatch(new RegExp(`^\\$ heph ${command}\\b`, "m"))
    expect(first.stdout).toContain(`Plan: ${entries} to create, 0 to update, 0 to delete.`)
    expect(first.stdout).toContain(`v1: ${entries} created, 0 updated, 0 deleted`)
    expect(first.stdout).toContain("From v1 to v0: 0 entries.")
    expect(first.stdout).toContain(`From v0 to v1: ${entries} entries.`)
    expect(first.stdout).toMatch(/What to try next\n.*heph/)
    // Every query finds something to show.
    expect(first.stdout).not.toMatch(/\b0 (entries|versions) at|depends on nothing|nothing depends/)
    const state = await read("export")

    const second = await start(at)
    expect(second).toMatchObject({ code: 0, stderr: "" })
    expect(second.stdout).toContain("Nothing to do:")
    expect(json(await read("log"))).toEqual(log)
    expect(await read("export")).toEqual(state)
  })

  it("shows a sample where there is no git to read the repository with", async () => {
    const at = folder()
    const store = join(at, "registry")
    for (const round of [1, 2]) {
      const { code, stderr, stdout } = await start(at, { PATH: at })
      expect({ code, stderr }, `round ${round}`).toEqual({ code: 0, stderr: "" })
      expect(stdout).not.toContain("import git")
      expect(stdout).toMatch(/^\$ heph compare sample\.median:2 sample\.median:3$/m)
    }
    const { versions } = json(await Effect.runPromise(inside(store, ["versions", "sample.median", "--json"]))) as {
      readonly versions: ReadonlyArray<{ readonly metrics: unknown }>
    }
    expect(versions.map(({ metrics }) => metrics)).toEqual([{ speed: 1 }, { speed: 2.4 }, { speed: 6.1 }])
  })

  it("says how to run a command when it is given one", async () => {
    expect(await start(folder(), {}, "status")).toEqual({
      code: 2,
      stdout: "",
      stderr: "npm start takes no arguments. To run a command: npx heph --help\n"
    })
  })
})
