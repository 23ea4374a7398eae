import * as fs from "node:fs"
import * as os from "node:os"
// @ts-ignore
import { history, gitPack } from "/tmp/exp/load.mjs"
import * as ContentStore from "@heph/content/ContentStore"
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ContentSqlite from "./src/ContentSqlite.ts"
const repo = "/work/.mirror/colinhacks+zod/repo"
const med = (a: number[]) => a.sort((x, y) => x - y)[a.length >> 1]!
for (const path of ["src/types.ts", "README.md"]) {
  const { ids, blobs } = history(repo, path)
  const git = gitPack(ids, repo)
  const dir = fs.mkdtempSync(os.tmpdir() + "/heph-try-")
  const filename = dir + "/r.db"
  const hs: string[] = []
  await Effect.runPromise(
    Effect.gen(function* () {
      const s = yield* ContentStore.ContentStore
      const t0 = performance.now()
      let prev: string | undefined
      for (const b of blobs) {
        const p = yield* s.put({ bytes: b, near: prev ? [prev] : [] })
        prev = p.hash
        hs.push(prev!)
      }
      const t = performance.now() - t0
      const i = yield* s.info
      console.log(path, blobs.length, "ratio", (i.stored / git).toFixed(3), "ms/v", (t / blobs.length).toFixed(2))
    }).pipe(Effect.provide(Layer.provide(ContentStore.layer(), ContentSqlite.layer({ filename }))))
  )
  console.log("file", fs.statSync(filename).size)
  const db = new Sqlite(filename, { readonly: true })
  const deep = db
    .prepare("select lower(hex(hash)) h,depth,size from contents order by depth desc, size desc limit 5")
    .all() as any[]
  db.close()
  for (const { h, depth, size } of deep) {
    const ts = []
    for (let k = 0; k < 40; k++)
      await Effect.runPromise(
        Effect.gen(function* () {
          const s = yield* ContentStore.ContentStore
          const t0 = performance.now()
          yield* s.get(h)
          const dt = performance.now() - t0
          ts.push(dt)
        }).pipe(Effect.provide(Layer.provide(ContentStore.layer(), ContentSqlite.layer({ filename }))))
      )
    console.log(
      "depth",
      depth,
      size,
      "first",
      ts[0]!.toFixed(2),
      "med",
      med(ts).toFixed(2),
      "min",
      Math.min(...ts).toFixed(2)
    )
  }
}
