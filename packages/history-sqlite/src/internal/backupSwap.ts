/**
 * Puts a whole file in the place of a store, and keeps what was there, so that at every moment the name leads to one
 * whole store.
 *
 *     lock the old one, its log written into it ──▶ a second name for it ──▶ the new one takes the first name
 */
import * as fs from "node:fs"
import * as path from "node:path"
import Sqlite, { type Database } from "better-sqlite3"
import * as Effect from "effect/Effect"
import { syncFile } from "./backupCopy.ts"
import { attemptFile, type BackupError, backupError, fromStoreError } from "./backupError.ts"
import { isWithoutLinks, placeNew } from "./backupFiles.ts"
import { attempt, isNative, storeError } from "./native.ts"
import { identify } from "./schema.ts"

/**
 * Replaces the store of a file by another file, on the same disk; returns the name that the old one has now, where there was one.
 * Fails with `Busy` where a connection has the old one open.
 */
export const swap = (copy: string, target: string, now: number): Effect.Effect<string | undefined, BackupError> =>
  Effect.uninterruptible(
    Effect.acquireUseRelease(
      Effect.mapError(
        attempt(target, () => lockStore(target)),
        (error) => fromStoreError(target, error)
      ),
      (locked) => attemptFile(target, () => exchange(copy, target, now, locked)),
      (locked) => Effect.sync(() => locked.database?.close())
    )
  )

interface Locked {
  /** Nothing where there is no file, or one that SQLite cannot read: then its log cannot be written into it. */
  readonly database?: Database
  readonly inode?: number
}

const sizeOf = (file: string): number => fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0

/**
 * Locks a store for this process alone, and writes what its log holds into it. A connection holds a lock for as long
 * as it is open, idle or not, so only a store that nobody has open can be locked.
 */
const lockStore = (target: string): Locked => {
  const found = fs.statSync(target, { throwIfNoEntry: false })
  if (found === undefined) return {}
  // SQLite would throw away the log of an empty file.
  if (found.size === 0 && sizeOf(`${target}-wal`) > 0) return { inode: found.ino }
  let database: Database | undefined
  try {
    // By a connection that cannot write: a foreign database is left as it is.
    const probe = new Sqlite(target, { readonly: true, timeout: 1000 })
    try {
      identify(probe, target, Number.MAX_SAFE_INTEGER)
    } finally {
      probe.close()
    }
    database = new Sqlite(target, { timeout: 1000 })
    database.pragma("locking_mode = EXCLUSIVE")
    if (database.pragma("journal_mode = DELETE", { simple: true }) !== "delete") throw inUse(target)
    database.exec("BEGIN EXCLUSIVE; COMMIT")
    // Another run may have put a store here while this one waited.
    if (fs.statSync(target, { throwIfNoEntry: false })?.ino !== found.ino) throw inUse(target)
    return { database, inode: found.ino }
  } catch (cause) {
    database?.close()
    if (isNative(cause, "SQLITE_BUSY")) throw inUse(target, cause)
    // Damaged: to be set aside as it is, with its log.
    if (isNative(cause) && isUnreadable(cause.code)) return { inode: found.ino }
    throw cause
  }
}

const inUse = (target: string, cause?: unknown) => {
  const detail =
    "somebody has it open, in this process or another, so nothing was restored; end those that use it and try again"
  return storeError(target, "Busy", detail, cause)
}

const isUnreadable = (code: string) =>
  code.startsWith("SQLITE_NOTADB") || code.startsWith("SQLITE_CORRUPT") || code.startsWith("SQLITE_IOERR_SHORT_READ")

const exchange = (copy: string, target: string, now: number, { database, inode }: Locked): string | undefined => {
  const folder = path.dirname(target)
  // Of one that is locked the log is empty, and the journal is a finished one's.
  const leftOver = database === undefined ? ["-wal", "-journal"].filter((end) => sizeOf(target + end) > 0) : []
  const missing = inode === undefined
  if (database !== undefined) forgetSecondNames(target, inode)
  const replaced = missing && leftOver.length === 0 ? undefined : freeName(target, now)
  if (replaced !== undefined) {
    if (!missing) keep(target, replaced, database)
    for (const end of leftOver) keep(target + end, replaced + end, undefined)
    syncFile(folder)
    // What is set aside with its file must be gone before another file has the name: SQLite would take it for its log.
    for (const end of ["-wal", "-journal", "-shm"]) fs.rmSync(target + end, { force: true })
    syncFile(folder)
  }
  if (!missing) fs.renameSync(copy, target)
  else if (!placeNew(copy, target)) throw backupError("Busy", target, "somebody made it meanwhile; try again")
  syncFile(folder)
  return replaced
}

/** Names that a run which was killed gave the store that still has its place. */
const forgetSecondNames = (target: string, inode: number | undefined): void => {
  const folder = path.dirname(target)
  for (const name of fs.readdirSync(folder)) {
    if (!name.startsWith(`${path.basename(target)}.replaced-`)) continue
    const file = path.join(folder, name)
    // One with a log of its own is the only name of that log.
    if (fs.lstatSync(file).ino === inode && sizeOf(`${file}-wal`) === 0) fs.rmSync(file)
  }
}

const freeName = (target: string, now: number): string => {
  for (let time = now; ; time++) {
    const name = `${target}.replaced-${new Date(time).toISOString().replaceAll(":", "-")}`
    const ends = ["", "-wal", "-journal"]
    if (ends.every((end) => fs.lstatSync(name + end, { throwIfNoEntry: false }) === undefined)) return name
  }
}

/** A second name for a file. Where the file system has none, a copy: by SQLite, for which the file stays locked. */
const keep = (file: string, name: string, database: Database | undefined): void => {
  try {
    fs.linkSync(file, name)
  } catch (cause) {
    if (!isWithoutLinks(cause)) throw cause
    if (database === undefined) fs.copyFileSync(file, name, fs.constants.COPYFILE_EXCL)
    else database.prepare("VACUUM INTO ?").run(name)
    syncFile(name)
  }
}
