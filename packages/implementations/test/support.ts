import * as Bus from "@heph/bus/Bus"
import * as ContentStore from "@heph/content/ContentStore"
import * as Implementations from "@heph/implementations/Implementations"
import * as Retention from "@heph/implementations/Retention"
import * as Storage from "@heph/implementations/Storage"
import * as Registry from "@heph/registry/Registry"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"

/** What a test works with. */
const services = Effect.all({
  implementations: Implementations.Implementations,
  registry: Registry.Registry,
  content: ContentStore.ContentStore,
  bus: Bus.Bus
})

type Services = Effect.Success<typeof services>

/** Runs a test on a registry of its own in memory. */
export const inMemory = <A, E>(
  use: (services: Services) => Effect.Effect<A, E>,
  options?: Implementations.Options
): Effect.Effect<A, unknown> => Effect.provide(Effect.flatMap(services, use), Storage.layerMemory(options))

export const policy = (text: string): Retention.Policy => Result.getOrThrow(Retention.parse(text))

const utf8 = { encode: new TextEncoder(), decode: new TextDecoder("utf-8", { fatal: true }) }
export const bytes = (text: string): Uint8Array => utf8.encode.encode(text)
export const text = (content: Uint8Array | undefined): string => utf8.decode.decode(content)

/** Lines of code that differ from those of another number in one place. */
export const lines = (different: number, count = 40): string =>
  Array.from(
    { length: count },
    (_, i) => `export const value${i} = ${i === different % count ? `other${different}` : i}\n`
  ).join("")
