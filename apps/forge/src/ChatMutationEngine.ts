/**
 * A mutation engine that asks a language model, over any HTTP endpoint for chat completions.
 *
 *     goal, parents, what is known ──▶ POST url ──▶ the code block of the answer ──▶ read ──▶ Proposal
 *                                        ▲                                            │ of no use
 *                                        └────────────────── why, once ◀──────────────┘
 *
 * Busy and failing servers are asked again after a while, as are lost connections and answers that do not come in time.
 */
import type * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import type { HttpClientError } from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Module from "./internal/module.ts"
import { MutationEngine, MutationFailed, type Request } from "./MutationEngine.ts"

/** Which model is asked, and how. */
export interface Options {
  /** The endpoint itself: `https://example.com/v1/chat/completions`. */
  readonly url: string
  readonly model: string
  /** Sent as a bearer token. */
  readonly apiKey?: Redacted.Redacted | undefined
  /** How freely the model answers; as the endpoint has it where it is left out. */
  readonly temperature?: number | undefined
  /** For each answer; two minutes by default. */
  readonly timeout?: Duration.Input | undefined
  /** How often an endpoint that is busy, fails or does not answer is asked again; 3 times by default. */
  readonly retries?: number | undefined
  /** How long to wait before the first of these, doubled for each one after it; a second by default. */
  readonly wait?: Duration.Input | undefined
}

/** What is needed of an answer; whatever else there is in it stays unread. */
const Answer = Schema.Struct({
  choices: Schema.NonEmptyArray(Schema.Struct({ message: Schema.Struct({ content: Schema.String }) }))
})

interface Said {
  readonly role: "system" | "user" | "assistant"
  readonly content: string
}

/** How often a model is asked in one conversation: what it answers first, and once more where that is of no use. */
const turns = 2

/** The engine over the HTTP client of its fiber; see {@link layer}. */
export const make = Effect.fnUntraced(function* (options: Options) {
  const { apiKey, model, retries = 3, temperature, timeout = "2 minutes", url, wait = "1 second" } = options
  const client = (yield* HttpClient.HttpClient).pipe(
    HttpClient.filterStatusOk,
    HttpClient.transformResponse(Effect.timeout(timeout)),
    HttpClient.retryTransient({ schedule: Schedule.exponential(wait), times: retries })
  )

  const ask = Effect.fnUntraced(function* (messages: ReadonlyArray<Said>) {
    const body = { model, messages, ...(temperature === undefined ? undefined : { temperature }) }
    const request = HttpClientRequest.post(url).pipe(
      HttpClientRequest.acceptJson,
      HttpClientRequest.bodyJsonUnsafe(body)
    )
    const response = yield* client.execute(
      apiKey === undefined ? request : HttpClientRequest.bearerToken(request, apiKey)
    )
    const answer = yield* HttpClientResponse.schemaBodyJson(Answer)(response).pipe(Effect.timeout(timeout))
    return answer.choices[0].message.content
  })

  const propose = Effect.fnUntraced(function* (request: Request) {
    const failed = (reason: string) =>
      new MutationFailed({
        ids: request.parents.flatMap((parent) => (parent === undefined ? [] : [parent.id])),
        reason
      })
    const said: Array<Said> = [
      { role: "system", content: instructions },
      { role: "user", content: question(request) }
    ]
    let wrong = ""
    for (let turn = 0; turn < turns; turn++) {
      const content = yield* Effect.mapError(ask(said), (error) => failed(reasonOf(error)))
      const found = read(content, request)
      if (Result.isSuccess(found)) {
        const { code, message } = found.success
        return { code, generator: model, message }
      }
      wrong = found.failure
      said.push(
        { role: "assistant", content },
        { role: "user", content: `That cannot be used: ${wrong}. Answer anew.` }
      )
    }
    return yield* failed(`what ${model} answered cannot be used: ${wrong}`)
  })

  return MutationEngine.of({ propose: Effect.fn("ChatMutationEngine.propose")(propose), attempts: 2 })
})

/**
 * A mutation engine that asks a model. Needs an HTTP client, as `FetchHttpClient.layer` is. Fails with `MutationFailed` where
 * the endpoint gives no answer or none that can be used.
 */
export const layer = (options: Options): Layer.Layer<MutationEngine, never, HttpClient.HttpClient> =>
  Layer.effect(MutationEngine, make(options))

const instructions = [
  "You improve one module of TypeScript, which is tested and measured after each change.",
  "It stands for itself: no imports, no input or output, no clock, and the same exports as before.",
  "Say in one sentence what you change, then give the whole module in one ```ts block."
].join(" ")

const question = ({ context, goal, parents, task }: Request): string => {
  const { direction, metric, unit = "" } = task.objective
  const measured = (metrics: { readonly [metric: string]: number }): string =>
    metrics[metric] === undefined ? "not measured" : `${metric} ${metrics[metric]}${unit}`
  const versions = parents.flatMap((parent) =>
    parent === undefined ? [] : [`${parent.id}, ${measured(parent.metrics)}:\n\`\`\`ts\n${parent.code.trim()}\n\`\`\``]
  )
  const list = (title: string, lines: ReadonlyArray<string>) =>
    lines.length === 0 ? [] : [`${title}:\n${lines.join("\n")}`]
  return [
    task.goal,
    `${metric}: ${direction} is better. At most ${task.limits.size} characters. ${goal.text}`,
    ...versions,
    ...list(
      "The best so far",
      context.best.slice(0, 5).map(({ id, message, metrics }) => `- ${id}, ${measured(metrics)}: ${message ?? ""}`)
    ),
    ...list(
      "Failed a test lately",
      context.failed.slice(0, 5).map(({ id, message }) => `- ${id}: ${message ?? ""}`)
    )
  ].join("\n\n")
}

/** The code of an answer and what was said about it, or why there is none that can be used. */
const read = (
  content: string,
  { parents, task }: Request
): Result.Result<{ readonly code: string; readonly message: string }, string> => {
  const block = /^```[ \t]*\w*[ \t]*\r?\n([^]*?)^```/m.exec(content)
  const code = `${(block?.[1] ?? content).trim()}\n`
  const message = (block === null ? "" : content.slice(0, block.index)).trim().split("\n")[0] ?? ""
  if (code.length > task.limits.size) {
    return Result.fail(`it has ${code.length} characters, and may have ${task.limits.size}`)
  }
  const script = Module.toScript(code)
  if (Result.isFailure(script)) return Result.fail(script.failure)
  const before = Module.toScript(parents[0].code)
  const lost = Result.isSuccess(before)
    ? before.success.exports.filter((name) => !script.success.exports.includes(name))
    : []
  if (lost.length > 0) return Result.fail(`it no longer exports ${lost.join(", ")}; give the whole module`)
  if (parents.some((parent) => parent?.code.trim() === code.trim())) return Result.fail("it is the module as it was")
  return Result.succeed({ code, message: message.slice(0, 300) })
}

/** For people; an address may hold a key, and is left out. */
const reasonOf = (error: HttpClientError | Cause.TimeoutError | Schema.SchemaError): string => {
  if (error._tag === "TimeoutError") return "the endpoint did not answer in time"
  if (error._tag === "HttpClientError") {
    const { reason } = error
    if (reason._tag === "StatusCodeError") return `the endpoint answered with status ${reason.response.status}`
    if (reason._tag !== "DecodeError") return `the endpoint cannot be reached (${reason._tag})`
  }
  return "the endpoint did not answer as one for chat completions does"
}
