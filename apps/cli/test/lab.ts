/** A registry of implementations to test with, and what its first versions are like. */
import { hash as digest } from "node:crypto"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { expect } from "vitest"
import { folder, inside, json } from "./support.ts"

export const sha = (text: string | Uint8Array) => digest("sha256", text)

/** A folder with code in it, and commands on the registry beside it that print JSON. */
export const registry = (files: Record<string, string | Uint8Array> = {}) => {
  const at = folder({ "a.ts": "export const a = 1\n", "b.ts": "export const a = 2\n", ...files })
  const store = join(at, "registry")
  const run = (...args: ReadonlyArray<string>) => inside(store, [...args, "--json"])
  const ask = (...args: ReadonlyArray<string>) => Effect.map(run(...args), json)
  const register = (name: string, ...args: ReadonlyArray<string>) =>
    ask("register", join(at, name), "--component", "lab.a", ...args)
  return { at, store, run, ask, register }
}

/** Two versions of one component, at v1 and v2. */
export const two = Effect.gen(function* () {
  const it = registry()
  yield* it.register("a.ts", "--metric", "score=0.5", "--tag", "first", "--author", "ann", "-m", "one")
  yield* it.register("b.ts", "--metric", "score=0.75", "--goal", "more", "--field", "model=small")
  return it
})

export const first = {
  id: "lab.a:1",
  component: "lab.a",
  version: "1",
  sequence: 1,
  parent: null,
  parents: [],
  generation: 0,
  hash: sha("export const a = 1\n"),
  size: 19,
  files: [{ path: "a.ts", hash: sha("export const a = 1\n"), size: 19 }],
  language: "typescript",
  status: "untested",
  tests: null,
  metrics: { score: 0.5 },
  tags: ["first"],
  author: "ann",
  generator: null,
  goal: null,
  message: "one",
  context: null,
  imports: [],
  created: "1970-01-01T00:00:00.000Z",
  fields: {}
}
export const second = {
  ...first,
  id: "lab.a:2",
  version: "2",
  sequence: 2,
  parent: "lab.a:1",
  parents: ["lab.a:1"],
  generation: 1,
  hash: sha("export const a = 2\n"),
  files: [{ path: "b.ts", hash: sha("export const a = 2\n"), size: 19 }],
  metrics: { score: 0.75 },
  tags: [],
  author: null,
  goal: "more",
  message: null,
  fields: { model: "small" }
}

/** The error that a command ends with 1 for, having printed nothing. */
export const refused = Effect.fnUntraced(function* (run: ReturnType<typeof inside>) {
  const { code, stderr, stdout } = yield* run
  expect([code, stdout]).toEqual([1, ""])
  return (JSON.parse(stderr) as { readonly error: { readonly _tag: string; readonly message: string } }).error
})
