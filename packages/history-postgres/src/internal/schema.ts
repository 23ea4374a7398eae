/**
 * The tables, and how a database gets to have them.
 *
 *     no schema, or an empty one ──▶ schema 1 ──▶ schema 2 …      at the newest after opening, in one transaction
 *
 * The table `heph_store` says that a schema of the database holds registries, and which version its tables have.
 */
import type { HistoryStoreError } from "@heph/history/HistoryStore"
import * as Effect from "effect/Effect"
import { escapeIdentifier, escapeLiteral } from "pg"
import type { Session } from "./connections.ts"
import { storeError } from "./native.ts"

/** What leads from one version of the tables to the next, given the quoted name of the schema. */
export type Migration = (schema: string) => string

/**
 * `migrations[n]` leads from version `n` to `n + 1`. A published one never changes.
 *
 * - An append writes one row, into `versions`. `moves` holds the other moves of head, and those to versions that
 *   compaction dropped; `last` is how many versions there were.
 * - `epoch` changes with each compaction, and when a writer makes sure that an append whose answer was lost will not
 *   arrive late. An append names the one it knows, so that what it knows of dropped versions is so.
 * - `checksum` is a CRC-32 as a signed integer, of a version with its changeset, say; `moved` is that of the move of head.
 * - Texts may hold what a `text` cannot: see `rows.ts`.
 * - Rows of versions that were dropped are deleted little by little: until then they are in `leftover`, and nobody reads
 *   them. Chunks of a save that no checkpoint names are left over too.
 * - Contents, from version 2 on, are rows of a `BlobStore`. Each write of them takes the next serial, and locks the row
 *   that it comes from until its commit. `ahead` is how far the clock of the server was ahead of the holder's.
 */
export const migrations: ReadonlyArray<Migration> = [
  (schema) => `
    CREATE TABLE ${schema}.registries (
      registry text COLLATE "C" PRIMARY KEY,
      created bigint NOT NULL,
      head bigint NOT NULL,
      revision bigint NOT NULL,
      last bigint NOT NULL,
      epoch bigint NOT NULL,
      checksum integer NOT NULL
    ) WITH (fillfactor = 40);

    CREATE TABLE ${schema}.versions (
      id bigint NOT NULL,
      parent bigint NOT NULL,
      revision bigint NOT NULL,
      "timestamp" bigint NOT NULL,
      created bigint NOT NULL,
      updated bigint NOT NULL,
      deleted bigint NOT NULL,
      checksum integer NOT NULL,
      moved integer NOT NULL,
      folded bigint,
      zstd boolean NOT NULL,
      registry text COLLATE "C" NOT NULL,
      message text,
      author text,
      bytes bytea NOT NULL,
      PRIMARY KEY (registry, id)
    ) WITH (toast_tuple_target = 4080);
    ALTER TABLE ${schema}.versions ALTER bytes SET STORAGE EXTERNAL;

    CREATE TABLE ${schema}.moves (
      revision bigint NOT NULL,
      version bigint NOT NULL,
      "timestamp" bigint NOT NULL,
      last bigint NOT NULL,
      checksum integer NOT NULL,
      registry text COLLATE "C" NOT NULL,
      PRIMARY KEY (registry, revision)
    );

    CREATE TABLE ${schema}.tags (
      registry text COLLATE "C" NOT NULL,
      name text COLLATE "C" NOT NULL,
      version bigint NOT NULL,
      checksum integer NOT NULL,
      PRIMARY KEY (registry, name)
    );

    CREATE TABLE ${schema}.checkpoints (
      registry text COLLATE "C" NOT NULL,
      version bigint NOT NULL,
      save bigint NOT NULL,
      chunks integer NOT NULL,
      checksum integer NOT NULL,
      PRIMARY KEY (registry, version)
    );

    CREATE TABLE ${schema}.chunks (
      registry text COLLATE "C" NOT NULL,
      save bigint NOT NULL,
      number integer NOT NULL,
      checksum integer NOT NULL,
      zstd boolean NOT NULL,
      written timestamptz NOT NULL DEFAULT clock_timestamp(),
      bytes bytea NOT NULL,
      PRIMARY KEY (registry, save, number)
    );
    ALTER TABLE ${schema}.chunks ALTER bytes SET STORAGE EXTERNAL;
    CREATE SEQUENCE ${schema}.saves;

    CREATE TABLE ${schema}.compacted (
      registry text COLLATE "C" PRIMARY KEY,
      dropped int8multirange NOT NULL,
      leftover int8multirange NOT NULL,
      checksum integer NOT NULL
    );`,
  (schema) => `
    CREATE TABLE ${schema}.contents (
      size bigint NOT NULL,
      touched bigint NOT NULL,
      depth integer NOT NULL,
      zstd boolean NOT NULL,
      registry text COLLATE "C" NOT NULL,
      hash bytea NOT NULL,
      base bytea,
      bytes bytea NOT NULL,
      PRIMARY KEY (registry, hash)
    ) WITH (toast_tuple_target = 4080);
    ALTER TABLE ${schema}.contents ALTER bytes SET STORAGE EXTERNAL;
    CREATE INDEX contents_base ON ${schema}.contents (registry, base) WHERE base IS NOT NULL;

    CREATE TABLE ${schema}.serials (
      registry text COLLATE "C" PRIMARY KEY,
      serial bigint NOT NULL
    ) WITH (fillfactor = 40);

    CREATE TABLE ${schema}.holds (
      registry text COLLATE "C" NOT NULL,
      holder text COLLATE "C" NOT NULL,
      serial bigint NOT NULL,
      until bigint NOT NULL,
      ahead bigint NOT NULL,
      PRIMARY KEY (registry, holder)
    );`
]

/** The tables that each version adds. */
const tables = [
  ["checkpoints", "chunks", "compacted", "moves", "registries", "tags", "versions"],
  ["contents", "holds", "serials"]
]

/** Where the store is: how it is named in errors, and its schema as SQL names it. */
export interface Place {
  readonly store: string
  readonly schema: string
}

interface Marks {
  readonly server: number
  readonly encoding: string
  readonly relations: ReadonlyArray<string> | null
}

/** The version of the tables, 0 where there are none yet. Fails where the schema holds something else, or is newer. */
export const identify = Effect.fnUntraced(function* (
  session: Session,
  { schema, store }: Place,
  known: number
): Effect.fn.Return<number, HistoryStoreError> {
  const quoted = escapeIdentifier(schema)
  const name = escapeLiteral(schema)
  const [marks] = yield* session.query<Marks>({
    text: `SELECT current_setting('server_version_num')::int AS server,
      (SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()) AS encoding,
      (SELECT json_agg(relname) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
       WHERE nspname = ${name} AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')) AS relations`
  })
  const { encoding, relations, server } = marks!
  if (server < 140_000) {
    return yield* storeError(store, "Unsupported", `it is PostgreSQL ${Math.floor(server / 10_000)}; 14 is the oldest`)
  }
  if (encoding !== "UTF8") {
    return yield* storeError(store, "Unsupported", `the database has the encoding ${encoding}; make one with UTF8`)
  }
  if (relations === null) return 0
  if (!relations.includes("heph_store")) {
    const detail = `the schema ${quoted} holds tables of something else; nothing was changed. Choose another schema`
    return yield* storeError(store, "NotARegistry", detail)
  }
  const rows = yield* session.query<{ readonly schema: number }>({ text: `SELECT schema FROM ${quoted}.heph_store` })
  const found = rows[0]?.schema
  if (rows.length !== 1 || found === undefined || found < 1) {
    return yield* storeError(store, "Corrupt", `${quoted}.heph_store does not tell one version; nothing was changed`)
  }
  if (found > known) {
    return yield* storeError(
      store,
      "NewerSchema",
      `the schema ${quoted} has version ${found} and this package knows versions up to ${known}; nothing was changed. Update @heph/history-postgres`
    )
  }
  const missing = tables
    .slice(0, found)
    .flat()
    .filter((table) => !relations.includes(table))
  if (missing.length > 0) {
    const detail = `the schema ${quoted} lacks ${missing.join(", ")}; nothing was changed. Restore a backup`
    return yield* storeError(store, "Corrupt", detail)
  }
  return found
})

/**
 * Brings the tables to the newest version, or makes them, inside the transaction of the session: of two that come at
 * once one does it, and the other waits and finds it done.
 */
export const migrate = Effect.fnUntraced(function* (
  session: Session,
  place: Place,
  steps: ReadonlyArray<Migration>
): Effect.fn.Return<void, HistoryStoreError> {
  const quoted = escapeIdentifier(place.schema)
  const name = escapeLiteral(place.schema)
  yield* session.query({ text: `SELECT pg_advisory_xact_lock(hashtextextended('heph ' || ${name}, 0))` })
  const found = yield* identify(session, place, steps.length)
  if (found === steps.length) return
  // A schema that was made for this user needs no right to make one.
  const [exists] = yield* session.query({ text: `SELECT FROM pg_namespace WHERE nspname = ${name}` })
  if (exists === undefined) yield* session.query({ text: `CREATE SCHEMA ${quoted}` })
  if (found === 0) yield* session.query({ text: `CREATE TABLE ${quoted}.heph_store (schema integer NOT NULL)` })
  for (const step of steps.slice(found)) yield* session.query({ text: step(quoted) })
  yield* session.query({ text: `DELETE FROM ${quoted}.heph_store` })
  yield* session.query({ text: `INSERT INTO ${quoted}.heph_store VALUES (${steps.length})` })
})
