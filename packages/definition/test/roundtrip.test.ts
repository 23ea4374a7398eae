import { expect, it } from "@effect/vitest"
import * as Entry from "@heph/entry/Entry"
import * as Value from "@heph/entry/Value"
import * as fc from "fast-check"
import { type ScalarTag, stringify } from "yaml"
import { parse } from "./support.ts"

const text = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.string({ unit: "binary" }),
  fc.string({
    unit: fc.constantFrom("a", " ", "\n", "\t", "\r", ":", "#", "-", '"', "'", "{", "é", "😀", "\u0000", "\u2028")
  }),
  fc.constantFrom(
    "",
    "null",
    "~",
    "true",
    "yes",
    "1",
    "1e3",
    ".inf",
    "0x1",
    "2024-01-31",
    "<<",
    "---",
    "- a",
    "*a",
    "&a",
    "!a"
  )
)
// The library writes the key "<<" without quotes, where it is a merge.
const key = text.filter((key) => key !== "__proto__" && key !== "<<")

// YAML tells whole numbers from others, so beyond 2^53 a float would come back as the integer that it stands for.
const number = fc.oneof(
  fc.double().filter((number) => !Number.isInteger(number) || Number.isSafeInteger(number)),
  fc.integer(),
  fc.constantFrom(NaN, Infinity, -Infinity, 0)
)
const integer = fc
  .bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n })
  .filter((integer) => integer > Number.MAX_SAFE_INTEGER || integer < Number.MIN_SAFE_INTEGER)
const date = fc.date({ min: new Date("0100-01-01"), max: new Date("9999-12-31"), noInvalidDate: true })
const bytes = fc.uint8Array({ maxLength: 20 }).map((bytes) => Uint8Array.from(bytes))

const { value } = fc.letrec<{ readonly value: Value.Value }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    number,
    integer,
    text,
    date,
    bytes,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(key, tie("value"), { maxKeys: 4, noNullPrototype: true })
  )
}))
const record = fc.dictionary(key, value, { maxKeys: 4, noNullPrototype: true })

const entry = fc.record({
  name: fc.stringMatching(/^[a-z0-9:._-]{1,12}$/),
  kind: fc.stringMatching(/^[a-z]{1,8}(\.[a-z]{1,8})?$/),
  meta: record,
  data: value
})

// The library's own tag leaves itself out, so that what comes back is text.
const timestamp: ScalarTag = {
  tag: "tag:yaml.org,2002:timestamp",
  default: false,
  identify: (value) => value instanceof Date,
  resolve: (text) => text,
  stringify: ({ value }) => (value as Date).toISOString()
}

it("reads back every value that YAML can write", () => {
  fc.assert(
    fc.property(fc.uniqueArray(entry, { selector: ({ name }) => name, maxLength: 4 }), (entries) => {
      const written = stringify(
        { version: "1.0", namespace: "app", entries },
        { schema: "core", customTags: ["binary", timestamp], aliasDuplicateObjects: false }
      )
      const read = parse(written).entries.map(({ entry }) => entry)
      expect(read.map(({ id, kind }) => [id.value, kind])).toEqual(
        entries.map(({ name, kind }) => [`app:${name}`, kind])
      )
      for (const [i, { data, kind, meta, name }] of entries.entries()) {
        // -0 is stored as 0, wherever it stands.
        const made = Entry.makeUnsafe({ id: `app:${name}`, kind, meta, data })
        expect(Value.equals(read[i]!.meta, made.meta)).toBe(true)
        expect(Value.equals(read[i]!.data, made.data)).toBe(true)
      }
    }),
    { numRuns: 300 }
  )
})
