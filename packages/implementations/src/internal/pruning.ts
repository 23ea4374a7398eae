/**
 * Pruning: the policy decides in the state the transaction is applied to, versions go in one transaction, then content
 * goes that nothing refers to. What was removed is remembered by id, so that lineage still shows it.
 */
import * as Operation from "@heph/changeset/Operation"
import type * as ContentStore from "@heph/content/ContentStore"
import * as Entry from "@heph/entry/Entry"
import type * as State from "@heph/entry/State"
import type * as Registry from "@heph/registry/Registry"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Version } from "../Implementation.ts"
import type { MalformedImplementation } from "../ImplementationError.ts"
import type { Pruned } from "../Implementations.ts"
import * as Retention from "../Retention.ts"
import * as Entries from "./entries.ts"

export interface Around {
  readonly registry: Registry.Registry["Service"]
  readonly content: ContentStore.ContentStore["Service"]
}

/** How many versions of the registry are read at a time. */
const pageSize = 1000

export const make = ({ content, registry }: Around) => {
  /**
   * Every hash that a version refers to at the tip of a branch of the registry's history, or at a tagged version of it.
   * What an entry held only on the way to a tip was removed, or recorded anew.
   */
  const referred = Effect.gen(function* () {
    yield* registry.follow
    const hashes = new Set<string>()
    const { version: current } = registry.current()
    const states = new Set([current, ...registry.tags().values(), ...(yield* tips)])
    // What states share is looked at once.
    const seen = new Set<Entry.Entry>()
    for (const version of states) {
      const { state } = version === current ? registry.current() : yield* registry.snapshotAt(version)
      for (const entry of state) {
        if (!Entries.isVersion(entry) || seen.has(entry)) continue
        seen.add(entry)
        for (const hash of yield* Effect.fromResult(Entries.hashesOf(entry))) hashes.add(hash)
      }
    }
    return hashes
  })

  /** Versions of the registry that no other one follows. */
  const tips = Effect.gen(function* () {
    const parents = new Set<number>()
    const found: Array<number> = []
    for (let before: number | undefined; ;) {
      const page = yield* registry.versions({ before, limit: pageSize })
      for (const { id, parent } of page) {
        if (parent !== null) parents.add(parent)
        if (!parents.has(id)) found.push(id)
      }
      const last = page.at(-1)
      if (last === undefined || last.id === 0) return found
      before = last.id
    }
  })

  return Effect.fnUntraced(function* (policy: Retention.Policy, dryRun: boolean) {
    const now = yield* Clock.currentTimeMillis
    if (dryRun) {
      const { decisions, gone } = yield* Effect.fromResult(decide(registry.current().state, policy, now))
      const swept = yield* content.sweep(
        Effect.map(referred, (hashes) => without(hashes, gone, registry.current().state)),
        { dryRun: true }
      )
      return { version: undefined, decisions, removed: gone.map(({ id }) => id), content: swept } satisfies Pruned
    }
    let decided: Result.Result<Decided, MalformedImplementation> = Result.succeed({ decisions: [], gone: [] })
    const { version } = yield* registry.apply(
      (state) => {
        decided = decide(state, policy, now)
        return Result.isFailure(decided) ? [] : operationsOf(state, decided.success.gone)
      },
      { message: `prune: ${policy.map(({ text }) => text).join(", ")}` }
    )
    const { decisions, gone } = yield* Effect.fromResult(decided)
    const swept = yield* content.sweep(referred)
    return { version: version?.id, decisions, removed: gone.map(({ id }) => id), content: swept } satisfies Pruned
  })
}

interface Decided {
  readonly decisions: ReadonlyArray<Retention.Decision>
  readonly gone: ReadonlyArray<Version>
}

/** What becomes of every version of a state, component by component. */
const decide = (
  state: State.State,
  policy: Retention.Policy,
  now: number
): Result.Result<Decided, MalformedImplementation> => {
  const components = new Map<string, Array<Version>>()
  for (const entry of state) {
    if (!Entries.isVersion(entry)) continue
    const version = Entries.read(entry)
    if (Result.isFailure(version)) return Result.fail(version.failure)
    const list = components.get(entry.id.namespace)
    if (list === undefined) components.set(entry.id.namespace, [version.success])
    else list.push(version.success)
  }
  const decisions: Array<Retention.Decision> = []
  const gone: Array<Version> = []
  for (const versions of components.values()) {
    const byId = new Map(versions.map((version) => [version.id, version]))
    for (const decision of Retention.decide(versions, policy, now)) {
      decisions.push(decision)
      if (!decision.keep) gone.push(byId.get(decision.id)!)
    }
  }
  return Result.succeed({ decisions, gone })
}

const operationsOf = (state: State.State, gone: ReadonlyArray<Version>): ReadonlyArray<Operation.Operation> => {
  const operations: Array<Operation.Operation> = []
  for (const [component, versions] of Map.groupBy(gone, ({ component }) => component)) {
    const there = state.get(Entries.removedId(component))
    const removed = new Map(Entries.removedOf(there))
    for (const { entry, parents, version } of versions) {
      operations.push(Operation.remove(entry.id, entry))
      removed.set(version, parents)
    }
    const entry = Entry.makeUnsafe(Entries.removedEntry(component, removed))
    operations.push(there === undefined ? Operation.create(entry) : Operation.update(entry, there))
  }
  return operations
}

/** The hashes that are left when these versions are gone: what a dry run has to know. */
const without = (
  hashes: ReadonlySet<string>,
  gone: ReadonlyArray<Version>,
  state: State.State
): ReadonlySet<string> => {
  const removed = new Set(gone.map(({ entry }) => entry))
  const needed = new Set<string>()
  const freed = new Set<string>()
  for (const entry of state) {
    if (!Entries.isVersion(entry)) continue
    const into = removed.has(entry) ? freed : needed
    for (const hash of Result.getOrElse(Entries.hashesOf(entry), () => [])) into.add(hash)
  }
  return new Set([...hashes].filter((hash) => !freed.has(hash) || needed.has(hash)))
}
