import * as HistoryUrl from "@heph/history-url/HistoryUrl"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
/** `watch`: versions as they are committed, by whatever process. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Changes from "../Changes.ts"
import * as Flags from "../Flags.ts"
import * as Json from "../Json.ts"
import { note, Output, print, printable } from "../Output.ts"
import * as Scheduled from "../Scheduled.ts"
import * as Store from "../Store.ts"
import * as Words from "../Words.ts"

export const watch = Command.make(
  "watch",
  {
    from: Flag.String("from").pipe(
      Flag.withMetavar("version"),
      Flag.withDescription("Begin with the versions after this one; with those to come if it is left out"),
      Flag.optional
    ),
    backupFrequency: Flags.backupFrequency
  },
  ({ backupFrequency, from }) =>
    Effect.gen(function* () {
      const registry = yield* Store.forReading
      const isJson = yield* Flags.Json
      const { out } = yield* Output
      const ref = Option.getOrElse(from, () => registry.status().last)
      yield* Effect.forkScoped(Scheduled.always(backupFrequency))
      if (out.isTerminal)
        yield* note(out.style.dim(`watching ${HistoryUrl.label(yield* Store.location)}; Ctrl-C ends it`))
      yield* Stream.runForEach(registry.watch({ from: ref }), ({ changeset, version }) => {
        if (isJson) return print(Json.stringify(Changes.showJson(version.id, version.parent, changeset)))
        const head = [
          out.style.bold(`v${version.id}`),
          out.style.dim(Words.moment(version.timestamp)),
          Changes.summary(version),
          ...(version.message === undefined ? [] : [printable(version.message).replaceAll("\n", " ")])
        ].join("  ")
        return print(`${head}\n${Changes.listSome(changeset, version.id, out)}`)
      })
    }).pipe(Effect.scoped)
).pipe(
  Command.withShortDescription("Follow versions as they are committed"),
  Command.withDescription(
    Flags.paragraph(
      "Prints each version as it is committed, by this or any other process, until interrupted. Makes the",
      "backups that become due meanwhile."
    )
  ),
  Command.withExamples([
    { command: "heph watch", description: "From now on" },
    { command: "heph watch --from v0 --json", description: "The whole history, then what comes, a document a line" }
  ])
)
