import * as NodeServices from "@effect/platform-node/NodeServices"
import { describe, expect, it } from "@effect/vitest"
import type { Version } from "@heph/implementations/Implementation"
import * as Implementations from "@heph/implementations/Implementations"
import * as Storage from "@heph/implementations/Storage"
import * as ComponentName from "@heph/import-git/ComponentName"
import * as GitImport from "@heph/import-git/GitImport"
import * as Registry from "@heph/registry/Registry"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { history } from "./fixtures/histories.ts"
import { expected } from "./fixtures/oracle.ts"
import { type CommitSpec, repository } from "./fixtures/repositories.ts"

/** Runs on a registry of its own in memory. */
const inMemory = <A, E, R extends Storage.Services>(use: Effect.Effect<A, E, R>) =>
  Effect.provide(use, Storage.layerMemory()) as Effect.Effect<A, unknown>

const imported = (folder: string, options?: GitImport.Options) =>
  Effect.provide(GitImport.run(folder, { project: "p", revisions: "all", ...options }), NodeServices.layer)

/** Everything that was registered, as far as the import decides it. */
const all = Effect.gen(function* () {
  const { getVersion, search } = yield* Implementations.Implementations
  const found: Array<Version & { readonly content: Uint8Array; readonly name: string }> = []
  for (const { id } of (yield* search([])).versions) {
    const { code, ...version } = yield* getVersion(id)
    const [content] = [...code.values()]
    found.push({
      ...version,
      content: content!,
      name: `${version.fields["commit"] as string}:${ComponentName.pathOf(version.component)}`
    })
  }
  return found
})

const exported = Effect.map(Registry.Registry, (registry) =>
  Array.from(registry.current(), ({ data, id, meta }) => [id.value, meta, data])
)

const ordinary = (commits: ReadonlyArray<CommitSpec>): ReadonlyArray<CommitSpec> =>
  commits.map((commit) => ({
    ...commit,
    files: Object.fromEntries(
      Object.entries(commit.files).filter(([, file]) => typeof file === "string" || file.mode !== "160000")
    )
  }))

describe("import", () => {
  it(
    "has every file at every version as git has it, with its parents; again adds nothing (property)",
    { timeout: 120_000 },
    () =>
      fc.assert(
        fc.asyncProperty(history, async (commits) => {
          await Effect.runPromise(
            Effect.scoped(
              Effect.gen(function* () {
                const { folder } = yield* repository(commits)
                const wanted = expected(folder, "--all")
                const checked = Effect.gen(function* () {
                  const first = yield* imported(folder)
                  const versions = yield* all
                  const byId = new Map(versions.map(({ id, name }) => [id, name]))
                  expect([...byId.values()].sort()).toEqual([...wanted.keys()].sort())
                  for (const { content, files, name, parents } of versions) {
                    const { content: bytes, mode, parents: from } = wanted.get(name)!
                    expect(Buffer.from(content).equals(bytes)).toBe(true)
                    expect(parents.map((id) => byId.get(id))).toEqual(from)
                    expect(files.map(({ executable, link }) => [executable, link])).toEqual([
                      [mode === "100755", mode === "120000"]
                    ])
                  }
                  expect(first).toMatchObject({ versions: versions.length, known: 0 })
                  const before = yield* exported
                  expect(yield* imported(folder)).toEqual({ ...first, versions: 0, known: first.versions })
                  expect(yield* exported).toEqual(before)
                })
                yield* inMemory(checked)
              })
            )
          )
        }),
        { numRuns: 15 }
      )
  )

  it("broken off anywhere and run again comes to the same (property)", { timeout: 120_000 }, () =>
    fc.assert(
      fc.asyncProperty(history, fc.integer({ min: 1, max: 6 }), fc.nat(), async (commits, batch, at) => {
        await Effect.runPromise(
          Effect.scoped(
            Effect.gen(function* () {
              const { folder } = yield* repository(ordinary(commits))
              const whole = yield* inMemory(Effect.andThen(imported(folder), exported))
              const again = Effect.gen(function* () {
                const stop = Promise.withResolvers<void>()
                const after = 1 + (at % Math.max(whole.length - 1, 1))
                const broken = imported(folder, {
                  batch,
                  onProgress: ({ versions }) => void (versions >= after && stop.resolve())
                })
                yield* Effect.race(
                  broken,
                  Effect.promise(() => stop.promise)
                )
                yield* imported(folder)
                return yield* exported
              })
              expect(yield* inMemory(again)).toEqual(whole)
            })
          )
        )
      }),
      { numRuns: 12 }
    )
  )

  it.effect("keeps who, when and why, and adds what is new", () =>
    Effect.gen(function* () {
      const commits: ReadonlyArray<CommitSpec> = [
        { parents: [], files: { "a.ts": "1\n" }, message: "first\n\nwith a body", author: "Grace <grace@example.org>" },
        { parents: [0], files: { "a.ts": "1\n", ".env": "x" }, message: "second" }
      ]
      const { folder, ids } = yield* repository(commits)
      const longer = yield* repository([...commits, { parents: [1], files: { ".env": "x", "b.ts": "1\n" } }])
      yield* inMemory(
        Effect.gen(function* () {
          const { describe } = yield* Implementations.Implementations
          expect(yield* imported(folder, { project: "my.app" })).toEqual({
            project: "my%2Eapp",
            components: 2,
            versions: 2,
            known: 0,
            skipped: []
          })
          expect(yield* describe("my%2Eapp.a.ts:1")).toMatchObject({
            author: "Grace <grace@example.org>",
            message: "first\n\nwith a body",
            created: 1_600_000_000_000,
            generator: "git",
            parents: [],
            fields: { commit: ids[0] },
            files: [{ path: "a.ts" }]
          })
          expect((yield* describe("my%2Eapp.%2Eenv")).files).toMatchObject([{ path: ".env" }])
          const registry = yield* Registry.Registry
          const before = registry.status().version
          expect(yield* imported(longer.folder, { project: "my.app" })).toMatchObject({ versions: 1, known: 2 })
          expect(registry.status().version).toBe(before + 1)
          // Renamed: it comes from what it was.
          expect((yield* describe("my%2Eapp.b.ts")).parents).toEqual(["my%2Eapp.a.ts:1"])
        })
      )
    }).pipe(Effect.scoped)
  )

  it.effect("names what it cannot register, and what comes from that comes from what it came from", () =>
    Effect.gen(function* () {
      const long = `${"deep/".repeat(100)}file.ts`
      const lines = (n: number) => "line\n".repeat(n)
      const { folder, ids } = yield* repository([
        { parents: [], files: { a: lines(3) } },
        { parents: [0], files: { a: lines(300), sub: { mode: "160000", content: "1".repeat(40) }, [long]: "x" } },
        { parents: [1], files: { a: lines(4), back: "x", sub: { mode: "160000", content: "2".repeat(40) } } }
      ])
      yield* inMemory(
        Effect.gen(function* () {
          const { describe } = yield* Implementations.Implementations
          const { skipped, versions } = yield* imported(folder, { maxFileBytes: 1000 })
          expect(versions).toBe(3)
          expect(skipped).toEqual([
            { path: "a", commit: ids[1], count: 1, reason: "too large" },
            { path: long, commit: ids[1], count: 1, reason: "path too long" },
            { path: "sub", commit: ids[1], count: 2, reason: "submodule" }
          ])
          expect((yield* describe("p.a:2")).parents).toEqual(["p.a:1"])
        })
      )
    }).pipe(Effect.scoped)
  )

  it.effect("takes only what globs name, and nothing of an empty repository", () =>
    Effect.gen(function* () {
      const { folder } = yield* repository([{ parents: [], files: { "src/a.ts": "1", "src/a.md": "2", "b.ts": "3" } }])
      yield* inMemory(
        Effect.gen(function* () {
          const { components } = yield* Implementations.Implementations
          yield* imported(folder, { paths: ["src/**/*.ts"] })
          expect((yield* components()).map(({ component }) => component)).toEqual(["p.src/a.ts"])
        })
      )
    }).pipe(Effect.scoped)
  )
})
