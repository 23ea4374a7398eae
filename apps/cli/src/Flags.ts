/** The flags and arguments that several commands have in common. */
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

/** Arguments that are right one by one, and not together. */
export class InvalidUsage extends Schema.TaggedError<InvalidUsage>()("InvalidUsage", { reason: Schema.String }) {
  override get message(): string {
    return this.reason
  }
}

/** A description of several lines, which help indents. */
export const paragraph = (...lines: ReadonlyArray<string>): string => lines.join("\n  ")

const toggles = new Set<string>()

/** A flag that is there or not. It takes no value, so that whatever follows it is an argument: see {@link explicit}. */
export const toggle = (name: string, description: string): Flag.Flag<boolean> => {
  toggles.add(`--${name}`)
  return Flag.Boolean(name).pipe(Flag.withoutNegation, Flag.withDefault(false), Flag.withDescription(description))
}

/**
 * The arguments with a value at each toggle. Without one the parser would take a `1`, a `yes` or an `on` that follows
 * for its value, and `heph show --json 1` would lose its argument.
 */
export const explicit = (args: ReadonlyArray<string>): ReadonlyArray<string> => {
  const end = args.indexOf("--")
  const before = end < 0 ? args.length : end
  return args.map((arg, i) => (i < before && toggles.has(arg) ? `${arg}=true` : arg))
}

/** `--store`: the folder of the registry, or the URL of its store. */
export const Store = GlobalFlag.Setting("store")({
  flag: Flag.String("store").pipe(
    Flag.withMetavar("url"),
    Flag.withDescription(
      "The registry: a folder, sqlite:<file>, postgres://… or memory:; else as in ./heph.yaml, HEPH_STORE, ./registry"
    ),
    Flag.filter(
      (url) => url !== "",
      () => "a folder, or the URL of a store"
    ),
    Flag.optional
  )
})

/** `--json`: one document for machines. */
export const Json = GlobalFlag.Setting("json")({
  flag: toggle("json", "Print one JSON document and nothing else")
})

/** Whether arguments that may be wrong ask for JSON: how their error is told. */
export const asksForJson = (args: ReadonlyArray<string>): boolean => {
  const end = args.indexOf("--")
  return args.slice(0, end < 0 ? undefined : end).some((arg) => arg === "--json" || arg === "--json=true")
}

/** `--at`: a version to read at. */
export const at: Flag.Flag<string> = Flag.String("at").pipe(
  Flag.withMetavar("version"),
  Flag.withDescription("Read this version: 7, v7, a tag, or head"),
  Flag.withDefault("head")
)

/** A version that is asked for. */
export const version = (name: string, description = "7, v7, a tag, or head"): Argument.Argument<string> =>
  Argument.String(name).pipe(Argument.withDescription(description))

/** `--sort`: a field to order by. */
export const sort = (description: string) =>
  Flag.String("sort").pipe(Flag.withMetavar("field"), Flag.withDescription(description), Flag.optional)

/** `--cursor`: where a page goes on. */
export const cursor = Flag.String("cursor").pipe(
  Flag.withMetavar("cursor"),
  Flag.withDescription("The next page: the cursor that --json printed with the one before"),
  Flag.optional
)

/** A text that may be left out. */
export const text = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar("text"), Flag.withDescription(description), Flag.optional)

/** A text that may be given several times. */
export const texts = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description), Flag.atLeast(0))

/** `name=value`, at the last `=` where the value is a number, which has none, else at the first. */
const pair = (text: string, at: number): Option.Option<readonly [name: string, value: string]> =>
  at < 1 ? Option.none() : Option.some([text.slice(0, at), text.slice(at + 1)])

const readMetric = (text: string): Option.Option<readonly [metric: string, value: number]> =>
  Option.flatMap(pair(text, text.lastIndexOf("=")), ([name, value]) =>
    value.trim() !== "" && Number.isFinite(Number(value)) ? Option.some([name, Number(value)]) : Option.none()
  )

/** `--metric`, any number of them. */
export const metrics = Flag.String("metric").pipe(
  Flag.withMetavar("name=number"),
  Flag.withDescription("A metric; as many as there are"),
  Flag.filterMap(readMetric, () => "a name and a finite number, as score=0.93"),
  Flag.atLeast(0),
  Flag.map((pairs): { readonly [metric: string]: number } => Object.fromEntries(pairs))
)

/** JSON as what it says, with integers of any size; everything else is the text that it is. */
const readValue = (text: string): unknown => {
  try {
    return JSON.parse(text, reviveInteger as (key: string, value: unknown) => unknown)
  } catch {
    return text
  }
}

// The third parameter is there in every engine this runs on; TypeScript's library of 2024 does not know it yet.
const reviveInteger = (_: string, value: unknown, { source = "" }: { readonly source?: string }): unknown =>
  typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(source) ? BigInt(source) : value

/** `--field`, any number of them. */
export const fields = Flag.String("field").pipe(
  Flag.withMetavar("name=value"),
  Flag.withDescription("Anything else to keep and search: JSON, or else a text"),
  Flag.filterMap(
    (text) => pair(text, text.indexOf("=")),
    () => "a name and a value, as model=small or layers=[3,4]"
  ),
  Flag.atLeast(0),
  Flag.map((pairs): { readonly [name: string]: unknown } =>
    Object.fromEntries(pairs.map(([name, value]) => [name, readValue(value)]))
  )
)

/** A setting of the registry for this command: see `Settings`. */
const setting = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description), Flag.optional)

export const versionStrategy = setting(
  "version-strategy",
  "strategy",
  "How versions are named: incremental, semantic or content"
)
export const compression = setting(
  "compression",
  "level",
  "How code is compressed: true, false, or a level from 1 to 22"
)
export const backupFrequency = setting(
  "backup-frequency",
  "frequency",
  "How often backups are made: never, hourly, daily, weekly, or a cron expression"
)
export const retentionPolicy = setting(
  "retention-policy",
  "policy",
  "What is kept: forever, keep-last-N, keep-best-N:<metric>, a duration as 30d, or several with commas"
)
export const indexType = setting("index-type", "type", "How queries are indexed: b-tree or hash")

/** How many of something: at least 1. */
export const count = (name: string, description: string) =>
  Flag.Int(name).pipe(
    Flag.withMetavar("n"),
    Flag.withDescription(description),
    Flag.filter(
      (count) => count >= 1,
      () => "a whole number from 1 on"
    ),
    Flag.optional
  )
