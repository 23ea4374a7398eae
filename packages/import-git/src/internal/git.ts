/**
 * Runs the user's own git, without a shell. Only plumbing commands are used, which leave the user's preferences (pager,
 * colours, formats, external diffs) aside; what they print is read by the byte.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as PlatformError from "effect/PlatformError"
import * as ChildProcess from "effect/process/ChildProcess"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Stream from "effect/Stream"
import { GitError, type GitErrorReason } from "../GitError.ts"

export interface Git {
  /** Runs a command on an input. Its output ends with an error where the command, or the input, does. */
  readonly stream: <E = never>(
    args: ReadonlyArray<string>,
    input?: Stream.Stream<Uint8Array, E>
  ) => Stream.Stream<Uint8Array, E | GitError>
  /** What a command prints on the lines given, as text, without the line end at its end. */
  readonly text: (args: ReadonlyArray<string>, input?: ReadonlyArray<string>) => Effect.Effect<string, GitError>
  readonly error: (reason: GitErrorReason, detail: string) => GitError
}

const environment = {
  // Messages are read, to tell the errors apart.
  LC_ALL: "C",
  GIT_OPTIONAL_LOCKS: "0",
  // What a partial clone left out is not fetched, one object at a time, asking for passwords.
  GIT_NO_LAZY_FETCH: "1",
  GIT_TERMINAL_PROMPT: "0",
  // Set where git runs a hook, and then about that hook's repository.
  GIT_DIR: undefined,
  GIT_WORK_TREE: undefined,
  GIT_COMMON_DIR: undefined,
  GIT_INDEX_FILE: undefined,
  GIT_OBJECT_DIRECTORY: undefined,
  GIT_ALTERNATE_OBJECT_DIRECTORIES: undefined,
  GIT_SHALLOW_FILE: undefined,
  GIT_PREFIX: undefined
}

/** How much of what git complains about is kept, in UTF-16 units: the end of it says why it stopped. */
const complaintLength = 4000

const encoder = new TextEncoder()

/** As a command reads them. */
export const lines = (texts: ReadonlyArray<string>): Uint8Array =>
  encoder.encode(texts.map((text) => `${text}\n`).join(""))

/** Git, run in a folder. `repository` is what errors call it. */
export const make = (spawner: ChildProcessSpawner["Service"], repository: string, folder: string): Git => {
  const error = (reason: GitErrorReason, detail: string) => new GitError({ reason, repository, detail })

  const notRun = (cause: PlatformError.PlatformError): GitError =>
    cause.reason._tag === "NotFound"
      ? error("GitMissing", "there is no git to read it with. Install git, and see that it is on the PATH.")
      : error("Failed", `git could not be run: ${cause.message}`)

  const failed = (command: string, complaint: string): GitError => {
    if (/not a git repository|cannot change to/i.test(complaint)) {
      return error("NotARepository", "it is no git repository, and in none.")
    }
    if (/dubious ownership|unsafe repository/i.test(complaint)) {
      const setting = /safe\.directory .*/.exec(complaint)?.[0] ?? `safe.directory ${folder}`
      return error("Untrusted", `it belongs to another user. If you trust it: git config --global --add ${setting}`)
    }
    return error("Failed", `git ${command} failed${complaint === "" ? "" : `: ${complaint.trim()}`}`)
  }

  const stream: Git["stream"] = <E>(args: ReadonlyArray<string>, input?: Stream.Stream<Uint8Array, E>) =>
    Stream.unwrap(
      Effect.gen(function* () {
        let inputFailure: Cause.Cause<E> | undefined
        const stdin = Stream.catchCause(input ?? Stream.empty, (cause) => {
          inputFailure = cause
          return Stream.empty
        })
        const command = ChildProcess.make("git", ["-C", folder, ...args], { env: environment, extendEnv: true, stdin })
        const handle = yield* Effect.mapError(spawner.spawn(command), notRun)
        const complaint = yield* handle.stderr.pipe(
          Stream.decodeText,
          Stream.runFold(
            () => "",
            (all, text) => (all + text).slice(-complaintLength)
          ),
          Effect.mapError(notRun),
          Effect.forkScoped
        )
        const end = Effect.gen(function* () {
          const exitCode = yield* Effect.mapError(handle.exitCode, notRun)
          const said = yield* Fiber.join(complaint)
          if (inputFailure !== undefined) return yield* Effect.failCause(inputFailure)
          if (exitCode !== 0) return yield* failed(args[0]!, said)
        })
        return Stream.concat(Stream.mapError(handle.stdout, notRun), Stream.fromEffectDrain(end))
      })
    )

  const text: Git["text"] = (args, input = []) =>
    stream(args, Stream.succeed(lines(input))).pipe(
      Stream.decodeText,
      Stream.mkString,
      Effect.map((text) => text.replace(/\n$/, ""))
    )

  return { stream, text, error }
}
