import * as ContentStore from "@heph/content/ContentStore"
import {BlobStore} from "@heph/content/BlobStore"
import * as ContentSqlite from "./src/ContentSqlite.ts"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as fs from "node:fs"
import * as os from "node:os"
// @ts-ignore
import { history, gitPack } from "/tmp/exp/load.mjs"
const repo="/work/.mirror/colinhacks+zod/repo"
const med=(a:number[])=>a.sort((x,y)=>x-y)[a.length>>1]!
for (const path of ["src/types.ts","README.md"]) {
const {ids,blobs}=history(repo,path); const git=gitPack(ids,repo)
const dir=fs.mkdtempSync(os.tmpdir()+"/heph-try-"); const filename=dir+"/r.db"
await Effect.runPromise(Effect.gen(function*(){
  const s=yield* ContentStore.ContentStore; const bs=yield* BlobStore
  const hs:string[]=[]; const tp:number[]=[]
  for(const b of blobs){const t0=performance.now();const p=yield* s.put({bytes:b,near:hs.slice(-1)});const dt=performance.now()-t0;tp.push(dt);hs.push(p.hash)}
  const i=yield* s.info
  console.log(path,blobs.length,"ratio",(i.stored/git).toFixed(3),"put med",med(tp).toFixed(2),"avg",(tp.reduce((a,b)=>a+b,0)/tp.length).toFixed(2))
  const fresh=yield* Effect.provideService(ContentStore.make({cacheBytes:1}),BlobStore,bs)
  for(const h of hs.slice(-20))yield* fresh.get(h)
  const all:any[]=[];for(const h of hs){const ts:number[]=[];for(let k=0;k<7;k++){const t0=performance.now();yield* fresh.get(h);const dt=performance.now()-t0;ts.push(dt)}; const [head]=yield* bs.heads({hashes:[h]});all.push([med(ts),Math.min(...ts),head!.depth,head!.size])}
  all.sort((a,b)=>b[0]-a[0]);console.log("slowest by median",all.slice(0,5).map(x=>x.map((y:number)=>+y.toFixed(2)).join("/")).join("  "),"avg med",(all.reduce((a,b)=>a+b[0],0)/all.length).toFixed(2)); all.sort((a,b)=>b[1]-a[1]);console.log("slowest by min",all.slice(0,3).map(x=>x.map((y:number)=>+y.toFixed(2)).join("/")).join("  "))
}).pipe(Effect.provide(Layer.provideMerge(ContentStore.layer(),ContentSqlite.layer({filename})))))
fs.rmSync(dir,{recursive:true})
}
