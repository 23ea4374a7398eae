/**
 * What a transaction costs beside its append: per operation, per handler, and what observability adds.
 *
 * Run by itself it prints its rows: `node tooling/bench/src/bus.ts`.
 */
import * as Bus from "@heph/bus/Bus"
import * as Handler from "@heph/bus/Handler"
import type * as ChangeSet from "@heph/changeset/ChangeSet"
import * as Operation from "@heph/changeset/Operation"
import * as Entry from "@heph/entry/Entry"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { median, ratio, type Row, time, times, type Work } from "./measure.ts"

type Service = Bus.Bus["Service"]

const size = 1000
const per = { per: size }

const creates = (count: number, kind = "function.lua"): ChangeSet.ChangeSet =>
  Array.from({ length: count }, (_, i) => Operation.create(Entry.makeUnsafe({ id: `bench:entry-${i}`, kind })))

const changeset = creates(size)

/** A bus with these handlers, by their patterns. Its scope stays open for as long as the process runs. */
const busWith = (handlers: ReadonlyArray<readonly [string, Handler.Handler]>, options?: Bus.Options): Service =>
  Effect.runSync(
    Effect.gen(function* () {
      const bus = yield* Bus.make({ observability: false, ...options })
      for (const [pattern, handler] of handlers) yield* bus.handle(pattern, handler)
      return bus
    }).pipe(Effect.provideService(Scope.Scope, Scope.makeUnsafe()))
  )

/** A transaction of these operations, whose append does nothing or fails. */
const work = (bus: Service, operations = changeset, append: Effect.Effect<void, string> = Effect.void): Work => {
  const transaction = bus.transact({
    cause: "apply",
    version: 1,
    changeset: operations,
    append,
    onOutOfStep: () => {}
  })
  return () => Effect.runPromise(Effect.exit(transaction))
}

const accept: Handler.Handler = () => Handler.accept
const acceptEffect: Handler.Handler = () => Effect.succeed(Handler.accept)
const acceptGen: Handler.Handler = Effect.fnUntraced(function* () {
  return yield* Effect.succeed(Handler.accept)
})
const acceptLater: Handler.Handler = () => Effect.as(Effect.yieldNow, Handler.accept)

/** Accepts an entry when the one after it is there: the worst order there is, and nobody declared it. */
const needsNext = (): Handler.Handler => {
  const there = new Set<string>([`bench:entry-${size}`])
  return ({ id, phase }) => {
    const next = `${id.namespace}:entry-${Number(id.name.slice("entry-".length)) + 1}`
    if (phase === "forward" && !there.has(next)) return Handler.defer("the next one is missing")
    if (phase === "forward") there.add(id.value)
    else there.delete(id.value)
    return Handler.accept
  }
}

export const run = async (): Promise<ReadonlyArray<Row>> => {
  const none = work(busWith([["other", accept]]))
  const added = async (name: string, handler: Handler.Handler, target?: number): Promise<Row> => {
    const { a, b } = await ratio(work(busWith([["function.*", handler]])), none, per)
    return {
      work: name,
      measured: time(a - b),
      target: target === undefined ? "" : `≤ ${time(target)}`,
      met: target === undefined ? undefined : a - b <= target
    }
  }
  const others = Array.from({ length: 99 }, (_, i) => [`service.k${i}.*`, accept] as const)
  const crowd = await ratio(
    work(busWith([...others, ["function.*", accept]])),
    work(busWith([["function.*", accept]])),
    per
  )
  const undone = await ratio(
    work(busWith([["function.*", accept]]), changeset, Effect.fail("no")),
    work(busWith([["function.*", accept]])),
    per
  )
  const watched = await ratio(
    work(busWith([["function.*", accept]], { observability: true })),
    work(busWith([["function.*", accept]])),
    per
  )
  const single = creates(1)
  const deferring = () => work(busWith([["function.*", needsNext()]]), changeset, Effect.fail("no"))()
  return [
    {
      work: "an operation that no handler matches",
      measured: time(await median(none, per)),
      target: "",
      met: undefined
    },
    await added("one handler more: answers at once", accept, 5),
    await added("one handler more: Effect.succeed", acceptEffect),
    await added("one handler more: an Effect.fnUntraced", acceptGen),
    await added("one handler more: an effect that waits a turn", acceptLater),
    {
      work: "100 handlers, 1 of them matching, against 1 alone",
      measured: times(crowd.ratio),
      target: "≤ 1.2×",
      met: crowd.ratio <= 1.2
    },
    { work: "undoing an operation", measured: time(undone.a - undone.b), target: "", met: undefined },
    { work: "spans and metrics, per operation", measured: time(watched.a - watched.b), target: "", met: undefined },
    {
      work: "a whole transaction of one operation and handler",
      measured: time(
        await median(() => Promise.all(Array.from({ length: 100 }, work(busWith([["function.*", accept]]), single))), {
          per: 100
        })
      ),
      target: "",
      met: undefined
    },
    {
      work: `${size} operations deferred in the worst order, and undone`,
      measured: time(await median(deferring, { runs: 5, warmUp: 1 })),
      target: "",
      met: undefined
    }
  ]
}

if (import.meta.main) console.table(await run())
