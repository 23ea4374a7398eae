/** Registries put together from their packages. Loaded by the commands that open one: it is most of what there is to load. */
import * as Bus from "@heph/bus/Bus"
import * as HistoryUrl from "@heph/history-url/HistoryUrl"
import * as History from "@heph/history/History"
import { HistoryStore } from "@heph/history/HistoryStore"
import * as Registry from "@heph/registry/Registry"
import * as Resolver from "@heph/resolver/Resolver"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** The store of a location, until the scope closes. */
export const store = (at: HistoryUrl.Location, options: HistoryUrl.Options) =>
  Effect.map(Layer.build(HistoryUrl.layer(at, options)), Context.get(HistoryStore))

const historyLayer = (at: HistoryUrl.Location, options: HistoryUrl.Options) =>
  History.layer.pipe(Layer.provideMerge(HistoryUrl.layer(at, options)))

/** The history of a location, until the scope closes. Loads no state. */
export const history = (at: HistoryUrl.Location, options: HistoryUrl.Options) =>
  Effect.map(Layer.build(historyLayer(at, options)), Context.get(History.History))

/** The registry of a location, until the scope closes. */
export const registry = (at: HistoryUrl.Location, options: HistoryUrl.Options) => {
  const below = Layer.mergeAll(historyLayer(at, options), Bus.layer(), Resolver.layer())
  return Effect.map(Layer.build(Registry.layer().pipe(Layer.provideMerge(below))), Context.get(Registry.Registry))
}

/** A registry of no entries, which ends with the scope. */
export const nothing = Effect.map(Layer.build(Registry.layerMemory()), Context.get(Registry.Registry))
