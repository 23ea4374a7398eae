/** Every statement of a store, by the quoted name of its schema. Those with a name are prepared once a connection. */
import { escapeIdentifier } from "pg"
import type { Statement } from "./connections.ts"
import * as ContentStatements from "./contentStatements.ts"
import { inlineBytes } from "./rows.ts"

const columns = `id, parent, revision, "timestamp", message, author, created, updated, deleted, folded, checksum, moved, zstd`

export const make = (name: string) => {
  const schema = escapeIdentifier(name)
  // Its own name is the channel of a schema: as long as a channel may be, and known to whoever looks for it.
  const channel = `'${name.replaceAll("'", "''")}'`
  const notify = `pg_notify(${channel}, $1)`
  const leftover = `coalesce((SELECT leftover FROM ${schema}.compacted WHERE registry = $1), '{}')`
  const inline = `${columns}, CASE WHEN length(bytes) <= ${inlineBytes} THEN bytes END AS bytes`
  const named = (name: string, text: string): Statement => ({ name, text })
  const facts = `r.created, r.head, r.revision, r.last, r.epoch, r.checksum,
    c.dropped::text AS dropped, c.checksum AS "droppedChecksum"`
  const from = `FROM ${schema}.registries r LEFT JOIN ${schema}.compacted c ON c.registry = r.registry
    WHERE r.registry = $1`

  /** That all holds of a writer, in this parameter, are there. */
  const held = (parameter: string) =>
    `NOT EXISTS (SELECT FROM unnest(${parameter}::text[]) AS mine (holder) WHERE NOT EXISTS (
       SELECT FROM ${schema}.holds h WHERE h.registry = $1 AND h.holder = mine.holder))`

  /** One version: head moves, the version is added and others are told, or none of it where head was moved before. */
  const append = (condition: string) =>
    `WITH head AS (
       UPDATE ${schema}.registries SET head = $3, last = $3, revision = $4, checksum = $5
       WHERE registry = $1 AND revision = $4::bigint - 1 AND last = $3::bigint - 1 AND epoch = $6 AND created = $2
         AND ${condition}
       RETURNING registry, ${notify}
     )
     INSERT INTO ${schema}.versions (registry, ${columns}, bytes)
     SELECT registry, $3::bigint, $7::bigint, $4::bigint, $8::bigint, $9::text, $10::text, $11::bigint, $12::bigint,
       $13::bigint, $14::bigint, $15::integer, $16::integer, $17::boolean, $18::bytea
     FROM head`

  /** The same for a batch, whose changesets are one after the other in one parameter. Others are told once. */
  const appendBatch = (condition: string) =>
    `WITH head AS (
       UPDATE ${schema}.registries SET head = $3, last = $3, revision = $4, checksum = $5
       WHERE registry = $1 AND revision = $7 AND last = $8 AND epoch = $6 AND created = $2 AND ${condition}
       RETURNING registry, ${notify}
     )
     INSERT INTO ${schema}.versions (registry, ${columns}, bytes)
     SELECT registry, v.id, v.parent, v.id - $8 + $7, v.at, v.message, v.author, v.created, v.updated, v.deleted,
       v.folded, v.checksum, v.moved, v.zstd, substring($9::bytea FROM v.start FOR v.length)
     FROM head, unnest($10::bigint[], $11::bigint[], $12::bigint[], $13::text[], $14::text[], $15::bigint[],
       $16::bigint[], $17::bigint[], $18::bigint[], $19::integer[], $20::integer[], $21::boolean[], $22::integer[],
       $23::integer[])
       AS v (id, parent, at, message, author, created, updated, deleted, folded, checksum, moved, zstd, start, length)`

  return {
    schema,
    content: ContentStatements.make(schema),
    create: named(
      "create",
      `INSERT INTO ${schema}.registries (registry, created, head, revision, last, epoch, checksum)
       VALUES ($1, $2, 0, 0, 0, 0, $3) ON CONFLICT (registry) DO NOTHING`
    ),
    facts: named("facts", `SELECT ${facts} ${from}`),
    info: named(
      "info",
      `SELECT ${facts},
         (SELECT json_agg(json_build_array(name, version, checksum)) FROM ${schema}.tags WHERE registry = $1) AS tags,
         (SELECT json_agg(json_build_array(version, save, chunks, checksum) ORDER BY version)
          FROM ${schema}.checkpoints WHERE registry = $1) AS checkpoints ${from}`
    ),
    /**
     * What an append costs beside the disk is mostly that a row comes back, so that none does: the count of rows tells.
     * Where contents are held, nothing is done without these holds.
     */
    append: named("append", append("true")),
    appendBatch: named("append batch", appendBatch("true")),
    appendHeld: named("append held", append(held("$19"))),
    appendBatchHeld: named("append batch held", appendBatch(held("$24"))),
    isHeld: named("is held", `SELECT ${held("$2")} AS held`),
    appended: named(
      "appended",
      `SELECT id, revision, checksum FROM ${schema}.versions WHERE registry = $1 AND id >= $2 AND id <= $3 ORDER BY id`
    ),
    /** For a moment that ends with the transaction: against a compaction, against any writer, against everybody. */
    hold: named("hold", `SELECT FROM ${schema}.registries WHERE registry = $1 FOR KEY SHARE`),
    lock: named("lock", `SELECT FROM ${schema}.registries WHERE registry = $1 FOR NO KEY UPDATE`),
    stop: named("stop", `SELECT FROM ${schema}.registries WHERE registry = $1 FOR UPDATE`),
    newEpoch: named(
      "new epoch",
      `UPDATE ${schema}.registries SET epoch = $2, checksum = $3 WHERE registry = $1 RETURNING ${notify}`
    ),
    moveHead: named(
      "move head",
      `WITH head AS (
         UPDATE ${schema}.registries SET head = $2, revision = $3, checksum = $4 WHERE registry = $1
       ), added AS (
         INSERT INTO ${schema}.moves (registry, revision, version, "timestamp", last, checksum)
         VALUES ($1, $3, $2, $5, $6, $7)
       )
       SELECT ${notify}`
    ),
    tag: named(
      "tag",
      `WITH added AS (
         INSERT INTO ${schema}.tags (registry, name, version, checksum) VALUES ($1, $2, $3, $4)
         ON CONFLICT (registry, name) DO UPDATE SET version = excluded.version, checksum = excluded.checksum
       )
       SELECT ${notify}`
    ),
    untag: named(
      "untag",
      `WITH gone AS (DELETE FROM ${schema}.tags WHERE registry = $1 AND name = $2 RETURNING registry)
       SELECT ${notify} FROM gone`
    ),
    byId: named(
      "by id",
      `SELECT ${inline} FROM ${schema}.versions
       WHERE registry = $1 AND id = ANY ($2::bigint[]) AND NOT id <@ ${leftover} ORDER BY id`
    ),
    after: named(
      "after",
      `SELECT ${inline} FROM ${schema}.versions
       WHERE registry = $1 AND id > $2 AND NOT id <@ ${leftover} ORDER BY id LIMIT $3`
    ),
    before: named(
      "before",
      `SELECT ${inline} FROM ${schema}.versions
       WHERE registry = $1 AND id < $2 AND NOT id <@ ${leftover} ORDER BY id DESC LIMIT $3`
    ),
    whole: named(
      "whole",
      `SELECT ${columns}, bytes FROM ${schema}.versions WHERE registry = $1 AND id = $2 AND NOT id <@ ${leftover}`
    ),
    /**
     * Moves by revision, of both tables. From the last of `moves` up to a revision each further one appended a version,
     * which tells from which id on versions have greater ones.
     */
    heads: named(
      "heads",
      `SELECT revision, version, "timestamp", checksum FROM (
         (SELECT revision, id AS version, "timestamp", moved AS checksum FROM ${schema}.versions
          WHERE registry = $1 AND NOT id <@ ${leftover} AND id > coalesce(
            (SELECT last + $2::bigint - revision FROM ${schema}.moves
             WHERE registry = $1 AND revision <= $2 ORDER BY revision DESC LIMIT 1), $2::bigint)
          ORDER BY id LIMIT $3)
         UNION ALL
         (SELECT revision, version, "timestamp", checksum FROM ${schema}.moves
          WHERE registry = $1 AND revision > $2 ORDER BY revision LIMIT $3)
       ) AS both_tables ORDER BY revision LIMIT $3`
    ),
    newSave: named("new save", `SELECT nextval('${schema.replaceAll("'", "''")}.saves') AS save`),
    addChunk: named(
      "add chunk",
      `INSERT INTO ${schema}.chunks (registry, save, number, checksum, zstd, bytes) VALUES ($1, $2, $3, $4, $5, $6)`
    ),
    countChunks: named(
      "count chunks",
      `SELECT count(*) AS count FROM ${schema}.chunks WHERE registry = $1 AND save = $2`
    ),
    savedAs: named(
      "saved as",
      `SELECT save FROM ${schema}.checkpoints WHERE registry = $1 AND version = $2 FOR UPDATE`
    ),
    nameCheckpoint: named(
      "name checkpoint",
      `WITH named AS (
         INSERT INTO ${schema}.checkpoints (registry, version, save, chunks, checksum) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (registry, version)
         DO UPDATE SET save = excluded.save, chunks = excluded.chunks, checksum = excluded.checksum
       )
       SELECT ${notify}`
    ),
    loadCheckpoint: named(
      "load checkpoint",
      `SELECT p.save, p.chunks, p.checksum, c.number, c.checksum AS "chunkChecksum", c.zstd, c.bytes
       FROM ${schema}.checkpoints p LEFT JOIN ${schema}.chunks c ON c.registry = p.registry AND c.save = p.save
       WHERE p.registry = $1 AND p.version = $2 ORDER BY c.number`
    ),
    dropCheckpoints: named(
      "drop checkpoints",
      `WITH gone AS (
         DELETE FROM ${schema}.checkpoints WHERE registry = $1 AND version = ANY ($2::bigint[]) RETURNING save
       )
       SELECT save, ${notify} FROM gone`
    ),
    dropChunks: named("drop chunks", `DELETE FROM ${schema}.chunks WHERE registry = $1 AND save = $2`),
    /** Saves that were replaced or given up. One that is still being written adds a chunk now and then. */
    leftChunks: named(
      "left chunks",
      `SELECT save FROM ${schema}.chunks c WHERE registry = $1 AND NOT EXISTS (
         SELECT FROM ${schema}.checkpoints p WHERE p.registry = c.registry AND p.save = c.save
       ) GROUP BY save HAVING max(written) < clock_timestamp() - interval '10 minutes'`
    ),
    oneCompaction: named(
      "one compaction",
      `SELECT pg_advisory_xact_lock(hashtextextended('heph ' || ${channel} || ' ' || $1, 1))`
    ),
    tagged: named("tagged", `SELECT version FROM ${schema}.tags WHERE registry = $1`),
    parents: named("parents", `SELECT DISTINCT parent FROM ${schema}.versions WHERE registry = $1 AND id > $2`),
    /** Moves of head to versions that are dropped stay in the log. */
    keepMoves: named(
      "keep moves",
      `INSERT INTO ${schema}.moves (registry, revision, version, "timestamp", last, checksum)
       SELECT v.registry, v.revision, v.id, v."timestamp", v.id, v.moved
       FROM unnest($2::int8multirange) AS run
       JOIN ${schema}.versions v ON v.registry = $1 AND v.id >= lower(run) AND v.id < upper(run)`
    ),
    fold: named(
      "fold",
      `UPDATE ${schema}.versions
       SET parent = $3, message = $4, author = $5, created = $6, updated = $7, deleted = $8, folded = $9, checksum = $10,
         zstd = $11, bytes = $12, "timestamp" = $13, moved = $14
       WHERE registry = $1 AND id = $2 RETURNING id`
    ),
    revisionsOf: named(
      "revisions of",
      `SELECT id, revision FROM ${schema}.versions WHERE registry = $1 AND id = ANY ($2::bigint[])`
    ),
    dropRuns: named(
      "drop runs",
      `INSERT INTO ${schema}.compacted (registry, dropped, leftover, checksum)
       VALUES ($1, $2::int8multirange, $3::int8multirange, $4)
       ON CONFLICT (registry) DO UPDATE SET dropped = excluded.dropped, checksum = excluded.checksum,
         leftover = ${schema}.compacted.leftover + excluded.leftover`
    ),
    droppedCheckpoints: named(
      "dropped checkpoints",
      `DELETE FROM ${schema}.checkpoints WHERE registry = $1 AND version <@ $2::int8multirange RETURNING save`
    ),
    /** The next rows to delete: a few of the first run, if any. */
    leftover: named(
      "leftover",
      `SELECT lower(leftover) AS first, least(lower(leftover) + 256, upper(range)) AS end
       FROM ${schema}.compacted, LATERAL (SELECT range FROM unnest(leftover) AS range ORDER BY 1 LIMIT 1) AS runs
       WHERE registry = $1 FOR UPDATE OF compacted`
    ),
    sweep: named(
      "sweep",
      `WITH gone AS (DELETE FROM ${schema}.versions WHERE registry = $1 AND id >= $2 AND id < $3)
       UPDATE ${schema}.compacted SET leftover = leftover - int8multirange(int8range($2, $3)) WHERE registry = $1`
    )
  }
}

export type Statements = ReturnType<typeof make>
