/** Values for people: laid out in a block, in one line, and how two of them differ. */
import * as Value from "@heph/entry/Value"
import * as TextDiff from "effect/TextDiff"
import * as Json from "./Json.ts"
import { printable, type Style } from "./Output.ts"
import * as Table from "./Table.ts"

/** A value in one line, cut to so many columns: `"text"`, `[1,2]`, `<3 bytes>`. */
export const brief = (value: Value.Value, width?: number): string => {
  if (value instanceof Uint8Array) return `<${value.length} bytes>`
  if (value instanceof Date) return value.toISOString()
  if (typeof value === "number" && !Number.isFinite(value)) return String(value)
  return Table.cut(Table.oneLine(Json.stringify(value)), width)
}

/** A value in a cell of a table: as {@link brief}, but a text without quotes where nobody would take it for something else. */
export const cell = (value: Value.Value): string =>
  typeof value === "string" && !/^(?:[-\d"[{<]|true$|false$|null$|$)/.test(value) ? value : brief(value)

/** The keys of a record with their values below each other, texts of several lines as they are. */
export const block = (value: Value.Value, style: Style, indent = ""): string => {
  const deeper = `${indent}  `
  const items: ReadonlyArray<readonly [string, Value.Value]> = Array.isArray(value)
    ? (value as ReadonlyArray<Value.Value>).map((item) => ["-", item])
    : Value.isRecord(value)
      ? Object.entries(value).map(([key, item]) => [`${style.cyan(keyText(key))}:`, item])
      : []
  if (items.length === 0) return `${indent}${brief(value)}`
  return items
    .map(([label, item]) => {
      if (typeof item === "string" && item.trimEnd().includes("\n")) {
        const lines = printable(item.replace(/\r?\n$/, "")).split("\n")
        return [`${indent}${label} |`, ...lines.map((line) => (line === "" ? "" : deeper + line))].join("\n")
      }
      const isNested =
        (Array.isArray(item) && item.length > 0) || (Value.isRecord(item) && Object.keys(item).length > 0)
      return isNested ? `${indent}${label}\n${block(item, style, deeper)}` : `${indent}${label} ${brief(item)}`
    })
    .join("\n")
}

/** One place where two values differ. Nothing stands for a key that is not there. */
export interface Difference {
  readonly path: string
  readonly before: Value.Value | undefined
  readonly after: Value.Value | undefined
}

/** Where two values differ: records key by key, everything else as a whole. */
export const differences = (
  before: Value.Value | undefined,
  after: Value.Value | undefined,
  path: string
): ReadonlyArray<Difference> => {
  if (before === undefined || after === undefined || !Value.isRecord(before) || !Value.isRecord(after)) {
    const isSame = before === undefined || after === undefined ? before === after : Value.equals(before, after)
    return isSame ? [] : [{ path, before, after }]
  }
  const keys = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...keys].flatMap((key) => differences(own(before, key), own(after, key), `${path}.${keyText(key)}`))
}

/** A difference as lines: what went, what came, and texts or lists by their lines. */
export const difference = (
  { after, before, path }: Difference,
  style: Style,
  width?: number
): ReadonlyArray<string> => {
  if (before === undefined) return [style.green(`+ ${path}: ${brief(after ?? null, width)}`)]
  if (after === undefined) return [style.red(`- ${path}: ${brief(before, width)}`)]
  const [left, right] = [linesOf(before), linesOf(after)]
  if (left === undefined || right === undefined) {
    return [`${style.yellow(`~ ${path}:`)} ${brief(before, width)} → ${brief(after, width)}`]
  }
  // A search without a bound is quadratic in the changes, and texts of megabytes may share nothing.
  const edits = TextDiff.lines(left, right, { maxEdits: 2000 })
  const hunks = TextDiff.unified(edits, { context: 2 }).split("\n").slice(0, -1)
  return [style.yellow(`~ ${path}:`), ...hunks.map((line) => `    ${marked(printable(line), style)}`)]
}

const marked = (line: string, style: Style): string =>
  line.startsWith("+")
    ? style.green(line)
    : line.startsWith("-")
      ? style.red(line)
      : line.startsWith("@@") || line.startsWith("\\")
        ? style.dim(line)
        : line

/** What is compared line by line: texts of several lines, and lists, an item a line. */
const linesOf = (value: Value.Value): string | undefined => {
  if (typeof value === "string") return value.trimEnd().includes("\n") ? value : undefined
  if (!Array.isArray(value)) return undefined
  return (value as ReadonlyArray<Value.Value>).map((item) => `${brief(item)}\n`).join("")
}

const own = (record: Value.Bag, key: string): Value.Value | undefined =>
  Object.hasOwn(record, key) ? record[key] : undefined

/** A key as it stands in a path, quoted where it would be misread. */
export const keyText = (key: string): string =>
  /^[\p{L}\p{N}_$@/-]+$/u.test(key) ? key : Table.oneLine(JSON.stringify(key))
