/**
 * Deletes what nobody sees any more: rows of versions that compaction dropped, chunks of checkpoints that were replaced
 * or never finished, and then gives the room back to the disk. A step is one short write; between two of them there is
 * time for others, in this process and in others.
 */
import type { HistoryStoreError } from "@heph/history/HistoryStore"
import type { Database } from "better-sqlite3"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { attempt, isNative } from "./native.ts"
import { openToSweep, type Opened } from "./open.ts"

/** Versions, and bytes of changesets, that one step deletes at most; a larger one goes alone. */
const batch = { versions: 32, bytes: 131_072 }
/** Pages that one step gives back. */
const pages = 16
/** How often in a row a step may find the file locked before the rest is left to the next sweep. */
const patience = 2000

interface Unswept {
  readonly run: number
  readonly first: number
  readonly last: number
}

/** Does one step, and tells whether there may be more to do. */
export type Step = () => boolean

/** Gives some pages back to the disk that hold nothing any more. */
export const room = (database: Database): Step => {
  const free = database.prepare<[], number>("PRAGMA freelist_count").pluck()
  const vacuums = database.pragma("auto_vacuum", { simple: true }) !== 0
  return () => {
    const before = vacuums ? free.get()! : 0
    if (before === 0) return false
    database.exec(`PRAGMA incremental_vacuum(${pages})`)
    return free.get()! < before
  }
}

/** The steps on a connection of their own. */
const make = (database: Database) => {
  const unswept = database.prepare<[], Unswept>(
    "SELECT run, first, last FROM dropped INDEXED BY unswept WHERE swept = 0 ORDER BY last DESC LIMIT 1"
  )
  const rows = database.prepare<[number, number, number], { readonly id: number; readonly size: number | null }>(
    `SELECT v.id, length(c.bytes) AS size FROM versions v LEFT JOIN changesets c ON c.version = v.id
     WHERE v.id >= ? AND v.id <= ? ORDER BY v.id DESC LIMIT ?`
  )
  const dropChangesets = database.prepare<[number, number]>(
    "DELETE FROM changesets WHERE version >= ? AND version <= ?"
  )
  const dropVersions = database.prepare<[number, number]>("DELETE FROM versions WHERE id >= ? AND id <= ?")
  const swept = database.prepare<[number]>("UPDATE dropped SET swept = 1 WHERE run = ?")
  const dropChunk = database.prepare(
    `DELETE FROM checkpoint_chunks WHERE rowid = (
       SELECT rowid FROM checkpoint_chunks
       WHERE save NOT IN (SELECT save FROM checkpoints WHERE version IS NOT NULL) LIMIT 1
     )`
  )
  const dropSaves = database.prepare("DELETE FROM checkpoints WHERE version IS NULL")

  // From the last version down: a child goes before its parent, which it names.
  const versions = database.transaction((): boolean => {
    let left = batch.versions
    let bytes = batch.bytes
    while (left > 0 && bytes > 0) {
      const next = unswept.get()
      if (next === undefined) return false
      let lowest = next.first
      let isWhole = true
      const found = rows.all(next.first, next.last, left + 1)
      for (const [i, { id, size }] of found.entries()) {
        if (left === 0 || (bytes <= 0 && i > 0)) {
          lowest = id + 1
          isWhole = false
          break
        }
        left--
        bytes -= size ?? 0
      }
      dropChangesets.run(lowest, next.last)
      dropVersions.run(lowest, next.last)
      if (isWhole) {
        swept.run(next.run)
        // A run may hold no row: looking for one is work too.
        left--
      }
    }
    return true
  })

  return {
    versions: (): boolean => unswept.get() !== undefined && versions.immediate(),
    chunks: (): boolean => {
      if (dropChunk.run().changes > 0) return true
      dropSaves.run()
      return false
    },
    room: room(database)
  }
}

/** Time for others, of the real clock: what waits for it may be another process, whose time no test stops. */
const pause = Effect.provideService(Effect.sleep("2 millis"), Clock.Clock, Clock.Clock.defaultValue())

/** Repeats a step until there is no more to do. Whoever has the file locked goes first. */
export const repeat = (filename: string, step: Step): Effect.Effect<void, HistoryStoreError> =>
  Effect.gen(function* () {
    let tries = 0
    const once = attempt(filename, () => {
      try {
        const more = step()
        tries = 0
        return more
      } catch (cause) {
        if (!isNative(cause, "SQLITE_BUSY") || ++tries > patience) throw cause
        return true
      }
    })
    while (yield* once) yield* pause
  })

export interface Parts {
  /** What runs while chunks are deleted: nobody of this process may be saving a checkpoint then. */
  readonly alone: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>
  /** Whether versions are deleted and room is given back, or chunks alone. */
  readonly all: boolean
}

/**
 * Sweeps a store. Never fails: what it comes to delete was gone before, and what is left of it takes room alone, until
 * the next time.
 */
export const sweep = (opened: Opened, filename: string, { all, alone }: Parts): Effect.Effect<void> =>
  Effect.acquireUseRelease(
    attempt(filename, () => openToSweep(opened)),
    (database) =>
      Effect.gen(function* () {
        const steps = yield* attempt(filename, () => make(database))
        yield* alone(repeat(filename, steps.chunks))
        if (!all) return
        yield* repeat(filename, steps.versions)
        yield* repeat(filename, steps.room)
      }),
    (database) => Effect.sync(() => database.close())
  ).pipe(Effect.ignore)
