/** `config`: the settings, and where each of them comes from. */
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Flags from "../Flags.ts"
import * as Json from "../Json.ts"
import { Output, print } from "../Output.ts"
import * as Settings from "../Settings.ts"
import * as Table from "../Table.ts"

const flags = {
  versionStrategy: Flags.versionStrategy,
  compression: Flags.compression,
  backupFrequency: Flags.backupFrequency,
  retentionPolicy: Flags.retentionPolicy,
  indexType: Flags.indexType
}

export const config = Command.make("config", flags, (chosen) =>
  Effect.gen(function* () {
    const { options, toJson } = yield* Effect.promise(() => import("@heph/implementations/RegistryConfig"))
    const config = yield* Settings.effective(chosen)
    if (yield* Flags.Json) return yield* print(Json.stringify({ options: toJson(config) }))
    const { out } = yield* Output
    const columns: ReadonlyArray<Table.Column> = [
      { title: "option", mark: (cell, style) => style.cyan(cell) },
      { title: "value", mark: (cell, style) => style.bold(cell) },
      { title: "from", mark: (cell, style) => style.dim(cell) }
    ]
    const rows = options.map(({ key, name }) => [name, config[key].text, config[key].source.name])
    yield* print(Table.render(columns, rows, out))
  })
).pipe(
  Command.withShortDescription("Show the settings, and where each comes from"),
  Command.withDescription(
    [
      `Prints what holds: of each setting the flag, else the variable, else what ${Settings.file} says, else the default.`,
      "",
      `    components:              in ${Settings.file} of the current folder`,
      "      registry:",
      "        storage_path: ./lab             HEPH_STORAGE_PATH       --store; HEPH_STORE if nobody says",
      "        version_strategy: semantic      HEPH_VERSION_STRATEGY   --version-strategy",
      "        compression: 9                  HEPH_COMPRESSION        --compression",
      "        backup_frequency: daily         HEPH_BACKUP_FREQUENCY   --backup-frequency",
      "        retention_policy: [keep-last-50, 30d]",
      "                                        HEPH_RETENTION_POLICY   --retention-policy",
      "        index_type: b-tree              HEPH_INDEX_TYPE         --index-type"
    ].join("\n")
  ),
  Command.withExamples([
    { command: "heph config" },
    { command: "HEPH_COMPRESSION=19 heph config --json", description: "With where each comes from, for a script" }
  ])
)
