/** What a definition document says: its keys, its entries, and whatever is wrong with either. */
import * as Entry from "@heph/entry/Entry"
import * as EntryId from "@heph/entry/EntryId"
import * as Result from "effect/Result"
import * as Plain from "./plain.ts"

/** Where an entry is written. */
export interface Source {
  readonly file: string
  readonly line: number
  readonly column: number
}

/** A document's values, its places, and where what is found goes. */
export interface Context {
  /** Where each id of the whole input is written. */
  readonly places: Map<EntryId.EntryId, Source>
  readonly add: (entry: Entry.Entry, source: Source) => void
  readonly fail: (place: Source, reason: string) => void
  readonly root: Plain.PlainRecord
  /** Whether every value of the document could be read. */
  readonly isWhole: boolean
  /** Whether the version, if there is one, is written as 1.0. */
  readonly isVersion: boolean
  /** The place of a record or list, or of what it has under a key. */
  readonly at: (container: object, key?: string | number) => Source
  /** The place of a key itself. */
  readonly keyAt: (record: Plain.PlainRecord, key: string) => Source
}

/** Reads one document. Entries of documents that have problems are checked as far as they go, and may be left out. */
export const read = (context: Context): void => {
  const { at, fail, root } = context
  const has = (key: string) => Object.hasOwn(root, key)
  if (has("version") && !context.isVersion && root["version"] !== Plain.broken) {
    fail(at(root, "version"), `this version of the format is not known: write version: "1.0"`)
  }
  const namespace = textAt(context, root, "namespace")
  const wrong = namespace === undefined ? undefined : EntryId.namespaceProblem(namespace)
  if (wrong !== undefined) fail(at(root, "namespace"), wrong)
  const scope = wrong === undefined ? namespace : undefined
  if (!has("entries") && (has("name") || has("kind"))) {
    return addEntry(context, root, scope, {}, new Set(["version", "namespace"]))
  }
  const unknown = Object.keys(root).filter((key) => !documentKeys.has(key))
  for (const key of unknown) {
    const reason = `${JSON.stringify(key)} is no key of a definition, which has version, namespace, meta and entries`
    fail(context.keyAt(root, key), reason)
  }
  const defaults = recordAt(context, root, "meta")
  const { entries } = root
  if (Array.isArray(entries)) {
    for (const [i, item] of (entries as ReadonlyArray<unknown>).entries()) {
      if (isRecord(item)) addEntry(context, item, scope, defaults, none)
      else complain(context, entries, i, item, "an entry is a record with a name and a kind")
    }
  } else if (has("entries")) complain(context, root, "entries", entries, "entries is a list, [] for none")
  else if (unknown.length === 0) {
    fail(at(root), `the definition has no entries: write "entries:" and a list, [] for none`)
  }
}

const documentKeys: ReadonlySet<string> = new Set(["version", "namespace", "meta", "entries"])
const none: ReadonlySet<string> = new Set()

/** The keys of `own` are about the document, not about the entry. */
const addEntry = (
  context: Context,
  record: Plain.PlainRecord,
  namespace: string | undefined,
  defaults: Plain.PlainRecord,
  own: ReadonlySet<string>
): void => {
  const { at, fail, places } = context
  const name = textAt(context, record, "name")
  const kind = textAt(context, record, "kind")
  const wrongKind = kind === undefined ? undefined : Entry.kindProblem(kind)
  if (wrongKind !== undefined) fail(at(record, "kind"), wrongKind)
  const meta = recordAt(context, record, "meta")
  const keys = Object.keys(record).filter((key) => key !== "name" && key !== "kind" && key !== "meta" && !own.has(key))
  const others = keys.filter((key) => key !== "data").map((key) => JSON.stringify(key))
  const whole = others.length < keys.length
  if (whole && others.length > 0) {
    const reason = `"data" is the whole data of an entry, and ${others.join(", ")} beside it would be lost: put one into the other`
    fail(context.keyAt(record, "data"), reason)
  }
  if (name === undefined || namespace === undefined) return
  const id = Result.mapError(EntryId.parse(`${namespace}:${name}`), (error) => error.message)
  if (Result.isFailure(id)) return fail(at(record, "name"), id.failure)
  const source = at(record)
  const other = places.get(id.success)
  if (other === undefined) places.set(id.success, source)
  else {
    const place = `${other.file}:${other.line}:${other.column}`
    fail(source, `the id ${id.success.value} is already taken by the entry at ${place}`)
  }
  if (kind === undefined || wrongKind !== undefined || !context.isWhole) return
  const data = whole ? record["data"] : Object.fromEntries(keys.map((key) => [key, record[key]]))
  const entry = Entry.make({ id: id.success, kind, meta: { ...defaults, ...meta }, data })
  if (Result.isSuccess(entry)) context.add(entry.success, source)
  else fail(source, entry.failure.message)
}

/** The text under a key, or nothing and a problem. */
const textAt = (context: Context, record: Plain.PlainRecord, key: string): string | undefined => {
  const value = record[key]
  if (typeof value === "string") return value
  if (Object.hasOwn(record, key)) complain(context, record, key, value, `${key} is text (quote it if need be)`)
  else context.fail(context.at(record), `the entry has no ${key}`)
  return undefined
}

/** The record under a key; an empty one where there is none, or where its lines are all commented out. */
const recordAt = (context: Context, record: Plain.PlainRecord, key: string): Plain.PlainRecord => {
  const value = record[key]
  if (isRecord(value)) return value
  if (value !== undefined && value !== null) complain(context, record, key, value, `${key} is a record`)
  return {}
}

/** A problem with a value that is not of the sort that it must be, unless it is known already. */
const complain = (
  { at, fail }: Context,
  container: object,
  key: string | number,
  value: unknown,
  wanted: string
): void => {
  if (value !== Plain.broken) fail(at(container, key), `${wanted}, and this is ${describe(value)}`)
}

const isRecord = (value: unknown): value is Plain.PlainRecord =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  !(value instanceof Uint8Array) &&
  !(value instanceof Date)

const describe = (value: unknown): string => {
  if (value === null) return "nothing"
  if (typeof value === "string") return "text"
  if (typeof value === "boolean") return String(value)
  if (typeof value !== "object") return "a number"
  if (Array.isArray(value)) return "a list"
  return isRecord(value) ? "a record" : value instanceof Date ? "a date" : "bytes"
}
