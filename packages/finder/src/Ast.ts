/**
 * The tree of a query as plain JSON: what another program sends, stores or builds. Words, records and trees say the same.
 *
 *     .kind=function.* any(meta.port=80 !?meta.port)
 *
 *     [ { "field": ".kind", "operator": "=", "value": "function.*" },
 *       { "any": [ { "field": "meta.port", "operator": "=", "value": 80 },
 *                  { "field": "meta.port", "operator": "?", "negated": true } ] } ]
 *
 * `Query.fromAst` makes a query of a tree, and `Query.Query` is the schema that does so while it decodes.
 */
import * as Schema from "effect/Schema"

/** What a criterion asks; `=` is the one without a prefix in words: a glob on root fields, equality on `meta`. */
export const Operator = Schema.Literals(["=", "~", "*", "^", "$", ">", ">=", "<", "<=", "?"])
export type Operator = typeof Operator.Type

/**
 * One criterion. `field` is as in words, `meta."a key".port`. `value` is JSON; what JSON lacks is written
 * `{"$date":"2026-01-31"}`, `{"$bytes":"AQI="}`, `{"$number":"NaN"}`, `{"$number":"9007199254740993"}`, and a record
 * whose one key begins with `$` has one more `$` there. There is none after `?`.
 */
export interface CriterionAst {
  readonly field: string
  readonly operator: Operator
  readonly value?: Schema.Json
  readonly negated?: boolean
}

/** Criteria and groups of which one has to hold. */
export interface AnyAst {
  readonly any: ReadonlyArray<TermAst>
  readonly negated?: boolean
}

/** Criteria and groups that all have to hold, as an alternative of an {@link AnyAst}. */
export interface AllAst {
  readonly all: ReadonlyArray<TermAst>
  readonly negated?: boolean
}

export type TermAst = CriterionAst | AnyAst | AllAst

/** All terms have to hold. */
export type Ast = ReadonlyArray<TermAst>

const negated = Schema.optionalKey(Schema.Boolean)
const terms = Schema.Array(Schema.suspend((): Schema.Codec<TermAst> => Term))

/** The schema of one term. */
export const Term: Schema.Codec<TermAst> = Schema.Union([
  Schema.Struct({ field: Schema.String, operator: Operator, value: Schema.optionalKey(Schema.Json), negated }),
  Schema.Struct({ any: terms, negated }),
  Schema.Struct({ all: terms, negated })
])

/**
 * The schema of a tree: its shape, not yet its sense. Decode what you do not trust with `Query.Query`, which refuses a tree
 * that is too deep before it is walked.
 *
 * @example
 * import * as Ast from "@heph/finder/Ast"
 * import * as Schema from "effect/Schema"
 *
 * const read = Schema.decodeUnknownSync(Ast.Ast)
 * console.log(read([{ field: "meta.port", operator: ">=", value: 8000 }]).length) //=> 1
 */
export const Ast: Schema.Codec<Ast> = Schema.Array(Term)
