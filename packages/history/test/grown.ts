/** Histories that are grown from a description, and what their states ought to be. */
import * as ChangeSet from "@heph/changeset/ChangeSet"
import * as Operation from "@heph/changeset/Operation"
import * as Entry from "@heph/entry/Entry"
import * as State from "@heph/entry/State"
import * as History from "@heph/history/History"
import { HistoryStore } from "@heph/history/HistoryStore"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import type * as Memory from "./memory.ts"

export const over = ({ store }: Pick<Memory.Counted, "store">) =>
  Effect.provideService(History.make, HistoryStore, store)

export const entry = (id: string, data: unknown = null, kind = "k"): Entry.Entry => Entry.makeUnsafe({ id, kind, data })
export const stateOf = (...entries: ReadonlyArray<Entry.Entry>) => State.fromIterable(entries)
export const show = (state: Iterable<Entry.Entry>) => Array.from(state, ({ data, id, kind }) => [id.value, kind, data])
export const draft = (parent: number, changeset: ChangeSet.ChangeSet): History.Draft => ({
  parent,
  timestamp: 1,
  message: undefined,
  author: undefined,
  changeset
})

/** One entry an id, set to a value or deleted: how the changesets here are told. */
export type Values = Readonly<Record<string, unknown>>

/** The operations that lead from a state to values; `undefined` deletes, a kind comes before a `/`. */
export const towards = (state: State.State, values: Values): ChangeSet.ChangeSet =>
  Object.entries(values).flatMap(([id, value]): ReadonlyArray<Operation.Operation> => {
    const there = state.get(id)
    if (value === undefined) return there === undefined ? [] : [Operation.remove(there.id, there)]
    const made = entry(id, value, typeof value === "string" ? value.split("/")[0]! : "k")
    if (there === undefined) return [Operation.create(made)]
    if (there.kind !== made.kind) return [Operation.remove(there.id, there), Operation.create(made)]
    return Entry.equals(there, made) ? [] : [Operation.update(made, there)]
  })

/** Appends a version with these values to one that is there, and keeps its state as a registry does. */
export const grow = Effect.fnUntraced(function* (history: History.History["Service"], parent: number, values: Values) {
  const state = yield* history.stateAt(parent)
  const operations = towards(state, values)
  const [record] = yield* history.append([draft(parent, operations)])
  history.keep(record!.id, Result.getOrThrow(ChangeSet.apply(state, operations)))
  return record!.id
})

/** A checkpoint of a version, as a registry writes them. */
export const checkpoint = Effect.fnUntraced(function* (history: History.History["Service"], version: number) {
  yield* history.checkpoint(version, yield* history.stateAt(version))
})

export const load = Effect.fnUntraced(function* (
  history: History.History["Service"],
  baseline: State.State,
  version = history.info().head,
  options?: History.LoadOptions
) {
  const loaded = yield* history.load(baseline, version, options)
  loaded.adopt()
  return loaded.state
})

// ---------------------------------------------------------------- trees

export interface Tree {
  /** The parent of v(i + 1), by a fraction of the versions before it; 999 is the one before. */
  readonly parents: ReadonlyArray<number>
  readonly values: ReadonlyArray<Values>
}

const ids = ["a:1", "a:2", "b:1", "base:1", "base:2"]
export const value = fc.oneof(fc.nat({ max: 3 }), fc.constant(undefined), fc.constantFrom("other/1", "k/2"))
export const tree = (max: number): fc.Arbitrary<Tree> =>
  fc
    .array(
      fc.tuple(
        fc.oneof({ weight: 3, arbitrary: fc.constant(999) }, { weight: 1, arbitrary: fc.nat({ max: 998 }) }),
        fc.dictionary(fc.constantFrom(...ids), value, { minKeys: 1, maxKeys: 3 })
      ),
      { minLength: 1, maxLength: max, size: "max" }
    )
    .map((nodes) => ({ parents: nodes.map(([parent]) => parent), values: nodes.map(([, values]) => values) }))

export const parentOf = ({ parents }: Tree, version: number): number => {
  const at = parents[version - 1]!
  return at === 999 ? version - 1 : Math.floor((at / 999) * version)
}

/** The way that a search over all neighbours finds, and so the shortest. */
export const searched = (parents: ReadonlyArray<number>, from: number, to: number): ReadonlyArray<History.Step> => {
  const ways = new Map<number, ReadonlyArray<History.Step>>([[from, []]])
  for (const [at, way] of ways) {
    const neighbours = parents.flatMap((parent, i): ReadonlyArray<History.Step> => {
      if (parent === at) return [{ version: i + 1, direction: "forward" }]
      return i + 1 === at ? [{ version: parent, direction: "backward" }] : []
    })
    for (const step of neighbours) if (!ways.has(step.version)) ways.set(step.version, [...way, step])
  }
  return ways.get(to)!
}

export const baseline = stateOf(entry("base:1", 0), entry("base:2", 0))

/** A history of the tree, over a baseline, with the states that were seen when it grew. */
export const grown = Effect.fnUntraced(function* (counted: Memory.Counted, tree: Tree) {
  const history = yield* over(counted)
  yield* load(history, baseline)
  const states = [show(baseline)]
  for (const [i, values] of tree.values.entries()) {
    const id = yield* grow(history, parentOf(tree, i + 1), values)
    states.push(show(yield* history.stateAt(id)))
  }
  return { history, states }
})

export const property = <T extends ReadonlyArray<unknown>>(
  arbitraries: { readonly [K in keyof T]: fc.Arbitrary<T[K]> },
  body: (...values: T) => Effect.Effect<void, unknown>
) =>
  Effect.promise(() =>
    fc.assert(
      fc.asyncProperty(fc.tuple(...(arbitraries as unknown as ReadonlyArray<fc.Arbitrary<unknown>>)), (values) =>
        Effect.runPromise(body(...(values as unknown as T)))
      )
    )
  )

export const fraction = fc.nat({ max: 999 })
export const pick = (at: number, last: number) => Math.floor((at / 1000) * (last + 1))
