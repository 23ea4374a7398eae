/** `get`: one entry. */
import type * as Entry from "@heph/entry/Entry"
import * as EntryId from "@heph/entry/EntryId"
import type * as Snapshot from "@heph/registry/Snapshot"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Changes from "../Changes.ts"
import * as Flags from "../Flags.ts"
import * as Json from "../Json.ts"
import { Output, print, printable } from "../Output.ts"
import * as Store from "../Store.ts"
import * as Values from "../Values.ts"

/** There is no entry with this id at this version. */
export class UnknownEntry extends Schema.TaggedError<UnknownEntry>()("UnknownEntry", {
  id: Schema.String,
  version: Schema.Int,
  /** Ids that may have been meant. */
  near: Schema.Array(Schema.String)
}) {
  override get message(): string {
    const near = this.near.length === 0 ? "" : `; did you mean ${this.near.join(" or ")}?`
    return `there is no entry ${this.id} at v${this.version}${near}`
  }
}

/** The entry of an id, or an error that names some whose ids are like it. */
export const entryOf = (
  snapshot: Snapshot.Snapshot,
  text: string
): Effect.Effect<Entry.Entry, EntryId.InvalidEntryId | UnknownEntry> =>
  Effect.gen(function* () {
    const id = yield* Effect.fromResult(EntryId.parse(text))
    const found = snapshot.get(id)
    if (found !== undefined) return found
    return yield* new UnknownEntry({ id: id.value, version: snapshot.version, near: nearOf(snapshot, id) })
  })

const maxNear = 3

/** Ids that have the name in another namespace, or go on where this one ends. */
const nearOf = (snapshot: Snapshot.Snapshot, wanted: EntryId.EntryId): ReadonlyArray<string> => {
  const near: Array<string> = []
  for (const { id } of snapshot) {
    if (id.name === wanted.name || id.value.startsWith(wanted.value)) near.push(id.value)
    if (near.length === maxNear) break
  }
  return near
}

export const get = Command.make(
  "get",
  { id: Argument.String("id").pipe(Argument.withDescription("namespace:name")), at: Flags.at },
  ({ at, id }) =>
    Effect.gen(function* () {
      const registry = yield* Store.forReading
      const entry = yield* entryOf(yield* registry.snapshotAt(at), id)
      if (yield* Flags.Json) return yield* print(Json.stringify(Changes.entryJson(entry)))
      const { style } = (yield* Output).out
      yield* print(`${style.bold(printable(entry.id.value))}  ${style.dim(printable(entry.kind))}`)
      if (Object.keys(entry.meta).length > 0)
        yield* print(`${style.cyan("meta")}:\n${Values.block(entry.meta, style, "  ")}`)
      if (entry.data !== null) yield* print(`${style.cyan("data")}:\n${Values.block(entry.data, style, "  ")}`)
    }).pipe(Effect.scoped)
).pipe(
  Command.withShortDescription("Print one entry"),
  Command.withDescription("Prints one entry: its kind, meta and data."),
  Command.withExamples([
    { command: "heph get app.api:users", description: "As it is now" },
    { command: "heph get app.api:users --at v3 --json", description: "As it was at v3, for a script" }
  ])
)
