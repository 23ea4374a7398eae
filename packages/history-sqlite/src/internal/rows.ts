/** Rows as they are stored, their checksums, and versions made of them. */
import { crc32 } from "node:zlib"
import { CorruptBytes } from "@heph/entry/Codec"
import type { VersionRecord } from "@heph/history/HistoryStore"
import * as Packed from "@heph/history/Packed"
import type * as Version from "@heph/history/Version"
import type { Database } from "better-sqlite3"
import * as Result from "effect/Result"
import { classify, storeError } from "./native.ts"

/** The largest changeset, in bytes, that is read together with its version; others are read when somebody asks. */
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
  readonly checksum: number
  /** `null` for a changeset larger than {@link inlineBytes}. */
  readonly bytes: Uint8Array | null
}

/** The columns of {@link VersionRow}. `length` reads a blob's header only, and so never a large one. */
export const versionColumns = `
  v.id, v.parent, v.timestamp, v.message, v.author, v.created, v.updated, v.deleted, c.checksum,
  CASE WHEN length(c.bytes) <= ${inlineBytes} THEN c.bytes END AS bytes`

/** One checksum for a version and its changeset, so that neither can change, or be another's, unnoticed. */
export const versionChecksum = (version: Omit<VersionRow, "checksum" | "bytes">, bytes: Uint8Array): number => {
  const { author, created, deleted, id, message, parent, timestamp, updated } = version
  return crc32(bytes, checksum([id, parent, timestamp, message, author, created, updated, deleted]))
}

export const headChecksum = (move: Version.HeadMove): number => checksum([move.revision, move.version, move.timestamp])

export const tagChecksum = (name: string, version: number): number => checksum([name, version])

export const checkpointChecksum = (save: number, version: number, chunks: number): number =>
  checksum([save, version, chunks])

export const chunkChecksum = (save: number, number: number, bytes: Uint8Array): number =>
  crc32(bytes, checksum([save, number]))

const checksum = (fields: ReadonlyArray<string | number | null>): number => crc32(JSON.stringify(fields))

/** A plain view of the driver's `Buffer`, whose `slice` and JSON are those of no other byte array. */
export const plainBytes = (bytes: Uint8Array): Uint8Array =>
  new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Makes versions of rows. Throws `Corrupt` for one whose checksum is not its own. */
export const versionReader = (database: Database, filename: string) => {
  const readBytes = database.prepare<[number], Uint8Array>("SELECT bytes FROM changesets WHERE version = ?").pluck()
  const damaged = (id: number) =>
    storeError(
      filename,
      "Corrupt",
      `v${id} is damaged: its checksum is not the one it was stored with. Verify lists all damage`
    )

  /** A changeset too large to come with its version. A version never changes, so neither does what is read later. */
  const onDemand = (row: VersionRow): Packed.PackedChangeSet => {
    let packed: Packed.PackedChangeSet | undefined
    const read = (): Packed.PackedChangeSet => {
      if (!database.open) {
        throw new Error(
          `${filename} is closed: the changeset of v${row.id} is large, so ask for it before the scope ends`
        )
      }
      const bytes = readBytes.get(row.id)
      if (bytes === undefined || versionChecksum(row, bytes) !== row.checksum) throw damaged(row.id)
      return Packed.fromBytes(plainBytes(bytes))
    }
    return {
      bytes: () => (packed ??= read()).bytes(),
      value: () => {
        try {
          return (packed ??= read()).value()
        } catch (cause) {
          const error = classify(filename, cause)
          if (error?.reason !== "Corrupt") throw cause
          return Result.fail(new CorruptBytes({ what: `changeset of v${row.id}`, reason: error.detail }))
        }
      }
    }
  }

  return (row: VersionRow): VersionRecord => {
    if (row.bytes !== null && versionChecksum(row, row.bytes) !== row.checksum) {
      throw damaged(row.id)
    }
    return {
      id: row.id,
      parent: row.parent,
      timestamp: row.timestamp,
      message: row.message ?? undefined,
      author: row.author ?? undefined,
      created: row.created,
      updated: row.updated,
      deleted: row.deleted,
      changeset: row.bytes === null ? onDemand(row) : Packed.fromBytes(plainBytes(row.bytes))
    }
  }
}
