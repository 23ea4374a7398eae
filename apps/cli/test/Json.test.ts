import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Json from "../src/Json.ts"

/** Anything an entry can hold. Keys that begin with `$` are left out, which JSON could not tell from its own. */
const value = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    fc.double(),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
    fc.string({ unit: "binary" }),
    fc.uint8Array({ maxLength: 8 }),
    fc.date({ noInvalidDate: true }),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(
      fc.string().filter((key) => !key.startsWith("$") && key !== "__proto__"),
      tie("value"),
      { maxKeys: 4, noNullPrototype: true }
    )
  )
})).value

/** What JSON says, as the value it stands for; whole numbers as `bigint`s, which is all that JSON tells of them. */
const read = (text: string): unknown =>
  JSON.parse(text, (_, found: unknown, context?: { readonly source?: string }) => {
    if (typeof found === "number") return /^-?\d+$/.test(context?.source ?? "") ? BigInt(context!.source!) : found
    if (typeof found !== "object" || found === null) return found
    if ("$bytes" in found) return Uint8Array.from(Buffer.from(String(found.$bytes), "base64"))
    if ("$date" in found) return new Date(String(found.$date))
    return "$number" in found ? Number(found.$number) : found
  })

const expected = (found: unknown): unknown => {
  if (typeof found === "number") return Number.isInteger(found) && Math.abs(found) < 1e21 ? BigInt(found) : found
  if (Array.isArray(found)) return found.map(expected)
  if (typeof found !== "object" || found === null || found instanceof Date || found instanceof Uint8Array) return found
  return Object.fromEntries(Object.entries(found).map(([key, item]) => [key, expected(item)]))
}

const turned = (found: unknown): unknown => {
  if (Array.isArray(found)) return found.map(turned)
  if (typeof found !== "object" || found === null || found instanceof Date || found instanceof Uint8Array) return found
  return Object.fromEntries(
    Object.entries(found)
      .map(([key, item]) => [key, turned(item)])
      .toReversed()
  )
}

describe("Json", () => {
  it("says everything that an entry can hold", () => {
    fc.assert(
      fc.property(value, (value) => {
        expect(read(Json.stringify({ value }))).toEqual({ value: expected(value) })
      })
    )
  })

  it("says what integer a number beyond 2^53 is", () => {
    expect(Json.stringify([-19_886_050_829_972_352, 2 ** 60, 1e300])).toBe(
      "[-19886050829972352,1152921504606846976,1e+300]"
    )
  })

  it("sorted, equal values are equal texts, and the outermost record keeps its order", () => {
    fc.assert(
      fc.property(value, (value) => {
        const text = Json.stringify({ z: value, a: 1 }, { isSorted: true })
        expect(Json.stringify({ z: turned(value), a: 1 }, { isSorted: true })).toBe(text)
        expect(text.startsWith(`{"z":`)).toBe(true)
        expect(read(text)).toEqual({ z: expected(value), a: 1n })
      })
    )
  })

  it("spells what JSON has no word for", () => {
    const found = { n: 2n ** 64n - 1n, d: new Date(0), b: new Uint8Array([255]), i: -Infinity, m: new Map([["x", 1n]]) }
    expect(Json.stringify(found)).toBe(
      `{"n":18446744073709551615,"d":{"$date":"1970-01-01T00:00:00.000Z"},"b":{"$bytes":"/w=="},"i":{"$number":"-Infinity"},"m":{"x":1}}`
    )
    expect(Json.stringify({ a: [1n] }, { indent: 2 })).toBe(`{\n  "a": [\n    1\n  ]\n}`)
  })
})
