import { describe, expect, it } from "@effect/vitest"
import * as Compare from "@heph/implementations/Compare"
import { applyPatch, reversePatch, parsePatch } from "diff"
import * as fc from "fast-check"
import { type Files, results, side } from "./compareSides.ts"

/** What a reader of diffs could take for something else than a line. */
const line = fc.constantFrom(
  "a",
  "b",
  "c",
  "",
  " ",
  "\t",
  "a\r",
  "\r",
  "-- a",
  "++ b",
  "--- a/x",
  "@@ -1 +1 @@",
  "diff --git a/x b/x",
  "rename from x",
  "Binary files a and b",
  "Index: x",
  "\\ No newline at end of file",
  "\u2028",
  "\uFEFF",
  "é",
  "😀"
)
const text = fc
  .tuple(
    fc.oneof(fc.array(line, { maxLength: 30, size: "max" }), fc.array(fc.string({ unit: "grapheme" }))),
    fc.boolean()
  )
  .map(([lines, isEnded]) => lines.join("\n") + (isEnded ? "\n" : ""))

/** Two texts, of which the second is mostly the first with some lines gone and others come. */
const texts = fc.oneof(
  fc.tuple(text, text),
  text.chain((before) =>
    fc
      .array(fc.tuple(fc.nat(40), fc.nat(2), fc.array(line, { maxLength: 2 })), { maxLength: 5, size: "max" })
      .map((edits): [string, string] => {
        const lines = before.split("\n")
        for (const [at, gone, come] of edits) lines.splice(at, gone, ...come)
        return [before, lines.join("\n")]
      })
  )
)

const files = (before: Files, after: Files, options?: Compare.Options) =>
  Compare.compare(side(before), side(after), options).files

const only = (before: Files, after: Files, options?: Compare.Options) => {
  const found = files(before, after, options)
  expect(found).toHaveLength(1)
  return found[0]!
}

const lines = (n: number, of: (i: number) => string = (i) => `line ${i}`) =>
  Array.from({ length: n }, (_, i) => `${of(i)}\n`).join("")

describe("a diff", () => {
  it("makes the second text of the first, and the first of the second when it is reversed", () => {
    fc.assert(
      fc.property(texts, fc.integer({ min: 1, max: 5 }), ([before, after], context) => {
        fc.pre(before !== after)
        const { added, diff, removed } = only({ "src/a b.ts": before }, { "src/a b.ts": after }, { context })
        expect(applyPatch(before, diff, { autoConvertLineEndings: false })).toBe(after)
        expect(applyPatch(after, reversePatch(parsePatch(diff)[0]!), { autoConvertLineEndings: false })).toBe(before)
        const count = (text: string) => text.split("\n").length - (text.endsWith("\n") || text === "" ? 1 : 0)
        expect(added - removed).toBe(count(after) - count(before))
      }),
      { numRuns: 500 }
    )
  })

  it("is of everything where a file is new or gone", () => {
    fc.assert(
      fc.property(text, (text) => {
        const come = only({}, { "a/b": text })
        const gone = only({ "a/b": text }, {})
        expect(applyPatch("", come.diff, { autoConvertLineEndings: false })).toBe(text)
        expect(applyPatch(text, gone.diff, { autoConvertLineEndings: false })).toBe("")
        expect([come.status, come.from, come.to, come.removed]).toEqual(["added", null, "a/b", 0])
        expect([gone.status, gone.from, gone.to, gone.added]).toEqual(["removed", "a/b", null, 0])
        expect(come.added).toBe(gone.removed)
      })
    )
  })

  it("has the headers that git writes", () => {
    expect(only({ "a.ts": "x\ny" }, { "a.ts": "x\nz" }).diff).toBe(
      `diff --git a/a.ts b/a.ts
--- a/a.ts
+++ b/a.ts
@@ -1,2 +1,2 @@
 x
-y
\\ No newline at end of file
+z
\\ No newline at end of file
`
    )
    expect(only({}, { "a.ts": "x\n" }).diff).toBe(
      "diff --git a/a.ts b/a.ts\nnew file mode 100644\n--- /dev/null\n+++ b/a.ts\n@@ -0,0 +1 @@\n+x\n"
    )
    expect(only({ "a.ts": "x\n" }, {}).diff).toBe(
      "diff --git a/a.ts b/a.ts\ndeleted file mode 100644\n--- a/a.ts\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n"
    )
    expect(only({ 'a"\n': "x\n" }, { é: { content: "x\n", executable: true } }).diff).toBe(
      String.raw`diff --git "a/a\"\n" "b/\303\251"
old mode 100644
new mode 100755
rename from "a\"\n"
rename to "\303\251"
`
    )
  })

  it("is none of files that are the same, however many", () => {
    const same = { "a.ts": "a\n", "b.ts": new Uint8Array([0xff]), "c.sh": { content: "c\n", executable: true } }
    const found = Compare.compare(side(same), side({ ...same, d: "" }))
    expect(found.files.map(({ path }) => path)).toEqual(["d"])
    expect(found.unchanged).toBe(3)
  })

  it("says that bytes differ where one side is no text, and shows none of them", () => {
    const bytes = new Uint8Array([0x61, 0x0a, 0xc3, 0x28])
    for (const [before, after] of [
      [bytes, "a\n"],
      ["a\n", bytes],
      [new Uint8Array([0xff]), bytes]
    ] as const) {
      const found = only({ "a b": before }, { "a b": after })
      expect(found.diff).toBe(
        "diff --git a/a b b/a b\nold mode 100644\nnew mode 100644\nBinary files a/a b and b/a b differ\n"
      )
      expect([found.binary, found.added, found.removed]).toEqual([true, 0, 0])
      expect(Compare.hunks(found)).toEqual([])
    }
    expect(only({}, { x: bytes }).diff).toContain("Binary files /dev/null and b/x differ\n")
    expect(only({}, { x: "x".repeat(Compare.maxTextBytes) }).binary).toBe(false)
    expect(only({}, { x: "x".repeat(Compare.maxTextBytes + 1) }).binary).toBe(true)
  })

  it("tells modes and links apart from content", () => {
    const executable = only({ "a.sh": "a\n" }, { "a.sh": { content: "a\n", executable: true } })
    expect([executable.status, executable.added, executable.removed]).toEqual(["modified", 0, 0])
    expect([executable.fromMode, executable.toMode]).toEqual(["100644", "100755"])
    expect(executable.diff).toBe("diff --git a/a.sh b/a.sh\nold mode 100644\nnew mode 100755\n")

    const link = only({ a: "b" }, { a: { content: "b", link: true } })
    expect([link.status, link.toMode, link.added, link.removed]).toEqual(["modified", "120000", 1, 1])
    expect(parsePatch(link.diff).map(({ isCreate, isDelete }) => [isDelete, isCreate])).toEqual([
      [true, undefined],
      [undefined, true]
    ])
  })

  it("of texts that share nothing ends soon, says that it is not the smallest, and is correct", () => {
    const before = lines(60_000, (i) => `${i % 7}`)
    const after = lines(60_000, (i) => `${(i * i) % 11}`)
    const huge = only({ a: before }, { a: after })
    expect(huge.approximate).toBe(true)
    expect(applyPatch(before, huge.diff)).toBe(after)
    expect(only({ a: before }, { a: `${before}more\n` }).approximate).toBe(false)
  })

  it("of texts with very many lines takes all of one away and adds all of the other", () => {
    const [before, after] = [lines(300_000), lines(300_000, (i) => `line ${i + 1}`)]
    const { added, approximate, diff, removed } = only({ a: before }, { a: after })
    expect([added, removed, approximate]).toEqual([300_000, 300_000, true])
    expect(applyPatch(before, diff)).toBe(after)
  })

  it("of a file that was lengthened or cut by any number of lines is the smallest", () => {
    const short = lines(20)
    const long = `${lines(10)}${lines(50_000, (i) => `new ${i}`)}${short.slice(lines(10).length)}`
    const [grown, cut] = [only({ a: short }, { a: long }), only({ a: long }, { a: short })]
    expect([grown.added, grown.removed, cut.added, cut.removed]).toEqual([50_000, 0, 0, 50_000])
  })

  it("of one long line costs no more than its length", () => {
    const line = "x=1;".repeat(250_000)
    const found = only({ "min.js": line }, { "min.js": `${line}y` })
    expect([found.added, found.removed, found.approximate]).toEqual([1, 1, false])
    expect(Compare.hunks(found)[0]?.rows[0]?.to?.segments).toEqual([{ text: `${line}y`, isChanged: false }])
  })
})

describe("the rows of a diff", () => {
  const textOf = (line: Compare.Line | null) => line?.segments.map(({ text }) => text).join("")

  it("are the lines of both sides by their numbers", () => {
    fc.assert(
      fc.property(texts, ([before, after]) => {
        fc.pre(before !== after)
        const [left, right] = [before.split("\n"), after.split("\n")]
        for (const { rows } of Compare.hunks(only({ a: before }, { a: after }))) {
          expect(rows.length).toBeGreaterThan(0)
          for (const { from, kind, to } of rows) {
            expect(textOf(from)).toBe(from === null ? undefined : left[from.number - 1])
            expect(textOf(to)).toBe(to === null ? undefined : right[to.number - 1])
            expect(from?.hasBreak).toBe(from === null ? undefined : from.number < left.length)
            expect(to?.hasBreak).toBe(to === null ? undefined : to.number < right.length)
            expect(kind).toBe(
              from === null
                ? "added"
                : to === null
                  ? "removed"
                  : textOf(from) === textOf(to) && from.hasBreak === to.hasBreak
                    ? "same"
                    : "changed"
            )
          }
        }
      }),
      { numRuns: 300 }
    )
  })

  it("name each hunk as the diff does", () => {
    fc.assert(
      fc.property(texts, ([before, after]) => {
        fc.pre(before !== after)
        const found = only({ a: before }, { a: after }, { context: 1 })
        for (const { title } of Compare.hunks(found)) expect(found.diff).toContain(`\n${title}\n`)
      })
    )
  })

  it("mark the words that differ within a line, and none where little is the same", () => {
    const changed = (before: string, after: string) =>
      Compare.hunks(only({ a: before }, { a: after }))[0]?.rows.map(({ from, to }) =>
        [from, to].map((line) => line?.segments.flatMap(({ isChanged, text }) => (isChanged ? [text] : [])) ?? [])
      )
    expect(changed("const total = price * 2\n", "const total = cost * 2\n")).toEqual([[["price"], ["cost"]]])
    expect(changed("call(a, b)\n", "call(a, b, c)\n")).toEqual([[[], [", c"]]])
    expect(changed("import x from y\n", "return 404\n")).toEqual([[[], []]])
    expect(changed("one\ntwo\n", "one 1\ntwo 2\nthree\n")).toEqual([
      [[], [" 1"]],
      [[], [" 2"]],
      [[], []]
    ])
  })
})

describe("a renamed file", () => {
  it("is found by its content, whatever else has changed, before any that is alike", () => {
    const code = lines(10)
    const found = files(
      { "src/a.ts": code, "src/b.ts": `${code}more\n` },
      { "lib/b.ts": code, "lib/c.ts": `${code}more\nand more\n` }
    )
    expect(found.map(({ from, similarity, status, to }) => [status, from, to, similarity === 1])).toEqual([
      ["renamed", "src/a.ts", "lib/b.ts", true],
      ["renamed", "src/b.ts", "lib/c.ts", false]
    ])
  })

  it("is found by most of its lines: the most alike pair first", () => {
    const code = lines(20, (i) => `const value${i} = ${i * i}`)
    const nearly = code.replace("value3 ", "renamed ")
    const half = lines(20, (i) => (i % 3 === 0 ? `other ${i}` : `const value${i} = ${i * i}`))
    const [moved, other, ...more] = files({ "old.ts": code }, { "half.ts": half, "nearly.ts": nearly })
    expect(more).toEqual([])
    expect([moved?.status, moved?.path]).toEqual(["added", "half.ts"])
    expect([other?.status, other?.from, other?.to]).toEqual(["renamed", "old.ts", "nearly.ts"])
    expect(other?.similarity).toBeGreaterThan(0.9)
    expect(other?.similarity).toBeLessThan(1)
    expect(applyPatch(code, other!.diff)).toBe(nearly)
    expect([other?.added, other?.removed]).toEqual([1, 1])
  })

  it("has half of its text in common, or more", () => {
    const statuses = (same: number) =>
      files({ a: lines(10) }, { b: lines(10, (i) => (i < same ? `line ${i}` : `else ${i}`)) }).map(
        ({ status }) => status
      )
    expect(statuses(5)).toEqual(["renamed"])
    expect(statuses(4)).toEqual(["removed", "added"])
    // A line that is there twice is shared twice only if the other has it twice.
    expect(files({ a: lines(10) }, { b: lines(10, () => "line 1") })).toHaveLength(2)
  })

  it("keeps its base name where several are the same", () => {
    const found = files(
      { "a/x.ts": "", "a/y.ts": "", "a/p.ts": "same\n", "a/q.ts": "same\n" },
      { "b/y.ts": "", "b/x.ts": "", "b/q.ts": "same\n", "b/p.ts": "same\n" }
    )
    expect(found.map(({ from, to }) => [from, to])).toEqual(
      ["p", "q", "x", "y"].map((name) => [`a/${name}.ts`, `b/${name}.ts`])
    )
  })

  it("is neither a link that was a file nor bytes that are only alike", () => {
    const statuses = (before: Files, after: Files) => files(before, after).map(({ status }) => status)
    expect(statuses({ a: "target" }, { b: { content: "target", link: true } })).toEqual(["removed", "added"])
    const bytes = (last: number) => new Uint8Array([0x61, 0x0a, 0x62, 0x0a, 0xff, last])
    expect(statuses({ a: bytes(1) }, { b: bytes(2) })).toEqual(["removed", "added"])
    expect(statuses({ a: bytes(1) }, { b: bytes(1) })).toEqual(["renamed"])
  })

  it("is looked for under its own name where there are too many to compare each with each", () => {
    const many = (folder: string, of: (i: number) => string): Files =>
      Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`${folder}/${i}.ts`, of(i)]))
    // Files that all have half of their lines in common.
    const code = (i: number) => lines(60, (j) => (j < 30 ? `line ${j}` : `line ${j} of ${i}`))
    const found = Compare.compare(side(many("a", code)), side(many("b", (i) => `${code(i)}end\n`)))
    expect(found.renamesCut).toBe(true)
    expect(found.files).toHaveLength(300)
    for (const { from, to } of found.files) expect(from).toBe(to?.replace("b/", "a/"))
  })
})

describe("a comparison", () => {
  it("has every field that differs, lists with what came and went", () => {
    const before = side(
      {},
      {
        id: "shop.cart:1",
        author: "ann",
        goal: "fast",
        generation: 1,
        parents: ["shop.cart:0"],
        tags: ["slow", "kept"],
        context: { model: "m", temperature: 0.5 },
        fields: { kept: [1, { deep: true }], gone: 1, changed: "x", constructor: "own" }
      }
    )
    const after = side(
      {},
      {
        id: "shop.cart:2",
        author: null,
        goal: "fast",
        generation: 2,
        parents: ["shop.cart:0", "shop.cart:1"],
        tags: ["kept", "fast"],
        context: { temperature: 0.5, model: "m" },
        fields: { kept: [1, { deep: true }], changed: 1, come: new Uint8Array([1]) }
      }
    )
    const { from, metadata, to } = Compare.compare(before, after)
    expect([from, to]).toEqual(["shop.cart:1", "shop.cart:2"])
    expect(metadata).toEqual([
      { field: "author", from: "ann", to: null },
      { field: "generation", from: 1, to: 2 },
      {
        field: "parents",
        from: ["shop.cart:0"],
        to: ["shop.cart:0", "shop.cart:1"],
        added: ["shop.cart:1"],
        removed: []
      },
      { field: "tags", from: ["slow", "kept"], to: ["kept", "fast"], added: ["fast"], removed: ["slow"] },
      { field: "changed", from: "x", to: 1 },
      { field: "come", from: null, to: new Uint8Array([1]) },
      { field: "constructor", from: "own", to: null },
      { field: "gone", from: 1, to: null }
    ])
  })

  it("has every metric of either side, with null where there is nothing to say", () => {
    const { metrics } = Compare.compare(
      side({}, { metrics: { speed: 4, same: 1, gone: 2, zero: 0, huge: -1.7e308 } }),
      side({}, { metrics: { speed: 5, same: 1, come: 3, zero: 2, huge: 1.7e308 } })
    )
    expect(metrics).toEqual([
      { metric: "come", from: null, to: 3, delta: null, ratio: null },
      { metric: "gone", from: 2, to: null, delta: null, ratio: null },
      { metric: "huge", from: -1.7e308, to: 1.7e308, delta: null, ratio: -1 },
      { metric: "same", from: 1, to: 1, delta: 0, ratio: 1 },
      { metric: "speed", from: 4, to: 5, delta: 1, ratio: 1.25 },
      { metric: "zero", from: 0, to: 2, delta: 2, ratio: null }
    ])
  })

  it("tells tests that newly pass from those that newly fail, and finds none twice", () => {
    const outcomes = ["passed", "failed", "skipped", undefined] as const
    const named = (of: (before: number, after: number) => number) =>
      results(
        Object.fromEntries(
          outcomes.flatMap((_, before) =>
            outcomes.flatMap((_, after) => {
              const outcome = outcomes[of(before, after)]
              return outcome === undefined
                ? []
                : [[`${outcomes[before] ?? "absent"} ${outcomes[after] ?? "absent"}`, outcome]]
            })
          )
        )
      )
    const { tests } = Compare.compare(
      side(
        {},
        {},
        named((before) => before)
      ),
      side(
        {},
        {},
        named((_, after) => after)
      )
    )
    expect(tests).toEqual({
      from: { passed: 4, failed: 4, skipped: 4 },
      to: { passed: 4, failed: 4, skipped: 4 },
      newlyPassing: ["failed passed", "skipped passed", "absent passed"],
      newlyFailing: ["passed failed", "skipped failed", "absent failed"],
      stillFailing: ["failed failed"],
      newlySkipped: ["passed skipped", "failed skipped", "absent skipped"],
      added: ["absent passed", "absent failed", "absent skipped"],
      removed: ["passed absent", "failed absent", "skipped absent"]
    })
  })

  it("of versions without tests says that there are none", () => {
    const { tests } = Compare.compare(side({}), side({}, {}, results({ a: "failed" })))
    expect([tests.from, tests.to?.failed, tests.newlyFailing, tests.added]).toEqual([null, 1, ["a"], ["a"]])
  })

  it("is plain JSON", () => {
    fc.assert(
      fc.property(texts, ([before, after]) => {
        const found = Compare.compare(
          side({ a: before, b: new Uint8Array([255]) }, { metrics: { x: 0 }, tags: ["t"] }, results({ t: "passed" })),
          side({ c: after }, { metrics: { x: 0.1, y: 1 }, message: "m" }, results({ t: "failed" }))
        )
        expect(JSON.parse(JSON.stringify(found))).toEqual(found)
      })
    )
  })

  it("of a version with itself is empty", () => {
    const one = side({ a: "x", b: new Uint8Array([255]) }, { metrics: { x: 1 }, tags: ["t"] }, results({ t: "failed" }))
    const { files, metadata, metrics, tests, unchanged } = Compare.compare(one, one)
    expect([files, metadata, unchanged]).toEqual([[], [], 2])
    expect(metrics).toEqual([{ metric: "x", from: 1, to: 1, delta: 0, ratio: 1 }])
    expect([tests.newlyFailing, tests.stillFailing, tests.added]).toEqual([[], ["t"], []])
  })

  it("of a version whose code misses a file is a defect", () => {
    const { tests, version } = side({ a: "x" })
    expect(() => Compare.compare({ version, code: new Map(), tests }, side({}))).toThrow("misses a")
  })
})
