/**
 * One change of one entry: `create`, `update` or `delete`.
 *
 * `original` is what was there before. A caller may leave it out; whoever applies the operation fills it in from the
 * state, so that whatever is stored can be reversed.
 */
import * as Entry from "@heph/entry/Entry"
import * as EntryId from "@heph/entry/EntryId"
import type * as State from "@heph/entry/State"
import * as Result from "effect/Result"

/** An entry that is not there yet. */
export interface Create {
  readonly op: "create"
  readonly entry: Entry.Entry
}
/** Another value, of the same kind, for an entry that is there. */
export interface Update {
  readonly op: "update"
  readonly entry: Entry.Entry
  readonly original?: Entry.Entry | undefined
}
/** The end of an entry that is there. */
export interface Delete {
  readonly op: "delete"
  readonly id: EntryId.EntryId
  readonly original?: Entry.Entry | undefined
}
/** One change of one entry. */
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

/** Creates an entry. */
export const create = (entry: Entry.Entry): Create => ({ op: "create", entry })
/** Puts an entry in the place of the one with its id. */
export const update = (entry: Entry.Entry, original?: Entry.Entry): Update => ({ op: "update", entry, original })
/** Deletes the entry of an id. */
export const remove = (id: EntryId.EntryId, original?: Entry.Entry): Delete => ({ op: "delete", id, original })

/** The id an operation is about. */
export const idOf = (operation: Operation): EntryId.EntryId =>
  operation.op === "delete" ? operation.id : operation.entry.id

/** The kind of an operation's entry; of a delete that does not know what it deletes, nothing. */
export const kindOf = (operation: Operation): string | undefined =>
  operation.op === "delete" ? operation.original?.kind : operation.entry.kind

/**
 * The operation that takes this one back. It must know its original, as operations of a complete changeset do.
 *
 * @example
 * import * as Operation from "@heph/changeset/Operation"
 * import * as Entry from "@heph/entry/Entry"
 *
 * const users = Entry.makeUnsafe({ id: "app:users", kind: "service" })
 * console.log(Operation.inverse(Operation.remove(users.id, users)).op) //=> create
 */
export const inverse = (operation: Operation): Operation => {
  if (operation.op === "create") return remove(operation.entry.id, operation.entry)
  return operation.op === "update" ? update(operation.original!, operation.entry) : create(operation.original!)
}

/** Puts what an operation leaves behind into a state that is being built, whatever was there. */
export const put = (builder: State.Builder, operation: Operation): void =>
  operation.op === "delete" ? builder.remove(operation.id) : builder.set(operation.entry)

/**
 * The operation with its entries checked and copied; see `Entry.make`. An `op` that is none is a defect, and thrown.
 *
 * @example
 * import * as Operation from "@heph/changeset/Operation"
 * import * as Result from "effect/Result"
 *
 * const refused = Operation.fromInput({ op: "create", entry: { id: "app:users", kind: "service", data: new Map() } })
 * console.log(Result.isFailure(refused) && refused.failure._tag) //=> InvalidEntry
 */
export const fromInput = (
  input: OperationInput | Operation
): Result.Result<Operation, EntryId.InvalidEntryId | Entry.InvalidEntry> => {
  const given = input.op === "create" ? undefined : input.original
  const original = given === undefined ? noOriginal : Entry.make(given)
  if (Result.isFailure(original)) return Result.fail(original.failure)
  switch (input.op) {
    case "create":
      return Result.map(Entry.make(input.entry), create)
    case "update":
      return Result.map(Entry.make(input.entry), (entry) => update(entry, original.success))
    case "delete": {
      const id = typeof input.id === "string" ? EntryId.parse(input.id) : Result.succeed(input.id)
      return Result.map(id, (found) => remove(found, original.success))
    }
    default:
      // Callers without types: taken for an update, a misspelt "delete" would write what it was to remove.
      throw new Error(
        `"${String((input as { readonly op: unknown }).op)}" is no operation: create, update and delete are`
      )
  }
}

const noOriginal: Result.Result<Entry.Entry | undefined> = Result.succeed(undefined)
