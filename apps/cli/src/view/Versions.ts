/** Versions of implementations, for people and for machines. */
import type { File, Version } from "@heph/implementations/Implementation"
import type { Style } from "../Output.ts"
import * as Table from "../Table.ts"
import * as Words from "../Words.ts"

/** A version as every command prints it: everything but its code. */
export const json = (version: Version) => {
  const { entry: _, files, created, ...rest } = version
  return { ...rest, files: files.map(fileJson), created: new Date(created).toISOString() }
}

/** A file of a version. What is not said is not so. */
export const fileJson = ({ executable, hash, link, path, size }: File) => ({
  path,
  hash,
  size,
  ...(executable ? { executable } : undefined),
  ...(link ? { link } : undefined)
})

/** How many metrics have a column of their own. */
const mostMetrics = 4

/** The names of the metrics that the versions have, those that most of them have first. */
export const metricsOf = (versions: ReadonlyArray<Pick<Version, "metrics">>): ReadonlyArray<string> => {
  const counts = new Map<string, number>()
  for (const { metrics } of versions) {
    for (const name of Object.keys(metrics)) counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return [...counts].sort(([, a], [, b]) => b - a).map(([name]) => name)
}

export const statusMark = (cell: string, style: Style): string =>
  cell.startsWith("passed") ? style.green(cell) : cell.startsWith("failed") ? style.red(cell) : style.dim(cell)

/** What became of the tests: `passed 12`, `failed 3 of 12`. */
export const statusText = ({ status, tests }: Pick<Version, "status" | "tests">): string => {
  if (tests === null) return status
  const all = tests.passed + tests.failed + tests.skipped
  return status === "failed" ? `failed ${tests.failed} of ${all}` : `${status} ${tests.passed}`
}

export interface Options extends Table.Target {
  /** The time, in milliseconds since 1970. */
  readonly now: number
  /** Columns of numbers behind the id. */
  readonly extra?: ReadonlyArray<{ readonly title: string; readonly of: (version: Version) => string }>
}

/** A line for each version. */
export const table = (versions: ReadonlyArray<Version>, options: Options): string => {
  const { extra = [], now } = options
  const metrics = metricsOf(versions).slice(0, mostMetrics)
  const columns: ReadonlyArray<Table.Column> = [
    { title: "version", mark: (cell, style) => style.bold(cell) },
    ...extra.map(({ title }) => ({ title, isRight: true })),
    { title: "when" },
    { title: "parent", mark: (cell, style) => style.dim(cell) },
    { title: "status", mark: statusMark },
    ...metrics.map((metric) => ({ title: Table.oneLine(metric), isRight: true })),
    { title: "tags", mark: (cell, style) => style.cyan(cell) },
    { title: "size", isRight: true },
    { title: "message" }
  ]
  const rows = versions.map((version) => [
    version.id,
    ...extra.map(({ of }) => of(version)),
    Words.ago(version.created, now),
    parentText(version),
    statusText(version),
    ...metrics.map((metric) => {
      const value = valueOf(version, metric)
      return value === undefined ? "" : Words.figure(value)
    }),
    version.tags.join(" "),
    Words.size(version.size),
    subject(version)
  ])
  return Table.render(columns, rows, options)
}

/** What it was made for, in a line: the first one of its message, or its goal. */
export const subject = ({ goal, message }: Pick<Version, "goal" | "message">): string =>
  (message ?? goal ?? "").split("\n", 1)[0]!

/** A metric of a version, where it has it. */
export const valueOf = ({ metrics }: Pick<Version, "metrics">, metric: string): number | undefined =>
  Object.hasOwn(metrics, metric) ? metrics[metric] : undefined

/** Its parents, those of its own component by what follows the colon. */
const parentText = ({ component, parents }: Version): string =>
  parents.map((id) => (id.startsWith(`${component}:`) ? id.slice(component.length + 1) : id)).join(" ")

/** How many of a page there are: `5 versions of 12 at v7`. */
export const shown = ({
  at,
  total,
  versions
}: {
  readonly at: number
  readonly total: number
  readonly versions: ReadonlyArray<unknown>
}): string => {
  const count = Words.count(versions.length, "version")
  return `${versions.length < total ? `${count} of ${total.toLocaleString("en")}` : count} at v${at}`
}
