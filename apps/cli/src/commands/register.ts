/** `register`: code as the next version of a component. */
import type { Input as Code } from "@heph/implementations/Implementation"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as CodeFiles from "../CodeFiles.ts"
import * as Flags from "../Flags.ts"
import * as Implementing from "../Implementing.ts"
import * as Input from "../Input.ts"
import * as Json from "../Json.ts"
import { note, Output, print, printable } from "../Output.ts"
import * as Progress from "../Progress.ts"
import * as Words from "../Words.ts"

/** What code from standard input is called where nobody says. */
const unnamed = "main"

const readCode = Effect.fnUntraced(function* (paths: ReadonlyArray<string>, path: Option.Option<string>) {
  if (paths.includes("-")) {
    if (paths.length > 1) return yield* new Flags.InvalidUsage({ reason: "- is all the code there is, or none of it" })
    return { [Option.getOrElse(path, () => unnamed)]: yield* Input.standardInput("code") }
  }
  if (Option.isSome(path)) return yield* new Flags.InvalidUsage({ reason: "--path names what - holds" })
  const { input, skipped } = yield* CodeFiles.read(paths).pipe(Progress.during(`reading ${paths.join(", ")}`))
  const { err } = yield* Output
  for (const at of skipped) yield* note(err.style.dim(printable(`skipped ${at}: it is no file, folder or link`)))
  return input
})

export const register = Command.make(
  "register",
  {
    paths: Argument.String("file").pipe(
      Argument.withDescription("Files, folders, or - for standard input"),
      Argument.variadic({ min: 1 })
    ),
    component: Flag.String("component").pipe(
      Flag.withAlias("c"),
      Flag.withMetavar("project.component"),
      Flag.withDescription("What it is a version of")
    ),
    parents: Flags.texts("parent", "id", "The version it comes from, several for a crossover; the newest if left out"),
    noParent: Flags.toggle("no-parent", "It comes from no version: the root of a lineage"),
    metrics: Flags.metrics,
    tags: Flags.texts("tag", "tag", "A tag: versions with one are always kept"),
    bump: Flag.Literals("bump", ["major", "minor", "patch"]).pipe(
      Flag.withDescription("Which part of a semantic version grows; patch if left out"),
      Flag.optional
    ),
    goal: Flags.text("goal", "What it was made for"),
    generator: Flags.text("generator", "What made it: a tool, a model, a mutation"),
    author: Flags.text("author", "Who made it"),
    language: Flags.text("language", "What it is written in; told by the names of the files if left out"),
    message: Flag.String("message").pipe(
      Flag.withAlias("m"),
      Flag.withMetavar("text"),
      Flag.withDescription("What was changed"),
      Flag.optional
    ),
    fields: Flags.fields,
    path: Flags.text("path", `What the code of standard input is called; ${unnamed} if left out`),
    versionStrategy: Flags.versionStrategy,
    compression: Flags.compression
  },
  (given) =>
    Effect.gen(function* () {
      if (given.noParent && given.parents.length > 0) {
        return yield* new Flags.InvalidUsage({ reason: "--no-parent and --parent say different things" })
      }
      const code: Exclude<Code, string | Uint8Array> = yield* readCode(given.paths, given.path)
      const { compression, versionStrategy } = given
      const { implementations } = yield* Implementing.forRegistering({ versionStrategy, compression })
      const paths = Object.keys(code)
      const registered = yield* implementations
        .register(code, {
          component: given.component,
          parent: given.noParent ? null : given.parents.length === 0 ? undefined : given.parents,
          author: Option.getOrUndefined(given.author),
          generator: Option.getOrUndefined(given.generator),
          goal: Option.getOrUndefined(given.goal),
          language: Option.getOrElse(given.language, () => CodeFiles.languageOf(paths)),
          message: Option.getOrUndefined(given.message),
          bump: Option.getOrUndefined(given.bump),
          tags: given.tags,
          metrics: given.metrics,
          fields: given.fields
        })
        .pipe(Progress.during(`registering ${Words.count(paths.length, "file")}`))
      const { duplicateOf, hash, id, parent, version } = registered
      if (yield* Flags.Json) return yield* print(Json.stringify({ id, version, parent, hash, duplicateOf }))
      const { out } = yield* Output
      const from = parent === null ? "a root" : `from ${printable(parent)}`
      yield* print(
        `${out.style.bold(printable(id))}: ${from}, ${Words.count(paths.length, "file")}, ${hash.slice(0, 12)}`
      )
      if (duplicateOf !== null) yield* note(`its code is that of ${printable(duplicateOf)}, and is stored once`)
    }).pipe(Effect.scoped)
).pipe(
  Command.withShortDescription("Register code as a version of a component"),
  Command.withDescription(
    Flags.paragraph(
      "Registers code as the next version of a component, with what is known about it. One file is called",
      "by its name; of a folder all files are taken but node_modules and .git, links as links; several",
      "are called by their paths from the deepest folder that holds them. Makes the registry where there",
      "is none."
    )
  ),
  Command.withExamples([
    { command: "heph register sort.ts --component lab.sort --metric score=0.81", description: "A first version" },
    {
      command: 'heph register sort.ts -c lab.sort --parent lab.sort:1 --goal "fewer swaps" --generator gpt',
      description: "What came of it"
    },
    { command: "heph register src/ -c web.parser --tag release --bump minor", description: "A folder" },
    { command: "mutate | heph register - -c lab.sort --path sort.ts --json", description: "From standard input" }
  ])
)
