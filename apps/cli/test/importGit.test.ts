import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { ended, folder, heph, inside, json, start, write } from "./support.ts"

const environment = {
  ...process.env,
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_SYSTEM: "/dev/null",
  GIT_AUTHOR_NAME: "Ann",
  GIT_AUTHOR_EMAIL: "ann@example.org",
  GIT_COMMITTER_NAME: "Ann",
  GIT_COMMITTER_EMAIL: "ann@example.org",
  GIT_AUTHOR_DATE: "2020-01-02T03:04:05Z",
  GIT_COMMITTER_DATE: "2020-01-02T03:04:05Z"
}
const git = (cwd: string, ...args: ReadonlyArray<string>) =>
  execFileSync("git", args, { cwd, env: environment, encoding: "utf8" })

/** A repository, each commit of which has these files. */
const repository = (...commits: ReadonlyArray<Record<string, string>>) => {
  const at = folder()
  const repo = join(at, "app")
  mkdirSync(repo)
  git(repo, "init", "-q", "-b", "main")
  const commit = (files: Record<string, string>) => {
    write(repo, files)
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", `commit of ${Object.keys(files).join(", ")}`)
  }
  for (const files of commits) commit(files)
  return { at, repo, commit, store: join(at, "registry") }
}

describe("import git", () => {
  it.effect("makes each file a component, each commit that changed it a version; again, only what is new", () =>
    Effect.gen(function* () {
      const { commit, repo, store } = repository(
        { "a.ts": "one\n", "src/b.ts": "b\n", "notes.md": "#\n" },
        { "a.ts": "one\ntwo\n" }
      )
      const ask = (...args: ReadonlyArray<string>) => Effect.map(inside(store, [...args, "--json"]), json)
      expect(yield* ask("import", "git", repo)).toEqual({ components: 3, versions: 4, skipped: 0 })
      expect(yield* ask("versions", "app.a.ts")).toMatchObject({
        versions: [
          { parent: null, author: "Ann <ann@example.org>", created: "2020-01-02T03:04:05.000Z", generator: "git" },
          { parent: "app.a.ts:1", message: "commit of a.ts" }
        ]
      })
      expect(yield* ask("code", "app.a.ts:1")).toMatchObject({ files: [{ path: "a.ts", text: "one\n" }] })
      expect(yield* ask("import", "git", repo)).toEqual({ components: 3, versions: 0, skipped: 4 })
      commit({ "src/b.ts": "more\n" })
      expect(yield* ask("import", "git", repo)).toEqual({ components: 3, versions: 1, skipped: 4 })
      expect(yield* ask("import", "git", repo, "--path", "src/**", "--path", "*.md", "--project", "other")).toEqual({
        components: 2,
        versions: 3,
        skipped: 0
      })
      expect((yield* inside(store, ["import", "git", repo])).stdout).toBe(
        "app: 0 versions imported, of 3 components; 5 versions came before.\n"
      )
    })
  )

  it.effect("has a bar on a terminal, which is gone in the end", () =>
    Effect.gen(function* () {
      const { repo, store } = repository({ a: "a" })
      const { code, stderr } = yield* inside(store, ["import", "git", repo], 120)
      expect(code).toBe(0)
      expect(stderr).toContain("░")
      expect(stderr.endsWith("\r\u001B[2K")).toBe(true)
    })
  )

  it.effect("names what it leaves out, and refuses what is no repository", () =>
    Effect.gen(function* () {
      const { at, commit, repo, store } = repository({ a: "a" })
      const inner = repository({ b: "b" }).repo
      git(repo, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", inner, "lib")
      commit({ c: "c" })
      const imported = yield* inside(store, ["import", "git", repo, "--json"])
      expect(json({ ...imported, stderr: "" })).toMatchObject({ skipped: 1 })
      expect(imported.stderr).toMatch(/^skipped lib of [0-9a-f]{12}: it is a submodule; .*\n$/)

      mkdirSync(join(at, "none"))
      const refused = yield* inside(join(at, "other"), ["import", "git", join(at, "none"), "--json"])
      expect([refused.code, refused.stdout]).toEqual([1, ""])
      expect(JSON.parse(refused.stderr)).toMatchObject({ error: { _tag: "GitError" } })
      expect((yield* inside(store, ["import"])).stdout).toContain("heph import <subcommand>")
    })
  )

  it("interrupted, what came stays, and the next one brings the rest", async () => {
    const commits = Array.from({ length: 60 }, (_, i) => ({
      [`file${i % 7}.ts`]: `export const n = ${i}\n`,
      [`other${i}.ts`]: `${i}\n`
    }))
    const { at, repo } = repository(...commits)
    const importing = start(at, ["import", "git", repo])
    const done = ended(importing)
    const waiting = setInterval(() => {
      if (existsSync(join(at, "registry/registry.db"))) importing.kill("SIGINT")
    }, 1)
    const first = await done
    clearInterval(waiting)
    expect([0, 130]).toContain(first.code)
    const second = json(await heph(at, ["import", "git", repo, "--json"])) as {
      readonly versions: number
      readonly skipped: number
    }
    expect(second.versions + second.skipped).toBe(120)
    expect(json(await heph(at, ["import", "git", repo, "--json"]))).toMatchObject({ versions: 0, skipped: 120 })
  })
})
