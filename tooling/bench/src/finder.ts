/**
 * Finding among 100,000 entries: ten namespaces, five kinds, and meta of seven fields, as other registries publish their
 * benchmarks. `node tooling/bench/src/finder.ts` prints this table by itself.
 */
import * as Entry from "@heph/entry/Entry"
import * as State from "@heph/entry/State"
import * as AttributeIndex from "@heph/finder/AttributeIndex"
import * as Finder from "@heph/finder/Finder"
import * as Query from "@heph/finder/Query"
import * as Result from "effect/Result"
import { median, once, middle, type Options, type Row, time, type Work } from "./measure.ts"

const size = 100_000
const kinds = ["service", "database", "storage", "cache", "queue"]

const entryOf = (i: number, port = 8000 + i): Entry.Entry => {
  const kind = kinds[i % kinds.length]!
  return Entry.makeUnsafe({
    id: `ns${i % 10}:entry-${i}`,
    kind,
    meta: {
      enabled: i % 2 === 0,
      port,
      description: `This is the ${kind} entry number ${i}`,
      version: `${i % 10}.${Math.floor(i / 10) % 10}.${Math.floor(i / 100) % 10}`,
      tags: [kind, `tag-${i % 100}`, i % 3 === 0 ? "prod" : "dev"],
      priority: i % 5,
      owner: { team: `team-${i % 50}` }
    },
    data: { index: i }
  })
}

const millisecond = 1000

/** Measures, and holds it against a target in microseconds. */
const row = async (what: string, target: number | undefined, work: Work, options?: Options): Promise<Row> =>
  verdict(what, target, await median(work, options))

const verdict = (work: string, target: number | undefined, measured: number): Row => ({
  work: `finder: ${work}`,
  measured: time(measured),
  target: target === undefined ? "" : `< ${time(target)}`,
  met: target === undefined ? undefined : measured < target
})

const query = (words: string): Query.Query => Result.getOrThrow(Query.parse(words))

/** Answers that are kept: a thousand to a run, since one is shorter than the clock can tell. */
const cached = async (target: Finder.Target): Promise<ReadonlyArray<Row>> => {
  const finder = Finder.make()
  const words = ".kind=service meta.port=9000"
  const again = (asked: Query.Input) => () => {
    let found = 0
    for (let i = 0; i < 1000; i++) found += Result.getOrThrow(finder.findSync(target, asked)).total
    return found
  }
  const sorted = { sortBy: "meta.port", limit: 20 }
  const { cursor } = Result.getOrThrow(finder.findSync(target, "meta.enabled=true", sorted))
  return [
    await row("cached, a query made before", 2, again(query(words)), { per: 1000 }),
    await row("cached, a record", undefined, again({ ".kind": "service", "meta.port": 9000 }), { per: 1000 }),
    await row("cached, words", undefined, again(words), { per: 1000 }),
    await row("the next 20 of 50,000 sorted", millisecond, () =>
      finder.findSync(target, "meta.enabled=true", { ...sorted, cursor })
    )
  ]
}

/** Answers that are not kept, over indexes that are there. */
const uncached = async (target: Finder.Target): Promise<ReadonlyArray<Row>> => {
  const finder = Finder.make({ queryCacheSize: 0 })
  const find = (what: string, limit: number, words: string, options?: Finder.FindOptions) => {
    const asked = query(words)
    const ask = () => Result.getOrThrow(finder.findSync(target, asked, options))
    return row(`${what}, ${ask().total.toLocaleString("en-US")} found: ${words}`, limit, ask)
  }
  return [
    await find("equality", 0.2 * millisecond, "meta.port=9000"),
    await find("equality", 10 * millisecond, "meta.owner.team=team-7"),
    await find("equality of list items", 10 * millisecond, `meta.tags=["tag-7","prod"]`),
    await find("two equalities", 0.2 * millisecond, ".kind=service meta.port=9000"),
    await find("prefix", 0.2 * millisecond, "^.name=entry-4242"),
    await find("range", millisecond, ">=meta.port=50000 <meta.port=50100"),
    await find("glob with a literal start", 10 * millisecond, ".name=entry-42*7"),
    await find("glob, scan", 200 * millisecond, ".name=*-42*7"),
    await find("regex, scan", 300 * millisecond, "~meta.description=number.*77$"),
    await find("contains, scan", 200 * millisecond, `*meta.description="4242"`),
    await find("negated, scan", 150 * millisecond, "!meta.enabled=true"),
    await find("all", 100 * millisecond, ""),
    await find("sorted", 30 * millisecond, "meta.owner.team=team-7", { sortBy: "meta.port", limit: 20 }),
    await find("sorted", 250 * millisecond, "meta.enabled=true", { sortBy: "meta.port", limit: 20 })
  ]
}

const indexes = async (state: State.State): Promise<ReadonlyArray<Row>> => {
  const build = (what: string, words: string) => {
    const asked = query(words)
    const options = { runs: 5, warmUp: 2 }
    return row(
      `index built, ${what}`,
      600 * millisecond,
      () => AttributeIndex.select(AttributeIndex.make(state), asked),
      options
    )
  }
  const index = AttributeIndex.make(state)
  for (const words of [".kind=x", ".name=x", "meta.port=1", "meta.description=x", "meta.tags=x"]) {
    AttributeIndex.select(index, query(words))
  }
  const maintained = async (entries: number, limit: number): Promise<Row> => {
    const times: Array<number> = []
    for (let round = 0; round < 30; round++) {
      // Made before the clock starts: only following is measured.
      const next = State.update(state, (builder) => {
        for (let i = 0; i < entries; i++) builder.set(entryOf((round * 997 + i * 13) % size, -1 - i))
      })
      times.push(await once(() => AttributeIndex.follow(index, next)))
    }
    return verdict(`5 indexes maintained, changed entries: ${entries}`, limit, middle(times.slice(10)))
  }
  return [
    await build("5 kinds", ".kind=service"),
    await build("100,000 numbers", "meta.port=9000"),
    await build("100,000 texts", "meta.description=x"),
    await build("300,000 list items", "meta.tags=prod"),
    await maintained(1, 0.5 * millisecond),
    await maintained(1000, 100 * millisecond)
  ]
}

/** What a pattern can do at worst to one entry. */
const hostile = async (): Promise<ReadonlyArray<Row>> => {
  const entry = Entry.makeUnsafe({ id: `x:${"a".repeat(490)}`, kind: "k", meta: { text: "a".repeat(100_000) } })
  const match = (what: string, limit: number, words: string) => {
    const asked = query(words)
    return row(what, limit, () => Query.matches(asked, entry))
  }
  return [
    await match("200 stars against 490 letters", 10 * millisecond, `.name=*${"a*".repeat(200)}c*`),
    await match("16 negated groups against 490 letters", 50 * millisecond, `.name=${"!(a)?".repeat(16)}c*`),
    await match("(a+)+$ against 100,000 letters", 200 * millisecond, "~meta.text=(a+)+$")
  ]
}

export const run = async (): Promise<Array<Row>> => {
  const state = State.fromIterable(Array.from({ length: size }, (_, i) => entryOf(i)))
  const target = { version: 1, state }
  return [...(await cached(target)), ...(await uncached(target)), ...(await indexes(state)), ...(await hostile())]
}

if (import.meta.main) console.table(await run())
