/**
 * What the settings of the registry are: in `heph.yaml` of the current folder, in variables, in flags.
 *
 * Most commands need none but where the registry is, and nothing is loaded where nothing is set.
 */
import { readFileSync } from "node:fs"
import type * as RegistryConfig from "@heph/implementations/RegistryConfig"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Flags from "./Flags.ts"

/** The file with the settings cannot be read. */
export class InvalidSettings extends Schema.TaggedError<InvalidSettings>()("InvalidSettings", {
  file: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `${this.file}: ${this.reason}`
  }
}

/** Its name, in the current folder. */
export const file = "heph.yaml"

/** The texts of flags, by the option that each of them sets. */
export type Chosen = { readonly [K in keyof RegistryConfig.Values]?: Option.Option<string> }

const load = Effect.promise(() => import("@heph/implementations/RegistryConfig"))

/** What the file and the variables set: nothing where there is neither. */
const standing: Effect.Effect<RegistryConfig.Settings, InvalidSettings | RegistryConfig.InvalidConfig> = Effect.gen(
  function* () {
    const text = yield* Effect.try({
      try: () => readIfThere(file),
      catch: (cause) => new InvalidSettings({ file, reason: cause instanceof Error ? cause.message : String(cause) })
    })
    const hasVariables = Object.keys(process.env).some((name) => name.startsWith("HEPH_") && name !== "HEPH_STORE")
    if (text === undefined && !hasVariables) return {}
    const Config = yield* load
    const inFile = text === undefined ? {} : yield* Effect.fromResult(Config.parseFile(text, file))
    return { ...inFile, ...(yield* Effect.fromResult(Config.fromEnvironment(process.env))) }
  }
)

/** What is set by anybody: a flag wins over a variable, and that over the file. */
export const given = Effect.fnUntraced(function* (chosen: Chosen = {}) {
  const texts = Object.entries(chosen).flatMap(([key, text]) => (Option.isSome(text) ? [[key, text.value]] : []))
  const settings = yield* standing
  if (texts.length === 0) return settings
  const { fromFlags } = yield* load
  const flags = fromFlags(Object.fromEntries(texts) as Parameters<typeof fromFlags>[0])
  const chosenHere = yield* Effect.mapError(
    Effect.fromResult(flags),
    ({ message }) => new Flags.InvalidUsage({ reason: message })
  )
  return { ...settings, ...chosenHere } satisfies RegistryConfig.Settings
})

/** Where the registry is, as far as the file or `HEPH_STORAGE_PATH` say so. */
export const storagePath = Effect.map(standing, ({ storagePath }) => storagePath?.value)

/** Every setting, also those that nobody made. */
export const effective = Effect.fnUntraced(function* (chosen: Chosen) {
  const settings = yield* given(chosen)
  const Config = yield* load
  const config = Config.merge([settings])
  const store = Option.getOrUndefined(yield* Flags.Store)
  const where = (text: string, source: RegistryConfig.Source): RegistryConfig.RegistryConfig => ({
    ...config,
    storagePath: { value: text, text, source }
  })
  if (store !== undefined) return where(store, { kind: "flag", name: "--store" })
  const variable = process.env["HEPH_STORE"] ?? ""
  return variable === "" || Config.isGiven(config.storagePath)
    ? config
    : where(variable, { kind: "environment", name: "HEPH_STORE" })
})

const readIfThere = (name: string): string | undefined => {
  try {
    return readFileSync(name, "utf8")
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw cause
  }
}
