/**
 * Reads a whole registry and lists what is wrong with it. All of it is read as of one moment, on a connection of its own,
 * a page of rows at a time.
 */
import type { Damage, HistoryStoreError } from "@heph/history/HistoryStore"
import * as Packed from "@heph/history/Packed"
import * as Precondition from "@heph/history/Precondition"
import type * as Stored from "@heph/history/storage/Stored"
import type * as Version from "@heph/history/Version"
import * as Effect from "effect/Effect"
import type { Parameter, Session } from "./connections.ts"
import { type Facts, findFacts, type Registry } from "./registry.ts"
import {
  checkpointChecksum,
  chunkChecksum,
  decodeText,
  inlineBytes,
  isSound,
  moveChecksum,
  parseRuns,
  tagChecksum,
  unpack,
  type VersionRow
} from "./rows.ts"

const mismatch = "its checksum is not the one it was stored with"

/** Rows in a page: at most a few megabytes, because large changesets and chunks are read one by one. */
const pageSize = 256

type Report = (what: string, reason: string) => void

/** What every part looks at. */
interface Examined {
  readonly registry: Registry
  readonly session: Session
  readonly facts: Facts
  readonly report: Report
}

type Part = (examined: Examined) => Effect.Effect<void, HistoryStoreError>

export const verify = (registry: Registry): Effect.Effect<ReadonlyArray<Damage>, HistoryStoreError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const session = yield* registry.connections.beside
      const found: Array<Damage> = []
      const report: Report = (what, reason) => found.push({ what, reason })
      yield* session.query({ text: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" })
      const facts = yield* telling("the registry", session, report, findFacts(registry, session))
      if (facts === undefined) {
        if (found.length === 0) report("the registry", "its row is missing")
      } else {
        const examined = { registry, session, facts, report }
        for (const [table, part] of parts) yield* telling(table, session, report, part(examined))
      }
      // Nothing was written: closing the connection ends the transaction as well.
      yield* session.query({ text: "ROLLBACK" })
      return found
    })
  )

/** Reports what cannot be read at all, and leaves the transaction fit for what comes next. */
const telling = <A>(
  what: string,
  session: Session,
  report: Report,
  part: Effect.Effect<A, HistoryStoreError>
): Effect.Effect<A | undefined, HistoryStoreError> =>
  Effect.gen(function* () {
    yield* session.query({ text: "SAVEPOINT part" })
    return yield* Effect.catchIf(
      part,
      (error) => error.reason === "Corrupt",
      (error) =>
        Effect.gen(function* () {
          report(what, error.detail)
          yield* session.query({ text: "ROLLBACK TO part" })
          return undefined
        })
    )
  })

/** The rows of a query one by one, read in pages; a page begins after the key of the row before it. */
const cursor = <Row>(
  { registry, session }: Examined,
  query: string,
  keyOf: (row: Row) => Parameter,
  first: Parameter = -1
): Effect.Effect<Row | undefined, HistoryStoreError> => {
  let rows: ReadonlyArray<Row> = []
  let at = 0
  let after = first
  let ended = false
  return Effect.gen(function* () {
    if (at === rows.length && !ended) {
      rows = yield* session.query<Row>({ text: `${query} LIMIT ${pageSize}` }, [registry.key, after])
      at = 0
      ended = rows.length < pageSize
      if (rows.length > 0) after = keyOf(rows.at(-1)!)
    }
    return rows[at++]
  })
}

const versions: Part = (examined) =>
  Effect.gen(function* () {
    const { facts, registry, report, session } = examined
    const { schema, whole } = registry.sql
    const leftover = yield* readLeftover(examined)
    let expected = 1
    const missing = (end: number) => {
      for (const run of Precondition.difference([[expected, end - 1]], facts.dropped)) {
        const reason = run[0] === run[1] ? "it is missing" : `they are missing, up to v${run[1]}`
        report(`v${run[0]}`, reason)
      }
    }
    const [below] = yield* session.query<{ readonly id: number }>(
      { text: `SELECT id FROM ${schema}.versions WHERE registry = $1 AND id < 1 LIMIT 1` },
      [registry.key]
    )
    if (below !== undefined) report(`v${below.id}`, "no version has a number below 1")
    const next = cursor<VersionRow>(
      examined,
      `SELECT id, parent, revision, "timestamp", message, author, created, updated, deleted, folded, checksum, moved,
           zstd, CASE WHEN length(bytes) <= ${inlineBytes} THEN bytes END AS bytes
       FROM ${schema}.versions WHERE registry = $1 AND id > $2 ORDER BY id`,
      ({ id }) => id,
      0
    )
    for (let row = yield* next; row !== undefined; row = yield* next) {
      const what = `v${row.id}`
      if (row.id > facts.last) {
        report(what, `it comes after v${facts.last}, the last version`)
        continue
      }
      missing(row.id)
      expected = row.id + 1
      if (Precondition.isIn(facts.dropped, row.id)) {
        // Its room is still to be given back.
        if (!Precondition.isIn(leftover, row.id)) report(what, "it is there, though compaction dropped it")
        continue
      }
      if (row.parent < 0 || row.parent >= row.id || Precondition.isIn(facts.dropped, row.parent)) {
        report(what, `its parent v${row.parent} does not exist`)
      }
      const [found] = row.bytes === null ? yield* session.query<VersionRow>(whole, [registry.key, row.id]) : [row]
      const reason =
        found === undefined || found.bytes === null ? "it has no changeset" : yield* versionProblem(found, found.bytes)
      if (reason !== undefined) report(what, reason)
    }
    missing(facts.last + 1)
  })

const versionProblem = Effect.fnUntraced(function* (row: VersionRow, bytes: Uint8Array) {
  if (!isSound(row, bytes)) return mismatch
  const plain = yield* Effect.result(unpack("", "", { bytes, zstd: row.zstd }))
  if (plain._tag === "Failure") return "its changeset cannot be unpacked"
  const changeset = yield* Effect.result(Packed.fromBytes(plain.success).value)
  if (changeset._tag === "Failure") return changeset.failure.message
  const { created, deleted, updated } = Packed.countsOf(changeset.success)
  const counted = created === row.created && updated === row.updated && deleted === row.deleted
  return counted ? undefined : "its changeset does not hold the operations that it counts"
})

const readLeftover = Effect.fnUntraced(function* ({ facts, registry, report, session }: Examined) {
  const [row] = yield* session.query<{ readonly leftover: string }>(
    { text: `SELECT leftover::text FROM ${registry.sql.schema}.compacted WHERE registry = $1` },
    [registry.key]
  )
  const leftover = row === undefined ? [] : parseRuns(row.leftover)
  if (Precondition.difference(leftover, facts.dropped).length > 0) {
    report("the list of rows to delete", "it holds versions that were not dropped")
  }
  return leftover
})

interface MoveRow extends Version.HeadMove {
  readonly checksum: number
  /** Of a row of `moves`: how many versions there were. */
  readonly last: number | null
}

/** The moves of both tables, each by its key, are one log without gaps. */
const heads: Part = (examined) =>
  Effect.gen(function* () {
    const { facts, registry, report } = examined
    const { schema } = registry.sql
    let expected = 1
    let last = 0
    let head = 0
    const missing = (end: number) => {
      if (expected === end - 1) report(`move ${expected} of head`, "it is missing")
      else if (expected < end) report(`move ${expected} of head`, `it is missing, and those up to ${end - 1}`)
    }
    const visit = (row: MoveRow): void => {
      const what = `move ${row.revision} of head`
      if (row.checksum !== moveChecksum(row)) {
        report(row.last === null ? `v${row.version}` : what, mismatch)
        // What it says cannot be relied on: it is taken for the one that is due.
        expected++
        if (row.last === null || row.last === last + 1) last++
        head = row.version
        return
      }
      if (row.revision < expected) return report(what, "it is there twice, or out of order")
      missing(row.revision)
      expected = row.revision + 1
      head = row.version
      // A version that was dropped counts as one that is there does.
      if (row.last === null || row.version === last + 1) last = row.version
      if (row.version < 0 || row.version > last) report(what, `there was no v${row.version} yet`)
      if (row.last !== null && row.last !== last) report(what, `it counts ${row.last} versions, and there were ${last}`)
    }
    const nextVersion = cursor<MoveRow>(
      examined,
      `SELECT revision, id AS version, "timestamp", moved AS checksum, NULL AS last FROM ${schema}.versions
       WHERE registry = $1 AND id > $2 AND NOT id <@ coalesce(
         (SELECT leftover FROM ${schema}.compacted WHERE registry = $1), '{}') ORDER BY id`,
      ({ version }) => version
    )
    const nextMove = cursor<MoveRow>(
      examined,
      `SELECT revision, version, "timestamp", checksum, last FROM ${schema}.moves
       WHERE registry = $1 AND revision > $2 ORDER BY revision`,
      ({ revision }) => revision
    )
    let version = yield* nextVersion
    let move = yield* nextMove
    while (version !== undefined || move !== undefined) {
      if (move === undefined || (version !== undefined && version.revision <= move.revision)) {
        visit(version!)
        version = yield* nextVersion
      } else {
        visit(move)
        move = yield* nextMove
      }
    }
    missing(facts.revision + 1)
    if (expected > facts.revision + 1) report("head", `its revision ${facts.revision} is not that of its last move`)
    if (head !== facts.head) report("head", `it is at v${facts.head}, and moved to v${head} last`)
    if (last !== facts.last) report("head", `it counts ${facts.last} versions, and ${last} were appended`)
  })

const tags: Part = (examined) =>
  Effect.gen(function* () {
    const next = cursor<{ readonly name: string; readonly version: number; readonly checksum: number }>(
      examined,
      `SELECT name, version, checksum FROM ${examined.registry.sql.schema}.tags
       WHERE registry = $1 AND ($2::text IS NULL OR name > $2) ORDER BY name`,
      ({ name }) => name,
      null
    )
    for (let row = yield* next; row !== undefined; row = yield* next) {
      const name = decodeText(row.name)
      const what = `the tag ${name}`
      if (row.checksum !== tagChecksum(name, row.version)) examined.report(what, mismatch)
      else noteVersion(examined, what, row.version)
    }
  })

/** Reports a name of a version that is none. */
const noteVersion = ({ facts, registry, report }: Examined, what: string, version: number): void => {
  if (Precondition.exists(facts, version, registry.store) !== undefined) report(what, `there is no v${version}`)
}

interface CheckpointRow {
  readonly version: number
  readonly save: number
  readonly chunks: number
  readonly checksum: number
  readonly stored: number
  readonly largest: number | null
}

const checkpoints: Part = (examined) =>
  Effect.gen(function* () {
    const { registry, report, session } = examined
    const { schema } = registry.sql
    const next = cursor<CheckpointRow>(
      examined,
      `SELECT p.version, p.save, p.chunks, p.checksum, c.stored, c.largest
       FROM ${schema}.checkpoints p, LATERAL (
         SELECT count(*) AS stored, max(number) AS largest FROM ${schema}.chunks
         WHERE registry = p.registry AND save = p.save
       ) AS c WHERE p.registry = $1 AND p.version > $2 ORDER BY p.version`,
      ({ version }) => version
    )
    for (let row = yield* next; row !== undefined; row = yield* next) {
      const { checksum, chunks, largest, save, stored, version } = row
      const what = `the checkpoint of v${version}`
      if (checksum !== checkpointChecksum(save, version, chunks)) {
        report(what, mismatch)
        continue
      }
      noteVersion(examined, what, version)
      if (stored !== chunks || (largest ?? -1) !== chunks - 1) report(what, `it has ${stored} chunks of ${chunks}`)
      for (let number = 0; number < chunks; number++) {
        const [chunk] = yield* session.query<Stored.Stored & { readonly checksum: number }>(
          {
            text: `SELECT checksum, zstd, bytes FROM ${schema}.chunks WHERE registry = $1 AND save = $2 AND number = $3`
          },
          [registry.key, save, number]
        )
        if (chunk !== undefined && chunk.checksum !== chunkChecksum(save, number, chunk)) {
          report(`chunk ${number} of ${what}`, mismatch)
        }
      }
    }
  })

const parts: ReadonlyArray<readonly [table: string, part: Part]> = [
  ["the versions", versions],
  ["the moves of head", heads],
  ["the tags", tags],
  ["the checkpoints", checkpoints]
]
