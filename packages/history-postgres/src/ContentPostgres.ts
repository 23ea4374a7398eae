/**
 * Contents in the schema of a history: one database and one pool of connections for both, so that a content is on the disk
 * of the server no later than the version that names it.
 *
 *     heph ──▶ registries · versions · …       ──▶ HistoryStore
 *          └─▶ contents · holds · serials      ──▶ BlobStore ──▶ ContentStore
 *
 * What holds for a registry as `HistoryPostgres` opens it (durability, several processes, what is refused) holds for both.
 *
 * What is stored under a hold does not wait for the disk. A server that stops right then may lose it, and be back before
 * the version that names it is appended: that append is refused with `Unavailable`, and has to be done again together with
 * its contents. This is why both are made by one call.
 */
import { BlobStore } from "@heph/content/BlobStore"
import { HistoryStore, type HistoryStoreError } from "@heph/history/HistoryStore"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Options } from "./HistoryPostgres.ts"
import * as Contents from "./internal/contents.ts"
import { migrations } from "./internal/schema.ts"
import { fromRegistry, openWith } from "./internal/store.ts"

/** Both stores of one registry. */
export interface Stores {
  readonly history: HistoryStore["Service"]
  readonly blobs: BlobStore["Service"]
}

/**
 * Opens both stores of a registry until the scope ends, and makes schema and registry where there is none; errors as
 * `HistoryPostgres.make`.
 */
export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<Stores, HistoryStoreError, Scope.Scope> {
  const registry = yield* openWith(options, migrations)
  return { history: yield* fromRegistry(registry), blobs: Contents.make(registry) }
})

/**
 * Both stores of a registry, open for as long as the layer is; errors as {@link make}.
 *
 * @example
 * import * as ContentStore from "@heph/content/ContentStore"
 * import * as ContentPostgres from "@heph/history-postgres/ContentPostgres"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 *
 * const stores = ContentPostgres.layer({ url: process.env["HEPH_POSTGRES"]!, registry: "code" })
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
