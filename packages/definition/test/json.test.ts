import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import { parse, plain, problems } from "./support.ts"

const strict = "this is not JSON, which has no comments, no trailing commas and its keys in double quotes"

describe("JSON", () => {
  it("reads the same shape, with places and integers of any size", () => {
    const text = `{
  "version": "1.0",
  "namespace": "app",
  "entries": [
    { "name": "x", "kind": "k", "big": 9007199254740993, "e": -1.5E+3, "<<": 1, "text": "\\ud83d\\ude00\\/" },
\t{ "name": "y", "kind": "k", "data": null }
  ]
}`
    const read = parse(text, "a.json")
    expect(plain(read)).toEqual([
      { id: "app:x", kind: "k", meta: {}, data: { big: 9007199254740993n, e: -1500, "<<": 1, text: "😀/" } },
      { id: "app:y", kind: "k", meta: {}, data: null }
    ])
    expect(read.entries.map(({ source }) => [source.line, source.column])).toEqual([
      [5, 5],
      [6, 2]
    ])
  })

  it("reads several documents after each other, and skips those without a namespace", () => {
    const text = `{"namespace":"a","entries":[{"name":"x","kind":"k"}]}\n{"version":3} {"namespace":"b",\n"entries":[{"name":"x","kind":"k"}]}\n[1]`
    const read = parse(text, "a.json")
    expect(read.entries.map(({ entry, source }) => [entry.id.value, source.line, source.column])).toEqual([
      ["a:x", 1, 29],
      ["b:x", 3, 12]
    ])
    expect(read.skipped.map(({ line }) => line)).toEqual([2, 4])
  })

  it.each([
    ["a comment", `{"a": 1, // why\n"b": 2}`, `1:10: ${strict}: Expected double-quoted property name`],
    ["another comment", `{"a": # why\n1}`, `1:7: ${strict}: Unexpected token '#'`],
    ["a comment first", `// why\n{}`, `1:1: ${strict}: Unexpected token '/'`],
    ["a trailing comma", `{"a": [1,\n2,\n]}`, `3:1: ${strict}: Unexpected token ']'`],
    ["single quotes", `{"a": 'b'}`, `1:7: ${strict}: Unexpected token '''`],
    ["a bare word", `{"a": nope}`, `1:7: ${strict}: Unexpected token 'o'`],
    ["an end too early", `{"a": [1, 2]`, `1:13: ${strict}: Expected ',' or '}' after property value`],
    ["a mistake in a later document", `{"namespace":"a","entries":[]}\n{"b":}`, `2:6: ${strict}: Unexpected token '}'`]
  ])("refuses %s, at its place", (_, text, expected) => {
    expect(problems(text, "a.json")).toEqual([`a.json:${expected}`])
  })

  it("refuses what is nested too deeply, in whichever document", () => {
    const deep = `${"[".repeat(20_000)}${"]".repeat(20_000)}`
    const text = `{"namespace":"a","entries":[]}\n{"namespace":"b","entries":${deep}}`
    expect(problems(text, "a.json")).toEqual([
      expect.stringMatching(/^a\.json:2:\d+: it is nested too deeply to be read$/)
    ])
  })

  it("refuses a key that is there twice, which JSON parsers take as its last", () => {
    expect(problems(`{"namespace":"a","entries":[{"name":"x","kind":"k","kind":"l"}]}`, "a.json")).toEqual([
      `a.json:1:52: the key "kind" is there twice`
    ])
    expect(problems(`{"namespace":"a","entries":[{"name":"x","kind":"k","__proto__":1}]}`, "a.json")).toEqual([
      `a.json:1:52: the key "__proto__" is not allowed`
    ])
  })

  it("reads whatever JSON.stringify writes, as JSON.parse does", () => {
    // Integers that JSON.parse rounds become bigint here, and a string that names a file becomes the file.
    const plainJson = (value: unknown): boolean =>
      !/__proto__|file:/.test(JSON.stringify(value)) && hasNoBigNumber(value)
    fc.assert(
      fc.property(
        fc.jsonValue({ maxDepth: 4, stringUnit: "binary" }).filter(plainJson),
        fc.constantFrom(0, 2, "\t"),
        (data, indent) => {
          const text = JSON.stringify(
            { namespace: "app", entries: [{ name: "x", kind: "k", data }] },
            undefined,
            indent
          )
          const read = JSON.parse(
            JSON.stringify(data, (_, value: unknown) => (Object.is(value, -0) ? 0 : value))
          ) as unknown
          expect(parse(text, "a.json").entries[0]!.entry.data).toEqual(read)
        }
      )
    )
  })
})

const hasNoBigNumber = (value: unknown): boolean => {
  if (typeof value === "number") return !Number.isInteger(value) || Number.isSafeInteger(value)
  return typeof value !== "object" || value === null || Object.values(value).every(hasNoBigNumber)
}
