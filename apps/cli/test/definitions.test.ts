import { cpSync, existsSync, readFileSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type Ended, folder, inside, json } from "./support.ts"

// Definition files that nobody wrote for this project. They are not part of it.
const real = process.env["HEPH_DEFINITIONS"] ?? resolve(import.meta.dirname, "../../../../shared/data/definitions")
const isThere = existsSync(real)
if (!isThere) {
  console.warn(`no definition files at ${real}, so they are not applied: name another folder in HEPH_DEFINITIONS`)
}

interface Plan {
  readonly operations: ReadonlyArray<{ readonly op: string; readonly id: string; readonly kind: string }>
}
const planOf = (answer: Ended) => json(answer) as Plan

/** Applies a copy of a folder, twice, then with one comment changed in a file, and goes back and forward. */
const applies = Effect.fnUntraced(function* (source: string, changing: string) {
  const at = folder()
  const store = join(at, "registry")
  const copy = join(at, "definitions")
  cpSync(source, copy, { recursive: true })
  const plan = planOf(yield* inside(store, ["plan", copy, "--json"]))
  const created = plan.operations.length
  expect(json(yield* inside(store, ["apply", copy, "--json"]))).toEqual({
    version: 1,
    parent: 0,
    created,
    updated: 0,
    deleted: 0
  })
  const shown = planOf(yield* inside(store, ["show", "v1", "--json"]))
  const order = shown.operations.map(({ id }) => id)
  expect(order).toEqual(plan.operations.map(({ id }) => id))
  let edges = 0
  for (const [place, id] of order.entries()) {
    const { ids } = json(yield* inside(store, ["deps", id, "--json"])) as { readonly ids: ReadonlyArray<string> }
    edges += ids.length
    for (const dependency of ids) expect(order.indexOf(dependency)).toBeLessThan(place)
  }

  expect(json(yield* inside(store, ["apply", copy, "--prune", "--json"]))).toMatchObject({ version: null, parent: 1 })
  const file = join(copy, changing)
  const text = readFileSync(file, "utf8")
  const comment = /\bcomment: \w.*?(?=[,}]|$)/m
  expect(text).toMatch(comment)
  writeFileSync(file, text.replace(comment, "comment: Changed"))
  const changed = planOf(yield* inside(store, ["plan", copy, "--json"]))
  expect(changed.operations).toEqual([
    { op: "update", id: expect.any(String) as unknown, kind: expect.any(String) as unknown }
  ])

  const before = yield* inside(store, ["export", "--json"])
  expect(json(yield* inside(store, ["checkout", "v0", "--json"]))).toEqual({ version: 0 })
  expect(json(yield* inside(store, ["checkout", "v1", "--json"]))).toEqual({ version: 1 })
  expect(yield* inside(store, ["export", "--json"])).toEqual(before)
  return { created, edges }
})

describe("folders of definitions apply in one transaction, dependencies first, and not twice", () => {
  it.effect("the examples", () =>
    Effect.gen(function* () {
      const examples = join(import.meta.dirname, "../examples")
      const { created, edges } = yield* applies(examples, "users/_index.yaml")
      expect(created).toBeGreaterThanOrEqual(150)
      expect(edges).toBeGreaterThan(created)
    })
  )

  // They are beside the repository on the machines of those who work on it.
  it.effect.skipIf(!isThere)("definition files of other projects", () =>
    Effect.gen(function* () {
      expect((yield* applies(real, "oauth/_index.yaml")).created).toBe(278)
    })
  )
})
