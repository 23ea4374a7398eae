import { describe, expect, it } from "@effect/vitest"
import * as Entry from "@heph/entry/Entry"
import * as Field from "@heph/finder/Field"
import * as Result from "effect/Result"
import * as fc from "fast-check"

const valueOf = (field: string, meta: Record<string, unknown>, id = "app.api:v1:users") =>
  Field.valueOf(Result.getOrThrow(Field.parse(field)), Entry.makeUnsafe({ id, kind: "function.lua", meta }))

describe("Field", () => {
  it("names the parts of an entry", () => {
    expect([".id", ".kind", ".ns", ".name"].map((field) => valueOf(field, {}))).toEqual([
      "app.api:v1:users",
      "function.lua",
      "app.api",
      "v1:users"
    ])
  })

  it("walks nested records, and lists on the way", () => {
    const meta = { server: { port: 80 }, servers: [{ port: 1 }, { host: "h" }, { port: [2, 3] }, 4] }
    expect(valueOf("meta.server.port", meta)).toBe(80)
    expect(valueOf("meta.servers.port", meta)).toEqual([1, 2, 3])
    expect(valueOf("meta.server", meta)).toEqual({ port: 80 })
    expect(valueOf("meta.server.host", meta)).toBeUndefined()
    expect(valueOf("meta.servers.path", meta)).toBeUndefined()
    expect(valueOf("meta.server.port.x", meta)).toBeUndefined()
  })

  it("tells null and empty lists from missing fields", () => {
    expect(valueOf("meta.x", { x: null })).toBeNull()
    expect(valueOf("meta.x", { x: [] })).toEqual([])
    expect(valueOf("meta.x.y", { x: [{ y: [] }] })).toEqual([])
    expect(valueOf("meta.x", {})).toBeUndefined()
  })

  it("finds a key that holds dots by quotes, and without them where nothing is nested there", () => {
    expect(valueOf(`meta."a.b"`, { "a.b": 1, a: { b: 2 } })).toBe(1)
    expect(valueOf("meta.a.b", { "a.b": 1, a: { b: 2 } })).toBe(2)
    expect(valueOf("meta.a.b", { "a.b": 1, a: { c: 2 } })).toBe(1)
    expect(valueOf(`meta."a"."b"`, { "a.b": 1 })).toBe(1)
    expect(valueOf(`meta.x."a.b"`, { "x.a.b": 1 })).toBeUndefined()
  })

  it("sees own keys alone", () => {
    expect(valueOf("meta.constructor", {})).toBeUndefined()
    expect(valueOf("meta.x.length", { x: "text" })).toBeUndefined()
    expect(valueOf("meta.toString.name", {})).toBeUndefined()
  })

  it("is named by any key, and its text parses to the same field", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "binary" }), { minLength: 1, maxLength: 3 }), (path) => {
        const text = ["meta", ...path.map((key) => JSON.stringify(key))].join(".")
        const field = Result.getOrThrow(Field.parse(text))
        expect(field).toMatchObject({ _tag: "Meta", path })
        expect(Result.getOrThrow(Field.parse(field.text))).toEqual(field)
      })
    )
  })

  it("has one text for all spellings", () => {
    const texts = [`meta."a".b`, `meta.a."b"`, "meta.a.b"].map((text) => Result.getOrThrow(Field.parse(text)).text)
    expect(new Set(texts)).toEqual(new Set(["meta.a.b"]))
  })

  it.each([
    ["", "there are .id"],
    ["kind", "did you mean .kind?"],
    ["port", "did you mean meta.port?"],
    [".type", "did you mean meta.type?"],
    [".kind.x", "did you mean .kind?"],
    [".kinds", "did you mean meta.kinds?"],
    ["data.x", "there are .id"],
    ["meta", "there are .id"],
    ["meta.", "may not end with a dot"],
    ["meta..x", "no key can begin at"],
    ["meta.x.", "may not end with a dot"],
    ["meta.x y", "put a key that holds it into double quotes"],
    ["meta.x[0]", "put a key that holds it into double quotes"],
    ["meta.*", "no key can begin at"],
    ["meta.x>=5", "an operator stands before it"],
    [`meta."x`, "no key can begin at"],
    [String.raw`meta."\x"`, "is not text as JSON quotes it"],
    [" meta.x", "there are .id"]
  ])("refuses %j", (text, reason) => {
    const error = Result.getOrThrow(Result.flip(Field.parse(text)))
    expect(error).toMatchObject({
      _tag: "InvalidField",
      field: text,
      reason: expect.stringContaining(reason) as string
    })
  })
})
