/**
 * Content by its SHA-256: each kept once, compressed, one that is similar to another as a difference against it.
 *
 *     put ──▶ there already? ──▶ choose a base among those that are near ──▶ compress ──▶ rows of a {@link BlobStore}
 *     get ──▶ the row and the bases it stands on ──▶ decompress from the last to the first ──▶ check the hash
 *
 * What nothing refers to is removed by {@link ContentStore.sweep}. Whoever stores content and then writes what refers to
 * it does both under {@link ContentStore.holding}, so that no sweep comes between.
 */
import type { HistoryStoreError } from "@heph/history/HistoryStore"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { BlobStore } from "./BlobStore.ts"
import * as ContentMemory from "./ContentMemory.ts"
import { type Hash, isHash } from "./Hash.ts"
import * as Contents from "./internal/contents.ts"
import type { Fault } from "./internal/decoding.ts"
import * as Holding from "./internal/holding.ts"
import * as Sweeping from "./internal/sweeping.ts"
import { type OnProgress, verify } from "./internal/verifying.ts"
import * as Writing from "./internal/writing.ts"

export type { Hash } from "./Hash.ts"

/** There is no content of this hash: it was never stored, or was removed. */
export class ContentMissing extends Schema.TaggedError<ContentMissing>()("ContentMissing", { hash: Schema.String }) {
  override get message(): string {
    return `there is no content ${this.hash}: it was never stored, or nothing referred to it any more`
  }
}

/** The content is stored and cannot be read as it was: it, or a content that it stands on, is damaged. */
export class ContentDamaged extends Schema.TaggedError<ContentDamaged>()("ContentDamaged", {
  hash: Schema.String,
  /** The content whose row is damaged: the one asked for, or one of its bases. */
  at: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    const where = this.at === this.hash ? "" : ` at its base ${this.at}`
    return `the content ${this.hash} is damaged${where}: ${this.reason}. Restore a backup`
  }
}

export type GetError = ContentMissing | ContentDamaged | HistoryStoreError

/** Something to store. */
export interface Item {
  /** Any bytes, none too. They are copied: change them afterwards as you like. */
  readonly bytes: Uint8Array
  /**
   * Contents it may be similar to. The first that is there is taken for its parent, whose next version this is; the others
   * are tried where a difference against the parent takes more than a seventh of the content, at ~0.1 ms for 10 KB and ~0.5 ms
   * for 100 KB each. Those that are not there count for nothing.
   */
  readonly near?: ReadonlyArray<Hash> | undefined
}

/** What became of it. */
export interface Put {
  readonly hash: Hash
  /** Its length in bytes. */
  readonly size: number
  /** Whether it was there before, so that nothing was stored. */
  readonly wasThere: boolean
  /** Bytes that it took; 0 where it was there. */
  readonly stored: number
  /** What it is kept as a difference against, if anything. */
  readonly base: Hash | undefined
}

export interface Info {
  /** How many contents there are. */
  readonly contents: number
  /** Their bytes as they were given. */
  readonly bytes: number
  /** The bytes they take, without keys and what a database adds. */
  readonly stored: number
}

export interface Damage {
  readonly hash: Hash
  readonly reason: string
}

export interface Swept {
  /** The contents that were removed. */
  readonly removed: ReadonlyArray<Hash>
  /** How many stayed, compressed anew, because what they were differences against went. */
  readonly rebased: number
  /** The stored bytes that are free now. */
  readonly freed: number
}

/**
 * Content by its hash.
 *
 * A content is at most what its backend keeps in one row (1 GB). Encoding and decoding are synchronous but for what takes
 * long: put 10 KB in ~0.2 ms and 100 KB in ~0.5 ms of processor time, get any in less than 5 ms, whatever it stands on.
 */
export class ContentStore extends Context.Service<
  ContentStore,
  {
    /**
     * Stores content, or finds that it is there. It is durable when this succeeds. A sweep that began before spares it; one
     * that begins afterwards removes it if nothing refers to it by then: see {@link holding}.
     */
    readonly put: (item: Item) => Effect.Effect<Put, HistoryStoreError>
    /**
     * Stores several in one transaction, all or none; a later one may be near an earlier one. They are encoded side by side,
     * as far as none waits for another that is near it.
     */
    readonly putAll: (items: ReadonlyArray<Item>) => Effect.Effect<ReadonlyArray<Put>, HistoryStoreError>
    /**
     * The content of a hash, checked against it; what is no hash is `ContentMissing`. What was read or written last is at hand,
     * and only asked for whether it is still there.
     */
    readonly get: (hash: Hash) => Effect.Effect<Uint8Array, GetError>
    /** Whether it is there, whether it can be read or not. */
    readonly has: (hash: Hash) => Effect.Effect<boolean, HistoryStoreError>
    /**
     * Stores content for a write that refers to it. What is put stays whatever a sweep finds, until `use` has ended: by
     * then what refers to it is durable, or never will be. The content itself is durable no later than the next durable
     * write to the same database, which saves a wait for the disk: `use` is given what was put, and must write to the
     * history that shares the database.
     *
     * However `use` ends, it is over with it; a process that dies holds what it held for ten minutes. Of no items nothing
     * is held.
     */
    readonly holding: <A, E, R>(
      items: ReadonlyArray<Item>,
      use: (puts: ReadonlyArray<Put>) => Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | HistoryStoreError, R>
    /**
     * Removes what nothing refers to. `referred` is run after the sweep has begun, and must give every hash that what is
     * durable by then refers to. Contents that were put since, or are held, stay. Contents that are kept and stand on one
     * that goes are compressed anew first. Beside readers and writers, in steps that each hold up a writer for a few
     * milliseconds.
     *
     * Fails with `ContentDamaged`, before anything is removed, where one that is to be compressed anew cannot be read.
     * Interrupted, or after a crash, some are gone and others not, and everything that is kept is there; the next sweep goes on. A dry
     * run reports the same, and writes nothing. Cost: ~0.1 ms for each content that is there or goes, ~1 ms for each that is
     * compressed anew.
     */
    readonly sweep: <E, R>(
      referred: Effect.Effect<ReadonlySet<Hash>, E, R>,
      options?: { readonly dryRun?: boolean | undefined }
    ) => Effect.Effect<Swept, E | HistoryStoreError | ContentDamaged, R>
    /**
     * Removes contents that the caller knows nothing refers to, as {@link sweep} does: those that were put since, or are
     * held, stay, and what stands on one that goes is compressed anew. Those that are not there count for nothing.
     */
    readonly remove: (hashes: Iterable<Hash>) => Effect.Effect<Swept, HistoryStoreError | ContentDamaged>
    /** What is there in all. Cost follows the number of contents, not their size. */
    readonly info: Effect.Effect<Info, HistoryStoreError>
    /**
     * Reads every content and names those that are damaged, or stand on one that is, in the order of their hashes. It sees
     * what others write while it reads or does not, and takes neither for damage. ~0.1 ms for each.
     */
    readonly verify: (options?: {
      /** Called now and then with how many were read. */
      readonly onProgress?: ((read: number, of: number) => void) | undefined
    }) => Effect.Effect<ReadonlyArray<Damage>, HistoryStoreError>
  }
>()("@heph/content/ContentStore") {}

export interface Options {
  /**
   * Whether content is compressed and kept as differences, by default `true`; `false` keeps each as it is. A level of zstd
   * from 1 to 22 is used for all of it; by default it is what takes little time for what it saves, and more is spent on the few
   * that long chains stand on. It concerns what is written from now on: anything is read.
   */
  readonly compression?: boolean | number | undefined
  /** Bytes of the contents that are kept at hand to read others that stand on them; 32 MB by default. */
  readonly cacheBytes?: number | undefined
}

/** The store over a {@link BlobStore}. Several may share one, in one process or in many. */
export const make = Effect.fnUntraced(function* (options?: Options) {
  const { cacheBytes = 32 * 2 ** 20, compression = true } = options ?? {}
  const blobs = yield* BlobStore
  const contents = Contents.make(blobs, cacheBytes)
  const effort = Writing.effortOf(compression)
  const write = Writing.make(contents, effort)
  const damaged = (hash: Hash, { at, reason }: Fault) => new ContentDamaged({ hash, at, reason })
  const sweep = Sweeping.make(contents, effort, damaged)

  const holding = <A, E, R>(items: ReadonlyArray<Item>, use: (puts: ReadonlyArray<Put>) => Effect.Effect<A, E, R>) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        if (items.length === 0) return yield* restore(use([]))
        const given = items.map(Writing.givenOf)
        const hold = yield* Holding.make(blobs)
        const puts = yield* write(given, { hold: hold.first, restore })
        const exit = yield* Effect.exit(restore(hold.during(use(puts))))
        // The process was stopped for longer than a hold lasts: a sweep may have taken what is referred to now.
        if (yield* hold.release) yield* write(given)
        return yield* exit
      })
    )

  return ContentStore.of({
    put: Effect.fn("ContentStore.put")(function* (item: Item) {
      const [put] = yield* write([Writing.givenOf(item)])
      return put!
    }),
    putAll: Effect.fn("ContentStore.putAll")(function* (items: ReadonlyArray<Item>) {
      return items.length === 0 ? [] : yield* write(items.map(Writing.givenOf))
    }),
    get: Effect.fn("ContentStore.get")(function* (hash: Hash) {
      const content = isHash(hash) ? yield* contents.one(hash) : undefined
      if (content === undefined) return yield* new ContentMissing({ hash })
      if (Result.isFailure(content)) return yield* damaged(hash, content.failure)
      // Others are read through what is kept: it must not be what the caller may change.
      return new Uint8Array(content.success)
    }),
    has: Effect.fn("ContentStore.has")(function* (hash: Hash) {
      return isHash(hash) && (yield* blobs.heads({ hashes: [hash] })).length > 0
    }),
    holding: (items, use) => Effect.withSpan(holding(items, use), "ContentStore.holding"),
    remove: Effect.fn("ContentStore.remove")(function* (hashes: Iterable<Hash>) {
      const gone = new Set(hashes)
      const kept = Effect.map(
        Contents.allHeads(blobs),
        (heads): ReadonlySet<Hash> => new Set(heads.flatMap(({ hash }) => (gone.has(hash) ? [] : hash)))
      )
      return yield* sweep(kept, false)
    }),
    sweep: (referred, options) => Effect.withSpan(sweep(referred, options?.dryRun ?? false), "ContentStore.sweep"),
    info: Effect.suspend(() => Effect.flatMap(Clock.currentTimeMillis, blobs.totals)).pipe(
      Effect.map(({ bytes, contents, stored }) => ({ contents, bytes, stored })),
      Effect.withSpan("ContentStore.info")
    ),
    verify: Effect.fn("ContentStore.verify")(function* (options?: { readonly onProgress?: OnProgress | undefined }) {
      // Nothing that was read before counts.
      return yield* verify(Contents.make(blobs, cacheBytes), options?.onProgress ?? (() => {}))
    })
  })
})

/**
 * Content over the rows of a backend.
 *
 * @example
 * import * as ContentMemory from "@heph/content/ContentMemory"
 * import * as ContentStore from "@heph/content/ContentStore"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 *
 * const contents = ContentStore.layer({ compression: false }).pipe(Layer.provide(ContentMemory.layer))
 * const program = Effect.gen(function* () {
 *   const contents = yield* ContentStore.ContentStore
 *   const { hash, stored } = yield* contents.put({ bytes: new TextEncoder().encode("hello\n") })
 *   return { hash: hash.slice(0, 8), stored }
 * })
 * console.log(await Effect.runPromise(Effect.provide(program, contents))) //=> { hash: '5891b5b5', stored: 6 }
 */
export const layer = (options?: Options): Layer.Layer<ContentStore, never, BlobStore> =>
  Layer.effect(ContentStore, make(options))

/**
 * Content in memory, which ends with the layer.
 *
 * @example
 * import * as ContentStore from "@heph/content/ContentStore"
 * import * as Effect from "effect/Effect"
 *
 * const program = Effect.gen(function* () {
 *   const contents = yield* ContentStore.ContentStore
 *   const old = yield* contents.put({ bytes: new TextEncoder().encode("nobody needs this") })
 *   const { removed } = yield* contents.sweep(Effect.succeed(new Set()))
 *   return removed.includes(old.hash)
 * })
 * console.log(await Effect.runPromise(Effect.provide(program, ContentStore.layerMemory()))) //=> true
 */
export const layerMemory = (options?: Options): Layer.Layer<ContentStore> =>
  Layer.provide(layer(options), ContentMemory.layer)
