import { describe, expect, it } from "@effect/vitest"
import * as Codec from "@heph/entry/Codec"
import * as Entry from "@heph/entry/Entry"
import * as Arbitraries from "@heph/entry/testing/Arbitraries"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { canonical } from "./support/canonical.ts"

const write = (entry: Entry.Entry): Uint8Array => Codec.encode(Codec.pack(entry))
const read = (bytes: Uint8Array): Result.Result<Entry.Entry, Codec.CorruptBytes> =>
  Result.flatMap(Codec.decode(bytes, "entry"), (packed) => Codec.unpack(packed, "entry"))

const roundTrip = (data: unknown): string =>
  canonical(Result.getOrThrow(read(write(Entry.makeUnsafe({ id: "a:b", kind: "k", data })))).data)

/** What is wrong with these bytes, or nothing. Whatever they are, this must not throw. */
const problem = (bytes: Uint8Array): string | undefined => {
  const found = read(bytes)
  if (Result.isSuccess(found)) return undefined
  expect(found.failure).toBeInstanceOf(Codec.CorruptBytes)
  return found.failure.message
}

describe("what goes in comes out", () => {
  it("B15: every entry, equal and with its types", () => {
    fc.assert(
      fc.property(Arbitraries.entry, (entry) => {
        const back = Result.getOrThrow(read(write(entry)))
        expect(back.id).toBe(entry.id)
        expect(back.kind).toBe(entry.kind)
        expect(canonical(back.meta)).toBe(canonical(entry.meta))
        expect(canonical(back.data)).toBe(canonical(entry.data))
        expect(Entry.equals(back, entry)).toBe(true)
      }),
      { numRuns: 1000 }
    )
  })

  it.each([
    ["small integers as bigint", [0n, 1n, -1n, 127n, 2n ** 32n], "[0n,1n,-1n,127n,4294967296n]"],
    [
      "whole numbers as numbers",
      [2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 53)],
      "[2147483648,4294967296,9007199254740992,-9007199254740992]"
    ],
    ["numbers that are none", [NaN, Infinity, -Infinity], "[NaN,Infinity,-Infinity]"],
    ["0.1, which is no float of 32 bits", 0.1, "0.1"],
    ["a date before 1970, to the millisecond", new Date(-1), "Date<-1>"],
    ["no text, no bytes, no items", ["", new Uint8Array(0), [], {}], '["",Uint8Array<>,[],{}]']
  ])("B15: %s", (_, value, expected) => {
    expect(roundTrip(value)).toBe(expected)
  })

  it.each([0, 1, 100, 198, 199, 250, 5000, 70_000])(
    "texts and keys of %i characters after byte order marks",
    (length) => {
      for (const marks of ["\ufeff", "\ufeff\ufeff", "\ufeff".repeat(100)]) {
        const text = marks + "x".repeat(length)
        expect(roundTrip([text, { [text]: `${text}${marks}` }])).toBe(canonical([text, { [text]: `${text}${marks}` }]))
      }
    }
  )

  it("values nested 100 deep", () => {
    let value: unknown = 1n
    for (let i = 0; i < 100; i++) value = i % 2 === 0 ? [value] : { in: value }
    expect(roundTrip(value)).toBe(canonical(value))
  })

  it("values of several megabytes, and small ones after them", () => {
    const large = {
      text: "名".repeat(500_000),
      bytes: new Uint8Array(2_000_000).fill(7),
      list: Array<number>(100_000).fill(1)
    }
    expect(roundTrip(large)).toBe(canonical(large))
    expect(roundTrip("small")).toBe('"small"')
  })
})

describe("a decoded entry", () => {
  const entry = Entry.makeUnsafe({
    id: "a:b",
    kind: "k",
    meta: { list: [1] },
    data: { bytes: new Uint8Array([1, 2, 3]), in: { bytes: [new Uint8Array([4])] } }
  })

  it("is frozen", () => {
    fc.assert(
      fc.property(Arbitraries.entry, (entry) => {
        const frozen = (value: unknown): boolean =>
          typeof value !== "object" ||
          value === null ||
          value instanceof Uint8Array ||
          value instanceof Date ||
          (Object.isFrozen(value) && Object.values(value).every(frozen))
        const back = Result.getOrThrow(read(write(entry)))
        return Object.isFrozen(back) && frozen(back.meta) && frozen(back.data)
      }),
      { numRuns: 300 }
    )
  })

  it("B16: holds on to none of the bytes it was read from", () => {
    const bytes = write(entry)
    const back = Result.getOrThrow(read(bytes))
    bytes.fill(0)
    expect(Entry.equals(back, entry)).toBe(true)
    const { data } = back as unknown as { data: { bytes: Uint8Array; in: { bytes: [Uint8Array] } } }
    expect(data.bytes.buffer.byteLength).toBe(3)
    data.in.bytes[0].fill(9)
    expect(Entry.equals(back, entry)).toBe(true)
  })

  it("has plain bytes where it was read from a Buffer", () => {
    const back = Result.getOrThrow(read(Buffer.from(write(entry))))
    expect(canonical(back.data)).toBe(canonical(entry.data))
  })

  it("has bytes of its own where they are all of its data", () => {
    const bytes = write(Entry.makeUnsafe({ id: "a:b", kind: "k", data: new Uint8Array([1]) }))
    const back = Result.getOrThrow(read(bytes))
    bytes.fill(0)
    expect(canonical(back.data)).toBe("Uint8Array<1>")
  })
})

describe("bytes that are damaged", () => {
  it("are an error wherever they are cut off", () => {
    fc.assert(
      fc.property(Arbitraries.entry, (entry) => {
        const bytes = write(entry)
        const step = Math.max(1, Math.floor(bytes.length / 50))
        for (let length = 0; length < bytes.length; length += step) {
          expect(problem(bytes.subarray(0, length))).toMatch(/^the stored entry cannot be read: ./)
        }
      }),
      { numRuns: 60 }
    )
  })

  it("are an error, or an entry of the value model, whatever was flipped", () => {
    fc.assert(
      fc.property(
        Arbitraries.entry,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (entry, flips) => {
          const bytes = write(entry)
          for (const [at, byte] of flips) bytes[at % bytes.length] = byte
          const back = read(bytes)
          if (Result.isFailure(back)) return back.failure._tag === "CorruptBytes"
          const { data, id, kind, meta } = back.success
          return Result.match(Entry.make({ id, kind: "k", meta: withoutHalves(meta), data: withoutHalves(data) }), {
            onFailure: () => false,
            onSuccess: () => typeof kind === "string"
          })
        }
      ),
      { numRuns: 1500 }
    )
  })

  // Damaged UTF-8 may be read as half a surrogate pair; all else that is read must be storable.
  const withoutHalves = (value: unknown): unknown => {
    if (typeof value === "string") return value.toWellFormed()
    if (typeof value !== "object" || value === null || value instanceof Date || value instanceof Uint8Array)
      return value
    if (Array.isArray(value)) return value.map(withoutHalves)
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key.toWellFormed(), withoutHalves(item)]))
  }

  it("are an error, whatever they are", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const decoded = Codec.decode(bytes, "entry")
        return Result.isFailure(decoded) ? decoded.failure._tag === "CorruptBytes" : problem(bytes) !== undefined
      }),
      { numRuns: 2000 }
    )
  })

  const packed = (...parts: ReadonlyArray<unknown>) => Codec.encode(parts)
  const raw = (data: ReadonlyArray<number>) => Uint8Array.from([...packed("a:b", "k", {}).with(0, 0x94), ...data])

  it.each<[string, Uint8Array, string]>([
    ["nothing", new Uint8Array(0), "Offset is outside the bounds of the DataView"],
    ["no list", Codec.encode({ id: "a:b" }), "an entry is a list of four"],
    ["too few parts", packed("a:b", "k", {}), "an entry is a list of four"],
    ["too many parts", packed("a:b", "k", {}, 1, 2), "an entry is a list of four"],
    ["more after the end", Uint8Array.from([...packed("a:b", "k", {}, 1), 0]), "Extra 1 of"],
    ["an id that is none", packed("a b:c", "k", {}, 1), `"a b:c" is not an entry id`],
    ["an id that is no text", packed(1, "k", {}, 1), "an entry is an id, a kind, a record and a value"],
    ["a kind that is no text", packed("a:b", null, {}, 1), "an entry is an id, a kind, a record and a value"],
    ["meta that is no record", packed("a:b", "k", [], 1), "an entry is an id, a kind, a record and a value"],
    ["a byte of no type", raw([0xc1]), "Unrecognized type byte"],
    ["an extension of no type", raw([0xd4, 5, 0]), "it holds an extension of type 5"],
    ["a date that is none", raw([0xc7, 12, 0xff, 0, 0, 0, 0, 0x7f, 0, 0, 0, 0, 0, 0, 0]), "it holds an invalid date"],
    ["a list of four billion", raw([0xdd, 0xff, 0xff, 0xff, 0xff, 1]), "Max length exceeded"],
    ["a record of four billion", raw([0xdf, 0xff, 0xff, 0xff, 0xff, 1]), "Max length exceeded"],
    ["a list of 30 million", raw([0xdd, 0x01, 0xc9, 0xc3, 0x80, 1]), "Max length exceeded"],
    ["the key __proto__", raw([0x81, 0xa9, ...new TextEncoder().encode("__proto__"), 1]), "__proto__"],
    ["200,000 lists in each other", raw([...Array<number>(200_000).fill(0x91), 1]), "nested deeper than 100"]
  ])("are an error that says why: %s", (_, bytes, reason) => {
    expect(problem(bytes)).toContain(reason)
  })
})
