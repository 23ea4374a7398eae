import { describe, expect, it } from "@effect/vitest"
import * as Entry from "@heph/entry/Entry"
import * as Query from "@heph/finder/Query"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import * as Generators from "./generators.ts"
import * as Oracle from "./oracle.ts"

const parse = (words: string | ReadonlyArray<string>) => Result.getOrThrow(Query.parse(words))
const record = (criteria: Query.Criteria) => Result.getOrThrow(Query.fromRecord(criteria))

/** A query's terms as records of themselves. */
const plain = ({ terms }: Pick<Query.Query, "terms">): ReadonlyArray<unknown> =>
  terms.map((term) => {
    const not = term.negated ? "!" : ""
    return Query.isGroup(term)
      ? [`${not}${term.kind}`, plain(term)]
      : [`${not}${term.operator}${term.field.text}`, term.wanted]
  })

const first = (query: Query.Query) => query.terms[0] as Query.Criterion
const wantedOf = (word: string) => first(parse([word])).wanted
const errorOf = (words: string | ReadonlyArray<string>) => Result.getOrThrow(Result.flip(Query.parse(words)))

const entryOf = (meta: Record<string, unknown>, id = "app.api:users", kind = "function.lua") =>
  Entry.makeUnsafe({ id, kind, meta })

/** Whether an entry of this meta answers. */
const matches = (query: Query.Input, meta: Record<string, unknown>) =>
  Query.matches(Result.getOrThrow(Query.from(query)), entryOf(meta))

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
      ;(first(query).wanted as [string, Date])[1].setTime(2)
      expect(Query.print(query)).toBe(before)
      expect(matches(query, { x: ["a", new Date(0)] })).toBe(true)
      expect(Object.isFrozen(query) && Object.isFrozen(query.terms) && Object.isFrozen(query.terms[0])).toBe(true)
    })

    it.each([
      [{ "": 1 }, "", "no field begins here; there are .id"],
      [{ "!!meta.x": 1 }, "!!meta.x", "there are .id"],
      [{ "~~meta.x": "a" }, "~~meta.x", "there are .id"],
      [{ "meta.x": () => 1 }, "meta.x", "function"],
      [{ "meta.x": new Map() }, "meta.x", "Map"],
      [{ "meta.x": ["a", undefined] }, "meta.x", "the value[1]"],
      [{ "meta.x": 2n ** 64n }, "meta.x", "64 bits"],
      [{ "?meta.x": false }, "?meta.x", "takes no value but true"],
      [{ "?meta.x": "a" }, "?meta.x", "takes no value but true"],
      [{ "~meta.x": "(" }, "~meta.x", "missing closing )"],
      [{ "~meta.x": String.raw`(a)\1` }, "~meta.x", `a back reference, "\\\\1", is not supported`],
      [{ "~meta.x": "(?=a)" }, "~meta.x", `look-around, "(?=", is not supported`],
      [{ "~meta.x": "(?<!a)b" }, "~meta.x", `look-around, "(?<!", is not supported`],
      [{ "~meta.x": "(?>a)" }, "~meta.x", `an atomic group, "(?>", is not supported`],
      [{ "~meta.x": "a++" }, "~meta.x", `a possessive repeat, "++", is not supported`],
      [{ "~meta.x": "a{500}b" }, "~meta.x", "steps"],
      [{ "~meta.x": "a".repeat(1001) }, "~meta.x", "longer than 1000"],
      [{ "~meta.x": ["a", "["] }, "~meta.x", "missing closing ]"],
      [{ "~meta.x": ["a", 1] }, "~meta.x", "the number 1; text or a list of texts"],
      [{ ".kind": null }, ".kind", "it is null"],
      [{ ".kind": ["a", ["b"]] }, ".kind", "it is a list"],
      [{ ".kind": "a".repeat(1001) }, ".kind", "longer than 1000"],
      [{ ".kind": "a\n*" }, ".kind", "control characters"],
      [{ ".kind": "{a,b}".repeat(12) }, ".kind", "more than 100 alternatives"],
      [{ ".kind": "{1..2000}" }, ".kind", "more than 100 alternatives"],
      [{ ".kind": "{a".repeat(20) }, ".kind", "more than 16 braces"],
      [{ ".kind": "!(a)".repeat(17) }, ".kind", "more than 16 parentheses"],
      [{ ">meta.x": null }, ">meta.x", "it is null"],
      [{ ">=meta.x": Number.NaN }, ">=meta.x", "the number NaN"],
      [{ "<meta.x": { a: 1 } }, "<meta.x", "it is a record"],
      [{ "<meta.x": new Uint8Array() }, "<meta.x", "it is bytes"],
      [{ "<.name": 5 }, "<.name", "the number 5"],
      [{ "*.name": 5 }, "*.name", "the number 5"],
      [{ "^meta.x": new Date(0) }, "^meta.x", "it is a date"]
    ] as ReadonlyArray<readonly [Record<string, unknown>, string, string]>)(
      "refuses %o",
      (criteria, criterion, reason) => {
        const error = Result.getOrThrow(Result.flip(Query.fromRecord({ "meta.first": 1, ...criteria })))
        expect(error).toMatchObject({ _tag: "InvalidQuery", criterion, index: 1 })
        expect(`${error.reason}; ${error.expected}`).toContain(reason)
        expect(error.expected).not.toBe("")
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
      expect(parse("").terms).toEqual([])
      expect(parse(" \n").terms).toEqual([])
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
      ['{"$number":"9007199254740993"}', 9007199254740993n],
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
      [`meta.x={"$number":"5e3"}`, 0, `meta.x={"$number":"5e3"}`, "no number"],
      [`meta.x={"__proto__":1}`, 0, `meta.x={"__proto__":1}`, "__proto__"],
      [">meta.x=true", 0, ">meta.x=true", "it is true"]
    ])("refuses %s", (text, index, criterion, reason) => {
      const error = errorOf(text)
      expect(error).toMatchObject({ index, criterion })
      expect(`${error.reason}; ${error.expected}`).toContain(reason)
    })

    it.each([
      ["meta.y=1 kind=a", 9],
      ["meta.y=1 >=meta.a..b=2", 18],
      ["meta.n>=5", 6],
      ["  ~meta.n=[", 10],
      ["meta.y=1 any(.kind=a bogus=1)", 21],
      ["any(.kind=a all(.kind=b >meta.x=true))", 32],
      [`meta.y=1 meta.x="a b`, 16],
      ["any(.kind=a", 11],
      ["meta.x=1 meta.y", 15]
    ])("points into %s at %i", (text, position) => {
      const error = errorOf(text)
      expect(error).toMatchObject({ position })
      expect(error.message).toContain(` at character ${position + 1}: `)
    })

    it("refuses an empty word, as an unset variable of a shell leaves it", () => {
      expect(errorOf(["meta.x=1", ""])).toMatchObject({
        index: 1,
        criterion: "",
        position: 0,
        reason: "the criterion is empty"
      })
    })
  })

  describe("groups", () => {
    it("are alternatives and conditions in each other, negated or not", () => {
      const text = "any(.kind=a !all(meta.x=1 ?meta.y) any(meta.z=(a) ^meta.z='b)')) !any(meta.q=2)"
      const expected = [
        [
          "any",
          [
            ["=.kind", "a"],
            [
              "!all",
              [
                ["=meta.x", 1],
                ["?meta.y", true]
              ]
            ],
            [
              "any",
              [
                ["=meta.z", "(a)"],
                ["^meta.z", "b)"]
              ]
            ]
          ]
        ],
        ["!any", [["=meta.q", 2]]]
      ]
      expect(plain(parse(text))).toEqual(expected)
      expect(plain(parse([text.slice(0, text.indexOf(" !any")), "!any( meta.q=2 )"]))).toEqual(expected)
      const asRecord = record({
        any: [
          { ".kind": "a" },
          { "!all": [{ "meta.x": 1 }, { "?meta.y": true }] },
          { any: [{ "meta.z": "(a)" }, { "^meta.z": "b)" }] }
        ],
        "!any": [{ "meta.q": 2 }]
      })
      expect(plain(asRecord)).toEqual(expected)
      expect(Query.print(parse(text))).toBe(
        `any(.kind=a !all(meta.x=1 ?meta.y) any(meta.z="(a)" ^meta.z="b)")) !any(meta.q=2)`
      )
    })

    it("hold as any and all of their terms do", () => {
      const [none, one, two] = [{}, { x: 1 }, { x: 1, y: 2 }]
      expect([none, one, two].map((meta) => matches("any(meta.x=1 meta.y=2)", meta))).toEqual([false, true, true])
      expect([none, one, two].map((meta) => matches("!any(meta.x=1 meta.y=2)", meta))).toEqual([true, false, false])
      expect([none, one, two].map((meta) => matches("all(meta.x=1 meta.y=2)", meta))).toEqual([false, false, true])
      expect([none, one, two].map((meta) => matches("!all(meta.x=1 meta.y=2)", meta))).toEqual([true, true, false])
    })

    it("of a record with several criteria want all of them", () => {
      expect(plain(record({ any: [{ "meta.x": 1, "meta.y": 2 }, { "meta.z": 3 }] }))).toEqual([
        [
          "any",
          [
            [
              "all",
              [
                ["=meta.x", 1],
                ["=meta.y", 2]
              ]
            ],
            ["=meta.z", 3]
          ]
        ]
      ])
    })

    it("look values up by what they are: no type is another, numbers are by value", () => {
      const query = {
        any: [{ "meta.x": 1 }, { "meta.x": "2" }, { "meta.x": 2n ** 53n }, { "meta.x": null }, { "meta.x": Number.NaN }]
      }
      const found = [1, 1n, "1", "2", 2, 2 ** 53, 2n ** 53n, null, Number.NaN, true, ["a", "2"], []].map((x) =>
        matches(query, { x })
      )
      expect(found).toEqual([true, true, false, true, false, true, true, true, true, false, true, false])
      expect(matches(query, {})).toBe(false)
    })

    it("leave a parenthesis at the end of a word outside them alone", () => {
      expect(wantedOf("meta.x=1)")).toBe("1)")
    })

    it.each([
      ["any()", "any(…) has nothing in it"],
      ["all( )", "all(…) has nothing in it"],
      ["any(meta.x=1", "the group is not closed"],
      ["any(meta.x=(1)", "the group is not closed"],
      ["any meta.x=1", "did you mean meta.any?"],
      ["any(meta.x=1))", "no field begins here"],
      ["(meta.x=1)", "no field begins here"]
    ])("%s: %s", (text, reason) => {
      expect(errorOf(text).message).toContain(reason)
    })

    it.each([
      [{ any: [] }, "nothing in it"],
      [{ any: [{}] }, "nothing in it"],
      [{ any: { "meta.x": 1 } }, "no list"],
      [{ any: ["meta.x=1"] }, "no record"],
      [{ "!any": [{ "meta.x": 1 }, { nope: 1 }] }, "did you mean meta.nope?"]
    ])("refuses %o", (criteria, reason) => {
      expect(Result.getOrThrow(Result.flip(Query.fromRecord(criteria))).message).toContain(reason)
    })
  })

  describe("tree", () => {
    it("of any query goes through JSON and comes back as the same", () => {
      fc.assert(
        fc.property(Generators.query, (criteria) => {
          const query = record(criteria)
          const sent = JSON.stringify(Schema.encodeSync(Query.Query)(query))
          const received = Schema.decodeUnknownSync(Query.Query)(JSON.parse(sent))
          expect(plain(received)).toEqual(plain(query))
          expect(Query.equals(received, query)).toBe(true)
        }),
        { numRuns: 1000 }
      )
    })

    it("keeps values that JSON has not", () => {
      const query = record({
        "meta.x": [2n ** 63n, Number.NaN, -Infinity, new Date(0), Uint8Array.of(1), { $date: "x" }]
      })
      expect(Query.toAst(query)).toEqual([
        {
          field: "meta.x",
          operator: "=",
          value: [
            { $number: "9223372036854775808" },
            { $number: "NaN" },
            { $number: "-Infinity" },
            { $date: "1970-01-01T00:00:00.000Z" },
            { $bytes: "AQ==" },
            { $$date: "x" }
          ]
        }
      ])
      expect(Query.equals(Result.getOrThrow(Query.fromAst(Query.toAst(query))), query)).toBe(true)
    })

    it.each([
      [[{ field: "port", operator: "=", value: 1 }], "did you mean meta.port?"],
      [[{ field: "meta.x", operator: "=" }], "there is no value"],
      [[{ field: "meta.x=1", operator: "?" }], "follows the field"],
      [[{ field: "meta.x", operator: "~", value: "[" }], "missing closing ]"],
      [[{ field: "meta.x", operator: "=", value: { $date: "soon" } }], "no date"],
      [[{ any: [] }], "nothing in it"],
      [[{ field: "meta.x", operator: "like", value: 1 }], "operator"],
      [[{}], "field"],
      ["meta.x=1", "array"]
    ])("refuses to decode %j", (tree, reason) => {
      const decoded = Schema.decodeUnknownResult(Query.Query)(tree)
      expect(Result.isFailure(decoded) && decoded.failure.message.toLowerCase()).toContain(reason.toLowerCase())
    })
  })

  it.each([
    [[{}]],
    [[{ any: {} }]],
    [[{ any: [null] }]],
    [[{ field: 5, operator: "=", value: 1 }]],
    [[{ field: "meta.x", operator: "like", value: 1 }]],
    [[{ field: "meta.x", operator: "toString", value: 1 }]],
    [[{ field: "meta.x", operator: "=", value: 1, negated: "no" }]],
    [[{ field: "meta.x", operator: "=", value: 1n }]],
    [["meta.x=1", 5]],
    [["meta.x=1", null]],
    [[null]],
    [5],
    [null]
  ])("from refuses %o, whatever its type says", (input) => {
    expect(Result.getOrThrow(Result.flip(Query.from(input as never)))).toBeInstanceOf(Query.InvalidQuery)
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

    it("numbers and bigints by value, texts by code point, and no type with another", () => {
      expect(matches(">meta.x=9007199254740992", { x: 2n ** 53n + 1n })).toBe(true)
      expect(matches({ ">meta.x": 2 ** 53 }, { x: 2n ** 53n })).toBe(false)
      expect(matches({ ">=meta.x": 2 ** 53 }, { x: 2n ** 53n })).toBe(true)
      expect(matches("<meta.x=10", { x: "9" })).toBe(false)
      expect(matches(`<meta.x="10"`, { x: "9" })).toBe(false)
      expect(matches(`>meta.x="10"`, { x: "9" })).toBe(true)
      expect(matches({ ">meta.x": "\uffff" }, { x: "\u{1f600}" })).toBe(true)
      expect(matches({ ">meta.x": "\u{1f600}" }, { x: "\uffff" })).toBe(false)
      expect(matches("<meta.x=10", { x: null })).toBe(false)
      expect(matches("<meta.x=10", { x: Number.NaN })).toBe(false)
      expect(matches("!<meta.x=10", { x: Number.NaN })).toBe(true)
      expect(matches("<meta.x=10", {})).toBe(false)
      expect(matches("!<meta.x=10", {})).toBe(true)
    })

    it("dates with dates, by instant, and never with texts or numbers", () => {
      const at = new Date("2026-01-31T12:00:00Z")
      expect(matches({ ">=meta.at": at }, { at: new Date(at) })).toBe(true)
      expect(matches({ "meta.at": at }, { at: new Date(at) })).toBe(true)
      expect(matches(`>meta.at={"$date":"2026-01-31"}`, { at })).toBe(true)
      expect(matches(`<meta.at={"$date":"2026-01-31T13:00:00+01:00"}`, { at })).toBe(false)
      expect(matches(">meta.at=2026-01-31", { at })).toBe(false)
      expect(matches({ ">meta.at": new Date(0) }, { at: "2026-01-31" })).toBe(false)
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
})
