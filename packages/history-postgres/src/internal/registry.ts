/** One registry of a schema: what all of a store's work shares, and the small facts that every write looks at. */
import type { HistoryStoreError, Run, StoreInfo } from "@heph/history/HistoryStore"
import type * as Precondition from "@heph/history/Precondition"
import * as Effect from "effect/Effect"
import type { Connections, Session } from "./connections.ts"
import { storeError } from "./native.ts"
import {
  checkpointChecksum,
  damaged,
  decodeText,
  droppedChecksum,
  parseRuns,
  registryChecksum,
  tagChecksum
} from "./rows.ts"
import type { Statements } from "./statements.ts"

/** What only compaction changes, so that a writer need not look it up: an append names the epoch that it knows. */
export interface Known {
  readonly created: number
  readonly epoch: number
  readonly dropped: ReadonlyArray<Run>
}

export interface Facts extends Precondition.Facts, Known {}

export interface Registry {
  /** The URL as it may be shown. */
  readonly store: string
  readonly schema: string
  /** The name of the registry as it is stored: the first parameter of each statement. */
  readonly key: string
  /** It was opened for reading. */
  readonly readOnly: boolean
  readonly sql: Statements
  readonly connections: Connections
  /** As last seen. */
  known: Known
  /** The holds of contents that this process has, by holder as it is stored, and when each ends by the time of this process. */
  readonly holds: Map<string, number>
}

/** A write, which fails where the store was opened for reading. */
export const ifWritable = <A, E>(
  { readOnly, store }: Registry,
  write: Effect.Effect<A, E>
): Effect.Effect<A, E | HistoryStoreError> =>
  readOnly ? Effect.fail(storeError(store, "ReadOnly", "it was opened for reading; nothing was changed")) : write

interface FactsRow {
  readonly created: number
  readonly head: number
  readonly revision: number
  readonly last: number
  readonly epoch: number
  readonly checksum: number
  readonly dropped: string | null
  readonly droppedChecksum: number | null
}

interface InfoRow extends FactsRow {
  readonly tags: ReadonlyArray<readonly [name: string, version: number, checksum: number]> | null
  readonly checkpoints: ReadonlyArray<readonly [version: number, save: number, chunks: number, checksum: number]> | null
}

const factsOf = (registry: Registry, row: FactsRow | undefined): Effect.Effect<Facts, HistoryStoreError> => {
  if (row === undefined) {
    const detail = `there is no registry ${JSON.stringify(decodeText(registry.key))} in the schema ${registry.sql.schema}`
    return Effect.fail(storeError(registry.store, "NotFound", detail))
  }
  const { created, epoch, head, last, revision } = row
  const dropped = row.dropped === null ? [] : parseRuns(row.dropped)
  if (row.checksum !== registryChecksum(created, head, revision, last, epoch)) {
    return Effect.fail(damaged(registry.store, "head"))
  }
  if (row.dropped !== null && row.droppedChecksum !== droppedChecksum(dropped)) {
    return Effect.fail(damaged(registry.store, "the list of versions that compaction dropped"))
  }
  registry.known = { created, epoch, dropped }
  return Effect.succeed({ created, head, revision, last, epoch, dropped })
}

/** The facts of now, or of the transaction of a session that holds them. */
export const readFacts = (registry: Registry, session: Session): Effect.Effect<Facts, HistoryStoreError> =>
  Effect.flatMap(session.query<FactsRow>(registry.sql.facts, [registry.key]), ([row]) => factsOf(registry, row))

/** The same where a registry may be none. */
export const findFacts = (registry: Registry, session: Session): Effect.Effect<Facts | undefined, HistoryStoreError> =>
  Effect.flatMap(session.query<FactsRow>(registry.sql.facts, [registry.key]), ([row]) =>
    row === undefined ? Effect.undefined : factsOf(registry, row)
  )

/** Makes the registry, unless another process was faster. */
export const create = (registry: Registry, session: Session, now: number): Effect.Effect<Facts, HistoryStoreError> =>
  Effect.andThen(
    session.query(registry.sql.create, [registry.key, now, registryChecksum(now, 0, 0, 0, 0)]),
    readFacts(registry, session)
  )

export const info = (registry: Registry): Effect.Effect<StoreInfo, HistoryStoreError> =>
  Effect.gen(function* () {
    const [row] = yield* registry.connections.use((session) =>
      session.query<InfoRow>(registry.sql.info, [registry.key])
    )
    const { created, dropped, head, last, revision } = yield* factsOf(registry, row)
    const tags = new Map<string, number>()
    for (const [stored, version, checksum] of row?.tags ?? []) {
      const name = decodeText(stored)
      if (checksum !== tagChecksum(name, version)) return yield* damaged(registry.store, `the tag ${name}`)
      tags.set(name, version)
    }
    const checkpoints: Array<number> = []
    for (const [version, save, chunks, checksum] of row?.checkpoints ?? []) {
      if (checksum !== checkpointChecksum(save, version, chunks)) {
        return yield* damaged(registry.store, `the checkpoint of v${version}`)
      }
      checkpoints.push(version)
    }
    return { created, head, revision, last, tags, checkpoints, dropped }
  })
