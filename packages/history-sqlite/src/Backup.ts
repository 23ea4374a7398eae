/**
 * Backups of the store of a file, made while others write to it, and the way back from one.
 *
 *     registry.db ──backup──▶ backups/registry-<time>.db      copied, read and found whole, then named
 *          ▲                        │
 *          └────────restore─────────┘     what was there becomes registry.db.replaced-<time>
 *
 * A backup is a store like any other: one file, which `HistorySqlite` opens. The copying is done by a thread, so that
 * the event loop goes on.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { type Job, type Progress, syncFile } from "./internal/backupCopy.ts"
import { attemptFile, type BackupError, backupError, codeOf } from "./internal/backupError.ts"
import {
  backupsIn,
  checkNew,
  makeFolder,
  nameOf,
  namesFolder,
  partialFolder,
  placeNew,
  rotate,
  sourceFile
} from "./internal/backupFiles.ts"
import { swap } from "./internal/backupSwap.ts"
import { copyInThread } from "./internal/backupThread.ts"

export { BackupError, BackupErrorReason } from "./internal/backupError.ts"
export type { Progress } from "./internal/backupCopy.ts"

export interface BackupOptions {
  /** The file of the store. It may be open and written to, by this process and by others. */
  readonly filename: string
  /**
   * A file that is not there yet, or a folder: one that is there, or a name that ends in a separator. In a folder the
   * backup is named `registry-<time>.db`, with the time in UTC, so that names sort by time. The default is a folder
   * `backups` beside the store. A folder that is missing is made; one for a file is not.
   */
  readonly to?: string
  /**
   * How many backups of this store the folder keeps, the new one among them. The oldest beyond are deleted once the new
   * one counts. All, by default. For a folder only.
   */
  readonly keep?: number
  /** Is told how many bytes are copied, after every MB. */
  readonly onProgress?: (progress: Progress) => void
}

/** A backup that counts. */
export interface Backup {
  readonly file: string
  readonly bytes: number
  /** How many versions are in it, `v0` not counted. */
  readonly versions: number
  readonly head: number
  /** When it was begun, in milliseconds since 1970. It holds everything that was acknowledged before. */
  readonly time: number
  readonly duration: Duration.Duration
  /** The backups that were deleted for it, oldest first. */
  readonly removed: ReadonlyArray<string>
}

export interface RestoreOptions {
  /** The backup, or any other store that is whole; it stays as it is. */
  readonly from: string
  /** The file to be the store. Where there is one, nobody may have it open. */
  readonly filename: string
  /** The time in the name of what is replaced, in milliseconds since 1970. Now, by default. */
  readonly now?: number
  /** Is told how many bytes are copied, after every MB. */
  readonly onProgress?: (progress: Progress) => void
}

/** A store that is back. */
export interface Restored {
  readonly file: string
  readonly bytes: number
  /** How many versions are in it, `v0` not counted. */
  readonly versions: number
  readonly head: number
  /** The name that what was there before has now; nothing where nothing was. */
  readonly replaced: string | undefined
  readonly duration: Duration.Duration
}

/** A file that has the name of a backup. */
export interface Listed {
  readonly file: string
  /** When it was begun, by its name, in milliseconds since 1970. */
  readonly time: number
  readonly bytes: number
}

/**
 * Copies a store as it is at one moment, while anybody writes to it, reads the copy, and only then gives it its name:
 * a file with the name of a backup is one that was found whole. Everything acknowledged before the call is in it.
 *
 * The copy is made beside its name, in a folder `.heph-partial-…`, which goes away when the call fails or is interrupted;
 * what a killed process leaves of one is removed by the next backup or restore there. It has the permissions of the store.
 *
 * Writers are not kept waiting, but SQLite's log grows by what they write while pages are copied, ~1 s for 200 MB. Needs
 * room for one copy, and time for about three reads of it.
 *
 * Fails with `NotFound` (no store, no folder for the file), `NotARegistry`, `NewerSchema`, `Corrupt` (the store is
 * damaged: `damage` says where, and there is no backup of it), `Exists`, `ReadOnly` and `Full` (the folder),
 * `Unsupported` (what `keep` or `to` cannot be), `Busy` or `Unavailable`. Where deleting an old backup fails, the message says that the new one is
 * there.
 *
 * @example
 * import * as Backup from "@heph/history-sqlite/Backup"
 * import * as HistorySqlite from "@heph/history-sqlite/HistorySqlite"
 * import * as Effect from "effect/Effect"
 *
 * const program = Effect.gen(function* () {
 *   const store = yield* HistorySqlite.make({ filename: "registry.db" })
 *   yield* store.tag("start", 0)
 *   return yield* Backup.backup({ filename: "registry.db", keep: 7 })
 * })
 * const { head, versions } = await Effect.runPromise(Effect.scoped(program))
 * console.log({ head, versions }) //=> { head: 0, versions: 0 }
 */
export const backup: (options: BackupOptions) => Effect.Effect<Backup, BackupError> = Effect.fn("Backup.backup")(
  function* (options: BackupOptions) {
    const { filename, keep, onProgress = () => {} } = options
    const time = yield* Clock.currentTimeMillis
    const source = yield* sourceFile(filename, "name the file of the store")
    const { file, folder } = yield* destination(options, source)
    const partial = yield* partialFolder(folder)
    const job: Job = {
      source,
      copy: path.join(partial, "store.db"),
      target: file ?? folder,
      consequence: "there is no backup of it",
      journal: "DELETE"
    }
    const { bytes, created, head, versions } = yield* copyInThread(job, onProgress)
    return yield* Effect.uninterruptible(
      Effect.gen(function* () {
        const made = yield* attemptFile(job.target, () => place(job.copy, folder, file, time))
        const rotated = keep === undefined ? Effect.succeed([]) : rotate(made, created, keep, partial)
        const removed = yield* Effect.mapError(rotated, notRotated(made))
        const duration = Duration.millis((yield* Clock.currentTimeMillis) - time)
        return { file: made, bytes, versions, head, time, duration, removed }
      })
    )
  },
  Effect.scoped
)

/** The folder of the backup, which is there then, and the file where it was named. */
const destination = Effect.fnUntraced(function* ({ keep, to }: BackupOptions, source: string) {
  const folder = to === undefined ? path.join(path.dirname(source), "backups") : path.resolve(to)
  if (keep !== undefined && !(Number.isSafeInteger(keep) && keep >= 1)) {
    return yield* backupError("Unsupported", folder, `keep is a whole number from 1 on, not ${keep}`)
  }
  if (to === undefined || namesFolder(to)) {
    yield* makeFolder(folder)
    return { folder, file: undefined }
  }
  if (keep !== undefined) {
    const detail = "it is a file, and keep is for a folder of backups; name a folder, or leave keep away"
    return yield* backupError("Unsupported", folder, detail)
  }
  const problem = checkNew(folder) ?? (isThere(folder) ? alreadyThere(folder) : undefined)
  if (problem !== undefined) return yield* problem
  return { folder: path.dirname(folder), file: folder }
})

const isThere = (file: string) => fs.lstatSync(file, { throwIfNoEntry: false }) !== undefined

const alreadyThere = (file: string) =>
  backupError("Exists", file, "it is there already, and a backup replaces nothing; choose another name, or a folder")

/** In a folder, another backup of the same millisecond makes it the next one. */
const place = (copy: string, folder: string, file: string | undefined, time: number): string => {
  for (let named = time; ; named++) {
    const made = file ?? path.join(folder, nameOf(named))
    if (placeNew(copy, made)) {
      syncFile(folder)
      return made
    }
    if (file !== undefined) throw alreadyThere(file)
  }
}

const notRotated = (made: string) => (error: BackupError) =>
  backupError(
    error.reason,
    error.file,
    `the backup ${made} is made, but an older one was not deleted: ${error.detail}`,
    error
  )

/**
 * Makes a backup the store of a file. It is copied beside the file and read there, and takes its name in one step; what had
 * the name before gets another one, `<file>.replaced-<time>`, and has in it what its log held. A process that is
 * killed at any moment leaves the old store or the new one, whole, and nothing lost.
 *
 * Nobody may have the store open: it is locked first as SQLite locks a file for one process alone, which fails while any other
 * connection has it open, a reader's too. Whoever comes while it is locked waits, by the busy timeout. Of a file so
 * damaged that SQLite cannot read its first page nobody can tell who has it open: end those processes first. It is
 * set aside as it is, its log beside it under the same name.
 *
 * A store of an older schema is restored as it is, and opening it brings it to the newest. Permissions and owner are
 * those of the file that is replaced, as far as this process may set them.
 *
 * Fails, and nothing has changed, with `NotFound` (no backup, no folder), `NotARegistry` (the backup, or what is to be
 * replaced, is something else), `NewerSchema`, `Corrupt` (`damage` says where), `Busy` (somebody has the store open),
 * `ReadOnly`, `Full`, `Unsupported` (a name that cannot be) or `Unavailable`.
 *
 * @example
 * import * as Backup from "@heph/history-sqlite/Backup"
 * import * as HistorySqlite from "@heph/history-sqlite/HistorySqlite"
 * import * as Effect from "effect/Effect"
 *
 * const opened = HistorySqlite.make({ filename: "registry.db" })
 * const program = Effect.gen(function* () {
 *   yield* Effect.scoped(opened)
 *   const { file } = yield* Backup.backup({ filename: "registry.db", to: "safe.db" })
 *   yield* Effect.scoped(Effect.flatMap(opened, (store) => store.tag("mistake", 0)))
 *   yield* Backup.restore({ from: file, filename: "registry.db" })
 *   return yield* Effect.flatMap(opened, (store) => store.info)
 * })
 * const info = await Effect.runPromise(Effect.scoped(program))
 * console.log(info.tags) //=> Map(0) {}
 */
export const restore: (options: RestoreOptions) => Effect.Effect<Restored, BackupError> = Effect.fn("Backup.restore")(
  function* ({ filename, from, now, onProgress = () => {} }: RestoreOptions) {
    const begun = yield* Clock.currentTimeMillis
    const source = yield* sourceFile(
      from,
      "backups are in the folder backups beside the store, unless they were made elsewhere"
    )
    const target = yield* restored(filename)
    if (source === target) {
      return yield* backupError("Unsupported", source, "it is the store itself; restore it from another file")
    }
    const partial = yield* partialFolder(path.dirname(target))
    const job: Job = {
      source,
      copy: path.join(partial, "store.db"),
      target,
      consequence: "it was not restored; choose another backup",
      // As every store that is in use: a journal by that name can then be no other store's.
      journal: "WAL"
    }
    const { bytes, head, versions } = yield* copyInThread(job, onProgress)
    yield* attemptFile(target, () => inheritRights(job.copy, target))
    const replaced = yield* swap(job.copy, target, now ?? begun)
    const duration = Duration.millis((yield* Clock.currentTimeMillis) - begun)
    return { file: target, bytes, versions, head, replaced, duration }
  },
  Effect.scoped
)

/** The file to be replaced or made, by whatever links it is named. */
const restored = (filename: string): Effect.Effect<string, BackupError> =>
  Effect.suspend(() => {
    const file = path.resolve(filename)
    if (isThere(file)) return sourceFile(file, "it is a link to nothing; remove it first")
    const problem = checkNew(file)
    if (problem !== undefined) return Effect.fail(problem)
    return attemptFile(file, () => path.join(fs.realpathSync(path.dirname(file)), path.basename(file)))
  })

const inheritRights = (copy: string, target: string): void => {
  const found = fs.statSync(target, { throwIfNoEntry: false })
  if (found === undefined) return
  try {
    fs.chownSync(copy, found.uid, found.gid)
  } catch (cause) {
    // Only root can give a file away.
    if (codeOf(cause) !== "EPERM") throw cause
  }
  fs.chmodSync(copy, found.mode & 0o777)
}

/**
 * The backups in a folder, newest first, by their names: files that `backup` named, or that somebody named like them.
 * They are not opened; {@link restore} reads one before it uses it. Fails with `NotFound` where there is no such folder.
 *
 * @example
 * import * as Backup from "@heph/history-sqlite/Backup"
 * import * as HistorySqlite from "@heph/history-sqlite/HistorySqlite"
 * import * as Effect from "effect/Effect"
 *
 * const program = Effect.gen(function* () {
 *   yield* HistorySqlite.make({ filename: "registry.db" })
 *   const { file } = yield* Backup.backup({ filename: "registry.db" })
 *   const [newest] = yield* Backup.list("backups")
 *   return newest?.file === file
 * })
 * console.log(await Effect.runPromise(Effect.scoped(program))) //=> true
 */
export const list = (folder: string): Effect.Effect<ReadonlyArray<Listed>, BackupError> =>
  attemptFile(path.resolve(folder), () => backupsIn(path.resolve(folder)))

/**
 * The folder for backups that are made on schedule, with the separator that says so: beside those that somebody asked for,
 * so that making room for the next one deletes none of these.
 */
export const scheduledFolder = (filename: string): string =>
  path.join(path.dirname(path.resolve(filename)), "backups", "scheduled") + path.sep
