import { describe, expect, it } from "@effect/vitest"
import * as EntryId from "@heph/entry/EntryId"
import * as fc from "fast-check"
import { compareItems, type Item, rank } from "../src/internal/key.ts"
import * as Tree from "../src/internal/tree.ts"

const item = (value: number, name: string): Item => ({
  rank: rank.number,
  value,
  id: EntryId.parseUnsafe(`app:${name}`)
})

const itemsOf = (tree: Tree.Tree, from = 0, to = tree.size): ReadonlyArray<Item> => {
  const out: Array<Item> = []
  Tree.forEach(tree, from, to, (item) => out.push(item))
  return out
}

/** Some items in order, each once. */
const inOrder = (items: ReadonlyArray<Item>): ReadonlyArray<Item> =>
  items.toSorted(compareItems).filter((item, i, sorted) => i === 0 || compareItems(sorted[i - 1]!, item) !== 0)

const items = (max: number) =>
  fc.array(
    fc
      .tuple(fc.integer({ min: 0, max: 400 }), fc.constantFrom("a", "b", "c"))
      .map(([value, name]) => item(value, name)),
    { minLength: max / 2, maxLength: max, size: "max" }
  )

describe("tree", () => {
  it("holds what was put in and not taken out, in order, however it grew and shrank", () => {
    fc.assert(
      fc.property(items(400), items(400), items(400), fc.boolean(), (start, added, removed, sorted) => {
        let tree = Tree.fromSorted(inOrder(start))
        for (const item of sorted ? inOrder(added) : added) tree = Tree.insert(tree, item)
        const grown = tree
        for (const item of removed) tree = Tree.remove(tree, item)
        const expected = inOrder([...start, ...added])
        const gone = new Set(removed.map((item) => `${item.value} ${item.id}`))
        expect(itemsOf(grown)).toEqual(expected)
        expect(itemsOf(tree)).toEqual(expected.filter((item) => !gone.has(`${item.value} ${item.id}`)))
        expect([grown.size, tree.size]).toEqual([itemsOf(grown).length, itemsOf(tree).length])
      }),
      { numRuns: 100 }
    )
  })

  it("counts and visits a range, in trees with gaps too", () => {
    fc.assert(
      fc.property(items(600), items(300), fc.nat(400), fc.nat(400), (start, removed, from, to) => {
        let tree = Tree.fromSorted(inOrder(start))
        for (const item of removed) tree = Tree.remove(tree, item)
        const all = itemsOf(tree)
        const low = Tree.countBefore(tree, ({ value }) => (value as number) < from)
        const high = Tree.countBefore(tree, ({ value }) => (value as number) < to)
        expect([low, high]).toEqual(
          [from, to].map((limit) => all.filter(({ value }) => (value as number) < limit).length)
        )
        expect(itemsOf(tree, low, high)).toEqual(all.slice(low, Math.max(high, low)))
      }),
      { numRuns: 200 }
    )
  })

  it("empties, and stays the same where nothing changes", () => {
    const all = Array.from({ length: 500 }, (_, i) => item(i, "a"))
    const full = Tree.fromSorted(all)
    expect(Tree.insert(full, all[250]!)).toBe(full)
    expect(Tree.remove(full, item(250, "b"))).toBe(full)
    let tree = full
    for (const item of all) tree = Tree.remove(tree, item)
    expect(tree).toEqual(Tree.empty)
    expect(itemsOf(full)).toEqual(all)
    expect(itemsOf(Tree.insert(tree, all[0]!))).toEqual([all[0]])
  })

  it("copies the path to a change and shares the rest", () => {
    const full = Tree.fromSorted(Array.from({ length: 10_000 }, (_, i) => item(i, "a")))
    const nodesOf = (tree: Tree.Tree): ReadonlyArray<Tree.Tree> => [tree, ...(tree.children ?? []).flatMap(nodesOf)]
    const before = new Set(nodesOf(full))
    const fresh = nodesOf(Tree.insert(full, item(5000, "b"))).filter((node) => !before.has(node))
    expect(fresh.length).toBeLessThanOrEqual(4)
  })
})
