/** Entries and queries over a few small words, so that they meet often. */
import * as Entry from "@heph/entry/Entry"
import * as State from "@heph/entry/State"
import type * as Value from "@heph/entry/Value"
import * as fc from "fast-check"

const texts = [
  "",
  "a",
  "ab",
  "abc",
  "abcd",
  "b",
  "80",
  "true",
  "x/y",
  "(a)",
  "2026-01-02",
  "\u{1f600}",
  "\uffff",
  "a\ue000"
]
const instants = ["2025-12-31T23:00:00Z", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-03T12:30:00.5Z"]

const text = fc.constantFrom(...texts)
const number = fc.constantFrom<number | bigint>(0, 1, -1, 1.5, 80, 2 ** 53, 1e300, -Infinity, NaN)
const bigint = fc.constantFrom(0n, 1n, 80n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 64n - 1n, -(2n ** 63n))
const date = fc.constantFrom(...instants).map((instant) => new Date(instant))
const bytes = fc.constantFrom([], [1], [1, 2]).map((list) => Uint8Array.from(list))

const scalar: fc.Arbitrary<Value.Value> = fc.oneof(
  { weight: 4, arbitrary: text },
  { weight: 3, arbitrary: number },
  bigint,
  fc.boolean(),
  fc.constant(null),
  date,
  bytes
)
const record = fc.oneof(
  fc.record({ b: scalar }),
  fc.record({ b: fc.array(scalar, { maxLength: 2 }) }),
  fc.record({ c: scalar })
)
const value: fc.Arbitrary<Value.Value> = fc.oneof(
  { weight: 4, arbitrary: scalar },
  { weight: 2, arbitrary: fc.array(fc.oneof({ weight: 4, arbitrary: scalar }, record), { maxLength: 3 }) },
  fc.array(fc.array(scalar, { maxLength: 2 }), { maxLength: 2 }),
  { weight: 2, arbitrary: record }
)

const meta = fc.dictionary(fc.constantFrom("x", "y", "a", "a.b"), value, { maxKeys: 4 })
const names = ["a", "ab", "b", "80", ".a", "..", "a/b", "a:b", "#a", "!a", "é"]
const id = fc
  .tuple(fc.constantFrom("app", "app.api", "lib"), fc.constantFrom(...names))
  .map(([namespace, name]) => `${namespace}:${name}`)
const kind = fc.constantFrom("function.lua", "function.js", "service", "a", ".hidden")

export const entry: fc.Arbitrary<Entry.Entry> = fc
  .record({ id, kind, meta })
  .map((input) => Entry.makeUnsafe({ ...input, data: null }))

/** Changes of a state: entries that are set and ids that are removed. */
export const changes: fc.Arbitrary<Array<Entry.Entry | string>> = fc.array(
  fc.oneof({ weight: 3, arbitrary: entry }, id),
  { maxLength: 12 }
)

export const apply = (state: State.State, list: ReadonlyArray<Entry.Entry | string>): State.State =>
  State.update(state, (builder) => {
    for (const change of list) {
      if (typeof change !== "string") builder.set(change)
      else {
        const there = state.get(change)
        if (there !== undefined) builder.remove(there.id)
      }
    }
  })

export const state: fc.Arbitrary<State.State> = fc.array(entry, { maxLength: 25 }).map(State.fromIterable)

/** States large enough that every sort of index is worth its while: the entries of a small one over and over. */
export const large: fc.Arbitrary<State.State> = fc
  .tuple(fc.array(entry, { minLength: 5, maxLength: 40 }), fc.integer({ min: 1, max: 20 }))
  .map(([models, step]) => {
    const entries = Array.from({ length: 1300 }, (_, i) => {
      const { kind, meta } = models[Math.floor(i / step) % models.length]!
      return Entry.makeUnsafe({ id: `ns${i % 7}:abc${i}`, kind, meta: { ...meta, n: (i * 37) % 1000 }, data: null })
    })
    const shown = () => `${step} each of ${models.map(({ kind, meta }) => fc.stringify([kind, meta])).join(" ")}`
    return Object.assign(State.fromIterable(entries), { [fc.toStringMethod]: shown })
  })

const listOr = <A>(item: fc.Arbitrary<A>): fc.Arbitrary<A | Array<A>> =>
  fc.oneof({ weight: 4, arbitrary: item }, fc.array(item, { maxLength: 2 }))

const root = fc.constantFrom(".id", ".kind", ".ns", ".name")
const path = fc.constantFrom("meta.x", "meta.y", "meta.a", "meta.a.b", "meta.a.c", "meta.none", "meta.n")
export const field = fc.oneof({ weight: 1, arbitrary: root }, { weight: 2, arbitrary: path })
const glob = fc.constantFrom(
  "a",
  "app:a",
  "app*",
  "*",
  "app.*:a",
  "*a",
  "*.*",
  "a?b",
  "?",
  "*:*b",
  "function.*",
  "",
  ".*"
)
const regex = fc.constantFrom(
  "a",
  "^a",
  "b$",
  "^(a|ab)+$",
  ".",
  "[0-9]{2}",
  "/",
  "^$",
  "x|^$",
  "^ab?c",
  "abc|bcd",
  "a.*cd?",
  "^abc"
)
const comparable = fc.oneof(text, fc.constantFrom<number | bigint>(0, 1, 80, 2 ** 53, -Infinity), bigint, date)
const order = fc.constantFrom(">", ">=", "<", "<=")

const criterion: fc.Arbitrary<readonly [key: string, wanted: unknown]> = fc.oneof(
  fc.tuple(root, listOr(glob)),
  fc.tuple(path, fc.oneof({ weight: 3, arbitrary: listOr(value) }, record)),
  fc.tuple(field, listOr(regex)).map(([name, wanted]) => [`~${name}`, wanted] as const),
  fc.tuple(root, listOr(text)).map(([name, wanted]) => [`*${name}`, wanted] as const),
  fc.tuple(path, listOr(value)).map(([name, wanted]) => [`*${name}`, wanted] as const),
  fc
    .tuple(fc.constantFrom("^", "$"), field, listOr(text))
    .map(([prefix, name, wanted]) => [prefix + name, wanted] as const),
  fc.tuple(order, path, listOr(comparable)).map(([prefix, name, wanted]) => [prefix + name, wanted] as const),
  fc.tuple(order, root, listOr(text)).map(([prefix, name, wanted]) => [prefix + name, wanted] as const),
  field.map((name) => [`?${name}`, true] as const)
)

const not = fc.constantFrom("", "", "!")

/** Records of criteria that can all be understood, with groups of them in each other. */
export const query: fc.Arbitrary<Readonly<Record<string, unknown>>> = fc.letrec<{
  readonly query: Readonly<Record<string, unknown>>
  readonly pair: readonly [key: string, wanted: unknown]
}>((tie) => ({
  query: fc.array(tie("pair"), { maxLength: 3 }).map((pairs) => Object.fromEntries(pairs)),
  pair: fc.oneof(
    { maxDepth: 2 },
    {
      weight: 5,
      arbitrary: fc.tuple(not, criterion).map(([prefix, [key, wanted]]) => [prefix + key, wanted] as const)
    },
    fc
      .tuple(
        not,
        fc.constantFrom("any", "all"),
        fc.array(
          fc.array(tie("pair"), { minLength: 1, maxLength: 2 }).map((pairs) => Object.fromEntries(pairs)),
          { minLength: 1, maxLength: 3 }
        )
      )
      .map(([prefix, kind, records]) => [prefix + kind, records] as const)
  )
})).query
