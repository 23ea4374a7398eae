/**
 * Registration: what is given, checked and stored as content, becomes entries in one transaction. Everything that depends
 * on what else there is (parent, sequence, name, duplicate) is found inside it, in the state it is applied to.
 */
import * as Operation from "@heph/changeset/Operation"
import type * as ContentStore from "@heph/content/ContentStore"
import * as Entry from "@heph/entry/Entry"
import type * as State from "@heph/entry/State"
import type * as Registry from "@heph/registry/Registry"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { LRUCache } from "lru-cache"
import * as Implementation from "../Implementation.ts"
import { InvalidImplementation, UnknownImplementation } from "../ImplementationError.ts"
import type { Registered, RegisterError, Registration } from "../Implementations.ts"
import * as VersionStrategy from "../VersionStrategy.ts"
import * as Entries from "./entries.ts"
import * as Files from "./files.ts"
import type * as Kin from "./kin.ts"
import * as Names from "./names.ts"
import * as Sketch from "./sketch.ts"

export interface Around {
  readonly registry: Registry.Registry["Service"]
  readonly content: ContentStore.ContentStore["Service"]
  readonly kin: Kin.Kin
  readonly strategy: VersionStrategy.VersionStrategy
}

/** A registration that was checked as far as it can be alone. */
interface Checked {
  readonly component: string
  readonly files: ReadonlyArray<Files.Given>
  readonly hash: string
  readonly size: number
  readonly sketch: string
  readonly meta: { readonly [key: string]: unknown }
  readonly metadata: Registration["metadata"]
  readonly created: string
}

type Refusal = InvalidImplementation | UnknownImplementation

const check = (
  { implementation, metadata }: Registration,
  now: number
): Result.Result<Checked, InvalidImplementation> =>
  Result.gen(function* () {
    const component = yield* Names.component(metadata.component)
    const refuse = (path: string, reason: string) =>
      Result.fail(new InvalidImplementation({ id: component, path, reason }))
    const files = yield* Files.read(implementation, component)
    const { parent: _, ...rest } = metadata
    const meta = yield* Entries.metaOf(rest, component)
    const { created = now, generation } = metadata
    const date = new Date(created)
    if (Number.isNaN(date.getTime())) return yield* refuse("created", "it is no time in milliseconds since 1970")
    if (generation !== undefined && !(Number.isSafeInteger(generation) && generation >= 0)) {
      return yield* refuse("generation", "it is a whole number from 0 on")
    }
    return {
      component,
      files,
      hash: Files.hashOf(files),
      size: files.reduce((sum, { size }) => sum + size, 0),
      sketch: Sketch.of(files),
      meta,
      metadata,
      created: date.toISOString()
    }
  })

/** The version with this code that was there before: of this component rather than of another, the first of them. */
const duplicateOf = (kin: Kin.Kin, state: State.State, component: string, hash: string): string | null => {
  let found: string | null = null
  let sequence = Infinity
  for (const id of kin.withHash(state, hash)) {
    const entry = state.get(id)!
    if (entry.id.namespace !== component) found ??= id
    else if (Entries.sequenceOf(entry) < sequence) {
      found = id
      sequence = Entries.sequenceOf(entry)
    }
  }
  return found
}

export const make = ({ content, kin, registry, strategy }: Around) => {
  /** Hashes of the roots registered last, by the end of their paths: what new code of the kind may be similar to. */
  const recent = new LRUCache<string, Array<string>>({ max: 200 })

  const remember = (path: string, hash: string): void => {
    for (const key of endings(path)) {
      const list = recent.get(key) ?? []
      if (list.push(hash) > likely) list.shift()
      recent.set(key, list)
    }
  }

  /** What a file may be similar to, most likely first: the same path in the parents, their other files, others of its kind. */
  const nearOf = (
    file: Files.Given,
    parents: ReadonlyArray<ReadonlyArray<Implementation.File>>
  ): ReadonlyArray<string> => {
    const near = new Set<string>()
    for (const files of parents) for (const { hash, path } of files) if (path === file.path) near.add(hash)
    if (near.size > 0) return [...near]
    for (const files of parents) for (const { hash } of files.slice(0, likely)) near.add(hash)
    for (const key of endings(file.path)) for (const hash of (recent.get(key) ?? []).toReversed()) near.add(hash)
    return [...near].slice(0, 2 * likely)
  }

  const itemsOf = (checked: ReadonlyArray<Checked>): ReadonlyArray<ContentStore.Item> => {
    const { state } = registry.current()
    const items: Array<ContentStore.Item> = []
    const latest = new Map<string, ReadonlyArray<Implementation.File>>()
    for (const { component, files, metadata } of checked) {
      const { parent } = metadata
      const named = parent === undefined ? [] : parent === null ? [] : [parent].flat()
      const parents = named.map((one) => (typeof one === "number" ? checked[one]?.files : filesOf(state, one)) ?? [])
      if (parent === undefined) {
        const newest = kin.newest(state, component)
        parents.push(latest.get(component) ?? (newest === undefined ? [] : filesOf(state, newest.entry.id.value)))
      }
      for (const file of files) {
        items.push({ bytes: file.bytes, near: nearOf(file, parents) })
        if (parents.every((list) => list.length === 0)) remember(file.path, file.hash)
      }
      latest.set(component, files)
    }
    return items
  }

  /** The entries of registrations over a state, with what is told of each; or the first that does not fit. */
  const enter = (
    checked: ReadonlyArray<Checked>,
    state: State.State
  ): Result.Result<
    { readonly entries: ReadonlyArray<Entry.Entry>; readonly told: ReadonlyArray<Registered> },
    Refusal | RegisterError
  > =>
    Result.gen(function* () {
      const entries: Array<Entry.Entry> = []
      const told: Array<Registered> = []
      // What the list itself adds, on top of the state.
      const added = new Map<string, Entry.Entry>()
      const newestAdded = new Map<string, Entry.Entry>()
      const hashAdded = new Map<string, string>()
      const get = (id: string): Entry.Entry | undefined => {
        const entry = added.get(id) ?? state.get(id)
        return Entries.isVersion(entry) ? entry : undefined
      }
      for (const { component, created, files, hash, meta, metadata, size, sketch } of checked) {
        const newest = newestAdded.get(component) ?? kin.newest(state, component)?.entry
        const { parent } = metadata
        const named =
          parent === undefined
            ? newest === undefined
              ? []
              : [newest.id.value]
            : parent === null
              ? []
              : [parent].flat()
        const parents: Array<string> = []
        let generation = 0
        for (const one of named) {
          const id = typeof one === "number" ? told[one]?.id : one
          const there = id === undefined ? undefined : get(id)
          if (there === undefined) {
            return yield* Result.fail(
              new UnknownImplementation({
                id: id ?? `item ${one} of the list`,
                at: registry.current().version,
                removed: false,
                near: []
              })
            )
          }
          if (!parents.includes(there.id.value)) parents.push(there.id.value)
          const above = there.meta["generation"]
          generation = Math.max(generation, (typeof above === "number" ? above : 0) + 1)
        }
        const sequence = newest === undefined ? 1 : Entries.sequenceOf(newest) + 1
        const version = VersionStrategy.next({
          strategy,
          sequence,
          hash,
          bump: metadata.bump ?? "patch",
          newest: newest?.id.name,
          names: () => namesOf(state, added, component),
          isTaken: (name) => added.has(`${component}:${name}`) || state.has(`${component}:${name}`)
        })
        const entry = yield* Entry.make({
          id: `${component}:${version}`,
          kind: Implementation.kind,
          meta: {
            ...meta,
            sequence,
            parents,
            generation: metadata.generation ?? generation,
            hash,
            size,
            status: "untested",
            created
          },
          data: Entries.dataOf({ files, sketch, tests: undefined })
        })
        const duplicate =
          hashAdded.get(`${component} ${hash}`) ??
          duplicateOf(kin, state, component, hash) ??
          hashAdded.get(hash) ??
          null
        if (!hashAdded.has(`${component} ${hash}`)) hashAdded.set(`${component} ${hash}`, entry.id.value)
        if (!hashAdded.has(hash)) hashAdded.set(hash, entry.id.value)
        entries.push(entry)
        added.set(entry.id.value, entry)
        newestAdded.set(component, entry)
        told.push({ id: entry.id.value, version, parent: parents[0] ?? null, hash, duplicateOf: duplicate })
      }
      return { entries, told }
    })

  return Effect.fnUntraced(function* (
    registrations: ReadonlyArray<Registration>,
    message: string | undefined
  ): Effect.fn.Return<ReadonlyArray<Registered>, RegisterError> {
    if (registrations.length === 0) return []
    const now = yield* Clock.currentTimeMillis
    const checked: Array<Checked> = []
    for (const registration of registrations) checked.push(yield* Effect.fromResult(check(registration, now)))
    return yield* content.holding(itemsOf(checked), () =>
      Effect.gen(function* () {
        let entered: ReturnType<typeof enter> = Result.succeed({ entries: [], told: [] })
        yield* registry.apply(
          (state) => {
            entered = enter(checked, state)
            return Result.isFailure(entered) ? [] : entered.success.entries.map((entry) => Operation.create(entry))
          },
          { message: message ?? defaultMessage(checked), author: checked[0]!.metadata.author }
        )
        return (yield* Effect.fromResult(entered)).told
      })
    )
  })
}

const defaultMessage = (checked: ReadonlyArray<Checked>): string =>
  checked.length === 1
    ? (checked[0]!.metadata.message ?? `register ${checked[0]!.component}`)
    : `register ${checked.length} versions`

/** How many contents of a kind are tried as the base of new code: each costs about as much as storing it. */
const likely = 2

/** What tells of what kind a file is: its name, and its extension. */
const endings = (path: string): ReadonlyArray<string> => {
  const name = path.slice(path.lastIndexOf("/") + 1)
  const dot = name.lastIndexOf(".")
  return dot <= 0 ? [name] : [name, name.slice(dot)]
}

const filesOf = (state: State.State, id: string): ReadonlyArray<Implementation.File> => {
  const entry = state.get(id)
  if (!Entries.isVersion(entry)) return []
  const data = Entries.readData(entry)
  return Result.isSuccess(data) ? data.success.files : []
}

function* namesOf(state: State.State, added: ReadonlyMap<string, Entry.Entry>, component: string): Iterable<string> {
  for (const entry of state.namespace(component)) yield entry.id.name
  for (const entry of added.values()) if (entry.id.namespace === component) yield entry.id.name
}
