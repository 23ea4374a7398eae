/** What the tests of the registry share: places that a history is kept in, registries over them, handlers with a record. */
import { randomUUID } from "node:crypto"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Bus from "@heph/bus/Bus"
import * as Handler from "@heph/bus/Handler"
import * as Entry from "@heph/entry/Entry"
import * as HistoryMemory from "@heph/history-memory/HistoryMemory"
import * as HistoryPostgres from "@heph/history-postgres/HistoryPostgres"
import * as HistorySqlite from "@heph/history-sqlite/HistorySqlite"
import * as History from "@heph/history/History"
import { HistoryStore, type HistoryStoreError } from "@heph/history/HistoryStore"
import type * as Packed from "@heph/history/Packed"
import * as Registry from "@heph/registry/Registry"
import * as Resolver from "@heph/resolver/Resolver"
import * as Postgres from "@heph/test-postgres/url"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"

export type Store = HistoryStore["Service"]

/** A new place, as the layer that opens the store in it each time it is built. */
export type Place = Effect.Effect<Layer.Layer<HistoryStore, HistoryStoreError>, never, Scope.Scope>

/** One store for as long as the place is there, so that what is opened again finds it as it was. */
export const memory: Place = Effect.map(HistoryMemory.make, (store) => Layer.succeed(HistoryStore, store))

/** A folder that goes with the scope. */
export const folder = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "heph-registry-"))),
  (made) => Effect.sync(() => fs.rmSync(made, { recursive: true, force: true }))
)

/** One file. Durability is `normal`: no test here pulls the plug. */
export const sqlite: Place = Effect.map(folder, (made) =>
  HistorySqlite.layer({ filename: path.join(made, "registry.db"), durability: "normal" })
)

/** One registry of the server that runs for the tests. */
export const postgres: Place = Effect.sync(() =>
  HistoryPostgres.layer({ url: Postgres.url(), schema: "registry_tests", registry: randomUUID() })
)

/** A store that does what another does, except for what is overridden. */
export const altered = (store: Store, change: (store: Store) => Partial<Store>): Layer.Layer<HistoryStore> =>
  Layer.succeed(HistoryStore, HistoryStore.of({ ...store, ...change(store) }))

export interface Opened {
  readonly registry: Registry.Registry["Service"]
  readonly history: History.History["Service"]
  readonly bus: Bus.Bus["Service"]
}

/** A registry over a store until the scope ends. */
export const open = <E>(store: Layer.Layer<HistoryStore, E>, options?: Registry.Options & Bus.Options) => {
  const below = Layer.mergeAll(History.layer.pipe(Layer.provide(store)), Bus.layer(options), Resolver.layer())
  const all = Registry.layer(options).pipe(Layer.provideMerge(below))
  return Effect.map(Layer.build(Layer.fresh(all)), (context): Opened => ({
    registry: Context.get(context, Registry.Registry),
    history: Context.get(context, History.History),
    bus: Context.get(context, Bus.Bus)
  }))
}

/** A registry over a new store in memory. */
export const openMemory = (options?: Registry.Options & Bus.Options) =>
  Effect.flatMap(memory, (store) => open(store, options))

export const create = (id: string, data: unknown = null, kind = "thing", meta: Record<string, unknown> = {}) =>
  ({ op: "create", entry: { id, kind, meta, data } }) as const
export const update = (id: string, data: unknown = null, kind = "thing", meta: Record<string, unknown> = {}) =>
  ({ op: "update", entry: { id, kind, meta, data } }) as const
export const remove = (id: string) => ({ op: "delete", id }) as const

export const made = (input: Entry.EntryInput): Entry.Entry => Entry.makeUnsafe(input)

/** An entry as text that tells all of it, for values that JSON has. */
export const show = (entry: Entry.Entry | undefined): string =>
  entry === undefined ? "nothing" : JSON.stringify([entry.id.value, entry.kind, entry.meta, entry.data])

/** Entries as text, in the order they come in. */
export const showAll = (entries: Iterable<Entry.Entry>): ReadonlyArray<string> => Array.from(entries, show)

/** The entries that a stored changeset leaves behind. */
export const entriesOf = (changeset: Packed.PackedChangeSet): Effect.Effect<ReadonlyArray<Entry.Entry>, unknown> =>
  Effect.map(changeset.value, (operations) =>
    operations.flatMap((operation): ReadonlyArray<Entry.Entry> => (operation.op === "delete" ? [] : [operation.entry]))
  )

/** The text that {@link show} makes of an entry like this. */
export const shown = (id: string, data: unknown = null, kind = "thing", meta: Record<string, unknown> = {}): string =>
  show(Entry.makeUnsafe({ id, kind, meta, data }))

/** A handler that holds what it accepts, and notes when it is told what does not fit what it holds. */
export class Holder {
  readonly held = new Map<string, string>()
  readonly wrong: Array<string> = []

  /** Takes a request in. */
  take(request: Handler.Request): void {
    const id = request.id.value
    const there = this.held.get(id) ?? "nothing"
    const resync = request.transaction.cause === "resync"
    if (!resync && there !== show(request.original)) {
      this.wrong.push(`${request.phase} ${request.op} of ${id}: holds ${there}, told of ${show(request.original)}`)
    }
    if (request.entry === undefined) this.held.delete(id)
    else this.held.set(id, show(request.entry))
  }
  readonly handler: Handler.Handler = (request) => {
    this.take(request)
    return Handler.accept
  }
  /** What it holds, in the order of ids. */
  get all(): ReadonlyArray<string> {
    return [...this.held].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, text]) => text)
  }
}

/** Fails where a condition that ought to come true does not: yields instead of sleeping. */
export const eventually = (condition: () => boolean, what: string): Effect.Effect<void> =>
  Effect.gen(function* () {
    for (let i = 0; i < 100_000; i++) {
      if (condition()) return
      yield* Effect.yieldNow
    }
    return yield* Effect.die(new Error(`it never came to be: ${what}`))
  })
