import { builtinModules } from "node:module"
import { posix } from "node:path"
import { describe, expect, it } from "vitest"
import * as Source from "../src/Source.ts"
import * as Workspace from "../src/Workspace.ts"

/** From the bottom up: a package may depend on what stands in the lines before its own. */
const layers = [
  ["entry"],
  ["resolver"],
  ["changeset"],
  ["bus"],
  ["history"],
  ["content"],
  ["history-memory", "history-postgres", "history-sqlite"],
  ["history-url"],
  ["finder"],
  ["registry"],
  ["implementations"],
  ["import-git"]
]

/** Packages that keep to less than their layer would allow. */
const limits: Readonly<Record<string, ReadonlyArray<string>>> = {
  finder: ["entry", "resolver", "changeset"],
  content: ["history"],
  definition: ["entry"]
}

/** The libraries that may use Node itself: those that read and write files, talk to a server, or compress. */
const onNode = ["content", "definition", "history-postgres", "history-sqlite", "history-url"]
/** What stores on disk share, which nothing else imports. */
const storage = "packages/history/src/storage/"

const allowed = (key: string): ReadonlyArray<string> =>
  limits[key] ??
  layers
    .slice(
      0,
      layers.findIndex((layer) => layer.includes(key))
    )
    .flat()

const own = (dependencies: Readonly<Record<string, string>> | undefined): ReadonlyArray<string> =>
  Object.keys(dependencies ?? {})
    // The server that tests run on is tooling.
    .filter((name) => name.startsWith("@heph/") && name !== "@heph/test-postgres")
    .map((name) => name.slice("@heph/".length))
    .sort()

interface Found extends Source.Import {
  readonly file: string
}

const importsOf = (...patterns: ReadonlyArray<string>): ReadonlyArray<Found> =>
  Workspace.files(...patterns).flatMap((file) =>
    Source.parse(file, Workspace.read(file)).imports.map((found) => ({ ...found, file }))
  )

const shown = ({ file, line, specifier }: Found): string => `${file}:${line} imports ${specifier}`
const isNode = (specifier: string): boolean => specifier.startsWith("node:") || builtinModules.includes(specifier)
const isRelative = (specifier: string): boolean => specifier.startsWith(".")

describe("layers", () => {
  it("place every library", () => {
    expect([...layers.flat(), "definition"].sort()).toEqual(Workspace.libraries.map(({ key }) => key).sort())
  })

  it.for(Workspace.libraries)("$key depends on what is below it only", ({ key, manifest }) => {
    const used = [...own(manifest.dependencies), ...own(manifest.peerDependencies), ...own(manifest.devDependencies)]
    expect(used.filter((name) => !allowed(key).includes(name))).toEqual([])
  })

  it("let nothing but tooling depend on an app", () => {
    const apps = Workspace.apps.map(({ key }) => key)
    const users = Workspace.published.filter(({ manifest }) =>
      [manifest.dependencies, manifest.devDependencies].some((listed) =>
        own(listed).some((name) => apps.includes(name))
      )
    )
    expect(users.map(({ key }) => key)).toEqual([])
  })
})

describe.for(Workspace.published)("imports of $key", ({ dir, key, manifest }) => {
  const declared = [...Object.keys(manifest.dependencies ?? {}), ...Object.keys(manifest.peerDependencies ?? {})]
  const source = importsOf(`${dir}/src/**/*.ts`)
  const tests = importsOf(`${dir}/test/**/*.ts`)
  const bare = (found: ReadonlyArray<Found>) =>
    found.filter(({ specifier }) => !isRelative(specifier) && !isNode(specifier))

  it("are declared", () => {
    const undeclared = bare(source).filter(({ specifier }) => !declared.includes(Source.packageOf(specifier)))
    expect(undeclared.map(shown)).toEqual([])
  })

  it("of tests are declared", () => {
    const known = [...declared, ...Object.keys(manifest.devDependencies ?? {}), manifest.name]
    const undeclared = bare(tests).filter(({ specifier }) => !known.includes(Source.packageOf(specifier)))
    expect(undeclared.map(shown)).toEqual([])
  })

  it("cover every dependency: what only tests import is a devDependency", () => {
    const used = new Set(bare(source).map(({ specifier }) => Source.packageOf(specifier)))
    const optional = Object.keys(manifest.peerDependenciesMeta ?? {})
    expect(declared.filter((name) => !used.has(name) && !optional.includes(name))).toEqual([])
  })

  it("keep away from Node, unless the package stores files", () => {
    if (onNode.includes(key) || dir.startsWith("apps/")) return
    const using = source.filter(({ file, specifier }) => isNode(specifier) && !file.startsWith(storage))
    expect(using.map(shown)).toEqual([])
    const stored = source.filter(({ specifier }) => specifier.includes("/storage/"))
    expect(stored.map(shown)).toEqual([])
  })

  it("name Node's modules with their prefix", () => {
    const bareNode = [...source, ...tests].filter(({ specifier }) => builtinModules.includes(specifier))
    expect(bareNode.map(shown)).toEqual([])
  })

  it("stay out of what is internal to another package", () => {
    const intruding = [...source, ...tests].filter(({ file, specifier }) =>
      isRelative(specifier)
        ? !posix.join(posix.dirname(file), specifier).startsWith(`${dir}/`)
        : specifier.startsWith("@heph/") && specifier.includes("/internal/")
    )
    expect(intruding.map(shown)).toEqual([])
  })

  it("of sources never reach into tests", () => {
    const reaching = source.filter(({ specifier }) => isRelative(specifier) && specifier.includes("/test/"))
    expect(reaching.map(shown)).toEqual([])
  })
})

describe("tsconfig references", () => {
  const referencesOf = (path: string): ReadonlyArray<string> => {
    const { references = [] } = Workspace.readJson(path) as { references?: ReadonlyArray<{ readonly path: string }> }
    return references.map((reference) => posix.join(posix.dirname(path), reference.path)).sort()
  }
  const dirs = (...keys: ReadonlyArray<string>): ReadonlyArray<string> =>
    keys.map((key) => Workspace.published.find((known) => known.key === key)?.dir ?? key).sort()

  it.for(Workspace.published)("of $key are its dependencies", ({ dir, manifest }) => {
    const expected = dirs(...own(manifest.dependencies), ...own(manifest.peerDependencies))
    expect(referencesOf(`${dir}/tsconfig.json`)).toEqual(expected)
  })

  it.for(Workspace.published)("of $key's tests are itself and what only tests use", ({ dir, manifest }) => {
    const expected = [dir, ...dirs(...own(manifest.devDependencies))].sort()
    expect(referencesOf(`${dir}/tsconfig.test.json`)).toEqual(expected)
  })

  it("of the repository are all of them", () => {
    const expected = Workspace.published.flatMap(({ dir }) => [dir, `${dir}/tsconfig.test.json`])
    expect(referencesOf("tsconfig.json")).toEqual(
      [...expected, "tooling", "tooling/bench", "tooling/postgres", "tooling/repo"].sort()
    )
  })
})
