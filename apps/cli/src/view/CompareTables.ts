/** What the views of a comparison have in common: its words, and its tables cell by cell. */
import type * as Compare from "@heph/implementations/Compare"
import * as Values from "../Values.ts"
import * as Words from "../Words.ts"

/** `2 files changed, 10 lines added, 1 line removed`. */
export const summary = ({ files, renamesCut, unchanged }: Compare.Comparison): string => {
  const lines = (side: "added" | "removed") => {
    const total = files.reduce((sum, file) => sum + file[side], 0)
    return `${Words.count(total, "line")} ${side}`
  }
  return [
    `${Words.count(files.length, "file")} changed`,
    ...(files.length === 0 ? [] : [lines("added"), lines("removed")]),
    ...(unchanged === 0 ? [] : [`${Words.count(unchanged, "file")} unchanged`]),
    ...(renamesCut ? ["some renamed files may stand as removed and added: there are too many to compare"] : [])
  ].join(", ")
}

/** The path of a file, of a renamed one both. */
export const pathOf = ({ from, path, status, to }: Compare.FileChange): string =>
  status === "renamed" ? `${from} → ${to}` : path

/** What there is to say of a file beside its lines. */
export const notes = (file: Compare.FileChange): ReadonlyArray<string> => {
  const { approximate, binary, fromMode, fromSize, similarity, toMode, toSize } = file
  const sizes = [fromSize, toSize].flatMap((size) => (size === null ? [] : [Words.size(size)]))
  return [
    // Rounded down: 100% is for what is the same.
    ...(similarity === null ? [] : [`${Math.floor(similarity * 100)}% the same`]),
    ...(fromMode === toMode || toMode === null || (fromMode === null && toMode === "100644") ? [] : [modes[toMode]]),
    ...(binary ? [`binary, ${sizes.join(" → ")}`] : []),
    ...(approximate ? ["not the smallest diff: the texts differ in too much"] : [])
  ]
}

const modes = {
  "100644": "made a regular file",
  "100755": "made executable",
  "120000": "made a symbolic link"
} as const

/** A place in the metadata; empty where there was or is nothing. */
export interface Field {
  readonly field: string
  readonly from: string
  readonly to: string
}

/** Records field by field, lists by what went and what came. */
export const metadata = ({ metadata }: Compare.Comparison): ReadonlyArray<Field> =>
  metadata.flatMap(({ added, field, from, removed, to }): ReadonlyArray<Field> => {
    if (added !== undefined && removed !== undefined && added.length + removed.length > 0) {
      return [{ field, from: removed.join(", "), to: added.join(", ") }]
    }
    if (field === "created" && typeof from === "number" && typeof to === "number") {
      return [{ field, from: Words.moment(from), to: Words.moment(to) }]
    }
    return Values.differences(from ?? undefined, to ?? undefined, field).map(({ after, before, path }) => ({
      field: path,
      from: before === undefined ? "" : Values.cell(before),
      to: after === undefined ? "" : Values.cell(after)
    }))
  })

/** A metric; empty where there is nothing to say. */
export interface Metric {
  readonly metric: string
  readonly from: string
  readonly to: string
  /** With its sign. */
  readonly delta: string
  /** The delta in percent of what it was. */
  readonly change: string
}

export const metrics = ({ metrics }: Compare.Comparison): ReadonlyArray<Metric> =>
  metrics.map(({ delta, from, metric, ratio, to }) => ({
    metric,
    from: from === null ? "" : Words.figure(from),
    to: to === null ? "" : Words.figure(to),
    delta: delta === null ? "" : signed(delta),
    change: ratio === null || ratio < 0 || delta === 0 ? "" : `${signed((ratio - 1) * 100)}%`
  }))

const signed = (n: number): string => `${n > 0 ? "+" : ""}${Words.figure(n)}`

/** What became of a test. */
export interface Test {
  readonly what: "newly failing" | "still failing" | "newly passing" | "newly skipped" | "removed"
  readonly name: string
  /** The first version did not have it. */
  readonly isNew: boolean
}

/** The tests of which there is something to say, what fails first. */
export const tests = ({ tests }: Compare.Comparison): ReadonlyArray<Test> => {
  const added = new Set(tests.added)
  const of = (what: Test["what"], names: ReadonlyArray<string>) =>
    names.map((name) => ({ what, name, isNew: added.has(name) }))
  return [
    ...of("newly failing", tests.newlyFailing),
    ...of("still failing", tests.stillFailing),
    ...of("newly passing", tests.newlyPassing),
    ...of("newly skipped", tests.newlySkipped),
    ...of("removed", tests.removed)
  ]
}

/** `3 passed, 1 failed → 4 passed`; nothing where neither version has results. */
export const testCounts = ({ tests: { from, to } }: Compare.Comparison): string =>
  from === null && to === null ? "" : `${counted(from)} → ${counted(to)}`

const counted = (counts: Compare.TestChanges["from"]): string =>
  counts === null
    ? "none recorded"
    : (["passed", "failed", "skipped"] as const)
        .filter((outcome) => counts[outcome] > 0)
        .map((outcome) => `${counts[outcome]} ${outcome}`)
        .join(", ")
