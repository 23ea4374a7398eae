/**
 * History in PostgreSQL: one registry, or many in one schema, that processes on any machine write to and follow.
 *
 *     registries ◀── versions · moves · tags · checkpoints ◀── chunks          an append is one statement
 *
 * An append is on the disk of the server when it succeeds, as far as the server's own settings say so. Nothing is locked
 * for longer than a statement takes, and readers wait for nobody.
 */
import { HistoryStore, type HistoryStoreError } from "@heph/history/HistoryStore"
import * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { migrations } from "./internal/schema.ts"
import { makeWith } from "./internal/store.ts"

export interface Options {
  /**
   * `postgres://user:password@host:port/database`, PostgreSQL 14 or newer, with what a name or a password holds of
   * `/ ? # @ %` percent-encoded. Errors show it without the password and without parameters that may be secret.
   */
  readonly url: string | Redacted.Redacted
  /** The schema that holds the tables, made where there is none; nothing else may be in it. `heph` by default. */
  readonly schema?: string
  /** Which registry of the schema, made where there is none: any text up to 1,000 bytes. `main` by default. */
  readonly registry?: string
  /** How many connections there are at most, beside one that listens and one for each `verify`. 5 by default. */
  readonly poolSize?: number
  /** How long the server may take to answer a new connection. 10 seconds by default. */
  readonly connectTimeout?: Duration.Input
  /** Opens for reading: every write fails with `ReadOnly`, and nothing is made. */
  readonly readOnly?: boolean
}

/**
 * Opens the store of a registry until the scope ends, and makes schema and registry where there is none. The end waits for
 * an append that is on its way, and closes all connections.
 *
 * Fails, and leaves whatever is there as it is, with `NotARegistry` (a schema of something else), `NewerSchema`,
 * `Corrupt`, `ReadOnly` (no right to make or to write it), `NotFound` (no such database, user or password; for reading,
 * no registry), `Unsupported` (an older server, a database that is not UTF-8, a URL that cannot be read), `Full`, `Busy`
 * or `Unavailable` (no server).
 */
export const make = (options: Options): Effect.Effect<HistoryStore["Service"], HistoryStoreError, Scope.Scope> =>
  makeWith(options, migrations)

/**
 * The store of a registry, open for as long as the layer is; errors as {@link make}.
 *
 * @example
 * import * as HistoryPostgres from "@heph/history-postgres/HistoryPostgres"
 * import { HistoryStore } from "@heph/history/HistoryStore"
 * import * as Effect from "effect/Effect"
 *
 * const store = HistoryPostgres.layer({ url: process.env["HEPH_POSTGRES"]!, registry: "tags" })
 * const program = Effect.gen(function* () {
 *   const store = yield* HistoryStore
 *   yield* store.tag("start", 0)
 *   return yield* store.info
 * })
 * const info = await Effect.runPromise(Effect.provide(program, store))
 * console.log(info.tags) //=> Map(1) { 'start' => 0 }
 */
export const layer = (options: Options): Layer.Layer<HistoryStore, HistoryStoreError> =>
  Layer.effect(HistoryStore, make(options))

/**
 * {@link layer} with options from configuration.
 *
 * @example
 * import * as HistoryPostgres from "@heph/history-postgres/HistoryPostgres"
 * import { HistoryStore } from "@heph/history/HistoryStore"
 * import * as Config from "effect/Config"
 * import * as Effect from "effect/Effect"
 *
 * const store = HistoryPostgres.layerConfig({
 *   url: Config.Redacted("HEPH_POSTGRES"),
 *   registry: Config.succeed("configured")
 * })
 * const head = Effect.flatMap(HistoryStore, (store) => Effect.map(store.info, ({ head }) => head))
 * console.log(await Effect.runPromise(Effect.provide(head, store))) //=> 0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<HistoryStore, HistoryStoreError | Config.ConfigError> =>
  Layer.effect(HistoryStore, Effect.flatMap(Config.unwrap(options), make))
