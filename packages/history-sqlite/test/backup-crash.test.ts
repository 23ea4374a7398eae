/** Backups beside a writer that never stops, and backups and restores that are killed at any moment. */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Backup from "@heph/history-sqlite/Backup"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { fill, names, whole } from "./fixtures/backup-stores.ts"
import { temporaryFile, temporaryFolder } from "./fixtures/files.ts"
import { onSmallDisk, run } from "./fixtures/processes.ts"

/** Numbers that follow from a seed, so that a run can be repeated. */
const numbers = (seed: number, length: number, max: number): ReadonlyArray<number> =>
  fc.sample(fc.nat(max), { numRuns: length, seed })

/** Kills a process so many turns of this event loop after a line. */
const killedAfter = (line: number, turns: number) => {
  let seen = 0
  return (_: string, child: { readonly kill: (signal: "SIGKILL") => boolean }): void => {
    if (++seen !== line) return
    const killAfter = (turns: number): void => {
      if (turns === 0) child.kill("SIGKILL")
      else setImmediate(() => killAfter(turns - 1))
    }
    killAfter(turns)
  }
}

describe("beside a process that writes all the time", () => {
  it.effect(
    "each backup is whole and holds an unbroken run of versions, all among them that were acknowledged before it began",
    () =>
      Effect.gen(function* () {
        const filename = yield* temporaryFile
        const to = yield* temporaryFolder
        let acknowledged = 0
        const made: Array<readonly [backup: Backup.Backup, before: number, after: number]> = []
        const one = Effect.suspend(() => {
          const before = acknowledged
          return Effect.map(Backup.backup({ filename, to }), (backup) => made.push([backup, before, acknowledged]))
        })
        const writer = yield* run(new URL("./fixtures/writer.ts", import.meta.url), [filename], {
          onLine: (line, child) => {
            if (line.startsWith("v ")) acknowledged = Number(line.slice(2))
            if (line !== "v 1") return
            const all = Effect.forEach([1, 2, 3, 4, 5, 6], () => one, { concurrency: 2, discard: true })
            void Effect.runPromise(all).finally(() => child.kill("SIGKILL"))
          }
        })
        assert.strictEqual(writer.signal, "SIGKILL", writer.stderr)
        assert.strictEqual(made.length, 6)
        for (const [{ file, versions }, before, after] of made) {
          // The writer did go on.
          assert.isAbove(after, before)
          assert.isAtLeast(versions, before)
          assert.strictEqual(yield* whole(file), versions)
        }
      }),
    60_000
  )
})

describe("kill -9", () => {
  it.effect(
    "of a process that makes backups: what has the name of one is whole, what was acknowledged is there, the rest goes",
    () =>
      Effect.gen(function* () {
        const filename = yield* temporaryFile
        const to = yield* temporaryFolder
        yield* fill(filename, 300)
        const lines = numbers(1, 8, 14)
        const turns = numbers(2, 8, 20_000)
        let halves = 0
        for (const [i, line] of lines.entries()) {
          const script = new URL("./fixtures/backup-maker.ts", import.meta.url)
          const ended = yield* run(script, [filename, to], { onLine: killedAfter(line + 1, turns[i]!) })
          assert.strictEqual(ended.signal, "SIGKILL", ended.stderr)
          const last = ended.lines.findLast((line) => line.startsWith("d "))
          if (last !== undefined) assert.isTrue(fs.existsSync(last.slice(2)))
          halves += names(to).filter((name) => name.startsWith(".heph-partial-")).length
          for (const { file } of yield* Backup.list(to)) assert.strictEqual(yield* whole(file), 300)
        }
        // Some of them were killed in the middle of one.
        assert.isAbove(halves, 0)
        yield* Backup.backup({ filename, to, keep: 2 })
        assert.strictEqual((yield* Backup.list(to)).length, 2)
        assert.deepStrictEqual(
          names(to).filter((name) => name.startsWith(".")),
          []
        )
        assert.strictEqual(yield* whole(filename), 300)
      }),
    120_000
  )

  it.effect(
    "of a process that restores: the store is the old or the new one, whole, and all that it replaced is kept",
    () =>
      Effect.gen(function* () {
        const sources = yield* temporaryFolder
        const filename = yield* temporaryFile
        const folder = path.dirname(filename)
        // The i-th restore makes a store of this many versions.
        const length = (i: number) => 40 + (i % 5)
        for (let i = 0; i < 5; i++) yield* fill(path.join(sources, `${i}.db`), length(i))
        yield* fill(filename, 39)
        const expected: Array<number> = [39]
        const lines = numbers(3, 8, 10)
        const turns = numbers(4, 8, 20_000)
        let next = 0
        for (const [life, line] of lines.entries()) {
          const script = new URL("./fixtures/backup-restorer.ts", import.meta.url)
          const args = [sources, filename, String(next), "5"]
          const ended = yield* run(script, args, { onLine: killedAfter(line + 1, turns[life]!) })
          assert.strictEqual(ended.signal, "SIGKILL", ended.stderr)
          const done = ended.lines.filter((line) => line.startsWith("d ")).length
          for (let i = 0; i < done; i++) expected.push(length(next++))
          const found = yield* whole(filename)
          // One more was done, and the process killed before it could say so.
          if (found !== expected.at(-1)) expected.push(length(next++))
          assert.strictEqual(found, expected.at(-1))
          const inode = fs.statSync(filename).ino
          const replaced = names(folder).filter(
            (name) => name.includes(".replaced-") && fs.statSync(path.join(folder, name)).ino !== inode
          )
          const kept = yield* Effect.forEach(replaced, (name) => whole(path.join(folder, name)))
          assert.deepStrictEqual(kept, expected.slice(0, -1))
        }
        yield* Backup.restore({ from: path.join(sources, "0.db"), filename })
        assert.strictEqual(names(folder).length, expected.length + 1)
        assert.strictEqual(yield* whole(filename), 40)
      }),
    120_000
  )
})

describe("a full disk", () => {
  it.effect(
    "fails with Full, nothing is left of a backup or a restore, and it works once there is room",
    (context) =>
      Effect.gen(function* () {
        const filename = yield* temporaryFile
        yield* fill(filename, 250)
        assert.isAbove(fs.statSync(filename).size, 700_000)
        const disk = yield* temporaryFolder
        // Room for a copy, or for the ballast of 400 KB, not for both.
        const within = onSmallDisk(disk, Math.ceil(fs.statSync(filename).size / 1024) + 300)
        const { status, stderr: why } = spawnSync(within[0]!, [...within.slice(1), "true"], { encoding: "utf8" })
        if (status !== 0) context.skip(`NO SMALL DISK CAN BE MOUNTED HERE, SO A FULL ONE IS NOT TESTED: ${why}`)
        const script = new URL("./fixtures/backup-filler.ts", import.meta.url)
        const { code, lines, stderr } = yield* run(script, [filename, disk], { within })
        assert.strictEqual(code, 0, stderr)
        assert.deepStrictEqual(JSON.parse(lines.join("")), {
          backup: `Full ${path.basename(disk)}`,
          file: "Full b.db",
          restore: "Full registry.db",
          left: ["ballast"],
          afterwards: 250
        })
      }),
    60_000
  )
})
