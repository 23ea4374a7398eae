/**
 * A metric over versions, drawn for a terminal: the values, and the best so far.
 *
 *     0.93 ┤      ╭───
 *     0.74 ┤  ╭╮╭─╯
 *     0.55 ┼──╯╰╯
 */
import type { Direction, Point } from "@heph/implementations/Analytics"
import { cyan, green, plot } from "asciichart"
import type { Target } from "../Table.ts"
import * as Words from "../Words.ts"

/** How many lines it has. */
const height = 12
/** The number of the lowest line: the library draws an axis at 0. */
const first = 1
/** As wide as it gets where nobody says how wide it may be. */
const defaultColumns = 80
/** A version is drawn no wider than this. */
const widest = 6

export interface Options extends Target {
  readonly direction: Direction
}

/** The chart, at least one point. With more versions than columns, each column is the best of some that follow each other. */
export const render = (
  points: ReadonlyArray<Point>,
  { columns = defaultColumns, direction, style }: Options
): string => {
  const better = direction === "max" ? Math.max : Math.min
  const values = points.map(({ value }) => value)
  const bests = points.map(({ best }) => best)
  // In halves, so that no difference is more than the largest number.
  const low = values.reduce((a, b) => Math.min(a, b)) / 2
  const range = values.reduce((a, b) => Math.max(a, b)) / 2 - low
  const top = range === 0 ? 0 : height - 1
  const labels = Array.from({ length: top + 1 }, (_, line) =>
    Words.figure(2 * (top === 0 ? low : low + range * (line / top)))
  )
  const labelWidth = labels.reduce((width, label) => Math.max(width, label.length), 0)
  const room = Math.max(10, columns - labelWidth - 3)
  const shrunk = (all: ReadonlyArray<number>) => fit(all, room, (some) => some.reduce((a, b) => better(a, b)))
  // Drawn by line numbers: the library rounds values itself, in whatever size they are.
  const lines = (all: ReadonlyArray<number>) =>
    shrunk(all).map((value) => (top === 0 ? first : first + Math.round(((value / 2 - low) / range) * top)))
  const isColoured = style.bold("x") !== "x"
  const drawn = plot(isColoured ? [lines(values), lines(bests)] : lines(values), {
    min: first,
    max: first + top,
    height: top,
    offset: 2,
    padding: "",
    colors: isColoured ? [cyan, green] : [],
    format: (line) => `${labels[Math.round(line) - first]!.padStart(labelWidth)} `
  })
  const last = points.at(-1)!
  const from = String(points[0]!.sequence)
  const span = Math.max(0, shrunk(values).length - from.length - 1)
  const axis = points.length === 1 ? from : `${from}${String(last.sequence).padStart(span)}`
  return `${drawn.replaceAll(/ +$/gm, "")}\n${" ".repeat(labelWidth + 2)}${style.dim(axis)}`
}

/** As many as there is room for: several made one, or each drawn several times. */
const fit = (
  values: ReadonlyArray<number>,
  room: number,
  merge: (some: ReadonlyArray<number>) => number
): ReadonlyArray<number> => {
  if (values.length <= room) {
    const wide = Math.min(widest, Math.floor(room / values.length))
    return values.flatMap((value) => Array.from({ length: wide }, () => value))
  }
  return Array.from({ length: room }, (_, i) =>
    merge(values.slice(Math.floor((i * values.length) / room), Math.floor(((i + 1) * values.length) / room)))
  )
}
