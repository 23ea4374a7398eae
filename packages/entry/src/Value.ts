/**
 * The values that `meta` and `data` are made of: what MessagePack carries with nothing lost.
 *
 * null · booleans · numbers (NaN and infinities too) · 64-bit integers as `bigint` · well-formed strings ·
 * `Uint8Array` · valid `Date`s · arrays · plain records. {@link copy} is the door: it checks a value, refuses anything
 * else with the path of the offender, and returns a deeply frozen copy, so that nobody can change what is stored.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Date
  | ReadonlyArray<Value>
  | { readonly [key: string]: Value }

/** A plain record of values; what `meta` is. */
export type Bag = { readonly [key: string]: Value }

/** The deepest nesting of arrays and records: `[[1]]` is two deep. */
export const maxDepth = 100
/**
 * The largest `meta` or `data`, in bytes: strings and keys count one for each UTF-16 unit, byte arrays their length, every
 * list and record 24, and every value eight more. Text longer than this belongs in a file that the entry names.
 */
export const maxBytes = 16 * 1024 * 1024

/** A value that cannot be stored. `path` leads to it, as `data.items[2].at`; `reason` says what it is. */
export class InvalidValue extends Schema.TaggedError<InvalidValue>()("InvalidValue", {
  path: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `${this.path}: ${this.reason}`
  }
}

/** A checked, frozen value, and whether it holds bytes or dates, which JavaScript cannot freeze. */
export interface Copied {
  readonly value: Value
  readonly thawed: boolean
}

/**
 * Checks a value and returns a deeply frozen copy of it. `-0` becomes `0`; a `Buffer` becomes a `Uint8Array`; a getter
 * becomes what it returned, once; everything else is equal to what went in. `root` names the value in errors. Cost
 * follows the value's size.
 *
 * @example
 * import * as Value from "@heph/entry/Value"
 * import * as Result from "effect/Result"
 *
 * const refused = Value.copy({ ports: [80, undefined] }, "data")
 * console.log(Result.isFailure(refused) && refused.failure.path) //=> data.ports[1]
 */
export const copy = (value: unknown, root: string): Result.Result<Copied, InvalidValue> => {
  const walk: Walk = { path: [root], above: [], bytes: 0, thawed: false, problem: undefined }
  let copied: Value | undefined
  try {
    copied = copyAt(value, walk)
  } catch (cause) {
    // A getter, a proxy or a detached buffer: code of the caller's runs while its value is read.
    fail(walk, `it cannot be read${cause instanceof Error ? `: ${cause.message}` : ""}`)
  }
  return copied === undefined
    ? Result.fail(new InvalidValue({ path: pathText(walk.path), reason: walk.problem ?? describe(value) }))
    : Result.succeed({ value: copied, thawed: walk.thawed })
}

/**
 * Structural equality: records by keys whatever their order, dates by instant, bytes by content, NaN equal to itself,
 * `1n` unequal to `1`. One reference check where the two share structure.
 *
 * @example
 * import * as Value from "@heph/entry/Value"
 *
 * console.log(Value.equals({ a: NaN, b: [1] }, { b: [1], a: NaN }), Value.equals(1, 1n)) //=> true false
 */
export const equals = (a: Value, b: Value): boolean => {
  if (Object.is(a, b)) return true
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length) return false
    for (let i = 0; i < a.length; i++) if (!equals(a[i], b[i])) return false
    return true
  }
  if (Array.isArray(b)) return false
  if (a instanceof Uint8Array) {
    if (!(b instanceof Uint8Array) || a.length !== b.length) return false
    for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
    return true
  }
  if (a instanceof Date) return b instanceof Date && a.getTime() === b.getTime()
  if (b instanceof Uint8Array || b instanceof Date) return false
  const left = a as Bag
  const right = b as Bag
  const keys = Object.keys(left)
  if (keys.length !== Object.keys(right).length) return false
  // A key that only the prototype has leads to a function there, which equals no value.
  for (const key of keys) if (!equals(left[key]!, right[key]!)) return false
  return true
}

/** Whether a value is a record: neither null, a list, bytes nor a date. */
export const isRecord = (value: Value | undefined): value is Bag =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  !(value instanceof Uint8Array) &&
  !(value instanceof Date)

/** A copy of the parts that cannot be frozen: bytes and dates. The rest is shared. */
export const thaw = (value: Value): Value => {
  if (typeof value !== "object" || value === null) return value
  if (value instanceof Uint8Array) return value.slice()
  if (value instanceof Date) return new Date(value)
  if (Array.isArray(value)) return Object.freeze(value.map(thaw))
  const out: Record<string, Value> = {}
  for (const [key, item] of Object.entries(value)) out[key] = thaw(item)
  return Object.freeze(out)
}

/**
 * Takes over a value that was checked before it was stored and that nobody else holds, as a decoder has it: freezes it
 * where it is. Its bytes are copied, since decoders cut them from the buffer they read. Refused is only what damaged
 * bytes can make of a value: nesting deeper than {@link maxDepth}.
 */
export const adopt = (value: Value, root: string): Result.Result<Copied, InvalidValue> => {
  const walk: Adoption = { thawed: false, tooDeep: false }
  const adopted = adoptAt(value, walk, 0)
  return walk.tooDeep
    ? Result.fail(new InvalidValue({ path: root, reason: tooDeep }))
    : Result.succeed({ value: adopted, thawed: walk.thawed })
}

interface Adoption {
  thawed: boolean
  tooDeep: boolean
}

const tooDeep = `it is nested deeper than ${maxDepth}; flatten it`

const adoptAt = (value: Value, walk: Adoption, depth: number): Value => {
  if (typeof value !== "object" || value === null) return value
  if (value instanceof Uint8Array) {
    walk.thawed = true
    return new Uint8Array(value)
  }
  if (value instanceof Date) {
    walk.thawed = true
    return value
  }
  if (depth === maxDepth) {
    walk.tooDeep = true
    return value
  }
  // Most items are numbers and texts, which need no visit: told here, decoding is a third faster.
  if (Array.isArray(value)) {
    const items = value as Array<Value>
    for (let i = 0; i < items.length; i++) {
      const item = items[i]!
      if (typeof item === "object" && item !== null) items[i] = adoptAt(item, walk, depth + 1)
    }
  } else {
    const items = value as Record<string, Value>
    // `for in` is safe on decoded records, whose prototype has nothing enumerable, and twice as fast as `Object.keys`.
    for (const key in items) {
      const item = items[key]!
      if (typeof item === "object" && item !== null) items[key] = adoptAt(item, walk, depth + 1)
    }
  }
  return Object.freeze(value)
}

interface Walk {
  readonly path: Array<string | number>
  /** The lists and records on the way to a value: one that comes up again holds itself. */
  readonly above: Array<object>
  bytes: number
  thawed: boolean
  problem: string | undefined
}

const copyAt = (value: unknown, walk: Walk): Value | undefined => {
  walk.bytes += 8
  switch (typeof value) {
    case "string":
      walk.bytes += value.length
      if (!value.isWellFormed()) return fail(walk, "the text holds half a surrogate pair, which UTF-8 cannot carry")
      return withinSize(walk, value)
    case "number":
      return withinSize(walk, value === 0 ? 0 : value)
    case "boolean":
      return withinSize(walk, value)
    case "bigint":
      return value >= -(2n ** 63n) && value < 2n ** 64n
        ? withinSize(walk, value)
        : fail(walk, `the integer ${value} does not fit into 64 bits`)
    case "object":
      break
    default:
      return fail(walk, describe(value))
  }
  if (value === null) return withinSize(walk, null)
  if (value instanceof Uint8Array) {
    walk.bytes += value.length
    walk.thawed = true
    return withinSize(walk, new Uint8Array(value))
  }
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) return fail(walk, "the date is invalid")
    walk.thawed = true
    return withinSize(walk, new Date(value))
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  const list = Array.isArray(value) && prototype === Array.prototype
  if (!list && prototype !== Object.prototype && prototype !== null) return fail(walk, describe(value))
  if (walk.above.includes(value)) return fail(walk, "it holds itself")
  if (walk.above.length === maxDepth) return fail(walk, tooDeep)
  walk.bytes += 24
  if (Object.getOwnPropertySymbols(value).length > 0) return fail(walk, "a symbol is among its keys")
  walk.above.push(value)
  const copied = list ? copyList(value, walk) : copyRecord(value as Record<string, unknown>, walk)
  walk.above.pop()
  return copied
}

const copyList = (value: ReadonlyArray<unknown>, walk: Walk): Value | undefined => {
  const out: Array<Value> = []
  const at = walk.path.length
  for (let i = 0; i < value.length; i++) {
    walk.path[at] = i
    const item = copyAt(value[i], walk)
    if (item === undefined) return undefined
    out.push(item)
  }
  walk.path.length = at
  // Not `keys`, which makes a text of every index.
  if (Object.values(value).length !== value.length) return fail(walk, "it is a list with keys of its own")
  return withinSize(walk, Object.freeze(out))
}

const copyRecord = (value: Record<string, unknown>, walk: Walk): Value | undefined => {
  const out: Record<string, Value> = {}
  const at = walk.path.length
  for (const key of Object.keys(value)) {
    walk.path[at] = key
    if (key === "__proto__") return fail(walk, `the key "__proto__" is not allowed`)
    if (!key.isWellFormed()) return fail(walk, "the key holds half a surrogate pair, which UTF-8 cannot carry")
    walk.bytes += key.length
    const item = copyAt(value[key], walk)
    if (item === undefined) return undefined
    out[key] = item
  }
  walk.path.length = at
  return withinSize(walk, Object.freeze(out))
}

const fail = (walk: Walk, problem: string): undefined => {
  walk.problem = problem
  return undefined
}

const withinSize = (walk: Walk, value: Value): Value | undefined => {
  if (walk.bytes <= maxBytes) return value
  walk.path.length = 1
  return fail(walk, `the value is larger than ${maxBytes} bytes`)
}

const describe = (value: unknown): string => {
  if (value === undefined) return "undefined cannot be stored; leave the key out, or use null"
  if (typeof value === "function" || typeof value === "symbol") return `a ${typeof value} cannot be stored`
  const name = (value as { readonly constructor?: { readonly name?: string } }).constructor?.name
  return `a ${name ?? typeof value} cannot be stored; use a plain record, a list, bytes or a date`
}

const pathText = (path: ReadonlyArray<string | number>): string =>
  path
    .map((key, i) =>
      typeof key === "number"
        ? `[${key}]`
        : i === 0
          ? key
          : /^[\p{L}_$][\p{L}\p{N}_$-]*$/u.test(key)
            ? `.${key}`
            : `[${JSON.stringify(key)}]`
    )
    .join("")
