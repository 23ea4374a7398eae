import { describe, expect, it } from "@effect/vitest"
import "../src/main.ts"
import * as Flags from "../src/Flags.ts"

describe("toggles", () => {
  it("take no value, so that what follows is an argument", () => {
    expect(Flags.explicit(["show", "--json", "1"])).toEqual(["show", "--json=true", "1"])
    expect(Flags.explicit(["find", "--desc", "yes", "--", "--json"])).toEqual([
      "find",
      "--desc=true",
      "yes",
      "--",
      "--json"
    ])
    expect(Flags.explicit(["apply", "-m", "--prune", "--store", "on", "x"])).toEqual([
      "apply",
      "-m",
      "--prune=true",
      "--store",
      "on",
      "x"
    ])
  })

  it("tell whether JSON is asked for where arguments are wrong", () => {
    expect(Flags.asksForJson(["nonsense", "--json"])).toBe(true)
    expect(Flags.asksForJson(["get", "--", "--json"])).toBe(false)
    expect(Flags.asksForJson(["--json=false"])).toBe(false)
  })
})
