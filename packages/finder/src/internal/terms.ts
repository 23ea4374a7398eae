/** Criteria and groups of them, compiled: what a query is made of. */
import type * as Entry from "@heph/entry/Entry"
import * as Value from "@heph/entry/Value"
import * as Result from "effect/Result"
import type * as Ast from "../Ast.ts"
import * as Field from "../Field.ts"
import * as Key from "./key.ts"
import * as Literal from "./literal.ts"
import * as Match from "./match.ts"
import type * as Patterns from "./patterns.ts"
import * as Words from "./words.ts"

export class Criterion {
  readonly field: Field.Field
  readonly operator: Ast.Operator
  readonly negated: boolean
  /** What the field is compared with; `true` for `?`. Safe integers are numbers here, others within 64 bits `bigint`s. */
  readonly wanted: Value.Value
  readonly #matcher: Match.Matcher
  readonly #valueOf: ReturnType<typeof Field.getter>

  constructor(
    field: Field.Field,
    operator: Ast.Operator,
    negated: boolean,
    wanted: Value.Copied,
    matcher: Match.Matcher
  ) {
    this.field = field
    this.operator = operator
    this.negated = negated
    this.wanted = wanted.value
    this.#matcher = matcher
    this.#valueOf = Field.getter(field)
    // Bytes and dates cannot be frozen, so a criterion that wants some hands out copies.
    if (wanted.thawed) {
      Object.defineProperty(this, "wanted", { enumerable: true, get: () => Value.thaw(wanted.value) })
    }
    Object.freeze(this)
  }
  /** @internal What an index may go by, one for each wanted item. */
  get items(): ReadonlyArray<Match.Item> {
    return this.#matcher.items
  }
  /** @internal */
  matches(entry: Entry.Entry, meta: Value.Bag): boolean {
    return this.#matcher.holds(this.#valueOf(entry, meta)) !== this.negated
  }
}

export class Group {
  readonly kind: "any" | "all"
  readonly negated: boolean
  readonly terms: ReadonlyArray<Term>
  readonly #holds: (entry: Entry.Entry, meta: Value.Bag) => boolean

  constructor(kind: "any" | "all", negated: boolean, terms: ReadonlyArray<Term>) {
    this.kind = kind
    this.negated = negated
    this.terms = Object.freeze(terms)
    if (kind === "all") this.#holds = (entry, meta) => terms.every((term) => term.matches(entry, meta))
    else {
      const { rest, sets } = alternatives(terms)
      this.#holds = (entry, meta) =>
        sets.some((set) => isAmong(set, Field.valueOf(set.field, entry, meta))) ||
        rest.some((term) => term.matches(entry, meta))
    }
    Object.freeze(this)
  }
  /** @internal */
  matches(entry: Entry.Entry, meta: Value.Bag): boolean {
    return this.#holds(entry, meta) !== this.negated
  }
}

export type Term = Criterion | Group

/** The values of a field that alternatives ask for: one look-up, however many they are. */
interface Among {
  readonly field: Field.Field
  readonly values: Set<Value.Value>
}

const alternatives = (terms: ReadonlyArray<Term>) => {
  const sets = new Map<string, Among>()
  const rest: Array<Term> = []
  for (const term of terms) {
    const literal = literalOf(term)
    if (literal === undefined || !(term instanceof Criterion)) rest.push(term)
    else {
      const set = sets.get(term.field.text)
      if (set === undefined) sets.set(term.field.text, { field: term.field, values: new Set([literal]) })
      else set.values.add(literal)
    }
  }
  return { sets: [...sets.values()], rest }
}

/** The value that a criterion wants and nothing else, where values of its type are looked up in a set. */
const literalOf = (term: Term): Value.Value | undefined => {
  if (term instanceof Group || term.negated || term.items.length !== 1 || Key.isList(term.wanted)) return undefined
  const literal = term.items[0]!.literal
  return literal === null || (literal !== undefined && typeof literal !== "object") ? literal : undefined
}

const isAmong = ({ values }: Among, found: Value.Value | undefined): boolean => {
  if (found === undefined) return false
  return Key.isList(found)
    ? found.some((item) => values.has(canonicalScalar(item)))
    : values.has(canonicalScalar(found))
}

const canonicalScalar = (value: Value.Value): Value.Value =>
  typeof value === "number" || typeof value === "bigint" ? Key.canonicalNumber(value) : value

/** How many looks at an entry a term takes at most: alternatives that ask a field for values take one together. */
export const looks = (term: Term): number => {
  if (term instanceof Criterion) return 1
  if (term.kind === "all") return term.terms.reduce((sum, each) => sum + looks(each), 0)
  const { rest, sets } = alternatives(term.terms)
  return rest.reduce((sum, each) => sum + looks(each), sets.length)
}

/** How many criteria a term has. */
export const count = (term: Term): number =>
  term instanceof Criterion ? 1 : term.terms.reduce((sum, each) => sum + count(each), 0)

/** The criterion, or why the value is none for its field and operator. */
export const makeCriterion = (
  field: Field.Field,
  operator: Ast.Operator,
  negated: boolean,
  wanted: unknown,
  patterns: Patterns.Patterns
): Result.Result<Criterion, Match.Refusal> => {
  const copied = Value.copy(wanted, "the value")
  if (Result.isFailure(copied)) {
    return Result.fail({ reason: copied.failure.message, expected: "a value that an entry can hold" })
  }
  const value = canonical(copied.success.value)
  return Result.map(
    Match.compile(field, operator, value, patterns),
    (matcher) => new Criterion(field, operator, negated, { value, thawed: copied.success.thawed }, matcher)
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

/** The term as words. */
export const print = (term: Term): string => {
  const not = term.negated ? "!" : ""
  if (term instanceof Group) return `${not}${term.kind}(${term.terms.map(print).join(" ")})`
  const { field, operator, wanted } = term
  const head = `${not}${operator === "=" ? "" : operator}${field.text}`
  return operator === "?" ? head : `${head}=${Words.showValue(wanted, Match.wantsText(field, operator))}`
}

/** The term as words, equal for terms that ask the same in another order or twice. */
export const keyOf = (terms: ReadonlyArray<Term>): string => {
  const keys = terms.map((term) =>
    term instanceof Group ? `${term.negated ? "!" : ""}${term.kind}(${keyOf(term.terms)})` : print(term)
  )
  return [...new Set(keys)].sort().join(" ")
}

export const toAst = (term: Term): Ast.TermAst => {
  const negated = term.negated ? { negated: true } : undefined
  if (term instanceof Group) {
    const terms = term.terms.map(toAst)
    return term.kind === "any" ? { any: terms, ...negated } : { all: terms, ...negated }
  }
  const { field, operator, wanted } = term
  const value = operator === "?" ? undefined : { value: Literal.toJson(wanted) }
  return { field: field.text, operator, ...value, ...negated }
}
