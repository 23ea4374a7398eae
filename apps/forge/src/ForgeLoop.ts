/**
 * The loop: what a component knows ──▶ goals ──▶ candidates ──▶ registered ──▶ tested ──▶ scored ──▶ what it knows.
 *
 *     start   the versions of the task that are not there yet are registered
 *     settle  whatever was registered and never came to its score is tested and scored: after an interruption, or when
 *             somebody else registered it
 *     rounds  a batch of candidates is made from what the registry says now, registered in one transaction, then tested
 *             and scored, each as it is done
 *     report  the start and the best are measured on data that nothing was chosen by
 *
 * It has no store but the registry: ended anywhere, it goes on from there the next time.
 */
import { hash } from "node:crypto"
import type { Implementation, Metadata, Version } from "@heph/implementations/Implementation"
import * as Implementations from "@heph/implementations/Implementations"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import { type Goal, GoalProposer, patience } from "./GoalProposer.ts"
import { below, happens, pick } from "./internal/expressions.ts"
import type * as Sandbox from "./internal/sandbox.ts"
import { MutationEngine, type MutationFailed, type Parent, type Proposal, type Request } from "./MutationEngine.ts"
import { score, ScoringSystem } from "./ScoringSystem.ts"
import { InvalidTask, type Task } from "./Task.ts"
import { TestHarness } from "./TestHarness.ts"

/** What a run may be told. */
export interface Options {
  /** How many candidates to try; without a limit by default. */
  readonly rounds?: number | undefined
  /** For how long: no batch begins later. Without a limit by default. */
  readonly time?: Duration.Input | undefined
  /** What is drawn follows from it and from the versions that are there; 1 by default. */
  readonly seed?: number | undefined
  /** How many candidates run at once; 1 by default. Up to four leave what is tried as it is. */
  readonly concurrency?: number | undefined
  /** Told after each candidate. */
  readonly onProgress?: ((progress: Progress) => Effect.Effect<void>) | undefined
}

/** How far it is. */
export interface Progress {
  /** Candidates of this run that came to their end, those that failed a test among them. */
  readonly tried: number
  readonly failed: number
  /** The version it was about, with its outcome. */
  readonly version: Version
  /** Whether it is better than all before it. */
  readonly isBest: boolean
}

/** What came of a run. */
export interface Outcome {
  readonly component: string
  /** Candidates of this run, and how many of them failed a test. */
  readonly tried: number
  readonly failed: number
  /** Versions that were there without a score, and have been tested now. */
  readonly settled: number
  /** How long the rounds took, in milliseconds. */
  readonly duration: number
  /** Why it ended: `exhausted` where nothing new was proposed, time after time. */
  readonly ended: "rounds" | "time" | "exhausted"
  /** The best of those that the component began with, and the best of all. */
  readonly start: Version
  readonly best: Version
}

/** What a run can fail with. */
export type LoopError =
  | Effect.Error<ReturnType<Implementations.Implementations["Service"]["registerAll" | "getVersion"]>>
  | InvalidTask
  | MutationFailed
  | Sandbox.CannotStart

/** Improves the code of a task. */
export class ForgeLoop extends Context.Service<
  ForgeLoop,
  {
    /**
     * Improves the component of a task until its rounds or its time are over. Interrupted, it leaves what is registered:
     * whatever is not tested then is tested first the next time. Fails with `InvalidTask` where no version to begin with
     * passes the tests.
     */
    readonly run: (task: Task, options?: Options) => Effect.Effect<Outcome, LoopError>
  }
>()("@heph/forge/ForgeLoop") {}

/** Of the objective, on data that nothing is chosen by. */
export const heldOut = "held_out"

const file = "candidate.ts"
/** Of the versions that the component began with. */
const startTag = "start"
/** How many candidates are made from the same knowledge. */
const batch = 4
/** How many versions of each sort the choice of parents is made from. */
const looked = 60
const ranked = 12
/** How many batches without a candidate end a run. */
const mostEmpty = 5

/** The loop over the services of its fiber. */
export const make = Effect.gen(function* () {
  const implementations = yield* Implementations.Implementations
  const goals = yield* GoalProposer
  const engine = yield* MutationEngine
  const harness = yield* TestHarness
  const scoring = yield* ScoringSystem

  /** The versions of a component, in the order they were registered in; none where there is no such component. */
  const versionsOf = (component: string): Effect.Effect<ReadonlyArray<Version>, Implementations.ReadError> =>
    implementations.listVersions(component).pipe(
      Effect.map(({ versions }) => versions),
      Effect.catchTags({
        UnknownImplementation: () => Effect.succeed([]),
        // It was asked for no page and no order.
        InvalidCursor: Effect.die,
        InvalidSearch: Effect.die
      })
    )

  const registerStarts = Effect.fnUntraced(function* (task: Task) {
    const known = new Set((yield* versionsOf(task.component)).map((version) => version.hash))
    const missing = task.starts.filter(({ code }) => !known.has(hashOf(code)))
    if (missing.length === 0) return
    yield* implementations.registerAll(
      missing.map(({ code, name }) => ({
        implementation: { [file]: code },
        metadata: {
          component: task.component,
          parent: null,
          generator: `${task.name}/start/${name}.ts`,
          goal: task.goal,
          language: "typescript",
          message: name,
          tags: [startTag]
        }
      })),
      { message: `${task.component}: what ${task.name} begins with` }
    )
  })

  /** Tests and scores a version, and records both. */
  const settle = Effect.fnUntraced(function* (task: Task, id: string, code: string) {
    const trial = yield* harness.run(task, code)
    const metrics = yield* scoring.metrics(task, trial)
    return yield* Effect.uninterruptible(
      Effect.gen(function* () {
        const tested = yield* implementations.recordTestResults(id, trial.results)
        return metrics === undefined ? tested : yield* implementations.recordMetrics(id, metrics)
      })
    )
  })

  const settleAll = Effect.fnUntraced(function* (task: Task, concurrency: number) {
    const versions = yield* versionsOf(task.component)
    const open = versions.filter(
      ({ metrics, status }) => status === "untested" || (status === "passed" && metrics[score] === undefined)
    )
    yield* Effect.forEach(
      open,
      ({ id }) => Effect.flatMap(implementations.getVersion(id), (version) => settle(task, id, codeOf(version))),
      { concurrency, discard: true }
    )
    return open.length
  })

  const parentOf = (version: Version): Effect.Effect<Parent, LoopError> =>
    Effect.map(implementations.getVersion(version.id), (found) => ({
      id: version.id,
      code: codeOf(found),
      metrics: version.metrics
    }))

  /** What each candidate of a batch is made of, and for. */
  const plan = Effect.fnUntraced(function* (
    task: Task,
    context: Implementations.ComponentContext,
    starts: ReadonlyArray<Version>,
    count: number
  ) {
    const random = yield* Random.Random
    return yield* Effect.forEach(
      yield* goals.propose(task, count),
      Effect.fnUntraced(function* (goal) {
        const [first, second] = choose(random, goal, context, starts)
        const parents = [yield* parentOf(first), ...(second === undefined ? [] : [yield* parentOf(second)])]
        const request: Request = { task, goal, parents: parents as [Parent, Parent?], context }
        return request
      })
    )
  })

  /** Something that was not tried before, or nothing. */
  const propose = Effect.fnUntraced(function* (request: Request, tried: ReadonlySet<string>, seed: string) {
    for (let attempt = 0; attempt < engine.attempts; attempt++) {
      const proposal = yield* Random.withSeed(engine.propose(request), `${seed}/${attempt}`)
      if (!tried.has(hashOf(proposal.code))) return { request, proposal }
    }
    return undefined
  })

  const run = Effect.fnUntraced(function* (task: Task, options: Options = {}) {
    const { component } = task
    const { concurrency = 1, rounds = Infinity, seed = 1 } = options
    yield* registerStarts(task)
    const settled = yield* settleAll(task, concurrency)
    const begin = yield* Clock.currentTimeMillis
    const end = options.time === undefined ? Infinity : begin + Duration.toMillis(options.time)
    const starts = (yield* versionsOf(component)).filter(
      ({ metrics, tags }) => tags.includes(startTag) && metrics[score] !== undefined
    )
    if (starts.length === 0) return yield* noStart(task)
    const counts = { tried: 0, failed: 0 }
    let highest = (yield* implementations.best(component, score))!.metrics[score]!
    let empty = 0
    let failure: MutationFailed | undefined
    let ended: Outcome["ended"] = "rounds"
    while (counts.tried < rounds) {
      if ((yield* Clock.currentTimeMillis) >= end) {
        ended = "time"
        break
      }
      if (empty === mostEmpty) {
        if (failure !== undefined) return yield* failure
        ended = "exhausted"
        break
      }
      const versions = yield* versionsOf(component)
      const tried = new Set(versions.map((version) => version.hash))
      const context = yield* implementations.contextOf(component, score, { count: looked, patience })
      // Ids and counts begin anew where versions are removed, and this does not.
      const place = `${seed}/${versions.at(-1)!.sequence}/${empty}`
      const count = Math.min(Math.max(batch, concurrency), rounds - counts.tried)
      const requests = yield* Random.withSeed(plan(task, context, starts, count), place)
      const proposed = yield* Effect.forEach(
        requests,
        (request, i) => Effect.result(propose(request, tried, `${place}/${i}`)),
        { concurrency }
      )
      failure = proposed.flatMap((one) => (Result.isFailure(one) ? [one.failure] : [])).at(-1)
      const fresh = distinct(proposed.flatMap((one) => (Result.isSuccess(one) && one.success ? [one.success] : [])))
      if (fresh.length === 0) {
        empty++
        continue
      }
      empty = 0
      const registered = yield* implementations.registerAll(
        fresh.map(({ proposal, request }) => ({
          implementation: { [file]: proposal.code },
          metadata: metadataOf(request, proposal, seed)
        })),
        { message: `${component}: ${fresh.length} candidates` }
      )
      yield* Effect.forEach(
        registered,
        Effect.fnUntraced(function* ({ id }, i) {
          const version = yield* settle(task, id, fresh[i]!.proposal.code)
          const value = version.metrics[score]
          const isBest = value !== undefined && value > highest
          if (isBest) highest = value
          counts.tried++
          if (value === undefined) counts.failed++
          if (options.onProgress !== undefined) yield* options.onProgress({ ...counts, version, isBest })
        }),
        { concurrency, discard: true }
      )
    }
    const duration = (yield* Clock.currentTimeMillis) - begin
    const start = yield* report(task, bestOf(starts))
    const best = yield* report(task, (yield* implementations.best(component, score))!)
    const outcome: Outcome = { component, ...counts, settled, duration, ended, start, best }
    return outcome
  })

  /** Measures a version on the data that is held out, once. */
  const report = Effect.fnUntraced(function* (task: Task, version: Version) {
    if (task.data.heldOut === undefined || version.metrics[heldOut] !== undefined) return version
    const code = codeOf(yield* implementations.getVersion(version.id))
    const { measured } = yield* harness.run(task, code, "heldOut")
    const value = measured?.[task.objective.metric]
    return value === undefined ? version : yield* implementations.recordMetrics(version.id, { [heldOut]: value })
  })

  /** Why none of the versions to begin with passes. */
  const noStart = Effect.fnUntraced(function* (task: Task) {
    const [first] = task.starts
    const { results } = yield* harness.run(task, first!.code)
    const failed = results.find(({ outcome }) => outcome === "failed")
    const why = failed === undefined ? "" : `: ${failed.name}: ${failed.message ?? "failed"}`
    return yield* new InvalidTask({
      path: `${task.name}/start`,
      reason: `no version passes the tests of the task${why}`
    })
  })

  return ForgeLoop.of({ run: Effect.fn("ForgeLoop.run")(run) })
})

/** The loop over the services that are provided. */
export const layer: Layer.Layer<
  ForgeLoop,
  never,
  Implementations.Implementations | GoalProposer | MutationEngine | TestHarness | ScoringSystem
> = Layer.effect(ForgeLoop, make)

const hashOf = (code: string): string => hash("sha256", code)

const utf8 = new TextDecoder()

/** The code of a version. A candidate is one file; of several only the first is looked at. */
export const codeOf = ({ code }: Implementation): string => {
  const [bytes = new Uint8Array()] = code.values()
  return utf8.decode(bytes)
}

/** Each code once. */
const distinct = <A extends { readonly proposal: Proposal }>(items: ReadonlyArray<A>): ReadonlyArray<A> => [
  ...new Map(items.map((item) => [item.proposal.code, item])).values()
]

const bestOf = (versions: ReadonlyArray<Version>): Version =>
  versions.reduce((best, version) => (version.metrics[score]! > best.metrics[score]! ? version : best))

const metadataOf = ({ context, goal, parents, task }: Request, proposal: Proposal, seed: number): Metadata => {
  const used = parents.flatMap((parent) => (parent === undefined ? [] : [parent]))
  const [best] = context.best
  return {
    component: task.component,
    parent: used.map(({ id }) => id),
    generator: proposal.generator,
    goal: goal.text,
    message: proposal.message,
    language: "typescript",
    context: {
      strategy: goal.strategy,
      stagnation: goal.stagnation,
      seed,
      best: best === undefined ? null : { id: best.id, score: best.metrics[score]! },
      parents: used.map(({ id, metrics }) => ({ id, score: metrics[score] ?? null }))
    }
  }
}

/** The parents of a candidate; those that follow from a version with the same score count for little. */
const choose = (
  random: Random.Random,
  { strategy }: Goal,
  { best, recent }: Implementations.ComponentContext,
  starts: ReadonlyArray<Version>
): readonly [Version, Version?] => {
  const perScore = new Map<number, number>()
  const top = best
    .filter(({ metrics }) => {
      const seen = perScore.get(metrics[score]!) ?? 0
      perScore.set(metrics[score]!, seen + 1)
      return seen < 2
    })
    .slice(0, ranked)
  const any = [...top, ...recent.filter(({ metrics }) => metrics[score] !== undefined).slice(0, ranked)]
  const oneOfTop = (): Version => {
    let place = 0
    while (place < top.length - 1 && happens(random, 0.65)) place++
    return top[place]!
  }
  switch (strategy) {
    case "exploit":
      return [oneOfTop()]
    case "explore":
      return [pick(random, any)]
    case "crossover": {
      const first = oneOfTop()
      const others = any.filter(({ hash }) => hash !== first.hash)
      return others.length === 0 ? [first] : [first, pick(random, others)]
    }
    case "restart":
      return [starts[below(random, starts.length)]!]
  }
}
