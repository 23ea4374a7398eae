/**
 * YAML nodes to plain values: anchors, merge keys, 64-bit integers, tagged bytes and dates, and the files that `file://`
 * names put in place. Whatever is wrong is told with its offset, and conversion goes on to find the rest.
 */
import * as Value from "@heph/entry/Value"
import * as Result from "effect/Result"
import { isAlias, isMap, isScalar, isSeq, type Pair, type Scalar, type YAMLMap, type YAMLSeq } from "yaml"

/** In the place of a value that had a problem, so that nobody complains about it twice. */
export const broken = Symbol("broken")

export type PlainRecord = Record<string, unknown>

export interface Plain {
  readonly value: PlainRecord
  /** The node of a record or list, or of what it has under a key; its own where it has nothing there. */
  readonly nodeAt: (container: object, key?: string | number) => Node
  /** The node of a key. */
  readonly keyAt: (record: PlainRecord, key: string) => Node
}

export interface Hooks {
  readonly problem: (offset: number, reason: string) => void
  /** The text or bytes of the file that a string names. */
  readonly file: (reference: string) => Result.Result<string | Uint8Array, string>
}

/** What is asked of a node: where it is, and what a scalar was written as. */
export interface Node {
  readonly range?: readonly [number, number, number] | null | undefined
  readonly source?: string
}

/** What aliases may repeat in one document, counted as `Value.maxBytes` counts. */
const maxRepeated = 4 * Value.maxBytes

// The data of an entry begins three below its document, where `data` is written out. Deeper, the stack is at risk.
const maxDepth = Value.maxDepth + 3

const startOf = (node: unknown): number => (node as Node | null)?.range?.[0] ?? 0

export const fromNode = (root: YAMLMap, hooks: Hooks): Plain => {
  const nodes = new Map<object, YAMLMap | YAMLSeq>()
  const anchors = new Map<string, { readonly value: unknown; readonly size: number } | "open">()
  let size = 0
  let repeated = 0

  const fail = (node: unknown, reason: string): typeof broken => {
    hooks.problem(startOf(node), reason)
    return broken
  }

  const convert = (node: unknown, depth: number): unknown => {
    size += 8
    // `key:` with nothing behind it.
    if (node === null || node === undefined) return null
    if (isAlias(node)) return fromAlias(node)
    const { anchor } = node as Scalar
    if (anchor === undefined) return fromContent(node, depth)
    const before = size
    anchors.set(anchor, "open")
    const value = fromContent(node, depth)
    anchors.set(anchor, { value, size: size - before })
    return value
  }

  const fromContent = (node: unknown, depth: number): unknown => {
    if (isScalar(node)) return fromScalar(node)
    if (depth === maxDepth) return fail(node, `it is nested deeper than ${Value.maxDepth}: flatten it`)
    if (isMap(node)) return fromMap(node, depth)
    if (!isSeq(node)) return fail(node, "this cannot be read as a value")
    const list = node.items.map((item) => convert(item, depth + 1))
    nodes.set(list, node)
    return list
  }

  const fromAlias = (node: { readonly source: string }): unknown => {
    const found = anchors.get(node.source)
    if (found === undefined) return fail(node, `there is no anchor &${node.source} before this *${node.source}`)
    if (found === "open") return fail(node, `*${node.source} is inside of what it stands for`)
    size += found.size
    const wasMuch = repeated > maxRepeated
    repeated += found.size
    if (wasMuch) return broken
    return repeated > maxRepeated
      ? fail(node, "the aliases of this document repeat too much: write less of it")
      : found.value
  }

  const fromScalar = (node: Scalar): unknown => {
    const { source = "", value } = node
    switch (typeof value) {
      case "string":
        size += value.length
        if (!value.isWellFormed()) return fail(node, "the text holds half a surrogate pair, which UTF-8 cannot carry")
        return value.startsWith("file://") ? fromFile(node, value) : value
      case "bigint":
        if (value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER) return Number(value)
        return value >= -(2n ** 63n) && value < 2n ** 64n
          ? value
          : fail(node, `the integer ${shorten(source)} does not fit into 64 bits: quote it to keep it as text`)
      case "number":
        return Number.isFinite(value) || /^[-+]?\.(?:inf|nan)$/i.test(source)
          ? value
          : fail(node, `the number ${shorten(source)} is larger than any 64-bit float: quote it to keep it as text`)
      default:
        return value
    }
  }

  const fromFile = (node: Scalar, reference: string): unknown => {
    const content = hooks.file(reference)
    if (Result.isFailure(content)) return fail(node, content.failure)
    size += content.success.length
    return content.success
  }

  const fromMap = (node: YAMLMap, depth: number): PlainRecord => {
    const out: PlainRecord = {}
    const merged: Array<unknown> = []
    nodes.set(out, node)
    for (const pair of node.items) {
      if (isMerge(pair)) {
        merged.push(...sources(pair, convert(pair.value, depth + 1)))
        continue
      }
      const key = keyOf(pair, out)
      const value = convert(pair.value, depth + 1)
      if (key !== undefined) out[key] = value
    }
    // The record's own keys win, then those of the first record that is merged.
    for (const source of merged) {
      for (const [key, value] of Object.entries(source as PlainRecord)) if (!Object.hasOwn(out, key)) out[key] = value
    }
    return out
  }

  /** The key of a pair, unless it is one that a record cannot have. */
  const keyOf = ({ key: node }: Pair, out: PlainRecord): string | undefined => {
    const key = isScalar(node) ? node.value : node
    let wrong: string | undefined
    if (typeof key !== "string") {
      wrong = isScalar(node)
        ? `a key is text, and ${key === null ? "nothing" : shorten(node.source ?? "this")} is not: put it in quotes`
        : "a key is text, not a list, a record or an alias"
    } else if (key === "__proto__") wrong = `the key "__proto__" is not allowed`
    else if (!key.isWellFormed()) wrong = "the key holds half a surrogate pair, which UTF-8 cannot carry"
    else if (Object.hasOwn(out, key)) wrong = `the key ${JSON.stringify(shorten(key))} is there twice`
    if (wrong !== undefined) {
      fail(node, wrong)
      return undefined
    }
    const { anchor } = node as Scalar
    if (anchor !== undefined) anchors.set(anchor, { value: key, size: 8 })
    return key as string
  }

  const sources = (pair: Pair, value: unknown): ReadonlyArray<unknown> => {
    const list = Array.isArray(value) ? (value as ReadonlyArray<unknown>) : [value]
    if (list.every((item) => item === broken || isMap(nodes.get(item as object)))) {
      return list.filter((item) => item !== broken)
    }
    fail(pair.key, `"<<" takes a record or a list of records; in quotes it is a key like any other`)
    return []
  }

  const pairAt = (record: object, key: string): Pair | undefined => {
    const node = nodes.get(record)
    return isMap(node) ? node.items.find((item) => isScalar(item.key) && item.key.value === key) : undefined
  }

  const nodeAt = (container: object, key?: string | number): Node => {
    const node = nodes.get(container) ?? root
    if (key === undefined) return node
    if (typeof key === "number") return node.items[key] ?? node
    const pair = pairAt(container, key)
    return pair?.value ?? pair?.key ?? node
  }

  const keyAt = (record: object, key: string): Node => pairAt(record, key)?.key ?? nodes.get(record) ?? root

  const value = fromMap(root, 0)
  return { value, nodeAt, keyAt }
}

const isMerge = ({ key }: Pair): boolean =>
  isScalar(key) && key.value === "<<" && key.type === "PLAIN" && key.tag === undefined

const shorten = (text: string): string => (text.length > 40 ? `${text.slice(0, 40)}…` : text)
