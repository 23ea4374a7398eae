/**
 * The registry: one current state, changed only by transactions, every one of them a version.
 *
 *     change ──▶ fit and order ──▶ handlers ──▶ durable append ──▶ visible ──▶ told to participants and watchers
 *
 * Readers take {@link Snapshot}s and never wait. Writers queue, first come first served. Transactions that no handler or
 * participant takes part in share a disk sync where several wait; each is still its own version, and none is
 * acknowledged before the sync.
 */
import * as Bus from "@heph/bus/Bus"
import type * as Transaction from "@heph/bus/Transaction"
import * as ChangeSet from "@heph/changeset/ChangeSet"
import * as Delta from "@heph/changeset/Delta"
import * as Operation from "@heph/changeset/Operation"
import * as Entry from "@heph/entry/Entry"
import * as EntryId from "@heph/entry/EntryId"
import * as State from "@heph/entry/State"
import * as HistoryMemory from "@heph/history-memory/HistoryMemory"
import * as History from "@heph/history/History"
import * as HistoryStore from "@heph/history/HistoryStore"
import type * as Version from "@heph/history/Version"
import * as DependencyGraph from "@heph/resolver/DependencyGraph"
import type * as DependencyPattern from "@heph/resolver/DependencyPattern"
import * as Resolver from "@heph/resolver/Resolver"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import type * as Change from "./Change.ts"
import {
  CyclesRefused,
  type InvalidChange,
  OutOfStep,
  ReentrantWrite,
  RevertConflict,
  VersionConflict,
  type WriteError
} from "./RegistryError.ts"
import { Snapshot } from "./Snapshot.ts"

export interface Options {
  /** Refuse changes after which entries depend on each other in a cycle. Off by default: cycles are reported. */
  readonly refuseCycles?: boolean | undefined
  /** How often a waiting watcher looks for versions of other processes, where the store can have them. 100 ms. */
  readonly pollInterval?: Duration.Input | undefined
}

export interface ApplyOptions {
  readonly message?: string | undefined
  readonly author?: string | undefined
  /** The version the change was made for: at any other one nothing is applied, and `VersionConflict` tells which. */
  readonly expected?: History.VersionRef | undefined
}

/** What an apply did. */
export interface Applied {
  /** The new version; nothing where there was nothing to change. */
  readonly version: Version.Version | undefined
  /** The version it was applied to. */
  readonly parent: number
  /** What was applied: complete and ordered. */
  readonly changeset: ChangeSet.ChangeSet
}

/** A version and what it changed. */
export interface Committed {
  readonly version: Version.Version
  readonly changeset: ChangeSet.ChangeSet
}

export interface Status {
  /** The version readers see. */
  readonly version: number
  /** How many entries it has. */
  readonly entries: number
  /** The newest version of any branch. */
  readonly last: number
  readonly tags: ReadonlyMap<string, number>
  readonly capabilities: HistoryStore.Capabilities
  /** The ids whose handlers may be out of step; while there are some, writes are refused. */
  readonly outOfStep: ReadonlyArray<string>
}

export class Registry extends Context.Service<
  Registry,
  {
    /** What readers see now. Never waits; a snapshot stays as it is for as long as it is held. */
    readonly current: () => Snapshot
    /**
     * One transaction, one version: the change is fitted to the current state, folded to one operation an id, ordered
     * by dependencies, put to the handlers, and appended. Nothing to change makes no version.
     */
    readonly apply: (
      change: Change.Change,
      options?: ApplyOptions
    ) => Effect.Effect<Applied, InvalidChange | CyclesRefused | WriteError>
    /** What {@link apply} would do to the current state, with the cycles that would be there. Asks no handler. */
    readonly plan: (change: Change.Change) => Effect.Effect<Delta.Delta, InvalidChange>
    /** Moves the registry to a version, through the handlers, as one transaction, and moves head. Makes no version. */
    readonly applyVersion: (ref: History.VersionRef) => Effect.Effect<Snapshot, WriteError>
    /** A new version that undoes one. Refused where later versions changed the same entries. */
    readonly revert: (
      ref: History.VersionRef,
      options?: ApplyOptions
    ) => Effect.Effect<Applied, RevertConflict | InvalidChange | CyclesRefused | WriteError>
    /**
     * The state of a version over a baseline becomes current: at boot, once the handlers are there. It is told to them
     * as one delta, and makes no version. Without a version, head.
     */
    readonly loadState: (
      baseline: Iterable<Entry.EntryInput>,
      ref?: History.VersionRef,
      options?: History.LoadOptions
    ) => Effect.Effect<Snapshot, WriteError | InvalidChange | History.HistoryMisfit>
    /** The state of any version, without moving the registry. */
    readonly snapshotAt: (ref: History.VersionRef) => Effect.Effect<Snapshot, History.HistoryError>
    /** What leads from one version to another, ordered. */
    readonly diff: (
      from: History.VersionRef,
      to: History.VersionRef
    ) => Effect.Effect<Delta.Delta, History.HistoryError>
    /** The way from one version to another. */
    readonly path: (
      from: History.VersionRef,
      to: History.VersionRef
    ) => Effect.Effect<ReadonlyArray<History.Step>, History.HistoryError>
    /** A version and its changeset. */
    readonly version: (ref: History.VersionRef) => Effect.Effect<Committed, History.HistoryError>
    /** Versions of all branches, newest first, below `before`; v0 is the last of them. */
    readonly versions: (options?: {
      readonly before?: number | undefined
      readonly limit?: number | undefined
    }) => Effect.Effect<ReadonlyArray<Version.Version>, History.HistoryError>
    /** Names a version; an existing name moves. */
    readonly tag: (
      name: string,
      ref: History.VersionRef
    ) => Effect.Effect<number, History.HistoryError | History.InvalidTag>
    /** Forgets a name. */
    readonly untag: (name: string) => Effect.Effect<void, History.HistoryError | History.InvalidTag>
    readonly tags: () => ReadonlyMap<string, number>
    /** What depends on what in the current state. Built at the first call, then kept up to date. */
    readonly dependencies: () => DependencyGraph.DependencyGraph
    /** Adds a place where references are found. */
    readonly registerPattern: Resolver.Resolver["Service"]["registerPattern"]
    /**
     * Every version after `from`, in the order of their ids, each once: from history, then as they are committed.
     * Without `from`, those to come. A slow reader falls back to history: it delays nobody and misses nothing.
     */
    readonly watch: (options?: {
      readonly from?: History.VersionRef | undefined
    }) => Stream.Stream<Committed, WriteError>
    /** Catches up with what other processes committed, through the handlers. True if there was something. */
    readonly follow: Effect.Effect<boolean, WriteError>
    readonly status: () => Status
    /** Puts the present state to the handlers again, after a rollback that failed. Writes are accepted from then on. */
    readonly resync: Effect.Effect<void, WriteError>
    /** Reads and replays the whole history. */
    readonly verify: History.History["Service"]["verify"]
  }
>()("@heph/registry/Registry") {}

/** The registries whose transactions a fiber is part of: how a handler that writes back is told from others. */
const Within = Context.Reference<ReadonlyArray<{ readonly registry: object; active: boolean }>>(
  "@heph/registry/Within",
  { defaultValue: () => [] }
)

/** Versions that watchers find without asking the store. */
const recentVersions = 1024
/** Versions that share a disk sync at most. */
const largestBatch = 128
/** How often a writer that others keep overtaking tries again before it says so. */
const attempts = 32

/** Why an append came to nothing. */
type Lost = HistoryStore.HistoryStoreError | HistoryStore.HeadConflict

/** What finds the operations of a change in the state it will be applied to. */
type Find<E> = (state: State.State) => Result.Result<ReadonlyArray<Operation.OperationInput | Operation.Operation>, E>

/** A transaction that has everything but its disk sync. */
interface Pending {
  readonly draft: History.Draft
  readonly state: State.State
  readonly done: Deferred.Deferred<Applied, Lost>
}

export const make = Effect.fnUntraced(function* (options?: Options) {
  const history = yield* History.History
  const bus = yield* Bus.Bus
  const resolver = yield* Resolver.Resolver
  const scope = yield* Effect.scope
  const self = {}
  const lock = Semaphore.makeUnsafe(1)
  const pollMillis = Duration.toMillis(Duration.fromInputUnsafe(options?.pollInterval ?? "100 millis"))

  let visible = new Snapshot(history.info().head, yield* history.load(State.empty, history.info().head))
  // Handlers that came later were told nothing of the state loaded here: their first `loadState` starts from nothing.
  let untold = true
  let outOfStep: ReadonlyArray<Transaction.OutOfStep> = []
  const suspects = new Map<EntryId.EntryId, Entry.Entry>()
  let queued = 0
  let pending: Array<Pending> = []
  let recent: Array<HistoryStore.VersionRecord> = []
  let seen = history.info().last
  const wakers = new Set<() => void>()
  let graph: { readonly of: DependencyGraph.DependencyGraph; readonly references: unknown } | undefined
  let writing: Fiber.Fiber<void, HistoryStore.HistoryStoreError> | undefined

  const ordering = (): Delta.Options => ({ references: resolver.references() })

  const dependencies = () => {
    const references = resolver.references()
    if (graph?.references !== references) {
      graph = { of: DependencyGraph.fromState(visible.state, references), references }
    }
    return graph.of
  }

  /** Readers see the state from here on. */
  const publish = (
    version: number,
    state: State.State,
    changeset: ChangeSet.ChangeSet,
    record?: HistoryStore.VersionRecord
  ) => {
    visible = new Snapshot(version, state)
    history.keep(version, state)
    if (graph !== undefined) for (const operation of changeset) updateGraph(graph.of, operation)
    if (record !== undefined) {
      recent.push(record)
      if (recent.length > 2 * recentVersions) recent = recent.slice(-recentVersions)
    }
    seen = history.info().last
    for (const wake of wakers) wake()
  }

  // A checkpoint is written beside the writers, and finished before the registry is gone.
  yield* Effect.addFinalizer(() => (writing === undefined ? Effect.void : Effect.asVoid(Fiber.await(writing))))
  const checkpointIfDue = Effect.suspend(() => {
    if (!history.checkpointDue(visible.state) || (writing !== undefined && writing.pollUnsafe() === undefined)) {
      return Effect.void
    }
    const { state, version } = visible
    const write = history.checkpoint(version, state).pipe(
      Effect.tapError((error) => Effect.logWarning(`the checkpoint of v${version} was not written: ${error.message}`)),
      Effect.uninterruptible
    )
    return Effect.map(Effect.forkDetach(write), (fiber) => {
      writing = fiber
    })
  })

  // ---------------------------------------------------------------- the queue of writers

  const flush = Effect.suspend(() => {
    if (pending.length === 0) return Effect.void
    const batch = pending
    pending = []
    return Effect.matchEffect(history.append(batch.map(({ draft }) => draft)), {
      onFailure: (error) => Effect.forEach(batch, ({ done }) => Deferred.fail(done, error), { discard: true }),
      onSuccess: (records) =>
        Effect.andThen(
          Effect.forEach(
            batch,
            ({ done, draft, state }, i) => {
              const record = records[i]!
              publish(record.id, state, draft.changeset, record)
              return Deferred.succeed(done, { version: record, parent: record.parent, changeset: draft.changeset })
            },
            { discard: true }
          ),
          checkpointIfDue
        )
    })
  })

  // Whoever leaves the queue last lets those go who wait for a sync together.
  const leave = Effect.suspend(() => (queued === 0 ? flush : Effect.void))

  /** Runs a writer's turn: alone, after those who came before it. */
  const turn = <A, E>(method: string, body: Effect.Effect<A, E>): Effect.Effect<A, E | ReentrantWrite> =>
    Effect.flatMap(Within, (within): Effect.Effect<A, E | ReentrantWrite> => {
      if (within.some(({ active, registry }) => active && registry === self)) {
        return Effect.fail(new ReentrantWrite({ method }))
      }
      queued++
      return Effect.uninterruptibleMask((restore) =>
        Effect.matchCauseEffect(restore(lock.take(1)), {
          onFailure: (cause) => {
            queued--
            const others = queued === 0 && pending.length > 0
            return Effect.andThen(
              others ? Effect.forkIn(lock.withPermit(flush), scope) : Effect.void,
              Effect.failCause(cause)
            )
          },
          onSuccess: () => {
            queued--
            return Effect.onExit(restore(body), () => Effect.andThen(leave, lock.release(1)))
          }
        })
      )
    })

  const refuseOutOfStep = Effect.suspend(() =>
    outOfStep.length === 0
      ? Effect.void
      : Effect.fail(new OutOfStep({ ids: [...new Set(outOfStep.map(({ id }) => id))] }))
  )

  /** A transaction on the bus, known to be this registry's to whoever it calls. */
  const transact = <A, E>(
    cause: Transaction.Transaction["cause"],
    version: number,
    changeset: ChangeSet.ChangeSet,
    append: Effect.Effect<A, E>
  ) =>
    Effect.flatMap(Within, (outer) => {
      const token = { registry: self, active: true }
      return bus
        .transact({
          cause,
          version,
          changeset,
          references: resolver.references(),
          append,
          onOutOfStep: (failures) => {
            outOfStep = [...outOfStep, ...failures]
            for (const operation of changeset) {
              const entry = operation.op === "delete" ? operation.original : operation.entry
              if (entry !== undefined) suspects.set(entry.id, entry)
            }
          }
        })
        .pipe(
          Effect.provideService(Within, [...outer, token]),
          Effect.onExit(() => Effect.sync(() => (token.active = false)))
        )
    })

  // ---------------------------------------------------------------- apply

  const fit = <E>(find: Find<E>, state: State.State) =>
    Result.gen(function* () {
      const operations: Array<Operation.Operation> = []
      for (const operation of yield* find(state)) operations.push(yield* Operation.fromInput(operation))
      const fitted = yield* ChangeSet.complete(state, operations)
      const changeset = yield* ChangeSet.net([fitted.changeset])
      // Where nothing is left the state may still be another object with equal entries.
      return { changeset, state: changeset.length === 0 ? state : fitted.state }
    })

  /** The cycles there would be with these operations: tried out on the graph, and taken back. */
  const cyclesWith = (changeset: ChangeSet.ChangeSet) => {
    const tried = dependencies()
    for (const operation of changeset) updateGraph(tried, operation)
    const cycles = tried.cyclesThrough(
      changeset.filter((operation) => operation.op !== "delete").map((operation) => Operation.idOf(operation))
    )
    for (const operation of changeset.toReversed()) {
      tried.update(
        operation.op === "delete" ? undefined : operation.entry,
        operation.op === "create" ? undefined : operation.original
      )
    }
    return cycles
  }

  const describeCycles = (cycles: ReadonlyArray<ReadonlyArray<EntryId.EntryId>>) =>
    new CyclesRefused({ cycles: cycles.map((ids) => ids.map((id) => id.value)) })

  /** One try at an apply, in its turn: done, or everything but the disk sync, which it then shares. */
  const applyOnce = Effect.fnUntraced(function* <E>(
    find: Find<E>,
    settings: ApplyOptions | undefined
  ): Effect.fn.Return<
    Applied | Deferred.Deferred<Applied, Lost>,
    E | InvalidChange | CyclesRefused | WriteError | HistoryStore.HeadConflict
  > {
    yield* refuseOutOfStep
    if (settings?.expected !== undefined) {
      yield* flush
      const expected = yield* history.resolve(settings.expected)
      if (expected !== visible.version) return yield* new VersionConflict({ expected, current: visible.version })
    }
    let fitted = fit(find, pending.at(-1)?.state ?? visible.state)
    const alone = () => Result.isFailure(fitted) || fitted.success.changeset.length === 0 || options?.refuseCycles
    if (pending.length > 0 && (alone() || bus.concerns(Result.getOrThrow(fitted).changeset))) {
      // What it saw is not durable yet: no verdict may rest on it.
      yield* flush
      fitted = fit(find, visible.state)
    }
    const { changeset: net, state } = yield* Effect.fromResult(fitted)
    if (net.length === 0) return { version: undefined, parent: visible.version, changeset: net }
    if (options?.refuseCycles === true) {
      const cycles = cyclesWith(net)
      if (cycles.length > 0) return yield* describeCycles(cycles)
    }
    const { changeset } = Delta.order(net, ordering())
    const draft: History.Draft = {
      parent: pending.length === 0 ? visible.version : history.info().last + pending.length,
      timestamp: yield* Clock.currentTimeMillis,
      message: settings?.message,
      author: settings?.author,
      changeset
    }
    if (!bus.concerns(changeset)) {
      const done = Deferred.makeUnsafe<Applied, Lost>()
      pending.push({ draft, state, done })
      if (pending.length >= largestBatch) yield* flush
      return done
    }
    const append = Effect.map(history.append([draft]), ([record]): Applied => {
      publish(record!.id, state, changeset, record)
      return { version: record, parent: draft.parent, changeset }
    })
    return yield* Effect.tap(transact("apply", history.info().last + 1, changeset, append), () => checkpointIfDue)
  })

  const applyFound = <E>(find: Find<E>, settings: ApplyOptions | undefined) =>
    persist(
      "apply",
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(restore(turn("apply", applyOnce(find, settings))), (applied) =>
          Deferred.isDeferred(applied)
            ? Deferred.await(applied as Deferred.Deferred<Applied, Lost>)
            : Effect.succeed(applied as Applied)
        )
      )
    )

  const apply = Effect.fn("Registry.apply")((change: Change.Change, settings?: ApplyOptions) =>
    applyFound(found(change), settings)
  )

  /** Catches up and tries again where another process was faster; after many times says so. */
  const persist = <A, E>(
    method: string,
    effect: Effect.Effect<A, E | HistoryStore.HeadConflict>,
    left = attempts
  ): Effect.Effect<A, Exclude<E, HistoryStore.HeadConflict> | WriteError> =>
    Effect.catch(effect, (error): Effect.Effect<A, Exclude<E, HistoryStore.HeadConflict> | WriteError> => {
      if (!(error instanceof HistoryStore.HeadConflict)) {
        return Effect.fail(error as Exclude<E, HistoryStore.HeadConflict>)
      }
      return Effect.andThen(
        turn(method, catchUp),
        left === 0
          ? Effect.fail(new VersionConflict({ expected: visible.version, current: error.found.head }))
          : persist(method, effect, left - 1)
      )
    })

  // ---------------------------------------------------------------- moving without a new version

  /** Brings the registry to a state that history has, through the handlers. */
  const moveTo = Effect.fnUntraced(function* <E>(
    cause: "travel" | "follow" | "load",
    version: number,
    state: State.State,
    record: Effect.Effect<void, E>,
    from = visible.state
  ) {
    const { changeset } = Delta.buildDelta(from, state, ordering())
    const append = Effect.map(record, () => {
      publish(version, state, from === visible.state ? changeset : [])
      if (from !== visible.state) graph = undefined
    })
    yield* bus.concerns(changeset) ? transact(cause, version, changeset, append) : append
  })

  const catchUp = Effect.gen(function* () {
    yield* flush
    const moved = yield* history.refresh
    const { head } = history.info()
    if (head !== visible.version) yield* moveTo("follow", head, yield* history.stateAt(head), Effect.void)
    else if (history.info().last > seen) publish(visible.version, visible.state, [])
    return moved
  })

  const applyVersion = Effect.fn("Registry.applyVersion")(function* (ref: History.VersionRef) {
    const move = Effect.gen(function* () {
      yield* refuseOutOfStep
      yield* flush
      const version = yield* history.resolve(ref)
      if (version === visible.version) return visible
      const state = yield* history.stateAt(version)
      const now = yield* Clock.currentTimeMillis
      yield* moveTo("travel", version, state, history.moveHead(version, now))
      return visible
    })
    return yield* persist("applyVersion", turn("applyVersion", move))
  })

  const loadState = Effect.fn("Registry.loadState")(function* (
    entries: Iterable<Entry.EntryInput>,
    ref?: History.VersionRef,
    loading?: History.LoadOptions
  ) {
    const baseline: Array<Entry.Entry> = []
    for (const entry of entries) baseline.push(yield* Effect.fromResult(Entry.make(entry)))
    const load = Effect.gen(function* () {
      yield* refuseOutOfStep
      yield* flush
      yield* history.refresh
      const version = yield* history.resolve(ref ?? "head")
      const state = yield* history.load(State.fromIterable(baseline), version, loading)
      const now = yield* Clock.currentTimeMillis
      const record = version === history.info().head ? Effect.void : history.moveHead(version, now)
      yield* moveTo("load", version, state, record, untold ? State.empty : visible.state)
      untold = false
      return visible
    })
    return yield* persist("loadState", turn("loadState", load))
  })

  const resync = turn(
    "resync",
    Effect.gen(function* () {
      yield* flush
      const { state, version } = visible
      const gone = outOfStep.flatMap(({ id }) => {
        const entry = suspects.get(EntryId.parseUnsafe(id))
        return entry === undefined || state.has(id) ? [] : [entry]
      })
      const held = State.fromIterable(gone)
      const { changeset } = Delta.buildDelta(held, state, ordering())
      const settled = Effect.sync(() => {
        outOfStep = []
        untold = false
        suspects.clear()
      })
      yield* transact("resync", version, changeset, settled)
    })
  ).pipe(Effect.withSpan("Registry.resync"))

  const revert = Effect.fn("Registry.revert")(function* (ref: History.VersionRef, settings?: ApplyOptions) {
    const version = yield* history.resolve(ref)
    const undoing = yield* Effect.orDie(Effect.fromResult(ChangeSet.reverse(yield* history.changeset(version))))
    const find = (state: State.State) => {
      const changed = new Set<string>()
      const operations = undoing.filter((operation) => {
        const id = Operation.idOf(operation)
        const there = state.get(id)
        if (sameEntry(there, operation.op === "delete" ? undefined : operation.entry)) return false
        if (!sameEntry(there, operation.op === "create" ? undefined : operation.original)) changed.add(id.value)
        return true
      })
      return changed.size === 0
        ? Result.succeed(operations)
        : Result.fail(new RevertConflict({ version, ids: [...changed].sort() }))
    }
    return yield* applyFound(find, { message: `revert v${version}`, ...settings })
  })

  // ---------------------------------------------------------------- reading

  const snapshotAt = Effect.fn("Registry.snapshotAt")(function* (ref: History.VersionRef) {
    const version = yield* history.resolve(ref)
    return version === visible.version ? visible : new Snapshot(version, yield* history.stateAt(version))
  })

  const committed = (record: HistoryStore.VersionRecord) =>
    Effect.map(Effect.fromResult(record.changeset.value()), (changeset): Committed => ({ version: record, changeset }))

  const version = Effect.fn("Registry.version")(function* (ref: History.VersionRef) {
    const id = yield* history.resolve(ref)
    return id === 0 ? { version: history.root(), changeset: [] } : yield* committed(yield* history.version(id))
  })

  const versions = Effect.fn("Registry.versions")(function* (page?: {
    readonly before?: number | undefined
    readonly limit?: number | undefined
  }) {
    const limit = page?.limit ?? Infinity
    const found: Array<Version.Version> = []
    let before = page?.before ?? history.info().last + 1
    while (found.length < limit && before > 1) {
      const run = yield* history.versions({ before, limit: Math.min(limit - found.length, 1000) })
      if (run.length === 0) break
      found.push(...run)
      before = run.at(-1)!.id
    }
    if (found.length < limit && before > 0) found.push(history.root())
    return found
  })

  const watch: Registry["Service"]["watch"] = (watching) =>
    Stream.unwrap(
      Effect.map(watching?.from === undefined ? Effect.sync(() => seen) : history.resolve(watching.from), (from) => {
        let cursor = from
        const next = Effect.gen(function* () {
          while (cursor >= seen) yield* waitForMore
          // What was just committed is still at hand; whoever is further behind reads history, and slows nobody.
          const oldest = recent[0]?.id ?? Infinity
          const at = recent.length - (recent.at(-1)?.id ?? 0) + cursor
          const near = oldest <= cursor + 1 && recent[at]?.id === cursor + 1
          const run = near
            ? recent.slice(at, at + 500)
            : (yield* history.versions({ after: cursor, limit: 500 })).filter(({ id }) => id <= seen)
          const batch: Array<Committed> = []
          for (const record of run) batch.push(yield* committed(record))
          cursor = run.at(-1)?.id ?? seen
          return batch
        })
        return Stream.flattenIterable(Stream.fromEffectRepeat(next))
      })
    )

  const woken = Effect.callback<void>((resume) => {
    const wake = () => {
      wakers.delete(wake)
      resume(Effect.void)
    }
    wakers.add(wake)
    return Effect.sync(() => wakers.delete(wake))
  })
  const follow = Effect.withSpan(persist("follow", turn("follow", catchUp)), "Registry.follow")
  const waitForMore: Effect.Effect<void, WriteError> = history.capabilities.shared
    ? Effect.flatMap(Effect.timeoutOption(woken, pollMillis), (woke) =>
        woke._tag === "Some" ? Effect.void : Effect.asVoid(follow)
      )
    : woken

  return Registry.of({
    current: () => visible,
    apply,
    plan: (change) =>
      Effect.map(Effect.fromResult(fit(found(change), visible.state)), ({ changeset }) => ({
        changeset: Delta.order(changeset, ordering()).changeset,
        cycles: cyclesWith(changeset)
      })),
    applyVersion,
    revert,
    loadState,
    snapshotAt,
    diff: Effect.fn("Registry.diff")(function* (from: History.VersionRef, to: History.VersionRef) {
      return Delta.buildDelta((yield* snapshotAt(from)).state, (yield* snapshotAt(to)).state, ordering())
    }),
    path: Effect.fn("Registry.path")(function* (from: History.VersionRef, to: History.VersionRef) {
      return yield* history.path(yield* history.resolve(from), yield* history.resolve(to))
    }),
    version,
    versions,
    tag: Effect.fn("Registry.tag")(function* (name: string, ref: History.VersionRef) {
      const id = yield* history.resolve(ref)
      yield* history.tag(name, id)
      return id
    }),
    untag: Effect.fn("Registry.untag")(function* (name: string) {
      if (!history.info().tags.has(name)) {
        return yield* new History.UnknownVersion({ version: name, last: history.info().last })
      }
      yield* history.tag(name, null)
    }),
    tags: () => history.info().tags,
    dependencies,
    registerPattern: resolver.registerPattern,
    watch,
    follow,
    status: () => ({
      version: visible.version,
      entries: visible.size,
      last: history.info().last,
      tags: history.info().tags,
      capabilities: history.capabilities,
      outOfStep: [...new Set(outOfStep.map(({ id }) => id))].sort()
    }),
    resync,
    verify: history.verify
  })
})

/** A registry on whatever history, bus and resolver are provided. */
export const layer = (
  options?: Options
): Layer.Layer<Registry, Effect.Error<ReturnType<typeof make>>, History.History | Bus.Bus | Resolver.Resolver> =>
  Layer.effect(Registry, make(options))

const found =
  (change: Change.Change): Find<never> =>
  (state) =>
    Result.succeed(typeof change === "function" ? change(state) : change)

/** Everything a registry needs, in memory: for tests, examples, and registries that live as long as their process. */
export const layerMemory = (
  options?: Options &
    Bus.Options & { readonly patterns?: ReadonlyArray<DependencyPattern.DependencyPattern> | undefined }
) =>
  layer(options).pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        History.layer.pipe(Layer.provideMerge(HistoryMemory.layer)),
        Bus.layer(options),
        Resolver.layer(options?.patterns)
      )
    )
  )

const updateGraph = (graph: DependencyGraph.DependencyGraph, operation: Operation.Operation): void =>
  graph.update(
    operation.op === "create" ? undefined : operation.original,
    operation.op === "delete" ? undefined : operation.entry
  )

const sameEntry = (a: Entry.Entry | undefined, b: Entry.Entry | undefined): boolean =>
  a === undefined || b === undefined ? a === b : Entry.equals(a, b)
