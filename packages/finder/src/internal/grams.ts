/**
 * An index of the texts of a field by what they contain: for each entry one small set of the hashes of all runs of three
 * characters, as bits. A search passes over the sets, 3 ns each, and leaves the entries whose text may hold the wanted
 * pieces, and a few others; who asks looks at these. An end of text counts as a character, so that endings are found too.
 *
 *     "users"  ──▶  use ser ers · rs$ s$  ──▶  0100 0010 0001 0000 0100 …    3 to 6 bits for each run
 *
 * The sets stay as they were made. Entries that changed since are listed beside them, and are always among what is left.
 */
import type { EntryId } from "@heph/entry/EntryId"

/** What a text must hold to be worth a look. */
export type Need =
  | { readonly _tag: "Text"; readonly text: string; readonly atEnd: boolean }
  | { readonly _tag: "All" | "Any"; readonly needs: ReadonlyArray<Need> }

export interface Grams {
  /** Those that have texts, in order. */
  readonly ids: ReadonlyArray<EntryId>
  /** Where the set of each begins in `bits`, in words of 32, and where the last one ends. A set has 2^n words. */
  readonly starts: Uint32Array
  readonly bits: Uint32Array
  /** Ids of entries that changed since. The list is shared by the states that follow each other; each sees its part. */
  readonly stale: Array<EntryId>
  readonly staleCount: number
}

/** Takes entries with their texts, and makes the index of them, unless it would take more bytes than allowed. */
export const builder = () => {
  const ids: Array<EntryId> = []
  const texts: Array<ReadonlyArray<string>> = []
  const starts: Array<number> = [0]
  let words = 0
  return {
    add: (id: EntryId, of: ReadonlyArray<string>): void => {
      ids.push(id)
      texts.push(of)
      words += wordsFor(of.reduce((sum, text) => sum + text.length, 0))
      starts.push(words)
    },
    make: (maxBytes: number): Grams | undefined => {
      if (words * 4 + ids.length * 12 > maxBytes) return undefined
      const bits = new Uint32Array(words)
      for (const [i, of] of texts.entries()) {
        const start = starts[i]!
        const mask = (starts[i + 1]! - start) * 32 - 1
        for (const text of of) {
          eachGram(text, true, (gram) => {
            bits[start + ((gram & mask) >>> 5)]! |= 1 << (gram & 31)
          })
        }
      }
      return { ids, starts: Uint32Array.from(starts), bits, stale: [], staleCount: 0 }
    }
  }
}

export const sizeOf = ({ bits, ids, stale }: Grams): number => bits.length * 4 + (ids.length + stale.length) * 12

/** The index of a later state, in which these entries have other texts or are gone. */
export const withStale = (grams: Grams, changed: ReadonlyArray<EntryId>): Grams => {
  if (changed.length === 0) return grams
  // Only one successor can go on with the list; another branch takes a copy.
  const stale = grams.stale.length === grams.staleCount ? grams.stale : grams.stale.slice(0, grams.staleCount)
  for (const id of changed) stale.push(id)
  return { ...grams, stale, staleCount: stale.length }
}

/** Whether a need can be looked up: whether it asks for three characters in a row, or for an ending. */
export const serves = (need: Need): boolean => {
  switch (need._tag) {
    case "Text":
      return need.text.length >= 3 || (need.atEnd && need.text.length > 0)
    case "All":
      return need.needs.some(serves)
    case "Any":
      return need.needs.every(serves)
  }
}

/** The ids of the entries that may hold what is needed, in no particular order where some are stale, some of them twice. */
export const search = (index: Grams, need: Need): Array<EntryId> => {
  const { bits, ids, stale, staleCount, starts } = index
  const found: Array<EntryId> = []
  const wanted = allOf(need)
  const grams = wanted === undefined ? undefined : rarestFirst(index, wanted)
  const holds = grams === undefined ? tester(need, bits) : undefined
  for (let i = 0; i < ids.length; i++) {
    const start = starts[i]!
    const mask = (starts[i + 1]! - start) * 32 - 1
    if (holds === undefined ? hasAll(bits, start, mask, grams!) : holds(start, mask)) found.push(ids[i]!)
  }
  for (let i = 0; i < staleCount; i++) found.push(stale[i]!)
  return found
}

const tester = (need: Need, bits: Uint32Array): ((start: number, mask: number) => boolean) => {
  const grams = allOf(need)
  if (grams !== undefined) return (start, mask) => hasAll(bits, start, mask, grams)
  const testers = need._tag === "Text" ? [] : need.needs.map((each) => tester(each, bits))
  return need._tag === "All"
    ? (start, mask) => testers.every((test) => test(start, mask))
    : (start, mask) => testers.some((test) => test(start, mask))
}

/** The hashes that are needed one and all; nothing where there are alternatives. */
const allOf = (need: Need): Int32Array | undefined => {
  if (need._tag === "Any") return undefined
  if (need._tag === "Text") return gramsOf(need)
  const all = need.needs.map(allOf)
  return all.includes(undefined) ? undefined : Int32Array.from(new Set(all.flatMap((grams) => [...grams!])))
}

/** Most sets lack the rarest, so that it is the only one looked for in most. */
const rarestFirst = ({ bits, ids, starts }: Grams, grams: Int32Array): Int32Array => {
  const counts = new Map<number, number>()
  const step = Math.max(1, Math.floor(ids.length / sampled))
  for (const gram of grams) {
    let count = 0
    for (let i = 0; i < ids.length; i += step) {
      const start = starts[i]!
      if (hasAll(bits, start, (starts[i + 1]! - start) * 32 - 1, Int32Array.of(gram))) count++
    }
    counts.set(gram, count)
  }
  return grams.toSorted((a, b) => counts.get(a)! - counts.get(b)!)
}

const sampled = 256

const hasAll = (bits: Uint32Array, start: number, mask: number, grams: Int32Array): boolean => {
  for (let i = 0; i < grams.length; i++) {
    const gram = grams[i]!
    if ((bits[start + ((gram & mask) >>> 5)]! & (1 << (gram & 31))) === 0) return false
  }
  return true
}

const gramsOf = ({ atEnd, text }: Need & { readonly _tag: "Text" }): Int32Array => {
  const grams: Array<number> = []
  eachGram(text, atEnd, (gram) => grams.push(gram))
  return Int32Array.from(grams)
}

const end = 0x10000

const eachGram = (text: string, withEnd: boolean, each: (gram: number) => void): void => {
  const { length } = text
  if (length === 0) return
  let a = text.charCodeAt(0)
  let b = length > 1 ? text.charCodeAt(1) : 0
  for (let i = 2; i < length; i++) {
    const c = text.charCodeAt(i)
    each(hash(a, b, c))
    a = b
    b = c
  }
  if (!withEnd) return
  each(hash(text.charCodeAt(length - 1), end, end))
  if (length > 1) each(hash(a, b, end))
}

const hash = (a: number, b: number, c: number): number => {
  const mixed = Math.imul(Math.imul(Math.imul(a, 0x9e3779b1) + b, 0x85ebca6b) + c, 0xc2b2ae35)
  return mixed ^ (mixed >>> 15)
}

/** At least three bits for each character, in a power of two of words. */
const wordsFor = (characters: number): number => 2 ** Math.max(1, Math.ceil(Math.log2((characters * 3) / 32 || 1)))
