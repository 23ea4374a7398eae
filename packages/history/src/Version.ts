/**
 * A version: one committed changeset and its place in the tree.
 *
 *     v0 ── v1 ── v2 ── v3        ids only grow, nothing is overwritten;
 *            └─── v4              applying after going back starts a branch
 *
 * `v0` is the root, with no changeset of its own. Compaction drops versions; the others keep their ids and their states.
 */

/** A version as lists show it. */
export interface Version {
  /** Grows by one with each version of a history; 0 is the root. */
  readonly id: number
  /** The version it was applied to; `null` for the root alone. */
  readonly parent: number | null
  /** When it was committed, in milliseconds since 1970. */
  readonly timestamp: number
  readonly message: string | undefined
  readonly author: string | undefined
  /** How many operations of each sort its changeset holds. */
  readonly created: number
  readonly updated: number
  readonly deleted: number
  /**
   * How many versions before it compaction folded into this one, whose changeset does what they all did. Not there in a
   * version as it was committed.
   */
  readonly folded?: number
}

/** One move of head: to a version just appended, or by travel to one that was there. Revisions count them from 1. */
export interface HeadMove {
  readonly revision: number
  readonly version: number
  readonly timestamp: number
}

/** The root of the tree, as a version like others. */
export const root = (created: number): Version => ({
  id: 0,
  parent: null,
  timestamp: created,
  message: undefined,
  author: undefined,
  created: 0,
  updated: 0,
  deleted: 0
})
