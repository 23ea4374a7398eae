/** What a registry tells of its history, and the upkeep of it: nothing here moves the registry or asks a handler. */
import * as Delta from "@heph/changeset/Delta"
import * as History from "@heph/history/History"
import type * as Version from "@heph/history/Version"
import * as Effect from "effect/Effect"
import { Snapshot } from "../Snapshot.ts"
import { committed } from "./watchers.ts"

export interface Options {
  readonly history: History.History["Service"]
  readonly current: () => Snapshot
  readonly ordering: () => Delta.Options
  /** Called after a compaction, before anybody reads on. */
  readonly forget: () => void
}

export const make = ({ current, forget, history, ordering }: Options) => {
  const snapshotAt = Effect.fn("Registry.snapshotAt")(function* (ref: History.VersionRef) {
    const version = yield* history.resolve(ref)
    const now = current()
    return version === now.version ? now : new Snapshot(version, yield* history.stateAt(version))
  })

  return {
    snapshotAt,
    diff: Effect.fn("Registry.diff")(function* (from: History.VersionRef, to: History.VersionRef) {
      return Delta.buildDelta((yield* snapshotAt(from)).state, (yield* snapshotAt(to)).state, ordering())
    }),
    path: Effect.fn("Registry.path")(function* (from: History.VersionRef, to: History.VersionRef) {
      return yield* history.path(yield* history.resolve(from), yield* history.resolve(to))
    }),
    version: Effect.fn("Registry.version")(function* (ref: History.VersionRef) {
      const id = yield* history.resolve(ref)
      return id === 0 ? { version: history.root(), changeset: [] } : yield* committed(yield* history.version(id))
    }),
    versions: Effect.fn("Registry.versions")(function* (page?: {
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
    }),
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
    compact: (options: History.CompactOptions) => Effect.tap(history.compact(options), () => Effect.sync(forget)),
    verify: history.verify
  }
}
