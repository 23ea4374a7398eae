/** The flags and arguments that several commands have in common. */
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
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
