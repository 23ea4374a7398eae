/** Rows of contents in the tables of a registry: each call one transaction, each statement prepared once. */
import { type Blob, BlobStore, type Hash, type Head, type Removal, type Write } from "@heph/content/BlobStore"
import type { HistoryStoreError } from "@heph/history/HistoryStore"
import type { Database } from "better-sqlite3"
import * as Effect from "effect/Effect"
import { attempt } from "./native.ts"
import { openToSweep, type Opened } from "./open.ts"
import { repeat, room } from "./sweep.ts"

/** Rows, and bytes of them, that one step deletes at most; a larger one goes alone. */
const batch = { rows: 32, bytes: 1_048_576 }

/** Where a page is another table's, a row may hold anything. */
interface HeadRow {
  readonly hash: string
  readonly size: number
  readonly base: string | null
  readonly depth: number
  readonly stored: number
  readonly touched: number
}
interface BlobRow {
  readonly id: number
  readonly hash: string
  readonly size: number
  readonly base: number | null
  readonly depth: number
  readonly zstd: number
  readonly bytes: Uint8Array
}
interface Place {
  readonly id: number
  readonly depth: number
}

const headOf = ({ base, depth, hash, size, stored, touched }: HeadRow): Head => {
  return { hash, size, base: base ?? undefined, depth, stored, touched }
}

/** The rows of a database that is open; `waits` says whether its commits wait for the disk. */
export const make = ({ database, ...opened }: Opened, filename: string, waits: boolean): BlobStore["Service"] => {
  const sql = statements(database)

  /** Runs a write whose commit does not wait for the disk. What is committed later and does wait takes it along: one log. */
  const relaxed = <A>(run: () => A): A => {
    if (!waits) return run()
    // By `exec`: `pragma` takes seven times as long.
    database.exec("PRAGMA synchronous = normal")
    try {
      return run()
    } finally {
      database.exec("PRAGMA synchronous = full")
    }
  }

  const totals = database.transaction((now: number) => {
    const { bytes, contents, stored } = sql.totals.get()!
    const serial = sql.serial.get()!
    return { contents, bytes, stored, settled: Math.min(serial, sql.held.get(now) ?? serial) }
  })

  const heads = database.transaction((hashes: ReadonlyArray<Hash>): ReadonlyArray<Head> =>
    [...new Set(hashes)].flatMap((hash) => {
      const row = sql.head.get(hash)
      return row === undefined ? [] : { ...headOf(row), hash }
    })
  )

  const read = database.transaction((hashes: ReadonlyArray<Hash>): ReadonlyArray<Blob> => {
    // A row found by its hash has that one, whatever it says itself.
    const names = new Map<number, Hash>()
    for (const hash of hashes) {
      const place = sql.place.get(hash)
      if (place !== undefined) names.set(place.id, hash)
    }
    const rows = sql.chains.all(JSON.stringify([...names.keys()]))
    for (const { hash, id } of rows) if (!names.has(id)) names.set(id, hash)
    return rows.map(({ base, bytes, depth, id, size, zstd }) => ({
      hash: names.get(id)!,
      size,
      base: base === null ? undefined : names.get(base),
      depth,
      encoding: zstd === 1 ? "zstd" : "raw",
      bytes: ArrayBuffer.isView(bytes) ? bytes : new Uint8Array(0)
    }))
  })

  const write = database.transaction(({ add, hold, now, touch }: Write): ReadonlyArray<Hash> => {
    const touched = touch.map((hash) => ({ hash, place: sql.place.get(hash) }))
    const refused = touched.flatMap(({ hash, place }) => (place === undefined ? hash : []))
    const before = sql.serial.get()!
    for (const { base, bytes, depth, encoding, hash, size } of add) {
      const below = base === undefined ? undefined : sql.place.get(base)
      const stands = base === undefined || (below !== undefined && below.depth < depth)
      if (!stands || sql.place.get(hash) !== undefined) {
        refused.push(hash)
        continue
      }
      sql.add.run(hash, size, below?.id ?? null, depth, encoding === "zstd" ? 1 : 0, before + 1, bytes)
    }
    if (refused.length > 0) throw new Refused(refused)
    for (const { place } of touched) sql.touch.run(before + 1, place!.id)
    sql.setSerial.run(before + 1)
    if (hold !== undefined) {
      sql.forgetHolds.run(now)
      sql.addHold.run(hold.holder, before, hold.until)
    }
    return []
  })

  const rebase = database.transaction((blob: Blob, from: Hash | undefined): boolean => {
    const row = sql.head.get(blob.hash)
    if (row === undefined || (row.base ?? undefined) !== from || blob.depth > row.depth) return false
    const below = blob.base === undefined ? undefined : sql.place.get(blob.base)
    if (blob.base !== undefined && (below === undefined || below.depth >= blob.depth)) return false
    sql.rebase.run(below?.id ?? null, blob.depth, blob.encoding === "zstd" ? 1 : 0, blob.bytes, blob.hash)
    return true
  })

  /** Deletes what may go, a step at a time, on a connection that waits for nobody. */
  const remove = (removals: ReadonlyArray<Removal>): Effect.Effect<ReadonlyArray<Hash>, HistoryStoreError> =>
    Effect.acquireUseRelease(
      attempt(filename, () => {
        // Where nothing can be changed it fails here, and not on the connection of its own.
        sql.nothing.run()
        return openToSweep({ database, ...opened })
      }),
      (own) =>
        Effect.gen(function* () {
          const steps = yield* attempt(filename, () => sweeper(own, removals))
          yield* repeat(filename, steps.rows)
          yield* repeat(filename, steps.room)
          return steps.gone
        }),
      (own) => Effect.sync(() => own.close())
    )

  return BlobStore.of({
    capabilities: { durable: true, shared: true },
    totals: (now) => attempt(filename, () => totals.deferred(now)),
    heads: (range) =>
      attempt(filename, () =>
        "hashes" in range ? heads.deferred(range.hashes) : sql.page.all(range.after, range.limit).map(headOf)
      ),
    read: (hashes) => attempt(filename, () => read.deferred(hashes)),
    write: (parts) =>
      attempt(filename, () => {
        try {
          return parts.hold === undefined ? write.immediate(parts) : relaxed(() => write.immediate(parts))
        } catch (cause) {
          if (cause instanceof Refused) return cause.hashes
          throw cause
        }
      }),
    hold: (holder, until) =>
      attempt(filename, () =>
        relaxed(() => void (until === null ? sql.release.run(holder) : sql.renew.run(until, holder)))
      ),
    rebase: ({ blob, from }) => attempt(filename, () => relaxed(() => rebase.immediate(blob, from))),
    remove: (removals) => (removals.length === 0 ? Effect.succeed([]) : remove(removals))
  })
}

/** Thrown to roll back: what was written until then is not. */
class Refused extends Error {
  readonly hashes: ReadonlyArray<Hash>
  constructor(hashes: ReadonlyArray<Hash>) {
    super("refused")
    this.hashes = hashes
  }
}

const sweeper = (database: Database, removals: ReadonlyArray<Removal>) => {
  const drop = database
    .prepare<[string, number], number>(
      `DELETE FROM contents WHERE hash = unhex(?) AND touched = ?
         AND NOT EXISTS (SELECT 1 FROM contents AS above WHERE above.base = contents.id)
       RETURNING length(bytes)`
    )
    .pluck()
  const gone: Array<Hash> = []
  let next = 0
  const some = database.transaction((): ReadonlyArray<Hash> => {
    const dropped: Array<Hash> = []
    let bytes = 0
    for (const { hash, touched } of removals.slice(next, next + batch.rows)) {
      next++
      const length = drop.get(hash, touched)
      if (length === undefined) continue
      dropped.push(hash)
      bytes += length
      if (bytes >= batch.bytes) break
    }
    return dropped
  })
  return {
    gone,
    rows: (): boolean => {
      const from = next
      try {
        for (const hash of some.immediate()) gone.push(hash)
      } catch (cause) {
        next = from
        throw cause
      }
      return next < removals.length
    },
    room: room(database)
  }
}

const statements = (database: Database) => ({
  totals: database.prepare<[], { readonly contents: number; readonly bytes: number; readonly stored: number }>(
    "SELECT count(*) AS contents, coalesce(sum(size), 0) AS bytes, coalesce(sum(length(bytes)), 0) AS stored FROM contents"
  ),
  serial: database.prepare<[], number>("SELECT value FROM metadata WHERE key = 'content_serial'").pluck(),
  setSerial: database.prepare<[number]>("UPDATE metadata SET value = CAST(? AS INTEGER) WHERE key = 'content_serial'"),
  held: database.prepare<[number], number | null>("SELECT min(serial) FROM content_holds WHERE until > ?").pluck(),
  place: database.prepare<[string], Place>("SELECT id, depth FROM contents WHERE hash = unhex(?)"),
  head: database.prepare<[string], HeadRow>(
    `SELECT ${headColumns("c.hash")} FROM contents AS c WHERE c.hash = unhex(?)`
  ),
  // In the order of the index and by what it says: a hash that is damaged in its row leads nobody astray.
  page: database.prepare<[string, number], HeadRow>(
    `SELECT ${headColumns("k.hash")}
     FROM (SELECT id, hash FROM contents WHERE hash > unhex(?) ORDER BY hash LIMIT ?) AS k JOIN contents AS c ON c.id = k.id
     ORDER BY k.hash`
  ),
  // UNION and not UNION ALL: rows that stand on each other, which damage can make, end it too.
  chains: database.prepare<[string], BlobRow>(
    `WITH RECURSIVE chain (id) AS (
       SELECT value FROM json_each(?)
       UNION SELECT c.base FROM chain JOIN contents AS c ON c.id = chain.id WHERE c.base IS NOT NULL
     )
     SELECT c.id, lower(hex(c.hash)) AS hash, c.size, c.base, c.depth, c.zstd, c.bytes
     FROM chain JOIN contents AS c ON c.id = chain.id`
  ),
  add: database.prepare<[string, number, number | null, number, number, number, Uint8Array]>(
    "INSERT INTO contents (hash, size, base, depth, zstd, touched, bytes) VALUES (unhex(?), ?, ?, ?, ?, ?, ?)"
  ),
  touch: database.prepare<[number, number]>("UPDATE contents SET touched = ? WHERE id = +?"),
  rebase: database.prepare<[number | null, number, number, Uint8Array, string]>(
    "UPDATE contents SET base = ?, depth = ?, zstd = ?, bytes = ? WHERE hash = unhex(?)"
  ),
  forgetHolds: database.prepare<[number]>("DELETE FROM content_holds WHERE until <= ?"),
  addHold: database.prepare<[string, number, number]>(
    "INSERT INTO content_holds (holder, serial, until) VALUES (?, ?, ?)"
  ),
  renew: database.prepare<[number, string]>("UPDATE content_holds SET until = ? WHERE holder = ?"),
  release: database.prepare<[string]>("DELETE FROM content_holds WHERE holder = ?"),
  nothing: database.prepare("UPDATE contents SET touched = touched WHERE false")
})

const headColumns = (hash: string): string =>
  `lower(hex(${hash})) AS hash, c.size, c.depth, c.touched, length(c.bytes) AS stored,
   (SELECT lower(hex(b.hash)) FROM contents AS b WHERE b.id = c.base) AS base`
