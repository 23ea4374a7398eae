/** Numbers, sizes and times as people read them. */

const decimal = new Intl.NumberFormat("en")

/** `1 entry`, `10,000 entries`. */
export const count = (n: number, one: string, many = `${one}s`): string =>
  `${decimal.format(n)} ${n === 1 ? one : many}`

const figures = new Intl.NumberFormat("en", { maximumSignificantDigits: 6, useGrouping: false })
const extremes = new Intl.NumberFormat("en", { maximumSignificantDigits: 6, notation: "scientific" })

/** A measured number: `0.93`, `12.3457`, `1.5E-7`. */
export const figure = (value: number): string => {
  const size = Math.abs(value)
  return (size !== 0 && (size < 1e-4 || size >= 1e9) ? extremes : figures).format(value)
}

const units: ReadonlyArray<readonly [unit: string, bytes: number]> = [
  ["gigabyte", 1e9],
  ["megabyte", 1e6],
  ["kilobyte", 1e3]
]

/** A number of bytes: `1 byte`, `14.8 MB`. */
export const size = (bytes: number): string => {
  const found = units.find(([, of]) => bytes >= of)
  if (found === undefined) return count(bytes, "byte")
  const [unit, of] = found
  return new Intl.NumberFormat("en", { style: "unit", unit, maximumSignificantDigits: 3 }).format(bytes / of)
}

const spansOfTime: ReadonlyArray<readonly [unit: string, seconds: number]> = [
  ["hour", 3600],
  ["minute", 60]
]

/** A time in seconds, in its largest unit: `40 sec`, `3 min`, `2 hr`. */
export const duration = (seconds: number): string => {
  const [unit, of] = spansOfTime.find(([, of]) => seconds >= of) ?? ["second", 1]
  return new Intl.NumberFormat("en", { style: "unit", unit }).format(Math.round(seconds / of))
}

/** A moment as ISO 8601, to the second. */
export const moment = (millis: number): string => new Date(millis).toISOString().replace(/\.\d+Z$/, "Z")

const spans: ReadonlyArray<readonly [unit: Intl.RelativeTimeFormatUnit, seconds: number]> = [
  ["year", 31_557_600],
  ["month", 2_629_800],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60]
]

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" })

/** How long ago: `now`, `5 seconds ago`, `3 days ago`. */
export const ago = (millis: number, now: number): string => {
  const seconds = Math.trunc((millis - now) / 1000)
  const [unit, of] = spans.find(([, of]) => Math.abs(seconds) >= of) ?? ["second", 1]
  return relative.format(Math.trunc(seconds / of), unit)
}
