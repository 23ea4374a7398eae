import { describe, expect, it } from "@effect/vitest"
import * as Bus from "@heph/bus/Bus"
import * as Handler from "@heph/bus/Handler"
import * as Operation from "@heph/changeset/Operation"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as TestClock from "effect/testing/TestClock"
import * as Tracer from "effect/Tracer"
import { drive, entry, input } from "./support/kit.ts"

const a = entry("app:a", 1)
const b = entry("app:b", 1)
const creates = [a, b].map((entry) => Operation.create(entry))

/** Runs an effect with a registry of metrics and, if wanted, a tracer of its own; gives what they saw. */
const watching = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>, tracing: boolean) {
  const spans: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  const metrics: Metric.MetricRegistry = new Map()
  const traced = tracing ? Effect.provideService(effect, Tracer.Tracer, tracer) : effect
  const exit = yield* drive(Effect.provideService(traced, Metric.MetricRegistry, metrics))
  return { exit, spans, metrics: [...metrics.values()] }
})

type Seen = Effect.Success<ReturnType<typeof watching>>

const parentOf = (span: Tracer.NativeSpan): string | undefined =>
  Option.match(span.parent, { onNone: () => undefined, onSome: (parent) => (parent as Tracer.Span).name })

/** A span as a line: its name, its parent, whether it failed, and its own attributes. */
const lines = ({ spans }: Seen) =>
  spans.map((span) => {
    const failed = span.status._tag === "Ended" ? Exit.isFailure(span.status.exit) : "still open"
    return [span.name, parentOf(span), failed, Object.fromEntries(span.attributes)]
  })

const seconds = (span: Tracer.NativeSpan): number =>
  span.status._tag === "Ended" ? Number(span.status.endTime - span.status.startTime) / 1e9 : Number.NaN

/** The state of a metric's series, by their attributes. */
const series = ({ metrics }: Seen, name: string) =>
  metrics
    .filter(({ id }) => id === name)
    .map(({ attributes, hooks }) => {
      const state = hooks.get(undefined as never) as { readonly count: number; readonly sum?: number }
      const { time_unit: _, ...labels } = attributes as Record<string, string>
      return { ...labels, count: state.count, ...(state.sum === undefined ? {} : { millis: state.sum }) }
    })

const committing = Effect.fnUntraced(function* (options?: Bus.Options) {
  const bus = yield* Bus.make(options)
  yield* bus.participate({ name: "cache", begin: () => Effect.sleep("2 seconds") })
  yield* bus.handle("*", () => Handler.accept, { name: "sync" })
  yield* bus.handle("*", () => Effect.as(Effect.withSpan(Effect.sleep("3 seconds"), "inner"), Handler.accept), {
    name: "slow"
  })
  return yield* bus.transact(
    input(creates.slice(0, 1), { append: Effect.delay(Effect.succeed("v1"), "4 seconds"), version: 1 })
  )
})

describe("off", () => {
  it.effect("there are neither spans nor metrics where there is no tracer", () =>
    Effect.gen(function* () {
      const seen = yield* watching(committing(), false)
      expect([seen.exit, seen.metrics]).toEqual([Exit.succeed("v1"), []])
    })
  )

  it.effect("nor where there is one and observability is off, but for the handlers' own", () =>
    Effect.gen(function* () {
      const seen = yield* watching(committing({ observability: false }), true)
      expect([seen.exit, seen.metrics]).toEqual([Exit.succeed("v1"), []])
      expect(seen.spans.map(({ name }) => name)).toEqual(["inner"])
    })
  )
})

describe("on", () => {
  it.effect("a transaction is a tree of spans", () =>
    Effect.gen(function* () {
      const seen = yield* watching(Effect.withSpan(committing(), "caller"), true)
      const operation = {
        "heph.op": "create",
        "heph.id": "app:a",
        "heph.kind": "function.lua",
        "heph.phase": "forward",
        "heph.attempt": 1
      }
      const transaction = { "heph.transaction": 1, "heph.cause": "apply", "heph.version": 1, "heph.operations": 1 }
      expect(lines(seen)).toEqual([
        ["caller", undefined, false, {}],
        ["heph.transaction", "caller", false, { ...transaction, "heph.answer": "committed" }],
        [
          "heph.participant",
          "heph.transaction",
          false,
          { "heph.participant": "cache", "heph.phase": "begin", "heph.answer": "none" }
        ],
        ["heph.operation", "heph.transaction", false, { ...operation, "heph.answer": "accept" }],
        ["heph.handler", "heph.operation", false, { "heph.handler": "sync", "heph.answer": "accept" }],
        ["heph.handler", "heph.operation", false, { "heph.handler": "slow", "heph.answer": "accept" }],
        ["inner", "heph.handler", false, {}],
        ["heph.append", "heph.transaction", false, {}]
      ])
      expect(seen.spans.map(seconds)).toEqual([9, 9, 2, 3, 0, 3, 3, 4])
    })
  )

  it.effect("metrics have stable names and labels, without a tracer where that is asked for", () =>
    Effect.gen(function* () {
      const seen = yield* watching(committing({ observability: true }), false)
      expect(
        Object.fromEntries(
          [...new Set(seen.metrics.map(({ id }) => id))].sort().map((name) => [name, series(seen, name)])
        )
      ).toEqual({
        heph_transactions_total: [{ cause: "apply", outcome: "committed", count: 1 }],
        heph_transaction_duration: [{ cause: "apply", outcome: "committed", count: 1, millis: 9000 }],
        heph_operations_total: [{ op: "create", phase: "forward", answer: "accept", count: 1 }],
        heph_handler_answers_total: [
          { handler: "sync", phase: "forward", answer: "accept", count: 1 },
          { handler: "slow", phase: "forward", answer: "accept", count: 1 }
        ],
        heph_handler_duration: [
          { handler: "sync", count: 1, millis: 0 },
          { handler: "slow", count: 1, millis: 3000 }
        ],
        heph_append_duration: [{ count: 1, millis: 4000 }]
      })
    })
  )

  it.effect("a refusal, its rollback and who is left out of step", () =>
    Effect.gen(function* () {
      const program = Effect.gen(function* () {
        const bus = yield* Bus.make()
        const answers: Record<string, Handler.Verdict | Effect.Effect<Handler.Verdict>> = {
          "forward app:a": Handler.accept,
          "forward app:b": Effect.never,
          "rollback app:a": Handler.reject("locked")
        }
        yield* bus.handle("*", ({ id, phase }) => answers[`${phase} ${id}`]!, { name: "db" })
        yield* bus.transact(input(creates))
      })
      const seen = yield* watching(program, true)
      const [transaction, ...rest] = lines(seen)
      expect(transaction).toMatchObject(["heph.transaction", undefined, true, { "heph.answer": "refused" }])
      expect(
        rest.map(([name, , failed, attributes]) => [
          name,
          failed,
          (attributes as Record<string, unknown>)["heph.answer"]
        ])
      ).toEqual([
        ["heph.operation", false, "accept"],
        ["heph.handler", false, "accept"],
        ["heph.operation", true, "late"],
        ["heph.handler", true, "late"],
        ["heph.operation", true, "reject"],
        ["heph.handler", true, "reject"]
      ])
      expect(series(seen, "heph_transactions_total")).toEqual([{ cause: "apply", outcome: "refused", count: 1 }])
      expect(series(seen, "heph_out_of_step_total")).toEqual([{ handler: "db", count: 1 }])
    })
  )

  it.effect("a deferral is no failure of its operation", () =>
    Effect.gen(function* () {
      const program = Effect.gen(function* () {
        const bus = yield* Bus.make()
        yield* bus.handle("*", ({ attempt, id }) =>
          id === a.id && attempt === 1 ? Handler.defer("wait") : Handler.accept
        )
        yield* bus.transact(input(creates))
      })
      const seen = yield* watching(program, true)
      const operations = lines(seen).filter(([name]) => name === "heph.operation")
      expect(operations).toMatchObject(
        [
          [{}, {}, false, { "heph.id": "app:a", "heph.answer": "defer", "heph.attempt": 1 }],
          [{}, {}, false, { "heph.id": "app:b", "heph.answer": "accept" }],
          [{}, {}, false, { "heph.id": "app:a", "heph.answer": "accept", "heph.attempt": 2 }]
        ].map(([, , failed, attributes]) => ["heph.operation", "heph.transaction", failed, attributes])
      )
    })
  )

  it.effect("outcomes tell an append that failed, a caller who left and a defect", () =>
    Effect.gen(function* () {
      const program = Effect.gen(function* () {
        const bus = yield* Bus.make()
        yield* bus.handle("*", ({ transaction }) => (transaction.id === 2 ? Effect.never : Handler.accept))
        yield* Effect.exit(bus.transact(input(creates, { append: Effect.fail("no") })))
        const caller = yield* Effect.forkChild(bus.transact(input(creates, { cause: "load" })))
        yield* TestClock.adjust("1 second")
        yield* Fiber.interrupt(caller)
        const references = () => {
          throw new Error("a bug")
        }
        yield* bus.handle("*", () => Handler.defer("wait"))
        yield* Effect.exit(bus.transact(input(creates, { references })))
      })
      const seen = yield* watching(program, true)
      expect(series(seen, "heph_transactions_total")).toEqual([
        { cause: "apply", outcome: "append_failed", count: 1 },
        { cause: "load", outcome: "interrupted", count: 1 },
        { cause: "apply", outcome: "died", count: 1 }
      ])
    })
  )

  it.effect("a handler that never ends is counted when it is given up", () =>
    Effect.gen(function* () {
      const program = Effect.gen(function* () {
        const bus = yield* Bus.make()
        yield* bus.handle("*", () => Effect.uninterruptible(Effect.never), { name: "db" })
        yield* bus.transact(input(creates))
      })
      const seen = yield* watching(program, true)
      expect(series(seen, "heph_handler_answers_total")).toEqual([
        { handler: "db", phase: "forward", answer: "busy", count: 1 }
      ])
      expect(seen.spans.map(({ name, status }) => [name, status._tag])).toEqual([
        ["heph.transaction", "Ended"],
        ["heph.operation", "Ended"],
        ["heph.handler", "Ended"]
      ])
    })
  )
})
