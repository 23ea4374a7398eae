/**
 * An ordered list of operations that leads from one state to another.
 *
 *     apply(state, c)    the state after c, or what does not fit
 *     complete(state, c) c with every original filled in, so that it can be reversed
 *     reverse(c)         from there back again
 *     squash([a, b])     one changeset that does what a then b does
 */
import * as Entry from "@heph/entry/Entry"
import type * as EntryId from "@heph/entry/EntryId"
import * as State from "@heph/entry/State"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Delta from "./Delta.ts"
import * as Operation from "./Operation.ts"

/** Operations in the order they happen. An id may come up more than once. */
export type ChangeSet = ReadonlyArray<Operation.Operation>

/** A create of an id that exists. */
export class EntryExists extends Schema.TaggedError<EntryExists>()("EntryExists", { id: Schema.String }) {
  override get message(): string {
    return `${this.id} cannot be created: it exists already. Update it, or delete it first.`
  }
}

/** An update or a delete of an id that does not exist. */
export class EntryMissing extends Schema.TaggedError<EntryMissing>()("EntryMissing", {
  id: Schema.String,
  op: Schema.Literals(["update", "delete"])
}) {
  override get message(): string {
    return `${this.id} cannot be ${this.op}d: there is no such entry.`
  }
}

/** An update that would give an entry another kind. */
export class KindChanged extends Schema.TaggedError<KindChanged>()("KindChanged", {
  id: Schema.String,
  from: Schema.String,
  to: Schema.String
}) {
  override get message(): string {
    return `${this.id} is of kind ${this.from} and an update cannot make it ${this.to}: delete it and create it again.`
  }
}

/** An operation that lacks its original cannot be reversed. */
export class MissingOriginal extends Schema.TaggedError<MissingOriginal>()("MissingOriginal", {
  id: Schema.String,
  op: Schema.Literals(["update", "delete"])
}) {
  override get message(): string {
    return `the ${this.op} of ${this.id} cannot be reversed: it does not say what was there. Complete the changeset first.`
  }
}

/** Two operations on one id that cannot follow each other. */
export class ImpossibleSequence extends Schema.TaggedError<ImpossibleSequence>()("ImpossibleSequence", {
  id: Schema.String,
  first: Schema.Literals(["create", "update", "delete"]),
  second: Schema.Literals(["create", "update", "delete"])
}) {
  override get message(): string {
    return `a ${this.second} cannot follow a ${this.first} of ${this.id}`
  }
}

/** Why a changeset does not fit a state. */
export type DoesNotFit = EntryExists | EntryMissing | KindChanged

/** A changeset that fits a state: complete, and where it leads. */
export interface Fitted {
  /** Every original filled in with what the state holds. */
  readonly changeset: ChangeSet
  readonly state: State.State
}

/**
 * Applies the operations in order and fills in their originals from the state, whatever the caller gave as such. The
 * first operation that does not fit is the error, and nothing is changed. ~3 µs an operation.
 *
 * @example
 * import * as ChangeSet from "@heph/changeset/ChangeSet"
 * import * as Operation from "@heph/changeset/Operation"
 * import * as Entry from "@heph/entry/Entry"
 * import * as State from "@heph/entry/State"
 * import * as Result from "effect/Result"
 *
 * const users = Entry.makeUnsafe({ id: "app:users", kind: "service" })
 * const fitted = Result.getOrThrow(ChangeSet.complete(State.fromIterable([users]), [Operation.remove(users.id)]))
 * console.log(fitted.changeset[0]?.op === "delete" && fitted.changeset[0].original === users) //=> true
 *
 * const twice = ChangeSet.complete(fitted.state, [Operation.remove(users.id)])
 * console.log(Result.isFailure(twice) && twice.failure.message) //=> app:users cannot be deleted: there is no such entry.
 */
export const complete = (state: State.State, changeset: ChangeSet): Result.Result<Fitted, DoesNotFit> => {
  let problem: DoesNotFit | undefined
  const completed: Array<Operation.Operation> = []
  const after = State.update(state, (builder) => {
    for (const operation of changeset) {
      const id = Operation.idOf(operation)
      const original = builder.get(id)
      problem = misfit(operation, original)
      if (problem !== undefined) return
      if (operation.op === "create") completed.push(operation)
      else if (operation.original === original) completed.push(operation)
      else if (operation.op === "update") completed.push(Operation.update(operation.entry, original))
      else completed.push(Operation.remove(id, original))
      if (operation.op === "delete") builder.remove(id)
      else builder.set(operation.entry)
    }
  })
  return problem === undefined ? Result.succeed({ changeset: completed, state: after }) : Result.fail(problem)
}

/**
 * The state after the operations, in order; the first that does not fit is the error.
 *
 * @example
 * import * as ChangeSet from "@heph/changeset/ChangeSet"
 * import * as Operation from "@heph/changeset/Operation"
 * import * as Entry from "@heph/entry/Entry"
 * import * as State from "@heph/entry/State"
 * import * as Result from "effect/Result"
 *
 * const users = Entry.makeUnsafe({ id: "app:users", kind: "service" })
 * const state = Result.getOrThrow(ChangeSet.apply(State.empty, [Operation.create(users)]))
 * console.log(state.size, state.has("app:users")) //=> 1 true
 */
export const apply = (state: State.State, changeset: ChangeSet): Result.Result<State.State, DoesNotFit> =>
  Result.map(complete(state, changeset), (fitted) => fitted.state)

/**
 * The changeset that undoes this one: the inverse operations in reverse order, complete themselves. Needs every original.
 *
 * @example
 * import * as ChangeSet from "@heph/changeset/ChangeSet"
 * import * as Operation from "@heph/changeset/Operation"
 * import * as Entry from "@heph/entry/Entry"
 * import * as EntryId from "@heph/entry/EntryId"
 * import * as Result from "effect/Result"
 *
 * const users = Entry.makeUnsafe({ id: "app:users", kind: "service" })
 * const undo = Result.getOrThrow(ChangeSet.reverse([Operation.create(users)]))
 * console.log(undo.map((operation) => operation.op)) //=> [ 'delete' ]
 *
 * const refused = ChangeSet.reverse([Operation.remove(EntryId.parseUnsafe("app:users"))])
 * console.log(Result.isFailure(refused) && refused.failure._tag) //=> MissingOriginal
 */
export const reverse = (changeset: ChangeSet): Result.Result<ChangeSet, MissingOriginal> => {
  const reversed: Array<Operation.Operation> = []
  for (const operation of changeset.toReversed()) {
    if (operation.op !== "create" && operation.original === undefined) {
      return Result.fail(new MissingOriginal({ id: Operation.idOf(operation).value, op: operation.op }))
    }
    reversed.push(Operation.inverse(operation))
  }
  return Result.succeed(reversed)
}

/**
 * One changeset that does what these do one after the other: per id the first original and the last value remain, and
 * an id that ends as it began drops out. The result is ordered by dependencies, see `Delta.order`. A sequence that
 * cannot happen is an error, not a guess.
 *
 * @example
 * import * as ChangeSet from "@heph/changeset/ChangeSet"
 * import * as Operation from "@heph/changeset/Operation"
 * import * as Entry from "@heph/entry/Entry"
 * import * as Result from "effect/Result"
 *
 * const one = Entry.makeUnsafe({ id: "app:users", kind: "service", data: 1 })
 * const two = Entry.makeUnsafe({ id: "app:users", kind: "service", data: 2 })
 * const both = Result.getOrThrow(ChangeSet.squash([[Operation.create(one)], [Operation.update(two, one)]]))
 * console.log(both.map((operation) => operation.op)) //=> [ 'create' ]
 */
export const squash = (
  changesets: ReadonlyArray<ChangeSet>,
  options?: Delta.Options
): Result.Result<ChangeSet, ImpossibleSequence> =>
  Result.map(net(changesets), (operations) => Delta.order(operations, options).changeset)

/** {@link squash} without the ordering, for callers who order the result themselves. */
export const net = (changesets: ReadonlyArray<ChangeSet>): Result.Result<ChangeSet, ImpossibleSequence> => {
  const folded = new Map<EntryId.EntryId, Net>()
  for (const changeset of changesets) {
    for (const operation of changeset) {
      const id = Operation.idOf(operation)
      const known = folded.get(id)
      if (known !== undefined && (known.last.op === "delete") !== (operation.op === "create")) {
        return Result.fail(new ImpossibleSequence({ id: id.value, first: known.last.op, second: operation.op }))
      }
      if (known === undefined) folded.set(id, { first: operation, last: operation })
      else known.last = operation
    }
  }
  const operations: Array<Operation.Operation> = []
  for (const [id, { first, last }] of folded) {
    const after = last.op === "delete" ? undefined : last.entry
    if (first.op === "create") {
      if (after !== undefined) operations.push(Operation.create(after))
      continue
    }
    const original = first.original
    // An update keeps the kind, so its entry tells the kind of the original; a delete does not.
    const kind = original?.kind ?? (first.op === "update" ? first.entry.kind : undefined)
    if (after === undefined) operations.push(Operation.remove(id, original))
    else if (after.kind !== kind) operations.push(Operation.remove(id, original), Operation.create(after))
    else if (original === undefined || !Entry.equals(original, after))
      operations.push(Operation.update(after, original))
  }
  return Result.succeed(operations)
}

/** What happened to an id: the first of its operations and the last. */
interface Net {
  readonly first: Operation.Operation
  last: Operation.Operation
}

const misfit = (operation: Operation.Operation, original: Entry.Entry | undefined): DoesNotFit | undefined => {
  if (operation.op === "create") {
    return original === undefined ? undefined : new EntryExists({ id: operation.entry.id.value })
  }
  if (original === undefined) return new EntryMissing({ id: Operation.idOf(operation).value, op: operation.op })
  if (operation.op === "update" && operation.entry.kind !== original.kind) {
    return new KindChanged({ id: operation.entry.id.value, from: original.kind, to: operation.entry.kind })
  }
  return undefined
}
