/** `find`: entries that answer a query, or how they are found. */
import type * as Field from "@heph/finder/Field"
import type * as Finder from "@heph/finder/Finder"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Flags from "../Flags.ts"
import * as Json from "../Json.ts"
import { note, Output, print, printable } from "../Output.ts"
import * as Store from "../Store.ts"
import * as Table from "../Table.ts"
import * as Values from "../Values.ts"
import * as Words from "../Words.ts"

export const find = Command.make(
  "find",
  {
    criteria: Argument.String("criteria").pipe(
      Argument.withDescription("What must hold, each an argument of its own; without any, every entry is found"),
      Argument.variadic()
    ),
    at: Flags.at,
    sort: Flag.String("sort").pipe(
      Flag.withMetavar("field"),
      Flag.withDescription("Order by .id, .kind, .ns, .name or meta.…; by .id if it is left out"),
      Flag.optional
    ),
    desc: Flags.toggle("desc", "The other way round"),
    limit: Flags.count("limit", "At most so many entries"),
    data: Flags.toggle("data", "Print the data of the entries too"),
    explain: Flags.toggle("explain", "Print how the entries are found, in place of them")
  },
  ({ at, criteria, data, desc, explain, limit, sort }) =>
    Effect.gen(function* () {
      const [Finder, Query, Field] = yield* Effect.promise(() =>
        Promise.all([import("@heph/finder/Finder"), import("@heph/finder/Query"), import("@heph/finder/Field")])
      )
      const query = yield* Effect.fromResult(Query.parse(criteria))
      const order = yield* Effect.fromResult(
        Option.match(sort, { onNone: () => Field.parse(".id"), onSome: Field.parse })
      )
      const registry = yield* Store.forReading
      const snapshot = yield* registry.snapshotAt(at)
      const finder = Finder.make()
      const options = { sortBy: order.text, descending: desc, limit: Option.getOrUndefined(limit) }
      if (explain) {
        const explanation = yield* Effect.fromResult(finder.explain(snapshot, query, options))
        return yield* printExplanation(explanation)
      }
      const page = yield* finder.find(snapshot, query, options)
      const { entries } = page
      if (yield* Flags.Json) {
        const found = entries.map((entry) => ({
          id: entry.id.value,
          kind: entry.kind,
          meta: entry.meta,
          ...(data ? { data: entry.data } : undefined)
        }))
        return yield* print(Json.stringify({ version: snapshot.version, entries: found }))
      }
      const { out } = yield* Output
      const asked = new Map<string, Field.Field>([...Query.fields(query), order].map((field) => [field.text, field]))
      const fields = [...asked.values()].filter((field) => field._tag === "Meta")
      const columns: ReadonlyArray<Table.Column> = [
        { title: "id" },
        { title: "kind", mark: (cell, style) => style.dim(cell) },
        ...fields.map(({ text }) => ({ title: text }))
      ]
      const rows = entries.map((entry) => [
        entry.id.value,
        entry.kind,
        ...fields.map((field) => {
          const value = Field.valueOf(field, entry)
          return value === undefined ? "" : Values.cell(value)
        })
      ])
      if (data) {
        for (const entry of entries) {
          yield* print(`${out.style.bold(printable(entry.id.value))}  ${out.style.dim(printable(entry.kind))}`)
          yield* print(Values.block({ meta: entry.meta, data: entry.data }, out.style, "  "))
        }
      } else if (entries.length > 0) yield* print(Table.render(columns, rows, out))
      const { total } = page
      const shown =
        entries.length < total
          ? `${Words.count(entries.length, "entry", "entries")} of ${total}`
          : Words.count(total, "entry", "entries")
      yield* note(`${shown} at v${snapshot.version}`)
    }).pipe(Effect.scoped)
).pipe(
  Command.withShortDescription("Find entries by what they are"),
  Command.withDescription(
    [
      "Finds the entries for which all criteria hold. A criterion is [!][operator]field=value, on .id .kind .ns .name or meta.…:",
      "",
      "    .kind=function.*     a glob on the root fields",
      "    meta.port=80         equality on meta; numbers, true, false and null are typed",
      "    meta.port='\"80\"'     quotes make it text",
      "    ~meta.title=^the     regular expression     *meta.title=user   contains",
      "    ^.name=user          begins with            $.name=_test       ends with",
      "    >=meta.port=8000     compares: > >= < <=    ?meta.owner        is there",
      "    !meta.tags=old       not: a ! before any of them",
      "    any(.ns=a meta.x=1)  one of these; all(…) in it wants all of its own",
      "",
      "  The shell reads * $ > < ! ~ ( ) and quotes itself: put a criterion that has one in single quotes."
    ].join("\n")
  ),
  Command.withExamples([
    { command: "heph find '.kind=function.*' '^.name=user'", description: "Functions whose names begin with user" },
    {
      command: "heph find '>meta.port=8000' --sort meta.port --desc --limit 10",
      description: "The ten highest ports above 8000"
    },
    { command: "heph find .ns=app.api --at v3 --data --json", description: "All of a namespace at v3, with its data" },
    { command: "heph find 'any(meta.port=80 meta.port=443)' --explain", description: "Which index would find these" }
  ])
)

/** The ways that were compared, the one taken first, and what came of it. */
const printExplanation = Effect.fnUntraced(function* (explanation: Finder.Explanation) {
  const { cached, candidates, considered, criterion, index, matches, version } = explanation
  if (yield* Flags.Json) {
    const ways = considered.map((way) => ({ ...way, criterion: way.criterion ?? null }))
    const explain = { index, criterion: criterion ?? null, candidates, matches, cached, considered: ways }
    return yield* print(Json.stringify({ version, explain }))
  }
  const { out } = yield* Output
  const columns: ReadonlyArray<Table.Column> = [
    { title: "index" },
    { title: "criterion" },
    { title: "candidates" },
    { title: "", mark: (cell, style) => style.dim(cell) }
  ]
  const rows = considered.map((way, i) => [
    way.index,
    way.criterion ?? "",
    String(way.candidates),
    i === 0 ? "taken" : ""
  ])
  yield* print(Table.render(columns, rows, out))
  const answered = `${Words.count(matches, "entry", "entries")} of ${Words.count(candidates, "candidate", "candidates")}`
  yield* note(`${answered} at v${version}, ${cached ? "from the cache" : "not cached"}`)
})
