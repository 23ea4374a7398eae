/** `deps`: what an entry depends on, or what depends on it. */
import * as EntryId from "@heph/entry/EntryId"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Flags from "../Flags.ts"
import * as Json from "../Json.ts"
import { note, Output, print, printable } from "../Output.ts"
import * as Store from "../Store.ts"
import * as Table from "../Table.ts"
import { entryOf } from "./get.ts"

export const deps = Command.make(
  "deps",
  {
    id: Argument.String("id").pipe(Argument.withDescription("namespace:name")),
    reverse: Flags.toggle("reverse", "What depends on it, instead of what it depends on"),
    transitive: Flags.toggle("transitive", "And what that depends on, all the way")
  },
  ({ id: text, reverse, transitive }) =>
    Effect.gen(function* () {
      const registry = yield* Store.forReading
      const id = yield* Effect.fromResult(EntryId.parse(text))
      const graph = registry.dependencies()
      const ids = reverse ? graph.dependentsOf(id, { transitive }) : graph.dependenciesOf(id, { transitive })
      // Others may refer to what does not exist, and asking who does is worth an answer.
      if (ids.length === 0) yield* entryOf(registry.current(), text)
      if (yield* Flags.Json) return yield* print(Json.stringify({ ids: ids.map(({ value }) => value) }))
      if (ids.length === 0)
        return yield* note(printable(reverse ? `nothing depends on ${text}` : `${text} depends on nothing`))
      const { out } = yield* Output
      const rows = ids.map((id) => [id.value, registry.current().get(id)?.kind ?? ""])
      yield* print(Table.render([{}, { mark: (cell, style) => style.dim(cell) }], rows, out))
    }).pipe(Effect.scoped)
).pipe(
  Command.withShortDescription("Show what an entry depends on"),
  Command.withDescription(
    Flags.paragraph(
      "Prints what an entry depends on by its meta.depends_on, or with --reverse what depends on",
      "it. Only what exists counts."
    )
  ),
  Command.withExamples([
    { command: "heph deps app.api:users", description: "What it needs" },
    { command: "heph deps app:db --reverse --transitive", description: "Everything that breaks without it" }
  ])
)
