/** Lists of one component's versions: filtered, ordered, cut into pages. */
import * as Finder from "@heph/finder/Finder"
import * as Effect from "effect/Effect"
import * as Base64Url from "effect/encoding/Base64Url"
import * as Result from "effect/Result"
import type { Version } from "../Implementation.ts"
import { InvalidSearch, UnknownImplementation } from "../ImplementationError.ts"
import type { Filters, ListOptions, Page } from "../Implementations.ts"
import * as Entries from "./entries.ts"
import type * as Reading from "./reading.ts"

/** A place in a list: the version of the registry, what was asked, and the last id of the page before. */
type Place = readonly [at: number, question: string, after: string]

const encode = (place: Place): string => Base64Url.encode(JSON.stringify(place))

const decode = (cursor: string): Place | undefined => {
  const text = Base64Url.decodeString(cursor)
  if (Result.isFailure(text)) return undefined
  const parsed = Result.try(() => JSON.parse(text.success) as unknown)
  if (Result.isFailure(parsed)) return undefined
  const place = parsed.success
  return Array.isArray(place) &&
    place.length === 3 &&
    Number.isSafeInteger(place[0]) &&
    typeof place[1] === "string" &&
    typeof place[2] === "string"
    ? (place as unknown as Place)
    : undefined
}

/**
 * One page of a list that `find` gives for a snapshot, in the same order whenever it is asked of the same one. The first
 * page reads what is asked for, a later one the version of the registry that its cursor is of.
 */
export const paged = Effect.fnUntraced(function* <A extends { readonly id: string }, E, R>(
  reading: Reading.Reading,
  question: string,
  options: Pick<ListOptions, "at" | "limit" | "cursor"> | undefined,
  find: (at: Effect.Success<ReturnType<Reading.Reading["snapshot"]>>) => Effect.Effect<ReadonlyArray<A>, E, R>
) {
  const { cursor, limit } = options ?? {}
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit > 0)) {
    return yield* new InvalidSearch({
      criterion: `limit=${limit}`,
      reason: "it is no limit",
      expected: "a whole number from 1 on"
    })
  }
  const place = cursor === undefined ? undefined : decode(cursor)
  const refuse = (reason: string) => new Finder.InvalidCursor({ cursor: cursor!, reason })
  if (cursor !== undefined && place?.[1] !== question) {
    return yield* refuse(
      place === undefined
        ? "it is no cursor of a page; start from the first page"
        : "it is a page's of another list or order; start from the first page"
    )
  }
  const snapshot = yield* reading.snapshot(place === undefined ? options : { at: place[0] })
  const all = yield* find(snapshot)
  const start = place === undefined ? 0 : all.findIndex(({ id }) => id === place[2]) + 1
  if (place !== undefined && start === 0)
    return yield* refuse("what it follows is not in the list; start from the first page")
  const end = limit === undefined ? all.length : Math.min(start + limit, all.length)
  const page = all.slice(start, end)
  return {
    at: snapshot.version,
    removed: false,
    found: page,
    total: all.length,
    cursor: end < all.length ? encode([snapshot.version, question, page.at(-1)!.id]) : undefined
  }
})

const readOrder = (sortBy: string): ((version: Version) => number | undefined) | undefined => {
  if (sortBy === "sequence" || sortBy === "created" || sortBy === "generation" || sortBy === "size") {
    return (version) => version[sortBy]
  }
  const metric = /^(?:meta\.)?metrics\.(.+)$/s.exec(sortBy)?.[1]
  return metric === undefined
    ? undefined
    : ({ metrics }) => (Object.hasOwn(metrics, metric) ? metrics[metric] : undefined)
}

const passes = (version: Version, { metrics, since, status, tags, until }: Filters): boolean => {
  if (status !== undefined && version.status !== status) return false
  if (since !== undefined && version.created < since) return false
  if (until !== undefined && version.created >= until) return false
  if (tags !== undefined && !tags.every((tag) => version.tags.includes(tag))) return false
  for (const [metric, { max = Infinity, min = -Infinity }] of Object.entries(metrics ?? {})) {
    const value = Object.hasOwn(version.metrics, metric) ? version.metrics[metric]! : undefined
    if (value === undefined || value < min || value > max) return false
  }
  return true
}

/** The versions of a component in the order of their sequence. */
export const versionsOf = Effect.fnUntraced(function* (
  reading: Reading.Reading,
  snapshot: Effect.Success<ReturnType<Reading.Reading["snapshot"]>>,
  component: string
) {
  const versions: Array<Version> = []
  for (const entry of snapshot.namespace(component)) {
    if (!Entries.isVersion(entry)) continue
    const version = Entries.read(entry)
    versions.push(Result.isSuccess(version) ? version.success : yield* version.failure)
  }
  if (versions.length === 0) {
    return yield* new UnknownImplementation({
      id: component,
      at: snapshot.version,
      removed: false,
      near: reading.near(snapshot, component)
    })
  }
  return versions.sort((a, b) => a.sequence - b.sequence)
})

export const list = Effect.fnUntraced(function* (
  reading: Reading.Reading,
  component: string,
  filters: Filters,
  options: ListOptions | undefined
) {
  const { descending = false, sortBy = "sequence" } = options ?? {}
  const valueOf = readOrder(sortBy)
  if (valueOf === undefined) {
    return yield* new InvalidSearch({
      criterion: `sortBy=${sortBy}`,
      reason: "versions are not sorted by it",
      expected: "sequence, created, generation, size or metrics.<name>"
    })
  }
  const question = JSON.stringify([component, filters, sortBy, descending])
  const { found, ...page } = yield* paged(reading, question, options, (snapshot) =>
    Effect.map(versionsOf(reading, snapshot, component), (versions) =>
      versions
        .filter((version) => passes(version, filters))
        .sort((a, b) => {
          const [one, other] = [valueOf(a), valueOf(b)]
          // Without the value it comes last, whatever the direction.
          if (one === undefined || other === undefined) {
            return Number(one === undefined) - Number(other === undefined) || a.sequence - b.sequence
          }
          return (
            (descending ? other - one : one - other) ||
            (descending && sortBy === "sequence" ? 0 : a.sequence - b.sequence)
          )
        })
    )
  )
  return { ...page, versions: found } satisfies Page
})
