/** Changesets of entries. */
export * as ChangeSet from "./ChangeSet.ts"
export * as Codec from "./Codec.ts"
export * as Delta from "./Delta.ts"
export * as Operation from "./Operation.ts"
