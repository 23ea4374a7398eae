import { execFile } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Postgres from "@heph/test-postgres/url"
import { beforeAll, describe, expect, it } from "vitest"
import * as Examples from "../src/Examples.ts"
import * as Workspace from "../src/Workspace.ts"

const dir = fileURLToPath(new URL("../.examples/", import.meta.url))
const examples = Examples.collect()

const typeErrors = async (): Promise<ReadonlyMap<string, ReadonlyArray<string>>> => {
  const output = await new Promise<string>((resolve) => {
    const tsc = join(Workspace.root, "node_modules/typescript/bin/tsc")
    execFile(process.execPath, [tsc, "-p", dir, "--pretty", "false"], { cwd: dir }, (_, stdout) => resolve(stdout))
  })
  const errors = new Map<string, Array<string>>()
  for (const [, file = "", line, message = ""] of output.matchAll(/^([\w-]+\.ts)\((\d+),\d+\): (error .*)$/gm)) {
    const example = examples.find((example) => Examples.fileName(example) === file)
    const text = `line ${(example?.offset ?? 0) + Number(line)}: ${message}`
    errors.set(example?.name ?? file, [...(errors.get(example?.name ?? file) ?? []), text])
  }
  return errors
}

const settings = {
  extends: "../../../tsconfig.base.json",
  compilerOptions: { composite: false, noEmit: true, noUnusedLocals: false, noUnusedParameters: false },
  include: ["*.ts"]
}

let outcomes: ReadonlyMap<string, string | undefined>
let errors: ReadonlyMap<string, ReadonlyArray<string>>

beforeAll(async () => {
  // The server that examples name.
  process.env["HEPH_POSTGRES"] = Postgres.url()
  Examples.write(dir, examples)
  writeFileSync(join(dir, "tsconfig.json"), JSON.stringify(settings))
  const running = examples.filter((example) => example.run)
  ;[outcomes, errors] = await Promise.all([Examples.run(dir, running), typeErrors()])
}, 300_000)

describe("examples do what they say", () => {
  it.for(examples.map((example) => example.name))("%s", (name) => {
    expect(errors.get(name) ?? []).toEqual([])
    expect(outcomes.get(name)).toBeUndefined()
  })
})

describe("the check itself", () => {
  const example = (code: string): Examples.Example => ({ name: "own:1", document: "own", offset: 0, code, run: true })
  const problemOf = async (code: string): Promise<string | undefined> => {
    const own = join(dirname(dir), ".examples", "own")
    mkdirSync(own, { recursive: true })
    Examples.write(own, [example(code)])
    return (await Examples.run(own, [example(code)])).get("own:1")
  }

  it("reads what lines print", () => {
    const code =
      "console.log(1) //=> 1\nconsole.log(\n  [2]\n) //=> [ 2 ]\n//=> and more\nconsole.log(4)\n//=> 4\nPromise.resolve(3).then(console.log) //=> 3\n"
    expect(Examples.expectations(example(code))).toEqual([
      { line: 1, text: " 1" },
      { line: 2, text: " [ 2 ]  and more" },
      { line: 6, text: " 4" },
      { line: undefined, text: " 3" }
    ])
  })

  it("passes an example that keeps its word", async () => {
    const code = `const one: number = await Promise.resolve(1)
for (const i of [one, 2]) {
  console.log(i, { i }) //=> 1 { i: 1 } 2 { i: 2 }
}
setTimeout(() => console.log("later"), 5) //=> later
void Promise.resolve("apart").then(console.log) //=> apart
`
    expect(await problemOf(code)).toBeUndefined()
  })

  it("reports another output, no output, a throw and a rejection", async () => {
    expect(await problemOf('console.log("a") //=> b')).toBe("line 1 printed: a\nexpected: b")
    expect(await problemOf("const a = 1 //=> 1")).toContain("printed nothing")
    expect(await problemOf('throw new Error("thrown")')).toContain("thrown")
    expect(await problemOf('void Promise.reject(new Error("rejected"))')).toContain("rejected")
    expect(await problemOf("process.exit(3)")).toContain("ended with 3")
  }, 30_000)

  it("finds blocks with their language and flags", () => {
    const markdown = "text\n```ts no-run\nconst a = 1\n```\n- item\n  ```sh\n  heph log\n  ```\n"
    expect(Examples.blocks(markdown)).toEqual([
      { language: "ts", flags: ["no-run"], line: 2, code: "const a = 1\n" },
      { language: "sh", flags: [], line: 6, code: "heph log\n" }
    ])
  })
})
