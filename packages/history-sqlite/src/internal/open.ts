/** Opening a file: what it is, whether it can be written, how durable a commit is. Whatever is refused stays untouched. */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import type { HistoryStoreError } from "@heph/history/HistoryStore"
import Sqlite, { type Database } from "better-sqlite3"
import { classify, isNative, storeError } from "./native.ts"
import { identify, type Migration, migrate } from "./schema.ts"

export interface Settings {
  readonly filename: string
  readonly durability: "full" | "normal"
  readonly readOnly: boolean
  /** Milliseconds that a writer waits for another process. */
  readonly busyTimeout: number
  /** The time a store that is made now was created at, in milliseconds since 1970. */
  readonly now: number
  readonly migrations: ReadonlyArray<Migration>
}

export interface Opened {
  readonly database: Database
  /** What was opened: the file itself, or a private copy of it. */
  readonly path: string
  /** Whether it is a private copy, which nobody else writes to. */
  readonly isCopy: boolean
  /** Why the file that was opened is not the one of that name any more, or nothing where it is. */
  readonly isMoved: () => string | undefined
  readonly close: () => void
}

/** Opens the store of a file, made where there is none. Throws `HistoryStoreError`. */
export const open = (settings: Settings): Opened => {
  const filename = path.resolve(settings.filename)
  try {
    inspect(filename, settings.readOnly)
    return settings.readOnly ? openForReading(filename, settings) : openForWriting(filename, settings)
  } catch (cause) {
    throw explain(filename, settings.readOnly, cause) ?? cause
  }
}

/** One more connection to what was opened, which sees one moment of it while others write. */
export const openBeside = (opened: Opened): Database => tune(new Sqlite(opened.path, { readonly: true }))

/**
 * One more connection, to delete what nobody sees any more. It waits for nobody and not for the disk: what a loss of
 * power brings back is deleted again. Foreign keys are not checked, because for each deleted version SQLite would look
 * through all others for a child of it.
 */
export const openToSweep = (opened: Opened): Database => {
  const database = tune(new Sqlite(opened.path, { timeout: 0 }))
  return closingOnError(database, () => {
    database.pragma("foreign_keys = OFF")
    database.pragma("synchronous = normal")
    database.pragma("journal_size_limit = 8388608")
    return database
  })
}

/** Looks up, ~2 µs, whether a name still leads to the file that it led to when this was made. */
const movedFrom = (file: string): Opened["isMoved"] => {
  const before = fs.statSync(file)
  return () => {
    const now = fs.statSync(file, { throwIfNoEntry: false })
    if (now === undefined) return "the file was moved or deleted while it was open"
    return now.ino === before.ino && now.dev === before.dev
      ? undefined
      : "the file was replaced by another one while it was open"
  }
}

const sizeOf = (file: string): number => fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0

/** Refuses what is no file to open, before SQLite makes one of it. */
const inspect = (filename: string, readOnly: boolean): void => {
  const refuse = (reason: HistoryStoreError["reason"], detail: string) => {
    throw storeError(filename, reason, detail)
  }
  // The log is looked at first: whoever makes a store writes the file before the log.
  const log = sizeOf(`${filename}-wal`)
  const found = fs.statSync(filename, { throwIfNoEntry: false })
  if (found !== undefined && !found.isFile()) refuse("NotARegistry", "it is not a file; name the file of the store")
  if (filename !== filename.trim()) {
    refuse("Unsupported", "the SQLite driver cannot open a name that ends in white space; choose another")
  }
  // SQLite would take an empty file with a log for a new database, and throw the log away.
  if ((found?.size ?? 0) === 0 && log > 0) {
    refuse(
      "Corrupt",
      `the file is gone or empty, and ${filename}-wal still holds versions; restore the file, or remove the -wal`
    )
  }
  if (readOnly && found === undefined) refuse("NotFound", "there is no such file, and a store is not made for reading")
  if (readOnly && found?.size === 0) refuse("NotARegistry", "it is empty, and a store is not made for reading")
  // SQLite takes such a file for a new database, too.
  if (found?.size === 1)
    refuse("NotARegistry", "it is not a SQLite database, so no registry: it is one byte long; nothing was changed")
  const folder = path.dirname(filename)
  if (fs.statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true)
    refuse("NotFound", `there is no folder ${folder}; make it first`)
}

const openForWriting = (filename: string, settings: Settings): Opened => {
  // What a crash left in the log would be written into the file when the connection closes: first see whose it is.
  if (sizeOf(`${filename}-wal`) > 0) {
    const probe = new Sqlite(filename, { readonly: true, timeout: settings.busyTimeout })
    closingOnError(probe, () => identify(probe, filename, settings.migrations.length))
    probe.close()
  }
  const isMoved = fs.existsSync(filename) ? movedFrom(filename) : () => undefined
  const database = new Sqlite(filename, { timeout: settings.busyTimeout })
  return closingOnError(database, () => {
    const schema = identify(database, filename, settings.migrations.length)
    // Until it was read, whoever restores a backup could put another file in its place.
    if (isMoved() !== undefined) {
      database.close()
      return openForWriting(filename, settings)
    }
    tune(database)
    if (schema === 0 && sizeOf(filename) === 0) lay(database, settings.durability)
    database.pragma(`synchronous = ${settings.durability}`)
    // On a Mac a plain fsync leaves the data in the cache of the disk.
    database.pragma(`fullfsync = ${settings.durability === "full"}`)
    database.pragma(`checkpoint_fullfsync = ${settings.durability === "full"}`)
    // The log is emptied every 4 MB; what one large transaction made of it is given back to the disk.
    database.pragma("journal_size_limit = 8388608")
    useLog(database)
    database.pragma(`wal_autocheckpoint = ${4_096_000 / (database.pragma("page_size", { simple: true }) as number)}`)
    migrate(database, filename, settings.now, settings.migrations)
    // What a file is stands in the file itself: it would be taken for a new one if it lost its log before it is emptied.
    if (schema < settings.migrations.length) database.pragma("wal_checkpoint(TRUNCATE)")
    return {
      database,
      path: filename,
      isCopy: false,
      isMoved: movedFrom(filename),
      close: () => database.close()
    }
  })
}

/**
 * How a file that has no page yet is laid out; one that has some would be written to, and stays as it is. Room can be
 * given back a little at a time. Pages of 8 KB waste 60 bytes of a version less than those of 4 KB. An append that waits
 * for the disk takes no longer for it, one that does not takes a seventh longer.
 */
const lay = (database: Database, durability: Settings["durability"]): void => {
  database.pragma(`page_size = ${durability === "full" ? 8192 : 4096}`)
  database.pragma("auto_vacuum = INCREMENTAL")
}

/**
 * Turns on the write-ahead log. SQLite waits for no one here: where another process does the same at this moment it
 * fails at once. An empty transaction waits for that process, by the busy timeout.
 */
const useLog = (database: Database): void => {
  for (let attempt = 0; ; attempt++) {
    try {
      database.pragma("journal_mode = WAL")
      return
    } catch (cause) {
      if (!isNative(cause, "SQLITE_BUSY") || attempt === 20) throw cause
      database.transaction(() => {}).immediate()
    }
  }
}

const openForReading = (filename: string, settings: Settings): Opened => {
  const known = settings.migrations.length
  const ready = (database: Database, file: string, isCopy: boolean, close: () => void): Opened => {
    const schema = identify(database, filename, known)
    if (schema === 0) throw storeError(filename, "NotARegistry", "it is empty, and a store is not made for reading")
    if (schema < known) {
      const detail = `it has schema ${schema} and must be brought to ${known}; open it once for writing`
      throw storeError(filename, "ReadOnly", detail)
    }
    return { database: tune(database), path: file, isCopy, isMoved: movedFrom(file), close }
  }
  try {
    const database = new Sqlite(filename, { readonly: true, timeout: settings.busyTimeout })
    return closingOnError(database, () => ready(database, filename, false, () => database.close()))
  } catch (cause) {
    // Reading a write-ahead log takes an index beside the file, which cannot be made in a folder that is read-only.
    // Nor on a disk that is full, which is when a copy of what is on it is wanted most.
    const codes = ["SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_IOERR_SHMSIZE", "SQLITE_FULL"]
    if (!codes.some((code) => isNative(cause, code))) throw cause
  }
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "heph-history-"))
  const remove = () => fs.rmSync(folder, { recursive: true, force: true })
  try {
    const copy = path.join(folder, "store")
    for (const end of ["", "-wal"]) {
      if (end === "" || fs.existsSync(filename + end)) {
        fs.copyFileSync(filename + end, copy + end, fs.constants.COPYFILE_FICLONE)
        fs.chmodSync(copy + end, 0o600)
      }
    }
    const database = new Sqlite(copy)
    return closingOnError(database, () => {
      database.pragma("query_only = ON")
      return ready(database, copy, true, () => {
        database.close()
        remove()
      })
    })
  } catch (cause) {
    remove()
    throw cause
  }
}

/** Settings that every connection wants: cells are checked as pages are read, and nothing in the file can run code. */
const tune = (database: Database): Database => {
  database.pragma("foreign_keys = ON")
  database.pragma("cell_size_check = ON")
  database.pragma("trusted_schema = OFF")
  return database
}

const closingOnError = <A>(database: Database, run: () => A): A => {
  try {
    return run()
  } catch (cause) {
    database.close()
    throw cause
  }
}

/** The error to tell. SQLite says "unable to open" for a folder that it cannot make its files in, too. */
const explain = (filename: string, readOnly: boolean, cause: unknown): HistoryStoreError | undefined => {
  const folder = path.dirname(filename)
  if (!readOnly && isNative(cause, "SQLITE_CANTOPEN") && !isWritable(folder)) {
    const detail = `the folder ${folder} cannot be written, and SQLite keeps its log there; nothing was changed. To read, open it with readOnly`
    return storeError(filename, "ReadOnly", detail, cause)
  }
  // What `fs` throws: no way into a folder, a name that is too long.
  if (cause instanceof Error && "syscall" in cause) return storeError(filename, "Unavailable", cause.message, cause)
  return classify(filename, cause)
}

/** By trying: permissions do not tell of a file system that is read-only. */
const isWritable = (folder: string): boolean => {
  try {
    fs.rmdirSync(fs.mkdtempSync(path.join(folder, ".heph-")))
    return true
  } catch {
    return false
  }
}
