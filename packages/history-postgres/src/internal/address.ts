/** Where a store is: a URL, and the name of it that may be shown. */
import type { HistoryStoreError } from "@heph/history/HistoryStore"
import * as Result from "effect/Result"
import { storeError } from "./native.ts"

export interface Address {
  /** The whole URL, for the driver alone. */
  readonly url: string
  /** The URL without its password, and without parameters that may hold a secret. */
  readonly shown: string
}

/** Parameters that hold nothing to hide. Others are left out: a driver may come to know any of them as a secret. */
const harmless = new Set(["application_name", "host", "port", "sslmode", "user"])

/** Before a URL is understood nothing of it can be shown: any part may turn out to be the password. */
const unknown = "the PostgreSQL URL"

/**
 * Reads a URL. A password that is written as it is may cut the URL short with its `/`, `?` or `#`, and would then be
 * taken for a port, a path or a fragment, and shown: such a URL is refused.
 */
export const parse = (url: string): Result.Result<Address, HistoryStoreError> => {
  const refuse = (detail: string) => Result.fail(storeError(unknown, "Unsupported", detail))
  const scheme = /^postgres(?:ql)?:\/\//i.exec(url)
  if (scheme === null) return refuse("it must begin with postgres:// or postgresql://")
  const rest = url.slice(scheme[0].length)
  const afterHost = rest.slice(rest.split(/[/?#]/, 1)[0]!.length)
  if (/[@#]/.test(afterHost)) {
    return refuse("the characters / ? # @ must be percent-encoded in its user, its password and its parameters")
  }
  const parsed = URL.parse(url)
  if (parsed === null) {
    return refuse("it cannot be read; it must be postgres://user:password@host:port/database, percent-encoded")
  }
  if (/%(?:23|24|26|2b|2c|2f|3a|3b|3d|3f|40)/i.test(parsed.pathname)) {
    return refuse("the PostgreSQL driver cannot name a database that holds one of / ? : @ & = + $ , ; #")
  }
  const user = parsed.username === "" ? "" : `${parsed.username}@`
  const kept = new URLSearchParams([...parsed.searchParams].filter(([name]) => harmless.has(name))).toString()
  return Result.succeed({
    url,
    shown: `${parsed.protocol}//${user}${parsed.host}${parsed.pathname}${kept === "" ? "" : `?${kept}`}`
  })
}
