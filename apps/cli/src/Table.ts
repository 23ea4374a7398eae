/** Aligned columns. Lines are cut to the width of a terminal, and to nothing where there is none. */
import { displayWidth } from "effect/cli/CliOutput"
import { printable, type Stream, type Style } from "./Output.ts"

export interface Column {
  /** Printed above the column; without a title on any column there is no line of titles. */
  readonly title?: string
  readonly isRight?: boolean
  /** Marks a cell, which is given as it will be printed. */
  readonly mark?: (cell: string, style: Style) => string
}

/** What of a stream a table depends on. */
export type Target = Pick<Stream, "columns" | "style">

export interface Options {
  /** The rows go on from a table above: no titles again. */
  readonly isContinued?: boolean
}

const gap = 2
/** A column that is cut keeps this much. */
const least = 8

/** The rows as lines, without a line break at the end; nothing for no rows. */
export const render = (
  columns: ReadonlyArray<Column>,
  rows: ReadonlyArray<ReadonlyArray<string>>,
  target: Target,
  options?: Options
): string => {
  if (rows.length === 0) return ""
  const titles = columns.map((column) => column.title ?? "")
  const hasTitles = options?.isContinued !== true && titles.some((title) => title !== "")
  const cells = rows.map((row) => columns.map((_, i) => oneLine(row[i] ?? "")))
  const widths = columns.map((_, i) => {
    let width = widthOf(titles[i] ?? "")
    for (const row of cells) width = Math.max(width, widthOf(row[i] ?? ""))
    return width
  })
  if (target.columns !== undefined) shrink(widths, target.columns)
  const line = (row: ReadonlyArray<string>, mark: (cell: string, column: Column) => string): string => {
    const out: Array<string> = []
    columns.forEach((column, i) => {
      const cell = cut(row[i] ?? "", widths[i] ?? 0)
      const space = " ".repeat((widths[i] ?? 0) - widthOf(cell))
      const isLast = i === columns.length - 1
      out.push(column.isRight === true ? space + mark(cell, column) : mark(cell, column) + (isLast ? "" : space))
    })
    return out.join(" ".repeat(gap)).trimEnd()
  }
  const lines = cells.map((row) => line(row, (cell, { mark }) => mark?.(cell, target.style) ?? cell))
  if (hasTitles) lines.unshift(line(titles, (title) => target.style.dim(title)))
  return lines.join("\n")
}

/** A text as a cell: on one line, with nothing in it that moves the cursor. */
export const oneLine = (text: string): string =>
  printable(text)
    .replaceAll("\n", String.raw`\n`)
    .replaceAll("\t", String.raw`\t`)

/** The text, cut to so many columns, with `…` at its end where something is missing. */
export const cut = (text: string, width: number | undefined): string => {
  if (width === undefined || widthOf(text) <= width) return text
  let kept = text.slice(0, Math.max(0, width - 1))
  while (kept !== "" && widthOf(kept) > width - 1) kept = kept.slice(0, -1)
  return `${kept.toWellFormed().replace(/\uFFFD$/, "")}…`
}

/** Takes from the widest columns what the lines are too long. */
const shrink = (widths: Array<number>, columns: number): void => {
  let over = widths.reduce((sum, width) => sum + width, gap * (widths.length - 1)) - columns
  while (over > 0) {
    const widest = Math.max(...widths)
    if (widest <= least) return
    widths[widths.lastIndexOf(widest)] = widest - 1
    over--
  }
}

// Segmenting text into what is seen costs ~10 µs a cell, so plain ASCII does without.
const widthOf = (text: string): number => (/^[\u0020-\u007E]*$/.test(text) ? text.length : displayWidth(text))
