import { execFileSync } from "node:child_process"
import { chmodSync, mkdirSync, readdirSync, readFileSync, readlinkSync, statSync, symlinkSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as CodeFiles from "../src/CodeFiles.ts"
import { asOrdinaryUser, folder } from "./support.ts"

const paths = (found: CodeFiles.Read) => Object.keys(found.input)
const text = (bytes: unknown) => Buffer.from(bytes as Uint8Array).toString()

const files = { "src/b.ts": "b", "src/B.ts": "B", "src/a/z.ts": "z", "src/a.ts": "a", "other/x.ts": "x" }

describe("code that is read", () => {
  it.effect("is one file by its name, a folder by what is in it, several from the folder that holds them", () =>
    Effect.gen(function* () {
      const at = folder(files)
      const read = (...names: ReadonlyArray<string>) =>
        Effect.map(CodeFiles.read(names.map((name) => join(at, name))), paths)
      expect(yield* read("src/b.ts")).toEqual(["b.ts"])
      expect(yield* read("src")).toEqual(["B.ts", "a/z.ts", "a.ts", "b.ts"])
      expect(yield* read("src/")).toEqual(["B.ts", "a/z.ts", "a.ts", "b.ts"])
      expect(yield* read("src/b.ts", "src/a/z.ts")).toEqual(["b.ts", "a/z.ts"])
      expect(yield* read("src/a/z.ts", "other")).toEqual(["src/a/z.ts", "other/x.ts"])
      // What is named twice is there once.
      expect(yield* read("src/b.ts", "src/b.ts")).toEqual(["b.ts"])
      expect((yield* read("src", "src/b.ts")).toSorted()).toEqual(
        ["src/B.ts", "src/a.ts", "src/a/z.ts", "src/b.ts"].toSorted()
      )
    })
  )

  it.effect("keeps what may be run and where links lead, and leaves out other people's code", () =>
    Effect.gen(function* () {
      const at = folder({
        "src/run": "#!",
        "src/node_modules/x/index.js": "x",
        "src/lib/node_modules/y.js": "y",
        "src/.git/HEAD": "ref",
        "src/.env": "dot"
      })
      chmodSync(join(at, "src/run"), 0o755)
      symlinkSync("../nowhere", join(at, "src/link"))
      symlinkSync(".", join(at, "src/loop"))
      execFileSync("mkfifo", [join(at, "src/pipe")])
      const { input, skipped } = yield* CodeFiles.read([join(at, "src")])
      const seen = Object.entries(input).map(([path, file]) => {
        const { content, executable, link } = file
        return [path, text(content), executable, link]
      })
      expect(seen).toEqual([
        [".env", "dot", false, undefined],
        ["link", "../nowhere", undefined, true],
        ["loop", ".", undefined, true],
        ["run", "#!", true, undefined]
      ])
      expect(skipped).toEqual([join(at, "src/pipe")])
      // One that is named is what it leads to.
      symlinkSync("run", join(at, "src/named"))
      const named = yield* CodeFiles.read([join(at, "src/named")])
      expect(Object.entries(named.input).map(([path, file]) => [path, text(file.content)])).toEqual([["named", "#!"]])
    })
  )

  it.effect("is refused by name where it is not there, or not for this user", () =>
    Effect.gen(function* () {
      const at = folder(files)
      const missing = yield* Effect.flip(CodeFiles.read([join(at, "src/none.ts")]))
      expect(missing.message).toBe(`${join(at, "src/none.ts")}: there is no such file or folder`)
      const closed = Effect.gen(function* () {
        chmodSync(join(at, "src/a.ts"), 0)
        return yield* Effect.flip(CodeFiles.read([join(at, "src")]))
      })
      expect((yield* asOrdinaryUser(at, closed)).message).toMatch(/src\/a\.ts: you may not read it/)
    })
  )
})

describe("the language", () => {
  it("is told by what files are called, as long as they agree", () => {
    const cases: ReadonlyArray<readonly [ReadonlyArray<string>, string | undefined]> = [
      [["a.ts", "lib/b.TSX", "README"], "typescript"],
      [["a.py"], "python"],
      [["a.py", "a.ts"], undefined],
      [["ts"], undefined],
      [[".py"], "python"],
      [["notes.unknown"], undefined]
    ]
    for (const [paths, language] of cases) expect([paths, CodeFiles.languageOf(paths)]).toEqual([paths, language])
  })
})

describe("code that is written", () => {
  const out = (path: string, body: string, more: Partial<CodeFiles.Out> = {}): CodeFiles.Out => ({
    path,
    bytes: Buffer.from(body),
    executable: false,
    link: false,
    ...more
  })

  it.effect("is as it was: in folders, to be run, links as links", () =>
    Effect.gen(function* () {
      const at = join(folder(), "new/deep")
      yield* CodeFiles.write(
        at,
        [out("a/b.ts", "b"), out("run", "#!", { executable: true }), out("to", "a/b.ts", { link: true })],
        { replace: false }
      )
      expect(readFileSync(join(at, "a/b.ts"), "utf8")).toBe("b")
      expect(statSync(join(at, "run")).mode & 0o100).toBe(0o100)
      expect(statSync(join(at, "a/b.ts")).mode & 0o111).toBe(0)
      expect(readlinkSync(join(at, "to"))).toBe("a/b.ts")
    })
  )

  it.effect("replaces nothing where it is not told to, and then nothing is written at all", () =>
    Effect.gen(function* () {
      const at = folder({ "b.ts": "mine" })
      const wanted = [out("a.ts", "a"), out("b.ts", "b")]
      const error = yield* Effect.flip(CodeFiles.write(at, wanted, { replace: false }))
      expect(error.message).toBe(`${at}: it has b.ts already, and nothing was written; --force replaces them`)
      expect(readdirSync(at)).toEqual(["b.ts"])
      yield* CodeFiles.write(at, wanted, { replace: true })
      expect(readFileSync(join(at, "b.ts"), "utf8")).toBe("b")
      mkdirSync(join(at, "c.ts"))
      const folded = yield* Effect.flip(CodeFiles.write(at, [out("c.ts", "c")], { replace: true }))
      expect(folded.message).toBe("c.ts: there is a folder in its place")
    })
  )

  it.effect("never leaves its folder by a link, one of its own or one that was there", () =>
    Effect.gen(function* () {
      const around = folder({ "outside/a": "safe" })
      const at = join(around, "out")
      const own = [out("d", "../outside", { link: true }), out("d/a", "evil")]
      expect((yield* Effect.flip(CodeFiles.write(at, own, { replace: true })))._tag).toBe("UnwritableCode")
      const other = join(around, "other")
      mkdirSync(other)
      symlinkSync("../outside", join(other, "d"))
      symlinkSync("../outside/a", join(other, "a"))
      const through = yield* Effect.flip(CodeFiles.write(other, [out("d/a", "evil")], { replace: true }))
      expect(through.message).toMatch(/link/)
      // A link in the place of a file goes, and what it leads to stays.
      yield* CodeFiles.write(other, [out("a", "new")], { replace: true })
      expect(readFileSync(join(other, "a"), "utf8")).toBe("new")
      expect(readFileSync(join(around, "outside/a"), "utf8")).toBe("safe")
    })
  )
})
