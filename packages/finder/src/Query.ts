/**
 * Queries: criteria that all have to hold, as a record or as words.
 *
 *     { ".kind": "function.*", "^meta.name": "user", "!meta.port": "80" }
 *     .kind=function.* ^meta.name=user !meta.port="80"
 *
 *     none   on .id .kind .ns .name a glob, on meta.* equality
 *     ~  regular expression      *  contains      ^  prefix      $  suffix
 *     > >= < <=  comparison      ?  is there      !  before any of them: not, missing fields included
 *
 * Of a list any item may match; a list as the wanted value wants every one of its items. Whatever cannot be understood
 * is an {@link InvalidQuery}: no criterion is ever left out.
 */
import type * as Entry from "@heph/entry/Entry"
import * as Value from "@heph/entry/Value"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Field from "./Field.ts"
import * as Key from "./internal/key.ts"
import * as Match from "./internal/match.ts"
import * as Patterns from "./internal/patterns.ts"
import * as Words from "./internal/words.ts"

/** What a criterion asks, by its prefix; `=` stands for none. */
export type Operator = "=" | "~" | "*" | "^" | "$" | ">" | ">=" | "<" | "<=" | "?"

/** A query as a record: `[!][operator]field` to the wanted value, any that an entry can hold; `true` after `?`. */
export interface Criteria {
  readonly [criterion: string]: unknown
}

/** Whatever {@link from} makes a query of. */
export type Input = Query | Criteria | string | ReadonlyArray<string>

/**
 * A part of a query, or of what was asked beside it, that cannot be understood. `criterion` is the part as it was
 * written; `index` is its place among the criteria, from 0, and undefined for an option such as `limit`.
 */
export class InvalidQuery extends Schema.TaggedError<InvalidQuery>()("InvalidQuery", {
  criterion: Schema.String,
  index: Schema.UndefinedOr(Schema.Int),
  reason: Schema.String
}) {
  override get message(): string {
    const shown = JSON.stringify(this.criterion.length > 80 ? `${this.criterion.slice(0, 80)}…` : this.criterion)
    return `${this.index === undefined ? "" : `criterion ${this.index + 1}, `}${shown}: ${this.reason}`
  }
}

class CriterionImpl {
  readonly field: Field.Field
  readonly operator: Operator
  readonly negated: boolean
  /** What the field is compared with; `true` for `?`. Safe integers are numbers here, others within 64 bits `bigint`s. */
  readonly wanted: Value.Value
  readonly #holds: Match.Holds

  constructor(field: Field.Field, operator: Operator, negated: boolean, wanted: Value.Copied, holds: Match.Holds) {
    this.field = field
    this.operator = operator
    this.negated = negated
    this.wanted = wanted.value
    this.#holds = holds
    // Bytes and dates cannot be frozen, so a criterion that wants some hands out copies.
    if (wanted.thawed) {
      Object.defineProperty(this, "wanted", { enumerable: true, get: () => Value.thaw(wanted.value) })
    }
    Object.freeze(this)
  }
  /** @internal */
  matches(entry: Entry.Entry, meta: Value.Bag): boolean {
    return this.#holds(Field.valueOf(this.field, entry, meta)) !== this.negated
  }
}

/** One criterion of a {@link Query}. */
export type Criterion = CriterionImpl

class QueryImpl {
  readonly criteria: ReadonlyArray<Criterion>
  /** @internal The criteria as words, sorted: equal for queries that ask the same in another order, and for no others. */
  readonly key: string

  constructor(criteria: ReadonlyArray<Criterion>) {
    this.criteria = Object.freeze(criteria)
    this.key = criteria.map(printCriterion).toSorted().join(" ")
    Object.defineProperty(this, "key", { enumerable: false })
    Object.freeze(this)
  }
}

/** Immutable. Get one from {@link fromRecord} or {@link parse}. */
export type Query = QueryImpl

/** Whether a value is a query made by this module. */
export const isQuery = (value: unknown): value is Query => value instanceof QueryImpl

/** The query of any form of one. `patterns` compiles its globs and expressions: a finder passes what it has kept. */
export const from = (input: Input, patterns?: Patterns.Patterns): Result.Result<Query, InvalidQuery> => {
  if (isQuery(input)) return Result.succeed(input)
  return typeof input === "string" || Array.isArray(input)
    ? parse(input as string | ReadonlyArray<string>, patterns)
    : fromRecord(input as Criteria, patterns)
}

/**
 * The query of a record of criteria; of an empty one, the query that every entry answers. ~2 µs a criterion, and 60 µs for
 * an expression that is not kept.
 *
 * @example
 * import * as Query from "@heph/finder/Query"
 * import * as Result from "effect/Result"
 *
 * const query = Query.fromRecord({ ".kind": "function.*", "!meta.retired": true, ">=meta.port": 8000 })
 * console.log(Query.print(Result.getOrThrow(query))) //=> .kind=function.* !meta.retired=true >=meta.port=8000
 * const wrong = Result.flip(Query.fromRecord({ kind: "function.*" }))
 * console.log(Result.getOrThrow(wrong).message)
 * //=> criterion 1, "kind": there are .id, .kind, .ns, .name and meta.<path>; did you mean .kind?
 */
export const fromRecord = (
  record: Criteria,
  patterns: Patterns.Patterns = Patterns.uncached
): Result.Result<Query, InvalidQuery> => {
  const prototype: unknown = typeof record === "object" && record !== null ? Object.getPrototypeOf(record) : undefined
  if ((prototype !== Object.prototype && prototype !== null) || Object.getOwnPropertySymbols(record).length > 0) {
    return invalid(typeof record, undefined, "a query is a plain record of criteria, a text or a list of words")
  }
  const criteria: Array<Criterion> = []
  for (const [key, wanted] of Object.entries(record)) {
    const head = readHead(key)
    const criterion =
      head.field === undefined
        ? Result.fail(head.rest)
        : head.rest === ""
          ? makeCriterion(head.field, head.operator, head.negated, wanted, patterns)
          : Result.fail(Field.trailing(head.rest))
    if (Result.isFailure(criterion)) return invalid(key, criteria.length, criterion.failure)
    criteria.push(criterion.success)
  }
  return Result.succeed(new QueryImpl(criteria))
}

/**
 * The query that words spell. A text is split at white space outside quotes; of a list, as a command line hands it over,
 * each item is one criterion and is never split.
 *
 * A word is a criterion's key, `=`, and the value: `>=meta.port=8000`; after `?` there is none. Numbers, `true`, `false`
 * and `null` are typed, integers beyond 2^53 as `bigint`. `"…"` is text as JSON quotes it, `'…'` is text as it stands, and
 * lists and records are JSON: `meta.tags=["a","b"]`, `<meta.at={"$date":"2026-01-31"}`. Where only text can be meant, as
 * for root fields and after `~ ^ $`, a bare word is text whatever it looks like.
 *
 * @example
 * import * as Query from "@heph/finder/Query"
 * import * as Result from "effect/Result"
 *
 * const { criteria } = Result.getOrThrow(Query.parse(`~meta.title="^the user" meta.size=9007199254740993`))
 * console.log(criteria.map(({ operator, wanted }) => [operator, wanted]))
 * //=> [ [ '~', '^the user' ], [ '=', 9007199254740993n ] ]
 * console.log(Result.getOrThrow(Result.flip(Query.parse("~meta.title=["))).message)
 * //=> criterion 1, "~meta.title=[": error parsing regexp: missing closing ]: `[`
 */
export const parse = (
  words: string | ReadonlyArray<string>,
  patterns: Patterns.Patterns = Patterns.uncached
): Result.Result<Query, InvalidQuery> => {
  const list = typeof words === "string" ? Words.split(words) : Result.succeed(words)
  if (Result.isFailure(list)) return invalid(list.failure.word, list.failure.index, "a quote is not closed")
  const criteria: Array<Criterion> = []
  for (const word of list.success) {
    const criterion = readWord(word, patterns)
    if (Result.isFailure(criterion)) return invalid(word, criteria.length, criterion.failure)
    criteria.push(criterion.success)
  }
  return Result.succeed(new QueryImpl(criteria))
}

/** The query as words; {@link parse} gives an equal one back. */
export const print = (query: Query): string => query.criteria.map(printCriterion).join(" ")

/** Whether two queries have the same criteria, in whatever order. */
export const equals = (a: Query, b: Query): boolean => a === b || a.key === b.key

/**
 * Whether an entry answers to every criterion. The cost follows the criteria and the size of what they look at.
 *
 * @example
 * import * as Entry from "@heph/entry/Entry"
 * import * as Query from "@heph/finder/Query"
 * import * as Result from "effect/Result"
 *
 * const entry = Entry.makeUnsafe({ id: "app:users", kind: "function.lua", meta: { tags: ["api", "v2"] } })
 * const query = Result.getOrThrow(Query.parse("^meta.tags=v !?meta.retired"))
 * console.log(Query.matches(query, entry)) //=> true
 */
export const matches = (query: Query, entry: Entry.Entry): boolean => {
  const { meta } = entry
  for (const criterion of query.criteria) if (!criterion.matches(entry, meta)) return false
  return true
}

interface Head {
  readonly negated: boolean
  readonly operator: Operator
  readonly field: Field.Field | undefined
  readonly rest: string
}

/** The part of a criterion before its value. */
const readHead = (text: string): Head => {
  const [prefix, not, operator] = /^(!?)(>=|<=|[~*^$<>?]?)/.exec(text)!
  const { field, rest } = Field.take(text.slice(prefix.length))
  return { negated: not === "!", operator: (operator || "=") as Operator, field, rest }
}

const readWord = (word: string, patterns: Patterns.Patterns): Result.Result<Criterion, string> => {
  if (word === "") return Result.fail("the criterion is empty")
  const { field, negated, operator, rest } = readHead(word)
  if (field === undefined) return Result.fail(rest)
  if (rest !== "" && !rest.startsWith("=")) return Result.fail(Field.trailing(rest))
  if (operator === "?" && rest === "") return makeCriterion(field, operator, negated, true, patterns)
  if (operator === "?") return Result.fail(`"?" takes no value`)
  if (rest === "") return Result.fail(`no value: write ${word}=… or, if the field is to be there, ?${field.text}`)
  return Result.flatMap(Words.readValue(rest.slice(1), Match.wantsText(field, operator)), (wanted) =>
    makeCriterion(field, operator, negated, wanted, patterns)
  )
}

const makeCriterion = (
  field: Field.Field,
  operator: Operator,
  negated: boolean,
  wanted: unknown,
  patterns: Patterns.Patterns
): Result.Result<Criterion, string> => {
  const copied = Value.copy(wanted, "the value")
  if (Result.isFailure(copied)) return Result.fail(copied.failure.message)
  const value = canonical(copied.success.value)
  return Result.map(
    Match.compile(field, operator, value, patterns),
    (holds) => new CriterionImpl(field, operator, negated, { value, thawed: copied.success.thawed }, holds)
  )
}

/** Equal numbers in one representation at any depth, so that equal queries print alike. */
const canonical = (value: Value.Value): Value.Value => {
  if (typeof value === "number" || typeof value === "bigint") return Key.canonicalNumber(value)
  if (Key.isList(value)) return Object.freeze(value.map(canonical))
  if (!Value.isRecord(value)) return value
  const out: Record<string, Value.Value> = {}
  for (const key of Object.keys(value).toSorted()) out[key] = canonical(value[key]!)
  return Object.freeze(out)
}

const printCriterion = ({ field, negated, operator, wanted }: Criterion): string => {
  const head = `${negated ? "!" : ""}${operator === "=" ? "" : operator}${field.text}`
  return operator === "?" ? head : `${head}=${Words.showValue(wanted, Match.wantsText(field, operator))}`
}

const invalid = (criterion: string, index: number | undefined, reason: string): Result.Result<never, InvalidQuery> =>
  Result.fail(new InvalidQuery({ criterion, index, reason }))
