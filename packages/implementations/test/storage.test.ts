import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as ContentStore from "@heph/content/ContentStore"
import * as Backup from "@heph/history-sqlite/Backup"
import * as BackupSchedule from "@heph/implementations/BackupSchedule"
import * as Implementations from "@heph/implementations/Implementations"
import * as Storage from "@heph/implementations/Storage"
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import { lines, policy, text } from "./support.ts"

const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "heph-storage-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)
const frequency = (text: string) => Result.getOrThrow(BackupSchedule.parse(text))
const day = 86_400_000

const opened = <A, E>(
  url: string,
  use: (implementations: Implementations.Implementations["Service"]) => Effect.Effect<A, E, Storage.Services>,
  options?: Storage.Options
) => Effect.provide(Effect.flatMap(Implementations.Implementations, use), Storage.layer(url, options))

/** Looks again and again, while others work, until it is so. */
const until = <A, E>(look: Effect.Effect<A, E>, isSo: (found: A) => boolean): Effect.Effect<A, E> =>
  Effect.flatMap(look, (found) =>
    isSo(found)
      ? Effect.succeed(found)
      : Effect.andThen(
          Effect.promise(() => new Promise((resolve) => setImmediate(resolve))),
          until(look, isSo)
        )
  )

describe("a store in a folder", () => {
  it.effect("has everything again when it is opened again", () =>
    Effect.gen(function* () {
      const url = join(yield* temporary, "registry")
      yield* opened(url, ({ recordTestResults, register }) =>
        Effect.gen(function* () {
          for (let i = 0; i < 5; i++) yield* register(lines(i), { component: "a.b", metrics: { score: i } })
          yield* recordTestResults("a.b:3", [{ name: "t", outcome: "failed" }])
        })
      )
      const seen = yield* opened(
        url,
        ({ getLineage, getVersion, search, testResults }) =>
          Effect.gen(function* () {
            for (let i = 0; i < 5; i++) {
              expect(text((yield* getVersion(`a.b:${i + 1}`)).code.get("main"))).toBe(lines(i))
            }
            expect(yield* testResults("a.b:3")).toEqual([{ name: "t", outcome: "failed" }])
            expect((yield* getLineage("a.b:5")).ancestors.length).toBe(4)
            return (yield* search([">=meta.metrics.score=3"])).versions.map(({ id }) => id)
          }),
        { readOnly: true }
      )
      expect(seen).toEqual(["a.b:4", "a.b:5"])
      const refused = opened(url, ({ register }) => register("x", { component: "a.b" }), { readOnly: true })
      expect(yield* Effect.flip(refused)).toMatchObject({ _tag: "HistoryStoreError", reason: "ReadOnly" })
    }).pipe(Effect.scoped)
  )

  it.effect("frees on disk what pruning removes", () =>
    Effect.gen(function* () {
      const url = join(yield* temporary, "registry")
      const pages = () => {
        const database = new Sqlite(join(url, "registry.db"), { readonly: true })
        const count = database.pragma("page_count", { simple: true }) as number
        database.close()
        return count
      }
      // What nothing compresses, so that each takes its room.
      const noise = (seed: number) => {
        let state = seed + 1
        return Uint8Array.from({ length: 100_000 }, () => (state = (state * 48_271) % 2_147_483_647))
      }
      yield* opened(url, ({ register }) =>
        Effect.forEach(
          Array.from({ length: 20 }, (_, i) => i),
          (i) => register(noise(i), { component: "a.b" })
        )
      )
      const before = pages()
      yield* opened(url, ({ getVersion, prune }) =>
        Effect.gen(function* () {
          const { content } = yield* prune({ policy: policy("keep-last-2") })
          expect(content.removed.length).toBe(18)
          expect((yield* getVersion("a.b:19")).code.get("main")).toEqual(noise(18))
          expect((yield* getVersion("a.b:20")).code.get("main")).toEqual(noise(19))
        })
      )
      expect(pages()).toBeLessThan(before / 3)
    }).pipe(Effect.scoped)
  )

  it.effect("says which content is damaged, and which versions need it; the others are read", () =>
    Effect.gen(function* () {
      const url = join(yield* temporary, "registry")
      yield* opened(url, ({ register }) =>
        Effect.gen(function* () {
          yield* register({ "a.ts": "sound", "b.ts": "another" }, { component: "a.b" })
          yield* register(lines(1), { component: "a.c" })
          yield* register({ "x.ts": lines(1), "y.ts": "sound" }, { component: "a.d" })
        })
      )
      const database = new Sqlite(join(url, "registry.db"))
      const damaged = database
        .prepare(
          "UPDATE contents SET bytes = CAST(substr(bytes, 1, 20) || x'ff' || substr(bytes, 22) AS BLOB) WHERE size = ?"
        )
        .run(lines(1).length)
      database.close()
      expect(damaged.changes).toBe(1)
      yield* opened(url, ({ describe, getVersion, verify }) =>
        Effect.gen(function* () {
          const { files } = yield* describe("a.c:1")
          const error = { _tag: "ContentDamaged", hash: files[0]!.hash }
          expect(yield* Effect.flip(getVersion("a.c:1"))).toMatchObject(error)
          expect(yield* Effect.flip(getVersion("a.d:1"))).toMatchObject(error)
          expect((yield* getVersion("a.b:1")).code.size).toBe(2)
          expect(yield* verify()).toMatchObject([{ hash: files[0]!.hash, versions: ["a.c:1", "a.d:1"] }])
        })
      )
    }).pipe(Effect.scoped)
  )
})

describe("backups", () => {
  it.effect("are made when one is due, of contents too, and the newest are kept", () =>
    Effect.gen(function* () {
      const folder = yield* temporary
      const url = join(folder, "registry")
      yield* TestClock.setTime(100 * day)
      yield* opened(url, ({ register }) => register("one", { component: "a.b" }))
      const daily = frequency("daily")
      const created = 100 * day
      expect(yield* Storage.backupIfDue(url, daily, created)).toBe(undefined)
      for (let i = 0; i < Storage.keptBackups + 2; i++) {
        yield* TestClock.adjust("1 day")
        expect((yield* Storage.backupIfDue(url, daily, created))?.head).toBe(1)
        expect(yield* Storage.backupIfDue(url, daily, created)).toBe(undefined)
      }
      const kept = yield* Backup.list(Backup.scheduledFolder(join(url, "registry.db")))
      expect(kept.map(({ time }) => time / day)).toEqual(
        Array.from({ length: Storage.keptBackups }, (_, i) => 100 + Storage.keptBackups + 2 - i)
      )
      expect(yield* Storage.backupIfDue(url, frequency("never"), 0)).toBe(undefined)
      yield* opened(url, ({ register }) => register("two", { component: "a.b" }))
      const { replaced } = yield* Storage.restore(url, kept[0]!.file)
      expect(replaced).not.toBe(undefined)
      yield* opened(url, ({ getVersion, listVersions }) =>
        Effect.gen(function* () {
          expect((yield* listVersions("a.b")).total).toBe(1)
          expect(text((yield* getVersion("a.b:1")).code.get("main"))).toBe("one")
          expect(yield* (yield* ContentStore.ContentStore).verify()).toEqual([])
        })
      )
    }).pipe(Effect.scoped)
  )

  it.effect("are made on schedule as long as the store is open", () =>
    Effect.gen(function* () {
      const url = join(yield* temporary, "registry")
      const scheduled = Effect.catchIf(
        Backup.list(Backup.scheduledFolder(join(url, "registry.db"))),
        ({ reason }) => reason === "NotFound",
        () => Effect.succeed([])
      )
      const times = opened(
        url,
        ({ register }) =>
          Effect.gen(function* () {
            yield* register("one", { component: "a.b" })
            for (const hours of [1, 2]) {
              yield* TestClock.adjust("1 hour")
              yield* until(scheduled, (made) => made.length === hours)
            }
            return (yield* scheduled).map(({ time }) => time / 3_600_000)
          }),
        { backupFrequency: frequency("hourly") }
      )
      const fiber = yield* Effect.forkChild(times)
      expect(yield* Fiber.join(fiber)).toEqual([2, 1])
    }).pipe(Effect.scoped)
  )

  it.effect("are refused by name where the store is no file", () =>
    Effect.gen(function* () {
      const refused = yield* Effect.flip(Storage.backup("memory:"))
      expect(refused).toMatchObject({ _tag: "NoBackups", store: "memory:" })
    })
  )
})
