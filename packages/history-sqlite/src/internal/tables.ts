/** What is done to the tables, as plain calls that throw: each one transaction, each statement prepared once. */
import type {
  HeadConflict,
  HistoryStoreError,
  StoreInfo,
  VersionRange,
  VersionRecord
} from "@heph/history/HistoryStore"
import * as Precondition from "@heph/history/Precondition"
import type * as Version from "@heph/history/Version"
import type { Database } from "better-sqlite3"
import * as Result from "effect/Result"
import { storeError } from "./native.ts"
import {
  checkpointChecksum,
  chunkChecksum,
  headChecksum,
  plainBytes,
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
}
interface CheckpointRow {
  readonly save: number
  readonly chunks: number
  readonly checksum: number
}
interface ChunkRow {
  readonly number: number
  readonly checksum: number
  readonly bytes: Uint8Array
}

export const make = (database: Database, filename: string) => {
  const sql = statements(database)
  const readVersion = versionReader(database, filename)

  const damaged = (what: string): HistoryStoreError =>
    storeError(filename, "Corrupt", `${what} is damaged: it is not as it was stored. verify lists all that is`)

  const facts = (): Precondition.Facts => {
    const move = sql.head.get()
    if (move === undefined) return { head: 0, revision: 0, last: sql.last.get() ?? 0 }
    if (move.checksum !== headChecksum(move)) throw damaged(`head at revision ${move.revision}`)
    return { head: move.version, revision: move.revision, last: move.last }
  }

  const addHead = (move: Version.HeadMove): void => {
    sql.addHead.run(move.revision, move.version, move.timestamp, headChecksum(move))
  }

  const append = database.transaction((rows: ReadonlyArray<AppendedRow>, seen: number): Outcome<number> => {
    const refusal = Precondition.append(facts(), rows, seen, filename)
    if (refusal !== undefined) return Result.fail(refusal)
    let revision = seen
    for (const row of rows) {
      const { author, bytes, created, deleted, id, message, parent, timestamp, updated } = row
      sql.addVersion.run(id, parent, timestamp, message, author, created, updated, deleted)
      sql.addChangeset.run(id, versionChecksum(row, bytes), bytes)
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
    if ("ids" in range) return range.ids.flatMap((id) => sql.version.get(id) ?? [])
    return "after" in range
      ? sql.after.all(range.after, limitOf(range.limit))
      : sql.before.all(range.before, limitOf(range.limit))
  })

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
    return rows.map(({ bytes, checksum, number }) => {
      if (checksum !== chunkChecksum(save, number, bytes)) throw damaged(`the checkpoint of v${version}`)
      return plainBytes(bytes)
    })
  })

  return {
    info: (): StoreInfo => info.deferred(),
    append: (versions: ReadonlyArray<VersionRecord>, seen: number): Outcome<number> => {
      // Encoded before the lock is taken.
      const rows = versions.map(appendedRow)
      return append.immediate(rows, seen)
    },
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
      add: (save: number, number: number, bytes: Uint8Array): void => {
        sql.addChunk.run(save, number, chunkChecksum(save, number, bytes), bytes)
      },
      /** From here on the chunks are the checkpoint of the version, and those that were it are left over. */
      finish: (save: number, version: number, chunks: number): Result.Result<void, HistoryStoreError> =>
        finishCheckpoint.immediate(save, version, chunks),
      /** Deletes one chunk that is left over; false where there is none. */
      sweep: (): boolean => {
        if (sql.dropLeftover.run().changes > 0) return true
        sql.dropSaves.run()
        return false
      },
      load: (version: number): ReadonlyArray<Uint8Array> => loadCheckpoint.deferred(version)
    }
  }
}

interface AppendedRow extends Omit<VersionRow, "checksum"> {
  readonly bytes: Uint8Array
}

const appendedRow = (version: VersionRecord): AppendedRow => ({
  id: version.id,
  parent: version.parent,
  timestamp: version.timestamp,
  message: version.message ?? null,
  author: version.author ?? null,
  created: version.created,
  updated: version.updated,
  deleted: version.deleted,
  bytes: version.changeset.bytes()
})

/** A negative limit would mean none to SQLite, and an infinite one is no integer. */
const limitOf = (limit: number): number => Math.min(Math.max(limit, 0), Number.MAX_SAFE_INTEGER)

const statements = (database: Database) => ({
  created: database.prepare<[], number>("SELECT value FROM metadata WHERE key = 'created'").pluck(),
  last: database.prepare<[], number>("SELECT max(id) FROM versions").pluck(),
  head: database.prepare<[], HeadRow>(
    `SELECT revision, version, timestamp, checksum, (SELECT max(id) FROM versions) AS last
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
  version: database.prepare<[number], VersionRow>(
    `SELECT ${versionColumns} FROM versions v JOIN changesets c ON c.version = v.id WHERE v.id = +? AND v.id > 0`
  ),
  after: database.prepare<[number, number], VersionRow>(
    `SELECT ${versionColumns} FROM versions v JOIN changesets c ON c.version = v.id
     WHERE v.id > ? AND v.id > 0 ORDER BY v.id LIMIT ?`
  ),
  before: database.prepare<[number, number], VersionRow>(
    `SELECT ${versionColumns} FROM versions v JOIN changesets c ON c.version = v.id
     WHERE v.id < ? AND v.id > 0 ORDER BY v.id DESC LIMIT ?`
  ),
  addVersion: database.prepare<[number, number, number, string | null, string | null, number, number, number]>(
    `INSERT INTO versions (id, parent, timestamp, message, author, created, updated, deleted)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
  ),
  addChangeset: database.prepare<[number, number, Uint8Array]>(
    "INSERT INTO changesets (version, checksum, bytes) VALUES (?, ?, ?)"
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
  addChunk: database.prepare<[number, number, number, Uint8Array]>(
    "INSERT INTO checkpoint_chunks (save, number, checksum, bytes) VALUES (?, ?, ?, ?)"
  ),
  countChunks: database.prepare<[number], number>("SELECT count(*) FROM checkpoint_chunks WHERE save = ?").pluck(),
  forgetCheckpoint: database.prepare<[number]>("UPDATE checkpoints SET version = NULL WHERE version = ?"),
  nameCheckpoint: database.prepare<[number, number, number, number]>(
    "UPDATE checkpoints SET version = ?, chunks = ?, checksum = ? WHERE save = ?"
  ),
  dropLeftover: database.prepare(
    `DELETE FROM checkpoint_chunks WHERE rowid = (
       SELECT rowid FROM checkpoint_chunks
       WHERE save NOT IN (SELECT save FROM checkpoints WHERE version IS NOT NULL) LIMIT 1
     )`
  ),
  dropSaves: database.prepare("DELETE FROM checkpoints WHERE version IS NULL"),
  checkpoint: database.prepare<[number], CheckpointRow>(
    "SELECT save, chunks, checksum FROM checkpoints WHERE version = ?"
  ),
  chunks: database.prepare<[number], ChunkRow>(
    "SELECT number, checksum, bytes FROM checkpoint_chunks WHERE save = ? ORDER BY number"
  )
})
