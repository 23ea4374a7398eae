/**
 * History in one SQLite file.
 *
 *     versions ◀── changesets · tags · checkpoints ◀── chunks      heads · dropped · metadata      a write is one transaction
 *
 * An append is on disk when it succeeds, also if the machine loses power at that moment. Several processes may open one
 * file. Calls are synchronous inside: while one waits for the disk, or for another process to finish its write, this
 * process does nothing else.
 */
import { HistoryStore, type HistoryStoreError } from "@heph/history/HistoryStore"
import * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { migrations } from "./internal/schema.ts"
import { makeWith } from "./internal/store.ts"

export interface Options {
  /**
   * The file, made where there is none; its folder must be there. Any name that does not end in white space. SQLite
   * keeps a `-wal` and a `-shm` file beside it while it is open: move or copy all three, or close it first.
   */
  readonly filename: string
  /**
   * `full`, the default: what was acknowledged survives a loss of power. `normal`: it survives the end of the process,
   * and an append takes about a fifth of the time. A new file gets pages of 8 KB with `full`, and of 4 KB with `normal`,
   * with which an append is a seventh faster there and a version takes some 60 bytes more.
   */
  readonly durability?: "full" | "normal"
  /**
   * Opens for reading: every write fails with `ReadOnly`, and the file keeps its bytes. Where SQLite would have to make
   * files in a folder that cannot be written, a private copy is read: opening then costs a copy of the file, and what
   * others append later is not seen.
   */
  readonly readOnly?: boolean
  /** How long a write waits for one of another process before it fails with `Busy`. 5 seconds by default. */
  readonly busyTimeout?: Duration.Input
  /**
   * How often `changes` looks for writes of others, 50 milliseconds by default. A look takes ~4 µs: at
   * this interval a stream takes a ten-thousandth of the time of a core.
   */
  readonly pollInterval?: Duration.Input
}

/**
 * Opens the store of a file until the scope ends, and makes it where there is none.
 *
 * Fails, and leaves whatever is there as it is, with `NotARegistry` (text, a folder, another application's database),
 * `NewerSchema`, `Corrupt`, `ReadOnly`, `Full`, `Busy`, `NotFound` (no folder; for reading, no file) or `Unavailable`.
 */
export const make = (options: Options): Effect.Effect<HistoryStore["Service"], HistoryStoreError, Scope.Scope> =>
  makeWith(options, migrations)

/**
 * The store of a file, open for as long as the layer is; errors as {@link make}.
 *
 * @example
 * import * as HistorySqlite from "@heph/history-sqlite/HistorySqlite"
 * import { HistoryStore } from "@heph/history/HistoryStore"
 * import * as Effect from "effect/Effect"
 *
 * const store = HistorySqlite.layer({ filename: "registry.db" })
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
 * import * as HistorySqlite from "@heph/history-sqlite/HistorySqlite"
 * import { HistoryStore } from "@heph/history/HistoryStore"
 * import * as Config from "effect/Config"
 * import * as ConfigProvider from "effect/ConfigProvider"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 *
 * const store = HistorySqlite.layerConfig({
 *   filename: Config.String("HISTORY_FILE"),
 *   readOnly: Config.withDefault(Config.Boolean("HISTORY_READ_ONLY"), false)
 * })
 * const configuration = ConfigProvider.layer(ConfigProvider.fromUnknown({ HISTORY_FILE: "registry.db" }))
 * const head = Effect.flatMap(HistoryStore, (store) => Effect.map(store.info, ({ head }) => head))
 * console.log(await Effect.runPromise(Effect.provide(head, Layer.provide(store, configuration)))) //=> 0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<HistoryStore, HistoryStoreError | Config.ConfigError> =>
  Layer.effect(HistoryStore, Effect.flatMap(Config.unwrap(options), make))
