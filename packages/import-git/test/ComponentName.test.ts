import { describe, expect, it } from "@effect/vitest"
import * as EntryId from "@heph/entry/EntryId"
import * as ComponentName from "@heph/import-git/ComponentName"
import * as Result from "effect/Result"
import * as fc from "fast-check"

const piece = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.constantFrom(".", "..", "/", ":", "%", " ", "\n", "\u00a0", "\u2028", "\ufeff", "%2E", "a")
  },
  fc.string({ unit: "grapheme", maxLength: 5 }),
  fc.string({ unit: "binary", maxLength: 5 })
)
/** Any text that can be a path of git's, and more. */
const path = fc
  .array(piece, { minLength: 1, maxLength: 8 })
  .map((pieces) => pieces.join(""))
  .filter((text) => text !== "")

describe("a component's name", () => {
  it.each([
    ["src/main.ts", "app.src/main.ts"],
    [".github/workflows/ci.yml", "app.%2Egithub/workflows/ci.yml"],
    ["src/.env", "app.src/.env"],
    ["a..b...c", "app.a.%2Eb.%2E%2Ec"],
    ["end.", "app.end%2E"],
    [".", "app.%2E"],
    ["a b\tc\u3000d", "app.a%20b%09c%E3%80%80d"],
    ["50%:x", "app.50%25%3Ax"],
    ["%2E", "app.%252E"],
    ["grün/☃/😀", "app.grün/☃/😀"]
  ])("for the path %j is %s", (path, component) => {
    expect(ComponentName.componentOf("app", path)).toBe(component)
    expect(ComponentName.pathOf(component)).toBe(path)
  })

  it("is a namespace for any path and project, and gives the path back", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 20 }), path, (name, path) => {
        const project = ComponentName.projectOf(name)
        const component = ComponentName.componentOf(project, path)!
        expect(Result.getOrThrow(EntryId.parse(`${component}:${"f".repeat(64)}`)).namespace).toBe(component)
        expect(component.slice(0, component.indexOf("."))).toBe(project)
        expect(ComponentName.pathOf(component)).toBe(path)
      }),
      { numRuns: 2000 }
    )
  })

  it.each([
    ["my.app", "my%2Eapp"],
    ["a b:c", "a%20b%3Ac"],
    ["", "repository"],
    ["...", "%2E%2E%2E"]
  ])("for the project %j begins with %s", (name, project) => {
    expect(ComponentName.projectOf(name)).toBe(project)
  })

  it("is not given where it leaves no room for a version", () => {
    const longest = "é".repeat((ComponentName.maxBytes - 4) / 2)
    const component = ComponentName.componentOf("app", `${longest}x`)!
    expect(Buffer.byteLength(component)).toBe(ComponentName.maxBytes)
    expect(Result.isSuccess(EntryId.parse(`${component}:${"f".repeat(64)}`))).toBe(true)
    expect(ComponentName.componentOf("app", `${longest}xx`)).toBeUndefined()
  })
})
