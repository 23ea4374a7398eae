/** `code`: the code of a version. */
import type { File, Version } from "@heph/implementations/Implementation"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as CodeFiles from "../CodeFiles.ts"
import * as Flags from "../Flags.ts"
import * as Implementing from "../Implementing.ts"
import * as Json from "../Json.ts"
import { note, Output, print, printable } from "../Output.ts"
import * as Versions from "../view/Versions.ts"
import * as Words from "../Words.ts"

/** The version has no such file. */
class UnknownFile extends Schema.TaggedError<UnknownFile>()("UnknownFile", {
  id: Schema.String,
  path: Schema.String,
  /** What it has. */
  files: Schema.Array(Schema.String)
}) {
  override get message(): string {
    const some = this.files.slice(0, 10).join(", ")
    const more = this.files.length > 10 ? ` and ${this.files.length - 10} more` : ""
    return `${this.id} has no file ${this.path}; it has ${some}${more}`
  }
}

interface Content extends File {
  readonly bytes: Uint8Array
  /** The bytes as text; nothing where they are none. */
  readonly text: string | undefined
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const textOf = (bytes: Uint8Array): string | undefined => {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}

const chosen = (version: Version, path: Option.Option<string>): Effect.Effect<ReadonlyArray<File>, UnknownFile> => {
  if (Option.isNone(path)) return Effect.succeed(version.files)
  const file = version.files.find((file) => file.path === path.value)
  if (file !== undefined) return Effect.succeed([file])
  const files = version.files.map(({ path }) => path)
  return Effect.fail(new UnknownFile({ id: version.id, path: path.value, files }))
}

/** What a file holds, for a terminal, which code may not steer. */
const forPeople = ({ bytes, text }: Content): string =>
  text === undefined
    ? `<${Words.count(bytes.length, "byte")}>\n`
    : text.endsWith("\n")
      ? printable(text)
      : `${printable(text)}\n`

const show = Effect.fnUntraced(function* (contents: ReadonlyArray<Content>) {
  const { out } = yield* Output
  for (const [i, content] of contents.entries()) {
    if (contents.length > 1) {
      const mode = content.link ? " (link)" : content.executable ? " (executable)" : ""
      yield* print(`${i === 0 ? "" : "\n"}${out.style.bold(`==> ${printable(content.path)}${mode} <==`)}`)
    }
    yield* out.write(out.isTerminal ? forPeople(content) : content.bytes)
    if (!out.isTerminal && contents.length > 1 && content.bytes.at(-1) !== 10) yield* print("")
  }
})

export const code = Command.make(
  "code",
  {
    id: Argument.String("id").pipe(
      Argument.withDescription("project.component:version; a component stands for its newest version")
    ),
    file: Flags.text("file", "Only the file with this path"),
    out: Flag.String("out").pipe(
      Flag.withMetavar("folder"),
      Flag.withDescription("Write the files below this folder, in place of printing them"),
      Flag.optional
    ),
    force: Flags.toggle("force", "Replace files that are there"),
    at: Flags.at
  },
  ({ at, file, force, id, out: folder }) =>
    Effect.gen(function* () {
      const { content, implementations } = yield* Implementing.forReading()
      const version = yield* implementations.describe(id, { at })
      const contents: Array<Content> = []
      for (const file_ of yield* chosen(version, file)) {
        const bytes = yield* content.get(file_.hash)
        contents.push({ ...file_, bytes, text: textOf(bytes) })
      }
      if (Option.isSome(folder)) yield* CodeFiles.write(folder.value, contents, { replace: force })
      const { hash } = version
      if (yield* Flags.Json) {
        const files = contents.map((content) => ({
          ...Versions.fileJson(content),
          ...(Option.isSome(folder) ? undefined : bodyJson(content))
        }))
        const written = Option.isSome(folder) ? { out: folder.value } : undefined
        return yield* print(Json.stringify({ id: version.id, hash, ...written, files }))
      }
      if (Option.isNone(folder)) return yield* show(contents)
      const { out } = yield* Output
      for (const { path } of contents) yield* print(printable(path))
      yield* note(
        `${out.style.bold(printable(version.id))}: ${Words.count(contents.length, "file")} in ${folder.value}`
      )
    }).pipe(Effect.scoped)
).pipe(
  Command.withShortDescription("Print the code of a version, or write its files"),
  Command.withDescription(
    Flags.paragraph(
      "Prints the code of a version, each file checked against its hash. One file is printed as it is, byte",
      "by byte, where it is no terminal that it goes to; several with a line above each. With --out they are",
      "written as files, as they were: executable ones can be run, and links are links."
    )
  ),
  Command.withExamples([
    { command: "heph code lab.sort:3 > sort.ts", description: "The one file it has" },
    { command: "heph code web.parser --file lib/scan.ts", description: "A file of the newest version" },
    { command: "heph code web.parser:12 --out ./parser", description: "All files, as they were" }
  ])
)

/** What a file holds: `text`, or `$bytes` in base64 where it is none. */
const bodyJson = ({ bytes, text }: Content) =>
  text === undefined ? { $bytes: Buffer.from(bytes).toString("base64") } : { text }
