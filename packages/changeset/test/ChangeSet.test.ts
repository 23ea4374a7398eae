import { describe, expect, it } from "@effect/vitest"
import * as ChangeSet from "@heph/changeset/ChangeSet"
import * as Delta from "@heph/changeset/Delta"
import * as Operation from "@heph/changeset/Operation"
import * as Arbitraries from "@heph/changeset/testing/Arbitraries"
import * as Entry from "@heph/entry/Entry"
import * as State from "@heph/entry/State"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import * as Rules from "./support/rules.ts"
import { brief, shown, shownState } from "./support/shown.ts"

const entry = (data: unknown = null, kind = "k", id = "a:x") => Entry.makeUnsafe({ id, kind, data })
const state = (...entries: ReadonlyArray<Entry.Entry>) => State.fromIterable(entries)
const { create, remove, update } = Operation

const apply = (state: State.State, ...changesets: ReadonlyArray<ChangeSet.ChangeSet>): State.State =>
  changesets.reduce((state, changeset) => Result.getOrThrow(ChangeSet.apply(state, changeset)), state)
const complete = (state: State.State, changeset: ChangeSet.ChangeSet): ChangeSet.ChangeSet =>
  Result.getOrThrow(ChangeSet.complete(state, changeset)).changeset
const reverse = (changeset: ChangeSet.ChangeSet) => Result.getOrThrow(ChangeSet.reverse(changeset))
const squash = (...changesets: ReadonlyArray<ChangeSet.ChangeSet>) => Result.getOrThrow(ChangeSet.squash(changesets))

/** The changesets of a run, each completed on the state that those before it led to. */
const completed = ({ changesets, state }: Arbitraries.Run): ReadonlyArray<ChangeSet.ChangeSet> => {
  let at = state
  return changesets.map((changeset) => {
    const fitted = Result.getOrThrow(ChangeSet.complete(at, changeset))
    at = fitted.state
    return fitted.changeset
  })
}

describe("apply and complete", () => {
  it("lead where a plain map leads, operation by operation, with every original filled in", () => {
    fc.assert(
      fc.property(Arbitraries.run(1), ({ changesets, state }) => {
        const [changeset = []] = changesets
        const map = new Map(Array.from(state, (entry) => [entry.id, entry]))
        const fitted = Result.getOrThrow(ChangeSet.complete(state, changeset))
        expect(brief(fitted.changeset)).toEqual(brief(changeset))
        fitted.changeset.forEach((operation) => {
          const id = Operation.idOf(operation)
          expect(operation.op === "create" ? undefined : operation.original).toBe(map.get(id))
          if (operation.op === "delete") map.delete(id)
          else map.set(id, operation.entry)
        })
        expect(shownState(fitted.state)).toEqual(shownState(State.fromIterable(map.values())))
        expect(shownState(apply(state, changeset))).toEqual(shownState(fitted.state))
      }),
      { numRuns: 1000 }
    )
  })

  it("fill in originals from the state, whatever the caller gave as such", () => {
    const [stored, claimed, wanted] = [entry(1), entry("claimed"), entry(2)]
    const [first, second] = complete(state(stored), [update(wanted, claimed), remove(wanted.id, claimed)])
    expect([first, second]).toEqual([update(wanted, stored), remove(wanted.id, wanted)])
  })

  const original = entry(1)
  it.each<[string, ChangeSet.ChangeSet, ChangeSet.DoesNotFit]>([
    ["create of what exists", [create(entry(2))], new ChangeSet.EntryExists({ id: "a:x" })],
    [
      "update of what is missing",
      [update(entry(2, "k", "a:y"))],
      new ChangeSet.EntryMissing({ id: "a:y", op: "update" })
    ],
    [
      "delete of what is missing",
      [remove(entry(2, "k", "a:y").id)],
      new ChangeSet.EntryMissing({ id: "a:y", op: "delete" })
    ],
    ["update of another kind", [update(entry(2, "l"))], new ChangeSet.KindChanged({ id: "a:x", from: "k", to: "l" })],
    [
      "D6: create twice",
      [create(entry(1, "k", "a:z")), create(entry(1, "k", "a:z"))],
      new ChangeSet.EntryExists({ id: "a:z" })
    ],
    [
      "delete twice",
      [remove(original.id), remove(original.id)],
      new ChangeSet.EntryMissing({ id: "a:x", op: "delete" })
    ],
    [
      "update after delete",
      [remove(original.id), update(original)],
      new ChangeSet.EntryMissing({ id: "a:x", op: "update" })
    ]
  ])("refuse a %s, by its id", (_, changeset, expected) => {
    const there = state(original)
    const fitted = ChangeSet.complete(there, [create(entry(null, "k", "a:before")), ...changeset])
    expect(Result.isFailure(fitted) && fitted.failure).toEqual(expected)
    expect(Result.isFailure(fitted) && fitted.failure.message).toContain(expected.id)
    expect(shownState(there)).toEqual(shownState(state(original)))
  })

  it("C1: a kind is changed by delete and create, in one changeset and back", () => {
    const from = state(entry(1))
    const changeset = complete(from, [remove(entry().id), create(entry(1, "other"))])
    const to = apply(from, changeset)
    expect(to.get("a:x")?.kind).toBe("other")
    expect(shownState(apply(to, reverse(changeset)))).toEqual(shownState(from))
  })

  it("D1: operations of one id keep their order", () => {
    const [one, two] = [entry(1), entry(2)]
    expect(apply(state(one), [update(two), remove(two.id)]).size).toBe(0)
    expect(apply(State.empty, [create(one), remove(one.id), create(two)]).get("a:x")).toBe(two)
  })
})

describe("reverse", () => {
  it("undoes: applied after the changeset it leads back to where it began", () => {
    fc.assert(
      fc.property(Arbitraries.run(1), (run) => {
        const [changeset = []] = completed(run)
        expect(shownState(apply(run.state, changeset, reverse(changeset)))).toEqual(shownState(run.state))
      }),
      { numRuns: 1000 }
    )
  })

  it("C7: carries originals, so that reversing twice is the changeset itself", () => {
    fc.assert(
      fc.property(Arbitraries.run(1), (run) => {
        const [changeset = []] = completed(run)
        expect(shown(reverse(reverse(changeset)))).toEqual(shown(changeset))
      }),
      { numRuns: 1000 }
    )
  })

  it.each<[ChangeSet.ChangeSet, string]>([
    [[create(entry(1)), update(entry(2))], "update"],
    [[remove(entry().id)], "delete"]
  ])("C6: refuses what lacks an original, whatever else it could undo", (changeset, op) => {
    const reversed = ChangeSet.reverse(changeset)
    expect(Result.isFailure(reversed) && reversed.failure).toEqual(
      new ChangeSet.MissingOriginal({ id: "a:x", op: op as "update" })
    )
  })
})

describe("squash", () => {
  it("of two does what the one then the other does", () => {
    fc.assert(
      fc.property(Arbitraries.run(2), ({ changesets, state }) => {
        expect(shownState(apply(state, squash(...changesets)))).toEqual(shownState(apply(state, ...changesets)))
      }),
      { numRuns: 1000 }
    )
  })

  it("C5: of complete ones is complete, and can be reversed as one", () => {
    fc.assert(
      fc.property(Arbitraries.run(3), (run) => {
        const changesets = completed(run)
        const one = squash(...changesets)
        expect(shown(complete(run.state, one))).toEqual(shown(one))
        expect(shownState(apply(apply(run.state, ...changesets), reverse(one)))).toEqual(shownState(run.state))
      }),
      { numRuns: 1000 }
    )
  })

  it("is the delta between the states, order and all, where every original is there", () => {
    fc.assert(
      fc.property(Arbitraries.run(2), (run) => {
        const { changeset } = Delta.buildDelta(run.state, apply(run.state, ...run.changesets))
        expect(shown(squash(...completed(run)))).toEqual(shown(changeset))
      }),
      { numRuns: 1000 }
    )
  })

  it("of a changeset and its reverse is empty", () => {
    fc.assert(
      fc.property(Arbitraries.run(1), (run) => {
        const [changeset = []] = completed(run)
        expect(squash(changeset, reverse(changeset))).toEqual([])
        expect(squash(reverse(changeset), changeset)).toEqual([])
      }),
      { numRuns: 1000 }
    )
  })

  it("is associative", () => {
    fc.assert(
      fc.property(Arbitraries.run(3), (run) => {
        const [a = [], b = [], c = []] = completed(run)
        const all = shown(squash(a, b, c))
        expect(shown(squash(squash(a, b), c))).toEqual(all)
        expect(shown(squash(a, squash(b, c)))).toEqual(all)
      }),
      { numRuns: 1000 }
    )
  })

  it("is associative in what it does, where originals were left out", () => {
    fc.assert(
      fc.property(Arbitraries.run(3), ({ changesets, state }) => {
        const [a = [], b = [], c = []] = changesets
        const all = shownState(apply(state, a, b, c))
        expect(shownState(apply(state, squash(squash(a, b), c)))).toEqual(all)
        expect(shownState(apply(state, squash(a, squash(b, c))))).toEqual(all)
      }),
      { numRuns: 1000 }
    )
  })

  it("keeps the rules of order", () => {
    fc.assert(
      fc.property(Arbitraries.run(2), (run) => {
        const changesets = completed(run)
        const to = apply(run.state, ...changesets)
        const one = squash(...changesets)
        expect(Rules.broken(Rules.between(run.state, to, one), one.map(Rules.nameOf))).toEqual([])
      }),
      { numRuns: 500 }
    )
  })

  const [x1, x2, x3] = [entry(1), entry(2), entry(3)]
  const [y1, y2] = [entry(1, "other"), entry(2, "other")]
  const { id } = x1
  it.each<[name: string, changesets: ReadonlyArray<ChangeSet.ChangeSet>, expected: ChangeSet.ChangeSet]>([
    ["nothing", [], []],
    ["empty ones", [[], []], []],
    ["a single operation", [[update(x2, x1)]], [update(x2, x1)]],
    ["create + update", [[create(x1)], [update(x2, x1)]], [create(x2)]],
    ["create + delete", [[create(x1)], [remove(id, x1)]], []],
    ["C5: update + update", [[update(x2, x1)], [update(x3, x2)]], [update(x3, x1)]],
    ["update + update back", [[update(x2, x1)], [update(x1, x2)]], []],
    ["C5: update + delete", [[update(x2, x1)], [remove(id, x2)]], [remove(id, x1)]],
    ["C5: delete + create of the same kind", [[remove(id, x1)], [create(x2)]], [update(x2, x1)]],
    ["delete + create of the value deleted", [[remove(id, x1)], [create(entry(1))]], []],
    ["C1: delete + create of another kind", [[remove(id, x1)], [create(y1)]], [remove(id, x1), create(y1)]],
    ["C1: replace + update", [[remove(id, x1), create(y1)], [update(y2, y1)]], [remove(id, x1), create(y2)]],
    [
      "C1: replace + replace back",
      [
        [remove(id, x1), create(y1)],
        [remove(id, y1), create(x1)]
      ],
      []
    ],
    ["C3: delete + create + delete", [[remove(id, x1)], [create(y1)], [remove(id, y1)]], [remove(id, x1)]],
    [
      "create + … + create",
      [[create(x1), update(x2, x1)], [update(x3, x2), remove(id, x3)], [create(y1)]],
      [create(y1)]
    ],
    ["update + delete + create", [[update(x2, x1)], [remove(id, x2), create(x3)]], [update(x3, x1)]],
    ["update + replace", [[update(x2, x1)], [remove(id, x2), create(y1)]], [remove(id, x1), create(y1)]],
    ["delete without an original + create", [[remove(id)], [create(x2)]], [remove(id), create(x2)]],
    ["update without an original + delete + create", [[update(x2)], [remove(id), create(x3)]], [update(x3)]],
    ["update without an original + replace", [[update(x2)], [remove(id), create(y1)]], [remove(id), create(y1)]]
  ])("of %s", (_, changesets, expected) => {
    expect(shown(squash(...changesets))).toEqual(shown(expected))
  })

  it("C2: tells the kind from the original, where the delete that was asked for did not say it", () => {
    const from = state(x1)
    const deleted = complete(from, [remove(id)])
    const created = complete(apply(from, deleted), [create(x2)])
    expect(shown(squash(deleted, created))).toEqual(shown([update(x2, x1)]))
  })

  it.each<[string, ChangeSet.ChangeSet, "create" | "update" | "delete", "create" | "update" | "delete"]>([
    ["create", [create(x1), create(x2)], "create", "create"],
    ["create", [update(x2, x1), create(x1)], "update", "create"],
    ["update", [remove(id, x1), update(x2, x1)], "delete", "update"],
    ["delete", [remove(id, x1), remove(id, x1)], "delete", "delete"],
    ["update after create and delete", [create(x1), remove(id, x1), update(x2, x1)], "delete", "update"]
  ])("C4: refuses a sequence that cannot happen: %s", (_, changeset, first, second) => {
    const expected = new ChangeSet.ImpossibleSequence({ id: "a:x", first, second })
    for (const changesets of [[changeset], changeset.map((operation) => [operation])]) {
      const squashed = ChangeSet.squash(changesets)
      expect(Result.isFailure(squashed) && squashed.failure).toEqual(expected)
    }
  })

  it("without the ordering is the same set of operations", () => {
    fc.assert(
      fc.property(Arbitraries.run(2), ({ changesets }) => {
        const net = Result.getOrThrow(ChangeSet.net(changesets))
        expect(shown(Delta.order(net).changeset)).toEqual(shown(squash(...changesets)))
      }),
      { numRuns: 300 }
    )
  })
})
