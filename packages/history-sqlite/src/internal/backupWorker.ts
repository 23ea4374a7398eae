/** The thread that copies: the event loop of the process goes on while pages are read, checked and written. */
import { parentPort, workerData } from "node:worker_threads"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { copyStore, type Job } from "./backupCopy.ts"
import type { Message } from "./backupThread.ts"

const port = parentPort!
const say = (message: Message) => port.postMessage(message)

const result = await Effect.runPromise(
  Effect.result(copyStore(workerData as Job, (progress) => say({ _tag: "Progress", progress })))
)
if (Result.isSuccess(result)) say({ _tag: "Done", facts: result.success })
else {
  // An error as plain data: what crosses threads keeps no class.
  const { damage, detail, file, reason } = result.failure
  say({ _tag: "Failed", error: { reason, file, detail, damage } })
}
