/**
 * What must hold before a store writes, the same for every store. Check inside the transaction that writes, against
 * what was read in it; a store whose checks and write are apart loses updates.
 */
import { type Compaction, HeadConflict, HistoryStoreError, type Run } from "./HistoryStore.ts"
import type * as Version from "./Version.ts"

/** What a store holds, as far as a write has to know. Versions are 0 … `last` without those that are dropped. */
export interface Facts {
  readonly head: number
  readonly revision: number
  readonly last: number
  readonly dropped: ReadonlyArray<Run>
}

/** Whether a version is in one of some runs, which are ascending. */
export const isIn = (runs: ReadonlyArray<Run>, version: number): boolean => {
  let low = 0
  let high = runs.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (runs[middle]![1] < version) low = middle + 1
    else high = middle
  }
  return low < runs.length && runs[low]![0] <= version
}

/** How many versions there are, v0 not counted. */
export const count = ({ dropped, last }: Pick<Facts, "last" | "dropped">): number =>
  dropped.reduce((left, [from, to]) => left - (to - from + 1), last)

/** Two lists of runs as one, ascending, with runs that touch made one. */
export const union = (a: ReadonlyArray<Run>, b: ReadonlyArray<Run>): ReadonlyArray<Run> => {
  const merged: Array<Run> = []
  for (const run of [...a, ...b].sort(([one], [other]) => one - other)) {
    const last = merged.at(-1)
    if (last !== undefined && run[0] <= last[1] + 1) merged[merged.length - 1] = [last[0], Math.max(last[1], run[1])]
    else merged.push(run)
  }
  return merged
}

/** What is in some runs and not in others, ascending. */
export const difference = (a: ReadonlyArray<Run>, b: ReadonlyArray<Run>): ReadonlyArray<Run> =>
  a.flatMap(([first, last]) => {
    const rest: Array<Run> = []
    let from = first
    for (const [start, end] of b) {
      if (end < from || start > last) continue
      if (start > from) rest.push([from, start - 1])
      from = end + 1
    }
    if (from <= last) rest.push([from, last])
    return rest
  })

/** Why a version cannot be referred to, or nothing where it exists. `store` names the store in the error. */
export const exists = (facts: Facts, version: number, store: string): HistoryStoreError | undefined =>
  isKnown(facts, version)
    ? undefined
    : notFound(
        store,
        isIn(facts.dropped, version)
          ? `there is no version v${version} any more: compaction dropped it`
          : `there is no version v${version}; the last one is v${facts.last}`
      )

/** Why head cannot move to a version, or nothing. A stale revision is told before anything else. */
export const moveHead = (
  facts: Facts,
  version: number,
  revision: number,
  store: string
): HeadConflict | HistoryStoreError | undefined => conflict(facts, revision) ?? exists(facts, version, store)

/**
 * Why versions cannot be appended, or nothing. Their ids must be `last + 1`, `last + 2`, …, and a parent must come
 * before its child: in the store, or earlier in the batch.
 *
 * @example
 * import * as Precondition from "@heph/history/Precondition"
 *
 * const facts = { head: 2, revision: 3, last: 2, dropped: [] }
 * console.log(Precondition.append(facts, [{ id: 3, parent: 1 }], 3, "my store")) //=> undefined
 * console.log(Precondition.append(facts, [{ id: 5, parent: 2 }], 3, "my store")?.message)
 * //=> my store: v5 does not follow v2, the last version; the next one must be v3
 */
export const append = (
  facts: Facts,
  versions: ReadonlyArray<Pick<Version.Version, "id" | "parent">>,
  revision: number,
  store: string
): HeadConflict | HistoryStoreError | undefined => {
  const stale = conflict(facts, revision)
  if (stale !== undefined) return stale
  let last = facts.last
  for (const { id, parent } of versions) {
    if (id !== last + 1) {
      return notFound(store, `v${id} does not follow v${last}, the last version; the next one must be v${last + 1}`)
    }
    if (parent === null || !isKnown({ last, dropped: facts.dropped }, parent)) {
      return notFound(store, `v${id} has the parent v${parent}, which does not exist`)
    }
    last = id
  }
  return undefined
}

/**
 * Why versions cannot be dropped and folded, or nothing. `tags` are the versions with a name, `parents` those of the
 * versions after `compaction.last`.
 */
export const compact = (
  facts: Facts,
  compaction: Compaction,
  beside: { readonly tags: Iterable<number>; readonly parents: Iterable<number> },
  store: string
): HistoryStoreError | undefined => {
  const { drop, fold } = compaction
  const needed = [facts.head, facts.last, ...beside.tags, ...beside.parents].find((version) => isIn(drop, version))
  if (needed !== undefined) {
    return busy(store, `v${needed} came to be needed while its history was being compacted; nothing was changed`)
  }
  let after = 0
  for (const [first, last] of drop) {
    const isRun = Number.isInteger(first) && Number.isInteger(last) && first > after && last >= first
    if (!isRun || last > facts.last) {
      return notFound(store, `v${first} to v${last} cannot be dropped: they are not versions after v${after}`)
    }
    after = last
  }
  for (const [first, last] of drop) {
    if (facts.dropped.some((run) => run[0] <= last && first <= run[1])) {
      return busy(store, `versions from v${first} to v${last} were dropped by another compaction; nothing was changed`)
    }
  }
  for (const { id, parent } of fold) {
    for (const version of [id, parent]) {
      if (isIn(drop, version)) return notFound(store, `v${version} cannot be dropped and folded`)
      const missing = exists(facts, version, store)
      if (missing !== undefined) return busy(store, `${missing.detail}; nothing was changed`)
    }
    if (parent >= id) return notFound(store, `v${id} cannot have the parent v${parent}: a parent comes first`)
  }
  return undefined
}

const isKnown = (facts: Pick<Facts, "last" | "dropped">, version: number): boolean =>
  Number.isInteger(version) && version >= 0 && version <= facts.last && !isIn(facts.dropped, version)

const conflict = (facts: Facts, revision: number): HeadConflict | undefined =>
  facts.revision === revision
    ? undefined
    : new HeadConflict({ expected: revision, found: { head: facts.head, revision: facts.revision } })

const busy = (store: string, detail: string): HistoryStoreError =>
  new HistoryStoreError({ reason: "Busy", store, detail })

const notFound = (store: string, detail: string): HistoryStoreError =>
  new HistoryStoreError({ reason: "NotFound", store, detail })

/** Whether these are the same runs. */
export const isSame = (a: ReadonlyArray<Run>, b: ReadonlyArray<Run>): boolean =>
  a.length === b.length && a.every(([first, last], i) => first === b[i]![0] && last === b[i]![1])
