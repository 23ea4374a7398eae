/** `search`: versions by what is known about them, by what is in their code, and by what their code is like. */
import type { Scanned } from "@heph/implementations/Implementations"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Flags from "../Flags.ts"
import * as Implementing from "../Implementing.ts"
import * as Json from "../Json.ts"
import { note, Output, print } from "../Output.ts"
import * as Progress from "../Progress.ts"
import * as Table from "../Table.ts"
import * as Versions from "../view/Versions.ts"
import * as Words from "../Words.ts"

export const search = Command.make(
  "search",
  {
    criteria: Argument.String("criteria").pipe(
      Argument.withDescription("What must hold, each an argument of its own; without any, every version is found"),
      Argument.variadic()
    ),
    sort: Flags.sort("Order by .id, .ns, .name or meta.…; by .id if it is left out"),
    desc: Flags.toggle("desc", "The other way round"),
    limit: Flags.count("limit", "At most so many versions; of near ones ten if it is left out"),
    cursor: Flags.cursor,
    explain: Flags.toggle("explain", "Print what was looked at, in place of the versions"),
    indexType: Flags.indexType,
    at: Flags.at
  },
  ({ at, criteria, cursor, desc, explain, indexType, limit, sort }) =>
    Effect.gen(function* () {
      const { implementations } = yield* Implementing.forReading({ indexType })
      const found = yield* implementations
        .search(criteria, {
          at,
          sortBy: Option.getOrUndefined(sort),
          descending: desc,
          limit: Option.getOrUndefined(limit),
          cursor: Option.getOrUndefined(cursor)
        })
        .pipe(Progress.during("searching"))
      const { similarity, total, versions } = found
      if (explain) return yield* printScanned(found.scanned, found.at, total)
      if (yield* Flags.Json) {
        const listed = versions.map((version) => {
          const alike = similarity.get(version.id)
          return { ...Versions.json(version), ...(alike === undefined ? undefined : { similarity: alike }) }
        })
        return yield* print(Json.stringify({ at: found.at, total, cursor: found.cursor ?? null, versions: listed }))
      }
      const { out } = yield* Output
      const now = yield* Clock.currentTimeMillis
      const alike = (id: string) => `${Math.floor((similarity.get(id) ?? 0) * 100)} %`
      const extra =
        similarity.size === 0 ? [] : [{ title: "alike", of: ({ id }: { readonly id: string }) => alike(id) }]
      if (versions.length > 0) yield* print(Versions.table(versions, { ...out, now, extra }))
      yield* note(Versions.shown({ at: found.at, total, versions }))
    }).pipe(Effect.scoped)
).pipe(
  Command.withShortDescription("Find versions, also by their code"),
  Command.withDescription(
    [
      "Finds the versions for which all criteria hold: those of heph find, and three on code:",
      "",
      "    .ns=lab.sort                of a component; .ns=lab.* of a project's",
      "    '>=meta.metrics.score=0.9'  a metric in a range",
      "    meta.tags=release           with a tag; also meta.status, meta.author, meta.goal, meta.language …",
      "    'code~for\\s*\\(;;'           a file matches a regular expression, line by line",
      "    'code*eval('                a file contains a text; !code… no file does",
      "    near lab.sort:3             has lines in common with a version, most alike first",
      "",
      "  Metadata is looked at first, by index, and code only of what is left: --explain says how much.",
      "  The shell reads * ( ) > < ! ~ itself: put a criterion that has one in single quotes."
    ].join("\n")
  ),
  Command.withExamples([
    { command: "heph search .ns=lab.sort '>=meta.metrics.score=0.9' --sort meta.metrics.score --desc" },
    { command: "heph search meta.status=failed 'code*while (true)'", description: "Failed, and may never end" },
    { command: "heph search near lab.sort:3 --limit 5", description: "What is like it" }
  ])
)

/** How the finder went about it, then what was looked into of what it left. */
const printScanned = Effect.fnUntraced(function* (scanned: Scanned, at: number, total: number) {
  const { code, near } = scanned
  const { cached, candidates, considered, criterion, index, matches } = scanned.finder
  if (yield* Flags.Json) {
    const ways = considered.map((way) => ({ ...way, criterion: way.criterion ?? null }))
    const finder = { index, criterion: criterion ?? null, candidates, matches, cached, considered: ways }
    return yield* print(Json.stringify({ at, total, explain: { finder, code, near } }))
  }
  const { out } = yield* Output
  const rows = [
    [
      "metadata",
      `${Words.count(matches, "version")} of ${Words.count(candidates, "candidate")} by ${index}${criterion === undefined ? "" : ` on ${criterion}`}`
    ],
    [
      "code",
      code.versions === 0
        ? "not looked into"
        : `${Words.count(code.contents, "content")} of ${Words.count(code.versions, "version")}, ${Words.size(code.bytes)}`
    ],
    [
      "likeness",
      near.sketches === 0
        ? "not asked for"
        : `${Words.count(near.sketches, "sketch", "sketches")}, then the lines of ${Words.count(near.compared, "version")}`
    ]
  ]
  yield* print(Table.render([{ mark: (cell, style) => style.dim(cell) }, {}], rows, out))
  yield* note(`${Words.count(total, "version")} at v${at}`)
})
