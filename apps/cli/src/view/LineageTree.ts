/**
 * A lineage as a drawing: a version below the one it comes from, and moved in only where that one has several children.
 *
 *     ● lab.sort:1     0.5
 *     ● lab.sort:2     0.6
 *     ├─● lab.sort:3   0.55
 *     │ ● lab.sort:4   0.58  ◀
 *     └─○ lab.sort:5         removed
 */
import type { Tree } from "@heph/implementations/Lineage"
import type { Style } from "../Output.ts"
import * as Table from "../Table.ts"

/** A version of a lineage, and where it stands in the drawing. */
export interface Row {
  readonly id: string
  /** The one it is drawn under; `null` for a root. */
  readonly under: string | null
  /** Its parents that it is not drawn under. */
  readonly otherParents: ReadonlyArray<string>
  readonly removed: boolean
  /** What is drawn to the left of its node. */
  readonly branch: string
}

/** The versions from above to below. However deep the tree is. */
export const rows = (roots: ReadonlyArray<Tree>): ReadonlyArray<Row> => {
  const found: Array<Row> = []
  interface Waiting {
    readonly tree: Tree
    readonly under: string | null
    /** Before its own node, and before those below it. */
    readonly branch: string
    readonly below: string
  }
  const waiting: Array<Waiting> = []
  const wait = (trees: ReadonlyArray<Tree>, under: string | null, below: string) => {
    const isFork = under !== null && trees.length > 1
    for (let i = trees.length - 1; i >= 0; i--) {
      const isLast = i === trees.length - 1
      waiting.push({
        tree: trees[i]!,
        under,
        branch: below + (isFork ? (isLast ? "└─" : "├─") : ""),
        below: below + (isFork ? (isLast ? "  " : "│ ") : "")
      })
    }
  }
  wait(roots, null, "")
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { below, branch, tree, under } = next
    const { children, id, otherParents, removed } = tree
    found.push({ id, under, otherParents, removed, branch })
    wait(children, id, below)
  }
  return found
}

export interface Options extends Table.Target {
  /** The version that was asked about. */
  readonly id: string
  /** What is said about a version behind its id: its score. */
  readonly scores: ReadonlyMap<string, string>
  /** What the scores are called. */
  readonly metric: string | undefined
  /** More about a version. */
  readonly notes: ReadonlyMap<string, string>
}

/** The drawing, a line for each version. */
export const render = (all: ReadonlyArray<Row>, { id: asked, metric, notes, scores, ...target }: Options): string => {
  const columns: ReadonlyArray<Table.Column> = [
    { title: metric === undefined ? "" : "version", mark: (cell, style) => marked(cell, asked, style) },
    { title: Table.oneLine(metric ?? ""), isRight: true },
    { title: "", mark: (cell, style) => style.dim(cell) }
  ]
  const cells = all.map(({ branch, id, otherParents, removed }) => {
    const node = removed ? "○" : "●"
    const more = [
      ...(otherParents.length === 0 ? [] : [`also from ${otherParents.join(", ")}`]),
      ...(removed ? ["removed"] : []),
      ...(notes.has(id) ? [notes.get(id)!] : [])
    ]
    return [`${branch}${node} ${id}${id === asked ? " ◀" : ""}`, scores.get(id) ?? "", more.join("; ")]
  })
  return Table.render(columns, cells, target)
}

const marked = (cell: string, asked: string, style: Style): string =>
  cell.endsWith(` ${asked} ◀`) ? style.bold(cell) : cell.includes("○") ? style.dim(cell) : cell
