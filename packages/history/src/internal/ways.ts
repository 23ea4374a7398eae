/** Walks in the tree of versions, which read it a run at a time where it is a chain. */
import * as Effect from "effect/Effect"
import type * as HistoryStore from "../HistoryStore.ts"

/** Versions read at once on a walk, at most: parents mostly have the next lower ids. */
const readAhead = 64

/** `read` gives the version of an id, and remembers up to so many before it. */
export const make = <E>(
  read: (id: number, ahead: number) => Effect.Effect<HistoryStore.VersionRecord, E>,
  isKnown: (id: number) => boolean
) => {
  /** Reads versions on a walk to the root: twice as many as the last time if all of those were wanted, else one. */
  const climber = () => {
    let ahead = 1
    let next = 0
    let wanted = 0
    return (id: number) => {
      if (!isKnown(id)) {
        ahead = id === next && wanted === ahead ? Math.min(2 * ahead, readAhead) : 1
        next = id - ahead
        wanted = 0
      }
      wanted++
      return read(id, ahead)
    }
  }

  /** The versions of both sides until they meet. Ids grow along the tree, so that the larger one is never an ancestor. */
  const route = Effect.fnUntraced(function* (from: number, to: number, limit: number) {
    const back: Array<HistoryStore.VersionRecord> = []
    const forward: Array<HistoryStore.VersionRecord> = []
    const [climbFrom, climbTo] = [climber(), climber()]
    let a = from
    let b = to
    while (a !== b) {
      if (back.length + forward.length >= limit) return undefined
      const record = yield* a > b ? climbFrom(a) : climbTo(b)
      if (a > b) {
        back.push(record)
        a = record.parent
      } else {
        forward.push(record)
        b = record.parent
      }
    }
    return { back, forward: forward.reverse() }
  })

  return { climber, route }
}
