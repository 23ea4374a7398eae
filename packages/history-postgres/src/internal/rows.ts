/** Rows as they are stored, their checksums, and versions made of them. */
import type { HistoryStoreError, Run, VersionRecord } from "@heph/history/HistoryStore"
import * as Packed from "@heph/history/Packed"
import * as Stored from "@heph/history/storage/Stored"
import type * as Version from "@heph/history/Version"
import * as Effect from "effect/Effect"
import { storeError } from "./native.ts"

/** The largest changeset, in bytes as stored, that is read together with its version; others when somebody asks. */
export const inlineBytes = 16_384

// --- texts

/**
 * Data link escape: what a `text` cannot hold, which is NUL and halves of surrogate pairs, is written as this and four
 * hexadecimal digits, and so is this itself. Other texts are stored as they are.
 */
const escape = "\u0010"
const isPlain = (text: string): boolean => text.isWellFormed() && !text.includes("\0") && !text.includes(escape)

const escaped = (character: string): string =>
  isPlain(character) ? character : escape + character.charCodeAt(0).toString(16).padStart(4, "0")

/** A text as it is stored; two that differ differ there. */
export const encodeText = (text: string): string =>
  // By code point: what is left of a pair is one by itself.
  isPlain(text) ? text : Array.from(text, escaped).join("")

export const decodeText = (stored: string): string =>
  stored.includes(escape)
    ? stored.replace(new RegExp(`${escape}([0-9a-f]{4})`, "g"), (_, code: string) =>
        String.fromCharCode(Number.parseInt(code, 16))
      )
    : stored

/** A bound, a limit or a time as PostgreSQL takes it: no fraction, no infinity, nothing below 0. */
export const boundOf = (bound: number): number =>
  Number.isNaN(bound) ? 0 : Math.floor(Math.min(Math.max(bound, 0), Number.MAX_SAFE_INTEGER))

const optional = <A, B>(value: A | null | undefined, f: (value: A) => B): B | null =>
  value === null || value === undefined ? null : f(value)

// --- checksums, as the signed 32 bits of an `integer`

const checksum = (fields: ReadonlyArray<string | number | null>, bytes?: Uint8Array): number =>
  Stored.checksum(fields, bytes) | 0

export const moveChecksum = (move: Version.HeadMove): number => checksum([move.revision, move.version, move.timestamp])

export const registryChecksum = (
  created: number,
  head: number,
  revision: number,
  last: number,
  epoch: number
): number => checksum([created, head, revision, last, epoch])

export const tagChecksum = (name: string, version: number): number => checksum([name, version])

export const checkpointChecksum = (save: number, version: number, chunks: number): number =>
  checksum([save, version, chunks])

export const chunkChecksum = (save: number, number: number, { bytes, zstd }: Stored.Stored): number =>
  checksum([save, number, zstd ? 1 : 0], bytes)

export const droppedChecksum = (dropped: ReadonlyArray<Run>): number => checksum(dropped.flat())

// --- runs, as a multirange of PostgreSQL

/** Runs as `{[1,4),[6,7)}`. */
export const formatRuns = (runs: ReadonlyArray<Run>): string =>
  `{${runs.map(([first, last]) => `[${first},${last + 1})`).join(",")}}`

export const parseRuns = (text: string): ReadonlyArray<Run> =>
  Array.from(text.matchAll(/\[(\d+),(\d+)\)/g), ([, first, end]): Run => [Number(first), Number(end) - 1])

// --- versions

export interface VersionRow {
  readonly id: number
  readonly parent: number
  readonly revision: number
  readonly timestamp: number
  readonly message: string | null
  readonly author: string | null
  readonly created: number
  readonly updated: number
  readonly deleted: number
  readonly folded: number | null
  readonly checksum: number
  readonly moved: number
  readonly zstd: boolean
  /** `null` for a changeset larger than {@link inlineBytes}. */
  readonly bytes: Uint8Array | null
}

/** A version as it is written. */
export type WrittenRow = Omit<VersionRow, "bytes"> & { readonly bytes: Uint8Array }

/** Of a version with its changeset as stored; the complement says that it is compressed. */
const versionChecksum = (
  version: Parameters<typeof Stored.versionChecksum>[0],
  { bytes, zstd }: Stored.Stored
): number => {
  const sum = Stored.versionChecksum(version, bytes) | 0
  return zstd ? ~sum : sum
}

/** The row of a version that head moves to with this revision. */
export const writtenRow = (version: VersionRecord, revision: number): Effect.Effect<WrittenRow, HistoryStoreError> =>
  Effect.map(version.changeset.bytes, (plain) => {
    const { bytes, zstd } = Stored.pack(plain)
    const { created, deleted, folded, id, parent, timestamp, updated } = version
    return {
      id,
      parent,
      revision,
      timestamp,
      message: optional(version.message, encodeText),
      author: optional(version.author, encodeText),
      created,
      updated,
      deleted,
      folded: folded ?? null,
      checksum: versionChecksum(version, { bytes, zstd }),
      moved: moveChecksum({ revision, version: id, timestamp }),
      zstd,
      bytes
    }
  })

const fieldsOf = (row: VersionRow) => ({
  id: row.id,
  parent: row.parent,
  timestamp: row.timestamp,
  message: optional(row.message, decodeText) ?? undefined,
  author: optional(row.author, decodeText) ?? undefined,
  created: row.created,
  updated: row.updated,
  deleted: row.deleted,
  ...(row.folded === null ? undefined : { folded: row.folded })
})

/** Whether a version and its changeset are as they were stored. */
export const isSound = (row: VersionRow, bytes: Uint8Array): boolean =>
  versionChecksum(fieldsOf(row), { bytes, zstd: row.zstd }) === row.checksum &&
  row.moved === moveChecksum({ revision: row.revision, version: row.id, timestamp: row.timestamp })

/** The changeset of a row, without what the store did to it. Fails with `Corrupt` where it cannot be unpacked. */
export const unpack = (
  store: string,
  what: string,
  stored: Stored.Stored
): Effect.Effect<Uint8Array, HistoryStoreError> =>
  Effect.try({ try: () => Stored.unpack(stored), catch: (cause) => damaged(store, what, cause) })

export const damaged = (store: string, what: string, cause?: unknown): HistoryStoreError =>
  storeError(store, "Corrupt", `${what} is damaged: it is not as it was stored. verify lists all that is`, cause)

/** A version of its row; `read` gets the row again, with its bytes, whatever their size. */
export const versionOf = (
  store: string,
  row: VersionRow,
  read: (id: number) => Effect.Effect<VersionRow | undefined, HistoryStoreError>
): Effect.Effect<VersionRecord, HistoryStoreError> => {
  const what = `v${row.id}`
  const fields = fieldsOf(row)
  if (row.bytes === null) return Effect.succeed({ ...fields, changeset: Packed.fromStore(onDemand(store, row, read)) })
  const { bytes, zstd } = row
  if (!isSound(row, bytes)) return Effect.fail(damaged(store, what))
  // What was compressed is large: it is unpacked when somebody asks.
  const changeset = zstd
    ? Packed.fromStore(unpack(store, what, { bytes, zstd }))
    : Packed.fromBytes(Stored.unpack({ bytes, zstd }))
  return Effect.succeed({ ...fields, changeset })
}

const onDemand = Effect.fnUntraced(function* (
  store: string,
  row: VersionRow,
  read: (id: number) => Effect.Effect<VersionRow | undefined, HistoryStoreError>
): Effect.fn.Return<Uint8Array, HistoryStoreError> {
  const what = `v${row.id}`
  const found = yield* read(row.id)
  if (found === undefined || found.bytes === null) {
    return yield* storeError(store, "NotFound", `there is no version ${what} any more: compaction dropped it`)
  }
  if (!isSound(found, found.bytes)) return yield* damaged(store, what)
  if (found.checksum !== row.checksum) {
    return yield* storeError(
      store,
      "NotFound",
      `compaction folded others into ${what} since it was read; read it again`
    )
  }
  return yield* unpack(store, what, { bytes: found.bytes, zstd: found.zstd })
})
