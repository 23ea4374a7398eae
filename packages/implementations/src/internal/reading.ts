/** Reading versions of a snapshot: by id, with their code, with their test results. */
import type * as ContentStore from "@heph/content/ContentStore"
import type * as Entry from "@heph/entry/Entry"
import type * as History from "@heph/history/History"
import type * as Registry from "@heph/registry/Registry"
import type * as Snapshot from "@heph/registry/Snapshot"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Implementation, TestResult, Version } from "../Implementation.ts"
import { MalformedImplementation, UnknownImplementation } from "../ImplementationError.ts"
import type * as Implementations from "../Implementations.ts"
import * as Entries from "./entries.ts"
import type * as Kin from "./kin.ts"

/** Test results as they are stored: JSON, one test a line, so that those of versions after each other are similar. */
const StoredResult = Schema.Struct({
  name: Schema.String,
  outcome: Schema.Literals(["passed", "failed", "skipped"]),
  duration: Schema.optionalKey(Schema.Number),
  message: Schema.optionalKey(Schema.String)
})
const decodeResults = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Array(StoredResult)))

export const encodeResults = (results: ReadonlyArray<TestResult>): Uint8Array =>
  new TextEncoder().encode(
    `[${results.map(({ duration, message, name, outcome }) => `\n${JSON.stringify({ name, outcome, duration, message })}`).join(",")}\n]\n`
  )

/** A state and the version it is of. A snapshot is one. */
export type At = Pick<Snapshot.Snapshot, "state" | "version">

export interface Around {
  readonly registry: Registry.Registry["Service"]
  readonly content: ContentStore.ContentStore["Service"]
  readonly kin: Kin.Kin
}

export const make = ({ content, kin, registry }: Around) => {
  const snapshot = (options: Implementations.At | undefined): Effect.Effect<Snapshot.Snapshot, History.HistoryError> =>
    options?.at === undefined || options.at === "head"
      ? Effect.sync(() => registry.current())
      : registry.snapshotAt(options.at)

  /** The entry of an id; a component stands for its newest version. */
  const find = (at: At, id: string): Result.Result<Entry.Entry, UnknownImplementation> => {
    const entry = id.includes(":") ? at.state.get(id) : kin.newest(at.state, id)?.entry
    if (Entries.isVersion(entry)) return Result.succeed(entry)
    const colon = id.indexOf(":")
    const removed =
      colon > 0 && Entries.removedOf(at.state.get(Entries.removedId(id.slice(0, colon)))).has(id.slice(colon + 1))
    return Result.fail(new UnknownImplementation({ id, at: at.version, removed, near: near(at, id) }))
  }

  /** What somebody may have meant: other versions of the component, or components of the project. */
  const near = (at: At, id: string): ReadonlyArray<string> => {
    const component = id.split(":", 1)[0]!
    const newest = kin.newest(at.state, component)
    if (newest !== undefined) return [newest.entry.id.value]
    const lower = component.toLowerCase()
    const found: Array<string> = []
    for (const name of kin.components(at.state).keys()) {
      if (name.toLowerCase().includes(lower) || lower.includes(name.toLowerCase())) found.push(name)
      if (found.length === 3) break
    }
    return found
  }

  const describe = Effect.fnUntraced(function* (id: string, options: Implementations.At | undefined) {
    const entry = yield* Effect.fromResult(find(yield* snapshot(options), id))
    return yield* Effect.fromResult(Entries.read(entry))
  })

  const codeOf = Effect.fnUntraced(function* (version: Version) {
    const code = new Map<string, Uint8Array>()
    for (const { hash, path } of version.files) code.set(path, yield* content.get(hash))
    return code
  })

  const results = Effect.fnUntraced(function* (version: Version) {
    const { tests } = yield* Effect.fromResult(Entries.readData(version.entry))
    if (tests === undefined) return []
    const bytes = yield* content.get(tests.results)
    const decoded = decodeResults(new TextDecoder().decode(bytes))
    if (Result.isFailure(decoded)) return yield* new MalformedImplementation({ id: version.id, path: "test results" })
    return decoded.success
  })

  return {
    snapshot,
    find,
    near,
    describe,
    codeOf,
    results,
    getVersion: Effect.fnUntraced(function* (id: string, options: Implementations.At | undefined) {
      const version = yield* describe(id, options)
      return { ...version, code: yield* codeOf(version) } satisfies Implementation
    })
  }
}

export type Reading = ReturnType<typeof make>
