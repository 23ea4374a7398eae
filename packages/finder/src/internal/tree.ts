/**
 * A persistent B-tree of index items in their order: a change copies the path to it, ~1.5 KB, and leaves the tree it
 * came from as it was, so that every state has an index of its own and pays for what changed. Each node knows its size,
 * so that a range is counted without being walked.
 *
 * Nodes hold up to 64 items. A node that empties is dropped and nothing is rebalanced.
 */
import { compareItems, type Item } from "./key.ts"

const most = 64

export interface Tree {
  /** How many items there are below. */
  readonly size: number
  /** A leaf's items; of an inner node, for each child an item that is at most all of it and above all of the one before. */
  readonly items: ReadonlyArray<Item>
  readonly children: ReadonlyArray<Tree> | undefined
}

/** Whether an item lies before a point. True for a run of items from the first on, false for the rest. */
export type Before = (item: Item) => boolean

export const empty: Tree = { size: 0, items: [], children: undefined }

/** The tree of items in order, each once. */
export const fromSorted = (items: ReadonlyArray<Item>): Tree => {
  if (items.length === 0) return empty
  let level: ReadonlyArray<Tree> = chunks(items).map(leaf)
  while (level.length > 1) level = chunks(level).map(inner)
  return level[0]!
}

/** The tree with an item more, or the same tree if it is there. */
export const insert = (tree: Tree, item: Item): Tree => {
  const nodes = insertIn(tree, item)
  return nodes.length === 1 ? nodes[0]! : inner(nodes)
}

/** The tree without an item, or the same tree if it is not there. */
export const remove = (tree: Tree, item: Item): Tree => {
  let node = removeIn(tree, item) ?? empty
  while (node.children?.length === 1) node = node.children[0]!
  return node
}

/** How many items lie before a point. */
export const countBefore = (tree: Tree, before: Before): number => {
  let count = 0
  let node = tree
  while (true) {
    const at = partition(node.items, before)
    if (node.children === undefined) return count + at
    if (at === 0) return count
    for (let i = 0; i < at - 1; i++) count += node.children[i]!.size
    node = node.children[at - 1]!
  }
}

/** Calls back for the items from one position up to another, in order. */
export const forEach = (tree: Tree, from: number, to: number, each: (item: Item) => void): void => {
  if (from >= to) return
  if (tree.children === undefined) {
    for (let i = Math.max(from, 0); i < Math.min(to, tree.size); i++) each(tree.items[i]!)
    return
  }
  let start = 0
  for (const child of tree.children) {
    if (start >= to) return
    if (start + child.size > from) forEach(child, from - start, to - start, each)
    start += child.size
  }
}

const leaf = (items: ReadonlyArray<Item>): Tree => ({ size: items.length, items, children: undefined })

const inner = (children: ReadonlyArray<Tree>): Tree => ({
  size: children.reduce((size, child) => size + child.size, 0),
  items: children.map((child) => child.items[0]!),
  children
})

/** Runs of at most 48: room to grow before the first split. */
const chunks = <A>(all: ReadonlyArray<A>): Array<ReadonlyArray<A>> => {
  const out: Array<ReadonlyArray<A>> = []
  for (let i = 0; i < all.length; i += 48) out.push(all.slice(i, i + 48))
  return out
}

/** How many of the items lie before the point. */
const partition = (items: ReadonlyArray<Item>, before: Before): number => {
  let low = 0
  let high = items.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (before(items[middle]!)) low = middle + 1
    else high = middle
  }
  return low
}

const insertIn = (node: Tree, item: Item): ReadonlyArray<Tree> => {
  const at = partition(node.items, (other) => compareItems(other, item) < 0)
  if (node.children === undefined) {
    const there = node.items[at]
    if (there !== undefined && compareItems(there, item) === 0) return [node]
    return halves(node.items.toSpliced(at, 0, item)).map(leaf)
  }
  const below = childAt(node, item)
  const child = node.children[below]!
  const nodes = insertIn(child, item)
  if (nodes.length === 1 && nodes[0] === child) return [node]
  return halves(node.children.toSpliced(below, 1, ...nodes)).map(inner)
}

const removeIn = (node: Tree, item: Item): Tree | undefined => {
  if (node.children === undefined) {
    const at = partition(node.items, (other) => compareItems(other, item) < 0)
    const there = node.items[at]
    if (there === undefined || compareItems(there, item) !== 0) return node
    return node.items.length === 1 ? undefined : leaf(node.items.toSpliced(at, 1))
  }
  const below = childAt(node, item)
  const child = node.children[below]!
  const left = removeIn(child, item)
  if (left === child) return node
  if (left === undefined) return node.children.length === 1 ? undefined : inner(node.children.toSpliced(below, 1))
  return inner(node.children.with(below, left))
}

/** The child that holds an item, or would. */
const childAt = (node: Tree, item: Item): number =>
  Math.max(partition(node.items, (other) => compareItems(other, item) <= 0) - 1, 0)

const halves = <A>(all: ReadonlyArray<A>): Array<ReadonlyArray<A>> =>
  all.length <= most ? [all] : [all.slice(0, all.length >>> 1), all.slice(all.length >>> 1)]
