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
import type * as EntryId from "@heph/entry/EntryId"
import * as State from "@heph/entry/State"
import * as HistoryMemory from "@heph/history-memory/HistoryMemory"
import * as History from "@heph/history/History"
import * as HistoryStore from "@heph/history/HistoryStore"
import * as Precondition from "@heph/history/Precondition"
import type * as Version from "@heph/history/Version"
import * as DependencyGraph from "@heph/resolver/DependencyGraph"
import type * as DependencyPattern from "@heph/resolver/DependencyPattern"
import * as Resolver from "@heph/resolver/Resolver"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Change from "./Change.ts"
import * as Fitting from "./internal/fitting.ts"
import * as Following from "./internal/following.ts"
import * as Past from "./internal/past.ts"
import * as Watchers from "./internal/watchers.ts"
import * as Writers from "./internal/writers.ts"
import {
  CyclesRefused,
  FoldedVersion,
  type InvalidChange,
  OutOfStep,
  RevertConflict,
  VersionConflict,
  type WriteError
} from "./RegistryError.ts"
import { Snapshot } from "./Snapshot.ts"

export interface Options {
  /** Refuse changes after which entries depend on each other in a cycle. Off by default: cycles are reported. */
  readonly refuseCycles?: boolean | undefined
  /**
   * Whether the registry keeps up with other processes from `loadState` on, where its store is shared: what they commit
   * is told to the handlers here as it comes. On by default; while somebody watches it does in any case.
   */
  readonly follow?: boolean | undefined
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
  /** How many versions there are, v0 not counted: less than `last` where compaction was. */
  readonly versions: number
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
    ) => Effect.Effect<Applied, RevertConflict | FoldedVersion | InvalidChange | CyclesRefused | WriteError>
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
    /**
     * Drops versions that nothing keeps; see `History.compact`. Beside writers, and without a word to handlers: no state
     * changes. A watcher that has not come further than what is dropped fails with `UnknownVersion`.
     */
    readonly compact: History.History["Service"]["compact"]
    /** Reads and replays the whole history. */
    readonly verify: History.History["Service"]["verify"]
  }
>()("@heph/registry/Registry") {}

/**
 * How often a writer that another process keeps overtaking tries again before it says so. Whoever loses has more to do
 * than whoever wins, so that against a process which writes without a pause many tries come to nothing.
 */
const attempts = 256

export const make = Effect.fnUntraced(function* (options?: Options) {
  const history = yield* History.History
  const bus = yield* Bus.Bus
  const resolver = yield* Resolver.Resolver

  // Without the baseline, which `loadState` brings, a history that changes entries of it cannot fit.
  const boot = yield* history.load(State.empty, history.info().head, { misfit: "history wins" })
  boot.adopt()
  let visible = new Snapshot(history.info().head, boot.state)
  // Handlers come after the state loaded here, and were told nothing of it: what the first `loadState` starts from.
  let told: State.State | undefined = State.empty
  const outOfStep = new Set<string>()
  // What handlers that are out of step may hold beside the state.
  const suspects = new Map<EntryId.EntryId, Entry.Entry>()
  let graph: { readonly of: DependencyGraph.DependencyGraph; readonly references: unknown } | undefined
  let writing: Fiber.Fiber<void, History.HistoryError> | undefined
  const scope = yield* Effect.scope

  const watchers = Watchers.make(history)
  const writers = Writers.make({
    append: history.append,
    durable: history.capabilities.durable,
    publish: ({ draft, state }, record) => publish(record.id, state, draft.changeset, record)
  })

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
    if (graph !== undefined) for (const operation of changeset) Fitting.updateGraph(graph.of, operation)
    watchers.advance(record)
  }

  // A checkpoint is written beside the writers, and finished before the registry is gone.
  yield* Effect.addFinalizer(() => (writing === undefined ? Effect.void : Effect.asVoid(Fiber.await(writing))))
  const checkpointIfDue = Effect.suspend(() => {
    if (!history.checkpointDue(visible.state) || (writing !== undefined && writing.pollUnsafe() === undefined)) {
      return Effect.void
    }
    const { state, version } = visible
    const write = history.checkpoint(version, state).pipe(
      Effect.tapError((error) =>
        // Who opened the store for reading knows that nothing is written.
        error._tag === "HistoryStoreError" && error.reason === "ReadOnly"
          ? Effect.void
          : Effect.logWarning(`the checkpoint of v${version} was not written: ${error.message}`)
      ),
      Effect.uninterruptible
    )
    return Effect.map(Effect.forkDetach(write, { startImmediately: true }), (fiber) => {
      writing = fiber
    })
  })

  const inStep = Effect.suspend(() =>
    outOfStep.size === 0 ? Effect.void : Effect.fail(new OutOfStep({ ids: [...outOfStep].sort() }))
  )

  /** What every change begins with: nobody out of step, and nothing of other processes left to catch up with. */
  const ready = Effect.suspend((): Effect.Effect<void, WriteError> =>
    history.info().head === visible.version ? inStep : Effect.asVoid(catchUp)
  )

  /** A transaction on the bus. */
  const transact = <A, E>(
    cause: Transaction.Transaction["cause"],
    version: number,
    changeset: ChangeSet.ChangeSet,
    append: Effect.Effect<A, E>
  ) =>
    writers
      .within(
        bus.transact({
          cause,
          version,
          changeset,
          references: resolver.references(),
          append,
          onOutOfStep: (failures) => {
            for (const { id } of failures) outOfStep.add(id)
            if (cause === "resync") return
            for (const operation of changeset) {
              if (operation.op === "delete" || !outOfStep.has(operation.entry.id.value)) continue
              suspects.set(operation.entry.id, operation.entry)
            }
          }
        })
      )
      .pipe(
        Effect.tap(() =>
          Effect.sync(() => {
            if (told !== undefined) told = Fitting.after(told, changeset)
          })
        )
      )

  // ---------------------------------------------------------------- apply

  /** One try at an apply, in its turn: done, or everything but the disk sync, which it then shares. */
  const applyOnce = Effect.fnUntraced(function* <E>(
    find: Fitting.Find<E>,
    settings: ApplyOptions | undefined
  ): Effect.fn.Return<
    Applied | Writers.Ready,
    E | InvalidChange | CyclesRefused | WriteError | HistoryStore.HeadConflict
  > {
    yield* ready
    if (settings?.expected !== undefined) {
      yield* writers.flush
      const seen = Result.getOrUndefined(yield* Effect.result(history.resolve(settings.expected)))
      // Whoever expects it may know more than this process has seen.
      if (seen !== visible.version && history.capabilities.shared) yield* catchUp
      const expected = yield* history.resolve(settings.expected)
      if (expected !== visible.version) return yield* new VersionConflict({ expected, current: visible.version })
    }
    let fitted = Fitting.fit(find, writers.pending().at(-1)?.state ?? visible.state)
    const final =
      Result.isFailure(fitted) ||
      fitted.success.changeset.length === 0 ||
      options?.refuseCycles === true ||
      bus.concerns(fitted.success.changeset)
    if (final && writers.pending().length > 0) {
      // What it saw is not durable yet: no verdict may rest on it, and no handler may hear of it.
      yield* writers.flush
      fitted = Fitting.fit(find, visible.state)
    }
    const { changeset: net, state } = yield* Effect.fromResult(fitted)
    if (net.length === 0) return { version: undefined, parent: visible.version, changeset: net }
    if (options?.refuseCycles === true) {
      const cycles = Fitting.cyclesWith(dependencies(), net)
      if (cycles.length > 0) {
        return yield* new CyclesRefused({ cycles: cycles.map((ids) => ids.map((id) => id.value)) })
      }
    }
    const { changeset } = Delta.order(net, ordering())
    const last = history.info().last + writers.pending().length
    const draft: History.Draft = {
      parent: writers.pending().length === 0 ? visible.version : last,
      timestamp: yield* Clock.currentTimeMillis,
      message: settings?.message,
      author: settings?.author,
      changeset
    }
    if (!bus.concerns(changeset)) return { draft, state }
    const append = Effect.map(history.append([draft]), ([record]): Applied => {
      publish(record!.id, state, changeset, record)
      return { version: record, parent: draft.parent, changeset }
    })
    return yield* transact("apply", last + 1, changeset, append)
  })

  const applyFound = <E>(find: Fitting.Find<E>, settings: ApplyOptions | undefined) =>
    persist(
      "apply",
      writers.submit("apply", applyOnce(find, settings), (record, { draft }): Applied => ({
        version: record,
        parent: record.parent,
        changeset: draft.changeset
      }))
    ).pipe(Effect.tap(checkpointIfDue))

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
        writers.turn(method, catchUp),
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
      if (from !== visible.state) graph = undefined
      publish(version, state, changeset)
    })
    yield* bus.concerns(changeset) ? transact(cause, version, changeset, append) : Effect.uninterruptible(append)
    yield* checkpointIfDue
  })

  const catchUp = Effect.gen(function* () {
    yield* inStep
    yield* writers.flush
    const moved = yield* history.refresh
    const { head } = history.info()
    if (head !== visible.version) yield* moveTo("follow", head, yield* history.stateAt(head), Effect.void)
    else if (history.info().last > watchers.seen()) watchers.advance()
    watchers.failed(undefined)
    return moved
  })

  const applyVersion = Effect.fn("Registry.applyVersion")(function* (ref: History.VersionRef) {
    const move = Effect.gen(function* () {
      // Not `ready`: it leads away from a version of another process that handlers here refuse.
      yield* inStep
      yield* writers.flush
      const version = yield* history.resolve(ref)
      if (version === visible.version && version === history.info().head) return visible
      const state = yield* history.stateAt(version)
      const now = yield* Clock.currentTimeMillis
      yield* moveTo("travel", version, state, history.moveHead(version, now))
      return visible
    })
    return yield* persist("applyVersion", writers.turn("applyVersion", move))
  })

  const loadState = Effect.fn("Registry.loadState")(function* (
    entries: Iterable<Entry.EntryInput>,
    ref?: History.VersionRef,
    loading?: History.LoadOptions
  ) {
    const creates: Array<Operation.Operation> = []
    for (const entry of entries) creates.push(Operation.create(yield* Effect.fromResult(Entry.make(entry))))
    const baseline = yield* Effect.fromResult(ChangeSet.apply(State.empty, creates))
    const load = Effect.gen(function* () {
      yield* inStep
      yield* writers.flush
      yield* history.refresh
      const version = yield* history.resolve(ref ?? "head")
      const { adopt, state } = yield* history.load(baseline, version, loading)
      const now = yield* Clock.currentTimeMillis
      const record = version === history.info().head ? Effect.void : history.moveHead(version, now)
      yield* moveTo(
        "load",
        version,
        state,
        Effect.tap(record, () => Effect.sync(adopt)),
        told ?? visible.state
      )
      told = undefined
      return visible
    })
    const loaded = yield* persist("loadState", writers.turn("loadState", load))
    if (options?.follow !== false && !isFollowing) {
      isFollowing = true
      yield* Scope.provide(following.keepUp, scope)
    }
    return loaded
  })

  const resync = writers
    .turn(
      "resync",
      Effect.gen(function* () {
        yield* writers.flush
        const { state, version } = visible
        // Told to whoever handles its kind, if the state has none of that kind there.
        const held = [...suspects.values()].filter(({ id, kind }) => state.get(id)?.kind !== kind)
        const { changeset } = Delta.buildDelta(State.fromIterable(held), state, ordering())
        const settled = Effect.sync(() => {
          outOfStep.clear()
          suspects.clear()
          told = undefined
        })
        // Its rollback takes back what handlers held before, too.
        const failed = Effect.sync(() =>
          changeset.forEach((operation) => outOfStep.add(Operation.idOf(operation).value))
        )
        yield* Effect.onError(transact("resync", version, changeset, settled), () => failed)
      })
    )
    .pipe(
      Effect.tap(() => following.again),
      Effect.withSpan("Registry.resync")
    )

  const revert = Effect.fn("Registry.revert")(function* (ref: History.VersionRef, settings?: ApplyOptions) {
    const version = yield* history.resolve(ref)
    const folded = version === 0 ? undefined : (yield* history.version(version)).folded
    if (folded !== undefined) return yield* new FoldedVersion({ version, folded })
    const changeset = yield* history.changeset(version)
    const find = (state: State.State) => {
      const { changed, operations } = Fitting.undoing(changeset, state)
      return changed.length === 0
        ? Result.succeed(operations)
        : Result.fail(new RevertConflict({ version, ids: changed }))
    }
    return yield* applyFound(find, { message: `revert v${version}`, ...settings })
  })

  // ---------------------------------------------------------------- other processes

  const follow = Effect.withSpan(persist("follow", writers.turn("follow", catchUp)), "Registry.follow")
  let isFollowing = false
  const following: Following.Following = yield* Following.make({
    history,
    follow: writers.outside(follow),
    isHeld: () => outOfStep.size > 0,
    failed: (error) =>
      Effect.andThen(
        Effect.logWarning(`what other processes committed after v${visible.version} is not followed: ${error.message}`),
        Effect.sync(() => watchers.failed(error))
      )
  })

  const watch: Registry["Service"]["watch"] = (watching) => {
    const from = watching?.from === undefined ? Effect.sync(watchers.seen) : history.resolve(watching.from)
    return Stream.unwrap(Effect.map(Effect.andThen(following.keepUp, from), (version) => watchers.stream(version)))
  }

  return Registry.of({
    current: () => visible,
    apply,
    plan: Effect.fn("Registry.plan")(function* (change: Change.Change) {
      const { changeset } = yield* Effect.fromResult(Fitting.fit(found(change), visible.state))
      return {
        changeset: Delta.order(changeset, ordering()).changeset,
        cycles: Fitting.cyclesWith(dependencies(), changeset)
      }
    }),
    applyVersion,
    revert,
    loadState,
    ...Past.make({ history, current: () => visible, ordering, forget: watchers.forget }),
    dependencies,
    registerPattern: resolver.registerPattern,
    watch,
    follow,
    status: () => ({
      version: visible.version,
      entries: visible.size,
      last: history.info().last,
      versions: Precondition.count(history.info()),
      tags: history.info().tags,
      capabilities: history.capabilities,
      outOfStep: [...outOfStep].sort()
    }),
    resync
  })
})

/** A registry on whatever history, bus and resolver are provided. */
export const layer = (
  options?: Options
): Layer.Layer<Registry, Effect.Error<ReturnType<typeof make>>, History.History | Bus.Bus | Resolver.Resolver> =>
  Layer.effect(Registry, make(options))

const found =
  (change: Change.Change): Fitting.Find<never> =>
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
