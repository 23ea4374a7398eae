/**
 * What is looked up across versions: a component's newest, a version's children, who has which code. One index, which
 * goes along with whatever state is asked for at the cost of the difference from the last one.
 */
import type * as Entry from "@heph/entry/Entry"
import * as State from "@heph/entry/State"
import { isVersion, parentsOf, sequenceOf } from "./entries.ts"

/** The newest version of a component, and how many it has. */
export interface Newest {
  readonly entry: Entry.Entry
  readonly count: number
}

export interface Kin {
  /** The newest version of a component: the one of the highest sequence. */
  readonly newest: (state: State.State, component: string) => Newest | undefined
  /** Every component with its newest version, in no particular order. */
  readonly components: (state: State.State) => ReadonlyMap<string, Newest>
  /** The versions that name this one as a parent, in the order of their ids. */
  readonly children: (state: State.State, id: string) => ReadonlyArray<string>
  /** The versions with this code, in the order of their ids. */
  readonly withHash: (state: State.State, hash: string) => ReadonlyArray<string>
}

/** Most keys have one id, and are spared a set. */
type Ids = Map<string, string | Set<string>>

const add = (ids: Ids, key: string, id: string): void => {
  const there = ids.get(key)
  if (there === undefined) ids.set(key, id)
  else if (typeof there !== "string") there.add(id)
  else if (there !== id) ids.set(key, new Set([there, id]))
}

const remove = (ids: Ids, key: string, id: string): void => {
  const there = ids.get(key)
  if (there === id) ids.delete(key)
  else if (there instanceof Set) {
    there.delete(id)
    if (there.size === 0) ids.delete(key)
  }
}

const all = (ids: Ids, key: string): ReadonlyArray<string> => {
  const there = ids.get(key)
  return there === undefined ? [] : typeof there === "string" ? [there] : [...there].sort()
}

const hashOf = (entry: Entry.Entry): string | undefined => {
  const { hash } = entry.meta
  return typeof hash === "string" ? hash : undefined
}

export const make = (): Kin => {
  let at: State.State = State.empty
  const newest = new Map<string, Newest>()
  const children: Ids = new Map()
  const hashes: Ids = new Map()

  const enter = (entry: Entry.Entry): void => {
    const component = entry.id.namespace
    const there = newest.get(component)
    const count = (there?.count ?? 0) + 1
    const isNewer = there === undefined || sequenceOf(entry) > sequenceOf(there.entry)
    newest.set(component, { entry: isNewer ? entry : there.entry, count })
    for (const parent of parentsOf(entry)) add(children, parent, entry.id.value)
    const hash = hashOf(entry)
    if (hash !== undefined) add(hashes, hash, entry.id.value)
  }

  const leave = (entry: Entry.Entry, lost: Set<string>): void => {
    const component = entry.id.namespace
    const there = newest.get(component)!
    if (there.entry.id === entry.id) lost.add(component)
    newest.set(component, { entry: there.entry, count: there.count - 1 })
    for (const parent of parentsOf(entry)) remove(children, parent, entry.id.value)
    const hash = hashOf(entry)
    if (hash !== undefined) remove(hashes, hash, entry.id.value)
  }

  const follow = (state: State.State): void => {
    if (state === at) return
    const lost = new Set<string>()
    State.diff(at, state, (before, after) => {
      if (isVersion(before)) leave(before, lost)
      if (isVersion(after)) enter(after)
      // What was recorded about the newest leaves it the newest.
      if (isVersion(before) && isVersion(after) && sequenceOf(before) === sequenceOf(after)) {
        const { count, entry } = newest.get(after.id.namespace)!
        if (entry.id === after.id) newest.set(after.id.namespace, { entry: after, count })
        lost.delete(after.id.namespace)
      }
    })
    at = state
    // The newest of these went, or changed: it is looked for among those that are left.
    for (const component of lost) {
      let found: Entry.Entry | undefined
      for (const entry of state.namespace(component)) {
        if (isVersion(entry) && (found === undefined || sequenceOf(entry) > sequenceOf(found))) found = entry
      }
      if (found === undefined) newest.delete(component)
      else newest.set(component, { entry: found, count: newest.get(component)!.count })
    }
  }

  return {
    newest: (state, component) => {
      follow(state)
      return newest.get(component)
    },
    components: (state) => {
      follow(state)
      return newest
    },
    children: (state, id) => {
      follow(state)
      return all(children, id)
    },
    withHash: (state, hash) => {
      follow(state)
      return all(hashes, hash)
    }
  }
}
