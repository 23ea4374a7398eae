/**
 * Every version of the code: what it was, what it came from, how it scored, which tests passed.
 *
 *     register ──▶ content is stored (content) ──▶ a transaction names it (registry) ──▶ a version
 *                                                       │ handlers accept or reject
 *     getVersion · listVersions · search · getLineage · compareVersions      at any version of the registry
 *     recordMetrics · recordTestResults · prune                              transactions as well
 *
 * Versions are entries, so that they are watched, queried, travelled and backed up as all entries are.
 */
import * as ContentStore from "@heph/content/ContentStore"
import type * as Entry from "@heph/entry/Entry"
import * as Finder from "@heph/finder/Finder"
import type * as History from "@heph/history/History"
import type { HistoryStoreError } from "@heph/history/HistoryStore"
import * as Registry from "@heph/registry/Registry"
import type { CyclesRefused, InvalidChange, WriteError } from "@heph/registry/RegistryError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Analytics from "./Analytics.ts"
import * as Compare from "./Compare.ts"
import type { Implementation, Input, Metadata, Status, TestResult, Version } from "./Implementation.ts"
import type {
  InvalidImplementation,
  InvalidSearch,
  MalformedImplementation,
  UnknownImplementation
} from "./ImplementationError.ts"
import * as Entries from "./internal/entries.ts"
import * as KinIndex from "./internal/kin.ts"
import * as Listing from "./internal/listing.ts"
import * as Pruning from "./internal/pruning.ts"
import * as Reading from "./internal/reading.ts"
import * as Recording from "./internal/recording.ts"
import * as Registering from "./internal/registering.ts"
import * as Searching from "./internal/searching.ts"
import * as Lineage from "./Lineage.ts"
import type * as Retention from "./Retention.ts"
import type * as VersionStrategy from "./VersionStrategy.ts"

export interface Options {
  /** How versions are named; `incremental` by default. */
  readonly versionStrategy?: VersionStrategy.VersionStrategy | undefined
  /** What {@link Implementations.prune} keeps where it is not told; everything by default. */
  readonly retentionPolicy?: Retention.Policy | undefined
  /** How queries are indexed; `b-tree` by default. */
  readonly indexType?: "b-tree" | "hash" | undefined
}

/** Which version of the registry is read: a number, `v7`, a tag or `head`, which is the default. */
export interface At {
  readonly at?: History.VersionRef | undefined
}

/** What was registered. */
export interface Registered {
  readonly id: string
  /** What follows the `:` of the id. */
  readonly version: string
  readonly parent: string | null
  /** See `Implementation.Version`. */
  readonly hash: string
  /**
   * A version with the same code that was there before, of the same component if there is one; the code is not stored
   * again. `null` where the code is new.
   */
  readonly duplicateOf: string | null
}

/** One of several implementations that are registered together. */
export interface Registration {
  readonly implementation: Input
  readonly metadata: Omit<Metadata, "parent"> & {
    /** As in {@link Metadata}; a number stands for the version that the item at this place of the list becomes. */
    readonly parent?: Metadata["parent"] | number | ReadonlyArray<string | number> | undefined
  }
}

/** Which versions of a component to list: those for which all of it holds. */
export interface Filters {
  readonly status?: Status | undefined
  /** By metric, the least and the greatest value, both included. A version without the metric is not listed. */
  readonly metrics?:
    | { readonly [metric: string]: { readonly min?: number | undefined; readonly max?: number | undefined } }
    | undefined
  /** Tags, all of which it has. */
  readonly tags?: ReadonlyArray<string> | undefined
  /** Made at this time or later, and before `until`; milliseconds since 1970. */
  readonly since?: number | undefined
  readonly until?: number | undefined
}

export interface ListOptions extends At {
  /**
   * `sequence` by default; `created`, `generation`, `size`, or `metrics.<name>`, where versions without the metric come
   * last. Equal ones in the order they were registered in.
   */
  readonly sortBy?: string | undefined
  readonly descending?: boolean | undefined
  /** The most versions of a page, from 1. */
  readonly limit?: number | undefined
  /** The `cursor` of the page before, of the same list in the same order. It reads the version of the registry that it is of. */
  readonly cursor?: string | undefined
}

export interface Page {
  /** The version of the registry that was read. */
  readonly at: number
  readonly versions: ReadonlyArray<Version>
  /** How many all pages have together. */
  readonly total: number
  readonly cursor: string | undefined
}

export interface SearchOptions extends At {
  /** A field of the finder, as `meta.metrics.score`. By `near` the most similar come first. */
  readonly sortBy?: string | undefined
  readonly descending?: boolean | undefined
  readonly limit?: number | undefined
  readonly cursor?: string | undefined
}

/** What a search looked at. */
export interface Scanned {
  /** How the finder found those that metadata leaves. */
  readonly finder: Finder.Explanation
  /** Versions whose code was looked into, distinct contents among their files, and the bytes of these. */
  readonly code: { readonly versions: number; readonly contents: number; readonly bytes: number }
  /** Versions whose sketches were compared, and those whose lines were. */
  readonly near: { readonly sketches: number; readonly compared: number }
}

export interface Found extends Page {
  /** By id, from 0 to 1: the share of lines that two have in common. Only where the search was for what is near. */
  readonly similarity: ReadonlyMap<string, number>
  readonly scanned: Scanned
}

/** What a loop looks at before it tries again. */
export interface ComponentContext {
  readonly component: string
  readonly versions: number
  /** By the metric, best first. */
  readonly best: ReadonlyArray<Version>
  /** Newest first. */
  readonly recent: ReadonlyArray<Version>
  /** Those whose tests failed, newest first. */
  readonly failed: ReadonlyArray<Version>
  readonly stagnation: Analytics.Stagnation
}

export interface StagnationOptions extends Analytics.Options {
  /** After how many versions without a better one a component counts as stagnant; 20 by default. */
  readonly patience?: number | undefined
}

export interface Pruned {
  /** The version of the registry without them; nothing where none was removed. */
  readonly version: number | undefined
  /** Of every version, kept or removed, why. */
  readonly decisions: ReadonlyArray<Retention.Decision>
  readonly removed: ReadonlyArray<string>
  /** What became of content that nothing refers to any more. */
  readonly content: ContentStore.Swept
}

/** What reading a past version of the registry can fail with. */
export type ReadError = UnknownImplementation | MalformedImplementation | History.HistoryError

/** What every write can fail with. */
export type RegisterError =
  | InvalidImplementation
  | UnknownImplementation
  | MalformedImplementation
  | InvalidChange
  | CyclesRefused
  | WriteError
  | HistoryStoreError

/** The registry of implementations. Every method that reads does so at any version of the registry. */
export class Implementations extends Context.Service<
  Implementations,
  {
    /**
     * Stores an implementation as the next version of its component: content first, then the transaction that names it.
     * Ids are unique whoever registers at the same time. Fails with `HandlerRejected` where a handler refuses it.
     */
    readonly register: (implementation: Input, metadata: Metadata) => Effect.Effect<Registered, RegisterError>
    /** Registers several in one transaction, in order: all of them or none. */
    readonly registerAll: (
      registrations: ReadonlyArray<Registration>,
      options?: { readonly message?: string | undefined }
    ) => Effect.Effect<ReadonlyArray<Registered>, RegisterError>
    /** A version with its code, every file checked against its hash. A component stands for its newest version. */
    readonly getVersion: (id: string, options?: At) => Effect.Effect<Implementation, ReadError | ContentStore.GetError>
    /** A version without its code: costs no look at the content. */
    readonly describe: (id: string, options?: At) => Effect.Effect<Version, ReadError>
    /** The test results of a version, in the order they were recorded in; none where none were. */
    readonly testResults: (
      id: string,
      options?: At
    ) => Effect.Effect<ReadonlyArray<TestResult>, ReadError | ContentStore.GetError>
    /** The versions of a component. Cost follows their number, ~4 µs each. */
    readonly listVersions: (
      component: string,
      filters?: Filters,
      options?: ListOptions
    ) => Effect.Effect<Page, ReadError | Finder.InvalidCursor | InvalidSearch>
    /** Every component with its newest version and how many it has, in the order of their names. */
    readonly components: (
      options?: At
    ) => Effect.Effect<
      ReadonlyArray<{ readonly component: string; readonly count: number; readonly newest: Version }>,
      ReadError
    >
    /** What leads from one version to another: files, metadata, metrics, tests. */
    readonly compareVersions: (
      from: string,
      to: string,
      options?: At
    ) => Effect.Effect<Compare.Comparison, ReadError | ContentStore.GetError>
    /** Ancestors up to the roots and descendants down to the leaves; see `Lineage.tree` for its tree form. */
    readonly getLineage: (id: string, options?: At) => Effect.Effect<Lineage.Lineage, ReadError>
    /**
     * The versions for which all criteria hold: words of the finder (`.ns=web.parser`, `>=meta.metrics.score=0.9`,
     * `meta.tags=fast`), `code~<expression>` and `code*<text>` for what a file holds, `near <id>` for similar code, most
     * similar first, ten of them without a limit. Metadata is looked at first and code only of what is left.
     */
    readonly search: (
      criteria: ReadonlyArray<string>,
      options?: SearchOptions
    ) => Effect.Effect<Found, ReadError | ContentStore.GetError | Finder.FindError | InvalidSearch>
    /** Sets the test results of a version, in place of those it had: a transaction. */
    readonly recordTestResults: (
      id: string,
      results: ReadonlyArray<TestResult>
    ) => Effect.Effect<Version, RegisterError>
    /** Adds metrics to those of a version, or replaces them: a transaction. */
    readonly recordMetrics: (
      id: string,
      metrics: { readonly [metric: string]: number }
    ) => Effect.Effect<Version, RegisterError>
    /** Adds tags to a version: retention never removes it from then on. */
    readonly recordTags: (id: string, tags: ReadonlyArray<string>) => Effect.Effect<Version, RegisterError>
    /** The version of a component with the best value of a metric, the earliest of equal ones; nothing where none has it. */
    readonly best: (
      component: string,
      metric: string,
      options?: At & Analytics.Options
    ) => Effect.Effect<Version | undefined, ReadError>
    /** A metric over the versions of a component. */
    readonly trend: (
      component: string,
      metric: string,
      options?: At & Analytics.Options
    ) => Effect.Effect<Analytics.Trend, ReadError>
    /** A metric over the generations of a component. */
    readonly generations: (
      component: string,
      metric: string,
      options?: At & Analytics.Options
    ) => Effect.Effect<Analytics.Generations, ReadError>
    /** How long a component has not become better. */
    readonly stagnation: (
      component: string,
      metric: string,
      options?: At & StagnationOptions
    ) => Effect.Effect<Analytics.Stagnation, ReadError>
    /** What a loop looks at before it tries again: best, recent and failed versions, five of each by default. */
    readonly contextOf: (
      component: string,
      metric: string,
      options?: At & StagnationOptions & { readonly count?: number | undefined }
    ) => Effect.Effect<ComponentContext, ReadError>
    /**
     * Removes the versions that the retention policy keeps no longer, in one transaction, then the content that nothing
     * refers to any more: no tip of a branch of the registry's history, and no tagged version of it. At older versions of the
     * registry a removed one is still described, without its code.
     */
    readonly prune: (options?: {
      readonly policy?: Retention.Policy | undefined
      /** Says what would be removed, and removes nothing. */
      readonly dryRun?: boolean | undefined
    }) => Effect.Effect<Pruned, RegisterError | ContentStore.ContentDamaged>
    /** Reads every content and names those that are damaged, with the versions that need them. */
    readonly verify: (options?: {
      readonly onProgress?: ((read: number, of: number) => void) | undefined
    }) => Effect.Effect<
      ReadonlyArray<ContentStore.Damage & { readonly versions: ReadonlyArray<string> }>,
      HistoryStoreError
    >
  }
>()("@heph/implementations/Implementations") {}

/** After how many versions without a better one a component counts as stagnant. */
const defaultPatience = 20
const keepAll: Retention.Policy = [{ _tag: "Forever", text: "forever" }]
/** How many of each a context shows. */
const defaultCount = 5

export const make = Effect.fnUntraced(function* (options?: Options) {
  const registry = yield* Registry.Registry
  const content = yield* ContentStore.ContentStore
  const kin = KinIndex.make()
  const finder = Finder.make({ indexType: options?.indexType })
  const reading = Reading.make({ registry, content, kin })
  const register = Registering.make({ registry, content, kin, strategy: options?.versionStrategy ?? "incremental" })
  const recording = Recording.make({ registry, content, reading })
  const search = Searching.make({ content, finder, reading })
  const prune = Pruning.make({ registry, content })

  const versionsOf = Effect.fnUntraced(function* (component: string, at: At | undefined) {
    return yield* Listing.versionsOf(reading, yield* reading.snapshot(at), component)
  })

  const lineageOf = (id: string, at: Reading.At): Lineage.Lineage => {
    const { state } = at
    const removed = (component: string) => Entries.removedOf(state.get(Entries.removedId(component)))
    return Lineage.of(id, at.version, {
      parents: (one) => {
        const entry = state.get(one)
        if (Entries.isVersion(entry)) return { parents: Entries.parentsOf(entry), removed: false }
        const colon = one.indexOf(":")
        const parents = removed(one.slice(0, colon)).get(one.slice(colon + 1))
        return parents === undefined ? undefined : { parents, removed: true }
      },
      children: (one) => {
        const component = one.slice(0, one.indexOf(":"))
        return [...kin.children(state, one), ...(removedChildren(removed(component), component).get(one) ?? [])]
      }
    })
  }

  const verify = Effect.fnUntraced(function* (settings?: Parameters<Implementations["Service"]["verify"]>[0]) {
    const damage = yield* content.verify(settings)
    if (damage.length === 0) return []
    const needed = needing(
      registry.current(),
      damage.map(({ hash }) => hash)
    )
    return damage.map((one) => ({ ...one, versions: needed.get(one.hash)! }))
  })

  return Implementations.of({
    register: Effect.fn("Implementations.register")(function* (implementation, metadata) {
      const [registered] = yield* register([{ implementation, metadata }], undefined)
      return registered!
    }),
    registerAll: Effect.fn("Implementations.registerAll")((registrations, settings) =>
      register(registrations, settings?.message)
    ),
    getVersion: Effect.fn("Implementations.getVersion")((id, at) => reading.getVersion(id, at)),
    describe: Effect.fn("Implementations.describe")((id, at) => reading.describe(id, at)),
    testResults: Effect.fn("Implementations.testResults")(function* (id, at) {
      return yield* reading.results(yield* reading.describe(id, at))
    }),
    listVersions: Effect.fn("Implementations.listVersions")((component, filters, settings) =>
      Listing.list(reading, component, filters ?? {}, settings)
    ),
    components: Effect.fn("Implementations.components")(function* (at) {
      const { state } = yield* reading.snapshot(at)
      const found: Array<Effect.Success<ReturnType<Implementations["Service"]["components"]>>[number]> = []
      for (const [component, { count, entry }] of kin.components(state)) {
        const newest = Entries.read(entry)
        found.push({ component, count, newest: Result.isSuccess(newest) ? newest.success : yield* newest.failure })
      }
      return found.sort((a, b) => (a.component < b.component ? -1 : 1))
    }),
    compareVersions: Effect.fn("Implementations.compareVersions")(function* (from, to, at) {
      const sides: Array<Compare.Side> = []
      for (const id of [from, to]) {
        const version = yield* reading.getVersion(id, at)
        sides.push({ version, code: version.code, tests: yield* reading.results(version) })
      }
      return Compare.compare(sides[0]!, sides[1]!)
    }),
    getLineage: Effect.fn("Implementations.getLineage")(function* (id, at) {
      const snapshot = yield* reading.snapshot(at)
      return lineageOf((yield* Effect.fromResult(reading.find(snapshot, id))).id.value, snapshot)
    }),
    search: Effect.fn("Implementations.search")((criteria, settings) => search(criteria, settings)),
    recordTestResults: Effect.fn("Implementations.recordTestResults")((id, results) =>
      recording.testResults(id, results)
    ),
    recordMetrics: Effect.fn("Implementations.recordMetrics")((id, metrics) => recording.metrics(id, metrics)),
    recordTags: Effect.fn("Implementations.recordTags")((id, tags) => recording.tags(id, tags)),
    best: Effect.fn("Implementations.best")(function* (component, metric, settings) {
      return Analytics.best(yield* versionsOf(component, settings), metric, settings)
    }),
    trend: Effect.fn("Implementations.trend")(function* (component, metric, settings) {
      return Analytics.trend(yield* versionsOf(component, settings), metric, settings)
    }),
    generations: Effect.fn("Implementations.generations")(function* (component, metric, settings) {
      return Analytics.generations(yield* versionsOf(component, settings), metric, settings)
    }),
    stagnation: Effect.fn("Implementations.stagnation")(function* (component, metric, settings) {
      const patience = settings?.patience ?? defaultPatience
      return Analytics.stagnation(yield* versionsOf(component, settings), metric, { ...settings, patience })
    }),
    contextOf: Effect.fn("Implementations.contextOf")(function* (component, metric, settings) {
      const versions = yield* versionsOf(component, settings)
      const count = settings?.count ?? defaultCount
      const newestFirst = versions.toReversed()
      return {
        component,
        versions: versions.length,
        best: Analytics.ranking(versions, metric, settings).slice(0, count),
        recent: newestFirst.slice(0, count),
        failed: newestFirst.filter(({ status }) => status === "failed").slice(0, count),
        stagnation: Analytics.stagnation(versions, metric, {
          ...settings,
          patience: settings?.patience ?? defaultPatience
        })
      }
    }),
    prune: Effect.fn("Implementations.prune")((settings) =>
      prune(settings?.policy ?? options?.retentionPolicy ?? keepAll, settings?.dryRun === true)
    ),
    verify: Effect.fn("Implementations.verify")(verify)
  })
})

/** The registry of implementations over the registry and the content that are provided. */
export const layer = (
  options?: Options
): Layer.Layer<Implementations, never, Registry.Registry | ContentStore.ContentStore> =>
  Layer.effect(Implementations, make(options))

/**
 * The versions among some entries that refer to each of some contents, in the order of the entries: who is concerned
 * where one is damaged. Entries that are no versions, or are malformed, refer to none.
 *
 * @example
 * import * as Implementations from "@heph/implementations/Implementations"
 *
 * const hash = "0".repeat(64)
 * console.log(Implementations.needing([], [hash]).get(hash)) //=> []
 */
export const needing = (
  entries: Iterable<Entry.Entry>,
  hashes: ReadonlyArray<string>
): ReadonlyMap<string, ReadonlyArray<string>> => {
  const needed = new Map(hashes.map((hash) => [hash, [] as Array<string>]))
  for (const entry of entries) {
    if (!Entries.isVersion(entry)) continue
    for (const hash of new Set(Result.getOrElse(Entries.hashesOf(entry), () => []))) {
      needed.get(hash)?.push(entry.id.value)
    }
  }
  return needed
}

/** The removed versions of a component by each of their parents. */
const removedChildren = (removed: Entries.Removed, component: string): ReadonlyMap<string, ReadonlyArray<string>> => {
  const known = childrenBy.get(removed)
  if (known !== undefined) return known
  const children = new Map<string, Array<string>>()
  for (const [name, parents] of removed) {
    for (const parent of parents) {
      const list = children.get(parent)
      if (list === undefined) children.set(parent, [`${component}:${name}`])
      else list.push(`${component}:${name}`)
    }
  }
  childrenBy.set(removed, children)
  return children
}

const childrenBy = new WeakMap<Entries.Removed, ReadonlyMap<string, ReadonlyArray<string>>>()
