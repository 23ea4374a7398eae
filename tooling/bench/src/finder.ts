/**
 * Finding among 100,000 entries of ~1.2 KB, against query libraries and against a plain loop over the same entries in the
 * same run. `node --expose-gc tooling/bench/src/finder.ts` prints this table by itself.
 */
import * as Entry from "@heph/entry/Entry"
import * as State from "@heph/entry/State"
import * as AttributeIndex from "@heph/finder/AttributeIndex"
import * as Field from "@heph/finder/Field"
import * as Finder from "@heph/finder/Finder"
import * as Query from "@heph/finder/Query"
import * as Result from "effect/Result"
import Loki from "lokijs"
import { Query as Mingo } from "mingo"
import siftModule from "sift"
import {
  bytes,
  median,
  memory,
  middle,
  once,
  type Options,
  ratio,
  type Row,
  time,
  times,
  type Work
} from "./measure.ts"

const size = 100_000
const kinds = ["service", "database", "storage", "cache", "queue"]
const payload = "A line of text as configuration files have them, with a value. ".repeat(14)

/** Groups of a hundred, so that what asks for one has 100 answers. */
const metaOf = (i: number, port: number) => {
  const group = `group-${Math.floor(i / 100)}.end`
  return {
    enabled: i % 2 === 0,
    port,
    group,
    title: `${group}/entry-${i}`,
    description: `This is the ${kinds[i % kinds.length]} entry number ${i} of ${group}`,
    version: `${i % 10}.${Math.floor(i / 10) % 10}.${Math.floor(i / 100) % 10}`,
    tags: [`tag-${i % 100}`, i % 3 === 0 ? "prod" : "dev"],
    priority: i % 5,
    score: (i * 48_271) % size,
    owner: { team: `team-${i % 50}` }
  }
}
const inputOf = (i: number, port: number) => ({
  id: `ns${i % 10}:entry-${i}`,
  kind: kinds[i % kinds.length]!,
  meta: metaOf(i, port),
  data: { index: i, payload: payload + i }
})
const entryOf = (i: number, port = 8000 + ((i * 7919) % size)): Entry.Entry => Entry.makeUnsafe(inputOf(i, port))

const query = (words: string): Query.Query => Result.getOrThrow(Query.parse(words))

/** Measures, and holds it against a target in microseconds. */
const row = async (work: string, target: number | undefined, what: Work, options?: Options): Promise<Row> =>
  atMost(work, target, await median(what, options))

const atMost = (work: string, target: number | undefined, measured: number): Row => ({
  work: `finder: ${work}`,
  measured: time(measured),
  target: target === undefined ? "" : `≤ ${time(target)}`,
  met: target === undefined ? undefined : measured <= target
})

/** How many times faster than something else that takes turns with it. */
const faster = async (
  work: string,
  target: number | undefined,
  than: string,
  other: Work,
  ours: Work
): Promise<Row> => {
  // A short one is run often enough for the clock to tell.
  const each = (await median(ours)) > 1000 ? 1 : 20
  const repeated = () => {
    let kept: unknown
    for (let i = 0; i < each; i++) kept = ours()
    return kept
  }
  const { a, b, ratio: factor } = await ratio(other, repeated, { runs: 11, warmUp: 3 })
  const measured = factor * each
  return {
    work: `finder: ${work}`,
    measured: `${times(measured)} as fast as ${than} (${time(b / each)} · ${time(a)})`,
    target: target === undefined ? "" : `≥ ${target}×`,
    met: target === undefined ? undefined : measured >= target
  }
}

/** The libraries, with the same entries as plain records; each answers a condition on a field by looking at all of them. */
const peersOf = (list: ReadonlyArray<Entry.Entry>) => {
  const sift = siftModule as unknown as (criteria: object) => (record: object) => boolean
  const records = list.map(({ data, id, kind, meta }) => ({ id: id.value, kind, meta, data }))
  const collection = new Loki("bench").addCollection<object>("entries")
  // `meta` is what lokijs keeps of its own.
  collection.insert(list.map(({ data, id, kind, meta }) => ({ id: id.value, kind, fields: meta, data })))
  return [
    { name: "sift", ask: (field: string, is: unknown) => () => records.filter(sift({ [`meta.${field}`]: is })) },
    {
      name: "mingo",
      ask: (field: string, is: unknown) => () => new Mingo({ [`meta.${field}`]: is }).find(records).all()
    },
    {
      name: "lokijs",
      ask: (field: string, is: unknown) => () => collection.find({ [`fields.${field}`]: is })
    }
  ]
}

const againstOthers = async (
  list: ReadonlyArray<Entry.Entry>,
  ask: (words: string, options?: Finder.FindOptions) => Work
): Promise<ReadonlyArray<Row>> => {
  const peers = peersOf(list)
  const rows: Array<Row> = []
  const cases = [
    ["equality", "meta.group=group-777.end", "group-777.end", "group", (text: string) => text === "group-777.end"],
    [
      "prefix",
      "^meta.title=group-777.",
      { $regex: /^group-777\./ },
      "title",
      (text: string) => text.startsWith("group-777.")
    ]
  ] as const
  for (const [name, words, is, field, holds] of cases) {
    const measured = []
    for (const peer of peers) {
      const work = peer.ask(field, is)
      const found = (work() as ReadonlyArray<unknown>).length
      if (found !== 100) throw new Error(`${peer.name} found ${found} entries for ${words}`)
      measured.push({ ...peer, work, takes: await median(work, { runs: 5, warmUp: 2 }) })
    }
    measured.sort((a, b) => a.takes - b.takes)
    for (const [i, { name: peer, work }] of measured.slice(0, 2).entries()) {
      rows.push(
        await faster(
          `${name}, 100 found, against ${i === 0 ? "the fastest" : "the second"} library`,
          i === 0 ? 100 : undefined,
          peer,
          work,
          ask(words)
        )
      )
    }
    const loop = () =>
      list.filter(({ meta }) => {
        const value = meta[field]
        return typeof value === "string" && holds(value)
      })
    rows.push(await faster(`${name}, 100 found, against a plain loop`, 30, "the loop", loop, ask(words)))
  }
  const indexed = new Loki("indexed").addCollection("entries", { indices: ["group"] })
  indexed.insert(list.map((entry) => ({ group: entry.meta["group"], entry })))
  const lookUp = () => indexed.find({ group: "group-777.end" })
  rows.push(
    await faster(
      "equality, 100 found, against an index of the library's own",
      undefined,
      "lokijs with a binary index",
      lookUp,
      ask(cases[0][1])
    )
  )
  return rows
}

const sortedAndTexts = async (
  list: ReadonlyArray<Entry.Entry>,
  ask: (words: string, options?: Finder.FindOptions) => Work
): Promise<ReadonlyArray<Row>> => {
  const number = (entry: Entry.Entry, field: string) => entry.meta[field] as number
  const sorted = (from: number, to: number, by: string) => () =>
    list
      .filter((entry) => number(entry, "port") >= from && number(entry, "port") < to)
      .sort((a, b) => number(a, by) - number(b, by) || (a.id.value < b.id.value ? -1 : 1))
      .slice(0, 20)
  const scan = (field: string, holds: (text: string) => boolean) => () =>
    list.filter(({ meta }) => {
      const value = meta[field]
      return typeof value === "string" && holds(value)
    })
  const port = { sortBy: "meta.port", limit: 20 }
  const score = { sortBy: "meta.score", limit: 20 }
  const native = /number [0-9]+ of group-777/
  const texts = [
    ["contains, 100 found", "*meta.description=group-777", (text: string) => text.includes("group-777")],
    ["suffix, 100 found", "$meta.description=group-777.end", (text: string) => text.endsWith("group-777.end")],
    ["regex, 100 found", `~meta.description="number [0-9]+ of group-777"`, (text: string) => native.test(text)]
  ] as const
  const rows: Array<Row> = [
    await faster(
      "range of 58,000, sorted by its field, first 20",
      50,
      "filter and sort",
      sorted(50_000, Infinity, "port"),
      ask(">=meta.port=50000", port)
    ),
    await faster(
      "range of 58,000, sorted by another field, first 20",
      50,
      "filter and sort",
      sorted(50_000, Infinity, "score"),
      ask(">=meta.port=50000", score)
    ),
    await faster(
      "range of 1,000, sorted by another field, first 20",
      50,
      "filter and sort",
      sorted(50_000, 51_000, "score"),
      ask(">=meta.port=50000 <meta.port=51000", score)
    )
  ]
  for (const [what, words, holds] of texts) {
    rows.push(await faster(what, 1, "the loop with native operations", scan("description", holds), ask(words)))
  }
  const both = await ratio(
    many(ask("meta.group=group-777.end meta.enabled=true")),
    many(ask("meta.group=group-777.end"))
  )
  rows.push({
    work: "finder: a selective and an unselective criterion, against the selective one",
    measured: `${times(both.ratio)} (${time(both.a / 50)} · ${time(both.b / 50)})`,
    target: "≤ 1.5×",
    met: both.ratio <= 1.5
  })
  return rows
}

const many = (work: Work) => () => {
  let kept: unknown
  for (let i = 0; i < 50; i++) kept = work()
  return kept
}

const attributes = [
  ".kind",
  ".name",
  "meta.port",
  "meta.group",
  "meta.title",
  "meta.version",
  "meta.priority",
  "meta.owner.team"
].map((text) => Result.getOrThrow(Field.parse(text)))

const indexed = (state: State.State, indexType: AttributeIndex.IndexType): AttributeIndex.AttributeIndex => {
  const index = AttributeIndex.make(state, { indexType })
  for (const field of attributes) AttributeIndex.ordered(index, field)
  return index
}

/**
 * How long eight indexes take to come along, for each operation: through versions of one operation each, as under steady
 * writes, and to one version of a thousand.
 */
const upkeep = async (state: State.State, list: ReadonlyArray<Entry.Entry>): Promise<ReadonlyArray<Row>> => {
  const rows: Array<Row> = []
  const operations: ReadonlyArray<readonly [string, (builder: State.Builder, i: number) => void]> = [
    ["update of one attribute", (builder, i) => builder.set(entryOf((i * 997) % size, -1 - i))],
    ["create", (builder, i) => builder.set(entryOf(size + i))],
    ["delete", (builder, i) => builder.remove(list[(i * 997) % size]!.id)]
  ]
  for (const indexType of ["b-tree", "hash"] as const) {
    const index = indexed(state, indexType)
    for (const [versions, count] of [
      [50, 1],
      [1, 1000]
    ] as const) {
      for (const [what, operation] of operations) {
        const taken: Array<number> = []
        for (let round = 0; round < 40; round++) {
          // Made before the clock starts: only the upkeep is measured.
          const states = [state]
          for (let v = 0; v < versions; v++) {
            states.push(
              State.update(states[v]!, (builder) => {
                for (let i = 0; i < count; i++) operation(builder, (round * versions + v) * count + i)
              })
            )
          }
          const follow = () => {
            let last = index
            for (let v = 0; v < versions; v++) {
              const changes: Array<AttributeIndex.Change> = []
              State.diff(states[v]!, states[v + 1]!, (before, after) => changes.push([before, after]))
              last = AttributeIndex.follow(last, states[v + 1]!, changes)
            }
            return last
          }
          taken.push((await once(follow)) / versions / count)
        }
        const each = middle(taken.slice(taken.length / 2))
        rows.push(atMost(`upkeep of 8 attributes, ${indexType}, ${what}, ${count} a version`, 10, each))
      }
    }
  }
  return rows
}

const sizes = async (state: State.State): Promise<ReadonlyArray<Row>> => {
  const perEntry = async (work: string, build: () => unknown, attributesBuilt: number): Promise<Row> => {
    build()
    const before = await memory()
    const kept = build()
    const each = ((await memory()) - before) / size / attributesBuilt
    if (kept === undefined) throw new Error("nothing was built")
    return { work: `finder: ${work}`, measured: bytes(each), target: "≤ 60 B", met: each <= 60 }
  }
  const score = Result.getOrThrow(Field.parse("meta.score"))
  const description = Result.getOrThrow(Field.parse("meta.description"))
  return [
    await perEntry("memory of an entry and attribute, b-tree, 8 attributes", () => indexed(state, "b-tree"), 8),
    await perEntry("memory of an entry and attribute, hash, 8 attributes", () => indexed(state, "hash"), 8),
    await perEntry(
      "memory of an entry and attribute, numbers of their own",
      () => indexWith(state, (index) => AttributeIndex.ordered(index, score)),
      1
    ),
    await perEntry(
      "memory of an entry and attribute, texts of 55 characters",
      () => indexWith(state, (index) => AttributeIndex.texts(index, description)),
      1
    )
  ]
}

const indexWith = (state: State.State, build: (index: AttributeIndex.AttributeIndex) => unknown) => {
  const index = AttributeIndex.make(state)
  build(index)
  return index
}

const building = async (state: State.State): Promise<ReadonlyArray<Row>> => {
  const options = { runs: 5, warmUp: 1 }
  const build = (what: string, name: string) => {
    const field = Result.getOrThrow(Field.parse(name))
    const work = () => AttributeIndex.ordered(AttributeIndex.make(state), field)
    return row(`index built, ${what}`, undefined, work, options)
  }
  const description = Result.getOrThrow(Field.parse("meta.description"))
  return [
    await build("5 kinds", ".kind"),
    await build("100,000 numbers", "meta.score"),
    await build("100,000 texts", "meta.title"),
    await build("200,000 list items", "meta.tags"),
    await row(
      "index built, what 100,000 texts contain",
      undefined,
      () => AttributeIndex.texts(AttributeIndex.make(state), description),
      options
    )
  ]
}

/** What is answered without the cache, and from it. */
const answers = async (
  target: Finder.Target,
  ask: (words: string, options?: Finder.FindOptions) => Work
): Promise<ReadonlyArray<Row>> => {
  const finder = Finder.make()
  const again = (asked: Query.Input) => () => {
    let found = 0
    for (let i = 0; i < 1000; i++) found += Result.getOrThrow(finder.findSync(target, asked)).entries.length
    return found
  }
  const words = "meta.group=group-777.end meta.enabled=true"
  const sorted = { sortBy: "meta.port", limit: 20 }
  const { cursor } = Result.getOrThrow(finder.findSync(target, "meta.enabled=true", sorted))
  const uncached = (work: string, asked: string, options?: Finder.FindOptions) =>
    row(work, undefined, ask(asked, options))
  return [
    await row("cached, a query made before", 2, again(query(words)), { per: 1000 }),
    await row("cached, a record", undefined, again({ "meta.group": "group-777.end", "meta.enabled": true }), {
      per: 1000
    }),
    await row("cached, words", undefined, again(words), { per: 1000 }),
    await uncached("one entry by a number", "meta.score=48271"),
    await uncached("one entry by its id", ".id=ns7:entry-777"),
    await uncached("any of two values, 200 found", "any(meta.group=group-777.end meta.group=group-778.end)"),
    await uncached("both of two list items, 333 found", `meta.tags=["tag-7","prod"]`),
    await uncached("glob without a literal start, 111 found", ".name=*-42*7"),
    await uncached("regex without a literal, 100,000 looked at", `~meta.description="[0-9]{5} of"`),
    await uncached("negated, 50,000 found", "!meta.enabled=true"),
    await uncached("all", ""),
    await uncached("50,000 sorted", "meta.enabled=true", { sortBy: "meta.score" }),
    await uncached("50,000 sorted, the next 20", "meta.enabled=true", { ...sorted, cursor })
  ]
}

/** What a pattern can do at worst. */
const hostile = async (): Promise<ReadonlyArray<Row>> => {
  const entry = Entry.makeUnsafe({ id: `x:${"a".repeat(490)}`, kind: "k", meta: { text: "a".repeat(100_000) } })
  const match = (what: string, limit: number, words: string) => {
    const asked = query(words)
    return row(what, limit, () => Query.matches(asked, entry), { runs: 5, warmUp: 1 })
  }
  // Letters in no order, so that hardly any state of an automaton comes up twice.
  let seed = 1
  const random = () => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
    return "ab"[(seed >>> 16) & 1]
  }
  const mixed = Entry.makeUnsafe({
    id: "x:y",
    kind: "k",
    meta: { text: Array.from({ length: 100_000 }, random).join("") }
  })
  const worst = query("~meta.text='[ab]*a[ab]{400}[cd]'")
  const alternatives = query(`any(${Array.from({ length: 10_000 }, (_, i) => `meta.text=${i}`).join(" ")})`)
  const refused = `~meta.text=${".{1000}".repeat(140)}`
  return [
    await match("200 stars against 490 letters", 10_000, `.name=*${"a*".repeat(200)}c*`),
    await match("16 negated groups against 490 letters", 50_000, `.name=${"!(a)?".repeat(16)}c*`),
    await match("(a+)+$ against 100,000 letters", 200_000, "~meta.text=(a+)+$"),
    await row("400 steps against 100,000 random letters", 2_000_000, () => Query.matches(worst, mixed), {
      runs: 3,
      warmUp: 1
    }),
    await row("10,000 alternatives, one entry", 1000, () => Query.matches(alternatives, entry)),
    await row("an expression of 140,000 steps, refused", 1_000_000, () => Query.parse([refused]), {
      runs: 3,
      warmUp: 1
    })
  ]
}

export const run = async (): Promise<Array<Row>> => {
  const list = Array.from({ length: size }, (_, i) => entryOf(i)).sort((a, b) => (a.id.value < b.id.value ? -1 : 1))
  const state = State.fromIterable(list)
  const target = { version: 1, state }
  const finder = Finder.make({ queryCacheSize: 0 })
  const ask = (words: string, options?: Finder.FindOptions): Work => {
    const asked = query(words)
    return () => Result.getOrThrow(finder.findSync(target, asked, options)).entries
  }
  const rows = [
    ...(await answers(target, ask)),
    ...(await upkeep(state, list)),
    ...(await sizes(state)),
    ...(await sortedAndTexts(list, ask)),
    ...(await building(state)),
    ...(await hostile()),
    // Last, since the libraries fill the memory with copies of everything.
    ...(await againstOthers(list, ask))
  ]
  return rows
}

if (import.meta.main) console.table(await run())
