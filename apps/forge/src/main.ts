/**
 * `heph-forge`: the loop as a command.
 *
 *     0 done · 1 refused or failed · 2 bad usage · 130 interrupted, and nothing is lost
 */
import { readFileSync } from "node:fs"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import type { Version } from "@heph/implementations/Implementation"
import * as Implementations from "@heph/implementations/Implementations"
import * as Cause from "effect/Cause"
import * as Argument from "effect/cli/Argument"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as ForgeLoop from "./ForgeLoop.ts"
import { during, note, Output, print } from "./Output.ts"
import { score } from "./ScoringSystem.ts"
import * as Stack from "./stack.ts"
import * as Task from "./Task.ts"

/** Arguments that are right one by one, and not together. */
class InvalidUsage extends Schema.TaggedError<InvalidUsage>()("InvalidUsage", { reason: Schema.String }) {
  override get message(): string {
    return this.reason
  }
}

const Store = GlobalFlag.Setting("store")({
  flag: Flag.String("store").pipe(
    Flag.withMetavar("url"),
    Flag.withDescription("The registry: a folder, sqlite:<file>, postgres://… or memory:; else as heph has it"),
    Flag.optional
  )
})

const Json = GlobalFlag.Setting("json")({
  flag: Flag.Boolean("json").pipe(
    Flag.withoutNegation,
    Flag.withDefault(false),
    Flag.withDescription("Print one JSON document and nothing else")
  )
})

const task = Argument.String("task").pipe(
  Argument.withDescription(`One of ${Task.builtIn.join(", ")}, or the folder of a task`)
)

const count = (name: string, description: string) =>
  Flag.Int(name).pipe(
    Flag.withMetavar("n"),
    Flag.withDescription(description),
    Flag.filter(
      (count) => count >= 1,
      () => "a whole number from 1 on"
    )
  )

const units: Readonly<Record<string, (n: number) => Duration.Duration>> = {
  s: Duration.seconds,
  m: Duration.minutes,
  h: Duration.hours
}

const time = Flag.String("time").pipe(
  Flag.withMetavar("time"),
  Flag.withDescription("End after this time: 90s, 10m, 2h"),
  Flag.filterMap(
    (text) => {
      const [, n, unit = ""] = /^(\d+(?:\.\d+)?)([smh])$/.exec(text) ?? []
      return n === undefined ? Option.none() : Option.some(units[unit]!(Number(n)))
    },
    () => "a number with s, m or h"
  ),
  Flag.optional
)

const run = Command.make(
  "run",
  {
    task,
    rounds: count("rounds", "Try so many candidates; 200 without it and --time").pipe(Flag.optional),
    time,
    seed: Flag.Int("seed").pipe(
      Flag.withMetavar("n"),
      Flag.withDescription("What is drawn follows from it"),
      Flag.withDefault(1)
    ),
    concurrency: count("concurrency", "Run so many at once").pipe(Flag.withDefault(1)),
    modelUrl: Flag.String("model-url").pipe(
      Flag.withMetavar("url"),
      Flag.withDescription(
        "Ask a model: its endpoint for chat completions; HEPH_FORGE_API_KEY is the key, if it needs one"
      ),
      Flag.optional
    ),
    model: Flag.String("model").pipe(
      Flag.withMetavar("name"),
      Flag.withDescription("Which model to ask"),
      Flag.optional
    )
  },
  Effect.fnUntraced(function* (options) {
    const task = yield* Task.load(options.task)
    const model = yield* modelOf(Option.getOrUndefined(options.modelUrl), Option.getOrUndefined(options.model))
    const rounds = Option.getOrElse(options.rounds, () => (Option.isNone(options.time) ? 200 : Infinity))
    const of = Number.isFinite(rounds) ? ` of ${rounds}` : ""
    let line = `${task.title}: testing what it begins with`
    let found = ""
    const began = performance.now()
    const show = ({ failed, isBest, tried, version }: ForgeLoop.Progress) => {
      const rate = (tried / ((performance.now() - began) / 1000)).toFixed(1)
      if (isBest) found = `, ${measured(task, version)}`
      line = `${task.title}: ${tried}${of} tried, ${failed} failed, ${rate}/s${found}`
      return isBest
        ? note(`${version.id}  ${measured(task, version)}  ${version.generator ?? ""}  ${version.message ?? ""}`)
        : Effect.void
    }
    const outcome = yield* Effect.gen(function* () {
      const loop = yield* ForgeLoop.ForgeLoop
      return yield* loop.run(task, {
        rounds,
        time: Option.getOrUndefined(options.time),
        seed: options.seed,
        concurrency: options.concurrency,
        onProgress: show
      })
    }).pipe(
      Effect.provide(Stack.loop(model).pipe(Layer.provide(Stack.registry(yield* Stack.config(yield* storeFlag))))),
      Effect.onInterrupt(() => note("interrupted; run it again, and it goes on from there")),
      during(() => line)
    )
    const { best, duration, ended, failed, settled, start, tried } = outcome
    const seconds = duration / 1000
    if (yield* Json) {
      const versionOf = ({ id, metrics }: Version) => ({ id, metrics })
      const document = { component: outcome.component, start: versionOf(start), best: versionOf(best) }
      return yield* print(JSON.stringify({ ...document, tried, failed, settled, seconds, ended }))
    }
    const rate = tried === 0 ? "" : `, ${(tried / seconds).toFixed(1)} a second`
    yield* print(`began with  ${start.id}  ${measured(task, start)}`)
    yield* print(`best now    ${best.id}  ${measured(task, best)}`)
    yield* print(`${tried} candidates, ${failed} of them failed a test${rate}`)
    if (ended === "exhausted") yield* note("nothing new was found any more")
  })
).pipe(
  Command.withShortDescription("Improve the code of a task"),
  Command.withDescription(
    "Registers what a task begins with, then makes, tests and scores candidates. Run again, it goes on from what the registry has."
  ),
  Command.withExamples([
    { command: "heph-forge run bin-packing --rounds 400 --concurrency 2", description: "400 candidates, two at once" },
    { command: "heph-forge run ./my-task --time 10m", description: "A task of your own, for ten minutes" }
  ])
)

const tasks = Command.make(
  "tasks",
  {},
  Effect.fnUntraced(function* () {
    const all = yield* Effect.forEach(Task.builtIn, Task.load)
    if (yield* Json) {
      const documents = all.map(({ component, name, objective, title }) => ({ name, title, component, objective }))
      return yield* print(JSON.stringify({ tasks: documents }))
    }
    const width = Math.max(...all.map(({ name }) => name.length))
    for (const { component, name, objective, title } of all) {
      yield* print(
        `${name.padEnd(width)}  ${title}: ${objective.metric}, ${objective.direction} is better (${component})`
      )
    }
  })
).pipe(Command.withShortDescription("List the tasks that come with this"))

const best = Command.make(
  "best",
  { task },
  Effect.fnUntraced(function* (options) {
    const task = yield* Task.load(options.task)
    const version = yield* Effect.gen(function* () {
      const implementations = yield* Implementations.Implementations
      const found = yield* implementations.best(task.component, score)
      return yield* implementations.getVersion(found?.id ?? task.component)
    }).pipe(Effect.provide(Stack.registry(yield* Stack.config(yield* storeFlag), { readOnly: true })))
    const code = ForgeLoop.codeOf(version)
    if (yield* Json) return yield* print(JSON.stringify({ id: version.id, metrics: version.metrics, code }))
    yield* note(`${version.id}  ${measured(task, version)}`)
    yield* print(code.trimEnd())
  })
).pipe(Command.withShortDescription("Print the best code of a task"))

const heph = Command.make("heph-forge").pipe(
  Command.withDescription("Improves code in a loop over the implementation registry."),
  Command.withSubcommands([run, tasks, best]),
  Command.withGlobalFlags([Store, Json])
)

const storeFlag = Effect.map(Store, Option.getOrUndefined)

const modelOf = Effect.fnUntraced(function* (url: string | undefined, model: string | undefined) {
  if (url === undefined && model === undefined) return undefined
  if (url === undefined || model === undefined || !URL.canParse(url)) {
    return yield* new InvalidUsage({ reason: "a model is asked with --model-url <endpoint> and --model <name>, both" })
  }
  const key = process.env["HEPH_FORGE_API_KEY"]
  return { url, model, apiKey: key ? Redacted.make(key) : undefined }
})

/** The objective of a version, and what it is on the data that is held out. */
const measured = ({ objective: { metric, unit = "" } }: Task.Task, { metrics }: Version): string => {
  const value = (of: number | undefined) => (of === undefined ? "not measured" : `${of.toFixed(3)}${unit}`)
  const other = metrics[ForgeLoop.heldOut]
  return `${metric} ${value(metrics[metric])}${other === undefined ? "" : `, held out ${value(other)}`}`
}

/** Runs a command line, the name of the program left out, and succeeds with its exit code. */
export const program = (args: ReadonlyArray<string>): Effect.Effect<number> => {
  const isJson = args.includes("--json")
  return Command.runWith(heph, { version: readVersion() })(args).pipe(
    Effect.as(0),
    Effect.catchTags({
      // The presenter has told it.
      ShowHelp: ({ errors }) => Effect.succeed(errors.length === 0 ? 0 : 2),
      OutputFailed: (error) => (error.isClosed ? Effect.succeed(0) : Effect.as(tell(error, isJson), 1))
    }),
    Effect.catch((error) =>
      Effect.as(
        tell(error, isJson),
        CliError.isCliError(error) || error._tag === "InvalidUsage" || error._tag === "InvalidHistoryUrl" ? 2 : 1
      )
    ),
    Effect.catchDefect((defect) => {
      const text = defect instanceof Error ? (defect.stack ?? defect.message) : String(defect)
      const message = `this is a mistake in heph-forge, please report it: ${text}`
      return Effect.as(tell({ _tag: "Defect", message }, isJson), 1)
    }),
    Effect.provide(Layer.mergeAll(NodeServices.layer, presenter(isJson), warnings, builtIns))
  )
}

/** {@link program} with the arguments of this process, which ends with its exit code, or with 130 where it is interrupted. */
export const main = (): void => {
  NodeRuntime.runMain(program(process.argv.slice(2)), {
    disableErrorReporting: true,
    teardown: (exit, onExit) =>
      onExit(Exit.isSuccess(exit) ? Number(exit.value) : Cause.hasInterrupts(exit.cause) ? 130 : 1)
  })
}

const tell = ({ _tag, message }: { readonly _tag: string; readonly message: string }, isJson: boolean) =>
  note(isJson ? JSON.stringify({ error: { _tag, message } }) : `error: ${message}`)

/** Help goes to standard output, what is wrong with the arguments to standard error. */
const presenter = (isJson: boolean) =>
  CliOutput.layerPresenter({
    present: (event) =>
      Effect.gen(function* () {
        const { out } = yield* Output
        switch (event._tag) {
          case "Help":
            return yield* Effect.ignore(
              out.write(`${CliOutput.defaultFormatter({ colors: false }).formatHelpDoc(event.helpDoc)}\n`)
            )
          case "Version":
            return yield* Effect.ignore(out.write(`${event.name} ${event.version}\n`))
          case "InvalidInvocation": {
            const message = event.errors.map((error) => error.message).join("\n")
            yield* tell({ _tag: event.errors[0]?._tag ?? "InvalidUsage", message }, isJson)
            if (!isJson)
              yield* note(`\nusage: ${event.helpDoc.usage}\n${event.commandPath.join(" ")} --help tells more`)
          }
        }
      })
  })

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
