/** The core: states, applies, boots and travel, each against its floor where it has one. */
import { join } from "node:path"
import * as Delta from "@heph/changeset/Delta"
import type * as Operation from "@heph/changeset/Operation"
import * as Entry from "@heph/entry/Entry"
import * as State from "@heph/entry/State"
import * as HistorySqlite from "@heph/history-sqlite/HistorySqlite"
import * as Registry from "@heph/registry/Registry"
import { Snapshot } from "@heph/registry/Snapshot"
import * as Effect from "effect/Effect"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { median, middle, once, ratio, type Row, time, times } from "./measure.ts"
import {
  bareAppend,
  creates,
  fill,
  folder,
  idOf,
  input,
  memory,
  oneByOne,
  readNewestCheckpoint,
  sqlite,
  update
} from "./registries.ts"

const reading = async (): Promise<Row> => {
  const count = 100_000
  const entries = Array.from({ length: count }, (_, i) => Entry.makeUnsafe(input(i)))
  const snapshot = new Snapshot(1, State.fromIterable(entries))
  const map = new Map(entries.map((entry) => [entry.id.value, entry]))
  const keys = Array.from({ length: count }, (_, i) => idOf((i * 7919) % count))
  const found = await ratio(
    () => keys.reduce((n, key) => n + (snapshot.get(key) === undefined ? 0 : 1), 0),
    () => keys.reduce((n, key) => n + (map.get(key) === undefined ? 0 : 1), 0),
    { per: count }
  )
  return {
    work: "Snapshot.get by text, 100k entries",
    measured: `${time(found.a)}, ${times(found.ratio)} Map.get`,
    target: "at most 4× Map.get",
    met: found.ratio <= 4
  }
}

const applyOne = async (): Promise<Row> => {
  const sizes = [1000, 100_000] as const
  const runtimes = sizes.map(() => memory())
  const registries = await Promise.all(runtimes.map((runtime) => runtime.runPromise(Registry.Registry)))
  for (const [i, size] of sizes.entries()) await Effect.runPromise(registries[i]!.apply(creates(size)))
  let revision = 1
  const per = 500
  const run = (at: number) => () => oneByOne(runtimes[at]!, sizes[at]!, per, (revision += per))
  const found = await ratio(run(1), run(0), { per, runs: 21, warmUp: 10 })
  return {
    work: "apply of 1 operation, memory history, 1k → 100k entries",
    measured: `${time(found.b)} → ${time(found.a)}, grows ${times(found.ratio)}`,
    target: "at most 60 µs, grows at most 1.5×",
    met: found.a <= 60 && found.b <= 60 && found.ratio <= 1.5
  }
}

const applyMany = async (): Promise<Row> => {
  const withDependencies = (count: number): ReadonlyArray<Operation.OperationInput> =>
    Array.from({ length: count }, (_, i) => ({
      op: "create",
      // Four on every second entry: two on average, to earlier entries near and far.
      entry: Entry.makeUnsafe(
        input(i, 0, i % 2 === 0 && i > 10 ? [idOf(i - 1), idOf(i - 3), idOf(i >> 1), idOf(i >> 2)] : [])
      )
    }))
  const run = async (changes: ReadonlyArray<Operation.OperationInput>) => {
    const runtime = memory()
    const registry = await runtime.runPromise(Registry.Registry)
    const spent = await once(() => Effect.runPromise(registry.apply(changes)))
    await runtime.dispose()
    return spent / changes.length
  }
  const [small, large] = [withDependencies(10_000), withDependencies(100_000)]
  await run(small)
  const pairs: Array<readonly [number, number]> = []
  for (let i = 0; i < 7; i++) pairs.push([await run(small), await run(large)])
  const [ten, hundred] = [middle(pairs.map(([a]) => a)), middle(pairs.map(([, b]) => b))]
  return {
    work: "one apply of 100k creates, 2 dependencies each on average",
    measured: `${time(hundred)} an operation (${time(ten)} at 10k)`,
    target: "at most 20 µs an operation, linear",
    met: hundred <= 20
  }
}

const durable = async (): Promise<Row> => {
  const size = 1000
  const runtime = sqlite(join(folder, "durable.db"))
  const registry = await runtime.runPromise(Registry.Registry)
  await Effect.runPromise(registry.apply(creates(size)))
  const bare = bareAppend(join(folder, "bare.db"))
  let revision = 1
  const per = 50
  const found = await ratio(
    () => oneByOne(runtime, size, per, (revision += per)),
    () => {
      for (let i = 0; i < per; i++) bare.append()
    },
    { per, runs: 41, warmUp: 10 }
  )
  bare.close()
  await runtime.dispose()
  return {
    work: "durable apply of 1 operation on SQLite, synchronous=FULL",
    measured: `${time(found.a)}, ${times(found.ratio)} the bare transaction (${time(found.b)})`,
    target: "at most 1.5× the bare transaction",
    met: found.ratio <= 1.5
  }
}

const bootLoadApply = async (): Promise<Row> => {
  const changes = Array.from({ length: 4000 }, (_, i) => ({ op: "create" as const, entry: input(i) }))
  let runs = 0
  const spent = await median(
    async () => {
      const runtime = sqlite(join(folder, `load-${runs++}.db`))
      await runtime.runPromise(
        Effect.gen(function* () {
          const registry = yield* Registry.Registry
          yield* registry.apply(changes)
          yield* registry.apply(update(1, 1))
        })
      )
      await runtime.dispose()
    },
    { runs: 7, warmUp: 2 }
  )
  return {
    work: "boot, load of 4,000 entries and one apply on SQLite, checkpoint and close included",
    measured: time(spent),
    target: "at most 300 ms",
    met: spent <= 300_000
  }
}

const boot = async (): Promise<Row> => {
  const [few, many] = [join(folder, "boot-few.db"), join(folder, "boot-many.db")]
  await fill(few, 10_000, 4000)
  await fill(many, 10_000, 40_000)
  const open = (filename: string) => async () => {
    const runtime = sqlite(filename)
    await runtime.runPromise(Registry.Registry)
    await runtime.dispose()
  }
  const checkpoint = async () => {
    const runtime = ManagedRuntime.make(HistorySqlite.layer({ filename: many }))
    await runtime.runPromise(readNewestCheckpoint)
    await runtime.dispose()
  }
  const found = await ratio(open(many), checkpoint, { runs: 11, warmUp: 3 })
  const growth = await ratio(open(many), open(few), { runs: 11, warmUp: 1 })
  return {
    work: "boot at 40,000 versions over 10,000 entries",
    measured: `${time(found.a)}, ${times(found.ratio)} the checkpoint alone; ${times(growth.ratio)} the boot at 4,000 versions`,
    target: "at most 3× the checkpoint alone, flat in the number of versions",
    met: found.ratio <= 3 && growth.ratio <= 1.5
  }
}

const checkout = async (): Promise<Row> => {
  const sizes = [1000, 100_000] as const
  const files = sizes.map((size) => join(folder, `checkout-${size}.db`))
  for (const [i, size] of sizes.entries()) await fill(files[i]!, 1000, size)
  const runtimes = files.map(sqlite)
  const registries = await Promise.all(runtimes.map((runtime) => runtime.runPromise(Registry.Registry)))
  const per = 10
  const run = (at: number) => () =>
    Effect.runPromise(
      Effect.gen(function* () {
        for (let i = 0; i < per; i++) {
          yield* registries[at]!.applyVersion(sizes[at]! - 1)
          yield* registries[at]!.applyVersion(sizes[at]!)
        }
      })
    )
  const found = await ratio(run(1), run(0), { per: 2 * per, runs: 21 })
  for (const runtime of runtimes) await runtime.dispose()
  return {
    work: "checkout one version back, 1k → 100k versions, SQLite",
    measured: `${time(found.b)} → ${time(found.a)}, ${times(found.ratio)}`,
    target: "the same within 1.5×",
    met: found.ratio <= 1.5
  }
}

const delta = async (): Promise<Row> => {
  const count = 100_000
  const dependsOn = (i: number) => (i > 10 ? [idOf(i - 1), idOf(i >> 1)] : [])
  const from = State.fromIterable(Array.from({ length: count }, (_, i) => Entry.makeUnsafe(input(i, 0, dependsOn(i)))))
  const to = State.update(from, (builder) => {
    for (let i = 0; i < count; i += 100) builder.set(Entry.makeUnsafe(input(i, 1, dependsOn(i))))
  })
  const spent = await median(() => Delta.buildDelta(from, to).changeset.length, { runs: 31, warmUp: 10 })
  return {
    work: "buildDelta, 100k entries with 2 dependencies, 1 % changed, shared structure",
    measured: time(spent),
    target: "at most 10 ms",
    met: spent <= 10_000
  }
}

export const run = async (): Promise<ReadonlyArray<Row>> => {
  const rows: Array<Row> = []
  for (const work of [reading, applyOne, applyMany, durable, bootLoadApply, boot, checkout, delta])
    rows.push(await work())
  return rows
}
