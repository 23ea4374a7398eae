/** Text to the nodes of its definition documents: syntax only, with the YAML library's positions. */
import * as Result from "effect/Result"
import { type Document, isMap, isScalar, parseAllDocuments, type ScalarTag, Schema, type YAMLMap } from "yaml"
import * as Json from "./json.ts"

export interface Syntax {
  /** The documents that have a `namespace`. Offsets of their nodes count from `offset`. */
  readonly documents: ReadonlyArray<{ readonly offset: number; readonly node: YAMLMap; readonly isWhole: boolean }>
  readonly skipped: ReadonlyArray<Json.Problem>
  readonly problems: ReadonlyArray<Json.Problem>
}

const tagsOf = (name: "binary" | "timestamp"): ReadonlyArray<ScalarTag> =>
  new Schema({ schema: "core", customTags: [name] }).tags.filter(
    (tag): tag is ScalarTag => tag.tag === `tag:yaml.org,2002:${name}`
  )

/** A tag for values that name it: plain text never becomes one. What the library reads leniently is refused. */
const strict = (tag: ScalarTag, isRight: (text: string) => boolean, reason: string): ScalarTag => ({
  ...tag,
  default: false,
  resolve: (text, onError, options) => {
    if (isRight(text)) return tag.resolve(text, onError, options)
    onError(reason)
    return text
  }
})

const isBase64 = (text: string): boolean => {
  const digits = text.replace(/\s/g, "")
  return digits.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(digits)
}

/** Whether the numbers are those of a time: the library reads February 31 as a day in March, and the year 50 as 1950. */
const isTimestamp = (text: string): boolean => {
  const parts = /^(\d+)-(\d+)-(\d+)(?:[Tt \t]+(\d+):(\d+):(\d+))?/.exec(text)
  if (parts === null) return false
  const [year, month, day, hour, minute, second] = parts.slice(1).map((part) => Number(part ?? 0))
  const date = new Date(Date.UTC(year!, month! - 1, day, hour, minute, second))
  return (
    date.getUTCFullYear() === year &&
    date.getUTCMonth() + 1 === month &&
    date.getUTCDate() === day &&
    date.getUTCHours() === hour &&
    date.getUTCMinutes() === minute &&
    date.getUTCSeconds() === second
  )
}

const customTags = [
  ...tagsOf("binary").map((tag) => strict(tag, isBase64, "this is not base64")),
  ...tagsOf("timestamp").map((tag) => strict(tag, isTimestamp, "there is no such time: write yyyy-mm-ddThh:mm:ssZ"))
]

const options = {
  // One reading for all files, whatever a %YAML directive says: YAML 1.2, where `yes` and dates are text.
  schema: "core",
  customTags,
  resolveKnownTags: false,
  intAsBigInt: true,
  prettyErrors: false,
  // Its search is quadratic in the size of a record; the keys are compared where values are made.
  uniqueKeys: false
} satisfies Parameters<typeof parseAllDocuments>[1]

export const parse = (text: string, format: "yaml" | "json"): Syntax => {
  const found: Found = { documents: [], skipped: [], problems: [] }
  if (format === "yaml") {
    parseYaml(text, 0, found)
  } else {
    const pieces = Json.split(text)
    if (Result.isFailure(pieces)) found.problems.push(pieces.failure)
    for (const piece of Result.getOrElse(pieces, () => [])) {
      // Lock files and the like can be large, and the YAML parser is slow.
      if (hasNamespace(piece.value)) parseYaml(piece.text, piece.offset, found)
      else found.skipped.push({ offset: piece.offset, reason: noNamespace })
    }
  }
  if (found.documents.length + found.skipped.length + found.problems.length === 0) {
    found.skipped.push({ offset: 0, reason: "it is empty" })
  }
  return found
}

interface Found {
  readonly documents: Array<Syntax["documents"][number]>
  readonly skipped: Array<Json.Problem>
  readonly problems: Array<Json.Problem>
}

const noNamespace = "it has no namespace, so it is no definition"

const parseYaml = (text: string, offset: number, found: Found): void => {
  const documents = Result.try({
    try: () => parseAllDocuments(text, options),
    catch: (cause) => ({ offset, reason: cause instanceof Error ? cause.message : String(cause) })
  })
  if (Result.isFailure(documents)) found.problems.push(documents.failure)
  // Called "empty" where there is no document at all.
  for (const document of Result.getOrElse(documents, () => [])) addDocument(document, offset, found)
}

const addDocument = (document: Document.Parsed, offset: number, found: Found): void => {
  const node = document.contents
  const isDefinition = isMap(node) && node.items.some((pair) => isScalar(pair.key) && pair.key.value === "namespace")
  const { errors } = document
  const tooDeep = errors.find((error) => error.code === "RESOURCE_EXHAUSTION")
  if (tooDeep !== undefined) {
    found.problems.push({ offset: offset + tooDeep.pos[0], reason: "it is nested too deeply to be read" })
    return
  }
  // A warning is what the library reads in some way of its own, such as a tag that it does not know.
  const wrong = isDefinition ? [...errors, ...document.warnings] : errors
  for (const error of wrong) {
    const reason = error.message.replace(
      /^Unresolved tag: (.*)$/,
      "the tag $1 is not known here, or not for such a value"
    )
    found.problems.push({ offset: offset + error.pos[0], reason })
  }
  const isReadable = errors.every((error) => error.code === "TAG_RESOLVE_FAILED")
  if (isDefinition && isReadable) found.documents.push({ offset, node, isWhole: wrong.length === 0 })
  else if (isReadable && !isEmpty(node)) {
    found.skipped.push({ offset: offset + (node?.range[0] ?? 0), reason: noNamespace })
  }
}

/** Nothing between two `---`, or comments only. */
const isEmpty = (node: Document.Parsed["contents"]): boolean => node === null || (isScalar(node) && node.source === "")

const hasNamespace = (value: unknown): boolean =>
  typeof value === "object" && value !== null && Object.hasOwn(value, "namespace")
