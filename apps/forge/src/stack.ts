/** Everything put together: the registry of a store, and the five services over it. */
import { readFileSync } from "node:fs"
import type * as Implementations from "@heph/implementations/Implementations"
import * as RegistryConfig from "@heph/implementations/RegistryConfig"
import * as Storage from "@heph/implementations/Storage"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import * as ChatMutationEngine from "./ChatMutationEngine.ts"
import * as ForgeLoop from "./ForgeLoop.ts"
import * as GoalProposer from "./GoalProposer.ts"
import * as MutationEngine from "./MutationEngine.ts"
import * as ScoringSystem from "./ScoringSystem.ts"
import * as TestHarness from "./TestHarness.ts"

/** The settings, of a flag, the environment and `heph.yaml` in the current folder. */
export const config = Effect.fnUntraced(function* (store: string | undefined) {
  const text = yield* Effect.try({
    try: () => readIfThere("heph.yaml"),
    catch: (cause) => {
      const reason = cause instanceof Error ? cause.message : String(cause)
      return new RegistryConfig.InvalidConfig({
        problems: [{ source: "heph.yaml", reason, expected: "make it readable" }]
      })
    }
  })
  const sources = yield* Effect.all([
    Effect.fromResult(RegistryConfig.fromFlags({ storagePath: store })),
    Effect.fromResult(RegistryConfig.fromEnvironment(process.env)),
    text === undefined ? Effect.succeed({}) : Effect.fromResult(RegistryConfig.parseFile(text, "heph.yaml"))
  ])
  return RegistryConfig.merge(sources)
})

const readIfThere = (file: string): string | undefined => {
  try {
    return readFileSync(file, "utf8")
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw cause
  }
}

/** The implementations of the store that the settings name. */
export const registry = (
  {
    backupFrequency,
    compression,
    indexType,
    retentionPolicy,
    storagePath,
    versionStrategy
  }: RegistryConfig.RegistryConfig,
  options?: { readonly readOnly?: boolean }
) => {
  const at = RegistryConfig.isGiven(storagePath) ? storagePath.value : process.env["HEPH_STORE"] || storagePath.value
  return Storage.layer(at, {
    readOnly: options?.readOnly === true,
    versionStrategy: versionStrategy.value,
    retentionPolicy: retentionPolicy.value,
    indexType: indexType.value,
    compression: compression.value,
    backupFrequency: backupFrequency.value
  })
}

/** The loop, with a model where there is one, else with the engine that needs none. */
export const loop = (
  model: ChatMutationEngine.Options | undefined
): Layer.Layer<ForgeLoop.ForgeLoop, never, Implementations.Implementations> =>
  ForgeLoop.layer.pipe(
    Layer.provide([
      GoalProposer.layer,
      TestHarness.layer,
      ScoringSystem.layer,
      model === undefined
        ? MutationEngine.layer
        : ChatMutationEngine.layer(model).pipe(Layer.provide(FetchHttpClient.layer))
    ])
  )
