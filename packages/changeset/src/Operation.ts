/**
 * One change of one entry: `create`, `update` or `delete`.
 *
 * `original` is what was there before. A caller may leave it out; whoever applies the operation fills it in from the
 * state, so that whatever is stored can be reversed.
 */
import * as Entry from "@heph/entry/Entry"
import * as EntryId from "@heph/entry/EntryId"
import * as Result from "effect/Result"

export interface Create {
  readonly op: "create"
  readonly entry: Entry.Entry
}
export interface Update {
  readonly op: "update"
  readonly entry: Entry.Entry
  readonly original?: Entry.Entry | undefined
}
export interface Delete {
  readonly op: "delete"
  readonly id: EntryId.EntryId
  readonly original?: Entry.Entry | undefined
}
export type Operation = Create | Update | Delete

/** What people write: entries that were not checked yet, ids as text. */
export type OperationInput =
  | { readonly op: "create"; readonly entry: Entry.EntryInput }
  | { readonly op: "update"; readonly entry: Entry.EntryInput; readonly original?: Entry.EntryInput | undefined }
  | {
      readonly op: "delete"
      readonly id: EntryId.EntryId | string
      readonly original?: Entry.EntryInput | undefined
    }

export const create = (entry: Entry.Entry): Create => ({ op: "create", entry })
export const update = (entry: Entry.Entry, original?: Entry.Entry): Update => ({ op: "update", entry, original })
export const remove = (id: EntryId.EntryId, original?: Entry.Entry): Delete => ({ op: "delete", id, original })

/** The id an operation is about. */
export const idOf = (operation: Operation): EntryId.EntryId =>
  operation.op === "delete" ? operation.id : operation.entry.id

/** The kind of an operation's entry; of a delete that does not know what it deletes, nothing. */
export const kindOf = (operation: Operation): string | undefined =>
  operation.op === "delete" ? operation.original?.kind : operation.entry.kind

/** The operation with its entries checked and copied; see `Entry.make`. */
export const fromInput = (
  input: OperationInput | Operation
): Result.Result<Operation, EntryId.InvalidEntryId | Entry.InvalidEntry> =>
  Result.gen(function* () {
    const original = "original" in input && input.original !== undefined ? yield* Entry.make(input.original) : undefined
    if (input.op === "delete") {
      return remove(typeof input.id === "string" ? yield* EntryId.parse(input.id) : input.id, original)
    }
    const entry = yield* Entry.make(input.entry)
    return input.op === "create" ? create(entry) : update(entry, original)
  })
