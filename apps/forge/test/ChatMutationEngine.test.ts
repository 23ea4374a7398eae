import { createServer, type IncomingMessage } from "node:http"
import type { AddressInfo } from "node:net"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as ChatMutationEngine from "../src/ChatMutationEngine.ts"
import type * as MutationEngine from "../src/MutationEngine.ts"
import { requestFor, task } from "./support.ts"

interface Asked {
  readonly path: string | undefined
  readonly authorization: string | undefined
  readonly body: {
    readonly model: string
    readonly temperature?: number
    readonly messages: ReadonlyArray<{ readonly role: string; readonly content: string }>
  }
}

/** One answer: what is said, a status, or nothing at all. */
type Answer = { readonly content: unknown } | { readonly status: number; readonly text?: string } | "silence"

const textOf = async (request: IncomingMessage): Promise<string> => {
  let text = ""
  for await (const chunk of request) text += String(chunk)
  return text
}

/** A server that gives these answers one after another, and keeps what it was asked. */
const serve = (
  answers: ReadonlyArray<Answer>
): Effect.Effect<{ url: string; asked: Array<Asked> }, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<{ close: () => void; url: string; asked: Array<Asked> }>((resume) => {
        const asked: Array<Asked> = []
        const server = createServer((request, response) => {
          void textOf(request).then((text) => {
            const body = JSON.parse(text) as Asked["body"]
            asked.push({ path: request.url, authorization: request.headers.authorization, body })
            const answer = answers[asked.length - 1]
            if (answer === undefined || answer === "silence") return
            if ("status" in answer) return response.writeHead(answer.status).end(answer.text)
            response.writeHead(200, { "content-type": "application/json" })
            response.end(
              JSON.stringify({
                id: "1",
                choices: [{ index: 0, message: { role: "assistant", content: answer.content } }]
              })
            )
          })
        })
        server.listen(0, "127.0.0.1", () => {
          const { port } = server.address() as AddressInfo
          const close = () => {
            server.closeAllConnections()
            server.close()
          }
          resume(Effect.succeed({ close, url: `http://127.0.0.1:${port}/v1/chat/completions`, asked }))
        })
      }),
      ({ close }) => Effect.sync(close)
    ),
    ({ asked, url }) => ({ asked, url })
  )

const propose = (options: Omit<ChatMutationEngine.Options, "model">, request: MutationEngine.Request) =>
  ChatMutationEngine.make({ model: "a-model", wait: 1, ...options }).pipe(
    Effect.flatMap((engine) => engine.propose(request)),
    Effect.provide(FetchHttpClient.layer)
  )

const before = "export const guess = (n: number): number => n * 3\n"
const better = "export const guess = (n: number): number => n * 9\n"
const good: Answer = { content: `I make the factor bigger.\n\n\`\`\`ts\n${better}\`\`\`\nThat is all.` }
const request = requestFor([before], "exploit")

describe("an engine that asks a model", () => {
  it.live("asks with goal, parents and what is known, and takes the code block of the answer", () =>
    Effect.gen(function* () {
      const { asked, url } = yield* serve([good])
      const proposal = yield* propose({ url, apiKey: Redacted.make("a secret"), temperature: 0.5 }, request)
      expect(proposal).toEqual({ code: better, generator: "a-model", message: "I make the factor bigger." })
      expect(asked).toHaveLength(1)
      const [{ authorization, body, path }] = asked as [Asked]
      expect({ authorization, path, model: body.model, temperature: body.temperature }).toEqual({
        authorization: "Bearer a secret",
        path: "/v1/chat/completions",
        model: "a-model",
        temperature: 0.5
      })
      expect(body.messages.map(({ role }) => role)).toEqual(["system", "user"])
      const question = body.messages[1]!.content
      for (const part of [
        task.goal,
        "error",
        "lower is better",
        "n * 3",
        "test.f:1",
        `${task.limits.size} characters`
      ]) {
        expect(question).toContain(part)
      }
    }).pipe(Effect.scoped)
  )

  it.live("says of two parents both, and of no key nothing", () =>
    Effect.gen(function* () {
      const { asked, url } = yield* serve([good])
      yield* propose({ url }, requestFor([before, "export const guess = (n: number): number => n ** 4\n"], "crossover"))
      expect(asked[0]!.authorization).toBeUndefined()
      expect(asked[0]!.body.messages[1]!.content).toMatch(/n \* 3[^]*n \*\* 4/)
    }).pipe(Effect.scoped)
  )

  it.live("takes an answer that is nothing but code", () =>
    Effect.gen(function* () {
      const { url } = yield* serve([{ content: better }])
      expect(yield* propose({ url }, request)).toMatchObject({ code: better, message: "" })
    }).pipe(Effect.scoped)
  )

  it.live.each([
    ["does not parse", "```ts\nexport const guess = (\n```", "found `EOF`"],
    ["imports", "```ts\nimport x from 'y'\nexport const guess = x\n```", "it imports y"],
    ["is the module as it was", `\`\`\`ts\n${before}\`\`\``, "it is the module as it was"],
    ["lost an export", "```ts\nexport const other = 1\n```", "it no longer exports guess"],
    ["is too long", `\`\`\`ts\n${better}// ${"x".repeat(700)}\n\`\`\``, "characters, and may have 600"]
  ] as const)("says why where the code %s, and takes the next answer", ([, content, reason]) =>
    Effect.gen(function* () {
      const { asked, url } = yield* serve([{ content }, good])
      expect(yield* propose({ url }, request)).toMatchObject({ code: better })
      const { messages } = asked[1]!.body
      expect(messages.map(({ role }) => role)).toEqual(["system", "user", "assistant", "user"])
      expect(messages[2]!.content).toBe(content)
      expect(messages[3]!.content).toContain(reason)
    }).pipe(Effect.scoped)
  )

  it.live("fails where the second answer is of no use either", () =>
    Effect.gen(function* () {
      const { asked, url } = yield* serve([{ content: "no" }, { content: "I will not." }])
      expect(yield* Effect.flip(propose({ url }, request))).toMatchObject({
        _tag: "MutationFailed",
        ids: ["test.f:1"],
        reason: expect.stringMatching(/^what a-model answered cannot be used: /) as string
      })
      expect(asked).toHaveLength(2)
    }).pipe(Effect.scoped)
  )

  it.live("asks again where the endpoint is busy, fails, or does not answer in time", () =>
    Effect.gen(function* () {
      const { asked, url } = yield* serve([{ status: 500 }, { status: 429 }, "silence", good])
      expect(yield* propose({ url, timeout: 300 }, request)).toMatchObject({ code: better })
      expect(asked).toHaveLength(4)
    }).pipe(Effect.scoped)
  )

  it.live.each([
    ["refuses", [{ status: 401, text: "no such key" }], 1, "the endpoint answered with status 401"],
    ["keeps failing", [{ status: 503 }, { status: 503 }], 2, "the endpoint answered with status 503"],
    ["never answers", ["silence", "silence"], 2, "the endpoint did not answer in time"],
    [
      "answers no JSON",
      [{ status: 200, text: "<html>" }],
      1,
      "the endpoint did not answer as one for chat completions does"
    ],
    ["answers something else", [{ content: 7 }], 1, "the endpoint did not answer as one for chat completions does"]
  ] as ReadonlyArray<readonly [string, ReadonlyArray<Answer>, number, string]>)(
    "fails where the endpoint %s, and tells no secret",
    ([, answers, times, reason]) =>
      Effect.gen(function* () {
        const { asked, url } = yield* serve(answers)
        const options = {
          url: `${url}?key=in-the-address`,
          apiKey: Redacted.make("a secret"),
          timeout: 300,
          retries: 1
        }
        const error = yield* Effect.flip(propose(options, request))
        expect(error).toMatchObject({ _tag: "MutationFailed", reason })
        expect(JSON.stringify(error) + error.message).not.toMatch(/a secret|in-the-address/)
        expect(asked).toHaveLength(times)
      }).pipe(Effect.scoped)
  )

  it.live("fails where nobody listens", () =>
    Effect.gen(function* () {
      const { url } = yield* Effect.scoped(serve([]))
      expect(yield* Effect.flip(propose({ url, retries: 0 }, request))).toMatchObject({
        reason: "the endpoint cannot be reached (TransportError)"
      })
    })
  )
})
