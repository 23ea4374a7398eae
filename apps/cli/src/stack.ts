/** Registries put together from their packages. Loaded by the commands that open one: it is most of what there is to load. */
import * as Bus from "@heph/bus/Bus"
import { BlobStore } from "@heph/content/BlobStore"
import * as HistoryUrl from "@heph/history-url/HistoryUrl"
import * as History from "@heph/history/History"
import { HistoryStore } from "@heph/history/HistoryStore"
import * as Registry from "@heph/registry/Registry"
import * as Resolver from "@heph/resolver/Resolver"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** What keeps the history and what keeps the contents of a location, until the scope closes. */
export const stores = (at: HistoryUrl.Location, options: HistoryUrl.Options) =>
  Effect.map(Layer.build(HistoryUrl.layerWithContent(at, options)), (built) => ({
    history: Context.get(built, HistoryStore),
    blobs: Context.get(built, BlobStore)
  }))

/** The history and the contents of a location, until the scope closes. Loads no state. */
export const kept = Effect.fnUntraced(function* (at: HistoryUrl.Location, options: HistoryUrl.Options) {
  // Few commands look at contents, and the others need not load what reads them.
  const ContentStore = yield* Effect.promise(() => import("@heph/content/ContentStore"))
  const both = Layer.merge(History.layer, ContentStore.layer())
  const built = yield* Layer.build(Layer.provide(both, HistoryUrl.layerWithContent(at, options)))
  return { history: Context.get(built, History.History), contents: Context.get(built, ContentStore.ContentStore) }
})

const historyLayer = (at: HistoryUrl.Location, options: HistoryUrl.Options) =>
  Layer.provide(History.layer, HistoryUrl.layer(at, options))

/** The history of a location, until the scope closes. Loads no state. */
export const history = (at: HistoryUrl.Location, options: HistoryUrl.Options) =>
  Effect.map(Layer.build(historyLayer(at, options)), Context.get(History.History))

/** The registry of a location, until the scope closes. */
export const registry = (at: HistoryUrl.Location, options: HistoryUrl.Options) => {
  const below = Layer.mergeAll(historyLayer(at, options), Bus.layer(), Resolver.layer())
  return Effect.map(Layer.build(Layer.provide(Registry.layer(), below)), Context.get(Registry.Registry))
}

/** A registry of no entries, which ends with the scope. */
export const nothing = Effect.map(Layer.build(Registry.layerMemory()), Context.get(Registry.Registry))
