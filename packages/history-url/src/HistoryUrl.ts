/**
 * A store of history, and of contents beside it, by its URL, so that one setting selects the backend:
 *
 *     ./registry  /srv/registry                       a folder, with the file `registry.db`
 *     sqlite:./registry  sqlite:/srv/history.db       the same folder, or a file that ends in .db, .sqlite or .sqlite3
 *     postgres://user@host/database                   PostgreSQL; ?registry=name and ?schema=name choose among several
 *     memory:                                         ends with whoever holds it
 *
 * What cannot be understood, or cannot be reached, is an error: no other backend ever takes its place.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import type { BlobStore } from "@heph/content/BlobStore"
import type { Options as PostgresOptions } from "@heph/history-postgres/HistoryPostgres"
import type { Options as SqliteOptions } from "@heph/history-sqlite/HistorySqlite"
import { type HistoryStore, HistoryStoreError, type StoreErrorReason } from "@heph/history/HistoryStore"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** A text names no store. */
export class InvalidHistoryUrl extends Schema.TaggedError<InvalidHistoryUrl>()("InvalidHistoryUrl", {
  /** What was given, as far as it may be shown. */
  url: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `${this.url} names no store: ${this.reason}`
  }
}

/** Where a store is. */
export type Location =
  | {
      readonly _tag: "Sqlite"
      /** The file, absolute. */
      readonly filename: string
      /** The folder that was named, absolute; nothing where the file itself was. */
      readonly folder: string | undefined
    }
  | {
      readonly _tag: "Postgres"
      readonly url: Redacted.Redacted
      readonly schema: string | undefined
      readonly registry: string | undefined
    }
  | { readonly _tag: "Memory" }

export interface Options {
  /** Opens for reading: every write fails with `ReadOnly`, and nothing is made. */
  readonly readOnly?: boolean | undefined
}

/** What a store that was made by its URL can fail with. */
export type OpenError = InvalidHistoryUrl | HistoryStoreError

const invalid = (url: string, reason: string) => Result.fail(new InvalidHistoryUrl({ url, reason }))

/** The file of the registry in a folder. */
const fileName = "registry.db"
const isFileName = (file: string): boolean => /\.(db|sqlite3?)$/i.test(file)
// A single letter is a drive of Windows.
const scheme = /^([a-z][a-z0-9+.-]+):/i

/**
 * Reads where a store is; relative paths start at `base`, an absolute path. Looks at nothing but, for `sqlite:`, whether
 * what is there is a folder or a file. A folder whose name has a colon is written with `./` before it.
 *
 * @example
 * import * as HistoryUrl from "@heph/history-url/HistoryUrl"
 * import * as Result from "effect/Result"
 *
 * const location = Result.getOrThrow(HistoryUrl.parse("./registry", "/srv"))
 * console.log(location) //=> { _tag: 'Sqlite', filename: '/srv/registry/registry.db', folder: '/srv/registry' }
 * const refused = HistoryUrl.parse("mysql://host/database", "/srv")
 * console.log(Result.isFailure(refused) && refused.failure.url) //=> mysql:
 */
export const parse = (url: string, base: string): Result.Result<Location, InvalidHistoryUrl> => {
  if (url.trim() === "") return invalid(JSON.stringify(url), "it is empty; name a folder, or postgres://…")
  const name = scheme.exec(url)?.[1]?.toLowerCase()
  if (name === undefined) return Result.succeed(inFolder(path.resolve(base, url)))
  switch (name) {
    case "sqlite":
      return sqlite(url.slice("sqlite:".length), base)
    case "postgres":
    case "postgresql":
      return postgres(url)
    case "memory":
      return /^memory:(\/\/)?$/i.test(url)
        ? Result.succeed({ _tag: "Memory" })
        : invalid(url, "memory: has no name; each is a store of its own")
    default:
      // Only the scheme is shown: what follows may hold a password.
      return invalid(
        `${name}:`,
        `its scheme is none of sqlite, postgres and memory. A folder of that name is written ./${name}:…`
      )
  }
}

const inFolder = (folder: string): Location => ({ _tag: "Sqlite", filename: path.join(folder, fileName), folder })

const sqlite = (rest: string, base: string): Result.Result<Location, InvalidHistoryUrl> => {
  if (rest === "") return invalid("sqlite:", "it names no folder or file; write sqlite:./registry")
  if (rest.startsWith("//") && !rest.startsWith("///")) {
    return invalid(`sqlite:${rest}`, "a file is on this machine; write sqlite:./relative or sqlite:/absolute")
  }
  const at = path.resolve(base, rest.replace(/^\/\/\//, "/"))
  const found = fs.statSync(at, { throwIfNoEntry: false })
  const isFile = found === undefined ? isFileName(at) && !/[\\/]$/.test(rest) : !found.isDirectory()
  return Result.succeed(isFile ? { _tag: "Sqlite", filename: at, folder: undefined } : inFolder(at))
}

const postgres = (url: string): Result.Result<Location, InvalidHistoryUrl> => {
  const parsed = URL.parse(url)
  if (parsed === null || !/^postgres(ql)?:\/\//i.test(url)) {
    return invalid("the PostgreSQL URL", "it must be postgres://user:password@host:port/database, percent-encoded")
  }
  // A password that is written as it is may cut the URL short, and would be taken for a part that is shown.
  if (/[@#]/.test(url.replace(/^\w+:\/\/[^/?#]*/, ""))) {
    return invalid(
      "the PostgreSQL URL",
      "in its user, password and parameters / ? # @ must be percent-encoded, as %2F %3F %23 %40"
    )
  }
  const taken: { [name: string]: string | undefined } = {}
  for (const name of ["schema", "registry"]) {
    const values = parsed.searchParams.getAll(name)
    if (values.length > 1 || values[0] === "") return invalid("the PostgreSQL URL", `?${name} must have one value`)
    taken[name] = values[0]
    parsed.searchParams.delete(name)
  }
  return Result.succeed({
    _tag: "Postgres",
    // As it was given where nothing was taken out of it, so that whoever reads it sees the same mistakes.
    url: Redacted.make(taken["schema"] === undefined && taken["registry"] === undefined ? url : parsed.href),
    schema: taken["schema"],
    registry: taken["registry"]
  })
}

/** A location in words, without secrets: for people and logs. */
export const label = (location: Location): string => {
  switch (location._tag) {
    case "Sqlite":
      return location.folder ?? location.filename
    case "Memory":
      return "memory:"
    case "Postgres": {
      const { host, pathname, protocol, username } = new URL(Redacted.value(location.url))
      const names = new URLSearchParams(
        Object.entries({ schema: location.schema, registry: location.registry }).filter(
          (pair): pair is [string, string] => pair[1] !== undefined
        )
      ).toString()
      return `${protocol}//${username === "" ? "" : `${username}@`}${host}${pathname}${names === "" ? "" : `?${names}`}`
    }
  }
}

/**
 * The store at a URL or location, open for as long as the layer is. The driver is loaded when it is built, and only the
 * one that is needed. Relative paths start at the working directory. For writing, a folder is made where there is none.
 * Fails as the backend does, and with `InvalidHistoryUrl`.
 *
 * @example
 * import * as HistoryUrl from "@heph/history-url/HistoryUrl"
 * import { HistoryStore } from "@heph/history/HistoryStore"
 * import * as Effect from "effect/Effect"
 *
 * const head = Effect.flatMap(HistoryStore, (store) => Effect.map(store.info, ({ head }) => head))
 * console.log(await Effect.runPromise(Effect.provide(head, HistoryUrl.layer("memory:")))) //=> 0
 */
export const layer = (at: string | Location, options?: Options): Layer.Layer<HistoryStore, OpenError> =>
  open(at, options, {
    memory: async () => (await import("@heph/history-memory/HistoryMemory")).layer,
    postgres: async (options) => (await import("@heph/history-postgres/HistoryPostgres")).layer(options),
    sqlite: async (options) => (await import("@heph/history-sqlite/HistorySqlite")).layer(options)
  })

/**
 * {@link layer} with what keeps contents beside the history: in the same file or schema, over the same connections, and in
 * memory with the same end.
 *
 * @example
 * import * as ContentStore from "@heph/content/ContentStore"
 * import * as HistoryUrl from "@heph/history-url/HistoryUrl"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 *
 * const content = ContentStore.layer().pipe(Layer.provide(HistoryUrl.layerWithContent("memory:")))
 * const put = Effect.flatMap(ContentStore.ContentStore, (store) => store.put({ bytes: Uint8Array.of(1, 2, 3) }))
 * console.log((await Effect.runPromise(Effect.provide(put, content))).size) //=> 3
 */
export const layerWithContent = (
  at: string | Location,
  options?: Options
): Layer.Layer<HistoryStore | BlobStore, OpenError> =>
  open(at, options, {
    memory: async () => {
      const [{ layer }, content] = await Promise.all([
        import("@heph/history-memory/HistoryMemory"),
        import("@heph/content/ContentMemory")
      ])
      return Layer.merge(layer, content.layer)
    },
    postgres: async (options) => (await import("@heph/history-postgres/ContentPostgres")).layer(options),
    sqlite: async (options) => (await import("@heph/history-sqlite/ContentSqlite")).layer(options)
  })

/** Loads a backend and gives what it provides. */
interface Backends<A> {
  readonly memory: () => Promise<Layer.Layer<A>>
  readonly postgres: (options: PostgresOptions) => Promise<Layer.Layer<A, HistoryStoreError>>
  readonly sqlite: (options: SqliteOptions) => Promise<Layer.Layer<A, HistoryStoreError>>
}

const open = <A>(
  at: string | Location,
  options: Options | undefined,
  backends: Backends<A>
): Layer.Layer<A, OpenError> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const location = typeof at === "string" ? yield* Effect.fromResult(parse(at, path.resolve())) : at
      const readOnly = options?.readOnly === true
      switch (location._tag) {
        case "Memory":
          return yield* Effect.promise(backends.memory)
        case "Postgres": {
          const { registry, schema, url } = location
          const names = {
            ...(schema === undefined ? undefined : { schema }),
            ...(registry === undefined ? undefined : { registry })
          }
          return yield* Effect.promise(() => backends.postgres({ url, readOnly, ...names }))
        }
        case "Sqlite": {
          const { filename, folder } = location
          if (folder !== undefined && !readOnly) yield* makeFolder(folder)
          return yield* Effect.promise(() => backends.sqlite({ filename, readOnly }))
        }
      }
    })
  )

/** Makes the folder of a registry, and those above it, where there is none. Gives the topmost that was made, if any. */
export const makeFolder = (folder: string): Effect.Effect<string | undefined, HistoryStoreError> =>
  Effect.try({
    try: () => fs.mkdirSync(folder, { recursive: true }),
    catch: (cause) => {
      const code = (cause as NodeJS.ErrnoException).code ?? ""
      const [reason, advice] = troubles[code] ?? ["Unavailable", "the folder cannot be made"]
      const detail = `${advice} (${cause instanceof Error ? cause.message : String(cause)})`
      return new HistoryStoreError({ reason, store: folder, detail, cause })
    }
  })

const troubles: { readonly [code: string]: readonly [StoreErrorReason, string] | undefined } = {
  EACCES: ["ReadOnly", "it may not be used by you; change its permissions, or name another folder"],
  EPERM: ["ReadOnly", "it may not be used by you; change its permissions, or name another folder"],
  EROFS: ["ReadOnly", "its disk is read-only; name another folder"],
  ENOSPC: ["Full", "the disk is full; make room and try again"],
  EDQUOT: ["Full", "your share of the disk is used up; make room and try again"],
  ENOTDIR: ["NotARegistry", "a part of its path is a file; name another folder"],
  EEXIST: ["NotARegistry", "it is a file, and a registry is a folder; name another one, or sqlite:<file>"]
}
