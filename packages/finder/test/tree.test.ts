import { describe, expect, it } from "@effect/vitest"
import * as EntryId from "@heph/entry/EntryId"
import * as fc from "fast-check"
import * as Tree from "../src/internal/tree.ts"

interface Item {
  readonly value: Tree.Value
  readonly id: EntryId.EntryId
}

const item = (value: Tree.Value, name: string): Item => ({ value, id: EntryId.parseUnsafe(`app:${name}`) })

const idsOf = (tree: Tree.Tree, from = 0, to = tree.size): ReadonlyArray<EntryId.EntryId> => {
  const out: Array<EntryId.EntryId> = []
  Tree.forEach(tree, from, to, (id) => {
    out.push(id)
  })
  return out
}

const itemsOf = (tree: Tree.Tree, from = 0, to = tree.size): ReadonlyArray<Item> =>
  idsOf(tree, from, to).map((id, i) => ({ value: Tree.valueAt(tree, from + i), id }))

/** By code point, said the slow way. */
const before = (a: Item, b: Item): number => {
  if (typeof a.value !== "string") return Number(a.value) - Number(b.value) || EntryId.compare(a.id, b.id)
  const [left, right] = [a.value, b.value as string].map((text) => Array.from(text, (char) => char.codePointAt(0)!))
  for (let i = 0; i < Math.min(left!.length, right!.length); i++) {
    if (left![i] !== right![i]) return left![i]! - right![i]!
  }
  return left!.length - right!.length || EntryId.compare(a.id, b.id)
}

/** Some items in order, each once. */
const inOrder = (items: ReadonlyArray<Item>): ReadonlyArray<Item> =>
  items.toSorted(before).filter((item, i, sorted) => i === 0 || before(sorted[i - 1]!, item) !== 0)

const treeOf = (items: ReadonlyArray<Item>): Tree.Tree => {
  const sorted = inOrder(items)
  return Tree.fromSorted(
    sorted.map(({ value }) => value),
    sorted.map(({ id }) => id)
  )
}

const add = (tree: Tree.Tree, { id, value }: Item, edit = Tree.newEdit()) => Tree.insert(tree, value, id, edit)
const drop = (tree: Tree.Tree, { id, value }: Item, edit = Tree.newEdit()) => Tree.remove(tree, value, id, edit)

const items = (max: number) =>
  fc.array(
    fc
      .tuple(fc.integer({ min: 0, max: 400 }), fc.constantFrom("a", "b", "c"))
      .map(([value, name]) => item(value, name)),
    { minLength: max / 2, maxLength: max, size: "max" }
  )

describe("tree", () => {
  it("holds what was put in and not taken out, in order, however it grew and shrank, one edit or many", () => {
    fc.assert(
      fc.property(items(400), items(400), items(400), fc.boolean(), (start, added, removed, shared) => {
        const edit = shared ? Tree.newEdit() : undefined
        const first = treeOf(start)
        let tree = first
        for (const item of added) tree = add(tree, item, edit)
        const expected = inOrder([...start, ...added])
        expect(itemsOf(tree)).toEqual(expected)
        expect(tree.size).toBe(expected.length)
        // Another edit: what the first one made stays as it is.
        const grown = tree
        const later = Tree.newEdit()
        for (const item of removed) tree = drop(tree, item, shared ? later : undefined)
        const gone = new Set(removed.map((item) => `${item.value} ${item.id}`))
        expect(itemsOf(tree)).toEqual(expected.filter((item) => !gone.has(`${item.value} ${item.id}`)))
        expect(itemsOf(grown)).toEqual(expected)
        expect(itemsOf(first)).toEqual(inOrder(start))
        expect([grown.size, tree.size]).toEqual([idsOf(grown).length, idsOf(tree).length])
      }),
      { numRuns: 100 }
    )
  })

  it("orders texts by code point", () => {
    const text = fc.string({
      unit: fc.constantFrom("a", "b", "\u{1f600}", "\u{10000}", "\ue000", "\uffff", "\ud7ff", "é"),
      maxLength: 4
    })
    fc.assert(
      fc.property(fc.array(text, { maxLength: 120 }), text, (texts, wanted) => {
        const all = texts.map((value, i) => item(value, `n${i}`))
        let tree = Tree.empty
        for (const item of all) tree = add(tree, item)
        expect(itemsOf(tree)).toEqual(inOrder(all))
        const below = all.filter(({ value }) => before(item(value, "x"), item(wanted, "x")) < 0)
        expect(Tree.countBelow(tree, wanted, false)).toBe(below.length)
      }),
      { numRuns: 300 }
    )
  })

  it("orders numbers and bigints exactly", () => {
    const values = [2n ** 53n + 1n, 2 ** 53, -(2n ** 63n), -1e300, 0.5, 1e300, 2n ** 64n - 1n, -Infinity]
    let tree = Tree.empty
    for (const value of values) tree = add(tree, item(value, "a"))
    expect(itemsOf(tree).map(({ value }) => value)).toEqual([
      -Infinity,
      -1e300,
      -(2n ** 63n),
      0.5,
      2 ** 53,
      2n ** 53n + 1n,
      2n ** 64n - 1n,
      1e300
    ])
  })

  it("counts and visits a range, in trees with gaps too", () => {
    fc.assert(
      fc.property(items(600), items(300), fc.nat(400), fc.nat(400), (start, removed, from, to) => {
        let tree = treeOf(start)
        for (const item of removed) tree = drop(tree, item)
        const all = itemsOf(tree)
        const low = Tree.countBelow(tree, from, false)
        const high = Tree.countBelow(tree, to, true)
        expect(low).toBe(all.filter(({ value }) => (value as number) < from).length)
        expect(high).toBe(all.filter(({ value }) => (value as number) <= to).length)
        expect(itemsOf(tree, low, high)).toEqual(all.slice(low, Math.max(high, low)))
      }),
      { numRuns: 200 }
    )
  })

  it("stops when it has enough", () => {
    const tree = treeOf(Array.from({ length: 500 }, (_, i) => item(i, "a")))
    let seen = 0
    expect(Tree.forEach(tree, 10, 400, () => ++seen === 100)).toBe(true)
    expect(seen).toBe(100)
  })

  it("empties, and stays the same where nothing changes", () => {
    const all = Array.from({ length: 500 }, (_, i) => item(i, "a"))
    const full = treeOf(all)
    expect(add(full, all[250]!)).toBe(full)
    expect(drop(full, item(250, "b"))).toBe(full)
    let tree = full
    for (const item of all) tree = drop(tree, item)
    expect(tree.size).toBe(0)
    expect(itemsOf(full)).toEqual(all)
    expect(itemsOf(add(tree, all[0]!))).toEqual([all[0]])
  })

  it("copies the path to a change and shares the rest", () => {
    const full = treeOf(Array.from({ length: 10_000 }, (_, i) => item(i, "a")))
    const nodesOf = (tree: Tree.Tree): ReadonlyArray<Tree.Tree> => [tree, ...(tree.children ?? []).flatMap(nodesOf)]
    const known = new Set(nodesOf(full))
    const fresh = nodesOf(add(full, item(5000, "b"))).filter((node) => !known.has(node))
    expect(fresh.length).toBeLessThanOrEqual(4)
  })
})
