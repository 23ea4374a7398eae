/**
 * `heph`: the commands put together, and what becomes of their outcome.
 *
 *     0 done · 1 refused or failed · 2 bad usage · 130 interrupted
 */
import { readFileSync } from "node:fs"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Apply from "./commands/apply.ts"
import * as Backup from "./commands/backup.ts"
import * as Code from "./commands/code.ts"
import * as Compact from "./commands/compact.ts"
import * as Compare from "./commands/compare.ts"
import * as Config from "./commands/config.ts"
import * as Deps from "./commands/deps.ts"
import * as Export from "./commands/export.ts"
import * as Find from "./commands/find.ts"
import * as Get from "./commands/get.ts"
import * as Import from "./commands/importGit.ts"
import * as Lineage from "./commands/lineage.ts"
import * as Log from "./commands/log.ts"
import * as Migrate from "./commands/migrate.ts"
import * as Prune from "./commands/prune.ts"
import * as Record from "./commands/record.ts"
import * as Register from "./commands/register.ts"
import * as Search from "./commands/search.ts"
import * as Show from "./commands/show.ts"
import * as Stats from "./commands/stats.ts"
import * as Status from "./commands/status.ts"
import * as Tag from "./commands/tag.ts"
import * as Travel from "./commands/travel.ts"
import * as Verify from "./commands/verify.ts"
import * as Versions from "./commands/versions.ts"
import * as Watch from "./commands/watch.ts"
import * as Flags from "./Flags.ts"
import * as Json from "./Json.ts"
import { note, Output, printable } from "./Output.ts"
import * as Scheduled from "./Scheduled.ts"

const heph = Command.make("heph").pipe(
  Command.withDescription(
    Flags.paragraph(
      "A versioned registry: entries change only through versions, and every version can be read,",
      "compared, gone back to and undone. Also of code: each attempt with its scores, tests and ancestry."
    )
  ),
  Command.withSubcommands([
    {
      group: "Changing it",
      commands: [
        Scheduled.afterwards(Apply.plan),
        Scheduled.afterwards(Apply.apply),
        Scheduled.afterwards(Travel.revert),
        Scheduled.afterwards(Travel.checkout),
        Scheduled.afterwards(Tag.tag)
      ]
    },
    {
      group: "Reading it",
      commands: [
        Scheduled.afterwards(Get.get),
        Scheduled.afterwards(Find.find),
        Scheduled.afterwards(Deps.deps),
        Scheduled.afterwards(Export.exportCommand),
        Scheduled.afterwards(Status.status)
      ]
    },
    {
      group: "Its history",
      commands: [
        Scheduled.afterwards(Log.log),
        Scheduled.afterwards(Show.show),
        Scheduled.afterwards(Show.diff),
        Scheduled.afterwards(Travel.path),
        Watch.watch
      ]
    },
    {
      group: "Versions of code",
      commands: [
        Scheduled.afterwards(Register.register),
        Import.importCommand,
        Scheduled.afterwards(Record.record),
        Scheduled.afterwards(Versions.versions),
        Scheduled.afterwards(Code.code),
        Scheduled.afterwards(Compare.compare),
        Scheduled.afterwards(Lineage.lineage),
        Scheduled.afterwards(Search.search),
        Scheduled.afterwards(Stats.stats),
        Scheduled.afterwards(Prune.prune)
      ]
    },
    {
      group: "Its upkeep",
      commands: [Verify.verify, Backup.backup, Backup.restore, Compact.compact, Migrate.migrate, Config.config]
    }
  ]),
  Command.withGlobalFlags([Flags.Store, Flags.Json]),
  Command.withExamples([
    { command: "heph plan definitions/", description: "What would change" },
    { command: 'heph apply definitions/ -m "first import"', description: "Change it: one transaction, one version" },
    { command: "heph find '.kind=function.*' meta.team=web", description: "What is in there" },
    { command: "heph log", description: "What happened" },
    { command: "heph checkout v1", description: "Go back; nothing is lost" },
    {
      command: "heph register sort.ts --component lab.sort --metric score=0.81",
      description: "Keep a version of code"
    },
    { command: "source <(heph --completions bash)", description: "Completions: bash, zsh, fish or powershell" }
  ])
)

/**
 * Runs a command line, the name of the program left out, and succeeds with its exit code. Whatever goes wrong is told on
 * standard error; only an interruption is left to the caller.
 */
export const run = (args: ReadonlyArray<string>): Effect.Effect<number> => {
  const isJson = Flags.asksForJson(args)
  const later: Scheduled.Later = { work: Effect.void }
  return Command.runWith(heph, { version: readVersion() })(Flags.explicit(args)).pipe(
    Effect.provideService(Scheduled.Later, later),
    Effect.andThen(Effect.suspend(() => later.work)),
    Effect.as(0),
    Effect.catchTags({
      OutputClosed: () => Effect.succeed(0),
      Damaged: () => Effect.succeed(1),
      // The presenter has told it.
      ShowHelp: ({ errors }) => Effect.succeed(errors.length === 0 ? 0 : 2)
    }),
    Effect.catch((error) =>
      Effect.as(
        tell(error._tag, error.message, isJson),
        CliError.isCliError(error) || error._tag === "InvalidUsage" || error._tag === "InvalidHistoryUrl" ? 2 : 1
      )
    ),
    Effect.catchDefect((defect) => {
      const text = defect instanceof Error ? (defect.stack ?? defect.message) : String(defect)
      return Effect.as(tell("Defect", `this is a mistake in heph, please report it: ${text}`, isJson), 1)
    }),
    Effect.provide(Layer.mergeAll(NodeServices.layer, presenter(isJson), warnings, builtIns))
  )
}

/** {@link run} with the arguments of this process, whose exit code it sets. */
export const main = (): void => runMain(run(process.argv.slice(2)))

/** Runs an effect as this process, which ends with the exit code that it succeeds with, or with 130. */
export const runMain = (program: Effect.Effect<number>): void => {
  // The first Ctrl-C lets what is on its way come to an end. Whoever presses it again does not want to wait.
  let interrupts = 0
  process.on("SIGINT", () => {
    if (++interrupts < 2) return
    process.stderr.write("interrupted again: ended at once; what was on its way may or may not have been done\n")
    process.exit(130)
  })
  NodeRuntime.runMain(program, {
    disableErrorReporting: true,
    teardown: (exit, onExit) =>
      onExit(Exit.isSuccess(exit) ? Number(exit.value) : Cause.hasInterrupts(exit.cause) ? 130 : 1)
  })
}

const tell = (tag: string, message: string, isJson: boolean): Effect.Effect<void> =>
  Effect.flatMap(Output, ({ err }) =>
    note(
      isJson ? Json.stringify({ error: { _tag: tag, message } }) : `${err.style.red("error:")} ${printable(message)}`
    )
  )

/** Help goes to standard output, what is wrong with the arguments to standard error, with the way to help. */
const presenter = (isJson: boolean) =>
  CliOutput.layerPresenter({
    present: (event) =>
      Effect.gen(function* () {
        const { err, out } = yield* Output
        const formatter = CliOutput.defaultFormatter({ colors: out.style.bold("x") !== "x" })
        switch (event._tag) {
          case "Help":
            return yield* Effect.ignore(out.write(`${formatter.formatHelpDoc(event.helpDoc)}\n`))
          case "Version":
            return yield* Effect.ignore(out.write(`${event.name} ${event.version}\n`))
          case "InvalidInvocation": {
            const [first] = event.errors
            const message = event.errors.map((error) => error.message).join("\n")
            yield* tell(first?._tag ?? "InvalidUsage", message, isJson)
            if (!isJson)
              yield* note(
                err.style.dim(`\nusage: ${event.helpDoc.usage}\n${event.commandPath.join(" ")} --help tells more`)
              )
          }
        }
      })
  })

/** What packages log goes to standard error. */
const warnings = Logger.layer([
  Logger.make(({ logLevel, message }) => {
    process.stderr.write(`${logLevel.toLowerCase()}: ${[message].flat().map(String).join(" ")}\n`)
  })
])

const builtIns = CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions] })

const readVersion = (): string => {
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
    readonly version: string
  }
  return version
}
