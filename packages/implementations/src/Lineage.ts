/**
 * Where a version comes from and what came of it. Parents may be several, so that lineage is a graph without cycles; its
 * tree form shows each version once, under the first of its parents that is shown.
 */

/** A version in a lineage. */
export interface Kin {
  readonly id: string
  /** In the order they were given in; those that were removed are among them. */
  readonly parents: ReadonlyArray<string>
  /** Steps from the version that was asked about, by the shortest way. */
  readonly distance: number
  /** Whether retention removed it: nothing but its id and its parents is left. */
  readonly removed: boolean
}

/** The lineage of a version. */
export interface Lineage {
  readonly id: string
  /** The version of the registry that was looked at. */
  readonly at: number
  /** Up to the roots, nearest first; versions of one distance in the order of their ids. */
  readonly ancestors: ReadonlyArray<Kin>
  /** Down to the leaves, nearest first. */
  readonly descendants: ReadonlyArray<Kin>
}

/** A version and what came of it, in the tree form of a lineage. */
export interface Tree {
  readonly id: string
  readonly removed: boolean
  /** Its parents that the tree does not show it under. */
  readonly otherParents: ReadonlyArray<string>
  readonly children: ReadonlyArray<Tree>
}

/** How an id is looked up; nothing where there is none. */
export interface Kinship {
  readonly parents: (id: string) => { readonly parents: ReadonlyArray<string>; readonly removed: boolean } | undefined
  readonly children: (id: string) => ReadonlyArray<string>
}

/** The lineage of a version. Cost follows the answer: ~3 µs a version. */
export const of = (id: string, at: number, kinship: Kinship): Lineage => {
  // A parent that nothing is known of was removed before whatever refers to it was written.
  const known = (one: string) => kinship.parents(one) ?? { parents: [], removed: true }
  const walk = (first: ReadonlyArray<string>, next: (kin: Kin) => ReadonlyArray<string>): ReadonlyArray<Kin> => {
    const found: Array<Kin> = []
    const seen = new Set([id])
    let ring = first
    for (let distance = 1; ring.length > 0; distance++) {
      const further: Array<string> = []
      // A chain has one version at each distance, and nothing to sort.
      for (const one of ring.length === 1 ? ring : ring.toSorted(compareIds)) {
        if (seen.has(one)) continue
        seen.add(one)
        const kin = { id: one, ...known(one), distance }
        found.push(kin)
        further.push(...next(kin))
      }
      ring = further
    }
    return found
  }
  return {
    id,
    at,
    ancestors: walk(known(id).parents, ({ parents }) => parents),
    descendants: walk(kinship.children(id), ({ id }) => kinship.children(id))
  }
}

/**
 * The tree form: from the roots of a lineage down, each version once. What is shown are ancestors, the version itself
 * and its descendants, so that branches beside it are left out.
 *
 * @example
 * import * as Lineage from "@heph/implementations/Lineage"
 *
 * const parents: Record<string, Array<string>> = { "a.b:1": [], "a.b:2": ["a.b:1"], "a.b:3": ["a.b:1", "a.b:2"] }
 * const lineage = Lineage.of("a.b:3", 1, {
 *   parents: (id) => ({ parents: parents[id]!, removed: false }),
 *   children: (id) => Object.keys(parents).filter((child) => parents[child]!.includes(id))
 * })
 * const [root] = Lineage.tree(lineage, parents["a.b:3"]!)
 * console.log(root?.id, root?.children.map(({ id, otherParents }) => `${id} (and ${otherParents})`)) //=> a.b:1 [ 'a.b:2 (and )', 'a.b:3 (and a.b:2)' ]
 */
export const tree = ({ ancestors, descendants, id }: Lineage, parents: ReadonlyArray<string>): ReadonlyArray<Tree> => {
  const all = new Map<string, Pick<Kin, "parents" | "removed">>()
  for (const kin of ancestors.toReversed()) all.set(kin.id, kin)
  all.set(id, { parents, removed: false })
  for (const kin of descendants) all.set(kin.id, kin)
  interface Node {
    readonly id: string
    readonly removed: boolean
    readonly otherParents: ReadonlyArray<string>
    readonly children: Array<Node>
  }
  const places = new Map<string, { readonly node: Node; readonly under: string | undefined }>()
  for (const [one, { parents, removed }] of all) {
    const under = parents.find((parent) => all.has(parent))
    const otherParents = parents.filter((parent) => parent !== under)
    places.set(one, { node: { id: one, removed, otherParents, children: [] }, under })
  }
  const roots: Array<Node> = []
  for (const { node, under } of places.values()) {
    const siblings = under === undefined ? roots : places.get(under)!.node.children
    siblings.push(node)
  }
  return roots
}

/** By component, then by number where names are numbers: as people count. */
const collator = new Intl.Collator("en", { numeric: true })
export const compareIds = (a: string, b: string): number => collator.compare(a, b) || (a < b ? -1 : a > b ? 1 : 0)
