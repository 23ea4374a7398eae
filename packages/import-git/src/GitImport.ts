/**
 * A repository's history as implementations: each file a component, each commit that changed it a version.
 *
 *     commits, parents first ──▶ changes that are not there yet ──▶ their contents ──▶ a transaction for some hundred of them
 *
 * A version is known by its commit and its component, so that an import goes on where another one ended, however it did,
 * and a second one adds what is new.
 */
import * as Implementation from "@heph/implementations/Implementation"
import * as Implementations from "@heph/implementations/Implementations"
import * as Registry from "@heph/registry/Registry"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Change, FileVersion } from "./Commit.ts"
import * as ComponentName from "./ComponentName.ts"
import * as GitRepository from "./GitRepository.ts"

export interface Options extends GitRepository.Options {
  /** The first segment of the components; the name of the repository's folder by default. */
  readonly project?: string | undefined
  /** How many versions a transaction has at most, 500 by default; it ends earlier where they are large together. */
  readonly batch?: number | undefined
  /** Is told how far it is, after every hundred commits and every transaction. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

/** How far an import is. */
export interface Progress {
  /** Commits that were read, and how many there are. */
  readonly commits: number
  readonly of: number
  /** Versions that were registered. */
  readonly versions: number
}

/** Something that is no version, and why: by its path, the first time it was met. */
export interface Skipped {
  readonly path: string
  readonly commit: string
  /** How many times it was met. */
  readonly count: number
  /**
   * - `submodule`: another repository, which is imported by itself
   * - `encoding`: its path is not UTF-8
   * - `too large`: larger than `maxFileBytes`
   * - `path too long`: its component would be longer than an id may be
   */
  readonly reason: "submodule" | "encoding" | "too large" | "path too long"
}

export interface Imported {
  readonly project: string
  /** How many files have versions, also those that were there before. */
  readonly components: number
  /** How many versions were registered. */
  readonly versions: number
  /** How many were there before. */
  readonly known: number
  /** What could not be registered. */
  readonly skipped: ReadonlyArray<Skipped>
}

const defaultBatch = 500
/** A transaction has at most so many bytes and one version more. */
const batchBytes = 16 * 1024 * 1024

/** A version that others come from: its id, once it is registered; until then its place in the batch. */
interface Reference {
  id: string | undefined
  readonly place: number
}

/** The versions of a project that came from commits, by commit and component. */
const knownIn = (registry: Registry.Registry["Service"], project: string): Map<string, string> => {
  const known = new Map<string, string>()
  for (const { id, kind, meta } of registry.current()) {
    if (kind !== Implementation.kind || !id.namespace.startsWith(`${project}.`)) continue
    const { commit } = meta
    if (typeof commit === "string") known.set(`${commit} ${id.namespace}`, id.value)
  }
  return known
}

/**
 * Imports the history that leads to `HEAD`, or to other revisions. Interrupted or killed, what it registered stays, and
 * the next import goes on from there.
 *
 * A version has the author, date and message of its commit, the id of the commit as its field `commit`, and as parents the versions that its file,
 * or the one it was renamed from, had in the parents of the commit. Submodules, and files that cannot be registered, are
 * named in the answer.
 */
export const run = Effect.fn("GitImport.run")(function* (path: string, options?: Options) {
  const implementations = yield* Implementations.Implementations
  const registry = yield* Registry.Registry
  const repository = yield* GitRepository.open(path, options)
  const project = options?.project === undefined ? repository.project : ComponentName.projectOf(options.project)
  const known = knownIn(registry, project)
  const of = yield* repository.count
  const most = options?.batch ?? defaultBatch

  const components = new Set<string>()
  const skipped = new Map<string, { -readonly [K in keyof Skipped]: Skipped[K] }>()
  const references = new WeakMap<FileVersion, Reference>()
  /** What versions come from that cannot be registered. */
  const unregistered = new WeakMap<FileVersion, ReadonlyArray<FileVersion>>()
  let commits = 0
  let versions = 0
  let found = 0
  const tell = () => options?.onProgress?.({ commits, of, versions })

  const skip = (path: string, commit: string, reason: Skipped["reason"]): void => {
    const key = `${reason} ${path}`
    const there = skipped.get(key)
    if (there === undefined) skipped.set(key, { path, commit, count: 1, reason })
    else there.count++
  }
  /** The parents of a change; where one could not be registered, what it comes from. Only once all before it were read. */
  const parentsOf = (parents: ReadonlyArray<FileVersion>): ReadonlyArray<Reference> => {
    const found = new Set<Reference>()
    for (const left = parents.toReversed(); left.length > 0;) {
      const parent = left.pop()!
      const reference = references.get(parent)
      if (reference === undefined) left.push(...(unregistered.get(parent) ?? []).toReversed())
      else found.add(reference)
    }
    return [...found]
  }

  let batch: Array<{ readonly registration: Implementations.Registration; readonly reference: Reference }> = []
  let bytes = 0
  const flush = Effect.suspend(() => {
    const full = batch
    batch = []
    bytes = 0
    if (full.length === 0) return Effect.void
    const registrations = full.map(({ registration }) => registration)
    return Effect.map(
      implementations.registerAll(registrations, { message: `import of ${full.length} versions from git` }),
      (registered) => {
        for (const [i, { id }] of registered.entries()) full[i]!.reference.id = id
        versions += registered.length
        tell()
      }
    )
  })

  const wanted = Stream.flatMap(repository.commits, (commit) => {
    commits++
    if (commits % 100 === 0) tell()
    for (const { path, reason } of commit.skipped) skip(path, commit.id, reason)
    const changes: Array<{ readonly change: Change; readonly component: string; readonly commit: typeof commit }> = []
    for (const change of commit.changes) {
      const { version } = change
      const component = ComponentName.componentOf(project, version.path)
      const id = component === undefined ? undefined : known.get(`${commit.id} ${component}`)
      if (component === undefined) {
        skip(version.path, commit.id, "path too long")
        unregistered.set(version, change.parents)
      } else if (id === undefined) changes.push({ change, component, commit })
      else {
        found++
        components.add(component)
        references.set(version, { id, place: -1 })
      }
    }
    return Stream.fromIterable(changes)
  })

  const read = repository.read(wanted, ({ change }) => change.version.blob)
  yield* Stream.runForEach(read, ([{ change, commit, component }, { bytes: content }]) =>
    Effect.suspend(() => {
      const { version } = change
      if (content === undefined) {
        skip(version.path, commit.id, "too large")
        unregistered.set(version, change.parents)
        return Effect.void
      }
      const reference: Reference = { id: undefined, place: batch.length }
      const parents = parentsOf(change.parents)
      references.set(version, reference)
      components.add(component)
      const name = version.path.slice(version.path.lastIndexOf("/") + 1)
      const { author, date, id, message } = commit
      batch.push({
        reference,
        registration: {
          implementation: {
            [name]: {
              content,
              executable: version.kind === "executable",
              link: version.kind === "link"
            }
          },
          metadata: {
            component,
            parent: parents.length === 0 ? null : parents.map(({ id, place }) => id ?? place),
            author: author.email === "" ? author.name : `${author.name} <${author.email}>`,
            created: date,
            message,
            generator: "git",
            fields: { commit: id }
          }
        }
      })
      bytes += content.length
      return batch.length >= most || bytes >= batchBytes ? flush : Effect.void
    })
  )
  yield* flush
  tell()
  return {
    project,
    components: components.size,
    versions,
    known: found,
    skipped: [...skipped.values()].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
  } satisfies Imported
})
