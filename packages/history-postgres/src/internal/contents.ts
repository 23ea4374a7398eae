/**
 * Rows of contents in the same schema, over the same connections.
 *
 *     write ──▶ sent ──▶ written, or refused: nothing was changed
 *                ├─▶ somebody stored one of its hashes meanwhile ──▶ look which ──▶ refused
 *                └─▶ no answer ──▶ sent again: what was written refuses it, and what arrives later is refused
 *
 * A write with a hold does not wait for the disk, as an append that follows does. A server that stops in between may lose
 * it, and be back before the append is sent: an append names the holds of its process, and is not done without them.
 */
import type { Blob, BlobStore, Head, Range, Rebase, Removal, Totals, Write } from "@heph/content/BlobStore"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { again, times } from "./appending.ts"
import type { Parameter } from "./connections.ts"
import { isDefinite, isDuplicate, storeError } from "./native.ts"
import { ifWritable, type Registry } from "./registry.ts"
import { boundOf, encodeText } from "./rows.ts"

/** Rows, and bytes of them, that are removed at a time: a writer waits for that long. */
const removedRows = 64
const removedBytes = 4_000_000
/** Rows whose lengths are looked up together. */
const lookedUp = 1024

/** The most bytes of one write: PostgreSQL writes them out as text of twice their length, of which it takes 1 GB. */
const mostBytes = 2 ** 29 - 2 ** 20

export const make = (registry: Registry): BlobStore["Service"] => {
  const { connections, key } = registry
  const sql = registry.sql.content
  const query = <Row>(statement: keyof typeof sql, ...values: ReadonlyArray<Parameter>) =>
    connections.use((session) => session.query<Row>(sql[statement], [key, ...values]))

  const write = Effect.fnUntraced(function* (write: Write) {
    const { add, hold, touch } = write
    if (add.reduce((sum, { bytes }) => sum + bytes.length, 0) > mostBytes) {
      return yield* storeError(registry.store, "Unsupported", "contents of more than 511 MB cannot be stored together")
    }
    const known = plan(add)
    if (known.wrong.length > 0) return known.wrong
    const values: ReadonlyArray<Parameter> = [
      ...known.values,
      touch.map(binary),
      hold === undefined ? null : encodeText(hold.holder),
      hold === undefined ? null : boundOf(hold.until),
      boundOf(write.now),
      yield* Clock.currentTimeMillis
    ]
    const send = Effect.retry(
      connections.use((session) =>
        Effect.uninterruptible(
          session.query<{ began: boolean; wrong: ReadonlyArray<Hash> }>(sql.write, [key, ...values])
        )
      ),
      { while: (error) => error.isRetryable && !isDefinite(error), schedule: again, times }
    )
    while (true) {
      const answer = yield* Effect.result(send)
      if (answer._tag === "Failure") {
        if (!isDuplicate(answer.failure)) return yield* answer.failure
        const found = yield* heads({ hashes: add.map(({ hash }) => hash) })
        // None where it went again already.
        if (found.length > 0) return found.map(({ hash }) => hash)
      } else {
        const [row] = answer.success
        if (row!.began) {
          if (row!.wrong.length === 0 && hold !== undefined) registry.holds.set(encodeText(hold.holder), hold.until)
          return row!.wrong
        }
        // The row that serials come from is made by the first write.
        yield* query("begin")
      }
    }
  })

  const hold = Effect.fnUntraced(function* (holder: string, until: number | null) {
    const stored = encodeText(holder)
    if (until === null) {
      // First here: an append must not look for what is on its way out.
      registry.holds.delete(stored)
      yield* query("release", stored)
    } else {
      if (registry.holds.has(stored)) registry.holds.set(stored, until)
      yield* query("hold", stored, boundOf(until), yield* Clock.currentTimeMillis)
    }
  })

  const heads = Effect.fnUntraced(function* (range: Range) {
    const rows = yield* "hashes" in range
      ? query<HeadRow>("heads", range.hashes.map(binary))
      : query<HeadRow>("headsAfter", binary(range.after), boundOf(range.limit))
    return rows.map(({ base, ...row }): Head => ({ ...row, base: base ?? undefined }))
  })

  const read = Effect.fnUntraced(function* (hashes: ReadonlyArray<Hash>) {
    const rows = yield* query<BlobRow>("read", hashes.map(binary))
    return rows.map(({ base, zstd, ...row }): Blob => ({
      ...row,
      base: base ?? undefined,
      encoding: zstd ? "zstd" : "raw"
    }))
  })

  const rebase = Effect.fnUntraced(function* ({ blob, from }: Rebase) {
    const { base, bytes, depth, encoding, hash } = blob
    const values = [key, binary(hash), optional(base), depth, encoding === "zstd", bytes, optional(from)]
    return (yield* connections.use((session) => session.write(sql.rebase, values))) > 0
  })

  const removeSome = Effect.fnUntraced(function* (some: ReadonlyArray<Removal>) {
    const values = [key, some.map(({ hash }) => binary(hash)), some.map(({ touched }) => touched)]
    const gone = yield* connections.transaction((session) =>
      Effect.andThen(session.query(sql.lock, [key]), session.query<{ readonly hash: Hash }>(sql.remove, values))
    )
    const hashes = new Set(gone.map(({ hash }) => hash))
    return some.flatMap(({ hash }) => (hashes.delete(hash) ? hash : []))
  })

  const remove = Effect.fnUntraced(function* (removals: ReadonlyArray<Removal>) {
    const removed: Array<Hash> = []
    for (let at = 0; at < removals.length; at += lookedUp) {
      const part = removals.slice(at, at + lookedUp)
      const stored = new Map(
        (yield* heads({ hashes: part.map(({ hash }) => hash) })).map((row) => [row.hash, row.stored])
      )
      let some: Array<Removal> = []
      let bytes = 0
      for (const removal of part) {
        const length = stored.get(removal.hash)
        if (length === undefined) continue
        if (some.length === removedRows || (some.length > 0 && bytes + length > removedBytes)) {
          for (const hash of yield* removeSome(some)) removed.push(hash)
          some = []
          bytes = 0
        }
        some.push(removal)
        bytes += length
      }
      if (some.length > 0) for (const hash of yield* removeSome(some)) removed.push(hash)
    }
    return removed
  })

  return {
    capabilities: { durable: true, shared: true },
    totals: Effect.fnUntraced(function* (now) {
      const [row] = yield* query<Totals>("totals", boundOf(now), yield* Clock.currentTimeMillis)
      return row!
    }),
    heads,
    read,
    write: (plan) => ifWritable(registry, write(plan)),
    hold: (holder, until) => ifWritable(registry, hold(holder, until)),
    rebase: (plan) => ifWritable(registry, rebase(plan)),
    remove: (removals) => ifWritable(registry, remove(removals))
  }
}

type Hash = Blob["hash"]

interface HeadRow extends Omit<Head, "base"> {
  readonly base: Hash | null
}

interface BlobRow extends Omit<Blob, "base" | "encoding"> {
  readonly base: Hash | null
  readonly zstd: boolean
}

/** A hash as a `bytea` is written. */
const binary = (hash: Hash): string => `\\x${hash}`
const optional = (hash: Hash | undefined): string | null => (hash === undefined ? null : binary(hash))

/**
 * Rows to add as parameters 2 to 12, with what they stand on outside of themselves; or those that do not fit on each
 * other, whatever the store holds.
 */
const plan = (add: ReadonlyArray<Blob>) => {
  const depths = new Map<Hash, number>()
  const wrong: Array<Hash> = []
  const below: Array<{ readonly base: Hash; readonly depth: number; readonly hash: Hash }> = []
  const starts: Array<number> = []
  let length = 0
  for (const { base, bytes, depth, hash } of add) {
    const under = base === undefined ? -1 : depths.get(base)
    if (base !== undefined && under === undefined) below.push({ base, depth, hash })
    if (depths.has(hash) || (under !== undefined && under >= depth)) wrong.push(hash)
    depths.set(hash, depth)
    // PostgreSQL counts from 1.
    starts.push(length + 1)
    length += bytes.length
  }
  const all = new Uint8Array(length)
  for (const [i, { bytes }] of add.entries()) all.set(bytes, starts[i]! - 1)
  const values: ReadonlyArray<Parameter> = [
    add.map(({ hash }) => binary(hash)),
    add.map(({ size }) => size),
    add.map(({ base }) => optional(base)),
    add.map(({ depth }) => depth),
    add.map(({ encoding }) => encoding === "zstd"),
    starts,
    add.map(({ bytes }) => bytes.length),
    all,
    below.map(({ base }) => binary(base)),
    below.map(({ depth }) => depth),
    below.map(({ hash }) => binary(hash))
  ]
  return { wrong, values }
}
