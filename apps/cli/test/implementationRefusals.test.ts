/** What the commands of the implementations refuse. */
import { existsSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { refused, registry, sha, two } from "./lab.ts"
import { write } from "./support.ts"

const sqlite = createRequire(import.meta.resolve("@heph/history-sqlite/HistorySqlite"))("better-sqlite3") as new (
  file: string
) => {
  readonly prepare: (sql: string) => {
    readonly run: (...values: ReadonlyArray<unknown>) => unknown
    readonly all: () => ReadonlyArray<{ readonly [column: string]: unknown }>
  }
  readonly close: () => void
}

describe("what is refused", () => {
  it.effect("what is not there, at the version that is read", () =>
    Effect.gen(function* () {
      const { run } = yield* two
      const unknown = [
        ["versions", "lab.b"],
        ["code", "lab.a:9"],
        ["code", "lab.a:2", "--at", "v1"],
        ["compare", "lab.a:1", "lab.a:9"],
        ["lineage", "lab.a:2", "--at", "v1"],
        ["search", "near", "lab.x:1"],
        ["record", "lab.a:9", "--metric", "x=1"],
        ["stats", "lab.none"]
      ]
      for (const args of unknown) {
        const error = yield* refused(run(...args))
        expect([args, error._tag]).toEqual([args, "UnknownImplementation"])
      }
      expect((yield* refused(run("code", "lab.a:9"))).message).toBe(
        "there is no implementation lab.a:9 at v2; there is lab.a:2"
      )
      expect(yield* refused(run("versions", "lab.a", "--at", "v9"))).toMatchObject({ _tag: "UnknownVersion" })
      expect(yield* refused(run("code", "lab.a", "--file", "c.ts"))).toEqual({
        _tag: "UnknownFile",
        message: "lab.a:2 has no file c.ts; it has b.ts"
      })
      expect(yield* refused(run("stats", "lab.a", "--metric", "speed"))).toEqual({
        _tag: "UnknownMetric",
        message: "no version of lab.a has the metric speed; they have score"
      })
      expect(yield* refused(run("versions", "lab.a", "--sort", "color"))).toMatchObject({ _tag: "InvalidSearch" })
      expect(yield* refused(run("versions", "lab.a", "--cursor", "x"))).toMatchObject({ _tag: "InvalidCursor" })
      expect(yield* refused(run("search", "code~["))).toMatchObject({ _tag: "InvalidSearch" })
      expect(yield* refused(run("search", "kind=x"))).toMatchObject({ _tag: "InvalidQuery" })
    })
  )

  it.effect("what cannot be registered or recorded, and nothing changes", () =>
    Effect.gen(function* () {
      const { ask, at, run } = yield* two
      const before = [yield* ask("log"), yield* ask("export")]
      const file = join(at, "a.ts")
      write(at, {
        "tests.json": `[{"name":"a","outcome":"passed"},{"name":"a","outcome":"failed"}]`,
        "empty/.git/x": ""
      })
      const calls: ReadonlyArray<readonly [tag: string, message: RegExp, ...args: ReadonlyArray<string>]> = [
        ["InvalidImplementation", /project\.component/, "register", file, "--component", "lab"],
        ["InvalidImplementation", /no colon/, "register", file, "--component", "lab.a:1"],
        ["InvalidImplementation", /at least one/, "register", join(at, "empty"), "--component", "lab.a"],
        ["InvalidImplementation", /meaning of its own/, "register", file, "-c", "lab.a", "--field", "hash=1"],
        ["UnknownImplementation", /lab\.a:7/, "register", file, "-c", "lab.a", "--parent", "lab.a:7"],
        ["UnreadableCode", /none\.ts: there is no such file/, "register", join(at, "none.ts"), "-c", "lab.a"],
        ["InvalidImplementation", /two tests "a"/, "record", "lab.a", "--tests", join(at, "tests.json")],
        ["InvalidTestReport", /none\.json: there is no such file/, "record", "lab.a", "--tests", join(at, "none.json")]
      ]
      for (const [tag, message, ...args] of calls) {
        const error = yield* refused(run(...args))
        expect([args, error._tag]).toEqual([args, tag])
        expect(error.message).toMatch(message)
      }
      expect([yield* ask("log"), yield* ask("export")]).toEqual(before)
    })
  )

  it.effect("bad usage ends with 2, before anything is opened or made", () =>
    Effect.gen(function* () {
      const { at, run, store } = registry()
      const file = join(at, "a.ts")
      const calls: ReadonlyArray<ReadonlyArray<string>> = [
        ["register", file],
        ["register", "--component", "lab.a"],
        ["register", file, "-c", "lab.a", "--metric", "score"],
        ["register", file, "-c", "lab.a", "--metric", "score=high"],
        ["register", file, "-c", "lab.a", "--metric", "=1"],
        ["register", file, "-c", "lab.a", "--metric", "score=NaN"],
        ["register", file, "-c", "lab.a", "--bump", "huge"],
        ["register", file, "-c", "lab.a", "--no-parent", "--parent", "lab.a:1"],
        ["register", file, "-", "-c", "lab.a"],
        ["register", file, "-c", "lab.a", "--path", "x"],
        ["versions", "--limit", "2"],
        ["versions", "lab.a", "--metric", "score>0.9"],
        ["versions", "lab.a", "--since", "yesterday"],
        ["compare", "lab.a:1"],
        ["compare", "lab.a:1", "lab.a:2", "page.html"],
        ["compare", "lab.a:1", "lab.a:2", "--html"],
        ["compare", "lab.a:1", "lab.a:2", "--html", "--side-by-side"],
        ["record", "lab.a:1"],
        ["prune", "--retention-policy", "keep-some"]
      ]
      for (const args of calls) {
        const { code, stderr, stdout } = yield* run(...args)
        expect([args, code, stdout]).toEqual([args, 2, ""])
        expect(JSON.parse(stderr)).toMatchObject({ error: { message: expect.any(String) as unknown } })
      }
      expect(existsSync(store)).toBe(false)
    })
  )

  it.effect("no registry: only register makes one", () =>
    Effect.gen(function* () {
      const { at, run, store } = registry()
      write(at, { "tests.json": "[]" })
      for (const args of [
        ["versions"],
        ["versions", "lab.a"],
        ["code", "lab.a"],
        ["compare", "lab.a:1", "lab.a:2"],
        ["lineage", "lab.a:1"],
        ["search"],
        ["record", "lab.a:1", "--tests", join(at, "tests.json")],
        ["prune"],
        ["stats", "lab.a"]
      ]) {
        const error = yield* refused(run(...args))
        expect([args, error._tag]).toEqual([args, "NoRegistry"])
      }
      expect(existsSync(store)).toBe(false)
    })
  )

  it.effect("a damaged content: it is named, and everything else is read", () =>
    Effect.gen(function* () {
      const { ask, at, run, store } = registry({ "c.bin": Buffer.from("no line of it is anywhere else\n".repeat(3)) })
      yield* ask("register", join(at, "a.ts"), "--component", "lab.a")
      yield* ask("register", join(at, "c.bin"), "--component", "lab.c")
      const damaged = sha(readFileSync(join(at, "c.bin")))
      const database = new sqlite(join(store, "registry.db"))
      const { changes } = database
        .prepare("UPDATE contents SET bytes = zeroblob(length(bytes)) WHERE hash = ?")
        .run(Buffer.from(damaged, "hex")) as { readonly changes: number }
      database.close()
      expect(changes).toBe(1)
      const error = yield* refused(run("code", "lab.c:1"))
      expect(error._tag).toBe("ContentDamaged")
      expect(error.message).toContain(damaged)
      expect(yield* ask("code", "lab.a:1")).toMatchObject({ files: [{ text: "export const a = 1\n" }] })
      expect(yield* ask("versions", "lab.c")).toMatchObject({ total: 1 })
      const verified = yield* run("verify")
      expect(verified.code).toBe(1)
      expect(verified.stdout).toContain(damaged)
    })
  )
})
