/** Queries over registry states: criteria, attribute indexes, cached and paged results. */
export * as Ast from "./Ast.ts"
export * as AttributeIndex from "./AttributeIndex.ts"
export * as Field from "./Field.ts"
export * as Finder from "./Finder.ts"
export * as Query from "./Query.ts"
