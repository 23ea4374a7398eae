import { describe, expect, it } from "@effect/vitest"
import * as Entry from "@heph/entry/Entry"
import * as EntryId from "@heph/entry/EntryId"
import * as Arbitraries from "@heph/entry/testing/Arbitraries"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { canonical, stored } from "./support/canonical.ts"

const refusal = (input: unknown): string | undefined => {
  const made = Entry.make(input as Entry.EntryInput)
  return Result.isFailure(made) ? made.failure.message : undefined
}

describe("make", () => {
  it("keeps id, kind, meta and data as they are", () => {
    fc.assert(
      fc.property(Arbitraries.entryInput, (input) => {
        const entry = Entry.makeUnsafe(input)
        expect(entry.id).toBe(input.id)
        expect(entry.kind).toBe(input.kind)
        expect(canonical(entry.meta)).toBe(stored(input.meta))
        expect(canonical(entry.data)).toBe(stored(input.data))
      }),
      { numRuns: 1000 }
    )
  })

  it("C9: takes meta that is left out for {} and data for null, so that both are equal", () => {
    const bare = Entry.makeUnsafe({ id: "a:b", kind: "k" })
    expect([bare.meta, bare.data]).toEqual([{}, null])
    expect(Entry.equals(bare, Entry.makeUnsafe({ id: "a:b", kind: "k", meta: {}, data: null }))).toBe(true)
    expect(Entry.equals(bare, Entry.makeUnsafe({ id: "a:b", kind: "k", meta: undefined, data: undefined }))).toBe(true)
  })

  it("returns an entry as it is", () => {
    const entry = Entry.makeUnsafe({ id: "a:b", kind: "k" })
    expect(Result.getOrThrow(Entry.make(entry))).toBe(entry)
  })

  it.each<[string, unknown]>([
    [`the entry a:b cannot be stored: meta: it must be a record`, { id: "a:b", kind: "k", meta: null }],
    [`the entry a:b cannot be stored: meta: it must be a record`, { id: "a:b", kind: "k", meta: [1] }],
    [`the entry a:b cannot be stored: meta: it must be a record`, { id: "a:b", kind: "k", meta: "x" }],
    [`the entry a:b cannot be stored: meta: it must be a record`, { id: "a:b", kind: "k", meta: new Uint8Array(1) }],
    [`the entry a:b cannot be stored: meta: it must be a record`, { id: "a:b", kind: "k", meta: new Date(0) }],
    [`the entry a:b cannot be stored: meta.a[0]: a function`, { id: "a:b", kind: "k", meta: { a: [() => 1] } }],
    [
      `the entry a:b cannot be stored: data.x: the date is invalid`,
      { id: "a:b", kind: "k", data: { x: new Date(NaN) } }
    ],
    [`the entry a:b cannot be stored: kind: a kind is text that is not empty`, { id: "a:b", kind: "" }],
    [`the entry a:b cannot be stored: kind: a kind is text that is not empty`, { id: "a:b", kind: 1 }],
    [`the entry a:b cannot be stored: kind: " k" holds white space`, { id: "a:b", kind: " k" }],
    [`the entry a:b cannot be stored: kind: "k\\u0000" holds white space`, { id: "a:b", kind: "k\u0000" }],
    [`the entry a:b cannot be stored: kind: it is longer than 512 characters`, { id: "a:b", kind: "k".repeat(513) }],
    [`the entry a:b cannot be stored: kind: it holds half a surrogate pair`, { id: "a:b", kind: "\ud800" }],
    [`"a b" is not an entry id`, { id: "a b", kind: "k" }],
    [`"undefined" is not an entry id: it is undefined, not text`, { kind: "k" }]
  ])("refuses with: %s", (message, input) => {
    expect(refusal(input)).toContain(message)
  })

  it("takes ids as objects, and refuses what only looks like one", () => {
    const id = EntryId.parseUnsafe("a:b")
    expect(Entry.makeUnsafe({ id, kind: "k" }).id).toBe(id)
    expect(refusal({ id: { value: "a:b", slot: 0 }, kind: "k" })).toContain("it is object, not text")
  })
})

describe("B16: an entry changes for nobody", () => {
  const input = () => ({
    id: "a:b",
    kind: "k",
    meta: { list: ["x"], when: new Date(0) },
    data: { bytes: new Uint8Array([1, 2]), in: [{ when: new Date(5) }] }
  })
  const text = '{"list":["x"],"when":Date<0>} {"bytes":Uint8Array<1 2>,"in":[{"when":Date<5>}]}'
  const shown = (entry: Entry.Entry) => `${canonical(entry.meta)} ${canonical(entry.data)}`

  it("not when what was passed is changed", () => {
    const passed = input()
    const entry = Entry.makeUnsafe(passed)
    passed.meta.list.push("y")
    passed.meta.when.setTime(9)
    passed.data.bytes[0] = 9
    passed.data.in[0]!.when.setTime(9)
    expect(shown(entry)).toBe(text)
  })

  it("not when what was read is changed", () => {
    const entry = Entry.makeUnsafe(input())
    const { data, meta } = entry as unknown as ReturnType<typeof input>
    meta.when.setTime(9)
    data.bytes.fill(9)
    data.in[0]!.when.setTime(9)
    expect(() => meta.list.push("y")).toThrow(TypeError)
    expect(() => data.in.push({ when: new Date(0) })).toThrow(TypeError)
    expect(() => Object.assign(meta, { more: 1 })).toThrow(TypeError)
    expect(() => Object.assign(entry, { kind: "other" })).toThrow(TypeError)
    expect(() => Object.defineProperty(entry, "meta", { value: {} })).toThrow(TypeError)
    expect(shown(entry)).toBe(text)
  })

  it("and shares its values where nothing in them can be changed", () => {
    const entry = Entry.makeUnsafe({ id: "a:b", kind: "k", meta: { a: [1] }, data: { when: new Date(0) } })
    expect(entry.meta).toBe(entry.meta)
    expect(entry.data).not.toBe(entry.data)
    expect(entry.data).toEqual(entry.data)
  })
})

describe("equals", () => {
  it("is by id, kind, meta and data", () => {
    const parts = { id: "a:b", kind: "k", meta: { a: 1 }, data: [new Uint8Array([1]), NaN, 1n] }
    const entry = Entry.makeUnsafe(parts)
    expect(Entry.equals(entry, Entry.makeUnsafe(parts))).toBe(true)
    const others = [{ id: "a:c" }, { kind: "l" }, { meta: { a: 2 } }, { data: [new Uint8Array([2]), NaN, 1n] }]
    for (const other of others) expect(Entry.equals(entry, Entry.makeUnsafe({ ...parts, ...other }))).toBe(false)
  })

  it("holds for entries made of equal parts", () => {
    fc.assert(
      fc.property(Arbitraries.entryInput, (input) => {
        expect(Entry.equals(Entry.makeUnsafe(input), Entry.makeUnsafe(input))).toBe(true)
      }),
      { numRuns: 200 }
    )
  })
})

it("isEntry tells entries from what looks like one", () => {
  const entry = Entry.makeUnsafe({ id: "a:b", kind: "k" })
  expect([Entry.isEntry(entry), Entry.isEntry(Object.assign({}, entry)), Entry.isEntry(null)]).toEqual([
    true,
    false,
    false
  ])
})

it("is written to JSON as its parts", () => {
  const entry = Entry.makeUnsafe({ id: "a:b", kind: "k", meta: { when: new Date(0) }, data: [1] })
  expect(JSON.parse(JSON.stringify(entry))).toEqual({
    id: "a:b",
    kind: "k",
    meta: { when: "1970-01-01T00:00:00.000Z" },
    data: [1]
  })
})
