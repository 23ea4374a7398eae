/**
 * What the metrics of a component's versions say: the best, the way there, each generation, and whether it still improves.
 *
 *     value  ·                    ─ best so far
 *        │        ·    ───────────────────────   stagnation: what came after the best improved
 *        │   ─────┘ ·     ·   ·
 *        │ ·   ·        ·       ·    ·
 *        └──────────────────────────────────▶ sequence
 *
 * Plain functions over the versions of one component, in whatever order they come. A version that has no such metric,
 * or has one that is no finite number, is left out; the answers say how many were, as `skipped`. Nothing in an answer is
 * ever NaN: what cannot be said is `null`.
 */
import { linearRegression, max, mean, median, min } from "simple-statistics"
import type { Version } from "./Implementation.ts"

/** Which values of a metric are better: higher ones, or lower ones. */
export type Direction = "max" | "min"

/** What every question may say beside its metric. */
export interface Options {
  /** `max` where it is left out. */
  readonly direction?: Direction | undefined
}

/** What has to be known of a version to rank it. */
export type Ranked = Pick<Version, "sequence" | "metrics">

/** What has to be known of a version to measure its component's progress. */
export type Measured = Pick<Version, "id" | "sequence" | "created" | "generation" | "metrics">

/**
 * The versions that have a metric, best first; of equal ones the earliest first. Costs a sort.
 *
 * @example
 * import * as Analytics from "@heph/implementations/Analytics"
 *
 * const versions = [0.7, 0.9, Number.NaN, 0.9].map((score, at) => ({ sequence: at + 1, metrics: { score } }))
 * console.log(Analytics.ranking(versions, "score").map(({ sequence }) => sequence)) //=> [ 2, 4, 1 ]
 */
export const ranking = <V extends Ranked>(
  versions: ReadonlyArray<V>,
  metric: string,
  options: Options = {}
): ReadonlyArray<V> => {
  const sign = options.direction === "min" ? 1 : -1
  return scored(versions, metric)
    .sort((a, b) => sign * compare(a.value, b.value) || a.version.sequence - b.version.sequence)
    .map(({ version }) => version)
}

/**
 * The version with the best value of a metric, of equal ones the earliest; nothing where no version has it. Costs one
 * pass.
 *
 * @example
 * import * as Analytics from "@heph/implementations/Analytics"
 *
 * const versions = [3.1, 2.4, 2.9].map((loss, at) => ({ id: `lab.sort:${at + 1}`, sequence: at + 1, metrics: { loss } }))
 * console.log(Analytics.best(versions, "loss", { direction: "min" })?.id) //=> lab.sort:2
 * console.log(Analytics.best(versions, "speed")) //=> undefined
 */
export const best = <V extends Ranked>(
  versions: ReadonlyArray<V>,
  metric: string,
  options: Options = {}
): V | undefined => {
  let found: Scored<V> | undefined
  for (const next of scored(versions, metric)) {
    const isEarlier = found?.value === next.value && next.version.sequence < found.version.sequence
    if (isEarlier || improves(next.value, found?.value, options.direction)) found = next
  }
  return found?.version
}

/** A version of a {@link Trend}. */
export interface Point {
  readonly id: string
  readonly sequence: number
  /** In milliseconds since 1970. */
  readonly created: number
  readonly value: number
  /** The best value up to here, this one included. */
  readonly best: number
}

/** A metric over the versions of a component. */
export interface Trend {
  /** In sequence order. */
  readonly points: ReadonlyArray<Point>
  /**
   * By how much the metric changes from one sequence number to the next, in the line of least squares through all
   * points; `null` where there are fewer than two.
   */
  readonly slope: number | null
  readonly skipped: number
}

/**
 * A metric over the versions, with its best so far and its slope.
 *
 * @example
 * import * as Analytics from "@heph/implementations/Analytics"
 *
 * const versions = [1, 3, 2].map((score, at) => ({
 *   id: `lab.sort:${at + 1}`,
 *   sequence: at + 1,
 *   created: 1_700_000_000_000,
 *   generation: at,
 *   metrics: { score }
 * }))
 * const { points, slope } = Analytics.trend(versions, "score")
 * console.log(points.map((point) => point.best), slope) //=> [ 1, 3, 3 ] 0.5
 */
export const trend = (versions: ReadonlyArray<Measured>, metric: string, options: Options = {}): Trend => {
  const inOrder = scored(versions, metric).sort(bySequence)
  let best: number | undefined
  const points = inOrder.map(({ value, version }) => {
    if (best === undefined || improves(value, best, options.direction)) best = value
    return { id: version.id, sequence: version.sequence, created: version.created, value, best }
  })
  return { points, slope: slopeOf(points), skipped: versions.length - points.length }
}

/** A metric over the versions of one generation. */
export interface Generation {
  readonly generation: number
  /** How many versions of it have the metric: at least one. */
  readonly count: number
  readonly min: number
  readonly median: number
  readonly mean: number
  readonly max: number
  /** The id of the best, of equal ones the earliest. */
  readonly best: string
}

/** A metric over the generations of a component. */
export interface Generations {
  /** From the first on. Generations that have no version with the metric are left out. */
  readonly generations: ReadonlyArray<Generation>
  readonly skipped: number
}

/**
 * How the values of a metric are spread in each generation.
 *
 * @example
 * import * as Analytics from "@heph/implementations/Analytics"
 *
 * const versions = [1, 3, 2, 8].map((score, at) => ({
 *   id: `lab.sort:${at + 1}`,
 *   sequence: at + 1,
 *   created: 1_700_000_000_000,
 *   generation: at === 0 ? 0 : 1,
 *   metrics: { score }
 * }))
 * console.log(Analytics.generations(versions, "score").generations[1])
 * //=> { generation: 1, count: 3, min: 2, median: 3, mean: 4.333333333333333, max: 8, best: 'lab.sort:4' }
 */
export const generations = (versions: ReadonlyArray<Measured>, metric: string, options: Options = {}): Generations => {
  const all = scored(versions, metric)
  const groups = Map.groupBy(all, ({ version }) => version.generation)
  const list = [...groups].map(([generation, group]) => {
    const values = group.map(({ value }) => value)
    const bounds = { min: min(values), max: max(values) }
    const members = group.map(({ version }) => version)
    return {
      generation,
      count: values.length,
      min: bounds.min,
      median: within(bounds, statistic(median, values)),
      mean: within(bounds, statistic(mean, values)),
      max: bounds.max,
      best: best(members, metric, options)!.id
    }
  })
  return {
    generations: list.sort((a, b) => a.generation - b.generation),
    skipped: versions.length - all.length
  }
}

/** For how long a metric has not improved. */
export interface Stagnation {
  /** The version that improved it last; `null` where no version has the metric, as are `value` and `since`. */
  readonly best: string | null
  readonly value: number | null
  /** When that version was made, in milliseconds since 1970. */
  readonly since: number | null
  /** How many versions with the metric came after it. */
  readonly versions: number
  /** How many generations they reach beyond its own. */
  readonly generations: number
  /** Whether `versions` has reached the patience. */
  readonly isStagnant: boolean
  readonly skipped: number
}

/**
 * For how many versions and generations a metric has not improved. An equal value is no improvement. `patience` is the
 * number of versions without one that counts as stagnant. With no version that has the metric nothing stagnates.
 *
 * @example
 * import * as Analytics from "@heph/implementations/Analytics"
 *
 * const versions = [5, 9, 7, 9, 8].map((score, at) => ({
 *   id: `lab.sort:${at + 1}`,
 *   sequence: at + 1,
 *   created: 1_700_000_000_000,
 *   generation: at,
 *   metrics: { score }
 * }))
 * const found = Analytics.stagnation(versions, "score", { patience: 3 })
 * console.log(found.best, found.versions, found.generations, found.isStagnant) //=> lab.sort:2 3 3 true
 */
export const stagnation = (
  versions: ReadonlyArray<Measured>,
  metric: string,
  options: Options & { readonly patience: number }
): Stagnation => {
  const all = scored(versions, metric)
  const skipped = versions.length - all.length
  const top = best(versions, metric, options)
  if (top === undefined) {
    return { best: null, value: null, since: null, versions: 0, generations: 0, isStagnant: false, skipped }
  }
  const after = all.filter(({ version }) => version.sequence > top.sequence)
  return {
    best: top.id,
    value: top.metrics[metric]!,
    since: top.created,
    versions: after.length,
    generations: after.reduce((most, { version }) => Math.max(most, version.generation - top.generation), 0),
    isStagnant: after.length >= options.patience,
    skipped
  }
}

/** A version that has the metric. */
interface Scored<V> {
  readonly version: V
  readonly value: number
}

const scored = <V extends Ranked>(versions: ReadonlyArray<V>, metric: string): Array<Scored<V>> => {
  const found: Array<Scored<V>> = []
  for (const version of versions) {
    // `metrics` has keys of its own choice, and what every record inherits is no number.
    const value = version.metrics[metric]
    if (value !== undefined && Number.isFinite(value)) found.push({ version, value })
  }
  return found
}

const bySequence = <V extends Ranked>(a: Scored<V>, b: Scored<V>): number => a.version.sequence - b.version.sequence

/** As subtraction orders them, which overflows between the largest numbers. */
const compare = (a: number, b: number): number => (a < b ? -1 : a > b ? 1 : 0)

const improves = (value: number, on: number | undefined, direction: Direction = "max"): boolean =>
  on === undefined || (direction === "max" ? value > on : value < on)

const slopeOf = (points: ReadonlyArray<Point>): number | null => {
  if (points.length < 2) return null
  const slope = statistic(
    (values) => linearRegression(values.map((value, at) => [points[at]!.sequence, value])).m,
    points.map(({ value }) => value)
  )
  return Number.isFinite(slope) ? slope : null
}

/**
 * A statistic that grows in proportion to its values. The largest number is what many give to a version that failed, and
 * a sum of such overflows: then it is taken of the values made smaller by a power of two, which rounds nothing.
 */
const statistic = (of: (values: ReadonlyArray<number>) => number, values: ReadonlyArray<number>): number => {
  const plain = of(values)
  return Number.isFinite(plain) ? plain : of(values.map((value) => value * smaller)) / smaller
}

const smaller = 2 ** -64

/** Rounding may carry the mean of equal values past them. */
const within = (bounds: { readonly min: number; readonly max: number }, value: number): number =>
  Math.min(bounds.max, Math.max(bounds.min, value))
