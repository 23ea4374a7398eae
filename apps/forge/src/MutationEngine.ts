/**
 * Makes a candidate out of one version, or of two: the service, and the engine that needs no network and no model.
 *
 *     parents ──▶ read as programs ──▶ one edit or several ──▶ read again ──▶ Proposal
 *
 * The built-in engine knows numbers, expressions, statements, and how to recombine two programs. Whatever it proposes
 * parses and is none of its parents.
 */
import type { ComponentContext } from "@heph/implementations/Implementations"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Goal, Strategy } from "./GoalProposer.ts"
import * as Edits from "./internal/edits.ts"
import { below, happens, pickWeighted } from "./internal/expressions.ts"
import * as Program from "./internal/program.ts"
import type { Task } from "./Task.ts"

/** What a candidate is made of. */
export interface Parent {
  readonly id: string
  readonly code: string
  readonly metrics: { readonly [metric: string]: number }
}

/** What a candidate is asked for with. */
export interface Request {
  readonly task: Task
  readonly goal: Goal
  /** One, or two to recombine. The first is the one that is changed. */
  readonly parents: readonly [Parent, Parent?]
  /** The component's best, recent and failed versions. */
  readonly context: ComponentContext
}

/** A candidate that nobody has registered or tried yet. */
export interface Proposal {
  readonly code: string
  /** What made it: `built-in:numbers`, or the name of a model. */
  readonly generator: string
  /** What was changed, for people. */
  readonly message: string
}

/** Nothing could be made of these parents. */
export class MutationFailed extends Schema.TaggedError<MutationFailed>()("MutationFailed", {
  /** The parents. */
  ids: Schema.Array(Schema.String),
  reason: Schema.String
}) {
  override get message(): string {
    return `no candidate came of ${this.ids.join(" and ")}: ${this.reason}`
  }
}

/** Makes candidates out of versions. */
export class MutationEngine extends Context.Service<
  MutationEngine,
  {
    /** Proposes a candidate. Draws from `Random`, so that a seed repeats what the engine itself decides. */
    readonly propose: (request: Request) => Effect.Effect<Proposal, MutationFailed>
    /** How often to ask again where what was proposed is known already: what it costs to ask decides. */
    readonly attempts: number
  }
>()("@heph/forge/MutationEngine") {}

/** How often an edit is looked for that changes something and still parses. */
const tries = 40

/** The built-in engine. */
export const make: MutationEngine["Service"] = MutationEngine.of({
  attempts: 25,
  propose: Effect.fn("MutationEngine.propose")(function* ({ goal, parents, task }) {
    const random = yield* Random.Random
    const programs: Array<Program.Program> = []
    const failed = (reason: string) =>
      new MutationFailed({ ids: parents.flatMap((parent) => (parent === undefined ? [] : [parent.id])), reason })
    for (const parent of parents) {
      if (parent === undefined) continue
      const program = Program.parse(parent.code)
      if (Result.isFailure(program)) return yield* failed(`${parent.id} does not parse: ${program.failure}`)
      programs.push(program.success)
    }
    const [first, second] = programs as [Program.Program, Program.Program?]
    for (let i = 0; i < tries; i++) {
      const proposal = attempt(random, goal.strategy, first, second)
      if (proposal === undefined || proposal.code.length > task.limits.size) continue
      if (!programs.some(({ source }) => source === proposal.code)) return proposal
    }
    return yield* failed("no edit was found that leaves a program of the size that is allowed")
  })
})

/** Mutation of TypeScript, with nothing but the parents. */
export const layer: Layer.Layer<MutationEngine> = Layer.succeed(MutationEngine, make)

const attempt = (
  random: Random.Random,
  strategy: Strategy,
  first: Program.Program,
  second: Program.Program | undefined
): Proposal | undefined => {
  let program = first
  const names: Array<string> = []
  const messages: Array<string> = []
  const apply = (edits: typeof Edits.own): boolean => {
    const [name, edit] = pickWeighted(
      random,
      edits.map(([name, edit, weight]) => [[name, edit] as const, weight] as const)
    )
    const edited = edit(program, random)
    if (edited === undefined) return false
    const next = Program.parse(edited.source)
    if (Result.isFailure(next)) return false
    program = next.success
    names.push(name)
    messages.push(edited.what)
    return true
  }
  if (second !== undefined && !apply(Edits.recombining(second))) return undefined
  const count = countOf(random, strategy)
  for (let i = 0; i < count; i++) if (!apply(Edits.own)) return undefined
  if (messages.length === 0) return undefined
  const code = Program.tidy(program.source)
  if (Result.isFailure(Program.parse(code))) return undefined
  return { code, generator: `built-in:${names.join("+")}`, message: messages.join("; ") }
}

/** How many edits beside recombination. */
const countOf = (random: Random.Random, strategy: Strategy): number => {
  switch (strategy) {
    case "exploit":
      return happens(random, 0.75) ? 1 : 2
    case "crossover":
      return happens(random, 0.7) ? 0 : 1
    case "explore":
      return 2 + below(random, 2)
    case "restart":
      return 2 + below(random, 4)
  }
}
