/** `compare`: how one version differs from another. */
import { writeFile } from "node:fs/promises"
import type * as Compare from "@heph/implementations/Compare"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Flags from "../Flags.ts"
import * as Implementing from "../Implementing.ts"
import * as Json from "../Json.ts"
import { note, Output, print, printable } from "../Output.ts"
import * as Table from "../Table.ts"
import * as Words from "../Words.ts"

/** The page cannot be written. */
class UnwritablePage extends Schema.TaggedError<UnwritablePage>()("UnwritablePage", {
  file: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `${this.file}: ${this.reason}`
  }
}

/** A name for the page of two versions that any file system takes. */
const pageName = ({ from, to }: Compare.Comparison): string =>
  `compare-${from}-${to}.html`.replaceAll(/[^\p{L}\p{N}._-]/gu, "-")

/** Where a page goes: to the file that is named, else to standard output, and on a terminal to a file of its own. */
const writePage = Effect.fnUntraced(function* (comparison: Compare.Comparison, page: Option.Option<string>) {
  const { render } = yield* Effect.promise(() => import("../view/CompareHtml.ts"))
  const { out } = yield* Output
  const file = Option.getOrElse(page, () => (out.isTerminal ? pageName(comparison) : "-"))
  if (file === "-") {
    for (const piece of render(comparison)) yield* out.write(piece)
    return "-"
  }
  yield* Effect.tryPromise({
    try: () => writeFile(file, render(comparison)),
    catch: (cause) => new UnwritablePage({ file, reason: cause instanceof Error ? cause.message : String(cause) })
  })
  return file
})

const marks = { added: "green", removed: "red", modified: "yellow", renamed: "cyan" } as const

const listFiles = (files: Compare.Comparison["files"], target: Table.Target): string =>
  Table.render(
    [
      { mark: (cell, style) => style[marks[cell as keyof typeof marks]](cell) },
      {},
      { isRight: true, mark: (cell, style) => style.green(cell) },
      { isRight: true, mark: (cell, style) => style.red(cell) }
    ],
    files.map(({ added, binary, from, path, removed, status }) => [
      status,
      status === "renamed" ? `${from} → ${path}` : path,
      binary ? "binary" : `+${added}`,
      binary ? "" : `-${removed}`
    ]),
    target
  )

export const compare = Command.make(
  "compare",
  {
    from: Argument.String("from").pipe(Argument.withDescription("A version; a component stands for its newest one")),
    to: Argument.String("to").pipe(Argument.withDescription("Another one")),
    page: Argument.String("page").pipe(
      Argument.withDescription("With --html: the file to write; - for standard output"),
      Argument.optional
    ),
    sideBySide: Flags.toggle("side-by-side", "Both versions beside each other"),
    html: Flags.toggle("html", "Write a page for a browser, with all that it needs in it"),
    filesOnly: Flags.toggle("files-only", "Only which files differ"),
    at: Flags.at
  },
  ({ at, filesOnly, from, html, page, sideBySide, to }) =>
    Effect.gen(function* () {
      const isJson = yield* Flags.Json
      if (Option.isSome(page) && !html) {
        return yield* new Flags.InvalidUsage({
          reason: `${page.value}: two versions are compared; a page needs --html`
        })
      }
      if (Number(html) + Number(filesOnly) + Number(sideBySide) > 1) {
        return yield* new Flags.InvalidUsage({
          reason: "--html, --files-only and --side-by-side are three ways to show it"
        })
      }
      if (html && isJson && !Option.exists(page, (file) => file !== "-")) {
        return yield* new Flags.InvalidUsage({ reason: "with --json the page goes to a file: name one" })
      }
      const { implementations } = yield* Implementing.forReading()
      const comparison = yield* implementations.compareVersions(from, to, { at })
      if (html) {
        const file = yield* writePage(comparison, page)
        if (isJson) return yield* print(Json.stringify({ from: comparison.from, to: comparison.to, page: file }))
        return file === "-" ? undefined : yield* note(`the page is ${printable(file)}`)
      }
      const { files, unchanged } = comparison
      if (isJson) {
        if (!filesOnly) return yield* print(Json.stringify(comparison))
        const changed = files.map((file) => ({ ...file, diff: undefined }))
        return yield* print(Json.stringify({ from: comparison.from, to: comparison.to, unchanged, files: changed }))
      }
      const { out } = yield* Output
      if (filesOnly) {
        if (files.length > 0) yield* print(listFiles(files, out))
        const differ = `${Words.count(files.length, "file")} ${files.length === 1 ? "differs" : "differ"}`
        return yield* note(files.length === 0 ? "no file differs" : `${differ}, ${unchanged} the same`)
      }
      const { render } = yield* Effect.promise(() => import("../view/CompareText.ts"))
      yield* print(render(comparison, { style: out.style, columns: out.columns, sideBySide }))
    }).pipe(Effect.scoped)
).pipe(
  Command.withShortDescription("Compare two versions: files, metadata, metrics, tests"),
  Command.withDescription(
    Flags.paragraph(
      "Prints how the second version differs from the first: a unified diff of each file, renamed ones too,",
      "what is said about it, every metric, and which tests pass or fail now. With --html it is a page: in",
      "the file that is named, else on standard output; on a terminal in a file named after the versions."
    )
  ),
  Command.withExamples([
    { command: "heph compare lab.sort:1 lab.sort:7", description: "From the first to the seventh" },
    { command: "heph compare lab.sort:6 lab.sort:7 --side-by-side", description: "Beside each other" },
    { command: "heph compare lab.sort:1 lab.sort --html page.html", description: "As a page" }
  ])
)
