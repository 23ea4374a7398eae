/**
 * Cursors: where a page ended, as opaque text. One holds the query, the order and the place of the page's last entry in
 * that order, so it means the same after a restart and in a later state, and nothing in another query.
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

/** `question` is the query and the order as text. */
export const encode = (question: string, { id, key }: Place): string =>
  Base64Url.encode(Literal.show([question, id, key === undefined ? [] : [key.rank, key.value]]))

/** The place of a cursor, or why it is none of this question's. */
export const decode = (question: string, cursor: string): Result.Result<Place, string> => {
  const read = Result.flatMap(
    Result.mapError(Base64Url.decodeString(cursor), (error) => error.message),
    Literal.read
  )
  if (Result.isFailure(read) || !isCursor(read.success)) return Result.fail("it is no cursor of a page")
  const [asked, id, [rank, value]] = read.success
  if (asked !== question) return Result.fail("it is a page's of another query or another order")
  return Result.succeed({ id, key: rank === undefined || value === undefined ? undefined : { rank, value } })
}

type Cursor = readonly [question: string, id: string, key: readonly [rank?: number, value?: Key.Key["value"]]]

const isCursor = (value: unknown): value is Cursor => {
  if (!Array.isArray(value) || value.length !== 3) return false
  const [question, id, key] = value as ReadonlyArray<unknown>
  if (typeof question !== "string" || typeof id !== "string" || !Array.isArray(key)) return false
  return (
    key.length === 0 ||
    (key.length === 2 && typeof key[0] === "number" && ["number", "bigint", "string"].includes(typeof key[1]))
  )
}
