import { describe, expect, it } from "@effect/vitest"
import * as Entry from "@heph/entry/Entry"
import * as EntryId from "@heph/entry/EntryId"
import * as Reference from "@heph/resolver/Reference"

const from = EntryId.parseUnsafe("app.api:users")
const found = (...texts: ReadonlyArray<string>) => {
  const { entries, groups, namespaces } = Reference.fromTexts(texts, from)
  return { entries: entries.map((id) => id.value), groups, namespaces }
}

describe("fromTexts", () => {
  it.each([
    ["db", "app.api:db"],
    ["db.v2", "app.api:db.v2"],
    ["core:db", "core:db"],
    ["core:db:replica", "core:db:replica"],
    ["app:users", "app:users"]
  ])("takes %s for the entry %s", (text, expected) => {
    expect(found(text)).toEqual({ entries: [expected], groups: [], namespaces: [] })
  })

  it("takes group: and ns: for sets of entries", () => {
    expect(found("group:stores", "ns:core.db", "group:a:b")).toEqual({
      entries: [],
      groups: ["stores", "a:b"],
      namespaces: ["core.db"]
    })
  })

  it("A7: takes a namespace that is literally ns or group for one like any other, from within", () => {
    const { entries, namespaces } = Reference.fromTexts(["b", "ns:b"], EntryId.parseUnsafe("ns:a"))
    expect([entries.map((id) => id.value), namespaces]).toEqual([["ns:b"], ["b"]])
  })

  it("D5: drops the entry itself, however it is written", () => {
    expect(found("users", "app.api:users", "other").entries).toEqual(["app.api:other"])
  })

  it("drops what cannot name an entry", () => {
    expect(found("", " ", "a b", ":x", "x:", "a..b:x", "x".repeat(600))).toEqual({
      entries: [],
      groups: [],
      namespaces: []
    })
  })

  it("keeps each once, in the order they were met", () => {
    expect(found("z", "a", "group:g", "app.api:z", "group:g", "ns:n", "ns:n")).toEqual({
      entries: ["app.api:z", "app.api:a"],
      groups: ["g"],
      namespaces: ["n"]
    })
    expect(Reference.fromTexts([], from)).toBe(Reference.none)
  })

  it("takes tens of thousands of references of one entry", () => {
    const texts = Array.from({ length: 50_000 }, (_, i) => `many:${i % 25_000}`)
    expect(found(...texts).entries).toHaveLength(25_000)
  })
})

describe("groupsOf", () => {
  it.each<[unknown, ReadonlyArray<string>]>([
    [undefined, []],
    ["one", ["one"]],
    [
      ["one", "two", "one"],
      ["one", "two"]
    ],
    [["one", 1, null, ["two"]], ["one"]],
    [{ a: "one" }, []],
    [7, []]
  ])("of %j are %j", (groups, expected) => {
    const meta = groups === undefined ? {} : { groups }
    expect(Reference.groupsOf(Entry.makeUnsafe({ id: "a:b", kind: "k", meta }))).toEqual(expected)
  })
})

it("setsOf and setsIn name the same sets alike", () => {
  const entry = Entry.makeUnsafe({ id: "core:db", kind: "k", meta: { groups: ["stores"] } })
  expect(Reference.setsOf(entry)).toEqual(["ns:core", "group:stores"])
  expect(Reference.setsIn(Reference.fromTexts(["group:stores", "ns:core", "x"], from))).toEqual([
    "group:stores",
    "ns:core"
  ])
})
