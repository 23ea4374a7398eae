/** What `heph.yaml` in the current folder says: where the registry is, and nothing else. */
import { readFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** The file with the settings cannot be used. */
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

/**
 * `components.registry.storage_path` of the file, relative to the current folder; nothing where there is no such file,
 * or where it does not say. Other components are nobody's business here.
 */
export const storagePath: Effect.Effect<string | undefined, InvalidSettings> = Effect.gen(function* () {
  const text = yield* Effect.try({
    try: () => readIfThere(file),
    catch: (cause) => invalid(cause instanceof Error ? cause.message : String(cause))
  })
  if (text === undefined) return undefined
  const { parse } = yield* Effect.promise(() => import("effect/encoding/Yaml"))
  const settings = yield* Effect.try({
    try: () => parse(text),
    catch: (cause) => invalid(cause instanceof Error ? cause.message : String(cause))
  })
  const components = yield* section(settings, "components", "the file")
  const registry = yield* section(components, "registry", "components")
  const path = registry["storage_path"]
  if (path === undefined) return undefined
  if (typeof path === "string" && path !== "") return path
  return yield* invalid(`components.registry.storage_path must be the path of a folder, and is ${JSON.stringify(path)}`)
})

const invalid = (reason: string) => new InvalidSettings({ file, reason })

const readIfThere = (name: string): string | undefined => {
  try {
    return readFileSync(name, "utf8")
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw cause
  }
}

type Section = { readonly [key: string]: unknown }

/** The section of a name, empty where there is none. */
const section = (from: unknown, name: string, what: string): Effect.Effect<Section, InvalidSettings> => {
  if (!isSection(from)) return invalid(`${what} must be a record with the key ${name}`)
  const found = Object.hasOwn(from, name) ? from[name] : undefined
  if (found === undefined || found === null) return Effect.succeed({})
  return isSection(found) ? Effect.succeed(found) : invalid(`${name} must be a record`)
}

const isSection = (value: unknown): value is Section =>
  typeof value === "object" && value !== null && !Array.isArray(value)
