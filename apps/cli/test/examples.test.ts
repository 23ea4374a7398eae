import { readdirSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Definition from "@heph/definition/Definition"
import * as DependencyGraph from "@heph/resolver/DependencyGraph"
import * as DependencyPattern from "@heph/resolver/DependencyPattern"
import * as Reference from "@heph/resolver/Reference"
import * as Resolver from "@heph/resolver/Resolver"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"

const folder = join(import.meta.dirname, "../examples")
const load = Definition.load([folder])

const places = ["meta.depends_on", "meta.server", "meta.router", "meta.host", "data.imports.*", "data.func"]
const references = Resolver.referencesAt(
  places.map((path) => Result.getOrThrow(DependencyPattern.compile({ path, allowWildcard: true })))
)

describe("the examples", () => {
  it.effect("load, every file of them", () =>
    Effect.gen(function* () {
      const names = readdirSync(folder, { recursive: true, encoding: "utf8" })
      const yaml = names.filter((name) => name.endsWith(".yaml"))
      const { entries, files, skipped } = yield* load
      expect(skipped).toEqual([])
      expect(yaml.length).toBeGreaterThanOrEqual(20)
      expect(files).toBe(yaml.length + names.filter((name) => name.endsWith(".json")).length)
      expect(entries.length).toBeGreaterThanOrEqual(150)
    })
  )

  it.effect("refer to entries, groups and namespaces that are there, and never in a circle", () =>
    Effect.gen(function* () {
      const entries = (yield* load).entries.map(({ entry }) => entry)
      const ids = new Set(entries.map(({ id }) => id))
      const sets = new Set(entries.flatMap(Reference.setsOf))
      const missing = entries.flatMap((entry) => {
        const found = references(entry)
        const unknown = [
          ...found.entries.filter((id) => !ids.has(id)),
          ...Reference.setsIn(found).filter((set) => !sets.has(set))
        ]
        return unknown.map((reference) => `${entry.id} → ${reference}`)
      })
      expect(missing).toEqual([])
      expect(DependencyGraph.fromState(entries, references).cycles()).toEqual([])
    })
  )

  it.effect("show every way to refer to something", () =>
    Effect.gen(function* () {
      const all = (yield* load).entries.map(({ entry }) => Resolver.declared(entry))
      expect(all.some(({ groups }) => groups.length > 0)).toBe(true)
      expect(all.some(({ namespaces }) => namespaces.length > 0)).toBe(true)
      expect(all.some(({ entries }) => entries.length > 0)).toBe(true)
    })
  )

  it.effect("put files in the place of their names, an image as its bytes", () =>
    Effect.gen(function* () {
      const entries = new Map((yield* load).entries.map(({ entry }) => [entry.id.value, entry]))
      expect(entries.get("shop.mail:logo")?.data).toBeInstanceOf(Uint8Array)
      expect(JSON.stringify(entries.get("shop.orders:place")?.data)).toContain("local function handle")
      expect(entries.get("shop.config.limits:order_numbers")?.data).toEqual({ first: 9007199254740993n })
      const left = [...entries.values()].filter(({ data, meta }) => /"file:\/\//.test(text([data, meta])))
      expect(left).toEqual([])
    })
  )
})

const text = (value: unknown): string =>
  JSON.stringify(value, (_, item: unknown) => (typeof item === "bigint" ? String(item) : item))
