import { describe, expect, it } from "@effect/vitest"
import * as Entry from "@heph/entry/Entry"
import * as Query from "@heph/finder/Query"
import * as Result from "effect/Result"

const matches = (query: Query.Input, id: string, kind = "function.lua") =>
  Query.matches(Result.getOrThrow(Query.from(query)), Entry.makeUnsafe({ id, kind }))

const globMatches = (glob: string, name: string) => matches({ ".name": glob }, `app:${name}`)

describe("globs", () => {
  it.each([
    ["*", ".hidden", true],
    ["*", "..", true],
    ["*", "a/b/c", true],
    ["a*c", "a/b/c", true],
    ["a?c", "a/c", true],
    ["**/c", "a/b/c", true],
    ["**/c", "c", true],
    ["src/**/x.ts", "src/x.ts", true],
    ["src/**/x.ts", "src/a/b/x.ts", true],
    ["src/**/x.ts", "lib/x.ts", false],
    ["a//b", "a/b", false],
    ["a/**//b", "a/b", false],
    ["#a/**/b", "#a/b", true],
    ["!a/**/b", "!a/b", true],
    ["!a/**/b", "c", false],
    ["a/./b", "a/b", false],
    ["?", "é", true],
    ["?", "😀", true],
    ["??", "a", false],
    ["[ab]x", "bx", true],
    ["[!ab]x", "bx", false],
    ["[!ab]x", "cx", true],
    ["[a-c]*", "bee", true],
    ["{get,set}_*", "set_x", true],
    ["{get,set}_*", "del_x", false],
    ["v{1..3}", "v2", true],
    ["+(a|b)", "abba", true],
    ["!(a|b)", "c", true],
    ["!(a|b)", "a", false],
    ["#x", "#x", true],
    ["!x", "!x", true],
    ["!x", "y", false],
    [String.raw`\*`, "*", true],
    [String.raw`\*`, "a", false],
    ["a", "A", false],
    ["a", "ab", false],
    ["", "a", false],
    ["*a*b*c*", "xxaxxbxxcxx", true],
    ["*:*", "v1:users", true]
  ])("%s and %s: %s", (glob, name, expected) => {
    expect(globMatches(glob, name)).toBe(expected)
  })

  it("look at kinds and ids the same way", () => {
    expect(matches(".kind=function.* .id=app.*:users .ns=app.*", "app.api:users")).toBe(true)
    expect(matches(".ns=app", "app.api:users")).toBe(false)
  })
})
