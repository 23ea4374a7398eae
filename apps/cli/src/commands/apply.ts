/** `plan` and `apply`: definitions against what the registry holds. */
import * as Change from "@heph/registry/Change"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Changes from "../Changes.ts"
import * as Flags from "../Flags.ts"
import * as Input from "../Input.ts"
import * as Json from "../Json.ts"
import { note, Output, print } from "../Output.ts"
import * as Progress from "../Progress.ts"
import * as Store from "../Store.ts"
import * as Words from "../Words.ts"

const paths = Argument.String("path").pipe(
  Argument.withDescription("Definition files, folders of them, or - for standard input"),
  Argument.variadic({ min: 1 })
)
const prune = Flags.toggle("prune", "Delete every entry that the input does not name")

const nothingToDo = (version: number, { entries, files }: Input.Input): string =>
  entries.length === 0
    ? "Nothing to do: the input names no entry."
    : `Nothing to do: v${version} has it all (${Words.count(entries.length, "entry", "entries")} of ${Words.count(files, "file")}).`

export const plan = Command.make("plan", { paths, prune }, ({ paths, prune }) =>
  Effect.gen(function* () {
    const input = yield* Input.read(paths, { prune })
    const registry = yield* Store.forPlanning
    const { changeset, cycles } = yield* registry.plan(Change.hold(input.entries, { prune }))
    if (yield* Flags.Json) return yield* print(Json.stringify(Changes.planJson(changeset, cycles)))
    const { err, out } = yield* Output
    if (changeset.length === 0) {
      yield* print(nothingToDo(registry.current().version, input))
    } else {
      yield* print(Changes.list(changeset, out))
      const { created, deleted, updated } = Changes.counts(changeset)
      yield* print(`\nPlan: ${created} to create, ${updated} to update, ${deleted} to delete.`)
    }
    for (const cycle of cycles) yield* note(`${err.style.yellow("warning:")} ${Changes.cycleWarning(cycle)}`)
  }).pipe(Effect.scoped)
).pipe(
  Command.withShortDescription("Show what apply would do"),
  Command.withDescription(
    Flags.paragraph(
      "Shows what apply would do, in the order it would do it, and changes nothing. Where there is",
      "no registry yet, everything is to be created."
    )
  ),
  Command.withExamples([
    { command: "heph plan definitions/", description: "What a folder of definitions would change" },
    { command: "heph plan app.yaml --prune --json", description: "… deleting what it does not name, for a script" }
  ])
)

export const apply = Command.make(
  "apply",
  {
    paths,
    prune,
    message: Flag.String("message").pipe(
      Flag.withAlias("m"),
      Flag.withMetavar("text"),
      Flag.withDescription("What the new version is for"),
      Flag.optional
    )
  },
  ({ message, paths, prune }) =>
    Effect.gen(function* () {
      const input = yield* Input.read(paths, { prune })
      const registry = yield* Store.forApplying
      const { changeset, parent, version } = yield* registry
        .apply(Change.hold(input.entries, { prune }), { message: Option.getOrUndefined(message) || undefined })
        .pipe(Progress.during(`applying ${Words.count(input.entries.length, "entry", "entries")}`))
      const counts = Changes.counts(changeset)
      if (yield* Flags.Json) {
        return yield* print(Json.stringify({ version: version?.id ?? null, parent, ...counts }))
      }
      const { err, out } = yield* Output
      if (version === undefined) return yield* print(nothingToDo(parent, input))
      yield* print(`${out.style.bold(`v${version.id}`)}: ${Changes.summary(counts)}`)
      yield* print(Changes.listSome(changeset, version.id, out))
      const changed = changeset.flatMap((operation) => (operation.op === "delete" ? [] : [operation.entry.id]))
      for (const cycle of registry.dependencies().cyclesThrough(changed)) {
        yield* note(`${err.style.yellow("warning:")} ${Changes.cycleWarning(cycle)}`)
      }
    }).pipe(Effect.scoped)
).pipe(
  Command.withShortDescription("Make the registry hold what definitions say"),
  Command.withDescription(
    Flags.paragraph(
      "Makes the registry hold what definitions say: one transaction, one new version. Where",
      "nothing differs, there is none. Entries that the input does not name stay, unless --prune is",
      "given. Makes the registry where there is none."
    )
  ),
  Command.withExamples([
    { command: 'heph apply definitions/ -m "first import"', description: "All definitions of a folder" },
    { command: "heph apply a.yaml b.yaml --prune", description: "These, and delete everything else" },
    { command: "generate | heph apply -", description: "From standard input" }
  ])
)
