import * as vm from "node:vm"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { parseSync } from "oxc-parser"
import type { Strategy } from "../src/GoalProposer.ts"
import * as Module from "../src/internal/module.ts"
import * as Program from "../src/internal/program.ts"
import * as MutationEngine from "../src/MutationEngine.ts"
import { calls, evaluate, programs, requestFor, task } from "./support.ts"

const strategies: ReadonlyArray<Strategy> = ["exploit", "explore", "crossover", "restart"]

const propose = (codes: readonly [string, string?], strategy: Strategy, seed: string | number) =>
  Effect.runSync(Effect.result(Random.withSeed(MutationEngine.make.propose(requestFor(codes, strategy)), seed)))

const proposed = (codes: readonly [string, string?], strategy: Strategy, seed: string | number) =>
  Result.getOrThrow(propose(codes, strategy, seed))

/** What a call of `f` throws, if anything: a program that never ends is broken off. */
const thrownBy = (code: string, args: ReadonlyArray<unknown>): string | undefined => {
  try {
    vm.runInNewContext(`${Result.getOrThrow(Module.toScript(code)).code}.f(...args)`, { args }, { timeout: 200 })
    return undefined
  } catch (error) {
    return String(error)
  }
}

/** Two programs with the same functions and names, and nothing else in common. */
const related = [
  `const scale = (n: number): number => n * 111
export const f = (a: number, b: number): number => scale(a) - Math.hypot(a, b)
`,
  `const scale = (n: number): number => Math.cbrt(n + 222)
export const f = (a: number, b: number): number => Math.atan2(scale(b), a + 333)
`
] as const

const anyRequest = fc.record({
  at: fc.nat(programs.length - 1),
  other: fc.option(fc.nat(programs.length - 1), { nil: undefined }),
  strategy: fc.constantFrom(...strategies),
  seed: fc.integer()
})

describe("the built-in engine", () => {
  it("proposes programs that parse, that differ from their parents, and that have the size they may have", () => {
    fc.assert(
      fc.property(anyRequest, ({ at, other, seed, strategy }) => {
        const codes = other === undefined ? ([programs[at]!] as const) : ([programs[at]!, programs[other]!] as const)
        const found = propose(codes, strategy, seed)
        // Two programs may have nothing to exchange.
        fc.pre(Result.isSuccess(found) || other === undefined)
        const { code } = Result.getOrThrow(found)
        expect(parseSync("a.ts", code, { lang: "ts", showSemanticErrors: true }).errors).toEqual([])
        expect(codes).not.toContain(code)
        expect(code.length).toBeLessThanOrEqual(task.limits.size)
      }),
      { numRuns: 600 }
    )
  })

  it("uses no name that means nothing where it stands", () => {
    fc.assert(
      fc.property(anyRequest, ({ at, seed, strategy }) => {
        const { code } = proposed([programs[at]!], strategy, seed)
        expect(thrownBy(code, calls[at]!) ?? "").not.toMatch(/ReferenceError|SyntaxError|is not a function/)
      }),
      { numRuns: 400 }
    )
  })

  it("proposes the same again from the same seed, and other things from other seeds", () => {
    for (const strategy of strategies) {
      const codes = strategy === "crossover" ? related : ([programs[1]!] as const)
      const all = Array.from({ length: 20 }, (_, seed) => proposed(codes, strategy, seed))
      expect(Array.from({ length: 20 }, (_, seed) => proposed(codes, strategy, seed))).toEqual(all)
      expect(new Set(all.map(({ code }) => code)).size).toBeGreaterThan(10)
    }
  })

  it("knows numbers, operators, functions, expressions and statements", () => {
    const generators = new Set<string>()
    for (let seed = 0; seed < 600; seed++) {
      const { generator } = proposed([programs[seed % programs.length]!], "exploit", seed)
      for (const name of generator.replace("built-in:", "").split("+")) generators.add(name)
    }
    expect([...generators].sort()).toEqual([
      "functions",
      "moved",
      "numbers",
      "operators",
      "reduced",
      "removed",
      "repeated",
      "replaced",
      "returning",
      "swapped",
      "unwrapped",
      "wrapped"
    ])
  })

  it("recombines: what comes of two parents has something of each that the other has not", () => {
    const generators = new Set<string>()
    for (let seed = 0; seed < 150; seed++) {
      const { code, generator } = proposed(related, "crossover", seed)
      generators.add(generator.replace("built-in:", "").split("+")[0]!)
      // A second edit may change again what the first has brought together.
      if (generator.includes("+")) continue
      expect(code).toMatch(/cbrt|atan2|222|333|scale\(b\)/)
      expect(code).toMatch(/111|hypot|scale\(a\)/)
    }
    expect([...generators].sort()).toEqual(["expression", "function"])
  })

  it("takes a statement of the second parent where its names mean something", () => {
    const first = "export const f = (a: number): number => {\n  const b = a + 1\n  return b\n}\n"
    const second =
      "export const f = (a: number): number => {\n  if (a > 444) return 5\n  const own = a\n  return own\n}\n"
    const codes = Array.from({ length: 200 }, (_, seed) => proposed([first, second], "crossover", seed)).filter(
      ({ generator }) => generator === "built-in:statement"
    )
    expect(codes.some(({ code }) => code.includes("444") && code.includes("const b = a + 1"))).toBe(true)
    for (const { code } of codes) expect(thrownBy(code, [3])).toBeUndefined()
  })

  it("says what it changed, and leaves out comments, which are about what was", () => {
    const { code, message } = proposed([programs[2]!], "exploit", 3)
    expect(programs[2]).toContain("/**")
    expect(code).not.toContain("/**")
    expect(message).toMatch(/^(?:f|limit): .+ → /)
  })

  it("refuses a parent that does not parse, and says which", () => {
    expect(Result.getOrThrow(Result.flip(propose(["const = 1"], "exploit", 1)))).toMatchObject({
      _tag: "MutationFailed",
      ids: ["test.f:1"]
    })
  })

  it("says so where there is nothing to change", () => {
    expect(Result.getOrThrow(Result.flip(propose(["export const f = 'x'\n"], "exploit", 1)))._tag).toBe(
      "MutationFailed"
    )
  })
})

describe("tidied programs", () => {
  const term: fc.Arbitrary<string> = fc.letrec<{ term: string }>((tie) => ({
    term: fc.oneof(
      { depthSize: "small" },
      fc.constantFrom("1", "2", "0.5", "(3)", "(-4)", "x", "(x)"),
      fc.tuple(tie("term"), fc.constantFrom("+", "-", "*", "/"), tie("term")).map(([a, op, b]) => `(${a} ${op} ${b})`),
      fc.tuple(tie("term"), tie("term"), tie("term")).map(([a, b, c]) => `((${a} < ${b}) ? (${c}) : ${a})`),
      tie("term").map((a) => `Math.abs((${a}))`),
      tie("term").map((a) => `((${a}))`),
      tie("term").map((a) => `-(${a})`)
    )
  })).term

  it.each([
    ["f => { return(f) }", "f => { return f }\n"],
    ["f => { return((-1)) }", "f => { return -1 }\n"],
    ["const a = 1/* one */+ 2", "const a = 1+ 2\n"],
    ["typeof(a)in b", "typeof a in b\n"],
    ["while(f());g()", "while(f());g()\n"],
    ["{ ; f(); }", "{  f(); }\n"],
    ["(1).toFixed((2))", "(1).toFixed(2)\n"],
    ["const t = `a  \n\n  b` // c", "const t = `a  \n\n  b` "],
    ["const o = () => ({})", "const o = () => ({})\n"]
  ])("keep apart what stood apart, and together what belongs together: %j", (source, expected) => {
    expect(Program.tidy(source)).toBe(expected)
  })

  it("mean what they meant", () => {
    fc.assert(
      fc.property(term, (text) => {
        const source = `const x = 7; // seven\n;(${text})`
        const tidy = Program.tidy(source)
        expect(evaluate(`{ ${tidy} }`)).toEqual(evaluate(`{ ${source} }`))
        expect(tidy).not.toContain("seven")
      })
    )
  })
})
