/** Changesets, for people and for machines. */
import type * as ChangeSet from "@heph/changeset/ChangeSet"
import * as Operation from "@heph/changeset/Operation"
import type * as Entry from "@heph/entry/Entry"
import * as Value from "@heph/entry/Value"
import { printable, type Style } from "./Output.ts"
import * as Table from "./Table.ts"
import * as Values from "./Values.ts"
import * as Words from "./Words.ts"

/** What happens to one entry: a delete and a create of one id are a `replace`. */
export interface Change {
  readonly what: "create" | "update" | "delete" | "replace"
  readonly id: string
  readonly before: Entry.Entry | undefined
  readonly after: Entry.Entry | undefined
}

/** The changes of a changeset, each id once, in its order. */
const changes = (changeset: ChangeSet.ChangeSet): ReadonlyArray<Change> => {
  const deleted = new Map<string, Entry.Entry | undefined>()
  for (const operation of changeset) {
    if (operation.op === "delete") deleted.set(operation.id.value, operation.original)
  }
  const created = new Set<string>()
  for (const operation of changeset) if (operation.op === "create") created.add(operation.entry.id.value)
  return changeset.flatMap((operation): ReadonlyArray<Change> => {
    const id = Operation.idOf(operation).value
    if (operation.op === "update") return [{ what: "update", id, before: operation.original, after: operation.entry }]
    if (operation.op === "create") {
      return [{ what: deleted.has(id) ? "replace" : "create", id, before: deleted.get(id), after: operation.entry }]
    }
    return created.has(id) ? [] : [{ what: "delete", id, before: operation.original, after: undefined }]
  })
}

const signs = { create: "+", update: "~", delete: "-", replace: "±" } as const

const paint = (what: Change["what"], text: string, style: Style): string =>
  what === "create" ? style.green(text) : what === "delete" ? style.red(text) : style.yellow(text)

const kindOf = ({ after, before, what }: Change): string =>
  what === "replace" ? `${before?.kind ?? "?"} → ${after?.kind}` : ((after ?? before)?.kind ?? "")

/** Where an update changes something, at most four places. */
const places = (change: Change): string => {
  if (change.what !== "update") return ""
  const all = differencesOf(change).map(({ path }) => path)
  return all.length > 4 ? `${all.slice(0, 4).join(", ")}, and ${all.length - 4} more` : all.join(", ")
}

const differencesOf = ({ after, before }: Change): ReadonlyArray<Values.Difference> => [
  ...Values.differences(before?.meta, after?.meta, "meta"),
  ...Values.differences(before?.data, after?.data, "data")
]

/** A line for each change: what happens, to which entry, of which kind, and where an update changes it. */
export const list = (changeset: ChangeSet.ChangeSet, target: Table.Target): string => lines(changes(changeset), target)

/** As many changes as are listed where a version is only mentioned. */
const most = 20

/** The first changes of a version, and how to see the others. */
export const listSome = (changeset: ChangeSet.ChangeSet, version: number, target: Table.Target): string => {
  const all = changes(changeset)
  const more = all.length - most
  const listed = lines(more > 0 ? all.slice(0, most) : all, target)
  return more > 0 ? `${listed}\n… and ${more} more: heph show v${version}` : listed
}

const lines = (all: ReadonlyArray<Change>, target: Table.Target): string => {
  const bySign = new Map(all.map((change) => [`${signs[change.what]} ${change.what}`, change.what]))
  return Table.render(
    [
      { mark: (cell, style) => paint(bySign.get(cell) ?? "update", cell, style) },
      {},
      { mark: (cell, style) => style.dim(cell) },
      {}
    ],
    all.map((change) => [`${signs[change.what]} ${change.what}`, change.id, kindOf(change), places(change)]),
    target
  )
}

/** Each change with its values: the fields of what is created, what differs in what is updated. */
export const detail = (changeset: ChangeSet.ChangeSet, target: Table.Target): ReadonlyArray<string> =>
  changes(changeset).map((change) => {
    const { style } = target
    const width = target.columns === undefined ? undefined : Math.max(20, Math.floor(target.columns / 2) - 10)
    const head = `${paint(change.what, `${signs[change.what]} ${printable(change.id)}`, style)}  ${style.dim(printable(kindOf(change)))}`
    const wide = target.columns === undefined ? undefined : Math.max(20, target.columns - 30)
    const lines =
      change.what === "update"
        ? differencesOf(change).flatMap((found) => Values.difference(found, style, width))
        : change.what === "delete"
          ? []
          : fields(change.after!).map(([path, value]) => `  ${path}: ${Values.brief(value, wide)}`)
    return [head, ...lines.map((line) => `  ${line}`)].join("\n")
  })

const fields = ({ data, meta }: Entry.Entry): ReadonlyArray<readonly [string, Value.Value]> => [
  ...Object.entries(meta).map(([key, value]) => [`meta.${Values.keyText(key)}`, value] as const),
  ...(Value.isRecord(data)
    ? Object.entries(data).map(([key, value]) => [`data.${Values.keyText(key)}`, value] as const)
    : [["data", data] as const])
]

/** `2 created, 1 updated, 0 deleted`. A change of kind counts as one created and one deleted. */
export const summary = (counts: Counts): string =>
  `${counts.created} created, ${counts.updated} updated, ${counts.deleted} deleted`

export interface Counts {
  readonly created: number
  readonly updated: number
  readonly deleted: number
}

/** How many operations of each sort there are. */
export const counts = (changeset: ChangeSet.ChangeSet): Counts => {
  const of = { create: 0, update: 0, delete: 0 }
  for (const { op } of changeset) of[op]++
  return { created: of.create, updated: of.update, deleted: of.delete }
}

/** One line for each cycle, as a warning. */
export const cycleWarning = (cycle: ReadonlyArray<{ readonly value: string }>): string =>
  `${Words.count(cycle.length, "entry", "entries")} depend on each other: ${cycle.map(({ value }) => printable(value)).join(", ")}`

/** What `plan` and `diff` print. */
export const planJson = (
  changeset: ChangeSet.ChangeSet,
  cycles: ReadonlyArray<ReadonlyArray<{ readonly value: string }>>
): unknown => ({
  operations: changeset.map((operation) => ({
    op: operation.op,
    id: Operation.idOf(operation).value,
    kind: Operation.kindOf(operation) ?? null
  })),
  cycles: cycles.map((cycle) => cycle.map(({ value }) => value))
})

/** What `show` and `watch` print. */
export const showJson = (version: number, parent: number | null, changeset: ChangeSet.ChangeSet): unknown => ({
  version,
  parent,
  operations: changeset.map((operation) => ({
    op: operation.op,
    id: Operation.idOf(operation).value,
    entry: operation.op === "delete" ? null : entryJson(operation.entry),
    original: operation.op === "create" || operation.original === undefined ? null : entryJson(operation.original)
  }))
})

/** An entry as every command prints it. */
export const entryJson = ({ data, id, kind, meta }: Entry.Entry): unknown => ({ id: id.value, kind, meta, data })
