import { describe, expect, it } from "@effect/vitest"
import * as Entry from "@heph/entry/Entry"
import * as DependencyPattern from "@heph/resolver/DependencyPattern"
import * as Result from "effect/Result"

const entry = Entry.makeUnsafe({
  id: "a:b",
  kind: "k",
  meta: {
    parent: "p",
    depends_on: ["d1", "d2"],
    "a*b": "star",
    a1b: "a1b",
    nothing: null,
    number: 1,
    empty: "",
    none: []
  },
  data: {
    one: { two: { three: { four: { five: "deep" } } } },
    imports: { sql: "db", log: ["l1", "l2"], nested: { x: "n" } },
    main_env: "e1",
    env_main: "e2",
    environment: "e3",
    storage_a_env: "e4",
    steps: [{ target: "s0" }, { target: "s1" }, { other: "s2" }],
    mixed: ["m1", 2, null, ["m3"], { x: "m4" }, "m5"],
    record: { a: "r1", b: "r2", c: ["r3"], d: 4 },
    when: new Date(0),
    bytes: new Uint8Array([1]),
    constructor: "own"
  }
})

const texts = (path: string, allowWildcard = false, of = entry): ReadonlyArray<string> => {
  const into: Array<string> = []
  DependencyPattern.collect(Result.getOrThrow(DependencyPattern.compile({ path, allowWildcard })), of, into)
  return into
}

describe("collect", () => {
  it.each<[path: string, found: ReadonlyArray<string>]>([
    ["meta.parent", ["p"]],
    ["meta.depends_on", ["d1", "d2"]],
    ["data.one.two.three.four.five", ["deep"]],
    ["data.record", ["r1", "r2"]],
    ["data.mixed", ["m1", "m5"]],
    ["data.mixed.0", ["m1"]],
    ["data.steps.1.target", ["s1"]],
    ["data.constructor", ["own"]],
    ["meta.empty", [""]],
    ["meta.none", []],
    ["meta.nothing", []],
    ["meta.number", []],
    ["meta.missing", []],
    ["meta.toString", []],
    ["meta.parent.length", []],
    ["data.steps.length", []],
    ["data.steps.7.target", []],
    ["data.when", []],
    ["data.bytes", []],
    ["data.bytes.0", []],
    ["data.steps.target", []],
    ["meta.a*b", ["star"]],
    ["data.imports.*", []]
  ])("finds at %s: %j", (path, found) => {
    expect(texts(path)).toEqual(found)
  })

  it.each<[path: string, found: ReadonlyArray<string>]>([
    ["data.imports.*", ["db", "l1", "l2", "n"]],
    ["data.*_env", ["e1", "e4"]],
    ["data.env*", ["e2", "e3"]],
    ["data.storage*env", ["e4"]],
    ["data.storage_a_env*storage_a_env", []],
    ["data.steps.*.target", ["s0", "s1"]],
    ["data.*.*.target", ["s0", "s1"]],
    ["meta.a*b", ["star", "a1b"]],
    ["meta.parent", ["p"]],
    ["data.*.when", []]
  ])("D10: finds at %s with wildcards: %j", (path, found) => {
    expect(texts(path, true)).toEqual(found)
  })

  it("D10: matches the numbers of a list's items as it does keys, and nothing else of them", () => {
    const list = Entry.makeUnsafe({ id: "a:b", kind: "k", data: Array.from({ length: 12 }, (_, i) => `i${i}`) })
    expect(texts("data.*_id", true, list)).toEqual([])
    expect(texts("data.1*", true, list)).toEqual(["i1", "i10", "i11"])
    expect(texts("data.*", true, list)).toHaveLength(12)
  })

  it("takes data that is a text or a list itself", () => {
    expect(texts("data", false, Entry.makeUnsafe({ id: "a:b", kind: "k", data: "x" }))).toEqual(["x"])
    expect(texts("data", false, Entry.makeUnsafe({ id: "a:b", kind: "k", data: ["x", "y"] }))).toEqual(["x", "y"])
    expect(texts("data.x", false, Entry.makeUnsafe({ id: "a:b", kind: "k" }))).toEqual([])
  })

  it("D9: walks whatever can be stored, and nothing else can be", () => {
    const typed = Entry.make({ id: "a:b", kind: "k", data: new Map([["imports", "x"]]) })
    expect(Result.isFailure(typed) && typed.failure.message).toContain("a Map cannot be stored")
    const bare = Object.assign(Object.create(null) as object, { imports: Object.freeze(["x"]) })
    expect(texts("data.imports", false, Entry.makeUnsafe({ id: "a:b", kind: "k", data: bare }))).toEqual(["x"])
  })
})

describe("compile", () => {
  it.each<[path: string, allowWildcard: boolean, reason: string]>([
    ["", false, `it must begin with "meta" or "data"`],
    ["kind", false, `it must begin with "meta" or "data"`],
    ["metadata.x", false, `it must begin with "meta" or "data"`],
    [".meta.x", false, `it must begin with "meta" or "data"`],
    ["meta", false, `name a key of meta, as in "meta.depends_on"`],
    ["meta.", false, "it has an empty segment"],
    ["data..x", false, "it has an empty segment"],
    ["data.**", true, `a segment may hold one "*", and "**" holds more`],
    ["data.a*b*c", true, `a segment may hold one "*", and "a*b*c" holds more`]
  ])("refuses %j (wildcards: %s): %s", (path, allowWildcard, reason) => {
    const compiled = DependencyPattern.compile({ path, allowWildcard })
    expect(Result.isFailure(compiled) && compiled.failure.reason).toBe(reason)
    expect(Result.isFailure(compiled) && compiled.failure.message).toContain(JSON.stringify(path))
  })
})
