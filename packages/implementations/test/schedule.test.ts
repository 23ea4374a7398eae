import { describe, expect, it } from "@effect/vitest"
import * as BackupSchedule from "@heph/implementations/BackupSchedule"
import * as DateTime from "effect/DateTime"
import * as Result from "effect/Result"
import * as fc from "fast-check"

const utc = DateTime.zoneMakeNamedUnsafe("UTC")
const frequency = (text: string, zone = utc): BackupSchedule.Frequency =>
  Result.getOrThrow(BackupSchedule.parse(text, zone))
const reason = (text: string) => Result.getOrThrow(Result.flip(BackupSchedule.parse(text, utc))).reason

const hour = 3_600_000
const at = (text: string) => Date.parse(text)

describe("parse", () => {
  it("reads words and cron expressions", () => {
    expect(frequency("never")).toEqual({ _tag: "Never", text: "never" })
    expect(frequency(" daily ")).toMatchObject({ _tag: "Every", text: "daily" })
    expect(frequency("0 3 * * mon-fri")).toMatchObject({ _tag: "Cron", text: "0 3 * * mon-fri" })
    expect(frequency("30 0 3 * * *")._tag).toBe("Cron")
  })

  it("refuses everything else with its reason", () => {
    expect(reason("monthly")).toBe(`"monthly" is no backup frequency`)
    expect(reason("Daily")).toBe(`"Daily" is no backup frequency`)
    expect(reason("")).toBe(`"" is no backup frequency`)
    expect(reason("0 3 *")).toBe(`"0 3 *" is no backup frequency: invalid number of segments in cron expression`)
    expect(reason("61 * * * *")).toBe(`"61 * * * *" is no backup frequency: expected a value between 0 and 59 at "61"`)
    expect(reason("0 0 30 2 *")).toBe(`"0 0 30 2 *" is no backup frequency: there is no such day in any year`)
    expect(Result.getOrThrow(Result.flip(BackupSchedule.parse("often"))).message).toBe(
      `"often" is no backup frequency; write never, hourly, daily, weekly, or a cron expression such as 0 3 * * mon-fri`
    )
  })

  it("takes days that are rare", () => {
    const leap = frequency("0 0 29 2 *")
    expect(BackupSchedule.next(leap, { created: at("2096-03-01T00:00:00Z"), last: undefined })).toBe(
      at("2104-02-29T00:00:00Z")
    )
  })
})

describe("next", () => {
  it("is a period after the last backup, or after the creation of the store", () => {
    for (const [text, hours] of [
      ["hourly", 1],
      ["daily", 24],
      ["weekly", 168]
    ] as const) {
      expect(BackupSchedule.next(frequency(text), { created: 5, last: 1000 })).toBe(1000 + hours * hour)
      expect(BackupSchedule.next(frequency(text), { created: 5, last: undefined })).toBe(5 + hours * hour)
    }
  })

  it("is the first moment of a cron expression after it", () => {
    const nightly = frequency("0 3 * * mon-fri")
    const friday = { created: 0, last: at("2026-01-02T03:00:00Z") }
    expect(BackupSchedule.next(nightly, friday)).toBe(at("2026-01-05T03:00:00Z"))
    expect(BackupSchedule.next(nightly, { created: at("2026-01-02T02:59:59.999Z"), last: undefined })).toBe(friday.last)
  })

  it("is nothing where backups are never made", () => {
    expect(BackupSchedule.next(frequency("never"), { created: 0, last: 5 })).toBeUndefined()
  })

  it("keeps the hour of its time zone when summer time begins", () => {
    const berlin = frequency("0 3 * * *", DateTime.zoneMakeNamedUnsafe("Europe/Berlin"))
    const saturday = at("2026-03-28T02:00:00Z")
    expect(BackupSchedule.next(berlin, { created: saturday, last: undefined })).toBe(at("2026-03-29T01:00:00Z"))
  })
})

describe("isDue", () => {
  const daily = frequency("daily")

  it("is true from the moment on, however many were missed", () => {
    expect(BackupSchedule.isDue(daily, { created: 0, last: undefined, now: 24 * hour - 1 })).toBe(false)
    expect(BackupSchedule.isDue(daily, { created: 0, last: undefined, now: 24 * hour })).toBe(true)
    expect(BackupSchedule.isDue(daily, { created: 0, last: hour, now: 24 * hour })).toBe(false)
    expect(BackupSchedule.isDue(daily, { created: 0, last: hour, now: 1000 * hour })).toBe(true)
  })

  it("is never true where backups are never made", () => {
    expect(BackupSchedule.isDue(frequency("never"), { created: 0, last: undefined, now: 1e13 })).toBe(false)
  })

  it("believes a last backup that is later than now", () => {
    expect(BackupSchedule.isDue(daily, { created: 0, last: 1000 * hour, now: 900 * hour })).toBe(false)
    expect(BackupSchedule.isDue(daily, { created: 0, last: 1000 * hour, now: 1024 * hour })).toBe(true)
  })

  it("is true exactly where a moment of a cron expression lies between the last backup and now", () => {
    const minute = 60_000
    const start = at("2026-01-01T00:00:00Z")
    const span = fc.integer({ min: 0, max: 6 * 60 * minute })
    fc.assert(
      fc.property(fc.constantFrom(5, 15, 30), span, span, fc.boolean(), (every, since, elapsed, isFirst) => {
        const from = start + since
        const now = from + elapsed
        const moments = isFirst ? { created: from, last: undefined } : { created: 0, last: from }
        // The moments are the multiples of the step: one lies in (from, now] where the quotient grows.
        const step = every * minute
        const isBetween = Math.floor(now / step) > Math.floor(from / step)
        expect(BackupSchedule.isDue(frequency(`*/${every} * * * *`), { ...moments, now })).toBe(isBetween)
      })
    )
  })

  it("is not true again right after a backup", () => {
    const text = fc.constantFrom("hourly", "daily", "weekly", "*/5 * * * *", "0 3 * * mon-fri", "0 0 1 * *")
    const moment = fc.integer({ min: 0, max: 2_000_000_000_000 })
    fc.assert(
      fc.property(text, moment, (text, now) => {
        expect(BackupSchedule.isDue(frequency(text), { created: 0, last: now, now })).toBe(false)
        const next = BackupSchedule.next(frequency(text), { created: 0, last: now })!
        expect(next).toBeGreaterThan(now)
        expect(BackupSchedule.isDue(frequency(text), { created: 0, last: now, now: next })).toBe(true)
        expect(BackupSchedule.isDue(frequency(text), { created: 0, last: now, now: next - 1 })).toBe(false)
      })
    )
  })
})
