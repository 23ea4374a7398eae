import { existsSync, readdirSync, readFileSync } from "node:fs"
import { resolve } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Definition from "@heph/definition/Definition"
import * as Effect from "effect/Effect"

// Definition files that nobody wrote for this project. They are not part of it.
const folder = process.env["HEPH_DEFINITIONS"] ?? resolve(import.meta.dirname, "../../../../shared/data/definitions")
const isThere = existsSync(folder)
if (!isThere) {
  console.warn(`no definition files at ${folder}, so they are not checked: name another folder in HEPH_DEFINITIONS`)
}

// Left out where the folder is not, with the line above: the files belong to somebody else.
describe.skipIf(!isThere)("definition files of other projects", () => {
  it.effect("load, all of them", () =>
    Effect.gen(function* () {
      const texts = readdirSync(folder, { recursive: true, encoding: "utf8" })
        .filter((name) => name.endsWith("_index.yaml"))
        .map((name) => readFileSync(resolve(folder, name), "utf8"))
      const { entries, files, skipped } = yield* Definition.load([folder])
      expect(skipped).toEqual([])
      expect(files).toBe(texts.length)
      expect(entries).toHaveLength(texts.join("\n").match(/^ {2}- name: /gm)!.length)
      for (const { entry } of entries) expect(JSON.stringify([entry.meta, entry.data])).not.toContain("file://")
    })
  )
})
