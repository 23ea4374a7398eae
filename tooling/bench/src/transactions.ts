/** Transactions among others: shared disk syncs, watchers that keep up and watchers that are behind. */
import { join } from "node:path"
import * as Registry from "@heph/registry/Registry"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { median, middle, ratio, rate, type Row, time, times } from "./measure.ts"
import { bareAppend, creates, fill, folder, memory, sqlite, update } from "./registries.ts"

const sharedSync = async (): Promise<Row> => {
  const writers = 100
  const runtime = sqlite(join(folder, "shared.db"))
  const registry = await runtime.runPromise(Registry.Registry)
  await Effect.runPromise(registry.apply(creates(1000)))
  const bare = bareAppend(join(folder, "shared-bare.db"))
  let revision = 1
  const found = await ratio(
    () => {
      const applies = Array.from({ length: writers }, (_, i) => registry.apply(update(i, revision + i)))
      revision += writers
      return Effect.runPromise(Effect.all(applies, { concurrency: "unbounded" }))
    },
    () => {
      for (let i = 0; i < writers; i++) bare.append()
    },
    { per: writers, runs: 31, warmUp: 10 }
  )
  bare.close()
  await runtime.dispose()
  return {
    work: "100 concurrent writers of one durable operation each",
    measured: `${time(found.a)} a version, ${times(found.ratio)} the bare append one by one (${time(found.b)})`,
    target: "at most 1× the bare append",
    met: found.ratio <= 1
  }
}

const toWatcher = async (): Promise<Row> => {
  const runtime = memory()
  const registry = await runtime.runPromise(Registry.Registry)
  await Effect.runPromise(registry.apply(creates(1000)))
  const count = 2000
  const delays: Array<number> = []
  let committedAt = 0
  const program = Effect.gen(function* () {
    const watching = yield* registry.watch().pipe(
      Stream.take(count),
      Stream.runForEach(() => Effect.sync(() => delays.push(performance.now() - committedAt))),
      Effect.forkChild({ startImmediately: true })
    )
    for (let i = 0; i < count; i++) {
      yield* registry.apply(update(i % 1000, i + 1))
      committedAt = performance.now()
      // The watcher runs before the next version, so that each delay is the delay of one.
      while (delays.length <= i) yield* Effect.yieldNow
    }
    yield* Fiber.join(watching)
  })
  await Effect.runPromise(program)
  await runtime.dispose()
  const spent = middle(delays.slice(count / 4)) * 1000
  return {
    work: "commit to a live watcher in the same process",
    measured: time(spent),
    target: "at most 100 µs at the median",
    met: spent <= 100
  }
}

const behind = async (): Promise<Row> => {
  const versions = 100_000
  const filename = join(folder, "behind.db")
  await fill(filename, 1000, versions)
  const runtime = sqlite(filename)
  const registry = await runtime.runPromise(Registry.Registry)
  const spent = await median(
    () => Effect.runPromise(registry.watch({ from: 0 }).pipe(Stream.take(versions), Stream.runCount)),
    { runs: 5, warmUp: 1, per: versions }
  )
  await runtime.dispose()
  return {
    work: "a watcher 100,000 versions behind, from SQLite",
    measured: `${rate(spent)} versions`,
    target: "at least 50,000 versions a second",
    met: spent <= 20
  }
}

export const run = async (): Promise<ReadonlyArray<Row>> => {
  const rows: Array<Row> = []
  for (const work of [sharedSync, toWatcher, behind]) rows.push(await work())
  return rows
}
