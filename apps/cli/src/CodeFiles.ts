/**
 * Code as files: read to be registered, and written out.
 *
 *     register a.ts           a.ts                   one file alone is called by its name
 *     register src            b.ts  lib/c.ts         of a folder, what is in it
 *     register src/b.ts src/lib/c.ts                 of several, from the deepest folder that holds them all
 */
import * as fs from "node:fs/promises"
import { basename, dirname, join, relative, resolve, sep } from "node:path"
import type { FileInput, Input } from "@heph/implementations/Implementation"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** A file or folder cannot be read. */
export class UnreadableCode extends Schema.TaggedError<UnreadableCode>()("UnreadableCode", {
  path: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `${this.path}: ${this.reason}`
  }
}

/** Code cannot be written where it was asked for. What was written before stays. */
export class UnwritableCode extends Schema.TaggedError<UnwritableCode>()("UnwritableCode", {
  path: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `${this.path}: ${this.reason}`
  }
}

/** Files that were read, by the paths they are registered under. */
export interface Read {
  readonly input: Exclude<Input, string | Uint8Array>
  /** What is no file, link or folder, and was left out. */
  readonly skipped: ReadonlyArray<string>
}

/** A file that was found, before it is read. */
interface Found {
  readonly path: string
  readonly at: string
  readonly link: boolean
}

/** Other people's code and history. */
const notWalked: ReadonlySet<string> = new Set(["node_modules", ".git"])

/**
 * Reads files and folders, a link that is named as what it leads to. Folders are walked in the order of names; links in
 * them stay links.
 */
export const read = Effect.fnUntraced(function* (paths: ReadonlyArray<string>) {
  const found: Array<Found> = []
  const skipped: Array<string> = []
  const roots = [...new Set(paths.map((path) => resolve(path)))]
  const base = roots.length === 1 ? undefined : deepest(roots.map((root) => dirname(root)))
  for (const root of roots) {
    const stat = yield* reading(root, () => fs.stat(root))
    const from = base ?? (stat.isDirectory() ? root : dirname(root))
    const under = (at: string) => relative(from, at).split(sep).join("/")
    if (!stat.isDirectory()) {
      found.push({ path: under(root), at: root, link: false })
      continue
    }
    const walked = yield* reading(root, () => walk(root))
    for (const { at, link } of walked.found) found.push({ path: under(at), at, link })
    skipped.push(...walked.skipped)
  }
  const files: Array<readonly [path: string, file: FileInput]> = []
  for (const { at, link, path } of found) files.push([path, yield* reading(at, () => readOne(at, link))])
  return { input: Object.fromEntries(files), skipped } satisfies Read
})

const walk = async (root: string) => {
  const found: Array<Omit<Found, "path">> = []
  const skipped: Array<string> = []
  const visit = async (folder: string): Promise<void> => {
    const items = await fs.readdir(folder, { withFileTypes: true })
    for (const item of items.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const at = join(folder, item.name)
      if (item.isDirectory()) {
        if (!notWalked.has(item.name)) await visit(at)
      } else if (item.isFile() || item.isSymbolicLink()) found.push({ at, link: item.isSymbolicLink() })
      else skipped.push(at)
    }
  }
  await visit(root)
  return { found, skipped }
}

const readOne = async (at: string, link: boolean): Promise<FileInput> => {
  if (link) return { content: await fs.readlink(at, { encoding: "buffer" }), link }
  const file = await fs.open(at)
  try {
    const { mode } = await file.stat()
    return { content: await file.readFile(), executable: (mode & 0o111) !== 0 }
  } finally {
    await file.close()
  }
}

/** The deepest folder that all of these are, or are in. */
const deepest = (folders: ReadonlyArray<string>): string => {
  const [first = "", ...rest] = folders
  let common = first
  for (const folder of rest) {
    while (folder !== common && !folder.startsWith(common.endsWith(sep) ? common : common + sep))
      common = dirname(common)
  }
  return common
}

const reading = <A>(path: string, attempt: () => Promise<A>): Effect.Effect<A, UnreadableCode> =>
  Effect.tryPromise({
    try: attempt,
    catch: (cause) => {
      const { code, message, path: where } = cause as NodeJS.ErrnoException
      const at = relative("", where ?? path) || "."
      const reason =
        code === "ENOENT"
          ? "there is no such file or folder"
          : code === "EACCES" || code === "EPERM"
            ? "you may not read it; change its permissions"
            : message
      return new UnreadableCode({ path: at.startsWith("..") ? (where ?? path) : at, reason })
    }
  })

/** A file to write. */
export interface Out {
  readonly path: string
  readonly bytes: Uint8Array
  readonly executable: boolean
  readonly link: boolean
}

/**
 * Writes files below a folder, which is made where there is none. Where one of them is there already nothing is written,
 * unless they are to be replaced. Nothing is ever written through a link.
 */
export const write = Effect.fnUntraced(function* (
  folder: string,
  files: ReadonlyArray<Out>,
  options: { readonly replace: boolean }
) {
  const root = resolve(folder)
  const there: Array<string> = []
  for (const { path } of files) {
    const found = yield* writing(path, () => statOf(join(root, path)))
    if (found?.isDirectory() === true)
      return yield* new UnwritableCode({ path, reason: "there is a folder in its place" })
    if (found !== undefined) there.push(path)
  }
  if (there.length > 0 && !options.replace) {
    const more = there.length > 3 ? ` and ${there.length - 3} more` : ""
    return yield* new UnwritableCode({
      path: folder,
      reason: `it has ${there.slice(0, 3).join(", ")}${more} already, and nothing was written; --force replaces them`
    })
  }
  // Links come last, so that no file of the same version is written through one.
  for (const file of files.toSorted((a, b) => Number(a.link) - Number(b.link))) {
    yield* writing(file.path, () => writeOne(root, file))
  }
})

const statOf = async (at: string) => {
  try {
    return await fs.lstat(at)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw cause
  }
}

const writeOne = async (root: string, { bytes, executable, link, path }: Out): Promise<void> => {
  const at = join(root, path)
  await fs.mkdir(dirname(at), { recursive: true })
  const within = join(await fs.realpath(root), dirname(path))
  if ((await fs.realpath(dirname(at))) !== resolve(within)) throw new Error("its folder is a link to another one")
  await fs.rm(at, { force: true })
  if (link) return fs.symlink(Buffer.from(bytes), at)
  await fs.writeFile(at, bytes, { flag: "wx", mode: executable ? 0o777 : 0o666 })
}

const writing = <A>(path: string, attempt: () => Promise<A>): Effect.Effect<A, UnwritableCode> =>
  Effect.tryPromise({
    try: attempt,
    catch: (cause) => new UnwritableCode({ path, reason: cause instanceof Error ? cause.message : String(cause) })
  })

/** The name of a language by the extension of its files. */
const languages: ReadonlyMap<string, string> = new Map(
  Object.entries({
    c: "c h",
    "c++": "cc cpp cxx hh hpp hxx",
    "c#": "cs",
    clojure: "clj cljs",
    css: "css",
    dart: "dart",
    elixir: "ex exs",
    erlang: "erl",
    go: "go",
    haskell: "hs",
    html: "htm html",
    java: "java",
    javascript: "cjs js jsx mjs",
    json: "json",
    julia: "jl",
    kotlin: "kt kts",
    lua: "lua",
    markdown: "md",
    ocaml: "ml mli",
    perl: "pl pm",
    php: "php",
    python: "py pyi",
    r: "r",
    ruby: "rb",
    rust: "rs",
    scala: "scala",
    shell: "bash sh zsh",
    sql: "sql",
    swift: "swift",
    typescript: "cts mts ts tsx",
    yaml: "yaml yml",
    zig: "zig"
  }).flatMap(([language, extensions]) => extensions.split(" ").map((extension) => [extension, language] as const))
)

/** The language that every file is in whose extension tells one; nothing where they tell several. */
export const languageOf = (paths: ReadonlyArray<string>): string | undefined => {
  const found = new Set(
    paths.flatMap((path) => {
      const name = basename(path)
      const language = languages.get(name.slice(name.lastIndexOf(".") + 1).toLowerCase())
      return language === undefined || !name.includes(".") ? [] : [language]
    })
  )
  return found.size === 1 ? [...found][0] : undefined
}
