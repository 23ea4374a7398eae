/** `migrate`: a whole history, and the contents that it names, from one store to another. */
import type { Copied } from "@heph/content/ContentTransfer"
import * as HistoryUrl from "@heph/history-url/HistoryUrl"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Flags from "../Flags.ts"
import * as Json from "../Json.ts"
import { note, Output, print } from "../Output.ts"
import * as Progress from "../Progress.ts"
import * as Store from "../Store.ts"
import * as Words from "../Words.ts"

const end = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar("url"), Flag.withDescription(description))

/** A clock that stands still: a store that is made now is as old as the one it comes from. */
const standing = (clock: Clock.Clock, millis: number): Clock.Clock => ({
  currentTimeMillisUnsafe: () => millis,
  currentTimeMillis: Effect.succeed(millis),
  currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe(),
  currentTimeNanos: clock.currentTimeNanos,
  monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
  monotonicTimeNanos: clock.monotonicTimeNanos,
  sleep: (duration) => clock.sleep(duration)
})

const isSame = (a: HistoryUrl.Location, b: HistoryUrl.Location): boolean =>
  a._tag === "Postgres" && b._tag === "Postgres"
    ? Redacted.value(a.url) === Redacted.value(b.url) && a.schema === b.schema && a.registry === b.registry
    : HistoryUrl.label(a) === HistoryUrl.label(b)

export const migrate = Command.make(
  "migrate",
  {
    from: end("from", "The store to read: a folder, sqlite:<file> or postgres://…"),
    to: end("to", "The store to make, or to go on with")
  },
  ({ from, to }) =>
    Effect.gen(function* () {
      const [source, target] = [yield* Store.locate(from), yield* Store.locate(to)]
      if (source._tag === "Memory" || target._tag === "Memory") {
        return yield* new Flags.InvalidUsage({
          reason: "memory: ends with the command; name a folder, a file or a server"
        })
      }
      if (isSame(source, target)) {
        return yield* new Flags.InvalidUsage({ reason: "--from and --to name the same store" })
      }
      const { transfer } = yield* Effect.promise(() => import("@heph/history/Transfer"))
      const { copy } = yield* Effect.promise(() => import("@heph/content/ContentTransfer"))
      const stack = yield* Effect.promise(() => import("../stack.ts"))
      let label = "opening both"
      const tell = (what: string, done: number, total: number) => {
        label = `${what} ${done.toLocaleString("en")} of ${total.toLocaleString("en")}`
      }
      const moving = Effect.gen(function* () {
        const reading = yield* Store.stores(source)
        const { created } = yield* reading.history.info
        const clock = yield* Clock.Clock
        const writing = yield* Effect.provideService(
          stack.stores(target, { readOnly: false }),
          Clock.Clock,
          standing(clock, created)
        )
        let contents: Copied = { contents: 0, copied: 0 }
        const first = Effect.gen(function* () {
          const { contents: held, copied } = yield* copy(reading.blobs, writing.blobs, {
            onProgress: ({ done, total }) => tell("contents", done, total)
          })
          contents = { contents: held, copied: contents.copied + copied }
        })
        const moved = yield* transfer(reading.history, writing.history, {
          first,
          onProgress: ({ done, phase, total }) => tell(phase, done, total)
        })
        return { moved, contents }
      })
      const { contents, moved } = yield* moving.pipe(
        Progress.during(() => label),
        Effect.scoped,
        Effect.onInterrupt(() => note("not done yet: the same command goes on from here"))
      )
      if (yield* Flags.Json) {
        return yield* print(Json.stringify({ ...moved, contents: contents.contents, contentsCopied: contents.copied }))
      }
      const { out } = yield* Output
      const all = [
        Words.count(moved.versions, "version"),
        Words.count(moved.moves, "move") + " of head",
        Words.count(moved.tags, "tag"),
        Words.count(contents.contents, "content")
      ]
      const came = `${Words.count(moved.copied, "version")} and ${Words.count(contents.copied, "content")}`
      yield* print(
        `${out.style.bold(HistoryUrl.label(target))} holds ${all.slice(0, -1).join(", ")} and ${all.at(-1)}; ${came} came now.`
      )
      yield* print(`The states of ${Words.count(moved.verified.length, "version")} were compared, and are equal.`)
    })
).pipe(
  Command.withShortDescription("Bring a whole history to another store"),
  Command.withDescription(
    Flags.paragraph(
      "Copies every version with its number, the tags, the log of heads and all contents to a store that",
      "holds nothing, or a beginning of the same history: what was broken off goes on, and what is done is",
      "brought up to date. Checks each content against its hash, and compares the states of some versions."
    )
  ),
  Command.withExamples([
    { command: "heph migrate --from ./registry --to postgres://heph@db/heph", description: "To a server" },
    {
      command: "heph migrate --from 'postgres://heph@db/heph?registry=web' --to sqlite:web.db",
      description: "And back"
    }
  ])
)
