/**
 * When a backup is due: never, a period after the last one, or at the moments of a cron expression.
 *
 *     created or last backup ──────────────▶ next ───────▶ now        due, however many moments were missed
 *     created or last backup ───────▶ now ······▶ next                not yet
 *
 * A store without a backup counts from its creation. A last backup later than now, of a clock that was turned back, is
 * believed: nothing is due until a period after it.
 */
import * as Cron from "effect/Cron"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** How often backups are made. `text` is how it was written. */
export type Frequency =
  | { readonly _tag: "Never"; readonly text: string }
  | { readonly _tag: "Every"; readonly text: string; readonly period: Duration.Duration }
  | { readonly _tag: "Cron"; readonly text: string; readonly cron: Cron.Cron }

/** What {@link parse} understands, for people. */
export const values = "never, hourly, daily, weekly, or a cron expression such as 0 3 * * mon-fri"

/** The text is no frequency. `reason` and `expected` are for people: what is wrong, and what to write in its place. */
export class InvalidFrequency extends Schema.TaggedError<InvalidFrequency>()("InvalidFrequency", {
  frequency: Schema.String,
  reason: Schema.String,
  expected: Schema.String
}) {
  override get message(): string {
    return `${this.reason}; ${this.expected}`
  }
}

/**
 * The frequency that a text names: `never`, `hourly`, `daily`, `weekly`, or a cron expression of five fields (minute,
 * hour, day of the month, month, day of the week) or six (seconds first). One whose moments never come, such as February
 * 30, is refused too, which takes ~50 ms to find out.
 *
 * A cron expression is read in `timeZone`, in that of the process where it is left out, across its changes of summer
 * time.
 *
 * @example
 * import * as BackupSchedule from "@heph/implementations/BackupSchedule"
 * import * as Result from "effect/Result"
 *
 * console.log(Result.getOrThrow(BackupSchedule.parse("daily"))._tag) //=> Every
 * console.log(Result.getOrThrow(Result.flip(BackupSchedule.parse("0 25 * * *"))).reason)
 * //=> "0 25 * * *" is no backup frequency: expected a value between 0 and 23 at "25"
 */
export const parse = (
  text: string,
  timeZone: DateTime.TimeZone = DateTime.zoneMakeLocal()
): Result.Result<Frequency, InvalidFrequency> => {
  const written = text.trim()
  if (written === "never") return Result.succeed({ _tag: "Never", text: written })
  const period = periods.get(written)
  if (period !== undefined) return Result.succeed({ _tag: "Every", text: written, period })
  const invalid = (reason?: string) => {
    const what = `${JSON.stringify(written)} is no backup frequency`
    return new InvalidFrequency({
      frequency: written,
      reason: reason === undefined ? what : `${what}: ${reason}`,
      expected: `write ${values}`
    })
  }
  // What the parser says of fields is of no use to whoever wrote one word.
  if (!/\s/.test(written)) return Result.fail(invalid())
  return Cron.parse(written, timeZone).pipe(
    Result.mapError((error) => invalid(reasonOf(error, written))),
    Result.flatMap((cron) =>
      Result.try({
        try: () => Cron.next(cron, 0),
        catch: () => invalid("there is no such day in any year")
      }).pipe(Result.map((): Frequency => ({ _tag: "Cron", text: written, cron })))
    )
  )
}

/** The moments that a backup may be due after. All in milliseconds since 1970. */
export interface Moments {
  /** When the last backup was made; nothing where there is none. */
  readonly last: number | undefined
  /** When the store was created. */
  readonly created: number
}

/**
 * When the next backup is due, in milliseconds since 1970: the first moment after the last backup, which may have
 * passed long ago. Nothing for `never`.
 *
 * @example
 * import * as BackupSchedule from "@heph/implementations/BackupSchedule"
 * import * as Result from "effect/Result"
 *
 * const hourly = Result.getOrThrow(BackupSchedule.parse("hourly"))
 * console.log(BackupSchedule.next(hourly, { created: 1000, last: undefined })) //=> 3601000
 */
export const next = (frequency: Frequency, { created, last }: Moments): number | undefined => {
  const since = last ?? created
  switch (frequency._tag) {
    case "Never":
      return undefined
    case "Every":
      return since + Duration.toMillis(frequency.period)
    case "Cron":
      return Cron.next(frequency.cron, since).getTime()
  }
}

/**
 * Whether a backup is due: whether what {@link next} says is now, or has passed.
 *
 * @example
 * import * as BackupSchedule from "@heph/implementations/BackupSchedule"
 * import * as Result from "effect/Result"
 *
 * const hourly = Result.getOrThrow(BackupSchedule.parse("hourly"))
 * console.log(BackupSchedule.isDue(hourly, { created: 0, last: 1000, now: 3_600_000 })) //=> false
 * console.log(BackupSchedule.isDue(hourly, { created: 0, last: 1000, now: 3_601_000 })) //=> true
 */
export const isDue = (frequency: Frequency, moments: Moments & { readonly now: number }): boolean => {
  const at = next(frequency, moments)
  return at !== undefined && at <= moments.now
}

const periods = new Map([
  ["hourly", Duration.hours(1)],
  ["daily", Duration.days(1)],
  ["weekly", Duration.weeks(1)]
])

/** What the parser says of a field, and which, as the end of a sentence. */
const reasonOf = ({ input, message }: Cron.CronParseError, written: string): string => {
  const said = message.charAt(0).toLowerCase() + message.slice(1)
  return input === undefined || input === written ? said : `${said} at ${JSON.stringify(input)}`
}
