/**
 * What a history means, over any store: versions as a tree, the way between two of them, the state at each, and the
 * checkpoints that keep that cheap.
 *
 *     v0 = baseline ──changesets──▶ v1 ──▶ v2 ══ checkpoint ══ v3 ──▶ head
 *
 * A checkpoint is the delta from the baseline to the state of a version, written as a changeset: with its originals it
 * still tells, at the next boot, whether the history fits the baseline it is given then.
 */
import * as ChangeSet from "@heph/changeset/ChangeSet"
import * as Codec from "@heph/changeset/Codec"
import * as Delta from "@heph/changeset/Delta"
import * as Operation from "@heph/changeset/Operation"
import type { CorruptBytes } from "@heph/entry/Codec"
import * as Entry from "@heph/entry/Entry"
import * as State from "@heph/entry/State"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { LRUCache } from "lru-cache"
import * as HistoryStore from "./HistoryStore.ts"
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
    readonly checkpoint: (version: number, state: State.State) => Effect.Effect<void, HistoryStore.HistoryStoreError>
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
/** Versions read at once on a walk: parents mostly have the next lower ids. */
const readAhead = 64
/** Below this many operations since the last checkpoint, reading them costs less than it is worth to write another. */
const leastForCheckpoint = 500

export const make = Effect.gen(function* () {
  const store = yield* HistoryStore.HistoryStore
  let info = yield* store.info
  let baseline = State.empty
  // Whether the baseline's entries are not the ones that the history's originals remember. Ways back would bring the
  // old ones, so that states are then only built forward from the baseline.
  let drifted = false
  let near: { readonly version: number; readonly state: State.State } = { version: 0, state: baseline }
  let sinceCheckpoint = 0
  const records = new LRUCache<number, HistoryStore.VersionRecord>({ max: 4096 })
  const states = new LRUCache<number, State.State>({ max: 16 })

  const unknown = (ref: VersionRef) => new UnknownVersion({ version: String(ref), last: info.last })

  const resolve = (ref: VersionRef): Effect.Effect<number, UnknownVersion> => {
    if (ref === "head") return Effect.succeed(info.head)
    const id =
      typeof ref === "number" ? ref : (info.tags.get(ref) ?? (/^v?\d+$/.test(ref) ? Number(ref.replace("v", "")) : -1))
    return Number.isInteger(id) && id >= 0 && id <= info.last ? Effect.succeed(id) : Effect.fail(unknown(ref))
  }

  const version = Effect.fnUntraced(function* (id: number) {
    const known = records.get(id)
    if (known !== undefined) return known
    if (id < 1 || id > info.last) return yield* unknown(id)
    for (const record of yield* store.versions({ before: id + 1, limit: readAhead })) records.set(record.id, record)
    return records.get(id) ?? (yield* unknown(id))
  })

  const changeset = Effect.fnUntraced(function* (id: number) {
    if (id === 0) return []
    return yield* Effect.fromResult((yield* version(id)).changeset.value())
  })

  /** The parents of both until they meet. Ids grow along the tree, so that the larger one is never an ancestor. */
  const route = Effect.fnUntraced(function* (from: number, to: number, limit: number) {
    const back: Array<number> = []
    const forward: Array<number> = []
    let a = from
    let b = to
    while (a !== b) {
      if (back.length + forward.length >= limit) return undefined
      if (a > b) {
        back.push(a)
        a = (yield* version(a)).parent
      } else {
        forward.push(b)
        b = (yield* version(b)).parent
      }
    }
    return { back, forward: forward.reverse(), meet: a }
  })

  const path = Effect.fn("History.path")(function* (from: number, to: number) {
    for (const id of [from, to]) if (id < 0 || id > info.last) return yield* unknown(id)
    const { back, forward, meet } = (yield* route(from, to, Infinity))!
    const arrivals = back.length === 0 ? [] : [...back.slice(1), meet]
    return [
      ...arrivals.map((id): Step => ({ version: id, direction: "backward" })),
      ...forward.map((id): Step => ({ version: id, direction: "forward" }))
    ]
  })

  const walk = Effect.fnUntraced(function* (
    state: State.State,
    back: ReadonlyArray<number>,
    forward: ReadonlyArray<number>
  ) {
    const changes: Array<readonly [ChangeSet.ChangeSet, boolean]> = []
    for (const id of back) changes.push([yield* changeset(id), true])
    for (const id of forward) changes.push([yield* changeset(id), false])
    return State.update(state, (builder) => {
      for (const [operations, reversed] of changes) {
        if (reversed) for (const operation of operations.toReversed()) undo(builder, operation)
        else for (const operation of operations) redo(builder, operation)
      }
    })
  })

  /** From a version up to the nearest ancestor with a checkpoint, or the root. */
  const base = Effect.fnUntraced(function* (of: number) {
    const checkpoints = new Set(info.checkpoints)
    const forward: Array<number> = []
    let at = of
    while (at !== 0 && !checkpoints.has(at)) {
      forward.push(at)
      at = (yield* version(at)).parent
    }
    return { at, forward: forward.reverse() }
  })

  const checkpointOperations = Effect.fnUntraced(function* (at: number) {
    if (at === 0) return []
    const chunks: Array<ChangeSet.ChangeSet> = []
    for (const chunk of yield* store.checkpoints.load(at)) chunks.push(yield* Effect.fromResult(Codec.decode(chunk)))
    return chunks
  })

  const fromBase = Effect.fnUntraced(function* (of: number) {
    const { at, forward } = yield* base(of)
    const chunks = yield* checkpointOperations(at)
    const state = State.update(baseline, (builder) => {
      for (const chunk of chunks) for (const operation of chunk) redo(builder, operation)
    })
    return yield* walk(state, [], forward)
  })

  const stateAt = Effect.fn("History.stateAt")(function* (of: number) {
    if (of === 0) return baseline
    if (of === near.version) return near.state
    const known = states.get(of)
    if (known !== undefined) return known
    if (of < 0 || of > info.last) return yield* unknown(of)
    // A step of a way costs about as much as four entries of a checkpoint.
    const way = drifted ? undefined : yield* route(near.version, of, 100 + near.state.size / 4)
    const state = way === undefined ? yield* fromBase(of) : yield* walk(near.state, way.back, way.forward)
    states.set(of, state)
    return state
  })

  const load = Effect.fn("History.load")(function* (onto: State.State, of: number, options?: LoadOptions) {
    if (of < 0 || of > info.last) return yield* unknown(of)
    const { at, forward } = yield* base(of)
    const changesets = [...(yield* checkpointOperations(at))]
    let replayed = 0
    for (const id of forward) {
      const operations = yield* changeset(id)
      changesets.push(operations)
      replayed += 1 + operations.length
    }
    const exists = new Set<string>()
    const missing = new Set<string>()
    let differs = false
    const state = State.update(onto, (builder) => {
      for (const operations of changesets) {
        for (const operation of operations) {
          const id = Operation.idOf(operation)
          const there = builder.get(id)
          if (operation.op === "create" ? there !== undefined : there === undefined) {
            ;(operation.op === "create" ? exists : missing).add(id.value)
            differs = true
          } else if (onto.size > 0 && operation.op !== "create" && !Entry.equals(there!, operation.original!)) {
            differs = true
          }
          redo(builder, operation)
        }
      }
    })
    if (options?.misfit !== "history wins" && (exists.size > 0 || missing.size > 0)) {
      return yield* new HistoryMisfit({ exists: [...exists].sort(), missing: [...missing].sort() })
    }
    const adopt = () => {
      baseline = onto
      drifted = differs
      states.clear()
      near = { version: of, state }
      sinceCheckpoint = replayed
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
    for (const record of appended) {
      records.set(record.id, record)
      sinceCheckpoint += 1 + record.created + record.updated + record.deleted
    }
    return appended
  })

  const moveHead = Effect.fnUntraced(function* (to: number, timestamp: number) {
    const revision = yield* store.moveHead(to, timestamp, info.revision)
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
    sinceCheckpoint = 0
    const { changeset } = Delta.buildDelta(baseline, state)
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
    return { versions: info.last, damage: yield* replay }
  }).pipe(Effect.withSpan("History.verify"))

  /** Every version on the state of its parent; a parent's state is let go with its last child. */
  const replay = Effect.gen(function* () {
    const damage: Array<HistoryStore.Damage> = []
    const report = (id: number, reason: string) => damage.push({ what: `v${id}`, reason })
    const children = new Map<number, number>()
    for (let after = 0; after < info.last; after += 1000) {
      for (const { parent } of yield* store.versions({ after, limit: 1000 })) {
        children.set(parent, (children.get(parent) ?? 0) + 1)
      }
    }
    const reached = new Map<number, State.State>([[0, baseline]])
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
        const fitted = ChangeSet.complete(parent, operations.success)
        if (Result.isFailure(fitted)) {
          report(record.id, `it does not follow from v${record.parent}: ${fitted.failure.message}`)
          continue
        }
        reached.set(record.id, fitted.success.state)
        if (checkpoints.has(record.id) && !drifted) {
          const written = yield* Effect.result(checkpointOperations(record.id))
          if (Result.isFailure(written)) report(record.id, written.failure.message)
          else if (Delta.buildDelta(over(baseline, written.success), fitted.success.state).changeset.length > 0) {
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
    checkpointDue: (state) =>
      store.capabilities.durable && sinceCheckpoint >= Math.max(leastForCheckpoint, state.size / 2),
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

const over = (state: State.State, changesets: ReadonlyArray<ChangeSet.ChangeSet>): State.State =>
  State.update(state, (builder) => {
    for (const operations of changesets) for (const operation of operations) redo(builder, operation)
  })

const tagProblem = (name: string): string | undefined => {
  if (name === "") return "it is empty"
  if (name.length > 256) return "it is longer than 256 characters"
  if (name === "head" || /^v?\d+$/.test(name)) return "it would be taken for a version"
  return /[\s\p{Cc}]/u.test(name) || !name.isWellFormed()
    ? "white space and control characters are not allowed"
    : undefined
}
