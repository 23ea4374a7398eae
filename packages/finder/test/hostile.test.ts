import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { describe, expect, it } from "@effect/vitest"
import * as Entry from "@heph/entry/Entry"
import * as State from "@heph/entry/State"
import * as Finder from "@heph/finder/Finder"
import * as Query from "@heph/finder/Query"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

setFlagsFromString("--expose-gc")
const collectGarbage = runInNewContext("gc") as () => void

const letters = "a".repeat(100_000)
const state = State.fromIterable([
  Entry.makeUnsafe({ id: `app:${"a".repeat(490)}b`, kind: "k", meta: { text: letters, n: 1 } }),
  Entry.makeUnsafe({ id: "app:short", kind: "k", meta: { text: "short", n: 2 } })
])
const target = { version: 1, state }

/** The names found, cut short, or the message of the error. A test that hangs runs into Vitest's time limit. */
const find = (query: Query.Input, finder = Finder.make()): ReadonlyArray<string> | string =>
  Result.match(finder.findSync(target, query), {
    onSuccess: ({ entries }) => entries.map((entry) => entry.id.name.slice(0, 5)),
    onFailure: (error) => error.message
  })

describe("hostile patterns and values", () => {
  it.each([
    ["(a+)+$", ["aaaaa"]],
    ["^(a|aa)+b$", []],
    ["(a*)*(a*)*(a*)*[bc]", []],
    ["((((a?){30}){2}){2})[bc]", []],
    ["[ab]*a[ab]{200}[cd]", []],
    [".{200}.{200}[cd]", []],
    ["(x+x+)+y", []]
  ] as const)("~ %s ends, and finds what there is", (pattern, expected) => {
    expect(find({ "~meta.text": pattern })).toEqual(expected)
  })

  it.each([
    `*${"a*".repeat(300)}c*`,
    `${"+(a|aa)".repeat(16)}c*`,
    `${"!(a)?".repeat(16)}c*`,
    `${"?".repeat(900)}c`,
    `*${"[a-z]".repeat(150)}*c`
  ])("the glob %s ends", (glob) => {
    expect(find({ ".name": glob })).toEqual([])
  })

  it.each([
    ["~meta.text", "a".repeat(2 ** 20), "longer than 1000 characters"],
    ["~meta.text", "(".repeat(2 ** 20), "longer than 1000 characters"],
    [".name", "*a".repeat(2 ** 19), "longer than 1000 characters"],
    [".name", "{a,b}".repeat(200), "more than 16 braces"],
    ["~meta.text", "(a{100}){100}", "invalid repeat count"],
    ["~meta.text", ".{1000}".repeat(140), "steps when its repeats are written out"],
    ["~meta.text", `${"(".repeat(200)}a${")".repeat(200)}`, undefined],
    ["~meta.text", `${"(".repeat(499)}a${")".repeat(499)}`, "steps when its repeats"],
    ["~meta.text", `[${"a-z".repeat(300)}]`, undefined],
    ["*meta.text", "b".repeat(2 ** 20), undefined],
    ["^meta.text", "\u{1f600}".repeat(2 ** 18), undefined],
    ["$.name", "b".repeat(2 ** 20), undefined]
  ] as const)("%s, a pattern of %#: refused or answered", (key, pattern, problem) => {
    const found = find({ [key]: pattern })
    expect(typeof found === "string" ? found : "answered").toContain(problem ?? "answered")
  })

  it("an error shows the start of a long pattern, not all of it", () => {
    for (const query of [
      { "~meta.text": `[${"a".repeat(900)}` },
      `~meta.text="[${"a".repeat(900)}"`,
      "x".repeat(2 ** 19)
    ]) {
      expect(String(find(query)).length).toBeLessThan(1000)
    }
  })

  it("10,000 alternatives are one look, in any form", () => {
    const records = { any: Array.from({ length: 10_000 }, (_, i) => ({ "meta.n": i + 2 })) }
    const words = `any(${Array.from({ length: 10_000 }, (_, i) => `.name=s${i} .name=short`)
      .join(" ")
      .slice(0, 130_000)} .kind=none)`
    expect(find(records)).toEqual(["short"])
    expect(find(words)).toEqual(["short"])
    expect(find(Query.toAst(Result.getOrThrow(Query.from(records))))).toEqual(["short"])
    expect(find({ "!any": records.any })).toEqual(["aaaaa"])
  })

  it("10,000 alternatives that each need a look are refused", () => {
    const any = Array.from({ length: 10_000 }, (_, i) => ({ "*meta.text": `x${i}` }))
    expect(find({ any })).toContain("looks at an entry 10000 times; at most 256")
    expect(find({ any: Array.from({ length: 30_000 }, (_, i) => ({ "meta.n": i })) })).toContain("30000 criteria")
  })

  it("any(…) inside any(…), 100,000 deep, is refused, and 30 deep answered", () => {
    const deep = (depth: number) => `${"any(".repeat(depth)}meta.n=2${")".repeat(depth)}`
    expect(find(deep(30))).toEqual(["short"])
    expect(find(deep(100_000))).toContain("more than 32 deep")
    expect(find([deep(100_000)])).toContain("more than 32 deep")
    let record: Record<string, unknown> = { "meta.n": 2 }
    for (let i = 0; i < 100_000; i++) record = { any: [record] }
    expect(find(record)).toContain("more than 32 deep")
    const tree = JSON.parse(
      `[${`{"any":[`.repeat(100_000)}{"field":"meta.n","operator":"=","value":2}${"]}".repeat(100_000)}]`
    ) as never
    expect(find(tree)).toContain("more than 32 deep")
    expect(Result.isFailure(Schema.decodeUnknownResult(Query.Query)(tree))).toBe(true)
  })

  it.each([
    `"`.repeat(2 ** 20 - 1),
    `meta.x=${`"a"`.repeat(3e5)}`,
    `meta.x=${"[".repeat(1e6)}`,
    `meta.x=${`{"a":`.repeat(2e5)}1${"}".repeat(2e5)}`,
    `meta${".a".repeat(5e5)}=1`,
    `meta.${`"a".`.repeat(1e5)}b=1`,
    `any(${"(".repeat(1e6)}`,
    `${"!".repeat(1e6)}meta.x=1`,
    "a ".repeat(5e5),
    `meta.x='${"a".repeat(2 ** 20)}'`
  ])("a megabyte of text is refused: %.20s", (text) => {
    expect(Result.isFailure(Query.parse(text))).toBe(true)
    expect(Result.isFailure(Query.parse([text]))).toBe(true)
  })

  it.each([
    "meta.__proto__",
    "meta.__proto__.toString",
    "meta.constructor",
    "meta.constructor.name",
    "meta.x.__proto__",
    "meta.toString"
  ])("%s names a key of the entry and nothing else", (field) => {
    expect(find({ [`?${field}`]: true })).toEqual([])
    expect(find(`!?${field}`)).toEqual(["aaaaa", "short"])
    expect(find({ [`~${field}`]: "" }, Finder.make({ indexType: "hash" }))).toEqual([])
    expect(Result.getOrThrow(Finder.make().findSync(target, "", { sortBy: field })).total).toBe(2)
  })

  it("a wanted __proto__ is refused, and a record's own is no criterion that gets lost", () => {
    expect(find(`meta.x={"__proto__":1}`)).toContain("__proto__")
    expect(find(JSON.parse(`{"__proto__":1}`) as Query.Criteria)).toContain("is no field")
    expect(find(JSON.parse(`{"any":[{"__proto__":{"meta.n":1}}]}`) as Query.Criteria)).toContain("is no field")
  })

  it.each([
    ["half a pair", { "meta.x": "\ud83d" }, "surrogate"],
    ["half a pair to begin with", { "^meta.x": "\ude00" }, "surrogate"],
    ["half a pair in an expression", { "~meta.x": "\ud83d" }, "surrogate"]
  ] as const)("%s is refused", (_, query, problem) => {
    expect(find(query)).toContain(problem)
  })

  it("text is taken as it is: no normal forms, no case, NUL and the end of the alphabet included", () => {
    const texts = ["é", "e\u0301", "İ", "i\u0307", "ß", "\u0000", "\u{10ffff}", "\uffff", "👩‍👩‍👧", "👩"]
    const many = State.fromIterable(texts.map((x, i) => Entry.makeUnsafe({ id: `app:${i}`, kind: "k", meta: { x } })))
    for (const finder of [Finder.make(), Finder.make({ indexType: "hash" }), Finder.make({ maxIndexBytes: 0 })]) {
      for (const [i, text] of texts.entries()) {
        const found = (key: string) =>
          Result.getOrThrow(finder.findSync({ version: 1, state: many }, { [key]: text })).entries.map((entry) =>
            Number(entry.id.name)
          )
        expect(found("meta.x")).toEqual([i])
        expect(found("^meta.x")).toEqual(texts.flatMap((each, at) => (each.startsWith(text) ? [at] : [])))
        expect(found("*meta.x")).toEqual(texts.flatMap((each, at) => (each.includes(text) ? [at] : [])))
      }
    }
  })

  it("a thousand hostile expressions do not fill the memory", () => {
    const finder = Finder.make()
    const used = () => {
      collectGarbage()
      return process.memoryUsage().heapUsed
    }
    find({ "~meta.text": "warm" }, finder)
    const before = used()
    for (let i = 0; i < 300; i++) find({ "~meta.text": `[ab]*a[ab]{${100 + (i % 90)}}[cd${i}]` }, finder)
    // 100 are kept, each with at most a megabyte of states.
    expect(used() - before).toBeLessThan(150e6)
  })
})
