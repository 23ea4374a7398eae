/** The service: calls to the tables as effects. */
import { HistoryStore, type HistoryStoreError } from "@heph/history/HistoryStore"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import type { Options } from "../HistorySqlite.ts"
import { attempt } from "./native.ts"
import { open, openBeside, type Opened } from "./open.ts"
import type { Migration } from "./schema.ts"
import * as Tables from "./tables.ts"
import { verify } from "./verify.ts"

/** The store of a file, brought to the newest of these schemas. */
export const makeWith = Effect.fnUntraced(function* (options: Options, steps: ReadonlyArray<Migration>) {
  const { durability = "full", filename, readOnly = false } = options
  const busyTimeout = Math.round(Math.min(Duration.toMillis(options.busyTimeout ?? "5 seconds"), 2 ** 31 - 1))
  const now = yield* Clock.currentTimeMillis
  const opened = yield* Effect.acquireRelease(
    attempt(filename, () => open({ filename, durability, readOnly, busyTimeout, now, migrations: steps })),
    (opened) => Effect.sync(opened.close)
  )
  return yield* fromOpened(opened, filename)
})

/** The service of a database that is open. */
export const fromOpened = Effect.fnUntraced(function* (opened: Opened, filename: string) {
  const tables = yield* attempt(filename, () => Tables.make(opened.database, filename))
  const saving = yield* Semaphore.make(1)
  const outcome = <A, E>(run: () => Result.Result<A, E>): Effect.Effect<A, E | HistoryStoreError> =>
    Effect.flatMap(attempt(filename, run), Effect.fromResult)

  const sweep = Effect.gen(function* () {
    while (yield* attempt(filename, tables.checkpoints.sweep)) yield* Effect.yieldNow
  }).pipe(
    // The checkpoint is saved. What is left over takes room, and the next save sweeps it.
    Effect.ignore
  )

  return HistoryStore.of({
    capabilities: { durable: true, shared: true, travel: true },
    info: attempt(filename, tables.info),
    append: (versions, revision) => outcome(() => tables.append(versions, revision)),
    moveHead: (version, timestamp, revision) => outcome(() => tables.moveHead(version, timestamp, revision)),
    tag: (name, version) => outcome(() => tables.tag(name, version)),
    versions: (range) => attempt(filename, () => tables.versions(range)),
    heads: (after, limit) => attempt(filename, () => tables.heads(after, limit)),
    checkpoints: {
      // Each chunk is written in a transaction of its own, so that nobody waits for more than one of them.
      save: Effect.fnUntraced(
        function* (version, chunks) {
          yield* outcome(() => tables.checkpoints.exists(version))
          const save = yield* attempt(filename, tables.checkpoints.begin)
          let count = 0
          for (const chunk of chunks) {
            const number = count++
            yield* attempt(filename, () => tables.checkpoints.add(save, number, chunk))
            yield* Effect.yieldNow
          }
          yield* outcome(() => tables.checkpoints.finish(save, version, count))
          yield* sweep
        },
        (save) => saving.withPermit(save)
      ),
      load: (version) => attempt(filename, () => tables.checkpoints.load(version))
    },
    verify: Effect.acquireUseRelease(
      attempt(filename, () => openBeside(opened)),
      (database) => verify(database, filename),
      (database) => Effect.sync(() => database.close())
    )
  })
})
