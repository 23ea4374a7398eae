/**
 * An append: one statement, which does nothing where the registry is not as the writer saw it.
 *
 *     plausible ──▶ sent ──▶ done
 *                    ├─▶ nothing was changed ──▶ look why ──▶ refused, or sent again with what is known now
 *                    └─▶ no answer ──▶ connect again and look ──▶ it is there, it never will be, or nobody can tell
 */
import { HeadConflict, type HistoryStoreError, type VersionRecord } from "@heph/history/HistoryStore"
import * as Precondition from "@heph/history/Precondition"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Parameter, Statement } from "./connections.ts"
import { isDefinite, storeError } from "./native.ts"
import { readFacts, type Registry } from "./registry.ts"
import { registryChecksum, type WrittenRow, writtenRow } from "./rows.ts"

export const append = Effect.fnUntraced(function* (
  registry: Registry,
  versions: ReadonlyArray<VersionRecord>,
  seen: number
): Effect.fn.Return<number, HeadConflict | HistoryStoreError> {
  const { connections, store } = registry
  let rows: ReadonlyArray<WrittenRow> | undefined
  while (true) {
    const held = yield* holdersOf(registry)
    if (isPlausible(registry, versions, seen)) {
      rows ??=
        versions.length === 1
          ? [yield* writtenRow(versions[0]!, seen + 1)]
          : yield* Effect.forEach(versions, (version, i) => writtenRow(version, seen + i + 1))
      if (yield* send(registry, rows, seen, held)) return seen + rows.length
    }
    const facts = yield* connections.use((session) => readFacts(registry, session))
    const refusal = Precondition.append(facts, versions, seen, store)
    if (refusal !== undefined) return yield* refusal
    if (versions.length === 0) return seen
    if (held.length > 0) yield* checkHolds(registry, held)
  }
})

/** Who holds contents in this process, for what may be about to be appended. */
const holdersOf = Effect.fnUntraced(function* ({ holds }: Registry) {
  if (holds.size === 0) return []
  const now = yield* Clock.currentTimeMillis
  for (const [holder, until] of holds) if (until <= now) holds.delete(holder)
  return [...holds.keys()]
})

/** Fails where a hold is gone that nobody has released since. */
const checkHolds = Effect.fnUntraced(function* (
  { connections, holds, key, sql, store }: Registry,
  held: ReadonlyArray<string>
): Effect.fn.Return<void, HistoryStoreError> {
  const still = held.filter((holder) => holds.has(holder))
  const [row] = yield* connections.use((session) => session.query<{ readonly held: boolean }>(sql.isHeld, [key, still]))
  if (row!.held || still.some((holder) => !holds.has(holder))) return
  const detail =
    "the server was stopped and has lost contents that were stored a moment before; nothing was appended, store them again"
  return yield* storeError(store, "Unavailable", detail)
})

/** Whether versions would do, if the revision is as seen: which version is the last one then follows from the first. */
const isPlausible = ({ known, store }: Registry, versions: ReadonlyArray<VersionRecord>, seen: number): boolean => {
  const first = versions[0]?.id
  if (!Number.isSafeInteger(first) || !Number.isSafeInteger(seen)) return false
  const assumed = { head: 0, revision: seen, last: first! - 1, dropped: known.dropped }
  return Precondition.append(assumed, versions, seen, store) === undefined
}

/** Whether it was done. Once it is on its way an interruption waits for the answer. */
const send = Effect.fnUntraced(function* (
  registry: Registry,
  rows: ReadonlyArray<WrittenRow>,
  seen: number,
  held: ReadonlyArray<string>
): Effect.fn.Return<boolean, HeadConflict | HistoryStoreError> {
  const { sql } = registry
  const isHeld = held.length > 0
  const [statement, values]: Query =
    rows.length === 1
      ? [isHeld ? sql.appendHeld : sql.append, single(registry, rows[0]!)]
      : [isHeld ? sql.appendBatchHeld : sql.appendBatch, batch(registry, rows, seen)]
  const answer = yield* registry.connections.use((session) =>
    Effect.result(Effect.uninterruptible(session.write(statement, isHeld ? [...values, held] : values)))
  )
  if (answer._tag === "Success") return answer.success > 0
  if (isDefinite(answer.failure)) return yield* answer.failure
  return yield* Effect.as(settle(registry, rows, seen, answer.failure), true)
})

type Query = readonly [statement: Statement, values: ReadonlyArray<Parameter>]

/** What the row of the registry becomes: parameters 1 to 6 of both statements. */
const after = (
  { key, known: { created, epoch } }: Registry,
  { id, revision }: WrittenRow
): ReadonlyArray<Parameter> => [key, created, id, revision, registryChecksum(created, id, revision, id, epoch), epoch]

const single = (registry: Registry, row: WrittenRow): ReadonlyArray<Parameter> => [
  ...after(registry, row),
  row.parent,
  row.timestamp,
  row.message,
  row.author,
  row.created,
  row.updated,
  row.deleted,
  row.folded,
  row.checksum,
  row.moved,
  row.zstd,
  row.bytes
]

const batch = (registry: Registry, rows: ReadonlyArray<WrittenRow>, seen: number): ReadonlyArray<Parameter> => {
  const all = new Uint8Array(rows.reduce((sum, { bytes }) => sum + bytes.length, 0))
  const starts: Array<number> = []
  let length = 0
  for (const { bytes } of rows) {
    // PostgreSQL counts from 1.
    starts.push(length + 1)
    all.set(bytes, length)
    length += bytes.length
  }
  const column = <Key extends keyof WrittenRow>(key: Key) => rows.map((row) => row[key])
  return [
    ...after(registry, rows.at(-1)!),
    seen,
    rows[0]!.id - 1,
    all,
    column("id"),
    column("parent"),
    column("timestamp"),
    column("message"),
    column("author"),
    column("created"),
    column("updated"),
    column("deleted"),
    column("folded"),
    column("checksum"),
    column("moved"),
    column("zstd"),
    starts,
    rows.map(({ bytes }) => bytes.length)
  ]
}

/** For about ten seconds: a server that was stopped is mostly back by then. */
export const again = Schedule.exponential("40 millis")
export const times = 8

/**
 * Finds out what became of an append whose answer was lost. It waits for the server process that may still be at it, and
 * begins a new epoch where the append is not there: what arrives later does nothing.
 */
const settle = Effect.fnUntraced(function* (
  registry: Registry,
  rows: ReadonlyArray<WrittenRow>,
  seen: number,
  lost: HistoryStoreError
): Effect.fn.Return<void, HeadConflict | HistoryStoreError> {
  const { connections, key, sql, store } = registry
  const [first, last] = [rows[0]!.id, rows.at(-1)!.id]
  const what = first === last ? `v${first}` : `v${first} to v${last}`
  const look = connections.transaction((session) =>
    Effect.gen(function* () {
      yield* session.query(sql.stop, [key])
      const facts = yield* readFacts(registry, session)
      const found = yield* session.query<Pick<WrittenRow, "id" | "revision" | "checksum">>(sql.appended, [
        key,
        first,
        last
      ])
      const isThere = rows.every(
        ({ checksum, id, revision }, i) =>
          found[i]?.id === id && found[i].revision === revision && found[i].checksum === checksum
      )
      if (!isThere) yield* session.query(sql.newEpoch, newEpoch(key, facts))
      return { isThere, facts }
    })
  )
  const { facts, isThere } = yield* look.pipe(
    Effect.retry({ while: (error) => error.isRetryable, schedule: again, times }),
    Effect.mapError((error) =>
      storeError(
        store,
        "Unavailable",
        `the connection was lost while ${what} was being written, and it cannot be told whether it was: it may or may not be there. Look at head before it is tried again (${error.detail})`,
        lost.cause
      )
    )
  )
  if (isThere) return
  if (facts.revision !== seen) {
    return yield* new HeadConflict({ expected: seen, found: { head: facts.head, revision: facts.revision } })
  }
  // The server's own word, now that it is known what came of it.
  if (lost.reason !== "Unavailable") return yield* lost
  return yield* storeError(
    store,
    "Unavailable",
    `the connection was lost before ${what} was written; nothing was changed, try again (${lost.detail})`,
    lost.cause
  )
})

/** Parameters of a new epoch: whoever knows only the one before looks again. */
export const newEpoch = (
  key: string,
  facts: { created: number; head: number; revision: number; last: number; epoch: number }
): ReadonlyArray<Parameter> => {
  const { created, epoch, head, last, revision } = facts
  return [key, epoch + 1, registryChecksum(created, head, revision, last, epoch + 1)]
}
