/**
 * Files that are made beside where they will be, and get their name in one step once they are whole.
 *
 *     <folder>/.heph-partial-XXXXXX/   lock · store.db · …    one run's; its process holds the lock for as long as it lives
 *     <folder>/registry-<time>.db
 */
import * as fs from "node:fs"
import * as path from "node:path"
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { syncFile } from "./backupCopy.ts"
import { attemptFile, type BackupError, backupError, codeOf } from "./backupError.ts"
import { isNative } from "./native.ts"
import { applicationId } from "./schema.ts"

const prefix = ".heph-partial-"

/**
 * A folder for the files of this run, gone with the scope, on the disk of the folder that it is in. Those of processes
 * that are no more are removed first.
 */
export const partialFolder = (folder: string): Effect.Effect<string, BackupError, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      attemptFile(folder, () => {
        for (const found of fs.readdirSync(folder)) if (found.startsWith(prefix)) sweep(path.join(folder, found))
        return claim(folder)
      }),
      ({ lock, partial }) =>
        Effect.sync(() => {
          fs.rmSync(partial, { recursive: true, force: true })
          lock.close()
        })
    ),
    ({ partial }) => partial
  )

/** The system drops the lock of a process when it ends, however it ends. */
const lockOf = (partial: string): Sqlite.Database | undefined => {
  const lock = new Sqlite(path.join(partial, "lock"), { timeout: 0 })
  try {
    lock.pragma("journal_mode = MEMORY")
    lock.exec("BEGIN EXCLUSIVE")
    return lock
  } catch (cause) {
    lock.close()
    if (isNative(cause, "SQLITE_BUSY")) return undefined
    throw cause
  }
}

const claim = (folder: string): { readonly partial: string; readonly lock: Sqlite.Database } => {
  for (;;) {
    const partial = fs.mkdtempSync(path.join(folder, prefix))
    const lock = lockOf(partial)
    // Another run may have taken it for a dead one's, in the moment before it was locked.
    if (lock !== undefined && fs.existsSync(path.join(partial, "lock"))) return { partial, lock }
    lock?.close()
  }
}

const sweep = (partial: string): void => {
  let lock: Sqlite.Database | undefined
  try {
    lock = lockOf(partial)
    if (lock !== undefined) fs.rmSync(partial, { recursive: true, force: true })
  } catch {
    // Another user's, or gone already. It is in nobody's way: each run has a folder of its own.
  } finally {
    lock?.close()
  }
}

/** The file that is meant, by whatever links it is named: SQLite keeps the log beside that one. */
export const sourceFile = (named: string, advice: string): Effect.Effect<string, BackupError> =>
  Effect.suspend(() => {
    const file = path.resolve(named)
    const found = fs.statSync(file, { throwIfNoEntry: false })
    if (found === undefined) return Effect.fail(backupError("NotFound", file, `there is no such file; ${advice}`))
    if (!found.isFile())
      return Effect.fail(backupError("NotARegistry", file, "it is not a file; name the file of the store"))
    return attemptFile(file, () => fs.realpathSync(file))
  })

const isFolder = (file: string) => fs.statSync(file, { throwIfNoEntry: false })?.isDirectory() === true

/** A file to make, in a folder that is there. */
export const checkNew = (file: string): BackupError | undefined => {
  if (file !== file.trim()) {
    return backupError(
      "Unsupported",
      file,
      "the SQLite driver cannot open a name that ends in white space; choose another"
    )
  }
  return isFolder(path.dirname(file))
    ? undefined
    : backupError("NotFound", path.dirname(file), "there is no such folder; make it first")
}

/** Makes a folder, and those above it, where there is none. */
export const makeFolder = (folder: string): Effect.Effect<void, BackupError> =>
  attemptFile(folder, () => {
    const first = fs.mkdirSync(folder, { recursive: true })
    if (first !== undefined) syncFile(path.dirname(first))
  })

/** Whether `to` is meant as a folder: it is one, or its name ends like one. */
export const namesFolder = (to: string): boolean => isFolder(to) || /[/\\]$/.test(to)

const named = /^registry-(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d\.\d{3})Z\.db$/

/** Sorts as the time does; a colon is not for every file system. */
export const nameOf = (time: number): string => `registry-${new Date(time).toISOString().replaceAll(":", "-")}.db`

const timeOf = (name: string): number | undefined => {
  const time = Date.parse(name.replace(named, "$1T$2:$3:$4Z"))
  return named.test(name) && !Number.isNaN(time) ? time : undefined
}

/** Gives a file a name that none has, in one step; false where one has it. */
export const placeNew = (file: string, name: string): boolean => {
  try {
    fs.linkSync(file, name)
    fs.rmSync(file)
    return true
  } catch (cause) {
    if (codeOf(cause) === "EEXIST") return false
    if (!isWithoutLinks(cause)) throw cause
  }
  if (fs.lstatSync(name, { throwIfNoEntry: false }) !== undefined) return false
  fs.renameSync(file, name)
  return true
}

/** Whether the file system knows no second names for a file: those of memory cards and some networks. */
export const isWithoutLinks = (cause: unknown): boolean =>
  ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"].includes(codeOf(cause) ?? "")

export interface Found {
  readonly file: string
  readonly time: number
  readonly bytes: number
}

/** The files of a folder with the name of a backup, newest first. They are not opened. */
export const backupsIn = (folder: string): ReadonlyArray<Found> =>
  fs
    .readdirSync(folder)
    .sort()
    .reverse()
    .flatMap((name) => {
      const time = timeOf(name)
      const file = path.join(folder, name)
      const found = time === undefined ? undefined : fs.lstatSync(file, { throwIfNoEntry: false })
      return time !== undefined && found?.isFile() === true ? [{ file, time, bytes: found.size }] : []
    })

/**
 * Deletes the oldest backups of a store beyond so many; `newest` is one of them and stays, also where the clock was
 * set back. A file counts only if it can be opened and is of a store made at that moment: what is foreign, or
 * another store's, or damaged, is left alone.
 */
export const rotate = (
  newest: string,
  created: number,
  keep: number,
  partial: string
): Effect.Effect<ReadonlyArray<string>, BackupError> => {
  const folder = path.dirname(newest)
  return attemptFile(folder, async () => {
    const ours = backupsIn(folder).filter(({ file }) => file !== newest && createdOf(file) === created)
    const old = ours.slice(keep - 1).reverse()
    for (const { bytes, file } of old) {
      const gone = path.join(partial, path.basename(file))
      fs.renameSync(file, gone)
      for (const end of ["-wal", "-shm"]) fs.rmSync(file + end, { force: true })
      // Whoever writes to this disk waits while a large file is given back to it.
      for (let left = bytes - piece; left > 0; left -= piece) await fs.promises.truncate(gone, left)
      await fs.promises.rm(gone)
    }
    if (old.length > 0) syncFile(folder)
    return old.map(({ file }) => file)
  })
}

const piece = 8 * 1024 * 1024

/** When the store of a file was made; nothing where it is no store that can be read. */
const createdOf = (file: string): number | undefined => {
  let database: Sqlite.Database | undefined
  try {
    database = new Sqlite(file, { readonly: true, fileMustExist: true })
    if (database.pragma("application_id", { simple: true }) !== applicationId) return undefined
    return database.prepare<[], number>("SELECT value FROM metadata WHERE key = 'created'").pluck().get()
  } catch (cause) {
    if (!isNative(cause)) throw cause
    return undefined
  } finally {
    database?.close()
  }
}
