/** That any order of writes, new encodings and removals leaves what a plain map of rows would hold. */
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import type { Blob } from "../../BlobStore.ts"
import { blob, type Check, check, equal, everything, hashAt, plain, type Store } from "./check.ts"

interface Modelled {
  readonly blob: Blob
  readonly touched: number
}

const number = fc.integer({ min: 1, max: 8 })
const row = fc
  .record({
    number,
    base: fc.option(number, { nil: undefined, freq: 1 }),
    depth: fc.integer({ min: 0, max: 4 }),
    length: fc.nat(40)
  })
  .map(({ base, depth, length, number }) =>
    blob(number, {
      base: base === undefined ? undefined : hashAt(base),
      depth,
      bytes: new Uint8Array(length).fill(number)
    })
  )

const step = fc.oneof(
  fc.record({
    do: fc.constant("write" as const),
    add: fc.array(row, { maxLength: 3 }),
    touch: fc.array(number, { maxLength: 2 })
  }),
  fc.record({
    do: fc.constant("rebase" as const),
    row,
    from: fc.option(number, { nil: undefined }),
    guess: fc.boolean()
  }),
  fc.record({ do: fc.constant("remove" as const), numbers: fc.array(number, { maxLength: 4 }), late: fc.boolean() })
)
type Step = typeof step extends fc.Arbitrary<infer A> ? A : never

const isBelow = (rows: ReadonlyMap<string, Modelled>, { base, depth }: Blob): boolean =>
  base === undefined || (rows.get(base)?.blob.depth ?? Infinity) < depth

/** Does a step in the store and in the map, and compares what they say. Gives the rows that have a new serial. */
const take = Effect.fnUntraced(function* (store: Store, rows: Map<string, Modelled>, step: Step) {
  if (step.do === "write") {
    const touch = [...new Set(step.touch.map(hashAt))]
    const after = new Map(rows)
    let isFine = touch.every((hash) => rows.has(hash))
    for (const blob of step.add) {
      isFine &&= !after.has(blob.hash) && isBelow(after, blob)
      after.set(blob.hash, { blob, touched: 0 })
    }
    const refused = yield* store.write({ add: step.add, touch, now: 0 })
    yield* equal("whether a write was done", refused.length === 0, isFine)
    if (!isFine) return []
    for (const [hash, row] of after) rows.set(hash, row)
    return [...step.add.map(({ hash }) => hash), ...touch]
  }
  if (step.do === "rebase") {
    const { row } = step
    const now = rows.get(row.hash)
    const from = step.guess && step.from !== undefined ? hashAt(step.from) : now?.blob.base
    const isFine = now !== undefined && now.blob.base === from && row.depth <= now.blob.depth && isBelow(rows, row)
    yield* equal("whether an encoding was taken", yield* store.rebase({ blob: row, from }), isFine)
    if (isFine) rows.set(row.hash, { blob: row, touched: now.touched })
    return []
  }
  const removals = [...new Set(step.numbers)].map(hashAt).flatMap((hash) => {
    const touched = rows.get(hash)?.touched
    return touched === undefined ? [] : [{ hash, touched: step.late ? touched - 1 : touched }]
  })
  const gone: Array<string> = []
  for (const { hash, touched } of removals) {
    const isBase = [...rows.values()].some(({ blob }) => blob.base === hash)
    if (rows.get(hash)!.touched !== touched || isBase) continue
    rows.delete(hash)
    gone.push(hash)
  }
  yield* equal("what was removed", [...(yield* store.remove(removals))].sort(), gone.sort())
  return []
})

/** A run over a store that other runs have left empty. */
const run = Effect.fnUntraced(function* (store: Store, steps: ReadonlyArray<Step>) {
  const rows = new Map<string, Modelled>()
  let serial = (yield* store.totals(0)).settled
  for (const step of steps) {
    const touched = yield* take(store, rows, step)
    const { heads, rows: stored, totals } = yield* everything(store)
    if (touched.length > 0) yield* equal("a larger serial", totals.settled > serial, true)
    serial = totals.settled
    for (const hash of touched) rows.set(hash, { ...rows.get(hash)!, touched: serial })
    const expected = [...rows.values()].sort((a, b) => (a.blob.hash < b.blob.hash ? -1 : 1))
    yield* equal("the rows", stored, plain(expected.map(({ blob }) => blob)))
    const serials = heads.map(({ touched }) => touched)
    yield* equal(
      "their serials",
      serials,
      expected.map(({ touched }) => touched)
    )
  }
  const left = yield* store.heads({ after: "", limit: 100 })
  yield* store.remove(left.toSorted((a, b) => b.depth - a.depth))
  yield* equal("rows left", (yield* store.totals(0)).contents, 0)
})

export const model: ReadonlyArray<Check> = [
  check("any order of writes, new encodings and removals does what it would do to a map of rows (property)", (store) =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 12 }), (steps) => Effect.runPromise(run(store, steps))),
        { numRuns: 100 }
      )
    )
  )
]
