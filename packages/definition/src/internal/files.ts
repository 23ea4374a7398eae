/** The files themselves: which ones a path stands for, their text, and what `file://` may read. */
import { isUtf8 } from "node:buffer"
import { readdirSync, readFileSync, realpathSync, type Stats, statSync } from "node:fs"
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path"
import * as Value from "@heph/entry/Value"
import * as Result from "effect/Result"

/** Where `file://` looks. Both are absolute. */
export interface Folder {
  /** The folder of the definition file, for `file://name`. */
  readonly base: string
  /** For `file:///name`, and the folder that nothing leaves. */
  readonly root: string
}

/** The folder of two paths, which may be relative to the current one. */
export const folderOf = (base: string, root: string): Folder => ({ base: resolve(base), root: resolve(root) })

/** A definition file, named as the path it was found by, or what is wrong with it. */
export interface Found {
  readonly file: string
  readonly folder: Folder | undefined
  readonly problem?: string
}

/** The largest definition file, in bytes. The parser holds ~20 times as much while it reads one. */
const maxFileBytes = 32 * 1024 * 1024

const names = /\.(?:ya?ml|json)$/i

/**
 * The definition files of a path, folders in name order (by code unit). Each real file comes once, by the first name
 * that leads to it: `seen` holds what came before.
 */
export const find = (path: string, seen: Set<string>): ReadonlyArray<Found> => {
  const found: Array<Found> = []
  const stats = attempt(() => statSync(path))
  if (Result.isFailure(stats)) return [{ file: path, folder: undefined, problem: stats.failure }]
  const isFolder = stats.success.isDirectory()
  const root = resolve(isFolder ? path : dirname(path))

  /** Whether a file or folder comes for the first time. */
  const isNew = (name: string): boolean => {
    const real = attempt(() => realpathSync.native(name))
    if (Result.isFailure(real)) found.push({ file: name, folder: undefined, problem: real.failure })
    if (Result.isFailure(real) || seen.has(real.success)) return false
    seen.add(real.success)
    return true
  }

  const walk = (folder: string): void => {
    if (!isNew(folder)) return
    const list = attempt(() => readdirSync(folder, { withFileTypes: true }))
    if (Result.isFailure(list)) {
      found.push({ file: folder, folder: undefined, problem: list.failure })
      return
    }
    for (const item of list.success.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      const name = join(folder, item.name)
      const isLink = item.isSymbolicLink()
      // Only a link needs another look. One that leads nowhere counts as a file.
      const behind = isLink ? attempt(() => statSync(name)) : undefined
      const isDirectory =
        behind === undefined ? item.isDirectory() : Result.isSuccess(behind) && behind.success.isDirectory()
      if (isDirectory) {
        if (item.name !== "node_modules") walk(name)
      } else if (names.test(item.name) && isNew(name)) {
        found.push({ file: name, folder: { base: resolve(folder), root } })
      }
    }
  }

  if (isFolder) walk(path)
  // A pipe has no name of its own, no neighbours and no second reading.
  else if (!stats.success.isFile()) found.push({ file: path, folder: undefined })
  else if (!names.test(path)) {
    found.push({ file: path, folder: undefined, problem: "a definition file is a .yaml, .yml or .json file" })
  } else if (isNew(path)) found.push({ file: path, folder: { base: root, root } })
  return found
}

/** A file's text; where it is not UTF-8, the text up to there. */
export const readText = (file: string): Result.Result<FileText, string> =>
  Result.flatMap(
    attempt(() => (statSync(file).size > maxFileBytes ? undefined : readFileSync(file))),
    (bytes): Result.Result<FileText, string> => {
      if (bytes === undefined) return Result.fail(`it is larger than ${maxFileBytes} bytes: split it`)
      if (isUtf8(bytes)) return Result.succeed({ text: decode(bytes), isUtf8: true })
      const again = new TextEncoder().encode(decode(bytes))
      const bad = bytes.findIndex((byte, i) => byte !== again[i])
      return Result.succeed({ text: decode(bytes.subarray(0, bad)), isUtf8: false })
    }
  )

interface FileText {
  readonly text: string
  readonly isUtf8: boolean
}

// A text is kept as it is, with its byte order mark if it has one.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
const decode = (bytes: Uint8Array): string => decoder.decode(bytes)

/** Reads what `file://` names. Each file is read once, however many values name it. */
export const makeReader = (): ((folder: Folder | undefined, reference: string) => Result.Result<Content, string>) => {
  const contents = new Map<string, Result.Result<Content, string>>()
  return (folder, reference) => {
    if (folder === undefined) return Result.fail(`there is no folder that ${reference} could be relative to`)
    const path = reference.slice("file://".length)
    if (path === "") return Result.fail("file:// names no file: write file://name, or file:///name from the root")
    const target = path.startsWith("/") ? join(folder.root, path) : resolve(folder.base, path)
    const outside = Result.fail(`${reference} leaves the folder ${folder.root}: give one that holds both`)
    if (!isWithin(folder.root, target)) return outside
    const real = attempt(() => ({ file: realpathSync.native(target), root: realpathSync.native(folder.root) }))
    if (Result.isFailure(real)) return Result.fail(`${reference} cannot be read: ${real.failure}`)
    const { file, root } = real.success
    if (!isWithin(root, file)) return outside
    const content = contents.get(file) ?? readContent(file)
    contents.set(file, content)
    return Result.mapError(content, (reason) => `${reference} cannot be read: ${reason}`)
  }
}

type Content = string | Uint8Array

const readContent = (file: string): Result.Result<Content, string> =>
  Result.flatMap(
    attempt(() => {
      const stats = statSync(file)
      return {
        wrong: wrongContent(stats),
        bytes: stats.isFile() && stats.size <= Value.maxBytes ? readFileSync(file) : undefined
      }
    }),
    ({ bytes, wrong }) =>
      bytes === undefined ? Result.fail(wrong) : Result.succeed(isUtf8(bytes) ? decode(bytes) : bytes)
  )

const wrongContent = (stats: Stats): string => {
  if (stats.isDirectory()) return "it is a folder"
  if (!stats.isFile()) return "it is no regular file"
  return `it has ${stats.size} bytes, and an entry holds at most ${Value.maxBytes}`
}

const isWithin = (folder: string, path: string): boolean => {
  const way = relative(folder, path)
  return way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way)
}

const reasons: Record<string, string> = {
  ENOENT: "there is no such file or folder",
  ENOTDIR: "there is no such file or folder",
  EACCES: "permission denied",
  EPERM: "permission denied",
  ELOOP: "its symbolic links lead in a circle"
}

const attempt = <A>(read: () => A): Result.Result<A, string> =>
  Result.try({
    try: read,
    catch: (cause) => {
      const code = String((cause as NodeJS.ErrnoException).code)
      return reasons[code] ?? (cause instanceof Error ? cause.message : String(cause))
    }
  })
