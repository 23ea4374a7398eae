/** A process is killed while it registers: what a version names is there, and what none names goes in time. */
import { assert, describe, it } from "@effect/vitest"
import * as ContentStore from "@heph/content/ContentStore"
import * as Hash from "@heph/content/Hash"
import { HistoryStore } from "@heph/history/HistoryStore"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { temporaryFile } from "./fixtures/files.ts"
import { run } from "./fixtures/processes.ts"
import { contentOf, named, register, stores } from "./fixtures/registrations.ts"

const script = (name: string) => new URL(`./fixtures/${name}.ts`, import.meta.url)

/** That both stores are sound, and that every content which a version names is there; how many versions there are. */
const isWhole = Effect.gen(function* () {
  const history = yield* HistoryStore
  const contents = yield* ContentStore.ContentStore
  assert.deepStrictEqual(yield* history.verify, [])
  assert.deepStrictEqual(yield* contents.verify(), [])
  const versions = yield* named(0)
  for (const { hashes, id } of versions) {
    assert.isAbove(hashes.length, 0)
    for (const hash of hashes) assert.strictEqual(Hash.of(yield* contents.get(hash)), hash, `v${id}`)
  }
  return versions.length
})

describe("kill -9", () => {
  for (const [when, versions] of [
    ["before", 10],
    ["after", 11]
  ] as const) {
    it.effect(
      `${when} the version is appended, with its content stored: the store goes on, and nothing is lost or kept for ever`,
      () =>
        Effect.gen(function* () {
          const filename = yield* temporaryFile
          const { signal, stderr } = yield* run(script("content-victim"), [filename, when])
          assert.strictEqual(signal, "SIGKILL", stderr)
          yield* Effect.gen(function* () {
            const contents = yield* ContentStore.ContentStore
            assert.strictEqual(yield* isWhole, versions)
            const last = contentOf(10)
            assert.isTrue(yield* contents.has(Hash.of(last)))
            const referred = new Set((yield* named(0)).flatMap(({ hashes }) => hashes))
            // The dead process holds it until its time is over.
            assert.deepStrictEqual((yield* contents.sweep(Effect.succeed(referred))).removed, [])
            yield* TestClock.setTime(new Date().getTime() + 11 * 60_000)
            const { removed } = yield* contents.sweep(Effect.succeed(referred))
            assert.deepStrictEqual(removed, when === "before" ? [Hash.of(last)] : [])
            yield* register([10, 11], [...referred])
            assert.strictEqual(yield* isWhole, versions + 1)
          }).pipe(Effect.provide(stores(filename)))
        }),
      30_000
    )
  }

  it.effect(
    "at random moments of a process that registers, life after life: every version has its contents",
    () =>
      Effect.gen(function* () {
        const filename = yield* temporaryFile
        let acknowledged = 0
        for (let life = 0; life < 8; life++) {
          const lines = 3 + ((life * 7) % 11)
          let seen = 0
          const ended = yield* run(script("content-writer"), [filename, String(life)], {
            onLine: (_, child) => {
              if (++seen === lines) setImmediate(() => child.kill("SIGKILL"))
            }
          })
          assert.strictEqual(ended.signal, "SIGKILL", ended.stderr)
          acknowledged += ended.lines.length
          const versions = yield* Effect.provide(isWhole, stores(filename))
          assert.isAtLeast(versions, acknowledged)
          for (const line of ended.lines) {
            const numbers = line.split(" ").slice(1).map(Number)
            yield* Effect.gen(function* () {
              const contents = yield* ContentStore.ContentStore
              for (const bytes of numbers.map(contentOf)) {
                assert.deepStrictEqual(yield* contents.get(Hash.of(bytes)), bytes)
              }
            }).pipe(Effect.provide(stores(filename)))
          }
        }
      }),
    120_000
  )
})
