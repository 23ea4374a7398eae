import { spawnSync } from "node:child_process"
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { asOrdinaryUser, bin, contents, definitions, folder, inside, json, write } from "./support.ts"

const good = { "good.yaml": definitions("app", [{ name: "a", kind: "k" }]) }

/** Runs `apply` of a file on a registry with one version: what it prints on standard error. The registry must not change. */
const refused = (files: Record<string, string | Uint8Array>, name: string) =>
  Effect.gen(function* () {
    const at = folder({ ...good, ...files })
    const store = join(at, "registry")
    yield* inside(store, ["apply", join(at, "good.yaml")])
    const before = contents(store)
    const people = yield* inside(store, ["apply", join(at, name)])
    const machines = yield* inside(store, ["apply", join(at, name), "--json"])
    const planned = yield* inside(store, ["plan", join(at, name)])
    expect(planned).toEqual(people)
    expect(people).toMatchObject({ code: 1, stdout: "" })
    expect(machines).toMatchObject({ code: 1, stdout: "" })
    expect(contents(store)).toEqual(before)
    const { error } = JSON.parse(machines.stderr) as {
      readonly error: { readonly _tag: string; readonly message: string }
    }
    expect(people.stderr).toBe(`error: ${error.message}\n`)
    return { ...error, message: error.message.replaceAll(`${at}/`, "") }
  })

const definition = (line: string) => `namespace: app\nentries:\n  - {name: b, kind: k, ${line}}\n`

describe("definitions that are refused: one error with its place, and the registry as it was", () => {
  it.effect.each<[string, Record<string, string | Uint8Array>, RegExp]>([
    ["broken YAML", { "x.yaml": "namespace: app\nentries:\n  - name: a\n   kind: [x\n" }, /^x\.yaml:4:1: /],
    ["broken JSON", { "x.json": `{"namespace": "app",\n "entries": x}` }, /^x\.json:2:13: this is not JSON/],
    [
      "an id twice",
      { "x.yaml": definition("") + "  - {name: b, kind: k}\n" },
      /^x\.yaml:4:5: the id app:b is already taken by the entry at x\.yaml:3:5$/
    ],
    [
      "a file:// that is not there",
      { "x.yaml": definition("source: file://nope.lua") },
      /^x\.yaml:3:32: file:\/\/nope\.lua cannot be read: there is no such file/
    ],
    [
      "a ../ that leaves the folder",
      { "x.yaml": definition("source: file://../../etc/passwd") },
      /^x\.yaml:3:32: file:\/\/\.\.\/\.\.\/etc\/passwd leaves the folder/
    ],
    [
      "a value above the limit",
      { "x.yaml": definition("source: file://big"), big: new Uint8Array(16 * 1024 * 1024 + 1) },
      /^x\.yaml:3:32: file:\/\/big cannot be read: it has 16777217 bytes, and an entry holds at most 16777216$/
    ],
    [
      "a key __proto__",
      { "x.yaml": definition("__proto__: {x: 1}") },
      /^x\.yaml:3:24: the key "__proto__" is not allowed$/
    ],
    [
      "wrong types",
      { "x.yaml": definition("meta: [1]") + "  - {name: 5, kind: k}\n" },
      /^x\.yaml:3:30: meta is a record, and this is a list\nx\.yaml:4:12: name is text/
    ],
    ["a file that is not there", {}, /^x\.yaml: there is no such file or folder$/],
    [
      "a file of another sort",
      { "x.lua": "return 1" },
      /^x\.lua: a definition file is a \.yaml, \.yml or \.json file$/
    ],
    [
      "bytes that are not UTF-8",
      { "x.yaml": new Uint8Array([110, 97, 255]) },
      /^x\.yaml:1:3: here is a byte that is not UTF-8/
    ]
  ])("%s", ([, files, expected]) =>
    Effect.gen(function* () {
      const [name = "x.yaml"] = Object.keys(files)
      const error = yield* refused(files, name)
      expect(error.message).toMatch(expected)
      expect(error._tag).toBe("InvalidDefinitions")
    })
  )

  it.effect("of several files one is wrong: nothing of the others is applied", () =>
    Effect.gen(function* () {
      const files = {
        "in/1.yaml": definition(""),
        "in/2.yaml": definition("__proto__: 1").replace("name: b", "name: c"),
        "in/3.yaml": definition("")
      }
      expect((yield* refused(files, "in")).message).toMatch(
        /^in\/2\.yaml:3:24: .*\nin\/3\.yaml:3:5: the id app:b is already/
      )
    })
  )

  it.effect("nothing to keep with --prune, which would delete everything", () =>
    Effect.gen(function* () {
      const at = folder({ ...good, "empty/notes.yaml": "a: 1", "none.yaml": "namespace: app\nentries: []" })
      const store = join(at, "registry")
      yield* inside(store, ["apply", join(at, "good.yaml")])
      const { code, stderr } = yield* inside(store, ["apply", join(at, "empty"), "--prune"])
      expect(code).toBe(1)
      expect(stderr).toMatch(
        /^skipped .*notes\.yaml:1: .*\nerror: there is no definition file in .*--prune would delete/
      )
      expect(json(yield* inside(store, ["apply", join(at, "empty"), "--json"]))).toMatchObject({ version: null })
      // Said in so many words, it is done.
      expect(json(yield* inside(store, ["apply", join(at, "none.yaml"), "--prune", "--json"]))).toMatchObject({
        deleted: 1
      })
    })
  )
})

/** Every command on what is no registry, or cannot be used as one: the one error, and nothing changed. */
const refusedEverywhere = (store: string, around: string, given = good["good.yaml"]) =>
  Effect.gen(function* () {
    const input = join(folder({ "x.yaml": given }), "x.yaml")
    const before = contents(around)
    const messages = new Set<string>()
    for (const args of [
      ["status"],
      ["get", "a:b"],
      ["checkout", "v0"],
      ["tag", "x"],
      ["plan", input],
      ["apply", input]
    ]) {
      const { code, stderr, stdout } = yield* inside(store, [...args, "--json"])
      expect({ args, code, stdout }).toEqual({ args, code: 1, stdout: "" })
      const { error } = JSON.parse(stderr) as { readonly error: { readonly _tag: string; readonly message: string } }
      messages.add(`${error._tag} ${error.message}`)
    }
    expect(contents(around)).toEqual(before)
    return [...messages]
  })

const sqlite = createRequire(import.meta.resolve("@heph/history-sqlite/HistorySqlite"))("better-sqlite3") as new (
  file: string
) => { readonly pragma: (text: string) => unknown; readonly close: () => void }

describe("stores that are refused: one error that says what to do, and everything as it was", () => {
  it.effect("none: reading and changing what is there create nothing", () =>
    Effect.gen(function* () {
      const at = folder()
      const store = join(at, "deep/er")
      for (const args of [
        ["status"],
        ["get", "a:b"],
        ["find"],
        ["log"],
        ["show", "v0"],
        ["export"],
        ["verify"],
        ["watch"],
        ["tag"],
        ["tag", "x"],
        ["checkout", "v0"],
        ["revert", "v1"],
        ["deps", "a:b"],
        ["path", "v0", "v0"],
        ["diff", "v0", "v0"]
      ]) {
        const { code, stderr, stdout } = yield* inside(store, args)
        expect({ args, code, stdout }).toEqual({ args, code: 1, stdout: "" })
        expect(stderr).toBe(
          `error: there is no registry at ${store}; heph apply <path> or heph register <file> makes one, --store <folder> names another\n`
        )
      }
      expect(existsSync(join(at, "deep"))).toBe(false)
    })
  )

  it.effect("a text file in its place", () =>
    Effect.gen(function* () {
      const at = folder({ store: "hello" })
      const store = join(at, "store")
      expect(yield* refusedEverywhere(store, at)).toEqual([
        `HistoryStoreError ${store}: it is a file, and a registry is a folder; name another one with --store`
      ])
    })
  )

  it.effect("a text file in the place of the database", () =>
    Effect.gen(function* () {
      const at = folder({ "store/registry.db": "hello ".repeat(1000) })
      const [message, ...more] = yield* refusedEverywhere(join(at, "store"), at)
      expect(message).toMatch(
        /^HistoryStoreError .*registry\.db: it is not a SQLite database, so no registry; nothing was changed/
      )
      expect(more).toEqual([])
    })
  )

  it.effect("the database of something else", () =>
    Effect.gen(function* () {
      const at = folder()
      mkdirSync(join(at, "store"))
      const database = new sqlite(join(at, "store/registry.db"))
      database.pragma("application_id = 7")
      database.pragma("user_version = 1")
      database.close()
      const [message, ...more] = yield* refusedEverywhere(join(at, "store"), at)
      expect(message).toMatch(/^HistoryStoreError .*registry\.db: /)
      expect(more).toEqual([])
    })
  )

  it.effect("one of a newer schema", () =>
    Effect.gen(function* () {
      const at = folder(good)
      const store = join(at, "store")
      yield* inside(store, ["apply", join(at, "good.yaml")])
      const database = new sqlite(join(store, "registry.db"))
      database.pragma("user_version = 99")
      database.close()
      const [message, ...more] = yield* refusedEverywhere(store, at)
      expect(message).toMatch(/^HistoryStoreError .*registry\.db: it has schema 99 .*Update @heph\/history-sqlite$/)
      expect(more).toEqual([])
    })
  )

  it.effect("one in a folder that is read-only: read, and not written", () =>
    Effect.gen(function* () {
      const at = folder({ ...good, "more.yaml": definitions("app", [{ name: "b", kind: "k" }]) })
      const store = join(at, "store")
      yield* inside(store, ["apply", join(at, "good.yaml")])
      const before = contents(store)
      const attempts = Effect.gen(function* () {
        chmodSync(join(store, "registry.db"), 0o444)
        chmodSync(store, 0o555)
        expect(json(yield* inside(store, ["get", "app:a", "--json"]))).toMatchObject({ id: "app:a" })
        const commands = [
          ["apply", join(at, "more.yaml")],
          ["checkout", "v0"],
          ["revert", "v1"],
          ["tag", "x"]
        ]
        for (const args of commands) {
          const { code, stderr, stdout } = yield* inside(store, args)
          expect({ args, code, stdout }).toEqual({ args, code: 1, stdout: "" })
          expect(stderr).toMatch(/^error: .*store\/registry\.db: .*read-only.*\n$/)
        }
        chmodSync(at, 0o555)
        const { code, stderr } = yield* inside(join(at, "new"), ["apply", join(at, "good.yaml")])
        expect(code).toBe(1)
        expect(stderr).toMatch(/^error: .*\/new: it may not be used by you; change its permissions, .*\n$/)
        chmodSync(at, 0o755)
        chmodSync(store, 0o755)
      })
      yield* asOrdinaryUser(at, attempts)
      expect(contents(store)).toEqual(before)
    })
  )

  it.effect("one that is damaged: verify lists it and ends with 1, reading says so, nothing is repaired", () =>
    Effect.gen(function* () {
      const entries = Array.from({ length: 300 }, (_, i) => ({ name: `e${i}`, kind: "k", text: noise(i) }))
      const at = folder({ "x.yaml": definitions("app", entries) })
      const store = join(at, "store")
      yield* inside(store, ["apply", join(at, "x.yaml")])
      const file = join(store, "registry.db")
      const bytes = readFileSync(file)
      // The second half of the file holds nothing but the one large changeset.
      bytes.fill(0x55, Math.floor(bytes.length * 0.75), Math.floor(bytes.length * 0.75) + 100)
      writeFileSync(file, bytes)
      const before = contents(store)
      const verified = yield* inside(store, ["verify", "--json"])
      expect(verified).toMatchObject({ code: 1, stderr: "" })
      const report = JSON.parse(verified.stdout) as { readonly damage: ReadonlyArray<unknown> }
      expect(report).toEqual({ ok: false, versions: 1, contents: 0, damage: expect.any(Array) as unknown })
      expect(report.damage.length).toBeGreaterThan(0)
      expect(report.damage[0]).toEqual({ what: expect.any(String) as unknown, reason: expect.any(String) as unknown })
      const people = yield* inside(store, ["verify"])
      expect(people.code).toBe(1)
      expect(people.stdout).toMatch(/^Damaged: /)
      const read = yield* inside(store, ["get", "app:e1"])
      expect(read).toMatchObject({ code: 1, stdout: "" })
      expect(read.stderr).toMatch(/^error: /)
      expect(contents(store)).toEqual(before)
    })
  )

  it("one on a disk that takes no more", (context) => {
    const random = Array.from({ length: 3000 }, (_, i) => ({ name: `e${i}`, kind: "k", text: noise(i) }))
    const at = folder({ ...good, "big.yaml": definitions("big", random) })
    mkdirSync(join(at, "disk"))
    const script = [
      "set -e",
      `mount -t tmpfs -o size=400k none disk`,
      `heph() { "$NODE" "$HEPH" --store disk/store "$@"; }`,
      "heph apply good.yaml",
      "heph export > before.json",
      "code=0; heph apply big.yaml --json 2> error.json || code=$?",
      "heph export > after.json",
      "heph verify",
      "exit $code"
    ].join("\n")
    const probe = spawnSync("unshare", ["-rm", "mount", "-t", "tmpfs", "none", "/mnt"])
    // Only Linux gives an ordinary user a disk of its own, and not everywhere.
    if (probe.status !== 0) context.skip("no small disk can be mounted here")
    const { status, stderr } = spawnSync("unshare", ["-rm", "sh", "-c", script], {
      cwd: at,
      encoding: "utf8",
      env: { ...process.env, NODE: process.execPath, HEPH: bin }
    })
    expect({ status, stderr }).toEqual({ status: 1, stderr: "" })
    expect(readFileSync(join(at, "after.json"), "utf8")).toBe(readFileSync(join(at, "before.json"), "utf8"))
    expect(JSON.parse(readFileSync(join(at, "error.json"), "utf8"))).toEqual({
      error: {
        _tag: "HistoryStoreError",
        message: expect.stringMatching(/registry\.db: the disk is full; nothing was changed/) as unknown
      }
    })
  })
})

describe("questions that are refused", () => {
  it.effect.each<[ReadonlyArray<string>, string, RegExp]>([
    [["get", "app:b"], "UnknownEntry", /^there is no entry app:b at v1$/],
    [["get", "other:a"], "UnknownEntry", /^there is no entry other:a at v1; did you mean app:a\?$/],
    [["get", "a"], "InvalidEntryId", /a bare name needs a namespace/],
    [["get", "app:a", "--at", "v2"], "UnknownVersion", /^there is no version or tag "v2"; versions go from v0 to v1$/],
    [["show", "release"], "UnknownVersion", /"release"/],
    [["checkout", "v9"], "UnknownVersion", /"v9"/],
    [["path", "v0", "x"], "UnknownVersion", /"x"/],
    [["watch", "--from", "v7"], "UnknownVersion", /"v7"/],
    [["tag", "v7"], "InvalidTag", /^"v7" cannot be a tag/],
    [["tag", "--delete", "none"], "UnknownVersion", /"none"/],
    [["find", "kind=x"], "InvalidQuery", /^criterion 1, "kind=x": .*did you mean \.kind\?$/],
    [["find", ".kind=k", "~meta.x=["], "InvalidQuery", /^criterion 2, /],
    [["find", "--sort", "color"], "InvalidField", /^"color" is no field/],
    [["deps", "app:z"], "UnknownEntry", /^there is no entry app:z at v1$/]
  ])("%s", ([args, tag, message]) =>
    Effect.gen(function* () {
      const at = folder(good)
      const store = join(at, "registry")
      yield* inside(store, ["apply", join(at, "good.yaml")])
      const { code, stderr, stdout } = yield* inside(store, [...args, "--json"])
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" })
      const { error } = JSON.parse(stderr) as { readonly error: { readonly _tag: string; readonly message: string } }
      expect(error._tag).toBe(tag)
      expect(error.message).toMatch(message)
    })
  )

  it.effect("a revert of what was changed since", () =>
    Effect.gen(function* () {
      const at = folder(good)
      const store = join(at, "registry")
      yield* inside(store, ["apply", join(at, "good.yaml")])
      write(at, { "good.yaml": definitions("app", [{ name: "a", kind: "k", x: 1 }]) })
      yield* inside(store, ["apply", join(at, "good.yaml")])
      const { code, stderr } = yield* inside(store, ["revert", "v1"])
      expect({ code, stderr }).toEqual({
        code: 1,
        stderr:
          "error: v1 cannot be undone: app:a changed since. Undo the later versions first, or apply what you want.\n"
      })
    })
  )
})

/** Text that does not shrink when it is compressed, the same each time. */
const noise = (seed: number): string => {
  let state = seed * 2_654_435_761 + 1
  return Array.from({ length: 200 }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return (state >>> 8).toString(36)
  }).join("")
}
