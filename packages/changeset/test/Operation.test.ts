import { describe, expect, it } from "@effect/vitest"
import * as Operation from "@heph/changeset/Operation"
import * as Entry from "@heph/entry/Entry"
import * as EntryId from "@heph/entry/EntryId"
import * as State from "@heph/entry/State"
import * as Result from "effect/Result"

const entry = Entry.makeUnsafe({ id: "a:x", kind: "k", data: 1 })
const other = Entry.makeUnsafe({ id: "a:x", kind: "k", data: 2 })

describe("fromInput", () => {
  it("checks the entries of each operation, and takes ids as text", () => {
    const input = { id: "a:x", kind: "k", data: 1 }
    const made = [
      Operation.fromInput({ op: "create", entry: input }),
      Operation.fromInput({ op: "update", entry: input, original: { ...input, data: 2 } }),
      Operation.fromInput({ op: "update", entry: input }),
      Operation.fromInput({ op: "delete", id: "a:x" }),
      Operation.fromInput({ op: "delete", id: entry.id, original: input })
    ].map(Result.getOrThrow)
    expect(made).toEqual([
      Operation.create(entry),
      Operation.update(entry, other),
      Operation.update(entry),
      Operation.remove(entry.id),
      Operation.remove(entry.id, entry)
    ])
  })

  it("keeps entries that were checked before as they are", () => {
    const operation = Result.getOrThrow(Operation.fromInput(Operation.update(entry, other)))
    expect(operation.op === "update" && [operation.entry, operation.original]).toEqual([entry, other])
    expect(operation.op === "update" && operation.entry).toBe(entry)
  })

  it.each<[string, Operation.OperationInput, string]>([
    ["C11", { op: "create", entry: { id: "a:x", kind: "k", data: undefined, meta: { f: () => 1 } } }, "meta.f"],
    ["C11", { op: "update", entry: { id: "a:x", kind: "" } }, "kind"],
    ["C11", { op: "update", entry: { id: "a:x", kind: "k" }, original: { id: "no id", kind: "k" } }, "no id"],
    ["C11", { op: "delete", id: "a b:c" }, "a b:c"],
    ["C11", { op: "delete", id: "a:x", original: { id: "a:x", kind: "k", data: NaN, meta: new Map() } }, "meta"]
  ])("%s: refuses what cannot be stored, and never drops it: %j", (_, input, where) => {
    const refused = Operation.fromInput(input)
    expect(Result.isFailure(refused) && refused.failure.message).toContain(where)
  })

  it("takes no word for an update that it does not know", () => {
    const input = { op: "remove", id: "a:x", entry: { id: "a:x", kind: "k" } } as unknown as Operation.Operation
    expect(() => Operation.fromInput(input)).toThrow(`"remove" is no operation: create, update and delete are`)
  })
})

it("idOf and kindOf tell what an operation is about", () => {
  const operations = [
    Operation.create(entry),
    Operation.update(entry, other),
    Operation.remove(entry.id, entry),
    Operation.remove(entry.id)
  ]
  expect(operations.map(Operation.idOf)).toEqual(Array(4).fill(EntryId.parseUnsafe("a:x")))
  expect(operations.map(Operation.kindOf)).toEqual(["k", "k", "k", undefined])
})

describe("an operation", () => {
  const cases: ReadonlyArray<
    readonly [Operation.Operation, before: Entry.Entry | undefined, after: Entry.Entry | undefined]
  > = [
    [Operation.create(entry), undefined, entry],
    [Operation.update(other, entry), entry, other],
    [Operation.remove(entry.id, entry), entry, undefined]
  ]
  it.each(cases)("%o leads to what it leaves, and its inverse back", (operation, before, after) => {
    const from = State.fromIterable(before === undefined ? [] : [before])
    const to = State.update(from, (builder) => Operation.put(builder, operation))
    expect(to.get(entry.id)).toBe(after)
    const back = State.update(to, (builder) => Operation.put(builder, Operation.inverse(operation)))
    expect(back.get(entry.id)).toBe(before)
    expect(Operation.inverse(Operation.inverse(operation))).toEqual(operation)
  })
})
