/** What backup and restore fail with, and how the troubles of files and of SQLite become that. */
import { type Damage, type HistoryStoreError, StoreErrorReason } from "@heph/history/HistoryStore"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { classify } from "./native.ts"

/** The reasons of `HistoryStoreError`, and `Exists`: the file to be written is there already. */
export const BackupErrorReason = Schema.Literals([...StoreErrorReason.literals, "Exists"])
export type BackupErrorReason = (typeof BackupErrorReason)["Type"]

/**
 * Why a backup was not made or a store not restored. Nothing that was there has changed, except where the message says
 * that a step after the one that counts has failed. `file` is the one that is the trouble. `damage` lists all that is
 * wrong with it, where the reason is `Corrupt`; the message names the first of it.
 */
export class BackupError extends Schema.TaggedError<BackupError>()("BackupError", {
  reason: BackupErrorReason,
  file: Schema.String,
  detail: Schema.String,
  damage: Schema.Array(Schema.Struct({ what: Schema.String, reason: Schema.String })),
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return `${this.file}: ${this.detail}`
  }
  /** Whether the same call may succeed later with nothing changed by hand. */
  get isRetryable(): boolean {
    return this.reason === "Busy" || this.reason === "Unavailable"
  }
}

export const backupError = (
  reason: BackupErrorReason,
  file: string,
  detail: string,
  cause?: unknown,
  damage: ReadonlyArray<Damage> = []
): BackupError => new BackupError({ reason, file, detail, damage, ...(cause === undefined ? undefined : { cause }) })

/** A store's error as one of a backup, about a file that may have another name than the store had. */
export const fromStoreError = (file: string, { cause, detail, reason }: HistoryStoreError): BackupError =>
  backupError(reason, file, detail, cause, reason === "Corrupt" ? [{ what: "the file", reason: detail }] : [])

/** Damage in words: the first of it, and how much more there is. */
export const damaged = (file: string, found: ReadonlyArray<Damage>, consequence: string): BackupError => {
  const first = found.slice(0, 3).map(({ reason, what }) => `${what}: ${reason}`)
  const more = found.length > first.length ? `; and ${found.length - first.length} more` : ""
  return backupError("Corrupt", file, `it is damaged, so ${consequence}: ${first.join("; ")}${more}`, undefined, found)
}

const troubles: Readonly<Record<string, readonly [reason: BackupErrorReason, detail: string]>> = {
  ENOSPC: ["Full", "the disk is full. Make room, or choose a folder on another disk"],
  EDQUOT: ["Full", "the quota of the disk is used up. Make room, or choose a folder on another disk"],
  EACCES: ["ReadOnly", "it may not be written. Check its permissions, or choose another folder"],
  EPERM: ["ReadOnly", "it may not be written. Check its permissions, or choose another folder"],
  EROFS: ["ReadOnly", "it is on a file system that is read-only. Choose another folder"],
  ENOENT: ["NotFound", "there is no such file or folder"],
  ENOTDIR: ["NotFound", "a part of its path is a file, not a folder"],
  EEXIST: ["Exists", "it is there already"]
}

/** The code of what `fs` throws. */
export const codeOf = (cause: unknown): string | undefined =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : undefined

/** What `fs` throws as a typed error; nothing where it is a mistake of this package. */
export const fromFileError = (file: string, cause: unknown): BackupError | undefined => {
  if (cause instanceof BackupError) return cause
  if (!(cause instanceof Error && "syscall" in cause)) return undefined
  const [reason, detail] = troubles[codeOf(cause) ?? ""] ?? ["Unavailable", "the file system says no"]
  return backupError(reason, file, `${detail} (${cause.message})`, cause)
}

/** Runs calls of `fs`, and of SQLite where a file is its own: what they throw fails with a typed error, or dies where it is nobody's fault but ours. */
export const attemptFile = <A>(file: string, run: () => A | PromiseLike<A>): Effect.Effect<A, BackupError> =>
  Effect.promise(async () => run()).pipe(
    Effect.catchDefect((cause) => {
      const native = classify(file, cause)
      const error = native === undefined ? fromFileError(file, cause) : fromStoreError(file, native)
      return error === undefined ? Effect.die(cause) : Effect.fail(error)
    })
  )
