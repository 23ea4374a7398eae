/** Registries put together from their packages. Loaded by the commands that open one: it is most of what there is to load. */
import * as Bus from "@heph/bus/Bus"
import { BlobStore } from "@heph/content/BlobStore"
import * as ContentStore from "@heph/content/ContentStore"
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

const keptLayer = (at: HistoryUrl.Location, options: HistoryUrl.Options) =>
  Layer.merge(History.layer, ContentStore.layer()).pipe(Layer.provideMerge(HistoryUrl.layerWithContent(at, options)))

/** The history and the contents of a location, until the scope closes. Loads no state. */
export const kept = (at: HistoryUrl.Location, options: HistoryUrl.Options) =>
  Effect.map(Layer.build(keptLayer(at, options)), (built) => ({
    history: Context.get(built, History.History),
    contents: Context.get(built, ContentStore.ContentStore)
  }))

/** The registry of a location, with the history and the contents of the same store beside it, until the scope closes. */
export const services = (at: HistoryUrl.Location, options: HistoryUrl.Options) =>
  Layer.build(
    Registry.layer().pipe(Layer.provideMerge(Layer.mergeAll(keptLayer(at, options), Bus.layer(), Resolver.layer())))
  )

/** The registry of a location, until the scope closes. */
export const registry = (at: HistoryUrl.Location, options: HistoryUrl.Options) =>
  Effect.map(services(at, options), Context.get(Registry.Registry))

/** A registry of no entries, which ends with the scope. */
export const nothing = Effect.map(Layer.build(Registry.layerMemory()), Context.get(Registry.Registry))
