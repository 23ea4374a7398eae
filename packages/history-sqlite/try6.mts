import * as fs from "node:fs"
import * as Operation from "@heph/changeset/Operation"
import * as ContentStore from "@heph/content/ContentStore"
import * as Entry from "@heph/entry/Entry"
import { HistoryStore } from "@heph/history/HistoryStore"
import * as Packed from "@heph/history/Packed"
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ContentSqlite from "./src/ContentSqlite.ts"
const med = (a: number[]) => a.sort((x, y) => x - y)[a.length >> 1]!
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
for (let i = 0; i < 1500; i++) {
  const at = rnd(text.length - 200)
  text = text.slice(0, at) + `edit ${i} number ${rnd(1e6)}` + text.slice(at + 20)
  bodies.push(new TextEncoder().encode(text))
}
const dir = fs.mkdtempSync((process.argv[2] ?? "/dev/shm") + "/heph-try-")
const filename = dir + "/r.db"
const bare = new Sqlite(dir + "/bare.db")
bare.pragma("page_size=8192")
bare.pragma("journal_mode=WAL")
bare.pragma("synchronous=full")
bare.exec("create table t(id integer primary key, hash blob, bytes blob)")
const ins = bare.prepare("insert into t(hash,bytes) values(?,?)")
await Effect.runPromise(
  Effect.gen(function* () {
    const s = yield* ContentStore.ContentStore
    const h = yield* HistoryStore
    const tr: number[] = [],
      ta: number[] = [],
      tb: number[] = []
    let prev: string | undefined
    let n = 0
    for (const b of bodies) {
      const rec = () => {
        const i = n++
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
      let r = rec()
      let t0 = performance.now()
      yield* s.holding([{ bytes: b, near: prev ? [prev] : [] }], (puts) => {
        prev = puts[0]!.hash
        return h.append([r], n - 1)
      })
      let dt = performance.now() - t0
      tr.push(dt)
      r = rec()
      t0 = performance.now()
      yield* h.append([r], n - 1)
      dt = performance.now() - t0
      ta.push(dt)
      t0 = performance.now()
      ins.run(Buffer.alloc(32, n), b)
      dt = performance.now() - t0
      tb.push(dt)
    }
    console.log("holding+append", med(tr).toFixed(3), "append", med(ta).toFixed(3), "bare", med(tb).toFixed(3))
  }).pipe(Effect.provide(Layer.provideMerge(ContentStore.layer(), ContentSqlite.layer({ filename }))))
)
fs.rmSync(dir, { recursive: true })
