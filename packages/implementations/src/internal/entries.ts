/**
 * Versions as entries and back.
 *
 *     meta   what queries read: sequence, parents, generation, hash, size, status, created, metrics, tags, author, …,
 *            and the fields of whoever registered it, beside these
 *     data   files [[path, hash, size, mode]] · sketch · tests {passed, failed, skipped, results}
 *
 * A component whose versions were removed has one more entry, `component:~removed`, which remembers what came from what.
 */
import type * as Entry from "@heph/entry/Entry"
import type * as Value from "@heph/entry/Value"
import * as Result from "effect/Result"
import type { File, Metadata, TestCounts, Version } from "../Implementation.ts"
import * as Implementation from "../Implementation.ts"
import { InvalidImplementation, MalformedImplementation } from "../ImplementationError.ts"

/** The names in `meta` that have a meaning here. */
const own = [
  "sequence",
  "parents",
  "generation",
  "hash",
  "size",
  "status",
  "created",
  "metrics",
  "tags",
  "author",
  "generator",
  "goal",
  "message",
  "context",
  "imports",
  "language"
] as const
const ownNames: ReadonlySet<string> = new Set(own)

/** What else there is beside `meta`. */
export interface Data {
  readonly files: ReadonlyArray<File>
  readonly sketch: string
  readonly tests:
    | (TestCounts & { /** The hash that the results are stored under. */ readonly results: string })
    | undefined
}

type Mode = "" | "x" | "l"

const modeOf = ({ executable, link }: File): Mode => (link ? "l" : executable ? "x" : "")

/** `data` as it is stored. */
export const dataOf = ({ files, sketch, tests }: Data): { readonly [key: string]: unknown } => ({
  files: files.map((file) => [file.path, file.hash, file.size, modeOf(file)]),
  ...(sketch === "" ? undefined : { sketch }),
  ...(tests === undefined ? undefined : { tests })
})

/** What of `meta` the metadata says, checked: what the registry finds out is added by whoever registers. */
export const metaOf = (
  metadata: Metadata,
  id: string
): Result.Result<{ readonly [key: string]: unknown }, InvalidImplementation> => {
  const refuse = (path: string, reason: string) => Result.fail(new InvalidImplementation({ id, path, reason }))
  const {
    author,
    context,
    fields = {},
    generator,
    goal,
    imports = [],
    language,
    message,
    metrics = {},
    tags = []
  } = metadata
  const wrong = wrongMetric(metrics)
  if (wrong !== undefined) return refuse(`metrics.${wrong}`, "a metric is a finite number under a name")
  for (const [name, list] of Object.entries({ tags, imports })) {
    for (const item of list) {
      if (typeof item !== "string" || item === "")
        return refuse(name, `${JSON.stringify(item)} is not a text that says something`)
    }
  }
  for (const [name, text] of Object.entries({ author, generator, goal, language, message })) {
    if (text !== undefined && typeof text !== "string") return refuse(name, "it is a text")
  }
  for (const name of Object.keys(fields)) {
    if (ownNames.has(name)) return refuse(`fields.${name}`, `${name} has a meaning of its own; choose another name`)
  }
  return Result.succeed({
    ...fields,
    ...(author === undefined ? undefined : { author }),
    ...(context === undefined ? undefined : { context }),
    ...(generator === undefined ? undefined : { generator }),
    ...(goal === undefined ? undefined : { goal }),
    ...(imports.length === 0 ? undefined : { imports }),
    ...(language === undefined ? undefined : { language }),
    ...(message === undefined ? undefined : { message }),
    metrics,
    tags: [...new Set(tags)]
  })
}

/** The name of a metric that is none, if there is one. */
export const wrongMetric = (metrics: { readonly [name: string]: unknown }): string | undefined =>
  Object.keys(metrics).find((name) => name === "" || !Number.isFinite(metrics[name]))

/** Whether an entry is a version. */
export const isVersion = (entry: Entry.Entry | undefined): entry is Entry.Entry => entry?.kind === Implementation.kind

/** `meta` of a version where a number is expected; queries and indexes read these without the rest. */
export const sequenceOf = (entry: Entry.Entry): number => {
  const { sequence } = entry.meta
  return typeof sequence === "number" ? sequence : 0
}

export const parentsOf = (entry: Entry.Entry): ReadonlyArray<string> => {
  const { parents } = entry.meta
  return isTexts(parents) ? parents : []
}

const isTexts = (value: Value.Value | undefined): value is ReadonlyArray<string> =>
  Array.isArray(value) && value.every((item) => typeof item === "string")

const isRecord = (value: Value.Value | undefined): value is Value.Bag =>
  typeof value === "object" && value !== null && Object.getPrototypeOf(value) !== null
    ? !Array.isArray(value) && !(value instanceof Date) && !(value instanceof Uint8Array)
    : typeof value === "object" && value !== null

const isCount = (value: Value.Value | undefined): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0

/** `data` of an entry of this kind, or the path of what is not as it should be. */
export const readData = (entry: Entry.Entry): Result.Result<Data, MalformedImplementation> => {
  const malformed = (path: string) => Result.fail(new MalformedImplementation({ id: entry.id.value, path }))
  const { data } = entry
  if (!isRecord(data)) return malformed("data")
  const { files: list, sketch = "", tests } = data
  if (!Array.isArray(list) || list.length === 0) return malformed("data.files")
  const files: Array<File> = []
  for (const file of list as ReadonlyArray<Value.Value>) {
    if (!Array.isArray(file)) return malformed("data.files")
    const [path, hash, size, mode] = file as ReadonlyArray<Value.Value>
    if (typeof path !== "string" || typeof hash !== "string" || !isCount(size)) return malformed("data.files")
    files.push({ path, hash, size, executable: mode === "x", link: mode === "l" })
  }
  if (typeof sketch !== "string") return malformed("data.sketch")
  if (tests !== undefined && !isTests(tests)) return malformed("data.tests")
  return Result.succeed({ files, sketch, tests })
}

const isTests = (value: Value.Value): value is NonNullable<Data["tests"]> & Value.Bag =>
  isRecord(value) &&
  isCount(value["passed"]) &&
  isCount(value["failed"]) &&
  isCount(value["skipped"]) &&
  typeof value["results"] === "string"

/** The hashes of all contents that a version refers to. */
export const hashesOf = (entry: Entry.Entry): Result.Result<ReadonlyArray<string>, MalformedImplementation> =>
  Result.map(readData(entry), ({ files, tests }) => {
    const hashes = files.map(({ hash }) => hash)
    if (tests !== undefined) hashes.push(tests.results)
    return hashes
  })

/** The kind and the name of the entry that remembers a component's removed versions. */
const removedKind = "implementation.removed"
const removedName = "~removed"

/** The id of that entry. */
export const removedId = (component: string): string => `${component}:${removedName}`

/** The removed versions of a component by their names, with the ids of their parents. */
export type Removed = ReadonlyMap<string, ReadonlyArray<string>>

const removedBy = new WeakMap<Entry.Entry, Removed>()

/** What the entry of a component remembers; nothing where there is none. */
export const removedOf = (entry: Entry.Entry | undefined): Removed => {
  if (entry === undefined || entry.kind !== removedKind) return new Map()
  const known = removedBy.get(entry)
  if (known !== undefined) return known
  const removed = new Map<string, ReadonlyArray<string>>()
  if (isRecord(entry.data)) {
    for (const [name, parents] of Object.entries(entry.data)) if (isTexts(parents)) removed.set(name, parents)
  }
  removedBy.set(entry, removed)
  return removed
}

/** The entry that remembers these. */
export const removedEntry = (component: string, removed: Removed) => ({
  id: removedId(component),
  kind: removedKind,
  meta: { count: removed.size },
  data: Object.fromEntries(removed)
})

/** The version that an entry is. */
export const read = (entry: Entry.Entry): Result.Result<Version, MalformedImplementation> => {
  const malformed = (path: string) => Result.fail(new MalformedImplementation({ id: entry.id.value, path }))
  const stored = readData(entry)
  if (Result.isFailure(stored)) return Result.fail(stored.failure)
  // Read once: an entry that holds dates or bytes makes a copy each time.
  const { meta } = entry
  const {
    context = null,
    created,
    generation,
    hash,
    imports = [],
    metrics = {},
    parents,
    sequence,
    size,
    status,
    tags = []
  } = meta
  if (!isCount(sequence)) return malformed("meta.sequence")
  if (!isTexts(parents)) return malformed("meta.parents")
  if (!isCount(generation)) return malformed("meta.generation")
  if (typeof hash !== "string") return malformed("meta.hash")
  if (!isCount(size)) return malformed("meta.size")
  if (status !== "untested" && status !== "passed" && status !== "failed") return malformed("meta.status")
  const at = typeof created === "string" ? Date.parse(created) : NaN
  if (Number.isNaN(at)) return malformed("meta.created")
  if (!isRecord(metrics) || wrongMetric(metrics) !== undefined) return malformed("meta.metrics")
  if (!isTexts(tags)) return malformed("meta.tags")
  if (!isTexts(imports)) return malformed("meta.imports")
  const text = (name: "author" | "generator" | "goal" | "message" | "language"): string | null => {
    const value = meta[name]
    return typeof value === "string" ? value : null
  }
  const fields: { [name: string]: Value.Value } = {}
  for (const name of Object.keys(meta)) if (!ownNames.has(name)) fields[name] = meta[name]!
  const { files, tests } = stored.success
  return Result.succeed({
    id: entry.id.value,
    component: entry.id.namespace,
    version: entry.id.name,
    sequence,
    parent: parents[0] ?? null,
    parents,
    generation,
    hash,
    size,
    files,
    language: text("language"),
    status,
    tests: tests === undefined ? null : { passed: tests.passed, failed: tests.failed, skipped: tests.skipped },
    metrics: metrics as { readonly [metric: string]: number },
    tags,
    author: text("author"),
    generator: text("generator"),
    goal: text("goal"),
    message: text("message"),
    context,
    imports,
    created: at,
    fields,
    entry
  })
}
