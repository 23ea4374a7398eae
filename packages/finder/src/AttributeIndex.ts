/**
 * Attribute indexes of one state: for each field that was asked for, its values in order, with the ids that have them.
 *
 *     (number 80, app:a) (number 80, app:c) (number 443, app:b) (text "dev", app:d) …
 *      └── equality: a run ──┘   └── comparison, prefix: a longer run ──┘
 *
 * An index is built when a field is first asked for, and comes along to the next state with {@link follow}, at a cost
 * that follows what changed. Indexes of different states share what they have in common and never disturb each other.
 */
import type * as Entry from "@heph/entry/Entry"
import * as EntryId from "@heph/entry/EntryId"
import * as State from "@heph/entry/State"
import type * as Value from "@heph/entry/Value"
import { LRUCache } from "lru-cache"
import * as Field from "./Field.ts"
import * as Key from "./internal/key.ts"
import { instantOf } from "./internal/match.ts"
import { literalPrefix } from "./internal/patterns.ts"
import * as Tree from "./internal/tree.ts"
import type * as Query from "./Query.ts"

/** How many fields of a state are indexed at most; the one that was used longest ago makes room. */
export const maxFields = 64

interface Indexed {
  readonly field: Field.Field
  readonly tree: Tree.Tree
}

/** The indexes of one state. Grows by the fields that are asked for; the state stays as it is. */
export interface AttributeIndex {
  readonly state: State.State
  /** @internal */
  readonly fields: LRUCache<string, Indexed>
}

/** The index of a state, without any field yet. */
export const make = (state: State.State): AttributeIndex => ({ state, fields: new LRUCache({ max: maxFields }) })

/**
 * The index of another state, with the fields of this one. ~5 µs for a changed value of an indexed field. Where more than
 * a quarter of the entries differ the fields are left to be built anew.
 */
export const follow = (index: AttributeIndex, state: State.State): AttributeIndex => {
  const next = make(state)
  if (index.fields.size === 0) return next
  const changes: Array<readonly [before: Entry.Entry | undefined, after: Entry.Entry | undefined]> = []
  State.diff(index.state, state, (before, after) => changes.push([before, after]))
  if (changes.length > 16 && changes.length > state.size / 4) return next
  // From the field used longest ago on, so that the order of use comes along.
  for (const [text, { field, tree }] of [...index.fields.entries()].toReversed()) {
    let changed = tree
    for (const [before, after] of changes) changed = update(changed, field, before, after)
    next.fields.set(text, { field, tree: changed })
  }
  return next
}

/**
 * The entries among which all the answers to a query are, in the order of their ids; nothing where no index narrows
 * them down. Builds the indexes of the fields that the query can use. The cost follows the number of entries returned.
 */
export const select = (index: AttributeIndex, query: Query.Query): ReadonlyArray<Entry.Entry> | undefined => {
  const plans = new Map<string, Plan>()
  for (const criterion of query.criteria) {
    for (const wanted of itemsOf(criterion)) {
      const { text } = criterion.field
      if (text === ".id" && isLiteral(criterion, wanted)) {
        const entry = index.state.get(wanted)
        return entry === undefined ? [] : [entry]
      }
      const plan = planOf(index, criterion, wanted)
      const other = plans.get(text)
      if (plan !== undefined) plans.set(text, other === undefined ? plan : both(plan, other))
    }
  }
  const best = [...plans.values()].reduce((a, b) => (costOf(a) <= costOf(b) ? a : b), everything(index.state))
  return best.tree === undefined ? undefined : entriesOf(index.state, best)
}

/**
 * Calls back for every entry that has a value to sort by, in the order of its least value, or of its greatest from the
 * greatest down; ids in order among equal ones. Values of no order among themselves count as equal.
 */
export const inOrder = (
  index: AttributeIndex,
  field: Field.Field,
  descending: boolean,
  each: (entry: Entry.Entry) => void
): void => {
  const tree = treeOf(index, field)
  const ids = new Set<EntryId.EntryId>()
  const to = Tree.countBefore(tree, (item) => item.rank < Key.rank.isList)
  if (descending) {
    const items: Array<Key.Item> = []
    Tree.forEach(tree, 0, to, (item) => items.push(item))
    let end = items.length
    while (end > 0) {
      let start = end - 1
      while (start > 0 && Key.compare(items[start - 1]!, items[start]!) === 0) start--
      for (let i = start; i < end; i++) ids.add(items[i]!.id)
      end = start
    }
  } else Tree.forEach(tree, 0, to, ({ id }) => ids.add(id))
  for (const id of ids) each(index.state.get(id)!)
}

/** Where the candidates are in a field's tree. Without a tree, anywhere. */
interface Plan {
  readonly tree: Tree.Tree | undefined
  readonly runs: ReadonlyArray<readonly [from: number, to: number]>
  /** Whether they are in the order of their ids there, each once, as those of one value are. */
  readonly sorted: boolean
}

type Range = readonly [from: Tree.Before, to: Tree.Before]

const everything = ({ size }: State.State): Plan => ({ tree: undefined, runs: [[0, size]], sorted: true })

const planOf = (
  index: AttributeIndex,
  criterion: Query.Criterion,
  wanted: Value.Value | undefined
): Plan | undefined => {
  const ranges = rangesOf(criterion, wanted)
  if (ranges === undefined) return undefined
  const tree = treeOf(index, criterion.field)
  const runs = ranges.map(([from, to]) => [Tree.countBefore(tree, from), Tree.countBefore(tree, to)] as const)
  return { tree, runs, sorted: isOneKey(criterion, wanted) }
}

/** The plan of two criteria on one field. Where no entry has a list, its one value is in what both leave. */
const both = (a: Plan, b: Plan): Plan => {
  const tree = a.tree!
  if (Tree.countBefore(tree, beforeRank(Key.rank.isList)) < tree.size) return costOf(a) < costOf(b) ? a : b
  const runs = a.runs.flatMap(([from, to]) =>
    b.runs.map(([otherFrom, otherTo]) => [Math.max(from, otherFrom), Math.min(to, otherTo)] as const)
  )
  return { tree, runs: runs.filter(([from, to]) => from < to), sorted: a.sorted || b.sorted }
}

/** In entries scanned: one of a run that has to be sorted by id costs about as much as four. */
const costOf = ({ runs, sorted }: Plan): number =>
  runs.reduce((sum, [from, to]) => sum + to - from, 0) * (sorted ? 1 : 4)

const entriesOf = (state: State.State, { runs, sorted, tree }: Plan): ReadonlyArray<Entry.Entry> => {
  const ids: Array<EntryId.EntryId> = []
  for (const [from, to] of runs) Tree.forEach(tree!, from, to, ({ id }) => ids.push(id))
  return (sorted ? ids : [...new Set(ids)].sort(EntryId.compare)).map((id) => state.get(id)!)
}

/** The wanted items of a criterion that an index may serve; nothing stands for an empty list. */
const itemsOf = ({ negated, wanted }: Query.Criterion): ReadonlyArray<Value.Value | undefined> => {
  if (negated) return []
  if (!Key.isList(wanted)) return [wanted]
  return wanted.length === 0 ? [undefined] : wanted
}

const isLiteral = ({ operator }: Query.Criterion, wanted: Value.Value | undefined): wanted is string =>
  operator === "=" && typeof wanted === "string" && literalPrefix(wanted).exact

/** Whether the run is that of a single key. */
const isOneKey = (criterion: Query.Criterion, wanted: Value.Value | undefined): boolean =>
  wanted === undefined ||
  criterion.operator === "*" ||
  (criterion.operator === "=" && (criterion.field._tag === "Meta" || isLiteral(criterion, wanted)))

const before =
  (key: Key.Key): Tree.Before =>
  (item) =>
    Key.compare(item, key) < 0
const upTo =
  (key: Key.Key): Tree.Before =>
  (item) =>
    Key.compare(item, key) <= 0
const beforeRank =
  (rank: number): Tree.Before =>
  (item) =>
    item.rank < rank

const ofKey = (key: Key.Key): Range => [before(key), upTo(key)]
const ofRank = (rank: number): Range => [beforeRank(rank), beforeRank(rank + 1)]
const ofPrefix = (prefix: string): Range => [
  before({ rank: Key.rank.text, value: prefix }),
  (item) =>
    item.rank < Key.rank.text ||
    (item.rank === Key.rank.text && ((item.value as string) < prefix || (item.value as string).startsWith(prefix)))
]

/** Where the index has everything that an item of a criterion can match, and maybe more; nothing if that is anywhere. */
const rangesOf = (
  { field, operator }: Query.Criterion,
  wanted: Value.Value | undefined
): ReadonlyArray<Range> | undefined => {
  if (wanted === undefined) return [ofRank(Key.rank.isList)]
  switch (operator) {
    case "?":
      return field._tag === "Root" ? undefined : [[() => false, () => true]]
    case "=": {
      if (field._tag === "Meta") return [ofKey(Key.of(wanted))]
      const { exact, text } = literalPrefix(wanted as string)
      if (exact) return [ofKey(Key.of(text))]
      return text === "" ? undefined : [ofPrefix(text)]
    }
    case "^":
      return [ofPrefix(wanted as string)]
    case "*":
      return typeof wanted === "string" ? undefined : [ofKey(Key.of(wanted))]
    case "~":
    case "$":
      return undefined
    default:
      return comparisonRanges(operator, wanted)
  }
}

const comparisonRanges = (operator: ">" | ">=" | "<" | "<=", wanted: Value.Value): ReadonlyArray<Range> => {
  const beyond = (key: Key.Key): Range => {
    switch (operator) {
      case ">":
        return [upTo(key), beforeRank(key.rank + 1)]
      case ">=":
        return [before(key), beforeRank(key.rank + 1)]
      case "<":
        return [beforeRank(key.rank), before(key)]
      case "<=":
        return [beforeRank(key.rank), upTo(key)]
    }
  }
  const key = Key.of(wanted)
  const instant = instantOf(wanted)
  if (instant === undefined) return [beyond(key)]
  const dates = beyond({ rank: Key.rank.date, value: instant })
  // Texts compare with a date by the instant they spell, which is not the order they are in here.
  return [dates, key.rank === Key.rank.text ? beyond(key) : ofRank(Key.rank.text)]
}

const treeOf = (index: AttributeIndex, field: Field.Field): Tree.Tree => {
  const known = index.fields.get(field.text)
  if (known !== undefined) return known.tree
  const tree = build(index.state, field)
  index.fields.set(field.text, { field, tree })
  return tree
}

/** Groups by value first: few fields have a value of their own in each entry, and sorting distinct ones costs less. */
const build = (state: State.State, field: Field.Field): Tree.Tree => {
  const groups = Object.values(Key.rank).map(() => new Map<Key.Key["value"], Array<EntryId.EntryId>>())
  for (const entry of state) {
    for (const { rank, value } of Key.ofField(Field.valueOf(field, entry))) {
      const group = groups[rank]!
      const ids = group.get(value)
      if (ids === undefined) group.set(value, [entry.id])
      else ids.push(entry.id)
    }
  }
  const items: Array<Key.Item> = []
  for (const [rank, group] of groups.entries()) {
    const values = [...group.keys()].toSorted((a, b) => Key.compare({ rank, value: a }, { rank, value: b }))
    for (const value of values) for (const id of group.get(value)!) items.push({ rank, value, id })
  }
  return Tree.fromSorted(items)
}

const update = (
  tree: Tree.Tree,
  field: Field.Field,
  before: Entry.Entry | undefined,
  after: Entry.Entry | undefined
): Tree.Tree => {
  const id = (before ?? after)!.id
  const old = before === undefined ? undefined : Field.valueOf(field, before)
  const now = after === undefined ? undefined : Field.valueOf(field, after)
  if (old === now) return tree
  const oldKeys = Key.ofField(old)
  const newKeys = Key.ofField(now)
  let changed = tree
  for (const key of without(oldKeys, newKeys)) changed = Tree.remove(changed, { ...key, id })
  for (const key of without(newKeys, oldKeys)) changed = Tree.insert(changed, { ...key, id })
  return changed
}

/** The keys that are not among the others. Both are in order. */
const without = (keys: ReadonlyArray<Key.Key>, others: ReadonlyArray<Key.Key>): ReadonlyArray<Key.Key> => {
  let at = 0
  return keys.filter((key) => {
    while (at < others.length && Key.compare(others[at]!, key) < 0) at++
    return at === others.length || Key.compare(others[at]!, key) !== 0
  })
}
