/**
 * A persistent B-tree of ids in text order: what makes a state's iteration sorted, whatever order its entries came in.
 * A change of an entry's value does not touch it. Nodes hold up to 64 items; a node that empties is dropped and nothing
 * is rebalanced, which costs no depth in practice and half the code.
 *
 * `keys[i]` of an inner node is at most every id below `children[i]` and above every id below `children[i - 1]`. It
 * may be an id that is gone since.
 */
import type { EntryId } from "../EntryId.ts"
import type { Edit } from "./slots.ts"

const most = 64

interface Node {
  readonly edit: Edit
  readonly keys: Array<EntryId>
  readonly children: Array<Node> | undefined
}

export type Order = Node | undefined

/** The index of the last key that is at most `text`, or -1. */
const floor = (keys: ReadonlyArray<EntryId>, text: string): number => {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (keys[middle]!.value <= text) low = middle + 1
    else high = middle
  }
  return low - 1
}

const own = (node: Node, edit: Edit): Node =>
  node.edit === edit ? node : { edit, keys: node.keys.slice(), children: node.children?.slice() }

/** Adds an id that is not there. */
export const insert = (root: Order, id: EntryId, edit: Edit): Node => {
  if (root === undefined) return { edit, keys: [id], children: undefined }
  const node = insertIn(root, id, edit)
  const right = split(node, edit)
  return right === undefined ? node : { edit, keys: [node.keys[0]!, right.keys[0]!], children: [node, right] }
}

const insertIn = (shared: Node, id: EntryId, edit: Edit): Node => {
  const node = own(shared, edit)
  const { children, keys } = node
  const at = floor(keys, id.value)
  if (children === undefined) {
    keys.splice(at + 1, 0, id)
    return node
  }
  const below = Math.max(at, 0)
  if (at < 0) keys[0] = id
  const child = insertIn(children[below]!, id, edit)
  children[below] = child
  const right = split(child, edit)
  if (right !== undefined) {
    keys.splice(below + 1, 0, right.keys[0]!)
    children.splice(below + 1, 0, right)
  }
  return node
}

/** Cuts an over-full node in two, in place, and returns the right half. Sorted input fills nodes, so they are cut late. */
const split = (node: Node, edit: Edit): Node | undefined => {
  if (node.keys.length <= most) return undefined
  const at = node.keys.length >>> 1
  return { edit, keys: node.keys.splice(at), children: node.children?.splice(at) }
}

/** Removes an id that is there. */
export const remove = (root: Order, id: EntryId, edit: Edit): Order => {
  if (root === undefined) return undefined
  const node = removeIn(root, id, edit)
  // A root with one child is one level too many.
  return node?.children?.length === 1 ? node.children[0] : node
}

const removeIn = (shared: Node, id: EntryId, edit: Edit): Order => {
  const node = own(shared, edit)
  const { children, keys } = node
  const at = floor(keys, id.value)
  if (children !== undefined) {
    const child = removeIn(children[at]!, id, edit)
    if (child !== undefined) {
      children[at] = child
      return node
    }
    children.splice(at, 1)
  }
  keys.splice(at, 1)
  return keys.length === 0 ? undefined : node
}

/**
 * The ids from `from` on, in order, a leaf's run at a time; all of them without `from`. Runs belong to the tree: never
 * change one.
 */
export function* runs(node: Order, from = ""): Generator<ReadonlyArray<EntryId>> {
  if (node === undefined) return
  const at = floor(node.keys, from)
  if (node.children === undefined) {
    const start = node.keys[at]?.value === from ? at : at + 1
    yield start === 0 ? node.keys : node.keys.slice(start)
    return
  }
  yield* runs(node.children[Math.max(at, 0)], from)
  for (let i = Math.max(at, 0) + 1; i < node.children.length; i++) yield* runs(node.children[i])
}
