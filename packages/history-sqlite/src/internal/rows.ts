/** Rows as they are stored, their checksums, and versions made of them. */
import type { Run, VersionRecord } from "@heph/history/HistoryStore"
import * as Packed from "@heph/history/Packed"
import * as Stored from "@heph/history/storage/Stored"
import type * as Version from "@heph/history/Version"
import type { Database } from "better-sqlite3"
import * as Effect from "effect/Effect"
import { attempt, storeError } from "./native.ts"

/** The largest changeset, in bytes as stored, that is read together with its version; others when somebody asks. */
const inlineBytes = 16_384

export interface VersionRow {
  readonly id: number
  readonly parent: number
  readonly timestamp: number
  readonly message: string | null
  readonly author: string | null
  readonly created: number
  readonly updated: number
  readonly deleted: number
  readonly folded: number | null
  readonly checksum: number
  readonly zstd: number
  /** `null` for a changeset larger than {@link inlineBytes}. */
  readonly bytes: Uint8Array | null
}

/** A run of versions that compaction dropped, as stored. */
export interface DroppedRow {
  readonly run: number
  readonly first: number
  readonly last: number
  readonly checksum: number
}

const columns =
  "v.id, v.parent, v.timestamp, v.message, v.author, v.created, v.updated, v.deleted, v.folded, c.checksum, c.zstd"

/** The columns of {@link VersionRow}. `length` reads a blob's header only, and so never a large one. */
export const versionColumns = `${columns}, CASE WHEN length(c.bytes) <= ${inlineBytes} THEN c.bytes END AS bytes`

/** The same with every changeset, however large. */
export const wholeColumns = `${columns}, c.bytes`

/** A version without its changeset. */
export type Fields = Omit<VersionRecord, "changeset">

export const fieldsOf = (row: Omit<VersionRow, "checksum" | "zstd" | "bytes">): Fields => {
  const fields: Fields = {
    id: row.id,
    parent: row.parent,
    timestamp: row.timestamp,
    message: row.message ?? undefined,
    author: row.author ?? undefined,
    created: row.created,
    updated: row.updated,
    deleted: row.deleted
  }
  return row.folded === null ? fields : { ...fields, folded: row.folded }
}

/** The complement of the usual one for bytes that are compressed, so that the flag cannot change unnoticed either. */
export const versionChecksum = (fields: Fields, { bytes, zstd }: Stored.Stored): number => {
  const sum = Stored.versionChecksum(fields, bytes)
  return zstd ? ~sum >>> 0 : sum
}

export const headChecksum = (move: Version.HeadMove): number =>
  Stored.checksum([move.revision, move.version, move.timestamp])

export const tagChecksum = (name: string, version: number): number => Stored.checksum([name, version])

export const checkpointChecksum = (save: number, version: number, chunks: number): number =>
  Stored.checksum([save, version, chunks])

/** As with versions, the complement for bytes that are compressed. */
export const chunkChecksum = (save: number, number: number, { bytes, zstd }: Stored.Stored): number => {
  const sum = Stored.checksum([save, number], bytes)
  return zstd ? ~sum >>> 0 : sum
}

export const runChecksum = (run: number, [first, last]: Run): number => Stored.checksum([run, first, last])

/** Makes versions of rows. Throws `Corrupt` for one whose checksum is not its own. */
export const versionReader = (database: Database, filename: string) => {
  const readWhole = database.prepare<[number], VersionRow & { readonly bytes: Uint8Array }>(
    `SELECT ${wholeColumns} FROM versions v JOIN changesets c ON c.version = v.id WHERE v.id = +?`
  )
  const isDropped = database
    .prepare<[number, number], number>("SELECT 1 FROM dropped WHERE first <= ? AND last >= ? LIMIT 1")
    .pluck()
  const damaged = (id: number) =>
    storeError(
      filename,
      "Corrupt",
      `v${id} is damaged: its checksum is not the one it was stored with. Verify lists all damage`
    )

  const unpacked = (id: number, stored: Stored.Stored): Uint8Array => {
    try {
      return Stored.unpack(stored)
    } catch (cause) {
      throw storeError(filename, "Corrupt", `v${id} is damaged: its changeset cannot be decompressed`, cause)
    }
  }

  /** A changeset too large to come with its version. */
  const readLarge = database.transaction((row: VersionRow): Uint8Array => {
    const now = readWhole.get(row.id)
    if (isDropped.get(row.id, row.id) === 1 || (now !== undefined && now.folded !== row.folded)) {
      throw storeError(filename, "NotFound", `v${row.id} was compacted since it was read; read it again`)
    }
    if (now === undefined) throw damaged(row.id)
    const stored = storedOf(now, now.bytes)
    // What came with the version first and what comes now must be one version.
    if (row.checksum !== now.checksum || versionChecksum(fieldsOf(row), stored) !== now.checksum) throw damaged(row.id)
    return unpacked(row.id, stored)
  })

  const onDemand = (row: VersionRow): Packed.PackedChangeSet =>
    Packed.fromStore(
      Effect.suspend(() =>
        database.open
          ? attempt(filename, () => readLarge.deferred(row))
          : Effect.fail(
              storeError(
                filename,
                "Unavailable",
                `it is closed: the changeset of v${row.id} is large, so ask for it before the scope ends`
              )
            )
      )
    )

  return (row: VersionRow): VersionRecord => {
    const fields = fieldsOf(row)
    if (row.bytes === null) return { ...fields, changeset: onDemand(row) }
    const stored = storedOf(row, row.bytes)
    if (versionChecksum(fields, stored) !== row.checksum) throw damaged(row.id)
    const changeset = stored.zstd
      ? // Decompressed when somebody asks: a list of versions stays as small as it is stored.
        Packed.fromStore(attempt(filename, () => unpacked(row.id, stored)))
      : Packed.fromBytes(Stored.unpack(stored))
    return { ...fields, changeset }
  }
}

/** Where a page is another table's, a row may hold anything: what is no bytes has the checksum of none. */
export const storedOf = ({ zstd }: { readonly zstd: number }, bytes: Uint8Array): Stored.Stored => ({
  bytes: ArrayBuffer.isView(bytes) ? bytes : new Uint8Array(0),
  zstd: zstd === 1
})
