/**
 * An implementation: code of one file or several, with what is known about it. Registered, it is a version of a component:
 *
 *     project ──▶ component  `project.component`  ──▶ version  `project.component:version`, an entry of kind `implementation`
 *                                                        meta   what queries read: parents, metrics, tags, status, …
 *                                                        data   its files by hash, how similar code is found
 */
import type * as Entry from "@heph/entry/Entry"
import type * as Value from "@heph/entry/Value"

/** The kind of the entries that are versions. */
export const kind = "implementation"

/** The code to register: one text, or files by their path. Paths are relative, with `/`, and have no `.` or `..`. */
export type Input = string | Uint8Array | { readonly [path: string]: string | Uint8Array | FileInput }

/** A file with what there is beside its content. */
export interface FileInput {
  readonly content: string | Uint8Array
  /** Whether it may be run. */
  readonly executable?: boolean | undefined
  /** The content is the target of a symbolic link. */
  readonly link?: boolean | undefined
}

/** A file of a registered version: what it is, and the hash that its content is stored under. */
export interface File {
  readonly path: string
  /** SHA-256 of the content, in hexadecimal digits. */
  readonly hash: string
  /** In bytes. */
  readonly size: number
  readonly executable: boolean
  readonly link: boolean
}

/** What is said about an implementation when it is registered. */
export interface Metadata {
  /** `project.component`. */
  readonly component: string
  /**
   * The version, or versions (crossover), that it comes from. Left out: the component's newest. `null`: none, the root of a
   * lineage of its own.
   */
  readonly parent?: string | ReadonlyArray<string> | null | undefined
  readonly author?: string | undefined
  /** What made it: a person's tool, a model, a mutation. */
  readonly generator?: string | undefined
  /** What it was made for. */
  readonly goal?: string | undefined
  /** What its maker saw: any value. */
  readonly context?: unknown
  readonly language?: string | undefined
  readonly message?: string | undefined
  readonly tags?: ReadonlyArray<string> | undefined
  readonly imports?: ReadonlyArray<string> | undefined
  /** Finite numbers by name. */
  readonly metrics?: { readonly [metric: string]: number } | undefined
  /** Where it differs from one more than its parent's. */
  readonly generation?: number | undefined
  /** When it was made, where that is not now: in milliseconds since 1970. */
  readonly created?: number | undefined
  /** For semantic versions: which part grows; `patch` where it is left out. */
  readonly bump?: "major" | "minor" | "patch" | undefined
  /** Whatever else is to be kept and searched, under names that are none of `meta`'s own. */
  readonly fields?: { readonly [name: string]: unknown } | undefined
}

/** What became of the tests: none recorded, every one passed or was skipped, or some failed. */
export type Status = "untested" | "passed" | "failed"

/** How many tests had which outcome. */
export interface TestCounts {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

/** The outcome of one test. Names are unique among the results of a version. */
export interface TestResult {
  readonly name: string
  readonly outcome: "passed" | "failed" | "skipped"
  /** In milliseconds. */
  readonly duration?: number | undefined
  /** Why it failed. */
  readonly message?: string | undefined
}

/** A registered version, without its code. */
export interface Version {
  /** `project.component:version`. */
  readonly id: string
  /** `project.component`. */
  readonly component: string
  /** What follows the `:` of the id. */
  readonly version: string
  /** Its place in the order in which the component's versions were registered, from 1. */
  readonly sequence: number
  /** The first of its parents, or `null` for a root. */
  readonly parent: string | null
  readonly parents: ReadonlyArray<string>
  /** Steps from the root of its lineage, by the longest way, unless its maker said otherwise. */
  readonly generation: number
  /** Of one file its SHA-256, of several that of the list of `<hash>  <path>` lines, as `sha256sum` prints them. */
  readonly hash: string
  /** In bytes, all files together. */
  readonly size: number
  readonly files: ReadonlyArray<File>
  readonly language: string | null
  readonly status: Status
  readonly tests: TestCounts | null
  readonly metrics: { readonly [metric: string]: number }
  readonly tags: ReadonlyArray<string>
  readonly author: string | null
  readonly generator: string | null
  readonly goal: string | null
  readonly message: string | null
  readonly context: Value.Value
  readonly imports: ReadonlyArray<string>
  /** When it was made, in milliseconds since 1970. */
  readonly created: number
  readonly fields: { readonly [name: string]: Value.Value }
  /** The entry behind it. */
  readonly entry: Entry.Entry
}

/** A registered version with its code. */
export interface Implementation extends Version {
  /** The content of each file; text where it is UTF-8. */
  readonly code: ReadonlyMap<string, Uint8Array>
}
