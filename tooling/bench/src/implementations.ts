/**
 * The implementation registry: 100,000 versions in memory, lineage, a durable registration against a bare insert, and the
 * bytes of similar versions against git's pack. `HEPH_BENCH_REPO=<repository>` measures a history of your own, too.
 */
import { execFileSync, spawnSync } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as ContentStore from "@heph/content/ContentStore"
import * as Implementations from "@heph/implementations/Implementations"
import * as Storage from "@heph/implementations/Storage"
import * as GitImport from "@heph/import-git/GitImport"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { bytes, median, middle, once, rate, type Row, ratio, time, times } from "./measure.ts"
import { folder } from "./registries.ts"

type Runtime = ManagedRuntime.ManagedRuntime<Storage.Services, unknown>

const openedAt = (url: string): Runtime => ManagedRuntime.make(Storage.layer(url))
const using = <A, E>(
  runtime: Runtime,
  use: (implementations: Implementations.Implementations["Service"]) => Effect.Effect<A, E, Storage.Services>
) => runtime.runPromise(Effect.flatMap(Implementations.Implementations, use))

const atMost = (work: string, target: number, measured: number): Row => ({
  work: `implementations: ${work}`,
  measured: time(measured),
  target: `≤ ${time(target)}`,
  met: measured <= target
})

// ---------------------------------------------------------------- many versions

const components = 2000
const versions = 50

const metadataOf = (component: number, version: number) => ({
  component: `project${component % 20}.component-${component}`,
  metrics: { score: ((component * 7919 + version * 104_729) % 100_000) / 100_000 },
  tags: [
    `a${component % 100}`,
    `b${(component + version) % 50}`,
    `c${version}`,
    `d${(component * version) % 97}`,
    component % 3 === 0 ? "prod" : "dev"
  ]
})

const many = async (): Promise<ReadonlyArray<Row>> => {
  const runtime = openedAt("memory:")
  const rows = await using(runtime, (implementations) =>
    Effect.gen(function* () {
      for (let version = 0; version < versions; version++) {
        yield* implementations.registerAll(
          Array.from({ length: components }, (_, component) => ({
            implementation: `export const value = ${component * versions + version}\n`,
            metadata: metadataOf(component, version)
          }))
        )
      }
      const context = yield* Effect.context<Storage.Services>()
      let at = 0
      const measure = (what: (i: number) => Effect.Effect<unknown, unknown, Storage.Services>) =>
        Effect.promise(() => median(() => Effect.runPromiseWith(context)(what(at++))))
      // Each asks for something else, so that nothing comes from the cache.
      const search = yield* measure((i) =>
        implementations.search([`meta.tags=a${i % 100}`, `>=meta.metrics.score=0.9${String(i).padStart(3, "0")}`])
      )
      const list = yield* measure((i) => {
        const component = (i * 37) % components
        return implementations.listVersions(`project${component % 20}.component-${component}`)
      })
      const newest = yield* measure(() => implementations.components())
      const chain = Array.from({ length: 1001 }, (_, i) => ({
        implementation: `link ${i}\n`,
        metadata: { component: "chain.links" }
      }))
      yield* implementations.registerAll(chain)
      const up = yield* measure(() => implementations.getLineage("chain.links:1001"))
      const down = yield* measure(() => implementations.getLineage("chain.links:1"))
      return [
        atMost("search by tag and metric range, 100k versions, not cached", 5000, search),
        atMost("list the versions of one component, 50 of 100k", 1000, list),
        atMost("newest version of each of 2,000 components", 100_000, newest),
        atMost("lineage of depth 1,000, ancestors", 5000, up),
        atMost("lineage of depth 1,000, descendants", 5000, down)
      ]
    })
  )
  await runtime.dispose()
  return rows
}

// ---------------------------------------------------------------- one registration

/** Code of about so many bytes, of which version `v` changes a few lines. */
const codeOf = (size: number, v: number): string => {
  const lines: Array<string> = []
  for (let i = 0, length = 0; length < size; i++) {
    const salt = Math.imul(i + 1, 0x9e3779b1) >>> 0
    const line = `export const value${i} = compute(${salt % 1000}, "${salt.toString(36)}") // ${i % 40 === v % 40 ? `changed in ${v}` : "as it was"}`
    lines.push(line)
    length += line.length + 1
  }
  return lines.join("\n")
}

const registration = async (): Promise<ReadonlyArray<Row>> => {
  const runtime = openedAt(join(folder, "register"))
  const database = new Database(join(folder, "bare.db"))
  database.pragma("journal_mode = WAL")
  database.pragma("synchronous = FULL")
  database.exec("CREATE TABLE contents (hash TEXT PRIMARY KEY, bytes BLOB NOT NULL)")
  const insert = database.prepare("INSERT INTO contents VALUES (?, ?)")
  const implementations = await using(runtime, (service) => Effect.succeed(service))
  const run = 20
  let v = 0
  const registering = () =>
    runtime.runPromise(
      Effect.gen(function* () {
        for (let i = 0; i < run; i++) yield* implementations.register(codeOf(10_000, v++), { component: "bench.code" })
      })
    )
  const bare = () => {
    for (let i = 0; i < run; i++) insert.run(`hash ${v}`, Buffer.from(codeOf(10_000, v++)))
  }
  const { a, b, ratio: factor } = await ratio(registering, bare, { per: run })
  database.close()
  await runtime.dispose()
  return [
    {
      work: "implementations: register of a 10 KB file, durable, SQLite",
      measured: `${time(a)}, ${times(factor)} the bare insert (${time(b)})`,
      target: "≤ 2× the bare insert",
      met: factor <= 2
    }
  ]
}

// ---------------------------------------------------------------- bytes

interface History {
  readonly name: string
  /** The hashes of git's blobs, and their bytes, each with the one it came from. */
  readonly blobs: ReadonlyArray<{
    readonly path: string
    readonly bytes: Uint8Array
    readonly id: string
    readonly from: number | undefined
  }>
  /** What git's pack of them takes after `gc --aggressive`. */
  readonly git: number
}

const git = (repository: string, args: ReadonlyArray<string>, input?: string | Buffer): Buffer => {
  const { status, stderr, stdout } = spawnSync("git", ["-C", repository, ...args], { input, maxBuffer: 2 ** 31 - 1 })
  if (status !== 0) throw new Error(`git ${args[0]} failed: ${stderr.toString()}`)
  return stdout
}

/** Every blob of the first-parent history of a repository, or of one path in it. */
const historyOf = (name: string, repository: string, paths: ReadonlyArray<string> = []): History => {
  const log = [
    "log",
    "--reverse",
    "--topo-order",
    "--first-parent",
    "-m",
    "--raw",
    "-z",
    "--no-abbrev",
    "--no-renames",
    "--format="
  ]
  const fields = git(repository, [...log, "HEAD", "--", ...paths])
    .toString()
    .split("\0")
  const blobs: Array<{ path: string; id: string; from: number | undefined; bytes: Uint8Array }> = []
  const last = new Map<string, number>()
  const seen = new Set<string>()
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const [, mode, , id] = fields[i]!.trim().split(" ")
    const path = fields[i + 1]!
    if (id === undefined || /^0+$/.test(id) || mode === "160000" || seen.has(id)) continue
    seen.add(id)
    const bytes = git(repository, ["cat-file", "blob", id])
    last.set(path, blobs.push({ path, id, from: last.get(path), bytes }) - 1)
  }
  const list = `${blobs.map(({ id, path }) => `${id} ${path}`).join("\n")}\n`
  const packed = git(
    repository,
    ["pack-objects", "--stdout", "-q", "--window=250", "--depth=50", "--no-reuse-delta"],
    list
  )
  return { name, blobs, git: packed.length }
}

/** A file that grows and changes for 300 revisions, as a repository: what there is where no other is at hand. */
const made = (size: number): string => {
  const repository = join(folder, `made-${size}`)
  mkdirSync(repository)
  const run = (...args: ReadonlyArray<string>) =>
    execFileSync("git", ["-C", repository, "-c", "user.name=b", "-c", "user.email=b@b", ...args], { stdio: "pipe" })
  run("init", "-q")
  const lines = codeOf(size, -1).split("\n")
  let seed = 1
  const random = (below: number) => (seed = (Math.imul(seed, 48_271) >>> 0) % 2_147_483_647) % below
  for (let revision = 0; revision < 300; revision++) {
    for (let edit = 0; edit <= random(4); edit++) {
      const at = random(lines.length)
      const text = `  const changed${revision} = compute(${random(1e6)}, "${random(2e9).toString(36)}")`
      lines.splice(at, random(3), ...Array.from({ length: random(4) }, (_, i) => `${text} + ${i}`))
    }
    writeFileSync(join(repository, "code.ts"), lines.join("\n"))
    run("add", "code.ts")
    run("commit", "-q", "--allow-empty", "-m", `revision ${revision}`)
  }
  return repository
}

const stored = async ({ blobs, git: packed, name }: History): Promise<ReadonlyArray<Row>> => {
  const runtime = openedAt("memory:")
  const rows = await runtime.runPromise(
    Effect.gen(function* () {
      const implementations = yield* Implementations.Implementations
      const content = yield* ContentStore.ContentStore
      const ids: Array<string> = []
      const names = new Map<string, string>()
      for (const { bytes, from, path } of blobs) {
        const component = names.get(path) ?? `bench.c${names.size}`
        names.set(path, component)
        const parent = from === undefined ? null : ids[from]!
        ids.push((yield* implementations.register({ [path.split("/").at(-1)!]: bytes }, { component, parent })).id)
      }
      const info = yield* content.info
      const factor = info.stored / packed
      const row: Row = {
        work: `implementations: bytes of ${blobs.length} versions, ${name} (${bytes(info.bytes)})`,
        measured: `${bytes(info.stored)}, ${times(factor)} git's pack (${bytes(packed)})`,
        target: "≤ 1× git gc --aggressive",
        met: factor <= 1
      }
      return [row]
    })
  )
  await runtime.dispose()
  return rows
}

const reading = async ({ blobs, name }: History): Promise<ReadonlyArray<Row>> => {
  const url = join(folder, `reading-${blobs.length}`)
  const writer = openedAt(url)
  await using(writer, (implementations) =>
    Effect.gen(function* () {
      for (const { bytes } of blobs) yield* implementations.register(bytes, { component: "bench.code" })
    })
  )
  await writer.dispose()
  const each: Array<number> = []
  const runtime = openedAt(url)
  const implementations = await using(runtime, (service) => Effect.succeed(service))
  await runtime.runPromise(implementations.getVersion("bench.code:1"))
  await runtime.dispose()
  // A version at a time by a store that has read nothing yet.
  for (let version = blobs.length; version > 0; version -= Math.ceil(blobs.length / 40)) {
    const fresh = openedAt(url)
    const service = await using(fresh, (one) => Effect.succeed(one))
    each.push(await once(() => fresh.runPromise(service.getVersion(`bench.code:${version}`))))
    await fresh.dispose()
  }
  return [
    {
      work: `implementations: any version of ${name}, read cold`,
      measured: `${time(middle(each))} at the median, ${time(Math.max(...each))} at most`,
      target: "≤ 10.0 ms at the median",
      met: middle(each) <= 10_000
    }
  ]
}

/** The history of a repository into a store in a file, as `heph import git` does it. */
const importing = async (name: string, repository: string): Promise<ReadonlyArray<Row>> => {
  const runtime = openedAt(join(folder, `import-${name.replaceAll(/\W/g, "-")}`))
  const held: Array<number> = []
  const start = performance.now()
  const { versions } = await runtime.runPromise(
    Effect.provide(
      GitImport.run(repository, { onProgress: () => void held.push(process.memoryUsage().rss) }),
      NodeServices.layer
    )
  )
  const each = ((performance.now() - start) * 1000) / versions
  await runtime.dispose()
  return [
    {
      work: `implementations: import of ${versions} versions, ${name}, SQLite`,
      measured: `${rate(each)}, ${bytes(Math.max(...held))} resident at most`,
      target: "≥ 1,500/s",
      met: each <= 1e6 / 1500
    }
  ]
}

export const run = async (): Promise<ReadonlyArray<Row>> => {
  const large = historyOf("a file of 150 KB", made(150_000))
  const small = historyOf("a file of 15 KB", made(15_000))
  const own = process.env["HEPH_BENCH_REPO"]
  const paths = (process.env["HEPH_BENCH_PATHS"] ?? "").split(":").filter((path) => path !== "")
  const rows = [...(await many()), ...(await registration()), ...(await stored(large)), ...(await stored(small))]
  if (own !== undefined) {
    for (const path of paths) rows.push(...(await stored(historyOf(path, own, [path]))))
    rows.push(...(await stored(historyOf("a repository", own))), ...(await importing("a repository", own)))
  }
  rows.push(...(await importing("this repository", fileURLToPath(new URL("../../..", import.meta.url)))))
  return [...rows, ...(await reading(large))]
}
