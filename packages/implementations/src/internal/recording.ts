import * as Operation from "@heph/changeset/Operation"
/** What becomes known of a version after it was registered: test results, metrics, tags. Each a transaction. */
import type * as ContentStore from "@heph/content/ContentStore"
import * as Entry from "@heph/entry/Entry"
import type * as State from "@heph/entry/State"
import type * as Registry from "@heph/registry/Registry"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Status, TestCounts, TestResult } from "../Implementation.ts"
import {
  InvalidImplementation,
  type MalformedImplementation,
  type UnknownImplementation
} from "../ImplementationError.ts"
import * as Entries from "./entries.ts"
import * as Reading from "./reading.ts"

export interface Around {
  readonly registry: Registry.Registry["Service"]
  readonly content: ContentStore.ContentStore["Service"]
  readonly reading: Reading.Reading
}

/** What is recorded: parts of `meta`, and of `data`, made from those that are there. */
type Change = (
  entry: Entry.Entry,
  data: Entries.Data
) => { readonly meta: { readonly [key: string]: unknown }; readonly data: Entries.Data }

const outcomes: ReadonlySet<string> = new Set(["passed", "failed", "skipped"])

/** What is wrong with results, if anything. */
const wrongResult = (results: ReadonlyArray<TestResult>): string | undefined => {
  const names = new Set<string>()
  for (const [i, { duration, name, outcome }] of results.entries()) {
    if (typeof name !== "string" || name === "") return `test ${i + 1} has no name`
    if (names.has(name)) return `there are two tests ${JSON.stringify(name)}`
    names.add(name)
    if (!outcomes.has(outcome)) return `the outcome of ${JSON.stringify(name)} is none of passed, failed and skipped`
    if (duration !== undefined && !(duration >= 0 && duration < Infinity)) {
      return `the duration of ${JSON.stringify(name)} is no time in milliseconds`
    }
  }
  return undefined
}

export const make = ({ content, reading, registry }: Around) => {
  const change = Effect.fnUntraced(function* (id: string, message: string, find: Change) {
    type Found = Result.Result<Entry.Entry, UnknownImplementation | MalformedImplementation | Entry.InvalidEntry>
    const changed = (state: State.State): Found =>
      Result.gen(function* () {
        const entry = yield* reading.find({ state, version: registry.current().version }, id)
        const { data, meta } = find(entry, yield* Entries.readData(entry))
        const next = Entry.make({
          id: entry.id,
          kind: entry.kind,
          meta: { ...entry.meta, ...meta },
          data: Entries.dataOf(data)
        })
        return yield* next as Result.Result<Entry.Entry, Entry.InvalidEntry>
      })
    let found: Found | undefined
    yield* registry.apply(
      (state) => {
        found = changed(state)
        return Result.isFailure(found) ? [] : [Operation.update(found.success)]
      },
      { message }
    )
    return yield* Effect.fromResult(Entries.read(yield* Effect.fromResult(found!)))
  })

  return {
    testResults: Effect.fnUntraced(function* (id: string, results: ReadonlyArray<TestResult>) {
      const wrong = wrongResult(results)
      if (wrong !== undefined) return yield* new InvalidImplementation({ id, path: "test results", reason: wrong })
      const counts: { -readonly [K in keyof TestCounts]: number } = { passed: 0, failed: 0, skipped: 0 }
      for (const { outcome } of results) counts[outcome]++
      const status: Status = counts.failed > 0 ? "failed" : results.length === 0 ? "untested" : "passed"
      // Those of the parent are the same tests, mostly with the same outcome.
      const { parents } = yield* reading.describe(id, undefined)
      const near = parents.flatMap((parent) => {
        const there = Result.flatMap(reading.find(registry.current(), parent), Entries.readData)
        return Result.isSuccess(there) && there.success.tests !== undefined ? [there.success.tests.results] : []
      })
      return yield* content.holding([{ bytes: Reading.encodeResults(results), near }], ([put]) =>
        change(id, `test results of ${id}`, (_, data) => ({
          meta: { status },
          data: { ...data, tests: results.length === 0 ? undefined : { ...counts, results: put!.hash } }
        }))
      )
    }),
    metrics: Effect.fnUntraced(function* (id: string, metrics: { readonly [metric: string]: number }) {
      const wrong = Entries.wrongMetric(metrics)
      if (wrong !== undefined) {
        const reason = "a metric is a finite number under a name"
        return yield* new InvalidImplementation({ id, path: `metrics.${wrong}`, reason })
      }
      return yield* change(id, `metrics of ${id}`, (entry, data) => ({
        meta: { metrics: { ...(entry.meta["metrics"] as object | undefined), ...metrics } },
        data
      }))
    }),
    tags: Effect.fnUntraced(function* (id: string, tags: ReadonlyArray<string>) {
      if (tags.includes("")) return yield* new InvalidImplementation({ id, path: "tags", reason: "a tag is not empty" })
      return yield* change(id, `tags of ${id}`, (entry, data) => ({
        meta: { tags: [...new Set([...((entry.meta["tags"] as ReadonlyArray<string> | undefined) ?? []), ...tags])] },
        data
      }))
    })
  }
}
