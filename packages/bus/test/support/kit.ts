/** What the tests of the bus share: entries, transactions with a fake append, handlers with a record of their own. */
import type * as Bus from "@heph/bus/Bus"
import * as Handler from "@heph/bus/Handler"
import type * as ChangeSet from "@heph/changeset/ChangeSet"
import * as Entry from "@heph/entry/Entry"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as TestClock from "effect/testing/TestClock"

export const entry = (id: string, data?: unknown, kind = "function.lua", meta?: unknown): Entry.Entry =>
  Entry.makeUnsafe({ id, kind, data, meta: meta ?? {} })

/** The input of a transaction whose append does nothing, unless told otherwise. */
export const input = <A = void, E = never>(
  changeset: ChangeSet.ChangeSet,
  over?: Partial<Bus.Input<A, E>>
): Bus.Input<A, E> => ({
  cause: "apply",
  version: 1,
  changeset,
  append: Effect.void as Effect.Effect<unknown> as Effect.Effect<A, E>,
  onOutOfStep: () => {},
  ...over
})

/** What a transaction failed with first. */
export const failure = (exit: Exit.Exit<unknown, unknown>): unknown =>
  Exit.isFailure(exit) ? Cause.squash(exit.cause) : "it succeeded"

/** Runs an effect, and the test clock with it, until it has ended. */
export const drive = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>) {
  const fiber = yield* Effect.forkChild(effect)
  return yield* finish(fiber)
})

/** Lets time pass until the fiber has ended: ten seconds at a time, so that no two deadlines fall into one step. */
export const finish = Effect.fnUntraced(function* <A, E>(fiber: {
  readonly pollUnsafe: () => Exit.Exit<A, E> | undefined
}) {
  for (let i = 0; i < 400; i++) {
    const exit = fiber.pollUnsafe()
    if (exit !== undefined) return exit
    yield* TestClock.adjust("10 seconds")
  }
  return yield* Effect.die(new Error("it did not end within 4,000 seconds"))
})

/**
 * What a handler holds, kept by nobody but itself. It takes no change that does not fit: a create of what it has, an
 * update or a delete of anything but the original.
 */
export class Holdings {
  readonly entries: Map<string, Entry.Entry> = new Map()
  readonly misfits: Array<string> = []

  constructor(entries: Iterable<Entry.Entry> = []) {
    for (const entry of entries) this.entries.set(entry.id.value, entry)
  }

  apply({ entry, id, op, original }: Handler.Request): void {
    const present = this.entries.get(id.value)
    if (present !== original) this.misfits.push(`${op} of ${id}`)
    if (entry === undefined) this.entries.delete(id.value)
    else this.entries.set(id.value, entry)
  }

  /** Applies the request and accepts it. */
  readonly accept = (request: Handler.Request): Handler.Verdict => {
    this.apply(request)
    return Handler.accept
  }

  /** Id by id what is held, with the data. */
  get list(): Readonly<Record<string, unknown>> {
    const sorted = [...this.entries].sort(([a], [b]) => (a < b ? -1 : 1))
    return Object.fromEntries(sorted.map(([id, { data, kind }]) => [id, [kind, data]]))
  }
}

/** A handler that writes down each request as "phase op id" before it answers. */
export const noting =
  (notes: Array<string>, answer: Handler.Handler = () => Handler.accept, name = ""): Handler.Handler =>
  (request) => {
    notes.push(`${name}${request.phase} ${request.op} ${request.id}`)
    return answer(request)
  }
