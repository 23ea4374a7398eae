/**
 * Generators of ids, values, entries and states for property tests, for this package's users too. Needs `fast-check`.
 *
 *     value, entry     the whole value model, every corner of it
 *     linked, state    few ids, whose entries refer to each other in every way there is: names, ids, groups, namespaces,
 *                      themselves, nothing that exists
 */
import * as fc from "fast-check"
import * as Entry from "../Entry.ts"
import * as EntryId from "../EntryId.ts"
import * as State from "../State.ts"
import type * as Value from "../Value.ts"

const corners = [
  "",
  "constructor",
  "toString",
  "hasOwnProperty",
  "__defineGetter__",
  "prototype",
  "length",
  "0",
  "-1",
  "a.b",
  "depends_on",
  "naïve 名前 🏺",
  "\u0000",
  "\ufeffmark",
  `\ufeff\ufeff${"long".repeat(60)}`
]

/** Well-formed text of any characters: also none, control characters, byte order marks, and more than 200 bytes. */
export const text: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: fc.string({ unit: "binary", maxLength: 20 }) },
  { weight: 1, arbitrary: fc.string({ unit: "grapheme", minLength: 70, maxLength: 300 }) },
  { weight: 1, arbitrary: fc.constantFrom(...corners) }
)

const key = text.filter((text) => text !== "__proto__")

const wholeNumbers = [0, 1, -1, 127, 128, 255, 256, -32, -33, -129, 65_535, 65_536, -32_769, 2 ** 31, -(2 ** 31) - 1]
const numbers: fc.Arbitrary<number> = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.constantFrom(...wholeNumbers, 2 ** 32 - 1, 2 ** 32, 2 ** 53, 2 ** 60, -0, NaN, Infinity, -Infinity, 0.1, 5e-324)
)

const edges = [0n, 1n, 7n, 8n, 15n, 16n, 31n, 32n, 53n, 63n].flatMap((bits) => [
  2n ** bits - 1n,
  2n ** bits,
  -(2n ** bits)
])
const bigints: fc.Arbitrary<bigint> = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
  fc.constantFrom(...edges, 2n ** 64n - 1n)
)

/** Valid dates, before 1970 too, up to the first and the last that there is. */
export const date: fc.Arbitrary<Date> = fc.oneof(
  fc.date({ noInvalidDate: true }),
  fc.date({ noInvalidDate: true, max: new Date(0) }),
  fc.constantFrom(-8.64e15, -1, 0, 1, 2 ** 32 * 1000, 2 ** 34 * 1000, 8.64e15).map((at) => new Date(at))
)

const { value: anyValue } = fc.letrec<{ value: Value.Value }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.oneof(fc.constant(null), fc.boolean(), numbers, bigints, text, fc.uint8Array({ maxLength: 300 }), date),
    fc.array(tie("value"), { maxLength: 5 }),
    fc.dictionary(key, tie("value"), { maxKeys: 5 })
  )
}))

/** Any value that an entry may hold, up to four levels deep. Not yet copied or frozen. */
export const value: fc.Arbitrary<Value.Value> = anyValue

/** Any record of values, as `meta` is. */
export const bag: fc.Arbitrary<Value.Bag> = fc.dictionary(key, value, { maxKeys: 4 })

/** Any id: several segments, names with colons, Unicode. */
export const id: fc.Arbitrary<EntryId.EntryId> = fc
  .tuple(
    fc.array(fc.stringMatching(/^[a-z0-9ü名@/_-]{1,6}$/u), { minLength: 1, maxLength: 3 }),
    fc.stringMatching(/^[a-z0-9名:.@/_-]{1,12}$/u)
  )
  .map(([segments, name]) => EntryId.parseUnsafe(`${segments.join(".")}:${name}`))

/** Any kind. */
export const kind: fc.Arbitrary<string> = fc.stringMatching(/^[a-z名]{1,8}(\.[a-z0-9_-]{1,8}){0,2}$/u)

/** What `Entry.make` takes, of the whole value model. */
export const entryInput: fc.Arbitrary<Entry.EntryInput> = fc.record({ id, kind, meta: bag, data: value })

/** Any entry. */
export const entry: fc.Arbitrary<Entry.Entry> = entryInput.map(Entry.makeUnsafe)

/** The ids that linked entries have. `ns` and `group` are namespaces like any other. */
export const pool: ReadonlyArray<EntryId.EntryId> = [
  "a:x",
  "a:y",
  "a:z",
  "a.b:x",
  "a.b:y",
  "b:x",
  "b:y",
  "b:y:z",
  "group:x",
  "ns:x",
  "ns:y",
  "z:z"
].map((text) => EntryId.parseUnsafe(text))

const reference: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...pool.map((id) => id.value)) },
  { weight: 3, arbitrary: fc.constantFrom("x", "y", "z") },
  { weight: 2, arbitrary: fc.constantFrom("group:one", "group:two", "ns:a", "ns:a.b", "ns:b", "ns:ns") },
  { weight: 1, arbitrary: fc.constantFrom("missing", "a:missing", "group:none", "ns:none", "", "a:", " ", "no id") }
)

/** What can stand in `meta.depends_on`: nothing, a text, a list or a record of texts, and what is no reference. */
const references: fc.Arbitrary<Value.Value> = fc.oneof(
  { weight: 3, arbitrary: fc.constant([]) },
  { weight: 3, arbitrary: reference },
  { weight: 4, arbitrary: fc.array(reference, { minLength: 1, maxLength: 3 }) },
  { weight: 1, arbitrary: fc.dictionary(fc.constantFrom("p", "q"), reference, { maxKeys: 2 }) },
  { weight: 1, arbitrary: fc.constantFrom(null, 1, ["x", 1]) }
)

const groups: fc.Arbitrary<Value.Value> = fc.oneof(
  { weight: 3, arbitrary: fc.constant([]) },
  { weight: 1, arbitrary: fc.constantFrom("one", "two", "x") },
  { weight: 1, arbitrary: fc.constantFrom(["one"], ["one", "two"], ["two", "two", 1]) }
)

/** An entry of this id that may refer to the other ones of the {@link pool}. Small, so that equal ones come up often. */
export const linked = (id: EntryId.EntryId): fc.Arbitrary<Entry.Entry> =>
  fc
    .record({
      kind: fc.constantFrom("service", "database"),
      meta: fc.record({ depends_on: references, groups }),
      data: fc.constantFrom<Value.Value>(0, 1, null)
    })
    .map((parts) => Entry.makeUnsafe({ id, ...parts }))

/** Linked entries, each id at most once, in no particular order. */
export const linkedEntries: fc.Arbitrary<ReadonlyArray<Entry.Entry>> = fc
  .subarray([...pool])
  .chain((ids) => fc.tuple(...ids.map(linked)))
  .chain((entries) => fc.shuffledSubarray(entries, { minLength: entries.length }))

/** A state of linked entries. */
export const state: fc.Arbitrary<State.State> = linkedEntries.map(State.fromIterable)
