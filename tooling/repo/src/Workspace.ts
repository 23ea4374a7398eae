/** The repository as the checks see it: its packages, their manifests and their files. */
import { existsSync, globSync, readFileSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

/** The folder of the repository, with a separator at the end. */
export const root = fileURLToPath(new URL("../../..", import.meta.url))

/** What the checks read of a package.json. */
export interface Manifest {
  readonly name: string
  readonly version?: string
  readonly private?: boolean
  readonly description?: string
  readonly license?: string
  readonly repository?: { readonly type?: string; readonly url?: string; readonly directory?: string }
  readonly type?: string
  readonly sideEffects?: boolean
  readonly exports?: Readonly<Record<string, unknown>>
  readonly files?: ReadonlyArray<string>
  readonly engines?: Readonly<Record<string, string>>
  readonly publishConfig?: { readonly access?: string; readonly exports?: Readonly<Record<string, unknown>> }
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly peerDependenciesMeta?: Readonly<Record<string, unknown>>
}

export interface Package {
  /** The last part of the folder, which is the name without its scope: `history-sqlite`. */
  readonly key: string
  /** The folder, from the root: `packages/history-sqlite`. */
  readonly dir: string
  readonly manifest: Manifest
}

/** Reads a JSON file of the repository. The caller says what it holds. */
export const readJson = (path: string): unknown => JSON.parse(read(path)) as unknown

export const read = (path: string): string => readFileSync(join(root, path), "utf8")

export const exists = (path: string): boolean => existsSync(join(root, path))

/** The files a pattern matches, from the root, sorted; neither dependencies nor build results. */
export const files = (...patterns: ReadonlyArray<string>): ReadonlyArray<string> =>
  globSync(patterns, { cwd: root, exclude: (path) => /^(node_modules|dist|coverage|\.examples)$/.test(basename(path)) })
    .map((path) => path.replaceAll("\\", "/"))
    .sort()

const packagesIn = (folder: string): ReadonlyArray<Package> =>
  files(`${folder}/*/package.json`).map((path) => ({
    key: basename(dirname(path)),
    dir: dirname(path),
    manifest: readJson(path) as Manifest
  }))

export const libraries = packagesIn("packages")
export const apps = packagesIn("apps")
/** What npm gets: everything but the tooling. */
export const published = [...libraries, ...apps]
