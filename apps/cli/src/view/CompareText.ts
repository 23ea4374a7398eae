/**
 * A comparison of two versions for a terminal: each file below each other or side by side, then what else differs.
 *
 *     @@ -12 +12 @@                    @@ -12 +12 @@
 *     -const total = price             12 -const total = price  │ 12 +const total = cost
 *     +const total = cost
 */
import * as Compare from "@heph/implementations/Compare"
import { displayWidth } from "effect/cli/CliOutput"
import { printable, type Style } from "../Output.ts"
import * as Table from "../Table.ts"
import * as Tables from "./CompareTables.ts"

export interface Options extends Table.Target {
  /** Puts what was beside what is, where there are columns enough. */
  readonly sideBySide?: boolean | undefined
}

/** The comparison as lines that fit the columns there are, without a line break at the end. */
export const render = (comparison: Compare.Comparison, options: Options): string => {
  const { columns, style } = options
  const title = Table.cut(Table.oneLine(`${comparison.from} → ${comparison.to}`), columns)
  const parts = [`${style.bold(title)}\n${Table.cut(Tables.summary(comparison), columns)}`]
  for (const file of comparison.files) parts.push(fileText(file, options))
  const section = (name: string, body: string) => {
    if (body !== "") parts.push(`${style.bold(name)}\n${body}`)
  }
  section("metadata", metadataText(comparison, options))
  section("metrics", metricsText(comparison, options))
  section("tests", testsText(comparison, options))
  return parts.join("\n\n")
}

/** Side by side each text has this many columns, or they stand below each other. */
const leastWidth = 16
/** The columns of two sides where nobody says how many there are. */
const defaultColumns = 160
/** A line that goes on beyond these rows, as minified code does, ends there. */
const mostRows = 12
const tabSize = 4
const separator = " │ "

const colours = { added: "green", removed: "red", modified: "yellow", renamed: "cyan" } as const

const fileText = (file: Compare.FileChange, options: Options): string => {
  const { columns, sideBySide, style } = options
  const name = Table.cut(Table.oneLine(`${file.status} ${Tables.pathOf(file)}`), columns)
  const counts = file.added + file.removed === 0 ? [] : [`+${file.added} -${file.removed}`]
  const notes = Table.cut([...counts, ...Tables.notes(file)].join(", "), columns)
  const lines = [style.bold(style[colours[file.status]](name)), ...(notes === "" ? [] : [style.dim(notes)])]
  const hunks = Compare.hunks(file)
  const half = sideBySide === true ? halfOf(hunks, columns ?? defaultColumns) : undefined
  for (const { rows, title } of hunks) {
    lines.push(style.cyan(Table.cut(title, columns)))
    if (half === undefined) unified(rows, options, lines)
    else for (const row of rows) beside(row, half, style, lines)
  }
  return lines.join("\n")
}

/** What is removed stands above what is added in its place. */
const unified = (rows: ReadonlyArray<Compare.Row>, { columns, style }: Options, lines: Array<string>): void => {
  const width = columns === undefined ? Infinity : columns - 1
  const write = (line: Compare.Line | null, sign: Sign) => {
    if (line === null) return
    wrap(line, width).forEach((row, i) => lines.push(paint(row, sign, i === 0, style)))
  }
  let added: Array<Compare.Line | null> = []
  const flush = () => {
    for (const line of added) write(line, "+")
    added = []
  }
  for (const { from, kind, to } of rows) {
    if (kind === "same") {
      flush()
      write(to, " ")
    } else {
      write(from, "-")
      added.push(to)
    }
  }
  flush()
}

/** How the columns of one side are shared out. */
interface Half {
  /** Of the line number. */
  readonly digits: number
  /** Of the text. */
  readonly width: number
}

const halfOf = (hunks: ReadonlyArray<Compare.Hunk>, columns: number): Half | undefined => {
  const last = hunks.at(-1)?.rows.reduce((most, { from, to }) => Math.max(most, from?.number ?? 0, to?.number ?? 0), 0)
  const digits = String(last ?? 0).length
  const width = Math.floor((columns - separator.length) / 2) - digits - 2
  return width < leastWidth ? undefined : { digits, width }
}

const beside = (row: Compare.Row, half: Half, style: Style, lines: Array<string>): void => {
  const isSame = row.kind === "same"
  const left = side(row.from, isSame ? " " : "-", half, style)
  const right = side(row.to, isSame ? " " : "+", half, style)
  const empty = " ".repeat(half.digits + 2 + half.width)
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const [before = empty, after = ""] = [left[i]?.padded, right[i]?.text]
    lines.push(`${before}${style.dim(separator)}${after}`.trimEnd())
  }
}

interface Cell {
  readonly text: string
  readonly padded: string
}

const side = (line: Compare.Line | null, sign: Sign, half: Half, style: Style): ReadonlyArray<Cell> =>
  line === null
    ? []
    : wrap(line, half.width).map((row, i) => {
        const number = (i === 0 ? String(line.number) : "").padStart(half.digits)
        const text = `${style.dim(number)} ${paint(row, sign, i === 0, style)}`
        return { text, padded: text + " ".repeat(half.width - row.width) }
      })

/** A part of a row that looks alike. */
interface Piece {
  readonly text: string
  readonly look: "plain" | "changed" | "note"
}

/** What fits the columns of a line. */
interface Wrapped {
  readonly pieces: ReadonlyArray<Piece>
  readonly width: number
}

type Sign = keyof typeof signs

const signs = { "+": "green", "-": "red", " ": undefined } as const

/** Stands for the sign where a line goes on. */
const goesOn = "↳"

const paint = ({ pieces }: Wrapped, sign: Sign, isFirst: boolean, style: Style): string => {
  const colour = signs[sign]
  const coloured = (text: string) => (colour === undefined ? text : style[colour](text))
  const start = isFirst ? coloured(sign) : style.dim(goesOn)
  const shown = pieces.map(({ look, text }) =>
    look === "note" ? style.dim(text) : look === "changed" ? style.bold(coloured(text)) : coloured(text)
  )
  return start + shown.join("")
}

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" })

const spelled = (text: string): string =>
  Array.from(text, (character) => `\\u${character.codePointAt(0)!.toString(16).padStart(4, "0")}`).join("")

/** A line as the rows it takes, tabs as spaces, control characters spelled out. At least one. */
const wrap = ({ hasBreak, segments }: Compare.Line, width: number): ReadonlyArray<Wrapped> => {
  const room = Math.max(2, width)
  const rows: Array<{ pieces: Array<Piece>; width: number }> = [{ pieces: [], width: 0 }]
  const isFull = () => rows.length > mostRows
  /** Where the next tab stop is counted from, whatever row it is in. */
  let column = 0
  const put = (text: string, textWidth: number, look: Piece["look"]) => {
    let row = rows.at(-1)!
    if (row.width + textWidth > room) rows.push((row = { pieces: [], width: 0 }))
    const last = row.pieces.at(-1)
    if (last?.look === look) row.pieces[row.pieces.length - 1] = { text: last.text + text, look }
    else row.pieces.push({ text, look })
    row.width += textWidth
    column += textWidth
  }
  const putAscii = (text: string, look: Piece["look"]) => {
    for (let at = 0; at < text.length && !isFull();) {
      const left = room - rows.at(-1)!.width
      const part = text.slice(at, at + (left > 0 ? left : room))
      put(part, part.length, look)
      at += part.length
    }
  }
  const putAny = (text: string, look: Piece["look"]) => {
    if (text === "\t") return putAscii(" ".repeat(tabSize - (column % tabSize)), look)
    const textWidth = displayWidth(text)
    const shown = printable(text)
    // A mark without a letter would go to the sign or the space before it, and widen that.
    if (textWidth > 0 && shown === text) put(text, textWidth, look)
    else putAscii(shown === text ? spelled(text) : shown, look)
  }
  const text = segments.map(({ text }) => text).join("")
  const lookOf = (segment: Compare.Segment | undefined) => (segment?.isChanged === true ? "changed" : "plain")
  // Plain ASCII, which most lines are, needs no segmenting into what is seen.
  if (/^[\u0020-\u007E]*$/.test(text)) for (const segment of segments) putAscii(segment.text, lookOf(segment))
  else {
    let next = 0
    let end = 0
    for (const { index, segment } of graphemes.segment(text)) {
      if (isFull()) break
      while (index >= end) end += segments[next++]!.text.length
      putAny(segment, lookOf(segments[next - 1]))
    }
  }
  const note = (text: string): Wrapped => {
    const shown = Table.cut(text, room)
    return { pieces: [{ text: shown, look: "note" }], width: displayWidth(shown) }
  }
  return [
    ...rows.slice(0, mostRows),
    ...(isFull() ? [note("…")] : []),
    ...(hasBreak ? [] : [note("\\ No newline at end of file")])
  ]
}

const metadataText = (comparison: Compare.Comparison, target: Table.Target): string =>
  Table.render(
    [
      { title: "field" },
      { title: "from", mark: (cell, style) => style.red(cell) },
      { title: "to", mark: (cell, style) => style.green(cell) }
    ],
    Tables.metadata(comparison).map(({ field, from, to }) => [field, from, to]),
    target
  )

const metricsText = (comparison: Compare.Comparison, target: Table.Target): string =>
  Table.render(
    [
      { title: "metric" },
      { title: "from", isRight: true },
      { title: "to", isRight: true },
      { title: "delta", isRight: true },
      { title: "", isRight: true, mark: (cell, style) => style.dim(cell) }
    ],
    Tables.metrics(comparison).map(({ change, delta, from, metric, to }) => [metric, from, to, delta, change]),
    target
  )

/** As many tests are listed of those that became the same. */
const mostTests = 20

const outcomes = {
  "newly failing": "red",
  "still failing": "yellow",
  "newly passing": "green",
  "newly skipped": "yellow",
  removed: "dim"
} as const

const testsText = (comparison: Compare.Comparison, target: Table.Target): string => {
  const listed = Map.groupBy(Tables.tests(comparison), ({ what }) => what)
  const rows = [...listed].flatMap(([what, tests]) => [
    ...tests.slice(0, mostTests).map(({ isNew, name }) => [what, name, isNew ? "new" : ""]),
    ...(tests.length > mostTests ? [[what, `… and ${tests.length - mostTests} more`]] : [])
  ])
  const mark = (cell: string, style: Style) => {
    const colour = Object.entries(outcomes).find(([what]) => what === cell)?.[1]
    return colour === undefined ? cell : style[colour](cell)
  }
  const table = Table.render([{ mark }, {}, { mark: (cell, style) => style.dim(cell) }], rows, target)
  return [Table.cut(Tables.testCounts(comparison), target.columns), table].filter((text) => text !== "").join("\n")
}
