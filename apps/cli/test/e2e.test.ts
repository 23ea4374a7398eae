/**
 * The whole workflow of the registry of implementations: registration, versioning, storage, indexing, retrieval, comparison,
 * lineage, recording, retention. On every backend, each step in a process of its own, so that there is a restart between
 * any two of them. What memory holds ends with the process: there all steps are one program.
 */
import { randomUUID } from "node:crypto"
import { chmodSync, lstatSync, readFileSync, readlinkSync, statSync, symlinkSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Implementations from "@heph/implementations/Implementations"
import * as Retention from "@heph/implementations/Retention"
import * as Storage from "@heph/implementations/Storage"
import * as Postgres from "@heph/test-postgres/url"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { folder, heph, json, write } from "./support.ts"

/** What all versions have in common. */
const rest =
  "\nexport const least = (numbers: number[]) => sort(numbers)[0]\n\nexport const most = (numbers: number[]) => sort(numbers).at(-1)\n"
const source = (comment: string, order: string) =>
  `export const sort = (numbers: number[]) => {\n  // ${comment}\n  return numbers.sort(${order})\n}\n${rest}`

/** The code of four versions: of 1, of 2 from 1, of 3 from 1, of 4 from 2 and 3. */
const sources = {
  1: source("bubble", ""),
  2: source("bubble", "(a, b) => a - b"),
  3: source("insertion", ""),
  4: source("insertion", "(a, b) => a - b")
}
const icon = new Uint8Array([0, 255, 10, 13, 0x1b, 128])
const helper = "#!/bin/sh\nnode sort.ts\n"
const component = "lab.sort"
const id = (n: number) => `${component}:${n}`
const tests = (failing: boolean) => [
  { name: "sorts letters", outcome: "passed", duration: 2 },
  { name: "sorts numbers", outcome: failing ? "failed" : "passed", ...(failing ? { message: "[1,10,9]" } : {}) }
]

describe("the documented workflow", () => {
  const backends: ReadonlyArray<readonly [name: string, at: (folder: string) => string]> = [
    ["a folder", (at) => join(at, "registry")],
    ["PostgreSQL", () => `${Postgres.url()}?schema=cli_tests&registry=${randomUUID()}`]
  ]
  it.each(backends)(
    "in %s, with a restart between any two steps",
    async (_, storeIn) => {
      const at = folder({
        "one/src/sort.ts": sources[1],
        "one/src/icon.bin": icon,
        "one/run.sh": helper,
        "one/node_modules/other/index.js": "not ours",
        "two/sort.ts": sources[2],
        "three/sort.ts": sources[3],
        "four/sort.ts": sources[4],
        "tests.json": JSON.stringify(tests(true)),
        "later.json": JSON.stringify({ tests: tests(false) })
      })
      chmodSync(join(at, "one/run.sh"), 0o755)
      symlinkSync("src/sort.ts", join(at, "one/latest.ts"))
      const store = storeIn(at)
      const ask = async (...args: ReadonlyArray<string>) => json(await heph(at, ["--store", store, ...args, "--json"]))
      const register = (...args: ReadonlyArray<string>) => ask("register", ...args, "--component", component)

      // Registration, each with an id of its own.
      const first = (await register("one", "--metric", "score=0.5", "-m", "first", "--author", "ann")) as {
        readonly hash: string
      }
      expect(first).toMatchObject({ id: id(1), version: "1", parent: null, duplicateOf: null })
      expect(await register("two/sort.ts", "--metric", "score=0.7", "--goal", "numbers")).toMatchObject({
        id: id(2),
        parent: id(1)
      })
      expect(await register("three/sort.ts", "--parent", id(1), "--metric", "score=0.6")).toMatchObject({ id: id(3) })
      expect(
        await register("four/sort.ts", "--parent", id(2), "--parent", id(3), "--metric", "score=0.9", "--tag", "good")
      ).toMatchObject({ id: id(4), parent: id(2) })
      expect(await register("three/sort.ts")).toMatchObject({ id: id(5), parent: id(4), duplicateOf: id(3) })

      // Each is a version of the registry.
      expect(await ask("log", "--limit", "1")).toMatchObject({ head: 5, versions: [{ id: 5, created: 1 }] })

      // Listing and search.
      const idsOf = (found: unknown) =>
        (found as { readonly versions: ReadonlyArray<{ readonly id: string }> }).versions.map(({ id }) => id)
      expect(idsOf(await ask("versions", component))).toEqual([1, 2, 3, 4, 5].map(id))
      expect(
        idsOf(await ask("versions", component, "--metric", "score>=0.6", "--sort", "metrics.score", "--desc"))
      ).toEqual([4, 2, 3].map(id))
      expect(idsOf(await ask("search", ">=meta.metrics.score=0.6", "code*insertion"))).toEqual([3, 4].map(id))
      expect(idsOf(await ask("search", `.ns=${component}`, String.raw`code~a\s+-\s+b`))).toEqual([2, 4].map(id))
      expect(idsOf(await ask("search", "near", id(3), "--limit", "1"))).toEqual([id(5)])

      // Retrieval: what was registered, to the byte.
      const given = { "latest.ts": "src/sort.ts", "run.sh": helper, "src/icon.bin": icon, "src/sort.ts": sources[1] }
      const code = (await ask("code", id(1))) as {
        readonly files: ReadonlyArray<{ readonly path: string; readonly text?: string; readonly $bytes?: string }>
      }
      expect(
        Object.fromEntries(
          code.files.map(({ $bytes, path, text }) => [
            path,
            text ?? new Uint8Array(Buffer.from($bytes ?? "", "base64"))
          ])
        )
      ).toEqual(given)
      await ask("code", id(1), "--out", "back")
      expect(new Uint8Array(readFileSync(join(at, "back/src/icon.bin")))).toEqual(icon)
      expect(readFileSync(join(at, "back/src/sort.ts"), "utf8")).toBe(sources[1])
      expect(statSync(join(at, "back/run.sh")).mode & 0o111).toBe(0o111)
      expect(readlinkSync(join(at, "back/latest.ts"))).toBe("src/sort.ts")
      expect(lstatSync(join(at, "back/latest.ts")).isSymbolicLink()).toBe(true)

      // What was found out about them, without a change to what was known before.
      await ask("record", id(1), "--tests", "tests.json")
      expect(await ask("record", id(4), "--tests", "later.json", "--metric", "swaps=3")).toMatchObject({
        status: "passed",
        tests: { passed: 2, failed: 0, skipped: 0 },
        metrics: { score: 0.9, swaps: 3 }
      })
      expect(await ask("versions", component, "--status", "passed", "--at", "v5")).toMatchObject({ total: 0 })

      // Comparison.
      expect(await ask("compare", id(1), id(4))).toMatchObject({
        files: [
          { status: "removed", path: "latest.ts" },
          { status: "removed", path: "run.sh" },
          { status: "renamed", from: "src/sort.ts", to: "sort.ts", added: 2, removed: 2 },
          { status: "removed", path: "src/icon.bin", binary: true }
        ],
        metrics: [
          { metric: "score", from: 0.5, to: 0.9 },
          { metric: "swaps", from: null, to: 3 }
        ],
        tests: { newlyPassing: ["sorts numbers"], newlyFailing: [], stillFailing: [] }
      })

      // Lineage, with both parents of the crossover.
      const kin = (found: unknown) => {
        const { ancestors, descendants } = found as {
          readonly [side: string]: ReadonlyArray<{ readonly id: string; readonly removed: boolean }>
        }
        const ids = (list: typeof ancestors) => list?.map(({ id, removed }) => (removed ? `${id} removed` : id))
        return { ancestors: ids(ancestors), descendants: ids(descendants) }
      }
      expect(kin(await ask("lineage", id(4)))).toEqual({ ancestors: [2, 3, 1].map(id), descendants: [id(5)] })
      expect(await ask("stats", component)).toMatchObject({ metric: "score", best: { id: id(4) }, total: 5 })

      // Retention: 4 is tagged and the best, 5 the newest, and 3 has the same code as 5.
      const policy = ["prune", "--retention-policy", "keep-last-1"]
      const planned = await ask(...policy, "--dry-run")
      expect(planned).toMatchObject({ version: null, removed: [1, 2, 3].map(id), kept: 2 })
      expect(idsOf(await ask("versions", component))).toEqual([1, 2, 3, 4, 5].map(id))
      const pruned = (await ask(...policy)) as { readonly version: number; readonly contents: number }
      expect(pruned).toMatchObject({ removed: [1, 2, 3].map(id), kept: 2 })
      // The four files of 1, its test results, and the code of 2.
      expect(pruned.contents).toBe(6)
      expect(idsOf(await ask("versions", component))).toEqual([4, 5].map(id))
      expect(kin(await ask("lineage", id(4)))).toEqual({
        ancestors: [2, 3, 1].map((n) => `${id(n)} removed`),
        descendants: [id(5)]
      })
      const body = async (n: number) => ((await ask("code", id(n))) as typeof code).files[0]?.text
      expect([await body(4), await body(5)]).toEqual([sources[4], sources[3]])
      expect(idsOf(await ask("versions", component, "--at", "v5"))).toEqual([1, 2, 3, 4, 5].map(id))
      const gone = await heph(at, ["--store", store, "code", id(1), "--at", "v5", "--json"])
      expect([gone.code, JSON.parse(gone.stderr)]).toEqual([
        1,
        { error: { _tag: "ContentMissing", message: expect.any(String) as unknown } }
      ])
      expect(await ask("verify")).toMatchObject({ ok: true, damage: [] })
      // ~40 processes.
    },
    400_000
  )

  it.effect("in memory", () =>
    Effect.gen(function* () {
      const { compareVersions, getLineage, getVersion, listVersions, prune, recordTestResults, register, search } =
        yield* Implementations.Implementations
      const text = (n: keyof typeof sources) => ({ "sort.ts": sources[n] })
      const first = yield* register({ ...text(1), "icon.bin": icon }, { component, metrics: { score: 0.5 } })
      yield* register(text(2), { component, metrics: { score: 0.7 } })
      yield* register(text(3), { component, parent: id(1), metrics: { score: 0.6 } })
      yield* register(text(4), { component, parent: [id(2), id(3)], metrics: { score: 0.9 }, tags: ["good"] })
      expect(yield* register(text(3), { component })).toMatchObject({ id: id(5), duplicateOf: id(3) })
      expect(first).toMatchObject({ id: id(1), parent: null })
      const best = yield* listVersions(component, { metrics: { score: { min: 0.6 } } }, { sortBy: "metrics.score" })
      expect(best.versions.map(({ id }) => id)).toEqual([3, 2, 4].map(id))
      expect((yield* search(["code*insertion"])).versions.map(({ id }) => id)).toEqual([3, 4, 5].map(id))
      expect((yield* getVersion(id(1))).code.get("icon.bin")).toEqual(icon)
      yield* recordTestResults(id(4), [{ name: "sorts", outcome: "passed" }])
      const comparison = yield* compareVersions(id(3), id(4))
      expect(comparison.files.map(({ added, removed, status }) => [status, added, removed])).toEqual([
        ["modified", 1, 1]
      ])
      expect((yield* getLineage(id(4))).ancestors.map(({ id }) => id)).toEqual([2, 3, 1].map(id))
      const policy = Result.getOrThrow(Retention.parse("keep-last-1"))
      expect((yield* prune({ policy })).removed).toEqual([1, 2, 3].map(id))
      expect((yield* getVersion(id(5))).code.get("sort.ts")).toEqual(new TextEncoder().encode(sources[3]))
    }).pipe(Effect.provide(Storage.layerMemory()))
  )

  it("goes on where a folder was changed in between", async () => {
    const at = folder({ "src/a.ts": "a\n" })
    const ask = async (...args: ReadonlyArray<string>) => json(await heph(at, [...args, "--json"]))
    await ask("register", "src", "--component", component)
    write(at, { "src/b.ts": "b\n" })
    await ask("register", "src", "--component", component)
    expect(await ask("compare", id(1), component)).toMatchObject({
      files: [{ path: "b.ts", status: "added" }],
      unchanged: 1
    })
  })
})
