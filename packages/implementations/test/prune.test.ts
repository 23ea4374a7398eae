import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { inMemory, lines, policy, text } from "./support.ts"

describe("prune", () => {
  it.effect("removes what the policy keeps no longer, with its content, and says why", () =>
    inMemory(({ content, implementations: { describe, getVersion, prune, recordTestResults, register }, registry }) =>
      Effect.gen(function* () {
        const component = "a.b"
        for (let i = 0; i < 10; i++) yield* register(lines(i), { component, metrics: { score: i === 3 ? 9 : i } })
        yield* recordTestResults("a.b:2", [{ name: "t", outcome: "passed" }])
        yield* register(lines(1), { component: "a.same" })
        yield* register("tagged", { component, parent: "a.b:2", tags: ["release"] })
        yield* register("newest", { component })
        const before = yield* content.info
        const planned = yield* prune({ policy: policy("keep-last-3"), dryRun: true })
        const status = registry.status()
        expect(yield* content.info).toEqual(before)
        const done = yield* prune({ policy: policy("keep-last-3") })
        const gone = ["a.b:1", "a.b:2", "a.b:3", "a.b:5", "a.b:6", "a.b:7", "a.b:8", "a.b:9"]
        expect(done.removed).toEqual(gone)
        expect(planned).toMatchObject({ version: undefined, removed: gone, decisions: done.decisions })
        expect([...planned.content.removed].sort()).toEqual([...done.content.removed].sort())
        expect(done.version).toBe(status.version + 1)
        const kept = Object.fromEntries(
          done.decisions.flatMap(({ id, keep, reasons }) => (keep ? [[id, reasons[0]]] : []))
        )
        expect(kept).toEqual({
          "a.b:4": "kept: best score 9",
          "a.b:10": "kept: keep-last-3 (3rd newest)",
          "a.b:11": "kept: tagged release",
          "a.b:12": "kept: newest of the component",
          "a.same:1": "kept: newest of the component"
        })
        // Seven of the eight codes went: one is another component's. So did the results of a test.
        expect(done.content.removed.length).toBe(8)
        expect((yield* content.info).contents).toBe(before.contents - 8)
        for (const [id, code] of [
          ["a.b:4", lines(3)],
          ["a.b:10", lines(9)],
          ["a.b:11", "tagged"],
          ["a.b:12", "newest"],
          ["a.same:1", lines(1)]
        ] as const) {
          expect(text((yield* getVersion(id)).code.get("main"))).toBe(code)
        }
        expect(yield* content.verify()).toEqual([])
        // As the registry was, a removed version is described, and its code is gone.
        expect(yield* describe("a.b:1", { at: status.version })).toMatchObject({ size: lines(0).length })
        expect(yield* Effect.flip(getVersion("a.b:1", { at: status.version }))).toMatchObject({
          _tag: "ContentMissing"
        })
        // There is nothing left to do.
        expect(yield* prune({ policy: policy("keep-last-3") })).toMatchObject({
          version: undefined,
          removed: [],
          content: { removed: [] }
        })
      })
    )
  )

  it.effect("keeps everything where no policy is set, and what is configured where one is", () =>
    Effect.gen(function* () {
      const removed = (options?: Parameters<typeof inMemory>[1]) =>
        inMemory(
          ({ implementations: { prune, register } }) =>
            Effect.gen(function* () {
              for (let i = 0; i < 4; i++) yield* register(`code ${i}`, { component: "a.b" })
              return (yield* prune()).removed
            }),
          options
        )
      expect(yield* removed()).toEqual([])
      expect(yield* removed({ retentionPolicy: policy("keep-last-1") })).toEqual(["a.b:1", "a.b:2", "a.b:3"])
    })
  )

  it.effect("spares the content of other branches, and of tagged versions of the registry", () =>
    inMemory(({ implementations: { getVersion, prune, register }, registry }) =>
      Effect.gen(function* () {
        yield* register("one", { component: "a.b" })
        yield* register("two", { component: "a.b" })
        yield* register("three", { component: "a.b" })
        yield* registry.applyVersion(1)
        yield* register("on a branch", { component: "a.b" })
        const { content } = yield* prune({ policy: policy("keep-last-1") })
        expect(content.removed).toEqual([])
        yield* registry.applyVersion(3)
        for (const [version, code] of ["one", "two", "three"].entries()) {
          expect(text((yield* getVersion(`a.b:${version + 1}`)).code.get("main"))).toBe(code)
        }
        yield* registry.tag("before", 3)
        const again = yield* prune({ policy: policy("keep-last-1") })
        expect([again.removed, again.content.removed]).toEqual([["a.b:1", "a.b:2"], []])
        expect(text((yield* getVersion("a.b:1", { at: "before" })).code.get("main"))).toBe("one")
      })
    )
  )

  it("never takes content from what is kept, whoever registers meanwhile (property)", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ component: fc.constantFrom("a.b", "a.c"), code: fc.integer({ min: 0, max: 5 }) }), {
          minLength: 1,
          maxLength: 20
        }),
        fc.array(fc.record({ component: fc.constantFrom("a.b", "a.c"), code: fc.integer({ min: 0, max: 5 }) }), {
          maxLength: 10
        }),
        (before, during) =>
          Effect.runPromise(
            inMemory(({ content, implementations: { components, getVersion, listVersions, prune, register } }) =>
              Effect.gen(function* () {
                const codes = new Map<string, string>()
                const add = ({ code, component }: (typeof before)[number]) =>
                  Effect.map(register(lines(code), { component }), ({ id }) => void codes.set(id, lines(code)))
                for (const one of before) yield* add(one)
                yield* Effect.all(
                  [
                    prune({ policy: policy("keep-last-2") }),
                    ...during.map(add),
                    prune({ policy: policy("keep-last-1") })
                  ],
                  {
                    concurrency: "unbounded"
                  }
                )
                for (const { component } of yield* components()) {
                  for (const { id } of (yield* listVersions(component)).versions) {
                    expect(text((yield* getVersion(id)).code.get("main"))).toBe(codes.get(id))
                  }
                }
                expect(yield* content.verify()).toEqual([])
              })
            )
          )
      ),
      { numRuns: 60 }
    ))
})
