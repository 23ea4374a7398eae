/**
 * What an entry can point at.
 *
 *     "name"      the entry of that name in the same namespace
 *     "ns:name"   one entry
 *     "group:x"   every entry whose meta.groups holds x
 *     "ns:x"      every entry of the namespace x
 *
 * So an entry of a namespace that is literally `ns` or `group` is only reached from within that namespace, by its name.
 */
import type * as Entry from "@heph/entry/Entry"
import * as EntryId from "@heph/entry/EntryId"
import * as Result from "effect/Result"

/** The references of one entry, each once, in the order they were met. They need not lead to anything that exists. */
export interface References {
  readonly entries: ReadonlyArray<EntryId.EntryId>
  readonly groups: ReadonlyArray<string>
  readonly namespaces: ReadonlyArray<string>
}

/** No references; shared by all entries that have none. */
export const none: References = { entries: [], groups: [], namespaces: [] }

/**
 * The references that these texts make from an entry. Texts that cannot name anything, and the entry itself, drop out.
 *
 * @example
 * import * as EntryId from "@heph/entry/EntryId"
 * import * as Reference from "@heph/resolver/Reference"
 *
 * const from = EntryId.parseUnsafe("app:api")
 * const { entries, groups } = Reference.fromTexts(["db", "auth:tokens", "api", "group:migrations"], from)
 * console.log(entries.join(" "), groups) //=> app:db auth:tokens [ 'migrations' ]
 */
export const fromTexts = (texts: ReadonlyArray<string>, from: EntryId.EntryId): References => {
  if (texts.length === 0) return none
  const entries: Array<EntryId.EntryId> = []
  const groups: Array<string> = []
  const namespaces: Array<string> = []
  for (const text of texts) {
    if (text.startsWith("group:")) groups.push(text.slice(6))
    else if (text.startsWith("ns:")) namespaces.push(text.slice(3))
    else {
      const id = EntryId.find(text) ?? Result.getOrUndefined(EntryId.parse(text, { namespace: from.namespace }))
      if (id !== undefined && id !== from) entries.push(id)
    }
  }
  return { entries: unique(entries), groups: unique(groups), namespaces: unique(namespaces) }
}

// Most lists are short, and graphs keep them: nothing is made anew that need not be.
const unique = <A>(items: ReadonlyArray<A>): ReadonlyArray<A> =>
  items.length === 0 ? nothing : items.length === 1 ? items : [...new Set(items)]
const nothing: ReadonlyArray<never> = []

/** The groups an entry is in: `meta.groups`, one text or a list of texts. Being in a group is no dependency. */
export const groupsOf = (entry: Entry.Entry): ReadonlyArray<string> => {
  const groups = entry.meta["groups"]
  if (typeof groups === "string") return [groups]
  return Array.isArray(groups)
    ? [...new Set<unknown>(groups)].filter((group): group is string => typeof group === "string")
    : []
}

/**
 * The sets of entries that references name, as `group:x` and `ns:x`. A graph has a node for each, so that a thousand
 * entries which refer to a group of a thousand cost two thousand edges and not a million.
 */
export const setsIn = ({ groups, namespaces }: References): ReadonlyArray<string> =>
  groups.length === 0 && namespaces.length === 0
    ? nothing
    : [...groups.map((group) => `group:${group}`), ...namespaces.map((namespace) => `ns:${namespace}`)]

/** The sets that an entry is in, named as in {@link setsIn}. */
export const setsOf = (entry: Entry.Entry): ReadonlyArray<string> => [
  `ns:${entry.id.namespace}`,
  ...groupsOf(entry).map((group) => `group:${group}`)
]
