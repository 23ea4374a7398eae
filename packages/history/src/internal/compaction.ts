/**
 * Which versions of a tree can be dropped, and which then hold what those did.
 *
 *     v0 ── v1 ── v2 ── v3 ── v4 (kept)          v0 ───────────── v3' ── v4
 *            └─── v5 ── v6 (kept)         ──▶     └── v1' ── v5 ── v6          v1' and v3' are folded
 *
 * A kept version stays as it was committed, so its parent stays too, and holds all that was dropped before it. Where two
 * branches with kept versions part, the version stays as well: ways between them remain what they were.
 */
import type * as HistoryStore from "../HistoryStore.ts"

/** The versions that there are, ascending by id, v0 left out. */
export interface Tree {
  readonly ids: ReadonlyArray<number>
  readonly parents: ReadonlyArray<number>
}

export interface Plan {
  readonly drop: ReadonlyArray<HistoryStore.Run>
  /** Versions that get another parent, ascending, with the versions on the way from there: the last is itself. */
  readonly fold: ReadonlyArray<{ readonly id: number; readonly parent: number; readonly way: ReadonlyArray<number> }>
  /** How many versions are left, v0 not counted. */
  readonly left: number
}

export const plan = ({ ids, parents }: Tree, isKept: (index: number) => boolean): Plan => {
  const indexOf = new Map(ids.map((id, index) => [id, index]))
  const stays = ids.map((_, index) => isKept(index))
  for (let index = 0; index < ids.length; index++) {
    const parent = indexOf.get(parents[index]!)
    if (parent !== undefined && isKept(index)) stays[parent] = true
  }
  // How many children lead to a version that stays. Children come after their parents.
  const leading = new Uint32Array(ids.length)
  for (let index = ids.length - 1; index >= 0; index--) {
    if (leading[index]! > 1) stays[index] = true
    const parent = indexOf.get(parents[index]!)
    if (parent !== undefined && (stays[index]! || leading[index]! > 0)) leading[parent]!++
  }

  const drop: Array<HistoryStore.Run> = []
  const fold: Array<Plan["fold"][number]> = []
  let left = 0
  for (const [index, id] of ids.entries()) {
    if (!stays[index]!) {
      const last = drop.at(-1)
      // A version that is no more, from a compaction before, parts two runs.
      if (last !== undefined && last[1] === ids[index - 1] && last[1] === id - 1) drop[drop.length - 1] = [last[0], id]
      else drop.push([id, id])
      continue
    }
    left++
    const way = [id]
    let parent = parents[index]!
    for (let at = indexOf.get(parent); at !== undefined && !stays[at]!; at = indexOf.get(parent)) {
      way.push(parent)
      parent = parents[at]!
    }
    if (way.length > 1) fold.push({ id, parent, way: way.reverse() })
  }
  return { drop, fold, left }
}
