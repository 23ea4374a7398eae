/**
 * Queries: criteria that all have to hold, as a record, as words, or as a tree of JSON.
 *
 *     { ".kind": "function.*", "^meta.name": "user", any: [{ "meta.port": 80 }, { "!?meta.port": true }] }
 *     .kind=function.* ^meta.name=user any(meta.port=80 !?meta.port)
 *
 *     none   on .id .kind .ns .name a glob, on meta.* equality
 *     ~  regular expression      *  contains      ^  prefix      $  suffix
 *     > >= < <=  comparison      ?  is there      !  before any of them: not, missing fields included
 *     any(…)  one of these holds      all(…)  all of these hold      ! before them: not
 *
 * Of a list any item may match; a list as the wanted value wants every one of its items. Whatever cannot be understood
 * is an {@link InvalidQuery}: no criterion is ever left out.
 */
import type * as Entry from "@heph/entry/Entry"
import * as Value from "@heph/entry/Value"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as Ast from "./Ast.ts"
import * as Field from "./Field.ts"
import * as Literal from "./internal/literal.ts"
import * as Match from "./internal/match.ts"
import * as Patterns from "./internal/patterns.ts"
import * as Terms from "./internal/terms.ts"
import * as Words from "./internal/words.ts"

/** One criterion of a {@link Query}. */
export type Criterion = Terms.Criterion

/** Terms of which one has to hold, or all. */
export type Group = Terms.Group

/** What a query is made of. */
export type Term = Terms.Term

/**
 * A query as a record: `[!][operator]field` to the wanted value, any that an entry can hold; `true` after `?`. Under
 * `any`, `all`, `!any` and `!all` is a list of records, each of which is one alternative or one condition.
 */
export interface Criteria {
  readonly [criterion: string]: unknown
}

/** Whatever {@link from} makes a query of. */
export type Input = Query | Criteria | string | ReadonlyArray<string> | Ast.Ast

/** The longest text of a query, in UTF-16 units. */
export const maxText = 1 << 20

/** How many criteria a query has at most, groups counted through. */
export const maxCriteria = 20_000

/**
 * How often a query may look at an entry at most. Each criterion counts once, and alternatives of an `any(…)` that ask one
 * field for its value count once together.
 */
export const maxLooks = 256

/**
 * A part of a query, or of what was asked beside it, that cannot be understood. `criterion` is the part as it was
 * written; `index` is its place among the terms of the query, from 0, and undefined for an option such as `limit`.
 * `position` is where in the text, or in the item of a list, or in the key of a record, it stops making sense, in UTF-16
 * units from 0. `expected` says what would be understood there.
 */
export class InvalidQuery extends Schema.TaggedError<InvalidQuery>()("InvalidQuery", {
  criterion: Schema.String,
  index: Schema.UndefinedOr(Schema.Int),
  position: Schema.UndefinedOr(Schema.Int),
  reason: Schema.String,
  expected: Schema.String
}) {
  override get message(): string {
    const shown = JSON.stringify(this.criterion.length > 80 ? `${this.criterion.slice(0, 80)}…` : this.criterion)
    const where = this.position === undefined || this.position === 0 ? "" : ` at character ${this.position + 1}`
    return `${this.index === undefined ? "" : `criterion ${this.index + 1}, `}${shown}${where}: ${clipped(this.reason)}; ${clipped(this.expected)}`
  }
}

const clipped = (text: string): string => (text.length > 400 ? `${text.slice(0, 400)}…` : text)

class QueryImpl {
  /** All of them have to hold. */
  readonly terms: ReadonlyArray<Term>
  /** @internal The terms as words, sorted: equal for queries that ask the same in another order, and for no others. */
  readonly key: string

  constructor(terms: ReadonlyArray<Term>) {
    this.terms = Object.freeze(terms)
    this.key = Terms.keyOf(terms)
    Object.defineProperty(this, "key", { enumerable: false })
    Object.freeze(this)
  }
}

/** Immutable. Get one from {@link fromRecord}, {@link parse} or {@link fromAst}. */
export type Query = QueryImpl

/** Whether a value is a query made by this module. */
export const isQuery = (value: unknown): value is Query => value instanceof QueryImpl

/** The query of any form of one. `patterns` compiles its globs and expressions: a finder passes what it has kept. */
export const from = (input: Input, patterns?: Patterns.Patterns): Result.Result<Query, InvalidQuery> => {
  if (isQuery(input)) return Result.succeed(input)
  if (typeof input === "string") return parse(input, patterns)
  if (!Array.isArray(input)) return fromRecord(input as Criteria, patterns)
  return typeof input[0] === "object" ? fromAst(input, patterns) : parse(input, patterns)
}

/**
 * The query of a record of criteria; of an empty one, the query that every entry answers. ~2 µs a criterion, and 60 µs for
 * an expression that is not kept.
 *
 * @example
 * import * as Query from "@heph/finder/Query"
 * import * as Result from "effect/Result"
 *
 * const query = Query.fromRecord({ ".kind": "function.*", "!meta.retired": true, any: [{ "meta.port": 80 }, { "?meta.tls": true }] })
 * console.log(Query.print(Result.getOrThrow(query))) //=> .kind=function.* !meta.retired=true any(meta.port=80 ?meta.tls)
 * const wrong = Result.flip(Query.fromRecord({ kind: "function.*" }))
 * console.log(Result.getOrThrow(wrong).message)
 * //=> criterion 1, "kind": "kind" is no field; there are .id, .kind, .ns, .name and meta.<path>; did you mean .kind?
 */
export const fromRecord = (
  record: Criteria,
  patterns: Patterns.Patterns = Patterns.uncached
): Result.Result<Query, InvalidQuery> => {
  const terms = readRecord(record, patterns, 0)
  return terms === undefined ? invalid(noRecord(record), undefined) : gather(terms)
}

/**
 * The query that words spell. A text is split at white space outside quotes and groups; of a list, as a command line hands
 * it over, each item is one criterion or one group and is never split.
 *
 * A word is a criterion's key, `=`, and the value: `>=meta.port=8000`; after `?` there is none. Numbers, `true`, `false`
 * and `null` are typed, integers beyond 2^53 as `bigint`. `"…"` is text as JSON quotes it, `'…'` is text as it stands, and
 * lists and records are JSON: `meta.tags=["a","b"]`, `<meta.at={"$date":"2026-01-31"}`. Where only text can be meant, as
 * for root fields and after `~ ^ $`, a bare word is text whatever it looks like. In a group a word ends at a parenthesis
 * that it did not open.
 *
 * @example
 * import * as Query from "@heph/finder/Query"
 * import * as Result from "effect/Result"
 *
 * const query = Result.getOrThrow(Query.parse(`~meta.title="^the user" any(meta.size=9007199254740993 all(.ns=app ?meta.x))`))
 * console.log(Query.toAst(query)[0]) //=> { field: 'meta.title', operator: '~', value: '^the user' }
 * console.log(Result.getOrThrow(Result.flip(Query.parse("meta.port>=80"))).message)
 * //=> criterion 1, "meta.port>=80" at character 10: ">=80" follows the field; an operator stands before it, as in >=meta.port
 */
export const parse = (
  words: string | ReadonlyArray<string>,
  patterns: Patterns.Patterns = Patterns.uncached
): Result.Result<Query, InvalidQuery> => {
  const length = typeof words === "string" ? words.length : words.join("").length
  if (length > maxText) {
    const [reason, expected] = [`the query is longer than ${maxText} characters`, "a shorter one"]
    return invalid({ part: String(typeof words === "string" ? words : words[0]), at: 0, reason, expected }, 0)
  }
  if (typeof words !== "string") {
    return gather(words.map((word) => Result.flatMap(Words.only(word), (part): Read<Term> => readPart(part, patterns))))
  }
  const parts = Words.split(words)
  if (Result.isFailure(parts)) return invalid(parts.failure, parts.failure.index)
  return gather(parts.success.map((part) => readPart(part, patterns)))
}

/**
 * The query of a tree.
 *
 * @example
 * import * as Query from "@heph/finder/Query"
 * import * as Result from "effect/Result"
 *
 * const query = Query.fromAst([{ any: [{ field: "meta.port", operator: ">", value: 80 }, { field: ".ns", operator: "=", value: "app" }] }])
 * console.log(Query.print(Result.getOrThrow(query))) //=> any(>meta.port=80 .ns=app)
 */
export const fromAst = (
  ast: Ast.Ast,
  patterns: Patterns.Patterns = Patterns.uncached
): Result.Result<Query, InvalidQuery> => gather(ast.map((term) => readAst(term, patterns, 0)))

/** The tree of a query; {@link fromAst} gives an equal one back. */
export const toAst = (query: Query): Ast.Ast => query.terms.map(Terms.toAst)

/**
 * The schema of a query: decodes a tree, and says what cannot be understood of it; encodes a query as its tree.
 *
 * @example
 * import * as Query from "@heph/finder/Query"
 * import * as Schema from "effect/Schema"
 *
 * const query = Schema.decodeUnknownSync(Query.Query)([{ field: "meta.at", operator: "<", value: { $date: "2026-01-31" } }])
 * console.log(Query.print(query)) //=> <meta.at={"$date":"2026-01-31T00:00:00.000Z"}
 */
export const Query: Schema.Codec<Query, Ast.Ast> = Schema.Unknown.pipe(
  Schema.decodeTo(
    Ast.Ast,
    SchemaTransformation.transformEffect({
      decode: (json: unknown) =>
        isDeeper(json, maxJsonDepth)
          ? Effect.fail(new SchemaIssue.InvalidValue({ message: `the tree is more than ${maxJsonDepth} levels deep` }))
          : Effect.succeed(json as Ast.Ast),
      encode: (ast: Ast.Ast) => Effect.succeed(ast)
    })
  ),
  Schema.decodeTo(
    Schema.declare(isQuery),
    SchemaTransformation.transformEffect({
      decode: (ast: Ast.Ast) =>
        Effect.mapError(
          Effect.fromResult(fromAst(ast)),
          (error) => new SchemaIssue.InvalidValue({ message: error.message })
        ),
      encode: (query: Query) => Effect.succeed(toAst(query))
    })
  )
) as Schema.Codec<Query, Ast.Ast>

/** Two levels for each group, and those of a value. */
const maxJsonDepth = 2 * Words.maxDepth + Value.maxDepth + 4

/** Without recursion, which what was sent could overflow. */
const isDeeper = (json: unknown, most: number): boolean => {
  let level: ReadonlyArray<unknown> = [json]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > most) return true
    level = level.flatMap((each) =>
      typeof each === "object" && each !== null ? (Object.values(each) as ReadonlyArray<unknown>) : []
    )
  }
  return false
}

/** The query as words; {@link parse} gives an equal one back. */
export const print = (query: Query): string => query.terms.map(Terms.print).join(" ")

/** Whether two queries have the same terms, in whatever order. */
export const equals = (a: Query, b: Query): boolean => a === b || a.key === b.key

/** The fields that a query names, each once, in the order in which it does. */
export const fields = (query: Query): ReadonlyArray<Field.Field> => {
  const found = new Map<string, Field.Field>()
  const visit = (term: Term): void => {
    if (isGroup(term)) term.terms.forEach(visit)
    else found.set(term.field.text, term.field)
  }
  query.terms.forEach(visit)
  return [...found.values()]
}

/** Whether a term is a group. */
export const isGroup = (term: Term): term is Group => term instanceof Terms.Group

/**
 * Whether an entry answers to every term. The cost follows the terms and the size of what they look at.
 *
 * @example
 * import * as Entry from "@heph/entry/Entry"
 * import * as Query from "@heph/finder/Query"
 * import * as Result from "effect/Result"
 *
 * const entry = Entry.makeUnsafe({ id: "app:users", kind: "function.lua", meta: { tags: ["api", "v2"] } })
 * const query = Result.getOrThrow(Query.parse("any(^meta.tags=v ?meta.beta) !?meta.retired"))
 * console.log(Query.matches(query, entry)) //=> true
 */
export const matches = (query: Query, entry: Entry.Entry): boolean => {
  const { meta } = entry
  for (const term of query.terms) if (!term.matches(entry, meta)) return false
  return true
}

type Read<A> = Result.Result<A, Words.Problem>

/** The query of terms, or the error of the first that is none. */
const gather = (read: ReadonlyArray<Read<Term>>): Result.Result<Query, InvalidQuery> => {
  const terms: Array<Term> = []
  for (const [index, term] of read.entries()) {
    if (Result.isFailure(term)) return invalid(term.failure, index)
    terms.push(term.success)
  }
  const criteria = terms.reduce((sum, term) => sum + Terms.count(term), 0)
  if (criteria > maxCriteria) {
    return tooMany(`the query has ${criteria} criteria`, `at most ${maxCriteria}`)
  }
  const looks = terms.reduce((sum, term) => sum + Terms.looks(term), 0)
  if (looks > maxLooks) {
    return tooMany(
      `the query looks at an entry ${looks} times`,
      `at most ${maxLooks}: any(…) of values of a field counts once`
    )
  }
  return Result.succeed(new QueryImpl(terms))
}

const tooMany = (reason: string, expected: string) => invalid({ part: "", at: 0, reason, expected }, undefined)

interface Head {
  readonly negated: boolean
  readonly operator: Ast.Operator
  readonly at: number
}

/** The part of a criterion before its field. */
const readHead = (text: string): Head => {
  const [prefix, not, operator] = /^(!?)(>=|<=|[~*^$<>?]?)/.exec(text)!
  return { negated: not === "!", operator: (operator || "=") as Ast.Operator, at: prefix.length }
}

const group = (
  kind: "any" | "all",
  negated: boolean,
  terms: ReadonlyArray<Read<Term>>,
  part: string,
  at: number
): Read<Group> => {
  if (terms.length === 0) return problem(part, at, `${kind}(…) has nothing in it`, "one criterion at least")
  const read: Array<Term> = []
  for (const term of terms) {
    if (Result.isFailure(term)) return Result.fail(term.failure)
    read.push(term.success)
  }
  return Result.succeed(new Terms.Group(kind, negated, read))
}

const readPart = (part: Words.Part, patterns: Patterns.Patterns): Read<Term> =>
  part._tag === "Word"
    ? readWord(part.text, part.at, patterns)
    : group(
        part.kind,
        part.negated,
        part.parts.map((each) => readPart(each, patterns)),
        part.text,
        part.at
      )

const readWord = (word: string, start: number, patterns: Patterns.Patterns): Read<Term> => {
  if (typeof word !== "string") return problem(String(word), start, "it is no text", "a list of words holds texts")
  if (word === "") return problem(word, start, "the criterion is empty", "a field and a value, as in .kind=service")
  const { at, negated, operator } = readHead(word)
  const taken = Field.take(word.slice(at))
  if (taken.field === undefined) return problem(word, start + at + taken.at, taken.reason, taken.expected)
  const { field, rest } = taken
  const end = start + word.length - rest.length
  const refused = ({ expected, reason }: Match.Refusal, offset = 0) => problem(word, end + offset, reason, expected)
  if (rest !== "" && !rest.startsWith("=")) return refused(Field.trailing(rest))
  if (operator === "?") {
    if (rest !== "") return refused({ reason: `"?" takes no value`, expected: "the criterion ends here" })
    return Result.mapError(Terms.makeCriterion(field, operator, negated, true, patterns), (why) => ({
      part: word,
      at: end,
      ...why
    }))
  }
  if (rest === "") {
    return refused({
      reason: "there is no value",
      expected: `write ${word}=… or, if the field is to be there, ?${field.text}`
    })
  }
  const wanted = Words.readValue(rest.slice(1), Match.wantsText(field, operator))
  if (Result.isFailure(wanted)) return refused(wanted.failure, 1)
  const made = Terms.makeCriterion(field, operator, negated, wanted.success, patterns)
  return Result.isFailure(made) ? refused(made.failure, 1) : Result.succeed(made.success)
}

const groupKey = /^(!?)(any|all)$/

/** The terms of a plain record; of anything else, whose criteria might be missed, nothing. */
const readRecord = (
  record: unknown,
  patterns: Patterns.Patterns,
  depth: number
): ReadonlyArray<Read<Term>> | undefined => {
  const prototype: unknown = typeof record === "object" && record !== null ? Object.getPrototypeOf(record) : undefined
  const plain = prototype === Object.prototype || prototype === null
  if (!plain || Object.getOwnPropertySymbols(record).length > 0) return undefined
  return Object.entries(record as Criteria).map(([key, wanted]): Read<Term> => {
    const [, not, kind] = groupKey.exec(key) ?? []
    if (kind !== undefined) return readGroup(key, kind as "any" | "all", not === "!", wanted, patterns, depth)
    return readPair(key, wanted, patterns)
  })
}

const noRecord = (found: unknown): Words.Problem => ({
  part: found === null ? "null" : typeof found,
  at: 0,
  reason: "it is no record of criteria",
  expected: "a plain record, a text, a list of words or a tree is"
})

const readPair = (key: string, wanted: unknown, patterns: Patterns.Patterns): Read<Term> => {
  const { at, negated, operator } = readHead(key)
  const taken = Field.take(key.slice(at))
  if (taken.field === undefined) return problem(key, at + taken.at, taken.reason, taken.expected)
  const { field, rest } = taken
  if (rest !== "") {
    const { expected, reason } = Field.trailing(rest)
    return problem(key, key.length - rest.length, reason, expected)
  }
  return Result.mapError(Terms.makeCriterion(field, operator, negated, wanted, patterns), (why) => ({
    part: key,
    at: 0,
    ...why
  }))
}

const readGroup = (
  key: string,
  kind: "any" | "all",
  negated: boolean,
  records: unknown,
  patterns: Patterns.Patterns,
  depth: number
): Read<Term> => {
  if (depth === Words.maxDepth) return tooDeep(key)
  if (!Array.isArray(records)) return problem(key, 0, "it holds no list", "a list of records, each an alternative")
  const terms = records.map((record): Read<Term> => {
    const read = readRecord(record, patterns, depth + 1)
    if (read === undefined) return Result.fail({ ...noRecord(record), part: key })
    if (read.length === 1) return read[0]!
    // A record without criteria would hold for every entry.
    return group("all", false, read, key, 0)
  })
  return group(kind, negated, terms, key, 0)
}

/** The tree may come from anywhere, and its type is not believed. */
const readAst = (ast: Ast.TermAst, patterns: Patterns.Patterns, depth: number): Read<Term> => {
  if (typeof ast !== "object" || ast === null || ("negated" in ast && typeof ast.negated !== "boolean")) {
    return noTerm(ast)
  }
  if ("field" in ast) return readCriterionAst(ast, patterns)
  if (depth === Words.maxDepth) return tooDeep("any" in ast ? "any" : "all")
  const [kind, terms] = "any" in ast ? (["any", ast.any] as const) : (["all", ast.all] as const)
  if (!Array.isArray(terms)) return noTerm(ast)
  const read = terms.map((term: Ast.TermAst) => readAst(term, patterns, depth + 1))
  return group(kind, ast.negated ?? false, read, kind, 0)
}

const noTerm = (found: unknown) =>
  problem(
    typeof found === "object" && found !== null ? Object.keys(found).join(" ") : String(found),
    0,
    "it is no term of a tree",
    `{ "field", "operator", "value" }, { "any": […] } or { "all": […] }, each with "negated" or without`
  )

const readCriterionAst = (ast: Ast.CriterionAst, patterns: Patterns.Patterns): Read<Term> => {
  const { field: name, negated = false, operator, value } = ast
  if (typeof name !== "string" || !Ast.Operator.literals.includes(operator)) return noTerm(ast)
  const taken = Field.take(name)
  if (taken.field === undefined) return problem(name, taken.at, taken.reason, taken.expected)
  if (taken.rest !== "") {
    const { expected, reason } = Field.trailing(taken.rest)
    return problem(name, name.length - taken.rest.length, reason, expected)
  }
  const { field } = taken
  if (value === undefined && operator !== "?") return problem(name, 0, "there is no value", "a value beside the field")
  const wanted = value === undefined ? Result.succeed(true) : Literal.fromJson(value)
  if (Result.isFailure(wanted)) return problem(name, 0, wanted.failure, "a value as JSON")
  return Result.mapError(Terms.makeCriterion(field, operator, negated, wanted.success, patterns), (why) => ({
    part: name,
    at: 0,
    ...why
  }))
}

const tooDeep = (part: string) =>
  problem(part, 0, `groups lie in each other more than ${Words.maxDepth} deep`, "a flatter query")

const problem = (part: string, at: number, reason: string, expected: string): Result.Result<never, Words.Problem> =>
  Result.fail({ part, at, reason, expected })

const invalid = (
  { at, expected, part, reason }: Words.Problem,
  index: number | undefined
): Result.Result<never, InvalidQuery> =>
  Result.fail(
    new InvalidQuery({ criterion: part, index, position: index === undefined ? undefined : at, reason, expected })
  )
