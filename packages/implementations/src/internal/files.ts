/** Code as it is given, made a list of files by path. */
import * as Hash from "@heph/content/Hash"
import * as Result from "effect/Result"
import type { File, FileInput, Input } from "../Implementation.ts"
import { InvalidImplementation } from "../ImplementationError.ts"

/** A file to be stored. */
export interface Given extends File {
  readonly bytes: Uint8Array
}

const utf8 = new TextEncoder()

/** The path of code that comes as one text. */
const onlyPath = "main"

/** What is wrong with a path, if anything: whoever writes files of a version below a folder must not leave it. */
const problem = (path: string): string | undefined => {
  if (path === "") return "a path is not empty"
  if (!path.isWellFormed()) return "a path is well-formed text"
  if (path.includes("\0")) return "a path has no NUL"
  if (path.startsWith("/") || /^[a-z]:[\\/]/i.test(path)) return "a path is relative"
  if (path.split("/").some((part) => part === "" || part === "." || part === "..")) {
    return "a path has no empty part, and none that is . or .."
  }
  return undefined
}

const isBytes = (input: unknown): input is Uint8Array => input instanceof Uint8Array

/** The files of an input, in the order of their paths by code unit. */
export const read = (input: Input, id: string): Result.Result<ReadonlyArray<Given>, InvalidImplementation> => {
  const refuse = (path: string, reason: string) => Result.fail(new InvalidImplementation({ id, path, reason }))
  const entries: ReadonlyArray<readonly [string, string | Uint8Array | FileInput]> =
    typeof input === "string" || isBytes(input) ? [[onlyPath, input]] : Object.entries(input)
  if (entries.length === 0) return refuse("files", "there are none; an implementation has at least one")
  const files: Array<Given> = []
  for (const [path, given] of entries) {
    const wrong = problem(path)
    if (wrong !== undefined) return refuse(`files[${JSON.stringify(path)}]`, wrong)
    const {
      content,
      executable = false,
      link = false
    } = typeof given === "string" || isBytes(given) ? { content: given } : given
    if (typeof content !== "string" && !isBytes(content))
      return refuse(`files[${JSON.stringify(path)}]`, "its content is text or bytes")
    if (typeof content === "string" && !content.isWellFormed()) {
      return refuse(`files[${JSON.stringify(path)}]`, "its text has half a surrogate pair; give bytes")
    }
    const bytes = typeof content === "string" ? utf8.encode(content) : content
    files.push({ path, hash: Hash.of(bytes), size: bytes.length, executable, link, bytes })
  }
  return Result.succeed(files.sort((a, b) => (a.path < b.path ? -1 : 1)))
}

/** The hash of files together: of one file its own, of several that of their list as `sha256sum` prints it. */
export const hashOf = (files: ReadonlyArray<File>): string =>
  files.length === 1 ? files[0]!.hash : Hash.of(files.map(({ hash, path }) => `${hash}  ${path}\n`).join(""))
