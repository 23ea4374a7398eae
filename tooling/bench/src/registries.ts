/** Registries and entries that the benchmarks share. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Bus from "@heph/bus/Bus"
import * as ChangeSetCodec from "@heph/changeset/Codec"
import type * as Operation from "@heph/changeset/Operation"
import * as Entry from "@heph/entry/Entry"
import * as HistorySqlite from "@heph/history-sqlite/HistorySqlite"
import * as HistoryUrl from "@heph/history-url/HistoryUrl"
import * as History from "@heph/history/History"
import { HistoryStore } from "@heph/history/HistoryStore"
import * as Registry from "@heph/registry/Registry"
import * as Resolver from "@heph/resolver/Resolver"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Result from "effect/Result"

export const idOf = (i: number) => `app.ns${i % 100}:entry-${i}`
/** ~240 bytes of MessagePack, so that an update with its original is ~500. */
export const input = (i: number, revision = 0, dependsOn: ReadonlyArray<string> = []): Entry.EntryInput => ({
  id: idOf(i),
  kind: "service",
  meta: { title: `Entry ${i}`, tags: ["backend", "bench"], ...(dependsOn.length > 0 ? { depends_on: dependsOn } : {}) },
  data: { port: 8000 + i, revision, enabled: i % 2 === 0, text: "lorem ipsum dolor sit amet ".repeat(4) }
})
export const creates = (count: number): ReadonlyArray<Operation.OperationInput> =>
  Array.from({ length: count }, (_, i) => ({ op: "create", entry: Entry.makeUnsafe(input(i)) }))
export const update = (i: number, revision: number): ReadonlyArray<Operation.OperationInput> => [
  { op: "update", entry: input(i, revision) }
]

export type Services = Registry.Registry | Bus.Bus | History.History | HistoryStore
/** A registry and everything below it, until it is disposed of. */
export type Runtime = ManagedRuntime.ManagedRuntime<Services, unknown>
const services = Layer.mergeAll(Bus.layer(), Resolver.layer())
export const memory = (): Runtime => ManagedRuntime.make(Registry.layerMemory())
const over = <E>(store: Layer.Layer<HistoryStore, E>): Runtime =>
  ManagedRuntime.make(
    Registry.layer().pipe(Layer.provideMerge(Layer.mergeAll(History.layer.pipe(Layer.provideMerge(store)), services)))
  )
export const sqlite = (filename: string): Runtime => over(HistorySqlite.layer({ filename }))
/** The registry in the store of a URL. */
export const at = (url: string): Runtime => over(HistoryUrl.layer(url))

export const folder = mkdtempSync(join(tmpdir(), "heph-bench-"))
process.once("exit", () => rmSync(folder, { recursive: true, force: true }))

/** Applies one operation at a time, `count` times in a row, inside one fiber: the time of one. */
export const oneByOne = (runtime: Runtime, size: number, count: number, revision: number) =>
  runtime.runPromise(
    Effect.gen(function* () {
      const registry = yield* Registry.Registry
      for (let i = 0; i < count; i++) yield* registry.apply(update((i * 7919) % size, revision + i))
    })
  )

/** A store of so many entries with a version for each of so many updates. */
export const fill = (filename: string, entries: number, versions: number) => filled(sqlite(filename), entries, versions)
export const fillAt = (url: string, entries: number, versions: number) => filled(at(url), entries, versions)

const filled = async (runtime: Runtime, entries: number, versions: number) => {
  await runtime.runPromise(
    Effect.gen(function* () {
      const registry = yield* Registry.Registry
      yield* registry.apply(creates(entries))
      // A hundred at a time share a disk sync.
      for (let done = 1; done < versions; done += 100) {
        const batch = Array.from({ length: Math.min(100, versions - done) }, (_, i) =>
          registry.apply(update(((done + i) * 7919) % entries, done + i))
        )
        yield* Effect.all(batch, { concurrency: "unbounded" })
      }
    })
  )
  await runtime.dispose()
}

/** The floor of a durable append: the rows of one version, encoded beforehand, in a bare transaction of their own. */
export const bareAppend = (filename: string): { readonly append: () => void; readonly close: () => void } => {
  const bare = new Database(filename)
  bare.pragma("journal_mode = WAL")
  bare.pragma("synchronous = FULL")
  bare.exec(
    `CREATE TABLE versions (id INTEGER PRIMARY KEY, parent INTEGER, timestamp INTEGER, message TEXT, author TEXT,
       created INTEGER, updated INTEGER, deleted INTEGER);
     CREATE TABLE changesets (version INTEGER PRIMARY KEY, checksum INTEGER, bytes BLOB);
     CREATE TABLE heads (revision INTEGER PRIMARY KEY, version INTEGER, timestamp INTEGER, checksum INTEGER);`
  )
  const version = bare.prepare("INSERT INTO versions VALUES (?, ?, ?, NULL, NULL, 0, 1, 0)")
  const changeset = bare.prepare("INSERT INTO changesets VALUES (?, 0, ?)")
  const head = bare.prepare("INSERT INTO heads VALUES (?, ?, ?, 0)")
  const entry = Entry.makeUnsafe(input(1))
  const bytes = Buffer.from(ChangeSetCodec.encode([{ op: "update", entry, original: entry }]))
  let id = 0
  const append = bare.transaction(() => {
    id++
    version.run(id, id - 1, id)
    changeset.run(id, bytes)
    head.run(id, id, id)
  })
  return { append: () => append.immediate(), close: () => bare.close() }
}

/** The floor of a boot: reads and decodes the newest checkpoint of a store, and nothing else. How many operations it has. */
export const readNewestCheckpoint = Effect.gen(function* () {
  const store = yield* HistoryStore
  const { checkpoints } = yield* store.info
  const chunks = yield* store.checkpoints.load(checkpoints.at(-1)!)
  return chunks.reduce((sum, chunk) => sum + Result.getOrThrow(ChangeSetCodec.decode(chunk)).length, 0)
})
