import { describe, expect, it } from "@effect/vitest"
import * as ChangeSet from "@heph/changeset/ChangeSet"
import * as State from "@heph/entry/State"
import * as Change from "@heph/registry/Change"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { made, showAll } from "./support.ts"

const entry = fc
  .record({
    id: fc.constantFrom("a:1", "a:2", "b:1", "b:2"),
    kind: fc.constantFrom("k", "l"),
    data: fc.nat({ max: 2 })
  })
  .map(made)
const entries = fc.uniqueArray(entry, { selector: ({ id }) => id.value })

describe("hold", () => {
  it("leads any state to these entries, and a second time changes nothing", () => {
    fc.assert(
      fc.property(entries, entries, fc.boolean(), (before, wanted, prune) => {
        const state = State.fromIterable(before)
        const change = Change.hold(wanted, { prune })
        const after = Result.getOrThrow(ChangeSet.apply(state, change(state)))
        for (const one of wanted) expect(showAll([after.get(one.id)!])).toEqual(showAll([one]))
        const others = before.filter(({ id }) => !wanted.some((one) => one.id === id))
        expect(after.size).toBe(prune ? wanted.length : wanted.length + others.length)
        expect(others.map(({ id }) => after.get(id))).toEqual(others.map((one) => (prune ? undefined : one)))
        expect(change(after)).toEqual([])
      })
    )
  })

  it("touches only what differs", () => {
    const state = State.fromIterable([made({ id: "a:1", kind: "k" }), made({ id: "a:2", kind: "k", data: 1 })])
    const wanted = [
      made({ id: "a:1", kind: "k" }),
      made({ id: "a:2", kind: "k", data: 2 }),
      made({ id: "a:3", kind: "k" })
    ]
    expect(Change.hold(wanted)(state).map(({ op }) => op)).toEqual(["update", "create"])
  })

  it("of an id twice is told by whoever applies it", () => {
    const twice = [made({ id: "a:1", kind: "k" }), made({ id: "a:1", kind: "k", data: 2 })]
    const applied = ChangeSet.apply(State.empty, Change.hold(twice)(State.empty))
    expect(Result.getOrUndefined(Result.flip(applied))).toMatchObject({ _tag: "EntryExists", id: "a:1" })
  })
})
