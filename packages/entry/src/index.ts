/** Entries, interned ids and ordered persistent states of them. */
export * as Codec from "./Codec.ts"
export * as Entry from "./Entry.ts"
export * as EntryId from "./EntryId.ts"
export * as State from "./State.ts"
export * as Value from "./Value.ts"
