/** A state and the version it belongs to: what a reader holds. Immutable, and read without waiting for anybody. */
import type * as Entry from "@heph/entry/Entry"
import type * as EntryId from "@heph/entry/EntryId"
import type * as State from "@heph/entry/State"

export class Snapshot implements Iterable<Entry.Entry> {
  readonly version: number
  readonly state: State.State

  constructor(version: number, state: State.State) {
    this.version = version
    this.state = state
    Object.freeze(this)
  }
  /** How many entries there are. */
  get size(): number {
    return this.state.size
  }
  /** The entry of an id. O(1). */
  get(id: EntryId.EntryId | string): Entry.Entry | undefined {
    return this.state.get(id)
  }
  has(id: EntryId.EntryId | string): boolean {
    return this.state.has(id)
  }
  /** Every entry, in the order of their ids. */
  entries(): IterableIterator<Entry.Entry> {
    return this.state.entries()
  }
  /** The entries of one namespace, in the order of their ids. */
  namespace(namespace: string): IterableIterator<Entry.Entry> {
    return this.state.namespace(namespace)
  }
  [Symbol.iterator](): IterableIterator<Entry.Entry> {
    return this.state.entries()
  }
}
