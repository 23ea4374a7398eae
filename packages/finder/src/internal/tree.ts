/**
 * A persistent B-tree of values with the ids that have them, by value and then by id: a change copies the path to it,
 * ~2 KB, and leaves the tree it came from as it was, so that every state has an index of its own and pays for what
 * changed. Each node knows its size, so that a range is counted without being walked.
 *
 * Nodes hold up to 64 items, values and ids in a list each: ~20 bytes an item. A node that empties is dropped and nothing
 * is rebalanced. A node made under an edit token belongs to whoever holds the token and is changed in place.
 */
import type { EntryId } from "@heph/entry/EntryId"
import { compareText, isWide } from "./text.ts"

const most = 64

/** What a tree orders: numbers and `bigint`s with each other, or texts with texts; never both in one tree. */
export type Value = number | bigint | string

export interface Edit {
  readonly edit: unique symbol
}
export const newEdit = (): Edit => ({}) as Edit

class Node {
  /** Whoever may change the node in place; `keysEdit` the lists of values and ids, which a node may share with another. */
  readonly edit: Edit | undefined
  keysEdit: Edit | undefined
  /** How many items there are below. */
  size: number
  /** A leaf's items; of an inner node, for each child an item that is at most all of it and above all of the one before. */
  values: Array<Value>
  ids: Array<EntryId>
  children: Array<Node> | undefined
  constructor(
    edit: Edit | undefined,
    size: number,
    values: Array<Value>,
    ids: Array<EntryId>,
    children: Array<Node> | undefined
  ) {
    this.edit = edit
    this.keysEdit = edit
    this.size = size
    this.values = values
    this.ids = ids
    this.children = children
  }
}

export type Tree = Node

export const empty: Tree = new Node(undefined, 0, [], [], undefined)

/** By value, texts by code point. */
export const compareValues = (a: Value, b: Value): number =>
  typeof a === "string" ? compareText(a, b as string) : compareNumbers(a, b as number)

/** Numbers with `bigint`s too, exactly. */
const compareNumbers = (a: number | bigint, b: number | bigint): number => (a < b ? -1 : a > b ? 1 : 0)

/** The tree of items in order, each once. */
export const fromSorted = (values: ReadonlyArray<Value>, ids: ReadonlyArray<EntryId>): Tree => {
  if (values.length === 0) return empty
  let level: Array<Node> = []
  for (let i = 0; i < values.length; i += fill) {
    const run = values.slice(i, i + fill)
    level.push(new Node(undefined, run.length, run, ids.slice(i, i + fill), undefined))
  }
  while (level.length > 1) {
    const above: Array<Node> = []
    for (let i = 0; i < level.length; i += fill) above.push(inner(undefined, level.slice(i, i + fill)))
    level = above
  }
  return level[0]!
}

/** Room to grow before the first split. */
const fill = 48

/** The tree with an item more; the same tree if it is there. */
export const insert = (tree: Tree, value: Value, id: EntryId, edit: Edit): Tree => {
  const node = insertIn(tree, value, id, edit)
  const right = split(node, edit)
  return right === undefined ? node : inner(edit, [node, right])
}

/** The tree without an item; the same tree if it is not there. */
export const remove = (tree: Tree, value: Value, id: EntryId, edit: Edit): Tree => {
  let node = removeIn(tree, value, id, edit) ?? empty
  while (node.children?.length === 1) node = node.children[0]!
  return node
}

/** Whether an item lies before a point. True for a run of items from the first on, false for the rest. */
export type Before = (value: Value, id: EntryId) => boolean

/** How many items lie before a point. */
export const countBefore = (tree: Tree, before: Before): number => {
  let count = 0
  let node = tree
  while (true) {
    let low = 0
    let high = node.values.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (before(node.values[middle]!, node.ids[middle]!)) low = middle + 1
      else high = middle
    }
    if (node.children === undefined) return count + low
    if (low === 0) return count
    for (let i = 0; i < low - 1; i++) count += node.children[i]!.size
    node = node.children[low - 1]!
  }
}

/** How many items have a lesser value, or one that is at most as great. */
export const countBelow = (tree: Tree, value: Value, inclusive: boolean): number =>
  countBefore(
    tree,
    inclusive ? (other) => compareValues(other, value) <= 0 : (other) => compareValues(other, value) < 0
  )

/** The value at a position that is in the tree. */
export const valueAt = (tree: Tree, position: number): Value => {
  let at = position
  let node = tree
  while (node.children !== undefined) {
    let i = 0
    while (at >= node.children[i]!.size) at -= node.children[i++]!.size
    node = node.children[i]!
  }
  return node.values[at]!
}

/** Calls back for the ids from one position up to another, in order, until it answers that it has enough. */
export const forEach = (tree: Tree, from: number, to: number, each: (id: EntryId) => boolean | void): boolean => {
  if (from >= to) return false
  if (tree.children === undefined) {
    const end = Math.min(to, tree.size)
    for (let i = Math.max(from, 0); i < end; i++) if (each(tree.ids[i]!) === true) return true
    return false
  }
  let start = 0
  for (const child of tree.children) {
    if (start >= to) return false
    if (start + child.size > from && forEach(child, from - start, to - start, each)) return true
    start += child.size
  }
  return false
}

const inner = (edit: Edit | undefined, children: Array<Node>): Node => {
  let size = 0
  const values: Array<Value> = []
  const ids: Array<EntryId> = []
  for (const child of children) {
    size += child.size
    values.push(child.values[0]!)
    ids.push(child.ids[0]!)
  }
  return new Node(edit, size, values, ids, children)
}

/** How many items are at most the given one. Written out, since this is where an index spends its upkeep. */
const floor = ({ ids, values }: Node, value: Value, id: EntryId): number => {
  const text = id.value
  // Where one of two texts is not wide, the engine's own order is right.
  const wide = typeof value === "string" && isWide(value)
  let low = 0
  let high = values.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const other = values[middle]!
    const isBelow =
      other === value
        ? ids[middle] === id || ids[middle]!.value < text
        : wide
          ? compareText(other as string, value) < 0
          : other < value
    if (isBelow) low = middle + 1
    else high = middle
  }
  return low
}

const isAt = (node: Node, at: number, value: Value, id: EntryId): boolean =>
  node.ids[at] === id && node.values[at] === value

/** The list with an item more, in place where it may be. */
const withItem = <A>(own: boolean, list: Array<A>, at: number, item: A): Array<A> => {
  if (!own) return list.toSpliced(at, 0, item)
  list.splice(at, 0, item)
  return list
}
const without = <A>(own: boolean, list: Array<A>, at: number): Array<A> => {
  if (!own) return list.toSpliced(at, 1)
  list.splice(at, 1)
  return list
}
const replaced = <A>(own: boolean, list: Array<A>, at: number, item: A): Array<A> => {
  const out = own ? list : list.slice()
  out[at] = item
  return out
}

const change = (
  node: Node,
  edit: Edit,
  size: number,
  values: Array<Value>,
  ids: Array<EntryId>,
  children: Array<Node> | undefined
): Node => {
  const changed = node.edit === edit ? node : new Node(edit, size, values, ids, children)
  // Lists of a node that somebody else may hold are shared with it until they change.
  changed.keysEdit = values === node.values ? node.keysEdit : edit
  changed.size = size
  changed.values = values
  changed.ids = ids
  changed.children = children
  return changed
}

const insertIn = (node: Node, value: Value, id: EntryId, edit: Edit): Node => {
  const own = node.edit === edit
  const ownKeys = node.keysEdit === edit
  const at = floor(node, value, id)
  if (node.children === undefined) {
    if (at > 0 && isAt(node, at - 1, value, id)) return node
    const values = withItem(ownKeys, node.values, at, value)
    return change(node, edit, node.size + 1, values, withItem(ownKeys, node.ids, at, id), undefined)
  }
  const below = Math.max(at - 1, 0)
  const before = node.children[below]!
  const sizeBefore = before.size
  const child = insertIn(before, value, id, edit)
  const grown = child.size - sizeBefore
  if (grown === 0) return node
  const right = split(child, edit)
  let { ids, values } = node
  if (at === 0) {
    values = replaced(ownKeys, values, 0, value)
    ids = replaced(ownKeys, ids, 0, id)
  }
  let children = replaced(own, node.children, below, child)
  if (right !== undefined) {
    values = withItem(ownKeys, values, below + 1, right.values[0]!)
    ids = withItem(ownKeys, ids, below + 1, right.ids[0]!)
    children = withItem(true, children, below + 1, right)
  }
  return change(node, edit, node.size + grown, values, ids, children)
}

/** Cuts an over-full node in two and returns the right half. It has just been changed, so it may be cut in place. */
const split = (node: Node, edit: Edit): Node | undefined => {
  if (node.values.length <= most) return undefined
  const at = node.values.length >>> 1
  const values = node.values.splice(at)
  const ids = node.ids.splice(at)
  const children = node.children?.splice(at)
  const size = children === undefined ? values.length : children.reduce((sum, child) => sum + child.size, 0)
  node.size -= size
  return new Node(edit, size, values, ids, children)
}

const removeIn = (node: Node, value: Value, id: EntryId, edit: Edit): Node | undefined => {
  const own = node.edit === edit
  const ownKeys = node.keysEdit === edit
  if (node.children === undefined) {
    // Ids are objects, and comparing them by identity is many times faster than by their texts.
    let at = node.ids.indexOf(id)
    while (at >= 0 && !isAt(node, at, value, id)) at = node.ids.indexOf(id, at + 1)
    if (at < 0) return node
    if (node.size === 1) return undefined
    const values = without(ownKeys, node.values, at)
    return change(node, edit, node.size - 1, values, without(ownKeys, node.ids, at), undefined)
  }
  const at = floor(node, value, id) - 1
  if (at < 0) return node
  const before = node.children[at]!
  const sizeBefore = before.size
  const child = removeIn(before, value, id, edit)
  const lost = sizeBefore - (child?.size ?? 0)
  if (lost === 0) return node
  if (child !== undefined) {
    return change(node, edit, node.size - lost, node.values, node.ids, replaced(own, node.children, at, child))
  }
  if (node.children.length === 1) return undefined
  const values = without(ownKeys, node.values, at)
  const ids = without(ownKeys, node.ids, at)
  return change(node, edit, node.size - lost, values, ids, without(own, node.children, at))
}
