import { describe, expect, it } from "vitest"
import * as Shell from "../src/Shell.ts"

describe.for(Shell.documents())("command lines of $path", (document) => {
  it("do what they show", { timeout: 180_000 }, async () => {
    expect(await Shell.problems(document)).toEqual([])
  })

  it("name commands and flags that exist", { timeout: 180_000 }, async () => {
    expect(await Shell.unknowns(document)).toEqual([])
  })
})

describe("the check itself", () => {
  // `heph` stands in these only to be found: it is not called.
  const script = (code: string) =>
    Shell.read("own", `\`\`\`yaml a/b.yaml\nc: 1\n\`\`\`\n\n\`\`\`sh\n: \\\nheph log\n${code}\n\`\`\`\n`)

  it("passes a script that keeps its word, with the files it needs", async () => {
    expect(await Shell.problems(script("cat a/b.yaml #=> c: 1\nprintf 'x\\n 42 y' #=> x … y"))).toEqual([])
  })

  it("reports another output, and what a failure leaves unreached", async () => {
    const found = await Shell.problems(script("echo 2 #=> 1\nfalse\necho 3 #=> 3"))
    expect(found[0]).toContain("ended with 1")
    expect(found.slice(1)).toEqual(["line 8 printed: 2\nexpected: 1", "line 10 was not reached"])
  })

  it("tells scripts from lines that are only shown", () => {
    const markdown = "```sh\nnpm install x\n```\n```sh no-run\nnpx heph watch\n```\n```sh\nheph log\n```\n"
    const { scripts, shown } = Shell.read("own", markdown)
    expect([scripts.map(({ line }) => line), shown.map(({ line }) => line)]).toEqual([[7], [4]])
  })
})
