/**
 * Where everything is kept, put together: history and content of one store, the registry over them, the implementations
 * over that; and its backups.
 *
 *     Implementations ──▶ Registry ──▶ History ──▶ HistoryStore ┐
 *            └──────────▶ ContentStore ──────────▶ BlobStore    ┴──▶ a folder, a file, PostgreSQL, memory
 *
 * As long as a layer is open its backups are made on schedule; {@link backupIfDue} is for processes that end before.
 */
import * as Bus from "@heph/bus/Bus"
import * as ContentStore from "@heph/content/ContentStore"
import type * as Backup from "@heph/history-sqlite/Backup"
import * as HistoryUrl from "@heph/history-url/HistoryUrl"
import * as History from "@heph/history/History"
import * as Registry from "@heph/registry/Registry"
import type * as DependencyPattern from "@heph/resolver/DependencyPattern"
import * as Resolver from "@heph/resolver/Resolver"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as BackupSchedule from "./BackupSchedule.ts"
import * as Implementations from "./Implementations.ts"

/** Only a store in a file is copied as one. */
export class NoBackups extends Schema.TaggedError<NoBackups>()("NoBackups", { store: Schema.String }) {
  override get message(): string {
    return `${this.store} is no file: keep copies of it with pg_dump, or with heph migrate --from <this> --to sqlite:<file>`
  }
}

export interface Options extends Implementations.Options {
  /** Opens for reading: every write fails with `ReadOnly`, and nothing is made. */
  readonly readOnly?: boolean | undefined
  /** Whether content is compressed, or how much, from 1 to 22; on by default. What is stored already stays as it is. */
  readonly compression?: boolean | number | undefined
  /** When backups are made while the layer is open; none by default. Only of a store in a file. */
  readonly backupFrequency?: BackupSchedule.Frequency | undefined
}

/** What {@link layer} provides. */
export type Services =
  | Implementations.Implementations
  | Registry.Registry
  | ContentStore.ContentStore
  | History.History
  | Bus.Bus
  | Resolver.Resolver

/** What opening a store can fail with. */
export type OpenError =
  | HistoryUrl.OpenError
  | History.HistoryError
  | History.HistoryMisfit
  | DependencyPattern.InvalidPattern

/** How many backups on schedule are kept: with one a day, those of a week. */
export const keptBackups = 7

/**
 * The implementations of a store, made where there is none, for as long as the layer is open. Handlers are added through
 * the `Bus` that it provides.
 *
 * @example
 * import * as Implementations from "@heph/implementations/Implementations"
 * import * as Storage from "@heph/implementations/Storage"
 * import * as Effect from "effect/Effect"
 *
 * const program = Effect.gen(function* () {
 *   const implementations = yield* Implementations.Implementations
 *   const first = yield* implementations.register("export const half = (n: number) => n / 2\n", { component: "math.half" })
 *   return first.id
 * })
 * console.log(await Effect.runPromise(Effect.provide(program, Storage.layer("./registry")))) //=> math.half:1
 */
export const layer = (at: string | HistoryUrl.Location, options?: Options): Layer.Layer<Services, OpenError> => {
  const stores = HistoryUrl.layerWithContent(at, { readOnly: options?.readOnly })
  const below = Layer.mergeAll(
    History.layer.pipe(Layer.provide(stores)),
    ContentStore.layer({ compression: options?.compression }).pipe(Layer.provide(stores)),
    Bus.layer(),
    Resolver.layer()
  )
  return Implementations.layer(options).pipe(
    Layer.provideMerge(Layer.effectDiscard(onSchedule(at, options))),
    Layer.provideMerge(Registry.layer()),
    Layer.provideMerge(below)
  )
}

/** A registry of implementations in memory, which ends with the layer. */
export const layerMemory = (options?: Implementations.Options): Layer.Layer<Services, OpenError> =>
  layer("memory:", options)

const loadBackup = Effect.promise(() => import("@heph/history-sqlite/Backup"))

const fileOf = Effect.fnUntraced(function* (at: string | HistoryUrl.Location) {
  const location = typeof at === "string" ? yield* Effect.fromResult(HistoryUrl.parse(at, ".")) : at
  return location._tag === "Sqlite" ? location.filename : yield* new NoBackups({ store: HistoryUrl.label(location) })
})

/** Backs up a store in a file while it is in use: verified before it counts, see `Backup.backup`. */
export const backup = Effect.fn("Storage.backup")(function* (
  at: string | HistoryUrl.Location,
  options?: Omit<Backup.BackupOptions, "filename">
) {
  const filename = yield* fileOf(at)
  return yield* (yield* loadBackup).backup({ ...options, filename })
})

/** Brings a backup back, see `Backup.restore`: nobody may have the store open, and what it replaces is kept. */
export const restore = Effect.fn("Storage.restore")(function* (
  at: string | HistoryUrl.Location,
  from: string,
  options?: Omit<Backup.RestoreOptions, "filename" | "from">
) {
  const filename = yield* fileOf(at)
  return yield* (yield* loadBackup).restore({ ...options, filename, from })
})

/** When the next backup on schedule is due, in milliseconds since 1970; nothing where none is. `created` is when the store was. */
const nextBackup = Effect.fnUntraced(function* (
  filename: string,
  frequency: BackupSchedule.Frequency,
  created: number
) {
  const { list, scheduledFolder } = yield* loadBackup
  const made = yield* Effect.catchIf(
    list(scheduledFolder(filename)),
    // Before the first one there is no folder.
    ({ reason }) => reason === "NotFound",
    () => Effect.succeed([])
  )
  const last = made.reduce<number | undefined>((newest, { time }) => Math.max(newest ?? time, time), undefined)
  return BackupSchedule.next(frequency, { created, last })
})

const makeScheduled = Effect.fnUntraced(function* (filename: string) {
  const { backup, scheduledFolder } = yield* loadBackup
  return yield* backup({ filename, to: scheduledFolder(filename), keep: keptBackups })
})

/**
 * Makes the backup of a store in a file that is due by the schedule, if one is; gives what was made. The newest seven are
 * kept, in `backups/scheduled` beside the store. `created` is when the store was made, in milliseconds since 1970.
 */
export const backupIfDue = Effect.fn("Storage.backupIfDue")(function* (
  at: string | HistoryUrl.Location,
  frequency: BackupSchedule.Frequency,
  created: number
) {
  const filename = yield* fileOf(at)
  const due = yield* nextBackup(filename, frequency, created)
  if (due === undefined || due > (yield* Clock.currentTimeMillis)) return undefined
  return yield* makeScheduled(filename)
})

/** Longer sleeps are cut: timers count in 32 bits, and clocks are set. */
const longestSleep = 3_600_000

/** Backups on schedule until the scope ends. One that fails is told, and tried again at the next moment. */
const onSchedule = Effect.fnUntraced(function* (at: string | HistoryUrl.Location, options: Options | undefined) {
  const frequency = options?.backupFrequency
  if (frequency === undefined || frequency._tag === "Never" || options?.readOnly === true) return
  const filename = yield* Effect.catchTag(fileOf(at), "NoBackups", () => Effect.succeed(undefined))
  if (filename === undefined) return
  const history = yield* History.History
  const { created } = history.info()
  const round = Effect.gen(function* () {
    const due = yield* nextBackup(filename, frequency, created)
    const wait = (due ?? Infinity) - (yield* Clock.currentTimeMillis)
    if (wait > 0) return yield* Effect.sleep(Math.min(wait, longestSleep))
    yield* makeScheduled(filename)
  }).pipe(
    Effect.catch((error) =>
      Effect.andThen(
        Effect.logWarning(`the backup on schedule was not made: ${error.message}`),
        Effect.sleep(longestSleep)
      )
    )
  )
  yield* Effect.forkScoped(Effect.forever(round))
})
