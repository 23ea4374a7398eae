/**
 * Cursors: where a page ended, as opaque text. One holds the query, the order, the version and the place of the page's last
 * entry in that order, so it means the same after a restart, and nothing in another query or another version.
 */
import * as Base64Url from "effect/encoding/Base64Url"
import * as Result from "effect/Result"
import type * as Key from "./key.ts"
import * as Literal from "./literal.ts"

/** Where an entry stands: its key, nothing for an entry without a value to sort by, and its id. */
export interface Place {
  readonly key: Key.Key | undefined
  readonly id: string
}

/** What a cursor says. */
export interface Cursor extends Place {
  /** The query and the order as text, or its hash where it is long. */
  readonly question: string
  readonly version: number
}

export const encode = ({ id, key, question, version }: Cursor): string =>
  Base64Url.encode(Literal.show([short(question), version, id, key === undefined ? [] : [key.rank, key.value]]))

/** What a text says as a cursor; nothing if it is none. */
export const decode = (cursor: string): Cursor | undefined => {
  const read = Result.flatMap(
    Result.mapError(Base64Url.decodeString(cursor), (error) => error.message),
    Literal.read
  )
  if (Result.isFailure(read) || !isCursor(read.success)) return undefined
  const [question, version, id, [rank, value]] = read.success
  return { question, version, id, key: rank === undefined || value === undefined ? undefined : { rank, value } }
}

/** Whether a cursor belongs to a question. */
export const isOf = (cursor: Cursor, question: string): boolean => cursor.question === short(question)

/** A query of thousands of alternatives would make every cursor as long: of such a text its length and two hashes stand. */
const short = (question: string): string => {
  if (question.length <= 500) return question
  let one = 0
  let two = 0
  for (let i = 0; i < question.length; i++) {
    one = Math.imul(one ^ question.charCodeAt(i), 0x9e3779b1)
    two = Math.imul(two, 31) + question.charCodeAt(i)
  }
  return `${question.length} ${one >>> 0} ${two >>> 0}`
}

type Encoded = readonly [
  question: string,
  version: number,
  id: string,
  key: readonly [rank?: number, value?: Key.Key["value"]]
]

const isCursor = (value: unknown): value is Encoded => {
  if (!Array.isArray(value) || value.length !== 4) return false
  const [question, version, id, key] = value as ReadonlyArray<unknown>
  if (typeof question !== "string" || typeof version !== "number" || typeof id !== "string") return false
  if (!Array.isArray(key)) return false
  // Text is of rank 4, and only text: what is compared with a key has the type of its rank.
  return key.length === 0 || (key.length === 2 && isKey(key as ReadonlyArray<unknown>))
}

const isKey = ([rank, value]: ReadonlyArray<unknown>): boolean =>
  rank === 4
    ? typeof value === "string"
    : typeof rank === "number" && (typeof value === "number" || typeof value === "bigint")
