/** The SQLite history against the bare driver that it is built on. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Operation from "@heph/changeset/Operation"
import * as Entry from "@heph/entry/Entry"
import * as HistorySqlite from "@heph/history-sqlite/HistorySqlite"
import type { HistoryStore, VersionRecord } from "@heph/history/HistoryStore"
import * as Packed from "@heph/history/Packed"
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { bytes, median, once, rate, ratio, type Row, time, times } from "./measure.ts"

type Store = HistoryStore["Service"]
type Durability = "full" | "normal"

/** An entry of ~480 bytes as it is stored, made anew for each version, so that each is encoded. */
const record = (id: number): VersionRecord => ({
  id,
  parent: id - 1,
  timestamp: 1_700_000_000_000 + id,
  message: "bench",
  author: undefined,
  created: 1,
  updated: 0,
  deleted: 0,
  changeset: Packed.fromChangeSet([
    Operation.create(
      Entry.makeUnsafe({
        id: `bench:entry-${id}`,
        kind: "service",
        meta: { name: `entry-${id}`, type: "http.endpoint", tags: ["one", "two", "three"], index: id },
        data: { host: "localhost", port: 8000 + (id % 1000), enabled: true, text: "x".repeat(320) }
      })
    )
  ])
})

/** The least that a program does to make one version durable: the same tables and settings, one row into each. */
const bareAppends = (filename: string, durability: Durability) => {
  const database = new Sqlite(filename)
  database.pragma("journal_mode = WAL")
  database.pragma(`synchronous = ${durability}`)
  const version = database.prepare(
    "INSERT INTO versions (id, parent, timestamp, message, author, created, updated, deleted) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
  )
  const changeset = database.prepare("INSERT INTO changesets (version, checksum, bytes) VALUES (?, ?, ?)")
  const head = database.prepare("INSERT INTO heads (revision, version, timestamp, checksum) VALUES (?, ?, ?, ?)")
  const stored = Effect.runSync(record(1).changeset.bytes)
  const checksum = 4_000_000_000
  let id = 0
  const append = database.transaction(() => {
    id++
    version.run(id, id - 1, 1_700_000_000_000, "bench", null, 1, 0, 0)
    changeset.run(id, checksum, stored)
    head.run(id, id, 1_700_000_000_000, checksum)
  })
  return {
    appends: (count: number) => {
      for (let i = 0; i < count; i++) append.immediate()
      return id
    },
    close: () => database.close()
  }
}

/** Many short runs in turns: the time of a disk differs from one moment to the next more than the two differ. */
const turns = { per: 20, runs: 100, warmUp: 10 }

const appends = async (folder: string, durability: Durability) => {
  const scope = Scope.makeUnsafe()
  const own = join(folder, `${durability}.db`)
  const other = join(folder, `${durability}-bare.db`)
  await Effect.runPromise(Effect.scoped(HistorySqlite.make({ filename: other, durability })))
  const bare = bareAppends(other, durability)
  const store = await Effect.runPromise(Scope.provide(HistorySqlite.make({ filename: own, durability }), scope))
  // Each is encoded by the append, as the changeset of a transaction is; the bare one has its bytes from the start.
  const records = Array.from({ length: turns.per * (turns.runs + turns.warmUp) }, (_, i) => record(i + 1))
  let last = 0
  const ours = Effect.gen(function* () {
    for (let i = 0; i < turns.per; i++) last = yield* store.append([records[last]!], last)
    return last
  })
  const measured = await ratio(
    () => Effect.runPromise(ours),
    () => bare.appends(turns.per),
    turns
  )
  bare.close()
  await Effect.runPromise(Scope.close(scope, Exit.void))
  return measured
}

/** Reads all versions in pages, and decodes each changeset or not. */
const scan = (store: Store, decode: boolean) =>
  Effect.gen(function* () {
    let after = 0
    let operations = 0
    for (;;) {
      const page = yield* store.versions({ after, limit: 1000 })
      if (page.length === 0) return operations
      for (const version of page) {
        if (decode) operations += (yield* version.changeset.value).length
        after = version.id
      }
    }
  })

const count = 100_000
const chunkCount = 40

/** Times of 100,000 versions, and of a checkpoint of 40 MB beside appends. */
const large = async (folder: string): Promise<ReadonlyArray<Row>> => {
  const filename = join(folder, "large.db")
  const open = Effect.scoped(Effect.flatMap(HistorySqlite.make({ filename }), (store) => store.info))
  const scope = Scope.makeUnsafe()
  const store = await Effect.runPromise(Scope.provide(HistorySqlite.make({ filename }), scope))
  const batch = await once(() =>
    Effect.runPromise(
      Effect.gen(function* () {
        for (let last = 0; last < count; last += 1000) {
          yield* store.append(
            Array.from({ length: 1000 }, (_, i) => record(last + 1 + i)),
            last
          )
        }
      })
    )
  )
  const decoded = await median(() => Effect.runPromise(scan(store, true)), { runs: 3, warmUp: 1, per: count })
  const listed = await median(() => Effect.runPromise(scan(store, false)), { runs: 3, warmUp: 1, per: count })
  const one = await median(
    () =>
      Effect.runPromise(
        Effect.gen(function* () {
          for (let i = 1; i <= 2000; i++) yield* store.versions({ ids: [i * 50] })
        })
      ),
    { per: 2000 }
  )
  const info = await median(() => Effect.runPromise(Effect.repeat(store.info, { times: 999 })), { per: 1000 })

  // Another fiber, which notes how long it was kept from running.
  const state = { saving: true, longest: 0 }
  const watch = Effect.gen(function* () {
    let before = performance.now()
    while (state.saving) {
      yield* Effect.yieldNow
      const now = performance.now()
      state.longest = Math.max(state.longest, now - before)
      before = now
    }
  })
  const chunks = function* () {
    for (let i = 0; i < chunkCount; i++) yield new Uint8Array(1_000_000).fill(i)
  }
  const save = Effect.ensuring(
    store.checkpoints.save(1, chunks()),
    Effect.sync(() => (state.saving = false))
  )
  const saved = await once(() => Effect.runPromise(Effect.all([save, watch], { concurrency: 2 })))
  const loaded = await median(() => Effect.runPromise(store.checkpoints.load(1)), { runs: 3, warmUp: 1 })
  const verified = await once(() => Effect.runPromise(store.verify))
  await Effect.runPromise(Scope.close(scope, Exit.void))
  const opened = await median(() => Effect.runPromise(open), { runs: 9, warmUp: 1 })
  const perSecond = 1e6 / decoded

  return [
    {
      work: "versions read in order and decoded, 100,000 of one operation",
      measured: `${rate(decoded)} (${time(decoded)} each)`,
      target: "≥ 50,000/s",
      met: perSecond >= 50_000
    },
    { work: "… not decoded, as a log shows them", measured: `${time(listed)} each`, target: "", met: undefined },
    { work: "append in batches of 1,000", measured: `${time(batch / count)} each`, target: "", met: undefined },
    { work: "one version by id, of 100,000", measured: time(one), target: "", met: undefined },
    { work: "info, with 100,000 versions", measured: time(info), target: "", met: undefined },
    { work: "open, info, close, with 100,000 versions", measured: time(opened), target: "", met: undefined },
    {
      work: `checkpoint of ${bytes(chunkCount * 1e6)} saved · loaded`,
      measured: `${time(saved)} · ${time(loaded)}`,
      target: "",
      met: undefined
    },
    { work: "… longest pause of other fibers", measured: time(state.longest * 1000), target: "", met: undefined },
    { work: "verify, 100,000 versions and the checkpoint", measured: time(verified), target: "", met: undefined }
  ]
}

export const run = async (): Promise<ReadonlyArray<Row>> => {
  const folder = mkdtempSync(join(tmpdir(), "heph-bench-"))
  try {
    const full = await appends(folder, "full")
    const normal = await appends(folder, "normal")
    return [
      {
        work: "durable append of one version (synchronous=FULL), against the bare driver",
        measured: `${times(full.ratio)} (${time(full.a)} · ${time(full.b)})`,
        target: "≤ 1.5×",
        met: full.ratio <= 1.5
      },
      {
        work: "… synchronous=NORMAL, where the disk hides nothing",
        measured: `${times(normal.ratio)} (${time(normal.a)} · ${time(normal.b)})`,
        target: "",
        met: undefined
      },
      ...(await large(folder))
    ]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

if (import.meta.main) console.table(await run())
