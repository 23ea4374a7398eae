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

/** The references that these texts make from an entry. Texts that cannot name anything, and the entry itself, drop out. */
export const fromTexts = (texts: ReadonlyArray<string>, from: EntryId.EntryId): References => {
  if (texts.length === 0) return none
  const entries: Array<EntryId.EntryId> = []
  const groups: Array<string> = []
  const namespaces: Array<string> = []
  for (const text of texts) {
    if (text.startsWith("group:")) add(groups, text.slice(6))
    else if (text.startsWith("ns:")) add(namespaces, text.slice(3))
    else {
      const id = EntryId.find(text) ?? Result.getOrUndefined(EntryId.parse(text, { namespace: from.namespace }))
      if (id !== undefined && id !== from && !entries.includes(id)) entries.push(id)
    }
  }
  return { entries, groups, namespaces }
}

/** The groups an entry is in: `meta.groups`, one text or a list of texts. Being in a group is no dependency. */
export const groupsOf = (entry: Entry.Entry): ReadonlyArray<string> => {
  const groups = entry.meta["groups"]
  if (typeof groups === "string") return [groups]
  return Array.isArray(groups) ? groups.filter((group): group is string => typeof group === "string") : []
}

const add = (list: Array<string>, item: string): void => {
  if (item !== "" && !list.includes(item)) list.push(item)
}
