/**
 * What must hold before a store writes, the same for every store. Check inside the transaction that writes, against
 * what was read in it; a store whose checks and write are apart loses updates.
 */
import { HeadConflict, HistoryStoreError } from "./HistoryStore.ts"
import type * as Version from "./Version.ts"

/** What a store holds, as far as a write has to know. Versions are 0 … `last`, with no gaps. */
export interface Facts {
  readonly head: number
  readonly revision: number
  readonly last: number
}

/** Why a version cannot be referred to, or nothing where it exists. `store` names the store in the error. */
export const exists = (facts: Facts, version: number, store: string): HistoryStoreError | undefined =>
  isKnown(facts, version)
    ? undefined
    : notFound(store, `there is no version v${version}; the last one is v${facts.last}`)

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
 * const facts = { head: 2, revision: 3, last: 2 }
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
    if (parent === null || !isKnown({ last }, parent)) {
      return notFound(store, `v${id} has the parent v${parent}, which does not exist`)
    }
    last = id
  }
  return undefined
}

const isKnown = (facts: Pick<Facts, "last">, version: number): boolean =>
  Number.isInteger(version) && version >= 0 && version <= facts.last

const conflict = (facts: Facts, revision: number): HeadConflict | undefined =>
  facts.revision === revision
    ? undefined
    : new HeadConflict({ expected: revision, found: { head: facts.head, revision: facts.revision } })

const notFound = (store: string, detail: string): HistoryStoreError =>
  new HistoryStoreError({ reason: "NotFound", store, detail })
