/** What is done to the tables, as plain calls that throw: each one transaction, each statement prepared once. */
import type {
  Compaction,
  HeadConflict,
  HistoryStoreError,
  Run,
  StoreInfo,
  VersionRange,
  VersionRecord
} from "@heph/history/HistoryStore"
import * as Precondition from "@heph/history/Precondition"
import * as Stored from "@heph/history/storage/Stored"
import type * as Version from "@heph/history/Version"
import type { Database } from "better-sqlite3"
import * as Result from "effect/Result"
import { storeError } from "./native.ts"
import {
  checkpointChecksum,
  chunkChecksum,
  type DroppedRow,
  type Fields,
  headChecksum,
  runChecksum,
  storedOf,
  tagChecksum,
  versionChecksum,
  versionColumns,
  versionReader,
  type VersionRow
} from "./rows.ts"

/** A write that was done, or why it was not: refused before anything was written. */
type Outcome<A, E = HeadConflict | HistoryStoreError> = Result.Result<A, E>

interface HeadRow extends Version.HeadMove {
  readonly checksum: number
  readonly last: number
  /** How many runs compaction has dropped, `null` where none. */
  readonly runs: number | null
}
/** A row, and whether versions that were dropped still have rows. */
interface FoundRow extends VersionRow {
  readonly sweeping: number
}
interface CheckpointRow {
  readonly save: number
  readonly chunks: number
  readonly checksum: number
}
interface ChunkRow {
  readonly number: number
  readonly checksum: number
  readonly zstd: number
  readonly bytes: Uint8Array
}

/** A version as it will be stored, made before any lock is taken. */
export interface Prepared {
  readonly fields: Fields
  readonly stored: Stored.Stored
}

export const make = (database: Database, filename: string) => {
  const sql = statements(database)
  const readVersion = versionReader(database, filename)

  const damaged = (what: string): HistoryStoreError =>
    storeError(filename, "Corrupt", `${what} is damaged: it is not as it was stored. verify lists all that is`)

  /** The runs that compaction dropped, of which there are only ever more: those known, up to which one. */
  let known: { readonly count: number; readonly runs: ReadonlyArray<Run> } = { count: 0, runs: [] }
  const droppedRuns = (count: number): ReadonlyArray<Run> => {
    if (count === known.count) return known.runs
    const from = count > known.count ? known : { count: 0, runs: [] }
    const rows = sql.dropped.all(from.count)
    const isSound = ({ checksum, first, last, run }: DroppedRow) => checksum === runChecksum(run, [first, last])
    if (rows.length !== count - from.count || !rows.every(isSound)) throw damaged("the list of dropped versions")
    const added = rows.map(({ first, last }): Run => [first, last])
    known = { count, runs: Precondition.union(from.runs, added) }
    return known.runs
  }

  const facts = (): Precondition.Facts => {
    const move = sql.head.get()
    if (move === undefined) return { head: 0, revision: 0, last: sql.last.get() ?? 0, dropped: [] }
    if (move.checksum !== headChecksum(move)) throw damaged(`head at revision ${move.revision}`)
    return { head: move.version, revision: move.revision, last: move.last, dropped: droppedRuns(move.runs ?? 0) }
  }

  const addHead = (move: Version.HeadMove): void => {
    sql.addHead.run(move.revision, move.version, move.timestamp, headChecksum(move))
  }

  const append = database.transaction((versions: ReadonlyArray<Prepared>, seen: number): Outcome<number> => {
    const refusal = Precondition.append(
      facts(),
      versions.map(({ fields }) => fields),
      seen,
      filename
    )
    if (refusal !== undefined) return Result.fail(refusal)
    let revision = seen
    for (const { fields, stored } of versions) {
      const { author = null, created, deleted, folded = null, id, message = null, parent, timestamp, updated } = fields
      sql.addVersion.run(id, parent, timestamp, message, author, created, updated, deleted, folded)
      sql.addChangeset.run(id, versionChecksum(fields, stored), stored.bytes, stored.zstd ? 1 : 0)
      addHead({ revision: ++revision, version: id, timestamp })
    }
    return Result.succeed(revision)
  })

  const moveHead = database.transaction((version: number, timestamp: number, seen: number): Outcome<number> => {
    const refusal = Precondition.moveHead(facts(), version, seen, filename)
    if (refusal !== undefined) return Result.fail(refusal)
    addHead({ revision: seen + 1, version, timestamp })
    return Result.succeed(seen + 1)
  })

  const tag = database.transaction((name: string, version: number): Outcome<void, HistoryStoreError> => {
    const refusal = Precondition.exists(facts(), version, filename)
    if (refusal !== undefined) return Result.fail(refusal)
    sql.setTag.run(name, version, tagChecksum(name, version))
    return Result.void
  })

  const info = database.transaction((): StoreInfo => ({
    created: sql.created.get()!,
    ...facts(),
    tags: new Map(sql.tags.all().map(({ name, version }) => [name, version])),
    checkpoints: sql.checkpoints.all()
  }))

  const versionRows = database.transaction((range: VersionRange): ReadonlyArray<VersionRow> => {
    const found =
      "ids" in range
        ? range.ids.flatMap((id) => sql.version.get(id) ?? [])
        : "after" in range
          ? sql.after.all(range.after, limitOf(range.limit))
          : sql.before.all(range.before, limitOf(range.limit))
    return found[0]?.sweeping === 1 ? notDropped(range, found) : found
  })

  /** What of a range is to be seen while rows of versions that were dropped are still there: read around these. */
  const notDropped = (range: VersionRange, found: ReadonlyArray<VersionRow>): ReadonlyArray<VersionRow> => {
    const runs = sql.unswept.all().map(({ first, last }): Run => [first, last])
    if ("ids" in range) return found.filter(({ id }) => !Precondition.isIn(runs, id))
    const limit = limitOf(range.limit)
    const pages: Array<ReadonlyArray<VersionRow>> = []
    let count = 0
    const take = (page: ReadonlyArray<VersionRow>): void => {
      pages.push(page)
      count += page.length
    }
    if ("after" in range) {
      let after = range.after
      for (const [first, last] of runs) {
        if (count === limit) break
        if (last <= after) continue
        if (first > after + 1) take(sql.between.all(after, first, limit - count))
        after = last
      }
      take(sql.after.all(after, limit - count))
    } else {
      let before = range.before
      for (const [first, last] of runs.toReversed()) {
        if (count === limit) break
        if (first >= before) continue
        if (last < before - 1) take(sql.betweenDown.all(before, last, limit - count))
        before = first
      }
      take(sql.before.all(before, limit - count))
    }
    return pages.flat()
  }

  /**
   * The one step of a compaction: checked, folded, and what is dropped noted. From its end on nobody sees those
   * versions; their rows are deleted later.
   */
  const compact = database.transaction(
    (compaction: Compaction, folds: ReadonlyArray<Prepared>): Result.Result<void, HistoryStoreError> => {
      const found = facts()
      const beside = { tags: sql.tags.all().map(({ version }) => version), parents: sql.parents.all(compaction.last) }
      const refusal = Precondition.compact(found, compaction, beside, filename)
      if (refusal !== undefined) return Result.fail(refusal)
      for (const { fields, stored } of folds) {
        const { author = null, created, deleted, folded = null, id } = fields
        const { message = null, parent, timestamp, updated } = fields
        sql.setVersion.run(parent, timestamp, message, author, created, updated, deleted, folded, id)
        sql.setChangeset.run(versionChecksum(fields, stored), stored.bytes, stored.zstd ? 1 : 0, id)
      }
      let { runs } = sql.head.get() ?? { runs: 0 }
      for (const run of compaction.drop) {
        runs = (runs ?? 0) + 1
        sql.addDropped.run(runs, run[0], run[1], runChecksum(runs, run))
      }
      for (const version of sql.checkpoints.all()) {
        if (Precondition.isIn(compaction.drop, version)) sql.forgetCheckpoint.run(version)
      }
      return Result.void
    }
  )

  const finishCheckpoint = database.transaction(
    (save: number, version: number, chunks: number): Result.Result<void, HistoryStoreError> => {
      if (sql.countChunks.get(save) !== chunks || sql.knownSave.get(save) === undefined) {
        const detail =
          "another process saved a checkpoint meanwhile, and swept this one away; nothing was changed, try again"
        return Result.fail(storeError(filename, "Busy", detail))
      }
      sql.forgetCheckpoint.run(version)
      sql.nameCheckpoint.run(version, chunks, checkpointChecksum(save, version, chunks), save)
      return Result.void
    }
  )

  const loadCheckpoint = database.transaction((version: number): ReadonlyArray<Uint8Array> => {
    const found = sql.checkpoint.get(version)
    if (found === undefined) throw storeError(filename, "NotFound", `v${version} has no checkpoint`)
    const { checksum, chunks, save } = found
    const rows = sql.chunks.all(save)
    if (rows.length !== chunks || checksum !== checkpointChecksum(save, version, chunks)) {
      throw damaged(`the checkpoint of v${version}`)
    }
    return rows.map((row) => {
      const stored = storedOf(row, row.bytes)
      if (row.checksum !== chunkChecksum(save, row.number, stored)) throw damaged(`the checkpoint of v${version}`)
      try {
        return Stored.unpack(stored)
      } catch {
        throw damaged(`the checkpoint of v${version}`)
      }
    })
  })

  const dropCheckpoints = database.transaction((versions: ReadonlyArray<number>): boolean => {
    let dropped = 0
    for (const version of versions) dropped += sql.forgetCheckpoint.run(version).changes
    return dropped > 0
  })

  return {
    info: (): StoreInfo => info.deferred(),
    append: (versions: ReadonlyArray<Prepared>, seen: number): Outcome<number> => append.immediate(versions, seen),
    compact: (compaction: Compaction, folds: ReadonlyArray<Prepared>): Result.Result<void, HistoryStoreError> =>
      compact.immediate(compaction, folds),
    moveHead: (version: number, timestamp: number, seen: number): Outcome<number> =>
      moveHead.immediate(version, timestamp, seen),
    tag: (name: string, version: number | null): Outcome<void, HistoryStoreError> => {
      if (version !== null) return tag.immediate(name, version)
      sql.dropTag.run(name)
      return Result.void
    },
    versions: (range: VersionRange): ReadonlyArray<VersionRecord> => versionRows.deferred(range).map(readVersion),
    heads: (after: number, limit: number): ReadonlyArray<Version.HeadMove> => sql.heads.all(after, limitOf(limit)),
    checkpoints: {
      exists: (version: number): Outcome<void, HistoryStoreError> => {
        const refusal = Precondition.exists(facts(), version, filename)
        return refusal === undefined ? Result.void : Result.fail(refusal)
      },
      /** Chunks are added under the number that this gives, one short transaction each. */
      begin: (): number => Number(sql.newSave.run().lastInsertRowid),
      add: (save: number, number: number, stored: Stored.Stored): void => {
        sql.addChunk.run(save, number, chunkChecksum(save, number, stored), stored.bytes, stored.zstd ? 1 : 0)
      },
      /** From here on the chunks are the checkpoint of the version, and those that were it are left over. */
      finish: (save: number, version: number, chunks: number): Result.Result<void, HistoryStoreError> =>
        finishCheckpoint.immediate(save, version, chunks),
      /** Whether there were any; their chunks are left over then. */
      drop: (versions: ReadonlyArray<number>): boolean => dropCheckpoints.immediate(versions),
      load: (version: number): ReadonlyArray<Uint8Array> => loadCheckpoint.deferred(version)
    }
  }
}

/** A negative limit would mean none to SQLite, and an infinite one is no integer. */
const limitOf = (limit: number): number => Math.min(Math.max(limit, 0), Number.MAX_SAFE_INTEGER)

/** One lookup for a whole statement, in an index that is empty unless a compaction is being swept up after. */
const foundColumns = `${versionColumns}, EXISTS (SELECT 1 FROM dropped INDEXED BY unswept WHERE swept = 0) AS sweeping`

const statements = (database: Database) => ({
  created: database.prepare<[], number>("SELECT value FROM metadata WHERE key = 'created'").pluck(),
  last: database.prepare<[], number>("SELECT max(id) FROM versions").pluck(),
  head: database.prepare<[], HeadRow>(
    `SELECT revision, version, timestamp, checksum, (SELECT max(id) FROM versions) AS last,
       (SELECT max(run) FROM dropped) AS runs
     FROM heads ORDER BY revision DESC LIMIT 1`
  ),
  heads: database.prepare<[number, number], Version.HeadMove>(
    "SELECT revision, version, timestamp FROM heads WHERE revision > ? ORDER BY revision LIMIT ?"
  ),
  tags: database.prepare<[], { readonly name: string; readonly version: number }>(
    "SELECT name, version FROM tags ORDER BY name"
  ),
  checkpoints: database
    .prepare<[], number>("SELECT version FROM checkpoints WHERE version IS NOT NULL ORDER BY version")
    .pluck(),
  // `+?`, because a number is bound as a float: the lookup in the second table could not use its key for one.
  version: database.prepare<[number], FoundRow>(
    `SELECT ${foundColumns} FROM versions v JOIN changesets c ON c.version = v.id WHERE v.id = +? AND v.id > 0`
  ),
  after: database.prepare<[number, number], FoundRow>(
    `SELECT ${foundColumns} FROM versions v JOIN changesets c ON c.version = v.id
     WHERE v.id > ? AND v.id > 0 ORDER BY v.id LIMIT ?`
  ),
  before: database.prepare<[number, number], FoundRow>(
    `SELECT ${foundColumns} FROM versions v JOIN changesets c ON c.version = v.id
     WHERE v.id < ? AND v.id > 0 ORDER BY v.id DESC LIMIT ?`
  ),
  between: database.prepare<[after: number, before: number, limit: number], VersionRow>(
    `SELECT ${versionColumns} FROM versions v JOIN changesets c ON c.version = v.id
     WHERE v.id > ? AND v.id < ? AND v.id > 0 ORDER BY v.id LIMIT ?`
  ),
  betweenDown: database.prepare<[before: number, after: number, limit: number], VersionRow>(
    `SELECT ${versionColumns} FROM versions v JOIN changesets c ON c.version = v.id
     WHERE v.id < ? AND v.id > ? AND v.id > 0 ORDER BY v.id DESC LIMIT ?`
  ),
  parents: database
    .prepare<[number], number>("SELECT DISTINCT parent FROM versions WHERE id > ? AND parent IS NOT NULL")
    .pluck(),
  addVersion: database.prepare<
    [number, number, number, string | null, string | null, number, number, number, number | null]
  >(
    `INSERT INTO versions (id, parent, timestamp, message, author, created, updated, deleted, folded)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`
  ),
  addChangeset: database.prepare<[number, number, Uint8Array, number]>(
    "INSERT INTO changesets (version, checksum, bytes, zstd) VALUES (?, ?, ?, ?)"
  ),
  setVersion: database.prepare<
    [number, number, string | null, string | null, number, number, number, number | null, number]
  >(
    `UPDATE versions SET parent = ?, timestamp = ?, message = ?, author = ?, created = ?, updated = ?, deleted = ?,
       folded = ? WHERE id = ?`
  ),
  setChangeset: database.prepare<[number, Uint8Array, number, number]>(
    "UPDATE changesets SET checksum = ?, bytes = ?, zstd = ? WHERE version = ?"
  ),
  dropped: database.prepare<[number], DroppedRow>(
    "SELECT run, first, last, checksum FROM dropped WHERE run > ? ORDER BY run"
  ),
  unswept: database.prepare<[], { readonly first: number; readonly last: number }>(
    "SELECT first, last FROM dropped INDEXED BY unswept WHERE swept = 0 ORDER BY last"
  ),
  addDropped: database.prepare<[number, number, number, number]>(
    "INSERT INTO dropped (run, first, last, checksum) VALUES (?, ?, ?, ?)"
  ),
  addHead: database.prepare<[number, number, number, number]>(
    "INSERT INTO heads (revision, version, timestamp, checksum) VALUES (?, ?, ?, ?)"
  ),
  setTag: database.prepare<[string, number, number]>(
    "INSERT OR REPLACE INTO tags (name, version, checksum) VALUES (?, ?, ?)"
  ),
  dropTag: database.prepare<[string]>("DELETE FROM tags WHERE name = ?"),
  newSave: database.prepare("INSERT INTO checkpoints DEFAULT VALUES"),
  knownSave: database.prepare<[number], number>("SELECT save FROM checkpoints WHERE save = ?").pluck(),
  addChunk: database.prepare<[number, number, number, Uint8Array, number]>(
    "INSERT INTO checkpoint_chunks (save, number, checksum, bytes, zstd) VALUES (?, ?, ?, ?, ?)"
  ),
  countChunks: database.prepare<[number], number>("SELECT count(*) FROM checkpoint_chunks WHERE save = ?").pluck(),
  forgetCheckpoint: database.prepare<[number]>("UPDATE checkpoints SET version = NULL WHERE version = ?"),
  nameCheckpoint: database.prepare<[number, number, number, number]>(
    "UPDATE checkpoints SET version = ?, chunks = ?, checksum = ? WHERE save = ?"
  ),
  checkpoint: database.prepare<[number], CheckpointRow>(
    "SELECT save, chunks, checksum FROM checkpoints WHERE version = ?"
  ),
  chunks: database.prepare<[number], ChunkRow>(
    "SELECT number, checksum, zstd, bytes FROM checkpoint_chunks WHERE save = ? ORDER BY number"
  )
})
