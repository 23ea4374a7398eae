import { describe, expect, it } from "vitest"
import { definitions, folder, heph, json, start, write } from "./support.ts"

const db = { id: "app:db", kind: "db.sql", meta: {}, data: { file: "main.db" } }
const api = { id: "app:api", kind: "http.service", meta: { depends_on: ["db"], port: 80 }, data: {} }
const old = { id: "app:old", kind: "function.lua", meta: {}, data: { code: "return 1" } }

const input = ({ data, id, kind, meta }: typeof db | typeof api | typeof old) => ({
  name: id.slice(4),
  kind,
  meta,
  ...data
})

/** A folder with a registry of two versions: three entries, then one updated, one of another kind, one deleted. */
const twoVersions = async (): Promise<string> => {
  const at = folder({ "app.yaml": definitions("app", [api, db, old].map(input)) })
  expect(json(await heph(at, ["apply", "app.yaml", "-m", "first", "--json"]))).toEqual({
    version: 1,
    parent: 0,
    created: 3,
    updated: 0,
    deleted: 0
  })
  write(at, {
    "app.yaml": definitions("app", [
      { ...input(api), meta: { depends_on: ["db"], port: 81 } },
      { ...input(db), kind: "db.kv" }
    ])
  })
  expect(json(await heph(at, ["apply", "app.yaml", "--prune", "--json"]))).toEqual({
    version: 2,
    parent: 1,
    created: 1,
    updated: 1,
    deleted: 2
  })
  return at
}

const ops = [
  { op: "delete", id: "app:db", kind: "db.sql" },
  { op: "create", id: "app:db", kind: "db.kv" },
  { op: "update", id: "app:api", kind: "http.service" },
  { op: "delete", id: "app:old", kind: "function.lua" }
]
const byId = (operations: ReadonlyArray<{ readonly op: string; readonly id: string }>) =>
  operations.toSorted((a, b) => (a.id + a.op < b.id + b.op ? -1 : 1))

describe("what --json prints", () => {
  it("plan: operations in their order, cycles, and nothing created", async () => {
    const circle = [
      { name: "a", kind: "k", meta: { depends_on: "b" } },
      { name: "b", kind: "k", meta: { depends_on: "a" } }
    ]
    const at = folder({ "app.yaml": definitions("app", [api, db].map(input)), "circle.yaml": definitions("c", circle) })
    const [plan, cyclic, again] = await Promise.all([
      heph(at, ["plan", "app.yaml", "--json"]),
      heph(at, ["plan", "--json", "circle.yaml"]),
      heph(at, ["status"])
    ])
    expect(json(plan)).toEqual({
      operations: [
        { op: "create", id: "app:db", kind: "db.sql" },
        { op: "create", id: "app:api", kind: "http.service" }
      ],
      cycles: []
    })
    expect(json(cyclic)).toEqual({
      operations: ["c:a", "c:b"].map((id) => ({ op: "create", id, kind: "k" })),
      cycles: [["c:a", "c:b"]]
    })
    // A plan made no registry.
    expect(again).toMatchObject({ code: 1, stdout: "" })
    expect(again.stderr).toMatch(/there is no registry at .*\/registry; heph apply <path> makes one/)
  })

  it("apply, then reading what it made", async () => {
    const at = await twoVersions()
    const reads = [
      ["apply", "app.yaml", "--json"],
      ["plan", "app.yaml", "--prune", "--json"],
      ["get", "app:api", "--json"],
      ["get", "app:api", "--at", "v1", "--json"],
      ["find", ".kind=db.*", "--json"],
      ["find", "meta.port=80", "--at", "1", "--data", "--json"],
      ["log", "--json"],
      ["log", "--limit", "1", "--json"],
      ["show", "--json", "1"],
      ["show", "v2", "--json"],
      ["show", "v0", "--json"],
      ["diff", "v1", "v2", "--json"],
      ["path", "v2", "v0", "--json"],
      ["deps", "app:api", "--json"],
      ["deps", "app:db", "--reverse", "--transitive", "--json"],
      ["status", "--json"],
      ["verify", "--json"],
      ["tag", "--json"]
    ]
    const answers: Array<unknown> = []
    for (let i = 0; i < reads.length; i += 3) {
      const run = reads.slice(i, i + 3).map(async (args) => json(await heph(at, args)))
      answers.push(...(await Promise.all(run)))
    }
    const iso: unknown = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    const v0 = { id: 0, parent: null, timestamp: iso, message: null, created: 0, updated: 0, deleted: 0 }
    const v1 = { id: 1, parent: 0, timestamp: iso, message: "first", created: 3, updated: 0, deleted: 0 }
    const v2 = { id: 2, parent: 1, timestamp: iso, message: null, created: 1, updated: 1, deleted: 2 }
    const newApi = { ...api, meta: { depends_on: ["db"], port: 81 } }
    const newDb = { ...db, kind: "db.kv" }
    expect(answers).toEqual([
      { version: null, parent: 2, created: 0, updated: 0, deleted: 0 },
      { operations: [], cycles: [] },
      newApi,
      api,
      { version: 2, entries: [{ id: "app:db", kind: "db.kv", meta: {} }] },
      { version: 1, entries: [api] },
      { head: 2, versions: [v2, v1, v0] },
      { head: 2, versions: [v2] },
      {
        version: 1,
        parent: 0,
        operations: [db, api, old].map((entry) => ({ op: "create", id: entry.id, entry, original: null }))
      },
      {
        version: 2,
        parent: 1,
        operations: expect.arrayContaining([
          { op: "delete", id: "app:db", entry: null, original: db },
          { op: "create", id: "app:db", entry: newDb, original: null },
          { op: "update", id: "app:api", entry: newApi, original: api },
          { op: "delete", id: "app:old", entry: null, original: old }
        ]) as unknown
      },
      { version: 0, parent: null, operations: [] },
      { operations: expect.any(Array) as unknown, cycles: [] },
      {
        path: [
          { version: 1, direction: "backward" },
          { version: 0, direction: "backward" }
        ]
      },
      { ids: ["app:db"] },
      { ids: ["app:api"] },
      { store: expect.stringMatching(/\/registry$/) as unknown, version: 2, head: 2, last: 2, entries: 2, tags: {} },
      { ok: true, versions: 2, damage: [] },
      { tags: {} }
    ])
    const diff = answers[11] as { readonly operations: ReadonlyArray<(typeof ops)[number]> }
    expect(byId(diff.operations)).toEqual(byId(ops))
    expect((answers[9] as { readonly operations: ReadonlyArray<unknown> }).operations).toHaveLength(4)
  })

  it("moving: tag, checkout, revert, and the same bytes of one state", async () => {
    const at = await twoVersions()
    const at2 = await heph(at, ["export", "--json"])
    expect(json(at2)).toEqual({
      version: 2,
      entries: [
        { ...api, meta: { depends_on: ["db"], port: 81 } },
        { ...db, kind: "db.kv" }
      ]
    })
    expect(json(await heph(at, ["tag", "release", "v1", "--json"]))).toEqual({ version: 1 })
    expect(json(await heph(at, ["tag", "now", "--json"]))).toEqual({ version: 2 })
    expect(json(await heph(at, ["checkout", "v0", "--json"]))).toEqual({ version: 0 })
    expect(json(await heph(at, ["export", "--json"]))).toEqual({ version: 0, entries: [] })
    expect(json(await heph(at, ["checkout", "now", "--json"]))).toEqual({ version: 2 })
    const [tags, back] = await Promise.all([heph(at, ["tag", "--json"]), heph(at, ["export", "--json"])])
    expect(json(tags)).toEqual({ tags: { now: 2, release: 1 } })
    expect(back.stdout).toBe(at2.stdout)
    expect(json(await heph(at, ["revert", "v2", "--json"]))).toEqual({ version: 3 })
    expect(json(await heph(at, ["revert", "v2", "--json"]))).toEqual({ version: null })
    expect(json(await heph(at, ["tag", "--delete", "release", "--json"]))).toEqual({ tags: { now: 2 } })
    const [reverted, first] = await Promise.all([
      heph(at, ["export", "--json"]),
      heph(at, ["export", "--at", "v1", "--json"])
    ])
    expect(reverted.stdout).toBe(first.stdout.replace(`"version":1`, `"version":3`))
  })

  it("values that JSON has no word for", async () => {
    const text = [
      "namespace: app",
      "entries:",
      "  - name: values",
      "    kind: k",
      "    big: 9007199254740993",
      "    huge: 18446744073709551615",
      "    below: -9223372036854775808",
      "    nan: .nan",
      "    up: .inf",
      "    bytes: file://raw",
      `    text: "caf\\u00e9 \\u2028 \\0"`
    ].join("\n")
    const at = folder({ "v.yaml": text, raw: new Uint8Array([0, 255, 1]) })
    expect((await heph(at, ["apply", "-", "--json"], { input: text })).code).toBe(0)
    const { stdout } = await heph(at, ["get", "app:values", "--json"])
    expect(stdout).toContain(`"big":9007199254740993,"huge":18446744073709551615,"below":-9223372036854775808,`)
    expect(stdout).toContain(`"nan":{"$number":"NaN"},"up":{"$number":"Infinity"},"bytes":{"$bytes":"AP8B"}`)
    expect((JSON.parse(stdout) as { readonly data: { readonly text: string } }).data.text).toBe("caf\u00e9 \u2028 \0")
  })

  it("watch: a document a line, each as show prints it, also of another process; 130 when interrupted", async () => {
    const at = await twoVersions()
    const watch = start(at, ["watch", "--from", "v0", "--json"])
    const lines: Array<string> = []
    let rest = ""
    const until = (count: number) =>
      new Promise<void>((resolve) => {
        const look = (text: string) => {
          rest += text
          const parts = rest.split("\n")
          rest = parts.pop() ?? ""
          lines.push(...parts)
          if (lines.length < count) return
          watch.stdout.off("data", look)
          resolve()
        }
        watch.stdout.setEncoding("utf8").on("data", look)
      })
    await until(2)
    const third = until(3)
    write(at, { "more.yaml": definitions("more", [{ name: "x", kind: "k" }]) })
    expect(json(await heph(at, ["apply", "more.yaml", "--json"]))).toMatchObject({ version: 3 })
    await third
    const shown = await Promise.all(["v1", "v2", "v3"].map((version) => heph(at, ["show", version, "--json"])))
    expect(lines).toEqual(shown.map(({ stdout }) => stdout.slice(0, -1)))
    const code = new Promise((resolve) => watch.on("close", resolve))
    watch.kill("SIGINT")
    expect(await code).toBe(130)
    expect(watch.stderr.read()).toBe(null)
  })
})
