/**
 * Generators of changesets for property tests, for this package's users too. Needs `fast-check`. Their entries refer to
 * each other in every way, are replaced by others of another kind, and form cycles; see `@heph/entry/testing/Arbitraries`.
 */
import * as Entry from "@heph/entry/Entry"
import type * as EntryId from "@heph/entry/EntryId"
import * as State from "@heph/entry/State"
import * as Arbitraries from "@heph/entry/testing/Arbitraries"
import * as fc from "fast-check"
import type * as ChangeSet from "../ChangeSet.ts"
import * as Operation from "../Operation.ts"

/** Two states. What stays of the first is the same object in the second, an equal one, or another. */
export interface Transition {
  readonly from: State.State
  readonly to: State.State
}

export const transition: fc.Arbitrary<Transition> = fc
  .tuple(
    ...Arbitraries.pool.map((id) =>
      fc.oneof(
        { weight: 2, arbitrary: fc.constant({ before: undefined, after: undefined }) },
        { weight: 2, arbitrary: Arbitraries.linked(id).map((entry) => ({ before: entry, after: entry })) },
        {
          weight: 6,
          arbitrary: fc.record({
            before: fc.option(Arbitraries.linked(id), { nil: undefined }),
            after: fc.option(Arbitraries.linked(id), { nil: undefined })
          })
        }
      )
    )
  )
  .map((sides) => {
    const from = State.fromIterable(sides.flatMap(({ before }) => before ?? []))
    const to = State.update(from, (builder) => {
      for (const { after, before } of sides) {
        if (after !== undefined) builder.set(after)
        else if (before !== undefined) builder.remove(before.id)
      }
    })
    return { from, to }
  })

/** A state, and changesets that can be applied to it one after the other. Originals are there or left out. */
export interface Run {
  readonly state: State.State
  readonly changesets: ReadonlyArray<ChangeSet.ChangeSet>
}

interface Step {
  readonly id: EntryId.EntryId
  readonly entry: Entry.Entry
  readonly wish: "update" | "delete" | "replace"
  readonly original: boolean
}

const step: fc.Arbitrary<Step> = fc.constantFrom(...Arbitraries.pool).chain((id) =>
  fc.record({
    id: fc.constant(id),
    entry: Arbitraries.linked(id),
    wish: fc.constantFrom<Step["wish"]>("update", "delete", "replace"),
    original: fc.boolean()
  })
)

/** The operations of a step that fit: a create of what is missing, else what was wished for, and nothing where it cannot be. */
const operations = (there: Entry.Entry | undefined, { entry, id, original, wish }: Step): ChangeSet.ChangeSet => {
  if (there === undefined) return [Operation.create(entry)]
  const known = original ? there : undefined
  if (wish === "delete") return [Operation.remove(id, known)]
  if (wish === "replace") return [Operation.remove(id, known), Operation.create(entry)]
  return entry.kind === there.kind ? [Operation.update(entry, known)] : []
}

/** A state and `count` changesets of up to twelve steps each. An id may come up in one of them again and again. */
export const run = (count: number): fc.Arbitrary<Run> =>
  fc
    .record({
      state: Arbitraries.state,
      steps: fc.array(fc.array(step, { maxLength: 12 }), { minLength: count, maxLength: count })
    })
    .map(({ state, steps }) => {
      const there = new Map([...state].map((entry) => [entry.id, entry]))
      const changesets = steps.map((steps) =>
        steps.flatMap((step) => {
          const found = operations(there.get(step.id), step)
          for (const operation of found) {
            if (operation.op === "delete") there.delete(operation.id)
            else there.set(operation.entry.id, operation.entry)
          }
          return found
        })
      )
      return { state, changesets }
    })

/** Any complete changeset of entries of the whole value model; it need not fit any state. For codecs and stores. */
export const changeset: fc.Arbitrary<ChangeSet.ChangeSet> = fc.array(
  fc.oneof(
    Arbitraries.entry.map(Operation.create),
    Arbitraries.entry.map((original) => Operation.remove(original.id, original)),
    fc
      .tuple(Arbitraries.entryInput, Arbitraries.entryInput)
      .map(([entry, original]) => [Entry.makeUnsafe(entry), Entry.makeUnsafe({ ...original, id: entry.id })] as const)
      .map(([entry, original]) => Operation.update(entry, original))
  ),
  { maxLength: 5 }
)
