/** Several processes on one store. */
import { randomUUID } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Implementations from "@heph/implementations/Implementations"
import * as Storage from "@heph/implementations/Storage"
import * as Postgres from "@heph/test-postgres/url"
import * as Effect from "effect/Effect"
import { start } from "./fixtures/processes.ts"
import { lines, text } from "./support.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "heph-implementations-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const places = [
  ["sqlite", ["incremental", "semantic", "content"], Effect.map(folder, (path) => join(path, "registry"))],
  // The name is found in the transaction, whatever the store.
  ["postgres", ["incremental"], Effect.sync(() => `${Postgres.url()}?registry=${randomUUID()}`)]
] as const

const opened = <A, E>(
  url: string,
  use: (implementations: Implementations.Implementations["Service"]) => Effect.Effect<A, E>
) => Effect.provide(Effect.flatMap(Implementations.Implementations, use), Storage.layer(url))

describe.each(places)("processes on one store: %s", (_, strategies, place) => {
  it.live.each(strategies)("eight register into one component: no id twice, no version lost (%s)", (strategy) =>
    Effect.gen(function* () {
      const url = yield* place
      yield* opened(url, ({ register }) => register("the first", { component: "all.code" }))
      const times = 12
      const workers = Array.from({ length: 8 }, (_, i) =>
        start([url, "register", String(i + 1), String(times), strategy])
      )
      yield* Effect.promise(() => Promise.all(workers.map(({ ready }) => ready)))
      for (const { begin } of workers) begin()
      const ended = yield* Effect.promise(() => Promise.all(workers.map(({ ended }) => ended)))
      expect(ended.map(({ code, stderr }) => ({ code, stderr }))).toEqual(ended.map(() => ({ code: 0, stderr: "" })))
      const said = ended.flatMap(({ lines }) => lines.map((line) => line.split(" ") as [id: string, number: string]))
      expect(said.length).toBe(8 * times)
      expect(new Set(said.map(([id]) => id)).size).toBe(8 * times)
      yield* opened(url, ({ getVersion, listVersions }) =>
        Effect.gen(function* () {
          const { versions } = yield* listVersions("all.code")
          expect(versions.map(({ sequence }) => sequence)).toEqual(versions.map((_, i) => i + 1))
          expect(new Set(versions.map(({ id }) => id)).size).toBe(8 * times + 1)
          // One chain: each comes from the one that was the newest when it was registered.
          expect(versions.map(({ parent }) => parent)).toEqual([null, ...versions.slice(0, -1).map(({ id }) => id)])
          for (const [id, number] of said) {
            expect(text((yield* getVersion(id)).code.get("main"))).toBe(lines(Number(number), 60))
          }
        })
      )
    }).pipe(Effect.scoped)
  )

  it.live("one prunes while others register, one of them killed: what is kept has its code", () =>
    Effect.gen(function* () {
      const url = yield* place
      yield* opened(url, ({ register }) => register("the first", { component: "all.code" }))
      const codes = new Map<string, number>()
      const keep = (line: string) => {
        const [id, number] = line.split(" ")
        codes.set(id!, Number(number))
      }
      const writers = Array.from({ length: 3 }, (_, i) => start([url, "register", String(i + 1), "25"], keep))
      let said = 0
      const killed = start([url, "register", "9", "25"], (line) => {
        keep(line)
        if (++said === 7) killed.kill()
      })
      const pruner = start([url, "prune"])
      const all = [...writers, killed, pruner]
      yield* Effect.promise(() => Promise.all(all.map(({ ready }) => ready)))
      for (const { begin } of all) begin()
      const ended = yield* Effect.promise(() => Promise.all([...writers, killed].map(({ ended }) => ended)))
      pruner.end()
      const pruned = yield* Effect.promise(() => pruner.ended)
      expect([...ended.slice(0, 3), pruned].map(({ code, stderr }) => ({ code, stderr }))).toEqual(
        Array.from({ length: 4 }, () => ({ code: 0, stderr: "" }))
      )
      expect(Number(pruned.lines[0]?.split(" ")[1])).toBeGreaterThan(0)
      yield* opened(url, ({ getVersion, listVersions, verify }) =>
        Effect.gen(function* () {
          const { versions } = yield* listVersions("all.code")
          expect(versions.length).toBeGreaterThanOrEqual(5)
          for (const { id } of versions) {
            const number = codes.get(id)
            const code = text((yield* getVersion(id)).code.get("main"))
            // What was registered by the process that was killed before it could say so is there all the same.
            if (number !== undefined) expect(code).toBe(lines(number, 60))
          }
          expect(yield* verify()).toEqual([])
        })
      )
    }).pipe(Effect.scoped)
  )
})
