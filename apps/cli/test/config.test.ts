import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { folder, heph, json, write } from "./support.ts"

const yaml = (options: Record<string, unknown>) =>
  JSON.stringify({ components: { registry: options, other: { any: 1 } } })

/** Each option with its value and the name of its source. */
const optionsOf = async (cwd: string, args: ReadonlyArray<string> = [], env: NodeJS.ProcessEnv = {}) => {
  const { options } = json(await heph(cwd, ["config", ...args, "--json"], { env })) as {
    readonly options: ReadonlyArray<{
      readonly option: string
      readonly value: unknown
      readonly source: { readonly kind: string; readonly name: string }
    }>
  }
  return Object.fromEntries(options.map(({ option, source, value }) => [option, [value, source.kind, source.name]]))
}

describe("config", () => {
  it("prints the defaults where nothing is set, and creates nothing", async () => {
    const at = folder()
    const options = {
      storage_path: "./registry",
      version_strategy: "incremental",
      compression: true,
      backup_frequency: "daily",
      retention_policy: "forever",
      index_type: "b-tree"
    }
    expect(json(await heph(at, ["config", "--json"]))).toEqual({
      options: Object.entries(options).map(([option, value]) => ({
        option,
        value,
        source: { kind: "default", name: "default" }
      }))
    })
    const people = await heph(at, ["config"])
    expect(people).toMatchObject({ code: 0, stderr: "" })
    expect(people.stdout).toMatch(/^option +value +from\nstorage_path +\.\/registry +default\n/)
    expect(people.stdout.split("\n")).toHaveLength(8)
  })

  it("takes each option from its flag, else its variable, else the file", async () => {
    const at = folder({
      "heph.yaml":
        "components:\n  registry:\n    compression: 3\n    retention_policy: [keep-last-5, 30d]\n    index_type: hash\n"
    })
    const env = { HEPH_COMPRESSION: "false", HEPH_BACKUP_FREQUENCY: "weekly", HEPH_RETENTION_POLICY: "" }
    expect(await optionsOf(at, ["--backup-frequency", "0 3 * * *", "--version-strategy", "semantic"], env)).toEqual({
      storage_path: ["./registry", "default", "default"],
      version_strategy: ["semantic", "flag", "--version-strategy"],
      compression: [false, "environment", "HEPH_COMPRESSION"],
      backup_frequency: ["0 3 * * *", "flag", "--backup-frequency"],
      retention_policy: [["keep-last-5", "30d"], "file", "heph.yaml:4"],
      index_type: ["hash", "file", "heph.yaml:5"]
    })
  })

  it("says where the registry is as every command finds it: --store, settings, HEPH_STORE, ./registry", async () => {
    const at = folder()
    const where = async (args: ReadonlyArray<string>, env: NodeJS.ProcessEnv) => {
      const { storage_path } = await optionsOf(at, args, env)
      const { stderr } = await heph(at, ["status", ...args], { env })
      return [storage_path, /no registry at (\S+);/.exec(stderr)?.[1]]
    }
    const HEPH_STORE = "variable"
    expect(await where([], { HEPH_STORE })).toEqual([["variable", "environment", "HEPH_STORE"], join(at, "variable")])
    write(at, { "heph.yaml": yaml({ storage_path: "file" }) })
    expect(await where([], { HEPH_STORE })).toEqual([["file", "file", "heph.yaml:1"], join(at, "file")])
    expect(await where([], { HEPH_STORE, HEPH_STORAGE_PATH: "option" })).toEqual([
      ["option", "environment", "HEPH_STORAGE_PATH"],
      join(at, "option")
    ])
    expect(await where(["--store", "flag"], { HEPH_STORE, HEPH_STORAGE_PATH: "option" })).toEqual([
      ["flag", "flag", "--store"],
      join(at, "flag")
    ])
  })

  it("refuses what cannot be, with the line, in every command that reads the settings", async () => {
    const at = folder({
      "heph.yaml": "components:\n  registry:\n    index_typ: hash\n    compression: 99\n    storage_path: 7\n"
    })
    const problems = [
      /^error: heph\.yaml:3:5: there is no option "index_typ"; .*did you mean index_type\?$/,
      /^heph\.yaml:4:18: 99 is no compression; .*$/,
      /^heph\.yaml:5:19: 7 is no path; .*$/
    ]
    for (const command of [["config"], ["status"], ["versions"]]) {
      const { code, stderr, stdout } = await heph(at, command)
      expect([code, stdout]).toEqual([1, ""])
      for (const [i, line] of stderr.trimEnd().split("\n").entries()) expect(line).toMatch(problems[i]!)
    }
    const machines = await heph(at, ["config", "--json"])
    expect(JSON.parse(machines.stderr)).toMatchObject({ error: { _tag: "InvalidConfig" } })

    write(at, { "heph.yaml": "components: [\n" })
    expect((await heph(at, ["config"])).stderr).toMatch(/^error: heph\.yaml:\d+:\d+: /)
    write(at, { "heph.yaml": "other: 1" })
    const variable = await heph(at, ["versions"], { env: { HEPH_INDEX_TYPE: "list" } })
    expect([variable.code, variable.stderr]).toEqual([
      1,
      `error: HEPH_INDEX_TYPE: "list" is no index type; write b-tree or hash\n`
    ])
  })

  it("ends with 2 where a flag is wrong", async () => {
    const at = folder()
    const calls: ReadonlyArray<ReadonlyArray<string>> = [
      ["config", "--backup-frequency", "sometimes"],
      ["prune", "--retention-policy", "keep-last-0"],
      ["search", "--index-type", "list"],
      ["register", "x", "--component", "a.b", "--compression", "99"]
    ]
    write(at, { x: "x" })
    for (const args of calls) {
      const { code, stderr, stdout } = await heph(at, args)
      expect([args, code, stdout]).toEqual([args, 2, ""])
      expect(stderr).toContain(args.at(-1))
    }
  })
})
