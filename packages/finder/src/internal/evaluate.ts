/** Answering a query over one state: the plan's entries, those among them that answer, in order, cut into pages. */
import type * as Entry from "@heph/entry/Entry"
import type * as State from "@heph/entry/State"
import * as AttributeIndex from "../AttributeIndex.ts"
import * as Field from "../Field.ts"
import type * as Query from "../Query.ts"
import type { Answer } from "./answers.ts"
import type { Place } from "./cursor.ts"
import * as Key from "./key.ts"
import * as Plan from "./plan.ts"
import type { Term } from "./terms.ts"

export interface Order {
  readonly field: Field.Field
  readonly descending: boolean
}

/** All entries that answer, in order. */
export const all = (index: AttributeIndex.AttributeIndex, query: Query.Query, order: Order): Answer => {
  const plans = Plan.of(index, query.terms, enough)
  const plan = plans[0]!
  // Walked in the order that is asked for, its entries need not be sorted.
  const ordered = plans.find((each) => isOrdered(each, order) && each.count <= plan.cost)
  const entries =
    ordered === undefined
      ? sort(index, order, matching(index.state, plan, query))
      : walked(index.state, ordered, query, order)
  return { entries: Object.freeze(entries), more: false, total: entries.length }
}

/**
 * A page found without looking for the rest: in an index that has the order of the page, or, for the first one in the order
 * of ids, by stopping early. Nothing where that would cost more than finding all.
 */
export const page = (
  index: AttributeIndex.AttributeIndex,
  query: Query.Query,
  order: Order,
  place: Place | undefined,
  limit: number
): Answer | undefined => {
  const plans = Plan.of(index, query.terms, enough)
  const plan = plans[0]!
  const inOrder = plans.find((each) => isOrdered(each, order))
  if (inOrder !== undefined) {
    const rest = Plan.rest(inOrder, query.terms)
    const allowed = rest.length === 0 || inOrder === plan ? Infinity : plan.cost
    const found = walkedPage(index.state, inOrder.runs!, rest, order, place, limit, allowed)
    if (found !== undefined) return found
  }
  if (plan.cost < fewEntries || (order.field.text !== ".id" && plan.count < index.state.size * walkFrom)) {
    if (place !== undefined) return undefined
    return (
      meetingPage(index, plan, query, order, limit) ??
      leastOf(matching(index.state, plan, query, Infinity, plan.anyIds), order, limit)
    )
  }
  if (order.field.text === ".id") {
    if (order.descending || place !== undefined) return undefined
    const found = matching(index.state, plan, query, limit + 1)
    return { entries: Object.freeze(found.slice(0, limit)), more: found.length > limit, total: totalOf(found, limit) }
  }
  if (place !== undefined && place.key === undefined) return undefined
  if (index.indexType !== "b-tree") return undefined
  const ordered = AttributeIndex.ordered(index, order.field)
  if (ordered === undefined || AttributeIndex.hasLists(ordered)) return undefined
  const found = walkedPage(index.state, runsOf(ordered), Plan.rest(scan, query.terms), order, place, limit, plan.count)
  // Behind the last entry that has the field come those that have not: they are in no index.
  if (found?.more !== true) return undefined
  return { ...found, total: query.terms.length === 0 ? index.state.size : undefined }
}

/** The part of an answer that a page shows. */
export const cut = (answer: Answer, order: Order, place: Place | undefined, limit: number | undefined): Answer => {
  const all = answer.entries
  const from = place === undefined ? 0 : firstBehind(all, order, place)
  const to = Math.min(all.length, limit === undefined ? all.length : from + limit)
  const entries = from === 0 && to === all.length ? all : Object.freeze(all.slice(from, to))
  return { entries, more: to < all.length, total: all.length }
}

/** The entries that answer, in the order of their ids if not of others; no more than are wanted. */
export const matching = (
  state: State.State,
  plan: Plan.Plan,
  query: Query.Query,
  wanted = Infinity,
  ids = plan.ids
): Array<Entry.Entry> => {
  const found: Array<Entry.Entry> = []
  const rest = Plan.rest(plan, query.terms)
  if (plan.type === "scan") {
    for (const entry of state) {
      if (holds(rest, entry)) found.push(entry)
      if (found.length >= wanted) break
    }
    return found
  }
  for (const id of ids()) {
    const entry = state.get(id)
    if (entry !== undefined && holds(rest, entry)) found.push(entry)
    if (found.length >= wanted) break
  }
  return found
}

/** Where an entry stands in an order. */
export const placeOf = ({ descending, field }: Order, entry: Entry.Entry): Place => {
  const value = Field.valueOf(field, entry)
  const id = entry.id.value
  if (value === undefined) return { key: undefined, id }
  if (!Key.isList(value)) return { key: Key.of(value), id }
  const keys = Key.ofField(value)
  // The last one says that it is a list.
  return { key: keys.length === 1 ? undefined : keys[descending ? keys.length - 2 : 0], id }
}

/** Of so few entries all are found in no time, and their number comes with them. */
const fewEntries = 1000

/** A plan that leaves so little is taken without looking at others. */
const enough = 128

/** Sorting this share of a state's entries costs about as much as walking all of them in the order of an index. */
const walkFrom = 1 / 8

/**
 * A page out of the index of its order, of those entries alone that the plan leaves: reads the ones it shows and passes the
 * ids of others. Nothing where more would be passed than reading all that the plan leaves is worth.
 */
const meetingPage = (
  index: AttributeIndex.AttributeIndex,
  plan: Plan.Plan,
  query: Query.Query,
  order: Order,
  limit: number
): Answer | undefined => {
  if (plan.anyIds === undefined || index.indexType !== "b-tree" || !AttributeIndex.has(index, order.field)) {
    return undefined
  }
  const steps = plan.count * passedForOne
  if ((limit * index.state.size) / Math.max(1, plan.count) > steps) return undefined
  const ordered = AttributeIndex.ordered(index, order.field)
  if (ordered === undefined || AttributeIndex.hasLists(ordered)) return undefined
  const only = { ids: new Set(plan.anyIds()), steps }
  const rest = Plan.rest(plan, query.terms)
  const found: Array<Entry.Entry> = []
  Plan.walk(
    index.state,
    runsOf(ordered),
    order.descending,
    undefined,
    (entry) => {
      if (holds(rest, entry)) found.push(entry)
      return found.length > limit
    },
    only
  )
  if (found.length <= limit) return undefined
  return {
    entries: Object.freeze(found.slice(0, limit)),
    more: true,
    total: rest.length === 0 ? only.ids.size : undefined
  }
}

/** How many ids are passed in the time that one entry is read, which is seldom in the processor's cache. */
const passedForOne = 8

/** The first of some entries in an order. Most are told to be beyond by one comparison. */
const leastOf = (found: ReadonlyArray<Entry.Entry>, order: Order, limit: number): Answer => {
  const least: Array<{ readonly entry: Entry.Entry; readonly place: Place }> = []
  for (const entry of found) {
    const place = placeOf(order, entry)
    if (least.length === limit && comparePlaces(order, place, least[limit - 1]!.place) > 0) continue
    let low = 0
    let high = least.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (comparePlaces(order, least[middle]!.place, place) < 0) low = middle + 1
      else high = middle
    }
    least.splice(low, 0, { entry, place })
    if (least.length > limit) least.pop()
  }
  return {
    entries: Object.freeze(least.map(({ entry }) => entry)),
    more: found.length > limit,
    total: found.length
  }
}

/** What no index is used for: every term is left to be checked. */
const scan = { settles: [] }

const totalOf = (found: ReadonlyArray<Entry.Entry>, limit: number): number | undefined =>
  found.length > limit ? undefined : found.length

const isOrdered = (plan: Plan.Plan, order: Order): boolean =>
  plan.runs !== undefined && order.field.text !== ".id" && plan.field?.text === order.field.text

const holds = (terms: ReadonlyArray<Term>, entry: Entry.Entry): boolean => {
  if (terms.length === 0) return true
  const { meta } = entry
  for (const term of terms) if (!term.matches(entry, meta)) return false
  return true
}

const walked = (state: State.State, plan: Plan.Plan, query: Query.Query, order: Order): Array<Entry.Entry> => {
  const found: Array<Entry.Entry> = []
  const rest = Plan.rest(plan, query.terms)
  Plan.walk(state, plan.runs!, order.descending, undefined, (entry) => {
    if (holds(rest, entry)) found.push(entry)
  })
  return found
}

/** A page out of an index in the order of the page; nothing if more entries than allowed had to be looked at. */
const walkedPage = (
  state: State.State,
  runs: ReadonlyArray<Plan.Run>,
  rest: ReadonlyArray<Term>,
  order: Order,
  place: Place | undefined,
  limit: number,
  allowed = Infinity
): Answer | undefined => {
  const after = place?.key === undefined ? undefined : { key: place.key, id: place.id }
  const found: Array<Entry.Entry> = []
  let looked = 0
  // Behind a place without a key there are only entries without the field, and none of them is in a run.
  if (place === undefined || after !== undefined) {
    Plan.walk(state, runs, order.descending, after, (entry) => {
      if (holds(rest, entry)) found.push(entry)
      return found.length > limit || ++looked > allowed
    })
  }
  if (looked > allowed) return undefined
  const total = rest.length === 0 ? runs.reduce((sum, { from, to }) => sum + to - from, 0) : undefined
  return {
    entries: Object.freeze(found.slice(0, limit)),
    more: found.length > limit,
    total: total ?? (place === undefined ? totalOf(found, limit) : undefined)
  }
}

/** All of an ordered index but the marks of lists. */
const runsOf = ({ trees }: AttributeIndex.Ordered): ReadonlyArray<Plan.Run> =>
  trees.slice(0, Key.rank.isList).map((tree, rank) => ({ rank, tree, from: 0, to: tree.size }))

const sort = (index: AttributeIndex.AttributeIndex, order: Order, found: Array<Entry.Entry>): Array<Entry.Entry> => {
  const { descending, field } = order
  if (field.text === ".id") return descending ? found.reverse() : found
  const many = found.length > index.state.size * walkFrom && index.indexType === "b-tree"
  const ordered = many ? AttributeIndex.ordered(index, field) : undefined
  if (ordered !== undefined) {
    const left = new Set(found)
    const sorted: Array<Entry.Entry> = []
    // An entry with a list is met at its least item first, or at its greatest from above.
    Plan.walk(index.state, runsOf(ordered), descending, undefined, (entry) => {
      if (left.delete(entry)) sorted.push(entry)
    })
    for (const entry of left) sorted.push(entry)
    return sorted
  }
  const places = found.map((entry) => ({ entry, place: placeOf(order, entry) }))
  return places.sort((a, b) => comparePlaces(order, a.place, b.place)).map(({ entry }) => entry)
}

const firstBehind = (entries: ReadonlyArray<Entry.Entry>, order: Order, place: Place): number => {
  let low = 0
  let high = entries.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (comparePlaces(order, placeOf(order, entries[middle]!), place) <= 0) low = middle + 1
    else high = middle
  }
  return low
}

const comparePlaces = ({ descending, field }: Order, a: Place, b: Place): number => {
  const ids = a.id < b.id ? -1 : a.id > b.id ? 1 : 0
  // Ids are in the order of states, which is by UTF-16 unit.
  if (field.text === ".id") return descending ? -ids : ids
  if (a.key === undefined || b.key === undefined) {
    if (a.key !== b.key) return a.key === undefined ? 1 : -1
    return ids
  }
  const order = Key.compare(a.key, b.key)
  return order === 0 ? ids : descending ? -order : order
}
