import { mkdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Task from "../src/Task.ts"
import { folder } from "./support.ts"

const definition = {
  title: "A task",
  component: "test.own",
  goal: "Do it well.",
  objective: { metric: "error", direction: "lower" },
  data: { train: "train.json" },
  limits: { test: 100, measure: 100, memory: 64, size: 100 }
}

const whole: Readonly<Record<string, string>> = {
  "task.json": JSON.stringify(definition),
  "judge.ts": "export const tests = {}\nexport const measure = () => ({ error: 1 as number })\n",
  "train.json": "[1, 2]",
  "start/b.ts": "export const b = 1\n",
  "start/a.ts": "export const a = 1\n"
}

/** A folder with these files, and without those that have no text. */
const taskOf = (changes: Readonly<Record<string, string | undefined>>): string => {
  const at = folder()
  for (const [name, text] of Object.entries({ ...whole, ...changes })) {
    if (text === undefined) continue
    mkdirSync(dirname(join(at, name)), { recursive: true })
    writeFileSync(join(at, name), text)
  }
  return at
}

describe("a task", () => {
  it.effect("is read from its folder", () =>
    Effect.gen(function* () {
      const task = yield* Task.load(taskOf({}))
      const { data: _, ...rest } = definition
      expect(task).toMatchObject(rest)
      expect(task.data).toEqual({ train: [1, 2], heldOut: undefined })
      expect(task.starts).toEqual([
        { name: "a", code: whole["start/a.ts"] },
        { name: "b", code: whole["start/b.ts"] }
      ])
    })
  )

  const own = (changes: object): string => JSON.stringify({ ...definition, ...changes })
  it.effect.each([
    ["has no task.json", { "task.json": undefined }, /there is no task\.json in it; .* bin-packing, tour/],
    ["has a task.json that is no JSON", { "task.json": "{" }, /task\.json: .*JSON/],
    ["has an unknown key", { "task.json": own({ colour: "red" }) }, /task\.json: .*colour/s],
    ["lacks a key", { "task.json": own({ title: undefined }) }, /task\.json: .*title/s],
    ["has no limits that limit", { "task.json": own({ limits: { ...definition.limits, memory: 0 } }) }, /memory/],
    ["has no judge", { "judge.ts": undefined }, /judge\.ts: /],
    ["has a judge that does not parse", { "judge.ts": "export const tests =" }, /judge\.ts: .*\(1:/],
    ["has a judge that imports", { "judge.ts": "import 'node:fs'" }, /judge\.ts: it imports node:fs/],
    ["has nothing to begin with", { "start/a.ts": undefined, "start/b.ts": undefined }, /start: /],
    ["has no data", { "train.json": undefined }, /train\.json: /]
  ] as const)("is refused where it %s, by the file", ([, changes, message]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Task.load(taskOf(changes)))
      expect(error._tag).toBe("InvalidTask")
      expect(error.message).toMatch(message)
    })
  )
})

interface Packing {
  readonly name: string
  readonly capacity: number
  readonly best: number
  readonly items: ReadonlyArray<number>
}

interface Tour {
  readonly name: string
  readonly best: number
  readonly x: ReadonlyArray<number>
  readonly y: ReadonlyArray<number>
}

const sum = (values: ReadonlyArray<number>): number => values.reduce((a, b) => a + b, 0)

describe("the published instances", () => {
  it.effect("of bin packing are the twenty of 250 items, and those that are held out are none of the others", () =>
    Effect.gen(function* () {
      const { data } = yield* Task.load("bin-packing")
      const instances = [...(data.train as ReadonlyArray<Packing>), ...(data.heldOut as ReadonlyArray<Packing>)]
      expect(instances.map(({ name }) => name)).toEqual(
        Array.from({ length: 20 }, (_, i) => `u250_${String(i).padStart(2, "0")}`)
      )
      for (const { best, capacity, items } of instances) {
        expect([capacity, items.length]).toEqual([150, 250])
        expect(items.every((item) => Number.isInteger(item) && item >= 20 && item <= 100)).toBe(true)
        // The best that is known is one above what the items fill, at most.
        expect(best - Math.ceil(sum(items) / capacity)).toBeOneOf([0, 1])
      }
      // First fit and best fit, by their definitions, against what is published for all twenty: 6.45 % and 6.06 %.
      const excess = (rank: (space: number) => number): number => {
        const used = instances.map(({ capacity, items }) => {
          const bins: Array<number> = []
          for (const item of items) {
            const [at] = [...bins.keys()]
              .filter((i) => bins[i]! >= item)
              .sort((a, b) => rank(bins[a]!) - rank(bins[b]!))
            if (at === undefined) bins.push(capacity - item)
            else bins[at]! -= item
          }
          return bins.length
        })
        return (sum(used) / sum(instances.map(({ items }) => Math.ceil(sum(items) / 150))) - 1) * 100
      }
      expect([excess(() => 0), excess((space) => space)].map((value) => value.toFixed(2))).toEqual(["6.45", "6.06"])
    })
  )

  it.effect("of tours have the cities and the shortest lengths that TSPLIB gives", () =>
    Effect.gen(function* () {
      const { data } = yield* Task.load("tour")
      const facts = (instances: unknown) =>
        (instances as ReadonlyArray<Tour>).map(({ best, name, x, y }) => [name, x.length, y.length, best])
      expect(facts(data.train)).toEqual([
        ["eil51", 51, 51, 426],
        ["berlin52", 52, 52, 7542],
        ["st70", 70, 70, 675],
        ["pr76", 76, 76, 108_159]
      ])
      expect(facts(data.heldOut)).toEqual([
        ["eil76", 76, 76, 538],
        ["kroA100", 100, 100, 21_282],
        ["eil101", 101, 101, 629],
        ["lin105", 105, 105, 14_379]
      ])
    })
  )
})
