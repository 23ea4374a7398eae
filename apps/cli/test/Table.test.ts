import { describe, expect, it } from "@effect/vitest"
import { displayWidth } from "effect/cli/CliOutput"
import * as fc from "fast-check"
import { isColoured, printable, style } from "../src/Output.ts"
import * as Table from "../src/Table.ts"
import * as Words from "../src/Words.ts"

const plain = { columns: undefined, style: style(false) }
const text = fc.oneof(fc.string({ unit: "grapheme", maxLength: 40 }), fc.string({ unit: "binary", maxLength: 40 }))

describe("a table", () => {
  it("aligns columns, numbers to the right, wide characters by their width", () => {
    const columns = [{ title: "name" }, { title: "n", isRight: true }, {}]
    const rows = [
      ["漢字", "7", "x"],
      ["a", "12", ""]
    ]
    expect(Table.render(columns, rows, plain)).toBe("name   n\n漢字   7  x\na     12")
    expect(Table.render(columns, [], plain)).toBe("")
    expect(Table.render([{ title: "t" }], [["a"]], plain, { isContinued: true })).toBe("a")
  })

  it("fits a terminal of any width from what its columns need at least, and is not cut in a pipe", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(text, text, text), { minLength: 1 }),
        fc.integer({ min: 28, max: 90 }),
        (rows, columns) => {
          const fitted = Table.render([{}, {}, {}], rows, { ...plain, columns }).split("\n")
          expect(fitted).toHaveLength(rows.length)
          for (const line of fitted) expect(displayWidth(line)).toBeLessThanOrEqual(columns)
          const whole = Table.render([{}, {}, {}], rows, plain).split("\n")
          rows.forEach((row, i) => {
            for (const cell of row) expect(whole[i]).toContain(Table.oneLine(cell).trimEnd())
          })
        }
      )
    )
  })

  it("cuts a text to any width, and ends", () => {
    fc.assert(
      fc.property(text, fc.integer({ min: -3, max: 30 }), (text, width) => {
        const cut = Table.cut(text, width)
        expect(cut === text || displayWidth(cut) <= Math.max(1, width)).toBe(true)
        expect(cut.isWellFormed() || !text.isWellFormed()).toBe(true)
      })
    )
  })

  it("marks cells as they will stand there", () => {
    const columns = [{ mark: (cell: string) => `<${cell}>` }, {}]
    expect(
      Table.render(
        columns,
        [
          ["a", "b"],
          ["ccc", "d"]
        ],
        plain
      )
    ).toBe("<a>    b\n<ccc>  d")
  })
})

describe("words", () => {
  it("count, size and time things", () => {
    expect([
      Words.count(1, "entry", "entries"),
      Words.count(10_000, "entry", "entries"),
      Words.count(0, "file")
    ]).toEqual(["1 entry", "10,000 entries", "0 files"])
    expect([999, 14_811_136, 2_500_000_000].map(Words.size)).toEqual(["999 bytes", "14.8 MB", "2.5 GB"])
    const seconds = [0, 1, 59, 60, 7200, 86_400 * 3, 86_400 * 400]
    expect(seconds.map((ago) => Words.ago(0, ago * 1000))).toEqual([
      "now",
      "1 second ago",
      "59 seconds ago",
      "1 minute ago",
      "2 hours ago",
      "3 days ago",
      "last year"
    ])
    expect(Words.moment(Date.UTC(2026, 0, 2, 3, 4, 5, 678))).toBe("2026-01-02T03:04:05Z")
  })

  it("colour: NO_COLOR says no, FORCE_COLOR yes, else a terminal does", () => {
    const cases: ReadonlyArray<readonly [boolean, NodeJS.ProcessEnv, boolean]> = [
      [true, {}, true],
      [false, {}, false],
      [true, { NO_COLOR: "1" }, false],
      [true, { NO_COLOR: "" }, true],
      [false, { FORCE_COLOR: "1" }, true],
      [false, { FORCE_COLOR: "0" }, false],
      [true, { FORCE_COLOR: "1", NO_COLOR: "1" }, false],
      [true, { TERM: "dumb" }, false]
    ]
    for (const [isTerminal, environment, expected] of cases) expect(isColoured(isTerminal, environment)).toBe(expected)
  })

  it("spells control characters out, all but line breaks and tabs", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        // eslint-disable-next-line no-control-regex
        expect(printable(text)).not.toMatch(/[\u0000-\u0008\u000B-\u001F\u007F-\u009F]/)
      })
    )
    expect(printable("a\tb\nc\u001B[31m\u202E")).toBe("a\tb\nc\\u001b[31m\\u202e")
  })
})
