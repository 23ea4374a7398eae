import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
/** `path`, `checkout` and `revert`: the ways between versions. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Changes from "../Changes.ts"
import * as Flags from "../Flags.ts"
import * as Json from "../Json.ts"
import { note, Output, print } from "../Output.ts"
import * as Progress from "../Progress.ts"
import * as Store from "../Store.ts"
import * as Table from "../Table.ts"
import * as Words from "../Words.ts"

export const path = Command.make("path", { from: Flags.version("from"), to: Flags.version("to") }, ({ from, to }) =>
  Effect.gen(function* () {
    const registry = yield* Store.forReading
    const path = yield* registry.path(from, to)
    if (yield* Flags.Json) return yield* print(Json.stringify({ path }))
    const { out } = yield* Output
    if (path.length === 0) return yield* note("they are one version")
    const rows = path.map(({ direction, version }) => [
      direction === "forward" ? "→ forward to" : "← back to",
      `v${version}`
    ])
    yield* print(Table.render([{ mark: (cell, style) => style.dim(cell) }, {}], rows, out))
  }).pipe(Effect.scoped)
).pipe(
  Command.withShortDescription("Show the way from one version to another"),
  Command.withDescription(
    Flags.paragraph("Prints the shortest way between two versions: back to where their branches meet, then", "forward.")
  ),
  Command.withExamples([{ command: "heph path v3 v7" }])
)

export const checkout = Command.make("checkout", { version: Flags.version("version") }, ({ version: ref }) =>
  Effect.gen(function* () {
    const registry = yield* Store.forWriting
    const from = registry.current().version
    const { size, version } = yield* registry.applyVersion(ref).pipe(Progress.during(`going to ${ref}`))
    if (yield* Flags.Json) return yield* print(Json.stringify({ version }))
    const holds = Words.count(size, "entry", "entries")
    yield* print(from === version ? `Already at v${version}: ${holds}.` : `From v${from} to v${version}: ${holds}.`)
  }).pipe(Effect.scoped)
).pipe(
  Command.withShortDescription("Go to a version"),
  Command.withDescription(
    Flags.paragraph(
      "Moves the registry to a version, and head with it. Nothing is lost: later versions stay, and",
      "applying from here starts a branch."
    )
  ),
  Command.withExamples([
    { command: "heph checkout v3", description: "Go back" },
    { command: "heph checkout release", description: "Go to a tag" }
  ])
)

export const revert = Command.make(
  "revert",
  {
    version: Flags.version("version"),
    message: Flag.String("message").pipe(
      Flag.withAlias("m"),
      Flag.withMetavar("text"),
      Flag.withDescription('What the new version is for; "revert v…" if it is left out'),
      Flag.optional
    )
  },
  ({ message, version: ref }) =>
    Effect.gen(function* () {
      const registry = yield* Store.forWriting
      const text = Option.getOrElse(message, () => "")
      const { changeset, version } = yield* registry.revert(ref, text === "" ? undefined : { message: text })
      if (yield* Flags.Json) return yield* print(Json.stringify({ version: version?.id ?? null }))
      const { out } = yield* Output
      if (version === undefined) return yield* print(`Nothing to do: ${ref} is undone already.`)
      yield* print(`${out.style.bold(`v${version.id}`)}: ${Changes.summary(version)}`)
      yield* print(Changes.list(changeset, out))
    }).pipe(Effect.scoped)
).pipe(
  Command.withShortDescription("Undo one version, as a new one"),
  Command.withDescription(
    Flags.paragraph(
      "Makes a new version that undoes what one version changed. Refused where later versions",
      "changed the same entries."
    )
  ),
  Command.withExamples([{ command: "heph revert v7" }])
)
