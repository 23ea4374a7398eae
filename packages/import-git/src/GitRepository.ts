/**
 * A git repository, for reading its history with the user's own git: no checkout, no lock, no network, nothing written.
 *
 *     open ──▶ commits   parents first, each with the versions it makes and where these come from
 *          └─▶ read      the contents of versions, in the order asked for
 *
 * Both are streams over child processes that wait for whoever reads, so that memory follows the number of files, not the
 * length of the history. A run on the same tips gives the same commits in the same order.
 */
import * as Effect from "effect/Effect"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Stream from "effect/Stream"
import type { Commit } from "./Commit.ts"
import * as ComponentName from "./ComponentName.ts"
import type { GitError } from "./GitError.ts"
import { type Content, contents } from "./internal/contents.ts"
import * as Git from "./internal/git.ts"
import * as Globs from "./internal/globs.ts"
import { walk } from "./internal/walk.ts"

export type { Content } from "./internal/contents.ts"

export interface Options {
  /**
   * Where the history ends: names or ids of commits, or everything that any reference leads to. The default is `HEAD`,
   * which in an empty repository leads nowhere.
   */
  readonly revisions?: ReadonlyArray<string> | "all" | undefined
  /**
   * Globs of the files to read, as minimatch has them, from the top of the repository; `*` stops at `/`, a leading dot is
   * like any other character, and a folder means all that is below it. All files, by default. A file that is renamed into
   * what they match begins there.
   */
  readonly paths?: ReadonlyArray<string> | undefined
  /** Contents that are larger than this many bytes are not read. 64 MiB, by default. */
  readonly maxFileBytes?: number | undefined
  /** Reads a shallow clone, whose history begins where it was cut off. Refused by default. */
  readonly allowShallow?: boolean | undefined
}

/** A repository that was found and can be read. */
export interface GitRepository {
  /** The top of the work tree, or the folder of a repository without one. */
  readonly folder: string
  /** The segment for it in the names of components: the name of its folder. */
  readonly project: string
  /** The ids that the revisions stood for when it was opened; none for an empty repository. */
  readonly tips: ReadonlyArray<string>
  /** How many commits there are. Git counts them without looking at their files. */
  readonly count: Effect.Effect<number, GitError>
  /** Every commit, after all of its parents, also those that change none of the files that were asked for. */
  readonly commits: Stream.Stream<Commit, GitError>
  /**
   * Each item with the content of its blob, in order. Items are taken ahead of what comes out, as many as fit into a pipe:
   * some 2,000. Of contents one is held, beside those that came in the same 64 KiB.
   */
  readonly read: <A, E>(
    items: Stream.Stream<A, E>,
    blobOf: (item: A) => string
  ) => Stream.Stream<readonly [A, Content], E | GitError>
}

const defaultMaxFileBytes = 64 * 1024 * 1024

/**
 * Finds the repository that a folder is, or is in: a work tree, a bare repository, a linked work tree, a submodule. Revisions
 * are looked up once, here. Fails where there is none, where it is shallow, and where git is missing or refuses it.
 *
 * @example
 * import { execFileSync } from "node:child_process"
 * import * as NodeServices from "@effect/platform-node/NodeServices"
 * import * as GitRepository from "@heph/import-git/GitRepository"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 *
 * const author = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
 * execFileSync("git", ["init", "--quiet", "app"])
 * execFileSync("git", ["-C", "app", ...author, "commit", "--quiet", "--allow-empty", "-m", "first"])
 *
 * const messages = Effect.gen(function* () {
 *   const repository = yield* GitRepository.open("app")
 *   return yield* Stream.runCollect(Stream.map(repository.commits, ({ message }) => message))
 * })
 * console.log(await Effect.runPromise(Effect.provide(messages, NodeServices.layer))) //=> [ 'first' ]
 */
export const open = Effect.fn("GitRepository.open")(function* (path: string, options?: Options) {
  const spawner = yield* ChildProcessSpawner
  const found = Git.make(spawner, path, path)
  const globs = options?.paths ?? []
  const wrong = Globs.invalid(globs)
  if (wrong !== undefined) {
    return yield* found.error("InvalidGlob", `${JSON.stringify(wrong.slice(0, 80))} is no glob; write src/** or *.ts`)
  }
  const [inside, shallow] = (yield* found.text([
    "rev-parse",
    "--is-inside-work-tree",
    "--is-shallow-repository"
  ])).split("\n")
  if (shallow === "true" && options?.allowShallow !== true) {
    return yield* found.error(
      "Shallow",
      "it is a shallow clone, without the beginning of its history. Complete it: git fetch --unshallow."
    )
  }
  const folder = yield* found.text(["rev-parse", inside === "true" ? "--show-toplevel" : "--absolute-git-dir"])
  // From the top, so that paths start there.
  const git = Git.make(spawner, path, folder)
  const tips = yield* tipsOf(git, options?.revisions ?? ["HEAD"])
  const named = folder.replace(/\/?\.git$/, "")
  const none = tips.length === 0
  const repository: GitRepository = {
    folder,
    project: ComponentName.projectOf(named.slice(named.lastIndexOf("/") + 1)),
    tips,
    count: none ? Effect.succeed(0) : Effect.map(git.text(["rev-list", "--count", "--stdin"], tips), Number),
    commits: none ? Stream.empty : walk(git, tips, globs.length === 0 ? () => true : Globs.matcher(globs)),
    read: (items, blobOf) => contents(git, items, blobOf, options?.maxFileBytes ?? defaultMaxFileBytes)
  }
  return repository
})

const tipsOf = Effect.fnUntraced(function* (git: Git.Git, revisions: ReadonlyArray<string> | "all") {
  // Of what leads nowhere git prints nothing.
  const idsOf = (revision: string) =>
    Effect.map(git.text(["rev-parse", "--revs-only", revision]), (ids) => ids.split("\n").filter((id) => id !== ""))
  if (revisions === "all") return [...new Set(yield* idsOf("--all"))]
  const tips = new Set<string>()
  for (const revision of revisions) {
    // HEAD is not looked into: a damaged repository must not look like an empty one.
    const asked = revision === "HEAD" ? revision : `${revision}^{commit}`
    const [tip] = revision.startsWith("-") ? [] : yield* idsOf(asked)
    if (tip !== undefined) tips.add(tip)
    else if (revision !== "HEAD") {
      return yield* git.error("UnknownRevision", `${JSON.stringify(revision)} is no commit, branch or tag of it.`)
    }
  }
  return [...tips]
})
