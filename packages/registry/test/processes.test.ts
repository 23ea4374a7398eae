import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as HistorySqlite from "@heph/history-sqlite/HistorySqlite"
import type * as Registry from "@heph/registry/Registry"
import * as Effect from "effect/Effect"
import { run } from "./fixtures/processes.ts"
import { create, entriesOf, folder, Holder, memory, open, show, showAll, sqlite, update } from "./support.ts"

type Registry_ = Registry.Registry["Service"]

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

const increment = (registry: Registry_, own: string) =>
  registry.apply((state) =>
    ["all:count", own].map((id) => {
      const there = state.get(id)
      return there === undefined ? create(id, 1, "k") : update(id, (there.data as number) + 1, "k")
    })
  )

/** That versions are one chain from v0, and how often each counted. */
const chain = Effect.fnUntraced(function* (registry: Registry_, length: number) {
  const versions = yield* registry.versions()
  expect(versions.map(({ id, parent }) => [id, parent]).reverse()).toEqual(
    numbers(0, length).map((id) => [id, id === 0 ? null : id - 1])
  )
  expect(registry.current().get("all:count")?.data).toBe(length)
  expect((yield* registry.verify).damage).toEqual([])
})

describe("two registries over one store", () => {
  it.effect.each([
    ["memory", memory],
    ["a file", sqlite]
  ] as const)("F1: write 200 versions each, and lose none, in %s", ([, place]) =>
    Effect.gen(function* () {
      const store = yield* place
      const opened = [yield* open(store), yield* open(store)]
      const holders = [new Holder(), new Holder()]
      for (const [i, { bus }] of opened.entries()) yield* bus.handle("k", holders[i]!.handler)
      const write = (registry: Registry_, name: string) =>
        Effect.gen(function* () {
          for (let i = 0; i < 100; i++) {
            yield* increment(registry, `own:${name}`)
            yield* Effect.yieldNow
          }
        })
      yield* Effect.all(
        opened.flatMap(({ registry }, i) => [write(registry, `${i}-one`), write(registry, `${i}-two`)]),
        { concurrency: "unbounded" }
      )
      for (const [i, { registry }] of opened.entries()) {
        yield* registry.follow
        yield* chain(registry, 400)
        for (const own of ["0-one", "0-two", "1-one", "1-two"]) {
          expect(registry.current().get(`own:${own}`)?.data).toBe(100)
        }
        expect(holders[i]!.wrong).toEqual([])
        expect(holders[i]!.all).toEqual(showAll(registry.current()))
      }
    })
  )

  it.effect("F1: an expected version is compared with what is in the store, not with what was last seen", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const [here, there] = [yield* open(store), yield* open(store)]
      yield* here.registry.apply([create("a:1")])
      const stale = yield* Effect.flip(there.registry.apply([create("a:2")], { expected: 0 }))
      expect(stale).toMatchObject({ _tag: "VersionConflict", expected: 0, current: 1 })
      expect(there.registry.current().version).toBe(1)
      yield* here.registry.apply([create("a:2")])
      const { version } = yield* there.registry.follow.pipe(
        Effect.andThen(there.registry.apply([create("a:3")], { expected: 2 }))
      )
      expect(version).toMatchObject({ id: 3, parent: 2 })
    })
  )

  it.effect("F1: nor is a version unknown because another process made it", () =>
    Effect.gen(function* () {
      const place = yield* sqlite
      const [here, there] = [yield* open(place), yield* open(place)]
      yield* here.registry.apply([create("a:1")])
      const { version } = yield* there.registry.apply([create("a:2")], { expected: 1 })
      expect(version).toMatchObject({ id: 2, parent: 1 })
      const error = yield* Effect.flip(here.registry.apply([create("a:3")], { expected: 9 }))
      expect(error).toMatchObject({ _tag: "UnknownVersion", version: "9", last: 2 })
    })
  )

  it.effect("follow each other's changes, travel, tags and branches", () =>
    Effect.gen(function* () {
      const place = yield* sqlite
      const [here, there] = [yield* open(place), yield* open(place)]
      const holder = new Holder()
      yield* there.bus.handle("k", holder.handler)
      for (let i = 0; i < 5; i++) yield* increment(here.registry, "own:here")
      expect(yield* there.registry.follow).toBe(true)
      expect(yield* there.registry.follow).toBe(false)
      expect(there.registry.current().get("all:count")?.data).toBe(5)
      yield* here.registry.applyVersion(2)
      yield* here.registry.tag("two", 2)
      yield* increment(here.registry, "own:here")
      yield* there.registry.follow
      expect(there.registry.status()).toMatchObject({ version: 6, last: 6, tags: new Map([["two", 2]]) })
      expect(there.registry.current().get("all:count")?.data).toBe(3)
      expect(holder.all).toEqual(showAll(there.registry.current()))
      expect((yield* there.registry.path(5, 6)).map(({ version }) => version)).toEqual([4, 3, 2, 6])
    })
  )
})

describe("two processes on one file", () => {
  /** Two processes that count 200 times each, from the same moment on. */
  const both = (filename: string, how: string) => {
    const waiting: Array<{ readonly stdin: { readonly write: (text: string) => unknown } }> = []
    return Effect.forEach(
      ["a", "b"],
      (name) =>
        run("./counter.ts", [filename, name, how, "200"], {
          line: (line, child) => {
            if (line !== "ready") return
            waiting.push(child)
            if (waiting.length === 2) for (const { stdin } of waiting) stdin.write("go\n")
          }
        }),
      { concurrency: 2 }
    )
  }
  const versionsOf = (lines: ReadonlyArray<string>) =>
    lines.filter((line) => line.startsWith("v ")).map((line) => Number(line.slice(2)))

  it.effect(
    "F1: 200 versions each are one chain, and no count is lost",
    () =>
      Effect.gen(function* () {
        const filename = path.join(yield* folder, "registry.db")
        const ended = yield* both(filename, "finding")
        for (const { code, lines, stderr } of ended) {
          expect(stderr).toBe("")
          expect(code).toBe(0)
          expect(lines.at(-1)).toBe("agrees")
        }
        // Whoever was overtaken all the time was told so, and wrote nothing.
        const done = ended.map(({ lines }) => versionsOf(lines).length)
        const refused = ended.map(({ lines }) => lines.filter((line) => line.startsWith("VersionConflict ")).length)
        expect(done.map((count, i) => count + refused[i]!)).toEqual([200, 200])
        const told = ended.flatMap(({ lines }) => versionsOf(lines)).sort((a, b) => a - b)
        expect(told).toEqual(numbers(1, done[0]! + done[1]!))
        const { registry } = yield* open(HistorySqlite.layer({ filename }))
        yield* chain(registry, done[0]! + done[1]!)
        expect(["own:a", "own:b"].map((own) => registry.current().get(own)?.data)).toEqual(done)
      }),
    60_000
  )

  it.effect(
    "F1: of 200 that expect a version each, the refused ones are told which one there is, and the others count",
    () =>
      Effect.gen(function* () {
        const filename = path.join(yield* folder, "registry.db")
        const ended = yield* both(filename, "expecting")
        let done = 0
        for (const { lines, stderr } of ended) {
          expect(stderr).toBe("")
          expect(lines.at(-1)).toBe("agrees")
          const refused = lines.filter((line) => line.startsWith("VersionConflict "))
          for (const line of refused) {
            const [expected, current] = line.split(" ").slice(1).map(Number)
            expect(current).toBeGreaterThan(expected!)
          }
          expect(versionsOf(lines).length + refused.length).toBe(200)
          done += versionsOf(lines).length
        }
        const { registry } = yield* open(HistorySqlite.layer({ filename }))
        yield* chain(registry, done)
        const told = ended.flatMap(({ lines }) => versionsOf(lines)).sort((a, b) => a - b)
        expect(told).toEqual(numbers(1, done))
      }),
    60_000
  )
})

describe("kill -9", () => {
  /** A small generator with a seed, so that a run can be told: `below(n)` is a whole number from 0 to n - 1. */
  const random = (seed: number) => {
    let state = seed
    return (n: number): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
      return Math.floor((state / 2 ** 32) * n)
    }
  }

  /** Lets a process write until it has said so many things, and for a moment more. */
  const live = (filename: string, life: string, says: number, turns: number) => {
    let said = 0
    return run("./writer.ts", [filename, life], {
      line: (_, child) => {
        if (++said !== says) return
        const later = (left: number): void => {
          if (left === 0) child.kill("SIGKILL")
          else setImmediate(() => later(left - 1))
        }
        later(turns)
      }
    })
  }

  /** What must be there after all these lives: everything that was told, whole, and a state that follows from it. */
  const check = Effect.fnUntraced(function* (filename: string, lines: ReadonlyArray<string>) {
    const { history, registry } = yield* open(HistorySqlite.layer({ filename }))
    const snapshot = yield* registry.loadState([])
    expect(yield* registry.verify).toEqual({ versions: registry.status().last, damage: [] })
    const versions = yield* history.versions({ after: 0, limit: 1_000_000 })
    expect(versions.map(({ id }) => id)).toEqual(numbers(1, registry.status().last))
    const parents = new Map<number, number>()
    const keys = new Map<number, string | undefined>()
    for (const { changeset, id, message, parent } of versions) {
      const operations = yield* changeset.value
      for (const operation of operations) {
        if (operation.op === "delete") return expect.fail(`v${id} deletes ${operation.id}`)
        expect(operation.entry.data).toEqual({ key: message, of: operations.length })
      }
      parents.set(id, parent)
      keys.set(id, message)
    }
    // The newest value of each entry on the way from the root.
    const expected = new Map<string, string>()
    for (let at = snapshot.version; at !== 0; at = parents.get(at)!) {
      for (const entry of yield* entriesOf(versions[at - 1]!.changeset)) {
        if (!expected.has(entry.id.value)) expected.set(entry.id.value, show(entry))
      }
    }
    for (const line of lines) {
      const [what, one, two] = line.split(" ")
      if (what === "v") expect(keys.get(Number(one)), line).toBe(two)
      // A tag may have moved on since, never back.
      else if (what === "t") expect(registry.tags().get(one!), line).toBeGreaterThanOrEqual(Number(two))
      else expect(line).toBe("open")
    }
    const sorted = [...expected].sort(([a], [b]) => (a < b ? -1 : 1))
    expect(showAll(snapshot)).toEqual(sorted.map(([, text]) => text))
    expect((yield* history.heads(0, 1_000_000)).at(-1)?.version ?? 0).toBe(snapshot.version)
    return { versions: versions.length, checkpoints: history.info().checkpoints.length }
  }, Effect.scoped)

  const rounds = 25

  it.effect(
    `at ${2 * rounds} moments of registries that write: whatever was told is there, and nothing is half written`,
    () =>
      Effect.gen(function* () {
        const made = yield* folder
        const files = ["one", "two"].map((name, i) => ({
          filename: path.join(made, `${name}.db`),
          below: random(i + 1),
          lines: [] as Array<string>
        }))
        for (let i = 0; i < rounds; i++) {
          // Two at a time, to keep both cores busy. Nothing else is done meanwhile, which would put off the kill.
          yield* Effect.forEach(
            files,
            Effect.fnUntraced(function* ({ below, filename, lines }) {
              const ended = yield* live(filename, `life-${i}`, 1 + below(i % 5 === 0 ? 3 : 60), below(30))
              expect(ended.stderr).toBe("")
              expect(ended.signal).toBe("SIGKILL")
              lines.push(...ended.lines)
            }),
            { concurrency: 2 }
          )
          if (i % 8 === 7) for (const { filename, lines } of files) yield* check(filename, lines)
        }
        for (const { filename, lines } of files) {
          const { checkpoints, versions } = yield* check(filename, lines)
          expect(versions).toBeGreaterThan(rounds)
          expect(checkpoints).toBeGreaterThan(0)
        }
      }),
    180_000
  )
})
