import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { describe, expect, it } from "@effect/vitest"
import type { FileVersion } from "@heph/import-git/Commit"
import * as GitRepository from "@heph/import-git/GitRepository"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Lineage } from "../src/internal/lineage.ts"
import type { Difference } from "../src/internal/records.ts"
import { repository } from "./fixtures/repositories.ts"

setFlagsFromString("--expose-gc")
const collectGarbage = runInNewContext("gc") as () => void

const written = (text: string, blob: string): Difference => {
  const path = { text, lossy: false }
  return { status: "M", oldMode: "100644", mode: "100644", blob, path, oldPath: path }
}

describe("what is kept of a history", () => {
  it("is one map for a line, whatever its length, and none at its end", () => {
    const lineage = new Lineage(() => true)
    const kept = new Set<number>()
    for (let i = 0; i < 1000; i++) {
      const step = { id: String(i), parents: i === 0 ? [] : [String(i - 1)], children: i === 999 ? 0 : 1 }
      lineage.visit(step, [[written(`f${i % 10}`, String(i))]])
      kept.add(lineage.size)
    }
    expect([...kept]).toEqual([1, 0])
  })

  it("is a map for each branch that goes on, until its last child", () => {
    const lineage = new Lineage(() => true)
    lineage.visit({ id: "root", parents: [], children: 3 }, [[written("a", "1")]])
    for (const id of ["x", "y"]) lineage.visit({ id, parents: ["root"], children: 1 }, [[written("a", id)]])
    expect(lineage.size).toBe(3)
    lineage.visit({ id: "z", parents: ["root", "x", "y"], children: 0 }, [[], [], []])
    expect(lineage.size).toBe(0)
  })

  it.layer(NodeServices.layer)("is the last versions, with no way back to earlier ones", (it) => {
    it.effect("while 2,000 commits are read", () =>
      Effect.gen(function* () {
        const { folder } = yield* repository(
          Array.from({ length: 2000 }, (_, i) => ({ parents: i === 0 ? [] : [i - 1], files: { a: String(i), b: "b" } }))
        )
        const versions: Array<WeakRef<FileVersion>> = []
        let kept = 0
        const opened = yield* GitRepository.open(folder)
        yield* Stream.runForEach(Stream.rechunk(opened.commits, 1), ({ changes }) =>
          Effect.promise(async () => {
            for (const { version } of changes) versions.push(new WeakRef(version))
            if (versions.length !== 2001) return
            // A weak reference holds on until the end of the task that made it.
            await new Promise((resolve) => setImmediate(resolve))
            collectGarbage()
            kept = versions.filter((version) => version.deref() !== undefined).length
          })
        )
        expect(versions.length).toBe(2001)
        // The commits of one read of the pipe are there together.
        expect(kept).toBeLessThan(1000)
      })
    )
  })
})
