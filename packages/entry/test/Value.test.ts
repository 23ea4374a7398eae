import { describe, expect, it } from "@effect/vitest"
import * as Arbitraries from "@heph/entry/testing/Arbitraries"
import * as Value from "@heph/entry/Value"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { canonical, stored } from "./support/canonical.ts"

const copy = (value: unknown): Value.Value => Result.getOrThrow(Value.copy(value, "data")).value

const refusal = (value: unknown): readonly [path: string, reason: string] | undefined => {
  const copied = Value.copy(value, "data")
  return Result.isFailure(copied) ? [copied.failure.path, copied.failure.reason] : undefined
}

const nested = (depth: number): unknown => {
  let value: unknown = 1
  for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { in: value }
  return value
}

class Point {
  readonly x = 1
}

describe("copy", () => {
  it("is equal to what went in, with its types", () => {
    fc.assert(
      fc.property(Arbitraries.value, (value) => {
        expect(canonical(copy(value))).toBe(stored(value))
      }),
      { numRuns: 1000 }
    )
  })

  it("tells whether a value holds bytes or dates", () => {
    const thawed = (value: unknown) => Result.getOrThrow(Value.copy(value, "data")).thawed
    expect([thawed([1, { a: "b" }]), thawed([[new Date(0)]]), thawed({ a: new Uint8Array(1) })]).toEqual([
      false,
      true,
      true
    ])
  })

  it("makes 0 of -0 and plain bytes of a Buffer, wherever they are", () => {
    expect(canonical(copy([-0, { a: -0 }, Buffer.from([1, 2])]))).toBe('[0,{"a":0},Uint8Array<1 2>]')
  })

  it("takes a getter for its value, read once", () => {
    let reads = 0
    const value = Object.defineProperty({}, "a", { enumerable: true, get: () => ++reads })
    expect(copy(value)).toEqual({ a: 1 })
    expect(reads).toBe(1)
  })

  it("takes records without a prototype, and gives them one", () => {
    const record = Object.assign(Object.create(null) as object, { a: 1 })
    expect(Object.getPrototypeOf(copy(record))).toBe(Object.prototype)
  })

  it("takes the largest integers of 64 bits, and none beyond", () => {
    for (const value of [-(2n ** 63n), 2n ** 64n - 1n]) expect(copy(value)).toBe(value)
    for (const value of [-(2n ** 63n) - 1n, 2n ** 64n]) {
      expect(refusal(value)).toEqual(["data", `the integer ${value} does not fit into 64 bits`])
    }
  })

  it.each<[string, unknown, string, string]>([
    ["undefined", { a: [1, undefined] }, "data.a[1]", "undefined cannot be stored"],
    ["undefined itself", undefined, "data", "undefined cannot be stored"],
    ["a hole in a list", { list: Array.from({ length: 3 }).fill(1, 1) }, "data.list[0]", "undefined cannot be stored"],
    // oxlint-disable-next-line no-sparse-arrays
    ["a sparse list", [1, , 3], "data[1]", "undefined cannot be stored"],
    ["a function", { f: () => 1 }, "data.f", "a function cannot be stored"],
    ["a symbol", [Symbol("s")], "data[0]", "a symbol cannot be stored"],
    ["a class instance", { at: new Point() }, "data.at", "a Point cannot be stored"],
    ["a subclass of Array", { at: new (class List extends Array {})() }, "data.at", "a List cannot be stored"],
    ["a Map", { at: new Map() }, "data.at", "a Map cannot be stored"],
    ["a Set", [new Set()], "data[0]", "a Set cannot be stored"],
    ["an error", [new Error("e")], "data[0]", "a Error cannot be stored"],
    ["a pattern", [/x/], "data[0]", "a RegExp cannot be stored"],
    ["a boxed text", [Object("x")], "data[0]", "a String cannot be stored"],
    ["a promise", [Promise.resolve(1)], "data[0]", "a Promise cannot be stored"],
    ["other typed arrays", [new Float64Array(1)], "data[0]", "a Float64Array cannot be stored"],
    ["an array buffer", [new ArrayBuffer(1)], "data[0]", "a ArrayBuffer cannot be stored"],
    ["an invalid date", { when: new Date(NaN) }, "data.when", "the date is invalid"],
    ["half a surrogate pair", ["a\ud800"], "data[0]", "half a surrogate pair"],
    ["half a surrogate pair in a key", { "\udc00": 1 }, 'data["\\udc00"]', "half a surrogate pair"],
    ["a symbol as a key", { a: { [Symbol("s")]: 1 } }, "data.a", "a symbol is among its keys"],
    [
      "a symbol as a key of a list",
      [Object.assign([1], { [Symbol("s")]: 1 })],
      "data[0]",
      "a symbol is among its keys"
    ],
    ["a list with keys of its own", { m: /b/.exec("abc") }, "data.m", "a list with keys of its own"],
    [
      "__proto__",
      { a: JSON.parse('{"__proto__":{"x":1}}') as unknown },
      "data.a.__proto__",
      '"__proto__" is not allowed'
    ],
    ["a path that needs quotes", { "a.b": { "1": [undefined] } }, 'data["a.b"]["1"][0]', "undefined cannot be stored"]
  ])("refuses %s, with its path", (_, value, path, reason) => {
    expect(refusal(value)?.[0]).toBe(path)
    expect(refusal(value)?.[1]).toContain(reason)
  })

  it("refuses what fails while it is read", () => {
    const getter = Object.defineProperty({}, "a", {
      enumerable: true,
      get: () => {
        throw new Error("gone")
      }
    })
    expect(refusal([getter])).toEqual(["data[0].a", "it cannot be read: gone"])
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    expect(refusal({ at: proxy })?.[0]).toBe("data.at")
    const bytes = new Uint8Array(4)
    structuredClone(bytes, { transfer: [bytes.buffer] })
    expect(refusal({ bytes })?.[0]).toBe("data.bytes")
    expect(refusal([Object.create(Date.prototype)])?.[0]).toBe("data[0]")
    expect(refusal([Object.create(Uint8Array.prototype)])?.[0]).toBe("data[0]")
  })

  it("takes 100 levels, and no more", () => {
    expect(canonical(copy(nested(100)))).toBe(canonical(nested(100)))
    expect(refusal(nested(101))?.[1]).toBe("it is nested deeper than 100; flatten it")
    expect(refusal(nested(50_000))?.[1]).toBe("it is nested deeper than 100; flatten it")
  })

  it("says of a cycle that it is one, and where it closes", () => {
    const record: Record<string, unknown> = { a: { b: [] } }
    ;(record["a"] as { b: Array<unknown> }).b.push(0, record)
    expect(refusal({ in: record })).toEqual(["data.in.a.b[1]", "it holds itself"])
    const list: Array<unknown> = []
    list.push(list)
    expect(refusal(list)).toEqual(["data[0]", "it holds itself"])
  })

  it("takes the same object at two places, which is no cycle", () => {
    const shared = { a: [1] }
    expect(copy([shared, { shared }])).toEqual([{ a: [1] }, { shared: { a: [1] } }])
  })

  it("refuses what is small in memory and boundless when written out", () => {
    for (const depth of [60, 150]) {
      let value: unknown = 1
      for (let i = 0; i < depth; i++) value = [value, value]
      expect(refusal(value)?.[1]).toMatch(depth > 100 ? "nested deeper than 100" : "larger than 16777216 bytes")
    }
  })

  it("refuses what is larger than 16 MB, as a whole", () => {
    expect(refusal("x".repeat(Value.maxBytes - 8))).toBeUndefined()
    expect(refusal("x".repeat(Value.maxBytes))).toEqual(["data", "the value is larger than 16777216 bytes"])
    expect(refusal({ a: [new Uint8Array(Value.maxBytes)] })).toEqual([
      "data",
      "the value is larger than 16777216 bytes"
    ])
    const many = Array.from({ length: 1000 }, () => "x".repeat(20_000))
    expect(refusal(many)).toEqual(["data", "the value is larger than 16777216 bytes"])
  })

  it("B16: is nobody else's, and frozen all the way down", () => {
    const frozen = (value: unknown): boolean =>
      typeof value !== "object" ||
      value === null ||
      value instanceof Uint8Array ||
      value instanceof Date ||
      (Object.isFrozen(value) && Object.values(value).every(frozen))
    fc.assert(fc.property(Arbitraries.value, (value) => frozen(copy(value))))
    const shared = { list: [1], bytes: new Uint8Array([1]), date: new Date(0) }
    const copied = copy(shared)
    shared.list.push(2)
    shared.bytes[0] = 2
    shared.date.setTime(1)
    expect(canonical(copied)).toBe('{"bytes":Uint8Array<1>,"date":Date<0>,"list":[1]}')
  })
})

describe("equals", () => {
  it("holds for a value and a copy of it, and for two values as their texts do", () => {
    fc.assert(
      fc.property(Arbitraries.value, Arbitraries.value, (a, b) => {
        const [left, right] = [copy(a), copy(b)]
        expect(Value.equals(left, copy(a))).toBe(true)
        expect(Value.equals(left, right)).toBe(stored(a) === stored(b))
        expect(Value.equals(right, left)).toBe(Value.equals(left, right))
      }),
      { numRuns: 1000 }
    )
  })

  it.each<[unknown, unknown, boolean]>([
    [NaN, NaN, true],
    [1, 1n, false],
    [1, "1", false],
    [null, {}, false],
    [[], {}, false],
    [{ a: 1, b: 2 }, { b: 2, a: 1 }, true],
    [{ a: 1 }, { a: 1, b: 2 }, false],
    [{ toString: 1 }, { valueOf: 1 }, false],
    [new Date(1), new Date(1), true],
    [new Date(1), new Date(2), false],
    [new Date(1), {}, false],
    [new Uint8Array([1, 2]), new Uint8Array([1, 2]), true],
    [new Uint8Array([1]), new Uint8Array([2]), false],
    [new Uint8Array([1]), [1], false],
    [new Uint8Array(0), {}, false],
    [[1, 2], [2, 1], false]
  ])("of %o and %o is %s", (a, b, expected) => {
    expect(Value.equals(copy(a), copy(b))).toBe(expected)
    expect(Value.equals(copy(b), copy(a))).toBe(expected)
  })

  it("C9, C12: tells 2^53 from 2^53 + 1, and compares data that is no record by value", () => {
    expect(Value.equals(2n ** 53n, 2n ** 53n + 1n)).toBe(false)
    expect(Value.equals(copy([1, "a"]), copy([1, "a"]))).toBe(true)
  })
})

describe("thaw", () => {
  it("gives bytes and dates that are nobody else's, and is equal", () => {
    fc.assert(
      fc.property(Arbitraries.value, (value) => {
        const kept = copy(value)
        expect(canonical(Value.thaw(kept))).toBe(canonical(kept))
      })
    )
    const kept = copy({ list: [new Uint8Array([1])], date: new Date(0) })
    const thawed = Value.thaw(kept) as { list: [Uint8Array]; date: Date }
    thawed.list[0][0] = 9
    thawed.date.setTime(9)
    expect(canonical(kept)).toBe('{"date":Date<0>,"list":[Uint8Array<1>]}')
  })
})

describe("adopt", () => {
  it("freezes a value where it is, but for its bytes, which are copied", () => {
    const bytes = new Uint8Array([1, 2])
    const value = { list: [{ bytes }], plain: { a: 1 } }
    const { thawed, value: adopted } = Result.getOrThrow(Value.adopt(value, "data"))
    expect([thawed, adopted]).toEqual([true, value])
    expect(adopted).toBe(value)
    bytes[0] = 9
    expect(canonical(adopted)).toBe('{"list":[{"bytes":Uint8Array<1 2>}],"plain":{"a":1}}')
    expect(Object.isFrozen(value.list[0])).toBe(true)
  })

  it("refuses what only damage nests so deep", () => {
    expect(Result.isSuccess(Value.adopt(nested(100) as Value.Value, "data"))).toBe(true)
    const refused = Value.adopt(nested(200_000) as Value.Value, "data")
    expect(Result.isFailure(refused) && refused.failure.message).toBe("data: it is nested deeper than 100; flatten it")
  })
})

it("isRecord tells plain records from all else", () => {
  const records = [{}, { a: 1 }].map(Value.isRecord)
  const others = [null, undefined, 1, 1n, "a", true, [], new Uint8Array(1), new Date(0)].map(Value.isRecord)
  expect([...new Set(records), ...new Set(others)]).toEqual([true, false])
})
