/** `compact`: a long history made short. */
import type { Compacted, Keep } from "@heph/history/History"
import type { Run } from "@heph/history/HistoryStore"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Flags from "../Flags.ts"
import * as Json from "../Json.ts"
import { note, Output, print } from "../Output.ts"
import * as Progress from "../Progress.ts"
import * as Store from "../Store.ts"
import * as Table from "../Table.ts"
import * as Words from "../Words.ts"

const units: { readonly [unit: string]: number } = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }

/** `1000` versions, or those of the last `90m`, `12h`, `30d`, `8w`. */
const parseKeep = (text: string): Option.Option<Keep> => {
  const [, number, unit] = /^(\d{1,9})([mhdw]?)$/.exec(text) ?? []
  if (number === undefined) return Option.none()
  return Option.some(unit === "" ? { versions: Number(number) } : { age: Number(number) * units[unit!]! })
}

const keep = Flag.String("keep").pipe(
  Flag.withMetavar("n|time"),
  Flag.withDescription(
    "How much stays as it is: the newest versions, as 1000, or the last time, as 90m, 12h, 30d or 8w"
  ),
  Flag.filterMap(parseKeep, () => "a number of versions, as 1000, or a time, as 90m, 12h, 30d or 8w")
)

const versionsOf = ([first, last]: Run): string => (first === last ? `v${first}` : `v${first} to v${last}`)

export const compact = Command.make(
  "compact",
  { keep, dryRun: Flags.toggle("dry-run", "Say what would be dropped, and drop nothing") },
  ({ dryRun, keep }) =>
    Effect.gen(function* () {
      const at = yield* Store.location
      const compacted = yield* Store.history(at, { readOnly: dryRun }).pipe(
        Effect.flatMap((history) => history.compact({ keep, dryRun })),
        Progress.during(dryRun ? "reading the history" : "compacting"),
        Effect.scoped,
        Effect.onInterrupt(() =>
          dryRun
            ? Effect.void
            : note(
                "broken off: see with heph log whether versions were dropped; the same command gives back their room"
              )
        )
      )
      if (yield* Flags.Json) return yield* print(Json.stringify({ ...compacted, dryRun }))
      yield* print(yield* told(compacted, dryRun))
    })
).pipe(
  Command.withShortDescription("Drop old versions"),
  Command.withDescription(
    Flags.paragraph(
      "Drops versions older than what --keep says. Those that stay keep their numbers and their states: what",
      "the dropped ones did is folded into the version before a kept one. Tagged versions, head and the",
      "newest version always stay. There is no way back to a version that was dropped, but from a backup."
    )
  ),
  Command.withExamples([
    { command: "heph compact --keep 1000 --dry-run", description: "What would go, if the newest 1,000 stay" },
    { command: "heph backup && heph compact --keep 30d", description: "Keep the versions of the last 30 days" }
  ])
)

const told = Effect.fnUntraced(function* ({ after, before, checkpoints, dropped, folded }: Compacted, dryRun: boolean) {
  const { out } = yield* Output
  if (dropped.length === 0) {
    return before === 1
      ? "Nothing to drop: the only version stays."
      : `Nothing to drop: all of ${Words.count(before, "version")} stay.`
  }
  const some = (texts: ReadonlyArray<string>, limit = 12) =>
    texts.length <= limit ? texts.join(", ") : `${texts.slice(0, limit).join(", ")} and ${texts.length - limit} more`
  const rows = [
    [dryRun ? "would drop" : "dropped", some(dropped.map(versionsOf))],
    ["folded into", some(folded.map((version) => `v${version}`))],
    ...(checkpoints.length === 0 ? [] : [["checkpoints", some(checkpoints.map((version) => `of v${version}`))]])
  ]
  const sum = `${Words.count(before - after, "version")} of ${before.toLocaleString("en")} ${dryRun ? "would go" : before - after === 1 ? "is gone" : "are gone"}; ${after.toLocaleString("en")} stay.`
  return `${out.style.bold(sum)}\n${Table.render([{ mark: (cell, style) => style.dim(cell) }, {}], rows, out)}`
})
