/** What better-sqlite3 throws, told as a {@link HistoryStoreError}: the one place where native codes are read. */
import { HistoryStoreError, type StoreErrorReason } from "@heph/history/HistoryStore"
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"

/** A trouble and what to do about it, in words that follow "<file>: ". */
interface Trouble {
  readonly reason: StoreErrorReason
  readonly detail: string
}

/** Extended codes first: the first one that a code begins with tells. */
const troubles: ReadonlyArray<readonly [code: string, trouble: Trouble]> = [
  [
    "SQLITE_NOTADB",
    { reason: "NotARegistry", detail: "it is not a SQLite database, so no registry; nothing was changed" }
  ],
  [
    "SQLITE_CORRUPT",
    {
      reason: "Corrupt",
      detail: "it is damaged; nothing was changed. Restore a backup, or list the damage with verify"
    }
  ],
  [
    "SQLITE_IOERR_SHORT_READ",
    { reason: "Corrupt", detail: "it ends too early; nothing was changed. Restore a backup" }
  ],
  ["SQLITE_IOERR_DATA", { reason: "Corrupt", detail: "a page of it does not match its checksum. Restore a backup" }],
  ["SQLITE_IOERR_CORRUPTFS", { reason: "Corrupt", detail: "the file system that holds it is damaged" }],
  [
    "SQLITE_READONLY_DBMOVED",
    { reason: "NotFound", detail: "the file was moved or deleted while it was open; put it back, or open it anew" }
  ],
  [
    "SQLITE_READONLY",
    {
      reason: "ReadOnly",
      detail:
        "it cannot be written: it was opened for reading, or the file or its folder is read-only; nothing was changed"
    }
  ],
  ["SQLITE_FULL", { reason: "Full", detail: "the disk is full; nothing was changed. Make room and try again" }],
  // The index of the write-ahead log could not grow, which is what a full disk does first.
  [
    "SQLITE_IOERR_SHMSIZE",
    { reason: "Full", detail: "there is no room beside it for its -shm file; nothing was changed" }
  ],
  [
    "SQLITE_BUSY",
    {
      reason: "Busy",
      detail: "another process kept it locked for longer than the busy timeout; nothing was changed, try again"
    }
  ],
  ["SQLITE_LOCKED", { reason: "Busy", detail: "another connection of this process keeps it locked; try again" }],
  ["SQLITE_PROTOCOL", { reason: "Busy", detail: "too many processes open it at once; try again" }],
  [
    "SQLITE_TOOBIG",
    { reason: "Unsupported", detail: "SQLite keeps at most 1 GB in one value; write smaller changesets" }
  ],
  [
    "SQLITE_CANTOPEN",
    { reason: "Unavailable", detail: "the file, or one beside it, cannot be opened; check its permissions" }
  ],
  ["SQLITE_IOERR", { reason: "Unavailable", detail: "the disk failed to read or write; nothing was changed" }],
  ["SQLITE_ERROR", { reason: "Corrupt", detail: "a table of it is missing or changed; nothing was changed" }],
  [
    "SQLITE_CONSTRAINT_PRIMARYKEY",
    { reason: "Corrupt", detail: "a row is there that no version has; nothing was changed" }
  ],
  ["SQLITE_CONSTRAINT_FOREIGNKEY", { reason: "Corrupt", detail: "a row of a version is missing; nothing was changed" }],
  ["SQLITE_NOMEM", { reason: "Unavailable", detail: "there is not enough memory" }]
]

/** Whether something thrown is SQLite's, with a code that begins so. */
export const isNative = (cause: unknown, code = "SQLITE_"): cause is InstanceType<typeof Sqlite.SqliteError> =>
  cause instanceof Sqlite.SqliteError && cause.code.startsWith(code)

/** SQLite's trouble as a typed error; nothing where it is a mistake of this package, which stays a defect. */
export const classify = (filename: string, cause: unknown): HistoryStoreError | undefined => {
  if (cause instanceof HistoryStoreError) return cause
  if (!isNative(cause)) return undefined
  const trouble = troubles.find(([code]) => cause.code.startsWith(code))?.[1]
  return trouble && storeError(filename, trouble.reason, `${trouble.detail} (${cause.code}: ${cause.message})`, cause)
}

export const storeError = (
  filename: string,
  reason: StoreErrorReason,
  detail: string,
  cause?: unknown
): HistoryStoreError =>
  new HistoryStoreError({ reason, store: filename, detail, ...(cause === undefined ? undefined : { cause }) })

/** Runs native code: what it throws fails with a typed error, or dies where it is nobody's fault but ours. */
export const attempt = <A>(filename: string, run: () => A): Effect.Effect<A, HistoryStoreError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(run())
    } catch (cause) {
      const error = classify(filename, cause)
      return error === undefined ? Effect.die(cause) : Effect.fail(error)
    }
  })
