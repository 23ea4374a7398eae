/**
 * A registry driven beside a plain model of it: a list of versions, each with what it did to which id. A sequence of
 * commands is data, so that it can be generated, shrunk and printed; what a command means is decided against the model
 * when its turn comes, so that nearly every command does something.
 */
import * as Handler from "@heph/bus/Handler"
import * as Operation from "@heph/changeset/Operation"
import * as Entry from "@heph/entry/Entry"
import type { Snapshot } from "@heph/registry/Snapshot"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as fc from "fast-check"
import { expect } from "vitest"
import { Holder, open, type Opened, type Place, show, showAll } from "./support.ts"

// ---------------------------------------------------------------- commands

/** One wish. `set` creates or updates, whichever fits; `replace` deletes and creates with another kind. */
interface Wish {
  readonly op: "set" | "replace" | "create" | "update" | "delete"
  readonly id: number
  readonly kind: number
  readonly value: number
  readonly needs: ReadonlyArray<number>
}

/** Versions are picked by a fraction of how many there are. */
export type Command =
  | { readonly _tag: "Nothing" }
  | { readonly _tag: "Apply"; readonly wishes: ReadonlyArray<Wish>; readonly how: "list" | "function" | "planned" }
  | {
      readonly _tag: "ApplyExpecting"
      readonly wishes: ReadonlyArray<Wish>
      readonly right: boolean
      readonly at: number
    }
  | { readonly _tag: "ApplyVetoed"; readonly wishes: ReadonlyArray<Wish>; readonly id: number }
  | { readonly _tag: "ApplyInvalid"; readonly what: "id" | "data" }
  | { readonly _tag: "Checkout"; readonly at: number; readonly by: "number" | "text" | "tag" | "unknown" }
  | { readonly _tag: "Revert"; readonly at: number }
  | {
      readonly _tag: "Reload"
      readonly at: number | undefined
      readonly drift: number | undefined
      readonly misfit: boolean
    }
  | { readonly _tag: "Tag"; readonly name: number; readonly at: number }
  | { readonly _tag: "Untag"; readonly name: number }
  | { readonly _tag: "SnapshotAt"; readonly at: number }
  | { readonly _tag: "Diff"; readonly from: number; readonly to: number }
  | { readonly _tag: "Path"; readonly from: number; readonly to: number }
  | { readonly _tag: "Checkpoint"; readonly at: number }
  | { readonly _tag: "List" }
  | { readonly _tag: "Watch"; readonly from: number }
  | { readonly _tag: "Verify" }

const ids = ["app:a", "app:b", "app.web:a", "app.web:b", "lib:x", "lib:y:z", "base:one", "base:two"]
const kinds = ["handled.service", "handled.job", "registry.entry", "loose"]
const isHandled = (kind: string) => kind.startsWith("handled.")

const index = (length: number) => fc.nat({ max: length - 1 })
const fraction = fc.nat({ max: 999 })
const wish: fc.Arbitrary<Wish> = fc.record({
  op: fc.oneof(
    { weight: 8, arbitrary: fc.constant("set" as const) },
    { weight: 2, arbitrary: fc.constantFrom("delete" as const, "replace" as const) },
    { weight: 1, arbitrary: fc.constantFrom("create" as const, "update" as const) }
  ),
  id: index(ids.length),
  kind: index(kinds.length),
  value: fc.nat({ max: 3 }),
  needs: fc.array(index(ids.length), { maxLength: 2 })
})
const wishes = fc.array(wish, { minLength: 1, maxLength: 4 })
const tagged = <const T extends string, R>(_tag: T, fields: { readonly [K in keyof R]: fc.Arbitrary<R[K]> }) =>
  fc.record(fields).map((record) => ({ ...record, _tag }))

const command = fc.oneof(
  { withCrossShrink: true },
  { weight: 1, arbitrary: fc.constant<Command>({ _tag: "Nothing" }) },
  {
    weight: 40,
    arbitrary: tagged("Apply", {
      wishes,
      how: fc.constantFrom("list" as const, "function" as const, "planned" as const)
    })
  },
  { weight: 6, arbitrary: tagged("ApplyExpecting", { wishes, right: fc.boolean(), at: fraction }) },
  { weight: 6, arbitrary: tagged("ApplyVetoed", { wishes, id: index(ids.length) }) },
  { weight: 2, arbitrary: tagged("ApplyInvalid", { what: fc.constantFrom("id" as const, "data" as const) }) },
  {
    weight: 14,
    arbitrary: tagged("Checkout", {
      at: fraction,
      by: fc.constantFrom("number" as const, "text" as const, "tag" as const, "unknown" as const)
    })
  },
  { weight: 8, arbitrary: tagged("Revert", { at: fraction }) },
  {
    weight: 6,
    arbitrary: tagged("Reload", {
      at: fc.option(fraction, { nil: undefined, freq: 1 }),
      drift: fc.option(fc.nat({ max: 3 }), { nil: undefined, freq: 1 }),
      misfit: fc.boolean()
    })
  },
  { weight: 3, arbitrary: tagged("Tag", { name: index(3), at: fraction }) },
  { weight: 1, arbitrary: tagged("Untag", { name: index(3) }) },
  { weight: 6, arbitrary: tagged("SnapshotAt", { at: fraction }) },
  { weight: 4, arbitrary: tagged("Diff", { from: fraction, to: fraction }) },
  { weight: 4, arbitrary: tagged("Path", { from: fraction, to: fraction }) },
  { weight: 4, arbitrary: tagged("Checkpoint", { at: fraction }) },
  { weight: 2, arbitrary: fc.constant<Command>({ _tag: "List" }) },
  { weight: 1, arbitrary: tagged("Watch", { from: fraction }) },
  { weight: 1, arbitrary: fc.constant<Command>({ _tag: "Verify" }) }
) as fc.Arbitrary<Command>

/** A sequence of so many commands. It shrinks by commands that become `Nothing`, and are left out of what is printed. */
export const commands = (length: number): fc.Arbitrary<ReadonlyArray<Command>> =>
  fc
    .array(command, { minLength: length, maxLength: length })
    .map((sequence) => sequence.filter(({ _tag }) => _tag !== "Nothing"))

// ---------------------------------------------------------------- the model

type Entries = ReadonlyMap<string, Entry.Entry>

interface ModelVersion {
  readonly parent: number
  readonly message: string | undefined
  readonly author: string | undefined
  /** Per id what it was before and what it became. */
  readonly changes: ReadonlyMap<string, { readonly was: Entry.Entry | undefined; readonly is: Entry.Entry | undefined }>
}

interface Refusal {
  readonly _tag: string
  readonly id?: string
}

class Model {
  /** Versions never change, but the baseline below them does. */
  readonly #states = new Map<number, Entries>()
  #baseline: Entries = new Map([
    ["base:one", entryOf("base:one", "handled.service", 0, [])],
    ["base:two", entryOf("base:two", "loose", 0, ["base:one"])]
  ])
  /** v1 is the first. */
  readonly versions: Array<ModelVersion> = []
  head = 0
  readonly heads: Array<number> = []
  readonly tags = new Map<string, number>()

  get baseline(): Entries {
    return this.#baseline
  }
  set baseline(baseline: Entries) {
    this.#baseline = baseline
    this.#states.clear()
  }
  /** A version from 0 to the last one. */
  pick(at: number): number {
    return Math.floor((at / 1000) * (this.versions.length + 1))
  }
  stateAt(version: number): Entries {
    if (version === 0) return this.baseline
    const known = this.#states.get(version)
    if (known !== undefined) return known
    const { changes, parent } = this.versions[version - 1]!
    const state = new Map(this.stateAt(parent))
    this.#states.set(version, state)
    for (const [id, { is }] of changes) {
      if (is === undefined) state.delete(id)
      else state.set(id, is)
    }
    return state
  }
  get current(): Entries {
    return this.stateAt(this.head)
  }
  commit(changes: ModelVersion["changes"], message?: string, author?: string): void {
    this.versions.push({ parent: this.head, message, author, changes })
    this.moveTo(this.versions.length)
  }
  moveTo(version: number): void {
    this.head = version
    this.heads.push(version)
  }
  /** The shortest way, by a search over the whole tree. */
  path(from: number, to: number): ReadonlyArray<{ readonly version: number; readonly direction: string }> {
    const ways = new Map([[from, [] as ReadonlyArray<{ version: number; direction: string }>]])
    for (const [at, way] of ways) {
      const parent = at === 0 ? undefined : this.versions[at - 1]!.parent
      if (parent !== undefined && !ways.has(parent))
        ways.set(parent, [...way, { version: parent, direction: "backward" }])
      for (const [i, version] of this.versions.entries()) {
        if (version.parent === at && !ways.has(i + 1))
          ways.set(i + 1, [...way, { version: i + 1, direction: "forward" }])
      }
    }
    return ways.get(to)!
  }
}

const entryOf = (id: string, kind: string, value: number, needs: ReadonlyArray<string>): Entry.Entry =>
  Entry.makeUnsafe({ id, kind, meta: needs.length === 0 ? {} : { depends_on: [...needs] }, data: { value } })

const showState = (entries: Entries): ReadonlyArray<string> =>
  [...entries].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => show(entry))

/** What the wishes ask for in a state, and what comes of it. */
const resolveWishes = (wishes: ReadonlyArray<Wish>, state: Entries) => {
  const operations: Array<Operation.OperationInput> = []
  const after = new Map(state)
  let refusal: Refusal | undefined
  const step = (operation: Operation.OperationInput) => {
    operations.push(operation)
    if (refusal !== undefined) return
    const id = String(operation.op === "delete" ? operation.id : operation.entry.id)
    const there = after.get(id)
    if (operation.op === "create" && there !== undefined) refusal = { _tag: "EntryExists", id }
    else if (operation.op !== "create" && there === undefined) refusal = { _tag: "EntryMissing", id }
    else if (operation.op === "update" && there?.kind !== operation.entry.kind) refusal = { _tag: "KindChanged", id }
    else if (operation.op === "delete") after.delete(id)
    else after.set(id, Entry.makeUnsafe(operation.entry))
  }
  for (const { id: at, kind: number, needs, op, value } of wishes) {
    const id = ids[at]!
    const there = after.get(id)
    const entry = (kind: string) => {
      const { data, meta } = entryOf(id, kind, value, [...new Set(needs.map((need) => ids[need]!))])
      return { id, kind, meta, data }
    }
    const other = kinds[(kinds.indexOf(there?.kind ?? kinds[0]!) + 1 + number) % kinds.length]!
    if (op === "delete") step({ op, id })
    else if (op === "replace") {
      step({ op: "delete", id })
      step({ op: "create", entry: entry(other) })
    } else if (op === "set") {
      step(
        there === undefined
          ? { op: "create", entry: entry(kinds[number]!) }
          : { op: "update", entry: entry(there.kind) }
      )
    } else step({ op, entry: entry(kinds[number]!) })
  }
  return { operations, refusal, changes: changesOf(state, after) }
}

const changesOf = (before: Entries, after: Entries): ModelVersion["changes"] => {
  const changes = new Map<string, { was: Entry.Entry | undefined; is: Entry.Entry | undefined }>()
  for (const id of new Set([...before.keys(), ...after.keys()])) {
    const [was, is] = [before.get(id), after.get(id)]
    if (show(was) !== show(is)) changes.set(id, { was, is })
  }
  return changes
}

/** The number of operations, and of each sort, that changes come to. */
const countsOf = (changes: ModelVersion["changes"]) => {
  const counts = { created: 0, updated: 0, deleted: 0 }
  for (const { is, was } of changes.values()) {
    if (was !== undefined && is !== undefined && was.kind === is.kind) counts.updated++
    else {
      if (was !== undefined) counts.deleted++
      if (is !== undefined) counts.created++
    }
  }
  return counts
}

// ---------------------------------------------------------------- running both

/** Runs a sequence on a new registry in a place of its own, and compares it with the model after each command. */
export const run = (place: Place, sequence: ReadonlyArray<Command>): Effect.Effect<void> =>
  Effect.scoped(
    Effect.gen(function* () {
      const store = yield* place
      const model = new Model()
      const taken: Array<readonly [Snapshot, ReadonlyArray<string>]> = []
      let vetoed: string | undefined
      let holder = new Holder()
      let scope = yield* Scope.fork(yield* Effect.scope)

      const start = Effect.suspend(() => {
        holder = new Holder()
        const handle: Handler.Handler = (request) =>
          request.phase === "forward" && request.id.value === vetoed
            ? Handler.reject("vetoed")
            : holder.handler(request)
        return open(store).pipe(
          Effect.tap(({ bus }) => bus.handle("handled.*", handle)),
          Scope.provide(scope),
          Effect.orDie
        )
      })

      let opened = yield* start
      yield* reload(opened, model, undefined)
      for (const [at, command] of sequence.entries()) {
        const label = `command ${at}: ${JSON.stringify(command)}`
        if (command._tag === "Reload") {
          yield* Scope.close(scope, Exit.void)
          scope = yield* Scope.fork(yield* Effect.scope)
          opened = yield* start
          yield* reload(opened, model, command)
        }
        if (command._tag === "ApplyVetoed") vetoed = ids[command.id]!
        yield* step(opened, model, command, label)
        vetoed = undefined
        const { history, registry } = opened
        const snapshot = registry.current()
        const expected = showState(model.current)
        expect(showAll(snapshot), label).toEqual(expected)
        expect(holder.wrong, label).toEqual([])
        expect(holder.all, label).toEqual(
          showState(new Map([...model.current].filter(([, { kind }]) => isHandled(kind))))
        )
        expect(registry.status(), label).toMatchObject({
          version: model.head,
          entries: model.current.size,
          last: model.versions.length,
          tags: model.tags,
          outOfStep: []
        })
        expect(history.info(), label).toMatchObject({ head: model.head, revision: model.heads.length })
        compareDependencies(opened, model, label)
        if (at % 5 === 0) taken.push([snapshot, expected])
      }
      const moves = yield* Effect.orDie(opened.history.heads(0, model.heads.length + 1))
      expect(moves.map(({ version }) => version)).toEqual(model.heads)
      for (const [snapshot, expected] of taken) expect(showAll(snapshot)).toEqual(expected)
    })
  )

/** Opens it as at boot: over the baseline, which may have changed, or over one that does not fit. */
const reload = Effect.fnUntraced(function* (
  { registry }: Opened,
  model: Model,
  command: Extract<Command, { readonly _tag: "Reload" }> | undefined
) {
  const version = command?.at === undefined ? model.head : model.pick(command.at)
  if (command?.misfit === true) {
    // Not in the baseline, so the first thing the history did to it was a create.
    const state = model.stateAt(version)
    const extra = ids.filter((id) => !id.startsWith("base:") && state.has(id)).map((id) => entryOf(id, "loose", 9, []))
    const refused = yield* Effect.result(registry.loadState([...model.baseline.values(), ...extra], version))
    if (extra.length > 0) {
      expect(Result.getOrUndefined(Result.flip(refused))).toMatchObject({
        _tag: "HistoryMisfit",
        exists: extra.map(({ id }) => id.value).sort(),
        missing: []
      })
    }
  }
  if (command?.drift !== undefined) {
    const drifted = entryOf("base:one", command.drift === 3 ? "loose" : "handled.service", command.drift, [])
    model.baseline = new Map([...model.baseline, ["base:one", drifted]])
  }
  const snapshot = yield* Effect.orDie(registry.loadState(model.baseline.values(), version))
  if (version !== model.head) model.moveTo(version)
  expect(snapshot.version).toBe(version)
})

const step = Effect.fnUntraced(function* (
  { history, registry }: Opened,
  model: Model,
  command: Command,
  label: string
): Effect.fn.Return<void> {
  const refused = <A, E>(result: Result.Result<A, E>) =>
    Result.getOrUndefined(Result.flip(result)) as Refusal | undefined
  switch (command._tag) {
    case "Nothing":
    case "Reload":
      return
    case "Apply":
    case "ApplyVetoed":
    case "ApplyExpecting": {
      const state = model.current
      const { changes, operations, refusal } = resolveWishes(command.wishes, state)
      const settings = { message: `command`, author: command._tag }
      if (command._tag === "ApplyExpecting" && !command.right) {
        const expected = model.pick(command.at)
        if (expected === model.head) return
        const result = yield* Effect.result(registry.apply(operations, { ...settings, expected }))
        expect(refused(result), label).toMatchObject({ _tag: "VersionConflict", expected, current: model.head })
        return
      }
      if (command._tag === "Apply" && command.how === "planned") {
        const plan = yield* Effect.result(registry.plan(operations))
        if (refusal === undefined) expect(Result.getOrThrow(plan).changeset.length, label).toBe(sizeOf(changes))
        else expect(refused(plan), label).toMatchObject(refusal)
      }
      const result = yield* Effect.result(
        registry.apply(command._tag === "Apply" && command.how === "function" ? () => operations : operations, {
          ...settings,
          ...(command._tag === "ApplyExpecting" ? { expected: model.head } : {})
        })
      )
      if (refusal !== undefined) {
        expect(refused(result), label).toMatchObject(refusal)
        return
      }
      const vetoed = command._tag === "ApplyVetoed" ? changes.get(ids[command.id]!) : undefined
      if (
        command._tag === "ApplyVetoed" &&
        [vetoed?.is, vetoed?.was].some((entry) => entry !== undefined && isHandled(entry.kind))
      ) {
        expect(refused(result), label).toMatchObject({ _tag: "HandlerRejected", id: ids[command.id], detail: "vetoed" })
        return
      }
      const { changeset, parent, version } = Result.getOrThrow(result)
      expect(changeset.length, label).toBe(sizeOf(changes))
      expect(parent, label).toBe(model.head)
      expect(version?.id, label).toBe(changes.size === 0 ? undefined : model.versions.length + 1)
      if (changes.size > 0) model.commit(changes, settings.message, settings.author)
      return
    }
    case "ApplyInvalid": {
      const entry = command.what === "id" ? { id: "bare", kind: "k" } : { id: "app:a", kind: "k", data: () => 1 }
      const result = yield* Effect.result(registry.apply([{ op: "create", entry }]))
      expect(refused(result)?._tag, label).toBe(command.what === "id" ? "InvalidEntryId" : "InvalidEntry")
      return
    }
    case "Checkout": {
      const version = model.pick(command.at)
      const tag = [...model.tags].find(([, tagged]) => tagged === version)?.[0]
      const last = model.versions.length
      const ref = { number: version, text: `v${version}`, tag: tag ?? version, unknown: last + 1 }[command.by]
      const result = yield* Effect.result(registry.applyVersion(ref))
      if (command.by === "unknown") {
        expect(refused(result), label).toMatchObject({ _tag: "UnknownVersion", version: String(last + 1), last })
        return
      }
      expect(Result.getOrThrow(result).version, label).toBe(version)
      if (version !== model.head) model.moveTo(version)
      return
    }
    case "Revert": {
      const version = model.pick(command.at)
      const current = model.current
      const undone = new Map<string, { was: Entry.Entry | undefined; is: Entry.Entry | undefined }>()
      const conflicts: Array<string> = []
      for (const [id, { is, was }] of version === 0 ? [] : model.versions[version - 1]!.changes) {
        const there = current.get(id)
        if (show(there) === show(was)) continue
        if (show(there) !== show(is)) conflicts.push(id)
        undone.set(id, { was: there, is: was })
      }
      const result = yield* Effect.result(registry.revert(version))
      if (conflicts.length > 0) {
        expect(refused(result), label).toMatchObject({ _tag: "RevertConflict", version, ids: conflicts.sort() })
        return
      }
      expect(Result.getOrThrow(result).changeset.length, label).toBe(sizeOf(undone))
      if (undone.size > 0) model.commit(undone, `revert v${version}`)
      return
    }
    case "Tag": {
      const version = model.pick(command.at)
      expect(yield* Effect.orDie(registry.tag(`tag-${command.name}`, version)), label).toBe(version)
      model.tags.set(`tag-${command.name}`, version)
      const result = yield* Effect.result(registry.tag(`v${command.name}`, version))
      expect(refused(result)?._tag, label).toBe("InvalidTag")
      return
    }
    case "Untag": {
      const result = yield* Effect.result(registry.untag(`tag-${command.name}`))
      if (model.tags.delete(`tag-${command.name}`)) Result.getOrThrow(result)
      else expect(refused(result), label).toMatchObject({ _tag: "UnknownVersion", version: `tag-${command.name}` })
      return
    }
    case "SnapshotAt": {
      const version = model.pick(command.at)
      const snapshot = yield* Effect.orDie(registry.snapshotAt(version))
      expect(snapshot.version, label).toBe(version)
      expect(showAll(snapshot), label).toEqual(showState(model.stateAt(version)))
      return
    }
    case "Diff": {
      const [from, to] = [model.pick(command.from), model.pick(command.to)]
      const { changeset } = yield* Effect.orDie(registry.diff(from, to))
      const state = new Map(model.stateAt(from))
      for (const operation of changeset) {
        const id = Operation.idOf(operation).value
        expect(show(operation.op === "create" ? undefined : operation.original), label).toBe(show(state.get(id)))
        if (operation.op === "delete") state.delete(id)
        else state.set(id, operation.entry)
      }
      expect(showState(state), label).toEqual(showState(model.stateAt(to)))
      expect(changeset.length, label).toBe(sizeOf(changesOf(model.stateAt(from), model.stateAt(to))))
      return
    }
    case "Path": {
      const [from, to] = [model.pick(command.from), model.pick(command.to)]
      expect(yield* Effect.orDie(registry.path(from, to)), label).toEqual(model.path(from, to))
      return
    }
    case "Checkpoint": {
      const version = model.pick(command.at)
      const { state } = yield* Effect.orDie(registry.snapshotAt(version))
      yield* Effect.orDie(history.checkpoint(version, state))
      return
    }
    case "List": {
      const versions = yield* Effect.orDie(registry.versions())
      const fields = versions.map(({ author, created, deleted, id, message, parent, updated }) => [
        id,
        parent,
        message,
        author,
        { created, updated, deleted }
      ])
      const root = [0, null, undefined, undefined, { created: 0, updated: 0, deleted: 0 }]
      const expected = model.versions.map(({ author, changes, message, parent }, i) => [
        i + 1,
        parent,
        message,
        author,
        countsOf(changes)
      ])
      expect(fields, label).toEqual([...expected.reverse(), root])
      return
    }
    case "Watch": {
      const from = model.pick(command.from)
      const left = model.versions.length - from
      if (left === 0) return
      const seen = yield* registry.watch({ from }).pipe(Stream.take(left), Stream.runCollect, Effect.orDie)
      expect(seen.map(({ changeset, version }) => [version.id, changeset.length])).toEqual(
        model.versions.slice(from).map(({ changes }, i) => [from + 1 + i, sizeOf(changes)])
      )
      return
    }
    case "Verify": {
      const verified = yield* Effect.orDie(registry.verify)
      expect(verified, label).toEqual({ versions: model.versions.length, damage: [] })
    }
  }
})

const sizeOf = (changes: ModelVersion["changes"]): number => {
  const { created, deleted, updated } = countsOf(changes)
  return created + deleted + updated
}

/** The graph is kept up to date change by change; the model reads the references of every entry there is. */
const compareDependencies = ({ registry }: Opened, model: Model, label: string): void => {
  const state = model.current
  for (const entry of state.values()) {
    const needs = (entry.meta["depends_on"] ?? []) as ReadonlyArray<string>
    const expected = [...new Set(needs)].filter((id) => id !== entry.id.value && state.has(id)).sort()
    const found = registry.dependencies().dependenciesOf(entry.id)
    expect(
      found.map(({ value }) => value),
      label
    ).toEqual(expected)
  }
}
