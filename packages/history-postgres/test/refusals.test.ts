/** What is no store to open, or no store to write: one clear error each, and everything stays as it was. */
import { assert, describe, it } from "@effect/vitest"
import * as HistoryPostgres from "@heph/history-postgres/HistoryPostgres"
import type { HeadConflict, HistoryStoreError, StoreErrorReason } from "@heph/history/HistoryStore"
import * as Effect from "effect/Effect"
import { freshRole, freshSchema, freshDatabase, refusal, session, sql, url } from "./fixtures/places.ts"
import { chunksOf, recordOf } from "./fixtures/records.ts"

const reasonOf = (error: HeadConflict | HistoryStoreError): string =>
  error._tag === "HistoryStoreError" ? error.reason : error._tag

const fill = (schema: string, length: number) =>
  Effect.scoped(
    Effect.flatMap(HistoryPostgres.make({ url, schema }), (store) =>
      store.append(
        Array.from({ length }, (_, i) => recordOf(i + 1)),
        0
      )
    )
  )

/** Everything in a schema that could be changed: its relations, their columns, how many rows they hold. */
const contents = (schema: string) =>
  sql(
    `SELECT c.relname, c.relkind, (SELECT array_agg(attname ORDER BY attnum) FROM pg_attribute WHERE attrelid = c.oid) AS columns,
       CASE WHEN c.relkind = 'r' THEN
         query_to_xml(format('SELECT * FROM %I.%I AS t ORDER BY t::text', n.nspname, c.relname), true, false, '')::text
       END AS rows
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 ORDER BY c.relname`,
    [schema]
  )

const refuses = (
  name: string,
  prepare: (schema: string) => Effect.Effect<unknown, unknown>,
  reason: StoreErrorReason,
  message: RegExp
) => {
  for (const readOnly of [false, true]) {
    it.effect(`${name}${readOnly ? ", for reading" : ""}`, () =>
      Effect.gen(function* () {
        const schema = yield* freshSchema
        yield* prepare(schema)
        const before = yield* contents(schema)
        const error = yield* refusal({ url, schema, readOnly })
        assert.strictEqual(error.reason, reason, error.message)
        assert.match(error.message, message)
        assert.isTrue(error.message.startsWith(url))
        assert.deepStrictEqual(yield* contents(schema), before)
      })
    )
  }
}

describe("a schema that is no registry's is refused and not touched", () => {
  const make = (text: string) => (schema: string) =>
    sql(`CREATE SCHEMA "${schema}"; ${text.replaceAll("$", `"${schema}"`)}`)
  const says = /holds tables of something else; nothing was changed/
  refuses(
    "one with a table",
    make("CREATE TABLE $.things (id int); INSERT INTO $.things VALUES (1)"),
    "NotARegistry",
    says
  )
  refuses("one with tables that are named alike", make("CREATE TABLE $.versions (id int)"), "NotARegistry", says)
  refuses("one with a view", make("CREATE VIEW $.one AS SELECT 1"), "NotARegistry", says)
  refuses(
    "one that does not tell its version",
    make("CREATE TABLE $.heph_store (schema int)"),
    "Corrupt",
    /does not tell one version/
  )
  it.effect("one that is empty is taken: an administrator may have made it", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      yield* sql(`CREATE SCHEMA "${schema}"`)
      const store = yield* HistoryPostgres.make({ url, schema })
      assert.strictEqual(yield* store.append([recordOf(1)], 0), 1)
    })
  )
})

describe("a store that is damaged or newer is refused and not touched", () => {
  const after = (text: string) => (schema: string) =>
    Effect.andThen(fill(schema, 3), sql(text.replaceAll("$", `"${schema}"`)))
  refuses(
    "a newer schema",
    after("UPDATE $.heph_store SET schema = 99"),
    "NewerSchema",
    /has version 99 and this package knows versions up to 2; nothing was changed. Update/
  )
  refuses("a table is missing", after("DROP TABLE $.moves"), "Corrupt", /lacks moves; nothing was changed/)
  refuses("two versions", after("INSERT INTO $.heph_store VALUES (1)"), "Corrupt", /does not tell one version/)
  refuses("head was changed", after("UPDATE $.registries SET head = 1"), "Corrupt", /head is damaged/)
})

describe("a place that does not do is refused", () => {
  it.effect("no such database", () =>
    Effect.gen(function* () {
      const { host, username } = new URL(url)
      const error = yield* refusal({ url: `postgres://${username}@${host}/no_such_database` })
      assert.strictEqual(error.reason, "NotFound")
      assert.match(error.message, /no such database; make it first/)
      assert.isFalse(error.isRetryable)
    })
  )
  it.live("no server", () =>
    Effect.gen(function* () {
      const error = yield* refusal({ url: "postgres://heph@127.0.0.1:1/db" })
      assert.strictEqual(error.reason, "Unavailable")
      assert.match(error.message, /ECONNREFUSED/)
      assert.isTrue(error.isRetryable)
    })
  )
  it.effect("a database that is not UTF-8", () =>
    Effect.gen(function* () {
      const database = yield* freshDatabase("ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
      const error = yield* refusal({ url: database })
      assert.strictEqual(error.reason, "Unsupported")
      assert.match(error.message, /encoding LATIN1; make one with UTF8/)
      assert.deepStrictEqual(yield* sql("SELECT FROM pg_namespace WHERE nspname = 'heph'", [], database), [])
    })
  )
})

describe("rights", () => {
  it.effect("no right to make the schema is ReadOnly, and with a schema of its own the user needs none", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      const role = yield* freshRole
      const error = yield* refusal({ url: role.url, schema })
      assert.strictEqual(error.reason, "ReadOnly", error.message)
      assert.match(error.message, /no right to do that.*permission denied for database/)
      assert.isFalse(error.isRetryable)
      assert.deepStrictEqual(yield* contents(schema), [])
      yield* sql(`CREATE SCHEMA "${schema}" AUTHORIZATION "${role.name}"`)
      const store = yield* HistoryPostgres.make({ url: role.url, schema })
      assert.strictEqual(yield* store.append([recordOf(1)], 0), 1)
      assert.deepStrictEqual(yield* store.verify, [])
    })
  )
  it.effect("the rights that the README names are enough, and reading takes fewer", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      const role = yield* freshRole
      yield* fill(schema, 4)
      const none = yield* refusal({ url: role.url, schema })
      assert.strictEqual(none.reason, "ReadOnly", none.message)
      yield* sql(`GRANT USAGE ON SCHEMA "${schema}" TO "${role.name}";
        GRANT SELECT ON ALL TABLES IN SCHEMA "${schema}" TO "${role.name}"`)
      const reader = yield* HistoryPostgres.make({ url: role.url, schema, readOnly: true })
      assert.strictEqual((yield* reader.versions({ after: 0, limit: 9 })).length, 4)
      assert.deepStrictEqual(yield* reader.verify, [])
      const writer = yield* HistoryPostgres.make({ url: role.url, schema })
      const attempts = [
        writer.append([recordOf(5)], 4),
        writer.append([recordOf(5), recordOf(6)], 4),
        writer.moveHead(1, 1, 4),
        writer.tag("a", 1),
        writer.checkpoints.save(4, chunksOf(4)),
        writer.compact({ drop: [[1, 1]], fold: [{ ...recordOf(2), parent: 0, folded: 1 }], last: 4 })
      ]
      for (const attempt of attempts) assert.strictEqual(reasonOf(yield* Effect.flip(attempt)), "ReadOnly")
      assert.deepStrictEqual(yield* reader.verify, [])
      yield* sql(`GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "${schema}" TO "${role.name}";
        GRANT USAGE ON ALL SEQUENCES IN SCHEMA "${schema}" TO "${role.name}"`)
      for (const attempt of attempts.slice(1)) yield* Effect.exit(attempt)
      assert.strictEqual((yield* reader.info).last, 6)
      yield* writer.checkpoints.save(6, chunksOf(6))
      yield* writer.compact({ drop: [[3, 3]], fold: [{ ...recordOf(4), parent: 2, folded: 1 }], last: 6 })
      assert.deepStrictEqual(yield* reader.verify, [])
    })
  )
  it.effect("a user whose transactions are read-only is ReadOnly", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      const readOnly = `${url}?options=${encodeURIComponent("-c default_transaction_read_only=on")}`
      const error = yield* refusal({ url: readOnly, schema })
      assert.strictEqual(error.reason, "ReadOnly")
      assert.match(error.message, /may only read/)
      assert.deepStrictEqual(yield* contents(schema), [])
    })
  )
})

describe("what keeps a write from being done is told, and nothing was changed", () => {
  it.live("a lock that another session holds is Busy, which passes", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      const impatient = `${url}?options=${encodeURIComponent("-c lock_timeout=30ms")}`
      const store = yield* HistoryPostgres.make({ url: impatient, schema })
      yield* store.append([recordOf(1), recordOf(2)], 0)
      const holder = yield* session()
      yield* Effect.promise(() => holder.query(`BEGIN; SELECT FROM "${schema}".registries FOR UPDATE`))
      const errors = [
        yield* Effect.flip(store.append([recordOf(3)], 2)),
        yield* Effect.flip(store.moveHead(1, 1, 2)),
        yield* Effect.flip(store.tag("a", 1)),
        yield* Effect.flip(store.checkpoints.save(1, chunksOf(1))),
        yield* Effect.flip(store.compact({ drop: [[1, 1]], fold: [{ ...recordOf(2), parent: 0, folded: 1 }], last: 2 }))
      ]
      for (const error of errors) {
        assert.strictEqual(reasonOf(error), "Busy", error.message)
        assert.isTrue(error._tag === "HistoryStoreError" && error.isRetryable)
      }
      // Readers wait for nobody.
      assert.strictEqual((yield* store.info).last, 2)
      yield* Effect.promise(() => holder.query("ROLLBACK"))
      assert.strictEqual(yield* store.append([recordOf(3)], 2), 3)
      assert.deepStrictEqual(yield* store.verify, [])
      assert.deepStrictEqual([...(yield* store.info).tags], [])
    })
  )
  it.live("a statement that takes too long is Busy", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      const impatient = `${url}?options=${encodeURIComponent("-c statement_timeout=50ms")}`
      const store = yield* HistoryPostgres.make({ url: impatient, schema })
      const holder = yield* session()
      yield* Effect.promise(() => holder.query(`BEGIN; SELECT FROM "${schema}".registries FOR UPDATE`))
      const error = yield* Effect.flip(store.tag("a", 0))
      assert.strictEqual(error.reason, "Busy", error.message)
      yield* Effect.promise(() => holder.query("ROLLBACK"))
      yield* store.tag("a", 0)
    })
  )
  const codes: ReadonlyArray<readonly [code: string, reason: StoreErrorReason]> = [
    ["53100", "Full"],
    ["40001", "Busy"],
    ["40P01", "Busy"],
    ["55P03", "Busy"],
    ["53200", "Unavailable"],
    ["XX001", "Corrupt"],
    ["54000", "Unsupported"],
    ["25006", "ReadOnly"]
  ]
  for (const [code, reason] of codes) {
    it.live(`${code} is ${reason}`, () =>
      Effect.gen(function* () {
        const schema = yield* freshSchema
        const store = yield* HistoryPostgres.make({ url, schema })
        yield* store.append([recordOf(1)], 0)
        const before = yield* store.info
        yield* sql(`CREATE FUNCTION "${schema}".refuse() RETURNS trigger LANGUAGE plpgsql AS
          $$BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '${code}'; END$$;
          CREATE TRIGGER refuse AFTER INSERT ON "${schema}".versions EXECUTE FUNCTION "${schema}".refuse();
          CREATE TRIGGER refuse AFTER INSERT ON "${schema}".moves EXECUTE FUNCTION "${schema}".refuse();
          CREATE TRIGGER refuse AFTER INSERT ON "${schema}".chunks EXECUTE FUNCTION "${schema}".refuse()`)
        const errors = [
          yield* Effect.flip(store.append([recordOf(2)], 1)),
          yield* Effect.flip(store.append([recordOf(2), recordOf(3)], 1)),
          yield* Effect.flip(store.moveHead(0, 1, 1)),
          yield* Effect.flip(store.checkpoints.save(1, chunksOf(1)))
        ]
        assert.deepStrictEqual([...new Set(errors.map(reasonOf))], [reason])
        assert.deepStrictEqual(yield* store.info, before)
        yield* sql(`DROP FUNCTION "${schema}".refuse CASCADE`)
        assert.strictEqual(yield* store.append([recordOf(2), recordOf(3)], 1), 3)
        assert.deepStrictEqual(yield* store.verify, [])
      })
    )
  }
  it.effect("a name of a tag longer than a key may be is Unsupported", () =>
    Effect.gen(function* () {
      const store = yield* HistoryPostgres.make({ url, schema: yield* freshSchema })
      const long = Array.from({ length: 3000 }, (_, i) => String.fromCodePoint(0x4e00 + ((i * 7919) % 20_000))).join("")
      assert.strictEqual((yield* Effect.flip(store.tag(long, 0))).reason, "Unsupported")
      assert.strictEqual((yield* store.info).tags.size, 0)
    })
  )
})
