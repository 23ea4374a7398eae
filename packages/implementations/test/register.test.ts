import { createHash } from "node:crypto"
import { describe, expect, it } from "@effect/vitest"
import * as Handler from "@heph/bus/Handler"
import * as ContentStore from "@heph/content/ContentStore"
import * as Implementation from "@heph/implementations/Implementation"
import * as Implementations from "@heph/implementations/Implementations"
import * as Registry from "@heph/registry/Registry"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { bytes, inMemory, lines, text } from "./support.ts"

const sha256 = (content: string | Uint8Array): string => createHash("sha256").update(content).digest("hex")

describe("register", () => {
  it.effect("keeps the code, and what is said about it", () =>
    inMemory(({ implementations }) =>
      Effect.gen(function* () {
        const code = lines(1)
        const registered = yield* implementations.register(code, {
          component: "web.parser",
          author: "ada",
          generator: "by hand",
          goal: "parse",
          context: { seen: ["a", 1n << 60n] },
          language: "typescript",
          message: "first",
          tags: ["fast", "fast", "small"],
          imports: ["node:fs"],
          metrics: { score: 0.5 },
          fields: { run: 7 },
          created: Date.UTC(2020, 1, 2)
        })
        expect(registered).toEqual({
          id: "web.parser:1",
          version: "1",
          parent: null,
          hash: sha256(code),
          duplicateOf: null
        })
        const { entry, code: read, ...version } = yield* implementations.getVersion("web.parser:1")
        expect(entry.kind).toBe(Implementation.kind)
        expect([...read].map(([path, content]) => [path, text(content)])).toEqual([["main", code]])
        expect(version).toEqual({
          id: "web.parser:1",
          component: "web.parser",
          version: "1",
          sequence: 1,
          parent: null,
          parents: [],
          generation: 0,
          hash: sha256(code),
          size: code.length,
          files: [{ path: "main", hash: sha256(code), size: code.length, executable: false, link: false }],
          language: "typescript",
          status: "untested",
          tests: null,
          metrics: { score: 0.5 },
          tags: ["fast", "small"],
          author: "ada",
          generator: "by hand",
          goal: "parse",
          message: "first",
          context: { seen: ["a", 1n << 60n] },
          imports: ["node:fs"],
          created: Date.UTC(2020, 1, 2),
          fields: { run: 7 }
        })
      })
    )
  )

  it.effect("keeps several files, whatever they hold, under the hash of their list", () =>
    inMemory(({ implementations }) =>
      Effect.gen(function* () {
        const binary = Uint8Array.from({ length: 300 }, (_, i) => i % 256)
        const { hash, id } = yield* implementations.register(
          {
            "src/b.ts": "b\n",
            "a.bin": binary,
            "run.sh": { content: "#!/bin/sh\n", executable: true },
            link: { content: "a.bin", link: true },
            empty: ""
          },
          { component: "a.b" }
        )
        const list = [
          ["a.bin", binary],
          ["empty", ""],
          ["link", "a.bin"],
          ["run.sh", "#!/bin/sh\n"],
          ["src/b.ts", "b\n"]
        ] as const
        expect(hash).toBe(sha256(list.map(([path, content]) => `${sha256(content)}  ${path}\n`).join("")))
        const { code, files } = yield* implementations.getVersion(id)
        expect([...code]).toEqual(
          list.map(([path, content]) => [path, typeof content === "string" ? bytes(content) : content])
        )
        expect(files.map(({ executable, link }) => [executable, link])).toEqual([
          [false, false],
          [false, false],
          [false, true],
          [true, false],
          [false, false]
        ])
      })
    )
  )

  it.effect("takes the component's newest version as the parent, none for null, and several for a crossover", () =>
    inMemory(({ implementations: { describe, register } }) =>
      Effect.gen(function* () {
        const component = "a.b"
        yield* register("1", { component })
        yield* register("2", { component })
        yield* register("3", { component, parent: "a.b:1" })
        yield* register("4", { component, parent: null })
        yield* register("5", { component, parent: ["a.b:3", "a.b:2", "a.b:3"] })
        yield* register("6", { component })
        yield* register("elsewhere", { component: "a.c", parent: "a.b:6" })
        yield* register("7", { component, generation: 40 })
        yield* register("8", { component })
        const all = yield* Effect.forEach(
          ["a.b:1", "a.b:2", "a.b:3", "a.b:4", "a.b:5", "a.b:6", "a.c:1", "a.b:7", "a.b:8"],
          (id) => describe(id)
        )
        expect(all.map(({ generation, parents }) => [generation, ...parents])).toEqual([
          [0],
          [1, "a.b:1"],
          [1, "a.b:1"],
          [0],
          [2, "a.b:3", "a.b:2"],
          [3, "a.b:5"],
          [4, "a.b:6"],
          [40, "a.b:6"],
          [41, "a.b:7"]
        ])
      })
    )
  )

  it.effect("finds the same code again, in the component rather than elsewhere, and stores it once", () =>
    inMemory(({ content, implementations: { register } }) =>
      Effect.gen(function* () {
        const duplicates: Array<string | null> = []
        for (const [component, code] of [
          ["a.b", "x"],
          ["a.c", "x"],
          ["a.c", "y"],
          ["a.c", "x"],
          ["a.b", "x"],
          ["a.b", "y"]
        ] as const) {
          duplicates.push((yield* register(code, { component })).duplicateOf)
        }
        expect(duplicates).toEqual([null, "a.b:1", null, "a.c:1", "a.b:1", "a.c:2"])
        expect((yield* content.info).contents).toBe(2)
      })
    )
  )

  it.effect("is one transaction: a handler refuses it, and nothing of it is there", () =>
    inMemory(({ bus, implementations, registry }) =>
      Effect.gen(function* () {
        yield* bus.handle(Implementation.kind, ({ entry }) =>
          (entry?.meta["size"] as number) > 3 ? Handler.reject("it is too long") : Handler.accept
        )
        yield* implementations.register("abc", { component: "a.b" })
        const before = registry.status()
        const refused = yield* Effect.flip(implementations.register("abcd", { component: "a.b" }))
        expect(refused).toMatchObject({ _tag: "HandlerRejected", id: "a.b:2", detail: "it is too long" })
        expect(registry.status()).toEqual(before)
        const several = [{ implementation: "x" }, { implementation: "long" }].map((one) => ({
          ...one,
          metadata: { component: "a.b" }
        }))
        expect(yield* Effect.flip(implementations.registerAll(several))).toMatchObject({ _tag: "HandlerRejected" })
        expect(registry.status()).toEqual(before)
      }).pipe(Effect.scoped)
    )
  )

  it.effect("registers a list in order as one version of the registry, its items parents of each other", () =>
    inMemory(({ implementations, registry }) =>
      Effect.gen(function* () {
        const component = "a.b"
        const registered = yield* implementations.registerAll([
          { implementation: "1", metadata: { component } },
          { implementation: "2", metadata: { component } },
          { implementation: "other", metadata: { component: "a.c", parent: 1 } },
          { implementation: "1", metadata: { component, parent: [0, "a.b:2", 2] } }
        ])
        expect(registered.map(({ duplicateOf, id, parent }) => [id, parent, duplicateOf])).toEqual([
          ["a.b:1", null, null],
          ["a.b:2", "a.b:1", null],
          ["a.c:1", "a.b:2", null],
          ["a.b:3", "a.b:1", "a.b:1"]
        ])
        expect((yield* implementations.describe("a.b:3")).parents).toEqual(["a.b:1", "a.b:2", "a.c:1"])
        expect(registry.status().version).toBe(1)
        // All of them, or none.
        const failed = implementations.registerAll([
          { implementation: "3", metadata: { component } },
          { implementation: "4", metadata: { component, parent: "a.b:99" } }
        ])
        expect(yield* Effect.flip(failed)).toMatchObject({ _tag: "UnknownImplementation", id: "a.b:99" })
        const forward = implementations.registerAll([{ implementation: "3", metadata: { component, parent: 1 } }])
        expect(yield* Effect.flip(forward)).toMatchObject({ _tag: "UnknownImplementation" })
        expect(registry.status().version).toBe(1)
        expect(yield* implementations.registerAll([])).toEqual([])
      })
    )
  )

  it.effect("refuses what cannot be, and says where", () =>
    inMemory(({ implementations: { register }, registry }) =>
      Effect.gen(function* () {
        const component = "a.b"
        const cases: ReadonlyArray<readonly [Implementation.Input, Partial<Implementation.Metadata>, string]> = [
          ["x", { component: "parser" }, "component"],
          ["x", { component: "web..parser" }, "component"],
          ["x", { component: "web.parser:1" }, "component"],
          ["x", { component: `a.${"x".repeat(600)}` }, "component"],
          [{}, {}, "files"],
          [{ "../x": "" }, {}, 'files["../x"]'],
          [{ "/etc/passwd": "" }, {}, 'files["/etc/passwd"]'],
          [{ "a//b": "" }, {}, 'files["a//b"]'],
          [{ "C:\\x": "" }, {}, 'files["C:\\\\x"]'],
          [{ "a\0": "" }, {}, 'files["a\\u0000"]'],
          [{ a: "\ud800" }, {}, 'files["a"]'],
          [{ a: { content: 7 as never } }, {}, 'files["a"]'],
          ["x", { metrics: { score: Number.NaN } }, "metrics.score"],
          ["x", { metrics: { "": 1 } }, "metrics."],
          ["x", { tags: [""] }, "tags"],
          ["x", { fields: { hash: "mine" } }, "fields.hash"],
          ["x", { generation: -1 }, "generation"],
          ["x", { created: Number.NaN }, "created"],
          ["x", { goal: 7 as never }, "goal"]
        ]
        for (const [code, metadata, path] of cases) {
          const error = yield* Effect.flip(register(code, { component, ...metadata }))
          expect(error, path).toMatchObject({ _tag: "InvalidImplementation", path })
        }
        expect(yield* Effect.flip(register("x", { component, context: () => 1 }))).toMatchObject({
          _tag: "InvalidEntry",
          path: "meta.context"
        })
        expect(registry.status().version).toBe(0)
      })
    )
  )

  it.effect("takes the time from the clock where nobody says when it was made", () =>
    inMemory(({ implementations }) =>
      Effect.gen(function* () {
        yield* implementations.register("x", { component: "a.b" })
        expect((yield* implementations.describe("a.b:1")).created).toBe(yield* Clock.currentTimeMillis)
      })
    )
  )
})

describe("names", () => {
  const semantic = (bumps: ReadonlyArray<Implementation.Metadata["bump"]>) =>
    inMemory(
      ({ implementations }) =>
        Effect.forEach(bumps, (bump, i) =>
          Effect.map(implementations.register(`code ${i}`, { component: "a.b", bump }), ({ version }) => version)
        ),
      { versionStrategy: "semantic" }
    )

  it.effect("are semantic versions where the strategy says so", () =>
    Effect.gen(function* () {
      expect(yield* semantic([undefined, undefined, "minor", "patch", "major", "minor", undefined])).toEqual([
        "1.0.0",
        "1.0.1",
        "1.1.0",
        "1.1.1",
        "2.0.0",
        "2.1.0",
        "2.1.1"
      ])
    })
  )

  it.effect("are hashes where the strategy says so, numbered where the code is there already", () =>
    inMemory(
      ({ implementations: { register } }) =>
        Effect.gen(function* () {
          const component = "a.b"
          const names = yield* Effect.forEach(["x", "y", "x", "x"], (code) =>
            Effect.map(register(code, { component }), ({ version }) => version)
          )
          expect(names).toEqual([sha256("x"), sha256("y"), `${sha256("x")}-2`, `${sha256("x")}-3`])
        }),
      { versionStrategy: "content" }
    )
  )

  it.effect("are never given twice, also where the strategy changes on the way (property)", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.array(
            fc.record({ code: fc.integer({ min: 0, max: 3 }), bump: fc.constantFrom("major", "minor", "patch") }),
            {
              maxLength: 12
            }
          ),
          fc.array(fc.constantFrom("incremental", "semantic", "content"), { minLength: 1, maxLength: 4 }),
          (registrations, strategies) =>
            Effect.runPromise(
              inMemory(({ content, registry }) =>
                Effect.gen(function* () {
                  const ids: Array<string> = []
                  for (const [i, { bump, code }] of registrations.entries()) {
                    const implementations = yield* Implementations.make({
                      versionStrategy: strategies[i % strategies.length]!
                    }).pipe(
                      Effect.provideService(Registry.Registry, registry),
                      Effect.provideService(ContentStore.ContentStore, content)
                    )
                    ids.push((yield* implementations.register(`code ${code}`, { component: "a.b", bump })).id)
                  }
                  expect(new Set(ids).size).toBe(registrations.length)
                  expect([...registry.current().namespace("a.b")].length).toBe(registrations.length)
                })
              )
            )
        ),
        { numRuns: 50 }
      )
    )
  )
})
