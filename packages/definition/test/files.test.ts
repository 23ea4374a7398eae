import { execFileSync, spawn } from "node:child_process"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Definition from "@heph/definition/Definition"
import * as Value from "@heph/entry/Value"
import * as Effect from "effect/Effect"
import { folder, one, plain, refused } from "./support.ts"

const named = (name: string) => `namespace: app\nentries: [{name: ${name}, kind: k}]`
const ids = (read: Definition.Definitions) => plain(read).map(({ id }) => id)

describe("files and folders", () => {
  it.effect("walks folders in name order, by code unit, and takes .yaml, .yml and .json alone", () =>
    Effect.gen(function* () {
      const root = yield* folder({
        "b.yaml": named("b"),
        "B.yml": named("B"),
        "a/z.json": `{"namespace":"app","entries":[{"name":"a.z","kind":"k"}]}`,
        "a/.hidden/x.YAML": named("hidden"),
        "a.yaml": named("a"),
        "é.yaml": named("é"),
        "z/y/x/deep.yml": named("deep"),
        "a/readme.md": "namespace: no\n",
        "values.yaml": "replicas: 3\n"
      })
      const read = yield* Definition.load([root])
      expect(ids(read)).toEqual(["B", "hidden", "a.z", "a", "b", "deep", "é"].map((name) => `app:${name}`))
      expect(read.files).toBe(7)
      expect(read.skipped).toEqual([
        { file: join(root, "values.yaml"), line: 1, reason: "it has no namespace, so it is no definition" }
      ])
      expect(read.entries[1]!.source.file).toBe(join(root, "a/.hidden/x.YAML"))
    })
  )

  it.effect("J9: skips folders called node_modules, and no others", () =>
    Effect.gen(function* () {
      const root = yield* folder({
        "node_modules/a.yaml": named("no"),
        "x/node_modules/y/a.yaml": named("no"),
        "my_node_modules/a.yaml": named("mine"),
        "node_modules.d/a.yaml": named("d"),
        "node_modules.yaml": named("file")
      })
      expect(ids(yield* Definition.load([root]))).toEqual(["app:mine", "app:d", "app:file"])
      // Whoever names it means it.
      expect(ids(yield* Definition.load([join(root, "x/node_modules")]))).toEqual(["app:no"])
    })
  )

  it.effect("reads each file once, whatever paths and links lead to it, in the order of the input", () =>
    Effect.gen(function* () {
      const root = yield* folder({
        "a/one.yaml": named("one"),
        "a/two.yaml": named("two"),
        "a/again.yaml": { link: "two.yaml" },
        "a/up": { link: ".." },
        "b/link": { link: "../a" }
      })
      const read = yield* Definition.load([join(root, "a/two.yaml"), root, join(root, "b"), join(root, "a", "..")])
      expect(ids(read)).toEqual(["app:two", "app:one"])
      expect(read.files).toBe(2)
    })
  )

  it.effect("J7: an id that two files have is refused, naming both places", () =>
    Effect.gen(function* () {
      const root = yield* folder({ "a.yaml": named("x"), "b.yaml": `# here\n${named("x")}` })
      expect(yield* refused(root)).toEqual([
        `${root}/b.yaml:3:11: the id app:x is already taken by the entry at ${root}/a.yaml:2:11`
      ])
    })
  )

  it.effect("reads texts beside files, with the same ids", () =>
    Effect.gen(function* () {
      const root = yield* folder({ "a.yaml": named("x"), "t.txt": "text" })
      const input = { text: one("t: file://t.txt").replace("name: x", "name: y"), source: "<stdin>", baseDir: root }
      const read = yield* Definition.load([input, root])
      expect(plain(read)[0]).toEqual({ id: "app:y", kind: "k", meta: {}, data: { t: "text" } })
      expect(read.entries[0]!.source).toEqual({ file: "<stdin>", line: 3, column: 5 })
      expect(yield* refused(root, { text: named("x"), source: "<stdin>" })).toEqual([
        `<stdin>:2:11: the id app:x is already taken by the entry at ${root}/a.yaml:2:11`
      ])
    })
  )

  it.effect("collects what is wrong in all files, and returns nothing", () =>
    Effect.gen(function* () {
      const root = yield* folder({
        "a.yaml": "namespace: app\nentries: [{name: x}]",
        "b.yaml": named("good"),
        "c.json": `{"namespace":"app",}`,
        "gone.yaml": { link: "nowhere" }
      })
      expect(yield* refused(root, join(root, "none"), join(root, "d.txt"))).toEqual([
        `${root}/a.yaml:2:11: the entry has no kind`,
        expect.stringContaining(`${root}/c.json:1:20: this is not JSON`),
        `${root}/gone.yaml: there is no such file or folder`,
        `${root}/none: there is no such file or folder`,
        `${root}/d.txt: there is no such file or folder`
      ])
    })
  )

  it.effect("refuses a file that is named and is no definition file by its name", () =>
    Effect.gen(function* () {
      const root = yield* folder({ "a.txt": named("x") })
      expect(yield* refused(join(root, "a.txt"))).toEqual([
        `${root}/a.txt: a definition file is a .yaml, .yml or .json file`
      ])
    })
  )

  it.effect("refuses a file that is not UTF-8, at the byte", () =>
    Effect.gen(function* () {
      const bytes = [...new TextEncoder().encode("namespace: app\nname: é\uFFFDü"), 0xe9, 0x0a]
      const root = yield* folder({
        "latin.yaml": Uint8Array.from(bytes),
        "utf16.yaml": Uint8Array.of(0xff, 0xfe, 0x61, 0x00)
      })
      expect(yield* refused(root)).toEqual([
        `${root}/latin.yaml:2:10: here is a byte that is not UTF-8: save the file as UTF-8`,
        `${root}/utf16.yaml:1:1: here is a byte that is not UTF-8: save the file as UTF-8`
      ])
    })
  )

  it.effect("refuses a file that is too large to be read whole", () =>
    Effect.gen(function* () {
      const root = yield* folder({ "a.yaml": `# ${"x".repeat(33 * 1024 * 1024)}` })
      expect(yield* refused(root)).toEqual([`${root}/a.yaml: it is larger than 33554432 bytes: split it`])
    })
  )
})

describe("file://", () => {
  it.effect("puts the text of a file in the place of any string value, relative to the definition file", () =>
    Effect.gen(function* () {
      const text = "\uFEFFline one\r\nfile://b.txt\n"
      const root = yield* folder({
        "api/a.yaml": `
namespace: app
meta: { licence: file:///LICENSE }
entries:
  - name: x
    kind: file://kind.txt
    meta: { notes: [{ text: file://a.txt }] }
    source: file://a.txt
    "file://key": &same file://../shared/b.txt
    again: *same
    quoted: "file://empty.txt"
    other: see file://a.txt
    root: file:///api/a.txt
  - name: y
    kind: k
    data: file://a.txt
`,
        "api/a.txt": text,
        "api/empty.txt": "",
        "api/kind.txt": "function.lua",
        "shared/b.txt": "b",
        LICENSE: "MIT"
      })
      expect(plain(yield* Definition.load([root]))).toEqual([
        {
          id: "app:x",
          kind: "function.lua",
          meta: { licence: "MIT", notes: [{ text }] },
          data: { source: text, "file://key": "b", again: "b", quoted: "", other: "see file://a.txt", root: text }
        },
        { id: "app:y", kind: "k", meta: { licence: "MIT" }, data: text }
      ])
    })
  )

  it.effect("J3: gives the bytes of a file that is not text", () =>
    Effect.gen(function* () {
      const bytes = Uint8Array.from({ length: 256 }, (_, i) => i)
      const root = yield* folder({
        "a.yaml": one("wasm: file://m.wasm"),
        "b.json": `{"namespace":"b","entries":[{"name":"x","kind":"k","data":"file://m.wasm"}]}`,
        "m.wasm": bytes
      })
      const [a, b] = (yield* Definition.load([root])).entries
      expect(a!.entry.data).toEqual({ wasm: bytes })
      expect(b!.entry.data).toEqual(bytes)
    })
  )

  it.effect("stays below the folder that was given, and below that of a file that was given", () =>
    Effect.gen(function* () {
      const root = yield* folder({
        "defs/api/a.yaml": one("a: file://../b.txt, b: file:///b.txt"),
        "defs/b.txt": "b",
        "secret.txt": "no"
      })
      const defs = join(root, "defs")
      expect(plain(yield* Definition.load([defs]))[0]!.data).toEqual({ a: "b", b: "b" })
      expect(yield* refused(join(defs, "api/a.yaml"))).toEqual([
        `${defs}/api/a.yaml:3:27: file://../b.txt leaves the folder ${defs}/api: give one that holds both`,
        `${defs}/api/a.yaml:3:47: file:///b.txt cannot be read: there is no such file or folder`
      ])
    })
  )

  it.effect("refuses ways out of the folder, by dots and by links, whether there is a file or not", () =>
    Effect.gen(function* () {
      const root = yield* folder({
        "defs/a.yaml": `namespace: app
entries:
  - name: x
    kind: k
    a: file://../secret.txt
    b: file://../nothing
    c: file:///../secret.txt
    d: file:///../../../../../../../etc/passwd
    e: file://link.txt
    f: file://out/secret.txt
    g: file://x/../../defs2/b.txt
    h: file:////etc/passwd
    i: file://..
`,
        "defs/link.txt": { link: "../secret.txt" },
        "defs/out": { link: ".." },
        "defs2/b.txt": "a neighbour whose name begins the same",
        "secret.txt": "no"
      })
      const defs = join(root, "defs")
      const left = ["../secret.txt", "../nothing", "/../secret.txt", "/../../../../../../../etc/passwd", "link.txt"]
      const later = ["out/secret.txt", "x/../../defs2/b.txt"]
      const leaves = [...left, ...later].map((name, i) => {
        return `${defs}/a.yaml:${i + 5}:8: file://${name} leaves the folder ${defs}: give one that holds both`
      })
      expect(yield* refused(defs)).toEqual([
        ...leaves,
        `${defs}/a.yaml:12:8: file:////etc/passwd cannot be read: there is no such file or folder`,
        `${defs}/a.yaml:13:8: file://.. leaves the folder ${defs}: give one that holds both`
      ])
    })
  )

  it.effect("takes dots and links that stay inside, and a folder that is itself a link", () =>
    Effect.gen(function* () {
      const root = yield* folder({
        "real/a.yaml": one("a: file://x/../b.txt, b: file://link.txt, c: file://..b.txt"),
        "real/b.txt": "b",
        "real/..b.txt": "dots",
        "real/link.txt": { link: "b.txt" },
        defs: { link: "real" }
      })
      expect(plain(yield* Definition.load([join(root, "defs")]))[0]!.data).toEqual({ a: "b", b: "b", c: "dots" })
    })
  )

  it.effect("names the place of a reference that names nothing, a folder, a pipe or too much", () =>
    Effect.gen(function* () {
      const root = yield* folder({
        "a.yaml": `namespace: app
meta:
  - none
entries:
  - name: x
    kind: k
    list:
      - file://
      - file:///
      - file://folder
      - file://nothing.lua
      - file://pipe
      - file://large.bin
`,
        "folder/b.txt": "b",
        "large.bin": new Uint8Array(Value.maxBytes + 1)
      })
      execFileSync("mkfifo", [join(root, "pipe")])
      expect(yield* refused(root)).toEqual([
        `${root}/a.yaml:3:3: meta is a record, and this is a list`,
        `${root}/a.yaml:8:9: file:// names no file: write file://name, or file:///name from the root`,
        `${root}/a.yaml:9:9: file:/// cannot be read: it is a folder`,
        `${root}/a.yaml:10:9: file://folder cannot be read: it is a folder`,
        `${root}/a.yaml:11:9: file://nothing.lua cannot be read: there is no such file or folder`,
        `${root}/a.yaml:12:9: file://pipe cannot be read: it is no regular file`,
        `${root}/a.yaml:13:9: file://large.bin cannot be read: it has 16777217 bytes, and an entry holds at most 16777216`
      ])
    })
  )

  it.effect("is left alone in documents that are no definitions", () =>
    Effect.gen(function* () {
      const root = yield* folder({ "compose.yaml": "volumes:\n  - file:///var/run\n" })
      expect((yield* Definition.load([root])).skipped).toHaveLength(1)
    })
  )

  it.effect("is refused in a text that has no folder", () =>
    Effect.gen(function* () {
      expect(yield* refused({ text: one("a: file://x"), source: "-" })).toEqual([
        "-:3:27: there is no folder that file://x could be relative to"
      ])
    })
  )

  it.effect("reads a pipe that is named as a definition", () =>
    Effect.gen(function* () {
      const root = yield* folder({ text: one("a: 1") })
      const pipe = join(root, "pipe")
      execFileSync("mkfifo", [pipe])
      // Whoever opens a pipe waits for the other end, so that both begin together.
      spawn("sh", ["-c", `cat "$0/text" > "$0/pipe"`, root], { stdio: "ignore" })
      expect(plain(yield* Definition.load([pipe]))).toEqual([{ id: "app:x", kind: "k", meta: {}, data: { a: 1 } }])
    })
  )
})
