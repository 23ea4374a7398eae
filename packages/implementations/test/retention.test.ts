import { describe, expect, it } from "@effect/vitest"
import * as Retention from "@heph/implementations/Retention"
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import * as fc from "fast-check"

const now = Date.UTC(2026, 0, 31)
const hour = 3_600_000
const day = 24 * hour

const policy = (text: string | ReadonlyArray<string>): Retention.Policy => Result.getOrThrow(Retention.parse(text))
const refused = (text: string | ReadonlyArray<string>) => Result.getOrThrow(Result.flip(Retention.parse(text)))

/** A version without anything that keeps it, made at once. */
const version = (sequence: number, rest: Partial<Retention.Candidate> = {}): Retention.Candidate => ({
  id: `lab.sort:${sequence}`,
  sequence,
  created: now,
  metrics: {},
  tags: [],
  ...rest
})

const decided = (versions: ReadonlyArray<Retention.Candidate>, text: string) =>
  Retention.decide(versions, policy(text), now)

const kept = (versions: ReadonlyArray<Retention.Candidate>, text: string): ReadonlyArray<string> =>
  decided(versions, text)
    .filter(({ keep }) => keep)
    .map(({ id }) => id.replace("lab.sort:", ""))

const reasons = (versions: ReadonlyArray<Retention.Candidate>, text: string): Record<string, ReadonlyArray<string>> =>
  Object.fromEntries(decided(versions, text).map(({ id, reasons }) => [id.replace("lab.sort:", ""), reasons]))

describe("parse", () => {
  it("reads every rule", () => {
    expect(policy("forever")).toEqual([{ _tag: "Forever", text: "forever" }])
    expect(policy(" keep-last-10 ")).toEqual([{ _tag: "Last", text: "keep-last-10", count: 10 }])
    expect(policy("keep-best-3:score")).toMatchObject([{ _tag: "Best", count: 3, metric: "score", direction: "max" }])
    expect(policy("keep-best-1:loss:min")).toMatchObject([{ _tag: "Best", count: 1, metric: "loss", direction: "min" }])
  })

  it("reads metrics with colons in their names", () => {
    expect(policy("keep-best-1:a:b")).toMatchObject([{ metric: "a:b", direction: "max" }])
    expect(policy("keep-best-1:a:b:min")).toMatchObject([{ metric: "a:b", direction: "min" }])
    expect(policy("keep-best-1:min")).toMatchObject([{ metric: "min", direction: "max" }])
    expect(policy("keep-best-1:a:min:max")).toMatchObject([{ metric: "a:min", direction: "max" }])
  })

  it("reads durations", () => {
    const age = (text: string) => policy(text).map((rule) => rule._tag === "Age" && Duration.toMillis(rule.age))[0]
    expect(age("90m")).toBe(90 * 60_000)
    expect(age("12h")).toBe(12 * hour)
    expect(age("30d")).toBe(30 * day)
    expect(age("2w")).toBe(14 * day)
    expect(age("1y")).toBe(365 * day)
    expect(age("1.5d")).toBe(36 * hour)
    expect(age("30 days")).toBe(30 * day)
    expect(age("2 years")).toBe(730 * day)
  })

  it("reads lists, separated by commas or as lists", () => {
    expect(policy("keep-last-5,30d, keep-best-1:score")).toEqual(policy(["keep-last-5", "30d", "keep-best-1:score"]))
    expect(policy(["keep-best-1:a,b"])).toMatchObject([{ metric: "a,b" }])
  })

  it("refuses what it cannot understand, with its place in the list", () => {
    for (const text of [
      "",
      "5",
      "keep-last",
      "keep-last--1",
      "keep-last-1.5",
      "keep-lst-5",
      "Forever",
      "-5d",
      "5 months"
    ]) {
      expect(refused(text), text).toMatchObject({ index: 0, rule: text })
    }
    expect(refused("keep-last-0").reason).toContain("keeps nothing")
    expect(refused("keep-last-99999999999999999999").reason).toContain("too large")
    expect(refused("keep-best-2").reason).toContain("names no metric")
    expect(refused("keep-best-2:").reason).toContain("names no metric")
    expect(refused("keep-last-2:score").reason).toContain("names a metric")
    expect(refused("0d").reason).toContain("is no duration to keep versions for")
    expect(refused("forever,keep-last-x")).toMatchObject({ index: 1, rule: "keep-last-x" })
    expect(refused("forever,").reason).toBe("rule 2 is empty")
    expect(refused([]).reason).toBe("rule 1 is empty")
    expect(refused(["forever, forever"]).rule).toBe("forever, forever")
    expect(refused("soon").message).toMatch(/^"soon" is no retention policy; write forever, keep-last-N, /)
  })
})

describe("decide", () => {
  it("keeps the newest versions by sequence, however they come and whenever they were made", () => {
    const versions = [3, 1, 4, 2].map((sequence) => version(sequence, { created: now - sequence * day }))
    expect(kept(versions, "keep-last-2")).toEqual(["3", "4"])
    expect(kept(versions, "keep-last-9")).toEqual(["1", "2", "3", "4"])
  })

  it("keeps the best versions by a metric, of equal ones the earliest", () => {
    const versions = [0.5, 0.9, 0.7, 0.9, 0.1].map((score, at) => version(at + 1, { metrics: { score } }))
    expect(kept(versions, "keep-best-3:score")).toEqual(["2", "3", "4", "5"])
    expect(kept(versions, "keep-best-1:score")).toEqual(["2", "5"])
    expect(kept([...versions, version(6)], "keep-best-2:score:min")).toEqual(["1", "5", "6"])
  })

  it("keeps what is young enough, to the millisecond", () => {
    const ages = [30 * day + 1, 30 * day, 0, -day, 31 * day, 32 * day]
    const versions = ages.map((age, at) => version(at + 1, { created: now - age }))
    expect(kept(versions, "30d")).toEqual(["2", "3", "4", "6"])
  })

  it("removes nothing forever", () => {
    const versions = [1, 2, 3].map((sequence) => version(sequence, { created: 0 }))
    expect(kept(versions, "forever")).toEqual(["1", "2", "3"])
    expect(kept(versions, "keep-last-1, forever")).toEqual(["1", "2", "3"])
  })

  it("keeps what has a tag, the newest, and the best by every metric", () => {
    const versions = [
      version(1, { metrics: { score: 0.9 } }),
      version(2, { metrics: { score: 0.9, loss: 8 } }),
      version(3, { metrics: { loss: 9 } }),
      version(4, { metrics: { loss: 2 } }),
      version(5, { tags: ["release"] }),
      version(6),
      version(7)
    ]
    // Nobody says that a lower loss is better, until the policy does.
    expect(kept(versions, "keep-last-1")).toEqual(["1", "3", "5", "7"])
    expect(kept(versions, "keep-last-1, keep-best-1:loss:min")).toEqual(["1", "4", "5", "7"])
    expect(kept(versions, "keep-best-1:loss:min, keep-best-1:loss")).toEqual(["1", "3", "4", "5", "7"])
  })

  it("takes metrics that are no finite number for none", () => {
    const values = [Number.NaN, 0.2, Infinity, -Infinity, 0.1]
    const versions = [...values.map((score, at) => version(at + 1, { metrics: { score } })), version(6)]
    expect(kept(versions, "keep-best-5:score")).toEqual(["2", "5", "6"])
    expect(kept(versions, "keep-best-1:score:min")).toEqual(["5", "6"])
    // What every record inherits is no metric.
    expect(kept(versions, "keep-best-9:constructor")).toEqual(["2", "6"])
  })

  it("decides about nothing, and about a single version", () => {
    expect(decided([], "keep-last-1")).toEqual([])
    expect(kept([version(7, { created: 0 })], "1m")).toEqual(["7"])
  })

  it("says why", () => {
    const versions = [
      version(8, { created: now - 41 * day, metrics: { score: 0.93 } }),
      version(12, { created: now - 41 * day, metrics: { score: 0.5 } }),
      version(13, { created: now - hour, tags: ["release"] }),
      version(14, { created: now - 5 * 60_000 }),
      version(15)
    ]
    expect(reasons(versions, "keep-last-3")).toEqual({
      8: ["kept: best score 0.93"],
      12: ["removed: 41 days old, keep-last-3 keeps sequences above 12"],
      13: ["kept: tagged release", "kept: keep-last-3 (3rd newest)"],
      14: ["kept: keep-last-3 (2nd newest)"],
      15: ["kept: newest of the component", "kept: keep-last-3 (1st newest)"]
    })
    expect(reasons(versions, "keep-best-1:score:min, 2h")).toEqual({
      8: ["removed: 41 days old, 2nd best for keep-best-1:score:min with score 0.93, older than 2h"],
      12: ["kept: best (lowest) score 0.5", "kept: keep-best-1:score:min (1st best, score 0.5)"],
      13: ["kept: tagged release", "kept: 2h (1 hour old)"],
      14: ["kept: 2h (5 minutes old)"],
      15: ["kept: newest of the component", "kept: 2h (0 minutes old)"]
    })
    expect(reasons(versions, "keep-best-1:speed, keep-last-1")["14"]).toEqual([
      "removed: 5 minutes old, without the speed that keep-best-1:speed asks for, keep-last-1 keeps sequences above 14"
    ])
    expect(reasons(versions, "forever")["14"]).toEqual(["kept: forever"])
  })

  it("counts places as English does", () => {
    const versions = Array.from({ length: 24 }, (_, at) => version(at + 1))
    const told = Object.values(reasons(versions, "keep-last-24")).map((list) => list.at(-1))
    for (const [place, word] of [
      [1, "1st"],
      [2, "2nd"],
      [3, "3rd"],
      [4, "4th"],
      [11, "11th"],
      [12, "12th"],
      [13, "13th"],
      [21, "21st"],
      [22, "22nd"],
      [23, "23rd"]
    ] as const) {
      expect(told.at(-place)).toBe(`kept: keep-last-24 (${word} newest)`)
    }
  })
})

describe("laws", () => {
  const metric = fc.constantFrom("score", "loss")
  const value = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constantFrom(Number.NaN, Infinity, -Infinity))
  /** Versions of one component in any order. */
  const versions = fc
    .uniqueArray(
      fc.record({
        sequence: fc.integer({ min: 1, max: 60 }),
        age: fc.integer({ min: -day, max: 60 * day }),
        metrics: fc.dictionary(metric, value),
        tags: fc.oneof({ arbitrary: fc.constant([]), weight: 5 }, { arbitrary: fc.constant(["release"]), weight: 1 })
      }),
      { selector: ({ sequence }) => sequence, maxLength: 25 }
    )
    .map((list) =>
      list.map(({ age, metrics, sequence, tags }) => version(sequence, { created: now - age, metrics, tags }))
    )
  const rule = fc.oneof(
    fc.constant("forever"),
    fc.integer({ min: 1, max: 30 }).map((count) => `keep-last-${count}`),
    fc
      .tuple(fc.integer({ min: 1, max: 10 }), metric, fc.constantFrom("", ":min", ":max"))
      .map(([count, metric, direction]) => `keep-best-${count}:${metric}${direction}`),
    fc.integer({ min: 1, max: 60 }).map((days) => `${days}d`)
  )
  const rules = fc.array(rule, { minLength: 1, maxLength: 4 })

  const keptBy = (list: ReadonlyArray<Retention.Candidate>, rules: ReadonlyArray<string>): ReadonlySet<string> =>
    new Set(
      Retention.decide(list, policy(rules), now)
        .filter(({ keep }) => keep)
        .map(({ id }) => id)
    )

  /** How many versions of the list have a value that is better, or as good and earlier. */
  const beatenBy = (
    one: Retention.Candidate,
    list: ReadonlyArray<Retention.Candidate>,
    name: string,
    direction: "max" | "min"
  ): number =>
    list.filter((other) => {
      const sign = direction === "max" ? 1 : -1
      const [mine, theirs] = [one.metrics[name]! * sign, (other.metrics[name] ?? Number.NaN) * sign]
      return Number.isFinite(theirs) && (theirs > mine || (theirs === mine && other.sequence < one.sequence))
    }).length

  const guarded = (list: ReadonlyArray<Retention.Candidate>, rules: ReadonlyArray<string>) =>
    list.filter(
      (one) =>
        one.tags.length > 0 ||
        list.every((other) => other.sequence <= one.sequence) ||
        Object.keys(one.metrics).some((name) => {
          if (!Number.isFinite(one.metrics[name])) return false
          const named = rules.filter((rule) => rule.includes(`:${name}`))
          const isMin = named.some((rule) => rule.endsWith(":min"))
          const isMax = named.length === 0 || named.some((rule) => !rule.endsWith(":min"))
          return (isMin && beatenBy(one, list, name, "min") === 0) || (isMax && beatenBy(one, list, name, "max") === 0)
        })
    )

  /** Whether a rule keeps a version, said in the plainest way. */
  const keeps = (rule: string, one: Retention.Candidate, list: ReadonlyArray<Retention.Candidate>): boolean => {
    if (rule === "forever") return true
    const count = Number(/\d+/.exec(rule)?.[0])
    if (rule.endsWith("d")) return now - one.created <= count * day
    if (rule.startsWith("keep-last-")) return list.filter(({ sequence }) => sequence > one.sequence).length < count
    const name = rule.split(":")[1]!
    const isRanked = Number.isFinite(one.metrics[name])
    return isRanked && beatenBy(one, list, name, rule.endsWith(":min") ? "min" : "max") < count
  }

  it("tags, the newest and the best stay whatever the policy", () => {
    fc.assert(
      fc.property(versions, rules, (list, rules) => {
        const kept = keptBy(list, rules)
        for (const { id } of guarded(list, rules)) expect(kept).toContain(id)
      }),
      { numRuns: 500 }
    )
  })

  it("a list keeps what any of its rules keeps, beside what always stays", () => {
    fc.assert(
      fc.property(versions, rules, (list, rules) => {
        const union = [...guarded(list, rules), ...list.filter((one) => rules.some((rule) => keeps(rule, one, list)))]
        expect(keptBy(list, rules)).toEqual(new Set(union.map(({ id }) => id)))
      }),
      { numRuns: 500 }
    )
  })

  it("keep-last-N keeps exactly the N newest of versions that nothing else keeps", () => {
    fc.assert(
      fc.property(versions, fc.integer({ min: 1, max: 30 }), (list, count) => {
        const bare = list.map((one) => ({ ...one, metrics: {}, tags: [] }))
        const newest = bare.toSorted((a, b) => b.sequence - a.sequence).slice(0, count)
        expect(keptBy(bare, [`keep-last-${count}`])).toEqual(new Set(newest.map(({ id }) => id)))
      })
    )
  })

  it("every version is decided about once, in sequence order, with reasons that agree", () => {
    fc.assert(
      fc.property(versions, rules, (list, rules) => {
        const decisions = Retention.decide(list, policy(rules), now)
        const sequences = list.map(({ sequence }) => sequence).sort((a, b) => a - b)
        expect(decisions.map(({ id }) => id)).toEqual(sequences.map((sequence) => `lab.sort:${sequence}`))
        for (const { keep, reasons } of decisions) {
          expect(reasons).not.toHaveLength(0)
          expect(keep || reasons.length === 1).toBe(true)
          expect(reasons.every((reason) => reason.startsWith(keep ? "kept: " : "removed: "))).toBe(true)
        }
      })
    )
  })

  it("pruning again at the same time removes nothing more", () => {
    fc.assert(
      fc.property(versions, rules, (list, rules) => {
        const kept = keptBy(list, rules)
        const left = list.filter(({ id }) => kept.has(id))
        expect(keptBy(left, rules)).toEqual(kept)
      }),
      { numRuns: 500 }
    )
  })
})
