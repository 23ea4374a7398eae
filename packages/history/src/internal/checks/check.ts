/** What the conformance checks are made of: one named claim about a store, and the comparisons that claims are made with. */
import type * as ChangeSet from "@heph/changeset/ChangeSet"
import * as Codec from "@heph/changeset/Codec"
import * as Operation from "@heph/changeset/Operation"
import * as Entry from "@heph/entry/Entry"
import * as Value from "@heph/entry/Value"
import * as Effect from "effect/Effect"
import * as Formatter from "effect/Formatter"
import * as Schema from "effect/Schema"
import {
  type Capabilities,
  type HeadConflict,
  HistoryStore,
  type HistoryStoreError,
  type StoreErrorReason,
  type StoreInfo,
  type VersionRecord
} from "../../HistoryStore.ts"
import * as Packed from "../../Packed.ts"
import type * as Version from "../../Version.ts"

export type Store = HistoryStore["Service"]

/** A store did not keep what it promises: `what` was looked at, `expected` should have been there. */
export class CheckFailed extends Schema.TaggedError<CheckFailed>()("CheckFailed", {
  what: Schema.String,
  expected: Schema.String,
  found: Schema.String
}) {
  override get message(): string {
    return `${this.what}: expected ${this.expected}, found ${this.found}`
  }
}

/** One claim about a fresh store. `run` fails, or dies, where the store breaks it. */
export interface Check {
  readonly name: string
  /** Whether stores of these capabilities promise it. */
  readonly appliesTo: (capabilities: Capabilities) => boolean
  readonly run: Effect.Effect<void, unknown, HistoryStore>
}

export const check = (
  name: string,
  run: (store: Store) => Effect.Effect<void, unknown>,
  appliesTo: Check["appliesTo"] = ({ travel }) => travel
): Check => ({ name, appliesTo, run: Effect.flatMap(HistoryStore, run) })

// --- comparing

const shown = (value: unknown): string => {
  const text = Formatter.format(shortened(value))
  return text.length > 600 ? `${text.slice(0, 600)}… (${text.length} characters)` : text
}

/** Plain data with its long parts left out: what is wrong with 5 MB is not read byte by byte. */
const shortened = (value: unknown): unknown => {
  if (typeof value === "string" && value.length > 200) return `${value.slice(0, 200)}… (${value.length} characters)`
  if (value instanceof Uint8Array && value.length > 100) return `(${value.length} bytes)`
  if (Array.isArray(value)) return value.slice(0, 50).map(shortened)
  return Value.isRecord(value as Value.Value)
    ? Object.fromEntries(Object.entries(value as Value.Bag).map(([key, item]) => [key, shortened(item)]))
    : value
}

export const fail = (what: string, expected: unknown, found: unknown): Effect.Effect<never, CheckFailed> =>
  Effect.fail(new CheckFailed({ what, expected: shown(expected), found: shown(found) }))

/** Structural equality of plain data: records, lists, bytes, dates; a `Map` must be made a list first. */
export const equal = (what: string, found: unknown, expected: unknown): Effect.Effect<void, CheckFailed> =>
  Value.equals(found as Value.Value, expected as Value.Value) ? Effect.void : fail(what, expected, found)

const plainEntry = (entry: Entry.Entry | undefined) =>
  entry === undefined ? "none" : { id: entry.id.value, kind: entry.kind, meta: entry.meta, data: entry.data }

/** A changeset as plain data. */
const plain = (changeset: ChangeSet.ChangeSet): ReadonlyArray<unknown> =>
  changeset.map((operation) => ({
    op: operation.op,
    id: Operation.idOf(operation).value,
    entry: operation.op === "delete" ? "none" : plainEntry(operation.entry),
    original: operation.op === "create" ? "none" : plainEntry(operation.original)
  }))

const fieldsOf = ({ author, created, deleted, folded, id, message, parent, timestamp, updated }: Version.Version) => ({
  id,
  parent,
  timestamp,
  message,
  author,
  created,
  updated,
  deleted,
  folded: folded ?? 0
})

/** The changeset of a record; fails where the store handed out one that cannot be read. */
export const changesetOf = (record: VersionRecord): Effect.Effect<ChangeSet.ChangeSet, unknown> =>
  record.changeset.value

/** That records are these, field by field, with changesets of equal value and equal bytes. */
export const equalVersions = Effect.fnUntraced(function* (
  what: string,
  found: ReadonlyArray<VersionRecord>,
  expected: ReadonlyArray<VersionRecord>
) {
  yield* equal(`the versions of ${what}`, found.map(fieldsOf), expected.map(fieldsOf))
  for (const [i, record] of found.entries()) {
    const changeset = yield* changesetOf(expected[i]!)
    yield* equal(`the changeset of v${record.id}, ${what}`, plain(yield* changesetOf(record)), plain(changeset))
    yield* equal(
      `the changeset bytes of v${record.id}, ${what}`,
      yield* record.changeset.bytes,
      Codec.encode(changeset)
    )
  }
})

/** The small facts as plain data. Tags have no order of their own. */
export const plainInfo = ({ tags, ...info }: StoreInfo) => ({
  ...info,
  tags: [...tags].sort(([a], [b]) => (a < b ? -1 : 1))
})

/** Everything a store holds, as plain data: two that are equal are one store to a reader. */
export const everything = Effect.fnUntraced(function* (store: Store) {
  const info = yield* store.info
  const versions = yield* store.versions({ after: 0, limit: Number.MAX_SAFE_INTEGER })
  const heads = yield* store.heads(0, Number.MAX_SAFE_INTEGER)
  return {
    info: plainInfo(info),
    versions: yield* Effect.forEach(versions, (record) =>
      Effect.map(record.changeset.bytes, (bytes) => ({ ...fieldsOf(record), bytes }))
    ),
    heads: heads.map(({ revision, timestamp, version }) => ({ revision, version, timestamp })),
    checkpoints: yield* Effect.forEach(info.checkpoints, store.checkpoints.load)
  }
})

/** That an effect fails with a `HistoryStoreError` of this reason. */
export const refused = <A>(
  what: string,
  effect: Effect.Effect<A, HeadConflict | HistoryStoreError>,
  reason: StoreErrorReason
): Effect.Effect<void, CheckFailed> =>
  Effect.matchEffect(effect, {
    onSuccess: (value) => fail(what, `a HistoryStoreError ${reason}`, value),
    onFailure: (error) =>
      error._tag === "HistoryStoreError"
        ? equal(`${what}: the reason`, error.reason, reason)
        : fail(what, `a HistoryStoreError ${reason}`, error.message)
  })

/** That an effect fails with a `HeadConflict` that tells what the store holds. */
export const conflicts = <A>(
  what: string,
  effect: Effect.Effect<A, HeadConflict | HistoryStoreError>,
  expected: number,
  found: { readonly head: number; readonly revision: number }
): Effect.Effect<void, CheckFailed> =>
  Effect.matchEffect(effect, {
    onSuccess: (value) => fail(what, "a HeadConflict", value),
    onFailure: (error) =>
      error._tag === "HeadConflict"
        ? equal(what, { expected: error.expected, found: { ...error.found } }, { expected, found })
        : fail(what, "a HeadConflict", error.message)
  })

/** That an effect which is refused leaves everything as it was. */
export const unchanged = Effect.fnUntraced(function* <E>(what: string, store: Store, effect: Effect.Effect<void, E>) {
  const before = yield* everything(store)
  yield* effect
  yield* equal(`the store after ${what}`, yield* everything(store), before)
})

// --- making

/** A version as a writer hands it over. What it holds follows from its id, unless said otherwise. */
export const version = (
  id: number,
  options?: Partial<Omit<VersionRecord, "changeset">> & { readonly changeset?: ChangeSet.ChangeSet }
): VersionRecord => {
  const { changeset = [Operation.create(entry(`test:entry-${id}`, { number: id }))], ...fields } = options ?? {}
  return {
    id,
    parent: id - 1,
    timestamp: 1_700_000_000_000 + id,
    message: `version ${id}`,
    author: undefined,
    ...Packed.countsOf(changeset),
    ...fields,
    changeset: Packed.fromChangeSet(changeset)
  }
}

export const entry = (id: string, data: unknown): Entry.Entry =>
  Entry.makeUnsafe({ id, kind: "test.kind", meta: { title: id }, data })

/** The chain v1 … vn. */
export const chain = (length: number): ReadonlyArray<VersionRecord> => Array.from({ length }, (_, i) => version(i + 1))

/** Appends the chain v1 … vn one by one to a fresh store. */
export const appendChain = Effect.fnUntraced(function* (store: Store, length: number) {
  const versions = chain(length)
  for (const [revision, record] of versions.entries()) yield* store.append([record], revision)
  return versions
})

/**
 * Appends one version to whatever head is, again after each conflict: how writers share a store. The id is found by the
 * loop, so the message tells one writer's version from another's.
 */
export const appendRetrying = (store: Store, message: string): Effect.Effect<void, HistoryStoreError> =>
  Effect.gen(function* () {
    const { head, last, revision } = yield* store.info
    // Lets others in between what was read and what is written.
    yield* Effect.yieldNow
    yield* store.append([version(last + 1, { parent: head, message })], revision)
  }).pipe(
    Effect.retry({ while: (error) => error._tag === "HeadConflict" || error.isRetryable }),
    Effect.catchTag("HeadConflict", Effect.die)
  )
