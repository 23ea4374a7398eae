/**
 * Which versions of a component stay. A policy is a list of rules, and a version stays if any of them keeps it:
 *
 *     forever                   every version
 *     keep-last-N               the N newest, by sequence
 *     keep-best-N:<metric>      the N with the highest values of a metric; with :min behind it, the lowest
 *     30d  12h  2w  90m  1y     what was made no longer ago: minutes, hours, days, weeks, years of 365 days; 30 days too
 *
 * Whatever the policy, these stay: versions with a tag, the newest, and for each metric that any version has the best of
 * it: the highest, or the lowest where the policy says `:min` of that metric.
 */
import type * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Analytics from "./Analytics.ts"
import type { Version } from "./Implementation.ts"

/** One rule of a {@link Policy}. `text` is how it was written. */
export type Rule =
  | { readonly _tag: "Forever"; readonly text: string }
  | { readonly _tag: "Last"; readonly text: string; readonly count: number }
  | {
      readonly _tag: "Best"
      readonly text: string
      readonly count: number
      readonly metric: string
      readonly direction: Analytics.Direction
    }
  | { readonly _tag: "Age"; readonly text: string; readonly age: Duration.Duration }

/** Rules, at least one; each keeps what it keeps. Get one from {@link parse}. */
export type Policy = Arr.NonEmptyReadonlyArray<Rule>

/** What {@link parse} understands, for people. */
export const values =
  "forever, keep-last-N, keep-best-N:<metric> (keep-best-N:<metric>:min where lower is better), " +
  "a duration such as 90m, 12h, 30d, 2w or 1y, or a list of them"

/**
 * A rule that cannot be understood. `index` is its place in the list, from 0. `reason` and `expected` are for people: what
 * is wrong, and what to write in its place.
 */
export class InvalidPolicy extends Schema.TaggedError<InvalidPolicy>()("InvalidPolicy", {
  rule: Schema.String,
  index: Schema.Int,
  reason: Schema.String,
  expected: Schema.String
}) {
  override get message(): string {
    return `${this.reason}; ${this.expected}`
  }
}

/**
 * The policy that a text names, its rules separated by commas, or a list of one rule each. The first rule that cannot be
 * understood is the error. In a list the name of a metric may hold a comma.
 *
 * @example
 * import * as Retention from "@heph/implementations/Retention"
 * import * as Result from "effect/Result"
 *
 * const policy = Result.getOrThrow(Retention.parse("keep-last-10, keep-best-3:loss:min, 30d"))
 * console.log(policy.map((rule) => rule._tag)) //=> [ 'Last', 'Best', 'Age' ]
 * console.log(Result.getOrThrow(Result.flip(Retention.parse("keep-last-0"))).reason)
 * //=> "keep-last-0" keeps nothing: the number is a whole one from 1
 */
export const parse = (input: string | ReadonlyArray<string>): Result.Result<Policy, InvalidPolicy> => {
  const [first = "", ...rest] = typeof input === "string" ? input.split(",") : input
  const head = parseRule(first.trim(), 0)
  if (Result.isFailure(head)) return Result.fail(head.failure)
  const rules: [Rule, ...Array<Rule>] = [head.success]
  for (const [at, text] of rest.entries()) {
    const rule = parseRule(text.trim(), at + 1)
    if (Result.isFailure(rule)) return Result.fail(rule.failure)
    rules.push(rule.success)
  }
  return Result.succeed(rules)
}

/** What has to be known of a version to decide about it. */
export type Candidate = Pick<Version, "id" | "sequence" | "created" | "metrics" | "tags">

/** What becomes of a version, and why. */
export interface Decision {
  readonly id: string
  readonly keep: boolean
  /**
   * For people. Of a version that stays, one for each rule and guard that keeps it: `kept: tagged release`, `kept:
   * keep-last-5 (3rd newest)`. Of one that goes, a single one: `removed: 41 days old, keep-last-5 keeps sequences above 12`.
   */
  readonly reasons: ReadonlyArray<string>
}

/**
 * What becomes of all versions of one component, which may come in any order, `now` being milliseconds since 1970. The
 * answer is in sequence order. Costs a sort of the versions, and one for each metric that any of them has.
 *
 * Ages count from `created`, so versions imported from a history are as old as it says. A version made in the future is
 * young. A metric that is no finite number is none.
 *
 * @example
 * import * as Retention from "@heph/implementations/Retention"
 * import * as Result from "effect/Result"
 *
 * const now = 1_700_000_000_000
 * const versions = [0.93, 0.5, 0.7, 0.6].map((score, at) => ({
 *   id: `lab.sort:${at + 1}`,
 *   sequence: at + 1,
 *   created: now - 41 * 86_400_000,
 *   metrics: { score },
 *   tags: []
 * }))
 * for (const { id, reasons } of Retention.decide(versions, Result.getOrThrow(Retention.parse("keep-last-2")), now)) {
 *   console.log(id, reasons.join("; "))
 * }
 * //=> lab.sort:1 kept: best score 0.93
 * //=> lab.sort:2 removed: 41 days old, keep-last-2 keeps sequences above 2
 * //=> lab.sort:3 kept: keep-last-2 (2nd newest)
 * //=> lab.sort:4 kept: newest of the component; kept: keep-last-2 (1st newest)
 */
export const decide = (versions: ReadonlyArray<Candidate>, policy: Policy, now: number): ReadonlyArray<Decision> => {
  const inOrder = versions.toSorted((a, b) => a.sequence - b.sequence)
  const newest = inOrder.at(-1)
  const bests = bestsOf(inOrder, policy)
  const judges = policy.map((rule) => judgeOf(rule, inOrder, now))
  return inOrder.map((version, at) => {
    const kept = version.tags.map((tag) => `tagged ${tag}`)
    if (version === newest) kept.push("newest of the component")
    kept.push(...(bests.get(version) ?? []))
    const others: Array<string> = []
    for (const judge of judges) {
      const { keeps, reason } = judge(version, at)
      ;(keeps ? kept : others).push(reason)
    }
    const keep = kept.length > 0
    const reasons = keep
      ? kept.map((reason) => `kept: ${reason}`)
      : [`removed: ${ageOf(version, now)} old, ${others.join(", ")}`]
    return { id: version.id, keep, reasons }
  })
}

const parseRule = (text: string, index: number): Result.Result<Rule, InvalidPolicy> => {
  const invalid = (reason: string) =>
    Result.fail(new InvalidPolicy({ rule: text, index, reason, expected: `write ${values}` }))
  if (text === "") return invalid(`rule ${index + 1} is empty`)
  if (text === "forever") return Result.succeed({ _tag: "Forever", text })
  const quoted = JSON.stringify(text)
  const [, which, number, metric, direction] = keepRule.exec(text) ?? []
  if (which !== undefined) {
    const count = Number(number)
    if (count === 0) return invalid(`${quoted} keeps nothing: the number is a whole one from 1`)
    if (!Number.isSafeInteger(count)) return invalid(`${quoted} has a number that is too large`)
    if (which === "last") {
      return metric === undefined
        ? Result.succeed({ _tag: "Last", text, count })
        : invalid(`${quoted} names a metric, which only keep-best-N:<metric> has`)
    }
    if (metric === undefined || metric === "") {
      return invalid(`${quoted} names no metric, as keep-best-${count}:score does`)
    }
    return Result.succeed({ _tag: "Best", text, count, metric, direction: direction === "min" ? "min" : "max" })
  }
  if (text.startsWith("keep-")) return invalid(`${quoted} is no retention policy`)
  const age = ageIn(text)
  if (age === undefined) return invalid(`${quoted} is no retention policy`)
  return Duration.isPositive(age) && Duration.isFinite(age)
    ? Result.succeed({ _tag: "Age", text, age })
    : invalid(`${quoted} is no duration to keep versions for`)
}

// A metric may have a `:` in its name; one that ends in `:min` or `:max` is named with the direction behind it.
const keepRule = /^keep-(last|best)-(\d+)(?::(.*?)(?::(min|max))?)?$/s

const units = new Map([
  ["m", "minutes"],
  ["h", "hours"],
  ["d", "days"],
  ["w", "weeks"]
])

/** The duration of `30d`, and of whatever Effect reads, `30 days`. It knows no years. */
const ageIn = (text: string): Duration.Duration | undefined => {
  const [, number, unit = ""] = /^(\d+(?:\.\d+)?)\s*([a-z]+)$/.exec(text) ?? []
  if (number === undefined) return undefined
  if (/^y(ears?)?$/.test(unit)) return Duration.times(Duration.days(365), Number(number))
  const words = `${number} ${units.get(unit) ?? unit}`
  return Option.getOrUndefined(Duration.fromInput(words as Duration.Input))
}

/** Why versions stay that are the best by a metric. */
const bestsOf = (versions: ReadonlyArray<Candidate>, policy: Policy): ReadonlyMap<Candidate, ReadonlyArray<string>> => {
  const directions = Map.groupBy(
    policy.filter((rule) => rule._tag === "Best"),
    (rule) => rule.metric
  )
  const bests = new Map<Candidate, Array<string>>()
  for (const metric of new Set(versions.flatMap((version) => Object.keys(version.metrics)))) {
    const wanted = new Set(directions.get(metric)?.map((rule) => rule.direction) ?? ["max" as const])
    for (const direction of wanted) {
      const version = Analytics.best(versions, metric, { direction })
      if (version === undefined) continue
      const reason = `${direction === "min" ? "best (lowest)" : "best"} ${metric} ${version.metrics[metric]}`
      bests.set(version, [...(bests.get(version) ?? []), reason])
    }
  }
  return bests
}

/** Whether a rule keeps a version, and what it says to that. `at` is the version's place among all in sequence order. */
type Judge = (version: Candidate, at: number) => { readonly keeps: boolean; readonly reason: string }

const judgeOf = (rule: Rule, inOrder: ReadonlyArray<Candidate>, now: number): Judge => {
  const { text } = rule
  switch (rule._tag) {
    case "Forever":
      return () => ({ keeps: true, reason: text })
    case "Last": {
      const limit = inOrder.at(-1 - rule.count)?.sequence
      return (_, at) => {
        const place = inOrder.length - at
        return place <= rule.count
          ? { keeps: true, reason: `${text} (${ordinal(place)} newest)` }
          : { keeps: false, reason: `${text} keeps sequences above ${limit}` }
      }
    }
    case "Best": {
      const ranking = Analytics.ranking(inOrder, rule.metric, { direction: rule.direction })
      const places = new Map(ranking.map((version, at) => [version, at + 1]))
      return (version) => {
        const place = places.get(version)
        if (place === undefined) return { keeps: false, reason: `without the ${rule.metric} that ${text} asks for` }
        const value = `${rule.metric} ${version.metrics[rule.metric]}`
        return place <= rule.count
          ? { keeps: true, reason: `${text} (${ordinal(place)} best, ${value})` }
          : { keeps: false, reason: `${ordinal(place)} best for ${text} with ${value}` }
      }
    }
    case "Age": {
      const oldest = now - Duration.toMillis(rule.age)
      return (version) =>
        version.created >= oldest
          ? { keeps: true, reason: `${text} (${ageOf(version, now)} old)` }
          : { keeps: false, reason: `older than ${text}` }
    }
  }
}

const ageOf = ({ created }: Candidate, now: number): string => {
  const { days, hours, minutes } = Duration.parts(Duration.millis(Math.max(0, now - created)))
  return days > 0 ? inDays.format(days) : hours > 0 ? inHours.format(hours) : inMinutes.format(minutes)
}

const counting = (unit: string) => new Intl.NumberFormat("en", { style: "unit", unit, unitDisplay: "long" })
const inDays = counting("day")
const inHours = counting("hour")
const inMinutes = counting("minute")

const ordinals = new Intl.PluralRules("en", { type: "ordinal" })
const endings = new Map([
  ["one", "st"],
  ["two", "nd"],
  ["few", "rd"]
])

const ordinal = (place: number): string => `${place}${endings.get(ordinals.select(place)) ?? "th"}`
