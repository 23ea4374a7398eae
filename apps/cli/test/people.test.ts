import { join } from "node:path"
import { stripVTControlCharacters } from "node:util"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { definitions, folder, inside, write } from "./support.ts"

const entries = [
  { name: "db", kind: "db.sql", file: "main.db" },
  {
    name: "api",
    kind: "http.service",
    meta: { depends_on: "db", ports: [80, 81], title: "The users' own service" },
    source: "local a = 1\nlocal b = 2\nreturn a\n",
    pool: { size: 3, warm: false }
  },
  { name: "old", kind: "function.lua" }
]
const changed = [
  { ...entries[0], kind: "db.kv" },
  {
    ...entries[1],
    meta: { depends_on: "db", ports: [80, 82], owner: null },
    source: "local a = 1\nlocal b = 3\nreturn a\n",
    pool: { size: 4, warm: false }
  },
  { name: "new", kind: "function.lua", meta: { rate: 0.5 }, text: "x" }
]

/** A registry with the entries, and the changed ones in a file. */
const registry = Effect.gen(function* () {
  const at = folder({ "app.yaml": definitions("app", entries) })
  const store = join(at, "registry")
  const heph = (...args: ReadonlyArray<string>) => inside(store, args)
  expect((yield* heph("apply", join(at, "app.yaml"), "-m", "first")).code).toBe(0)
  write(at, { "app.yaml": definitions("app", changed) })
  return { at, store, heph, file: join(at, "app.yaml") }
})

const lines = (text: string): ReadonlyArray<string> => text.split("\n").slice(0, -1)

describe("what people read", () => {
  it.effect("plan and apply: a sign, the entry, its kind, and where an update changes it", () =>
    Effect.gen(function* () {
      const { file, heph } = yield* registry
      const plan = yield* heph("plan", file, "--prune")
      expect(plan).toMatchObject({ code: 0, stderr: "" })
      const listed = lines(plan.stdout)
      expect(listed.toSorted()).toEqual(
        [
          "",
          "Plan: 2 to create, 1 to update, 2 to delete.",
          "+ create   app:new  function.lua",
          "- delete   app:old  function.lua",
          "± replace  app:db   db.sql → db.kv",
          "~ update   app:api  http.service    meta.ports, meta.title, meta.owner, data.source, and 1 more"
        ].toSorted()
      )
      // Dependencies come first.
      expect(listed.findIndex((line) => line.includes("app:db"))).toBeLessThan(
        listed.findIndex((line) => line.includes("app:api"))
      )
      const applied = lines((yield* heph("apply", file, "--prune")).stdout)
      expect(applied[0]).toBe("v2: 2 created, 1 updated, 2 deleted")
      expect(applied.slice(1)).toEqual(listed.slice(0, -2))
      expect((yield* heph("apply", file)).stdout).toBe("Nothing to do: v2 has it all (3 entries of 1 file).\n")
      expect((yield* heph("plan", file)).stdout).toBe("Nothing to do: v2 has it all (3 entries of 1 file).\n")
    })
  )

  it.effect("apply lists twenty changes and counts the rest; cycles are warned of", () =>
    Effect.gen(function* () {
      const all = Array.from({ length: 25 }, (_, i) => ({
        name: `e${i}`,
        kind: "k",
        meta: { depends_on: i < 2 ? `e${1 - i}` : [] }
      }))
      const at = folder({ "x.yaml": definitions("app", all) })
      const { stderr, stdout } = yield* inside(join(at, "registry"), ["apply", join(at, "x.yaml")])
      expect(lines(stdout)).toHaveLength(22)
      expect(lines(stdout).at(-1)).toBe("… and 5 more: heph show v1")
      expect(stderr).toBe("warning: 2 entries depend on each other: app:e0, app:e1\n")
    })
  )

  it.effect("show and diff: values before and after, texts and lists line by line", () =>
    Effect.gen(function* () {
      const { file, heph } = yield* registry
      yield* heph("apply", file, "--prune", "-m", "second\nline")
      const shown = (yield* heph("show", "v2")).stdout
      expect(shown).toMatch(
        /^v2 {2}after v1 {2}now, 1970-01-01T00:00:00Z\n\n {4}second\n {4}line\n\n2 created, 1 updated, 2 deleted\n\n/
      )
      expect(shown).toContain(
        [
          "~ app:api  http.service",
          "  ~ meta.ports:",
          "      @@ -1,2 +1,2 @@",
          "       80",
          "      -81",
          "      +82",
          `  - meta.title: "The users' own service"`,
          "  + meta.owner: null",
          "  ~ data.source:",
          "      @@ -1,3 +1,3 @@",
          "       local a = 1",
          "      -local b = 2",
          "      +local b = 3",
          "       return a",
          "  ~ data.pool.size: 3 → 4"
        ].join("\n")
      )
      expect(shown).toContain(`+ app:new  function.lua\n    meta.rate: 0.5\n    data.text: "x"\n`)
      expect(shown).toContain("- app:old  function.lua\n")
      const diff = (yield* heph("diff", "v1", "v2")).stdout
      expect(diff.endsWith("2 created, 1 updated, 2 deleted\n")).toBe(true)
      expect(shown).toContain(diff.slice(0, diff.indexOf("\n\n")))
      expect(yield* heph("diff", "v2", "v2")).toEqual({ code: 0, stdout: "", stderr: "no difference\n" })
    })
  )

  it.effect("get: values below each other, texts as they are", () =>
    Effect.gen(function* () {
      const { heph } = yield* registry
      expect((yield* heph("get", "app:api")).stdout).toBe(
        [
          "app:api  http.service",
          "meta:",
          `  depends_on: "db"`,
          "  ports:",
          "    - 80",
          "    - 81",
          `  title: "The users' own service"`,
          "data:",
          "  source: |",
          "    local a = 1",
          "    local b = 2",
          "    return a",
          "  pool:",
          "    size: 3",
          "    warm: false",
          ""
        ].join("\n")
      )
    })
  )

  it.effect("find: a table with the fields that were asked about, and how many there are", () =>
    Effect.gen(function* () {
      const { heph } = yield* registry
      expect(yield* heph("find", "?meta.ports", "--sort", "meta.title", "--limit", "1")).toEqual({
        code: 0,
        stdout: [
          "id       kind          meta.ports  meta.title",
          "app:api  http.service  [80,81]     The users' own service",
          ""
        ].join("\n"),
        stderr: "1 entry at v1\n"
      })
      expect((yield* heph("find", "--limit", "2")).stderr).toBe("2 entries of 3 at v1\n")
      expect(yield* heph("find", ".kind=none")).toEqual({ code: 0, stdout: "", stderr: "0 entries at v1\n" })
    })
  )

  it.effect("log, path, tag, deps, status, verify, checkout, revert", () =>
    Effect.gen(function* () {
      const { file, heph, store } = yield* registry
      yield* heph("apply", file, "--prune", "-m", "second\nline")
      yield* heph("tag", "release", "v1")
      const when = "now   1970-01-01T00:00:00Z"
      expect(lines((yield* heph("log")).stdout)).toEqual([
        "version  parent  when  at                    +  ~  -  tags     message",
        `* v2     v1      ${when}  2  1  2           second\\nline`,
        `  v1     v0      ${when}  3  0  0  release  first`,
        `  v0             ${when}  0  0  0`
      ])
      expect((yield* heph("path", "v0", "v2")).stdout).toBe("→ forward to  v1\n→ forward to  v2\n")
      expect((yield* heph("path", "v2", "v2")).stderr).toBe("they are one version\n")
      expect((yield* heph("tag")).stdout).toBe("release  v1\n")
      expect((yield* heph("tag", "release")).stdout).toBe("release is v2, and was v1.\n")
      expect((yield* heph("tag", "--delete", "release")).stdout).toBe("release is no tag any more.\n")
      expect((yield* heph("tag")).stderr).toBe("there are no tags; heph tag <name> names the current version\n")
      expect((yield* heph("deps", "app:api")).stdout).toBe("app:db  db.kv\n")
      expect((yield* heph("deps", "app:db")).stderr).toBe("app:db depends on nothing\n")
      expect((yield* heph("verify")).stdout).toBe("Sound: 2 versions, each read and replayed.\n")
      expect(lines((yield* heph("status")).stdout).map((line) => line.trimEnd())).toEqual([
        expect.stringMatching(new RegExp(`^registry {2}${store}, \\d.* kB$`)) as unknown,
        `head      v2, now, 1970-01-01T00:00:00Z: second\\nline`,
        "versions  2 versions, up to v2",
        "entries   3 entries in 1 namespace",
        "tags      none"
      ])
      expect((yield* heph("checkout", "v1")).stdout).toBe("From v2 to v1: 3 entries.\n")
      expect((yield* heph("checkout", "v1")).stdout).toBe("Already at v1: 3 entries.\n")
      expect(lines((yield* heph("revert", "v1")).stdout)[0]).toBe("v3: 0 created, 0 updated, 3 deleted")
      expect((yield* heph("revert", "v1")).stdout).toBe("Nothing to do: v1 is undone already.\n")
    })
  )

  it.effect("a terminal gets colour, lines that fit, and progress that is wiped away", () =>
    Effect.gen(function* () {
      const { file, heph, store } = yield* registry
      const plan = yield* inside(store, ["plan", file, "--prune"], 44)
      expect(plan.stdout).toContain("\u001B[32m+ create")
      expect(plan.stdout).toContain("\u001B[31m- delete")
      const plain = stripVTControlCharacters(plan.stdout)
      for (const line of lines(plain).slice(0, -2)) expect(line.length).toBeLessThanOrEqual(44)
      expect(plain).toMatch(/~ update .*…/)
      // The last thing on standard error is that the line is empty again.
      expect(plan.stderr).toContain("reading")
      expect(plan.stderr.endsWith("\r\u001B[2K")).toBe(true)
      const error = yield* inside(store, ["get", "app:none"], 80)
      expect(error.stderr).toBe("\u001B[31merror:\u001B[39m there is no entry app:none at v1\n")
      // In a pipe there is nothing of it.
      const piped = yield* heph("plan", file, "--prune")
      expect(piped.stdout + piped.stderr).not.toContain("\u001B")
    })
  )

  it.effect("nothing stored can steer a terminal", () =>
    Effect.gen(function* () {
      const evil = "\u001B[2J\u0007\u009B31m\u202Etxt"
      const entry = { name: "a", kind: "k", meta: { [evil]: evil }, text: `${evil}\nb\n` }
      const at = folder({ "x.yaml": definitions("app", [entry]) })
      const store = join(at, "registry")
      yield* inside(store, ["apply", join(at, "x.yaml"), "-m", evil])
      for (const args of [
        ["log"],
        ["show", "v1"],
        ["get", "app:a"],
        ["find", "--data"],
        ["find", "?meta.x"],
        ["status"],
        ["find", `meta.x=${evil}`, evil]
      ]) {
        const { stderr, stdout } = yield* inside(store, args)
        // eslint-disable-next-line no-control-regex
        expect(stdout + stderr).not.toMatch(/[\u0000-\u0009\u000B-\u001F\u007F-\u009F\u202E]/)
      }
    })
  )
})
