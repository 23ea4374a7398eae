/**
 * The settings of a registry, and where each of them comes from.
 *
 *     components:                            variable                 flag                   default
 *       registry:
 *         storage_path: ./lab                HEPH_STORAGE_PATH        --storage-path         ./registry
 *         version_strategy: semantic         HEPH_VERSION_STRATEGY    --version-strategy     incremental
 *         compression: 9                     HEPH_COMPRESSION         --compression          true
 *         backup_frequency: daily            HEPH_BACKUP_FREQUENCY    --backup-frequency     daily
 *         retention_policy: [forever]        HEPH_RETENTION_POLICY    --retention-policy     forever
 *         index_type: hash                   HEPH_INDEX_TYPE          --index-type           b-tree
 *
 *     defaults  ◀──  parseFile  ◀──  fromEnvironment  ◀──  fromFlags          merge: what is further right wins
 *
 * Everything else in a file belongs to others, and may be anything that YAML has. Nothing is read here but what is
 * handed in.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as File from "./internal/configFile.ts"
import * as Options from "./internal/configOptions.ts"

/** What the options are set to. */
export type Values = Options.Values

/** Where a setting comes from. `name` is `default`, `heph.yaml:5`, `HEPH_RETENTION_POLICY` or `--retention-policy`. */
export interface Source {
  readonly kind: "default" | "file" | "environment" | "flag"
  readonly name: string
}

/** A value, as it was written, and where. The text of a list is one line with commas. */
export interface Setting<A> {
  readonly value: A
  readonly text: string
  readonly source: Source
}

/** A setting for every option. */
export type RegistryConfig = { readonly [K in keyof Values]: Setting<Values[K]> }

/** What one source sets. */
export type Settings = Partial<RegistryConfig>

/**
 * What is wrong with a source of settings: all of it, in the order of its lines. Of a file that is no YAML it is only
 * where that shows first. `source` is the name of the file, of the variable or of the flag. `line` and `column` count from
 * 1, columns in UTF-16 units, and only files have them. `reason` says what is wrong and `expected` what to write in its
 * place, for people. The message has a line for each.
 */
export class InvalidConfig extends Schema.TaggedError<InvalidConfig>()("InvalidConfig", {
  problems: Schema.Array(
    Schema.Struct({
      source: Schema.String,
      line: Schema.optionalKey(Schema.Int),
      column: Schema.optionalKey(Schema.Int),
      reason: Schema.String,
      expected: Schema.String
    })
  )
}) {
  override get message(): string {
    return this.problems
      .map(({ column, expected, line, reason, source }) => {
        const place = line === undefined ? source : `${source}:${line}:${column}`
        return `${place}: ${reason}; ${expected}`
      })
      .join("\n")
  }
}

/** The options, in the order of the documentation: for help, and for making flags of them. */
export const options: ReadonlyArray<{
  readonly key: keyof Values
  /** In files. */
  readonly name: string
  readonly variable: string
  readonly flag: string
  /** What it takes, for people. */
  readonly values: string
  /** As it would be written. */
  readonly default: string
}> = Options.keys.map((key) => ({
  key,
  name: Options.table[key].name,
  variable: Options.variableOf(key),
  flag: Options.flagOf(key),
  values: Options.table[key].values,
  default: Options.table[key].initial
}))

/**
 * What a YAML text sets in `components.registry`: nothing where there is no such record. `fileName` is what errors and
 * sources call it. Unknown options, and values that an option does not have, are refused.
 *
 * @example
 * import * as RegistryConfig from "@heph/implementations/RegistryConfig"
 * import * as Result from "effect/Result"
 *
 * const text = `
 * components:
 *   registry:
 *     compression: 9
 *     retention_policy: [keep-last-10, 30d]
 * `
 * const settings = Result.getOrThrow(RegistryConfig.parseFile(text, "heph.yaml"))
 * console.log(settings.compression?.value, settings.compression?.source.name) //=> 9 heph.yaml:4
 * console.log(settings.retentionPolicy?.text) //=> keep-last-10, 30d
 *
 * const wrong = RegistryConfig.parseFile("components: { registry: { index_type: list } }", "heph.yaml")
 * console.log(Result.getOrThrow(Result.flip(wrong)).message)
 * //=> heph.yaml:1:39: "list" is no index type; write b-tree or hash
 */
export const parseFile = (text: string, fileName: string): Result.Result<Settings, InvalidConfig> => {
  const { found, problems } = File.read(text.startsWith("\uFEFF") ? text.slice(1) : text)
  const reading = start()
  for (const problem of problems) reading.problems.push({ source: fileName, ...problem })
  for (const { key, line, placeOf, raw } of found) {
    const source: Source = { kind: "file", name: `${fileName}:${line}` }
    add(reading, key, raw, source, (index) => ({ source: fileName, ...placeOf(index) }))
  }
  return finish(reading)
}

/**
 * What environment variables set. An empty one counts as not set; lists are separated by commas. Variables of other names
 * are left alone.
 *
 * @example
 * import * as RegistryConfig from "@heph/implementations/RegistryConfig"
 * import * as Result from "effect/Result"
 *
 * const settings = RegistryConfig.fromEnvironment({ HEPH_COMPRESSION: "false", HOME: "/root" })
 * console.log(Result.getOrThrow(settings))
 * //=> { compression: { value: false, text: 'false', source: { kind: 'environment', name: 'HEPH_COMPRESSION' } } }
 *
 * const wrong = RegistryConfig.fromEnvironment({ HEPH_VERSION_STRATEGY: "random" })
 * console.log(Result.getOrThrow(Result.flip(wrong)).message)
 * //=> HEPH_VERSION_STRATEGY: "random" is no version strategy; write incremental, semantic or content
 */
export const fromEnvironment = (variables: {
  readonly [name: string]: string | undefined
}): Result.Result<Settings, InvalidConfig> =>
  fromTexts("environment", Options.variableOf, (key) => variables[Options.variableOf(key)] || undefined)

/**
 * What flags set, by the keys of the options. Lists are separated by commas.
 *
 * @example
 * import * as RegistryConfig from "@heph/implementations/RegistryConfig"
 * import * as Result from "effect/Result"
 *
 * const settings = Result.getOrThrow(RegistryConfig.fromFlags({ storagePath: "./lab", indexType: undefined }))
 * console.log(settings)
 * //=> { storagePath: { value: './lab', text: './lab', source: { kind: 'flag', name: '--storage-path' } } }
 */
export const fromFlags = (flags: {
  readonly [K in keyof Values]?: string | undefined
}): Result.Result<Settings, InvalidConfig> => fromTexts("flag", Options.flagOf, (key) => flags[key])

/**
 * What holds: of each option the flag, else the variable, else what the file says, else the default, whatever the order
 * of the sources. Of two sources of one kind the later one holds.
 *
 * @example
 * import * as RegistryConfig from "@heph/implementations/RegistryConfig"
 * import * as Result from "effect/Result"
 *
 * const config = RegistryConfig.merge([
 *   Result.getOrThrow(RegistryConfig.fromEnvironment({ HEPH_INDEX_TYPE: "hash" })),
 *   Result.getOrThrow(RegistryConfig.parseFile("components: { registry: { index_type: b-tree } }", "heph.yaml"))
 * ])
 * console.log(config.indexType.value, config.storagePath.value) //=> hash ./registry
 */
export const merge = (sources: ReadonlyArray<Settings>): RegistryConfig => {
  const merged: Record<keyof Values, Setting<unknown>> = { ...defaults }
  for (const settings of sources) {
    for (const key of Options.keys) {
      const setting = settings[key]
      if (setting !== undefined && rank(setting) >= rank(merged[key])) merged[key] = setting
    }
  }
  return merged as RegistryConfig
}

/** Whether somebody set it: whether it comes from anywhere but the defaults. */
export const isGiven = (setting: Setting<unknown>): boolean => setting.source.kind !== "default"

/**
 * The settings as JSON has them, in the order of the documentation, as `heph config` prints them. A policy of several
 * rules is a list, as in a file.
 *
 * @example
 * import * as RegistryConfig from "@heph/implementations/RegistryConfig"
 *
 * console.log(RegistryConfig.toJson(RegistryConfig.defaults)[2])
 * //=> { option: 'compression', value: true, source: { kind: 'default', name: 'default' } }
 */
export const toJson = (
  config: RegistryConfig
): ReadonlyArray<{
  readonly option: string
  readonly value: string | number | boolean | ReadonlyArray<string>
  readonly source: Source
}> =>
  Options.keys.map((key) => ({
    option: Options.table[key].name,
    value: jsonOf(config, key),
    source: config[key].source
  }))

const jsonOf = (config: RegistryConfig, key: keyof Values) => {
  switch (key) {
    case "backupFrequency":
      return config.backupFrequency.value.text
    case "retentionPolicy": {
      const [first, ...rest] = config.retentionPolicy.value
      return rest.length === 0 ? first.text : [first, ...rest].map((rule) => rule.text)
    }
    default:
      return config[key].value
  }
}

type Problem = InvalidConfig["problems"][number]

/** What has been read so far of a source. */
interface Reading {
  // Each under its own key, read by the option of that key: what `Settings` says, which the compiler cannot follow.
  readonly settings: Partial<Record<keyof Values, Setting<unknown>>>
  readonly problems: Array<Problem>
}

const start = (): Reading => ({ settings: {}, problems: [] })

const finish = ({ problems, settings }: Reading): Result.Result<Settings, InvalidConfig> => {
  if (problems.length === 0) return Result.succeed(settings as Settings)
  const byPlace = problems.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0))
  return Result.fail(new InvalidConfig({ problems: byPlace }))
}

const add = (
  reading: Reading,
  key: keyof Values,
  raw: unknown,
  source: Source,
  placeOf: (index?: number) => Pick<Problem, "source" | "line" | "column">
): void => {
  const read: Result.Result<unknown, Options.Wrong> = Options.table[key].read(raw)
  if (Result.isSuccess(read)) reading.settings[key] = { value: read.success, text: Options.textOf(raw), source }
  else {
    const { expected, index, reason } = read.failure
    reading.problems.push({ ...placeOf(index), reason, expected })
  }
}

const fromTexts = (
  kind: Source["kind"],
  nameOf: (key: keyof Values) => string,
  textOf: (key: keyof Values) => string | undefined
): Result.Result<Settings, InvalidConfig> => {
  const reading = start()
  for (const key of Options.keys) {
    const text = textOf(key)
    const source = { kind, name: nameOf(key) }
    if (text !== undefined) add(reading, key, Options.fromText(key, text), source, () => ({ source: source.name }))
  }
  return finish(reading)
}

const rank = ({ source }: Setting<unknown>): number => ["default", "file", "environment", "flag"].indexOf(source.kind)

/** What holds where nothing is set. */
export const defaults: RegistryConfig = Object.freeze(
  Result.getOrThrow(
    fromTexts(
      "default",
      () => "default",
      (key) => Options.table[key].initial
    )
  ) as RegistryConfig
)
