/**
 * Finder: answers queries over states, from attribute indexes where they serve, and keeps what it answered.
 *
 *     target ──▶ answers of this state? ──▶ index narrows down, or scan ──▶ order ──▶ keep ──▶ cut the page
 *
 * What is kept belongs to one state, whatever version number comes with it, and goes when nobody holds the state: a
 * snapshot has its own and disturbs no other. Only the state with the highest version seen is held on to, with its
 * indexes, so that the next one can take them over at the cost of what changed. A registry has one finder to itself.
 */
import type * as Entry from "@heph/entry/Entry"
import type * as State from "@heph/entry/State"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { LRUCache } from "lru-cache"
import * as AttributeIndex from "./AttributeIndex.ts"
import * as Field from "./Field.ts"
import * as Cursor from "./internal/cursor.ts"
import * as Key from "./internal/key.ts"
import * as Patterns from "./internal/patterns.ts"
import * as Query from "./Query.ts"

/** What is searched: a state and the version it is of. A snapshot is one. */
export interface Target {
  readonly version: number
  readonly state: State.State
}

/** How the entries found are ordered and cut into pages. */
export interface FindOptions {
  /**
   * A field; `.id` by default. Entries are ordered by its type, then its value: null, booleans, numbers, NaN, text, dates,
   * bytes, lists, records. A list counts as its least item, or its greatest under `descending`. Entries without the field
   * come last, and equal ones in the order of their ids, either way.
   */
  readonly sortBy?: string | undefined
  readonly descending?: boolean | undefined
  /** The most entries of a page, at least 1; without it the page has all that are left. */
  readonly limit?: number | undefined
  /** The `cursor` of the page before. */
  readonly cursor?: string | undefined
}

/** A page of entries, frozen. */
export interface Page {
  readonly entries: ReadonlyArray<Entry.Entry>
  /** How many entries all pages have together. */
  readonly total: number
  /** Asks for the next page of the same query in the same order; nothing after the last page. */
  readonly cursor: string | undefined
}

/**
 * The cursor is none, or belongs to another query or order. Start again from the first page.
 */
export class InvalidCursor extends Schema.TaggedError<InvalidCursor>()("InvalidCursor", {
  cursor: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    const shown = this.cursor.length > 40 ? `${this.cursor.slice(0, 40)}…` : this.cursor
    return `the cursor ${JSON.stringify(shown)} does not serve here: ${this.reason}; start from the first page`
  }
}

/** What can be wrong with what a finder is asked. */
export type FindError = Query.InvalidQuery | InvalidCursor

/** Finds entries. */
export class Finder extends Context.Service<
  Finder,
  {
    /**
     * The page of entries of a state that answer a query. Without a limit the first page has them all.
     *
     * A cached answer costs ~1 µs, one from an index follows the number of entries the index leaves, and a scan ~0.3 µs an
     * entry. The pages after the first are cut from the cached answer while the state is the same one. In a later state a
     * cursor goes on where its page ended: entries that did not change are neither skipped nor seen twice.
     */
    readonly find: (target: Target, query: Query.Input, options?: FindOptions) => Effect.Effect<Page, FindError>
    /** `find` without Effect. */
    readonly findSync: (target: Target, query: Query.Input, options?: FindOptions) => Result.Result<Page, FindError>
  }
>()("@heph/finder/Finder") {}

/** How much a finder keeps. */
export interface FinderOptions {
  /**
   * How many answers are kept for each state, 1,000 by default; none with 0. An answer of more than 1,000 entries counts
   * as one for each thousand, and one of more entries than the cache has room for is not kept.
   */
  readonly queryCacheSize?: number | undefined
  /** How many compiled regular expressions, and how many globs, are kept, 100 by default; none with 0. */
  readonly regexCacheSize?: number | undefined
}

/**
 * A finder.
 *
 * @example
 * import * as Entry from "@heph/entry/Entry"
 * import * as State from "@heph/entry/State"
 * import * as Finder from "@heph/finder/Finder"
 * import * as Result from "effect/Result"
 *
 * const state = State.fromIterable(
 *   ["a", "b", "c"].map((name, i) => Entry.makeUnsafe({ id: `app:${name}`, kind: "service", meta: { port: 8000 + i } }))
 * )
 * const finder = Finder.make()
 * const page = finder.findSync({ version: 1, state }, ".kind=service >meta.port=8000", { sortBy: "meta.port", limit: 1 })
 * const { entries, total } = Result.getOrThrow(page)
 * console.log(entries.map((entry) => entry.id.value), total) //=> [ 'app:b' ] 2
 */
export const make = (options?: FinderOptions): Finder["Service"] => {
  const queryCacheSize = options?.queryCacheSize ?? 1000
  const patterns = Patterns.cached(options?.regexCacheSize ?? 100)
  const known = new WeakMap<State.State, Known>()
  let newest: { readonly version: number; readonly index: AttributeIndex.AttributeIndex } | undefined

  const knownOf = ({ state, version }: Target): Known => {
    let found = known.get(state)
    if (found === undefined) {
      const index = newest === undefined ? AttributeIndex.make(state) : AttributeIndex.follow(newest.index, state)
      found = { index, answers: newAnswers(queryCacheSize) }
      known.set(state, found)
    }
    if (newest === undefined || version >= newest.version) newest = { version, index: found.index }
    return found
  }

  const findSync = (target: Target, input: Query.Input, asked?: FindOptions): Result.Result<Page, FindError> => {
    const query = Query.from(input, patterns)
    if (Result.isFailure(query)) return Result.fail(query.failure)
    const order = readOrder(asked)
    if (Result.isFailure(order)) return Result.fail(order.failure)
    const { field, descending } = order.success
    const { answers, index } = knownOf(target)
    const question = `${descending ? "-" : "+"}${field.text} ${query.success.key}`
    let answer = answers?.get(question)
    if (answer === undefined) {
      answer = Object.freeze(sort(index, order.success, match(index, query.success)))
      answers?.set(question, answer)
    }
    return cut(answer, question, order.success, asked)
  }

  return {
    find: (target, query, asked) => Effect.suspend(() => Effect.fromResult(findSync(target, query, asked))),
    findSync
  }
}

/**
 * A layer with a finder of its own.
 *
 * @example
 * import * as State from "@heph/entry/State"
 * import * as Finder from "@heph/finder/Finder"
 * import * as Effect from "effect/Effect"
 *
 * const program = Effect.gen(function* () {
 *   const finder = yield* Finder.Finder
 *   return yield* finder.find({ version: 0, state: State.empty }, { port: 80 })
 * })
 * const message = program.pipe(
 *   Effect.catchTag("InvalidQuery", (error) => Effect.succeed(error.reason)),
 *   Effect.provide(Finder.layer())
 * )
 * console.log(Effect.runSync(message)) //=> there are .id, .kind, .ns, .name and meta.<path>; did you mean meta.port?
 */
export const layer = (options?: FinderOptions): Layer.Layer<Finder> => Layer.sync(Finder, () => make(options))

type Answer = ReadonlyArray<Entry.Entry>
type Answers = LRUCache<string, Answer>

/** What is known of one state. */
interface Known {
  readonly index: AttributeIndex.AttributeIndex
  readonly answers: Answers | undefined
}

interface Order {
  readonly field: Field.Field
  readonly descending: boolean
}

// A cache bounded by `max` reserves room for that many answers, 31 KB and 140 µs, for each state that is searched; one
// bounded by size does not. So an answer of up to 1,000 entries weighs 1,000.
const answerSize = 1000

const newAnswers = (size: number): Answers | undefined =>
  size === 0
    ? undefined
    : new LRUCache({ maxSize: size * answerSize, sizeCalculation: ({ length }) => Math.max(length, answerSize) })

const readOrder = (options: FindOptions | undefined): Result.Result<Order, Query.InvalidQuery> => {
  const { limit, sortBy = ".id" } = options ?? {}
  const field = Field.parse(sortBy)
  if (Result.isFailure(field)) return invalid(`sortBy=${sortBy}`, field.failure.reason)
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit > 0)) {
    return invalid(`limit=${limit}`, "a limit is a whole number from 1 on")
  }
  return Result.succeed({ field: field.success, descending: options?.descending ?? false })
}

/** The entries that answer, in the order of their ids. */
const match = (index: AttributeIndex.AttributeIndex, query: Query.Query): Array<Entry.Entry> => {
  const found: Array<Entry.Entry> = []
  for (const entry of AttributeIndex.select(index, query) ?? index.state)
    if (Query.matches(query, entry)) found.push(entry)
  return found
}

/** Sorting this share of a state's entries costs about as much as walking all of them in the order of an index. */
const walkFrom = 1 / 8

const sort = (index: AttributeIndex.AttributeIndex, order: Order, found: Array<Entry.Entry>): Answer => {
  if (order.field.text === ".id") return order.descending ? found.reverse() : found
  if (found.length > index.state.size * walkFrom) {
    const left = new Set(found)
    const sorted: Array<Entry.Entry> = []
    AttributeIndex.inOrder(index, order.field, order.descending, (entry) => {
      if (left.delete(entry)) sorted.push(entry)
    })
    for (const entry of left) sorted.push(entry)
    return sorted
  }
  const places = found.map((entry) => ({ entry, place: placeOf(order, entry) }))
  return places.sort((a, b) => comparePlaces(order, a.place, b.place)).map(({ entry }) => entry)
}

const cut = (
  answer: Answer,
  question: string,
  order: Order,
  options: FindOptions | undefined
): Result.Result<Page, InvalidCursor> => {
  const { cursor, limit } = options ?? {}
  let from = 0
  if (cursor !== undefined) {
    const place = Cursor.decode(question, cursor)
    if (Result.isFailure(place)) return Result.fail(new InvalidCursor({ cursor, reason: place.failure }))
    from = firstAfter(answer, order, place.success)
  }
  const to = Math.min(answer.length, limit === undefined ? answer.length : from + limit)
  const entries = from === 0 && to === answer.length ? answer : Object.freeze(answer.slice(from, to))
  const next = to === answer.length ? undefined : Cursor.encode(question, placeOf(order, answer[to - 1]!))
  return Result.succeed({ entries, total: answer.length, cursor: next })
}

const firstAfter = (answer: Answer, order: Order, place: Cursor.Place): number => {
  let low = 0
  let high = answer.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (comparePlaces(order, placeOf(order, answer[middle]!), place) <= 0) low = middle + 1
    else high = middle
  }
  return low
}

const placeOf = ({ descending, field }: Order, entry: Entry.Entry): Cursor.Place => {
  const keys = Key.ofField(Field.valueOf(field, entry)).filter(({ rank }) => rank !== Key.rank.isList)
  return { key: keys.at(descending ? -1 : 0), id: entry.id.value }
}

const comparePlaces = ({ descending }: Order, a: Cursor.Place, b: Cursor.Place): number => {
  if (a.key === undefined || b.key === undefined) {
    if (a.key !== b.key) return a.key === undefined ? 1 : -1
  } else {
    const order = Key.compare(a.key, b.key)
    if (order !== 0) return descending ? -order : order
  }
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0
}

const invalid = (criterion: string, reason: string): Result.Result<never, Query.InvalidQuery> =>
  Result.fail(new Query.InvalidQuery({ criterion, index: undefined, reason }))
