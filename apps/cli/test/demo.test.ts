import { execFile } from "node:child_process"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { folder, inside, json } from "./support.ts"

const demo = join(import.meta.dirname, "../src/demo.ts")

const start = (cwd: string, ...args: ReadonlyArray<string>) =>
  new Promise<{ readonly code: number | string; readonly stdout: string; readonly stderr: string }>((resolve) => {
    const { HEPH_STORE: _, FORCE_COLOR: __, ...env } = process.env
    execFile(process.execPath, [demo, ...args], { cwd, env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : (error.code ?? 1), stdout, stderr })
    })
  })

describe("npm start", () => {
  it("shows the product on the examples, and is safe to run twice", async () => {
    const at = folder()
    const store = join(at, "registry")
    const read = (...args: ReadonlyArray<string>) => Effect.runPromise(inside(store, [...args, "--json"]))
    const first = await start(at)
    expect(first).toMatchObject({ code: 0, stderr: "" })
    const log = json(await read("log")) as { readonly head: number; readonly versions: ReadonlyArray<unknown> }
    expect(log).toMatchObject({ head: 1, versions: [{ id: 1 }, { id: 0 }] })
    const { entries } = json(await read("status")) as { readonly entries: number }
    expect(entries).toBeGreaterThanOrEqual(150)
    const commands = ["plan", "apply", "log", "find", "deps", "checkout v0", "status", "checkout v1", "verify"]
    for (const command of commands) expect(first.stdout).toMatch(new RegExp(`^\\$ heph ${command}\\b`, "m"))
    expect(first.stdout).toContain(`Plan: ${entries} to create, 0 to update, 0 to delete.`)
    expect(first.stdout).toContain(`v1: ${entries} created, 0 updated, 0 deleted`)
    expect(first.stdout).toContain("From v1 to v0: 0 entries.")
    expect(first.stdout).toContain(`From v0 to v1: ${entries} entries.`)
    expect(first.stdout).toMatch(/What to try next\n.*heph/)
    // Every query finds something to show.
    expect(first.stdout).not.toMatch(/\b0 entries at|depends on nothing|nothing depends/)
    const state = await read("export")

    const second = await start(at)
    expect(second).toMatchObject({ code: 0, stderr: "" })
    expect(second.stdout).toContain(`Nothing to do: v1 has it all (${entries} entries of`)
    expect(second.stdout).toContain(`From v0 to v1: ${entries} entries.`)
    expect(json(await read("log"))).toEqual(log)
    expect(await read("export")).toEqual(state)
  })

  it("says how to run a command when it is given one", async () => {
    expect(await start(folder(), "status")).toEqual({
      code: 2,
      stdout: "",
      stderr: "npm start takes no arguments. To run a command: npx heph --help\n"
    })
  })
})
