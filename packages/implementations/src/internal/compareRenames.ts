/**
 * Which removed file an added one was, found as git does: first by equal content, then the most alike pair first. Alike is
 * the share of the text, in lines, that both have. Only texts are looked at; a symbolic link is no regular file.
 */

/** What of a file is looked at. */
export interface Candidate {
  readonly path: string
  readonly hash: string
  readonly isLink: boolean
  /** Undefined for what is no text. */
  readonly text: string | undefined
}

export interface Pair<A> {
  readonly from: A
  readonly to: A
  /** 1 for equal content. */
  readonly similarity: number
}

export interface Found<A> {
  readonly pairs: ReadonlyArray<Pair<A>>
  /** There were too many to compare each with each. */
  readonly isCut: boolean
}

/** Files that have less in common are not the same one. */
const least = 0.5

/** How many lines are looked up at most; ~100 ns each. */
const mostLookups = 5_000_000

/** What is kept for an added file: one of them is mostly still free when its turn comes. */
const mostPerFile = 4

interface Lines<A> {
  readonly file: A
  readonly base: string
  /** How often each line is there, its line break included. */
  readonly counts: ReadonlyMap<string, number>
  readonly length: number
}

/** The pairs, those of equal content first. Costs what the texts are long, and {@link mostLookups} beyond that. */
export const find = <A extends Candidate>(removed: ReadonlyArray<A>, added: ReadonlyArray<A>): Found<A> => {
  const pairs: Array<Pair<A>> = []
  const from = new Set(removed)
  const to = new Set(added)
  const claim = (pair: Pair<A>) => {
    pairs.push(pair)
    from.delete(pair.from)
    to.delete(pair.to)
  }

  const byContent = ({ hash, isLink }: A) => `${hash} ${isLink}`
  for (const key of [(file: A) => `${byContent(file)} ${baseOf(file.path)}`, byContent]) {
    const waiting = Map.groupBy(from, key)
    for (const file of to) {
      const same = waiting.get(key(file))?.shift()
      if (same !== undefined) claim({ from: same, to: file, similarity: 1 })
    }
  }

  const { isCut, pairs: alike } = findAlike([...from], [...to])
  for (const pair of alike) if (from.has(pair.from) && to.has(pair.to)) claim(pair)
  return { pairs, isCut }
}

/** Pairs that are alike, the best first; a file is in several. */
const findAlike = <A extends Candidate>(removed: ReadonlyArray<A>, added: ReadonlyArray<A>): Found<A> => {
  if (removed.length === 0 || added.length === 0) return { pairs: [], isCut: false }
  const sources = removed.flatMap(linesOf)
  const targets = added.flatMap(linesOf)
  const sourcesByBase = Map.groupBy(sources, ({ base }) => base)
  const best = new Map<A, Array<Pair<A> & { readonly isSameBase: boolean }>>()
  let left = mostLookups
  const look = (from: Lines<A>, to: Lines<A>) => {
    left--
    const longer = Math.max(from.length, to.length)
    if (Math.min(from.length, to.length) < longer * least) return
    left -= Math.min(from.counts.size, to.counts.size)
    const similarity = shared(from, to) / longer
    if (similarity < least) return
    const kept = best.get(to.file) ?? []
    kept.push({ from: from.file, to: to.file, similarity, isSameBase: from.base === to.base })
    kept.sort(byRank)
    best.set(to.file, kept.slice(0, mostPerFile))
  }
  // A file that moved has mostly kept its name: where not all can be compared, those are.
  for (const to of targets) for (const from of sourcesByBase.get(to.base) ?? []) if (left > 0) look(from, to)
  for (const to of targets) {
    if (left <= 0) break
    for (const from of sources) if (left > 0 && from.base !== to.base) look(from, to)
  }
  return { pairs: [...best.values()].flat().sort(byRank), isCut: left <= 0 }
}

const byRank = (
  a: { readonly similarity: number; readonly isSameBase: boolean },
  b: { readonly similarity: number; readonly isSameBase: boolean }
): number => b.similarity - a.similarity || Number(b.isSameBase) - Number(a.isSameBase)

const linesOf = <A extends Candidate>(file: A): ReadonlyArray<Lines<A>> => {
  const { isLink, path, text } = file
  if (isLink || text === undefined || text === "") return []
  const counts = new Map<string, number>()
  for (let start = 0; start < text.length;) {
    const end = text.indexOf("\n", start)
    const next = end < 0 ? text.length : end + 1
    const line = text.slice(start, next)
    counts.set(line, (counts.get(line) ?? 0) + 1)
    start = next
  }
  return [{ file, base: baseOf(path), counts, length: text.length }]
}

/** How much of the text, in UTF-16 units, both have. */
const shared = <A>(a: Lines<A>, b: Lines<A>): number => {
  const [fewer, more] = a.counts.size <= b.counts.size ? [a.counts, b.counts] : [b.counts, a.counts]
  let length = 0
  for (const [line, count] of fewer) length += line.length * Math.min(count, more.get(line) ?? 0)
  return length
}

const baseOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1)
