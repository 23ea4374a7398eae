import * as Command from "effect/cli/Command"
/** `export`: every entry of a version. */
import * as Effect from "effect/Effect"
import * as Changes from "../Changes.ts"
import * as Flags from "../Flags.ts"
import * as Json from "../Json.ts"
import { Output } from "../Output.ts"
import * as Progress from "../Progress.ts"
import * as Store from "../Store.ts"

/** Characters that are gathered before they are written. */
const chunkSize = 65_536

export const exportCommand = Command.make("export", { at: Flags.at }, ({ at }) =>
  Effect.gen(function* () {
    const registry = yield* Store.forReading
    const snapshot = yield* registry.snapshotAt(at)
    const isJson = yield* Flags.Json
    const { out } = yield* Output
    let done = 0
    const write = Effect.gen(function* () {
      let text = isJson
        ? `{"version":${snapshot.version},"entries":[`
        : `{\n  "version": ${snapshot.version},\n  "entries": [`
      for (const entry of snapshot) {
        if (done++ > 0) text += ","
        const options = isJson ? { isSorted: true } : { isSorted: true, indent: 2 }
        const json = Json.stringify(Changes.entryJson(entry), options)
        text += isJson ? json : `\n    ${json.replaceAll("\n", "\n    ")}`
        if (text.length < chunkSize) continue
        yield* out.write(text)
        yield* Effect.yieldNow
        text = ""
      }
      yield* out.write(`${text}${isJson ? "]}" : `${snapshot.size === 0 ? "" : "\n  "}]\n}`}\n`)
    })
    // Where the entries go to the terminal, they are progress enough.
    yield* out.isTerminal ? write : Progress.during(() => `exporting entry ${done} of ${snapshot.size}`)(write)
  }).pipe(Effect.scoped)
).pipe(
  Command.withShortDescription("Print every entry"),
  Command.withDescription(
    Flags.paragraph(
      "Prints every entry of a version as one JSON document, by id, with sorted keys: two exports",
      "of one state have the same bytes. On one line with --json."
    )
  ),
  Command.withExamples([
    { command: "heph export > state.json", description: "All that there is now" },
    { command: "diff <(heph export --at v3) <(heph export)", description: "Compare with the tools you have" }
  ])
)
