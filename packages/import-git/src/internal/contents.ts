/**
 * Contents of blobs, by one `git cat-file --batch`, which is asked for the next ones while an answer is read. What is in
 * flight are the questions that fit into its pipe, and one content.
 *
 *     <id> blob <size>\n<content>\n      or      <id> missing\n
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { GitError } from "../GitError.ts"
import { type Git, lines } from "./git.ts"

/** The content of a blob. */
export interface Content {
  /** In bytes. */
  readonly size: number
  /** Nothing where there are more than the limit allows. */
  readonly bytes: Uint8Array | undefined
}

type Answer = Content | { readonly missing: string }

const decoder = new TextDecoder()
const lineFeed = 10

class AnswerReader {
  readonly #maxBytes: number
  #header = ""
  #blob: Content | undefined
  /** Of the content that is being read, the line end behind it included. */
  #left = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** The answers that end in these bytes. */
  push(bytes: Uint8Array): ReadonlyArray<Answer> {
    const answers: Array<Answer> = []
    let at = 0
    while (at < bytes.length) {
      if (this.#blob === undefined) {
        const end = bytes.indexOf(lineFeed, at)
        this.#header += decoder.decode(bytes.subarray(at, end < 0 ? undefined : end))
        if (end < 0) break
        at = end + 1
        const missing = this.#begin()
        if (missing !== undefined) answers.push(missing)
        continue
      }
      const { bytes: content, size } = this.#blob
      const piece = bytes.subarray(at, at + this.#left)
      // The last byte is the line end.
      content?.set(piece.subarray(0, Math.max(0, this.#left - 1)), size + 1 - this.#left)
      at += piece.length
      this.#left -= piece.length
      if (this.#left > 0) break
      answers.push(this.#blob)
      this.#blob = undefined
    }
    return answers
  }

  #begin(): Answer | undefined {
    const [id = "", type, length] = this.#header.split(" ")
    this.#header = ""
    if (type !== "blob") return { missing: id }
    const size = Number(length)
    this.#blob = { size, bytes: size > this.#maxBytes ? undefined : new Uint8Array(size) }
    this.#left = size + 1
    return undefined
  }
}

/** Each item with its blob, in order. */
export const contents = <A, E>(
  git: Git,
  items: Stream.Stream<A, E>,
  blobOf: (item: A) => string,
  maxBytes: number
): Stream.Stream<readonly [A, Content], E | GitError> =>
  Stream.suspend(() => {
    const asked: Array<A> = []
    const questions = Stream.mapArray(items, (items) => {
      for (const item of items) asked.push(item)
      return [lines(items.map(blobOf))]
    })
    const unreadable = (id: string) =>
      git.error(
        "Unreadable",
        `object ${id} is missing or damaged; "git fsck" says more. A partial clone is completed by git fetch --refetch --no-filter.`
      )
    return git.stream(["cat-file", "--batch"], questions).pipe(
      Stream.mapAccumArrayEffect(
        () => new AnswerReader(maxBytes),
        Effect.fnUntraced(function* (reader, pieces) {
          const found: Array<readonly [A, Content]> = []
          for (const answer of pieces.flatMap((bytes) => reader.push(bytes))) {
            if ("missing" in answer) return yield* unreadable(answer.missing)
            found.push([asked.shift()!, answer])
          }
          return [reader, found] as const
        })
      )
    )
  })
