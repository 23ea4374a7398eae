/**
 * Plans: which index leaves the fewest entries to look at.
 *
 *     terms ──▶ what each index would leave, counted ──▶ the least ──▶ its entries, and the terms it does not settle
 *
 * Counting costs a few look-ups in a tree, whatever the number counted. An index of texts is searched to know, so it is
 * asked only where the others leave much.
 */
import type * as Entry from "@heph/entry/Entry"
import * as EntryId from "@heph/entry/EntryId"
import type * as State from "@heph/entry/State"
import * as AttributeIndex from "../AttributeIndex.ts"
import type * as Field from "../Field.ts"
import * as Grams from "./grams.ts"
import * as Key from "./key.ts"
import type { Item } from "./match.ts"
import { Criterion, type Term } from "./terms.ts"
import * as Tree from "./tree.ts"

/** A run of the items of a tree. */
export interface Run {
  readonly rank: number
  readonly tree: Tree.Tree
  readonly from: number
  readonly to: number
}

/** A way to the entries among which all answers are. */
export interface Plan {
  readonly type: "id" | "b-tree" | "hash" | "text" | "scan"
  /** The term it serves; nothing for a scan. */
  readonly term: Term | undefined
  readonly field: Field.Field | undefined
  /** How many entries it leaves; those of lists may count more than once. */
  readonly count: number
  /** What that costs, in entries looked at. */
  readonly cost: number
  /** The terms that hold for all of them. */
  readonly settles: ReadonlyArray<Term>
  /** Where the entries are in the field's ordered index, each once; nothing if an entry may be at several places. */
  readonly runs: ReadonlyArray<Run> | undefined
  /** The ids, each once and in their order. */
  readonly ids: () => Iterable<EntryId.EntryId>
  /** The ids, each once, in any order: cheaper where they are sorted by something else afterwards. */
  readonly anyIds?: (() => Iterable<EntryId.EntryId>) | undefined
}

/** All the ways to answer terms, the cheapest first. A scan is always one. None is looked for after one that costs enough. */
export const of = (
  index: AttributeIndex.AttributeIndex,
  terms: ReadonlyArray<Term>,
  enough = 0
): ReadonlyArray<Plan> => {
  const flat = flatten(terms)
  const plans: Array<Plan> = [scan(index.state)]
  for (const term of flat) {
    const plan = idPlan(index.state, term)
    if (plan !== undefined) return [plan]
  }
  const byField = new Map<string, Plan>()
  for (const term of flat) {
    const plan = planOf(index, term)
    if (plan === undefined) continue
    const known = plan.runs === undefined ? undefined : byField.get(plan.field!.text)
    const joined = known === undefined ? plan : (both(known, plan) ?? plan)
    if (joined.runs !== undefined) byField.set(joined.field!.text, joined)
    plans.push(joined)
    if (joined.cost <= enough) break
  }
  plans.sort((a, b) => a.cost - b.cost)
  // A search of the texts costs about as much as looking at every fiftieth entry.
  if (plans[0]!.cost > Math.max(256, index.state.size / 50)) {
    for (const term of flat) {
      const plan = textPlan(index, term)
      if (plan !== undefined) plans.push(plan)
    }
    plans.sort((a, b) => a.cost - b.cost)
  }
  return plans
}

/** The terms that a plan leaves to be checked, cheap ones first. */
export const rest = (plan: Pick<Plan, "settles">, terms: ReadonlyArray<Term>): ReadonlyArray<Term> =>
  flatten(terms)
    .filter((term) => !plan.settles.includes(term))
    .sort((a, b) => effort(a) - effort(b))

const effort = (term: Term): number => {
  if (!(term instanceof Criterion)) return 2
  return term.operator === "~" || (term.operator === "=" && term.field._tag === "Root") ? 1 : 0
}

/** Conditions of an `all(…)` that is itself a condition stand for themselves. */
const flatten = (terms: ReadonlyArray<Term>): Array<Term> =>
  terms.flatMap((term) =>
    !(term instanceof Criterion) && term.kind === "all" && !term.negated ? flatten(term.terms) : [term]
  )

const scan = (state: State.State): Plan => ({
  type: "scan",
  term: undefined,
  field: undefined,
  count: state.size,
  cost: state.size,
  settles: [],
  runs: undefined,
  ids: () => state.ids()
})

const idPlan = (state: State.State, term: Term): Plan | undefined => {
  if (!(term instanceof Criterion) || term.negated || term.field.text !== ".id" || term.operator !== "=")
    return undefined
  for (const { literal } of term.items) {
    if (typeof literal !== "string") continue
    const id = state.get(literal)?.id
    const ids = id === undefined ? [] : [id]
    const settles = term.items.length === 1 ? [term] : []
    return { type: "id", term, field: term.field, count: ids.length, cost: 0, settles, runs: undefined, ids: () => ids }
  }
  return undefined
}

const planOf = (index: AttributeIndex.AttributeIndex, term: Term): Plan | undefined => {
  if (term.negated) return undefined
  if (term instanceof Criterion) {
    const idOnly = idPlan(index.state, term)
    return idOnly ?? least(itemsOf(term).map((item) => itemPlan(index, term, item)))
  }
  if (term.kind === "all") {
    const plan = least(flatten(term.terms).map((each) => planOf(index, each)))
    return plan === undefined ? undefined : { ...plan, term, settles: [], runs: undefined }
  }
  return union(term, index, planOf)
}

const least = (plans: ReadonlyArray<Plan | undefined>): Plan | undefined =>
  plans.reduce((a, b) => (a === undefined || (b !== undefined && b.cost < a.cost) ? b : a), undefined)

/** What any of the alternatives leaves, if there is a plan for each of them. */
const union = (
  term: Term & { readonly terms: ReadonlyArray<Term> },
  index: AttributeIndex.AttributeIndex,
  planFor: (index: AttributeIndex.AttributeIndex, term: Term) => Plan | undefined
): Plan | undefined => {
  const plans: Array<Plan> = []
  let cost = 0
  for (const each of term.terms) {
    const plan = planFor(index, each)
    if (plan === undefined) return undefined
    plans.push(plan)
    cost += plan.cost
    if (cost > index.state.size * sortCost) return undefined
  }
  const settled = plans.every((plan, i) => plan.settles.includes(term.terms[i]!))
  const { field, type } = plans[0]!
  return {
    type,
    term,
    field: plans.every((plan) => plan.field?.text === field?.text) ? field : undefined,
    count: plans.reduce((sum, plan) => sum + plan.count, 0),
    cost,
    settles: settled ? [term] : [],
    runs: undefined,
    ids: () => {
      const ids = new Set<EntryId.EntryId>()
      for (const plan of plans) for (const id of plan.ids()) ids.add(id)
      return [...ids].sort(EntryId.compare)
    }
  }
}

/** An entry of a run that has to be sorted by id costs about as much as four that have not. */
const sortCost = 4

/** What an ordered index may go by. `?` has no items, and wants the field itself. */
const itemsOf = ({ items, operator }: Criterion): ReadonlyArray<Item | undefined> =>
  operator === "?" ? [undefined] : items

const itemPlan = (
  index: AttributeIndex.AttributeIndex,
  criterion: Criterion,
  item: Item | undefined
): Plan | undefined => {
  const { field, operator } = criterion
  const found = index.indexType === "hash" ? hashRange(operator, item) : treeRanges(criterion, item)
  if (found === undefined) return undefined
  const ordered = AttributeIndex.ordered(index, field)
  if (ordered === undefined) return undefined
  const runs = found.ranges
    .map(({ from, rank, to }): Run => {
      const tree = ordered.trees[rank]!
      return { rank, tree, from: from(tree), to: to(tree) }
    })
    .filter(({ from, to }) => from < to)
  const single = !AttributeIndex.hasLists(ordered)
  const settles = found.exact && criterion.items.length <= 1 ? [criterion] : []
  // An entry with a list stands at the place of each item, so that one place says nothing of the others.
  const inOrder = ordered._tag === "b-tree" && single
  return fromRuns(field, criterion, ordered._tag, runs, { inOrder, oneKey: found.oneKey, settles })
}

const fromRuns = (
  field: Field.Field,
  term: Term,
  type: AttributeIndex.IndexType,
  runs: ReadonlyArray<Run>,
  how: { readonly inOrder: boolean; readonly oneKey: boolean; readonly settles: ReadonlyArray<Term> }
): Plan => {
  const count = runs.reduce((sum, { from, to }) => sum + to - from, 0)
  return {
    type,
    term,
    field,
    count,
    cost: count * (how.oneKey ? 1 : sortCost),
    settles: how.settles,
    runs: how.inOrder ? runs : undefined,
    ids: () => (how.oneKey ? collect(runs) : [...new Set(collect(runs))].sort(EntryId.compare)),
    anyIds: how.inOrder ? () => collect(runs) : undefined
  }
}

const collect = (runs: ReadonlyArray<Run>): Array<EntryId.EntryId> => {
  const ids: Array<EntryId.EntryId> = []
  for (const { from, to, tree } of runs) {
    Tree.forEach(tree, from, to, (id) => {
      ids.push(id)
    })
  }
  return ids
}

/** The plan of two criteria on one field in which no entry has a list, so that its one value is in what both leave. */
const both = (a: Plan, b: Plan): Plan | undefined => {
  if (a.runs === undefined || b.runs === undefined || a.type !== "b-tree") return undefined
  const { runs } = b
  const joined = a.runs.flatMap((run) =>
    runs
      .filter(({ tree }) => tree === run.tree)
      .map(({ from, to }) => ({ ...run, from: Math.max(run.from, from), to: Math.min(run.to, to) }))
      .filter(({ from, to }) => from < to)
  )
  const oneKey = a.cost === a.count || b.cost === b.count
  return fromRuns(a.field!, b.term!, "b-tree", joined, { inOrder: true, oneKey, settles: [...a.settles, ...b.settles] })
}

interface Range {
  readonly rank: number
  readonly from: (tree: Tree.Tree) => number
  readonly to: (tree: Tree.Tree) => number
}

/** Where an index has everything that an item can match, and whether nothing else. `oneKey`: all have one value. */
interface Ranges {
  readonly ranges: ReadonlyArray<Range>
  readonly exact: boolean
  readonly oneKey: boolean
}

const first = () => 0
const last = ({ size }: Tree.Tree) => size
const below = (value: Tree.Value, inclusive: boolean) => (tree: Tree.Tree) => Tree.countBelow(tree, value, inclusive)

const ofKey = ({ rank, value }: Key.Key): Range => ({ rank, from: below(value, false), to: below(value, true) })
const lists: Ranges = { ranges: [{ rank: Key.rank.isList, from: first, to: last }], exact: true, oneKey: true }

/** Whether values of a type are where they are by all there is to them. */
const isComparable = (rank: number): boolean => rank < Key.rank.bytes

const hashRange = (operator: string, item: Item | undefined): Ranges | undefined => {
  if (item === undefined) return undefined
  if (item.wanted === undefined) return lists
  const value = item.literal ?? (operator === "*" && typeof item.wanted !== "string" ? item.wanted : undefined)
  if (value === undefined) return undefined
  return { ranges: [ofKey({ rank: 0, value: AttributeIndex.hashed(Key.of(value)) })], exact: false, oneKey: true }
}

const treeRanges = ({ field, operator }: Criterion, item: Item | undefined): Ranges | undefined => {
  if (item === undefined) {
    if (field._tag === "Root") return undefined
    const ranges = Object.values(Key.rank).map((rank): Range => ({ rank, from: first, to: last }))
    return { ranges, exact: true, oneKey: false }
  }
  if (item.wanted === undefined) return lists
  if (item.literal !== undefined) {
    const key = Key.of(item.literal)
    return { ranges: [ofKey(key)], exact: isComparable(key.rank), oneKey: true }
  }
  if (item.prefix !== undefined) {
    const { prefix } = item
    const to = (tree: Tree.Tree) =>
      Tree.countBefore(tree, (value) => (value as string).startsWith(prefix) || Tree.compareValues(value, prefix) < 0)
    return { ranges: [{ rank: Key.rank.text, from: below(prefix, false), to }], exact: operator === "^", oneKey: false }
  }
  const { rank, value } = Key.of(item.wanted)
  switch (operator) {
    case ">":
      return { ranges: [{ rank, from: below(value, true), to: last }], exact: true, oneKey: false }
    case ">=":
      return { ranges: [{ rank, from: below(value, false), to: last }], exact: true, oneKey: false }
    case "<":
      return { ranges: [{ rank, from: first, to: below(value, false) }], exact: true, oneKey: false }
    case "<=":
      return { ranges: [{ rank, from: first, to: below(value, true) }], exact: true, oneKey: false }
    case "*":
      return typeof item.wanted === "string"
        ? undefined
        : { ranges: [ofKey({ rank, value })], exact: false, oneKey: true }
    case "=":
    case "~":
    case "^":
    case "$":
    case "?":
      return undefined
  }
}

const textPlan = (index: AttributeIndex.AttributeIndex, term: Term): Plan | undefined => {
  if (term.negated) return undefined
  if (!(term instanceof Criterion)) {
    if (term.kind === "all") return least(flatten(term.terms).map((each) => textPlan(index, each)))
    return union(term, index, (of, each) => planOf(of, each) ?? textPlan(of, each))
  }
  const need = term.items.map((item) => item.need).find((each) => each !== undefined && Grams.serves(each))
  if (need === undefined) return undefined
  const { grams } = AttributeIndex.texts(index, term.field) ?? {}
  if (grams === undefined) return undefined
  const found = Grams.search(grams, need)
  const inOrder = grams.staleCount === 0
  return {
    type: "text",
    term,
    field: term.field,
    count: found.length,
    cost: found.length * (inOrder ? 1 : sortCost),
    settles: [],
    runs: undefined,
    ids: () => (inOrder ? found : [...new Set(found)].sort(EntryId.compare))
  }
}

/** The ids that a walk is to meet, and how many others it may pass: one more, and it ends as if it had enough. */
export interface Only {
  readonly ids: ReadonlySet<EntryId.EntryId>
  steps: number
}

/**
 * Calls back for the entries of runs in the order of their values, ids in order among equal ones, until it answers that
 * it has enough; then the answer is true. Begins behind a place, if there is one.
 */
export const walk = (
  state: State.State,
  runs: ReadonlyArray<Run>,
  descending: boolean,
  after: { readonly key: Key.Key; readonly id: string } | undefined,
  each: (entry: Entry.Entry) => boolean | void,
  only?: Only
): boolean => {
  const visit = (id: EntryId.EntryId): boolean => {
    if (only !== undefined && !only.ids.has(id)) return --only.steps < 0
    const entry = state.get(id)
    return entry !== undefined && each(entry) === true
  }
  for (const run of descending ? runs.toReversed() : runs) {
    const side = after === undefined ? 1 : (run.rank - after.key.rank) * (descending ? -1 : 1)
    if (side < 0) continue
    const place = side === 0 ? after : undefined
    const enough = descending ? walkDown(run, place, visit) : walkUp(run, place, visit)
    if (enough) return true
  }
  return false
}

type Place = { readonly key: Key.Key; readonly id: string } | undefined

const behind = (tree: Tree.Tree, { id, key }: NonNullable<Place>): number =>
  Tree.countBefore(tree, (value, other) => {
    const order = Tree.compareValues(value, key.value)
    return order < 0 || (order === 0 && other.value <= id)
  })

const walkUp = ({ from, to, tree }: Run, after: Place, visit: (id: EntryId.EntryId) => boolean): boolean =>
  Tree.forEach(tree, after === undefined ? from : Math.max(from, behind(tree, after)), to, visit)

/** From the greatest value down; the ids of one value still in their order. */
const walkDown = ({ from, to, tree }: Run, after: Place, visit: (id: EntryId.EntryId) => boolean): boolean => {
  let end = to
  if (after !== undefined) {
    const { value } = after.key
    const equal = Math.min(to, Tree.countBelow(tree, value, true))
    if (Tree.forEach(tree, Math.max(from, behind(tree, after)), equal, visit)) return true
    end = Math.min(to, Tree.countBelow(tree, value, false))
  }
  while (end > from) {
    const start = Math.max(from, Tree.countBelow(tree, Tree.valueAt(tree, end - 1), false))
    if (Tree.forEach(tree, start, end, visit)) return true
    end = start
  }
  return false
}
