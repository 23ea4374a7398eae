import { describe, expect, it } from "@effect/vitest"
import * as Entry from "@heph/entry/Entry"
import * as Query from "@heph/finder/Query"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import * as Generators from "./generators.ts"
import * as Oracle from "./oracle.ts"

const parse = (words: string | ReadonlyArray<string>) => Result.getOrThrow(Query.parse(words))
const record = (criteria: Query.Criteria) => Result.getOrThrow(Query.fromRecord(criteria))

/** A query's criteria as records of themselves. */
const plain = ({ criteria }: Query.Query) =>
  criteria.map(({ field, negated, operator, wanted }) => [`${negated ? "!" : ""}${operator}${field.text}`, wanted])

const wantedOf = (word: string) => parse([word]).criteria[0]!.wanted
const errorOf = (words: string | ReadonlyArray<string>) => Result.getOrThrow(Result.flip(Query.parse(words)))

const entryOf = (meta: Record<string, unknown>, id = "app.api:users", kind = "function.lua") =>
  Entry.makeUnsafe({ id, kind, meta })

/** Whether an entry of this meta answers. */
const matches = (query: Query.Input, meta: Record<string, unknown>) =>
  Query.matches(Result.getOrThrow(Query.from(query)), entryOf(meta))

const globMatches = (glob: string, name: string) => Query.matches(record({ ".name": glob }), entryOf({}, `app:${name}`))

describe("Query", () => {
  describe("fromRecord", () => {
    it("reads every operator, negated or not", () => {
      const operators = ["", "~", "*", "^", "$", ">", ">=", "<", "<="]
      for (const not of ["", "!"]) {
        for (const operator of operators) {
          expect(plain(record({ [`${not}${operator}meta.x`]: "a" }))).toEqual([[`${not}${operator || "="}meta.x`, "a"]])
        }
        expect(plain(record({ [`${not}?meta.x`]: true }))).toEqual([[`${not}?meta.x`, true]])
      }
    })

    it("keeps a copy of what is wanted that nobody can change", () => {
      const tags = ["a", new Date(0)]
      const query = record({ "meta.x": tags })
      const before = Query.print(query)
      tags.push("b")
      ;(tags[1] as Date).setTime(1)
      ;(query.criteria[0]!.wanted as [string, Date])[1].setTime(2)
      expect(Query.print(query)).toBe(before)
      expect(matches(query, { x: ["a", new Date(0)] })).toBe(true)
      expect(Object.isFrozen(query) && Object.isFrozen(query.criteria) && Object.isFrozen(query.criteria[0])).toBe(true)
    })

    it.each([
      [{ "": 1 }, "", "there are .id"],
      [{ "!!meta.x": 1 }, "!!meta.x", "there are .id"],
      [{ "~~meta.x": "a" }, "~~meta.x", "there are .id"],
      [{ "meta.x": () => 1 }, "meta.x", "function"],
      [{ "meta.x": new Map() }, "meta.x", "Map"],
      [{ "meta.x": ["a", undefined] }, "meta.x", "the value[1]"],
      [{ "meta.x": 2n ** 64n }, "meta.x", "64 bits"],
      [{ "?meta.x": false }, "?meta.x", "takes no value but true"],
      [{ "?meta.x": "a" }, "?meta.x", "takes no value but true"],
      [{ "~meta.x": "(" }, "~meta.x", "missing closing )"],
      [{ "~meta.x": String.raw`(a)\1` }, "~meta.x", "invalid escape"],
      [{ "~meta.x": "(?=a)" }, "~meta.x", "invalid"],
      [{ "~meta.x": "a".repeat(1001) }, "~meta.x", "longer than 1000"],
      [{ "~meta.x": ["a", "["] }, "~meta.x", "missing closing ]"],
      [{ "~meta.x": ["a", 1] }, "~meta.x", "not the number 1"],
      [{ ".kind": null }, ".kind", "not null"],
      [{ ".kind": ["a", ["b"]] }, ".kind", "not a list"],
      [{ ".kind": "a".repeat(1001) }, ".kind", "longer than 1000"],
      [{ ".kind": "a\n*" }, ".kind", "control characters"],
      [{ ".kind": "{a,b}".repeat(12) }, ".kind", "more than 100 alternatives"],
      [{ ".kind": "{1..2000}" }, ".kind", "more than 100 alternatives"],
      [{ ".kind": "{a".repeat(20) }, ".kind", "more than 16 braces"],
      [{ ".kind": "!(a)".repeat(17) }, ".kind", "more than 16 parentheses"],
      [{ ">meta.x": null }, ">meta.x", "not null"],
      [{ ">=meta.x": Number.NaN }, ">=meta.x", "not the number NaN"],
      [{ "<meta.x": { a: 1 } }, "<meta.x", "not a record"],
      [{ "<meta.x": new Uint8Array() }, "<meta.x", "not bytes"],
      [{ "<.name": 5 }, "<.name", "not the number 5"],
      [{ "*.name": 5 }, "*.name", "not the number 5"],
      [{ "^meta.x": new Date(0) }, "^meta.x", "not a date"]
    ] as ReadonlyArray<readonly [Record<string, unknown>, string, string]>)(
      "refuses %o",
      (criteria, criterion, reason) => {
        const error = Result.getOrThrow(Result.flip(Query.fromRecord({ "meta.first": 1, ...criteria })))
        expect(error).toMatchObject({
          _tag: "InvalidQuery",
          criterion,
          index: 1,
          reason: expect.stringContaining(reason) as string
        })
        expect(error.message).toContain(`criterion 2, ${JSON.stringify(criterion).slice(0, 80)}`)
      }
    )

    it("refuses what is no plain record, whose criteria it might miss", () => {
      for (const input of [
        new Map([["meta.x", 1]]),
        Object.create({ "meta.x": 1 }),
        { [Symbol("meta.x")]: 1 },
        null,
        5
      ]) {
        const error = Result.getOrThrow(Result.flip(Query.fromRecord(input as Query.Criteria)))
        expect(error).toMatchObject({ _tag: "InvalidQuery", index: undefined })
      }
    })
  })

  describe("parse", () => {
    it("splits a text at white space outside quotes", () => {
      const text = ` .kind=function.*\t^meta.name=user\n meta.title="two words" ~meta.x='a b|"c"' meta."a key"="q\\" r" ?meta.y  `
      expect(plain(parse(text))).toEqual([
        ["=.kind", "function.*"],
        ["^meta.name", "user"],
        ["=meta.title", "two words"],
        ["~meta.x", `a b|"c"`],
        [`=meta."a key"`, `q" r`],
        ["?meta.y", true]
      ])
      expect(parse("").criteria).toEqual([])
      expect(parse(" \n").criteria).toEqual([])
    })

    it("takes each item of a list for one criterion", () => {
      expect(plain(parse(["meta.title=two words", "meta.text=it's", "~meta.x=a b=c"]))).toEqual([
        ["=meta.title", "two words"],
        ["=meta.text", "it's"],
        ["~meta.x", "a b=c"]
      ])
    })

    it.each<readonly [string, unknown]>([
      ["80", 80],
      ["-1.5e3", -1500],
      ["0", 0],
      ["9007199254740991", 9007199254740991],
      ["9007199254740993", 9007199254740993n],
      ["-9223372036854775808", -9223372036854775808n],
      ["18446744073709551615", 18446744073709551615n],
      ["1e300", 1e300],
      ["true", true],
      ["false", false],
      ["null", null],
      ['"80"', "80"],
      ["'80'", "80"],
      ['"true"', "true"],
      ['""', ""],
      ["''", ""],
      [String.raw`"\u0041\n"`, "A\n"],
      [String.raw`'\d "x"'`, String.raw`\d "x"`],
      ["007", "007"],
      ["+5", "+5"],
      ["1.", "1."],
      ["0x10", "0x10"],
      ["1_000", "1_000"],
      ["1.2.3", "1.2.3"],
      ["NaN", "NaN"],
      ["True", "True"],
      ["undefined", "undefined"],
      ["a=b*c", "a=b*c"],
      ['["a","b"]', ["a", "b"]],
      ["[1,9007199254740993,null,[]]", [1, 9007199254740993n, null, []]],
      ["[]", []],
      ['{"a":{"b":1}}', { a: { b: 1 } }],
      ['{"$date":"2026-01-31"}', new Date("2026-01-31T00:00:00Z")],
      ['{"$date":"2026-01-31T12:00+01:00"}', new Date("2026-01-31T11:00:00Z")],
      ['{"$bytes":"AQI="}', Uint8Array.of(1, 2)],
      ['{"$number":"NaN"}', Number.NaN],
      ['[{"$number":"-Infinity"}]', [-Infinity]],
      ['{"$$date":1}', { $date: 1 }],
      ['{"$other":1}', { $other: 1 }],
      ['{"$date":1,"x":2}', { $date: 1, x: 2 }]
    ])("reads meta.x=%s", (text, wanted) => {
      expect(wantedOf(`meta.x=${text}`)).toEqual(wanted)
      expect(wantedOf(`!meta.x=${text}`)).toEqual(wanted)
    })

    it.each([
      ["80", "80"],
      ["true", "true"],
      ['"80"', "80"],
      ["[ab]*", "[ab]*"],
      ["[1]", "[1]"],
      ["{a,b}", "{a,b}"],
      ['["a","b"]', ["a", "b"]]
    ])("reads %s as text where only text can be meant", (text, wanted) => {
      for (const key of [".name", "!.id", "^.name", ">=.name", "^meta.x", "$meta.x"]) {
        expect(wantedOf(`${key}=${text}`)).toEqual(wanted)
      }
    })

    it("reads what begins with a bracket as an expression after ~", () => {
      expect(["[ab]+", "[1]", '["a","b"]', "80"].map((text) => wantedOf(`~meta.x=${text}`))).toEqual([
        "[ab]+",
        "[1]",
        ["a", "b"],
        "80"
      ])
    })

    it("tells a comparison from its value", () => {
      expect(plain(parse(">meta.n=5 >=meta.n=5 <meta.n==5 <=meta.n=-5"))).toEqual([
        [">meta.n", 5],
        [">=meta.n", 5],
        ["<meta.n", "=5"],
        ["<=meta.n", -5]
      ])
    })

    it.each([
      ["meta.y=1 kind=a", 1, "kind=a", "did you mean .kind?"],
      ["meta.y=1 meta.n>=5", 1, "meta.n>=5", "an operator stands before it"],
      ["meta.y=1 meta.n", 1, "meta.n", "no value"],
      ["meta.y=1 ~meta.n=", 1, "~meta.n=", `nothing follows the "="`],
      ["?meta.n=true", 0, "?meta.n=true", "takes no value"],
      ["=5", 0, "=5", "there are .id"],
      ["service", 0, "service", "did you mean meta.service?"],
      [`meta.y=1 meta.x="a b`, 1, `meta.x="a b`, "a quote is not closed"],
      [`meta.x='a`, 0, `meta.x='a`, "a quote is not closed"],
      [`meta.x="a"b`, 0, `meta.x="a"b`, "not text as JSON quotes it"],
      [`meta.x='a'b`, 0, `meta.x='a'b`, "not text between two single quotes"],
      [String.raw`~meta.x="\d"`, 0, String.raw`~meta.x="\d"`, "in single quotes a backslash is just itself"],
      ["meta.x=[a", 0, "meta.x=[a", "into quotes"],
      ["meta.x={a}", 0, "meta.x={a}", "into quotes"],
      ["meta.x=1e999", 0, "meta.x=1e999", "too large"],
      ["meta.x=[1e999]", 0, "meta.x=[1e999]", "too large"],
      ["meta.x=18446744073709551616", 0, "meta.x=18446744073709551616", "64 bits"],
      [`meta.x={"$date":"2026-01-31T12:00"}`, 0, `meta.x={"$date":"2026-01-31T12:00"}`, "no date"],
      [`meta.x={"$date":"soon"}`, 0, `meta.x={"$date":"soon"}`, "no date"],
      [`meta.x={"$bytes":"?"}`, 0, `meta.x={"$bytes":"?"}`, "no bytes"],
      [`meta.x={"$number":"5"}`, 0, `meta.x={"$number":"5"}`, "no number"],
      [`meta.x={"__proto__":1}`, 0, `meta.x={"__proto__":1}`, "__proto__"],
      [">meta.x=true", 0, ">meta.x=true", "not true"]
    ])("refuses %s", (text, index, criterion, reason) => {
      expect(errorOf(text)).toMatchObject({ index, criterion, reason: expect.stringContaining(reason) as string })
    })

    it("refuses an empty word, as an unset variable of a shell leaves it", () => {
      expect(errorOf(["meta.x=1", ""])).toMatchObject({ index: 1, criterion: "", reason: "the criterion is empty" })
    })
  })

  describe("print", () => {
    it("gives words that parse to an equal query", () => {
      fc.assert(
        fc.property(Generators.query, (criteria) => {
          const query = record(criteria)
          const again = parse(Query.print(query))
          expect(plain(again)).toEqual(plain(query))
          expect(Query.equals(again, query)).toBe(true)
        }),
        { numRuns: 1000 }
      )
    })

    it("whatever the fields and values are", () => {
      const text = fc.oneof(fc.string({ unit: "binary" }), fc.string(), fc.json(), fc.double().map(String))
      const value = fc.letrec<{ value: unknown }>((tie) => ({
        value: fc.oneof(
          { depthSize: "small" },
          text,
          fc.double(),
          fc.constantFrom(2 ** 53, 2 ** 64, 1e20, -1e20, 2 ** 70),
          fc.integer(),
          fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
          fc.boolean(),
          fc.constant(null),
          fc.date({ noInvalidDate: true }),
          fc.uint8Array({ maxLength: 5 }),
          fc.array(tie("value"), { maxLength: 3 }),
          fc.dictionary(fc.oneof(fc.constantFrom("$date", "$$date", "$number", "$x"), text), tie("value"), {
            maxKeys: 2,
            noNullPrototype: true
          })
        )
      })).value
      const path = fc.array(text, { minLength: 1, maxLength: 3 }).map((keys) => keys.map((key) => JSON.stringify(key)))
      fc.assert(
        fc.property(path, value, fc.constantFrom("", "!", "*"), text, (keys, wanted, prefix, prefixed) => {
          fc.pre(
            !/__proto__/.test(JSON.stringify(wanted, (_, item: unknown) => (typeof item === "bigint" ? "" : item)))
          )
          const field = `meta.${keys.join(".")}`
          const query = record({ [`${prefix}${field}`]: wanted, [`^${field}`]: prefixed, "$.name": [prefixed] })
          const printed = Query.print(query)
          expect(plain(parse(printed))).toEqual(plain(query))
          expect(Query.print(parse(printed))).toBe(printed)
        }),
        { numRuns: 1000 }
      )
    })

    it("leaves out quotes that are not needed", () => {
      const words = `.kind=function.* ^.name=80 meta.port="80" meta.n=80 ?meta.x meta.t=["a b",1] !~meta.x="a b"`
      expect(Query.print(parse(words))).toBe(words)
    })
  })

  it("equals asks for the same criteria in any order", () => {
    const query = parse("meta.a=1 meta.b=x")
    expect(Query.equals(query, record({ "meta.b": "x", "meta.a": 1n }))).toBe(true)
    expect(Query.equals(query, parse("meta.a=1 meta.b='x '"))).toBe(false)
    expect(Query.equals(query, parse(`meta.a="1" meta.b=x`))).toBe(false)
    expect(Query.equals(query, parse("meta.a=1"))).toBe(false)
  })

  describe("matches", () => {
    it("as the words of the documentation say", () => {
      fc.assert(
        fc.property(Generators.entry, Generators.query, (entry, criteria) => {
          expect(Query.matches(record(criteria), entry)).toBe(Oracle.answers(entry, criteria))
        }),
        { numRuns: 5000 }
      )
    })

    it("regular expressions anywhere in a text, and in texts alone", () => {
      expect(matches({ "~meta.x": "b" }, { x: "abc" })).toBe(true)
      expect(matches({ "~meta.x": "(?i)^B" }, { x: "abc" })).toBe(false)
      expect(matches({ "~meta.x": "(?i)^B" }, { x: ["abc", "Bcd"] })).toBe(true)
      expect(matches({ "~meta.x": "8" }, { x: 80 })).toBe(false)
      expect(matches({ "~meta.x": ["a", "b"] }, { x: ["a", "b"] })).toBe(true)
      expect(matches({ "~meta.x": ["a", "c"] }, { x: ["a", "b"] })).toBe(false)
    })

    it("contains: a piece of text, a piece of an item, a whole item", () => {
      expect(matches({ "*meta.x": "b" }, { x: "abc" })).toBe(true)
      expect(matches({ "*meta.x": "b" }, { x: ["xyz", "abc"] })).toBe(true)
      expect(matches({ "*meta.x": 5 }, { x: ["a", 5n] })).toBe(true)
      expect(matches({ "*meta.x": { a: 1 } }, { x: [{ a: 1 }] })).toBe(true)
      expect(matches({ "*meta.x": 5 }, { x: 5 })).toBe(false)
      expect(matches({ "*meta.x": 5 }, { x: "5" })).toBe(false)
    })

    it("numbers and bigints by value, texts by UTF-16, and no type with another", () => {
      expect(matches(">meta.x=9007199254740992", { x: 2n ** 53n + 1n })).toBe(true)
      expect(matches({ ">meta.x": 2 ** 53 }, { x: 2n ** 53n })).toBe(false)
      expect(matches({ ">=meta.x": 2 ** 53 }, { x: 2n ** 53n })).toBe(true)
      expect(matches("<meta.x=10", { x: "9" })).toBe(false)
      expect(matches(`<meta.x="10"`, { x: "9" })).toBe(false)
      expect(matches(`>meta.x="10"`, { x: "9" })).toBe(true)
      expect(matches("<meta.x=10", { x: null })).toBe(false)
      expect(matches("<meta.x=10", { x: Number.NaN })).toBe(false)
      expect(matches("!<meta.x=10", { x: Number.NaN })).toBe(true)
      expect(matches("<meta.x=10", {})).toBe(false)
      expect(matches("!<meta.x=10", {})).toBe(true)
    })

    it("dates with dates and with ISO 8601 texts, by instant", () => {
      const at = new Date("2026-01-31T12:00:00Z")
      expect(matches({ ">=meta.at": at }, { at: new Date(at) })).toBe(true)
      expect(matches(">meta.at=2026-01-31", { at })).toBe(true)
      expect(matches("<=meta.at=2026-01-31T13:00:00+01:00", { at })).toBe(true)
      expect(matches("<meta.at=2026-01-31T13:00:00+01:00", { at })).toBe(false)
      expect(matches({ ">meta.at": new Date(0) }, { at: "2026-01-31" })).toBe(true)
      expect(matches({ ">meta.at": new Date(0) }, { at: "later" })).toBe(false)
      expect(matches(">meta.at=2026-01-31T00:00", { at })).toBe(false)
      expect(matches(">meta.at=0", { at })).toBe(false)
    })

    it("the presence of a field, null and empty lists included", () => {
      for (const [x, there] of [
        [null, true],
        [[], true],
        ["", true],
        [undefined, false]
      ] as const) {
        const meta = x === undefined ? {} : { x }
        expect(matches("?meta.x", meta)).toBe(there)
        expect(matches("!?meta.x", meta)).toBe(!there)
      }
    })
  })

  describe("globs", () => {
    it.each([
      ["*", ".hidden", true],
      ["*", "..", true],
      ["*", "a/b/c", true],
      ["a*c", "a/b/c", true],
      ["a?c", "a/c", true],
      ["**/c", "a/b/c", true],
      ["**/c", "c", true],
      ["src/**/x.ts", "src/x.ts", true],
      ["src/**/x.ts", "src/a/b/x.ts", true],
      ["src/**/x.ts", "lib/x.ts", false],
      ["a//b", "a/b", false],
      ["a/**//b", "a/b", false],
      ["#a/**/b", "#a/b", true],
      ["!a/**/b", "!a/b", true],
      ["!a/**/b", "c", false],
      ["a/./b", "a/b", false],
      ["?", "é", true],
      ["?", "😀", true],
      ["??", "a", false],
      ["[ab]x", "bx", true],
      ["[!ab]x", "bx", false],
      ["[!ab]x", "cx", true],
      ["[a-c]*", "bee", true],
      ["{get,set}_*", "set_x", true],
      ["{get,set}_*", "del_x", false],
      ["v{1..3}", "v2", true],
      ["+(a|b)", "abba", true],
      ["!(a|b)", "c", true],
      ["!(a|b)", "a", false],
      ["#x", "#x", true],
      ["!x", "!x", true],
      ["!x", "y", false],
      [String.raw`\*`, "*", true],
      [String.raw`\*`, "a", false],
      ["a", "A", false],
      ["a", "ab", false],
      ["", "a", false],
      ["*a*b*c*", "xxaxxbxxcxx", true],
      ["*:*", "v1:users", true]
    ])("%s and %s: %s", (glob, name, expected) => {
      expect(globMatches(glob, name)).toBe(expected)
    })

    it("look at kinds and ids the same way", () => {
      const entry = entryOf({}, "app.api:users", "function.lua")
      expect(Query.matches(parse(".kind=function.* .id=app.*:users .ns=app.*"), entry)).toBe(true)
      expect(Query.matches(parse(".ns=app"), entry)).toBe(false)
    })
  })
})
