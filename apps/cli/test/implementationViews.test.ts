/** What people see of implementations. */
import { existsSync, mkdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { stripVTControlCharacters } from "node:util"
import { describe, expect, it } from "@effect/vitest"
import type { Point } from "@heph/implementations/Analytics"
import * as Lineage from "@heph/implementations/Lineage"
import * as Effect from "effect/Effect"
import { style } from "../src/Output.ts"
import * as Progress from "../src/Progress.ts"
import * as LineageTree from "../src/view/LineageTree.ts"
import * as MetricChart from "../src/view/MetricChart.ts"
import { registry, two } from "./lab.ts"
import { inside, write } from "./support.ts"

const plain = { style: style(false), columns: undefined }
const lines = (text: string): ReadonlyArray<string> => text.split("\n").slice(0, -1)

/** The rows of a lineage that is given by the parents of each version. */
const rowsOf = (id: string, parents: { readonly [id: string]: ReadonlyArray<string> }) => {
  const lineage = Lineage.of(id, 1, {
    parents: (one) =>
      parents[one] === undefined ? undefined : { parents: parents[one], removed: one.startsWith("x") },
    children: (one) => Object.keys(parents).filter((child) => parents[child]!.includes(one))
  })
  return LineageTree.rows(Lineage.tree(lineage, parents[id]!))
}

describe("the drawing of a lineage", () => {
  it("moves in where a version has several children, and nowhere else", () => {
    const rows = rowsOf("c", { a: [], x: ["a"], c: ["x"], d: ["c"], e: ["c", "a"], f: ["d"], g: ["e"] })
    const scores = new Map([
      ["c", "0.5"],
      ["g", "12"]
    ])
    const drawing = LineageTree.render(rows, {
      ...plain,
      id: "c",
      metric: "score",
      scores,
      notes: new Map([["g", "best"]])
    })
    expect(drawing.split("\n")).toEqual([
      "version  score",
      "● a",
      "○ x             removed",
      "● c ◀      0.5",
      "├─● d",
      "│ ● f",
      "└─● e           also from a",
      "  ● g       12  best"
    ])
  })

  it("shows several roots, and each version once", () => {
    const rows = rowsOf("c", { a: [], b: [], c: ["a", "b"] })
    const inOrder = rows.toSorted((a, b) => (a.id < b.id ? -1 : 1))
    expect(inOrder.map(({ branch, id, otherParents, under }) => [id, branch, under, otherParents])).toEqual([
      ["a", "", null, []],
      ["b", "", null, []],
      ["c", "", "a", ["b"]]
    ])
    // Below the one it is drawn under, with nothing between.
    expect(rows.findIndex(({ id }) => id === "c")).toBe(rows.findIndex(({ id }) => id === "a") + 1)
  })

  it("goes as deep as a lineage does", () => {
    const depth = 20_000
    const parents = Object.fromEntries(Array.from({ length: depth }, (_, i) => [`v${i}`, i === 0 ? [] : [`v${i - 1}`]]))
    const children = (id: string) => {
      const child = `v${Number(id.slice(1)) + 1}`
      return parents[child] === undefined ? [] : [child]
    }
    const lineage = Lineage.of("v7", 1, { parents: (id) => ({ parents: parents[id]!, removed: false }), children })
    const rows = LineageTree.rows(Lineage.tree(lineage, ["v6"]))
    expect(rows.map(({ id }) => id)).toEqual(Object.keys(parents))
    expect(rows.every(({ branch }) => branch === "")).toBe(true)
  })
})

describe("the chart of a metric", () => {
  const points = (values: ReadonlyArray<number>): ReadonlyArray<Point> => {
    let best = -Infinity
    return values.map((value, i) => {
      best = Math.max(best, value)
      return { id: `a.b:${i + 1}`, sequence: i + 1, created: 0, value, best }
    })
  }
  const draw = (values: ReadonlyArray<number>, columns?: number) =>
    MetricChart.render(points(values), { style: style(false), columns, direction: "max" }).split("\n")

  it("goes from the least value to the greatest, a version from left to right", () => {
    const drawn = draw([1, 12, 6.5], 13)
    expect(drawn).toHaveLength(13)
    expect(drawn[0]).toMatch(/^ *12 ┤/)
    expect(drawn[11]).toMatch(/^ *1 ┼/)
    expect(drawn.at(-1)).toMatch(/^ +1 +3$/)
    // The second version is the highest, the third halfway down.
    expect(drawn[0]).toContain("╭")
    expect(drawn[5]! + drawn[6]!).toContain("╰")
  })

  it("fits any number of versions of any size into the columns there are", () => {
    const many = Array.from({ length: 5000 }, (_, i) => Math.sin(i / 100) * 1e-7)
    for (const values of [[5], [5, 5, 5], [0], [-1, 1], [Number.MAX_VALUE, -Number.MAX_VALUE, 0], many]) {
      const drawn = draw(values, 60)
      for (const line of drawn) expect(line.length).toBeLessThanOrEqual(60)
      expect(drawn.join("")).not.toMatch(/NaN|undefined|Infinity/)
      expect(drawn.length).toBeLessThanOrEqual(13)
    }
  })

  it("shows the best of versions that share a column", () => {
    const values = Array.from({ length: 1000 }, (_, i) => (i === 500 ? 100 : 0))
    expect(draw(values, 40)[0]).toMatch(/^ *100 ┤ +╭─*╮$/)
  })

  it("has the best so far in green where there is colour", () => {
    const target = { style: style(true), columns: 60, direction: "max" as const }
    expect(MetricChart.render(points([1, 3, 2]), target)).toContain("\u001B[32m")
  })
})

describe("the bar of an import", () => {
  const names = { done: "commits", made: "versions" }
  it("tells how far it is, how fast, and how long it takes yet", () => {
    expect(Progress.barText(names, { done: 0, of: 0, made: 0 }, 0)).toBe(`${"░".repeat(24)} 0 %  0 commits of 0`)
    expect(Progress.barText(names, { done: 500, of: 2000, made: 3000 }, 2000)).toBe(
      `${"█".repeat(6)}${"░".repeat(18)} 25 %  500 commits of 2,000  1,500 versions/s  6 sec left`
    )
    expect(Progress.barText(names, { done: 10, of: 2000, made: 10 }, 2000)).toMatch(/ 5 versions\/s {2}7 min left$/)
    expect(Progress.barText(names, { done: 2000, of: 2000, made: 1 }, 5000)).toMatch(/^█{24} 100 % .* 0 sec left$/)
  })
})

describe("what people read of implementations", () => {
  it.effect("register, versions, lineage, compare, stats, record, search", () =>
    Effect.gen(function* () {
      const { at, store } = yield* two
      const heph = (...args: ReadonlyArray<string>) => inside(store, args)
      expect(yield* heph("register", join(at, "b.ts"), "-c", "lab.a", "-m", "same\nagain")).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/^lab\.a:3: from lab\.a:2, 1 file, [0-9a-f]{12}\n$/) as unknown,
        stderr: "its code is that of lab.a:2, and is stored once\n"
      })
      expect(yield* heph("versions", "lab.a")).toEqual({
        code: 0,
        stdout: [
          "version  when  parent  status    score  tags       size  message",
          "lab.a:1  now           untested    0.5  first  19 bytes  one",
          "lab.a:2  now   1       untested   0.75         19 bytes  more",
          "lab.a:3  now   2       untested                19 bytes  same",
          ""
        ].join("\n"),
        stderr: "3 versions at v3\n"
      })
      expect((yield* heph("versions", "lab.a", "--limit", "1")).stderr).toBe("1 version of 3 at v3\n")
      expect(lines((yield* heph("versions")).stdout)).toEqual([
        "component  versions  newest  when  status    message",
        "lab.a             3  3       now   untested  same"
      ])
      expect(lines((yield* heph("lineage", "lab.a:2")).stdout)).toEqual([
        "version      score",
        "● lab.a:1      0.5  first  now  one",
        "● lab.a:2 ◀   0.75  now  more",
        "● lab.a:3           now  same"
      ])
      expect(lines((yield* heph("compare", "lab.a:2", "lab.a:3", "--files-only")).stdout)).toEqual([])
      expect((yield* heph("compare", "lab.a:1", "lab.a:2", "--files-only")).stdout).toBe(
        "removed  a.ts  +0  -1\nadded    b.ts  +1  -0\n"
      )
      expect((yield* heph("record", "lab.a", "--metric", "score=0.1", "--tag", "x")).stdout).toBe(
        "lab.a:3: untested, score 0.1, x\n"
      )
      const stats = lines((yield* heph("stats", "lab.a")).stdout)
      expect(stats[0]).toBe("lab.a  score, higher is better")
      expect(stats.slice(-9)).toEqual([
        "versions    3 versions",
        "best        lab.a:2: 0.75, now",
        "trend       -0.2 a version",
        "since then  1 version without a better one",
        "",
        "generation  versions   min  median  mean   max  best",
        "         0         1   0.5     0.5   0.5   0.5  lab.a:1",
        "         1         1  0.75    0.75  0.75  0.75  lab.a:2",
        "         2         1   0.1     0.1   0.1   0.1  lab.a:3"
      ])
      expect((yield* heph("search", "code*a = 1", "--explain")).stdout).toBe(
        [
          "metadata  3 versions of 3 candidates by scan",
          "code      2 contents of 3 versions, 38 bytes",
          "likeness  not asked for",
          ""
        ].join("\n")
      )
    })
  )

  it.effect("prune: why each goes, and by --dry-run why the others stay, grouped", () =>
    Effect.gen(function* () {
      const { ask, register, store } = yield* two
      yield* register("a.ts")
      yield* register("a.ts", "--metric", "score=0.9")
      yield* ask("register", join(store, "../b.ts"), "--component", "lab.b", "--metric", "score=7")
      const prune = (...args: ReadonlyArray<string>) =>
        inside(store, ["prune", "--retention-policy", "keep-last-1", ...args])
      expect(lines((yield* prune("--dry-run")).stdout)).toEqual([
        expect.stringMatching(/^lab\.a:2 {2}.* old, keep-last-1 keeps sequences above 3$/) as unknown,
        expect.stringMatching(/^lab\.a:3 {2}.* old, keep-last-1 keeps sequences above 3$/) as unknown,
        "",
        "kept because             versions",
        "tagged first                    1  lab.a:1",
        "newest of the component         2  lab.a:4, lab.b:1",
        "best score                      2  lab.a:4, lab.b:1",
        "keep-last-1                     2  lab.a:4, lab.b:1",
        "",
        "2 versions would go, with 0 contents of 0 bytes; 3 stay."
      ])
      const pruned = yield* prune()
      expect(lines(pruned.stdout).at(-1)).toBe("2 versions are gone, with 0 contents of 0 bytes; 3 stay.")
      expect(pruned.stderr).toMatch(/^the store's files had .* and have .*\n$/)
      expect((yield* prune()).stdout).toBe("Nothing to remove: all of 3 versions stay.\n")
    })
  )

  it.effect("code: a file as it is, several with their names, and on a terminal nothing that steers it", () =>
    Effect.gen(function* () {
      const { ask, at, store } = registry()
      write(at, { "src/a.txt": "no end", "src/b.txt": "\u001B[2Jb\n", "src/c.bin": new Uint8Array([255, 1]) })
      yield* ask("register", join(at, "src"), "--component", "lab.a")
      const heph = (...args: ReadonlyArray<string>) => inside(store, ["code", "lab.a", ...args])
      expect((yield* heph("--file", "a.txt")).stdout).toBe("no end")
      expect((yield* heph("--file", "b.txt")).stdout).toBe("\u001B[2Jb\n")
      expect((yield* heph()).stdout).toMatch(
        // eslint-disable-next-line no-control-regex
        /^==> a\.txt <==\nno end\n\n==> b\.txt <==\n\u001B\[2Jb\n\n==> c\.bin <==\n.*\n$/
      )
      const terminal = yield* inside(store, ["code", "lab.a"], 80)
      expect(stripVTControlCharacters(terminal.stdout)).toBe(
        "==> a.txt <==\nno end\n\n==> b.txt <==\n\\u001b[2Jb\n\n==> c.bin <==\n<2 bytes>\n"
      )
    })
  )

  it.effect("a page that is not named goes to standard output, and on a terminal to a file", () =>
    Effect.gen(function* () {
      const { at, store } = yield* two
      const piped = yield* inside(store, ["compare", "lab.a:1", "lab.a:2", "--html"])
      expect(piped).toMatchObject({ code: 0, stderr: "" })
      expect(piped.stdout).toMatch(/^<!doctype html>[^]*<\/html>\n$/)
      mkdirSync(join(at, "cwd"))
      const before = process.cwd()
      process.chdir(join(at, "cwd"))
      const terminal = yield* Effect.ensuring(
        inside(store, ["compare", "lab.a:1", "lab.a:2", "--html"], 80),
        Effect.sync(() => process.chdir(before))
      )
      const file = join(at, "cwd/compare-lab.a-1-lab.a-2.html")
      expect(terminal).toMatchObject({ code: 0, stdout: "" })
      expect(existsSync(file)).toBe(true)
      expect(readFileSync(file, "utf8")).toBe(piped.stdout)
    })
  )

  it.effect("nothing registered can steer a terminal", () =>
    Effect.gen(function* () {
      const { ask, at, store } = registry()
      const evil = "\u001B[2J\u0007\u009B31m\u202Etxt"
      write(at, { [`src/${evil}.ts`]: "a\n", "src/b.ts": `${evil}\n` })
      const said = [
        "--tag",
        evil,
        "-m",
        evil,
        "--goal",
        evil,
        "--author",
        evil,
        "--metric",
        `${evil}=1`,
        "--field",
        `x=${evil}`
      ]
      yield* ask("register", join(at, "src"), "--component", "lab.a", ...said)
      yield* ask("register", join(at, "src/b.ts"), "--component", "lab.a", ...said)
      for (const args of [
        ["versions"],
        ["versions", "lab.a"],
        ["lineage", "lab.a"],
        ["compare", "lab.a:1", "lab.a:2"],
        ["compare", "lab.a:1", "lab.a:2", "--side-by-side"],
        ["compare", "lab.a:1", "lab.a:2", "--files-only"],
        ["search", `meta.goal="${evil}"`],
        ["stats", "lab.a"],
        ["record", "lab.a", "--tag", evil],
        ["prune", "--dry-run", "--retention-policy", "keep-last-1"],
        ["code", "lab.a", "--file", evil],
        ["code", "lab.a:1", "--out", join(at, "out")]
      ]) {
        const { stderr, stdout } = yield* inside(store, args)
        // eslint-disable-next-line no-control-regex
        expect([args, (stdout + stderr).match(/[\u0000-\u0009\u000B-\u001F\u007F-\u009F\u202E]/)]).toEqual([args, null])
      }
    })
  )
})
