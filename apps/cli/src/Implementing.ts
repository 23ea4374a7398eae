/** Opening the implementations of the registry that a command is about. */
import type * as ContentStore from "@heph/content/ContentStore"
import type * as Implementations from "@heph/implementations/Implementations"
import type * as Storage from "@heph/implementations/Storage"
import type * as Registry from "@heph/registry/Registry"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Settings from "./Settings.ts"
import * as Store from "./Store.ts"

/** What a command works with, until the scope closes. */
export interface Opened {
  readonly implementations: Implementations.Implementations["Service"]
  readonly content: ContentStore.ContentStore["Service"]
  readonly registry: Registry.Registry["Service"]
  /** All services there are. */
  readonly context: Context.Context<Storage.Services>
}

// It is most of what there is to load.
const load = Effect.promise(() =>
  Promise.all([
    import("@heph/implementations/Storage"),
    import("@heph/implementations/Implementations"),
    import("@heph/content/ContentStore"),
    import("@heph/registry/Registry")
  ])
)

const open = Effect.fnUntraced(function* (mode: "read" | "write" | "make", chosen: Settings.Chosen | undefined) {
  const at = yield* Store.location
  const { compression, indexType, retentionPolicy, versionStrategy } = yield* Settings.given(chosen)
  if (mode !== "make") yield* Store.mustExist(at)
  const [{ layer }, { Implementations }, { ContentStore }, { Registry }] = yield* load
  const context = yield* Layer.build(
    layer(at, {
      readOnly: mode === "read",
      versionStrategy: versionStrategy?.value,
      compression: compression?.value,
      retentionPolicy: retentionPolicy?.value,
      indexType: indexType?.value
    })
  )
  return {
    implementations: Context.get(context, Implementations),
    content: Context.get(context, ContentStore),
    registry: Context.get(context, Registry),
    context
  } satisfies Opened
})

/** For reading: the registry must be there, and nothing is made. */
export const forReading = (chosen?: Settings.Chosen) => open("read", chosen)

/** For writing to a registry that must be there. */
export const forWriting = (chosen?: Settings.Chosen) => open("write", chosen)

/** For writing, to a registry that is made where there is none. */
export const forRegistering = (chosen?: Settings.Chosen) => open("make", chosen)
