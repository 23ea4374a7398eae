/**
 * Reads what `git diff-tree --stdin -z --raw` prints with {@link format}: tokens that end with NUL, which neither paths nor
 * messages hold.
 *
 *     id · name · email · seconds · message ·  [ \n:mode mode blob blob status · path [· path] ]…      one commit
 */
import type { Commit } from "../Commit.ts"

/** How a commit begins. */
export const format = "--format=%H%x00%an%x00%ae%x00%at%x00%B%x00"

/** A file that differs. */
export interface Difference {
  /** `A`dded, `D`eleted, `M`odified, `R`enamed, or of another `T`ype. */
  readonly status: string
  readonly oldMode: string
  readonly mode: string
  readonly blob: string
  readonly path: Path
  /** Other than `path` where it was renamed. */
  readonly oldPath: Path
}

export interface Path {
  readonly text: string
  /** The text is not all of it: the bytes are not UTF-8. */
  readonly lossy: boolean
}

/** A commit with what differs from one of its parents. */
export interface CommitRecord extends Pick<Commit, "id" | "author" | "date" | "message"> {
  readonly differences: Array<Difference>
}

// A byte order mark is part of a path or message like any other character.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
const encoder = new TextEncoder()

const readPath = (bytes: Uint8Array): Path => {
  const text = decoder.decode(bytes)
  return { text, lossy: text.includes("\uFFFD") && !equal(encoder.encode(text), bytes) }
}

const equal = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, i) => byte === b[i])

/** The furthest date of JavaScript, in milliseconds. Git allows any number. */
const maxDate = 8.64e15

const readDate = (seconds: string): number => {
  const date = Number(seconds) * 1000
  return Math.abs(date) <= maxDate ? date : 0
}

/** How many tokens follow the id. */
const headerTokens = 4

/** Puts records together from bytes that come in pieces. */
export class RecordReader {
  #rest: Uint8Array = new Uint8Array(0)
  /** What the record or difference that is being read began with, and the tokens of it since. */
  #start = ""
  #tokens: Array<Uint8Array> = []
  #wanted = 0
  #record: CommitRecord | undefined

  /** The records that end in these bytes. One ends where the next begins. */
  push(bytes: Uint8Array): ReadonlyArray<CommitRecord> {
    const done: Array<CommitRecord> = []
    const all = concat(this.#rest, bytes)
    let from = 0
    for (let to = all.indexOf(0); to >= 0; to = all.indexOf(0, from)) {
      const token = all.subarray(from, to)
      from = to + 1
      if (this.#wanted > 0) this.#take(token)
      else if (token.length > 0) this.#begin(decoder.decode(token).trimStart(), done)
    }
    this.#rest = all.subarray(from)
    return done
  }

  /** The record that ends with the output. */
  end(): ReadonlyArray<CommitRecord> {
    return this.#record === undefined ? [] : [this.#record]
  }

  #begin(start: string, done: Array<CommitRecord>): void {
    this.#start = start
    this.#tokens = []
    if (start.startsWith(":")) {
      this.#wanted = /R\d+$/.test(start) ? 2 : 1
      return
    }
    this.#wanted = headerTokens
    if (this.#record !== undefined) done.push(this.#record)
    this.#record = undefined
  }

  #take(token: Uint8Array): void {
    this.#tokens.push(token)
    if (--this.#wanted > 0) return
    if (this.#record === undefined) {
      const [name = "", email = "", seconds = "", message = ""] = this.#tokens.map((token) => decoder.decode(token))
      const date = readDate(seconds)
      this.#record = {
        id: this.#start,
        author: { name, email },
        date,
        message: message.replace(/\n+$/, ""),
        differences: []
      }
      return
    }
    const [oldMode = "", mode = "", , blob = "", status = ""] = this.#start.slice(1).split(" ")
    const paths = this.#tokens.map(readPath)
    this.#record.differences.push({
      status: status.charAt(0),
      oldMode,
      mode,
      blob,
      path: paths.at(-1)!,
      oldPath: paths[0]!
    })
  }
}

const concat = (a: Uint8Array, b: Uint8Array): Uint8Array => {
  if (a.length === 0) return b
  const all = new Uint8Array(a.length + b.length)
  all.set(a)
  all.set(b, a.length)
  return all
}
