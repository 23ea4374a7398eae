/** What the conformance checks are made of: one named claim about a backend, comparisons, and rows to make claims with. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type Blob, BlobStore, type Capabilities, type Hash, type Write } from "../../BlobStore.ts"

export type Store = BlobStore["Service"]

/** A backend did not keep what it promises: `what` was looked at, `expected` should have been there. */
export class CheckFailed extends Schema.TaggedError<CheckFailed>()("CheckFailed", {
  what: Schema.String,
  expected: Schema.String,
  found: Schema.String
}) {
  override get message(): string {
    return `${this.what}: expected ${this.expected}, found ${this.found}`
  }
}

/** One claim about a fresh backend. `run` fails, or dies, where the backend breaks it. */
export interface Check {
  readonly name: string
  /** Whether backends of these capabilities promise it. */
  readonly appliesTo: (capabilities: Capabilities) => boolean
  readonly run: Effect.Effect<void, unknown, BlobStore>
}

export const check = (name: string, run: (store: Store) => Effect.Effect<void, unknown>): Check => ({
  name,
  appliesTo: () => true,
  run: Effect.flatMap(BlobStore, run)
})

/** Plain data as text, bytes as their digits and their number: what looks the same is the same. */
const shown = (value: unknown): string =>
  JSON.stringify(value, (_, item: unknown) => {
    if (item === undefined) return "nothing"
    if (!(item instanceof Uint8Array)) return item
    const digits = Array.from(item.subarray(0, 64), (byte) => byte.toString(16).padStart(2, "0")).join("")
    return item.length <= 64 ? `bytes ${digits}` : `bytes ${digits}… (${item.length}, sum ${sumOf(item)})`
  })

const sumOf = (bytes: Uint8Array): number => {
  let sum = 0
  for (const byte of bytes) sum = (Math.imul(sum, 31) + byte) >>> 0
  return sum
}

const short = (text: string): string =>
  text.length > 600 ? `${text.slice(0, 600)}… (${text.length} characters)` : text

export const equal = (what: string, found: unknown, expected: unknown): Effect.Effect<void, CheckFailed> => {
  const [is, should] = [shown(found), shown(expected)]
  return is === should ? Effect.void : Effect.fail(new CheckFailed({ what, expected: short(should), found: short(is) }))
}

// --- rows

/** A hash by its number: 64 digits, in the order of the numbers. */
export const hashAt = (number: number): Hash => number.toString(16).padStart(8, "0").repeat(8)

export const pattern = (length: number, from = 0): Uint8Array => {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = from + i * 7 + (i >> 9)
  return bytes
}

/** A row. What it holds follows from its number, unless said otherwise. */
export const blob = (number: number, fields?: Partial<Omit<Blob, "hash">>): Blob => ({
  hash: hashAt(number),
  size: 1000 + number,
  base: undefined,
  depth: 0,
  encoding: number % 2 === 0 ? "zstd" : "raw",
  bytes: pattern(20 + number, number),
  ...fields
})

/** Rows from one number to another, each on the one before it. */
export const chain = (from: number, to: number): ReadonlyArray<Blob> =>
  Array.from({ length: to - from + 1 }, (_, i) =>
    blob(from + i, i === 0 ? {} : { base: hashAt(from + i - 1), depth: i })
  )

/** A write of these rows and no more. */
export const adding = (...add: ReadonlyArray<Blob>): Write => ({ add, touch: [], now: 0 })

const byHash = <A extends { readonly hash: Hash }>(rows: ReadonlyArray<A>): ReadonlyArray<A> =>
  [...rows].sort((a, b) => (a.hash < b.hash ? -1 : 1))

const plainBlob = ({ base, bytes, depth, encoding, hash, size }: Blob) => {
  return { hash, size, base, depth, encoding, bytes: new Uint8Array(bytes) }
}

/** Rows as plain data, by their hashes. */
export const plain = (rows: ReadonlyArray<Blob>) => byHash(rows).map(plainBlob)

/** All that a store tells of itself, as plain data: rows, heads with their serials, and the facts. */
export const everything = Effect.fnUntraced(function* (store: Store) {
  const heads = yield* store.heads({ after: "", limit: 1_000_000 })
  const blobs = yield* store.read(heads.map(({ hash }) => hash))
  const { bytes, contents, settled, stored } = yield* store.totals(0)
  return {
    rows: plain(blobs),
    heads: heads.map(({ base, depth, hash, size, stored, touched }) => ({ hash, size, base, depth, stored, touched })),
    totals: { contents, bytes, stored, settled }
  }
})

/** That an effect leaves everything as it was. */
export const unchanged = Effect.fnUntraced(function* <E>(what: string, store: Store, effect: Effect.Effect<void, E>) {
  const before = yield* everything(store)
  yield* effect
  yield* equal(`the store after ${what}`, yield* everything(store), before)
})

/** That a write is refused because of this hash, and changes nothing. */
export const refused = (what: string, store: Store, write: Write, because: Hash) =>
  unchanged(
    what,
    store,
    Effect.flatMap(store.write(write), (found) => equal(`${what}: what it was refused for`, found, [because]))
  )

/** That a write is not refused. */
export const written = (store: Store, write: Write) =>
  Effect.flatMap(store.write(write), (found) => equal("what a write was refused for", found, []))

export const touchedOf = (store: Store, ...numbers: ReadonlyArray<number>) =>
  Effect.map(store.heads({ hashes: numbers.map(hashAt) }), (heads) => byHash(heads).map(({ touched }) => touched))

export const settledAt = (store: Store, now: number) => Effect.map(store.totals(now), ({ settled }) => settled)
