/**
 * Reads a whole store and lists what is wrong with it: SQLite's own check of the file, then what the tables must mean.
 * Works on a connection of its own, so that it sees one moment while others write, and yields between rows.
 */
import type { Damage, HistoryStoreError } from "@heph/history/HistoryStore"
import * as Packed from "@heph/history/Packed"
import type { Database } from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { attempt } from "./native.ts"
import {
  checkpointChecksum,
  chunkChecksum,
  headChecksum,
  plainBytes,
  tagChecksum,
  versionChecksum,
  type VersionRow
} from "./rows.ts"

const mismatch = "its checksum is not the one it was stored with"

interface ChunkRow {
  readonly version: number
  readonly save: number
  readonly number: number
  readonly checksum: number
  readonly bytes: Uint8Array
}

type Findings = Iterable<Damage | undefined>

/**
 * What is damaged. Stops a part at a page that SQLite cannot read, says so, and goes on with the next part.
 * SQLite's own check is one call that does not yield, ~1 ms for each MB.
 */
export const verify = (database: Database, filename: string): Effect.Effect<ReadonlyArray<Damage>, HistoryStoreError> =>
  Effect.gen(function* () {
    const found: Array<Damage> = []
    yield* Effect.sync(() => database.exec("BEGIN"))
    for (const part of parts) yield* listing(part(database), filename, found)
    return found
  })

/** Adds what a part finds, with a pause for others after each 256 rows. */
const listing = (
  findings: Findings,
  filename: string,
  found: Array<Damage>
): Effect.Effect<void, HistoryStoreError> => {
  const rows = findings[Symbol.iterator]()
  const some = attempt(filename, () => {
    for (let i = 0; i < 256; i++) {
      const next = rows.next()
      if (next.done === true) return true
      if (next.value !== undefined) found.push(next.value)
    }
    return false
  })
  return Effect.gen(function* () {
    while (!(yield* some)) yield* Effect.yieldNow
  }).pipe(
    Effect.catchIf(
      (error) => error.reason === "Corrupt" || error.reason === "NotARegistry",
      (error) => Effect.sync(() => found.push({ what: "the file", reason: error.detail }))
    ),
    // A statement left in the middle would keep the connection from closing.
    Effect.ensuring(Effect.sync(() => rows.return?.()))
  )
}

const parts: ReadonlyArray<(database: Database) => Findings> = [
  function* pages(database) {
    const rows = database.pragma("integrity_check") as ReadonlyArray<{ readonly integrity_check: string }>
    for (const { integrity_check: reason } of rows) if (reason !== "ok") yield { what: "the file", reason }
  },
  function* references(database) {
    interface Row {
      readonly table: string
      readonly rowid: number | null
      readonly parent: string
    }
    for (const { parent, rowid, table } of database.pragma("foreign_key_check") as ReadonlyArray<Row>) {
      yield { what: `row ${rowid} of ${table}`, reason: `it names a row of ${parent} that does not exist` }
    }
  },
  function* versions(database) {
    const root = database
      .prepare<[], number>(
        "SELECT timestamp = (SELECT value FROM metadata WHERE key = 'created') FROM versions WHERE id = 0"
      )
      .pluck()
      .get()
    if (root !== 1) yield { what: "v0", reason: "it is missing, or not as old as the store" }
    const rows = database.prepare<[], VersionRow & { readonly checksum: number | null }>(
      `SELECT v.id, v.parent, v.timestamp, v.message, v.author, v.created, v.updated, v.deleted, c.checksum, c.bytes
       FROM versions v LEFT JOIN changesets c ON c.version = v.id WHERE v.id > 0 ORDER BY v.id`
    )
    let expected = 1
    for (const row of rows.iterate()) {
      for (; expected < row.id; expected++) yield { what: `v${expected}`, reason: "it is missing" }
      expected = row.id + 1
      const reason = row.bytes === null ? "it has no changeset" : versionProblem(row, row.bytes)
      yield reason === undefined ? undefined : { what: `v${row.id}`, reason }
    }
  },
  function* heads(database) {
    let expected = 1
    const rows = database.prepare<[], { revision: number; version: number; timestamp: number; checksum: number }>(
      "SELECT revision, version, timestamp, checksum FROM heads ORDER BY revision"
    )
    for (const row of rows.iterate()) {
      const what = `move ${row.revision} of head`
      for (; expected < row.revision; expected++) yield { what: `move ${expected} of head`, reason: "it is missing" }
      expected = row.revision + 1
      yield row.checksum === headChecksum(row) ? undefined : { what, reason: mismatch }
    }
    const unseen = database
      .prepare<[], number>("SELECT id FROM versions WHERE id > 0 AND id NOT IN (SELECT version FROM heads) ORDER BY id")
      .pluck()
    for (const id of unseen.iterate()) yield { what: `v${id}`, reason: "head was never at it, though it was appended" }
  },
  function* tags(database) {
    const rows = database.prepare<[], { name: string; version: number; checksum: number }>(
      "SELECT name, version, checksum FROM tags ORDER BY name"
    )
    for (const { checksum, name, version } of rows.iterate()) {
      yield checksum === tagChecksum(name, version) ? undefined : { what: `the tag ${name}`, reason: mismatch }
    }
  },
  function* checkpoints(database) {
    interface Row {
      readonly save: number
      readonly version: number
      readonly chunks: number
      readonly checksum: number
      readonly stored: number
      readonly largest: number | null
    }
    const rows = database.prepare<[], Row>(
      `SELECT p.save, p.version, p.chunks, p.checksum, count(c.number) AS stored, max(c.number) AS largest
       FROM checkpoints p LEFT JOIN checkpoint_chunks c ON c.save = p.save
       WHERE p.version IS NOT NULL GROUP BY p.save ORDER BY p.version`
    )
    for (const { checksum, chunks, largest, save, stored, version } of rows.iterate()) {
      const what = `the checkpoint of v${version}`
      const whole = stored === chunks && (largest ?? -1) === chunks - 1
      if (!whole) yield { what, reason: `it has ${stored} chunks of ${chunks}` }
      yield checksum === checkpointChecksum(save, version, chunks) ? undefined : { what, reason: mismatch }
    }
    const chunks = database.prepare<[], ChunkRow>(
      `SELECT p.version, c.save, c.number, c.checksum, c.bytes
       FROM checkpoint_chunks c JOIN checkpoints p ON p.save = c.save WHERE p.version IS NOT NULL`
    )
    for (const { bytes, checksum, number, save, version } of chunks.iterate()) {
      const sound = checksum === chunkChecksum(save, number, bytes)
      yield sound ? undefined : { what: `chunk ${number} of the checkpoint of v${version}`, reason: mismatch }
    }
  }
]

const versionProblem = (row: VersionRow, bytes: Uint8Array): string | undefined => {
  if (row.checksum !== versionChecksum(row, bytes)) return mismatch
  const changeset = Packed.fromBytes(plainBytes(bytes)).value()
  if (Result.isFailure(changeset)) return changeset.failure.message
  const count = (op: string) => changeset.success.filter((operation) => operation.op === op).length
  const counted = count("create") === row.created && count("update") === row.updated && count("delete") === row.deleted
  return counted ? undefined : "its changeset does not hold the operations that it counts"
}
