/**
 * What a history means, over any store: versions as a tree, the way between two of them, the state at each, and the
 * checkpoints that keep that cheap.
 *
 *     v0 = baseline ──changesets──▶ v1 ──▶ v2 ══ checkpoint ══ v3 ──▶ head
 *
 * A checkpoint is everything up to a version as one changeset. It follows from the history, not from the baseline of the
 * day: an update whose outcome is what was there at first stays in it, and so do the originals. So it tells, at the next
 * boot, whether the history fits the baseline it is given then, and leads to the state that all changesets would lead to.
 */
import type * as ChangeSet from "@heph/changeset/ChangeSet"
import * as Codec from "@heph/changeset/Codec"
import * as Operation from "@heph/changeset/Operation"
import type { CorruptBytes } from "@heph/entry/Codec"
import type * as Entry from "@heph/entry/Entry"
import type * as EntryId from "@heph/entry/EntryId"
import * as State from "@heph/entry/State"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { LRUCache } from "lru-cache"
import * as HistoryStore from "./HistoryStore.ts"
import * as Checkpoints from "./internal/checkpoints.ts"
import * as Compacting from "./internal/compacting.ts"
import { examine } from "./internal/examine.ts"
import { tagProblem } from "./internal/tagProblem.ts"
import * as Ways from "./internal/ways.ts"
import * as Packed from "./Packed.ts"
import * as Precondition from "./Precondition.ts"
import * as Version from "./Version.ts"

/** No version has this number, and no tag this name. */
export class UnknownVersion extends Schema.TaggedError<UnknownVersion>()("UnknownVersion", {
  version: Schema.String,
  last: Schema.Number,
  /** The next version that there is, where compaction dropped this one. */
  next: Schema.optionalKey(Schema.Number)
}) {
  override get message(): string {
    return this.next === undefined
      ? `there is no version or tag ${JSON.stringify(this.version)}; versions go from v0 to v${this.last}`
      : `there is no version ${JSON.stringify(this.version)} any more: compaction dropped it. The next one that is left is v${this.next}`
  }
}

/** A name that cannot be a tag: it would be taken for a version, or cannot be typed. */
export class InvalidTag extends Schema.TaggedError<InvalidTag>()("InvalidTag", {
  name: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `${JSON.stringify(this.name)} cannot be a tag: ${this.reason}`
  }
}

/** The history does not fit the baseline: it creates what is there (`exists`), or changes what is not (`missing`). */
export class HistoryMisfit extends Schema.TaggedError<HistoryMisfit>()("HistoryMisfit", {
  exists: Schema.Array(Schema.String),
  missing: Schema.Array(Schema.String)
}) {
  override get message(): string {
    const parts = [
      this.exists.length > 0 ? `it creates what the baseline has: ${this.exists.join(", ")}` : "",
      this.missing.length > 0 ? `it changes what the baseline lacks: ${this.missing.join(", ")}` : ""
    ]
    return `the history does not fit the baseline: ${parts.filter(Boolean).join("; ")}. Load with misfit "history wins" to keep what the history says.`
  }
}

export type HistoryError = HistoryStore.HistoryStoreError | UnknownVersion | CorruptBytes

/** A version by its number, as `7`, `"7"` or `"v7"`, by a tag, or as `"head"`. */
export type VersionRef = number | string

/** One step of a path: the version it arrives at, forward to a child or backward to its parent. */
export interface Step {
  readonly version: number
  readonly direction: "forward" | "backward"
}

/** A version about to be appended. Its id follows the last one. */
export interface Draft {
  readonly parent: number
  readonly timestamp: number
  readonly message: string | undefined
  readonly author: string | undefined
  readonly changeset: ChangeSet.ChangeSet
}

export interface LoadOptions {
  /** What to do with a history that does not fit the baseline: refuse (the default), or keep what the history says. */
  readonly misfit?: "refuse" | "history wins" | undefined
}

export interface Options {
  /**
   * When a checkpoint is due, beside the policy by cost, which writes one when reading on from the last would take as long
   * as reading the state: after this many versions. None by default.
   */
  readonly checkpointEvery?: number | undefined
}

/** What stays as it is, beside head, tagged versions and the newest: a version stays if any of these keeps it. */
export interface Keep {
  /** The newest versions, by id. */
  readonly versions?: number | undefined
  /** Those committed in this time until now. */
  readonly age?: Duration.Input | undefined
}

export interface CompactOptions {
  readonly keep: Keep
  /** Says what would be dropped, and drops nothing. */
  readonly dryRun?: boolean | undefined
}

/** What compaction dropped, or would drop. */
export interface Compacted {
  /** Runs of versions that are no more. */
  readonly dropped: ReadonlyArray<HistoryStore.Run>
  /** Versions whose changeset is now that of the dropped ones before them and their own. */
  readonly folded: ReadonlyArray<number>
  /** Versions whose checkpoints went. */
  readonly checkpoints: ReadonlyArray<number>
  /** How many versions there were, and how many are left; v0 is not counted. */
  readonly before: number
  readonly after: number
}

/** A state over a baseline. Nothing has changed until it is adopted. */
export interface Loaded {
  readonly state: State.State
  readonly adopt: () => void
}

export class History extends Context.Service<
  History,
  {
    readonly capabilities: HistoryStore.Capabilities
    /** The facts of the store as this process last saw them. Never waits. */
    readonly info: () => HistoryStore.StoreInfo
    /** Looks again; true if head has moved since. */
    readonly refresh: Effect.Effect<boolean, HistoryStore.HistoryStoreError>
    /** The number of the version that this names. */
    readonly resolve: (ref: VersionRef) => Effect.Effect<number, UnknownVersion>
    /** A version with its changeset, still packed. */
    readonly version: (id: number) => Effect.Effect<HistoryStore.VersionRecord, HistoryError>
    /** The root, as a version like others. */
    readonly root: () => Version.Version
    /** The changeset of a version; that of v0 is empty. */
    readonly changeset: (id: number) => Effect.Effect<ChangeSet.ChangeSet, HistoryError>
    /** A run of versions by id, see `HistoryStore.versions`. */
    readonly versions: (
      range: HistoryStore.VersionRange
    ) => Effect.Effect<ReadonlyArray<HistoryStore.VersionRecord>, HistoryStore.HistoryStoreError>
    /** The log of head's moves. */
    readonly heads: HistoryStore.HistoryStore["Service"]["heads"]
    /** The shortest way from one version to another: back to their common ancestor, then forward. Cost follows its length. */
    readonly path: (from: number, to: number) => Effect.Effect<ReadonlyArray<Step>, HistoryError>
    /** The state of `version` over a baseline, which becomes part of every version's state once it is adopted. */
    readonly load: (
      baseline: State.State,
      version: number,
      options?: LoadOptions
    ) => Effect.Effect<Loaded, HistoryError | HistoryMisfit>
    /** The state at a version: by the way from a state at hand where that is short, else from a checkpoint. */
    readonly stateAt: (version: number) => Effect.Effect<State.State, HistoryError>
    /** Keeps a state at hand: ways are searched from the one kept last. */
    readonly keep: (version: number, state: State.State) => void
    /** Appends versions and moves head to the last of them, all or none. */
    readonly append: (
      drafts: ReadonlyArray<Draft>
    ) => Effect.Effect<
      ReadonlyArray<HistoryStore.VersionRecord>,
      HistoryStore.HeadConflict | HistoryStore.HistoryStoreError
    >
    readonly moveHead: (
      version: number,
      timestamp: number
    ) => Effect.Effect<void, HistoryStore.HeadConflict | HistoryStore.HistoryStoreError>
    /** Names a version; an existing name moves to it. With `null` forgets the name. */
    readonly tag: (
      name: string,
      version: number | null
    ) => Effect.Effect<void, HistoryStore.HistoryStoreError | InvalidTag>
    /** Whether so much has changed since the last checkpoint that another one of this state would pay. */
    readonly checkpointDue: (state: State.State) => boolean
    /** Writes a checkpoint. Yields between chunks, so that others run meanwhile. */
    readonly checkpoint: (version: number, state: State.State) => Effect.Effect<void, HistoryError>
    /**
     * Drops the versions that nothing keeps, and folds what they did into those that stay and came after them: their
     * states, and the ways between them, are what they were. Versions keep their ids; those that are folded are the
     * parents of kept ones, and versions where branches part. Of an entry that dropped versions created and deleted again
     * nothing is left, so that a baseline may have it later. Runs beside writers and other processes. Cost follows the
     * number of versions; where the store is written to in a way that matters, it is planned again.
     */
    readonly compact: (options: CompactOptions) => Effect.Effect<Compacted, HistoryError>
    /** See `HistoryStore.changes`. */
    readonly changes: HistoryStore.HistoryStore["Service"]["changes"]
    /**
     * Reads the whole store and replays every version, and lists what is damaged or does not follow from its parent.
     */
    readonly verify: Effect.Effect<
      { readonly versions: number; readonly damage: ReadonlyArray<HistoryStore.Damage> },
      HistoryError
    >
  }
>()("@heph/history/History") {}

/** Operations in a chunk of a checkpoint: ~6 ms of encoding between two yields. */
const chunkOperations = 500
/** Below this many operations since the last checkpoint, reading them costs less than it is worth to write another. */
const leastForCheckpoint = 4000

/** How often compaction is planned again when what it would drop came to be needed. */
const replans = 5

export const makeWith = Effect.fnUntraced(function* (options?: Options) {
  const store = yield* HistoryStore.HistoryStore
  let info = yield* store.info
  // Counts what other processes took away: whoever meets a gap after that looks again.
  let generation = 0
  // Counts what was written through here: what was read meanwhile may be from before it.
  let written = 0
  let baseline = State.empty
  // Whether the baseline's entries are not the ones that the history's originals remember. Ways back would bring the
  // old ones, so that states are then only built forward from the baseline.
  let drifted = false
  // What changesets found in the baseline, on the way to a version: the originals that its checkpoint must keep.
  let found: { readonly version: number; readonly originals: Map<EntryId.EntryId, Entry.Entry> } | undefined
  let near: { readonly version: number; readonly state: State.State } = { version: 0, state: baseline }
  // Operations since the last checkpoint: on the way to head, and to versions that head was at. Branches that grow in
  // turn would otherwise share one count, and all of its checkpoints could fall on one of them.
  let sinceCheckpoint = 0
  let versionsSince = 0
  // The last checkpoint known, and what it would take to read on to it from the one that is kept before it.
  let newestCheckpoint: { readonly version: number; readonly size: number; readonly since: number } | undefined
  const sinceAt = new LRUCache<number, number>({ max: 4096 })
  const records = new LRUCache<number, HistoryStore.VersionRecord>({ max: 4096 })
  const states = new LRUCache<number, State.State>({ max: 16 })

  const unknown = (ref: VersionRef, id = Number(ref)) => {
    const run = info.dropped.find(([first, last]) => first <= id && id <= last)
    return new UnknownVersion({
      version: String(ref),
      last: info.last,
      ...(run === undefined ? undefined : { next: run[1] + 1 })
    })
  }

  const isThere = (id: number): boolean =>
    Number.isInteger(id) && id >= 0 && id <= info.last && !Precondition.isIn(info.dropped, id)

  /** What the store holds, and no older than what was written through here while it was read. */
  const facts: Effect.Effect<HistoryStore.StoreInfo, HistoryStore.HistoryStoreError> = Effect.suspend(() => {
    const before = written
    return Effect.flatMap(store.info, (now) => (written === before ? Effect.succeed(now) : facts))
  })

  const wrote = (changed: Partial<HistoryStore.StoreInfo>) => {
    written++
    info = { ...info, ...changed }
  }

  /** Takes over what there is, and forgets what was remembered of versions that are gone or folded. */
  const observe = (now: HistoryStore.StoreInfo) => {
    if (!Precondition.isSame(info.dropped, now.dropped)) {
      generation++
      records.clear()
      states.forEach((_, id) => Precondition.isIn(now.dropped, id) && states.delete(id))
    } else if (info.checkpoints.some((version) => !now.checkpoints.includes(version))) generation++
    info = now
  }

  /** Does it again where another process took away meanwhile what it was reading. */
  const steady = <A, E>(read: Effect.Effect<A, E>): Effect.Effect<A, E | HistoryStore.HistoryStoreError> =>
    Effect.suspend(() => {
      const before = generation
      return Effect.catch(read, (error) =>
        Effect.gen(function* () {
          const { checkpoints, dropped } = yield* facts
          observe({ ...info, checkpoints, dropped })
          return yield* generation === before ? Effect.fail(error) : steady(read)
        })
      )
    })

  const resolve = (ref: VersionRef): Effect.Effect<number, UnknownVersion> => {
    if (ref === "head") return Effect.succeed(info.head)
    const id =
      typeof ref === "number" ? ref : (info.tags.get(ref) ?? (/^v?\d+$/.test(ref) ? Number(ref.replace("v", "")) : -1))
    return isThere(id) ? Effect.succeed(id) : Effect.fail(unknown(ref, id))
  }

  const read = Effect.fnUntraced(function* (id: number, ahead: number) {
    const known = records.get(id)
    if (known !== undefined) return known
    if (id < 1 || !isThere(id)) return yield* unknown(id)
    const before = generation
    const run = yield* store.versions({ before: id + 1, limit: ahead })
    // What was read before a compaction must not be remembered after it.
    if (generation === before) for (const record of run) records.set(record.id, record)
    return run[0]?.id === id ? run[0] : yield* unknown(id)
  })

  const version = (id: number) => steady(read(id, 1))
  const { climber, route } = Ways.make(read, (id) => records.has(id))

  const changeset = Effect.fnUntraced(function* (id: number) {
    if (id === 0) return []
    return yield* (yield* version(id)).changeset.value
  })

  const path = Effect.fn("History.path")(function* (from: number, to: number) {
    for (const id of [from, to]) if (!isThere(id)) return yield* unknown(id)
    const { back, forward } = (yield* steady(route(from, to, Infinity)))!
    return [
      ...back.map(({ parent }): Step => ({ version: parent, direction: "backward" })),
      ...forward.map(({ id }): Step => ({ version: id, direction: "forward" }))
    ]
  })

  const walk = Effect.fnUntraced(function* (
    state: State.State,
    back: ReadonlyArray<HistoryStore.VersionRecord>,
    forward: ReadonlyArray<HistoryStore.VersionRecord>
  ) {
    const backward: Array<ChangeSet.ChangeSet> = []
    const onward: Array<ChangeSet.ChangeSet> = []
    for (const { changeset } of back) backward.push(yield* changeset.value)
    for (const { changeset } of forward) onward.push(yield* changeset.value)
    return State.update(state, (builder) => {
      for (const operations of backward)
        for (const operation of operations.toReversed()) Operation.put(builder, Operation.inverse(operation))
      for (const operations of onward) {
        for (const operation of operations) {
          // The way back over this one would bring what the baseline no longer has.
          if (!Checkpoints.meets(operation, builder.get(Operation.idOf(operation)), baseline)) drifted = true
          Operation.put(builder, operation)
        }
      }
    })
  })

  /** From a version up to the nearest ancestor with a checkpoint, or the root. */
  const base = Effect.fnUntraced(function* (of: number) {
    const checkpoints = new Set(info.checkpoints)
    const forward: Array<HistoryStore.VersionRecord> = []
    const climb = climber()
    let at = of
    while (at !== 0 && !checkpoints.has(at)) {
      const record = yield* climb(at)
      forward.push(record)
      at = record.parent
    }
    return { at, forward: forward.reverse() }
  })

  const checkpointOperations = Effect.fnUntraced(function* (at: number) {
    const chunks: Array<ChangeSet.ChangeSet> = []
    if (at === 0) return chunks
    for (const chunk of yield* store.checkpoints.load(at)) chunks.push(yield* Effect.fromResult(Codec.decode(chunk)))
    if (at === info.checkpoints.at(-1)) {
      newestCheckpoint ??= { version: at, size: chunks.reduce((sum, { length }) => sum + length, 0), since: Infinity }
    }
    return chunks
  })

  /** What the history up to a version makes of a baseline, and how it fits. */
  const replay = Effect.fnUntraced(function* (onto: State.State, of: number) {
    const { at, forward } = yield* base(of)
    const changesets = yield* checkpointOperations(at)
    for (const { changeset } of forward) changesets.push(yield* changeset.value)
    const exists = new Set<string>()
    const missing = new Set<string>()
    const originals = new Map<EntryId.EntryId, Entry.Entry>()
    let differs = false
    const state = State.update(onto, (builder) => {
      for (const operations of changesets) {
        for (const operation of operations) {
          const id = Operation.idOf(operation)
          const there = builder.get(id)
          if (!Checkpoints.meets(operation, there, onto)) differs = true
          if (operation.op === "create") {
            if (there !== undefined) exists.add(id.value)
          } else {
            if (there === undefined) missing.add(id.value)
            if (there === onto.get(id) && !originals.has(id)) originals.set(id, operation.original!)
          }
          Operation.put(builder, operation)
        }
      }
    })
    return {
      state,
      exists,
      missing,
      originals,
      differs,
      since: Checkpoints.operationsOf(forward),
      versions: forward.length
    }
  })

  const stateAtOnce = Effect.fnUntraced(function* (of: number) {
    const from = near
    if (of === from.version) return from.state
    // Says so itself, where versions are not kept.
    if (!store.capabilities.travel) yield* store.versions({ ids: [of] })
    if (of === 0) return baseline
    const known = states.get(of)
    if (known !== undefined) return known
    if (!isThere(of)) return yield* unknown(of)
    const onto = baseline
    // A step of a way costs about as much as four entries of a checkpoint.
    const way =
      drifted || !isThere(from.version) ? undefined : yield* route(from.version, of, 100 + from.state.size / 4)
    let state: State.State
    if (way === undefined) {
      const replayed = yield* replay(onto, of)
      if (replayed.differs && onto === baseline) drifted = true
      state = replayed.state
    } else state = yield* walk(from.state, way.back, way.forward)
    if (onto === baseline) states.set(of, state)
    return state
  })

  const stateAt = Effect.fn("History.stateAt")((of: number) => steady(stateAtOnce(of)))

  const load = Effect.fn("History.load")(function* (onto: State.State, of: number, options?: LoadOptions) {
    if (!isThere(of)) return yield* unknown(of)
    const { differs, exists, missing, originals, since, state, versions } = yield* steady(replay(onto, of))
    if (options?.misfit !== "history wins" && (exists.size > 0 || missing.size > 0)) {
      return yield* new HistoryMisfit({ exists: [...exists].sort(), missing: [...missing].sort() })
    }
    const adopt = () => {
      baseline = onto
      drifted = differs
      states.clear()
      sinceAt.clear()
      near = { version: of, state }
      found = { version: of, originals }
      sinceCheckpoint = since
      versionsSince = versions
    }
    return { state, adopt }
  })

  const append = Effect.fnUntraced(function* (drafts: ReadonlyArray<Draft>) {
    const appended = drafts.map((draft, i): HistoryStore.VersionRecord => {
      return {
        id: info.last + 1 + i,
        parent: draft.parent,
        timestamp: draft.timestamp,
        message: draft.message,
        author: draft.author,
        ...Packed.countsOf(draft.changeset),
        changeset: Packed.fromChangeSet(draft.changeset)
      }
    })
    const revision = yield* store.append(appended, info.revision)
    const last = appended.at(-1)?.id ?? info.last
    wrote({ head: appended.length === 0 ? info.head : last, last, revision })
    sinceCheckpoint += Checkpoints.operationsOf(appended)
    versionsSince += appended.length
    for (const [i, record] of appended.entries()) {
      // Where nothing can be read back, what can be read must not depend on what is in a cache.
      if (store.capabilities.travel) records.set(record.id, record)
      if (found?.version !== record.parent) found = undefined
      else {
        for (const operation of drafts[i]!.changeset) Checkpoints.noteOriginal(found.originals, operation, baseline)
        found = { version: record.id, originals: found.originals }
      }
    }
    return appended
  })

  const moveHead = Effect.fnUntraced(function* (to: number, timestamp: number) {
    const revision = yield* store.moveHead(to, timestamp, info.revision)
    sinceAt.set(info.head, sinceCheckpoint)
    sinceCheckpoint = sinceAt.get(to) ?? sinceCheckpoint
    wrote({ head: to, revision })
  })

  const tag = Effect.fn("History.tag")(function* (name: string, to: number | null) {
    const problem = tagProblem(name)
    if (problem !== undefined) return yield* new InvalidTag({ name, reason: problem })
    yield* store.tag(name, to)
    const tags = new Map(info.tags)
    if (to === null) tags.delete(name)
    else tags.set(name, to)
    wrote({ tags })
  })

  const checkpoint = Effect.fn("History.checkpoint")(function* (at: number, state: State.State) {
    // Counted from here: what is appended while this one is being written is in no checkpoint yet.
    let since = Infinity
    if (at === info.head) {
      since = sinceCheckpoint
      sinceCheckpoint = 0
      versionsSince = 0
    }
    const onto = baseline
    const originals = found?.version === at ? found.originals : (yield* steady(replay(onto, at))).originals
    const changeset = Checkpoints.summary(onto, state, originals)
    const chunks: Array<Uint8Array> = []
    for (let start = 0; start < changeset.length; start += chunkOperations) {
      chunks.push(Codec.encode(changeset.slice(start, start + chunkOperations)))
      yield* Effect.yieldNow
    }
    yield* store.checkpoints.save(at, chunks)
    const before = newestCheckpoint
    // It saves less than three readings of itself, so that the one before it does for both.
    const isStep = before !== undefined && before.version !== at && before.since < 3 * before.size
    newestCheckpoint = { version: at, size: changeset.length, since: isStep ? before.since + since : since }
    const all = [...new Set([...info.checkpoints, at])].sort((a, b) => a - b)
    const kept = Checkpoints.thinned(isStep ? all.filter((version) => version !== before.version) : all)
    const superfluous = all.filter((version) => !kept.includes(version))
    if (superfluous.length > 0) yield* store.checkpoints.drop(superfluous)
    wrote({ checkpoints: kept })
  })

  const compact = Effect.fn("History.compact")(function* (settings: CompactOptions) {
    const compacting = Effect.gen(function* () {
      observe({ ...(yield* facts), head: info.head, revision: info.revision, last: info.last })
      return yield* Compacting.compact(store, settings, checkpointOperations)
    })
    const compacted = yield* Effect.retry(compacting, {
      while: (error) =>
        error._tag === "UnknownVersion" || (error._tag === "HistoryStoreError" && error.reason === "Busy"),
      times: replans
    })
    const { checkpoints, dropped } = yield* facts
    observe({ ...info, checkpoints, dropped })
    return compacted
  })

  const verify = Effect.gen(function* () {
    const damage = yield* store.verify
    const there = Precondition.count(yield* store.info)
    if (damage.length > 0 || !store.capabilities.travel) return { versions: there, damage }
    for (let left = replans; ; left--) {
      const now = yield* store.info
      const found = yield* Effect.result(examine(store, now, checkpointOperations))
      // What it read while another process compacted does not hang together.
      if (left > 0 && !Precondition.isSame((yield* store.info).dropped, now.dropped)) continue
      return { versions: Precondition.count(now), damage: yield* Effect.fromResult(found) }
    }
  }).pipe(Effect.withSpan("History.verify"))

  return History.of({
    capabilities: store.capabilities,
    info: () => info,
    refresh: Effect.map(facts, (now) => {
      const moved = now.revision !== info.revision
      observe(now)
      return moved
    }),
    resolve,
    version,
    root: () => Version.root(info.created),
    changeset,
    versions: store.versions,
    heads: store.heads,
    path,
    load,
    stateAt,
    keep: (at, state) => {
      near = { version: at, state }
    },
    append,
    moveHead,
    tag,
    checkpointDue: (state) =>
      store.capabilities.durable &&
      (sinceCheckpoint >= Math.max(leastForCheckpoint, state.size) ||
        versionsSince >= (options?.checkpointEvery ?? Infinity)),
    checkpoint,
    compact,
    changes: store.changes,
    verify
  })
})

export const make = makeWith()

/** The history over whatever store is provided. */
export const layer: Layer.Layer<History, HistoryStore.HistoryStoreError, HistoryStore.HistoryStore> = Layer.effect(
  History,
  make
)

/** {@link layer} with a policy of its own for checkpoints. */
export const layerWith = (
  options: Options
): Layer.Layer<History, HistoryStore.HistoryStoreError, HistoryStore.HistoryStore> =>
  Layer.effect(History, makeWith(options))
