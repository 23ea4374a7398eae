import * as Command from "effect/cli/Command"
/** `show` and `diff`: what a version changed, and what differs between two. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Changes from "../Changes.ts"
import * as Flags from "../Flags.ts"
import * as Json from "../Json.ts"
import { note, Output, print, printable } from "../Output.ts"
import * as Store from "../Store.ts"
import * as Words from "../Words.ts"

export const show = Command.make("show", { version: Flags.version("version") }, ({ version: ref }) =>
  Effect.gen(function* () {
    const registry = yield* Store.forReading
    const { changeset, version } = yield* registry.version(ref)
    if (yield* Flags.Json) {
      return yield* print(Json.stringify(Changes.showJson(version.id, version.parent, changeset)))
    }
    const { out } = yield* Output
    const { style } = out
    const when = `${Words.ago(version.timestamp, yield* Clock.currentTimeMillis)}, ${Words.moment(version.timestamp)}`
    const parent = version.parent === null ? "the root" : `after v${version.parent}`
    yield* print(`${style.bold(`v${version.id}`)}  ${parent}  ${style.dim(when)}`)
    if (version.message !== undefined) yield* print(`\n    ${printable(version.message).replaceAll("\n", "\n    ")}`)
    yield* print(`\n${Changes.summary(version)}`)
    for (const change of Changes.detail(changeset, out)) yield* print(`\n${change}`)
  }).pipe(Effect.scoped)
).pipe(
  Command.withShortDescription("Print what a version changed"),
  Command.withDescription(
    "Prints a version and its changeset: what was created, updated and deleted, with the values."
  ),
  Command.withExamples([
    { command: "heph show head", description: "The version the registry is at" },
    { command: "heph show v7 --json", description: "Its operations with entries and originals" }
  ])
)

export const diff = Command.make("diff", { from: Flags.version("from"), to: Flags.version("to") }, ({ from, to }) =>
  Effect.gen(function* () {
    const registry = yield* Store.forReading
    const { changeset, cycles } = yield* registry.diff(from, to)
    if (yield* Flags.Json) return yield* print(Json.stringify(Changes.planJson(changeset, cycles)))
    const { out } = yield* Output
    if (changeset.length === 0) return yield* note("no difference")
    for (const change of Changes.detail(changeset, out)) yield* print(`${change}\n`)
    yield* print(Changes.summary(Changes.counts(changeset)))
  }).pipe(Effect.scoped)
).pipe(
  Command.withShortDescription("Compare two versions"),
  Command.withDescription("Prints what leads from one version to another, on whatever branches they are."),
  Command.withExamples([
    { command: "heph diff v3 v7", description: "What changed from v3 to v7" },
    { command: "heph diff head release", description: "What going to the tag release would change" }
  ])
)
