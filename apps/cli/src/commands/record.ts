/** `record`: what was found out about a version. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Flags from "../Flags.ts"
import * as Implementing from "../Implementing.ts"
import * as Json from "../Json.ts"
import { Output, print, printable } from "../Output.ts"
import * as Progress from "../Progress.ts"
import * as TestReport from "../TestReport.ts"
import * as Versions from "../view/Versions.ts"
import * as Words from "../Words.ts"

export const record = Command.make(
  "record",
  {
    id: Argument.String("id").pipe(
      Argument.withDescription("project.component:version; a component stands for its newest version")
    ),
    metrics: Flags.metrics,
    tests: Flag.String("tests").pipe(
      Flag.withMetavar("file"),
      Flag.withDescription("The report of a test run, or - for standard input; replaces the results there are"),
      Flag.optional
    ),
    tags: Flags.texts("tag", "tag", "A tag to add: versions with one are always kept"),
    compression: Flags.compression
  },
  ({ compression, id, metrics, tags, tests }) =>
    Effect.gen(function* () {
      const hasMetrics = Object.keys(metrics).length > 0
      if (!hasMetrics && tags.length === 0 && Option.isNone(tests)) {
        return yield* new Flags.InvalidUsage({ reason: "there is nothing to record: give --metric, --tests or --tag" })
      }
      const results = Option.isNone(tests) ? undefined : yield* TestReport.read(tests.value)
      const { implementations } = yield* Implementing.forWriting({ compression })
      let version = yield* implementations.describe(id)
      const recording = Effect.gen(function* () {
        if (results !== undefined) version = yield* implementations.recordTestResults(version.id, results)
        if (hasMetrics) version = yield* implementations.recordMetrics(version.id, metrics)
        if (tags.length > 0) version = yield* implementations.recordTags(version.id, tags)
      })
      yield* Progress.during(`recording ${id}`)(recording)
      if (yield* Flags.Json) return yield* print(Json.stringify(Versions.json(version)))
      const { style } = (yield* Output).out
      const said = [
        Versions.statusMark(Versions.statusText(version), style),
        ...Object.entries(version.metrics).map(([name, value]) => `${printable(name)} ${Words.figure(value)}`),
        ...version.tags.map((tag) => style.cyan(printable(tag)))
      ]
      yield* print(`${style.bold(printable(version.id))}: ${said.join(", ")}`)
    }).pipe(Effect.scoped)
).pipe(
  Command.withShortDescription("Record metrics, test results and tags of a version"),
  Command.withDescription(
    [
      "Records what was found out about a version. Metrics and tags are added to those it has, test results",
      "  replace them. A report of tests is one of these:",
      "",
      `    [{"name":"sorts","outcome":"passed","duration":12,"message":"…"}]   passed, failed or skipped;`,
      `    {"tests":[…]}                                                     duration in milliseconds`,
      "    vitest run --reporter=json, jest --json",
      "    JUnit XML: node --test --test-reporter=junit, pytest --junit-xml=…, and many more"
    ].join("\n")
  ),
  Command.withExamples([
    { command: "heph record lab.sort:3 --metric score=0.93 --metric swaps=120" },
    { command: "vitest run --reporter=json | heph record lab.sort --tests -", description: "Of the newest version" },
    { command: "heph record lab.sort:3 --tag release", description: "Retention never removes it" }
  ])
)
