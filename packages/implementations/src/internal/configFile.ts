/** `components.registry` of a YAML text: the options and what they are set to, and what is wrong, each with its place. */
import { diffChars } from "diff"
import {
  type ErrorCode,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type Range,
  type YAMLMap
} from "yaml"
import * as Options from "./configOptions.ts"

/** Counted from 1, columns in UTF-16 units. */
export interface Place {
  readonly line: number
  readonly column: number
}

/** An option that is set. */
export interface Found {
  readonly key: keyof Options.Values
  /** As plain values; a record is empty here, since no option takes one. */
  readonly raw: unknown
  /** The line of its name. */
  readonly line: number
  /** The place of its value, or of an item of it. */
  readonly placeOf: (index?: number) => Place
}

export interface Problem extends Place {
  readonly reason: string
  readonly expected: string
}

export const read = (
  text: string
): { readonly found: ReadonlyArray<Found>; readonly problems: ReadonlyArray<Problem> } => {
  const lines = new LineCounter()
  const placeOf = (node: unknown): Place => placeAt((node as Ranged | null)?.range?.[0] ?? 0)
  const placeAt = (offset: number): Place => {
    const { col, line } = lines.linePos(offset)
    return { line, column: col }
  }
  const found: Array<Found> = []
  const problems: Array<Problem> = []
  const fail = (place: Place, reason: string, expected: string): undefined =>
    void problems.push({ ...place, reason, expected })
  // YAML 1.2, where `yes` is text, whatever a %YAML directive says.
  const document = parseDocument(text, { schema: "core", lineCounter: lines, prettyErrors: false })

  /** The node that stands for a node: what it names, where it is an alias. */
  const resolve = (node: unknown): Node | null | undefined => {
    if (!isAlias(node)) return node as Node | null | undefined
    const named = node.resolve(document)
    return named ?? fail(placeOf(node), `there is no anchor &${node.source} before this`, "write the value itself")
  }

  /** The record under a key; nothing where there is none. */
  const recordIn = (record: YAMLMap | undefined, name: string): YAMLMap | undefined => {
    const pair = record?.items.find(({ key }) => isScalar(key) && key.value === name)
    return recordOf(resolve(pair?.value), name)
  }

  const recordOf = (node: Node | null | undefined, name: string): YAMLMap | undefined => {
    if (isMap(node)) return node
    if (node === null || node === undefined || (isScalar(node) && node.value === null)) return undefined
    return fail(placeOf(node), `${name} has to be a record`, "write keys and values under it")
  }

  const addOption = (pair: Pair): void => {
    const name = isScalar(pair.key) ? pair.key.value : undefined
    const key = Options.keys.find((key) => Options.table[key].name === name)
    if (key === undefined) {
      const what = typeof name === "string" ? `no option ${JSON.stringify(name)}` : "no such option"
      return fail(placeOf(pair.key), `there is ${what}`, optionsLike(name))
    }
    const tag = [...document.errors, ...document.warnings].find(({ pos }) => isWithin(pos[0], pair))
    if (tag !== undefined) return fail(placeAt(tag.pos[0]), tag.message, `write ${Options.table[key].values}`)
    const before = problems.length
    const node = resolve(pair.value)
    const raw = isSeq(node) ? node.items.map((item) => plain(resolve(item))) : plain(node)
    if (problems.length > before) return
    const at = pair.value ?? pair.key
    found.push({
      key,
      raw,
      line: placeOf(pair.key).line,
      placeOf: (index) => placeOf((index !== undefined && isSeq(node) && node.items[index]) || at)
    })
  }

  // A value whose tag does not fit it may be nobody's business. After another error the rest is mostly its consequence.
  const broken = document.errors.find(({ code }) => code !== "TAG_RESOLVE_FAILED")
  if (broken === undefined) {
    const components = recordIn(recordOf(document.contents, "the file"), "components")
    for (const pair of recordIn(components, "registry")?.items ?? []) addOption(pair)
  } else {
    const [reason, expected] = syntax.get(broken.code) ?? [broken.message, "the file has to be YAML"]
    fail(placeAt(broken.pos[0]), reason, expected)
  }
  return { found, problems }
}

interface Ranged {
  readonly range?: Range | null | undefined
}

/** What the library says in the words of a programmer. */
const syntax: ReadonlyMap<ErrorCode, readonly [reason: string, expected: string]> = new Map<
  ErrorCode,
  readonly [string, string]
>([
  ["DUPLICATE_KEY", ["this key is there twice", "keep one of them"]],
  ["MULTIPLE_DOCS", ["a second document begins here", "write a single one"]],
  ["RESOURCE_EXHAUSTION", ["it is nested too deeply to be read", "flatten it"]]
])

const isWithin = (offset: number, { key, value }: Pair): boolean => {
  const start = (key as Ranged).range?.[0] ?? 0
  const end = (value as Ranged | null)?.range?.[1] ?? start
  return start <= offset && offset < end
}

const plain = (node: unknown): unknown => (isScalar(node) ? node.value : isSeq(node) ? [] : isMap(node) ? {} : null)

/** All options, and the one that a name may have been meant to be. */
const optionsLike = (name: unknown): string => {
  const names = Options.keys.map((key) => Options.table[key].name)
  const all = `the options are ${names.join(", ")}`
  const meant = typeof name === "string" ? nearest(name, names) : undefined
  return meant === undefined ? all : `${all}; did you mean ${meant}?`
}

/** The name that takes the fewest edits to get to, but no more than half of it; or one that the text is a part of. */
const nearest = (text: string, names: ReadonlyArray<string>): string | undefined => {
  // A text much longer than any name is none of them, and slow to compare.
  if (text === "" || text.length > maxCompared) return undefined
  const [best] = names
    .map((name) => ({ name, edits: name.includes(text) ? 0 : editsBetween(text, name) }))
    .filter(({ edits, name }) => edits <= name.length / 2)
    .sort((a, b) => a.edits - b.edits)
  return best?.name
}

const maxCompared = 40

const editsBetween = (a: string, b: string): number =>
  diffChars(a, b, { ignoreCase: true }).reduce((sum, part) => (part.added || part.removed ? sum + part.count : sum), 0)
