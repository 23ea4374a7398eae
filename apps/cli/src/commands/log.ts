/** `log`: the versions. */
import type * as Version from "@heph/history/Version"
import * as Command from "effect/cli/Command"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Flags from "../Flags.ts"
import * as Json from "../Json.ts"
import { Output, print } from "../Output.ts"
import * as Store from "../Store.ts"
import * as Table from "../Table.ts"
import * as Words from "../Words.ts"

/** Versions read and printed at a time. */
const pageSize = 1000

export const log = Command.make("log", { limit: Flags.count("limit", "At most so many versions") }, ({ limit }) =>
  Effect.gen(function* () {
    const registry = yield* Store.forReading
    const { last, tags, version: head } = registry.status()
    const isJson = yield* Flags.Json
    const { out } = yield* Output
    const now = yield* Clock.currentTimeMillis
    const tagsOf = new Map<number, Array<string>>()
    for (const [name, version] of tags) tagsOf.set(version, [...(tagsOf.get(version) ?? []), name])

    if (isJson) yield* out.write(`{"head":${head},"versions":[`)
    let left = Option.getOrElse(limit, () => Infinity)
    let before = last + 1
    for (let isFirst = true; left > 0 && before > 0; isFirst = false) {
      const versions = yield* registry.versions({ before, limit: Math.min(left, pageSize) })
      left -= versions.length
      before = versions.at(-1)?.id ?? 0
      if (isJson)
        yield* out.write((isFirst ? "" : ",") + versions.map((version) => Json.stringify(row(version))).join(","))
      else {
        const rows = versions.map((version) => cells(version, { now, isHead: version.id === head, last, tagsOf }))
        yield* print(Table.render(columns, rows, out, { isContinued: !isFirst }))
      }
    }
    if (isJson) yield* print("]}")
  }).pipe(Effect.scoped)
).pipe(
  Command.withShortDescription("List the versions, newest first"),
  Command.withDescription(
    Flags.paragraph(
      "Lists the versions of all branches, newest first, down to v0, the state before the first. A",
      "* is where head is."
    )
  ),
  Command.withExamples([
    { command: "heph log --limit 10", description: "The ten newest" },
    { command: "heph log --json", description: "All of them, for a script" }
  ])
)

const row = ({ created, deleted, id, message, parent, timestamp, updated }: Version.Version) => ({
  id,
  parent,
  timestamp: new Date(timestamp).toISOString(),
  message: message ?? null,
  created,
  updated,
  deleted
})

const columns: ReadonlyArray<Table.Column> = [
  { title: "version", mark: (cell, style) => (cell.startsWith("*") ? style.bold(cell) : cell) },
  { title: "parent", mark: (cell, style) => style.dim(cell) },
  { title: "when" },
  { title: "at", mark: (cell, style) => style.dim(cell) },
  { title: "+", isRight: true, mark: (cell, style) => style.green(cell) },
  { title: "~", isRight: true, mark: (cell, style) => style.yellow(cell) },
  { title: "-", isRight: true, mark: (cell, style) => style.red(cell) },
  { title: "tags", mark: (cell, style) => style.cyan(cell) },
  { title: "message" }
]

const cells = (
  version: Version.Version,
  context: {
    readonly now: number
    readonly isHead: boolean
    readonly last: number
    readonly tagsOf: ReadonlyMap<number, ReadonlyArray<string>>
  }
): ReadonlyArray<string> => [
  `${context.isHead ? "*" : " "} v${version.id}`,
  version.parent === null ? "" : `v${version.parent}`,
  Words.ago(version.timestamp, context.now),
  Words.moment(version.timestamp),
  String(version.created),
  String(version.updated),
  String(version.deleted),
  context.tagsOf.get(version.id)?.join(" ") ?? "",
  version.folded === undefined
    ? (version.message ?? "")
    : `${version.message ?? ""} (and ${Words.count(version.folded, "version")} before it)`.trim()
]
