import { describe, expect, it } from "@effect/vitest"
import * as Topological from "@heph/resolver/Topological"
import * as fc from "fast-check"

const edgesOf = (pairs: ReadonlyArray<readonly [number, number]>): Topological.Edges => ({
  sources: pairs.map(([source]) => source),
  targets: pairs.map(([, target]) => target)
})

const identity = (size: number) => Array.from({ length: size }, (_, node) => node)

describe("sort", () => {
  it("takes nothing, and nodes without edges by rank", () => {
    expect(Topological.sort(0, edgesOf([]), [])).toEqual({ components: [], levels: [] })
    expect(Topological.sort(3, edgesOf([]), [2, 0, 1]).components).toEqual([[1], [2], [0]])
  })

  it("takes edges that come twice, and edges from a node to itself for a component of one", () => {
    const { components, levels } = Topological.sort(
      3,
      edgesOf([
        [2, 0],
        [2, 0],
        [1, 1]
      ]),
      identity(3)
    )
    expect(components).toEqual([[1], [2], [0]])
    expect(levels).toEqual([0, 0, 1])
  })

  it("keeps every edge, every component whole, and the smallest rank first", () => {
    const graph = fc.integer({ min: 1, max: 12 }).chain((size) =>
      fc.record({
        size: fc.constant(size),
        pairs: fc.array(fc.tuple(fc.nat(size - 1), fc.nat(size - 1)), { maxLength: 2 * size }),
        rank: fc.shuffledSubarray(identity(size), { minLength: size })
      })
    )
    fc.assert(
      fc.property(graph, ({ pairs, rank, size }) => {
        const reach = identity(size).map((node) => {
          const found = new Set([node])
          for (const at of found) for (const [source, target] of pairs) if (source === at) found.add(target)
          return found
        })
        const { components, levels } = Topological.sort(size, edgesOf(pairs), rank)
        expect(components.flat().sort((a, b) => a - b)).toEqual(identity(size))
        const at = new Map(components.flatMap((nodes, i) => nodes.map((node) => [node, i])))
        for (const nodes of components) {
          expect(nodes).toEqual(nodes.toSorted((a, b) => rank[a]! - rank[b]!))
          const whole = identity(size).filter((node) => reach[node]!.has(nodes[0]!) && reach[nodes[0]!]!.has(node))
          expect(new Set(nodes)).toEqual(new Set(whole))
        }
        const between = pairs
          .map((pair) => pair.map((node) => at.get(node)!))
          .filter(([before, after]) => before !== after)
        for (const [before, after] of between) {
          expect(before).toBeLessThan(after!)
          expect(levels[before!]).toBeLessThan(levels[after!]!)
        }
        // Of two neighbours the later one has the larger rank, or had to wait for the earlier one.
        const least = (nodes: ReadonlyArray<number>) => Math.min(...nodes.map((node) => rank[node]!))
        for (let i = 1; i < components.length; i++) {
          const waited = between.some(([before, after]) => before === i - 1 && after === i)
          expect(waited || least(components[i - 1]!) < least(components[i]!)).toBe(true)
        }
      }),
      { numRuns: 1000 }
    )
  })

  it("lets nodes of a negative rank take no level, and come as soon as they can", () => {
    // 0 and 1 are in the group 3, which 2 refers to.
    const { components, levels } = Topological.sort(
      4,
      edgesOf([
        [0, 3],
        [1, 3],
        [3, 2]
      ]),
      [0, 1, 2, -1]
    )
    expect(components).toEqual([[0], [1], [3], [2]])
    expect(levels).toEqual([0, 0, 1, 1])
  })

  it("D12, D13: takes a chain of 100,000, and as many nodes that are all ready at once", () => {
    const size = 100_000
    const chain = { sources: identity(size).slice(1), targets: identity(size).slice(0, -1) }
    const { components, levels } = Topological.sort(size, chain, identity(size))
    expect(components.map(([node]) => node)).toEqual(identity(size).reverse())
    expect(levels).toEqual(identity(size))
    const wide = Topological.sort(
      size,
      edgesOf([]),
      identity(size).map((node) => size - node)
    )
    expect(wide.components.map(([node]) => node)).toEqual(identity(size).reverse())
  })

  it("takes a cycle of 50,000 with a chain before and after it", () => {
    const size = 100_000
    const [half, end] = [size / 4, (3 * size) / 4]
    const chain = identity(size - 1).map((node) => [node, node + 1] as const)
    const { components, levels } = Topological.sort(size, edgesOf([...chain, [end - 1, half]]), identity(size))
    expect(components.map((nodes) => nodes.length).filter((length) => length > 1)).toEqual([end - half])
    expect(components.flat()).toEqual(identity(size))
    expect(levels).toEqual(identity(size - (end - half) + 1))
  })
})
