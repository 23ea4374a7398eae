/** `find`: entries that answer a query. */
import type * as Field from "@heph/finder/Field"
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
    limit: Flags.limit("At most so many entries"),
    data: Flags.toggle("data", "Print the data of the entries too")
  },
  ({ at, criteria, data, desc, limit, sort }) =>
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
      const { entries, total } = yield* Finder.make().find(snapshot, query, {
        sortBy: order.text,
        descending: desc,
        limit: Option.getOrUndefined(limit)
      })
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
      const asked = new Map<string, Field.Field>(
        [...query.criteria.map(({ field }) => field), order].map((field) => [field.text, field])
      )
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
      "",
      "  The shell reads * $ > < ! ~ and quotes itself: put a criterion that has one in single quotes."
    ].join("\n")
  ),
  Command.withExamples([
    { command: "heph find '.kind=function.*' '^.name=user'", description: "Functions whose names begin with user" },
    {
      command: "heph find '>meta.port=8000' --sort meta.port --desc --limit 10",
      description: "The ten highest ports above 8000"
    },
    { command: "heph find .ns=app.api --at v3 --data --json", description: "All of a namespace at v3, with its data" }
  ])
)
