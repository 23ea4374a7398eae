import { createHash } from "node:crypto"
import { describe, expect, it } from "@effect/vitest"
import * as Entry from "@heph/entry/Entry"
import * as Compare from "@heph/implementations/Compare"
import type { TestResult, Version } from "@heph/implementations/Implementation"
import { displayWidth } from "effect/cli/CliOutput"
import * as fc from "fast-check"
import { style } from "../src/Output.ts"
import * as CompareHtml from "../src/view/CompareHtml.ts"
import * as CompareText from "../src/view/CompareText.ts"

type Files = { readonly [path: string]: string | Uint8Array }

const utf8 = new TextEncoder()

const side = (files: Files, about: Partial<Version> = {}, tests: ReadonlyArray<TestResult> = []): Compare.Side => {
  const code = new Map(
    Object.entries(files).map(([path, content]) => [path, typeof content === "string" ? utf8.encode(content) : content])
  )
  const list = [...code].map(([path, bytes]) => {
    const hash = createHash("sha256").update(bytes).digest("hex")
    return { path, hash, size: bytes.length, executable: false, link: false }
  })
  const version: Version = {
    id: "shop.cart:1",
    component: "shop.cart",
    version: "1",
    sequence: 1,
    parent: null,
    parents: [],
    generation: 0,
    hash: "",
    size: 0,
    files: list,
    language: null,
    status: "untested",
    tests: null,
    metrics: {},
    tags: [],
    author: null,
    generator: null,
    goal: null,
    message: null,
    context: null,
    imports: [],
    created: 0,
    fields: {},
    entry: Entry.makeUnsafe({ id: "shop.cart:1", kind: "implementation" }),
    ...about
  }
  return { version, code, tests }
}

const tests = (outcomes: { readonly [name: string]: TestResult["outcome"] }): ReadonlyArray<TestResult> =>
  Object.entries(outcomes).map(([name, outcome]) => ({ name, outcome }))

const plain = { columns: undefined, style: style(false) }

/** Anything that a line of code, a name or a field could hold, one line each. */
const anything = fc
  .oneof(
    fc.string({ unit: "grapheme", maxLength: 90, size: "max" }),
    fc.string({ unit: "binary", maxLength: 90, size: "max" }),
    fc.string({
      unit: fc.constantFrom("\t", " ", "a", "漢", "☺", "\uFE0F", "👩‍👩‍👧", "e\u0301", "\u001B[31m", "\r"),
      maxLength: 90,
      size: "max"
    })
  )
  .map((text) => text.toWellFormed().replaceAll("\n", " "))

const text = fc.array(anything, { maxLength: 6 }).map((lines) => lines.join("\n"))

/** A mark at its start would be drawn onto what a table has before it. */
const name = anything.map((text) => `n${text}`)

const difference = fc
  .record({ before: text, after: text, name, field: name, metric: fc.double({ noNaN: true }) })
  .map(({ after, before, field, metric, name }) =>
    Compare.compare(
      side(
        { [`${name}.ts`]: before, gone: after },
        { goal: field, metrics: { [field]: 1, x: 1e-7 } },
        tests({ a: "passed" })
      ),
      side(
        { [`${name}.ts`]: after, [`new ${name}`]: before },
        { id: `shop.cart:${field}`, message: field, fields: { [field]: name }, metrics: { [field]: metric } },
        tests({ a: "failed", [name]: "failed" })
      )
    )
  )

describe("a comparison as text", () => {
  const cart = Compare.compare(
    side(
      { "cart.ts": "export const total =\n  price * count\nexport const tax = 7\n", "old.ts": "gone\n" },
      { tags: ["slow"], metrics: { score: 0.1, runs: 3 }, context: { model: "m", heat: 1 } },
      tests({ adds: "passed", removes: "failed", old: "passed" })
    ),
    side(
      { "cart.ts": "export const total =\n  cost * count\nexport const tax = 7\n// end" },
      { id: "shop.cart:2", tags: ["fast"], metrics: { score: 0.3, runs: 3 }, context: { model: "n", heat: 1 } },
      tests({ adds: "failed", removes: "passed", new: "skipped" })
    )
  )

  it("shows what was above what is", () => {
    expect(CompareText.render(cart, plain)).toBe(`shop.cart:1 → shop.cart:2
2 files changed, 2 lines added, 2 lines removed

modified cart.ts
+2 -1
@@ -1,3 +1,4 @@
 export const total =
-  price * count
+  cost * count
 export const tax = 7
+// end
↳\\ No newline at end of file

removed old.ts
+0 -1
@@ -1 +0,0 @@
-gone

metadata
field          from  to
context.model  m     n
tags           slow  fast

metrics
metric  from   to  delta
runs       3    3      0
score    0.1  0.3   +0.2  +200%

tests
2 passed, 1 failed → 1 passed, 1 failed, 1 skipped
newly failing  adds
newly passing  removes
newly skipped  new      new
removed        old`)
  })

  it("shows what was beside what is", () => {
    const shown = CompareText.render(cart, { ...plain, columns: 49, sideBySide: true })
    expect(shown).toContain(`@@ -1,3 +1,4 @@
1  export const total = │ 1  export const total =
2 -  price * count      │ 2 +  cost * count
3  export const tax = 7 │ 3  export const tax = 7
                        │ 4 +// end
                        │   ↳\\ No newline at end…`)
  })

  it("shows what was above what is where there is no room beside it", () => {
    const narrow = { ...plain, columns: 36 }
    expect(CompareText.render(cart, { ...narrow, sideBySide: true })).toBe(CompareText.render(cart, narrow))
  })

  it("marks the words that differ", () => {
    const coloured = style(true)
    const shown = CompareText.render(cart, { ...plain, style: coloured })
    expect(shown).toContain(coloured.bold(coloured.red("price")) + coloured.red(" * count"))
    expect(shown).toContain(coloured.bold(coloured.green("cost")) + coloured.green(" * count"))
  })

  it("fits the columns, whatever the files are made of, and moves no cursor", () => {
    fc.assert(
      fc.property(difference, fc.integer({ min: 48, max: 120 }), fc.boolean(), (comparison, columns, sideBySide) => {
        const shown = CompareText.render(comparison, { columns, style: style(false), sideBySide })
        for (const line of shown.split("\n")) expect(displayWidth(line), line).toBeLessThanOrEqual(columns)
        // eslint-disable-next-line no-control-regex
        expect(shown).not.toMatch(/[\u0000-\u0009\u000B-\u001F\u007F-\u009F\u2028-\u202E\u2066-\u2069]/)
      })
    )
  })

  it("goes on in the next row where a line is too long, and loses nothing of it", () => {
    const line = fc.string({
      unit: fc.constantFrom("a", "b", " ", "漢", "é", "😀"),
      minLength: 1,
      maxLength: 150,
      size: "max"
    })
    fc.assert(
      fc.property(line, fc.integer({ min: 70, max: 120 }), fc.boolean(), (line, columns, sideBySide) => {
        const comparison = Compare.compare(side({}), side({ a: `${line}\n` }))
        const shown = CompareText.render(comparison, { columns, style: style(false), sideBySide }).split("\n")
        const rows = shown.slice(shown.findIndex((row) => row.startsWith("@@")) + 1)
        const pieces = rows.map((row) => /^(?: *│ [1 ] )?[+↳](.*)$/u.exec(row)?.[1] ?? row)
        for (const row of rows) expect(displayWidth(row)).toBeLessThanOrEqual(columns)
        // Spaces at the end of a row are not printed.
        expect(pieces.join("").replaceAll(" ", "")).toBe(line.replaceAll(" ", ""))
      })
    )
  })

  it("cuts a line that would fill the screen", () => {
    const comparison = Compare.compare(side({ "min.js": "" }), side({ "min.js": "x".repeat(1_000_000) }))
    const shown = CompareText.render(comparison, { ...plain, columns: 80, sideBySide: true }).split("\n")
    expect(shown.length).toBeLessThan(25)
    expect(shown.some((line) => line.endsWith("↳…"))).toBe(true)
    expect(CompareText.render(comparison, plain)).toContain(`+${"x".repeat(1_000_000)}\n`)
  })

  it("counts tabs from the start of the line", () => {
    const comparison = Compare.compare(side({ a: "" }), side({ a: "\ta\tbcd\te\n" }))
    expect(CompareText.render(comparison, plain)).toContain("+    a   bcd e")
    expect(CompareText.render(comparison, { ...plain, columns: 60, sideBySide: true })).toContain("+    a   bcd e")
  })

  it("spells out marks that stand alone, and what nobody sees", () => {
    const comparison = Compare.compare(side({ a: "" }), side({ a: "\u0301a\u200B\t\uFE0Fe\u0301\n" }))
    expect(CompareText.render(comparison, { ...plain, columns: 60 })).toContain(
      "+\\u0301a\\u200b   \\ufe0fe\u0301\n".trimEnd()
    )
  })

  it("lists some of many tests, and says how many more there are", () => {
    const many = tests(Object.fromEntries(Array.from({ length: 25 }, (_, i) => [`test ${i}`, "failed" as const])))
    const shown = CompareText.render(Compare.compare(side({}, {}, many), side({}, {}, many)), plain)
    expect(shown).toContain("still failing  test 19\nstill failing  … and 5 more")
    expect(shown).not.toContain("test 20")
  })

  it("says what there is to say of files without lines", () => {
    const shown = CompareText.render(
      Compare.compare(
        side({ bin: new Uint8Array([255]), "a.ts": "same\n" }),
        side({ bin: new Uint8Array([255, 254]), "b.ts": "same\n" })
      ),
      plain
    )
    expect(shown).toContain("renamed a.ts → b.ts\n100% the same")
    expect(shown).toContain("modified bin\nbinary, 1 byte → 2 bytes")
  })

  it("of a version with itself is one line of files", () => {
    const one = side({ a: "x" })
    expect(CompareText.render(Compare.compare(one, one), plain)).toBe(
      "shop.cart:1 → shop.cart:1\n0 files changed, 1 file unchanged"
    )
  })
})

describe("a comparison as a page", () => {
  const page = (comparison: Compare.Comparison, options?: CompareHtml.Options) =>
    [...CompareHtml.render(comparison, options)].join("")

  const tag =
    /^<(?:!doctype html|html lang="en"|meta (?:charset|name|http-equiv)="[^"]*"(?: content="[^"<>]*")?|\/?(?:html|head|title|style|body|header|main|h1|h2|h3|p|nav|ul|li|div|table|thead|tbody|tr|th|td|caption|colgroup|col|details|summary|section|span|ins|del|a)(?: (?:class="[a-z -]*"|id="[a-z]+(?:-\d+)?"|href="#file-\d+"|scope="(?:col|row|rowgroup)"|colspan="4"|aria-labelledby="[a-z]+"|open))*)>$/

  /** The tags of a page, which are all that has a `<`, and its text. */
  const read = (page: string) => {
    const tags: Array<string> = []
    const text = page.replace(/<style>[^<]*<\/style>/, "").replace(/<[^>]*>?/g, (found) => {
      tags.push(found)
      return "\n"
    })
    const entities: { readonly [entity: string]: string } = {
      "&amp;": "&",
      "&lt;": "<",
      "&gt;": ">",
      "&quot;": '"',
      "&#39;": "'"
    }
    return { tags, text: text.replace(/&[^;\n]*;?/g, (entity) => entities[entity] ?? `?${entity}`) }
  }

  const hostile = [
    `<script>alert(1)</script>`,
    `"><img src=x onerror=alert(1)>`,
    `' onmouseover='alert(1)`,
    `</td></table></details><h1>`,
    `</title></style><script>`,
    `<!-- --><![CDATA[ ]]>`,
    `&lt;b&gt; &amp; &#60;i&#62; &`,
    `javascript:alert(1)`
  ]

  it("holds nobody's markup: not by a path, code, a field, a metric, a test or an id", () => {
    const evil = fc.oneof(
      fc.constantFrom(...hostile),
      fc.string({
        unit: fc.constantFrom("<", ">", "&", '"', "'", "/", "=", "a", "b", " ", "!", "-", ";", "#"),
        maxLength: 20
      })
    )
    fc.assert(
      fc.property(evil, evil, (one, other) => {
        const comparison = Compare.compare(
          side(
            {
              [`${one}/a`]: `${one}\n${other} same words here\n`,
              same: other,
              [`${other}/bin`]: new Uint8Array([255])
            },
            { id: one, tags: [one], goal: one, fields: { [one]: other } },
            tests({ [one]: "passed" })
          ),
          side(
            { [`${other}/b`]: `${other}\n${other} other words here\n`, same: one },
            { id: other, tags: [other], message: other, fields: { [one]: { [other]: one } }, metrics: { [other]: 1 } },
            tests({ [other]: "failed" })
          )
        )
        const { tags, text } = read(page(comparison))
        expect(tags.filter((found) => !tag.test(found))).toEqual([])
        for (const shown of [one, other]) expect(text).toContain(shown)
        expect(text).not.toContain("?&")
      })
    )
  })

  it("closes what it opens", () => {
    fc.assert(
      fc.property(difference, (comparison) => {
        const open: Array<string> = []
        for (const found of read(page(comparison)).tags) {
          const [, slash, name = ""] = /^<(\/?)(\w*)/.exec(found) ?? []
          if (slash === "/" && open.at(-1) === name) open.pop()
          else if (slash === "/" || !["", "meta", "col"].includes(name)) open.push(slash === "/" ? found : name)
        }
        expect(open).toEqual([])
      })
    )
  })

  it("spells out what would turn text around or no page may hold", () => {
    fc.assert(
      fc.property(difference, (comparison) => {
        // eslint-disable-next-line no-control-regex
        expect(page(comparison)).not.toMatch(/[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u202A-\u202E\u2066-\u2069]/)
      })
    )
    const trojan = Compare.compare(side({ a: "" }), side({ a: "if (admin\u202E) {\n" }))
    expect(page(trojan)).toContain(String.raw`if (admin\u202e) {`)
  })

  it("needs nothing but itself", () => {
    const shown = page(Compare.compare(side({ a: "1\n" }), side({ a: "2\n" }, { id: "shop.cart:2" })))
    expect(shown).not.toMatch(/https?:|\burl\(|@import|<script|<link|\bsrc=/i)
    expect(shown).toContain("default-src 'none'")
    expect(shown).toContain("prefers-color-scheme: dark")
    expect(shown).toContain("<title>shop.cart:1 → shop.cart:2</title>")
    expect(page(Compare.compare(side({}), side({})), { title: "A & B" })).toContain("<h1>A &amp; B</h1>")
  })

  it("has each line by its number, what was beside what is", () => {
    const shown = page(Compare.compare(side({ a: "one\nprice * n\n" }), side({ a: "one\ncost * n\ntwo" })))
    const rows = shown.match(/<tr[^>]*>(?:(?!<\/tr>).)*<td class="at.*<\/tr>/g)
    expect(rows).toEqual([
      '<tr class="same"><td class="at">1</td><td class="both">one</td><td class="at">1</td><td class="both">one</td></tr>',
      '<tr><td class="at">2</td><td class="old"><del>price</del> * n</td><td class="at">2</td><td class="new"><ins>cost</ins> * n</td></tr>',
      '<tr><td class="at none"></td><td class="none"></td><td class="at">3</td><td class="new">two<span class="note"> no line break at the end</span></td></tr>'
    ])
  })

  it("comes in pieces where it is long, closed, and cut in the end", () => {
    const lines = (n: number) => Array.from({ length: n }, (_, i) => `${i}\n`).join("")
    const short = [...CompareHtml.render(Compare.compare(side({}), side({ a: lines(10) })))]
    const long = [...CompareHtml.render(Compare.compare(side({}), side({ a: lines(CompareHtml.mostRows + 7) })))]
    expect(long.length).toBeGreaterThan(short.length + 10)
    expect(Math.max(...long.map((piece) => piece.length))).toBeLessThan(100_000)
    expect(short.join("")).toContain('<details id="file-1" open>')
    expect(long.join("")).toContain('<details id="file-1">')
    expect(long.join("").match(/<td class="new">/g)).toHaveLength(CompareHtml.mostRows)
    expect(long.join("")).toContain("7 more rows left out")
  })
})
