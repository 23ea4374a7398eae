/** `heph get` as people run it: a whole process, against one of Node that does nothing. */
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Measure from "./measure.ts"

const entries = 10_000
const targetSeconds = 0.6
const bin = fileURLToPath(new URL("../../../apps/cli/src/bin.ts", import.meta.url))

/** Runs Node until it ends, and gives what it printed. */
const node = (args: ReadonlyArray<string>): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] })
    let printed = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => (printed += text))
    child.on("error", reject)
    child.on("close", (code) => {
      if (code === 0) resolve(printed)
      else reject(new Error(`node ${args.join(" ")} ended with ${code}`))
    })
  })

/** How long each of these calls of Node takes, in microseconds, run in turns. The first turn does not count. */
const turns = async (
  count: number,
  calls: ReadonlyArray<ReadonlyArray<string>>
): Promise<ReadonlyArray<ReadonlyArray<number>>> => {
  const times = calls.map((): Array<number> => [])
  for (let turn = -1; turn < count; turn++) {
    for (const [i, args] of calls.entries()) {
      const took = await Measure.once(() => node(args))
      if (turn >= 0) times[i]!.push(took)
    }
  }
  return times
}

/** Entries of ~0.8 KB, in namespaces of 500. */
const definitions = (): string =>
  Array.from({ length: entries / 500 }, (_, ns) =>
    JSON.stringify({
      namespace: `app.n${ns}`,
      entries: Array.from({ length: 500 }, (_, i) => ({
        name: `item${i}`,
        kind: "function.lua",
        meta: { comment: `Entry ${i} of namespace ${ns}`, tags: ["bench", `n${ns % 10}`], depends_on: `item${i >> 1}` },
        source: `local function f${i}() return ${ns} end\n`.repeat(16),
        method: `f${i}`,
        pool: { size: 4, workers: i % 8 }
      }))
    })
  ).join("\n")

export const run = async (): Promise<ReadonlyArray<Measure.Row>> => {
  const folder = mkdtempSync(join(tmpdir(), "heph-bench-cli-"))
  try {
    const file = join(folder, "definitions.json")
    const store = join(folder, "registry")
    writeFileSync(file, definitions())
    await node([bin, "--store", store, "apply", file])
    const get = [bin, "--store", store, "get", "app.n7:item250", "--json"]
    const found = JSON.parse(await node(get)) as { readonly id: string }
    if (found.id !== "app.n7:item250") throw new Error(`heph get printed ${found.id}`)
    const [gets, bare, help] = await turns(15, [get, ["-e", "0"], [bin, "--help"]])
    const median = (times: ReadonlyArray<number>) => Measure.time(Measure.middle(times))
    return [
      {
        work: `heph get, ${entries.toLocaleString("en-US")} entries: the whole process, median of ${gets!.length}`,
        measured: `${median(gets!)} (fastest ${Measure.time(Math.min(...gets!))})`,
        target: `≤ ${Measure.time(targetSeconds * 1e6)}`,
        met: Measure.middle(gets!) <= targetSeconds * 1e6
      },
      { work: "heph --help: the same without a registry, median", measured: median(help!), target: "", met: undefined },
      { work: "node -e 0, median", measured: median(bare!), target: "", met: undefined }
    ]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
