import { readFileSync } from "node:fs"
import { describe, expect, it } from "@effect/vitest"
import * as Entry from "@heph/entry/Entry"
import type * as Value from "@heph/entry/Value"
import * as Query from "@heph/finder/Query"
import * as Result from "effect/Result"

/** The table of the README: for each operator, by the type of what an entry has, what holds. */
const table = (): ReadonlyArray<Readonly<Record<string, string>>> => {
  const text = readFileSync(new URL("../README.md", import.meta.url), "utf8")
  const lines = text.slice(text.indexOf("| operator ")).split("\n\n")[0]!.split("\n")
  const cells = lines.map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim())
  )
  return cells.slice(2).map((row) => Object.fromEntries(row.map((cell, i) => [cells[0]![i]!, cell])))
}

/** For each column, values in ascending order where the type has one. Each wanted value is one of them, or a piece. */
const values: Readonly<Record<string, ReadonlyArray<Value.Value>>> = {
  null: [null],
  boolean: [false, true],
  "number, bigint": [-Infinity, -1, 0, 1.5, 80, 2 ** 53, 2n ** 53n + 1n, 2n ** 64n - 1n, Infinity],
  NaN: [Number.NaN],
  text: [
    "",
    "1",
    "80",
    "A",
    "a",
    "ab",
    "abc",
    "b",
    "null",
    "é",
    "\ud7ff",
    "\ue000",
    "\uffff",
    "\u{10000}",
    "\u{1f600}"
  ],
  date: [new Date(-1), new Date(0), new Date("2026-01-31T12:00:00Z")],
  bytes: [Uint8Array.of(), Uint8Array.of(1), Uint8Array.of(1, 2)],
  record: [{}, { a: 1 }, { a: 1, b: 2 }, { b: 1 }, { a: [1] }]
}
const columns = Object.keys(values)
const typeOf = (value: Value.Value): string =>
  columns.find((column) => values[column]!.some((each) => Object.is(each, value)))!

type Meaning = (operator: string, found: number, wanted: number, texts: ReadonlyArray<string>) => boolean

/** A wanted text that is part of another leaves more than one piece of it; the empty one is part of all. */
const isPart: Meaning = (_, found, wanted, texts) => wanted === 0 || texts[found]!.split(texts[wanted]!).length > 1

/** What the words in the cells of the table mean, for a value and a wanted one of the same type, by their places. */
const meanings: Readonly<Record<string, Meaning>> = {
  equal: (_, found, wanted) => found === wanted,
  order: (operator, found, wanted) =>
    ({ ">": found > wanted, ">=": found >= wanted, "<": found < wanted, "<=": found <= wanted })[operator]!,
  // No text among the wanted ones holds a wildcard, or anything that an expression does not take as it is.
  glob: (_, found, wanted) => found === wanted,
  expression: isPart,
  contains: isPart,
  begins: (_, found, wanted, texts) => texts[found]!.slice(0, texts[wanted]!.length) === texts[wanted],
  ends: (_, found, wanted, texts) =>
    texts[wanted] === "" || texts[found]!.slice(-texts[wanted]!.length) === texts[wanted]
}

const operatorsOf = (cell: string): ReadonlyArray<string> =>
  cell.startsWith("none") ? [""] : [...cell.matchAll(/`([^`]+)`/g)].map((found) => found[1]!)

const matches = (criterion: string, wanted: Value.Value, meta: Value.Bag, kind = "k") => {
  const query = Result.getOrThrow(Query.fromRecord({ [criterion]: wanted }))
  const [plain, negated] = [query, Result.getOrThrow(Query.fromRecord({ [`!${criterion}`]: wanted }))].map((each) =>
    Query.matches(each, Entry.makeUnsafe({ id: "app:a", kind, meta }))
  )
  expect(negated).toBe(!plain)
  return plain
}

const wantedTypes = (cell: string): ReadonlyArray<string> => {
  if (cell === "any value") return columns
  return cell.split(", ").map((name) => (name === "number" ? "number, bigint" : name))
}

/** Whether one value holds to an operator, by its column's cell. */
const holds = (row: Readonly<Record<string, string>>, operator: string, value: Value.Value, wanted: Value.Value) => {
  const type = typeOf(value)
  const meaning = meanings[row[type]!]
  if (meaning === undefined || type !== typeOf(wanted)) return false
  const all = values[type]!
  const at = (each: Value.Value) => all.findIndex((other) => Object.is(other, each))
  return meaning(operator, at(value), at(wanted), all as ReadonlyArray<string>)
}

describe("the table of the README", () => {
  const rows = table()
  it("has every operator", () => {
    expect(rows.flatMap((row) => operatorsOf(row["operator"]!))).toEqual([
      "",
      "",
      "~",
      "*",
      "^",
      "$",
      ">",
      ">=",
      "<",
      "<=",
      "?"
    ])
    for (const row of rows)
      expect([...columns, "list", "missing", "wanted"].filter((name) => row[name] === undefined)).toEqual([])
  })

  const meta = rows.filter((row) => row["operator"] !== "none, on root" && row["operator"] !== "`?`")
  const cases = meta.flatMap((row) => operatorsOf(row["operator"]!).map((operator) => [operator, row] as const))

  it.each(cases)("%s against every type, alone, in a list and missing", (operator, row) => {
    for (const wanted of wantedTypes(row["wanted"]!).flatMap((type) => values[type]!)) {
      for (const type of columns) {
        for (const value of values[type]!) {
          const expected = holds(row, operator, value, wanted)
          expect([operator, wanted, value, matches(`${operator}meta.x`, wanted, { x: value })]).toEqual([
            operator,
            wanted,
            value,
            expected
          ])
          expect(row["list"]).toBe("any item")
          // `*` has a meaning for items that it has not for a value alone.
          const inList = expected || (operator === "*" && typeOf(wanted) !== "text" && Object.is(wanted, value))
          expect(matches(`${operator}meta.x`, wanted, { x: [[], value, [value]] })).toBe(inList)
          expect(matches(`${operator}meta.x`, wanted, { y: value })).toBe(false)
        }
      }
      expect(row["missing"]).toBe("no")
    }
  })

  it.each(cases)("%s refuses to be asked for what it cannot compare", (operator, row) => {
    for (const type of columns.filter((type) => !wantedTypes(row["wanted"]!).includes(type))) {
      for (const wanted of values[type]!) {
        expect(Result.isFailure(Query.fromRecord({ [`${operator}meta.x`]: wanted }))).toBe(true)
      }
    }
  })

  it("? holds where the field is there", () => {
    const row = rows.find((each) => each["operator"] === "`?`")!
    for (const type of columns) {
      expect(row[type]).toBe("yes")
      for (const value of values[type]!) expect(matches("?meta.x", true, { x: value })).toBe(true)
    }
    expect([row["list"], matches("?meta.x", true, { x: [] })]).toEqual(["yes", true])
    expect([row["missing"], matches("?meta.x", true, {})]).toEqual(["no", false])
  })

  it("root fields are text", () => {
    const row = rows.find((each) => each["operator"] === "none, on root")!
    expect(columns.filter((type) => row[type] !== "no")).toEqual(["text"])
    expect([
      matches(".kind", "a*", {}, "abc"),
      matches(".kind", "a", {}, "abc"),
      matches(".kind", "abc", {}, "abc")
    ]).toEqual([true, false, true])
    for (const wanted of [80, null, true, new Date(0)])
      expect(Result.isFailure(Query.fromRecord({ ".kind": wanted }))).toBe(true)
  })

  it("a wanted list wants every one of its items, an empty one a list", () => {
    for (const [operator, row] of cases) {
      const wanted = wantedTypes(row["wanted"]!).flatMap((type) => values[type]!)
      for (const [one, other] of [
        [wanted[0]!, wanted.at(-1)!],
        [wanted.at(-1)!, wanted.at(-1)!]
      ] as const) {
        for (const x of [one, other, [one], [one, other], [one, other, one]]) {
          const each = [one, other].map((item) => matches(`${operator}meta.x`, item, { x }))
          expect(matches(`${operator}meta.x`, [one, other], { x })).toBe(each[0]! && each[1]!)
        }
      }
      expect([[], ["a"], "a", null, {}].map((x) => matches(`${operator}meta.x`, [], { x }))).toEqual([
        true,
        true,
        false,
        false,
        false
      ])
    }
  })
})
