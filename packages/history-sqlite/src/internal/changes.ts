/** Signals that another connection wrote, by looking again and again: SQLite tells nobody of itself. */
import type { HistoryStoreError } from "@heph/history/HistoryStore"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { attempt, storeError } from "./native.ts"
import type { Opened } from "./open.ts"

/** A look at the file's name and at SQLite's count of other connections' writes: ~4 µs, no matter how large the file. */
export const changes = (
  opened: Opened,
  filename: string,
  interval: Duration.Input
): Stream.Stream<void, HistoryStoreError> => {
  const first = Stream.succeed<void>(undefined)
  // Nobody writes to a private copy.
  if (opened.isCopy) return Stream.concat(first, Stream.never)
  return Stream.fromPull(
    Effect.map(
      attempt(filename, () => opened.database.prepare<[], number>("PRAGMA data_version").pluck()),
      (version) => {
        let seen: number | undefined
        const look = attempt(filename, () => {
          const moved = opened.isMoved()
          if (moved !== undefined) throw storeError(filename, "NotFound", `${moved}; open it anew`)
          return version.get()
        })
        return Effect.gen(function* () {
          for (;;) {
            const now = yield* look
            if (now !== seen) {
              seen = now
              return [undefined] as const
            }
            yield* Effect.sleep(interval)
          }
        })
      }
    )
  )
}
