/**
 * Answers that are kept, and what was changed since. A write drops nothing by itself: whether an answer still holds is
 * looked at when it is asked for again, over the changes since it was last known to hold.
 *
 *     changes   1 2 3 4 5 6 7 …  now          kept at 4: holds now if none of 5, 6, 7 touched an entry
 *                     ▲ kept at               that answers the query, before the change or after it
 */
import type * as Entry from "@heph/entry/Entry"
import { LRUCache } from "lru-cache"
import type { Change } from "../AttributeIndex.ts"
import * as Query from "../Query.ts"

/** Entries that answer a query: all of them, or a page that others may follow. */
export interface Answer {
  readonly entries: ReadonlyArray<Entry.Entry>
  /** Whether there are entries after these. */
  readonly more: boolean
  /** How many there are in all, where that is known. */
  readonly total: number | undefined
}

export interface Answers {
  /** The answer to a question, if there is one that still holds. `query` is the one that the question holds. */
  readonly get: (question: string, query: Query.Query) => Answer | undefined
  readonly set: (question: string, answer: Answer) => void
  /** The state becomes another by these changes. */
  readonly advance: (changes: ReadonlyArray<Change>) => void
}

interface Kept {
  readonly answer: Answer
  /** The number of changes at which it is known to hold. */
  at: number
}

/** How many changes are remembered: looking at all of them costs about as much as a small answer from an index. */
const maxChanges = 256

// A cache bounded by `max` reserves room for that many answers, 31 KB and 140 µs, for each state that is searched; one
// bounded by size does not. So an answer of up to 1,000 entries weighs 1,000, and so does one whose question is long.
const unit = 1000

const weigh = ({ answer }: Kept, question: string): number =>
  Math.max(answer.entries.length + (question.length >> 3), unit)

/** Keeps the given number of answers, those that were asked for last. */
export const make = (size: number): Answers => {
  const cache = new LRUCache<string, Kept>({ maxSize: size * unit, sizeCalculation: weigh })
  let changes: Array<Change> = []
  let now = 0
  return {
    get: (question, query) => {
      const kept = cache.get(question)
      if (kept === undefined) return undefined
      if (kept.at < now && !stillHolds(query, changes, kept.at - (now - changes.length))) {
        cache.delete(question)
        return undefined
      }
      kept.at = now
      return kept.answer
    },
    set: (question, answer) => {
      cache.set(question, { answer, at: now })
    },
    advance: (more) => {
      now += more.length
      changes = more.length > maxChanges ? [] : [...changes, ...more].slice(-maxChanges)
    }
  }
}

/** Whether none of the changes from one on touches what a query asks for; not if the first of them are forgotten. */
const stillHolds = (query: Query.Query, changes: ReadonlyArray<Change>, from: number): boolean => {
  if (from < 0) return false
  for (let i = from; i < changes.length; i++) {
    for (const entry of changes[i]!) if (entry !== undefined && Query.matches(query, entry)) return false
  }
  return true
}
