import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
/** `tag`: names for versions. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Flags from "../Flags.ts"
import * as Json from "../Json.ts"
import { note, Output, print, printable } from "../Output.ts"
import * as Store from "../Store.ts"
import * as Table from "../Table.ts"

const list = Effect.gen(function* () {
  const registry = yield* Store.forReading
  const tags = new Map([...registry.tags()].toSorted(([a], [b]) => (a < b ? -1 : 1)))
  if (yield* Flags.Json) return yield* print(Json.stringify({ tags }))
  if (tags.size === 0) return yield* note("there are no tags; heph tag <name> names the current version")
  const { out } = yield* Output
  const rows = [...tags].map(([name, version]) => [name, `v${version}`])
  yield* print(Table.render([{ mark: (cell, style) => style.cyan(cell) }, {}], rows, out))
})

const remove = Effect.fnUntraced(function* (name: string) {
  const registry = yield* Store.forWriting
  yield* registry.untag(name)
  if (yield* Flags.Json) return yield* print(Json.stringify({ tags: registry.tags() }))
  yield* print(`${printable(name)} is no tag any more.`)
})

const name = Effect.fnUntraced(function* (name: string, ref: string) {
  const registry = yield* Store.forWriting
  const before = registry.tags().get(name)
  const version = yield* registry.tag(name, ref)
  if (yield* Flags.Json) return yield* print(Json.stringify({ version }))
  yield* print(
    `${printable(name)} is v${version}${before === undefined || before === version ? "" : `, and was v${before}`}.`
  )
})

export const tag = Command.make(
  "tag",
  {
    name: Argument.String("name").pipe(Argument.withDescription("A name without white space"), Argument.optional),
    version: Flags.version("version", "7, v7, a tag, or head, which it is if it is left out").pipe(Argument.optional),
    delete: Flags.toggle("delete", "Forget the name")
  },
  (input) =>
    Effect.gen(function* () {
      const named = Option.getOrUndefined(input.name)
      const version = Option.getOrUndefined(input.version)
      if (input.delete && (named === undefined || version !== undefined)) {
        return yield* new Flags.InvalidUsage({ reason: "--delete takes the name of a tag, and no version" })
      }
      if (named === undefined) yield* list
      else if (input.delete) yield* remove(named)
      else yield* name(named, version ?? "head")
    }).pipe(Effect.scoped)
).pipe(
  Command.withShortDescription("Name a version, or list the names"),
  Command.withDescription(
    Flags.paragraph(
      "Names a version; the name then works wherever a version does. A name that there is moves.",
      "Without a name, lists them."
    )
  ),
  Command.withExamples([
    { command: "heph tag release", description: "Name the current version" },
    { command: "heph tag release v3", description: "Name another one" },
    { command: "heph tag", description: "List the names" },
    { command: "heph tag --delete release", description: "Forget one" }
  ])
)
