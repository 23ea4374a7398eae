import { describe, expect, it } from "@effect/vitest"
import * as Analytics from "@heph/implementations/Analytics"
import * as fc from "fast-check"

const made = 1_700_000_000_000

/** Versions from 1 on; one without the metric is written as nothing. */
const versionsOf = (
  values: ReadonlyArray<number | undefined>,
  generations: ReadonlyArray<number> = []
): ReadonlyArray<Analytics.Measured> =>
  values.map((score, at) => ({
    id: `lab.sort:${at + 1}`,
    sequence: at + 1,
    created: made + at * 1000,
    generation: generations[at] ?? at,
    metrics: score === undefined ? { other: 1 } : { score }
  }))

const id = (sequence: number) => `lab.sort:${sequence}`

describe("best", () => {
  it("is the highest, or the lowest, of equal ones the earliest", () => {
    const versions = versionsOf([2, 5, undefined, 1, 5, 1])
    expect(Analytics.best(versions, "score")?.id).toBe(id(2))
    expect(Analytics.best(versions, "score", { direction: "min" })?.id).toBe(id(4))
    expect(Analytics.best(versions.toReversed(), "score")?.id).toBe(id(2))
  })

  it("is nothing where no version has the metric", () => {
    expect(Analytics.best([], "score")).toBeUndefined()
    expect(Analytics.best(versionsOf([Number.NaN, Infinity, undefined]), "score")).toBeUndefined()
    expect(Analytics.best(versionsOf([1]), "toString")).toBeUndefined()
  })
})

describe("ranking", () => {
  it("orders versions from best to worst", () => {
    const versions = versionsOf([2, 5, Number.NaN, 1, 5])
    const ids = (direction: Analytics.Direction) =>
      Analytics.ranking(versions, "score", { direction }).map((version) => version.sequence)
    expect(ids("max")).toEqual([2, 5, 1, 4])
    expect(ids("min")).toEqual([4, 1, 2, 5])
  })

  it("orders numbers whose difference is no number of its own", () => {
    const versions = versionsOf([-Number.MAX_VALUE, Number.MAX_VALUE, 0])
    expect(Analytics.ranking(versions, "score").map(({ sequence }) => sequence)).toEqual([2, 3, 1])
  })
})

describe("trend", () => {
  it("has every point with the best so far", () => {
    expect(Analytics.trend(versionsOf([3, undefined, 1, 4]), "score")).toEqual({
      points: [
        { id: id(1), sequence: 1, created: made, value: 3, best: 3 },
        { id: id(3), sequence: 3, created: made + 2000, value: 1, best: 3 },
        { id: id(4), sequence: 4, created: made + 3000, value: 4, best: 4 }
      ],
      slope: expect.closeTo(1 / 7, 12) as number,
      skipped: 1
    })
    const falling = Analytics.trend(versionsOf([3, 4, 1]), "score", { direction: "min" })
    expect(falling.points.map(({ best }) => best)).toEqual([3, 3, 1])
  })

  it("has the slope of a straight line, across versions that are not there", () => {
    const line = [2, 3, 7, 20].map((sequence) => ({ ...versionsOf([0.5 * sequence - 4])[0]!, sequence }))
    expect(Analytics.trend(line, "score").slope).toBeCloseTo(0.5, 12)
  })

  it("has no slope through fewer than two points", () => {
    expect(Analytics.trend([], "score")).toEqual({ points: [], slope: null, skipped: 0 })
    expect(Analytics.trend(versionsOf([1, undefined]), "score")).toMatchObject({ slope: null, skipped: 1 })
  })
})

describe("generations", () => {
  it("has the spread of each generation, from the first on", () => {
    const versions = versionsOf([4, 1, undefined, 9, 2, 1, undefined], [1, 0, 0, 1, 1, 3, 2])
    expect(Analytics.generations(versions, "score")).toEqual({
      generations: [
        { generation: 0, count: 1, min: 1, median: 1, mean: 1, max: 1, best: id(2) },
        { generation: 1, count: 3, min: 2, median: 4, mean: 5, max: 9, best: id(4) },
        { generation: 3, count: 1, min: 1, median: 1, mean: 1, max: 1, best: id(6) }
      ],
      skipped: 2
    })
    const lowest = Analytics.generations(versions, "score", { direction: "min" })
    expect(lowest.generations.map(({ best }) => best)).toEqual([id(2), id(5), id(6)])
  })

  it("is empty where no version has the metric", () => {
    expect(Analytics.generations([], "score")).toEqual({ generations: [], skipped: 0 })
    expect(Analytics.generations(versionsOf([undefined]), "score")).toEqual({ generations: [], skipped: 1 })
  })

  it("has a mean of numbers whose sum is too large", () => {
    const worst = Number.MAX_VALUE
    const [all] = Analytics.generations(versionsOf([worst, worst, 0, worst], [0, 0, 0, 0]), "score").generations
    expect(all).toMatchObject({ median: worst, max: worst })
    expect(all!.mean).toBeCloseTo(worst * 0.75, -295)
    expect(Analytics.trend(versionsOf([worst, worst]), "score").slope).toBe(0)
  })
})

describe("stagnation", () => {
  it("counts versions and generations since the best improved", () => {
    const versions = versionsOf([1, 5, 3, undefined, 5, 4], [0, 1, 2, 2, 4, 3])
    expect(Analytics.stagnation(versions, "score", { patience: 3 })).toEqual({
      best: id(2),
      value: 5,
      since: made + 1000,
      versions: 3,
      generations: 3,
      isStagnant: true,
      skipped: 1
    })
    expect(Analytics.stagnation(versions, "score", { patience: 4 }).isStagnant).toBe(false)
  })

  it("is none where the newest is the best", () => {
    const found = Analytics.stagnation(versionsOf([3, 2, 1]), "score", { direction: "min", patience: 1 })
    expect(found).toMatchObject({ best: id(3), versions: 0, generations: 0, isStagnant: false })
  })

  it("goes back no generations where what came after is of an earlier one", () => {
    const found = Analytics.stagnation(versionsOf([9, 1], [5, 2]), "score", { patience: 1 })
    expect(found).toMatchObject({ versions: 1, generations: 0, isStagnant: true })
  })

  it("is none where no version has the metric", () => {
    expect(Analytics.stagnation(versionsOf([undefined, Number.NaN]), "score", { patience: 1 })).toEqual({
      best: null,
      value: null,
      since: null,
      versions: 0,
      generations: 0,
      isStagnant: false,
      skipped: 2
    })
  })
})

describe("laws", () => {
  const value = fc.oneof(
    fc.integer({ min: -3, max: 3 }),
    fc.double(),
    fc.constantFrom(undefined, Number.MAX_VALUE, -Number.MAX_VALUE)
  )
  const inputs = fc.array(fc.tuple(value, fc.integer({ min: 0, max: 4 })), { maxLength: 30 })
  const direction = fc.constantFrom("max" as const, "min" as const)

  it("no answer depends on the order in which versions come", () => {
    fc.assert(
      fc.property(
        inputs.chain((list) => {
          const versions = versionsOf(
            list.map(([value]) => value),
            list.map(([, generation]) => generation)
          )
          return fc.tuple(
            fc.constant(versions),
            fc.shuffledSubarray([...versions], { minLength: versions.length, maxLength: versions.length })
          )
        }),
        direction,
        ([versions, shuffled], direction) => {
          const answers = (list: ReadonlyArray<Analytics.Measured>) => [
            Analytics.best(list, "score", { direction })?.id,
            Analytics.ranking(list, "score", { direction }).map(({ id }) => id),
            Analytics.trend(list, "score", { direction }),
            Analytics.generations(list, "score", { direction }).generations.map(({ best, count, min, max }) => [
              best,
              count,
              min,
              max
            ]),
            Analytics.stagnation(list, "score", { direction, patience: 2 })
          ]
          expect(answers(shuffled)).toEqual(answers(versions))
        }
      )
    )
  })

  it("nothing in an answer is NaN or infinite, whatever the metrics", () => {
    fc.assert(
      fc.property(inputs, direction, (list, direction) => {
        const versions = versionsOf(
          list.map(([value]) => value),
          list.map(([, generation]) => generation)
        )
        const scored = list.filter(([value]) => Number.isFinite(value)).length
        const trend = Analytics.trend(versions, "score", { direction })
        const { generations, skipped } = Analytics.generations(versions, "score", { direction })
        expect(trend.points.length + trend.skipped).toBe(list.length)
        expect(trend.points).toHaveLength(scored)
        expect(generations.reduce((sum, { count }) => sum + count, skipped)).toBe(list.length)
        expect(trend.slope === null || Number.isFinite(trend.slope)).toBe(true)
        for (const { max, mean, median, min } of generations) {
          expect([max, mean, median, min].every((number) => Number.isFinite(number))).toBe(true)
          expect(min <= median && median <= max && min <= mean && mean <= max).toBe(true)
        }
      }),
      { numRuns: 500 }
    )
  })

  it("all of them agree on the best", () => {
    fc.assert(
      fc.property(inputs, direction, (list, direction) => {
        const values = list.map(([value]) => value)
        const versions = versionsOf(values)
        const finite = values.filter((value): value is number => Number.isFinite(value))
        const wanted = finite.toSorted((a, b) => (direction === "max" ? b - a : a - b))[0]
        const first = wanted === undefined ? undefined : id(values.indexOf(wanted) + 1)
        expect(Analytics.best(versions, "score", { direction })?.id).toBe(first)
        expect(Analytics.ranking(versions, "score", { direction })[0]?.id).toBe(first)
        expect(Analytics.trend(versions, "score", { direction }).points.at(-1)?.best).toBe(wanted)
        const stagnation = Analytics.stagnation(versions, "score", { direction, patience: 1 })
        expect(stagnation.best ?? undefined).toBe(first)
      })
    )
  })
})
