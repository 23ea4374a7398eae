/** `import git`: the history of a repository as versions. */
import type { Imported } from "@heph/import-git/GitImport"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Flags from "../Flags.ts"
import * as Implementing from "../Implementing.ts"
import * as Json from "../Json.ts"
import { note, Output, print, printable } from "../Output.ts"
import * as Progress from "../Progress.ts"
import * as Scheduled from "../Scheduled.ts"
import * as Words from "../Words.ts"

const git = Command.make(
  "git",
  {
    repository: Argument.String("repository").pipe(
      Argument.withDescription("A folder: a work tree, a bare repository, or anything in one")
    ),
    paths: Flags.texts("path", "glob", "Only these files, by their path from the top: src/**, *.ts, or a folder"),
    project: Flags.text("project", "The first part of the components; the name of the repository's folder if left out"),
    compression: Flags.compression,
    versionStrategy: Flags.versionStrategy
  },
  ({ compression, paths, project, repository, versionStrategy }) =>
    Effect.gen(function* () {
      const { run } = yield* Effect.promise(() => import("@heph/import-git/GitImport"))
      const { context } = yield* Implementing.forRegistering({ compression, versionStrategy })
      let counts: Progress.Counts = { done: 0, of: 0, made: 0 }
      const imported = yield* run(repository, {
        paths: paths.length === 0 ? undefined : paths,
        project: Option.getOrUndefined(project),
        onProgress: ({ commits, of, versions }) => (counts = { done: commits, of, made: versions })
      }).pipe(
        Effect.provideContext(context),
        Progress.bar({ done: "commits", made: "versions" }, () => counts),
        Effect.onInterrupt(() =>
          note(`broken off: ${Words.count(counts.made, "version")} came; the same command goes on from there`)
        )
      )
      const { components, known, versions } = imported
      yield* tellSkipped(imported)
      if (yield* Flags.Json) {
        // What came before, and what cannot come.
        const skipped = imported.skipped.reduce((sum, { count }) => sum + count, known)
        return yield* print(Json.stringify({ components, versions, skipped }))
      }
      const { out } = yield* Output
      const before = known === 0 ? "" : `; ${Words.count(known, "version")} came before`
      yield* print(
        `${out.style.bold(printable(imported.project))}: ${Words.count(versions, "version")} imported, of ${Words.count(components, "component")}${before}.`
      )
    }).pipe(Effect.scoped)
).pipe(
  Command.withShortDescription("Import the history of a git repository"),
  Command.withDescription(
    Flags.paragraph(
      "Reads the history that leads to HEAD with your own git, without a checkout: each file becomes a",
      "component, each commit that changed it a version, with its parents, author, date and message. What",
      "was renamed keeps its lineage. Run again, it adds what is new; broken off, it goes on from there."
    )
  ),
  Command.withExamples([
    { command: "heph import git .", description: "This repository" },
    {
      command: "heph import git ../parser --path 'src/**' --path '*.md' --project parser",
      description: "A part of one"
    }
  ])
)

export const importCommand = Command.make("import").pipe(
  Command.withShortDescription("Import versions from elsewhere"),
  Command.withDescription("Registers versions that are kept elsewhere."),
  Command.withSubcommands([Scheduled.afterwards(git)])
)

const most = 20

const reasons: { readonly [K in Imported["skipped"][number]["reason"]]: string } = {
  submodule: "it is a submodule; import that repository by itself",
  encoding: "its name is not UTF-8",
  "too large": "it is too large",
  "path too long": "its path is too long for the name of a component"
}

const tellSkipped = Effect.fnUntraced(function* ({ skipped }: Imported) {
  const { err } = yield* Output
  for (const { commit, count, path, reason } of skipped.slice(0, most)) {
    const times = count === 1 ? "" : `, and ${Words.count(count - 1, "other time")}`
    yield* note(err.style.dim(printable(`skipped ${path} of ${commit.slice(0, 12)}${times}: ${reasons[reason]}`)))
  }
  if (skipped.length > most) yield* note(err.style.dim(`… and ${Words.count(skipped.length - most, "other file")}`))
})
