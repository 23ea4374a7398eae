/** The service: calls to the tables as effects. */
import { HistoryStore, type HistoryStoreError, type VersionRecord } from "@heph/history/HistoryStore"
import * as Stored from "@heph/history/storage/Stored"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import type { Options } from "../HistorySqlite.ts"
import { changes } from "./changes.ts"
import { attempt } from "./native.ts"
import { open, openBeside, type Opened } from "./open.ts"
import type { Migration } from "./schema.ts"
import { sweep } from "./sweep.ts"
import * as Tables from "./tables.ts"
import { verify } from "./verify.ts"

/** A file that is open until the scope ends, brought to the newest of these schemas. */
export const openWith = Effect.fnUntraced(function* (options: Options, steps: ReadonlyArray<Migration>) {
  const { durability = "full", filename, readOnly = false } = options
  const busyTimeout = Math.round(Math.min(Duration.toMillis(options.busyTimeout ?? "5 seconds"), 2 ** 31 - 1))
  const now = yield* Clock.currentTimeMillis
  return yield* Effect.acquireRelease(
    attempt(filename, () => open({ filename, durability, readOnly, busyTimeout, now, migrations: steps })),
    (opened) => Effect.sync(opened.close)
  )
})

/** The store of a file, brought to the newest of these schemas. */
export const makeWith = Effect.fnUntraced(function* (options: Options, steps: ReadonlyArray<Migration>) {
  return yield* fromOpened(yield* openWith(options, steps), options.filename, options.pollInterval)
})

/** The service of a database that is open. */
export const fromOpened = Effect.fnUntraced(function* (
  opened: Opened,
  filename: string,
  pollInterval: Duration.Input = "50 millis"
) {
  const tables = yield* attempt(filename, () => Tables.make(opened.database, filename))
  const saving = yield* Semaphore.make(1)
  const outcome = <A, E>(run: () => Result.Result<A, E>): Effect.Effect<A, E | HistoryStoreError> =>
    Effect.flatMap(attempt(filename, run), Effect.fromResult)

  const alone = <A, E>(effect: Effect.Effect<A, E>) => saving.withPermit(effect)
  const sweepAll = sweep(opened, filename, { all: true, alone })
  // Called by whoever saves, and so holds the permit.
  const sweepChunks = sweep(opened, filename, { all: false, alone: (effect) => effect })

  return HistoryStore.of({
    capabilities: { durable: true, shared: true, travel: true },
    info: attempt(filename, tables.info),
    append: (versions, revision) =>
      Effect.flatMap(prepare(versions), (prepared) => outcome(() => tables.append(prepared, revision))),
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
            const stored = yield* Stored.packChunk(chunk)
            yield* attempt(filename, () => tables.checkpoints.add(save, number, stored))
            yield* Effect.yieldNow
          }
          yield* outcome(() => tables.checkpoints.finish(save, version, count))
          yield* sweepChunks
        },
        (save) => saving.withPermit(save)
      ),
      load: (version) => attempt(filename, () => tables.checkpoints.load(version)),
      drop: Effect.fnUntraced(function* (versions) {
        if (yield* attempt(filename, () => tables.checkpoints.drop(versions))) yield* sweepAll
      })
    },
    compact: Effect.fnUntraced(function* (compaction) {
      const folds = yield* prepare(compaction.fold)
      yield* outcome(() => tables.compact(compaction, folds))
      yield* sweepAll
    }),
    changes: changes(opened, filename, pollInterval),
    verify: Effect.acquireUseRelease(
      attempt(filename, () => openBeside(opened)),
      (database) => verify(database, filename),
      (database) => Effect.sync(() => database.close())
    )
  })
})

/** Versions as they will be stored, encoded and compressed before a lock is taken. */
const prepare = Effect.fnUntraced(function* (versions: ReadonlyArray<VersionRecord>) {
  const prepared: Array<Tables.Prepared> = []
  for (const { changeset, ...fields } of versions) {
    prepared.push({ fields, stored: Stored.pack(yield* changeset.bytes) })
  }
  return prepared
})
