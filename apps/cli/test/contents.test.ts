/** Contents beside a history: that they are checked with it, and move with it. */
import { randomUUID } from "node:crypto"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { BlobStore } from "@heph/content/BlobStore"
import * as ContentStore from "@heph/content/ContentStore"
import * as HistoryUrl from "@heph/history-url/HistoryUrl"
import * as Postgres from "@heph/test-postgres/url"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { definitions, folder, inside, json } from "./support.ts"

const server = () => `${Postgres.url()}?schema=cli_tests&registry=${randomUUID()}`

/** Does something with the contents of a store. */
const within = <A, E>(url: string, work: Effect.Effect<A, E, ContentStore.ContentStore | BlobStore>) =>
  Effect.provide(work, ContentStore.layer().pipe(Layer.provideMerge(Layer.fresh(HistoryUrl.layerWithContent(url)))))

const text = (n: number) => new TextEncoder().encode(Array.from({ length: 100 }, (_, i) => `${i * n}\n`).join(""))

/** A store of one version and these contents, each near the one before; gives their hashes. */
const filled = Effect.fnUntraced(function* (store: string, numbers: ReadonlyArray<number>) {
  const at = folder({ "app.yaml": definitions("app", [{ name: "a", kind: "k" }]) })
  expect((yield* inside(store, ["apply", join(at, "app.yaml")])).code).toBe(0)
  return yield* put(store, numbers)
})

const put = (store: string, numbers: ReadonlyArray<number>) =>
  within(
    store,
    Effect.gen(function* () {
      const contents = yield* ContentStore.ContentStore
      const hashes: Array<string> = []
      for (const n of numbers) hashes.push((yield* contents.put({ bytes: text(n), near: hashes.slice(-1) })).hash)
      return hashes
    })
  )

/** Puts other bytes in the place of a content's. */
const damage = (store: string, hash: string) =>
  within(
    store,
    Effect.gen(function* () {
      const blobs = yield* BlobStore
      const row = (yield* blobs.read([hash])).find((row) => row.hash === hash)!
      expect(yield* blobs.rebase({ blob: { ...row, bytes: row.bytes.toReversed() }, from: row.base })).toBe(true)
    })
  )

describe("verify", () => {
  it.effect("reads every content, names those that are damaged, and ends with 1", () =>
    Effect.gen(function* () {
      const store = join(folder(), "registry")
      const [, second, , last] = yield* filled(store, [1, 2, 7, 7 * 31, 7 * 31 + 1])
      expect(json(yield* inside(store, ["verify", "--json"]))).toEqual({
        ok: true,
        versions: 1,
        contents: 5,
        damage: []
      })
      expect((yield* inside(store, ["verify"])).stdout).toBe(
        "Sound: 1 version, each read and replayed, and 5 contents, each read and checked.\n"
      )
      yield* damage(store, second!)
      yield* damage(store, last!)
      const verified = yield* inside(store, ["verify", "--json"])
      expect(verified).toMatchObject({ code: 1, stderr: "" })
      const report = JSON.parse(verified.stdout) as {
        readonly damage: ReadonlyArray<{ readonly what: string; readonly reason: string }>
      }
      expect(report).toMatchObject({ ok: false, versions: 1, contents: 5 })
      const whats = report.damage.map(({ what }) => what)
      expect(whats).toEqual(expect.arrayContaining([`content ${second}`, `content ${last}`]))
      const people = yield* inside(store, ["verify"])
      expect(people.code).toBe(1)
      for (const what of whats) expect(people.stdout).toContain(what)
    })
  )
})

describe("migrate", () => {
  it.effect("brings all contents to a server and back, and what came since when it is run again", () =>
    Effect.gen(function* () {
      const at = folder()
      const [store, there, back] = [join(at, "registry"), server(), `sqlite:${join(at, "back.db")}`]
      const hashes = yield* filled(store, [1, 2, 3, 4])
      const migrate = (from: string, to: string) =>
        Effect.map(inside(store, ["migrate", "--from", from, "--to", to, "--json"]), json)
      expect(yield* migrate(store, there)).toMatchObject({ versions: 1, copied: 1, contents: 4, contentsCopied: 4 })
      hashes.push(...(yield* put(store, [5])))
      expect(yield* migrate(store, there)).toMatchObject({ copied: 0, contents: 5, contentsCopied: 1 })
      yield* migrate(there, back)
      for (const url of [there, back]) {
        expect(json(yield* inside(url, ["verify", "--json"]))).toMatchObject({ ok: true, versions: 1, contents: 5 })
        const read = Effect.flatMap(ContentStore.ContentStore, ({ get }) => Effect.forEach(hashes, get))
        expect(yield* within(url, read)).toEqual([1, 2, 3, 4, 5].map(text))
      }
      const people = yield* inside(store, ["migrate", "--from", there, "--to", back])
      expect(people.stdout).toContain(
        "holds 1 version, 1 move of head, 0 tags and 5 contents; 0 versions and 0 contents came now."
      )
    })
  )

  it.effect("stops at a content that is damaged, before any version is there that may name it", () =>
    Effect.gen(function* () {
      const at = folder()
      const [store, there] = [join(at, "registry"), join(at, "there")]
      const [first] = yield* filled(store, [1, 2])
      yield* damage(store, first!)
      const migrated = yield* inside(store, ["migrate", "--from", store, "--to", there, "--json"])
      expect(migrated).toMatchObject({ code: 1, stdout: "" })
      expect(JSON.parse(migrated.stderr)).toMatchObject({ error: { _tag: "ContentDamaged" } })
      expect(json(yield* inside(there, ["verify", "--json"]))).toMatchObject({ ok: true, versions: 0, contents: 0 })
    })
  )
})
