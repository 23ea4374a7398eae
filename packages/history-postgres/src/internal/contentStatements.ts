/**
 * The statements for contents, by the quoted name of their schema.
 *
 * Whatever changes contents locks the serial of its registry first, so that one does it after the other. A statement sees
 * its rows as they were before it had that lock: what it relies on it therefore locks as well, which looks again. Only
 * rows that are new since are not seen; a hash that is stored twice fails for its key.
 */
import type { Statement } from "./connections.ts"

/** Of a row `c`. The length of `bytes` is known without reading them. */
const head = `encode(c.hash, 'hex') AS hash, c.size, encode(c.base, 'hex') AS base, c.depth,
  octet_length(c.bytes) AS stored, c.touched`

export const make = (schema: string) => {
  const named = (name: string, text: string): Statement => ({ name: `content ${name}`, text })
  /** Ends with the transaction. What a crash takes away by that is a whole transaction, and all that came after it. */
  const quiet = "set_config('synchronous_commit', 'off', true)"
  const lock = `SELECT serial FROM ${schema}.serials WHERE registry = $1 FOR NO KEY UPDATE`
  const isLocked = "(SELECT serial FROM locked) IS NOT NULL"
  const now = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
  /** How far the clock of the server is ahead of that of this process, which is in a parameter. */
  const ahead = (clock: string) => `${now} - ${clock}::bigint`
  /**
   * When a hold ends, by the clock of this process: what the clocks of two processes differ by counts in steps of five
   * minutes. Those that are about the same are taken for one; a hold lasts longer than that, and is renewed in time.
   */
  const ends = (clock: string) => `until + round((ahead - (${ahead(clock)})) / 300000.0) * 300000`

  return {
    totals: named(
      "totals",
      `SELECT count(*) AS contents, coalesce(sum(size), 0)::bigint AS bytes,
         coalesce(sum(octet_length(bytes)), 0)::bigint AS stored,
         coalesce(least(
           (SELECT serial FROM ${schema}.serials WHERE registry = $1),
           (SELECT min(serial) FROM ${schema}.holds WHERE registry = $1 AND ${ends("$3")} > $2)
         ), 0) AS settled
       FROM ${schema}.contents WHERE registry = $1`
    ),
    heads: named(
      "heads",
      `SELECT ${head} FROM ${schema}.contents c WHERE c.registry = $1 AND c.hash = ANY ($2::bytea[])`
    ),
    headsAfter: named(
      "heads after",
      `SELECT ${head} FROM ${schema}.contents c WHERE c.registry = $1 AND c.hash > $2::bytea ORDER BY c.hash LIMIT $3`
    ),
    /**
     * Ends where rows stand on each other, too: each is found once. `OFFSET 0` keeps the planner, which takes chains for
     * long, from reading the whole table for them.
     */
    read: named(
      "read",
      `WITH RECURSIVE chain (hash, base) AS (
         SELECT hash, base FROM ${schema}.contents WHERE registry = $1 AND hash = ANY ($2::bytea[])
         UNION
         SELECT c.hash, c.base FROM chain, LATERAL (
           SELECT hash, base FROM ${schema}.contents WHERE registry = $1 AND contents.hash = chain.base OFFSET 0
         ) AS c
       )
       SELECT encode(c.hash, 'hex') AS hash, c.size, encode(c.base, 'hex') AS base, c.depth, c.zstd, c.bytes
       FROM chain, LATERAL (
         SELECT * FROM ${schema}.contents WHERE registry = $1 AND contents.hash = chain.hash OFFSET 0
       ) AS c`
    ),
    /** Where the serials of a registry begin. */
    begin: named("begin", `INSERT INTO ${schema}.serials (registry, serial) VALUES ($1, 0) ON CONFLICT DO NOTHING`),
    /**
     * Rows are `$2` to `$8`, with their bytes one after the other in `$9`; `$10` to `$12` are what they stand on.
     *
     * A serial is the time, unless that has gone back: one that a stop of the server took away, and that somebody has seen
     * by then, is not given again.
     */
    write: named(
      "write",
      `WITH locked AS MATERIALIZED (${lock}), found AS MATERIALIZED (
         SELECT hash, depth FROM ${schema}.contents
         WHERE registry = $1 AND hash = ANY ($2::bytea[] || $10::bytea[] || $13::bytea[]) AND ${isLocked}
         FOR SHARE
       ), wrong AS MATERIALIZED (
         SELECT hash FROM found WHERE hash = ANY ($2)
         UNION
         SELECT hash FROM unnest($10, $11::integer[], $12::bytea[]) AS on_other (base, depth, hash)
         WHERE NOT EXISTS (SELECT FROM found WHERE found.hash = on_other.base AND found.depth < on_other.depth)
         UNION
         SELECT hash FROM unnest($13) AS touch (hash) WHERE NOT EXISTS (SELECT FROM found WHERE found.hash = touch.hash)
       ), next AS (
         UPDATE ${schema}.serials SET serial = greatest(serial + 1, ${now}) WHERE registry = $1 AND NOT EXISTS (SELECT FROM wrong)
         RETURNING serial
       ), stored AS (
         INSERT INTO ${schema}.contents (registry, touched, hash, size, base, depth, zstd, bytes)
         SELECT $1, next.serial, b.hash, b.size, b.base, b.depth, b.zstd, substring($9::bytea FROM b.start FOR b.length)
         FROM next, unnest($2, $3::bigint[], $4::bytea[], $5::integer[], $6::boolean[], $7::integer[], $8::integer[])
           AS b (hash, size, base, depth, zstd, start, length)
       ), touched AS (
         UPDATE ${schema}.contents SET touched = next.serial FROM next WHERE registry = $1 AND hash = ANY ($13)
       ), ended AS (
         DELETE FROM ${schema}.holds USING next
         WHERE registry = $1 AND ${ends("$17")} <= $16 AND holder <> $14::text
       ), held AS (
         INSERT INTO ${schema}.holds (registry, holder, serial, until, ahead)
         SELECT $1, $14, locked.serial, $15::bigint, ${ahead("$17")} FROM locked, next WHERE $14 IS NOT NULL
         ON CONFLICT (registry, holder) DO UPDATE SET until = excluded.until, ahead = excluded.ahead
       )
       SELECT EXISTS (SELECT FROM locked) AS began, ARRAY(SELECT encode(hash, 'hex') FROM wrong) AS wrong,
         CASE WHEN $14 IS NOT NULL THEN ${quiet} END`
    ),
    hold: named(
      "hold",
      `WITH quiet AS (SELECT ${quiet}) UPDATE ${schema}.holds SET until = $3, ahead = ${ahead("$4")} FROM quiet
       WHERE registry = $1 AND holder = $2`
    ),
    release: named(
      "release",
      `WITH quiet AS (SELECT ${quiet}) DELETE FROM ${schema}.holds USING quiet WHERE registry = $1 AND holder = $2`
    ),
    rebase: named(
      "rebase",
      `WITH quiet AS (SELECT ${quiet}), locked AS MATERIALIZED (${lock}), below AS MATERIALIZED (
         SELECT depth FROM ${schema}.contents WHERE registry = $1 AND hash = $3::bytea AND ${isLocked} FOR SHARE
       )
       UPDATE ${schema}.contents SET base = $3, depth = $4, zstd = $5, bytes = $6 FROM quiet
       WHERE registry = $1 AND hash = $2::bytea AND base IS NOT DISTINCT FROM $7::bytea AND depth >= $4::integer
         AND ${isLocked} AND ($3 IS NULL OR (SELECT depth FROM below) < $4)`
    ),
    lock: named("lock", `SELECT ${quiet} FROM (${lock}) AS locked`),
    /** What stays keeps what it stands on. Nothing here looks again: to be run as a statement of its own under the lock. */
    remove: named(
      "remove",
      `WITH RECURSIVE given AS MATERIALIZED (
         SELECT * FROM unnest($2::bytea[], $3::bigint[]) WITH ORDINALITY AS given (hash, touched, number)
       ), stays (hash, base) AS (
         SELECT c.hash, c.base FROM given g, LATERAL (
           SELECT * FROM ${schema}.contents WHERE registry = $1 AND contents.hash = g.hash OFFSET 0
         ) AS c
         WHERE c.touched <> g.touched OR EXISTS (
           SELECT FROM ${schema}.contents o WHERE o.registry = $1 AND o.base = c.hash
             AND NOT EXISTS (SELECT FROM given before WHERE before.hash = o.hash AND before.number < g.number)
         )
         UNION
         SELECT c.hash, c.base FROM stays, LATERAL (
           SELECT hash, base FROM ${schema}.contents WHERE registry = $1 AND contents.hash = stays.base OFFSET 0
         ) AS c
       )
       DELETE FROM ${schema}.contents c USING given g
       WHERE c.registry = $1 AND c.hash = g.hash AND NOT EXISTS (SELECT FROM stays WHERE stays.hash = c.hash)
       RETURNING encode(c.hash, 'hex') AS hash`
    )
  }
}
