/**
 * Reads a whole store and lists what is wrong with it: SQLite's own check of the file, then what the tables must mean.
 * Works on a connection of its own, so that it sees one moment while others write, and yields between rows.
 */
import type { Damage, HistoryStoreError, Run } from "@heph/history/HistoryStore"
import * as Packed from "@heph/history/Packed"
import * as Precondition from "@heph/history/Precondition"
import * as Stored from "@heph/history/storage/Stored"
import type * as Version from "@heph/history/Version"
import type { Database } from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { attempt } from "./native.ts"
import {
  checkpointChecksum,
  chunkChecksum,
  type DroppedRow,
  fieldsOf,
  headChecksum,
  runChecksum,
  storedOf,
  tagChecksum,
  versionChecksum,
  type VersionRow,
  wholeColumns
} from "./rows.ts"

const mismatch = "its checksum is not the one it was stored with"

interface ChunkRow {
  readonly version: number
  readonly save: number
  readonly number: number
  readonly checksum: number
  readonly zstd: number
  readonly bytes: Uint8Array
}

/** What each part finds, with nothing where it looked at something sound; a changeset is decoded by an effect. */
type Findings = Iterable<Damage | Effect.Effect<Damage | undefined, HistoryStoreError> | undefined>

interface SweptRow extends DroppedRow {
  readonly swept: number
}

/** The versions that compaction dropped: all, and those of which no row may be left. */
interface Dropped {
  readonly all: ReadonlyArray<Run>
  readonly swept: ReadonlyArray<Run>
}

const readDropped = (database: Database): Dropped => {
  const rows = database.prepare<[], SweptRow>("SELECT run, first, last, checksum, swept FROM dropped").all()
  const runs = (which: ReadonlyArray<SweptRow>) =>
    Precondition.union(
      which.map(({ first, last }): Run => [first, last]),
      []
    )
  return { all: runs(rows), swept: runs(rows.filter(({ swept }) => swept !== 0)) }
}

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
  // Goes on until a changeset is to be decoded, or enough was looked at for one turn.
  const some = attempt(filename, () => {
    for (let i = 0; i < 256; i++) {
      const next = rows.next()
      if (next.done === true) return "done"
      if (Effect.isEffect(next.value)) return next.value
      if (next.value !== undefined) found.push(next.value)
    }
    return "more"
  })
  return Effect.gen(function* () {
    for (let decoded = 0; ;) {
      const next = yield* some
      if (next === "done") return
      if (next !== "more") {
        const damage = yield* next
        if (damage !== undefined) found.push(damage)
      }
      if (next === "more" || ++decoded % 256 === 0) yield* Effect.yieldNow
    }
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
  function* dropped(database) {
    const last = database.prepare<[], number>("SELECT max(id) FROM versions").pluck().get() ?? 0
    const rows = database.prepare<[], DroppedRow>("SELECT run, first, last, checksum FROM dropped ORDER BY run")
    let expected = 1
    let seen: ReadonlyArray<Run> = []
    for (const row of rows.all()) {
      const run: Run = [row.first, row.last]
      const what = `the note that v${row.first} to v${row.last} were dropped`
      for (; expected < row.run; expected++)
        yield { what: `note ${expected} of what was dropped`, reason: "it is missing" }
      expected = row.run + 1
      if (row.checksum !== runChecksum(row.run, run)) yield { what, reason: mismatch }
      if (row.last >= last) yield { what, reason: `the last version is v${last}` }
      if (seen.some(([first, last]) => first <= row.last && row.first <= last)) {
        yield { what, reason: "some of them were dropped before" }
      }
      seen = Precondition.union(seen, [run])
      yield undefined
    }
  },
  function* versions(database) {
    const dropped = readDropped(database)
    const root = database
      .prepare<[], number>(
        "SELECT timestamp = (SELECT value FROM metadata WHERE key = 'created') FROM versions WHERE id = 0"
      )
      .pluck()
      .get()
    if (root !== 1) yield { what: "v0", reason: "it is missing, or not as old as the store" }
    const rows = database.prepare<[], VersionRow & { readonly checksum: number | null }>(
      `SELECT ${wholeColumns} FROM versions v LEFT JOIN changesets c ON c.version = v.id WHERE v.id > 0 ORDER BY v.id`
    )
    let expected = 1
    for (const row of rows.iterate()) {
      for (; expected < row.id; expected++) {
        yield isIn(dropped.all, expected) ? undefined : { what: `v${expected}`, reason: "it is missing" }
      }
      expected = row.id + 1
      const what = `v${row.id}`
      if (isIn(dropped.all, row.id)) {
        // Until it is swept it takes room, and nobody sees it.
        yield isIn(dropped.swept, row.id) ? { what, reason: "it was dropped, and is there" } : undefined
        continue
      }
      if (isIn(dropped.all, row.parent)) yield { what, reason: `its parent v${row.parent} was dropped` }
      yield row.bytes === null ? { what, reason: "it has no changeset" } : versionProblem(row, row.bytes)
    }
  },
  function* heads(database) {
    const dropped = readDropped(database)
    let expected = 1
    interface Row extends Version.HeadMove {
      readonly checksum: number
      readonly found: number | null
    }
    const rows = database.prepare<[], Row>(
      `SELECT h.revision, h.version, h.timestamp, h.checksum, v.id AS found
       FROM heads h LEFT JOIN versions v ON v.id = h.version ORDER BY h.revision`
    )
    let head = 0
    for (const row of rows.iterate()) {
      const what = `move ${row.revision} of head`
      for (; expected < row.revision; expected++) yield { what: `move ${expected} of head`, reason: "it is missing" }
      expected = row.revision + 1
      head = row.version
      if (row.checksum !== headChecksum(row)) yield { what, reason: mismatch }
      const isKnown = row.found !== null || isIn(dropped.all, row.version)
      yield isKnown ? undefined : { what, reason: `there is no version v${row.version}` }
    }
    if (isIn(dropped.all, head)) yield { what: "head", reason: `it is at v${head}, which was dropped` }
    const unseen = database
      .prepare<[], number>("SELECT id FROM versions WHERE id > 0 AND id NOT IN (SELECT version FROM heads) ORDER BY id")
      .pluck()
    for (const id of unseen.iterate()) yield { what: `v${id}`, reason: "head was never at it, though it was appended" }
  },
  function* tags(database) {
    const dropped = readDropped(database)
    const rows = database.prepare<[], { name: string; version: number; checksum: number }>(
      "SELECT name, version, checksum FROM tags ORDER BY name"
    )
    for (const { checksum, name, version } of rows.iterate()) {
      if (isIn(dropped.all, version)) yield { what: `the tag ${name}`, reason: `v${version} was dropped` }
      yield checksum === tagChecksum(name, version) ? undefined : { what: `the tag ${name}`, reason: mismatch }
    }
  },
  function* checkpoints(database) {
    const dropped = readDropped(database)
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
      if (isIn(dropped.all, version)) yield { what, reason: "its version was dropped" }
      const whole = stored === chunks && (largest ?? -1) === chunks - 1
      if (!whole) yield { what, reason: `it has ${stored} chunks of ${chunks}` }
      yield checksum === checkpointChecksum(save, version, chunks) ? undefined : { what, reason: mismatch }
    }
    const chunks = database.prepare<[], ChunkRow>(
      `SELECT p.version, c.save, c.number, c.checksum, c.zstd, c.bytes
       FROM checkpoint_chunks c JOIN checkpoints p ON p.save = c.save WHERE p.version IS NOT NULL`
    )
    for (const row of chunks.iterate()) {
      const what = `chunk ${row.number} of the checkpoint of v${row.version}`
      const stored = storedOf(row, row.bytes)
      if (row.checksum !== chunkChecksum(row.save, row.number, stored)) yield { what, reason: mismatch }
      else yield unpacked(stored) === undefined ? { what, reason: "it cannot be decompressed" } : undefined
    }
  }
]

const { isIn } = Precondition

const unpacked = (stored: Stored.Stored): Uint8Array | undefined => {
  try {
    return Stored.unpack(stored)
  } catch {
    return undefined
  }
}

const versionProblem = (
  row: VersionRow,
  bytes: Uint8Array
): Damage | Effect.Effect<Damage | undefined, HistoryStoreError> => {
  const what = `v${row.id}`
  const stored = storedOf(row, bytes)
  if (row.checksum !== versionChecksum(fieldsOf(row), stored)) return { what, reason: mismatch }
  if (row.folded !== null && (row.folded < 1 || row.folded >= row.id)) {
    return { what, reason: `it cannot be made of ${row.folded} versions before it` }
  }
  const plain = unpacked(stored)
  if (plain === undefined) return { what, reason: "its changeset cannot be decompressed" }
  return Effect.map(Effect.result(Packed.fromBytes(plain).value), (changeset) => {
    if (Result.isFailure(changeset)) return { what, reason: changeset.failure.message }
    const { created, deleted, updated } = Packed.countsOf(changeset.success)
    return created === row.created && updated === row.updated && deleted === row.deleted
      ? undefined
      : { what, reason: "its changeset does not hold the operations that it counts" }
  })
}
