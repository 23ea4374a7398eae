/**
 * The difference of two files in the text that `git diff` prints and `git apply` reads. Which lines changed is found by
 * `effect/TextDiff`, what stands above them is written by `diff`.
 */
import { FILE_HEADERS_ONLY, formatPatch } from "diff"
import * as TextDiff from "effect/TextDiff"

/** The mode that git gives a file: regular, executable, symbolic link. */
export type Mode = "100644" | "100755" | "120000"

/** One side of a difference. */
export interface Source {
  readonly path: string
  readonly mode: Mode
  /** Undefined for what is no text. */
  readonly text: string | undefined
}

export interface Patch {
  readonly diff: string
  readonly isBinary: boolean
  readonly isApproximate: boolean
  readonly added: number
  readonly removed: number
}

/**
 * How much a comparison may do, all files together: about 10 ns for each, which is 0.3 s. Two texts of n lines are compared
 * exactly when they differ in no more than `effort / n` of them.
 */
const effort = 30_000_000

/** Texts of more lines together, for which taking them in alone costs a second, are replaced as a whole. */
const mostLines = 500_000

/** Makes patches, with so many lines around each change; coarse ones once the effort is spent. */
export const maker = (context: number): ((from: Source | undefined, to: Source | undefined) => Patch) => {
  let left = effort
  const script = (before: string, after: string): Script => {
    // One side alone needs no search.
    if (before === "" || after === "") return scriptOf(replacement(before, after), Infinity)
    const lines = countLines(before) + countLines(after)
    if (lines > mostLines) return scriptOf(replacement(before, after), 0)
    const maxEdits = Math.floor(left / lines)
    const found = scriptOf(TextDiff.lines(before, after, { maxEdits }), maxEdits)
    const edits = found.added + found.removed
    left = Math.max(0, left - (found.isApproximate ? lines * maxEdits : edits * edits))
    return found
  }

  const make = (from: Source | undefined, to: Source | undefined): Patch => {
    if (from !== undefined && to !== undefined && (from.mode === "120000") !== (to.mode === "120000")) {
      return joined(make(from, undefined), make(undefined, to))
    }
    if (isBinary(from) || isBinary(to)) {
      const [before, after] = names(from, to)
      // Without the modes, the same as they may be, git takes the first line for prose and skips the file.
      const diff = `${header(from, to, true)}Binary files ${before} and ${after} differ\n`
      return { diff, isBinary: true, isApproximate: false, added: 0, removed: 0 }
    }
    const head = header(from, to)
    const { added, edits, isApproximate, removed } = script(from?.text ?? "", to?.text ?? "")
    const hunks = TextDiff.unified(edits, { context })
    const diff = hunks === "" ? head : `${head}${fileNames(from, to)}${hunks}`
    return { diff, isBinary: false, isApproximate, added, removed }
  }
  return make
}

/** The patch of a file that only changed its name, its mode or both. */
export const ofName = (from: Source, to: Source): Patch => ({
  diff: header(from, to),
  isBinary: isBinary(from),
  isApproximate: false,
  added: 0,
  removed: 0
})

interface Script {
  readonly edits: ReadonlyArray<TextDiff.Edit<string>>
  readonly added: number
  readonly removed: number
  readonly isApproximate: boolean
}

const scriptOf = (edits: ReadonlyArray<TextDiff.Edit<string>>, maxEdits: number): Script => {
  let added = 0
  let removed = 0
  for (const { _tag, items } of edits) {
    if (_tag === "Insert") added += items.length
    else if (_tag === "Delete") removed += items.length
  }
  return { edits, added, removed, isApproximate: added + removed > maxEdits }
}

/** All of the one goes, all of the other comes. */
const replacement = (before: string, after: string): ReadonlyArray<TextDiff.Edit<string>> => [
  { _tag: "Delete", items: linesOf(before) },
  { _tag: "Insert", items: linesOf(after) }
]

const linesOf = (text: string): ReadonlyArray<string> => (text === "" ? [] : text.split(/(?<=\n)/))

const countLines = (text: string): number => {
  let lines = 1
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) lines++
  return lines
}

/** What git writes of a regular file that becomes a symbolic link, or the other way: one goes, another comes. */
const joined = (a: Patch, b: Patch): Patch => ({
  diff: a.diff + b.diff,
  isBinary: a.isBinary || b.isBinary,
  isApproximate: false,
  added: b.added,
  removed: a.removed
})

const isBinary = (source: Source | undefined): boolean => source !== undefined && source.text === undefined

const nothing = "/dev/null"

const patchOf = (from: Source | undefined, to: Source | undefined) => ({
  oldFileName: from === undefined ? nothing : `a/${from.path}`,
  newFileName: to === undefined ? nothing : `b/${to.path}`,
  oldHeader: undefined,
  newHeader: undefined,
  hunks: []
})

const header = (
  from: Source | undefined,
  to: Source | undefined,
  hasModes: boolean = from?.mode !== to?.mode
): string =>
  formatPatch({
    ...patchOf(from, to),
    isGit: true,
    isCreate: from === undefined,
    isDelete: to === undefined,
    isRename: from !== undefined && to !== undefined && from.path !== to.path,
    ...(from !== undefined && hasModes ? { oldMode: from.mode } : {}),
    ...(to !== undefined && hasModes ? { newMode: to.mode } : {})
  })

/** The two lines above the hunks. A name with spaces ends at a tab, or `patch` takes its first word for it. */
const fileNames = (from: Source | undefined, to: Source | undefined): string => {
  const [before, after] = names(from, to)
  return `--- ${ended(before)}\n+++ ${ended(after)}\n`
}

const ended = (name: string): string => (name.includes(" ") && !name.startsWith('"') ? `${name}\t` : name)

/** The names as git quotes them. */
const names = (from: Source | undefined, to: Source | undefined): readonly [string, string] => {
  const [before = "", after = ""] = formatPatch(patchOf(from, to), FILE_HEADERS_ONLY)
    .split("\n")
    .map((line) => line.slice(4))
  return [before, after]
}
