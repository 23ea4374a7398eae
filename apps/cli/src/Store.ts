/**
 * Which registry a command is about, and opening it. A registry is a folder with the file `registry.db`. Reading opens
 * it for reading and creates nothing; only `apply` makes one.
 */
import { mkdirSync, statSync } from "node:fs"
import { resolve } from "node:path"
import { HistoryStoreError, type StoreErrorReason } from "@heph/history/HistoryStore"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Flags from "./Flags.ts"
import * as Settings from "./Settings.ts"

/** There is nothing in the folder to read. Nothing was created. */
export class NoRegistry extends Schema.TaggedError<NoRegistry>()("NoRegistry", { store: Schema.String }) {
  override get message(): string {
    return `there is no registry at ${this.store}; heph apply <path> makes one, --store <folder> names another`
  }
}

/** The folder of the registry, absolute: `--store`, else `heph.yaml`, else `HEPH_STORE`, else `./registry`. */
export const folder = Effect.gen(function* () {
  const named = Option.getOrUndefined(yield* Flags.Store) ?? (yield* Settings.storagePath)
  return resolve(named ?? (process.env["HEPH_STORE"] || "registry"))
})

/** The registry, for reading, until the scope closes. */
export const forReading = Effect.gen(function* () {
  const stack = yield* loadStack
  const at = yield* folder
  yield* mustExist(stack.fileIn(at), at)
  return yield* stack.registry(at, { readOnly: true })
})

/** The history of the registry without its state, for reading, until the scope closes. */
export const historyForReading = Effect.gen(function* () {
  const stack = yield* loadStack
  const at = yield* folder
  yield* mustExist(stack.fileIn(at), at)
  return yield* stack.history(at, { readOnly: true })
})

/** The registry if there is one, else an empty one in memory: nothing is created. */
export const forPlanning = Effect.gen(function* () {
  const stack = yield* loadStack
  const at = yield* folder
  const isMade = yield* isThere(stack.fileIn(at), at)
  return yield* isMade ? stack.registry(at, { readOnly: true }) : stack.nothing
})

/** The registry, which must be there, for writing, until the scope closes. */
export const forWriting = Effect.gen(function* () {
  const stack = yield* loadStack
  const at = yield* folder
  yield* mustExist(stack.fileIn(at), at)
  return yield* stack.registry(at, { readOnly: false })
})

/** The registry, made where there is none, until the scope closes. */
export const forApplying = Effect.gen(function* () {
  const stack = yield* loadStack
  const at = yield* folder
  if (!(yield* isThere(stack.fileIn(at), at))) yield* attempt(at, () => mkdirSync(at, { recursive: true }))
  return yield* stack.registry(at, { readOnly: false })
})

const loadStack = Effect.promise(() => import("./stack.ts"))

const mustExist = (file: string, at: string): Effect.Effect<void, NoRegistry | HistoryStoreError> =>
  Effect.flatMap(isThere(file, at), (there) => (there ? Effect.void : new NoRegistry({ store: at })))

/** Whether a folder has a registry. An empty file is what a process leaves that ended while it made one. */
const isThere = (file: string, at: string): Effect.Effect<boolean, HistoryStoreError> =>
  attempt(at, () => {
    const found = statSync(at, { throwIfNoEntry: false })
    if (found === undefined) return false
    if (!found.isDirectory()) {
      throw failure(at, "NotARegistry", "it is a file, and a registry is a folder; name another one with --store")
    }
    // SQLite says what is wrong where the file is gone and its log still holds versions.
    return [file, `${file}-wal`].some((name) => (statSync(name, { throwIfNoEntry: false })?.size ?? 0) > 0)
  })

const attempt = <A>(at: string, run: () => A): Effect.Effect<A, HistoryStoreError> =>
  Effect.try({
    try: run,
    catch: (cause) => {
      if (cause instanceof HistoryStoreError) return cause
      const code = (cause as NodeJS.ErrnoException).code ?? ""
      const [reason, advice] = troubles[code] ?? ["Unavailable", "the folder cannot be used"]
      return failure(at, reason, `${advice} (${cause instanceof Error ? cause.message : String(cause)})`, cause)
    }
  })

const troubles: { readonly [code: string]: readonly [StoreErrorReason, string] | undefined } = {
  EACCES: ["ReadOnly", "it may not be used by you; change its permissions, or name another folder with --store"],
  EPERM: ["ReadOnly", "it may not be used by you; change its permissions, or name another folder with --store"],
  EROFS: ["ReadOnly", "its disk is read-only; name another folder with --store"],
  ENOSPC: ["Full", "the disk is full; make room and try again"],
  EDQUOT: ["Full", "your share of the disk is used up; make room and try again"],
  ENOTDIR: ["NotARegistry", "a part of its path is a file; name another folder with --store"],
  EEXIST: ["NotARegistry", "a part of its path is a file; name another folder with --store"]
}

const failure = (store: string, reason: StoreErrorReason, detail: string, cause?: unknown): HistoryStoreError =>
  new HistoryStoreError({ reason, store, detail, ...(cause === undefined ? undefined : { cause }) })
