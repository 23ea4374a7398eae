/**
 * The command lines in the documentation: `sh` blocks that hold a line beginning with `heph`.
 *
 * The blocks of one document run in order, as one script that stops at the first command that fails, in a new folder
 * where `heph` is the one of the sources. `heph … #=> text` says what that line prints on standard output, white space
 * aside; `…` in the text stands for anything. The folders beside the document that readers may name are there, see
 * {@link linked}, and a block with a file name in its info line (`yaml app.yaml`) is written there before.
 *
 * `sh no-run` blocks are not run: their commands and flags must be ones that the help names.
 */
import { execFile } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, dirname, join } from "node:path"
import * as Examples from "./Examples.ts"
import * as Workspace from "./Workspace.ts"

/** A call of `heph`, however a document spells it; what follows are its arguments. */
const call = /^(?:(?:npx|pnpm|npm run) )?heph (?:-- )?/

export interface Document {
  readonly path: string
  /** The blocks that are files, with their name as the first flag. */
  readonly files: ReadonlyArray<Examples.Block>
  readonly scripts: ReadonlyArray<Examples.Block>
  /** The blocks that are only read. */
  readonly shown: ReadonlyArray<Examples.Block>
}

const calls = (block: Examples.Block): ReadonlyArray<string> =>
  block.code.split("\n").flatMap((line) => {
    const match = call.exec(line.trim())
    return match === null ? [] : [line.trim().slice(match[0].length)]
  })

/** A document with its command lines. */
export const read = (path: string, markdown: string): Document => {
  const blocks = Examples.blocks(markdown)
  const commands = blocks.filter((block) => block.language === "sh" && calls(block).length > 0)
  return {
    path,
    files: blocks.filter(({ flags }) => flags[0]?.includes(".")),
    scripts: commands.filter(({ flags }) => !flags.includes("no-run")),
    shown: commands.filter(({ flags }) => flags.includes("no-run"))
  }
}

/** Every document that shows the command. */
export const documents = (): ReadonlyArray<Document> =>
  Examples.documents()
    .map((path) => read(path, Workspace.read(path)))
    .filter(({ scripts, shown }) => scripts.length + shown.length > 0)

/** What a script finds in its folder, if the document has it beside itself. */
const linked = ["apps", "docs", "examples", "packages"]

const heph = join(Workspace.root, "apps/cli/src/bin.ts")
const prelude = `set -euo pipefail
heph() { "$NODE" "$HEPH" "$@"; }
`

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

const run = (file: string, args: ReadonlyArray<string>, cwd: string): Promise<Ended> => {
  const { HEPH_STORE: _, ...rest } = process.env
  const PATH = `${dirname(process.execPath)}${delimiter}${rest["PATH"]}`
  const env = { ...rest, HOME: cwd, NO_COLOR: "1", NODE: process.execPath, HEPH: heph, PATH }
  return new Promise((resolve) => {
    const child = execFile(file, args, { cwd, env, timeout: 120_000 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : typeof error.code === "number" ? error.code : 1, stdout, stderr })
    })
    child.stdin?.end()
  })
}

const normal = (text: string): string => text.replaceAll(/\s+/g, " ").trim()

/** Whether a text is the expected one, in which `…` stands for anything. */
const fits = (printed: string, expected: string): boolean => {
  const pieces = normal(expected).split("…")
  return new RegExp(`^${pieces.map((piece) => RegExp.escape(piece)).join(".*")}$`, "s").test(normal(printed))
}

/** Runs a document's scripts; the answer is what went wrong, line by line. */
export const problems = async (document: Document): Promise<ReadonlyArray<string>> => {
  const home = mkdtempSync(join(tmpdir(), "heph-shell-"))
  const folder = join(home, "folder")
  const outputs = join(home, "outputs")
  mkdirSync(folder)
  mkdirSync(outputs)
  const expectations: Array<{ readonly line: number; readonly text: string }> = []
  const script = document.scripts.flatMap((block) =>
    block.code.split("\n").map((line, i) => {
      const [, command = "", text] = /^(.*\S)\s+#=>(.*)$/.exec(line) ?? []
      const plain = (text === undefined ? line : command).replace(call, "heph ")
      if (text === undefined) return plain
      const number = expectations.push({ line: block.line + 1 + i, text }) - 1
      return `{ ${plain} ; } > ${join(outputs, `${number}`)}`
    })
  )
  try {
    for (const name of linked) {
      const beside = join(dirname(document.path), name)
      if (Workspace.exists(beside)) symlinkSync(join(Workspace.root, beside), join(folder, name))
    }
    for (const { code, flags } of document.files) {
      const path = join(folder, flags[0] ?? "")
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, code)
    }
    const { code, stderr, stdout } = await run("bash", ["-c", prelude + script.join("\n")], folder)
    const found = code === 0 ? [] : [`${document.path}: the script ended with ${code}\n${stdout}${stderr}`]
    expectations.forEach(({ line, text }, number) => {
      try {
        const printed = readFileSync(join(outputs, `${number}`), "utf8")
        if (!fits(printed, text)) found.push(`line ${line} printed: ${normal(printed)}\nexpected: ${normal(text)}`)
      } catch {
        found.push(`line ${line} was not reached`)
      }
    })
    return found
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

/** Commands and flags of a document's shown lines that the help does not name. */
export const unknowns = async (document: Document): Promise<ReadonlyArray<string>> => {
  const found: Array<string> = []
  for (const block of document.shown) {
    for (const line of calls(block)) {
      const [command = "", ...args] = line.replace(/\s#.*$/, "").split(/\s+/)
      const { code, stderr, stdout } = await run(process.execPath, [heph, command, "--help"], tmpdir())
      const help = stdout + stderr
      if (code !== 0) found.push(`heph ${line}: there is no command ${command}`)
      for (const flag of args.filter((arg) => arg.startsWith("--")).map((arg) => arg.split("=")[0] ?? "")) {
        if (!help.includes(flag)) found.push(`heph ${line}: the help of ${command} does not name ${flag}`)
      }
    }
  }
  return found
}
