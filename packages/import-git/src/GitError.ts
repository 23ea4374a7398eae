/** What keeps a repository from being read. */
import * as Schema from "effect/Schema"

/**
 * Why git could not do it.
 *
 * - `GitMissing`: there is no git to run.
 * - `NotARepository`: the folder is in no repository, or is not there.
 * - `Untrusted`: the repository belongs to somebody else, and git wants to be told that it is trusted.
 * - `Shallow`: the history was cut off when the repository was cloned.
 * - `UnknownRevision`: a revision that was named leads to no commit.
 * - `InvalidGlob`: a glob that was given is none.
 * - `Unreadable`: an object of the history is missing or damaged.
 * - `Failed`: whatever else git says.
 */
export const GitErrorReason = Schema.Literals([
  "GitMissing",
  "NotARepository",
  "Untrusted",
  "Shallow",
  "UnknownRevision",
  "InvalidGlob",
  "Unreadable",
  "Failed"
])
export type GitErrorReason = (typeof GitErrorReason)["Type"]

/** Trouble with a repository, classified. `repository` is its path as it was given, `detail` says what to do. */
export class GitError extends Schema.TaggedError<GitError>()("GitError", {
  reason: GitErrorReason,
  repository: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.repository}: ${this.detail}`
  }
}
