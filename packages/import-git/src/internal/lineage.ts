/**
 * Which versions the versions of a commit come from.
 *
 * The history is read parents first. With each commit that has children still to come goes a map from paths to the last
 * version of each, which shares its structure with the maps of the commit's parents; it is dropped with the last child.
 * A path stays in the map after its file was deleted, so that a file that comes back is known again.
 *
 *     parent's map ──── differences of the commit ────▶ its own map
 *     second parent's map ── what the merge has from there ──┘
 */
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import type { Change, Commit, FileVersion, Kind, Skipped } from "../Commit.ts"
import type { Difference, Path } from "./records.ts"

/** A commit among the others. */
export interface Step {
  readonly id: string
  /** Each once. */
  readonly parents: ReadonlyArray<string>
  /** How many commits have it as a parent. */
  readonly children: number
}

type Files = HashMap.HashMap<string, FileVersion>

/** Git tells no other modes apart, but that of a submodule. */
const kinds = new Map<string, Kind>([
  ["100644", "file"],
  ["100755", "executable"],
  ["120000", "link"]
])

export class Lineage {
  readonly #wants: (path: string) => boolean
  readonly #commits = new Map<string, { readonly files: Files; waiting: number }>()

  /** Paths that are not wanted are as if they were not there. */
  constructor(wants: (path: string) => boolean) {
    this.#wants = wants
  }

  /** `differences` are those from each parent in turn, or those from nothing where there is no parent. */
  visit(
    step: Step,
    differences: ReadonlyArray<ReadonlyArray<Difference>>
  ): Pick<Commit, "changes" | "deleted" | "skipped"> {
    const before = step.parents.map((parent) => this.#take(parent))
    const [first = [], ...others] = differences
    const elsewhere = others.map((list) => new Map(list.map((difference) => [keyOf(difference.path), difference])))
    const changes: Array<Change> = []
    const deleted: Array<FileVersion> = []
    const skipped: Array<Skipped> = []
    const after = HashMap.beginMutation(before[0] ?? HashMap.empty<string, FileVersion>())
    for (const difference of first) {
      const { mode, path, status } = difference
      if (!this.#wants(path.text)) continue
      const from = [difference, ...elsewhere.map((differences) => differences.get(keyOf(path)))]
      if (status === "D") {
        const version = lastOf(before[0]!, difference)
        if (version !== undefined && from.every((other) => other?.status === "D")) deleted.push(version)
        continue
      }
      const unchanged = from.indexOf(undefined)
      if (unchanged >= 0) {
        // Of a merge: taken over from this parent.
        const version = lookup(before[unchanged]!, path.text)
        if (version !== undefined) HashMap.set(after, path.text, version)
        continue
      }
      const kind = kinds.get(mode)
      if (kind === undefined || path.lossy) {
        skipped.push({ path: path.text, reason: path.lossy ? "encoding" : "submodule" })
        continue
      }
      const version: FileVersion = { commit: step.id, path: path.text, blob: difference.blob, kind }
      changes.push({ version, parents: parentsOf(path.text, before, from as Array<Difference>) })
      HashMap.set(after, path.text, version)
    }
    const files = HashMap.endMutation(after)
    if (step.children > 0) this.#commits.set(step.id, { files, waiting: step.children })
    return { changes, deleted, skipped }
  }

  /** How many commits still have a map: for tests and measurements. */
  get size(): number {
    return this.#commits.size
  }

  #take(id: string): Files {
    const commit = this.#commits.get(id)!
    if (--commit.waiting === 0) this.#commits.delete(id)
    return commit.files
  }
}

const keyOf = (path: Path): string => (path.lossy ? `\0${path.text}` : path.text)

const lookup = (files: Files, path: string): FileVersion | undefined => Option.getOrUndefined(HashMap.get(files, path))

/** The version that a difference starts from. What was a submodule may have been a file once, which is not that. */
const lastOf = (files: Files, { oldMode, oldPath }: Difference): FileVersion | undefined =>
  kinds.has(oldMode) && !oldPath.lossy ? lookup(files, oldPath.text) : undefined

const parentsOf = (path: string, before: ReadonlyArray<Files>, from: ReadonlyArray<Difference>) => {
  const found = before.map((files, i) => (from[i]!.status === "A" ? undefined : lastOf(files, from[i]!)))
  const known = found.filter((version) => version !== undefined)
  if (known.length > 0) return [...new Set(known)]
  const deleted = before.map((files) => lookup(files, path)).find((version) => version !== undefined)
  return deleted === undefined ? [] : [deleted]
}
