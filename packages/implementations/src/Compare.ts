/**
 * How one version differs from another: its files line by line, what is said about it, its metrics, its tests.
 *
 *     version a ──┐            files      added · removed · modified · renamed, each with a unified diff
 *                 ├─ compare ─▶ metadata   what fields were and are
 *     version b ──┘            metrics    from, to, delta, ratio
 *                              tests      newly passing · newly failing · still failing · …
 *
 * A comparison is plain data, so that it can be printed as JSON and shown by whoever gets it; {@link hunks} lays a diff out
 * in rows. The diffs of all files, one after the other, are a patch that `git apply` makes `b` of `a` with.
 */
import * as Value from "@heph/entry/Value"
import type { TestCounts, TestResult, Version } from "./Implementation.ts"
import * as Hunks from "./internal/compareHunks.ts"
import * as Patch from "./internal/comparePatch.ts"
import * as Renames from "./internal/compareRenames.ts"

/** A version with everything that is compared. */
export interface Side {
  readonly version: Version
  /** The content of every file of the version. */
  readonly code: ReadonlyMap<string, Uint8Array>
  /** None where no tests were recorded. */
  readonly tests: ReadonlyArray<TestResult>
}

export interface Options {
  /** How many lines are shown around each change: 3 where it is left out. `git apply` needs 1 or more. */
  readonly context?: number | undefined
}

/** The mode that git gives a file: regular, executable, symbolic link. */
export type Mode = Patch.Mode

/** What became of one file. */
export interface FileChange {
  /** Where it is, or was if it is gone. */
  readonly path: string
  /** Its path in the first version; `null` if it is not there. */
  readonly from: string | null
  /** Its path in the second version; `null` if it is not there. */
  readonly to: string | null
  /** A file of another name and other content is `renamed`; one of another mode only is `modified`. */
  readonly status: "added" | "removed" | "modified" | "renamed"
  /** Of a renamed file: the share of its text, in lines, that was there before, from 0.5 to 1 for equal content. Else `null`. */
  readonly similarity: number | null
  readonly fromMode: Mode | null
  readonly toMode: Mode | null
  /** In bytes. */
  readonly fromSize: number | null
  readonly toSize: number | null
  /** Not UTF-8, or longer than {@link maxTextBytes}: the diff only says that it differs, and `git apply` refuses it. */
  readonly binary: boolean
  /**
   * The diff is correct, but may be longer than it need be: the two texts differ in so much that the smallest was not
   * searched for to the end. Where both have more than 500,000 lines together, all of one goes and all of the other comes.
   */
  readonly approximate: boolean
  /** How many lines are only in the second version; 0 of binary files. */
  readonly added: number
  /** How many lines are only in the first version; 0 of binary files. */
  readonly removed: number
  /**
   * As `git diff` writes it, with the headers that `git apply` and `patch` read; of links, and of empty files that go,
   * `patch` asks for more than a diff without git's own hashes has.
   */
  readonly diff: string
}

/** A field of the metadata that is not the same. */
export interface FieldChange {
  /** A name of `Version`, or of its `fields`. */
  readonly field: string
  /** `null` where there was none. */
  readonly from: Value.Value
  readonly to: Value.Value
  /** Of `parents`, `tags` and `imports`: the items that came. */
  readonly added?: ReadonlyArray<string>
  /** Of `parents`, `tags` and `imports`: the items that went. */
  readonly removed?: ReadonlyArray<string>
}

/** A metric of either version. */
export interface MetricChange {
  readonly metric: string
  /** `null` where the version has no such metric. */
  readonly from: number | null
  readonly to: number | null
  /** `to - from`; `null` where one is not there. */
  readonly delta: number | null
  /** `to / from`; `null` where one is not there or `from` is 0. */
  readonly ratio: number | null
}

/** Names of tests, each list in the order of the second version, `removed` in that of the first. */
export interface TestChanges {
  /** What the first version's tests came to; `null` where none were recorded. */
  readonly from: TestCounts | null
  readonly to: TestCounts | null
  /** Pass, and did not before: they failed, were skipped, or were not there. */
  readonly newlyPassing: ReadonlyArray<string>
  /** Fail, and did not before: they passed, were skipped, or were not there. */
  readonly newlyFailing: ReadonlyArray<string>
  readonly stillFailing: ReadonlyArray<string>
  /** Are skipped, and were not before. */
  readonly newlySkipped: ReadonlyArray<string>
  /** Only the second version has them; by their outcome they are in another list too. */
  readonly added: ReadonlyArray<string>
  readonly removed: ReadonlyArray<string>
}

/**
 * What differs. Plain JSON but for values of the metadata that JSON has no words for: bytes, dates, integers beyond 2^53
 * and numbers that are not finite are in `metadata` as the version holds them.
 */
export interface Comparison {
  /** The id of the first version. */
  readonly from: string
  /** The id of the second version. */
  readonly to: string
  /** Those that differ, by their path in the order of code units. */
  readonly files: ReadonlyArray<FileChange>
  /** How many files are the same in both: path, mode and content. */
  readonly unchanged: number
  /** So many files were removed and added that not each was compared with each: renamed ones may stand as removed and added. */
  readonly renamesCut: boolean
  readonly metadata: ReadonlyArray<FieldChange>
  /** All of either version, by name. */
  readonly metrics: ReadonlyArray<MetricChange>
  readonly tests: TestChanges
}

/** A longer file is not compared as text. */
export const maxTextBytes = 4 * 1024 * 1024

/**
 * Compares two versions. Renames are found as git finds them: equal content first, then the most alike pair of a removed
 * and an added text that have half of their lines or more in common.
 *
 * Cost follows the size of the files that differ, ~1 µs a line, and is bounded beyond that: at most ~0.4 s go into finding
 * the smallest diffs of all files together, after which they are `approximate`, and ~0.5 s into finding renames. A version
 * whose code misses one of its files is a defect.
 *
 * @example
 * import * as Compare from "@heph/implementations/Compare"
 * import { Implementations } from "@heph/implementations/Implementations"
 * import * as Storage from "@heph/implementations/Storage"
 * import * as Effect from "effect/Effect"
 *
 * const program = Effect.gen(function* () {
 *   const implementations = yield* Implementations
 *   const side = Effect.fnUntraced(function* (id: string) {
 *     const version = yield* implementations.getVersion(id)
 *     return { version, code: version.code, tests: yield* implementations.testResults(id) }
 *   })
 *   const total = "export const total = (price, n) =>"
 *   yield* implementations.register({ "total.js": `${total} price\n` }, { component: "shop.cart", metrics: { score: 0.5 } })
 *   yield* implementations.register({ "total.js": `${total} price * n\n` }, { component: "shop.cart", metrics: { score: 0.75 } })
 *   return Compare.compare(yield* side("shop.cart:1"), yield* side("shop.cart:2"))
 * })
 *
 * const { files, metrics } = await Effect.runPromise(Effect.provide(program, Storage.layerMemory()))
 * console.log(files[0]?.diff)
 * //=> diff --git a/total.js b/total.js
 * //=> --- a/total.js
 * //=> +++ b/total.js
 * //=> @@ -1 +1 @@
 * //=> -export const total = (price, n) => price
 * //=> +export const total = (price, n) => price * n
 * console.log(metrics[0]) //=> { metric: 'score', from: 0.5, to: 0.75, delta: 0.25, ratio: 1.5 }
 */
export const compare = (a: Side, b: Side, options?: Options): Comparison => ({
  from: a.version.id,
  to: b.version.id,
  ...compareFiles(a, b, options?.context ?? 3),
  metadata: compareMetadata(a.version, b.version),
  metrics: compareMetrics(a.version.metrics, b.version.metrics),
  tests: compareTests(a, b)
})

/** A change of a file, or several close to each other, with the lines around; what {@link hunks} gives. */
export type Hunk = Hunks.Hunk
/** Two lines that stand beside each other, or one alone. */
export type Row = Hunks.Row
/** A line of one side. */
export type Line = Hunks.Line
/** A part of a line: what the line beside has too, or what it has not. */
export type Segment = Hunks.Segment

/**
 * The diff of a file in rows of lines that stand beside each other, with the words marked that differ within a changed
 * line. None for a binary file, an empty one, and one that only changed its name or mode. Cost follows the diff's length;
 * words are compared in lines of up to 2,000 UTF-16 units, and no longer than ~0.6 s a file.
 *
 * @example
 * import * as Compare from "@heph/implementations/Compare"
 *
 * const diff = "--- a/total.js\n+++ b/total.js\n@@ -1 +1 @@\n-price * count\n+cost * count\n"
 * const [row] = Compare.hunks({ diff })[0]?.rows ?? []
 * console.log(row?.kind, row?.to?.segments)
 * //=> changed [ { text: 'cost', isChanged: true }, { text: ' * count', isChanged: false } ]
 */
export const hunks = (file: Pick<FileChange, "diff">): ReadonlyArray<Hunk> => Hunks.read(file.diff)

interface Content extends Patch.Source, Renames.Candidate {
  readonly bytes: Uint8Array
}

const compareFiles = (a: Side, b: Side, context: number): Pick<Comparison, "files" | "unchanged" | "renamesCut"> => {
  const before = contents(a)
  const after = contents(b)
  const patch = Patch.maker(context)
  const files: Array<FileChange> = []
  const add = (from: Content | undefined, to: Content | undefined, similarity: number | null) => {
    const { added, diff, isApproximate, isBinary, removed } =
      from !== undefined && from.hash === to?.hash && from.isLink === to.isLink
        ? Patch.ofName(from, to)
        : patch(from, to)
    files.push({
      path: (to ?? from)!.path,
      from: from?.path ?? null,
      to: to?.path ?? null,
      status:
        from === undefined ? "added" : to === undefined ? "removed" : similarity === null ? "modified" : "renamed",
      similarity,
      fromMode: from?.mode ?? null,
      toMode: to?.mode ?? null,
      fromSize: from?.bytes.length ?? null,
      toSize: to?.bytes.length ?? null,
      binary: isBinary,
      approximate: isApproximate,
      added,
      removed,
      diff
    })
  }

  let unchanged = 0
  for (const [path, to] of after) {
    const from = before.get(path)
    if (from === undefined) continue
    if (from.hash === to.hash && from.mode === to.mode) unchanged++
    else add(from, to, null)
  }
  const removed = [...before.values()].filter(({ path }) => !after.has(path))
  const added = [...after.values()].filter(({ path }) => !before.has(path))
  const { isCut, pairs } = Renames.find(removed, added)
  for (const { from, similarity, to } of pairs) add(from, to, similarity)
  const renamed = new Set(pairs.flatMap(({ from, to }) => [from, to]))
  for (const file of removed) if (!renamed.has(file)) add(file, undefined, null)
  for (const file of added) if (!renamed.has(file)) add(undefined, file, null)
  files.sort((a, b) => (a.path < b.path ? -1 : 1))
  return { files, unchanged, renamesCut: isCut }
}

const contents = ({ code, version }: Side): ReadonlyMap<string, Content> => {
  const all = new Map<string, Content>()
  for (const { executable, hash, link, path } of version.files) {
    const bytes = code.get(path)
    if (bytes === undefined) throw new Error(`the code of ${version.id} misses ${path}`)
    let text: string | undefined
    let isRead = false
    all.set(path, {
      path,
      hash,
      mode: link ? "120000" : executable ? "100755" : "100644",
      isLink: link,
      bytes,
      // Most files are the same on both sides, and nobody asks for their text.
      get text() {
        if (!isRead) text = decode(bytes)
        isRead = true
        return text
      }
    })
  }
  return all
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const decode = (bytes: Uint8Array): string | undefined => {
  if (bytes.length > maxTextBytes) return undefined
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}

/** What is compared as it is; lists, and what has a place of its own in a comparison, stand below. */
const plainFields = [
  "component",
  "language",
  "status",
  "author",
  "generator",
  "goal",
  "message",
  "generation",
  "created",
  "context"
] as const

const listFields = ["parents", "tags", "imports"] as const

const compareMetadata = (a: Version, b: Version): ReadonlyArray<FieldChange> => {
  const changes: Array<FieldChange> = []
  const add = (field: string, from: Value.Value, to: Value.Value) => {
    if (!Value.equals(from, to)) changes.push({ field, from, to })
  }
  for (const field of plainFields) add(field, a[field], b[field])
  for (const field of listFields) {
    const [from, to] = [a[field], b[field]]
    if (Value.equals(from, to)) continue
    const added = to.filter((item) => !from.includes(item))
    const removed = from.filter((item) => !to.includes(item))
    changes.push({ field, from, to, added, removed })
  }
  for (const field of namesOf(a.fields, b.fields))
    add(field, own(a.fields, field) ?? null, own(b.fields, field) ?? null)
  return changes
}

const compareMetrics = (a: Version["metrics"], b: Version["metrics"]): ReadonlyArray<MetricChange> =>
  namesOf(a, b).map((metric) => {
    const from = own(a, metric) ?? null
    const to = own(b, metric) ?? null
    const isBoth = from !== null && to !== null
    return {
      metric,
      from,
      to,
      delta: isBoth ? finite(to - from) : null,
      ratio: isBoth && from !== 0 ? finite(to / from) : null
    }
  })

/** The difference of the largest numbers is none. */
const finite = (n: number): number | null => (Number.isFinite(n) ? n : null)

const namesOf = (a: object, b: object): ReadonlyArray<string> =>
  [...new Set([...Object.keys(a), ...Object.keys(b)])].sort()

const own = <A>(record: { readonly [name: string]: A }, name: string): A | undefined =>
  Object.hasOwn(record, name) ? record[name] : undefined

const compareTests = (a: Side, b: Side): TestChanges => {
  const before = new Map(a.tests.map(({ name, outcome }) => [name, outcome]))
  const after = new Map(b.tests.map(({ name, outcome }) => [name, outcome]))
  const became = (outcome: TestResult["outcome"], was: (before: TestResult["outcome"] | undefined) => boolean) =>
    [...after].flatMap(([name, now]) => (now === outcome && was(before.get(name)) ? [name] : []))
  return {
    from: countsOf(a.tests),
    to: countsOf(b.tests),
    newlyPassing: became("passed", (was) => was !== "passed"),
    newlyFailing: became("failed", (was) => was !== "failed"),
    stillFailing: became("failed", (was) => was === "failed"),
    newlySkipped: became("skipped", (was) => was !== "skipped"),
    added: [...after.keys()].filter((name) => !before.has(name)),
    removed: [...before.keys()].filter((name) => !after.has(name))
  }
}

const countsOf = (tests: ReadonlyArray<TestResult>): TestCounts | null => {
  if (tests.length === 0) return null
  const counts = { passed: 0, failed: 0, skipped: 0 }
  for (const { outcome } of tests) counts[outcome]++
  return counts
}
