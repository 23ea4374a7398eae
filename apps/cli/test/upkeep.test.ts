/** Stores by URL, backup and restore, compaction and migration, as people use them. */
import { randomUUID } from "node:crypto"
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Postgres from "@heph/test-postgres/url"
import * as Effect from "effect/Effect"
import { onTestFinished } from "vitest"
import { contents, definitions, ended, folder, heph, inside, json, start, write } from "./support.ts"

const entry = (n: number) => definitions("app", [{ name: "a", kind: "k", n }])

/** The URL of a registry of its own on the server of the tests. */
const server = () => `${Postgres.url()}?schema=cli_tests&registry=${randomUUID()}`

/** A store in which v1 … vn set one entry to their number. */
const grown = Effect.fnUntraced(function* (at: string, store: string, versions: number) {
  for (let n = 1; n <= versions; n++) {
    write(at, { "app.yaml": entry(n) })
    const { code, stderr } = yield* inside(store, ["apply", join(at, "app.yaml"), "-m", `set ${n}`])
    expect([code, stderr]).toEqual([0, ""])
  }
})

const ask = (store: string, ...args: ReadonlyArray<string>) => Effect.map(inside(store, [...args, "--json"]), json)
const errorOf = ({
  code,
  stderr,
  stdout
}: {
  readonly code: number
  readonly stderr: string
  readonly stdout: string
}) => {
  expect([code, stdout]).toEqual([1, ""])
  return (JSON.parse(stderr) as { readonly error: unknown }).error
}

describe("a store by its URL", () => {
  it.effect("is the same to every command", () =>
    Effect.gen(function* () {
      const at = folder()
      for (const store of [join(at, "registry"), `sqlite:${join(at, "history.db")}`, server()]) {
        yield* grown(at, store, 3)
        yield* ask(store, "tag", "second", "v2")
        expect(yield* ask(store, "checkout", "second")).toEqual({ version: 2 })
        expect(yield* ask(store, "get", "app:a")).toMatchObject({ data: { n: 2 } })
        expect(yield* ask(store, "get", "app:a", "--at", "v3")).toMatchObject({ data: { n: 3 } })
        expect(yield* ask(store, "revert", "v2")).toEqual({ version: 4 })
        expect(yield* ask(store, "status")).toMatchObject({ head: 4, last: 4, tags: { second: 2 } })
        expect(yield* ask(store, "verify")).toEqual({ ok: true, versions: 4, contents: 0, damage: [] })
      }
    })
  )

  it.effect("that is none is bad usage, and no other store is made instead", () =>
    Effect.gen(function* () {
      const at = folder({ "app.yaml": entry(1) })
      const { code, stderr, stdout } = yield* inside("mysql://me:secret@db/app", [
        "apply",
        join(at, "app.yaml"),
        "--json"
      ])
      expect([code, stdout]).toEqual([2, ""])
      expect(JSON.parse(stderr)).toMatchObject({ error: { _tag: "InvalidHistoryUrl" } })
      expect(stderr).not.toContain("secret")
    })
  )

  it.effect("that cannot be reached is an error without its password", () =>
    Effect.gen(function* () {
      const at = folder({ "app.yaml": entry(1) })
      for (const command of [["apply", join(at, "app.yaml")], ["status"], ["plan", join(at, "app.yaml")]]) {
        const error = errorOf(yield* inside("postgres://me:secret@127.0.0.1:1/db", [...command, "--json"]))
        expect(error).toMatchObject({ _tag: "HistoryStoreError" })
        expect(JSON.stringify(error)).not.toContain("secret")
      }
    })
  )

  it.effect("on a server that has no such registry is there for apply alone", () =>
    Effect.gen(function* () {
      const at = folder({ "app.yaml": entry(1) })
      const store = server()
      for (const args of [["log"], ["checkout", "v1"], ["compact", "--keep", "1"]]) {
        expect(errorOf(yield* inside(store, [...args, "--json"]))).toMatchObject({ _tag: "NoRegistry" })
      }
      expect(yield* ask(store, "plan", join(at, "app.yaml"))).toMatchObject({ operations: [{ id: "app:a" }] })
      expect(errorOf(yield* inside(store, ["log", "--json"]))).toMatchObject({ _tag: "NoRegistry" })
      expect(yield* ask(store, "apply", join(at, "app.yaml"))).toMatchObject({ version: 1 })
    })
  )

  it("is taken from HEPH_STORE and from heph.yaml", async () => {
    const store = server()
    const at = folder({ "app.yaml": entry(1) })
    expect(json(await heph(at, ["apply", "app.yaml", "--json"], { env: { HEPH_STORE: store } }))).toMatchObject({
      version: 1
    })
    write(at, { "heph.yaml": JSON.stringify({ components: { registry: { storage_path: store } } }) })
    expect(json(await heph(at, ["status", "--json"]))).toMatchObject({ head: 1, entries: 1 })
    expect(readdirSync(at).sort()).toEqual(["app.yaml", "heph.yaml"])
  })

  it("shows on a server what another process commits, as it comes", async () => {
    const store = server()
    const at = folder({ "app.yaml": entry(1) })
    expect((await heph(at, ["--store", store, "apply", "app.yaml"])).code).toBe(0)
    const watching = start(at, ["--store", store, "watch", "--from", "v0", "--json"])
    const done = ended(watching)
    const seen: Array<unknown> = []
    watching.stdout.setEncoding("utf8").on("data", (text: string) => {
      seen.push(
        ...text
          .trim()
          .split("\n")
          .map((line) => (JSON.parse(line) as { readonly version: number }).version)
      )
      if (seen.length === 3) watching.kill("SIGINT")
    })
    for (const n of [2, 3]) {
      write(at, { "app.yaml": entry(n) })
      expect((await heph(at, ["--store", store, "apply", "app.yaml"])).code).toBe(0)
    }
    expect(await done).toMatchObject({ code: 130, stderr: "" })
    expect(seen).toEqual([1, 2, 3])
  })
})

describe("a connection that has gone silent", () => {
  /** A server that hears nothing more, and says nothing, once a text was sent to it. */
  const silentAfter = async (text: string) => {
    const { hostname, port } = new URL(Postgres.url())
    const heard: { silent: boolean } = { silent: false }
    const sockets: Array<Socket> = []
    const proxy = createServer((client) => {
      const upstream = connect(Number(port), hostname)
      sockets.push(client, upstream)
      client.on("data", (data) => {
        heard.silent ||= data.includes(text)
        if (!heard.silent) upstream.write(data)
      })
      upstream.on("data", (data) => {
        if (!heard.silent) client.write(data)
      })
      for (const socket of [client, upstream]) socket.on("error", () => {})
      client.on("close", () => upstream.destroy())
    })
    await new Promise<void>((resolve) => void proxy.listen(0, "127.0.0.1", resolve))
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy()
      proxy.close()
    })
    const url = new URL(server())
    url.host = `127.0.0.1:${(proxy.address() as AddressInfo).port}`
    return { url: url.href, heard }
  }
  const until = async (condition: () => boolean) => {
    while (!condition()) await new Promise((resolve) => setImmediate(resolve))
  }

  it("does not keep whoever interrupts twice, who is told that nobody knows", async () => {
    const at = folder({ "app.yaml": entry(1) })
    const { heard, url } = await silentAfter(".versions (registry")
    const applying = start(at, ["--store", url, "apply", "app.yaml"])
    const done = ended(applying)
    await until(() => heard.silent)
    applying.kill("SIGINT")
    const again = setInterval(() => applying.kill("SIGINT"), 100)
    expect(await done).toMatchObject({ code: 130, stderr: expect.stringContaining("may or may not") as unknown })
    clearInterval(again)
  })
})

describe("backup and restore", () => {
  it.effect("bring back what was there, and keep what they replace", () =>
    Effect.gen(function* () {
      const at = folder()
      const store = join(at, "registry")
      yield* grown(at, store, 3)
      const before = yield* ask(store, "export")
      const made = (yield* ask(store, "backup")) as { readonly file: string }
      expect(made).toMatchObject({ versions: 3, head: 3, removed: [] })
      expect(made.file.startsWith(join(store, "backups"))).toBe(true)
      write(at, { "app.yaml": entry(9) })
      yield* ask(store, "apply", join(at, "app.yaml"))
      const restored = (yield* ask(store, "restore", made.file)) as { readonly replaced: string }
      expect(restored).toMatchObject({ version: 3, versions: 3 })
      expect(yield* ask(store, "export")).toEqual(before)
      expect(yield* ask(`sqlite:${restored.replaced}`, "get", "app:a")).toMatchObject({ data: { n: 9 } })
      // Where nothing was, nothing is replaced.
      const other = join(at, "other")
      expect(yield* ask(other, "restore", made.file)).toMatchObject({ version: 3, replaced: null })
      expect(yield* ask(other, "export")).toEqual(before)
    })
  )

  it.effect("rotate, by how many are kept", () =>
    Effect.gen(function* () {
      const at = folder()
      const store = join(at, "registry")
      yield* grown(at, store, 1)
      const to = join(at, "kept")
      const files: Array<string> = []
      for (let i = 0; i < 4; i++) {
        const { file } = (yield* ask(store, "backup", `${to}/`, "--keep", "2")) as { readonly file: string }
        files.push(file)
      }
      expect(
        readdirSync(to)
          .map((name) => join(to, name))
          .sort()
      ).toEqual(files.slice(2).sort())
    })
  )

  it.effect("refuse what is damaged, missing or no file, and change nothing", () =>
    Effect.gen(function* () {
      const at = folder()
      const store = join(at, "registry")
      yield* grown(at, store, 2)
      const { file } = (yield* ask(store, "backup")) as { readonly file: string }
      const bytes = readFileSync(file)
      writeFileSync(join(at, "short.db"), bytes.subarray(0, bytes.length / 2))
      writeFileSync(join(at, "text.db"), "no registry")
      const before = contents(at)
      expect(errorOf(yield* inside(store, ["restore", join(at, "short.db"), "--json"]))).toMatchObject({
        _tag: "BackupError"
      })
      expect(errorOf(yield* inside(store, ["restore", join(at, "text.db"), "--json"]))).toMatchObject({
        _tag: "BackupError"
      })
      expect(errorOf(yield* inside(store, ["restore", join(at, "none.db"), "--json"]))).toMatchObject({
        _tag: "BackupError"
      })
      expect(errorOf(yield* inside(join(at, "nothing"), ["backup", "--json"]))).toMatchObject({ _tag: "NoRegistry" })
      expect(errorOf(yield* inside(server(), ["backup", "--json"]))).toMatchObject({ _tag: "NoFile" })
      expect(contents(at)).toEqual(before)
    })
  )
})

describe("compact", () => {
  it.effect("says what would go, then lets it go, and what stays is as it was", () =>
    Effect.gen(function* () {
      const at = folder()
      for (const store of [join(at, "registry"), server()]) {
        yield* grown(at, store, 8)
        yield* ask(store, "tag", "third", "v3")
        const before = yield* Effect.forEach(["v3", "v7", "v8"], (version) => ask(store, "export", "--at", version))
        const planned = yield* ask(store, "compact", "--keep", "2", "--dry-run")
        const expected = {
          dropped: [
            [1, 1],
            [4, 5]
          ],
          folded: [2, 6],
          checkpoints: [],
          before: 8,
          after: 5
        }
        expect(planned).toEqual({ ...expected, dryRun: true })
        expect(yield* ask(store, "show", "v4")).toMatchObject({ version: 4 })
        expect(yield* ask(store, "compact", "--keep", "2")).toEqual({ ...expected, dryRun: false })
        expect(errorOf(yield* inside(store, ["show", "v4", "--json"]))).toMatchObject({ _tag: "UnknownVersion" })
        const after = yield* Effect.forEach(["v3", "v7", "v8"], (version) => ask(store, "export", "--at", version))
        expect(after).toEqual(before)
        expect(yield* ask(store, "path", "v3", "v8")).toEqual({
          path: [6, 7, 8].map((version) => ({ version, direction: "forward" }))
        })
        expect(errorOf(yield* inside(store, ["revert", "v6", "--json"]))).toMatchObject({ _tag: "FoldedVersion" })
        const log = yield* inside(store, ["log"])
        expect(log.stdout).toContain("set 6 (and 2 versions before it)")
        expect(yield* ask(store, "verify")).toMatchObject({ ok: true, versions: 5 })
        expect((yield* inside(store, ["status"])).stdout).toContain("5 versions, up to v8; others were compacted")
      }
    })
  )

  it.effect("keeps a time, and wants to be told what to keep", () =>
    Effect.gen(function* () {
      const at = folder()
      const store = join(at, "registry")
      yield* grown(at, store, 3)
      // The test clock stands at 1970, long before anything was committed.
      expect(yield* ask(store, "compact", "--keep", "90m", "--dry-run")).toMatchObject({ dropped: [] })
      for (const args of [[], ["--keep", "some"], ["--keep", "-1"], ["--keep", "1y"]]) {
        expect((yield* inside(store, ["compact", ...args])).code).toBe(2)
      }
    })
  )
})

describe("migrate", () => {
  it.effect("brings a whole history to a server and back, and goes on where it was", () =>
    Effect.gen(function* () {
      const at = folder()
      const [store, there, back] = [join(at, "registry"), server(), `sqlite:${join(at, "back.db")}`]
      yield* grown(at, store, 6)
      yield* ask(store, "tag", "fourth", "v4")
      yield* ask(store, "checkout", "v2")
      yield* ask(store, "revert", "v2")
      yield* ask(store, "compact", "--keep", "2")
      const migrate = (from: string, to: string) => ask(store, "migrate", "--from", from, "--to", to)
      const facts = Effect.fnUntraced(function* (url: string) {
        const { store: _, ...status } = (yield* ask(url, "status")) as { readonly store: string }
        return { status, log: yield* ask(url, "log"), export: yield* ask(url, "export") }
      })
      expect(yield* migrate(store, there)).toMatchObject({ moves: 8, tags: 1 })
      expect(yield* facts(there)).toEqual(yield* facts(store))
      write(at, { "app.yaml": entry(7) })
      yield* ask(store, "apply", join(at, "app.yaml"))
      expect(yield* migrate(store, there)).toMatchObject({ copied: 1, moves: 9 })
      yield* migrate(there, back)
      expect(yield* facts(back)).toEqual(yield* facts(store))
      expect(yield* migrate(there, back)).toMatchObject({ copied: 0 })
    })
  )

  it.effect("refuses a target with another history, the same store, and one that ends with the command", () =>
    Effect.gen(function* () {
      const at = folder()
      const [one, two] = [join(at, "one"), join(at, "two")]
      yield* grown(at, one, 2)
      yield* grown(at, two, 3)
      const before = contents(two)
      const migrate = (from: string, to: string) => inside(one, ["migrate", "--from", from, "--to", to, "--json"])
      expect(errorOf(yield* migrate(one, two))).toMatchObject({ _tag: "TargetDiffers" })
      expect(contents(two)).toEqual(before)
      expect(errorOf(yield* migrate(join(at, "none"), two))).toMatchObject({ _tag: "NoRegistry" })
      expect((yield* migrate(one, `sqlite:${one}`)).code).toBe(2)
      expect((yield* migrate(one, "memory:")).code).toBe(2)
      expect(existsSync(join(at, "none"))).toBe(false)
    })
  )
})
