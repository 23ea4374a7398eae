/**
 * Copies a store as it is at one moment, page by page, and reads the copy to see that it is whole.
 *
 *     source ──pages, in one read transaction──▶ copy ──▶ SQLite's check + what both stores verify ──▶ on disk
 *
 * The transaction is on a connection of its own, so writers go on and the copy does not start again when they write.
 * Damage is not repaired on the way: pages are copied as they are, so what is wrong in the source is found in the copy.
 */
import * as fs from "node:fs"
import { BlobStore } from "@heph/content/BlobStore"
import * as ContentStore from "@heph/content/ContentStore"
import { HistoryStoreError } from "@heph/history/HistoryStore"
import * as Precondition from "@heph/history/Precondition"
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as ContentSqlite from "../ContentSqlite.ts"
import type * as HistorySqlite from "../HistorySqlite.ts"
import { type BackupError, attemptFile, damaged, fromFileError, fromStoreError } from "./backupError.ts"
import { attempt, classify } from "./native.ts"
import { open, type Opened } from "./open.ts"
import { migrations } from "./schema.ts"

export interface Job {
  readonly source: string
  /** A file that is not there yet, in a folder that is on the disk of the target. */
  readonly copy: string
  /** The file to blame where that disk is full or cannot be written. */
  readonly target: string
  /** What comes of damage, in words that follow "it is damaged, so". */
  readonly consequence: string
  /** Left as a file on its own, which opens without writing, or as one that keeps a log, like every open store. */
  readonly journal: "DELETE" | "WAL"
}

/** Bytes of all that is to be copied. */
export interface Progress {
  readonly bytes: number
  readonly total: number
}

/** What is known of a copy that is whole. */
export interface Facts {
  readonly bytes: number
  readonly versions: number
  readonly head: number
  readonly schema: number
  readonly created: number
}

/** The thread can be stopped between two steps, and a writer waits for the disk no longer than one takes. */
const bytesAStep = 1024 * 1024

/** Copies and checks. Blocks the thread for long stretches, so it is for one of its own. */
export const copyStore = Effect.fnUntraced(function* (job: Job, onProgress: (progress: Progress) => void) {
  const ofSource = (error: HistoryStoreError) => fromStoreError(job.source, error)
  const schema = yield* Effect.acquireUseRelease(
    Effect.mapError(openAsItIs(job.source), ofSource),
    ({ opened, schema }) => Effect.as(transfer(opened, job, onProgress), schema),
    ({ opened }) => Effect.sync(opened.close)
  )
  const use = copied(job)
  const facts = yield* Effect.gen(function* () {
    yield* use(journal(job.copy, "DELETE"))
    const facts = yield* schema === migrations.length
      ? examine(job, { filename: job.copy, readOnly: true })
      : examineOlder(job)
    if (job.journal === "WAL") yield* use(journal(job.copy, "WAL"))
    return facts
  })
  const { mode } = fs.statSync(job.source)
  return yield* attemptFile(job.target, () => {
    fs.chmodSync(job.copy, mode & 0o777)
    syncFile(job.copy)
    return { ...facts, schema, bytes: fs.statSync(job.copy).size }
  })
})

/** A store of an older schema is copied as it is: whoever goes back to the older package can go back to its backup. */
const openAsItIs = (source: string): Effect.Effect<{ opened: Opened; schema: number }, HistoryStoreError> =>
  attempt(source, () => {
    const known = (schema: number): { opened: Opened; schema: number } => {
      const steps = migrations.slice(0, schema)
      const opened = open({
        filename: source,
        durability: "full",
        readOnly: true,
        busyTimeout: 5000,
        now: 0,
        migrations: steps
      })
      return { opened, schema }
    }
    let refused: unknown
    for (let schema = migrations.length; schema > 0; schema--) {
      try {
        return known(schema)
      } catch (cause) {
        refused ??= cause
        if (!(cause instanceof HistoryStoreError && cause.reason === "ReadOnly")) break
      }
    }
    throw refused
  })

const transfer = ({ database }: Opened, job: Job, onProgress: (progress: Progress) => void) =>
  Effect.promise(async () => {
    database.exec("BEGIN")
    const pageSize = database.pragma("page_size", { simple: true }) as number
    // The transaction sees one moment from its first read on.
    database.prepare("SELECT count(*) FROM sqlite_schema").get()
    // Written out bit by bit: writers would wait for a whole copy that one fsync sends to the disk.
    const descriptor = fs.openSync(job.copy, "w")
    try {
      await database.backup(job.copy, {
        progress: ({ remainingPages, totalPages }) => {
          fs.fdatasyncSync(descriptor)
          onProgress({ bytes: (totalPages - remainingPages) * pageSize, total: totalPages * pageSize })
          return bytesAStep / pageSize
        }
      })
    } finally {
      fs.closeSync(descriptor)
    }
    const total = (database.pragma("page_count", { simple: true }) as number) * pageSize
    onProgress({ bytes: total, total })
  }).pipe(
    Effect.catchDefect((cause) => {
      const error = classify(job.source, cause)
      const told = error === undefined ? fromFileError(job.target, cause) : undefined
      if (error !== undefined) return Effect.fail(fromStoreError(isOfSource(error) ? job.source : job.target, error))
      return told === undefined ? Effect.die(cause) : Effect.fail(told)
    })
  )

const isOfSource = ({ reason }: HistoryStoreError) => reason === "Corrupt" || reason === "NotARegistry"

/** Trouble with the copy: damage is the source's, a full disk is the target's. */
const copied =
  (job: Job) =>
  <A, R>(effect: Effect.Effect<A, HistoryStoreError, R>): Effect.Effect<A, BackupError, R> =>
    Effect.mapError(effect, (error) =>
      isOfSource(error)
        ? damaged(job.source, [{ what: "the file", reason: error.detail }], job.consequence)
        : fromStoreError(job.target, error)
    )

/** What is in a copy, once everything in it was read and is sound. */
const examine = (
  job: Job,
  options: HistorySqlite.Options
): Effect.Effect<Omit<Facts, "bytes" | "schema">, BackupError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const use = copied(job)
      const { blobs, history: store } = yield* use(ContentSqlite.make(options))
      const found = yield* use(store.verify)
      if (found.length > 0) return yield* damaged(job.source, found, job.consequence)
      const contents = yield* Effect.provideService(ContentStore.make(), BlobStore, blobs)
      const lost = (yield* use(contents.verify())).map(({ hash, reason }) => ({ what: `content ${hash}`, reason }))
      if (lost.length > 0) return yield* damaged(job.source, lost, job.consequence)
      const info = yield* use(store.info)
      return { created: info.created, head: info.head, versions: Precondition.count(info) }
    })
  )

/** Read through a copy of the copy that is brought to the newest schema, which proves that opening it will work. */
const examineOlder = (job: Job) => {
  const newer = `${job.copy}.newer`
  return Effect.gen(function* () {
    yield* copied(job)(pagesAreSound(job.copy))
    yield* attemptFile(job.target, () => fs.copyFileSync(job.copy, newer, fs.constants.COPYFILE_FICLONE))
    return yield* examine(job, { filename: newer })
  })
}

/** A migration may rewrite a page that is damaged, so SQLite's own check comes before it. */
const pagesAreSound = (file: string): Effect.Effect<void, HistoryStoreError> =>
  attempt(file, () => {
    const database = new Sqlite(file, { readonly: true })
    try {
      const result = database.pragma("integrity_check(1)", { simple: true }) as string
      if (result !== "ok") throw new HistoryStoreError({ reason: "Corrupt", store: file, detail: result })
    } finally {
      database.close()
    }
  })

const journal = (file: string, mode: "DELETE" | "WAL"): Effect.Effect<void, HistoryStoreError> =>
  attempt(file, () => {
    const database = new Sqlite(file)
    try {
      database.pragma(`journal_mode = ${mode}`)
    } finally {
      database.close()
    }
  })

/** Waits until the disk has a file, or a folder's list of names. */
export const syncFile = (file: string): void => {
  const descriptor = fs.openSync(file, "r")
  try {
    fs.fsyncSync(descriptor)
  } finally {
    fs.closeSync(descriptor)
  }
}
