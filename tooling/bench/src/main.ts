/**
 * Runs the benchmark modules beside this file, each in a process of its own so that heaps and compiled code do not mix,
 * and prints one table. A module exports `run(): Promise<ReadonlyArray<Row>>`; files without one are helpers.
 */
import { fork } from "node:child_process"
import { readdirSync } from "node:fs"
import { arch, cpus, platform } from "node:os"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import type { Row } from "./measure.ts"

/** What a child sends back: its rows, or nothing where the module is a helper. */
type Answer = ReadonlyArray<Row> | null

const here = new URL(".", import.meta.url)
const modules = readdirSync(here)
  .filter((file) => file.endsWith(".ts") && file !== "main.ts" && file !== "measure.ts")
  .map((file) => file.slice(0, -3))
  .sort()

const runHere = async (name: string): Promise<void> => {
  const module = (await import(new URL(`${name}.ts`, here).href)) as { readonly run?: () => Promise<Answer> }
  const rows: Answer = module.run === undefined ? null : await module.run()
  await new Promise((resolve) => process.send?.(rows, resolve))
  process.exit()
}

const runInChild = (name: string): Promise<Answer> =>
  new Promise((resolve, reject) => {
    let answer: Answer | undefined
    const child = fork(fileURLToPath(import.meta.url), ["--child", name], {
      execArgv: ["--expose-gc"],
      stdio: ["ignore", process.stderr, process.stderr, "ipc"]
    })
    child.on("message", (message) => (answer = message as Answer))
    child.on("error", reject)
    child.on("exit", (code) => {
      if (answer === undefined) reject(new Error(`the benchmark ${name} ended with ${code} before it had an answer`))
      else resolve(answer)
    })
  })

const verdict = (met: boolean | undefined): string => (met === undefined ? "" : met ? "yes" : "NO")

const table = (rows: ReadonlyArray<Row>): string => {
  const cells = [
    ["work", "measured", "target", "met"],
    ...rows.map((row) => [row.work, row.measured, row.target, verdict(row.met)])
  ]
  const widths = [0, 1, 2, 3].map((column) => Math.max(...cells.map((line) => line[column]?.length ?? 0)))
  const lines = cells.map((line) => `| ${line.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" | ")} |`)
  const rule = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`
  return [lines[0], rule, ...lines.slice(1)].join("\n")
}

const { values } = parseArgs({
  options: { only: { type: "string", multiple: true }, json: { type: "boolean" }, child: { type: "string" } }
})

if (values.child !== undefined) {
  await runHere(values.child)
} else {
  const unknown = (values.only ?? []).filter((name) => !modules.includes(name))
  if (unknown.length > 0) {
    console.error(`There is no benchmark ${unknown.join(", ")}. There are: ${modules.join(", ")}.`)
    process.exit(2)
  }
  const rows: Array<Row & { readonly module: string }> = []
  for (const name of values.only ?? modules) {
    const start = performance.now()
    try {
      const answer = await runInChild(name)
      if (answer === null) continue
      for (const row of answer) rows.push({ module: name, ...row })
      console.error(`${name}: ${((performance.now() - start) / 1000).toFixed(1)} s`)
    } catch (cause) {
      console.error(`${name}: ${cause instanceof Error ? cause.message : String(cause)}`)
      process.exitCode = 1
    }
  }
  if (values.json) console.log(JSON.stringify(rows, null, 2))
  else console.log(`${table(rows)}\n\nNode ${process.version}, ${platform()}-${arch()}, ${cpus().length} cores`)
  if (rows.some((row) => row.met === false)) process.exitCode = 1
}
