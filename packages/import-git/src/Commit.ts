/**
 * A commit as an import sees it: which files it gives a new version, and which versions these come from.
 *
 *     first ──── a.ts·1 ──────────────────────── a.ts·4 (merge)      a.ts·4 has two parents
 *         └───── a.ts·2 ── rename ── b.ts·3 ─────┘                   b.ts·3 has the parent a.ts·2
 */

/** What a file is in the tree of its commit. Of a link the content is the path that it points to. */
export type Kind = "file" | "executable" | "link"

/**
 * A version of a file. One object for as long as later versions may come from it, so that a `WeakMap` of versions keeps
 * no more than those.
 */
export interface FileVersion {
  /** The id of the commit that made it. */
  readonly commit: string
  /** With `/`, from the top of the repository. */
  readonly path: string
  /** The id of its content. */
  readonly blob: string
  readonly kind: Kind
}

/** A file that a commit made or changed. */
export interface Change {
  readonly version: FileVersion
  /**
   * The last versions that the parents of the commit have of the file, or of the one that it was renamed from; first
   * parent first, each once. Of a file that was deleted and comes back, the last one before that. None for a new file.
   */
  readonly parents: ReadonlyArray<FileVersion>
}

/** A change that cannot be given: of a submodule, which is no file, or of a file whose path is not UTF-8. */
export interface Skipped {
  /** What is not UTF-8 is replaced by `\uFFFD`. */
  readonly path: string
  readonly reason: "submodule" | "encoding"
}

/**
 * A commit. What it changes is what differs from its parent; for a merge what differs from every one of its parents, since
 * the rest was changed by other commits; for a commit without parents all of it. Lists are in no promised order.
 */
export interface Commit {
  readonly id: string
  readonly parents: ReadonlyArray<string>
  /** As the commit has it, maybe empty. What is not text in the encoding that the commit names is replaced by `\uFFFD`. */
  readonly author: { readonly name: string; readonly email: string }
  /** When it was written, by its author's clock, in milliseconds since 1970; 0 where the commit does not say. */
  readonly date: number
  /** Without line ends at its end. */
  readonly message: string
  readonly changes: ReadonlyArray<Change>
  /** The last versions of the files that it deletes; those that it renames are not among them. */
  readonly deleted: ReadonlyArray<FileVersion>
  readonly skipped: ReadonlyArray<Skipped>
}
