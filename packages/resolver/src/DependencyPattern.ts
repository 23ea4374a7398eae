/**
 * Where references are found in an entry: a path into `meta` or `data`.
 *
 *     meta.depends_on        the text, list or record there
 *     data.imports.*         with wildcards: every value of the record, every item of the list
 *     data.*_env             with wildcards: every key that ends in "_env"
 *
 * At the end of a path stands a text, a list of texts or a record whose values are texts; anything else is no reference.
 */
import type * as Entry from "@heph/entry/Entry"
import * as Value from "@heph/entry/Value"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** A pattern as people write it. */
export interface DependencyPattern {
  /**
   * Segments joined by dots, the first of them `meta` or `data`. A list is stepped into by the number of an item. Keys
   * that hold a dot cannot be named.
   */
  readonly path: string
  /**
   * Whether `*` in a segment stands for any run of characters; at most one in a segment. Off by default: then a `*` is a
   * character like any other.
   */
  readonly allowWildcard?: boolean | undefined
  /** For people: what the reference means. */
  readonly description?: string | undefined
}

/** The path of a pattern cannot be used. */
export class InvalidPattern extends Schema.TaggedError<InvalidPattern>()("InvalidPattern", {
  path: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `the dependency pattern ${JSON.stringify(this.path)} cannot be used: ${this.reason}`
  }
}

type Segment = { readonly key: string } | { readonly prefix: string; readonly suffix: string }

/** A pattern ready to be walked. */
export interface Compiled {
  readonly pattern: DependencyPattern
  /** @internal */
  readonly root: "meta" | "data"
  /** @internal */
  readonly segments: ReadonlyArray<Segment>
}

/** Where every entry may name what it depends on. */
export const dependsOn: DependencyPattern = {
  path: "meta.depends_on",
  description: "what this entry depends on: names, ids, group:x or ns:x"
}

/**
 * Checks a pattern and makes it ready to be walked.
 *
 * @example
 * import * as DependencyPattern from "@heph/resolver/DependencyPattern"
 * import * as Result from "effect/Result"
 *
 * const refused = DependencyPattern.compile({ path: "imports.*", allowWildcard: true })
 * console.log(Result.isFailure(refused) && refused.failure.reason) //=> it must begin with "meta" or "data"
 */
export const compile = (pattern: DependencyPattern): Result.Result<Compiled, InvalidPattern> => {
  const invalid = (reason: string) => Result.fail(new InvalidPattern({ path: pattern.path, reason }))
  const [root, ...rest] = pattern.path.split(".")
  if (root !== "meta" && root !== "data") return invalid(`it must begin with "meta" or "data"`)
  if (root === "meta" && rest.length === 0) return invalid(`name a key of meta, as in "meta.depends_on"`)
  if (rest.includes("")) return invalid("it has an empty segment")
  const segments: Array<Segment> = []
  for (const text of rest) {
    const [prefix, suffix, ...more] = text.split("*")
    if (pattern.allowWildcard !== true || suffix === undefined) segments.push({ key: text })
    else if (more.length > 0) return invalid(`a segment may hold one "*", and ${JSON.stringify(text)} holds more`)
    else segments.push({ prefix: prefix!, suffix })
  }
  return Result.succeed({ pattern, root, segments })
}

/** Adds the texts that stand at a pattern's places in an entry. */
export const collect = ({ root, segments }: Compiled, entry: Entry.Entry, into: Array<string>): void =>
  walk(root === "meta" ? entry.meta : entry.data, segments, 0, into)

const walk = (value: Value.Value, segments: ReadonlyArray<Segment>, at: number, into: Array<string>): void => {
  const segment = segments[at]
  if (segment === undefined) return leaf(value, into)
  if (!Array.isArray(value) && !Value.isRecord(value)) return
  const keyed = value as Value.Bag
  if ("key" in segment) {
    if (Object.hasOwn(keyed, segment.key)) walk(keyed[segment.key]!, segments, at + 1, into)
    return
  }
  for (const key of Object.keys(keyed)) {
    if (matches(segment, key)) walk(keyed[key]!, segments, at + 1, into)
  }
}

const matches = ({ prefix, suffix }: { readonly prefix: string; readonly suffix: string }, key: string): boolean =>
  key.length >= prefix.length + suffix.length && key.startsWith(prefix) && key.endsWith(suffix)

const leaf = (value: Value.Value, into: Array<string>): void => {
  if (typeof value === "string") into.push(value)
  else if (Array.isArray(value) || Value.isRecord(value)) {
    for (const item of Object.values(value as Value.Bag)) if (typeof item === "string") into.push(item)
  }
}
