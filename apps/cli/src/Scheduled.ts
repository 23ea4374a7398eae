/**
 * Backups on schedule, for commands that end before the next one is due: the first command after it was due makes it, once
 * its own work is done.
 *
 * Whether one is due costs a look at a folder. Before the first backup it counts from the creation of the store, which is
 * asked for.
 */
import { accessSync, constants, readdirSync, statSync } from "node:fs"
import { dirname, join } from "node:path"
import type * as HistoryUrl from "@heph/history-url/HistoryUrl"
import type * as BackupSchedule from "@heph/implementations/BackupSchedule"
import * as Command from "effect/cli/Command"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Flags from "./Flags.ts"
import { note, Output, printable } from "./Output.ts"
import * as Progress from "./Progress.ts"
import * as Settings from "./Settings.ts"
import * as Store from "./Store.ts"
import * as Words from "./Words.ts"

/** How often, where nobody says. It is the default of the option, which is not loaded to be asked. */
export const defaultFrequency = "daily"

/** Where the backups of a store are that were made on schedule. */
export const folderOf = (filename: string): string => join(dirname(filename), "backups", "scheduled")

/** What is to be done when the command has ended well. */
export interface Later {
  work: Effect.Effect<void>
}

/** That of this run. */
export const Later: Context.Reference<Later> = Context.Reference("@heph/cli/Later", {
  defaultValue: () => ({ work: Effect.void })
})

/** Has a command followed by the backup that is due, if one is. */
export const afterwards = <const Name extends string, Input, E, R, ContextInput>(
  command: Command.Command<Name, Input, ContextInput, E, R>
) =>
  Command.provideEffectDiscard(
    command,
    Effect.gen(function* () {
      const later = yield* Later
      const store = yield* Flags.Store
      later.work = Effect.provideService(backUp(undefined), Flags.Store, store)
    })
  )

type Sqlite = Extract<HistoryUrl.Location, { readonly _tag: "Sqlite" }>

/** How often it looks whether a backup is due. */
const interval = 60_000

/** Makes backups as they become due, until it is interrupted. */
export const always = (frequency: Option.Option<string>) =>
  Effect.forever(Effect.andThen(backUp({ backupFrequency: frequency }), Effect.sleep(interval)))

/** Makes the backup that is due, if one is. That one cannot be made is a warning. */
const backUp = (chosen: Settings.Chosen | undefined): Effect.Effect<void, never, Effect.Services<typeof Flags.Store>> =>
  Effect.gen(function* () {
    const at = yield* Store.location
    if (at._tag !== "Sqlite" || !isOurs(at.filename)) return
    const { backupFrequency } = yield* Settings.given(chosen)
    const { isDue, parse } = yield* Effect.promise(() => import("@heph/implementations/BackupSchedule"))
    const frequency = backupFrequency?.value ?? Result.getOrThrow(parse(defaultFrequency))
    const now = yield* Clock.currentTimeMillis
    const last = newestIn(folderOf(at.filename), now)
    if (frequency._tag === "Never" || last === "being made") return
    const created = last ?? (yield* createdOf(at))
    if (isDue(frequency, { created, last, now })) yield* make(at, frequency, created)
  }).pipe(
    Effect.catch((error) =>
      Effect.flatMap(Output, ({ err }) =>
        note(`${err.style.yellow("warning:")} the backup on schedule was not made: ${printable(error.message)}`)
      )
    )
  )

const make = Effect.fnUntraced(function* (at: Sqlite, frequency: BackupSchedule.Frequency, created: number) {
  const { backupIfDue } = yield* Effect.promise(() => import("@heph/implementations/Storage"))
  const made = yield* backupIfDue(at, frequency, created).pipe(Progress.during("making the backup that is due"))
  // Another process was faster.
  if (made === undefined) return
  const { err } = yield* Output
  const what = `${printable(made.file)}, ${Words.size(made.bytes)}`
  yield* note(err.style.dim(`the backup that was due (${frequency.text}) is made: ${what}`))
})

const createdOf = (at: Sqlite) =>
  Effect.scoped(Effect.map(Store.history(at, { readOnly: true }), (history) => history.info().created))

/** Whether there is a store that this user may write to: whoever only reads it leaves its backups to those who write. */
const isOurs = (filename: string): boolean => {
  try {
    accessSync(filename, constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** A copy that another process began longer ago than this has been given up. */
const longestCopy = 3_600_000

/** When the last backup of a folder was finished, in milliseconds since 1970; nothing where there is none. */
const newestIn = (folder: string, now: number): number | "being made" | undefined => {
  let newest: number | undefined
  for (const name of namesIn(folder)) {
    const time = statSync(join(folder, name), { throwIfNoEntry: false })?.mtimeMs
    if (time === undefined) continue
    if (name.startsWith(".heph-partial-") && now - time < longestCopy) return "being made"
    if (name.endsWith(".db")) newest = Math.max(newest ?? time, time)
  }
  return newest
}

/** Where it cannot be listed, whoever makes the backup will say so. */
const namesIn = (folder: string): ReadonlyArray<string> => {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
