import { execFileSync, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import { basename, extname } from "node:path"
// @ts-ignore
import { gitPack } from "/tmp/exp/load.mjs"
import * as ContentStore from "@heph/content/ContentStore"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Backup from "./src/Backup.ts"
import * as ContentSqlite from "./src/ContentSqlite.ts"
const repo = "/work/.mirror/colinhacks+zod/repo",
  WIN = +(process.argv[2] ?? 0),
  BATCH = +(process.argv[3] ?? 50)
const out = execFileSync(
  "git",
  [
    "-C",
    repo,
    "log",
    "--reverse",
    "--topo-order",
    "--raw",
    "--no-abbrev",
    "-M",
    "-m",
    "--first-parent",
    "--format=",
    "HEAD"
  ],
  { encoding: "utf8", maxBuffer: 1 << 30 }
)
const ev: any[] = []
const seen = new Map()
const uniq: string[] = []
for (const l of out.split("\n")) {
  const m = /^:\d+ (\d+) (\w+) (\w+) (\w)\d*\t([^\t]+)(?:\t(.+))?$/.exec(l)
  if (!m || m[4] === "D" || m[1] === "160000") continue
  const path = m[6] ?? m[5]!
  const old = /^0+$/.test(m[2]!) ? null : m[2]
  if (seen.has(m[3])) continue
  seen.set(m[3], 1)
  uniq.push(m[3]!)
  ev.push({ id: m[3], old, path })
}
const r = spawnSync("git", ["-C", repo, "cat-file", "--batch"], {
  input: uniq.join("\n") + "\n",
  maxBuffer: 1 << (31 - 1)
})
const blobs = new Map()
let p = 0
const b = r.stdout
while (p < b.length) {
  const e = b.indexOf(10, p)
  const [id, type, s] = b.subarray(p, e).toString().split(" ")
  blobs.set(id, b.subarray(e + 1, e + 1 + +s!))
  p = e + 1 + +s! + 1
}
const git = gitPack(uniq, repo)
const dir = fs.mkdtempSync(os.tmpdir() + "/heph-try-")
const filename = dir + "/r.db"
await Effect.runPromise(
  Effect.gen(function* () {
    const s = yield* ContentStore.ContentStore
    const c0 = process.cpuUsage(),
      t0 = performance.now()
    const hs = new Map<string, string>(),
      recent = new Map<string, string[]>()
    for (let i = 0; i < ev.length; i += BATCH) {
      const part = ev.slice(i, i + BATCH)
      const { of } = yield* Effect.promise(() => import("@heph/content/Hash"))
      for (const x of part) hs.set(x.id, of(blobs.get(x.id)))
      yield* s.holding(
        part.map(({ id, old, path }) => {
          const near = [...(old && hs.has(old) ? [hs.get(old)!] : [])]
          if (WIN)
            near.push(...(recent.get(basename(path)) ?? []).slice(-4), ...(recent.get(extname(path)) ?? []).slice(-WIN))
          if (!old)
            for (const k of [basename(path), extname(path)]) {
              const l = recent.get(k) ?? []
              l.push(hs.get(id)!)
              recent.set(k, l)
            }
          return { bytes: blobs.get(id), near }
        }),
        () => Effect.void
      )
    }
    const t = performance.now() - t0,
      c = process.cpuUsage(c0)
    const info = yield* s.info
    console.log(
      "blobs",
      ev.length,
      "ratio",
      (info.stored / git).toFixed(3),
      "ms/v wall",
      (t / ev.length).toFixed(3),
      "cpu",
      ((c.user + c.system) / 1000 / ev.length).toFixed(3),
      info
    )
    const t1 = performance.now(),
      c1 = process.cpuUsage()
    const bad = yield* s.verify()
    const c2 = process.cpuUsage(c1)
    console.log("verify", bad.length, "ms", performance.now() - t1, "cpu", (c2.user + c2.system) / 1000)
    const head = [...hs.values()].filter((_, i) => i % 3 === 0)
    const t2 = performance.now()
    const sw = yield* s.sweep(Effect.succeed(new Set(head)))
    console.log(
      "sweep",
      performance.now() - t2,
      sw.removed.length,
      sw.rebased,
      sw.freed,
      yield* s.info,
      (yield* s.verify()).length
    )
  }).pipe(Effect.provide(Layer.provide(ContentStore.layer(), ContentSqlite.layer({ filename }))))
)
console.log("file after sweep", fs.statSync(filename).size)
