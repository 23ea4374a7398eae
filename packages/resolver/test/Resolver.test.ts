import { describe, expect, it } from "@effect/vitest"
import * as Entry from "@heph/entry/Entry"
import * as EntryId from "@heph/entry/EntryId"
import * as DependencyGraph from "@heph/resolver/DependencyGraph"
import * as Reference from "@heph/resolver/Reference"
import * as Resolver from "@heph/resolver/Resolver"
import * as Effect from "effect/Effect"

const entry = Entry.makeUnsafe({
  id: "app:api",
  kind: "service",
  meta: { depends_on: ["db", "cache"], server: "gateway", groups: ["web", "db"] },
  data: { imports: { a: "db", b: "lib:log" } }
})

describe("declared", () => {
  it("is what meta.depends_on says", () => {
    expect(Resolver.declared(entry).entries.map((id) => id.value)).toEqual(["app:db", "app:cache"])
    expect(Resolver.declared(Entry.makeUnsafe({ id: "a:b", kind: "k" }))).toBe(Reference.none)
  })

  it("D7: never takes being in a group for a dependency", () => {
    const member = Entry.makeUnsafe({
      id: "app:backend",
      kind: "k",
      meta: { groups: ["backend", "x"], depends_on: "group:x" }
    })
    expect(Resolver.declared(member)).toEqual({ entries: [], groups: ["x"], namespaces: [] })
    const other = Entry.makeUnsafe({ id: "app:x", kind: "k", meta: { depends_on: "group:backend" } })
    const ordered = DependencyGraph.order([other, member], Resolver.declared)
    expect(ordered.map((entry) => entry.id.value)).toEqual(["app:backend", "app:x"])
  })

  it("D16: leaves the lists of an entry alone", () => {
    const patterns = [{ path: "meta.depends_on" }, { path: "data.imports.*", allowWildcard: true }]
    const references = Effect.runSync(Resolver.make(patterns)).references()
    const meta = structuredClone(entry.meta)
    for (let i = 0; i < 3; i++) references(entry)
    expect(entry.meta).toEqual(meta)
    expect(Object.isFrozen(entry.meta["depends_on"])).toBe(true)
  })
})

describe("a resolver", () => {
  it.effect("finds references at every pattern's places, each once", () =>
    Effect.gen(function* () {
      const resolver = yield* Resolver.Resolver
      yield* resolver.registerPattern({ path: "meta.server" })
      yield* resolver.registerPattern({ path: "data.imports.*", allowWildcard: true })
      yield* resolver.registerPattern({ path: "meta.server" })
      const { entries } = resolver.references()(entry)
      expect(entries.map((id) => id.value)).toEqual(["app:db", "app:cache", "app:gateway", "lib:log"])
    }).pipe(Effect.provide(Resolver.layer()))
  )

  it.effect("lists its patterns as they were registered, in a list of its caller's own", () =>
    Effect.gen(function* () {
      const first = { path: "meta.parent", description: "where it belongs" }
      const resolver = yield* Resolver.make([first])
      yield* resolver.registerPattern({ path: "meta.parent" })
      const listed = resolver.patterns() as Array<unknown>
      expect(listed).toEqual([
        { path: "meta.depends_on", description: expect.stringContaining("depends on") as string },
        first,
        { path: "meta.parent" }
      ])
      listed.length = 0
      expect(resolver.patterns()).toHaveLength(3)
    })
  )

  it.effect("D8: gives other references after a pattern was registered, and the same ones until then", () =>
    Effect.gen(function* () {
      const resolver = yield* Resolver.make()
      const before = resolver.references()
      expect(resolver.references()).toBe(before)
      yield* resolver.registerPattern({ path: "meta.server" })
      const after = resolver.references()
      expect(after).not.toBe(before)
      // An index of before keeps to what it was built with; one that is built again has the pattern everywhere.
      const server = EntryId.parseUnsafe("app:gateway")
      expect(DependencyGraph.fromState([entry], before).dependentsOf(server)).toEqual([])
      expect(DependencyGraph.fromState([entry], after).dependentsOf(server)).toEqual([entry.id])
    })
  )

  it.effect("refuses a pattern that cannot be used, and is as before", () =>
    Effect.gen(function* () {
      const resolver = yield* Resolver.make()
      const before = resolver.references()
      const refused = yield* Effect.flip(resolver.registerPattern({ path: "imports" }))
      expect(refused._tag).toBe("InvalidPattern")
      expect(resolver.references()).toBe(before)
      expect(resolver.patterns()).toHaveLength(1)
      expect((yield* Effect.flip(Resolver.make([{ path: "" }]))).path).toBe("")
    })
  )

  it("is the same for two entries of the same content", () => {
    const references = Resolver.declared
    const again = Entry.makeUnsafe({ id: entry.id, kind: entry.kind, meta: entry.meta, data: entry.data })
    expect(references(again)).toEqual(references(entry))
  })
})
