import { inspect } from "node:util"
/** What the options do, what may be a URL, a schema and a registry, and that no secret is told. */
import { assert, describe, it } from "@effect/vitest"
import * as HistoryPostgres from "@heph/history-postgres/HistoryPostgres"
import { HistoryStore, type HistoryStoreError } from "@heph/history/HistoryStore"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { connectionsOf, freshSchema, named, refusal, session, sql, url } from "./fixtures/places.ts"
import { chunksOf, recordOf } from "./fixtures/records.ts"

const reasonOf = (error: { readonly _tag: string }): string =>
  error._tag === "HistoryStoreError" ? (error as HistoryStoreError).reason : error._tag

/** By half pairs, so that whole ones come apart. */
const backwards = (text: string) => text.split("").reverse().join("")

describe("the registry", () => {
  const names = [
    "",
    " ",
    "main",
    'it\'s "quoted"; DROP SCHEMA heph; --',
    "NUL \0 and half a pair \ud800",
    "other half \udc00\ud800",
    "\u0010 as it is",
    "\u00100000",
    "名前 ☃ 𝄞",
    "$1 %s \\x00",
    "x".repeat(1000)
  ]
  it.effect("may have any name, and each is a registry of its own", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      for (const [i, registry] of names.entries()) {
        const store = yield* HistoryPostgres.make({ url, schema, registry, poolSize: 1 })
        const record = { ...recordOf(1), message: registry, author: backwards(registry) }
        yield* store.append([record], 0)
        yield* store.tag(`${registry.slice(0, 100)} ${i}`, 1)
      }
      for (const [i, registry] of names.entries()) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const store = yield* HistoryPostgres.make({ url, schema, registry, poolSize: 1, readOnly: true })
            const [v1] = yield* store.versions({ ids: [1] })
            assert.strictEqual(v1?.message, registry)
            assert.strictEqual(v1?.author, backwards(registry))
            assert.deepStrictEqual([...(yield* store.info).tags], [[`${registry.slice(0, 100)} ${i}`, 1]])
            assert.deepStrictEqual(yield* store.verify, [])
          })
        )
      }
      const [{ count }] = (yield* sql(`SELECT count(*)::int AS count FROM "${schema}".registries`)) as [
        { count: number }
      ]
      assert.strictEqual(count, names.length)
    })
  )
  it.effect("with a name too long for a key is refused", () =>
    Effect.gen(function* () {
      const error = yield* refusal({ url, registry: "x".repeat(1001) })
      assert.strictEqual(error.reason, "Unsupported")
      assert.match(error.message, /at most 1,000 bytes/)
    })
  )
  it.effect("two in one schema know nothing of each other", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      const one = yield* HistoryPostgres.make({ url, schema, registry: "one" })
      const two = yield* HistoryPostgres.make({ url, schema, registry: "two" })
      yield* one.append([recordOf(1), recordOf(2), recordOf(3), recordOf(4)], 0)
      yield* two.append([{ ...recordOf(1), message: "the other" }], 0)
      yield* two.moveHead(0, 5, 1)
      yield* one.tag("same", 4)
      yield* two.tag("same", 1)
      yield* one.checkpoints.save(4, chunksOf(4))
      yield* two.checkpoints.save(0, chunksOf(1))
      yield* one.compact({ drop: [[1, 2]], fold: [{ ...recordOf(3), parent: 0, folded: 2 }], last: 4 })
      assert.deepStrictEqual(
        (yield* two.versions({ after: 0, limit: 9 })).map(({ id, message }) => [id, message]),
        [[1, "the other"]]
      )
      const facts = yield* two.info
      assert.deepStrictEqual(
        { ...facts, created: 0, tags: [...facts.tags] },
        { created: 0, head: 0, revision: 2, last: 1, tags: [["same", 1]], checkpoints: [0], dropped: [] }
      )
      assert.deepStrictEqual(yield* two.checkpoints.load(0), chunksOf(1))
      yield* two.checkpoints.drop([0, 4])
      assert.deepStrictEqual(yield* one.checkpoints.load(4), chunksOf(4))
      assert.deepStrictEqual([yield* one.verify, yield* two.verify], [[], []])
    })
  )
})

describe("the schema", () => {
  const names = ["x", 'quo"te', "it's", "with space", "Ünïcödé", "Upper", "select", "n".repeat(63)]
  for (const name of names) {
    it.effect(`may have the name ${name}`, () =>
      Effect.gen(function* () {
        const schema = yield* named(name)
        const store = yield* HistoryPostgres.make({ url, schema })
        yield* store.append([recordOf(1)], 0)
        yield* store.checkpoints.save(1, chunksOf(1))
        const rows = yield* sql(`SELECT nspname FROM pg_namespace WHERE nspname = $1`, [name])
        assert.lengthOf(rows, 1)
        assert.deepStrictEqual(yield* store.verify, [])
      })
    )
  }
  for (const [schema, says] of [
    ["", /1 to 63 bytes/],
    ["é".repeat(32), /1 to 63 bytes/],
    ["nul\0", /without NUL/],
    ["pg_catalog", /PostgreSQL's own/],
    ["information_schema", /PostgreSQL's own/]
  ] as const) {
    it.effect(`cannot have the name ${JSON.stringify(schema)}`, () =>
      Effect.gen(function* () {
        const error = yield* refusal({ url, schema })
        assert.strictEqual(error.reason, "Unsupported")
        assert.match(error.message, says)
      })
    )
  }
})

describe("the URL", () => {
  it.effect("may be redacted", () =>
    Effect.gen(function* () {
      const store = yield* HistoryPostgres.make({ url: Redacted.make(url), schema: yield* freshSchema })
      assert.strictEqual((yield* store.info).head, 0)
    })
  )
  const secret = "pa%73s wörd'\"\\&=@:/?#[]"
  const hidden = [secret, encodeURIComponent(secret), encodeURI(secret), "wörd", "w%C3%B6rd", "s3cr3t"]
  /** Everything that could be logged of an error. */
  const told = (error: HistoryStoreError) =>
    [
      error.message,
      error.store,
      error.stack,
      JSON.stringify(error),
      inspect(error, { depth: 9, showHidden: true })
    ].join()
  const place = new URL(url)
  const urls: ReadonlyArray<readonly [what: string, url: string, reason: string]> = [
    ["of no server", `postgres://heph:${encodeURIComponent(secret)}@127.0.0.1:1/db`, "Unavailable"],
    [
      "of no host",
      `postgresql://heph:${encodeURIComponent(secret)}@no-such-host.invalid/db?password=s3cr3t`,
      "Unavailable"
    ],
    ["of no database", `postgres://heph:s3cr3t@${place.host}/nowhere?password=wörd&token=s3cr3t`, "NotFound"],
    ["of another scheme", `mysql://heph:s3cr3t@${place.host}/db`, "Unsupported"],
    ["that is none", "s3cr3t", "Unsupported"],
    ["with a / in its password", "postgres://heph:12/s3cr3t@127.0.0.1:1/db", "Unsupported"],
    ["with a ? in its password", "postgres://heph:12?s3cr3t@127.0.0.1:1/db", "Unsupported"],
    ["with a # in its password", "postgres://heph:12#s3cr3t@127.0.0.1:1/db", "Unsupported"],
    ["with a # and no more", "postgres://127.0.0.1:1/db#s3cr3t", "Unsupported"],
    ["with a port that is none", "postgres://heph:s3cr3t@127.0.0.1:s3cr3t/db", "Unsupported"],
    ["with an @ in its password", "postgres://heph:s3cr3t@wörd@127.0.0.1:1/db", "Unavailable"],
    [
      "with a certificate that is not there",
      "postgres://heph:s3cr3t@127.0.0.1:1/db?sslrootcert=/nowhere",
      "Unsupported"
    ]
  ]
  for (const [what, wrong, reason] of urls) {
    it.live(`${what} is refused, and no secret of it is told`, () =>
      Effect.gen(function* () {
        const error = yield* refusal({ url: wrong, connectTimeout: "2 seconds" })
        assert.strictEqual(error.reason, reason, error.message)
        for (const text of hidden) assert.notInclude(told(error), text)
      })
    )
  }
  it.effect("is how errors name the store", () =>
    Effect.gen(function* () {
      const user = place.username
      const wrong = `postgres://${user}:s3cr3t@${place.host}/nowhere?application_name=me&password=s3cr3t`
      const error = yield* refusal({ url: wrong })
      assert.strictEqual(error.store, `postgres://${user}@${place.host}/nowhere?application_name=me`)
    })
  )
})

describe("connectTimeout", () => {
  it.live("is how long a server may be silent", () =>
    Effect.gen(function* () {
      const { createServer } = yield* Effect.promise(() => import("node:net"))
      const silent = createServer(() => {})
      yield* Effect.acquireRelease(
        Effect.promise(() => new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve))),
        () => Effect.sync(() => silent.close())
      )
      const { port } = silent.address() as { readonly port: number }
      const error = yield* refusal({ url: `postgres://heph@127.0.0.1:${port}/db`, connectTimeout: "100 millis" })
      assert.strictEqual(error.reason, "Unavailable")
      assert.isTrue(error.isRetryable)
    })
  )
})

describe("poolSize", () => {
  it.effect("bounds the connections, and one is enough for all work at once", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      const marked = `${url}?application_name=${encodeURIComponent(schema)}`
      const store = yield* HistoryPostgres.make({ url: marked, schema, poolSize: 1 })
      yield* store.append([recordOf(1), recordOf(2), recordOf(3), recordOf(4)], 0)
      const reads = Array.from({ length: 20 }, (_, i) => store.versions({ ids: [(i % 4) + 1] }))
      const most = Effect.map(connectionsOf(schema), (found) => assert.strictEqual(found, 1))
      yield* Effect.all(
        [
          ...reads,
          most,
          store.checkpoints.save(4, chunksOf(4)),
          store.tag("a", 4),
          store.compact({ drop: [[1, 1]], fold: [{ ...recordOf(2), parent: 0, folded: 1 }], last: 4 })
        ],
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(yield* store.verify, [])
    })
  )
})

describe("readOnly", () => {
  it.effect("reads everything and writes nothing", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      const writer = yield* HistoryPostgres.make({ url, schema })
      yield* writer.append(
        [recordOf(1), recordOf(17)].map((record, i) => ({ ...record, id: i + 1, parent: i })),
        0
      )
      yield* writer.tag("a", 1)
      yield* writer.checkpoints.save(2, chunksOf(2))
      const store = yield* HistoryPostgres.make({ url, schema, readOnly: true })
      const before = yield* store.info
      const errors: ReadonlyArray<{ readonly _tag: string }> = [
        yield* Effect.flip(store.append([recordOf(3)], 2)),
        yield* Effect.flip(store.moveHead(1, 1, 2)),
        yield* Effect.flip(store.tag("b", 1)),
        yield* Effect.flip(store.tag("a", null)),
        yield* Effect.flip(store.checkpoints.save(1, chunksOf(1))),
        yield* Effect.flip(store.checkpoints.drop([2])),
        yield* Effect.flip(store.compact({ drop: [], fold: [], last: 2 }))
      ]
      assert.deepStrictEqual([...new Set(errors.map(reasonOf))], ["ReadOnly"])
      assert.deepStrictEqual(yield* store.info, before)
      assert.deepStrictEqual(yield* store.checkpoints.load(2), chunksOf(2))
      const [, v2] = yield* store.versions({ after: 0, limit: 5 })
      assert.deepStrictEqual(yield* v2!.changeset.bytes, yield* recordOf(17).changeset.bytes)
      assert.deepStrictEqual(yield* store.verify, [])
      yield* writer.append([recordOf(3)], 2)
      assert.strictEqual((yield* store.info).last, 3)
    })
  )
  it.effect("makes neither a schema nor a registry", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      const none = yield* refusal({ url, schema, readOnly: true })
      assert.strictEqual(none.reason, "NotFound")
      assert.match(none.message, /none is made for reading/)
      assert.deepStrictEqual(yield* sql("SELECT FROM pg_namespace WHERE nspname = $1", [schema]), [])
      yield* HistoryPostgres.make({ url, schema })
      const registry = yield* refusal({ url, schema, registry: "other", readOnly: true })
      assert.strictEqual(registry.reason, "NotFound")
      assert.match(registry.message, /no registry "other"/)
      assert.deepStrictEqual(yield* sql(`SELECT registry FROM "${schema}".registries`), [{ registry: "main" }])
    })
  )
})

describe("layerConfig", () => {
  const layer = HistoryPostgres.layerConfig({
    url: Config.Redacted("HISTORY_URL"),
    schema: Config.NonEmptyString("HISTORY_SCHEMA")
  })
  const configured = (values: Record<string, string>) =>
    Effect.flatMap(HistoryStore, (store) => store.info).pipe(
      Effect.provide(layer),
      Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown(values))
    )
  it.effect("opens the store that the configuration names, or fails where that does", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      assert.strictEqual((yield* configured({ HISTORY_URL: url, HISTORY_SCHEMA: schema })).head, 0)
      assert.lengthOf(yield* sql("SELECT FROM pg_namespace WHERE nspname = $1", [schema]), 1)
      assert.strictEqual((yield* Effect.flip(configured({})))._tag, "ConfigError")
    })
  )
})

describe("the end of the scope", () => {
  it.effect("closes every connection, and whoever kept the store is told", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      const marked = `${url}?application_name=${encodeURIComponent(schema)}`
      const { store, versions } = yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* HistoryPostgres.make({ url: marked, schema })
          const records = [16, 17, 17].map((n, i) => ({ ...recordOf(n), id: i + 1, parent: i }))
          yield* store.append(records, 0)
          const versions = yield* store.versions({ after: 0, limit: 9 })
          yield* versions[2]!.changeset.bytes
          assert.isAbove(yield* connectionsOf(schema), 0)
          return { store, versions }
        })
      )
      yield* Effect.repeat(connectionsOf(schema), { until: (open) => open === 0 })
      const error = yield* Effect.flip(store.info)
      assert.strictEqual(error.reason, "Unavailable")
      assert.match(error.message, /the store is closed/)
      // Small ones came with their version; a large one that was asked for before is kept.
      assert.deepStrictEqual(yield* versions[0]!.changeset.bytes, yield* recordOf(16).changeset.bytes)
      assert.strictEqual(reasonOf(yield* Effect.flip(versions[1]!.changeset.value)), "Unavailable")
      assert.deepStrictEqual(yield* versions[2]!.changeset.bytes, yield* recordOf(17).changeset.bytes)
    })
  )
  it.live("waits for an append that is on its way", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      const holder = yield* session()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* HistoryPostgres.make({ url, schema })
          yield* Effect.promise(() => holder.query(`BEGIN; SELECT FROM "${schema}".registries FOR UPDATE`))
          yield* Effect.forkScoped(store.append([recordOf(1)], 0))
          // Until it waits for the lock.
          yield* Effect.repeat(
            sql("SELECT FROM pg_locks WHERE NOT granted AND locktype IN ('transactionid', 'tuple')"),
            { until: (waiting) => waiting.length > 0 }
          )
          yield* Effect.addFinalizer(() => Effect.promise(() => holder.query("COMMIT")))
        })
      )
      const rows = yield* sql(`SELECT id::int FROM "${schema}".versions`)
      assert.deepStrictEqual(rows, [{ id: 1 }])
    })
  )
})
