import { describe, expect, it } from "@effect/vitest"
import * as Definition from "@heph/definition/Definition"
import * as Result from "effect/Result"
import { dataOf, one, parse, plain, problems } from "./support.ts"

describe("Definition", () => {
  describe("a document", () => {
    it("makes ids of namespace and name, and data of every other key", () => {
      const text = `
version: "1.0"
namespace: app.api
entries:
  - name: users
    kind: http.endpoint
    meta: { depends_on: router }
    path: /users
    limits:
      rate: 10
  - name: v1:users # a name may hold ":"
    kind: http.endpoint
  - kind: registry.entry
    name: empty
    data: null
  - name: whole
    kind: registry.entry
    data: [1, 2]
`
      expect(plain(parse(text))).toEqual([
        {
          id: "app.api:users",
          kind: "http.endpoint",
          meta: { depends_on: "router" },
          data: { path: "/users", limits: { rate: 10 } }
        },
        { id: "app.api:v1:users", kind: "http.endpoint", meta: {}, data: {} },
        { id: "app.api:empty", kind: "registry.entry", meta: {}, data: null },
        { id: "app.api:whole", kind: "registry.entry", meta: {}, data: [1, 2] }
      ])
    })

    it("says where each entry is, from 1", () => {
      const text = "namespace: app\nentries:\n  - name: a\n    kind: k\n\n  - {name: b, kind: k}\n"
      expect(parse(text, "dir/a.yaml").entries.map(({ source }) => source)).toEqual([
        { file: "dir/a.yaml", line: 3, column: 5 },
        { file: "dir/a.yaml", line: 6, column: 5 }
      ])
    })

    it("gives the document's meta to each entry, whose own keys win and are not merged", () => {
      const text = `
namespace: app
meta: { team: web, tags: [a], owner: { name: x } }
entries:
  - { name: a, kind: k }
  - { name: b, kind: k, meta: { tags: [b], owner: { mail: y } } }
  - { name: c, kind: k, meta: }
`
      expect(plain(parse(text)).map(({ meta }) => meta)).toEqual([
        { team: "web", tags: ["a"], owner: { name: "x" } },
        { team: "web", tags: ["b"], owner: { mail: "y" } },
        { team: "web", tags: ["a"], owner: { name: "x" } }
      ])
    })

    it("takes no entries as an answer, but not their absence", () => {
      expect(parse("namespace: app\nentries: []")).toEqual({ entries: [], files: 1, skipped: [] })
      expect(problems("namespace: app\n")).toEqual([
        `a.yaml:1:1: the definition has no entries: write "entries:" and a list, [] for none`
      ])
      expect(problems("namespace: app\nentries:\n")).toEqual([
        "a.yaml:2:9: entries is a list, [] for none, and this is nothing"
      ])
    })

    it.each(["version: '1.0'", "version: 1.0", 'version: "1.0"'])("accepts %s", (version) => {
      expect(parse(`${version}\nnamespace: app\nentries: []`).files).toBe(1)
    })

    it("lists documents without a namespace as skipped, whatever they hold", () => {
      const text =
        "# no definition\nreplicas: 3\nsecret: file://nope\ntag: !Ref x\n---\nnamespace: app\nentries: []\n--- [1]\n"
      expect(parse(text)).toEqual({
        entries: [],
        files: 1,
        skipped: [
          { file: "a.yaml", line: 2, reason: "it has no namespace, so it is no definition" },
          { file: "a.yaml", line: 8, reason: "it has no namespace, so it is no definition" }
        ]
      })
    })

    it.each(["", "\n\n", "# nothing\n", "---\n", "---\n---\n# nothing\n"])(
      "lists an empty file as skipped: %j",
      (text) => {
        expect(parse(text)).toEqual({
          entries: [],
          files: 0,
          skipped: [{ file: "a.yaml", line: 1, reason: "it is empty" }]
        })
      }
    )

    it("reads the same with a byte order mark, Windows line ends and no last line end", () => {
      const text = "namespace: app\nentries:\n  - name: a\n    kind: k\n    text: |\n      one\n      two\n    last: 1"
      const expected = parse(text)
      expect(parse(`\uFEFF${text}`)).toEqual(expected)
      expect(parse(text.replaceAll("\n", "\r\n"))).toEqual(expected)
      expect(expected.entries[0]!.entry.data).toEqual({ text: "one\ntwo\n", last: 1 })
    })
  })

  describe("what is refused", () => {
    it.each([
      [
        "a namespace that is no text",
        "namespace: 1\nentries: []",
        "1:12: namespace is text (quote it if need be), and this is a number"
      ],
      ["an empty namespace", "namespace: ''\nentries: []", "1:12: the namespace is empty"],
      [
        "a blank namespace",
        "namespace:\nentries: []",
        "1:11: namespace is text (quote it if need be), and this is nothing"
      ],
      ["a namespace with a colon", "namespace: 'a:b'\nentries: []", `1:12: a namespace may not hold ":"`],
      ["an empty segment", "namespace: a..b\nentries: []", `1:12: the namespace "a..b" has an empty segment`],
      [
        "entries that are no list",
        "namespace: a\nentries: {}",
        "2:10: entries is a list, [] for none, and this is a record"
      ],
      [
        "an entry that is no record",
        "namespace: a\nentries:\n  - x",
        "3:5: an entry is a record with a name and a kind, and this is text"
      ],
      ["meta that is no record", "namespace: a\nmeta: [x]\nentries: []", "2:7: meta is a record, and this is a list"]
    ])("%s", (_, text, expected) => {
      expect(problems(text)).toEqual([`a.yaml:${expected}`])
    })

    it.each([
      ["no name", "{kind: k}", "3:5: the entry has no name"],
      ["no kind", "{name: x}", "3:5: the entry has no kind"],
      [
        "a name that is no text",
        "{name: 4, kind: k}",
        "3:12: name is text (quote it if need be), and this is a number"
      ],
      ["an empty name", "{name: '', kind: k}", `3:12: "app:" is not an entry id: the name is empty`],
      [
        "a kind that is no text",
        "{name: x, kind: [k]}",
        "3:21: kind is text (quote it if need be), and this is a list"
      ],
      ["an empty kind", "{name: x, kind: ''}", "3:21: a kind is text that is not empty"],
      ["a key twice", "{name: x, kind: k, kind: l}", `3:24: the key "kind" is there twice`],
      ["a key twice, deeper", "{name: x, kind: k, a: [{b: 1, b: 1}]}", `3:35: the key "b" is there twice`],
      ["the key __proto__", "{name: x, kind: k, a: {__proto__: 1}}", `3:28: the key "__proto__" is not allowed`]
    ])("an entry with %s", (_, entry, expected) => {
      expect(problems(`namespace: app\nentries:\n  - ${entry}`)).toEqual([`a.yaml:${expected}`])
    })

    it("a text that is not YAML, at the place that the YAML library names", () => {
      expect(problems("namespace: app\nentries:\n\t- name: x")).toContainEqual(
        expect.stringMatching(/^a\.yaml:3:1: .*[Tt]abs/)
      )
      expect(problems("namespace: 'app\n")[0]).toMatch(/^a\.yaml:2:1: Missing closing 'quote/)
    })

    it("an id longer than 512 bytes, and data larger than an entry holds", () => {
      expect(problems(one(`a: 1`).replace("name: x", `name: ${"x".repeat(600)}`))[0]).toMatch(
        /^a\.yaml:3:12: .*longer than 512 bytes/
      )
      expect(problems(one(`a: ${"x".repeat(17 * 1024 * 1024)}`))[0]).toMatch(/^a\.yaml:3:5: .*larger than/)
    })

    it("all of it in one error, in the order of the file, twenty by name", () => {
      const wrong = Array.from({ length: 30 }, (_, i) => `  - {name: e${i}, kind: }`)
      const text = ["version: 2", "namespace: app", "entries:", ...wrong].join("\n")
      const error = Result.getOrThrow(Result.flip(Definition.parse(text, { source: "a.yaml" })))
      expect(error.total).toBe(31)
      expect(error.problems.map(({ line }) => line)).toEqual([1, ...Array.from({ length: 19 }, (_, i) => i + 4)])
      const lines = error.message.split("\n")
      expect(lines[0]).toBe(`a.yaml:1:10: this version of the format is not known: write version: "1.0"`)
      expect(lines).toHaveLength(21)
      expect(lines[20]).toBe("… and 11 more")
    })

    it("a value once, though more than one check would fail on it", () => {
      expect(problems("namespace: app\nentries: [{name: file://x, kind: k}]")).toEqual([
        "a.yaml:2:18: there is no folder that file://x could be relative to"
      ])
    })
  })

  describe("what other registries read wrongly", () => {
    it("J1: one bad entry refuses the input, instead of dropping its file", () => {
      expect(problems("namespace: app\nentries:\n  - {name: good, kind: k}\n  - {name: bad}")).toEqual([
        "a.yaml:4:5: the entry has no kind"
      ])
      expect(problems(one("80: x"))).toEqual(["a.yaml:3:24: a key is text, and 80 is not: put it in quotes"])
      expect(problems(one("[a]: x"))).toEqual(["a.yaml:3:24: a key is text, not a list, a record or an alias"])
      expect(dataOf("a: .inf, b: -.inf, c: .nan")).toEqual({ a: Infinity, b: -Infinity, c: NaN })
    })

    it("J2: numbers keep their type and size, dates stay text", () => {
      expect(
        dataOf("a: 9007199254740993, b: -9223372036854775808, c: 18446744073709551615, d: 9007199254740991")
      ).toEqual({
        a: 9007199254740993n,
        b: -9223372036854775808n,
        c: 18446744073709551615n,
        d: 9007199254740991
      })
      expect(dataOf("a: 1.5, b: 1e3, c: 0x1F, d: 0o17, e: -0, f: 9007199254740993.0")).toEqual({
        a: 1.5,
        b: 1000,
        c: 31,
        d: 15,
        e: 0,
        f: 9007199254740992
      })
      expect(dataOf("a: 2024-01-31, b: 2024-01-31T10:00:00Z, c: 12:30:45, d: 010, e: yes")).toEqual({
        a: "2024-01-31",
        b: "2024-01-31T10:00:00Z",
        c: "12:30:45",
        d: 10,
        e: "yes"
      })
      expect(problems(one("a: 18446744073709551616, b: 1e999"))).toEqual([
        "a.yaml:3:27: the integer 18446744073709551616 does not fit into 64 bits: quote it to keep it as text",
        "a.yaml:3:52: the number 1e999 is larger than any 64-bit float: quote it to keep it as text"
      ])
    })

    it("J4: a document that is one entry keeps all its keys", () => {
      const text = "version: '1.0'\nnamespace: app\nname: x\nkind: k\nmeta: {a: 1}\nport: 80\nhost: h\n"
      expect(plain(parse(text))).toEqual([{ id: "app:x", kind: "k", meta: { a: 1 }, data: { port: 80, host: "h" } }])
      expect(plain(parse("namespace: app\nname: x\nkind: k\ndata: 1"))[0]!.data).toBe(1)
      expect(problems("namespace: app\nname: x\nport: 80")).toEqual(["a.yaml:1:1: the entry has no kind"])
      expect(problems("namespace: app\nname: x\nkind: k\nentries: []")).toEqual([
        `a.yaml:2:1: "name" is no key of a definition, which has version, namespace, meta and entries`,
        `a.yaml:3:1: "kind" is no key of a definition, which has version, namespace, meta and entries`
      ])
    })

    it("J5: data beside other keys is refused, naming both", () => {
      expect(
        problems("namespace: app\nentries:\n  - name: x\n    kind: k\n    port: 80\n    data: {}\n    host: h")
      ).toEqual([
        `a.yaml:6:5: "data" is the whole data of an entry, and "port", "host" beside it would be lost: put one into the other`
      ])
    })

    it("J6: every document of a file is read", () => {
      const text =
        "namespace: a\nentries: [{name: x, kind: k}]\n---\nnamespace: b\nentries: [{name: x, kind: k}]\n...\n"
      expect(plain(parse(text)).map(({ id }) => id)).toEqual(["a:x", "b:x"])
    })

    it("J7: an id that is there twice is refused, naming both places", () => {
      expect(problems("namespace: app\nentries:\n  - {name: x, kind: k}\n  - {name: x, kind: k}")).toEqual([
        "a.yaml:4:5: the id app:x is already taken by the entry at a.yaml:3:5"
      ])
    })

    it("J8: unknown versions and unknown keys are refused", () => {
      for (const version of ["9.9", "1", "'1'", "1.00", "[1.0]", "null", "v1.0"]) {
        expect(problems(`version: ${version}\nnamespace: app\nentries: []`)).toEqual([
          `a.yaml:1:10: this version of the format is not known: write version: "1.0"`
        ])
      }
      expect(problems("namespace: app\nentires:\n  - name: x\n")).toEqual([
        `a.yaml:2:1: "entires" is no key of a definition, which has version, namespace, meta and entries`
      ])
    })

    it("J10: entries do not share the meta of their document", () => {
      const text = "namespace: app\nmeta: {tags: [a]}\nentries: [{name: x, kind: k}, {name: y, kind: k}]"
      const [x, y] = parse(text).entries.map(({ entry }) => entry.meta)
      expect(x).toEqual(y)
      expect(x).not.toBe(y)
      expect(x!["tags"]).not.toBe(y!["tags"])
    })

    it("J11: names and kinds are checked, and meta that is no record is refused", () => {
      expect(
        problems("namespace: app\nentries:\n  - {name: ' sp ', kind: ' k '}\n  - {name: y, kind: k, meta: text}")
      ).toEqual([
        `a.yaml:3:12: "app: sp " is not an entry id: white space and control characters are not allowed`,
        `a.yaml:3:26: " k " holds white space or control characters`,
        "a.yaml:4:30: meta is a record, and this is text"
      ])
    })
  })
})
