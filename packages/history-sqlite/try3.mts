import * as fs from "node:fs"
import * as os from "node:os"
import * as Operation from "@heph/changeset/Operation"
import { BlobStore } from "@heph/content/BlobStore"
import * as ContentStore from "@heph/content/ContentStore"
import * as Entry from "@heph/entry/Entry"
import { HistoryStore } from "@heph/history/HistoryStore"
import * as Packed from "@heph/history/Packed"
import Sqlite from "better-sqlite3"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { of as hashOf } from "../content/src/Hash.ts"
import { compress } from "../content/src/internal/frames.ts"
import * as ContentSqlite from "./src/ContentSqlite.ts"
const q = (a: number[]) => {
  a.sort((x, y) => x - y)
  return `p10 ${a[(a.length / 10) | 0]!.toFixed(3)} med ${a[a.length >> 1]!.toFixed(3)}`
}
const lines = fs.readFileSync("/work/main/packages/history/src/History.ts", "utf8").slice(0, 10240)
const bodies: Uint8Array[] = []
const rnd = (() => {
  let s = 7
  return (n: number) => {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0
    return Math.floor((s / 2 ** 32) * n)
  }
})()
let text = lines
for (let i = 0; i < 400; i++) {
  const at = rnd(text.length - 200)
  text = text.slice(0, at) + `edit ${i} number ${rnd(1e6)}` + text.slice(at + 20)
  bodies.push(new TextEncoder().encode(text))
}
const dir = fs.mkdtempSync(os.tmpdir() + "/heph-try-")
const filename = dir + "/r.db"
const bare = new Sqlite(dir + "/bare.db")
bare.pragma("page_size=8192")
bare.pragma("journal_mode=WAL")
bare.pragma("synchronous=full")
bare.exec("create table t(id integer primary key, hash blob, bytes blob)")
const ins = bare.prepare("insert into t(hash,bytes) values(?,?)")
const T: Record<string, number[]> = {}
const timed = <A, E, R>(name: string, e: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const t0 = performance.now()
    const r = yield* e
    const dt = performance.now() - t0
    ;(T[name] ??= []).push(dt)
    return r
  })
await Effect.runPromise(
  Effect.gen(function* () {
    const s = yield* ContentStore.ContentStore
    const h = yield* HistoryStore
    const blobs = yield* BlobStore
    let prev: string | undefined
    let v = 0
    const rec = () => {
      const i = v++
      const changeset = [
        Operation.create(
          Entry.makeUnsafe({
            id: `p.c:${i}`,
            kind: "implementation",
            meta: { parent: i - 1, hash: "x".repeat(64) },
            data: { a: 1 }
          })
        )
      ]
      return {
        id: i + 1,
        parent: i,
        timestamp: 1,
        message: "m",
        author: undefined,
        ...Packed.countsOf(changeset),
        changeset: Packed.fromChangeSet(changeset)
      }
    }
    for (const [i, b] of bodies.entries()) {
      yield* timed(
        "bare",
        Effect.sync(() => ins.run(Buffer.alloc(32, i), b))
      )
      const r1 = rec()
      yield* timed("append alone", h.append([r1], v - 1))
      const r2 = rec()
      if (i > 0) {
        yield* timed(
          "bare",
          Effect.sync(() => ins.run(Buffer.alloc(32, i), b))
        )
        yield* timed(
          "delta after fsync",
          Effect.sync(() => compress(b, bodies[i - 1], "quick"))
        )
        yield* timed(
          "delta again",
          Effect.sync(() => compress(b, bodies[i - 1], "quick"))
        )
        yield* timed(
          "bare",
          Effect.sync(() => ins.run(Buffer.alloc(32, i), b))
        )
        yield* timed(
          "sha after fsync",
          Effect.sync(() => hashOf(b))
        )
        yield* timed(
          "bare",
          Effect.sync(() => ins.run(Buffer.alloc(32, i), b))
        )
        yield* timed(
          "fork",
          Effect.gen(function* () {
            const f = yield* Effect.forkChild(Effect.sleep(100000))
            yield* Fiber.interrupt(f)
          })
        )
        yield* timed("yieldNow", Effect.yieldNow)
      }
      yield* timed(
        "holding+append",
        s.holding([{ bytes: b, near: prev ? [prev] : [] }], (puts) => {
          prev = puts[0]!.hash
          return timed("  append in", h.append([r2], v - 1))
        })
      )
      if (0) yield* Effect.void
      const hash = [...Array(64)].map(() => "0123456789abcdef"[rnd(16)]).join("")
      yield* timed(
        "raw write hold",
        blobs.write({
          add: [{ hash, size: 1, base: prev!, depth: 200, encoding: "zstd", bytes: new Uint8Array(60) }],
          touch: [],
          hold: { holder: "h" + i, until: 1e15 },
          now: 1
        })
      )
      yield* timed("release", blobs.hold("h" + i, null))
      yield* timed("heads 2", blobs.heads({ hashes: [prev!, hash] }))
      yield* timed("put dup", s.put({ bytes: b }))
      yield* timed("put", s.put({ bytes: new TextEncoder().encode(new TextDecoder().decode(b) + i), near: [prev!] }))
    }
    for (const k in T) console.log(k.padEnd(20), q(T[k]!))
  }).pipe(
    Effect.provide(
      Layer.provideMerge(
        ContentStore.layer(),
        Layer.effectContext(
          Effect.map(ContentSqlite.make({ filename }), ({ history, blobs }) =>
            Context.add(Context.make(HistoryStore, history), BlobStore, {
              ...blobs,
              heads: (x) => timed("    heads", blobs.heads(x)),
              write: (x) => timed(x.hold ? "    write held" : "    write", blobs.write(x)),
              hold: (x, y) => timed("    hold", blobs.hold(x, y)),
              read: (x) => timed("    read", blobs.read(x))
            })
          )
        )
      )
    )
  )
)
