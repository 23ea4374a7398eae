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
import * as Entry from "@heph/entry/Entry"
import type * as EntryId from "@heph/entry/EntryId"
import * as State from "@heph/entry/State"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { LRUCache } from "lru-cache"
import * as HistoryStore from "./HistoryStore.ts"
import * as Trace from "./internal/trace.ts"
import * as Packed from "./Packed.ts"
import type * as Version from "./Version.ts"

/** No version has this number, and no tag this name. */
export class UnknownVersion extends Schema.TaggedError<UnknownVersion>()("UnknownVersion", {
  version: Schema.String,
  last: Schema.Number
}) {
  override get message(): string {
    return `there is no version or tag ${JSON.stringify(this.version)}; versions go from v0 to v${this.last}`
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
     * Reads the whole store and replays every version, and lists what is damaged or does not follow from its parent.
     */
    readonly verify: Effect.Effect<
      { readonly versions: number; readonly damage: ReadonlyArray<HistoryStore.Damage> },
      HistoryStore.HistoryStoreError
    >
  }
>()("@heph/history/History") {}

/** Operations in a chunk of a checkpoint: ~6 ms of encoding between two yields. */
const chunkOperations = 500
/** Versions read at once on a walk, at most: parents mostly have the next lower ids. */
const readAhead = 64
/** Below this many operations since the last checkpoint, reading them costs less than it is worth to write another. */
const leastForCheckpoint = 4000

export const make = Effect.gen(function* () {
  const store = yield* HistoryStore.HistoryStore
  let info = yield* store.info
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
  const sinceAt = new LRUCache<number, number>({ max: 4096 })
  const records = new LRUCache<number, HistoryStore.VersionRecord>({ max: 4096 })
  const states = new LRUCache<number, State.State>({ max: 16 })

  const unknown = (ref: VersionRef) => new UnknownVersion({ version: String(ref), last: info.last })

  const resolve = (ref: VersionRef): Effect.Effect<number, UnknownVersion> => {
    if (ref === "head") return Effect.succeed(info.head)
    const id =
      typeof ref === "number" ? ref : (info.tags.get(ref) ?? (/^v?\d+$/.test(ref) ? Number(ref.replace("v", "")) : -1))
    return Number.isInteger(id) && id >= 0 && id <= info.last ? Effect.succeed(id) : Effect.fail(unknown(ref))
  }

  const read = Effect.fnUntraced(function* (id: number, ahead: number) {
    const known = records.get(id)
    if (known !== undefined) return known
    if (id < 1 || id > info.last) return yield* unknown(id)
    const run = yield* store.versions({ before: id + 1, limit: ahead })
    for (const record of run) records.set(record.id, record)
    return run[0]?.id === id ? run[0] : yield* unknown(id)
  })

  const version = (id: number) => read(id, 1)

  /** Reads versions on a walk to the root: twice as many as the last time if all of those were wanted, else one. */
  const climber = () => {
    let ahead = 1
    let next = 0
    let wanted = 0
    return (id: number) => {
      if (!records.has(id)) {
        ahead = id === next && wanted === ahead ? Math.min(2 * ahead, readAhead) : 1
        next = id - ahead
        wanted = 0
      }
      wanted++
      return read(id, ahead)
    }
  }

  const changeset = Effect.fnUntraced(function* (id: number) {
    if (id === 0) return []
    return yield* Effect.fromResult((yield* version(id)).changeset.value())
  })

  /** The versions of both sides until they meet. Ids grow along the tree, so that the larger one is never an ancestor. */
  const route = Effect.fnUntraced(function* (from: number, to: number, limit: number) {
    const back: Array<HistoryStore.VersionRecord> = []
    const forward: Array<HistoryStore.VersionRecord> = []
    const [climbFrom, climbTo] = [climber(), climber()]
    let a = from
    let b = to
    while (a !== b) {
      if (back.length + forward.length >= limit) return undefined
      const record = yield* a > b ? climbFrom(a) : climbTo(b)
      if (a > b) {
        back.push(record)
        a = record.parent
      } else {
        forward.push(record)
        b = record.parent
      }
    }
    return { back, forward: forward.reverse() }
  })

  const path = Effect.fn("History.path")(function* (from: number, to: number) {
    for (const id of [from, to]) if (id < 0 || id > info.last) return yield* unknown(id)
    const { back, forward } = (yield* route(from, to, Infinity))!
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
    for (const { changeset } of back) backward.push(yield* Effect.fromResult(changeset.value()))
    for (const { changeset } of forward) onward.push(yield* Effect.fromResult(changeset.value()))
    return State.update(state, (builder) => {
      for (const operations of backward) for (const operation of operations.toReversed()) undo(builder, operation)
      for (const operations of onward) {
        for (const operation of operations) {
          // The way back over this one would bring what the baseline no longer has.
          if (!meets(operation, builder.get(Operation.idOf(operation)), baseline)) drifted = true
          redo(builder, operation)
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
    return chunks
  })

  /** What the history up to a version makes of a baseline, and how it fits. */
  const replay = Effect.fnUntraced(function* (onto: State.State, of: number) {
    const { at, forward } = yield* base(of)
    const changesets = yield* checkpointOperations(at)
    for (const { changeset } of forward) changesets.push(yield* Effect.fromResult(changeset.value()))
    const exists = new Set<string>()
    const missing = new Set<string>()
    const originals = new Map<EntryId.EntryId, Entry.Entry>()
    let differs = false
    const state = State.update(onto, (builder) => {
      for (const operations of changesets) {
        for (const operation of operations) {
          const id = Operation.idOf(operation)
          const there = builder.get(id)
          if (!meets(operation, there, onto)) differs = true
          if (operation.op === "create") {
            if (there !== undefined) exists.add(id.value)
          } else {
            if (there === undefined) missing.add(id.value)
            if (there === onto.get(id) && !originals.has(id)) originals.set(id, operation.original!)
          }
          redo(builder, operation)
        }
      }
    })
    return { state, exists, missing, originals, differs, since: operationsOf(forward) }
  })

  const stateAt = Effect.fn("History.stateAt")(function* (of: number) {
    const from = near
    if (of === from.version) return from.state
    // Says so itself, where versions are not kept.
    if (!store.capabilities.travel) yield* store.versions({ ids: [of] })
    if (of === 0) return baseline
    const known = states.get(of)
    if (known !== undefined) return known
    if (of < 0 || of > info.last) return yield* unknown(of)
    const onto = baseline
    // A step of a way costs about as much as four entries of a checkpoint.
    const way = drifted ? undefined : yield* route(from.version, of, 100 + from.state.size / 4)
    let state: State.State
    if (way === undefined) {
      const replayed = yield* replay(onto, of)
      if (replayed.differs && onto === baseline) drifted = true
      state = replayed.state
    } else state = yield* walk(from.state, way.back, way.forward)
    if (onto === baseline) states.set(of, state)
    return state
  })

  const load = Effect.fn("History.load")(function* (onto: State.State, of: number, options?: LoadOptions) {
    if (of < 0 || of > info.last) return yield* unknown(of)
    const { differs, exists, missing, originals, since, state } = yield* replay(onto, of)
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
    }
    return { state, adopt }
  })

  const append = Effect.fnUntraced(function* (drafts: ReadonlyArray<Draft>) {
    const appended = drafts.map((draft, i): HistoryStore.VersionRecord => {
      const counts = { create: 0, update: 0, delete: 0 }
      for (const { op } of draft.changeset) counts[op]++
      return {
        id: info.last + 1 + i,
        parent: draft.parent,
        timestamp: draft.timestamp,
        message: draft.message,
        author: draft.author,
        created: counts.create,
        updated: counts.update,
        deleted: counts.delete,
        changeset: Packed.fromChangeSet(draft.changeset)
      }
    })
    const revision = yield* store.append(appended, info.revision)
    const last = appended.at(-1)?.id ?? info.last
    info = { ...info, head: appended.length === 0 ? info.head : last, last, revision }
    sinceCheckpoint += operationsOf(appended)
    for (const [i, record] of appended.entries()) {
      // Where nothing can be read back, what can be read must not depend on what is in a cache.
      if (store.capabilities.travel) records.set(record.id, record)
      if (found?.version !== record.parent) found = undefined
      else {
        for (const operation of drafts[i]!.changeset) noteOriginal(found.originals, operation, baseline)
        found = { version: record.id, originals: found.originals }
      }
    }
    return appended
  })

  const moveHead = Effect.fnUntraced(function* (to: number, timestamp: number) {
    const revision = yield* store.moveHead(to, timestamp, info.revision)
    sinceAt.set(info.head, sinceCheckpoint)
    sinceCheckpoint = sinceAt.get(to) ?? sinceCheckpoint
    info = { ...info, head: to, revision }
  })

  const tag = Effect.fn("History.tag")(function* (name: string, to: number | null) {
    const problem = tagProblem(name)
    if (problem !== undefined) return yield* new InvalidTag({ name, reason: problem })
    yield* store.tag(name, to)
    const tags = new Map(info.tags)
    if (to === null) tags.delete(name)
    else tags.set(name, to)
    info = { ...info, tags }
  })

  const checkpoint = Effect.fn("History.checkpoint")(function* (at: number, state: State.State) {
    // Counted from here: what is appended while this one is being written is in no checkpoint yet.
    if (at === info.head) sinceCheckpoint = 0
    const onto = baseline
    const originals = found?.version === at ? found.originals : (yield* replay(onto, at)).originals
    const changeset = summary(onto, state, originals)
    const chunks: Array<Uint8Array> = []
    for (let start = 0; start < changeset.length; start += chunkOperations) {
      chunks.push(Codec.encode(changeset.slice(start, start + chunkOperations)))
      yield* Effect.yieldNow
    }
    yield* store.checkpoints.save(at, chunks)
    info = { ...info, checkpoints: [...new Set([...info.checkpoints, at])].sort((a, b) => a - b) }
  })

  const verify = Effect.gen(function* () {
    const damage = [...(yield* store.verify)]
    if (damage.length > 0 || !store.capabilities.travel) return { versions: info.last, damage }
    return { versions: info.last, damage: yield* examine }
  }).pipe(Effect.withSpan("History.verify"))

  /** Every version on what its ancestors did, whatever the baseline; a parent's part is let go with its last child. */
  const examine = Effect.gen(function* () {
    const damage: Array<HistoryStore.Damage> = []
    const report = (id: number, reason: string) => damage.push({ what: `v${id}`, reason })
    const children = new Map<number, number>()
    for (let after = 0; after < info.last; after += 1000) {
      for (const { parent } of yield* store.versions({ after, limit: 1000 })) {
        children.set(parent, (children.get(parent) ?? 0) + 1)
      }
    }
    const reached = new Map<number, Trace.Trace>([[0, Trace.empty]])
    const checkpoints = new Set(info.checkpoints)
    for (let after = 0; after < info.last; after += 200) {
      for (const record of yield* store.versions({ after, limit: 200 })) {
        const parent = reached.get(record.parent)
        const left = (children.get(record.parent) ?? 0) - 1
        children.set(record.parent, left)
        if (left === 0) reached.delete(record.parent)
        if (parent === undefined) continue
        const operations = record.changeset.value()
        if (Result.isFailure(operations)) {
          report(record.id, operations.failure.message)
          continue
        }
        const traced = Trace.extend(parent, [operations.success])
        if (Result.isFailure(traced)) {
          report(record.id, `it does not follow from v${record.parent}: ${traced.failure}`)
          continue
        }
        reached.set(record.id, traced.success)
        if (checkpoints.has(record.id)) {
          const written = yield* Effect.result(checkpointOperations(record.id))
          if (Result.isFailure(written)) report(record.id, written.failure.message)
          else if (!Trace.leadsTo(written.success, traced.success)) {
            report(record.id, "its checkpoint is not the state that its changesets lead to")
          }
        }
      }
      yield* Effect.yieldNow
    }
    return damage
  })

  return History.of({
    capabilities: store.capabilities,
    info: () => info,
    refresh: Effect.map(store.info, (now) => {
      const moved = now.revision !== info.revision
      info = now
      return moved
    }),
    resolve,
    version,
    root: () => ({
      id: 0,
      parent: null,
      timestamp: info.created,
      message: undefined,
      author: undefined,
      created: 0,
      updated: 0,
      deleted: 0
    }),
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
    checkpointDue: (state) => store.capabilities.durable && sinceCheckpoint >= Math.max(leastForCheckpoint, state.size),
    checkpoint,
    verify
  })
})

/** The history over whatever store is provided. */
export const layer: Layer.Layer<History, HistoryStore.HistoryStoreError, HistoryStore.HistoryStore> = Layer.effect(
  History,
  make
)

const redo = (builder: State.Builder, operation: Operation.Operation): void =>
  operation.op === "delete" ? builder.remove(operation.id) : builder.set(operation.entry)

const undo = (builder: State.Builder, operation: Operation.Operation): void =>
  operation.op === "create" ? builder.remove(operation.entry.id) : builder.set(operation.original!)

/** Whether an operation finds what it was made for. What does not come from the baseline comes from the history itself. */
const meets = (operation: Operation.Operation, there: Entry.Entry | undefined, baseline: State.State): boolean =>
  operation.op === "create"
    ? there === undefined
    : there !== undefined && (there !== baseline.get(there.id) || Entry.equals(there, operation.original!))

/** Notes the original of the first operation on an entry of the baseline. */
const noteOriginal = (
  originals: Map<EntryId.EntryId, Entry.Entry>,
  operation: Operation.Operation,
  baseline: State.State
): void => {
  if (operation.op === "create" || originals.has(Operation.idOf(operation))) return
  const there = baseline.get(Operation.idOf(operation))
  if (there !== undefined && Entry.equals(there, operation.original!)) {
    originals.set(there.id, operation.original!)
  }
}

/**
 * Everything up to a version as one changeset. It keeps every entry of the baseline that was touched, with what the
 * history found there; what was created and deleted again leaves no trace, so that checkpoints do not grow for ever.
 */
const summary = (
  baseline: State.State,
  state: State.State,
  originals: ReadonlyMap<EntryId.EntryId, Entry.Entry>
): ChangeSet.ChangeSet => {
  const operations: Array<Operation.Operation> = []
  for (const [id, original] of originals) {
    const now = state.get(id)
    if (now?.kind === original.kind) operations.push(Operation.update(now, original))
    else operations.push(Operation.remove(id, original), ...(now === undefined ? [] : [Operation.create(now)]))
  }
  State.diff(baseline, state, (before, after) => {
    if (originals.has((before ?? after)!.id)) return
    // The baseline has what the history created and deleted, or it would be here as an original.
    if (after === undefined) operations.push(Operation.create(before!), Operation.remove(before!.id, before))
    else if (before === undefined || !Entry.equals(before, after)) operations.push(Operation.create(after))
  })
  return operations
}

const operationsOf = (records: ReadonlyArray<HistoryStore.VersionRecord>): number =>
  records.reduce((sum, { created, deleted, updated }) => sum + 1 + created + updated + deleted, 0)

const tagProblem = (name: string): string | undefined => {
  if (name === "") return "it is empty"
  if (name.length > 256) return "it is longer than 256 characters"
  if (name === "head" || /^v?\d+$/.test(name)) return "it would be taken for a version"
  return /[\s\p{Cc}]/u.test(name) || !name.isWellFormed()
    ? "white space and control characters are not allowed"
    : undefined
}
