/** `verify`: whether the registry's file is sound, with the contents in it. */
import * as State from "@heph/entry/State"
import type * as HistoryUrl from "@heph/history-url/HistoryUrl"
import type * as History from "@heph/history/History"
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

/** What cannot even be opened or read for its damage is reported as damage. */
const unreadable =
  <A>(what: string, report: (damage: ReadonlyArray<Damage>) => A) =>
  (error: HistoryStoreError) =>
    error.reason === "Corrupt" ? Effect.succeed(report([{ what, reason: error.detail }])) : Effect.fail(error)

/** How many versions a finding names. */
const mostNamed = 3

/** Says which versions of code need a content, as the end of a sentence. */
const concernedBy = Effect.fnUntraced(function* (
  history: History.History["Service"],
  damage: ReadonlyArray<{ readonly hash: string }>
) {
  const { needing } = yield* Effect.promise(() => import("@heph/implementations/Implementations"))
  const { state } = yield* history.load(State.empty, history.info().head, { misfit: "history wins" })
  const needed = needing(
    state,
    damage.map(({ hash }) => hash)
  )
  return (hash: string): string => {
    const versions = needed.get(hash)!
    const named = versions.slice(0, mostNamed).join(", ")
    const others = versions.length - mostNamed
    return versions.length === 0
      ? ""
      : `; needed by ${named}${others > 0 ? ` and ${Words.count(others, "other")}` : ""}`
  }
})

/** Reads all of a store; `tell` hears what is being read. */
const examine = (at: HistoryUrl.Location, tell: (label: string) => void) =>
  Effect.gen(function* () {
    const { contents, history } = yield* Store.kept(at)
    tell("reading every version")
    const { damage, versions } = yield* history.verify
    tell("reading every content")
    const onProgress = (read: number, of: number) => {
      tell(`reading content ${read.toLocaleString("en")} of ${of.toLocaleString("en")}`)
    }
    const read = yield* Effect.gen(function* () {
      const { contents: count } = yield* contents.info
      const damage = yield* contents.verify({ onProgress })
      const none = () => ""
      const concerned =
        damage.length === 0
          ? none
          : yield* Effect.catch(
              concernedBy(history, damage),
              // What is wrong with the history is told by what read it.
              () => Effect.succeed(none)
            )
      const told = damage.map(({ hash, reason }): Damage => ({
        what: `content ${hash}`,
        reason: reason + concerned(hash)
      }))
      return { count, damage: told }
    }).pipe(
      Effect.catchTag(
        "HistoryStoreError",
        unreadable("the contents", (damage) => ({ count: 0, damage }))
      )
    )
    return { versions, contents: read.count, damage: [...damage, ...read.damage] }
  }).pipe(
    Effect.catchTag(
      "HistoryStoreError",
      unreadable("the file", (damage) => ({ versions: 0, contents: 0, damage }))
    )
  )

export const verify = Command.make("verify", {}, () =>
  Effect.gen(function* () {
    let label = "opening"
    const { contents, damage, versions } = yield* Store.location.pipe(
      Effect.flatMap((at) => examine(at, (now) => (label = now))),
      Progress.during(() => label)
    )
    const ok = damage.length === 0
    if (yield* Flags.Json) yield* print(Json.stringify({ ok, versions, contents, damage }))
    else {
      const { out } = yield* Output
      if (ok) {
        const beside = contents === 0 ? "" : `, and ${Words.count(contents, "content")}, each read and checked`
        const all = `${Words.count(versions, "version")}, each read and replayed${beside}`
        yield* print(`${out.style.green("Sound")}: ${all}.`)
      } else {
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
      "Reads the whole registry, replays every version, and checks every content against its hash. Lists",
      "what is damaged, changes nothing, and ends with 1 where there is any."
    )
  ),
  Command.withExamples([{ command: "heph verify && cp -r registry /backup/", description: "Copy only what is sound" }])
)
