import { describe, expect, it } from "@effect/vitest"
import * as Entry from "@heph/entry/Entry"
import * as EntryId from "@heph/entry/EntryId"
import * as State from "@heph/entry/State"
import * as fc from "fast-check"
import { heapUsed } from "./support/gc.ts"

/** The model: a plain map, sorted when it is read. */
type Model = ReadonlyMap<string, Entry.Entry>

// Namespaces and names that are prefixes of each other, and characters from both sides of ":" and ".".
const someId = fc
  .tuple(
    fc.constantFrom("a", "a.a", "a.a.a", "aa", "a-a", "a0", "a/a", "a;", "A", "b", "ü"),
    fc.stringMatching(/^[a:.;0~]{1,3}$/)
  )
  .map(([namespace, name]) => `${namespace}:${name}`)

const entryOf = (id: string, data: number): Entry.Entry => Entry.makeUnsafe({ id, kind: "k", data })

const sortedIds = (model: Model): ReadonlyArray<string> => [...model.keys()].sort()

const expectSame = (state: State.State, model: Model): void => {
  const ids = sortedIds(model)
  expect(state.size).toBe(model.size)
  const found = Array.from(state.ids(), (id) => id.value)
  expect(found.length < 100 ? found : found.join(" ")).toEqual(ids.length < 100 ? ids : ids.join(" "))
  const entries = [...state]
  expect(entries.length).toBe(ids.length)
  expect(entries.findIndex((entry, i) => entry !== model.get(ids[i]!))).toBe(-1)
}

type Change = { readonly id: string; readonly data: number | undefined }
const change: fc.Arbitrary<Change> = fc.record({
  id: someId,
  data: fc.option(fc.nat(3), { nil: undefined, freq: 3 })
})

const applied = (state: State.State, model: Model, changes: ReadonlyArray<Change>) => {
  const next = new Map(model)
  const after = State.update(state, (builder) => {
    for (const { data, id } of changes) {
      if (data === undefined) {
        builder.remove(EntryId.parseUnsafe(id))
        next.delete(id)
      } else {
        const entry = entryOf(id, data)
        builder.set(entry)
        next.set(id, entry)
      }
      expect(builder.size).toBe(next.size)
      expect(builder.get(EntryId.parseUnsafe(id))).toBe(next.get(id))
    }
  })
  return [after, next] as const
}

describe("a state does what a sorted map does", () => {
  it("through updates, with every earlier version as it was", () => {
    fc.assert(
      fc.property(fc.array(fc.array(change, { maxLength: 20 }), { maxLength: 8 }), (updates) => {
        const versions: Array<readonly [State.State, Model]> = [[State.empty, new Map()]]
        for (const changes of updates) versions.push(applied(...versions.at(-1)!, changes))
        for (const [state, model] of versions) expectSame(state, model)
      }),
      { numRuns: 300 }
    )
  })

  it("looking up by id and by text, also what is not there and what is no id", () => {
    fc.assert(
      fc.property(fc.array(change), fc.array(someId), (changes, others) => {
        const [state, model] = applied(State.empty, new Map(), changes)
        for (const id of [...changes.map((change) => change.id), ...others]) {
          expect(state.get(id)).toBe(model.get(id))
          expect(state.get(EntryId.parseUnsafe(id))).toBe(model.get(id))
          expect(state.has(id)).toBe(model.has(id))
        }
      }),
      { numRuns: 300 }
    )
    for (const text of ["", ":", "no id", "a", "a:", "\ud800"]) expect(State.empty.get(text)).toBeUndefined()
  })

  it("giving the entries of one namespace, and of none below or beside it", () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
        const [state, model] = applied(State.empty, new Map(), changes)
        for (const namespace of ["a", "a.a", "aa", "a-a", "a;", "b", "none", "", "a:a"]) {
          const expected = sortedIds(model).filter((id) => id.slice(0, id.indexOf(":")) === namespace)
          expect([...state.namespace(namespace)].map((entry) => entry.id.value)).toEqual(expected)
        }
      }),
      { numRuns: 300 }
    )
  })

  it("telling which ids differ, by reference", () => {
    fc.assert(
      fc.property(fc.array(change), fc.array(change), fc.array(change), (common, left, right) => {
        const base = applied(State.empty, new Map(), common)
        const [from, fromModel] = applied(...base, left)
        const [to, toModel] = applied(...base, right)
        const expected = [...new Set([...fromModel.keys(), ...toModel.keys()])]
          .filter((id) => fromModel.get(id) !== toModel.get(id))
          .sort()
        const found = new Map<string, readonly [Entry.Entry | undefined, Entry.Entry | undefined]>()
        State.diff(from, to, (before, after) => {
          const id = (before ?? after)!.id.value
          expect(found.has(id)).toBe(false)
          found.set(id, [before, after])
        })
        expect([...found.keys()].sort()).toEqual(expected)
        for (const [id, [before, after]] of found) {
          expect([before, after]).toEqual([fromModel.get(id), toModel.get(id)])
        }
        State.diff(from, from, () => expect.unreachable("a state differs from itself"))
      }),
      { numRuns: 300 }
    )
  })

  it("whatever order its entries come in, of two with one id the later one", () => {
    fc.assert(
      fc.property(fc.uniqueArray(someId, { maxLength: 80 }), fc.infiniteStream(fc.nat()), (ids, keys) => {
        const entries = ids.map((id, i) => entryOf(id, i))
        const shuffled = entries
          .map((entry) => [keys.next().value as number, entry] as const)
          .sort(([a], [b]) => a - b)
          .map(([, entry]) => entry)
        const expected = new Map(entries.map((entry) => [entry.id.value, entry]))
        expectSame(State.fromIterable(shuffled), expected)
        const twice = shuffled.map((entry) => entryOf(entry.id.value, -1))
        expectSame(State.fromIterable([...twice, ...shuffled]), expected)
      }),
      { numRuns: 300 }
    )
  })

  it("with tens of thousands of entries, filled and emptied in every order", () => {
    const text = (i: number) => `n${i % 7}:${(i * 7919) % 10_007}`
    const all = Array.from({ length: 10_000 }, (_, i) => entryOf(text(i), i))
    const model = new Map(all.map((entry) => [entry.id.value, entry]))
    const sorted = [...model.values()].sort((a, b) => EntryId.compare(a.id, b.id))
    const reversed = sorted.toReversed()
    const ways = [
      [all, sorted],
      [sorted, reversed],
      [reversed, sorted],
      [reversed, all]
    ] as const
    for (const [filled, entries] of ways) {
      let state = State.fromIterable(filled)
      expectSame(state, model)
      const left = new Map(model)
      for (let start = 0; start < entries.length; start += 2500) {
        const gone = entries.slice(start, start + 2500)
        const before = state
        state = State.update(state, (builder) => {
          for (const { id } of gone) builder.remove(id)
        })
        expect(before.size).toBe(left.size)
        for (const { id } of gone) left.delete(id.value)
        expectSame(state, left)
      }
      expect(state).toBe(State.empty)
    }
  })
})

describe("update", () => {
  const one = State.fromIterable([entryOf("a:x", 1)])

  it("gives the same state where nothing changes, and the empty one where nothing is left", () => {
    const entry = one.get("a:x")!
    expect(State.update(one, () => undefined)).toBe(one)
    expect(State.update(one, (builder) => builder.set(entry))).toBe(one)
    expect(State.update(one, (builder) => builder.remove(EntryId.parseUnsafe("a:nobody")))).toBe(one)
    expect(State.update(one, (builder) => builder.remove(entry.id))).toBe(State.empty)
    expect(State.fromIterable([])).toBe(State.empty)
  })

  it("leaves the state alone where the change throws half-way", () => {
    const broken = () =>
      State.update(one, (builder) => {
        builder.set(entryOf("a:y", 2))
        builder.remove(EntryId.parseUnsafe("a:x"))
        throw new Error("half-way")
      })
    expect(broken).toThrow("half-way")
    expectSame(one, new Map([["a:x", one.get("a:x")!]]))
  })

  it("refuses a builder that outlives it", () => {
    let kept: State.Builder | undefined
    const state = State.update(one, (builder) => {
      kept = builder
      builder.set(entryOf("a:y", 2))
    })
    expect(() => kept!.set(entryOf("a:z", 3))).toThrow("after its update had returned")
    expect(() => kept!.remove(EntryId.parseUnsafe("a:y"))).toThrow("after its update had returned")
    expect([...state.ids()].map((id) => id.value)).toEqual(["a:x", "a:y"])
  })

  it("may be read while it is walked: versions do not move", () => {
    let state = State.fromIterable(Array.from({ length: 500 }, (_, i) => entryOf(`walk:${i}`, i)))
    const ids = [...state.ids()].map((id) => id.value)
    const seen: Array<string> = []
    for (const entry of state) {
      seen.push(entry.id.value)
      state = State.update(state, (builder) => builder.remove(entry.id))
    }
    expect(seen).toEqual(ids)
    expect(state.size).toBe(0)
  })
})

it("a thousand versions of ten thousand entries cost what changed", async () => {
  const size = 10_000
  let state = State.fromIterable(Array.from({ length: size }, (_, i) => entryOf(`heap:${i}`, i)))
  const versions: Array<State.State> = [state]
  const before = await heapUsed()
  for (let version = 1; version <= 1000; version++) {
    state = State.update(state, (builder) => builder.set(entryOf(`heap:${(version * 37) % size}`, -version)))
    versions.push(state)
  }
  const each = ((await heapUsed()) - before) / 1000
  // Two nodes of 64 and an entry; a copy of the list of entries alone would be 80,000 bytes.
  expect(each).toBeLessThan(4000)
  expect(versions[0]!.get("heap:37")?.data).toBe(37)
  expect(versions[1000]!.get("heap:37")?.data).toBe(-1)
})

it("isState tells states from what looks like one", () => {
  expect([State.empty, { size: 0 }, new Map()].map(State.isState)).toEqual([true, false, false])
})
