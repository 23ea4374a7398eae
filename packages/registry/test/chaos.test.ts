/** Four processes on one server, while processes are killed and the server crashes. */
import { describe, expect, it } from "@effect/vitest"
import * as HistoryPostgres from "@heph/history-postgres/HistoryPostgres"
import { launch } from "@heph/test-postgres/server"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Stream from "effect/Stream"
import { type Ended, run } from "./fixtures/processes.ts"
import { open } from "./support.ts"

const total = 2000
const names = ["one", "two", "three", "four"]

/** A small generator with a seed, so that a run can be told: `below(n)` is a whole number from 0 to n - 1. */
const random = (seed: number) => {
  let state = seed
  return (n: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * n)
  }
}

/** Does something after so many turns of the event loop. */
const later = (turns: number, run: () => void): void => {
  if (turns === 0) run()
  else setImmediate(() => later(turns - 1, run))
}

/** A server whose commits wait for the disk, as one that may crash must. */
const server = Effect.acquireRelease(
  Effect.promise(() => launch({ durable: true })),
  (server) => Effect.promise(server.close)
)

interface Told {
  readonly last: ReadonlyArray<Ended>
  readonly lines: ReadonlyArray<string>
}

/** Every process to its end, and what all of them said. `each` hears every version as it is told. */
const workers = (
  url: string,
  lives: (name: string) => number,
  each: (done: number) => void = () => {}
): Effect.Effect<Told & { readonly killed: ReadonlyArray<string> }> =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    const killed: Array<string> = []
    let done = 0
    const below = random(7)
    const last = yield* Effect.forEach(
      names,
      Effect.fnUntraced(function* (name) {
        for (let left = lives(name); ; left--) {
          // Killed in the middle of its work, at a moment that nobody chose.
          const says = left > 0 ? 5 + below(40) : Infinity
          let said = 0
          const ended = yield* run("./worker.ts", [url, name, String(total)], {
            line: (line, child) => {
              lines.push(line)
              if (line.startsWith("v ")) each(++done)
              if (++said === says) later(below(2000), () => child.kill("SIGKILL"))
            }
          })
          if (ended.signal !== "SIGKILL") return ended
          killed.push(name)
        }
      }),
      { concurrency: "unbounded" }
    )
    return { last, lines, killed }
  })

/** One unbroken chain, in which nothing that was told is missing or there twice, and which all see alike. */
const check = Effect.fnUntraced(function* (url: string, { last, lines }: Told) {
  expect(last.map(({ code, stderr }) => ({ code, stderr }))).toEqual(names.map(() => ({ code: 0, stderr: "" })))
  expect(lines.filter((line) => line.startsWith("disagrees"))).toEqual([])
  const { registry } = yield* open(HistoryPostgres.layer({ url }))
  expect(yield* registry.verify).toEqual({ versions: total, damage: [] })
  const versions = (yield* registry.versions()).slice(0, -1).reverse()
  expect(versions.map(({ id, parent }) => [id, parent])).toEqual(Array.from({ length: total }, (_, i) => [i + 1, i]))
  const messages = versions.map(({ message }) => message!)
  expect(new Set(messages).size).toBe(total)
  // Each worker's versions in its order, with none left out.
  for (const name of names) {
    const numbers = messages
      .filter((message) => message.startsWith(`${name} `))
      .map((message) => Number(message.split(" ")[1]))
    expect(numbers).toEqual(numbers.map((_, i) => i + 1))
    expect(registry.current().get(`own:${name}`)?.data ?? 0).toBe(numbers.length)
  }
  const told = lines.filter((line) => line.startsWith("v ")).map((line) => /^v (\d+) (.*)$/.exec(line)!)
  for (const [, id, message] of told) expect(messages[Number(id) - 1]).toBe(message)
  expect(new Set(told.map(([, id]) => id)).size).toBe(told.length)
  const seen = lines.filter((line) => line.startsWith("sees "))
  expect(seen.length).toBe(names.length)
  expect(new Set(seen).size).toBe(1)
  expect(seen[0]).toMatch(/^sees 2000 /)
})

describe("four processes that apply 2,000 versions to one server", () => {
  it.effect(
    "lose and double none, two of them killed with SIGKILL and started again",
    () =>
      Effect.gen(function* () {
        const { url } = yield* server
        const ended = yield* workers(url, (name) => (name === "one" || name === "two" ? 4 : 0))
        // At least once each, long before there are so many versions; mostly four times.
        expect([...new Set(ended.killed)].sort()).toEqual(["one", "two"])
        yield* check(url, ended)
      }),
    300_000
  )

  it.live(
    "lose and double none, while the server crashes three times",
    () =>
      Effect.gen(function* () {
        const { start, stopImmediately, url } = yield* server
        // One that only watches, in this process: it sees each version once, in order, whatever becomes of the server.
        const { registry } = yield* open(HistoryPostgres.layer({ url }))
        const seen: Array<number> = []
        const watching = yield* registry.watch({ from: 0 }).pipe(
          Stream.take(total),
          Stream.runForEach(({ version }) => Effect.sync(() => seen.push(version.id))),
          Effect.provide(Logger.layer([])),
          Effect.forkChild
        )
        const crashes: Array<Promise<void>> = []
        const crash = async () => {
          await stopImmediately()
          await start()
        }
        const ended = yield* workers(
          url,
          () => 0,
          (done) => {
            if ([400, 900, 1400].includes(done)) crashes.push(crash())
          }
        )
        yield* Effect.promise(() => Promise.all(crashes))
        expect(crashes.length).toBe(3)
        expect(ended.lines.filter((line) => line === "waits").length).toBeGreaterThan(0)
        yield* check(url, ended)
        yield* Fiber.join(watching)
        expect(seen).toEqual(Array.from({ length: total }, (_, i) => i + 1))
      }),
    300_000
  )
})
