/** `stats`: whether a component becomes better. */
import type * as Analytics from "@heph/implementations/Analytics"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Flags from "../Flags.ts"
import * as Implementing from "../Implementing.ts"
import * as Json from "../Json.ts"
import { note, Output, print, printable } from "../Output.ts"
import * as Table from "../Table.ts"
import * as Versions from "../view/Versions.ts"
import * as Words from "../Words.ts"

/** No version of the component has such a metric. */
class UnknownMetric extends Schema.TaggedError<UnknownMetric>()("UnknownMetric", {
  component: Schema.String,
  metric: Schema.NullOr(Schema.String),
  /** Those that its versions have. */
  metrics: Schema.Array(Schema.String)
}) {
  override get message(): string {
    const what = this.metric === null ? "a metric" : `the metric ${this.metric}`
    const there =
      this.metrics.length === 0
        ? "heph record <id> --metric score=0.9 records one"
        : `they have ${this.metrics.join(", ")}`
    return `no version of ${this.component} has ${what}; ${there}`
  }
}

export const stats = Command.make(
  "stats",
  {
    component: Argument.String("component").pipe(Argument.withDescription("project.component")),
    metric: Flags.text("metric", "Which metric; the one that most versions have if left out"),
    min: Flags.toggle("min", "Lower values are better"),
    patience: Flags.count("patience", "After how many versions without a better one it is stagnant; 20 if left out"),
    at: Flags.at
  },
  ({ at: ref, component, metric, min, patience }) =>
    Effect.gen(function* () {
      const { implementations } = yield* Implementing.forReading()
      const { at, total, versions } = yield* implementations.listVersions(component, {}, { at: ref })
      const metrics = Versions.metricsOf(versions)
      const asked = Option.getOrElse(metric, () => metrics[0])
      if (asked === undefined || !metrics.includes(asked)) {
        return yield* new UnknownMetric({ component, metric: asked ?? null, metrics })
      }
      const direction = min ? "min" : "max"
      const options = { at, direction, patience: Option.getOrUndefined(patience) } as const
      const best = yield* implementations.best(component, asked, options)
      const trend = yield* implementations.trend(component, asked, options)
      const { generations } = yield* implementations.generations(component, asked, options)
      const stagnation = yield* implementations.stagnation(component, asked, options)
      if (yield* Flags.Json) {
        const { skipped, ...stagnant } = stagnation
        return yield* print(
          Json.stringify({
            component,
            at,
            metric: asked,
            direction,
            total,
            skipped,
            best: best === undefined ? null : Versions.json(best),
            slope: trend.slope,
            points: trend.points.map((point) => ({ ...point, created: new Date(point.created).toISOString() })),
            generations,
            stagnation: { ...stagnant, since: stagnant.since === null ? null : new Date(stagnant.since).toISOString() }
          })
        )
      }
      const { out } = yield* Output
      const chart = yield* Effect.promise(() => import("../view/MetricChart.ts"))
      yield* print(
        `${out.style.bold(printable(component))}  ${printable(asked)}, ${min ? "lower" : "higher"} is better\n`
      )
      yield* print(chart.render(trend.points, { style: out.style, columns: out.columns, direction }))
      const facts = factsOf({ trend, stagnation, total, now: yield* Clock.currentTimeMillis })
      yield* print(`\n${Table.render([{ mark: (cell, style) => style.dim(cell) }, {}], facts, out)}`)
      const hidden = generations.length - mostGenerations
      yield* print(`\n${generationTable(hidden > 0 ? generations.slice(hidden) : generations, out)}`)
      if (hidden > 0) yield* note(`and ${Words.count(hidden, "generation")} before these: --json prints all`)
    }).pipe(Effect.scoped)
).pipe(
  Command.withShortDescription("Show whether a component becomes better"),
  Command.withDescription(
    Flags.paragraph(
      "Draws a metric over the versions of a component, with the best so far on a terminal with colours, and",
      "prints the best version, the trend, each generation, and for how long nothing was better."
    )
  ),
  Command.withExamples([
    { command: "heph stats lab.sort", description: "The metric that most versions have" },
    { command: "heph stats lab.sort --metric swaps --min --patience 50", description: "Lower is better" }
  ])
)

/** As many generations are listed for people. */
const mostGenerations = 20

const factsOf = ({
  now,
  stagnation,
  total,
  trend
}: {
  readonly now: number
  readonly stagnation: Analytics.Stagnation
  readonly total: number
  readonly trend: Analytics.Trend
}): ReadonlyArray<ReadonlyArray<string>> => {
  const { best, isStagnant, since, value, versions } = stagnation
  const measured = trend.points.length
  return [
    [
      "versions",
      measured === total ? Words.count(total, "version") : `${measured} of ${Words.count(total, "version")}`
    ],
    ["best", `${best}: ${Words.figure(value ?? 0)}, ${Words.ago(since ?? now, now)}`],
    ["trend", trend.slope === null ? "one version has none" : `${signed(trend.slope)} a version`],
    ["since then", `${Words.count(versions, "version")} without a better one${isStagnant ? ": stagnant" : ""}`]
  ]
}

const signed = (value: number): string => (value > 0 ? `+${Words.figure(value)}` : Words.figure(value))

const generationTable = (generations: ReadonlyArray<Analytics.Generation>, target: Table.Target): string =>
  Table.render(
    [
      { title: "generation", isRight: true },
      { title: "versions", isRight: true },
      { title: "min", isRight: true },
      { title: "median", isRight: true },
      { title: "mean", isRight: true },
      { title: "max", isRight: true },
      { title: "best", mark: (cell, style) => style.bold(cell) }
    ],
    generations.map(({ best, count, generation, max, mean, median, min }) => [
      String(generation),
      String(count),
      ...[min, median, mean, max].map(Words.figure),
      best
    ]),
    target
  )
