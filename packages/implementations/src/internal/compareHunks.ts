/** A unified diff as rows for people: what was beside what is, and within a line the words that changed. */
import { type Change, diffWordsWithSpace, parsePatch } from "diff"

/** A part of a line. */
export interface Segment {
  readonly text: string
  /** Whether the line beside has something else here. No part has, where the lines have too little in common. */
  readonly isChanged: boolean
}

/** A line of one side, its line break left out. */
export interface Line {
  /** From 1. */
  readonly number: number
  readonly segments: ReadonlyArray<Segment>
  /** False for a last line that does not end in a line break. */
  readonly hasBreak: boolean
}

/** What stands beside each other. Removed lines stand beside the added ones that follow them, in their order. */
export interface Row {
  readonly kind: "same" | "changed" | "removed" | "added"
  /** `null` for an added line. */
  readonly from: Line | null
  /** `null` for a removed line. */
  readonly to: Line | null
}

/** A change, or several close to each other, with the lines around. */
export interface Hunk {
  /** As it stands in the diff: `@@ -1,7 +1,8 @@`. */
  readonly title: string
  readonly rows: ReadonlyArray<Row>
}

/** In a longer line words are not compared. */
const longest = 2000

/** Lines that differ in more words have nothing to highlight. */
const mostWords = 200

/** How much the words of one file's lines may cost together: about 300 ns for each. */
const effort = 2_000_000

/** The hunks of a diff of one file. */
export const read = (diff: string): ReadonlyArray<Hunk> => {
  const highlight = highlighter()
  return parsePatch(diff).flatMap(({ hunks }) =>
    hunks.map(({ lines, newLines, newStart, oldLines, oldStart }) => {
      const rows: Array<Row> = []
      let removed: Array<RawLine> = []
      let added: Array<RawLine> = []
      const flush = () => {
        for (let i = 0; i < Math.max(removed.length, added.length); i++) rows.push(highlight(removed[i], added[i]))
        removed = []
        added = []
      }
      let from = oldStart
      let to = newStart
      lines.forEach((line, i) => {
        const text = line.slice(1)
        const hasBreak = lines[i + 1]?.startsWith("\\") !== true
        if (line.startsWith("-")) removed.push({ number: from++, text, hasBreak })
        else if (line.startsWith("+")) added.push({ number: to++, text, hasBreak })
        else if (!line.startsWith("\\")) {
          flush()
          const segments = plain(text)
          rows.push({
            kind: "same",
            from: { number: from++, segments, hasBreak },
            to: { number: to++, segments, hasBreak }
          })
        }
      })
      flush()
      return { title: `@@ -${range(oldStart, oldLines)} +${range(newStart, newLines)} @@`, rows }
    })
  )
}

interface RawLine {
  readonly number: number
  readonly text: string
  readonly hasBreak: boolean
}

// The parser counts up what the format counts down: a range without lines starts after the line it names.
const range = (start: number, lines: number): string =>
  lines === 1 ? String(start) : `${lines === 0 ? start - 1 : start},${lines}`

const plain = (text: string): ReadonlyArray<Segment> => (text === "" ? [] : [{ text, isChanged: false }])

/** Makes rows of changed lines, until the effort is spent; then rows without highlights. */
const highlighter = () => {
  let left = effort
  const compare = (from: string, to: string): ReadonlyArray<Change> | undefined => {
    if (from.length > longest || to.length > longest) return undefined
    const maxEditLength = Math.min(mostWords, Math.floor(Math.sqrt(left)))
    const words = diffWordsWithSpace(from, to, { maxEditLength })
    const edits = words === undefined ? maxEditLength : sum(words, (word) => (isSame(word) ? 0 : word.count))
    left -= edits * edits
    return words
  }
  return (from: RawLine | undefined, to: RawLine | undefined): Row => {
    if (from === undefined) return { kind: "added", from: null, to: whole(to) }
    if (to === undefined) return { kind: "removed", from: whole(from), to: null }
    const words = compare(from.text, to.text)
    return words === undefined || !areAlike(words)
      ? { kind: "changed", from: whole(from), to: whole(to) }
      : { kind: "changed", from: marked(from, words, "added"), to: marked(to, words, "removed") }
  }
}

const isSame = ({ added, removed }: Change): boolean => !added && !removed

const sum = (words: ReadonlyArray<Change>, of: (word: Change) => number): number =>
  words.reduce((total, word) => total + of(word), 0)

/** Whether what both lines have is a third of the shorter one, white space apart. */
const areAlike = (words: ReadonlyArray<Change>): boolean => {
  const ink = ({ value }: Change) => value.replace(/\s+/g, "").length
  const from = sum(words, (word) => (word.added ? 0 : ink(word)))
  const to = sum(words, (word) => (word.removed ? 0 : ink(word)))
  return sum(words, (word) => (isSame(word) ? ink(word) : 0)) * 3 >= Math.min(from, to)
}

const whole = (line: RawLine | undefined): Line | null =>
  line === undefined ? null : { number: line.number, segments: plain(line.text), hasBreak: line.hasBreak }

const marked = ({ hasBreak, number }: RawLine, words: ReadonlyArray<Change>, other: "added" | "removed"): Line => ({
  number,
  segments: words.flatMap((word) => (word[other] ? [] : [{ text: word.value, isChanged: !isSame(word) }])),
  hasBreak
})
