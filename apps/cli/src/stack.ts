/** Registries put together from their packages. Loaded by the commands that open one: it is most of what there is to load. */
import { join } from "node:path"
import * as Bus from "@heph/bus/Bus"
import * as HistorySqlite from "@heph/history-sqlite/HistorySqlite"
import * as History from "@heph/history/History"
import * as Registry from "@heph/registry/Registry"
import * as Resolver from "@heph/resolver/Resolver"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

export interface Options {
  readonly readOnly: boolean
}

/** The file of the registry in a folder. */
export const fileIn = (folder: string): string => join(folder, "registry.db")

const historyLayer = (folder: string, { readOnly }: Options) =>
  History.layer.pipe(Layer.provideMerge(HistorySqlite.layer({ filename: fileIn(folder), readOnly })))

/** The history of a folder, until the scope closes. Loads no state. */
export const history = (folder: string, options: Options) =>
  Effect.map(Layer.build(historyLayer(folder, options)), Context.get(History.History))

/** The registry of a folder, until the scope closes. */
export const registry = (folder: string, options: Options) => {
  const below = Layer.mergeAll(historyLayer(folder, options), Bus.layer(), Resolver.layer())
  return Effect.map(Layer.build(Registry.layer().pipe(Layer.provideMerge(below))), Context.get(Registry.Registry))
}

/** A registry of no entries, which ends with the scope. */
export const nothing = Effect.map(Layer.build(Registry.layerMemory()), Context.get(Registry.Registry))
