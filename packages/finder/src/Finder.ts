/**
 * Finder: answers queries over states, from attribute indexes where they serve, and keeps what it answered.
 *
 *     target ──▶ kept answer? ──▶ plan: the index that leaves the fewest ──▶ check ──▶ order ──▶ keep ──▶ cut the page
 *
 * What is kept belongs to one state, whatever version number comes with it, and goes when nobody holds the state: a
 * snapshot has its own and disturbs no other. Only the state with the highest version seen is held on to, with its
 * indexes and answers. The next one takes them over at the cost of what changed: a write drops the answers that it could
 * change. A registry has one finder to itself.
 */
import type * as Entry from "@heph/entry/Entry"
import * as State from "@heph/entry/State"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as AttributeIndex from "./AttributeIndex.ts"
import * as Field from "./Field.ts"
import * as Answers from "./internal/answers.ts"
import * as Cursor from "./internal/cursor.ts"
import * as Evaluate from "./internal/evaluate.ts"
import * as Patterns from "./internal/patterns.ts"
import * as Plan from "./internal/plan.ts"
import * as Terms from "./internal/terms.ts"
import * as Query from "./Query.ts"

/** What is searched: a state and the version it is of. A snapshot is one. */
export interface Target {
  readonly version: number
  readonly state: State.State
}

/** Where states come from; a registry is one. A page after the first is cut from the state of its cursor's version. */
export interface Source<E> {
  readonly current: () => Target
  readonly snapshotAt: (version: number) => Effect.Effect<Target, E>
}

/** How the entries found are ordered and cut into pages. */
export interface FindOptions {
  /**
   * A field; `.id` by default. Entries are ordered by its type, then its value: null, booleans, numbers, NaN, text, dates,
   * bytes, lists, records; text by code point, ids as in states. A list counts as its least item, or its greatest under
   * `descending`. Entries without the field come last, and equal ones in the order of their ids, either way.
   */
  readonly sortBy?: string | undefined
  readonly descending?: boolean | undefined
  /** The most entries of a page, at least 1; without it the page has all that are left. */
  readonly limit?: number | undefined
  /** The `cursor` of the page before. */
  readonly cursor?: string | undefined
}

/** A page of entries; the list is frozen. */
export interface Page {
  /** The version that was searched. */
  readonly version: number
  readonly entries: ReadonlyArray<Entry.Entry>
  /**
   * How many entries all pages have together. Where a page was found without looking for the rest, they are counted when
   * this is first read, at the cost of the query without a limit.
   */
  readonly total: number
  /** Asks for the next page of the same query, in the same order, of the same version; nothing after the last page. */
  readonly cursor: string | undefined
}

/** How a query is answered. */
export interface Explanation {
  readonly version: number
  /** Whether a kept answer serves, so that none of the rest is done. */
  readonly cached: boolean
  /** The index that is used: `id` looks up one entry, `scan` looks at every one. */
  readonly index: IndexUse["index"]
  /** The part of the query that the index serves, as words; nothing for a scan. */
  readonly criterion: string | undefined
  /** How many entries the index leaves to be looked at. */
  readonly candidates: number
  /** How many of them answer. */
  readonly matches: number
  /** Every way that was compared, the one taken first. */
  readonly considered: ReadonlyArray<IndexUse>
}

/** One way to answer a query, and how many entries it would leave. */
export interface IndexUse {
  readonly index: "id" | "b-tree" | "hash" | "text" | "scan"
  readonly criterion: string | undefined
  readonly candidates: number
}

/** What a finder has done and holds. */
export interface Stats {
  /** Queries answered from what was kept, and those that were not. */
  readonly hits: number
  readonly misses: number
  /** About how many bytes the indexes of the newest state take. */
  readonly indexBytes: number
}

/** The cursor is none, or belongs to another query, order or version. Start again from the first page. */
export class InvalidCursor extends Schema.TaggedError<InvalidCursor>()("InvalidCursor", {
  cursor: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    const shown = this.cursor.length > 40 ? `${this.cursor.slice(0, 40)}…` : this.cursor
    return `the cursor ${JSON.stringify(shown)} does not serve here: ${this.reason}`
  }
}

/** What can be wrong with what a finder is asked. */
export type FindError = Query.InvalidQuery | InvalidCursor

/** Finds entries. */
export class Finder extends Context.Service<
  Finder,
  {
    /**
     * The page of entries that answer a query. Without a limit the first page has them all.
     *
     * A cached answer costs ~1 µs, one from an index follows the number of entries the index leaves, and a scan ~0.3 µs an
     * entry. Given a {@link Source} it searches the current state, and for a page after the first the snapshot of the
     * cursor's version, so that no page skips or repeats an entry however much is written meanwhile. Given a
     * {@link Target}, the cursor has to be of its version.
     */
    readonly find: <E = never>(
      from: Target | Source<E>,
      query: Query.Input,
      options?: FindOptions
    ) => Effect.Effect<Page, FindError | E>
    /** `find` without Effect. */
    readonly findSync: (target: Target, query: Query.Input, options?: FindOptions) => Result.Result<Page, FindError>
    /** How `find` would answer now, and how much it would look at; nothing is kept. Costs what an answer that is not kept does. */
    readonly explain: (
      target: Target,
      query: Query.Input,
      options?: FindOptions
    ) => Result.Result<Explanation, FindError>
    /** What was answered from the cache since the finder was made, and what the indexes take. */
    readonly stats: () => Stats
  }
>()("@heph/finder/Finder") {}

/** How much a finder keeps. */
export interface FinderOptions extends AttributeIndex.IndexOptions {
  /**
   * How many answers are kept for each state, 1,000 by default; none with 0. An answer of more than 1,000 entries counts
   * as one for each thousand, and one of more entries than the cache has room for is not kept.
   */
  readonly queryCacheSize?: number | undefined
  /**
   * How many compiled regular expressions, and how many globs, are kept, 100 by default; none with 0. One takes 10 KB, and
   * at worst ~1 MB.
   */
  readonly regexCacheSize?: number | undefined
}

/** The share of queries that {@link layer}'s finder answered from its cache, from 0 to 1; 0 before the first. */
export const cacheHitRate = Metric.gauge("heph_finder_cache_hit_rate", {
  description: "Share of queries answered from the cache"
})

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
  const newAnswers = () => (queryCacheSize === 0 ? undefined : Answers.make(queryCacheSize))
  const known = new WeakMap<State.State, Known>()
  const line = newAnswers()
  let newest: { readonly version: number; readonly index: AttributeIndex.AttributeIndex } | undefined
  let hits = 0
  let misses = 0

  /** What is known of a state. The newest one takes over the answers of the one before; any other has its own. */
  const knownOf = ({ state, version }: Target): Known => {
    let found = known.get(state)
    if (newest?.index.state === state && found !== undefined) {
      if (version > newest.version) newest = { version, index: found.index }
      return found
    }
    const isNewest = newest === undefined || version >= newest.version
    if (found === undefined || isNewest) {
      const changes = newest === undefined ? [] : differences(newest.index.state, state)
      const index =
        found?.index ??
        (newest === undefined
          ? AttributeIndex.make(state, options)
          : AttributeIndex.follow(newest.index, state, changes))
      if (isNewest) {
        line?.advance(changes)
        // From here on a snapshot like others, with answers of its own as soon as it is searched again.
        const before = newest === undefined ? undefined : known.get(newest.index.state)
        if (before !== undefined) before.answers = undefined
        newest = { version, index }
      }
      found = { index, answers: isNewest ? line : undefined }
      known.set(state, found)
    }
    found.answers ??= newAnswers()
    return found
  }

  const read = (
    target: Target,
    input: Query.Input,
    asked: FindOptions | undefined
  ): Result.Result<Asked, FindError> => {
    const query = Query.from(input, patterns)
    if (Result.isFailure(query)) return Result.fail(query.failure)
    const order = readOrder(asked)
    if (Result.isFailure(order)) return Result.fail(order.failure)
    const { descending, field } = order.success
    const question = `${descending ? "-" : "+"}${field.text} ${query.success.key}`
    const place = asked?.cursor === undefined ? Result.succeed(undefined) : readCursor(asked.cursor, question, target)
    if (Result.isFailure(place)) return Result.fail(place.failure)
    return Result.succeed({ query: query.success, order: order.success, question, place: place.success })
  }

  /** All entries that answer, in order, from what is kept or kept from now on. */
  const all = ({ answers, index }: Known, { order, query, question }: Asked): Answers.Answer => {
    const kept = answers?.get(question, query)
    if (kept !== undefined) return kept
    const answer = Evaluate.all(index, query, order)
    answers?.set(question, answer)
    return answer
  }

  const findSync = (target: Target, input: Query.Input, options?: FindOptions): Result.Result<Page, FindError> => {
    const asked = read(target, input, options)
    if (Result.isFailure(asked)) return Result.fail(asked.failure)
    const { order, place, query, question } = asked.success
    const of = knownOf(target)
    const { answers, index } = of
    const limit = options?.limit
    const kept = answers?.get(question, query)
    if (kept !== undefined) {
      hits++
      return Result.succeed(pageOf(target, asked.success, Evaluate.cut(kept, order, place, limit)))
    }
    // A page of its own is kept beside whole answers, under what it begins behind and how many it may hold.
    const part = limit === undefined ? undefined : `${question}\n${limit}\n${options?.cursor ?? ""}`
    const keptPart = part === undefined ? undefined : answers?.get(part, query)
    const total = () => all(of, asked.success).entries.length
    if (keptPart !== undefined) {
      hits++
      return Result.succeed(pageOf(target, asked.success, keptPart, total))
    }
    misses++
    const page = limit === undefined ? undefined : Evaluate.page(index, query, order, place, limit)
    if (page === undefined) {
      return Result.succeed(pageOf(target, asked.success, Evaluate.cut(all(of, asked.success), order, place, limit)))
    }
    answers?.set(part!, page)
    return Result.succeed(pageOf(target, asked.success, page, total))
  }

  const explain = (target: Target, input: Query.Input, options?: FindOptions): Result.Result<Explanation, FindError> =>
    Result.map(read(target, input, options), ({ query, question }) => {
      const { answers, index } = knownOf(target)
      const part = `${question}\n${options?.limit}\n${options?.cursor ?? ""}`
      const cached = (answers?.get(question, query) ?? answers?.get(part, query)) !== undefined
      const plans = Plan.of(index, query.terms)
      const considered = plans.map(({ count, term, type }): IndexUse => ({
        index: type,
        criterion: term === undefined ? undefined : Terms.print(term),
        candidates: count
      }))
      const matches = Evaluate.matching(index.state, plans[0]!, query).length
      return { version: target.version, cached, ...considered[0]!, matches, considered }
    })

  return {
    find: <E = never>(from: Target | Source<E>, query: Query.Input, options?: FindOptions) =>
      Effect.suspend(() => {
        if (!("snapshotAt" in from)) return Effect.fromResult(findSync(from, query, options))
        const current = from.current()
        const cursor = options?.cursor === undefined ? undefined : Cursor.decode(options.cursor)
        // A cursor that cannot be read is told about by the search.
        return cursor === undefined || cursor.version === current.version
          ? Effect.fromResult(findSync(current, query, options))
          : Effect.flatMap(from.snapshotAt(cursor.version), (snapshot) =>
              Effect.fromResult(findSync(snapshot, query, options))
            )
      }),
    findSync,
    explain,
    stats: () => ({
      hits,
      misses,
      indexBytes: newest === undefined ? 0 : AttributeIndex.bytesOf(newest.index)
    })
  }
}

/**
 * A layer with a finder of its own, whose {@link cacheHitRate} is read whenever metrics are.
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
 *   Effect.catchTag("InvalidQuery", (error) => Effect.succeed(error.expected)),
 *   Effect.provide(Finder.layer())
 * )
 * console.log(Effect.runSync(message)) //=> there are .id, .kind, .ns, .name and meta.<path>; did you mean meta.port?
 */
export const layer = (options?: FinderOptions): Layer.Layer<Finder> =>
  Layer.effect(
    Finder,
    Effect.gen(function* () {
      const finder = make(options)
      const context = yield* Effect.context()
      const rate = () => {
        const { hits, misses } = finder.stats()
        return { value: hits === 0 ? 0 : hits / (hits + misses) }
      }
      yield* Effect.acquireRelease(
        Effect.sync(() =>
          Metric.registerUnsafe(cacheHitRate, context, { get: rate, update: () => {}, modify: () => {} })
        ),
        (registration) => Effect.sync(registration.remove)
      )
      return finder
    })
  )

/** What is known of one state. */
interface Known {
  readonly index: AttributeIndex.AttributeIndex
  /** Made when they are needed; never where none are to be kept. */
  answers: Answers.Answers | undefined
}

/** A query that was understood. */
interface Asked {
  readonly query: Query.Query
  readonly order: Evaluate.Order
  /** Query and order as text: what an answer is kept under. */
  readonly question: string
  readonly place: Cursor.Place | undefined
}

const differences = (from: State.State, to: State.State): ReadonlyArray<AttributeIndex.Change> => {
  const changes: Array<AttributeIndex.Change> = []
  State.diff(from, to, (before, after) => changes.push([before, after]))
  return changes
}

const byId: Evaluate.Order = { field: Result.getOrThrow(Field.parse(".id")), descending: false }

const readOrder = (options: FindOptions | undefined): Result.Result<Evaluate.Order, Query.InvalidQuery> => {
  if (options === undefined) return Result.succeed(byId)
  const { descending = false, limit, sortBy } = options
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit > 0)) {
    return invalid(`limit=${limit}`, "it is no limit", "a whole number from 1 on")
  }
  if (sortBy === undefined) return Result.succeed(descending ? { ...byId, descending } : byId)
  const field = Field.parse(sortBy)
  if (Result.isFailure(field)) return invalid(`sortBy=${sortBy}`, field.failure.reason, "a field to sort by")
  return Result.succeed({ field: field.success, descending })
}

const readCursor = (
  text: string,
  question: string,
  { version }: Target
): Result.Result<Cursor.Place, InvalidCursor> => {
  const cursor = Cursor.decode(text)
  const refuse = (reason: string) => Result.fail(new InvalidCursor({ cursor: text, reason }))
  if (cursor === undefined) return refuse("it is no cursor of a page; start from the first page")
  if (!Cursor.isOf(cursor, question)) {
    return refuse("it is a page's of another query or another order; start from the first page")
  }
  if (cursor.version !== version) {
    return refuse(
      `it is a page's of v${cursor.version} and this is v${version}; search the snapshot of v${cursor.version}, or hand over the registry`
    )
  }
  return Result.succeed(cursor)
}

const pageOf = (
  { version }: Target,
  { order, question }: Asked,
  { entries, more, total }: Answers.Answer,
  count?: () => number
): Page => {
  const last = entries.at(-1)
  const cursor =
    !more || last === undefined ? undefined : Cursor.encode({ question, version, ...Evaluate.placeOf(order, last) })
  if (total !== undefined || count === undefined) return { version, entries, total: total ?? entries.length, cursor }
  let counted: number | undefined
  return {
    version,
    entries,
    get total() {
      counted ??= count()
      return counted
    },
    cursor
  }
}

const invalid = (criterion: string, reason: string, expected: string): Result.Result<never, Query.InvalidQuery> =>
  Result.fail(new Query.InvalidQuery({ criterion, index: undefined, position: undefined, reason, expected }))
