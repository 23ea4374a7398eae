/** What the driver and the server say, told as a {@link HistoryStoreError}: the one place where native codes are read. */
import { HistoryStoreError, type StoreErrorReason } from "@heph/history/HistoryStore"
import { DatabaseError } from "pg"

/** A trouble and what to do about it, in words that follow "<URL>: ". */
interface Trouble {
  readonly reason: StoreErrorReason
  readonly detail: string
}

const lacking = "its tables are not those of a registry any more: one is missing or changed"

/** SQLSTATE codes first, then classes of them: the first one that a code begins with tells. */
const troubles: ReadonlyArray<readonly [code: string, trouble: Trouble]> = [
  ["28", { reason: "NotFound", detail: "the server does not let this user in: check the user and the password" }],
  ["3D000", { reason: "NotFound", detail: "there is no such database; make it first, with CREATE DATABASE" }],
  [
    "42501",
    { reason: "ReadOnly", detail: "this user has no right to do that; nothing was changed. Grant it, or use another" }
  ],
  [
    "25006",
    {
      reason: "ReadOnly",
      detail: "the server or this user may only read: it is a standby, or its transactions are read-only"
    }
  ],
  ["53100", { reason: "Full", detail: "the disk of the server is full; nothing was changed. Make room and try again" }],
  ["53300", { reason: "Unavailable", detail: "the server has no connection left; close others, or allow more" }],
  ["53", { reason: "Unavailable", detail: "the server lacks memory or another resource" }],
  ["55P03", { reason: "Busy", detail: "another session kept it locked for too long; nothing was changed, try again" }],
  ["40", { reason: "Busy", detail: "another session was in the way; nothing was changed, try again" }],
  ["57014", { reason: "Busy", detail: "the server stopped the statement, which took too long; try again" }],
  ["57", { reason: "Unavailable", detail: "the server is stopping or starting, or closed the connection" }],
  ["08", { reason: "Unavailable", detail: "the connection to the server failed" }],
  ["58", { reason: "Unavailable", detail: "the disk of the server failed to read or write" }],
  ["XX001", { reason: "Corrupt", detail: "a page of it is damaged; nothing was changed. Restore a backup" }],
  ["XX002", { reason: "Corrupt", detail: "an index of it is damaged; nothing was changed. Rebuild it with REINDEX" }],
  ["XX000", { reason: "Unavailable", detail: "the server failed" }],
  ["42P01", { reason: "Corrupt", detail: lacking }],
  ["42703", { reason: "Corrupt", detail: lacking }],
  ["42804", { reason: "Corrupt", detail: lacking }],
  ["42883", { reason: "Corrupt", detail: lacking }],
  ["0A000", { reason: "Corrupt", detail: lacking }],
  ["3F000", { reason: "Corrupt", detail: "its schema is gone" }],
  ["23", { reason: "Corrupt", detail: "a row is there that no version has; nothing was changed" }],
  [
    "54",
    { reason: "Unsupported", detail: "it is more than PostgreSQL keeps in one row, or a name longer than a key may be" }
  ]
]

/**
 * Whether the server said that a statement was not done. Otherwise it may have been, with the answer lost: a connection
 * that ends, or a server that stops, does so before or after the commit.
 */
export const isDefinite = (error: HistoryStoreError): boolean =>
  error.cause instanceof DatabaseError && !/^(?:08|57|58|XX)/.test(error.cause.code ?? "XX")

/** Whether a row that was to be new is there already. */
export const isDuplicate = (error: HistoryStoreError): boolean =>
  error.cause instanceof DatabaseError && error.cause.code === "23505"

/** The trouble of the server or of the connection as a typed error; nothing where it is a mistake of this package. */
export const classify = (store: string, cause: unknown): HistoryStoreError | undefined => {
  if (cause instanceof HistoryStoreError) return cause
  if (cause instanceof DatabaseError) {
    const { code = "XX000", message } = cause
    const trouble = troubles.find(([prefix]) => code.startsWith(prefix))?.[1]
    return trouble && storeError(store, trouble.reason, `${trouble.detail} (${code}: ${message})`, cause)
  }
  if (!(cause instanceof Error)) return undefined
  // The driver's own: no password where one is asked for, or a server that does not know it either.
  if (/SASL|password/i.test(cause.message)) {
    return storeError(store, "NotFound", `the server does not let this user in (${cause.message})`, cause)
  }
  if ("code" in cause && typeof cause.code === "string" && /CERT|TLS|SSL/.test(cause.code)) {
    return storeError(store, "Unavailable", `the server cannot be trusted with TLS (${cause.message})`, cause)
  }
  // Node tells of each address that was tried, and nothing beside them.
  const told = cause instanceof AggregateError ? cause.errors.map(messageOf).join("; ") : cause.message
  return storeError(store, "Unavailable", `the server does not answer, or closed the connection (${told})`, cause)
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

export const storeError = (
  store: string,
  reason: StoreErrorReason,
  detail: string,
  cause?: unknown
): HistoryStoreError =>
  new HistoryStoreError({ reason, store, detail, ...(cause === undefined ? undefined : { cause }) })
