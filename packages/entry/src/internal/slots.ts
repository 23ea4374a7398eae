/**
 * A persistent array of entries, addressed by the slot of their id: 64-way nodes, so that 100,000 entries are three
 * levels deep and one change copies three nodes. Ids are interned, so two states keep an id at the same place, and
 * comparing states skips every node they share.
 *
 * A node made under an edit token belongs to whoever holds the token and is changed in place; others are copied.
 */
import type { Entry } from "../Entry.ts"

const bits = 6
const width = 1 << bits
const mask = width - 1

export interface Edit {
  readonly edit: unique symbol
}
export const newEdit = (): Edit => ({}) as Edit

class Node {
  readonly edit: Edit
  readonly items: Array<Node | Entry | undefined>
  /** How many items are set: an empty node is dropped. */
  count: number
  constructor(edit: Edit, items: Array<Node | Entry | undefined>, count: number) {
    this.edit = edit
    this.items = items
    this.count = count
  }
}

export interface Slots {
  readonly root: Node | undefined
  /** The bits of a slot that lie below the root's own six. */
  readonly shift: number
}

export const empty: Slots = { root: undefined, shift: 0 }

export const get = ({ root, shift }: Slots, slot: number): Entry | undefined => {
  if (root === undefined || slot >>> shift > mask) return undefined
  let node = root
  for (let level = shift; level > 0; level -= bits) {
    const next = node.items[(slot >>> level) & mask]
    if (next === undefined) return undefined
    node = next as Node
  }
  return node.items[slot & mask] as Entry | undefined
}

export const set = (slots: Slots, slot: number, entry: Entry | undefined, edit: Edit): Slots => {
  let { root, shift } = slots
  if (entry === undefined && get(slots, slot) === undefined) return slots
  while (slot >>> shift > mask) {
    shift += bits
    if (root !== undefined) root = new Node(edit, withItem(blank(), 0, root), 1)
  }
  const changed = setIn(root, shift, slot, entry, edit)
  return changed === root && shift === slots.shift ? slots : { root: changed, shift: changed === undefined ? 0 : shift }
}

const blank = (): Array<Node | Entry | undefined> => [...noItems]
const noItems: ReadonlyArray<undefined> = Array.from({ length: width }, () => undefined)

const withItem = (items: Array<Node | Entry | undefined>, at: number, item: Node | Entry | undefined) => {
  items[at] = item
  return items
}

const setIn = (
  node: Node | undefined,
  level: number,
  slot: number,
  entry: Entry | undefined,
  edit: Edit
): Node | undefined => {
  const at = (slot >>> level) & mask
  const before = node?.items[at]
  const after = level === 0 ? entry : setIn(before as Node | undefined, level - bits, slot, entry, edit)
  if (before === after) return node
  const count = (node?.count ?? 0) + (after === undefined ? 0 : 1) - (before === undefined ? 0 : 1)
  if (count === 0) return undefined
  if (node === undefined) return new Node(edit, withItem(blank(), at, after), count)
  if (node.edit !== edit) return new Node(edit, withItem(node.items.slice(), at, after), count)
  node.items[at] = after
  node.count = count
  return node
}

/** Calls back for every slot at which the two differ by reference. Cost follows the nodes they do not share. */
export const diff = (
  a: Slots,
  b: Slots,
  onDifference: (before: Entry | undefined, after: Entry | undefined) => void
): void => {
  const shift = Math.max(a.shift, b.shift)
  diffIn(raise(a, shift), raise(b, shift), shift, onDifference)
}

/** The same items seen from a higher root. */
const raise = ({ root, shift }: Slots, to: number): Node | undefined => {
  let node = root
  if (node !== undefined) {
    for (let level = shift; level < to; level += bits) node = new Node(node.edit, withItem(blank(), 0, node), 1)
  }
  return node
}

const diffIn = (
  a: Node | undefined,
  b: Node | undefined,
  level: number,
  onDifference: (before: Entry | undefined, after: Entry | undefined) => void
): void => {
  if (a === b) return
  const left = a?.items ?? noItems
  const right = b?.items ?? noItems
  for (let i = 0; i < width; i++) {
    const x = left[i]
    const y = right[i]
    if (x === y) continue
    if (level === 0) onDifference(x as Entry | undefined, y as Entry | undefined)
    else diffIn(x as Node | undefined, y as Node | undefined, level - bits, onDifference)
  }
}
