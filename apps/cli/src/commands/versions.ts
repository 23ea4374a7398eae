/** `versions`: the versions of a component, or the components there are. */
import type { Filters } from "@heph/implementations/Implementations"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Flags from "../Flags.ts"
import * as Implementing from "../Implementing.ts"
import * as Json from "../Json.ts"
import { note, Output, print } from "../Output.ts"
import * as Table from "../Table.ts"
import * as Versions from "../view/Versions.ts"
import * as Words from "../Words.ts"

type Range = NonNullable<Filters["metrics"]>[string]

/** `score>=0.9`, `loss<=1`, `passes=3`, and `score` alone where any value will do. */
const readRange = (text: string): Option.Option<readonly [metric: string, range: Range]> => {
  const [, metric = "", operator, number = ""] = /^(.+?)(?:(>=|<=|=)(.*))?$/s.exec(text) ?? []
  if (metric === "") return Option.none()
  if (operator === undefined) return /[<>]/.test(metric) ? Option.none() : Option.some([metric, {}])
  const value = Number(number)
  if (number.trim() === "" || Number.isNaN(value)) return Option.none()
  const min = operator === "<=" ? undefined : value
  const max = operator === ">=" ? undefined : value
  return Option.some([metric, { ...(min === undefined ? {} : { min }), ...(max === undefined ? {} : { max }) }])
}

/** All ranges hold that are given for one metric. */
const ranges = Flag.String("metric").pipe(
  Flag.withMetavar("range"),
  Flag.withDescription("With a metric in a range: score>=0.9, loss<=1, passes=3, or score to have it at all"),
  Flag.filterMap(readRange, () => "a metric and a range, as score>=0.9, loss<=1 or passes=3"),
  Flag.atLeast(0),
  Flag.map((all) => {
    const found = new Map<string, Range>()
    for (const [metric, { max = Infinity, min = -Infinity }] of all) {
      const there = found.get(metric)
      found.set(metric, { min: Math.max(there?.min ?? min, min), max: Math.min(there?.max ?? max, max) })
    }
    return Object.fromEntries(found)
  })
)

const date = (name: string, description: string) =>
  Flag.Date(name).pipe(Flag.withMetavar("date"), Flag.withDescription(description), Flag.optional)

const millis = (date: Option.Option<Date>): number | undefined => Option.getOrUndefined(date)?.getTime()

export const versions = Command.make(
  "versions",
  {
    component: Argument.String("component").pipe(
      Argument.withDescription("project.component; without one, every component with its newest version"),
      Argument.optional
    ),
    status: Flag.Literals("status", ["untested", "passed", "failed"]).pipe(
      Flag.withDescription("What became of their tests"),
      Flag.optional
    ),
    tags: Flags.texts("tag", "tag", "With this tag"),
    metrics: ranges,
    since: date("since", "Made then or later, as 2026-01-31 or 2026-01-31T12:00:00Z"),
    until: date("until", "Made before then"),
    sort: Flags.sort("Order by sequence, created, generation, size or metrics.…; by sequence if it is left out"),
    desc: Flags.toggle("desc", "The other way round"),
    limit: Flags.count("limit", "At most so many versions"),
    cursor: Flags.cursor,
    at: Flags.at
  },
  ({ at, component, cursor, desc, limit, metrics, since, sort, status, tags, until }) =>
    Effect.gen(function* () {
      if (Option.isNone(component)) {
        const chosen = [status, since, until, sort, limit, cursor].some((flag) => Option.isSome<unknown>(flag))
        if (chosen || desc || tags.length > 0 || Object.keys(metrics).length > 0) {
          return yield* new Flags.InvalidUsage({ reason: "versions are chosen of one component: name it" })
        }
        return yield* components(at)
      }
      const { implementations } = yield* Implementing.forReading()
      const page = yield* implementations.listVersions(
        component.value,
        {
          status: Option.getOrUndefined(status),
          tags: tags.length === 0 ? undefined : tags,
          metrics: Object.keys(metrics).length === 0 ? undefined : metrics,
          since: millis(since),
          until: millis(until)
        },
        {
          at,
          sortBy: Option.getOrUndefined(sort),
          descending: desc,
          limit: Option.getOrUndefined(limit),
          cursor: Option.getOrUndefined(cursor)
        }
      )
      if (yield* Flags.Json) {
        const { total, versions } = page
        return yield* print(
          Json.stringify({
            component: component.value,
            at: page.at,
            total,
            cursor: page.cursor ?? null,
            versions: versions.map(Versions.json)
          })
        )
      }
      const { out } = yield* Output
      const now = yield* Clock.currentTimeMillis
      if (page.versions.length > 0) yield* print(Versions.table(page.versions, { ...out, now }))
      yield* note(Versions.shown(page))
    }).pipe(Effect.scoped)
).pipe(
  Command.withShortDescription("List the versions of a component, or the components"),
  Command.withDescription(
    Flags.paragraph(
      "Lists the versions of a component for which all of it holds, in the order they were registered in.",
      "Versions without a metric come last where it is sorted by. Without a component, lists those there",
      "are. Put a range in quotes: the shell reads > and < itself."
    )
  ),
  Command.withExamples([
    { command: "heph versions", description: "The components" },
    { command: "heph versions lab.sort --sort metrics.score --desc --limit 5", description: "The five best" },
    { command: "heph versions lab.sort --status passed --metric 'score>=0.9' --json", description: "For a script" }
  ])
)

const components = Effect.fnUntraced(function* (at: string) {
  const { implementations, registry } = yield* Implementing.forReading()
  const { version } = yield* registry.snapshotAt(at)
  const found = yield* implementations.components({ at: version })
  if (yield* Flags.Json) {
    const components = found.map((one) => ({ ...one, newest: Versions.json(one.newest) }))
    return yield* print(Json.stringify({ at: version, components }))
  }
  const { out } = yield* Output
  const now = yield* Clock.currentTimeMillis
  const columns: ReadonlyArray<Table.Column> = [
    { title: "component", mark: (cell, style) => style.bold(cell) },
    { title: "versions", isRight: true },
    { title: "newest" },
    { title: "when" },
    { title: "status", mark: Versions.statusMark },
    { title: "message" }
  ]
  const rows = found.map(({ component, count, newest }) => [
    component,
    count.toLocaleString("en"),
    newest.version,
    Words.ago(newest.created, now),
    Versions.statusText(newest),
    Versions.subject(newest)
  ])
  if (rows.length > 0) yield* print(Table.render(columns, rows, out))
  yield* note(`${Words.count(found.length, "component")} at v${version}`)
})
