/**
 * The tables, and how a file gets to have them.
 *
 *     empty file ──▶ schema 1 ──▶ schema 2 ──▶ …      each file at the newest after opening, in one transaction
 *
 * `PRAGMA application_id` says that a file is a registry, `PRAGMA user_version` which schema it has.
 */
import type { Database } from "better-sqlite3"
import { storeError } from "./native.ts"

/** "Heph", as the `file` command and SQLite tools show it. */
export const applicationId = 0x48657068

/** Brings a file from one schema to the next, inside a transaction. `now` is in milliseconds since 1970. */
export type Migration = (database: Database, now: number) => void

/**
 * `migrations[n]` leads from schema `n` to `n + 1`. A published one never changes.
 *
 * - `v0` has a row, so that whatever names a version can be a foreign key.
 * - Rows carry a CRC-32: a changeset's is of its version too, and a chunk's of what it is a chunk of.
 * - A checkpoint gets its `version` once all its chunks are there. Chunks of a `save` without one are left over from a
 *   save that never ended, or that was replaced, and are swept by the next one.
 * - A move of head stays when compaction drops its version, so it is no foreign key.
 * - Runs in `dropped` are only ever added, so the largest `run` tells which of them there are. Rows of versions in one that
 *   is not `swept` are still there, and no reader may see them.
 * - A content has no checksum: its hash is one. `base` is an `id`, so that a difference of a few bytes does not carry 32 more.
 */
export const migrations: ReadonlyArray<Migration> = [
  (database, now) => {
    database.exec(`
      CREATE TABLE metadata (
        key TEXT PRIMARY KEY,
        value ANY
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE versions (
        id INTEGER PRIMARY KEY CHECK (id >= 0),
        parent INTEGER REFERENCES versions (id) CHECK (parent < id AND (id = 0) = (parent IS NULL)),
        timestamp INTEGER NOT NULL,
        message TEXT,
        author TEXT,
        created INTEGER NOT NULL,
        updated INTEGER NOT NULL,
        deleted INTEGER NOT NULL
      ) STRICT;

      CREATE TABLE changesets (
        version INTEGER PRIMARY KEY REFERENCES versions (id),
        checksum INTEGER NOT NULL,
        bytes BLOB NOT NULL
      ) STRICT;

      CREATE TABLE heads (
        revision INTEGER PRIMARY KEY CHECK (revision > 0),
        version INTEGER NOT NULL REFERENCES versions (id),
        timestamp INTEGER NOT NULL,
        checksum INTEGER NOT NULL
      ) STRICT;

      CREATE TABLE tags (
        name TEXT PRIMARY KEY,
        version INTEGER NOT NULL REFERENCES versions (id),
        checksum INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE checkpoints (
        save INTEGER PRIMARY KEY AUTOINCREMENT,
        version INTEGER UNIQUE REFERENCES versions (id),
        chunks INTEGER,
        checksum INTEGER
      ) STRICT;

      CREATE TABLE checkpoint_chunks (
        save INTEGER NOT NULL,
        number INTEGER NOT NULL,
        checksum INTEGER NOT NULL,
        bytes BLOB NOT NULL,
        PRIMARY KEY (save, number)
      ) STRICT;
    `)
    database.prepare("INSERT INTO metadata (key, value) VALUES ('created', ?)").run(now)
    database.prepare("INSERT INTO versions (id, timestamp, created, updated, deleted) VALUES (0, ?, 0, 0, 0)").run(now)
  },
  (database) => {
    database.exec(`
      ALTER TABLE versions ADD COLUMN folded INTEGER;
      ALTER TABLE changesets ADD COLUMN zstd INTEGER NOT NULL DEFAULT 0 CHECK (zstd IN (0, 1));
      ALTER TABLE checkpoint_chunks ADD COLUMN zstd INTEGER NOT NULL DEFAULT 0 CHECK (zstd IN (0, 1));

      CREATE TABLE moves (
        revision INTEGER PRIMARY KEY CHECK (revision > 0),
        version INTEGER NOT NULL,
        timestamp INTEGER NOT NULL,
        checksum INTEGER NOT NULL
      ) STRICT;
      INSERT INTO moves SELECT revision, version, timestamp, checksum FROM heads ORDER BY revision;
      DROP TABLE heads;
      ALTER TABLE moves RENAME TO heads;

      CREATE TABLE dropped (
        run INTEGER PRIMARY KEY CHECK (run > 0),
        first INTEGER NOT NULL CHECK (first > 0),
        last INTEGER NOT NULL CHECK (last >= first),
        checksum INTEGER NOT NULL,
        swept INTEGER NOT NULL DEFAULT 0
      ) STRICT;
      CREATE INDEX unswept ON dropped (last) WHERE swept = 0;
    `)
  },
  (database) => {
    database.exec(`
      CREATE TABLE contents (
        id INTEGER PRIMARY KEY,
        hash BLOB NOT NULL UNIQUE,
        size INTEGER NOT NULL,
        base INTEGER REFERENCES contents (id),
        depth INTEGER NOT NULL,
        zstd INTEGER NOT NULL CHECK (zstd IN (0, 1)),
        touched INTEGER NOT NULL,
        bytes BLOB NOT NULL
      ) STRICT;
      CREATE INDEX contents_by_base ON contents (base) WHERE base IS NOT NULL;

      CREATE TABLE content_holds (
        holder TEXT PRIMARY KEY,
        serial INTEGER NOT NULL,
        until INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
      INSERT INTO metadata (key, value) VALUES ('content_serial', 0);
    `)
  }
]

/** The schema of a file, 0 where it holds nothing yet. Throws where it is something else or from a newer package. */
export const identify = (database: Database, filename: string, known: number): number => {
  const { application, schema, tables } = database.transaction(() => marks(database)).deferred()
  if (application !== applicationId) {
    if (application === 0 && schema === 0 && tables === 0) return 0
    throw storeError(filename, "NotARegistry", "it is a database of another application; nothing was changed")
  }
  if (schema > known) {
    throw storeError(
      filename,
      "NewerSchema",
      `it has schema ${schema} and this package knows schemas up to ${known}; nothing was changed. Update @heph/history-sqlite`
    )
  }
  return schema
}

/** Read in one transaction: another process may be making the file a registry. */
const marks = (database: Database) => ({
  application: database.pragma("application_id", { simple: true }) as number,
  schema: database.pragma("user_version", { simple: true }) as number,
  tables: database.prepare<[], number>("SELECT count(*) FROM sqlite_schema").pluck().get()!
})

/**
 * Brings a file to the newest schema, or makes it a registry where it is empty: one immediate transaction, so that of
 * two processes one does it and the other finds it done, and a crash leaves what was there before.
 */
export const migrate = (database: Database, filename: string, now: number, steps: ReadonlyArray<Migration>): void =>
  database
    .transaction(() => {
      const schema = identify(database, filename, steps.length)
      if (schema === steps.length) {
        // Changes nothing, and fails where nothing can be changed: SQLite opens a read-only file without a word.
        database.exec("UPDATE metadata SET value = value WHERE false")
        return
      }
      for (const step of steps.slice(schema)) step(database, now)
      database.pragma(`application_id = ${applicationId}`)
      database.pragma(`user_version = ${steps.length}`)
    })
    .immediate()
