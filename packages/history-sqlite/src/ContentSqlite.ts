/**
 * Contents in the SQLite file of a history: one file and one connection for both, so that a content is on disk no later than
 * the version that names it.
 *
 *     registry.db ──▶ versions · heads · tags · …  ──▶ HistoryStore
 *                 └─▶ contents · content_holds     ──▶ BlobStore ──▶ ContentStore
 *
 * What holds for the file as `HistorySqlite` opens it (durability, several processes, what is refused) holds for both.
 */
import { BlobStore } from "@heph/content/BlobStore"
import { HistoryStore, type HistoryStoreError } from "@heph/history/HistoryStore"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Options } from "./HistorySqlite.ts"
import * as Contents from "./internal/contents.ts"
import { attempt } from "./internal/native.ts"
import { migrations } from "./internal/schema.ts"
import { fromOpened, openWith } from "./internal/store.ts"

/** Both stores of one file. */
export interface Stores {
  readonly history: HistoryStore["Service"]
  readonly blobs: BlobStore["Service"]
}

/** Opens both stores of a file until the scope ends, and makes it where there is none; errors as `HistorySqlite.make`. */
export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<Stores, HistoryStoreError, Scope.Scope> {
  const { durability = "full", filename, pollInterval } = options
  const opened = yield* openWith(options, migrations)
  const history = yield* fromOpened(opened, filename, pollInterval)
  const blobs = yield* attempt(filename, () => Contents.make(opened, filename, durability === "full"))
  return { history, blobs }
})

/**
 * Both stores of a file, open for as long as the layer is; errors as {@link make}.
 *
 * @example
 * import * as ContentStore from "@heph/content/ContentStore"
 * import * as ContentSqlite from "@heph/history-sqlite/ContentSqlite"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 *
 * const stores = ContentSqlite.layer({ filename: "registry.db" })
 * const program = Effect.gen(function* () {
 *   const contents = yield* ContentStore.ContentStore
 *   const { hash } = yield* contents.put({ bytes: new TextEncoder().encode("one line\n") })
 *   return new TextDecoder().decode(yield* contents.get(hash))
 * })
 * const text = await Effect.runPromise(Effect.provide(program, Layer.provide(ContentStore.layer(), stores)))
 * console.log(JSON.stringify(text)) //=> "one line\n"
 */
export const layer = (options: Options): Layer.Layer<HistoryStore | BlobStore, HistoryStoreError> =>
  Layer.effectContext(
    Effect.map(make(options), ({ blobs, history }) =>
      Context.add(Context.make(HistoryStore, history), BlobStore, blobs)
    )
  )
