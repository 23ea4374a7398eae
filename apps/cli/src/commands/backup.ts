/** `backup` and `restore`: copies of a registry's file, and the way back from one. */
import { readdirSync, rmdirSync } from "node:fs"
import { dirname, resolve } from "node:path"
import * as HistoryUrl from "@heph/history-url/HistoryUrl"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Flags from "../Flags.ts"
import * as Json from "../Json.ts"
import { note, Output, print } from "../Output.ts"
import * as Progress from "../Progress.ts"
import * as Store from "../Store.ts"
import * as Words from "../Words.ts"

/** Only a file can be copied as one. */
class NoFile extends Schema.TaggedError<NoFile>()("NoFile", { store: Schema.String }) {
  override get message(): string {
    return `${this.store} is no file: keep copies of it with pg_dump, or with heph migrate --from <this> --to sqlite:<file>`
  }
}

const loadBackup = Effect.promise(() => import("@heph/history-sqlite/Backup"))

/** The registry, which must be a file. */
const location = Effect.gen(function* () {
  const at = yield* Store.location
  return at._tag === "Sqlite" ? at : yield* new NoFile({ store: HistoryUrl.label(at) })
})

export const backup = Command.make(
  "backup",
  {
    to: Argument.String("to").pipe(
      Argument.withDescription("A file that is not there yet, or a folder; backups/ in the registry's folder"),
      Argument.optional
    ),
    keep: Flags.count("keep", "Keep the newest n backups of this registry in the folder, and delete older ones")
  },
  ({ keep, to }) =>
    Effect.gen(function* () {
      const { backup } = yield* loadBackup
      const at = yield* location
      yield* Store.mustExist(at)
      let label = "copying"
      const made = yield* backup({
        filename: at.filename,
        ...(Option.isNone(to) ? undefined : { to: to.value }),
        ...(Option.isNone(keep) ? undefined : { keep: keep.value }),
        onProgress: ({ bytes, total }) => (label = `copied ${Words.size(bytes)} of ${Words.size(total)}`)
      }).pipe(Progress.during(() => label))
      const { bytes, file: path, head, removed, versions } = made
      if (yield* Flags.Json) return yield* print(Json.stringify({ file: path, bytes, versions, head, removed }))
      const { out } = yield* Output
      const holds = `${Words.size(bytes)}, ${Words.count(versions, "version")}, head at v${head}`
      yield* print(`${out.style.bold(path)}: ${holds}. Every version was read and is whole.`)
      for (const old of removed) yield* note(`deleted ${old}`)
    })
).pipe(
  Command.withShortDescription("Copy the registry while it is in use"),
  Command.withDescription(
    Flags.paragraph(
      "Copies the registry as it is at this moment, while others write to it, reads the copy, and gives",
      "it its name once it is found whole. A registry that is damaged is not backed up."
    )
  ),
  Command.withExamples([
    { command: "heph backup", description: "Into backups/, beside the registry" },
    { command: "heph backup /backup/heph/ --keep 7", description: "For a nightly job" },
    { command: "heph backup before-upgrade.db", description: "Into a file of that name" }
  ])
)

/** Removes a folder, and those above it up to the topmost, as long as they are empty. */
const removeEmpty = (folder: string, topmost: string): void => {
  for (let at = folder; at.startsWith(topmost) && readdirSync(at).length === 0; at = dirname(at)) rmdirSync(at)
}

export const restore = Command.make(
  "restore",
  { from: Argument.String("backup").pipe(Argument.withDescription("The file to restore; it stays as it is")) },
  ({ from }) =>
    Effect.gen(function* () {
      const { restore } = yield* loadBackup
      const { filename, folder } = yield* location
      // A registry is a folder, which is made where there is none; without a backup in it, it goes again.
      const topmost = folder === undefined ? undefined : yield* HistoryUrl.makeFolder(folder)
      let label = "reading the backup"
      const restored = yield* restore({
        from: resolve(from),
        filename,
        onProgress: ({ bytes, total }) => (label = `copied ${Words.size(bytes)} of ${Words.size(total)}`)
      }).pipe(
        Progress.during(() => label),
        Effect.onError(() => Effect.sync(() => topmost !== undefined && removeEmpty(folder!, topmost)))
      )
      const { head, replaced, versions } = restored
      if (yield* Flags.Json) {
        return yield* print(
          Json.stringify({ file: restored.file, version: head, versions, replaced: replaced ?? null })
        )
      }
      const { out } = yield* Output
      yield* print(`${out.style.bold(restored.file)} is back at v${head}, with ${Words.count(versions, "version")}.`)
      if (replaced !== undefined) yield* note(`what was there before is kept as ${replaced}`)
    })
).pipe(
  Command.withShortDescription("Bring a backup back"),
  Command.withDescription(
    Flags.paragraph(
      "Makes a backup the registry. It is read first: one that is damaged, or of a newer version of heph,",
      "is refused, and nothing changes. What it replaces is kept under another name. Nobody may have the",
      "registry open."
    )
  ),
  Command.withExamples([{ command: "heph restore registry/backups/registry-2026-11-22T03-00-00Z.db" }])
)
