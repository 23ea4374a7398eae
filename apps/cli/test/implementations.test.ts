/** What the commands of the implementations print for machines. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { first, registry, second, sha, two } from "./lab.ts"
import { contents, definitions, folder, heph, json, write } from "./support.ts"

describe("what --json prints", () => {
  it.effect("register: the version and where it comes from", () =>
    Effect.gen(function* () {
      const { ask, register } = registry()
      expect(yield* register("a.ts")).toEqual({
        id: "lab.a:1",
        version: "1",
        parent: null,
        hash: first.hash,
        duplicateOf: null
      })
      expect(yield* register("a.ts", "--no-parent")).toEqual({
        id: "lab.a:2",
        version: "2",
        parent: null,
        hash: first.hash,
        duplicateOf: "lab.a:1"
      })
      expect(yield* register("b.ts", "--parent", "lab.a:1")).toMatchObject({ parent: "lab.a:1", hash: second.hash })
      expect(yield* register("b.ts", "--version-strategy", "semantic", "--bump", "major")).toMatchObject({
        version: "1.0.0"
      })
      expect(yield* register("b.ts", "--version-strategy", "semantic", "--bump", "minor")).toMatchObject({
        version: "1.1.0"
      })
      expect(yield* register("a.ts", "--version-strategy", "content")).toMatchObject({ version: first.hash })
      // The registry is one as every other.
      expect(yield* ask("status")).toMatchObject({ version: 6, entries: 6 })
    })
  )

  it.effect("versions: those of a component, or all components, at any version of the registry", () =>
    Effect.gen(function* () {
      const { ask } = yield* two
      expect(yield* ask("versions", "lab.a")).toEqual({
        component: "lab.a",
        at: 2,
        total: 2,
        cursor: null,
        versions: [first, second]
      })
      expect(yield* ask("versions", "lab.a", "--at", "v1")).toMatchObject({ at: 1, total: 1, versions: [first] })
      expect(yield* ask("versions")).toEqual({ at: 2, components: [{ component: "lab.a", count: 2, newest: second }] })
      expect(yield* ask("versions", "--at", "1")).toMatchObject({ components: [{ count: 1, newest: first }] })
    })
  )

  it.effect("versions: filtered, sorted, cut into pages", () =>
    Effect.gen(function* () {
      const { ask, register } = registry()
      for (let n = 1; n <= 5; n++) {
        yield* TestClock.setTime(n * 86_400_000)
        yield* register(
          "a.ts",
          ...(n === 3 ? [] : ["--metric", `score=${n / 10}`]),
          ...(n > 3 ? ["--tag", "late"] : [])
        )
      }
      const list = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
        const { versions } = (yield* ask("versions", "lab.a", ...args)) as {
          readonly versions: ReadonlyArray<{ readonly version: string }>
        }
        return versions.map(({ version }) => version).join(" ")
      })
      expect(yield* list("--metric", "score>=0.2", "--metric", "score<=0.4")).toBe("2 4")
      expect(yield* list("--metric", "score=0.5")).toBe("5")
      expect(yield* list("--metric", "score")).toBe("1 2 4 5")
      expect(yield* list("--tag", "late")).toBe("4 5")
      expect(yield* list("--status", "failed")).toBe("")
      expect(yield* list("--since", "1970-01-03", "--until", "1970-01-05T00:00:00Z")).toBe("2 3")
      expect(yield* list("--sort", "metrics.score", "--desc")).toBe("5 4 2 1 3")
      expect(yield* list("--desc", "--limit", "2")).toBe("5 4")
      const page = (yield* ask("versions", "lab.a", "--limit", "3")) as { readonly cursor: string }
      expect(page).toMatchObject({ total: 5, cursor: expect.any(String) as unknown })
      expect(yield* list("--limit", "3", "--cursor", page.cursor)).toBe("4 5")
    })
  )

  it.effect("code: text as text, everything else as bytes", () =>
    Effect.gen(function* () {
      const bytes = new Uint8Array([255, 0, 10])
      const { ask, at } = registry({ "src/x.bin": bytes, "src/y.txt": "\uFEFFtext" })
      yield* ask("register", join(at, "src"), "--component", "lab.a")
      const list = `${sha(bytes)}  x.bin\n${sha("\uFEFFtext")}  y.txt\n`
      const files = [
        { path: "x.bin", hash: sha(bytes), size: 3, $bytes: Buffer.from(bytes).toString("base64") },
        { path: "y.txt", hash: sha("\uFEFFtext"), size: 7, text: "\uFEFFtext" }
      ]
      expect(yield* ask("code", "lab.a")).toEqual({ id: "lab.a:1", hash: sha(list), files })
      expect(yield* ask("code", "lab.a:1", "--file", "y.txt")).toMatchObject({ files: [files[1]] })
      expect(yield* ask("code", "lab.a:1", "--out", join(at, "out"))).toEqual({
        id: "lab.a:1",
        hash: sha(list),
        out: join(at, "out"),
        files: files.map(({ hash, path, size }) => ({ path, hash, size }))
      })
      expect(readFileSync(join(at, "out/x.bin"))).toEqual(Buffer.from(bytes))
    })
  )

  it.effect("compare: the comparison, the files alone, or where the page is", () =>
    Effect.gen(function* () {
      const { ask, at } = yield* two
      const found = yield* ask("compare", "lab.a:1", "lab.a:2")
      expect(found).toMatchObject({
        from: "lab.a:1",
        to: "lab.a:2",
        unchanged: 0,
        files: [
          { status: "removed", path: "a.ts", from: "a.ts", to: null, removed: 1, diff: expect.any(String) as unknown },
          { status: "added", path: "b.ts", from: null, to: "b.ts", added: 1 }
        ],
        metrics: [{ metric: "score", from: 0.5, to: 0.75, delta: 0.25, ratio: 1.5 }],
        tests: { newlyPassing: [], newlyFailing: [] }
      })
      const few = (yield* ask("compare", "lab.a:1", "lab.a:2", "--files-only")) as {
        readonly files: ReadonlyArray<object>
      }
      expect(Object.keys(few)).toEqual(["from", "to", "unchanged", "files"])
      expect(few.files).toMatchObject([{ status: "removed" }, { status: "added" }])
      expect(few.files[0]).not.toHaveProperty("diff")
      const page = join(at, "page.html")
      expect(yield* ask("compare", "lab.a:1", "lab.a", "--html", page)).toEqual({
        from: "lab.a:1",
        to: "lab.a:2",
        page
      })
      expect(readFileSync(page, "utf8")).toMatch(/^<!doctype html>[^]*lab\.a:2/)
    })
  )

  it.effect("lineage: ancestors, descendants, and the tree from above to below", () =>
    Effect.gen(function* () {
      const { ask, register } = yield* two
      yield* register("a.ts", "--parent", "lab.a:1")
      yield* register("b.ts", "--parent", "lab.a:3", "--parent", "lab.a:2")
      const kin = (n: number, distance: number, ...parents: ReadonlyArray<number>) => ({
        id: `lab.a:${n}`,
        parents: parents.map((parent) => `lab.a:${parent}`),
        distance,
        removed: false
      })
      const row = (n: number, under: number | null, ...others: ReadonlyArray<number>) => ({
        id: `lab.a:${n}`,
        under: under === null ? null : `lab.a:${under}`,
        otherParents: others.map((other) => `lab.a:${other}`),
        removed: false
      })
      expect(yield* ask("lineage", "lab.a:3")).toEqual({
        id: "lab.a:3",
        at: 4,
        ancestors: [kin(1, 1)],
        descendants: [kin(4, 1, 3, 2)],
        tree: [row(1, null), row(3, 1), row(4, 3, 2)]
      })
      expect(yield* ask("lineage", "lab.a:1", "--at", "v2")).toEqual({
        id: "lab.a:1",
        at: 2,
        ancestors: [],
        descendants: [kin(2, 1, 1)],
        tree: [row(1, null), row(2, 1)]
      })
    })
  )

  it.effect("search: versions, how near they are, or what was looked at", () =>
    Effect.gen(function* () {
      const { ask } = yield* two
      expect(yield* ask("search", ">meta.metrics.score=0.6")).toEqual({
        at: 2,
        total: 1,
        cursor: null,
        versions: [second]
      })
      expect(yield* ask("search", "code*a = 1")).toMatchObject({ total: 1, versions: [first] })
      expect(yield* ask("search", String.raw`!code~a = [1]\b`)).toMatchObject({ versions: [second] })
      expect(yield* ask("search", "--at", "v1")).toMatchObject({ at: 1, versions: [first] })
      expect(yield* ask("search", "--sort", "meta.sequence", "--desc", "--limit", "1")).toMatchObject({
        total: 2,
        cursor: expect.any(String) as unknown,
        versions: [second]
      })
      expect(yield* ask("search", "meta.author=ann", "code*a = 2", "--explain")).toEqual({
        at: 2,
        total: 0,
        explain: {
          finder: expect.objectContaining({ index: "b-tree", matches: 1 }) as unknown,
          code: { versions: 1, contents: 1, bytes: 19 },
          near: { sketches: 0, compared: 0 }
        }
      })
      expect(yield* ask("search", "meta.author=ann", "--index-type", "hash", "--explain")).toMatchObject({
        explain: { finder: { index: "hash" } }
      })
    })
  )

  it.effect("search near a version: with how near each is", () =>
    Effect.gen(function* () {
      const lines = Array.from({ length: 40 }, (_, i) => `const line${i} = ${i * 7}\n`)
      const other = Array.from({ length: 40 }, (_, i) => `function other${i}() { return "${i}" }\n`)
      const { ask, register } = registry({
        "x.ts": lines.join(""),
        "y.ts": [...lines.slice(0, 30), ...other.slice(0, 10)].join(""),
        "z.ts": other.slice(20).join("")
      })
      for (const name of ["x.ts", "y.ts", "z.ts"]) yield* register(name)
      const found = (yield* ask("search", "near", "lab.a:1")) as {
        readonly versions: ReadonlyArray<{ readonly id: string; readonly similarity: number }>
      }
      // 30 lines of both, 50 of either.
      expect(found.versions.map(({ id, similarity }) => [id, similarity])).toEqual([["lab.a:2", 0.6]])
    })
  )

  it.effect("record: the version as it is then", () =>
    Effect.gen(function* () {
      const { ask, at } = yield* two
      write(at, {
        "tests.json": JSON.stringify([
          { name: "adds", outcome: "passed" },
          { name: "divides", outcome: "failed", message: "by 0" }
        ])
      })
      const recorded = yield* ask(
        "record",
        "lab.a",
        "--tests",
        join(at, "tests.json"),
        "--metric",
        "ms=1e3",
        "--metric",
        "score=-1",
        "--tag",
        "kept"
      )
      const expected = {
        ...second,
        status: "failed",
        tests: { passed: 1, failed: 1, skipped: 0 },
        metrics: { score: -1, ms: 1000 },
        tags: ["kept"]
      }
      expect(recorded).toEqual(expected)
      expect(yield* ask("versions", "lab.a")).toMatchObject({ versions: [first, expected] })
      expect(yield* ask("versions", "lab.a", "--at", "v2")).toMatchObject({ versions: [first, second] })
    })
  )

  it.effect("prune: what goes and why, what it frees, and the size of the files", () =>
    Effect.gen(function* () {
      const { ask, register, store } = yield* two
      yield* register("a.ts", "--metric", "score=0.6")
      const decision = (n: number, keep: boolean, ...reasons: ReadonlyArray<string>) => ({
        id: `lab.a:${n}`,
        keep,
        reasons
      })
      const decisions = [
        decision(1, true, "kept: tagged first"),
        decision(2, true, "kept: best score 0.75"),
        decision(3, true, "kept: newest of the component", "kept: keep-last-1 (1st newest)")
      ]
      expect(yield* ask("prune", "--retention-policy", "keep-last-1")).toEqual({
        version: null,
        dryRun: false,
        removed: [],
        kept: 3,
        decisions,
        freed: 0,
        contents: 0,
        fileBefore: expect.any(Number) as unknown,
        fileAfter: expect.any(Number) as unknown
      })
      yield* register("b.ts", "--metric", "score=0.9")
      const before = contents(store)
      const planned = yield* ask("prune", "--retention-policy", "keep-last-1", "--dry-run")
      expect(planned).toMatchObject({
        version: null,
        dryRun: true,
        removed: ["lab.a:2", "lab.a:3"],
        kept: 2,
        fileAfter: null
      })
      expect(contents(store)).toEqual(before)
      const pruned = yield* ask("prune", "--retention-policy", "keep-last-1")
      // The code of both is that of another version, which is still there.
      expect(pruned).toMatchObject({ version: 5, removed: ["lab.a:2", "lab.a:3"], kept: 2, freed: 0, contents: 0 })
      expect(yield* ask("code", "lab.a:4")).toMatchObject({ files: [{ text: "export const a = 2\n" }] })
      expect(yield* ask("lineage", "lab.a:4")).toMatchObject({
        ancestors: [
          { id: "lab.a:3", removed: true },
          { id: "lab.a:2", removed: true },
          { id: "lab.a:1", removed: false }
        ]
      })
    })
  )

  it.effect("stats: best, trend, generations, stagnation", () =>
    Effect.gen(function* () {
      const { ask, register } = registry()
      yield* register("a.ts", "--metric", "score=1")
      for (const score of [3, 2]) yield* register("a.ts", "--metric", `score=${score}`, "--parent", "lab.a:1")
      yield* register("a.ts", "--parent", "lab.a:2")
      const point = (sequence: number, value: number, best: number) => ({
        id: `lab.a:${sequence}`,
        sequence,
        created: "1970-01-01T00:00:00.000Z",
        value,
        best
      })
      const found = yield* ask("stats", "lab.a", "--patience", "1")
      expect(found).toEqual({
        component: "lab.a",
        at: 4,
        metric: "score",
        direction: "max",
        total: 4,
        skipped: 1,
        best: expect.objectContaining({ id: "lab.a:2", metrics: { score: 3 } }) as unknown,
        slope: 0.5,
        points: [point(1, 1, 1), point(2, 3, 3), point(3, 2, 3)],
        generations: [
          { generation: 0, count: 1, min: 1, median: 1, mean: 1, max: 1, best: "lab.a:1" },
          { generation: 1, count: 2, min: 2, median: 2.5, mean: 2.5, max: 3, best: "lab.a:2" }
        ],
        stagnation: {
          best: "lab.a:2",
          value: 3,
          since: "1970-01-01T00:00:00.000Z",
          versions: 1,
          generations: 0,
          isStagnant: true
        }
      })
      expect(yield* ask("stats", "lab.a", "--min", "--at", "v1")).toMatchObject({
        at: 1,
        direction: "min",
        best: { id: "lab.a:1" },
        slope: null
      })
    })
  )
})

describe("a process", () => {
  it("takes code and reports from standard input, and prints one file as it is", async () => {
    const at = folder()
    const bytes = new Uint8Array([0, 255, 13, 10, 0xc3])
    const registered = await heph(at, ["register", "-", "-c", "lab.a", "--path", "x.bin", "--json"], { input: bytes })
    expect(json(registered)).toMatchObject({ id: "lab.a:1", hash: sha(bytes) })
    const report = `<testsuite name="s"><testcase name="t"/></testsuite>`
    expect(json(await heph(at, ["record", "lab.a", "--tests", "-", "--json"], { input: report }))).toMatchObject({
      status: "passed",
      tests: { passed: 1 }
    })
    const shell = await heph(at, ["code", "lab.a:1", "--out", "out"])
    expect(shell).toEqual({ code: 0, stdout: "x.bin\n", stderr: "lab.a:1: 1 file in out\n" })
    expect(new Uint8Array(readFileSync(join(at, "out/x.bin")))).toEqual(bytes)
  })

  it("keeps versions beside the entries of definitions, in one registry", async () => {
    const at = folder({ "app.yaml": definitions("lab.other", [{ name: "db", kind: "k" }]), "a.ts": "a" })
    json(await heph(at, ["apply", "app.yaml", "--json"]))
    json(await heph(at, ["register", "a.ts", "-c", "lab.a", "--json"]))
    expect(json(await heph(at, ["find", ".kind=implementation", "--json"]))).toMatchObject({
      version: 2,
      entries: [{ id: "lab.a:1" }]
    })
    expect(json(await heph(at, ["versions", "--json"]))).toMatchObject({ components: [{ component: "lab.a" }] })
  })

  it("gives eight that register into one component at once an id each, and loses none", async () => {
    const at = folder()
    const inputs = Array.from({ length: 8 }, (_, i) => `export const n = ${i}\n`)
    const registered = await Promise.all(
      inputs.map((input) => heph(at, ["register", "-", "-c", "lab.a", "--path", "n.ts", "--json"], { input }))
    )
    const ids = registered.map((ended) => (json(ended) as { readonly id: string }).id)
    expect(ids.toSorted()).toEqual(inputs.map((_, i) => `lab.a:${i + 1}`))
    for (const [i, id] of ids.entries()) {
      expect((await heph(at, ["code", id])).stdout).toBe(inputs[i])
    }
  })
})
