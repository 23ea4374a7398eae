/** The service: opening, and the calls that are one statement each. */
import { HistoryStore, type HistoryStoreError, type VersionRange, type VersionRecord } from "@heph/history/HistoryStore"
import * as Precondition from "@heph/history/Precondition"
import type * as Version from "@heph/history/Version"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { Options } from "../HistoryPostgres.ts"
import * as Address from "./address.ts"
import { append } from "./appending.ts"
import * as Checkpoints from "./checkpoints.ts"
import { compact } from "./compacting.ts"
import * as Connections from "./connections.ts"
import * as Listening from "./listening.ts"
import { storeError } from "./native.ts"
import { create, findFacts, ifWritable, info, readFacts, type Registry } from "./registry.ts"
import {
  boundOf,
  damaged,
  encodeText,
  moveChecksum,
  registryChecksum,
  tagChecksum,
  versionOf,
  type VersionRow
} from "./rows.ts"
import { identify, type Migration, migrate } from "./schema.ts"
import * as Statements from "./statements.ts"
import { verify } from "./verify.ts"

/** The store of a registry, its schema brought to the newest of these versions. */
export const makeWith = (options: Options, steps: ReadonlyArray<Migration>) =>
  Effect.flatMap(openWith(options, steps), fromRegistry)

/** A registry, open until the scope ends, its schema brought to the newest of these versions. */
export const openWith = Effect.fnUntraced(function* (options: Options, steps: ReadonlyArray<Migration>) {
  const { readOnly = false, registry: name = "main", schema = "heph" } = options
  const address = yield* Effect.fromResult(
    Address.parse(Redacted.isRedacted(options.url) ? Redacted.value(options.url) : options.url)
  )
  const store = address.shown
  const key = encodeText(name)
  const problem =
    schemaProblem(schema) ?? (bytesOf(key) > 1000 ? "a registry has a name of at most 1,000 bytes" : undefined)
  if (problem !== undefined) return yield* storeError(store, "Unsupported", problem)
  const poolSize = Math.max(1, Math.floor(options.poolSize ?? 5))
  // The driver takes 0 for no limit, and a timer of Node holds 31 bits.
  const connectTimeout = Math.min(Math.max(1, Duration.toMillis(options.connectTimeout ?? "10 seconds")), 2 ** 31 - 1)
  const connections = yield* Connections.make({ address, poolSize, connectTimeout })
  const registry: Registry = {
    store,
    schema,
    key,
    readOnly,
    sql: Statements.make(schema),
    connections,
    known: { created: 0, epoch: 0, dropped: [] },
    holds: new Map()
  }
  yield* open(registry, steps)
  return registry
})

const bytesOf = (text: string): number => new TextEncoder().encode(text).length

const schemaProblem = (schema: string): string | undefined => {
  if (schema === "" || bytesOf(schema) > 63) return "a schema has a name of 1 to 63 bytes"
  if (encodeText(schema) !== schema) return "a schema has a name without NUL"
  return /^pg_|^information_schema$/.test(schema) ? `the schema ${schema} is PostgreSQL's own` : undefined
}

/** Looks first, and changes something only where something has to be made. */
const open = Effect.fnUntraced(function* (
  registry: Registry,
  steps: ReadonlyArray<Migration>
): Effect.fn.Return<void, HistoryStoreError> {
  const { connections, readOnly, sql, store } = registry
  const found = yield* connections.use((session) => identify(session, registry, steps.length))
  if (found < steps.length) {
    if (readOnly) {
      const [reason, detail] =
        found === 0
          ? (["NotFound", `there is no schema ${sql.schema} with registries, and none is made for reading`] as const)
          : ([
              "ReadOnly",
              `the schema ${sql.schema} has version ${found} and must be brought to ${steps.length}; open it once for writing`
            ] as const)
      return yield* storeError(store, reason, detail)
    }
    yield* connections.transaction((session) => migrate(session, registry, steps))
  }
  const now = yield* Clock.currentTimeMillis
  yield* connections.use((session) =>
    Effect.gen(function* () {
      if (readOnly) return yield* readFacts(registry, session)
      return (yield* findFacts(registry, session)) ?? (yield* create(registry, session, now))
    })
  )
})

export const fromRegistry = Effect.fnUntraced(function* (registry: Registry) {
  const { connections, key, sql, store } = registry
  const changes = yield* Listening.make(registry)
  const writing = <A, E>(effect: Effect.Effect<A, E>) => ifWritable(registry, effect)

  const whole = (id: number) =>
    Effect.map(
      connections.use((session) => session.query<VersionRow>(sql.whole, [key, id])),
      ([row]) => row
    )

  const versions = Effect.fnUntraced(function* (range: VersionRange) {
    const query = versionsQuery(range)
    if (query === undefined) return []
    const rows = yield* connections.use((session) =>
      session.query<VersionRow>(sql[query.statement], [key, ...query.values])
    )
    const records: Array<VersionRecord> = []
    for (const row of rows) records.push(yield* versionOf(store, row, whole))
    if (!("ids" in range)) return records
    const byId = new Map(records.map((record) => [record.id, record]))
    return range.ids.flatMap((id) => byId.get(id) ?? [])
  })

  const heads = Effect.fnUntraced(function* (after: number, limit: number) {
    const from = boundOf(after)
    const rows = yield* connections.use((session) =>
      session.query<Version.HeadMove & { readonly checksum: number }>(sql.heads, [key, from, boundOf(limit)])
    )
    const moves: Array<Version.HeadMove> = []
    for (const [i, { checksum, revision, timestamp, version }] of rows.entries()) {
      const move = { revision, version, timestamp }
      if (revision !== from + i + 1 || checksum !== moveChecksum(move)) {
        return yield* damaged(store, `move ${from + i + 1} of head`)
      }
      moves.push(move)
    }
    return moves
  })

  const moveHead = (version: number, timestamp: number, seen: number) =>
    connections.transaction((session) =>
      Effect.gen(function* () {
        yield* session.query(sql.lock, [key])
        const { created, epoch, last, ...facts } = yield* readFacts(registry, session)
        const refusal = Precondition.moveHead({ ...facts, last }, version, seen, store)
        if (refusal !== undefined) return yield* refusal
        const revision = seen + 1
        const checksum = registryChecksum(created, version, revision, last, epoch)
        const moved = moveChecksum({ revision, version, timestamp })
        yield* session.query(sql.moveHead, [key, version, revision, checksum, timestamp, last, moved])
        return revision
      })
    )

  const tag = Effect.fnUntraced(function* (name: string, version: number | null) {
    const stored = encodeText(name)
    if (version === null) {
      yield* connections.use((session) => session.query(sql.untag, [key, stored]))
      return
    }
    yield* connections.transaction((session) =>
      Effect.gen(function* () {
        yield* session.query(sql.hold, [key])
        const refusal = Precondition.exists(yield* readFacts(registry, session), version, store)
        if (refusal !== undefined) return yield* refusal
        return yield* session.query(sql.tag, [key, stored, version, tagChecksum(name, version)])
      })
    )
  })

  return HistoryStore.of({
    capabilities: { durable: true, shared: true, travel: true },
    info: info(registry),
    append: (versions, revision) => writing(append(registry, versions, revision)),
    moveHead: (version, timestamp, revision) => writing(moveHead(version, timestamp, revision)),
    tag: (name, version) => writing(tag(name, version)),
    versions,
    heads,
    checkpoints: {
      save: (version, chunks) => writing(Checkpoints.save(registry, version, chunks)),
      load: (version) => Checkpoints.load(registry, version),
      drop: (versions) => writing(Checkpoints.drop(registry, versions))
    },
    compact: (compaction) => writing(compact(registry, compaction)),
    changes,
    verify: verify(registry)
  })
})

const versionsQuery = (range: VersionRange) => {
  if ("ids" in range) {
    const ids = range.ids.filter((id) => Number.isSafeInteger(id) && id > 0)
    return ids.length === 0 ? undefined : ({ statement: "byId", values: [ids] } as const)
  }
  return "after" in range
    ? ({ statement: "after", values: [boundOf(range.after), boundOf(range.limit)] } as const)
    : ({ statement: "before", values: [boundOf(Math.ceil(range.before)), boundOf(range.limit)] } as const)
}
