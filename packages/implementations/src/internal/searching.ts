/** Search: the finder over metadata first, then a look into the code of what it leaves. */
import type * as ContentStore from "@heph/content/ContentStore"
import type * as Entry from "@heph/entry/Entry"
import type * as Finder from "@heph/finder/Finder"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Implementation from "../Implementation.ts"
import type { Found, SearchOptions } from "../Implementations.ts"
import * as Criteria from "./criteria.ts"
import * as Entries from "./entries.ts"
import * as Listing from "./listing.ts"
import type * as Reading from "./reading.ts"
import * as Sketch from "./sketch.ts"

export interface Around {
  readonly content: ContentStore.ContentStore["Service"]
  readonly finder: Finder.Finder["Service"]
  readonly reading: Reading.Reading
}

/** How many are near where nobody says how many are wanted, and how many more are compared line by line than are wanted. */
const nearest = 10
const compared = 4
/** How alike two sketches must be for the lines to be compared: below it they have next to nothing in common. */
const leastAlike = 1 / 32

export const make = ({ content, finder, reading }: Around) => {
  /** Those among which every criterion on code holds, in the same order. */
  const lookInto = Effect.fnUntraced(function* (
    entries: ReadonlyArray<Entry.Entry>,
    looks: ReadonlyArray<Criteria.Code>
  ) {
    const scanned = { versions: 0, contents: 0, bytes: 0 }
    if (looks.length === 0) return { left: entries, scanned }
    /** For each content that was read, which of the looks match it. */
    const known = new Map<string, ReadonlyArray<boolean>>()
    const decoder = new TextDecoder()
    const kept = new Set<Entry.Entry>()
    // By component and sequence, so that a content is read soon after the one it is a difference against.
    const order = entries.toSorted((a, b) =>
      a.id.namespace === b.id.namespace
        ? Entries.sequenceOf(a) - Entries.sequenceOf(b)
        : a.id.namespace < b.id.namespace
          ? -1
          : 1
    )
    for (const entry of order) {
      scanned.versions++
      const { files } = yield* Effect.fromResult(Entries.readData(entry))
      const matched = looks.map(() => false)
      for (const { hash } of files) {
        let matches = known.get(hash)
        if (matches === undefined) {
          const bytes = yield* content.get(hash)
          scanned.contents++
          scanned.bytes += bytes.length
          const text = decoder.decode(bytes)
          matches = looks.map((look) => look.matches(text))
          known.set(hash, matches)
        }
        for (const [i, match] of matches.entries()) if (match) matched[i] = true
      }
      if (looks.every(({ negated }, i) => matched[i] !== negated)) kept.add(entry)
      // A scan takes as long as it takes; others are let in between.
      if (scanned.versions % 64 === 0) yield* Effect.yieldNow
    }
    return { left: entries.filter((entry) => kept.has(entry)), scanned }
  })

  /** Those with code near that of a version, most similar first, at most so many. */
  const rank = Effect.fnUntraced(function* (
    at: Reading.At,
    entries: ReadonlyArray<Entry.Entry>,
    id: string,
    limit: number
  ) {
    const target = yield* Effect.fromResult(Result.flatMap(reading.find(at, id), Entries.read))
    const { sketch } = yield* Effect.fromResult(Entries.readData(target.entry))
    const alike: Array<{ readonly entry: Entry.Entry; readonly estimate: number }> = []
    for (const entry of entries) {
      if (entry.id === target.entry.id) continue
      const data = yield* Effect.fromResult(Entries.readData(entry))
      const estimate = Sketch.similarity(sketch, data.sketch)
      if (estimate >= leastAlike) alike.push({ entry, estimate })
    }
    alike.sort((a, b) => b.estimate - a.estimate)
    const lines = yield* linesOf(target)
    const similar: Array<{ readonly entry: Entry.Entry; readonly similarity: number }> = []
    const shortlist = alike.slice(0, limit * compared)
    for (const { entry } of shortlist) {
      const version = yield* Effect.fromResult(Entries.read(entry))
      const similarity = version.hash === target.hash ? 1 : share(lines, yield* linesOf(version))
      if (similarity > 0) similar.push({ entry, similarity })
    }
    similar.sort((a, b) => b.similarity - a.similarity || (a.entry.id.value < b.entry.id.value ? -1 : 1))
    return { similar: similar.slice(0, limit), sketches: entries.length, compared: shortlist.length }
  })

  const linesOf = Effect.fnUntraced(function* (version: Implementation.Version) {
    const lines = new Map<number, number>()
    for (const { hash } of version.files) {
      Sketch.lineHashes(yield* content.get(hash), (line) => lines.set(line, (lines.get(line) ?? 0) + 1))
    }
    return lines
  })

  return Effect.fnUntraced(function* (criteria: ReadonlyArray<string>, options: SearchOptions | undefined) {
    const { code, near, words } = yield* Effect.fromResult(Criteria.read(criteria))
    const query = [`.kind=${Implementation.kind}`, ...words]
    const { cursor, descending, limit, sortBy } = options ?? {}
    if (code.length === 0 && near === undefined) {
      // The finder cuts the page, and keeps what it found.
      const asked = { sortBy, descending, limit, cursor }
      const snapshot = yield* reading.snapshot(options)
      const source = { current: () => snapshot, snapshotAt: (version: number) => reading.snapshot({ at: version }) }
      const page = yield* finder.find(source, query, asked)
      const searched = page.version === snapshot.version ? snapshot : yield* reading.snapshot({ at: page.version })
      return yield* found(page.entries, page, new Map(), {
        // Costs as much as the search: only whoever asks for it pays.
        get finder() {
          return Result.getOrThrow(finder.explain(searched, query, asked))
        },
        code: { versions: 0, contents: 0, bytes: 0 },
        near: { sketches: 0, compared: 0 }
      })
    }
    const similarity = new Map<string, number>()
    let scanned: Found["scanned"] | undefined
    const question = JSON.stringify([criteria, sortBy, descending])
    const wanted = near === undefined ? undefined : (limit ?? nearest)
    const { found: page, ...rest } = yield* Listing.paged(
      reading,
      question,
      { ...options, limit: wanted ?? limit },
      (snapshot) =>
        Effect.gen(function* () {
          const { entries } = yield* finder.find(snapshot, query, { sortBy, descending })
          const looked = yield* lookInto(entries, code)
          const ranked = wanted === undefined ? undefined : yield* rank(snapshot, looked.left, near!, wanted)
          for (const one of ranked?.similar ?? []) similarity.set(one.entry.id.value, one.similarity)
          scanned = {
            get finder() {
              return Result.getOrThrow(finder.explain(snapshot, query))
            },
            code: looked.scanned,
            near: { sketches: ranked?.sketches ?? 0, compared: ranked?.compared ?? 0 }
          }
          const left = ranked?.similar.map(({ entry }) => entry) ?? looked.left
          return left.map((entry) => ({ id: entry.id.value, entry }))
        })
    )
    return yield* found(
      page.map(({ entry }) => entry),
      { version: rest.at, total: rest.total, cursor: rest.cursor },
      similarity,
      scanned!
    )
  })
}

const found = Effect.fnUntraced(function* (
  entries: ReadonlyArray<Entry.Entry>,
  page: Pick<Finder.Page, "version" | "total" | "cursor">,
  similarity: ReadonlyMap<string, number>,
  scanned: Found["scanned"]
) {
  const versions: Array<Implementation.Version> = []
  for (const entry of entries) versions.push(yield* Effect.fromResult(Entries.read(entry)))
  return {
    at: page.version,
    versions,
    get total() {
      return page.total
    },
    cursor: page.cursor,
    similarity,
    scanned
  } satisfies Found
})

/** The share of lines that two have in common: those of both, over those of either. */
const share = (a: ReadonlyMap<number, number>, b: ReadonlyMap<number, number>): number => {
  let both = 0
  let either = 0
  for (const [line, count] of a) {
    const other = b.get(line) ?? 0
    both += Math.min(count, other)
    either += Math.max(count, other)
  }
  for (const [line, count] of b) if (!a.has(line)) either += count
  return either === 0 ? 1 : both / either
}
