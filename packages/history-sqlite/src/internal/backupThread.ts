/** Starts the thread that copies and checks a store. */
import * as path from "node:path"
import { Worker } from "node:worker_threads"
import * as Effect from "effect/Effect"
import type { Facts, Job, Progress } from "./backupCopy.ts"
import { BackupError } from "./backupError.ts"

/** What the thread says. */
export type Message =
  | { readonly _tag: "Progress"; readonly progress: Progress }
  | { readonly _tag: "Done"; readonly facts: Facts }
  | { readonly _tag: "Failed"; readonly error: Pick<BackupError, "reason" | "file" | "detail" | "damage"> }

/**
 * Copies in a thread of its own. Interrupted, it ends once the thread has stopped, so that nobody writes to the copy any
 * more: after the step it is at, or after SQLite's own check, which is one call.
 */
export const copyInThread = (job: Job, onProgress: (progress: Progress) => void): Effect.Effect<Facts, BackupError> =>
  Effect.callback<Facts, BackupError>((resume) => {
    // Beside this module, and TypeScript where this module is.
    const script = new URL(`backupWorker${path.extname(import.meta.url)}`, import.meta.url)
    const worker = new Worker(script, { workerData: job })
    let outcome: Effect.Effect<Facts, BackupError> = Effect.die(new Error("the thread ended without an answer"))
    worker.on("message", (message: Message) => {
      if (message._tag === "Progress") {
        try {
          onProgress(message.progress)
        } catch (cause) {
          // Thrown in an event it would end the process.
          outcome = Effect.die(cause)
          void worker.terminate()
        }
      } else if (message._tag === "Done") outcome = Effect.succeed(message.facts)
      else outcome = Effect.fail(new BackupError(message.error))
    })
    worker.on("error", (cause) => {
      outcome = Effect.die(cause)
    })
    worker.on("exit", () => resume(outcome))
    return Effect.promise(() => worker.terminate())
  })
