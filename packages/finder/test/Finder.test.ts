import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { describe, expect, it } from "@effect/vitest"
import * as Entry from "@heph/entry/Entry"
import * as State from "@heph/entry/State"
import * as Finder from "@heph/finder/Finder"
import * as Query from "@heph/finder/Query"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import * as Generators from "./generators.ts"
import * as Oracle from "./oracle.ts"

setFlagsFromString("--expose-gc")
const collectGarbage = runInNewContext("gc") as () => void

const idsOf = (entries: Iterable<Entry.Entry>): ReadonlyArray<string> => Array.from(entries, (entry) => entry.id.value)

const scan = (state: State.State, record: Oracle.Record_): ReadonlyArray<Entry.Entry> =>
  [...state].filter((entry) => Oracle.answers(entry, record))

const stateOf = (...inputs: ReadonlyArray<Entry.EntryInput>): State.State =>
  State.fromIterable(inputs.map((input) => Entry.makeUnsafe(input)))

const service = (name: string, meta: Record<string, unknown>, kind = "service"): Entry.EntryInput => ({
  id: `app:${name}`,
  kind,
  meta
})

const found = (
  finder: Finder.Finder["Service"],
  target: Finder.Target,
  query: Query.Input,
  options?: Finder.FindOptions
): ReadonlyArray<string> => idsOf(Result.getOrThrow(finder.findSync(target, query, options)).entries)

/** The ids that a finder of its own finds in a state. */
const find = (state: State.State, query: Query.Input, options?: Finder.FindOptions): ReadonlyArray<string> =>
  found(Finder.make(), { version: 1, state }, query, options)

describe("Finder", () => {
  describe("finds what a scan finds", () => {
    it("and the negation of a criterion finds all the others", () => {
      fc.assert(
        fc.property(Generators.state, Generators.query, (state, query) => {
          for (const [key, wanted] of Object.entries(query)) {
            const negated = key.startsWith("!") ? key.slice(1) : `!${key}`
            const both = [...find(state, { [key]: wanted }), ...find(state, { [negated]: wanted })]
            expect(both.toSorted()).toEqual(idsOf(state).toSorted())
          }
        }),
        { numRuns: 1000 }
      )
    })

    it("and several criteria find what each of them finds", () => {
      fc.assert(
        fc.property(Generators.state, Generators.query, (state, query) => {
          const each = Object.entries(query).map(([key, wanted]) => new Set(find(state, { [key]: wanted })))
          expect(find(state, query)).toEqual(idsOf(state).filter((id) => each.every((ids) => ids.has(id))))
        }),
        { numRuns: 500 }
      )
    })
  })

  describe("orders and pages", () => {
    it("of the state that the first page was of, however much is written meanwhile", async () => {
      await fc.assert(
        fc.asyncProperty(
          Generators.state,
          Generators.changes,
          Generators.query,
          Generators.field,
          fc.boolean(),
          fc.integer({ min: 1, max: 7 }),
          async (state, changes, query, sortBy, descending, limit) => {
            const states = [state, Generators.apply(state, changes), State.empty]
            const options = { sortBy, descending, limit }
            const whole = found(Finder.make(), { version: 0, state }, query, { sortBy, descending })
            const pages: Array<string> = []
            let cursor: string | undefined
            let head = 0
            do {
              // A finder that never saw the page before, as after a restart, of a registry that has moved on.
              const source = {
                current: () => ({ version: head, state: states[head]! }),
                snapshotAt: (version: number) => Effect.succeed({ version, state: states[version]! })
              }
              const page: Finder.Page = await Effect.runPromise(
                Finder.make().find(source, query, { ...options, cursor })
              )
              expect(page.version).toBe(0)
              pages.push(...idsOf(page.entries))
              cursor = page.cursor
              head = Math.min(head + 1, 2)
            } while (cursor !== undefined)
            expect(pages).toEqual(whole)
          }
        ),
        { numRuns: 500 }
      )
    })

    it("and says so where a cursor's version is another one", () => {
      const state = stateOf(service("a", {}), service("b", {}))
      const finder = Finder.make()
      const { cursor } = Result.getOrThrow(finder.findSync({ version: 3, state }, "", { limit: 1 }))
      const refused = Result.getOrThrow(Result.flip(finder.findSync({ version: 4, state }, "", { limit: 1, cursor })))
      expect(refused).toBeInstanceOf(Finder.InvalidCursor)
      expect(refused.message).toContain("it is a page's of v3 and this is v4; search the snapshot of v3")
    })

    it("and fails as the source does where a version is gone", async () => {
      const state = stateOf(service("a", {}), service("b", {}))
      const finder = Finder.make()
      const { cursor } = Result.getOrThrow(finder.findSync({ version: 3, state }, "", { limit: 1 }))
      const source = {
        current: () => ({ version: 4, state }),
        snapshotAt: (version: number) => Effect.fail(`no v${version}`)
      }
      expect(await Effect.runPromise(Effect.flip(finder.find(source, "", { limit: 1, cursor })))).toBe("no v3")
    })

    it("with the number of all entries on every page", () => {
      const state = stateOf(service("a", {}), service("b", {}), service("c", {}))
      const page = Result.getOrThrow(Finder.make().findSync({ version: 1, state }, {}, { limit: 2 }))
      expect([idsOf(page.entries), page.total]).toEqual([["app:a", "app:b"], 3])
      const next = Result.getOrThrow(
        Finder.make().findSync({ version: 1, state }, {}, { limit: 2, cursor: page.cursor })
      )
      expect([idsOf(next.entries), next.total, next.cursor]).toEqual([["app:c"], 3, undefined])
    })

    it("and refuses a cursor of another query, of another order, and text that is none", () => {
      const state = stateOf(service("a", { n: 1 }), service("b", { n: 2 }))
      const finder = Finder.make()
      const ask = (query: Query.Input, options: Finder.FindOptions) =>
        Result.getOrUndefined(Result.flip(finder.findSync({ version: 1, state }, query, options)))
      const { cursor } = Result.getOrThrow(
        finder.findSync({ version: 1, state }, "?meta.n", { sortBy: "meta.n", limit: 1 })
      )
      expect(ask("?meta.n", { sortBy: "meta.n", cursor })).toBeUndefined()
      for (const [query, options] of [
        ["", { sortBy: "meta.n", cursor }],
        ["?meta.n", { cursor }],
        ["?meta.n", { sortBy: "meta.n", descending: true, cursor }],
        ["?meta.n", { sortBy: "meta.n", cursor: "nonsense" }],
        ["?meta.n", { sortBy: "meta.n", cursor: "" }],
        ["?meta.n", { sortBy: "meta.n", cursor: `${cursor}x` }],
        ["?meta.n", { sortBy: "meta.n", cursor: btoa(`["+meta.n ?meta.n",1,"app:a",[4,5]]`) }],
        ["?meta.n", { sortBy: "meta.n", cursor: btoa(`["+meta.n ?meta.n",1,"app:a",[2]]`) }]
      ] as const) {
        expect(ask(query, options)).toBeInstanceOf(Finder.InvalidCursor)
      }
    })

    it.each([
      [{ limit: 0 }, "limit=0"],
      [{ limit: 1.5 }, "limit=1.5"],
      [{ limit: -1 }, "limit=-1"],
      [{ sortBy: "port" }, "sortBy=port"],
      [{ sortBy: "" }, "sortBy="],
      [{ sortBy: ">meta.n" }, "sortBy=>meta.n"]
    ])("and refuses %o", (options, criterion) => {
      const asked = Finder.make().findSync({ version: 1, state: State.empty }, {}, options)
      expect(Result.getOrThrow(Result.flip(asked))).toMatchObject({ _tag: "InvalidQuery", criterion, index: undefined })
    })
  })

  describe("is right where the reference was not", () => {
    const state = stateOf(
      service("a", { port: 80, tags: ["api", "web"], enabled: true }),
      service("b", { port: 443, tags: ["api"], enabled: "true" }, "function.lua")
    )
    const all = ["app:a", "app:b"]

    it("G1: what cannot be understood is an error that points at it, and nothing is left out", () => {
      for (const [query, criterion] of [
        [{ ".kind": "service", "~meta.x": "[" }, "~meta.x"],
        [{ "^meta.port": 80 }, "^meta.port"],
        [{ "~meta.port": null }, "~meta.port"],
        [{ port: 80 }, "port"],
        [{ kind: "service" }, "kind"],
        [{ type: "service" }, "type"],
        [{ meta: { port: 80 } }, "meta"],
        [{ ".type": "service" }, ".type"],
        [{ ".kind": 80 }, ".kind"],
        [{ "~.kind": 80 }, "~.kind"],
        [{ "meta.port": undefined }, "meta.port"],
        [{ ">meta.port": true }, ">meta.port"]
      ] as const) {
        const error = Result.getOrThrow(Result.flip(Finder.make().findSync({ version: 1, state }, query)))
        expect(error).toMatchObject({ _tag: "InvalidQuery", criterion, index: Object.keys(query).indexOf(criterion) })
      }
      expect(find(state, { "~.kind": "^func" })).toEqual(["app:b"])
    })

    it("G2: a wanted list means all of its items, and records compare by value", () => {
      expect(find(state, { "meta.tags": ["web", "api"] })).toEqual(["app:a"])
      expect(find(state, { "meta.tags": [] })).toEqual(all)
      expect(find(state, { "meta.tags": [["api"]] })).toEqual([])
      const twice = stateOf(service("a", { tags: ["x", "y", "x"] }), service("b", {}), service("c", {}))
      expect(find(twice, { "meta.tags": "x" })).toEqual(["app:a"])
      const nested = stateOf(service("a", { owner: { team: "x", level: 1 } }))
      expect(find(nested, { "meta.owner": { level: 1n, team: "x" } })).toEqual(["app:a"])
      expect(find(nested, { "meta.owner": { team: "x" } })).toEqual([])
    })

    it("G3: numbers are equal by value, whatever type carries them", () => {
      const numbers = stateOf(
        service("big", { n: 5n }),
        service("float", { n: 5 }),
        service("huge", { n: 2n ** 53n + 1n }),
        service("nan", { n: Number.NaN }),
        service("text", { n: "5" })
      )
      for (const five of [5, 5n]) expect(find(numbers, { "meta.n": five })).toEqual(["app:big", "app:float"])
      expect(find(numbers, { "meta.n": 2 ** 53 })).toEqual([])
      expect(find(numbers, "meta.n=9007199254740993")).toEqual(["app:huge"])
      expect(find(numbers, { "meta.n": Number.NaN })).toEqual(["app:nan"])
      const edge = stateOf(
        service("a", { n: 2 ** 53 }),
        service("b", { n: 2n ** 53n }),
        service("c", { n: 2 ** 53 }),
        service("d", {})
      )
      for (const limit of [2 ** 53, 2n ** 53n]) {
        expect(find(edge, { "meta.n": limit })).toEqual(["app:a", "app:b", "app:c"])
        expect(find(edge, { "*meta.n": [limit] })).toEqual([])
      }
      expect(find(numbers, ">meta.n=4.5")).toEqual(["app:big", "app:float", "app:huge"])
      expect(find(numbers, ">meta.n=9007199254740992")).toEqual(["app:huge"])
    })

    it("G4: answers are kept by the query's structure, so types and places are told apart", () => {
      const finder = Finder.make()
      const target = { version: 1, state }
      expect(found(finder, target, { "meta.enabled": true })).toEqual(["app:a"])
      expect(found(finder, target, { "meta.enabled": "true" })).toEqual(["app:b"])
      const texts = stateOf(service("a", { a: "xmeta.b:y" }), service("b", { a: "x", b: "y" }))
      expect(found(finder, { version: 2, state: texts }, { "meta.a": "xmeta.b:y" })).toEqual(["app:a"])
      expect(found(finder, { version: 2, state: texts }, { "meta.a": "x", "meta.b": "y" })).toEqual(["app:b"])
    })

    it("G4: queries that differ never share an answer", () => {
      fc.assert(
        fc.property(Generators.state, Generators.query, Generators.query, (state, one, other) => {
          const finder = Finder.make()
          for (const query of [one, other, one]) {
            expect(found(finder, { version: 1, state }, query)).toEqual(idsOf(scan(state, query)))
          }
        }),
        { numRuns: 500 }
      )
    })

    it("G5: what one caller does to a page, the next does not see", () => {
      const finder = Finder.make()
      const { entries } = Result.getOrThrow(finder.findSync({ version: 1, state }, {}))
      expect(() => (entries as Array<Entry.Entry>).pop()).toThrow(TypeError)
      expect(found(finder, { version: 1, state }, {})).toEqual(all)
      const page = Result.getOrThrow(finder.findSync({ version: 1, state }, {}, { limit: 1 }))
      expect(() => (page.entries as Array<Entry.Entry>).pop()).toThrow(TypeError)
    })

    it("G6: another state has other answers under the same version", () => {
      const finder = Finder.make()
      expect(found(finder, { version: 0, state: State.empty }, ".kind=service")).toEqual([])
      expect(found(finder, { version: 0, state }, ".kind=service")).toEqual(["app:a"])
      const changed = State.update(state, (builder) => builder.remove(state.get("app:a")!.id))
      expect(found(finder, { version: 0, state: changed }, ".kind=service")).toEqual([])
      expect(found(finder, { version: 0, state }, ".kind=service")).toEqual(["app:a"])
    })

    it("G7: the size of the cache counts, for every state", () => {
      const finder = Finder.make({ queryCacheSize: 2 })
      const later = State.update(state, (builder) => builder.remove(state.get("app:a")!.id))
      for (const [version, of] of [state, later].entries()) {
        const ask = (query: string) => Result.getOrThrow(finder.findSync({ version, state: of }, query)).entries
        const first = ask("meta.port=80")
        ask("meta.port=443")
        expect(ask("meta.port=80")).toBe(first)
        ask("meta.port=1")
        expect(ask("meta.port=80")).toBe(first)
        expect(ask("meta.port=443")).toEqual(ask("meta.port=443"))
        ask("meta.port=2")
        ask("meta.port=3")
        expect(ask("meta.port=80")).not.toBe(first)
      }
    })

    it("G7: nothing is kept where the size is 0", () => {
      const finder = Finder.make({ queryCacheSize: 0, regexCacheSize: 0 })
      const ask = () => Result.getOrThrow(finder.findSync({ version: 1, state }, "~.name=a|b")).entries
      expect(idsOf(ask())).toEqual(all)
      expect(ask()).not.toBe(ask())
    })

    it("G8: a target is one state, so that no answer of one lands under another", () => {
      const finder = Finder.make()
      const later = State.update(state, (builder) =>
        builder.set(Entry.makeUnsafe(service("c", { port: 80, tags: ["api"] })))
      )
      const asked = [
        found(finder, { version: 1, state }, "meta.port=80"),
        found(finder, { version: 2, state: later }, "meta.port=80"),
        found(finder, { version: 1, state }, "meta.port=80")
      ]
      expect(asked).toEqual([["app:a"], ["app:a", "app:c"], ["app:a"]])
    })

    it("G9: a glob may hold any number of stars", () => {
      expect(find(state, { ".kind": "*nction*u*" })).toEqual(["app:b"])
      expect(find(state, { ".id": "*p*:*" })).toEqual(all)
    })

    it("G10: nested paths, ranges, negation, alternatives, paging and order are there", () => {
      const ports = stateOf(
        service("a", { server: { port: 80 } }),
        service("b", { server: [{ port: 443 }, { port: 8080 }] }),
        service("c", {})
      )
      expect(find(ports, ">meta.server.port=400 <meta.server.port=500")).toEqual(["app:b"])
      expect(find(ports, "!>=meta.server.port=400")).toEqual(["app:a", "app:c"])
      expect(find(ports, "any(meta.server.port=80 !?meta.server)")).toEqual(["app:a", "app:c"])
      expect(find(ports, "", { sortBy: "meta.server.port", descending: true })).toEqual(["app:b", "app:a", "app:c"])
    })

    it("G11: an index leaves few entries to look at, in a snapshot too", () => {
      const looked = new Set<string>()
      const watched = Array.from({ length: 200 }, (_, i) => Entry.makeUnsafe(service(`e${i}`, { port: i })))
      const many = State.fromIterable(watched)
      const finder = Finder.make()
      const target = { version: 1, state: many }
      found(finder, target, "meta.port=7")
      const later = State.update(many, (builder) => builder.set(Entry.makeUnsafe(service("e7", { port: 7000 }))))
      // An entry is come by through `get`, or through the iteration of all.
      const spied = new Proxy(later, {
        get: (state, key) => {
          if (key === Symbol.iterator || key === "entries") throw new Error("the state was scanned")
          if (key === "get") {
            return (id: Entry.Entry["id"]) => {
              looked.add(id.value)
              return state.get(id)
            }
          }
          return Reflect.get(state, key, state) as unknown
        }
      })
      expect(found(finder, { version: 2, state: spied }, ">=meta.port=6990")).toEqual(["app:e7"])
      expect([...looked]).toEqual(["app:e7"])
      looked.clear()
      expect(found(finder, { version: 2, state: spied }, "meta.port=9")).toEqual(["app:e9"])
      expect(found(finder, { version: 2, state: spied }, ">=meta.port=50 <meta.port=53")).toEqual([
        "app:e50",
        "app:e51",
        "app:e52"
      ])
      expect([...looked]).toEqual(["app:e9", "app:e50", "app:e51", "app:e52"])
    })
  })

  it("lets go of a snapshot when nobody holds it", async () => {
    const finder = Finder.make()
    const live = stateOf(service("a", { port: 80 }))
    const search = () => {
      const snapshot = stateOf(service("b", { port: 80 }))
      found(finder, { version: 1, state: snapshot }, "meta.port=80")
      return new WeakRef(snapshot)
    }
    found(finder, { version: 2, state: live }, "meta.port=80")
    const snapshot = search()
    for (let turn = 0; turn < 20 && snapshot.deref() !== undefined; turn++) {
      await new Promise((resolve) => setImmediate(resolve))
      collectGarbage()
    }
    expect(snapshot.deref()).toBeUndefined()
    expect(found(finder, { version: 2, state: live }, "meta.port=80")).toEqual(["app:a"])
  })

  it.layer(Finder.layer({ queryCacheSize: 10 }))((it) => {
    it.effect("is a service, with typed errors in the error channel", () =>
      Effect.gen(function* () {
        const finder = yield* Finder.Finder
        const target = { version: 1, state: stateOf(service("a", { port: 80 })) }
        const page = yield* finder.find(target, { "meta.port": 80 })
        expect(idsOf(page.entries)).toEqual(["app:a"])
        const wrong = yield* Effect.flip(finder.find(target, "port=80"))
        expect(wrong).toBeInstanceOf(Query.InvalidQuery)
        const cursor = yield* Effect.flip(finder.find(target, "", { cursor: "x" }))
        expect(cursor).toBeInstanceOf(Finder.InvalidCursor)
      })
    )
  })
})
