import { spawn } from "node:child_process"
import { existsSync, openSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { bin, definitions, type Ended, ended, folder, heph, inside, json, start, write } from "./support.ts"

const one = definitions("app", [{ name: "a", kind: "k", meta: { port: 80 } }])
const many = definitions(
  "app",
  Array.from({ length: 3000 }, (_, i) => ({ name: `e${i}`, kind: "k", text: `text ${i} `.repeat(10) }))
)
const apply = (at: string, name: string) =>
  Effect.runPromise(inside(join(at, "registry"), ["apply", join(at, name), "--json"]))

describe("a process", () => {
  it("puts results on standard output, messages on standard error, and no colour in a pipe", async () => {
    const at = folder()
    const applied = await heph(at, ["apply", "-"], { input: one })
    expect(applied).toEqual({
      code: 0,
      stdout: "v1: 1 created, 0 updated, 0 deleted\n+ create  app:a  k\n",
      stderr: ""
    })
    const [got, found, shown] = await Promise.all([
      heph(at, ["get", "app:a", "--json"]),
      heph(at, ["find", "meta.port=80"]),
      // The 1 is the version, and no value of --json.
      heph(at, ["show", "--json", "1"])
    ])
    const entry = { id: "app:a", kind: "k", meta: { port: 80 }, data: {} }
    expect(got).toEqual({ code: 0, stdout: `${JSON.stringify(entry)}\n`, stderr: "" })
    expect(found).toEqual({
      code: 0,
      stdout: "id     kind  meta.port\napp:a  k     80\n",
      stderr: "1 entry at v1\n"
    })
    expect(json(shown)).toEqual({
      version: 1,
      parent: 0,
      operations: [{ op: "create", id: "app:a", entry, original: null }]
    })
  })

  it("ends with 2 on bad usage, and says it as JSON where JSON is asked for", async () => {
    const at = folder()
    const calls: ReadonlyArray<readonly [args: ReadonlyArray<string>, tag: string, message: RegExp]> = [
      [["expor"], "UnknownSubcommand", /"expor".*\s+export/s],
      [["get"], "MissingArgument", /id/],
      [["get", "a:b", "c:d"], "UnexpectedArgument", /c:d/],
      [["get", "a:b", "--limt", "2"], "UnrecognizedOption", /--limt/],
      [["log", "--limit", "x"], "InvalidValue", /--limit/],
      [["log", "--limit", "0"], "InvalidValue", /a whole number from 1 on/],
      [["status", "--store", ""], "InvalidValue", /a folder, or the URL of a store/],
      [["tag", "--delete"], "InvalidUsage", /--delete takes the name/]
    ]
    const answers = calls.flatMap(([args]) => [args, [...args, "--json"]]).map((args) => () => heph(at, args))
    const given: Array<Ended> = []
    for (let i = 0; i < answers.length; i += 4)
      given.push(...(await Promise.all(answers.slice(i, i + 4).map((run) => run()))))
    calls.forEach(([, tag, message], i) => {
      const [people, machines] = [given[2 * i]!, given[2 * i + 1]!]
      expect(people).toMatchObject({ code: 2, stdout: "" })
      expect(people.stderr).toMatch(/^error: /)
      expect(people.stderr).toMatch(message)
      expect(machines).toMatchObject({ code: 2, stdout: "" })
      expect(JSON.parse(machines.stderr)).toEqual({
        error: { _tag: tag, message: expect.stringMatching(message) as unknown }
      })
    })
  })

  it("helps: without arguments, with --help and by completions, and creates nothing", async () => {
    const at = folder()
    const [bare, help, find, version, completions] = await Promise.all([
      heph(at, []),
      heph(at, ["--help"]),
      heph(at, ["find", "--help"]),
      heph(at, ["--version"]),
      heph(at, ["--completions", "bash"])
    ])
    expect(bare).toEqual(help)
    expect(help).toMatchObject({ code: 0, stderr: "" })
    const commands = (
      "plan apply get find log show diff path checkout revert tag deps watch export verify status " +
      "register versions code compare lineage search record prune stats config import"
    ).split(" ")
    for (const command of commands) expect(help.stdout).toMatch(new RegExp(`^  ${command} `, "m"))
    expect(find.stdout).toContain("heph find '.kind=function.*' '^.name=user'")
    expect(version.stdout).toMatch(/^heph \d+\.\d+\.\d+\n$/)
    expect(completions.stdout).toContain("checkout")
    expect(existsSync(join(at, "registry"))).toBe(false)
  })

  it("ends without a word when nobody reads on", async () => {
    const at = folder({ "many.yaml": many })
    await apply(at, "many.yaml")
    const child = start(at, ["export"])
    const end = ended(child)
    child.stdout.once("data", () => child.stdout.destroy())
    expect(await end).toMatchObject({ code: 0, stderr: "" })
  })

  // Only Linux has a device that is always full.
  it.skipIf(!existsSync("/dev/full"))("says when its output cannot be written", async () => {
    const at = folder({ "one.yaml": one })
    await apply(at, "one.yaml")
    const full = openSync("/dev/full", "w")
    const child = spawn(process.execPath, [bin, "export"], { cwd: at, stdio: ["ignore", full, "pipe"] })
    let stderr = ""
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text))
    expect(await new Promise((resolve) => child.on("close", resolve))).toBe(1)
    expect(stderr).toMatch(/^error: standard output cannot be written: ENOSPC.*\n$/)
  })

  it("colours where it is told to, and nowhere where it is told not to", async () => {
    const at = folder({ "one.yaml": one })
    await apply(at, "one.yaml")
    const [forced, refused] = await Promise.all([
      heph(at, ["log"], { env: { FORCE_COLOR: "1" } }),
      heph(at, ["get", "no"], { env: { NO_COLOR: "1" } })
    ])
    expect(forced.stdout).toContain("\u001B[")
    expect(refused.stderr).toMatch(/^error: "no" is not/)
  })

  it("finds its registry: --store, else heph.yaml, else HEPH_STORE, else ./registry", async () => {
    const at = folder({ "one.yaml": one })
    const storeOf = async (args: ReadonlyArray<string>, env: NodeJS.ProcessEnv = {}) => {
      const { stderr } = await heph(at, ["status", ...args], { env })
      return /no registry at (\S+);/.exec(stderr)?.[1] ?? stderr
    }
    expect(await storeOf([])).toBe(join(at, "registry"))
    expect(await storeOf([], { HEPH_STORE: "variable" })).toBe(join(at, "variable"))
    write(at, { "heph.yaml": "components:\n  registry:\n    storage_path: ./file\n  other: 1\n" })
    expect(await storeOf([], { HEPH_STORE: "variable" })).toBe(join(at, "file"))
    expect(await storeOf(["--store", "/flag"])).toBe("/flag")
    write(at, { "heph.yaml": "components:\n  registry:\n    storage_path: 7\n" })
    expect(await storeOf([])).toBe("error: heph.yaml:3:19: 7 is no path; write the path of a folder, as text\n")
    write(at, { "heph.yaml": "components: [\n" })
    expect(await storeOf([])).toMatch(/^error: heph\.yaml:\d+:\d+: .*\n$/)
  })

  it("watches: a document a line, each as show prints it, also of another process; interrupted, it ends with 130", async () => {
    const at = folder({ "one.yaml": one, "many.yaml": many })
    await apply(at, "one.yaml")
    const watch = start(at, ["watch", "--from", "v0", "--json"])
    const errors: Array<string> = []
    watch.stderr.setEncoding("utf8").on("data", (text: string) => errors.push(text))
    const lines: Array<string> = []
    let rest = ""
    let wake = () => {}
    watch.stdout.setEncoding("utf8").on("data", (text: string) => {
      const parts = `${rest}${text}`.split("\n")
      rest = parts.pop() ?? ""
      lines.push(...parts)
      wake()
    })
    const until = (count: number) =>
      new Promise<void>((resolve) => {
        wake = () => void (lines.length >= count && resolve())
        wake()
      })
    await until(1)
    // The writer is another process, and gone by the time that the line comes.
    expect(json(await heph(at, ["apply", "many.yaml", "--json"]))).toMatchObject({ version: 2 })
    await until(2)
    const shown = await Promise.all(["v1", "v2"].map((version) => heph(at, ["show", version, "--json"])))
    expect(lines).toEqual(shown.map(({ stdout }) => stdout.slice(0, -1)))
    const code = new Promise((resolve) => watch.on("close", resolve))
    watch.kill("SIGINT")
    expect(await code).toBe(130)
    expect(errors).toEqual([])
  })

  it("interrupted while it reads standard input, ends with 130 and has created nothing", async () => {
    const at = folder()
    const child = start(at, ["apply", "-"])
    const end = ended(child)
    // More than a pipe holds: when all of it is written, the command is reading.
    await new Promise((resolve) => child.stdin.write(`namespace: app\n${"# \n".repeat(1e6)}`, resolve))
    child.kill("SIGINT")
    expect(await end).toEqual({ code: 130, stdout: "", stderr: "" })
    expect(existsSync(join(at, "registry"))).toBe(false)
  })

  it("applies beside others at once, on a registry that nobody made before, and nothing is lost", async () => {
    const names = ["a", "b", "c", "d"]
    const at = folder(
      Object.fromEntries(names.map((name) => [`${name}.yaml`, definitions(name, [{ name: "x", kind: "k" }])]))
    )
    const applied = await Promise.all(names.map((name) => heph(at, ["apply", `${name}.yaml`, "--json"])))
    const versions = applied.map((answer) => (json(answer) as { readonly version: number }).version)
    expect(versions.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4])
    const store = join(at, "registry")
    const found = json(await Effect.runPromise(inside(store, ["find", "--json"]))) as {
      readonly entries: ReadonlyArray<{ readonly id: string }>
    }
    expect(found.entries.map(({ id }) => id)).toEqual(names.map((name) => `${name}:x`))
    expect(json(await Effect.runPromise(inside(store, ["verify", "--json"])))).toEqual({
      ok: true,
      versions: 4,
      contents: 0,
      damage: []
    })
  })
})
