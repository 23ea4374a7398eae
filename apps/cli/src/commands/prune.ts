/** `prune`: versions that the retention policy keeps no longer. */
import type { Pruned } from "@heph/implementations/Implementations"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Flags from "../Flags.ts"
import * as Implementing from "../Implementing.ts"
import * as Json from "../Json.ts"
import { note, Output, print } from "../Output.ts"
import * as Progress from "../Progress.ts"
import * as Store from "../Store.ts"
import * as StoreFile from "../StoreFile.ts"
import * as Table from "../Table.ts"
import * as Words from "../Words.ts"

/** The bytes of the store's files; nothing where it is none of files. */
const fileSize = Effect.map(Store.location, (at) => (at._tag === "Sqlite" ? StoreFile.size(at.filename) : undefined))

export const prune = Command.make(
  "prune",
  {
    dryRun: Flags.toggle("dry-run", "Say what would be removed, and remove nothing"),
    retentionPolicy: Flags.retentionPolicy
  },
  ({ dryRun, retentionPolicy }) =>
    Effect.gen(function* () {
      const pruning = Effect.gen(function* () {
        const { implementations } = yield* (dryRun ? Implementing.forReading : Implementing.forWriting)({
          retentionPolicy
        })
        const before = yield* fileSize
        return { before, pruned: yield* implementations.prune({ dryRun }) }
      })
      const { before, pruned } = yield* pruning.pipe(
        Effect.scoped,
        Progress.during(dryRun ? "looking at every version" : "pruning"),
        Effect.onInterrupt(() =>
          dryRun ? Effect.void : note("broken off: versions may be gone already; the same command frees their content")
        )
      )
      // Closing the store has put its log into its file.
      const after = dryRun ? undefined : yield* fileSize
      const { content, decisions, removed, version } = pruned
      if (yield* Flags.Json) {
        return yield* print(
          Json.stringify({
            version: version ?? null,
            dryRun,
            removed,
            kept: decisions.length - removed.length,
            decisions,
            freed: content.freed,
            contents: content.removed.length,
            fileBefore: before ?? null,
            fileAfter: after ?? null
          })
        )
      }
      yield* tell(pruned, dryRun)
      if (before !== undefined && after !== undefined && removed.length > 0) {
        yield* note(`the store's files had ${Words.size(before)} and have ${Words.size(after)}`)
      }
    })
).pipe(
  Command.withShortDescription("Remove versions that the retention policy keeps no longer"),
  Command.withDescription(
    Flags.paragraph(
      "Removes the versions that the retention policy keeps no longer, as one version of the registry, and",
      "the code that nothing refers to any more. The policy is that of the settings: forever, if nobody said",
      "otherwise. A tagged version, the newest of a component and the best by any metric always stay.",
      "Lineage still shows the ids of removed ones. Says of each version why it goes; with --dry-run",
      "also why the others stay."
    )
  ),
  Command.withExamples([
    { command: "heph prune --dry-run", description: "What the policy of the settings would remove" },
    {
      command: "heph prune --retention-policy keep-last-50,keep-best-10:score,30d",
      description: "What none of these keeps"
    }
  ])
)

const tell = Effect.fnUntraced(function* ({ content, decisions, removed }: Pruned, dryRun: boolean) {
  const { out } = yield* Output
  const gone = decisions.filter(({ keep }) => !keep)
  const rows = gone.map(({ id, reasons }) => [id, reasons.map((reason) => withoutVerb(reason)).join("; ")])
  const { style } = out
  // No line is cut: why a version goes is what is asked for.
  if (rows.length > 0) yield* print(Table.render([{ mark: style.red }, {}], rows, { style, columns: undefined }))
  if (dryRun) {
    const columns: ReadonlyArray<Table.Column> = [
      { title: "kept because", mark: (cell, style) => style.green(cell) },
      { title: "versions", isRight: true },
      { title: "" }
    ]
    const groups = [...reasonsOf(decisions)].map(([reason, ids]) => [
      reason,
      ids.length.toLocaleString("en"),
      some(ids)
    ])
    yield* print(`${rows.length > 0 ? "\n" : ""}${Table.render(columns, groups, out)}`)
  }
  const kept = decisions.length - removed.length
  const verb = dryRun ? "would go" : removed.length === 1 ? "is gone" : "are gone"
  const freed = `${Words.count(content.removed.length, "content")} of ${Words.size(content.freed)}`
  yield* print(
    removed.length === 0
      ? `Nothing to remove: ${decisions.length === 0 ? "there are no versions" : `all of ${Words.count(decisions.length, "version")} stay`}.`
      : `${rows.length > 0 || dryRun ? "\n" : ""}${out.style.bold(`${Words.count(removed.length, "version")} ${verb}`)}, with ${freed}; ${kept.toLocaleString("en")} stay.`
  )
})

const withoutVerb = (reason: string): string => reason.replace(/^(?:kept|removed): /, "")

/** The ids by why they stay, without what tells one version's reason from another's: what is in brackets, and its value. */
const reasonsOf = (decisions: Pruned["decisions"]): ReadonlyMap<string, ReadonlyArray<string>> => {
  const groups = new Map<string, Array<string>>()
  for (const { id, keep, reasons } of decisions) {
    for (const reason of keep ? reasons : []) {
      const group = withoutVerb(reason)
        .replace(/ \([^)]*\)$/, "")
        .replace(/^(best .+) \S+$/s, "$1")
      const ids = groups.get(group)
      if (ids === undefined) groups.set(group, [id])
      else ids.push(id)
    }
  }
  return groups
}

const most = 4

const some = (ids: ReadonlyArray<string>): string =>
  ids.length <= most
    ? ids.join(", ")
    : `${ids.slice(0, most).join(", ")} and ${(ids.length - most).toLocaleString("en")} more`
