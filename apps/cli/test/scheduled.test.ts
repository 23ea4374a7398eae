import { chmodSync, existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Backup from "@heph/history-sqlite/Backup"
import * as RegistryConfig from "@heph/implementations/RegistryConfig"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as Scheduled from "../src/Scheduled.ts"
import { definitions, ended, folder, heph, inside, start } from "./support.ts"

const hour = 3_600_000
const day = 24 * hour
const one = { "app.yaml": definitions("app", [{ name: "a", kind: "k" }]) }

/** A registry that was made in 1970, when the clock of the tests begins. */
const registry = Effect.gen(function* () {
  const at = folder(one)
  const store = join(at, "registry")
  const run = (...args: ReadonlyArray<string>) => inside(store, args)
  expect((yield* run("apply", join(at, "app.yaml"))).stderr).toBe("")
  const scheduled = join(store, "backups/scheduled")
  const made = () => (existsSync(scheduled) ? readdirSync(scheduled) : [])
  return { at, store, run, made, scheduled }
})

/** Puts a backup there that was made so many hours ago. */
const old = (at: string, hours: number) => {
  const scheduled = join(at, "registry/backups/scheduled")
  mkdirSync(scheduled, { recursive: true })
  const file = join(scheduled, "registry-2020-01-01T00-00-00.000Z.db")
  writeFileSync(file, "")
  const then = new Date(Date.now() - hours * hour)
  utimesSync(file, then, then)
}

describe("a backup on schedule", () => {
  it("is as often as the option says by default, and where the registry keeps it", () => {
    expect(Scheduled.defaultFrequency).toBe(RegistryConfig.defaults.backupFrequency.text)
    const filename = join(folder(), "registry.db")
    expect(join(Scheduled.folderOf(filename), "/")).toBe(Backup.scheduledFolder(filename))
  })

  it.effect("is made by the first command after it is due, once, and told in one line", () =>
    Effect.gen(function* () {
      const { made, run, scheduled } = yield* registry
      yield* TestClock.setTime(day - 1)
      expect((yield* run("status")).stderr).toBe("")
      yield* TestClock.setTime(day)
      const reading = yield* run("get", "app:a", "--json")
      expect(reading).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\{.*\}\n$/) as unknown })
      expect(reading.stderr).toMatch(/^the backup that was due \(daily\) is made: .*registry-1970-01-02T.*\.db, .*\n$/)
      expect(made()).toHaveLength(1)
      // It is as old as the clock of the tests says.
      utimesSync(join(scheduled, made()[0]!), day / 1000, day / 1000)
      yield* TestClock.setTime(2 * day - 1)
      expect((yield* run("log")).stderr).toBe("")
      yield* TestClock.setTime(2 * day)
      expect((yield* run("tag", "now")).stderr).toMatch(/registry-1970-01-03T/)
      expect(made()).toHaveLength(2)
      for (const name of made()) {
        const { code } = yield* inside(`sqlite:${join(scheduled, name)}`, ["verify"])
        expect(code).toBe(0)
      }
    })
  )

  it.effect("is not the business of upkeep, of what failed, and of stores that are no file", () =>
    Effect.gen(function* () {
      const { made, run } = yield* registry
      yield* TestClock.setTime(9 * day)
      for (const args of [
        ["verify"],
        ["get", "app:none"],
        ["compact", "--keep", "9", "--dry-run"],
        ["config"],
        ["--help"]
      ]) {
        yield* run(...args)
        expect([args, made()]).toEqual([args, []])
      }
      expect((yield* inside("memory:", ["status"])).stderr).toBe("")
    })
  )

  it.effect("is left to the process that is making it, but not to one that died", () =>
    Effect.gen(function* () {
      const { made, run, scheduled } = yield* registry
      yield* TestClock.setTime(day)
      const partial = join(scheduled, ".heph-partial-abc")
      mkdirSync(partial, { recursive: true })
      utimesSync(partial, day / 1000, day / 1000)
      expect((yield* run("status")).stderr).toBe("")
      yield* TestClock.setTime(day + hour)
      expect((yield* run("status")).stderr).toMatch(/is made/)
      expect(made()).toHaveLength(1)
    })
  )

  it.effect("that cannot be made is a warning, and the command is done", () =>
    Effect.gen(function* () {
      const { run, store } = yield* registry
      yield* TestClock.setTime(day)
      writeFileSync(join(store, "backups"), "in the way")
      const { code, stderr, stdout } = yield* run("get", "app:a")
      expect([code, stdout]).toEqual([0, "app:a  k\ndata:\n  {}\n"])
      expect(stderr).toMatch(/^warning: the backup on schedule was not made: .*backups.*\n$/)
    })
  )

  it("is left to those who may write, by those who may only read", async () => {
    const at = folder(one)
    expect((await heph(at, ["apply", "app.yaml"])).code).toBe(0)
    old(at, 48)
    chmodSync(at, 0o755)
    // Root may write whatever permissions say.
    const reader = process.geteuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}
    chmodSync(join(at, "registry/registry.db"), 0o444)
    chmodSync(join(at, "registry"), 0o555)
    const reading = await heph(at, ["get", "app:a"], reader)
    chmodSync(join(at, "registry"), 0o755)
    expect(reading).toEqual({ code: 0, stdout: "app:a  k\ndata:\n  {}\n", stderr: "" })
  })

  it("is as often as the settings say", async () => {
    const at = folder(one)
    expect((await heph(at, ["apply", "app.yaml"])).code).toBe(0)
    old(at, 25)
    expect((await heph(at, ["status"], { env: { HEPH_BACKUP_FREQUENCY: "never" } })).stderr).toBe("")
    expect((await heph(at, ["status"], { env: { HEPH_BACKUP_FREQUENCY: "weekly" } })).stderr).toBe("")
    old(at, 2)
    expect((await heph(at, ["status"])).stderr).toBe("")
    const hourly = await heph(at, ["status"], { env: { HEPH_BACKUP_FREQUENCY: "hourly" } })
    expect(hourly.stderr).toMatch(/^the backup that was due \(hourly\) is made: /)
  })

  it("is made while a registry is watched", async () => {
    const at = folder(one)
    expect((await heph(at, ["apply", "app.yaml"])).code).toBe(0)
    old(at, 48)
    const watching = start(at, ["watch", "--backup-frequency", "hourly"])
    const done = ended(watching)
    watching.stderr.setEncoding("utf8").on("data", (text: string) => {
      if (text.includes("is made")) watching.kill("SIGINT")
    })
    expect((await done).code).toBe(130)
    expect(readdirSync(join(at, "registry/backups/scheduled"))).toHaveLength(2)
  })
})
