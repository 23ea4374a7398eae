/**
 * Definition files, YAML or JSON, as entries: each with the file, line and column that it comes from.
 *
 *     version: "1.0"            optional; nothing but 1.0 is known
 *     namespace: app.api        a document without it is no definition, and is listed as skipped
 *     meta: { team: web }       optional: defaults for the meta of every entry, whose own keys win
 *     entries:
 *       - name: users           namespace and name are the id, app.api:users
 *         kind: function.lua
 *         meta: { tags: [a] }
 *         source: file://u.lua  every other key together is the data: { source: "…" }
 *
 * A key `data` is the whole data, and stands alone. A document with `name` and `kind` beside its namespace, in the place
 * of `entries`, is one entry by the same rules. A file may hold several documents.
 *
 * All or nothing: whatever is wrong, in any file, is collected into one {@link InvalidDefinitions}, and no entry returned.
 */
import type * as Entry from "@heph/entry/Entry"
import type * as EntryId from "@heph/entry/EntryId"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { LineCounter } from "yaml"
import * as Document from "./internal/document.ts"
import * as Files from "./internal/files.ts"
import * as Plain from "./internal/plain.ts"
import * as Syntax from "./internal/syntax.ts"
import { InvalidDefinition, InvalidDefinitions, maxListed } from "./InvalidDefinition.ts"

/** Where an entry is written. `line` and `column` count from 1, columns in UTF-16 units. */
export type Source = Document.Source

/** An entry and its place. */
export interface Loaded {
  readonly entry: Entry.Entry
  readonly source: Source
}

/** A document that is no definition, and why. */
export interface Skipped {
  readonly file: string
  readonly line: number
  readonly reason: string
}

/** What definition files say. */
export interface Definitions {
  /** In the order of the input: files in name order, documents and entries as they are written. No id twice. */
  readonly entries: ReadonlyArray<Loaded>
  /** How many files hold a definition. */
  readonly files: number
  readonly skipped: ReadonlyArray<Skipped>
}

/** A text that is not in a file of its own, such as standard input. */
export interface TextInput {
  readonly text: string
  /** Its name in places and errors. One that ends in `.json` is strict JSON; everything else is YAML. */
  readonly source: string
  /** What `file://name` is relative to. Left out, `file://` is refused. */
  readonly baseDir?: string | undefined
  /** What `file:///name` starts from and no `file://` leaves; `baseDir` where it is left out. */
  readonly root?: string | undefined
}

/**
 * Reads files, folders and texts, in this order; folders in name order (by code unit), `node_modules` left out, files
 * that are not `.yaml`, `.yml` or `.json` too. A file that two paths lead to is read once. `file:///` and the limit of all
 * `file://` is the path that was given, or the folder of it where it is a file.
 *
 * Reading blocks, one file at a time; between files the fiber yields and can be interrupted. ~0.2 ms an entry of 300
 * bytes, nearly all of it in the YAML parser.
 *
 * @example
 * import * as Definition from "@heph/definition/Definition"
 * import * as Effect from "effect/Effect"
 *
 * const program = Definition.load(["no-such-folder", { text: "namespace: app\nentries: []", source: "<stdin>" }]).pipe(
 *   Effect.map(({ entries }) => `${entries.length} entries`),
 *   Effect.catchTag("InvalidDefinitions", (error) => Effect.succeed(error.message))
 * )
 * console.log(await Effect.runPromise(program)) //=> no-such-folder: there is no such file or folder
 */
export const load: (inputs: ReadonlyArray<string | TextInput>) => Effect.Effect<Definitions, InvalidDefinitions> =
  Effect.fn("Definition.load")(function* (inputs) {
    const loading = start()
    const seen = new Set<string>()
    for (const input of inputs) {
      if (typeof input !== "string") {
        addText(loading, input)
        continue
      }
      for (const found of Files.find(input, seen)) {
        addFile(loading, found)
        yield* Effect.yieldNow
      }
    }
    return yield* Effect.fromResult(finish(loading))
  })

/**
 * Reads one text. Touches nothing but the files that `file://` names.
 *
 * @example
 * import * as Definition from "@heph/definition/Definition"
 * import * as Result from "effect/Result"
 *
 * const text = `
 * namespace: app.api
 * entries:
 *   - name: users
 *     kind: http.endpoint
 *     meta: { depends_on: router }
 *     path: /users
 * `
 * const { entries } = Result.getOrThrow(Definition.parse(text, { source: "app.yaml" }))
 * for (const { entry, source } of entries) {
 *   console.log(entry.id.value, entry.data) //=> app.api:users { path: '/users' }
 *   console.log(source) //=> { file: 'app.yaml', line: 4, column: 5 }
 * }
 *
 * const wrong = Definition.parse("namespace: app.api\nentries:\n  - name: users", { source: "app.yaml" })
 * console.log(Result.getOrThrow(Result.flip(wrong)).message) //=> app.yaml:3:5: the entry has no kind
 */
export const parse = (
  text: string,
  options: Omit<TextInput, "text">
): Result.Result<Definitions, InvalidDefinitions> => {
  const loading = start()
  addText(loading, { ...options, text })
  return finish(loading)
}

/** What has been read so far. */
interface Loading {
  readonly entries: Array<Loaded>
  readonly skipped: Array<Skipped>
  readonly problems: Array<InvalidDefinition>
  readonly places: Map<EntryId.EntryId, Source>
  readonly readFile: ReturnType<typeof Files.makeReader>
  files: number
  total: number
}

const start = (): Loading => ({
  entries: [],
  skipped: [],
  problems: [],
  places: new Map(),
  readFile: Files.makeReader(),
  files: 0,
  total: 0
})

const finish = (loading: Loading): Result.Result<Definitions, InvalidDefinitions> => {
  const { entries, files, problems, skipped, total } = loading
  return total > 0
    ? Result.fail(new InvalidDefinitions({ problems, total }))
    : Result.succeed({ entries, files, skipped })
}

const addProblem = (loading: Loading, place: { readonly file: string } | Source, reason: string): void => {
  loading.total++
  if (loading.problems.length < maxListed) loading.problems.push(new InvalidDefinition({ ...place, reason }))
}

const addFile = (loading: Loading, found: Files.Found): void => {
  const { file, folder } = found
  const read = found.problem === undefined ? Files.readText(file) : Result.fail(found.problem)
  if (Result.isFailure(read)) return addProblem(loading, { file }, read.failure)
  const { isUtf8, text } = read.success
  if (isUtf8) return addText(loading, { text, source: file, baseDir: folder?.base, root: folder?.root })
  addProblem(loading, placesOf(file, text)(text.length), "here is a byte that is not UTF-8: save the file as UTF-8")
}

const addText = (loading: Loading, input: TextInput): void => {
  const { baseDir: base, root = base, source: file } = input
  const text = input.text.startsWith("\uFEFF") ? input.text.slice(1) : input.text
  const folder = base === undefined || root === undefined ? undefined : Files.folderOf(base, root)
  const placeOf = placesOf(file, text)
  const syntax = Syntax.parse(text, /\.json$/i.test(file) ? "json" : "yaml")
  const problems: Array<{ readonly place: Source; readonly reason: string }> = []
  const fail = (place: Source, reason: string) => void problems.push({ place, reason })
  for (const { offset, reason } of syntax.problems) fail(placeOf(offset), reason)
  for (const { offset, reason } of syntax.skipped) loading.skipped.push({ file, line: placeOf(offset).line, reason })
  for (const { isWhole, node, offset } of syntax.documents) {
    const before = problems.length
    const plain = Plain.fromNode(node, {
      problem: (at, reason) => fail(placeOf(offset + at), reason),
      file: (reference) => loading.readFile(folder, reference)
    })
    const placeOfNode = (found: Plain.Node) => placeOf(offset + (found.range?.[0] ?? 0))
    Document.read({
      places: loading.places,
      add: (entry, source) => loading.entries.push({ entry, source }),
      fail,
      root: plain.value,
      isWhole: isWhole && problems.length === before,
      isVersion: plain.nodeAt(plain.value, "version").source === "1.0",
      at: (container, key) => placeOfNode(plain.nodeAt(container, key)),
      keyAt: (record, key) => placeOfNode(plain.keyAt(record, key))
    })
  }
  // Syntax, values and meaning are checked in turn; a person reads from top to bottom.
  problems.sort((a, b) => a.place.line - b.place.line || a.place.column - b.place.column)
  for (const { place, reason } of problems) addProblem(loading, place, reason)
  if (syntax.documents.length > 0) loading.files++
}

/** Offsets of a text as places; lines are counted once, when the first place is asked for. */
const placesOf = (file: string, text: string): ((offset: number) => Source) => {
  let lines: LineCounter | undefined
  return (offset) => {
    if (lines === undefined) {
      lines = new LineCounter()
      lines.addNewLine(0)
      for (let i = text.indexOf("\n"); i >= 0; i = text.indexOf("\n", i + 1)) lines.addNewLine(i + 1)
    }
    const { col, line } = lines.linePos(offset)
    return { file, line, column: col }
  }
}
