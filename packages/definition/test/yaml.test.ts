import { describe, expect, it } from "@effect/vitest"
import { dataOf, one, parse, plain, problems } from "./support.ts"

describe("YAML", () => {
  it("knows anchors, aliases and merge keys: an entry's own keys win, then the first record that is merged", () => {
    const text = `
namespace: app
entries:
  - &base { name: a, kind: k, retries: 3, timeout: 10, hosts: &hosts [x, y] }
  - <<: *base
    name: b
    timeout: 20
  - { <<: [{ zone: 1 }, *base], name: c, hosts: *hosts, "<<": literal }
  - { name: d, kind: k, &key size: 1, unit: *key }
`
    const base = { retries: 3, hosts: ["x", "y"] }
    expect(plain(parse(text)).map(({ id, kind, data }) => [id, kind, data])).toEqual([
      ["app:a", "k", { ...base, timeout: 10 }],
      ["app:b", "k", { ...base, timeout: 20 }],
      ["app:c", "k", { ...base, timeout: 10, zone: 1, "<<": "literal" }],
      ["app:d", "k", { size: 1, unit: "size" }]
    ])
  })

  it("takes one anchor as often as there are entries", () => {
    const entries = Array.from({ length: 500 }, (_, i) => `  - {<<: *base, name: e${i}, kind: k}`)
    const text = ["namespace: app", "meta: &base {a: 1}", "entries:", ...entries].join("\n")
    expect(parse(text).entries.map(({ entry }) => entry.data)).toEqual(entries.map(() => ({ a: 1 })))
  })

  it.each([
    ["an alias without its anchor", "a: *nope", "27: there is no anchor &nope before this *nope"],
    ["an alias inside of its anchor", "a: &x [*x]", "31: *x is inside of what it stands for"],
    [
      "a merge of text",
      "<<: text",
      `24: "<<" takes a record or a list of records; in quotes it is a key like any other`
    ],
    ["a tag nobody knows", "a: !Ref x", "27: the tag !Ref is not known here, or not for such a value"],
    ["a tag for sets", "a: !!set {x}", "27: the tag tag:yaml.org,2002:set is not known here, or not for such a value"],
    [
      "a tag that the text does not fit",
      "a: !!int 3.5",
      "27: the tag tag:yaml.org,2002:int is not known here, or not for such a value"
    ],
    ["bytes that are not base64", "a: !!binary '*'", "27: this is not base64"],
    ["a day that is none", "a: !!timestamp 2024-02-30", "27: there is no such time: write yyyy-mm-ddThh:mm:ssZ"],
    [
      "an hour that is none",
      "a: !!timestamp 2024-02-01T24:00:00Z",
      "27: there is no such time: write yyyy-mm-ddThh:mm:ssZ"
    ],
    [
      "a year that would be read as another",
      "a: !!timestamp 0050-01-01",
      "27: there is no such time: write yyyy-mm-ddThh:mm:ssZ"
    ],
    [
      "half a surrogate pair",
      String.raw`a: "\ud800"`,
      "27: the text holds half a surrogate pair, which UTF-8 cannot carry"
    ],
    ["… in a key", String.raw`"\ud800": 1`, "24: the key holds half a surrogate pair, which UTF-8 cannot carry"]
  ])("refuses %s", (_, line, expected) => {
    expect(problems(one(line))).toEqual([`a.yaml:3:${expected}`])
  })

  it("reads bytes and dates where a tag says so", () => {
    expect(dataOf(`a: !!binary "AP8=", b: !!timestamp 2024-02-29, c: !!timestamp 2024-02-29T23:30:00+01:00`)).toEqual({
      a: Uint8Array.of(0, 255),
      b: new Date("2024-02-29T00:00:00Z"),
      c: new Date("2024-02-29T22:30:00Z")
    })
    expect(dataOf(`a: !!str 5, b: !!float 5.0, c: !!int "5", d: ! 5`)).toEqual({ a: "5", b: 5, c: 5, d: "5" })
  })

  it("refuses aliases that multiply, without making what they stand for", () => {
    const level = (i: number) => `a${i + 1}: &a${i + 1} [${Array.from({ length: 10 }, () => `*a${i}`).join(", ")}]`
    const bomb = ["a0: &a0 x", ...Array.from({ length: 40 }, (_, i) => level(i))].join(", ")
    expect(problems(one(bomb))).toEqual([
      expect.stringMatching(/^a\.yaml:3:\d+: the aliases of this document repeat too much/)
    ])
  })

  it("refuses what is nested too deeply, whether an entry could not hold it or the stack could not", () => {
    const lists = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`
    expect(problems(`namespace: app\nentries: [{name: x, kind: k, data: ${lists(101)}}]`)).toEqual([
      "a.yaml:2:136: it is nested deeper than 100: flatten it"
    ])
    expect(problems(one(`a: ${lists(100)}`))).toEqual([
      expect.stringMatching(
        /^a\.yaml:3:5: the entry app:x cannot be stored: data\.a\[0\].*: it is nested deeper than 100/
      )
    ])
    expect(dataOf(`a: ${lists(99)}`)).toEqual({ a: JSON.parse(lists(99)) as unknown })
    for (const bomb of ["[".repeat(50_000), "- ".repeat(50_000), "{a: ".repeat(50_000)]) {
      expect(problems(`namespace: app\nentries:\n ${bomb}`)).toEqual([
        expect.stringMatching(/^a\.yaml:3:\d+: it is nested too deeply to be read$/)
      ])
    }
  })

  it("is YAML 1.2 whatever a directive says, and refuses versions to come", () => {
    expect(plain(parse("%YAML 1.1\n---\nnamespace: app\nentries: [{name: yes, kind: k, a: on, b: 010}]"))).toEqual([
      { id: "app:yes", kind: "k", meta: {}, data: { a: "on", b: 10 } }
    ])
    expect(problems("%YAML 1.9\n---\nnamespace: app\nentries: []")).toEqual([
      "a.yaml:1:7: Unsupported YAML version 1.9"
    ])
  })

  it("reads long lines and many keys", () => {
    const text = "word ".repeat(50_000).trim()
    const keys = Array.from({ length: 5_000 }, (_, i) => [`key${i}`, i] as const)
    expect(dataOf(`a: ${text}, ${keys.map(([key, value]) => `${key}: ${value}`).join(", ")}`)).toEqual({
      a: text,
      ...Object.fromEntries(keys)
    })
  })
})
