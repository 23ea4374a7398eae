import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stack from "../src/stack.ts"
import * as Store from "../src/Store.ts"
import { definitions, folder, inside, json, write } from "./support.ts"

const db = { id: "app:db", kind: "db.sql", meta: {}, data: { file: "main.db" } }
const api = { id: "app:api", kind: "http.service", meta: { depends_on: ["db"], port: 80 }, data: {} }
const old = { id: "app:old", kind: "function.lua", meta: {}, data: { code: "return 1" } }
const newApi = { ...api, meta: { depends_on: ["db"], port: 81 } }
const newDb = { ...db, kind: "db.kv" }

const input = ({ data, id, kind, meta }: typeof db | typeof api | typeof old) => ({
  name: id.slice(4),
  kind,
  meta,
  ...data
})

/** A folder, and commands on the registry in it that print JSON. */
const registry = () => {
  const at = folder()
  const heph = (...args: ReadonlyArray<string>) => inside(join(at, "registry"), [...args, "--json"])
  return {
    at,
    heph,
    ask: (...args: ReadonlyArray<string>) => Effect.map(heph(...args), json),
    put: (name: string, text: string) => {
      write(at, { [name]: text })
      return join(at, name)
    }
  }
}

/** A registry of two versions: three entries, then one updated, one of another kind, one deleted. */
const twoVersions = Effect.gen(function* () {
  const it = registry()
  const { ask, put } = it
  const app = put("app.yaml", definitions("app", [api, db, old].map(input)))
  const first = yield* ask("apply", app, "-m", "first")
  put("app.yaml", definitions("app", [newApi, newDb].map(input)))
  const second = yield* ask("apply", app, "--prune")
  return { ...it, app, first, second }
})

const sorted = (operations: ReadonlyArray<{ readonly op: string; readonly id: string }>) =>
  operations.toSorted((a, b) => (a.id + a.op < b.id + b.op ? -1 : 1))

describe("what --json prints", () => {
  it.effect("plan: operations in their order, cycles, and nothing created", () =>
    Effect.gen(function* () {
      const { ask, heph, put } = registry()
      const app = put("app.yaml", definitions("app", [api, db].map(input)))
      const names = ["a", "b"]
      const circle = names.map((name, i) => ({ name, kind: "k", meta: { depends_on: names[1 - i] } }))
      expect(yield* ask("plan", app)).toEqual({
        operations: [
          { op: "create", id: "app:db", kind: "db.sql" },
          { op: "create", id: "app:api", kind: "http.service" }
        ],
        cycles: []
      })
      expect(yield* ask("plan", put("c.yaml", definitions("c", circle)))).toEqual({
        operations: ["c:a", "c:b"].map((id) => ({ op: "create", id, kind: "k" })),
        cycles: [["c:a", "c:b"]]
      })
      expect((yield* heph("status")).code).toBe(1)
    })
  )

  it.effect("apply: the version, the one before it, and counts", () =>
    Effect.gen(function* () {
      const { app, ask, first, second } = yield* twoVersions
      expect(first).toEqual({ version: 1, parent: 0, created: 3, updated: 0, deleted: 0 })
      // A change of kind is one deleted and one created.
      expect(second).toEqual({ version: 2, parent: 1, created: 1, updated: 1, deleted: 2 })
      expect(yield* ask("apply", app)).toEqual({ version: null, parent: 2, created: 0, updated: 0, deleted: 0 })
      expect(yield* ask("plan", app, "--prune")).toEqual({ operations: [], cycles: [] })
    })
  )

  it.effect("get and find", () =>
    Effect.gen(function* () {
      const { ask } = yield* twoVersions
      expect(yield* ask("get", "app:api")).toEqual(newApi)
      expect(yield* ask("get", "app:api", "--at", "v1")).toEqual(api)
      expect(yield* ask("find")).toEqual({
        version: 2,
        entries: [newApi, newDb].map(({ id, kind, meta }) => ({ id, kind, meta }))
      })
      expect(yield* ask("find", "meta.port=80", "--at", "1", "--data")).toEqual({ version: 1, entries: [api] })
      expect(yield* ask("find", ".ns=app", "--at", "v1", "--sort", ".name", "--desc", "--limit", "1")).toEqual({
        version: 1,
        entries: [{ id: old.id, kind: old.kind, meta: {} }]
      })
    })
  )

  it.effect("log", () =>
    Effect.gen(function* () {
      const { ask } = yield* twoVersions
      const timestamp = "1970-01-01T00:00:00.000Z"
      const v0 = { id: 0, parent: null, timestamp, message: null, created: 0, updated: 0, deleted: 0 }
      const v1 = { id: 1, parent: 0, timestamp, message: "first", created: 3, updated: 0, deleted: 0 }
      const v2 = { id: 2, parent: 1, timestamp, message: null, created: 1, updated: 1, deleted: 2 }
      expect(yield* ask("log")).toEqual({ head: 2, versions: [v2, v1, v0] })
      expect(yield* ask("log", "--limit", "2")).toEqual({ head: 2, versions: [v2, v1] })
    })
  )

  it.effect("log of more versions than are read at once: all of them, once each", () =>
    Effect.gen(function* () {
      const { ask, at } = registry()
      const store = join(at, "registry")
      mkdirSync(store)
      const count = 1005
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { apply } = yield* Stack.registry(yield* Store.locate(store), { readOnly: false })
          for (let i = 0; i < count; i++) yield* apply([{ op: "create", entry: { id: `app:e${i}`, kind: "k" } }])
        })
      )
      const { versions } = (yield* ask("log")) as { readonly versions: ReadonlyArray<{ readonly id: number }> }
      expect(versions.map(({ id }) => id)).toEqual(Array.from({ length: count + 1 }, (_, i) => count - i))
      const people = yield* inside(store, ["log"])
      expect(people.stdout.match(/^[* ] v\d+/gm)).toHaveLength(count + 1)
      expect(people.stdout.match(/^version/gm)).toHaveLength(1)
      expect(yield* ask("log", "--limit", "1003")).toMatchObject({ versions: { length: 1003 } })
    })
  )

  it.effect("show and diff", () =>
    Effect.gen(function* () {
      const { ask } = yield* twoVersions
      expect(yield* ask("show", "v1")).toEqual({
        version: 1,
        parent: 0,
        operations: [db, api, old].map((entry) => ({ op: "create", id: entry.id, entry, original: null }))
      })
      const second = (yield* ask("show", "2")) as { readonly operations: ReadonlyArray<{ op: string; id: string }> }
      expect({ ...second, operations: sorted(second.operations) }).toEqual({
        version: 2,
        parent: 1,
        operations: [
          { op: "update", id: "app:api", entry: newApi, original: api },
          { op: "create", id: "app:db", entry: newDb, original: null },
          { op: "delete", id: "app:db", entry: null, original: db },
          { op: "delete", id: "app:old", entry: null, original: old }
        ]
      })
      expect(yield* ask("show", "v0")).toEqual({ version: 0, parent: null, operations: [] })
      const diff = (yield* ask("diff", "v2", "v1")) as typeof second
      expect({ ...diff, operations: sorted(diff.operations) }).toEqual({
        operations: [
          { op: "update", id: "app:api", kind: "http.service" },
          { op: "create", id: "app:db", kind: "db.sql" },
          { op: "delete", id: "app:db", kind: "db.kv" },
          { op: "create", id: "app:old", kind: "function.lua" }
        ],
        cycles: []
      })
    })
  )

  it.effect("path", () =>
    Effect.gen(function* () {
      const { app, ask } = yield* twoVersions
      yield* ask("checkout", "v1")
      expect(yield* ask("apply", app)).toMatchObject({ version: 3, parent: 1 })
      expect(yield* ask("path", "v2", "head")).toEqual({
        path: [
          { version: 1, direction: "backward" },
          { version: 3, direction: "forward" }
        ]
      })
      expect(yield* ask("path", "v2", "2")).toEqual({ path: [] })
    })
  )

  it.effect("checkout, revert and tag, and the same bytes of one state", () =>
    Effect.gen(function* () {
      const { ask, heph } = yield* twoVersions
      const before = yield* heph("export")
      expect(json(before)).toEqual({ version: 2, entries: [newApi, newDb] })
      expect(yield* ask("tag", "release", "v1")).toEqual({ version: 1 })
      expect(yield* ask("tag", "now")).toEqual({ version: 2 })
      expect(yield* ask("checkout", "v0")).toEqual({ version: 0 })
      expect(yield* ask("export")).toEqual({ version: 0, entries: [] })
      expect(yield* ask("checkout", "now")).toEqual({ version: 2 })
      expect(yield* heph("export")).toEqual(before)
      expect(yield* ask("tag")).toEqual({ tags: { now: 2, release: 1 } })
      expect(yield* ask("tag", "--delete", "now")).toEqual({ tags: { release: 1 } })
      expect(yield* ask("revert", "v2")).toEqual({ version: 3 })
      expect(yield* ask("revert", "v2")).toEqual({ version: null })
      const first = yield* heph("export", "--at", "release")
      expect((yield* heph("export")).stdout).toBe(first.stdout.replace(`"version":1`, `"version":3`))
    })
  )

  it.effect("deps", () =>
    Effect.gen(function* () {
      const { ask, heph, put } = registry()
      const chain = ["a", "b", "c"].map((name, i, all) => ({ name, kind: "k", meta: { depends_on: all[i + 1] ?? [] } }))
      yield* ask("apply", put("chain.yaml", definitions("app", chain)))
      expect(yield* ask("deps", "app:a")).toEqual({ ids: ["app:b"] })
      expect(yield* ask("deps", "app:a", "--transitive")).toEqual({ ids: ["app:b", "app:c"] })
      expect(yield* ask("deps", "--reverse", "app:c")).toEqual({ ids: ["app:b"] })
      expect(yield* ask("deps", "app:c", "--reverse", "--transitive")).toEqual({ ids: ["app:a", "app:b"] })
      expect(yield* ask("deps", "app:c")).toEqual({ ids: [] })
      expect((yield* heph("deps", "app:d")).stderr).toBe(
        `{"error":{"_tag":"UnknownEntry","message":"there is no entry app:d at v1"}}\n`
      )
    })
  )

  it.effect("status and verify", () =>
    Effect.gen(function* () {
      const { ask, at } = yield* twoVersions
      yield* ask("tag", "release", "v1")
      yield* ask("checkout", "v1")
      expect(yield* ask("status")).toEqual({
        store: join(at, "registry"),
        version: 1,
        head: 1,
        last: 2,
        entries: 3,
        tags: { release: 1 }
      })
      expect(yield* ask("verify")).toEqual({ ok: true, versions: 2, contents: 0, damage: [] })
    })
  )

  it.effect("export: by id and with sorted keys, whatever order they were written in, with or without --json", () =>
    Effect.gen(function* () {
      const entries = [
        { name: "b", kind: "k", meta: { y: 1, x: [{ d: 1, c: 2 }] }, z: 1, a: { f: 1, e: 2 } },
        { name: "a", kind: "k" }
      ]
      const turned = [
        { kind: "k", name: "a" },
        { a: { e: 2, f: 1 }, z: 1, meta: { x: [{ c: 2, d: 1 }], y: 1 }, kind: "k", name: "b" }
      ]
      const [one, other] = [registry(), registry()]
      yield* one.ask("apply", one.put("x.yaml", definitions("app", entries)))
      yield* other.ask("apply", other.put("x.yaml", definitions("app", turned)))
      const exported = yield* one.heph("export")
      expect(yield* other.heph("export")).toEqual(exported)
      expect(exported.stdout).toBe(
        `{"version":1,"entries":[{"id":"app:a","kind":"k","meta":{},"data":{}},` +
          `{"id":"app:b","kind":"k","meta":{"x":[{"c":2,"d":1}],"y":1},"data":{"a":{"e":2,"f":1},"z":1}}]}\n`
      )
      const forPeople = yield* inside(join(one.at, "registry"), ["export"])
      expect(forPeople.stdout).toBe(`${JSON.stringify(JSON.parse(exported.stdout), null, 2)}\n`)
    })
  )

  it.effect("values that JSON has no word for", () =>
    Effect.gen(function* () {
      const { ask, at, heph, put } = registry()
      const text = [
        "namespace: app",
        "entries:",
        "  - name: values",
        "    kind: k",
        "    meta: { big: 9007199254740993 }",
        "    huge: 18446744073709551615",
        "    below: -9223372036854775808",
        "    nan: .nan",
        "    up: .inf",
        "    bytes: file://raw.bin",
        `    text: "caf\\u00e9 \\u2028 \\0"`
      ].join("\n")
      const file = put("v.yaml", text)
      write(at, { "raw.bin": new Uint8Array([0, 255, 1]) })
      yield* ask("apply", file)
      const { stdout } = yield* heph("get", "app:values")
      expect(stdout).toContain(
        `"meta":{"big":9007199254740993},"data":{"huge":18446744073709551615,"below":-9223372036854775808,` +
          `"nan":{"$number":"NaN"},"up":{"$number":"Infinity"},"bytes":{"$bytes":"AP8B"},`
      )
      expect(JSON.parse(stdout)).toMatchObject({ data: { text: "caf\u00e9 \u2028 \0" } })
      // The integer is found by all of its digits, and by no others.
      expect(yield* ask("find", "meta.big=9007199254740993")).toMatchObject({ entries: [{ id: "app:values" }] })
      expect(yield* ask("find", "meta.big=9007199254740992")).toEqual({ version: 1, entries: [] })
    })
  )
})
