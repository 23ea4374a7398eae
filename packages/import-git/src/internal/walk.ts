/**
 * The commits of a history, parents first, in one pass over two processes:
 *
 *     tips ──▶ git rev-list ── id, parents, children ──▶ git diff-tree ── what differs from each parent ──▶ commits
 *                                       └───────────── steps in flight ──────────────┘
 *
 * Who reads slowly slows both down: what is in flight is what fits into their pipes.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Commit } from "../Commit.ts"
import type { GitError } from "../GitError.ts"
import { type Git, lines } from "./git.ts"
import { Lineage, type Step } from "./lineage.ts"
import { type CommitRecord, format, RecordReader } from "./records.ts"

/** With the order that makes a parent come before its children. */
const revList = ["rev-list", "--stdin", "--topo-order", "--reverse", "--children", "--format=%H %P"]

const diffTree = [
  "diff-tree",
  "--stdin",
  "--root",
  "-r",
  "-z",
  "--raw",
  "--no-abbrev",
  // Also what changes nothing.
  "--always",
  // Given here, so that no setting of the user's makes another history of the same repository.
  "--find-renames=50%",
  "-l1000",
  "--encoding=UTF-8",
  format
]

/** The commits that lead to the tips, these among them. */
export const walk = (
  git: Git,
  tips: ReadonlyArray<string>,
  wants: (path: string) => boolean
): Stream.Stream<Commit, GitError> =>
  Stream.suspend(() => {
    const steps: Array<Step> = []
    const pairs = git.stream(revList, Stream.succeed(lines(tips))).pipe(
      Stream.decodeText,
      Stream.splitLines,
      Stream.mapAccumArray(
        () => 0,
        (children, printed) => {
          const asked: Array<string> = []
          for (const line of printed) {
            const [id = "", ...related] = line.split(" ")
            const others = [...new Set(related.filter((other) => other !== ""))]
            if (id === "commit") {
              // Its own id is among them.
              children = others.length - 1
              continue
            }
            steps.push({ id, parents: others, children })
            asked.push(...(others.length === 0 ? [id] : others.map((parent) => `${id} ${parent}`)))
          }
          return [children, [lines(asked)]]
        }
      )
    )
    const lineage = new Lineage(wants)
    // Git passes over a commit that it cannot read where its index of commits still knows it.
    const unreadable = ({ id }: Step) => git.error("Unreadable", `commit ${id} is missing or damaged; see git fsck.`)
    return git.stream(diffTree, pairs).pipe(
      Stream.mapAccumArray(
        () => new RecordReader(),
        (reader, pieces) => [reader, pieces.flatMap((bytes) => reader.push(bytes))],
        { onHalt: (reader) => reader.end() }
      ),
      Stream.mapAccumArrayEffect(
        (): Array<CommitRecord> => [],
        Effect.fnUntraced(function* (records, more) {
          const commits: Array<Commit> = []
          for (const record of more) {
            const step = steps[0]!
            if (record.id !== step.id) return yield* unreadable(step)
            records.push(record)
            if (records.length < step.parents.length) continue
            const { author, date, id, message } = record
            const differences = records.map(({ differences }) => differences)
            commits.push({ id, parents: step.parents, author, date, message, ...lineage.visit(step, differences) })
            records = []
            steps.shift()
          }
          return [records, commits] as const
        })
      ),
      Stream.concat(Stream.suspend(() => (steps[0] === undefined ? Stream.empty : Stream.fail(unreadable(steps[0])))))
    )
  })
