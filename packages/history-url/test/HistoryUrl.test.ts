import { randomUUID } from "node:crypto"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as ContentStore from "@heph/content/ContentStore"
import * as HistoryUrl from "@heph/history-url/HistoryUrl"
import { HistoryStore } from "@heph/history/HistoryStore"
import * as Postgres from "@heph/test-postgres/url"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"

const folder = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "heph-url-"))),
  (made) => Effect.sync(() => fs.rmSync(made, { recursive: true, force: true }))
)

const open = (at: string | HistoryUrl.Location, options?: HistoryUrl.Options) =>
  Effect.map(Layer.build(Layer.fresh(HistoryUrl.layer(at, options))), Context.get(HistoryStore))

const sqlite = (filename: string, inside?: string) => ({ _tag: "Sqlite", filename, folder: inside })

describe("a text", () => {
  it.each([
    ["registry", sqlite("/base/registry/registry.db", "/base/registry")],
    ["./registry", sqlite("/base/registry/registry.db", "/base/registry")],
    ["../up", sqlite("/up/registry.db", "/up")],
    ["/srv/registry/", sqlite("/srv/registry/registry.db", "/srv/registry")],
    ["/srv/file.db", sqlite("/srv/file.db/registry.db", "/srv/file.db")],
    ["./odd:name", sqlite("/base/odd:name/registry.db", "/base/odd:name")],
    ["c:relative", sqlite("/base/c:relative/registry.db", "/base/c:relative")],
    ["sqlite:registry", sqlite("/base/registry/registry.db", "/base/registry")],
    ["sqlite:./registry.db", sqlite("/base/registry.db")],
    ["SQLITE:/srv/history.sqlite3", sqlite("/srv/history.sqlite3")],
    ["sqlite:///srv/history.sqlite", sqlite("/srv/history.sqlite")],
    ["sqlite:/srv/history.db/", sqlite("/srv/history.db/registry.db", "/srv/history.db")],
    ["memory:", { _tag: "Memory" }],
    ["memory://", { _tag: "Memory" }]
  ])("%s names one store", (url, expected) => {
    expect(Result.getOrThrow(HistoryUrl.parse(url, "/base"))).toEqual(expected)
  })

  it.effect("with sqlite: names the folder or the file that is there", () =>
    Effect.gen(function* () {
      const made = yield* folder
      fs.mkdirSync(path.join(made, "folder.db"))
      fs.writeFileSync(path.join(made, "file"), "")
      const parse = (url: string) => Result.getOrThrow(HistoryUrl.parse(url, made))
      const inside = path.join(made, "folder.db")
      expect(parse("sqlite:folder.db")).toEqual(sqlite(path.join(inside, "registry.db"), inside))
      expect(parse("sqlite:file")).toEqual(sqlite(path.join(made, "file")))
    })
  )

  it("with postgres:// keeps what is for the driver, and takes out what is for the store", () => {
    const location = Result.getOrThrow(
      HistoryUrl.parse("postgresql://me:s%23cret@db:5433/app?schema=one&sslmode=require&registry=web%20ui", "/")
    )
    expect(location).toMatchObject({ _tag: "Postgres", schema: "one", registry: "web ui" })
    const url = "url" in location ? Redacted.value(location.url) : undefined
    expect(url).toBe("postgresql://me:s%23cret@db:5433/app?sslmode=require")
    expect(HistoryUrl.label(location)).toBe("postgresql://me@db:5433/app?schema=one&registry=web+ui")
    expect(JSON.stringify(location)).not.toContain("cret")
  })

  it.each([
    ["", "it is empty"],
    ["  ", "it is empty"],
    ["mysql://me:secret@db/app", "its scheme is none of"],
    ["postgress://me:secret@db/app", "its scheme is none of"],
    ["file:///srv/registry", "its scheme is none of"],
    ["http://me:secret@db", "its scheme is none of"],
    ["memory:name", "has no name"],
    ["sqlite:", "names no folder"],
    ["sqlite://host/file.db", "on this machine"],
    ["postgres:db", "must be postgres://"],
    ["postgres://me:secret@db:port/app", "must be postgres://"],
    ["postgres://me:p@ss/secret@db/app", "must be percent-encoded"],
    ["postgres://me:12/34secret@db/app", "must be percent-encoded"],
    ["postgres://me:5432#secret@db/app", "must be percent-encoded"],
    ["postgres://me:5432?secret@db/app", "must be percent-encoded"],
    ["postgres://me:secret@db/app?schema=a&schema=b", "?schema must have one value"],
    ["postgres://me:secret@db/app?registry=", "?registry must have one value"]
  ])("B18: %j names none, and says so without what may be secret", (url, reason) => {
    const refused = Result.getOrThrow(Result.flip(HistoryUrl.parse(url, "/base")))
    expect(refused).toMatchObject({ _tag: "InvalidHistoryUrl" })
    expect(refused.message).toContain(reason)
    expect(refused.message).not.toContain("secret")
  })
})

describe("a layer", () => {
  it.effect("is the store of the URL, there again the next time where it lasts", () =>
    Effect.gen(function* () {
      const made = yield* folder
      const server = `${Postgres.url()}?schema=url_tests&registry=${randomUUID()}`
      const urls: ReadonlyArray<readonly [url: string, lasts: boolean]> = [
        [path.join(made, "deep", "registry"), true],
        [`sqlite:${path.join(made, "history.db")}`, true],
        [server, true],
        ["memory:", false]
      ]
      for (const [url, lasts] of urls) {
        yield* Effect.scoped(Effect.flatMap(open(url), (store) => store.tag("here", 0)))
        const again = yield* Effect.scoped(Effect.flatMap(open(url), (store) => store.info))
        expect([url, again.tags.has("here")]).toEqual([url, lasts])
      }
      expect(fs.readdirSync(path.join(made, "deep", "registry"))).toContain("registry.db")
      expect(
        fs
          .readdirSync(made)
          .filter((name) => !name.includes("-"))
          .sort()
      ).toEqual(["deep", "history.db"])
    })
  )

  it.effect("with content keeps it where the history is, which the other layer opens as well", () =>
    Effect.gen(function* () {
      const made = yield* folder
      const server = `${Postgres.url()}?schema=url_tests&registry=${randomUUID()}`
      const bytes = new TextEncoder().encode("one line\n")
      for (const [url, lasts] of [
        [path.join(made, "registry"), true],
        [`sqlite:${path.join(made, "history.db")}`, true],
        [server, true],
        ["memory:", false]
      ] as const) {
        const withContent = (options?: HistoryUrl.Options) =>
          Effect.gen(function* () {
            const stores = yield* Layer.build(Layer.fresh(HistoryUrl.layerWithContent(url, options)))
            const contents = yield* Effect.provide(ContentStore.make(), stores)
            return { contents, history: Context.get(stores, HistoryStore) }
          })
        const { hash } = yield* Effect.scoped(
          Effect.gen(function* () {
            const { contents, history } = yield* withContent()
            yield* history.tag("here", 0)
            return yield* contents.put({ bytes })
          })
        )
        const alone = yield* Effect.scoped(Effect.flatMap(open(url), (store) => store.info))
        expect([url, alone.tags.has("here")]).toEqual([url, lasts])
        const again = yield* withContent({ readOnly: lasts })
        expect([url, yield* again.contents.has(hash)]).toEqual([url, lasts])
        if (!lasts) continue
        expect(yield* again.contents.get(hash)).toEqual(bytes)
        expect(yield* Effect.flip(again.contents.put({ bytes: Uint8Array.of(1) }))).toMatchObject({
          reason: "ReadOnly"
        })
      }
    })
  )

  it.effect("for reading makes nothing", () =>
    Effect.gen(function* () {
      const made = yield* folder
      const server = `${Postgres.url()}?schema=url_tests&registry=${randomUUID()}`
      for (const url of [path.join(made, "registry"), `sqlite:${path.join(made, "history.db")}`, server]) {
        const error = yield* Effect.flip(Effect.scoped(open(url, { readOnly: true })))
        expect(error).toMatchObject({ _tag: "HistoryStoreError", reason: "NotFound" })
      }
      expect(fs.readdirSync(made)).toEqual([])
    })
  )

  it.effect("B18: that cannot be had is an error, and no other store", () =>
    Effect.gen(function* () {
      const made = yield* folder
      fs.writeFileSync(path.join(made, "text"), "no registry")
      const cases: ReadonlyArray<readonly [url: string, reason: string]> = [
        ["postgres://me:secret@127.0.0.1:1/nowhere", "Unavailable"],
        [path.join(made, "text"), "NotARegistry"],
        [path.join(made, "text", "below"), "NotARegistry"],
        [`sqlite:${path.join(made, "text")}`, "NotARegistry"]
      ]
      for (const [url, reason] of cases) {
        const error = yield* Effect.flip(Effect.scoped(open(url)))
        expect(error).toMatchObject({ _tag: "HistoryStoreError", reason })
        expect(error.message).not.toContain("secret")
      }
      expect(yield* Effect.flip(Effect.scoped(open("redis://host")))).toMatchObject({ _tag: "InvalidHistoryUrl" })
    })
  )
})
