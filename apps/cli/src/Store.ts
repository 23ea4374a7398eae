/**
 * Which registry a command is about, and opening it: a folder with the file `registry.db`, or whatever store a URL names.
 * Reading opens it for reading and creates nothing; only `apply` makes one.
 */
import { statSync } from "node:fs"
import * as HistoryUrl from "@heph/history-url/HistoryUrl"
import { HistoryStoreError } from "@heph/history/HistoryStore"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Flags from "./Flags.ts"
import * as Settings from "./Settings.ts"

/** There is nothing to read where the registry should be. Nothing was created. */
export class NoRegistry extends Schema.TaggedError<NoRegistry>()("NoRegistry", { store: Schema.String }) {
  override get message(): string {
    return `there is no registry at ${this.store}; heph apply <path> or heph register <file> makes one, --store <folder> names another`
  }
}

/** The store that a text names. */
export const locate = (url: string) => Effect.fromResult(HistoryUrl.parse(url, process.cwd()))

/** Where the registry is: `--store`, else `heph.yaml`, else `HEPH_STORE`, else `./registry`. */
export const location = Effect.gen(function* () {
  const named = Option.getOrUndefined(yield* Flags.Store) ?? (yield* Settings.storagePath)
  return yield* locate(named ?? (process.env["HEPH_STORE"] || "registry"))
})

/** The registry, for reading, until the scope closes. */
export const forReading = Effect.gen(function* () {
  const stack = yield* loadStack
  const at = yield* location
  return yield* existing(at, stack.registry(at, { readOnly: true }))
})

/** The history and the contents of a store without its state, for reading, until the scope closes. */
export const kept = Effect.fnUntraced(function* (at: HistoryUrl.Location) {
  const stack = yield* loadStack
  return yield* existing(at, stack.kept(at, { readOnly: true }))
})

/** The history of a store without its state, until the scope closes. */
export const history = Effect.fnUntraced(function* (at: HistoryUrl.Location, options: HistoryUrl.Options) {
  const stack = yield* loadStack
  if (options.readOnly !== true) yield* mustExist(at)
  return yield* existing(at, stack.history(at, options))
})

/** What keeps history and contents, for reading, until the scope closes. */
export const stores = Effect.fnUntraced(function* (at: HistoryUrl.Location) {
  const stack = yield* loadStack
  return yield* existing(at, stack.stores(at, { readOnly: true }))
})

/** The registry if there is one, else an empty one in memory: nothing is created. */
export const forPlanning = Effect.gen(function* () {
  const stack = yield* loadStack
  return yield* Effect.catchTag(forReading, "NoRegistry", () => stack.nothing)
})

/** The registry, which must be there, for writing, until the scope closes. */
export const forWriting = Effect.gen(function* () {
  const stack = yield* loadStack
  const at = yield* location
  yield* mustExist(at)
  return yield* stack.registry(at, { readOnly: false })
})

/** The registry, made where there is none, until the scope closes. */
export const forApplying = Effect.gen(function* () {
  const stack = yield* loadStack
  const at = yield* location
  // Says what is wrong with a folder before one is made of it.
  yield* isMissing(at)
  return yield* stack.registry(at, { readOnly: false })
})

const loadStack = Effect.promise(() => import("./stack.ts"))

/** Fails where there is nothing. A server has to be asked: opening a registry of it for writing would make one. */
export const mustExist = Effect.fnUntraced(function* (at: HistoryUrl.Location) {
  const asking = at._tag === "Postgres" ? Effect.asVoid(stores(at)) : existing(at, Effect.void)
  yield* Effect.scoped(asking)
})

const none = (at: HistoryUrl.Location) => Effect.fail(new NoRegistry({ store: HistoryUrl.label(at) }))

/** What opens a store, or `NoRegistry`. What a server says of users and databases has a cause, and stays as it is. */
const existing = <A, E, R>(at: HistoryUrl.Location, open: Effect.Effect<A, E, R>) =>
  Effect.flatMap(isMissing(at), (missing) =>
    missing
      ? none(at)
      : Effect.catch(open, (error): Effect.Effect<never, E | NoRegistry> =>
          at._tag === "Postgres" &&
          error instanceof HistoryStoreError &&
          error.reason === "NotFound" &&
          error.cause === undefined
            ? none(at)
            : Effect.fail(error)
        )
  )

/** Whether there is surely no registry. An empty file is what a process leaves that ended while it made one. */
const isMissing = (at: HistoryUrl.Location): Effect.Effect<boolean, HistoryStoreError> => {
  if (at._tag !== "Sqlite") return Effect.succeed(false)
  const { filename, folder } = at
  const refuse = (reason: HistoryStoreError["reason"], detail: string, cause?: unknown) =>
    new HistoryStoreError({
      reason,
      store: folder ?? filename,
      detail,
      ...(cause === undefined ? undefined : { cause })
    })
  return Effect.try({
    try: () => {
      if (folder !== undefined && statSync(folder, { throwIfNoEntry: false })?.isDirectory() === false) {
        throw refuse("NotARegistry", "it is a file, and a registry is a folder; name another one with --store")
      }
      // SQLite says what is wrong where the file is gone and its log still holds versions.
      return [filename, `${filename}-wal`].every((name) => (statSync(name, { throwIfNoEntry: false })?.size ?? 0) === 0)
    },
    catch: (cause) => {
      if (cause instanceof HistoryStoreError) return cause
      const { code, message } = cause as NodeJS.ErrnoException
      return code === "EACCES" || code === "EPERM"
        ? refuse(
            "ReadOnly",
            `it may not be used by you; change its permissions, or name another folder with --store (${message})`,
            cause
          )
        : code === "ENOTDIR"
          ? refuse("NotARegistry", `a part of its path is a file; name another folder with --store (${message})`, cause)
          : refuse("Unavailable", `the folder cannot be used (${message})`, cause)
    }
  })
}
