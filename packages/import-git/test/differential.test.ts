import * as NodeServices from "@effect/platform-node/NodeServices"
import { describe, expect, it } from "@effect/vitest"
import type { FileVersion } from "@heph/import-git/Commit"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { history } from "./fixtures/histories.ts"
import { nameOf, read } from "./fixtures/import.ts"
import { expected } from "./fixtures/oracle.ts"
import { git, repository } from "./fixtures/repositories.ts"

const modes = { file: "100644", executable: "100755", link: "120000" }

const same = Effect.fnUntraced(function* (commits: Parameters<typeof repository>[0]) {
  const { folder } = yield* repository(commits)
  const found = yield* read(folder, { revisions: "all" })
  const wanted = expected(folder, "--all")
  expect(found.map(([{ version }]) => nameOf(version)).sort()).toEqual([...wanted.keys()].sort())
  const seen = new Set<FileVersion>()
  for (const [{ parents, version }, { bytes }] of found) {
    const { mode, parents: wantedParents } = wanted.get(nameOf(version))!
    expect([nameOf(version), parents.map(nameOf), modes[version.kind]]).toEqual([nameOf(version), wantedParents, mode])
    expect(Buffer.from(bytes!).equals(git(folder, ["show", nameOf(version)]))).toBe(true)
    // The very objects that were given before.
    expect(parents.every((parent) => seen.has(parent))).toBe(true)
    seen.add(version)
  }
  return found.length
})

describe("random histories", () => {
  it("have the versions, contents and parents that a look at whole trees finds", { timeout: 120_000 }, async () => {
    let versions = 0
    let merged = 0
    await fc.assert(
      fc.asyncProperty(history, async (commits) => {
        merged += commits.filter(({ parents }) => parents.length > 1).length
        versions += await Effect.runPromise(Effect.scoped(same(commits)).pipe(Effect.provide(NodeServices.layer)))
      }),
      { numRuns: 40 }
    )
    expect(versions).toBeGreaterThan(100)
    expect(merged).toBeGreaterThan(10)
  })
})
