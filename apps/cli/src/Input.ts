/** The definitions that `plan` and `apply` are given: files, folders, and `-` for standard input. */
import { buffer } from "node:stream/consumers"
import type * as Definition from "@heph/definition/Definition"
import type { InvalidDefinitions } from "@heph/definition/InvalidDefinition"
import type * as Entry from "@heph/entry/Entry"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { note, Output, printable } from "./Output.ts"
import * as Progress from "./Progress.ts"
import * as Words from "./Words.ts"

/** Standard input cannot be used. */
export class InvalidInput extends Schema.TaggedError<InvalidInput>()("InvalidInput", { reason: Schema.String }) {
  override get message(): string {
    return `standard input: ${this.reason}`
  }
}

/** Nothing that was read is a definition, and with `--prune` that would delete every entry. */
export class NothingDefined extends Schema.TaggedError<NothingDefined>()("NothingDefined", {
  paths: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `there is no definition file in ${this.paths.join(", ")}, and --prune would delete every entry: look at the path, or apply a file with "entries: []" if that is what you want`
  }
}

/** What was read. */
export interface Input {
  readonly entries: ReadonlyArray<Entry.Entry>
  /** How many files hold a definition. */
  readonly files: number
}

/** Reads the definitions of these paths, and tells what of it was no definition. */
export const read = Effect.fnUntraced(function* (
  paths: ReadonlyArray<string>,
  options: { readonly prune: boolean }
): Effect.fn.Return<Input, InvalidDefinitions | InvalidInput | NothingDefined> {
  const { load } = yield* Effect.promise(() => import("@heph/definition/Definition"))
  const inputs: Array<string | Definition.TextInput> = []
  for (const path of new Set(paths)) inputs.push(path === "-" ? yield* standardDefinitions : path)
  const found = yield* Progress.during(`reading ${paths.join(", ")}`)(load(inputs))
  const { err } = yield* Output
  for (const { file, line, reason } of found.skipped.slice(0, maxSkipped)) {
    yield* note(err.style.dim(printable(`skipped ${file}:${line}: ${reason}`)))
  }
  if (found.skipped.length > maxSkipped) {
    yield* note(err.style.dim(`… and ${Words.count(found.skipped.length - maxSkipped, "other document")}`))
  }
  if (options.prune && found.files === 0) return yield* new NothingDefined({ paths })
  return { files: found.files, entries: found.entries.map(({ entry }) => entry) }
})

const maxSkipped = 20

/** All of standard input. `what` tells whoever types what is waited for. */
export const standardInput = Effect.fnUntraced(function* (what: string) {
  if (process.stdin.isTTY) yield* note(`reading ${what} from standard input; end with Ctrl-D`)
  return yield* Effect.tryPromise({
    try: (): Promise<Uint8Array> => buffer(process.stdin),
    catch: (cause) => new InvalidInput({ reason: cause instanceof Error ? cause.message : String(cause) })
  })
})

/** Its text. What it says with `file://` is found in the current folder, and below it. */
const standardDefinitions = Effect.gen(function* () {
  const bytes = yield* standardInput("definitions")
  const text = yield* Effect.try({
    try: () => new TextDecoder("utf-8", { fatal: true }).decode(bytes),
    catch: () => new InvalidInput({ reason: "it is not UTF-8" })
  })
  return { text, source: "<stdin>", baseDir: "." }
})
