/**
 * Measuring, for the benchmark modules beside this file. All times are in **microseconds**.
 *
 * On a shared machine absolute times wander by half and more between two runs; the ratio of two things measured in
 * turns within one process does not. Set targets on {@link ratio}s where there is a peer to compare with.
 */

/** One line of the table. `met` is undefined where a figure has no target and is only reported. */
export interface Row {
  readonly work: string
  readonly measured: string
  readonly target: string
  readonly met: boolean | undefined
}

export interface Options {
  /** How many measured runs; the median of them counts. 15 by default. */
  readonly runs?: number
  /** How many runs before them that do not count. 5 by default. */
  readonly warmUp?: number
  /** How many units of work one run does: times are divided by it. 1 by default. */
  readonly per?: number
}

/**
 * What is measured. A returned promise is awaited, and its waiting is part of the time. Return something that depends
 * on all of the work, or the compiler may leave the work out.
 */
export type Work = () => unknown

const defaults = { runs: 15, warmUp: 5, per: 1 }

/** How long one run takes, in microseconds. */
export const once = async (work: Work): Promise<number> => {
  const start = performance.now()
  kept = work()
  if (kept instanceof Promise) await kept
  return (performance.now() - start) * 1000
}

/** Where results go, so that they count as used. */
let kept: unknown

/** The median time of one unit of work, after warming up. */
export const median = async (work: Work, options?: Options): Promise<number> => {
  const { per, runs, warmUp } = { ...defaults, ...options }
  for (let i = 0; i < warmUp; i++) await once(work)
  const times: Array<number> = []
  for (let i = 0; i < runs; i++) times.push(await once(work))
  return middle(times) / per
}

/**
 * How many times longer `a` takes than `b`: run in turns, A B A B …, so that whatever slows the machine down slows both.
 * `a` and `b` of the answer are the medians of one unit of work each, `ratio` is the median of the ratios of the pairs.
 */
export const ratio = async (
  a: Work,
  b: Work,
  options?: Options
): Promise<{ readonly a: number; readonly b: number; readonly ratio: number }> => {
  const { per, runs, warmUp } = { ...defaults, ...options }
  for (let i = 0; i < warmUp; i++) {
    await once(a)
    await once(b)
  }
  const pairs: Array<{ readonly a: number; readonly b: number }> = []
  for (let i = 0; i < runs; i++) pairs.push({ a: await once(a), b: await once(b) })
  return {
    a: middle(pairs.map((pair) => pair.a)) / per,
    b: middle(pairs.map((pair) => pair.b)) / per,
    ratio: middle(pairs.map((pair) => pair.a / pair.b))
  }
}

/** The value below which the given share of the numbers lies: 0.5 is the median, 0.95 the 95th percentile. */
export const quantile = (numbers: ReadonlyArray<number>, share: number): number => {
  const sorted = numbers.toSorted((a, b) => a - b)
  const at = (sorted.length - 1) * share
  const below = sorted[Math.floor(at)]
  const above = sorted[Math.ceil(at)]
  if (below === undefined || above === undefined) throw new Error("a quantile of no numbers")
  return below + (above - below) * (at - Math.floor(at))
}

/** The median of numbers measured some other way. */
export const middle = (numbers: ReadonlyArray<number>): number => quantile(numbers, 0.5)

/**
 * Bytes in use, after two full collections with a turn of the event loop between them, so that finalizers have run:
 * the heap and, beside it, the buffers outside it. Needs `--expose-gc`, which `main.ts` gives every module.
 */
export const memory = async (): Promise<number> => {
  const collect = globalThis.gc
  if (collect === undefined) throw new Error("run node with --expose-gc to measure memory")
  for (let i = 0; i < 2; i++) {
    await collect({ execution: "async", type: "major" })
    await new Promise((resolve) => setImmediate(resolve))
  }
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** The size of a number of bytes: `980 B`, `1.4 KB`, `41 MB`. */
export const bytes = (count: number): string => {
  if (Math.abs(count) < 1000) return `${Math.round(count)} B`
  if (Math.abs(count) < 1e6) return `${digits(count / 1e3)} KB`
  return Math.abs(count) < 1e9 ? `${digits(count / 1e6)} MB` : `${digits(count / 1e9)} GB`
}

/** A time given in microseconds, in the unit it reads best in: `0.47 µs`, `12.3 ms`, `1.20 s`. */
export const time = (microseconds: number): string => {
  if (microseconds < 1000) return `${digits(microseconds)} µs`
  return microseconds < 1e6 ? `${digits(microseconds / 1e3)} ms` : `${digits(microseconds / 1e6)} s`
}

/** A ratio: `4.1×`. */
export const times = (factor: number): string => `${digits(factor)}×`

/** Work done a second, from the microseconds of one: `21,000/s`. */
export const rate = (microseconds: number): string =>
  `${Number((1e6 / microseconds).toPrecision(2)).toLocaleString("en-US")}/s`

/** A number with three significant digits, and no exponent. */
const digits = (value: number): string => {
  const size = Math.abs(value)
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 || size === 0 ? 2 : 3)
}
