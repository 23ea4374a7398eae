import { describe, expect, it } from "@effect/vitest"
import type * as ChangeSet from "@heph/changeset/ChangeSet"
import * as Codec from "@heph/changeset/Codec"
import * as Operation from "@heph/changeset/Operation"
import * as Arbitraries from "@heph/changeset/testing/Arbitraries"
import * as EntryCodec from "@heph/entry/Codec"
import * as Entry from "@heph/entry/Entry"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { brief } from "./support/shown.ts"

const entriesOf = (changeset: ChangeSet.ChangeSet): ReadonlyArray<Entry.Entry | undefined> =>
  changeset.flatMap((operation) =>
    operation.op === "create"
      ? [operation.entry]
      : operation.op === "update"
        ? [operation.entry, operation.original]
        : [operation.original]
  )

const expectEqual = (found: ChangeSet.ChangeSet, expected: ChangeSet.ChangeSet): void => {
  expect(brief(found)).toEqual(brief(expected))
  const [left, right] = [entriesOf(found), entriesOf(expected)]
  expect(left.map((entry, i) => Entry.equals(entry!, right[i]!))).toEqual(right.map(() => true))
}

const problem = (bytes: Uint8Array): string | undefined => {
  const found = Codec.decode(bytes)
  return Result.isFailure(found) ? found.failure.message : undefined
}

describe("what goes in comes out", () => {
  it("B15: every changeset, operation by operation", () => {
    fc.assert(
      fc.property(Arbitraries.changeset, (changeset) => {
        expectEqual(Result.getOrThrow(Codec.decode(Codec.encode(changeset))), changeset)
      }),
      { numRuns: 400 }
    )
  })

  it("holds on to none of the bytes it was read from", () => {
    fc.assert(
      fc.property(Arbitraries.changeset, (changeset) => {
        const bytes = Codec.encode(changeset)
        const back = Result.getOrThrow(Codec.decode(bytes))
        bytes.fill(0xff)
        expectEqual(back, changeset)
      }),
      { numRuns: 50 }
    )
  })

  it("C6: never writes an operation that could not be reversed", () => {
    const entry = Entry.makeUnsafe({ id: "a:x", kind: "k" })
    expect(() => Codec.encode([Operation.update(entry)])).toThrow("the update of a:x has no original")
    expect(() => Codec.encode([Operation.create(entry), Operation.remove(entry.id)])).toThrow(
      "the delete of a:x has no original"
    )
  })
})

describe("bytes that are damaged", () => {
  it("are an error wherever they are cut off", () => {
    fc.assert(
      fc.property(Arbitraries.changeset, (changeset) => {
        const bytes = Codec.encode(changeset)
        const step = Math.max(1, Math.floor(bytes.length / 50))
        for (let length = 0; length < bytes.length; length += step) {
          expect(problem(bytes.subarray(0, length))).toMatch(/^the stored changeset cannot be read: ./)
        }
      }),
      { numRuns: 60 }
    )
  })

  it("are a typed error or a changeset, whatever was flipped", () => {
    fc.assert(
      fc.property(
        Arbitraries.changeset,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (changeset, flips) => {
          const bytes = Codec.encode(changeset)
          for (const [at, byte] of flips) bytes[at % bytes.length] = byte
          const back = Codec.decode(bytes)
          return Result.isFailure(back)
            ? back.failure._tag === "CorruptBytes"
            : entriesOf(back.success).every(Entry.isEntry)
        }
      ),
      { numRuns: 500 }
    )
  })

  const entry = EntryCodec.pack(Entry.makeUnsafe({ id: "a:x", kind: "k" }))
  const other = EntryCodec.pack(Entry.makeUnsafe({ id: "a:y", kind: "k" }))
  const stored = (value: unknown) => Uint8Array.from([0, ...EntryCodec.encode(value)])

  it.each<[Uint8Array, string]>([
    [new Uint8Array(0), "it is empty"],
    [Uint8Array.from([7, 0x90]), "unknown format 7"],
    [stored({}), "a changeset is a list"],
    [stored([1]), "an operation is a list"],
    [stored([[]]), "an operation is a list"],
    [stored([[0]]), "an operation is a list"],
    [stored([[0, entry, entry]]), "an operation is a list"],
    [stored([[1, entry]]), "an operation is a list"],
    [stored([[3, entry]]), "unknown operation 3"],
    [stored([["0", entry]]), "unknown operation 0"],
    [stored([[0, ["a:x", "k", {}]]]), "an entry is a list of four"],
    [stored([[1, entry, ["a:x"]]]), "an entry is a list of four"],
    [stored([[1, entry, other]]), "an update of a:x has the original a:y"],
    [Uint8Array.from([...stored([[0, entry]]), 0]), "Extra 1 of"]
  ])("are an error that says why: %o", (bytes, reason) => {
    expect(problem(bytes)).toContain(reason)
  })
})
