/** `status`: the registry at a glance. */
import * as HistoryUrl from "@heph/history-url/HistoryUrl"
import * as Command from "effect/cli/Command"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Flags from "../Flags.ts"
import * as Json from "../Json.ts"
import { Output, print } from "../Output.ts"
import * as Store from "../Store.ts"
import * as StoreFile from "../StoreFile.ts"
import * as Table from "../Table.ts"
import * as Words from "../Words.ts"

export const status = Command.make("status", {}, () =>
  Effect.gen(function* () {
    const location = yield* Store.location
    const store = HistoryUrl.label(location)
    const registry = yield* Store.forReading
    const { entries, last, tags, version, versions } = registry.status()
    if (yield* Flags.Json) {
      return yield* print(Json.stringify({ store, version, head: version, last, entries, tags }))
    }
    const { out } = yield* Output
    const head = (yield* registry.version(version)).version
    const now = yield* Clock.currentTimeMillis
    const namespaces = new Set<string>()
    for (const { id } of registry.current()) namespaces.add(id.namespace)
    const bytes = location._tag === "Sqlite" ? `, ${Words.size(StoreFile.size(location.filename))}` : ""
    const named = [...tags].map(([name, version]) => `${name} (v${version})`)
    const rows = [
      ["registry", `${store}${bytes}`],
      [
        "head",
        `v${version}, ${Words.ago(head.timestamp, now)}, ${Words.moment(head.timestamp)}${head.message === undefined ? "" : `: ${head.message}`}`
      ],
      [
        "versions",
        last === 0
          ? "none yet"
          : `${Words.count(versions, "version")}, up to v${last}${versions < last ? "; others were compacted" : ""}`
      ],
      ["entries", `${Words.count(entries, "entry", "entries")} in ${Words.count(namespaces.size, "namespace")}`],
      ["tags", named.length === 0 ? "none" : named.join(", ")]
    ]
    yield* print(Table.render([{ mark: (cell, style) => style.dim(cell) }, {}], rows, out))
  }).pipe(Effect.scoped)
).pipe(
  Command.withShortDescription("Show the registry at a glance"),
  Command.withDescription("Prints where the registry is, which version head is at, and how much it holds."),
  Command.withExamples([{ command: "heph status" }, { command: "heph --store /srv/registry status --json" }])
)
