/** Histories that several processes share and that grow long: PostgreSQL against its driver, followers, boots, bytes. */
import { fork } from "node:child_process"
import { statSync } from "node:fs"
import { join } from "node:path"
import * as ChangeSetCodec from "@heph/changeset/Codec"
import * as Entry from "@heph/entry/Entry"
import * as HistoryPostgres from "@heph/history-postgres/HistoryPostgres"
import * as HistoryUrl from "@heph/history-url/HistoryUrl"
import { HistoryStore, type VersionRecord } from "@heph/history/HistoryStore"
import * as Packed from "@heph/history/Packed"
import * as Registry from "@heph/registry/Registry"
import { launch, type Server } from "@heph/test-postgres/server"
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Scope from "effect/Scope"
import { Client } from "pg"
import { bytes, middle, quantile, ratio, type Row, time, times } from "./measure.ts"
import { at, fillAt, folder, readNewestCheckpoint } from "./registries.ts"

/** Words that a text could be made of, so that it compresses as texts do and not as one letter does. */
const words =
  "registry entry version handler service timeout message index route function config backend user order".split(" ")
/** Numbers that look random and are the same in each run. */
const numbers = (seed: number) => () => (seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0)

/** An entry of ~500 bytes of MessagePack, none like another. */
const entry = (id: number, revision = 0): Entry.Entry => {
  const next = numbers(id * 7919 + revision)
  const text = Array.from({ length: 49 }, () => words[(next() >>> 8) % words.length]).join(" ")
  return Entry.makeUnsafe({
    id: `bench:entry-${id}`,
    kind: "service",
    meta: { name: `entry-${id}`, owner: `team-${id % 17}`, key: next().toString(36) + next().toString(36) },
    data: {
      port: 8000 + (id % 1000),
      revision,
      text,
      digest: next().toString(16) + next().toString(16) + next().toString(16)
    }
  })
}

const record = (id: number): VersionRecord => ({
  id,
  parent: id - 1,
  timestamp: 1_700_000_000_000 + id,
  message: undefined,
  author: undefined,
  created: 1,
  updated: 0,
  deleted: 0,
  changeset: Packed.fromChangeSet([{ op: "create", entry: entry(id) }])
})

/** A conditional append against the least that the same driver does to commit as much: one prepared INSERT of the row. */
const appends = async (server: Server): Promise<Row> => {
  const scope = Scope.makeUnsafe()
  const store = await Effect.runPromise(
    Scope.provide(HistoryPostgres.make({ url: server.url, registry: "appends" }), scope)
  )
  const client = new Client(server.url)
  await client.connect()
  await client.query("CREATE TABLE bare (LIKE heph.versions INCLUDING ALL)")
  const stored = Buffer.from(ChangeSetCodec.encode([{ op: "create", entry: entry(1) }]))
  const turns = { per: 20, runs: 60, warmUp: 10 }
  const records = Array.from({ length: turns.per * (turns.runs + turns.warmUp) }, (_, i) => record(i + 1))
  let last = 0
  let id = 0
  const found = await ratio(
    () =>
      Effect.runPromise(
        Effect.gen(function* () {
          for (let i = 0; i < turns.per; i++) last = yield* store.append([records[last]!], last)
        })
      ),
    async () => {
      for (let i = 0; i < turns.per; i++) {
        id++
        await client.query({
          name: "bare",
          text: `INSERT INTO bare (registry, id, parent, revision, "timestamp", message, author, created, updated, deleted,
            folded, checksum, moved, zstd, bytes) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
          values: ["appends", id, id - 1, id, 1.7e12, null, null, 1, 0, 0, null, 1.5e9, 1.5e9, false, stored]
        })
      }
    },
    turns
  )
  await client.end()
  await Effect.runPromise(Scope.close(scope, Exit.void))
  return {
    work: "conditional append of one version on PostgreSQL, against a bare INSERT of its row with the same driver",
    measured: `${times(found.ratio)} (${time(found.a)} · ${time(found.b)})`,
    target: "at most 1.3×",
    met: found.ratio <= 1.3
  }
}

/** From the moment that an apply has returned until another process has seen its version, through its handlers. */
const following = async (name: string, url: string, limit: number, promised: string): Promise<Row> => {
  const child = fork(join(import.meta.dirname, "follower.ts"), ["--follow", url])
  const seen = new Map<number, bigint>()
  let ready: () => void = () => {}
  const listening = new Promise<void>((resolve) => (ready = resolve))
  let waiting: (() => void) | undefined
  child.on("message", (message: "ready" | [number, string]) => {
    if (message === "ready") return ready()
    seen.set(message[0], BigInt(message[1]))
    waiting?.()
  })
  const runtime = at(url)
  const registry = await runtime.runPromise(Registry.Registry)
  await runtime.runPromise(registry.apply([{ op: "create", entry: { id: "app:one", kind: "service" } }]))
  await listening
  const delays: Array<number> = []
  for (let i = 0; i < 220; i++) {
    const { version } = await runtime.runPromise(
      registry.apply([{ op: "update", entry: { id: "app:one", kind: "service", data: i } }])
    )
    const committed = process.hrtime.bigint()
    const id = version!.id
    // One at a time, and never at the same point of a poll.
    while (!seen.has(id)) await new Promise<void>((resolve) => (waiting = resolve))
    if (i >= 20) delays.push(Number(seen.get(id)! - committed) / 1000)
    await new Promise((resolve) => setTimeout(resolve, (i * 7) % 31))
  }
  child.disconnect()
  await runtime.dispose()
  const median = middle(delays)
  return {
    work: `commit to a follower in another process, through its handlers, ${name}`,
    measured: `${time(median)} (95 %: ${time(quantile(delays, 0.95))})`,
    target: promised,
    met: median <= limit
  }
}

const versions = 100_000
const entries = 10_000

/** Opening a long history, against reading and decoding its newest checkpoint and nothing else. */
const boot = async (name: string, url: string): Promise<Row> => {
  await fillAt(url, entries, versions)
  const opening = async () => {
    const runtime = at(url)
    await runtime.runPromise(Registry.Registry)
    await runtime.dispose()
  }
  const checkpoint = async () => {
    const runtime = ManagedRuntime.make(HistoryUrl.layer(url))
    await runtime.runPromise(readNewestCheckpoint)
    await runtime.dispose()
  }
  const found = await ratio(opening, checkpoint, { runs: 11, warmUp: 3 })
  const runtime = at(url)
  const past = await runtime.runPromise(
    Effect.flatMap(HistoryStore, (store) =>
      Effect.map(store.info, ({ checkpoints, last }) => last - checkpoints.at(-1)!)
    )
  )
  await runtime.dispose()
  return {
    work: `boot at 100,000 versions over 10,000 entries, ${name}`,
    measured: `${time(found.a)}, ${times(found.ratio)} the checkpoint alone (${time(found.b)}), ${past.toLocaleString("en")} versions after it`,
    target: "at most 3× reading and decoding the checkpoint",
    met: found.ratio <= 3
  }
}

const stored = 20_000

/** What is on the disk for each version that creates an entry of 500 bytes, then for each that updates one. */
const disk = async (
  name: string,
  url: string,
  size: () => Promise<number>,
  /** What the server does by itself every minute, while these versions come within seconds. */
  tidy: () => Promise<unknown> = async () => undefined
): Promise<ReadonlyArray<Row>> => {
  const rows: Array<Row> = []
  let [packed, before] = [0, 0]
  for (const [what, changed] of [
    ["creates", 0],
    ["updates", 1]
  ] as const) {
    const runtime = at(url)
    const registry = await runtime.runPromise(Registry.Registry)
    before = await size()
    packed = 0
    for (let done = 0; done < stored; done += 100) {
      const batch = Array.from({ length: 100 }, (_, i) => {
        const now = entry(done + i, changed)
        const change =
          changed === 0
            ? ({ op: "create", entry: now } as const)
            : ({ op: "update", entry: now, original: entry(done + i) } as const)
        packed += ChangeSetCodec.encode([change]).length
        return registry.apply([change])
      })
      await runtime.runPromise(Effect.all(batch, { concurrency: "unbounded", discard: true }))
      if (done % 2000 === 0) await tidy()
    }
    await runtime.dispose()
    const [each, floor] = [((await size()) - before) / stored, packed / stored]
    rows.push({
      work: `bytes on disk for a version that ${what} an entry of 500 bytes, ${name}, checkpoints and indexes included`,
      measured: `${bytes(each)}, ${times(each / floor)} its MessagePack (${bytes(floor)})`,
      target: "at most 1.5×",
      met: each / floor <= 1.5
    })
  }
  return rows
}

const execute = async (server: Server, text: string) => {
  const client = new Client(server.url)
  await client.connect()
  try {
    return await client.query(text)
  } finally {
    await client.end()
  }
}

export const run = async (): Promise<ReadonlyArray<Row>> => {
  const server = await launch({ durable: true })
  try {
    const onServer = (registry: string) => `${server.url}?registry=${registry}`
    const file = join(folder, "disk.db")
    const sizeOfFile = async () => {
      const database = new Sqlite(file)
      database.pragma("wal_checkpoint(TRUNCATE)")
      database.close()
      return statSync(file).size
    }
    const sizeOnServer = async () => {
      const { rows } = await execute(
        server,
        `SELECT sum(pg_total_relation_size(c.oid)) AS value FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'disk' AND c.relkind = 'r'`
      )
      return Number((rows[0] as { readonly value: string }).value)
    }
    const vacuum = () => execute(server, "VACUUM")
    return [
      await appends(server),
      await following("PostgreSQL", onServer("following"), 5000, "at most 5 ms at the median"),
      await following(
        "SQLite, polled every 50 ms",
        join(folder, "following"),
        55_000,
        "at most the polling interval + 5 ms at the median"
      ),
      await boot("SQLite", join(folder, "boot")),
      await boot("PostgreSQL", onServer("boot")),
      ...(await disk("SQLite", `sqlite:${file}`, sizeOfFile)),
      ...(await disk("PostgreSQL", `${server.url}?schema=disk`, sizeOnServer, vacuum))
    ]
  } finally {
    await server.close()
  }
}
