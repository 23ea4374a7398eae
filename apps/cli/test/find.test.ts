import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { definitions, folder, inside, json } from "./support.ts"

/** A registry of thirty services, every third of them with a team. */
const registry = Effect.gen(function* () {
  const services = Array.from({ length: 30 }, (_, i) => ({
    name: `s${i}`,
    kind: i % 2 === 0 ? "service" : "job",
    meta: { port: 8000 + i, ...(i % 3 === 0 ? { team: "web" } : undefined) }
  }))
  const at = folder({ "app.yaml": definitions("app", services) })
  const heph = (...args: ReadonlyArray<string>) => inside(join(at, "registry"), args)
  expect((yield* heph("apply", join(at, "app.yaml"))).code).toBe(0)
  return heph
})

const idsOf = (found: unknown) =>
  (found as { readonly entries: ReadonlyArray<{ readonly id: string }> }).entries.map(({ id }) => id)

describe("find", () => {
  it.effect("takes groups of alternatives as one argument", () =>
    Effect.gen(function* () {
      const heph = yield* registry
      const ask = (...args: ReadonlyArray<string>) =>
        Effect.map(heph("find", "--json", ...args), (out) => idsOf(json(out)))
      expect(yield* ask("any(meta.port=8001 all(.kind=service meta.port=8002) all(.kind=job meta.port=8004))")).toEqual(
        ["app:s1", "app:s2"]
      )
      expect(yield* ask("!any(meta.team=web .kind=job)", "<meta.port=8010")).toEqual(["app:s2", "app:s4", "app:s8"])
    })
  )

  it.effect("--explain: the index, what it leaves, what answers, in place of the entries", () =>
    Effect.gen(function* () {
      const heph = yield* registry
      expect(yield* heph("find", ".kind=service", ">=meta.port=8020", "<meta.port=8023", "--explain")).toEqual({
        code: 0,
        stdout: [
          "index   criterion         candidates",
          "b-tree  <meta.port=8023   3           taken",
          "b-tree  .kind=service     15",
          "scan                      30",
          "b-tree  >=meta.port=8020  10",
          ""
        ].join("\n"),
        stderr: "2 entries of 3 candidates at v1, not cached\n"
      })
      expect(json(yield* heph("find", "!meta.team=web", "--explain", "--json"))).toEqual({
        version: 1,
        explain: {
          index: "scan",
          criterion: null,
          candidates: 30,
          matches: 20,
          cached: false,
          considered: [{ index: "scan", criterion: null, candidates: 30 }]
        }
      })
    })
  )

  it.effect("says where a query cannot be understood", () =>
    Effect.gen(function* () {
      const heph = yield* registry
      const { code, stderr } = yield* heph("find", ".kind=service", "any(meta.port=1 port=2)")
      expect(code).toBe(1)
      expect(stderr).toContain(`criterion 2, "port=2" at character 17: "port" is no field;`)
      expect(stderr).toContain("did you mean meta.port?")
    })
  )
})
