/** `lineage`: where a version comes from, and what came of it. */
import type { Version } from "@heph/implementations/Implementation"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Flags from "../Flags.ts"
import * as Implementing from "../Implementing.ts"
import * as Json from "../Json.ts"
import { note, Output, print } from "../Output.ts"
import * as LineageTree from "../view/LineageTree.ts"
import * as Versions from "../view/Versions.ts"
import * as Words from "../Words.ts"

export const lineage = Command.make(
  "lineage",
  {
    id: Argument.String("id").pipe(
      Argument.withDescription("project.component:version; a component stands for its newest version")
    ),
    metric: Flags.text("metric", "The score to show; the one that most of them have if left out"),
    at: Flags.at
  },
  ({ at, id, metric }) =>
    Effect.gen(function* () {
      const { tree } = yield* Effect.promise(() => import("@heph/implementations/Lineage"))
      const { implementations } = yield* Implementing.forReading()
      const found = yield* implementations.getLineage(id, { at })
      const asked = yield* implementations.describe(found.id, { at: found.at })
      const rows = LineageTree.rows(tree(found, asked.parents))
      const { ancestors, descendants } = found
      if (yield* Flags.Json) {
        const drawn = rows.map((row) => ({ ...row, branch: undefined }))
        return yield* print(Json.stringify({ id: found.id, at: found.at, ancestors, descendants, tree: drawn }))
      }
      const versions = new Map<string, Version>()
      for (const { id, removed } of rows) {
        if (!removed) versions.set(id, yield* implementations.describe(id, { at: found.at }))
      }
      const score = Option.getOrElse(metric, () => Versions.metricsOf([...versions.values()])[0])
      const scores = new Map<string, string>()
      const notes = new Map<string, string>()
      const now = yield* Clock.currentTimeMillis
      for (const [id, version] of versions) {
        const value = score === undefined ? undefined : Versions.valueOf(version, score)
        if (value !== undefined) scores.set(id, Words.figure(value))
        notes.set(id, about(version, now))
      }
      const { out } = yield* Output
      yield* print(
        LineageTree.render(rows, { style: out.style, columns: out.columns, id: found.id, metric: score, scores, notes })
      )
      yield* note(
        `${Words.count(ancestors.length, "ancestor")}, ${Words.count(descendants.length, "descendant")} at v${found.at}`
      )
    }).pipe(Effect.scoped)
).pipe(
  Command.withShortDescription("Show where a version comes from, and what came of it"),
  Command.withDescription(
    Flags.paragraph(
      "Draws the versions that one comes from, up to the roots, and those that came of it, with their scores.",
      "A version stands below the one it comes from. ◀ is the one that was asked about, ○ one that was",
      "removed: its id is all that is left."
    )
  ),
  Command.withExamples([
    { command: "heph lineage lab.sort:7", description: "With the metric that most of them have" },
    { command: "heph lineage lab.sort --metric swaps --json", description: "Of the newest, for a script" }
  ])
)

const about = (version: Version, now: number): string =>
  [
    ...(version.status === "untested" ? [] : [Versions.statusText(version)]),
    ...version.tags,
    Words.ago(version.created, now),
    Versions.subject(version)
  ].join("  ")
