import { describe, expect, it } from "@effect/vitest"
import * as Lineage from "@heph/implementations/Lineage"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { inMemory, policy } from "./support.ts"

/** Parents of versions 1, 2, …: each a set of earlier ones. */
const graphs = fc
  .array(fc.array(fc.nat(), { maxLength: 3 }), { minLength: 1, maxLength: 15 })
  .map((parents) => parents.map((some, i) => [...new Set(i === 0 ? [] : some.map((one) => (one % i) + 1))]))

/** How far from one version all others are that can be reached, by trying all ways. */
const distances = (from: number, next: (of: number) => ReadonlyArray<number>): ReadonlyMap<number, number> => {
  const found = new Map<number, number>()
  const walk = (at: number, distance: number): void => {
    for (const one of next(at)) {
      if ((found.get(one) ?? Infinity) <= distance) continue
      found.set(one, distance)
      walk(one, distance + 1)
    }
  }
  walk(from, 1)
  return found
}

const shown = (kin: ReadonlyArray<Lineage.Kin>) => kin.map(({ distance, id }) => [id, distance])
const sorted = (found: ReadonlyMap<number, number>) =>
  [...found].sort(([a, one], [b, other]) => one - other || a - b).map(([id, distance]) => [`a.b:${id}`, distance])

const idsOf = (trees: ReadonlyArray<Lineage.Tree>): ReadonlyArray<string> =>
  trees.flatMap(({ children, id }) => [id, ...idsOf(children)])

describe("lineage", () => {
  it("is every ancestor and descendant, nearest first (property)", () =>
    fc.assert(
      fc.asyncProperty(graphs, fc.nat(), (graph, at) =>
        Effect.runPromise(
          inMemory(({ implementations }) =>
            Effect.gen(function* () {
              for (const [i, parents] of graph.entries()) {
                const parent = parents.length === 0 ? null : parents.map((one) => `a.b:${one}`)
                yield* implementations.register(`code ${i}`, { component: "a.b", parent })
              }
              const asked = (at % graph.length) + 1
              const lineage = yield* implementations.getLineage(`a.b:${asked}`)
              const up = distances(asked, (of) => graph[of - 1]!)
              const down = distances(asked, (of) =>
                graph.flatMap((parents, i) => (parents.includes(of) ? [i + 1] : []))
              )
              expect(shown(lineage.ancestors)).toEqual(sorted(up))
              expect(shown(lineage.descendants)).toEqual(sorted(down))
              for (const { id, parents, removed } of [...lineage.ancestors, ...lineage.descendants]) {
                expect(removed).toBe(false)
                expect(parents).toEqual(graph[Number(id.slice(4)) - 1]!.map((one) => `a.b:${one}`))
              }
              // The tree shows each of them once.
              const { parents } = yield* implementations.describe(`a.b:${asked}`)
              const inTree = idsOf(Lineage.tree(lineage, parents))
              expect([...inTree].sort()).toEqual(
                [asked, ...up.keys(), ...down.keys()].map((one) => `a.b:${one}`).sort()
              )
            })
          )
        )
      ),
      { numRuns: 60 }
    ))

  it.effect("shows what retention removed by its id, and goes on behind it", () =>
    inMemory(({ implementations: { describe, getLineage, getVersion, prune, recordTags, register } }) =>
      Effect.gen(function* () {
        const component = "a.b"
        for (let i = 0; i < 6; i++) yield* register(`code ${i}`, { component })
        yield* register("side", { component, parent: "a.b:2" })
        yield* recordTags("a.b:1", ["first"])
        yield* prune({ policy: policy("keep-last-2") })
        const { ancestors } = yield* getLineage("a.b:6")
        expect(ancestors.map(({ id, removed }) => [id, removed])).toEqual([
          ["a.b:5", true],
          ["a.b:4", true],
          ["a.b:3", true],
          ["a.b:2", true],
          ["a.b:1", false]
        ])
        const { descendants } = yield* getLineage("a.b:1")
        expect(descendants.map(({ id }) => id)).toEqual(["a.b:2", "a.b:3", "a.b:7", "a.b:4", "a.b:5", "a.b:6"])
        const gone = yield* Effect.flip(getVersion("a.b:3"))
        expect(gone).toMatchObject({ _tag: "UnknownImplementation", removed: true })
        // A second time, what was remembered of the first stays.
        for (let i = 6; i < 9; i++) yield* register(`code ${i}`, { component })
        yield* prune({ policy: policy("keep-last-1") })
        expect((yield* getLineage(component)).ancestors.map(({ id, removed }) => [id, removed])).toEqual([
          ["a.b:9", true],
          ["a.b:8", true],
          ["a.b:7", true],
          ["a.b:2", true],
          ["a.b:1", false]
        ])
        expect((yield* describe(component)).id).toBe("a.b:10")
      })
    )
  )

  it.effect("reads the registry as it was", () =>
    inMemory(({ implementations: { getLineage, register } }) =>
      Effect.gen(function* () {
        for (let i = 0; i < 4; i++) yield* register(`code ${i}`, { component: "a.b" })
        const lineage = yield* getLineage("a.b:2", { at: 3 })
        expect(lineage).toMatchObject({ at: 3, ancestors: [{ id: "a.b:1" }], descendants: [{ id: "a.b:3" }] })
        expect(yield* Effect.flip(getLineage("a.b:4", { at: 3 }))).toMatchObject({
          _tag: "UnknownImplementation",
          near: ["a.b:3"]
        })
      })
    )
  )
})
