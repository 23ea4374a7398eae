/** `verify`: whether the registry's file is sound. */
import type { Damage, HistoryStoreError } from "@heph/history/HistoryStore"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Flags from "../Flags.ts"
import * as Json from "../Json.ts"
import { Output, print } from "../Output.ts"
import * as Progress from "../Progress.ts"
import * as Store from "../Store.ts"
import * as Table from "../Table.ts"
import * as Words from "../Words.ts"

/** The command has printed what is damaged; there is nothing to add but the exit code. */
class Damaged extends Schema.TaggedError<Damaged>()("Damaged", {}) {}

/** What a file that cannot even be opened for its damage is reported as. */
const unreadable = (error: HistoryStoreError) =>
  error.reason === "Corrupt"
    ? Effect.succeed({ versions: 0, damage: [{ what: "the file", reason: error.detail }] as ReadonlyArray<Damage> })
    : Effect.fail(error)

export const verify = Command.make("verify", {}, () =>
  Effect.gen(function* () {
    const { damage, versions } = yield* Store.location.pipe(
      Effect.flatMap((at) => Store.history(at, { readOnly: true })),
      Effect.flatMap((history) => history.verify),
      Progress.during("reading every version"),
      Effect.catchTag("HistoryStoreError", unreadable)
    )
    const ok = damage.length === 0
    if (yield* Flags.Json) yield* print(Json.stringify({ ok, versions, damage }))
    else {
      const { out } = yield* Output
      if (ok) yield* print(`${out.style.green("Sound")}: ${Words.count(versions, "version")}, each read and replayed.`)
      else {
        yield* print(`${out.style.red("Damaged")}: ${Words.count(damage.length, "finding")}; nothing was changed.`)
        const rows = damage.map(({ reason, what }) => [what, reason])
        yield* print(Table.render([{ mark: (cell, style) => style.bold(cell) }, {}], rows, out))
      }
    }
    if (!ok) return yield* new Damaged()
  }).pipe(Effect.scoped)
).pipe(
  Command.withShortDescription("Check the registry for damage"),
  Command.withDescription(
    Flags.paragraph(
      "Reads the whole registry and replays every version. Lists what is damaged, changes nothing,",
      "and ends with 1 where there is any."
    )
  ),
  Command.withExamples([{ command: "heph verify && cp -r registry /backup/", description: "Copy only what is sound" }])
)
