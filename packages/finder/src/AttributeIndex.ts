/**
 * Attribute indexes of one state, made for the fields that queries ask for.
 *
 *     b-tree   (80, app:a) (80, app:c) (443, app:b) | ("dev", app:d) …      equality, prefix, comparison, order
 *     hash     (-1877301, app:c) (34110, app:a) …                           equality alone
 *     text     app:a 0100 0010 0001   app:b 0001 0100 1000 …                what a text contains or ends with
 *
 * An index is built when a field is first asked for, and comes along to the next state with {@link follow}, at a cost
 * that follows what changed. Indexes of different states share what they have in common and never disturb each other.
 * Together they take a bounded amount of memory: the one that was used longest ago makes room.
 */
import type * as Entry from "@heph/entry/Entry"
import type * as EntryId from "@heph/entry/EntryId"
import type * as State from "@heph/entry/State"
import type * as Value from "@heph/entry/Value"
import * as Field from "./Field.ts"
import * as Grams from "./internal/grams.ts"
import * as Key from "./internal/key.ts"
import * as Literal from "./internal/literal.ts"
import { compareText, isWide } from "./internal/text.ts"
import * as Tree from "./internal/tree.ts"

/**
 * What serves equality: `b-tree` is ordered and serves prefixes, comparison and order too; `hash` keeps no values, so
 * that it holds on to none and costs the same for long texts and short ones.
 */
export type IndexType = "b-tree" | "hash"

/** How a state is indexed. */
export interface IndexOptions {
  /** `b-tree` by default. */
  readonly indexType?: IndexType | undefined
  /**
   * How many bytes the indexes of one state may take, 256 MiB by default; none are made with 0. An item of a `b-tree` or
   * `hash` counts 24, a text ~1 byte a character. What does not fit is answered by looking at every entry.
   */
  readonly maxIndexBytes?: number | undefined
}

/** An ordered index: for each type of value a tree of its own. */
export interface Ordered {
  readonly _tag: IndexType
  readonly field: Field.Field
  /** @internal */
  readonly valueOf: (entry: Entry.Entry) => Value.Value | undefined
  /** By {@link Key.rank}. Of a `hash`, all are in the first one, by their hashes; that a field holds a list is apart. */
  readonly trees: ReadonlyArray<Tree.Tree>
}

/** An index of what texts contain. */
export interface Texts {
  readonly _tag: "text"
  readonly field: Field.Field
  readonly grams: Grams.Grams
}

type Indexed = Ordered | Texts

/** The indexes of one state. Grows by the fields that are asked for; the state stays as it is. */
export interface AttributeIndex {
  readonly state: State.State
  readonly indexType: IndexType
  readonly maxIndexBytes: number
  /** @internal By type and field, the one used longest ago first. */
  readonly indexes: Map<string, Indexed>
  /** @internal What did not fit, and how many entries there were. */
  readonly tooLarge: Map<string, number>
}

/** A change of an entry: as it was and as it is, nothing where there is none. */
export type Change = readonly [before: Entry.Entry | undefined, after: Entry.Entry | undefined]

/** The index of a state, without any field yet. */
export const make = (state: State.State, options?: IndexOptions): AttributeIndex => ({
  state,
  indexType: options?.indexType ?? "b-tree",
  maxIndexBytes: options?.maxIndexBytes ?? 256 * 2 ** 20,
  indexes: new Map(),
  tooLarge: new Map()
})

/**
 * The index of another state, with the fields of this one: 1 to 4 µs for a value that is taken out or put in. `changes` are
 * all the differences of the two states. Where more than a quarter of the entries differ the fields are left to be built
 * anew.
 */
export const follow = (index: AttributeIndex, state: State.State, changes: ReadonlyArray<Change>): AttributeIndex => {
  const next: AttributeIndex = { ...index, state, indexes: new Map() }
  if (changes.length > 16 && changes.length > state.size / 4) return next
  const edit = Tree.newEdit()
  for (const [key, indexed] of index.indexes) {
    const changed = indexed._tag === "text" ? updateTexts(indexed, changes) : updateOrdered(indexed, changes, edit)
    if (changed !== undefined) next.indexes.set(key, changed)
  }
  makeRoom(next)
  return next
}

/** About how many bytes the indexes take. */
export const bytesOf = (index: AttributeIndex): number => {
  let bytes = 0
  for (const indexed of index.indexes.values()) bytes += sizeOf(indexed)
  return bytes
}

/** The ordered index of a field, built if need be; nothing where it would be too large. */
export const ordered = (index: AttributeIndex, field: Field.Field): Ordered | undefined =>
  obtain(index, index.indexType, field, index.state.size * itemBytes, () => ({
    _tag: index.indexType,
    field,
    valueOf: reader(field),
    trees: buildTrees(index.state, field, index.indexType)
  }))

/** The index of what a field's texts contain, built if need be; nothing where it would be too large. */
export const texts = (index: AttributeIndex, field: Field.Field): Texts | undefined =>
  obtain(index, "text", field, 0, () => {
    const builder = Grams.builder()
    const valueOf = reader(field)
    for (const entry of index.state) {
      const found = textsOf(valueOf(entry))
      if (found.length > 0) builder.add(entry.id, found)
    }
    const grams = builder.make(index.maxIndexBytes)
    return grams === undefined ? undefined : { _tag: "text", field, grams }
  })

/** Whether the ordered index of a field is there already. */
export const has = (index: AttributeIndex, field: Field.Field): boolean =>
  index.indexes.has(`${index.indexType} ${field.text}`)

/** Whether an ordered field holds a list anywhere: then an entry may stand at several places. */
export const hasLists = ({ trees }: Ordered): boolean => trees[Key.rank.isList]!.size > 0

/** The place of a key in a hash index. */
export const hashed = (key: Key.Key): number => {
  const text = typeof key.value === "string" ? key.value : Literal.show(key.value)
  let hash = key.rank
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x9e3779b1)
  return hash ^ (hash >>> 15)
}

/** What an item of a tree takes, its share of the nodes included. */
const itemBytes = 24

const sizeOf = (indexed: Indexed): number =>
  indexed._tag === "text"
    ? Grams.sizeOf(indexed.grams)
    : indexed.trees.reduce((sum, { size }) => sum + size, 0) * itemBytes

const obtain = <A extends Indexed>(
  index: AttributeIndex,
  type: A["_tag"],
  field: Field.Field,
  expected: number,
  build: () => A | undefined
): A | undefined => {
  const key = `${type} ${field.text}`
  const known = index.indexes.get(key)
  if (known !== undefined) {
    // To the end of the map: the one used longest ago stays first.
    index.indexes.delete(key)
    index.indexes.set(key, known)
    return known as A
  }
  const { size } = index.state
  if (expected > index.maxIndexBytes || (index.tooLarge.get(key) ?? Infinity) <= size) return undefined
  const built = build()
  if (built === undefined || sizeOf(built) > index.maxIndexBytes) {
    index.tooLarge.set(key, size)
    return undefined
  }
  index.indexes.set(key, built)
  makeRoom(index)
  return built
}

const makeRoom = (index: AttributeIndex): void => {
  let bytes = bytesOf(index)
  for (const [key, indexed] of index.indexes) {
    if (bytes <= index.maxIndexBytes) return
    index.indexes.delete(key)
    bytes -= sizeOf(indexed)
  }
}

/** Reads a field. Root fields leave `meta` alone, which is copied when it is read if it holds dates or bytes. */
const reader = (field: Field.Field): ((entry: Entry.Entry) => Value.Value | undefined) => {
  if (field._tag === "Root") return (entry) => Field.valueOf(field, entry, none)
  const get = Field.getter(field)
  return (entry) => get(entry, entry.meta)
}

const none: Value.Bag = {}

const textsOf = (value: Value.Value | undefined): ReadonlyArray<string> => {
  if (typeof value === "string") return [value]
  return Key.isList(value) ? value.filter((item) => typeof item === "string") : []
}

const ranks = Object.values(Key.rank)

/** Where a key is in an ordered index, by the number of its tree and its value there. */
const placeIn = (type: IndexType, key: Key.Key): Key.Key =>
  type === "hash" && key.rank !== Key.rank.isList ? { rank: 0, value: hashed(key) } : key

/** Groups by value first: few fields have a value of their own in each entry, and sorting distinct ones costs less. */
const buildTrees = (state: State.State, field: Field.Field, type: IndexType): ReadonlyArray<Tree.Tree> => {
  const groups = ranks.map(() => new Map<Tree.Value, EntryId.EntryId | Array<EntryId.EntryId>>())
  const valueOf = reader(field)
  for (const entry of state) {
    for (const key of Key.ofField(valueOf(entry))) {
      const { rank, value } = placeIn(type, key)
      const group = groups[rank]!
      const ids = group.get(value)
      if (ids === undefined) group.set(value, entry.id)
      else if (!Array.isArray(ids)) group.set(value, ids === entry.id ? ids : [ids, entry.id])
      else if (ids.at(-1) !== entry.id) ids.push(entry.id)
    }
  }
  return groups.map((group) => {
    const values: Array<Tree.Value> = []
    const ids: Array<EntryId.EntryId> = []
    for (const value of sorted([...group.keys()])) {
      const of = group.get(value)!
      for (const id of Array.isArray(of) ? of : [of]) {
        values.push(value)
        ids.push(id)
      }
    }
    return Tree.fromSorted(values, ids)
  })
}

/** Texts without surrogates are sorted by the engine alone, several times faster. */
const sorted = (values: Array<Tree.Value>): ReadonlyArray<Tree.Value> => {
  if (typeof values[0] !== "string") return values.sort(Tree.compareValues)
  const texts = values as Array<string>
  return texts.some(isWide) ? texts.sort(compareText) : texts.sort()
}

const updateOrdered = (indexed: Ordered, changes: ReadonlyArray<Change>, edit: Tree.Edit): Ordered => {
  const { _tag, field, valueOf } = indexed
  // What is read of the id stays the same as long as the entry is there.
  const isOfId = field._tag === "Root" && field.name !== "kind"
  let trees: Array<Tree.Tree> | undefined
  for (const [before, after] of changes) {
    if (isOfId && before !== undefined && after !== undefined) continue
    const { id } = (before ?? after)!
    const old = before === undefined ? undefined : valueOf(before)
    const now = after === undefined ? undefined : valueOf(after)
    if (old === now) continue
    trees ??= [...indexed.trees]
    if (!Key.isList(old) && !Key.isList(now)) {
      if (old !== undefined) take(trees, placeIn(_tag, Key.of(old)), id, edit)
      if (now !== undefined) put(trees, placeIn(_tag, Key.of(now)), id, edit)
      continue
    }
    const newKeys = Key.ofField(now).map((key) => placeIn(_tag, key))
    for (const key of Key.ofField(old)) take(trees, placeIn(_tag, key), id, edit)
    for (const key of newKeys) put(trees, key, id, edit)
  }
  return trees === undefined ? indexed : { ...indexed, trees }
}

const take = (trees: Array<Tree.Tree>, { rank, value }: Key.Key, id: EntryId.EntryId, edit: Tree.Edit): void => {
  trees[rank] = Tree.remove(trees[rank]!, value, id, edit)
}
const put = (trees: Array<Tree.Tree>, { rank, value }: Key.Key, id: EntryId.EntryId, edit: Tree.Edit): void => {
  trees[rank] = Tree.insert(trees[rank]!, value, id, edit)
}

/** Beyond this share of entries that changed since, looking at each of them costs more than the index saves. */
const mostStale = 1 / 20

const updateTexts = (indexed: Texts, changes: ReadonlyArray<Change>): Texts | undefined => {
  const { field, grams } = indexed
  const valueOf = reader(field)
  const changed: Array<EntryId.EntryId> = []
  for (const [before, after] of changes) {
    const old = before === undefined ? undefined : valueOf(before)
    const now = after === undefined ? undefined : valueOf(after)
    if (old !== now && textsOf(now).length > 0) changed.push(after!.id)
  }
  const next = Grams.withStale(grams, changed)
  if (next.staleCount > 256 && next.staleCount > next.ids.length * mostStale) return undefined
  return next === grams ? indexed : { ...indexed, grams: next }
}
