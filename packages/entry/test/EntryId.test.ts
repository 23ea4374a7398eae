import { describe, expect, it } from "@effect/vitest"
import * as Codec from "@heph/entry/Codec"
import * as Entry from "@heph/entry/Entry"
import * as EntryId from "@heph/entry/EntryId"
import * as State from "@heph/entry/State"
import * as Arbitraries from "@heph/entry/testing/Arbitraries"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { collect, collectUntil, settle } from "./support/gc.ts"

const reason = (text: string, namespace?: string): string => {
  const parsed = EntryId.parse(text, { namespace })
  return Result.isFailure(parsed) ? parsed.failure.reason : "none"
}

describe("parse", () => {
  it.each([
    ["app:users", "app", "users"],
    ["app.api:users", "app.api", "users"],
    ["a:b:c", "a", "b:c"],
    ["a::", "a", ":"],
    ["a:.", "a", "."],
    ["a/b@c-d:e/f@g-h", "a/b@c-d", "e/f@g-h"],
    ["名.ü:🏺", "名.ü", "🏺"]
  ])("splits %s at the first colon", (text, namespace, name) => {
    const id = EntryId.parseUnsafe(text)
    expect([id.value, id.namespace, id.name]).toEqual([text, namespace, name])
  })

  it("fills in the default namespace of a bare name, and only of that", () => {
    expect(EntryId.parseUnsafe("users", { namespace: "app.api" }).value).toBe("app.api:users")
    expect(EntryId.parseUnsafe("users.v2", { namespace: "app" }).value).toBe("app:users.v2")
    expect(EntryId.parseUnsafe("other:users", { namespace: "app" }).value).toBe("other:users")
    expect(EntryId.parseUnsafe("a:b:c", { namespace: "app" }).value).toBe("a:b:c")
  })

  it.each([
    ["A6", "", undefined, "it is empty"],
    ["A6", "users", undefined, `a bare name needs a namespace: write "namespace:name"`],
    ["A6", "", "app", "the name is empty"],
    ["A6", ":", undefined, "the name is empty"],
    ["A6", "app:", undefined, "the name is empty"],
    ["A6", ":users", undefined, "the namespace is empty"],
    ["A6", ".app:users", undefined, `the namespace ".app" has an empty segment`],
    ["A6", "app.:users", undefined, `the namespace "app." has an empty segment`],
    ["A6", "a..b:users", undefined, `the namespace "a..b" has an empty segment`],
    ["A6", "app:us ers", undefined, "white space and control characters are not allowed"],
    ["A6", "a pp:users", undefined, "white space and control characters are not allowed"],
    ["A6", "app:users\n", undefined, "white space and control characters are not allowed"],
    ["A6", "app:\u00a0", undefined, "white space and control characters are not allowed"],
    ["A6", "app:\u0000", undefined, "white space and control characters are not allowed"],
    ["A6", "app:\u007f", undefined, "white space and control characters are not allowed"],
    ["A6", "app:\ud800", undefined, "it holds half a surrogate pair"],
    ["A6", "users", "", "the namespace is empty"],
    ["A6", "users", "a:b", `a namespace may not hold ":"`],
    ["A6", "users", "a b", "white space and control characters are not allowed"],
    ["A6", "users", "a..b", `the namespace "a..b" has an empty segment`]
  ])("%s: refuses %j in the namespace %j", (_, text, namespace, expected) => {
    expect(reason(text, namespace)).toBe(expected)
  })

  it("refuses what is longer than 512 bytes of UTF-8, and no less", () => {
    const of = (text: string) => Result.isSuccess(EntryId.parse(text))
    expect(of(`a:${"x".repeat(510)}`)).toBe(true)
    expect(of(`a:${"x".repeat(511)}`)).toBe(false)
    expect(of(`a:${"名".repeat(170)}`)).toBe(true)
    expect(of(`a:${"名".repeat(170)}x`)).toBe(false)
    expect(reason("x".repeat(511), "a")).toBe("it is longer than 512 bytes")
  })

  it("names the offending text in the error, cut where it is long", () => {
    expect(() => EntryId.parseUnsafe("no id")).toThrow(`"no id" is not an entry id: a bare name needs`)
    const long = EntryId.parse("x ".repeat(1000))
    expect(Result.isFailure(long) && long.failure.input).toBe("x ".repeat(1000))
    expect(Result.isFailure(long) && long.failure.message.length).toBeLessThan(200)
  })

  it.each([undefined, null, 1, {}, ["a:b"], Symbol("a:b")])("refuses %o, which is no text", (value) => {
    expect(reason(value as string)).toMatch(/^it is \w+, not text$/)
  })
})

describe("interning", () => {
  it("A1: is one object for equal texts, however they came about", () => {
    const id = EntryId.parseUnsafe("intern.one:users")
    const parts = ["intern", ".one", ":", "us", "ers"]
    expect(EntryId.parseUnsafe(parts.join(""))).toBe(id)
    expect(EntryId.parseUnsafe("users", { namespace: parts.slice(0, 2).join("") })).toBe(id)
    expect(EntryId.find(parts.join(""))).toBe(id)
    expect(Entry.makeUnsafe({ id: parts.join(""), kind: "k" }).id).toBe(id)
    expect(Entry.makeUnsafe({ id, kind: "k" }).id).toBe(id)
  })

  it("A2, A3: gives a decoded entry the id that lookups use", () => {
    const entry = Entry.makeUnsafe({ id: "intern:decoded", kind: "k" })
    const bytes = Codec.encode(Codec.pack(entry))
    const decoded = Result.getOrThrow(Codec.unpack(Result.getOrThrow(Codec.decode(bytes, "entry")), "entry"))
    expect(decoded.id).toBe(entry.id)
    const state = State.fromIterable([entry, decoded])
    expect(state.size).toBe(1)
    expect(state.get("intern:decoded")).toBe(decoded)
    expect(State.update(state, (builder) => builder.remove(entry.id)).size).toBe(0)
  })

  it("never makes an id by looking for one", () => {
    const before = EntryId.interned()
    expect(EntryId.find("intern:nobody")).toBeUndefined()
    expect(EntryId.find("no id at all")).toBeUndefined()
    expect(EntryId.interned()).toBe(before)
  })

  it("keeps the parts once: ids of a namespace share its text", () => {
    const ids = Array.from({ length: 1000 }, (_, i) => EntryId.parseUnsafe(`${"long".repeat(50)}:${i}`))
    expect(Object.keys(ids[0]!).sort()).toEqual(["slot", "value"])
    expect(ids[0]!.namespace).toBe("long".repeat(50))
  })

  it("A4, A5: is written as its text, everywhere, and read back as the same object", () => {
    fc.assert(
      fc.property(Arbitraries.id, (id) => {
        expect(JSON.stringify({ id })).toBe(JSON.stringify({ id: id.value }))
        expect(String(id)).toBe(id.value)
        expect(`${id.namespace}:${id.name}`).toBe(id.value)
        expect(EntryId.parseUnsafe(JSON.parse(JSON.stringify(id)) as string)).toBe(id)
      })
    )
  })

  it("cannot be changed, and tells ids from what looks like one", () => {
    const id = EntryId.parseUnsafe("intern:frozen")
    expect(() => Object.assign(id, { value: "other:id" })).toThrow(TypeError)
    expect(EntryId.isEntryId(id)).toBe(true)
    expect(EntryId.isEntryId({ value: "intern:frozen", slot: id.slot })).toBe(false)
    expect(EntryId.isEntryId("intern:frozen")).toBe(false)
  })

  it("orders ids as their texts", () => {
    fc.assert(
      fc.property(fc.array(Arbitraries.id), (ids) => {
        const texts = ids.map((id) => id.value)
        expect([...ids].sort(EntryId.compare).map((id) => id.value)).toEqual([...texts].sort())
        for (const id of ids) expect(EntryId.compare(id, id)).toBe(0)
      })
    )
  })
})

describe("collection", () => {
  const count = 100_000

  it("gives back the rows and slots of ids that nobody holds, and never mixes them up", async () => {
    await settle()
    const before = EntryId.interned()
    let dropped: Array<EntryId.EntryId> = Array.from({ length: count }, (_, i) => EntryId.parseUnsafe(`gone:${i}`))
    const survivors = dropped.filter((_, i) => i % 1000 === 0).map((id) => Entry.makeUnsafe({ id, kind: "k" }))
    const highest = Math.max(...dropped.slice(-10).map((id) => id.slot))
    const state = State.fromIterable(survivors)
    expect(EntryId.interned()).toBe(before + count)

    dropped = []
    expect(await collectUntil(() => EntryId.interned() <= before + survivors.length)).toBe(true)
    expect(EntryId.interned()).toBe(before + survivors.length)

    // As many others take the slots that became free.
    const others = Array.from({ length: count - survivors.length }, (_, i) => EntryId.parseUnsafe(`new:${i}`))
    let top = 0
    for (const { slot } of others) top = Math.max(top, slot)
    expect(top).toBeLessThanOrEqual(highest)
    expect(new Set([...others, ...survivors.map((entry) => entry.id)].map((id) => id.slot)).size).toBe(count)

    let wrong = 0
    for (const id of others) if (state.has(id) || state.has(id.value)) wrong++
    for (let i = 0; i < count; i++) {
      const found = state.get(`gone:${i}`)
      if (i % 1000 === 0 ? found !== survivors[i / 1000] : found !== undefined) wrong++
    }
    expect(wrong).toBe(0)
    expect([...state]).toHaveLength(survivors.length)
  })

  it("gives an id that was collected and comes back a row of its own", async () => {
    const make = (round: number) => State.fromIterable([Entry.makeUnsafe({ id: "back:again", kind: "k", data: round })])
    let rowsLeft = 0
    let state = make(0)
    for (let round = 1; round <= 4; round++) {
      state = State.empty
      // It comes back once its row is swept, and when it was collected but its row is still there, in turn.
      if (round % 2 === 0) await collectUntil(() => EntryId.findSlot("back:again") === undefined)
      else {
        await new Promise((resolve) => setImmediate(resolve))
        collect()
        rowsLeft += Number(EntryId.findSlot("back:again") !== undefined && EntryId.find("back:again") === undefined)
      }
      state = make(round)
      expect(state.get("back:again")?.data).toBe(round)
      await settle()
      expect(state.get("back:again")?.data).toBe(round)
      expect(state.get("back:again")?.id).toBe(EntryId.find("back:again"))
    }
    state = State.empty
    expect(await collectUntil(() => EntryId.findSlot("back:again") === undefined)).toBe(true)
    expect(EntryId.find("back:again")).toBeUndefined()
    expect(rowsLeft).toBe(2)
  })
})
