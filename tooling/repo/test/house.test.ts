import { posix } from "node:path"
import { describe, expect, it } from "vitest"
import * as Examples from "../src/Examples.ts"
import * as Source from "../src/Source.ts"
import * as Workspace from "../src/Workspace.ts"

const text = Workspace.files(
  "*.{json,md,ts,yaml}",
  ".*.json",
  ".ci/*",
  ".changeset/*",
  ".github/**/*.yml",
  "{docs,tooling,packages,apps}/**/*.{json,md,mjs,ts,yaml,yml}"
).filter((path) => path !== "pnpm-lock.yaml")

const matches = (pattern: RegExp, paths: ReadonlyArray<string>): ReadonlyArray<string> =>
  paths.flatMap((path) =>
    Workspace.read(path)
      .split("\n")
      .flatMap((line, i) => (pattern.test(line) ? [`${path}:${i + 1} ${line.trim()}`] : []))
  )

describe("texts", () => {
  it("leave nothing for later", () => {
    // Spelled in two parts, so that this file passes its own check.
    expect(matches(new RegExp(String.raw`\b(TO${"DO"}|FIX${"ME"}|XX${"X"})\b`), text)).toEqual([])
  })

  it("name no path of one machine", () => {
    expect(matches(new RegExp(String.raw`(^|[\s"'(=])/(work|ho${"me"}|Us${"ers"}|root)/`), text)).toEqual([])
  })

  it("link to files that exist", () => {
    const broken = Examples.documents().flatMap((path) =>
      [...Workspace.read(path).matchAll(/\]\((?!\w+:)([^)#\s]+)/g)].flatMap(([, target = ""]) =>
        Workspace.exists(posix.join(posix.dirname(path), target)) ? [] : [`${path} links to ${target}`]
      )
    )
    expect(broken).toEqual([])
  })

  it("mark code blocks with a language that a check reads", () => {
    const known = ["ts", "sh", "yaml", "json", "sql", "text"]
    const unknown = Examples.documents().flatMap((path) =>
      Examples.blocks(Workspace.read(path))
        .filter(({ language }) => !known.includes(language))
        .map(({ language, line }) => `${path}:${line} ${language || "no language"}`)
    )
    expect(unknown).toEqual([])
  })
})

describe.for(Workspace.published)("package $key", ({ dir, key, manifest }) => {
  it("has the fields that npm and its readers need", () => {
    expect(manifest).toMatchObject({
      name: `@heph/${key}`,
      version: expect.stringMatching(/^\d+\.\d+\.\d+$/) as string,
      description: expect.stringMatching(/^\S.{10,}/) as string,
      license: "MIT",
      repository: { type: "git", directory: dir },
      type: "module",
      engines: { node: "^22.19 || ^24 || >=26" },
      publishConfig: { access: "public" }
    })
    expect(manifest.private).toBeUndefined()
    expect(manifest.files).toEqual(expect.arrayContaining(["dist", "src", "!dist/.tsbuildinfo"]))
  })

  it("has a README that says how to install it and leads up", () => {
    const readme = Workspace.exists(`${dir}/README.md`) ? Workspace.read(`${dir}/README.md`) : ""
    expect(readme).toMatch(new RegExp(`^# .*${manifest.name}`))
    expect(readme).toMatch(new RegExp(`npm install .*${manifest.name}\\b`))
    expect(readme).toContain("../../README.md")
  })
})

describe.for(Workspace.libraries)("library $key", ({ dir, manifest }) => {
  it("exports its modules, from src here and from dist when published", () => {
    const both = (path: string) => ({ types: `./dist/${path}.d.ts`, default: `./dist/${path}.js` })
    const shared = { "./internal/*": null, "./package.json": "./package.json" }
    expect(manifest.sideEffects).toBe(false)
    expect(manifest.exports).toEqual({ ".": "./src/index.ts", "./*": "./src/*.ts", ...shared })
    expect(manifest.publishConfig?.exports).toEqual({ ".": both("index"), "./*": both("*"), ...shared })
  })

  it("lists every module in its index, and nothing else", () => {
    const modules = Workspace.files(`${dir}/src/*.ts`).map((path) => posix.basename(path))
    const expected = modules
      .filter((file) => file !== "index.ts")
      .map((file) => `export * as ${file.slice(0, -3)} from "./${file}"`)
    const listed = Workspace.read(`${dir}/src/index.ts`).match(/^export .*$/gm) ?? []
    expect([...listed].sort()).toEqual(expected.sort())
  })

  it("begins every file with its header, if it has one", () => {
    // Sorting imports takes a header along with the import below it, when that is not the first one any more.
    const misplaced = Workspace.files(`${dir}/src/**/*.ts`).filter((path) =>
      /^import .*\n\/\*\*\n/m.test(Workspace.read(path).replace(/\n\n[^]*/, ""))
    )
    expect(misplaced).toEqual([])
  })

  it("asks nobody but Clock for the time", () => {
    const found: Array<string> = []
    for (const path of Workspace.files(`${dir}/src/**/*.ts`)) {
      const source = Source.parse(path, Workspace.read(path))
      Source.visit(source, {
        NewExpression: ({ arguments: given, callee, start }) => {
          if (Source.dotted(callee) === "Date" && given.length === 0) found.push(`${path}:${source.lineAt(start)}`)
        }
      })
    }
    expect(found).toEqual([])
  })
})

describe("tests", () => {
  it("are all run: none is singled out, and one that is left out somewhere says why", () => {
    const found: Array<string> = []
    for (const path of Workspace.files("{packages,apps,tooling}/*/test/**/*.ts")) {
      const source = Source.parse(path, Workspace.read(path))
      const explained = (line: number) =>
        source.comments.some(({ end }) => [line - 1, line].includes(source.lineAt(end)))
      Source.visit(source, {
        MemberExpression: (node) => {
          const name = Source.dotted(node)
          const [, kind = ""] =
            /^(?:it|test|describe|suite|layer)(?:\.\w+)*?\.(only|skip|todo|fails|skipIf|runIf)$/.exec(name ?? "") ?? []
          const line = source.lineAt(node.start)
          const conditional = kind.endsWith("If")
          if (kind !== "" && !(conditional && explained(line))) found.push(`${path}:${line} ${name}`)
        }
      })
    }
    expect(found).toEqual([])
  })
})
