import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, describe, expect, it } from "@effect/vitest"
import * as Compare from "@heph/implementations/Compare"
import { type Files, side } from "./compareSides.ts"

const root = fs.mkdtempSync(path.join(os.tmpdir(), "heph-compare-"))
afterAll(() => fs.rmSync(root, { recursive: true, force: true }))

/** A folder with the files of a side. */
const checkout = ({ code, version }: Compare.Side): string => {
  const folder = fs.mkdtempSync(path.join(root, "at-"))
  for (const file of version.files) {
    const at = path.join(folder, file.path)
    const content = code.get(file.path)!
    fs.mkdirSync(path.dirname(at), { recursive: true })
    if (file.link) fs.symlinkSync(Buffer.from(content), at)
    else fs.writeFileSync(at, content, { mode: file.executable ? 0o755 : 0o644 })
  }
  return folder
}

/** What is in a folder: mode and content by path. */
const read = (folder: string): ReadonlyMap<string, readonly [mode: string, content: string]> => {
  const found = new Map<string, readonly [string, string]>()
  for (const entry of fs.readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory()) continue
    const at = path.join(entry.parentPath, entry.name)
    const isLink = entry.isSymbolicLink()
    const mode = isLink ? "link" : (fs.statSync(at).mode & 0o111) === 0 ? "file" : "executable"
    found.set(path.relative(folder, at), [mode, isLink ? fs.readlinkSync(at) : fs.readFileSync(at, "utf8")])
  }
  return found
}

const git = (cwd: string, args: ReadonlyArray<string>, input?: string): string =>
  execFileSync("git", args, {
    cwd,
    input,
    encoding: "utf8",
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1", GIT_CEILING_DIRECTORIES: root }
  })

const patchOf = (before: Compare.Side, after: Compare.Side) =>
  Compare.compare(before, after)
    .files.map(({ diff }) => diff)
    .join("")

const code = Array.from({ length: 30 }, (_, i) => `line ${i}\n`).join("")

const cases: ReadonlyArray<readonly [name: string, before: Files, after: Files]> = [
  ["modified", { "a.ts": code }, { "a.ts": code.replace("line 3\n", "line three\n").replace("line 28\n", "") }],
  ["added, in a new folder", {}, { "a/b/c.ts": "x\ny\n" }],
  ["removed, with its folder", { "a/b/c.ts": "x\ny\n", keep: "k" }, { keep: "k" }],
  ["renamed", { "a.ts": code }, { "lib/b.ts": code }],
  ["renamed and modified", { "a.ts": code }, { "lib/b.ts": code.replace("line 3\n", "line three\n") }],
  ["a line break at the end that comes", { a: "x\ny" }, { a: "x\ny\n" }],
  ["a line break at the end that goes", { a: "x\ny\n" }, { a: "x\ny" }],
  ["no line break at the end on either side", { a: "x\ny" }, { a: "x\nz" }],
  ["no line break at the end of what is new or gone", { gone: "x\ny" }, { come: "p\nq" }],
  ["an empty file that comes", {}, { empty: "" }],
  ["an empty file that goes", { empty: "" }, {}],
  ["an empty file that is renamed", { empty: "" }, { "moved empty": "" }],
  ["an empty file that is filled", { empty: "" }, { empty: "x" }],
  ["a file that is emptied", { a: "x\n" }, { a: "" }],
  ["line breaks of other systems", { a: "x\r\ny\r\nz\rw" }, { a: "x\ny\r\nz\rv" }],
  ["control characters", { a: "x\0y\n\u001B[31m\f\n" }, { a: "x\0z\n\u001B[32m\f\n\u2028\n" }],
  ["lines like headers", { a: "-- a/x\n@@ -1 +1 @@\n" }, { a: "++ b/x\n-- a/y\ndiff --git a/a b/a\n" }],
  [
    "an executable that comes, goes, or becomes one",
    { a: "x", b: { content: "y", executable: true } },
    { a: { content: "x", executable: true }, c: { content: "z\n", executable: true } }
  ],
  [
    "renamed, modified and made executable",
    { "a.sh": code },
    { "b.sh": { content: `${code}end\n`, executable: true } }
  ],
  [
    "a link that comes, goes, or points elsewhere",
    { a: { content: "x", link: true }, b: { content: "y", link: true } },
    { b: { content: "z", link: true }, c: { content: "some/where/else", link: true } }
  ],
  [
    "a file that becomes a link, and a link that becomes a file",
    { a: "text\n", b: { content: "target", link: true } },
    { a: { content: "target", link: true }, b: "text\n" }
  ],
  [
    "names with spaces, quotes, tabs and letters of any sort",
    { "a b": code, 'q"q': "x\n", "ü/ö": "1\n", "tab\tname": "t\n", " b/x b": "1\n" },
    { "a b c": `${code}x\n`, 'q"q': "y\n", "ü/ö": "2\n", "tab\tname": "u\n", " b/x b": "2\n" }
  ],
  ["a file in the place of a folder", { "a/b": "x\n" }, { a: "completely different\n" }],
  ["two that change places", { a: code, b: "b\n" }, { a: "b\n", b: code }],
  ["all of it at once", { "a.ts": code, gone: "1\n", "x y": "2" }, { "b.ts": `${code}end`, come: "", "x y": "3\n" }]
]

describe("git apply makes the second of the first:", () => {
  it.each(cases.map(([name, before, after]) => ({ name, before: side(before), after: side(after) })))(
    "$name",
    ({ after, before }) => {
      const folder = checkout(before)
      git(folder, ["apply", "--whitespace=nowarn", "-"], patchOf(before, after))
      expect(read(folder)).toEqual(read(checkout(after)))
      git(folder, ["apply", "--whitespace=nowarn", "--reverse", "-"], patchOf(before, after))
      expect(read(folder)).toEqual(read(checkout(before)))
    }
  )
})

describe("git", () => {
  it("refuses a patch with a binary file instead of leaving it out", () => {
    const [before, after] = [side({ a: new Uint8Array([255]), b: "1" }), side({ a: new Uint8Array([254]), b: "2" })]
    const folder = checkout(before)
    expect(() => git(folder, ["apply", "-"], patchOf(before, after))).toThrow("binary patch")
    expect(fs.readFileSync(path.join(folder, "b"), "utf8")).toBe("1")
  })

  it("finds the same files renamed", () => {
    const before = { "a/one.ts": code, "a/two.ts": code.replaceAll("line", "row"), same: "s\n", "a/three.ts": "3\n" }
    const after = {
      "b/one.ts": `${code}more\n`,
      "b/two.ts": code.replaceAll("line", "row"),
      same: "s\n",
      "b/four.ts": "nothing alike\n"
    }
    const [left, right] = [side(before), side(after)]
    const named = (args: string) => git(root, ["diff", "--no-index", "-M50%", ...args.split(" ")], undefined)
    const folders = [checkout(left), checkout(right)]
    let status = ""
    try {
      named(`--name-status ${folders.join(" ")}`)
    } catch (error) {
      // It ends with 1 where something differs.
      status = String((error as { readonly stdout: unknown }).stdout)
    }
    const expected = status
      .trim()
      .split("\n")
      .map((line) =>
        line.split("\t").map((part) => folders.reduce((text, folder) => text.replace(`${folder}/`, ""), part))
      )
      .map(([letter = "", from, to]) => [letter[0], from, to ?? from])
    const letters = { added: "A", removed: "D", modified: "M", renamed: "R" }
    const found = Compare.compare(left, right).files.map(({ from, status, to }) => [
      letters[status],
      from ?? to,
      to ?? from
    ])
    const byName = (a: ReadonlyArray<string | null | undefined>, b: typeof a) => (a.join() < b.join() ? -1 : 1)
    expect(found.sort(byName)).toEqual(expected.sort(byName))
    expect(found.filter(([letter]) => letter === "R")).toHaveLength(2)
  })
})
