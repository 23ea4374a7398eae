/**
 * Test results as test runners write them:
 *
 *     [{ "name", "outcome", "duration"?, "message"? }]     as they are recorded, or below "tests"
 *     { "testResults": [{ "assertionResults": … }] }       vitest and jest: --reporter=json
 *     <testsuite><testcase …>                              JUnit: node --test, pytest, gradle, cargo nextest and many more
 */
import { readFile } from "node:fs/promises"
import { basename } from "node:path"
import type { TestResult } from "@heph/implementations/Implementation"
import * as Effect from "effect/Effect"
import type { Element } from "effect/encoding/Xml"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { standardInput } from "./Input.ts"

/** A report cannot be read. */
export class InvalidTestReport extends Schema.TaggedError<InvalidTestReport>()("InvalidTestReport", {
  /** The file, or `standard input`. */
  source: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `${this.source}: ${this.reason}`
  }
}

/** The results that a file holds, or standard input where it is `-`. */
export const read = Effect.fnUntraced(function* (file: string) {
  const source = file === "-" ? "standard input" : file
  const refuse = (reason: string) => new InvalidTestReport({ source, reason })
  const bytes =
    file === "-"
      ? yield* standardInput("test results")
      : yield* Effect.tryPromise({
          try: (): Promise<Uint8Array> => readFile(file),
          catch: (cause) => {
            const { code, message } = cause as NodeJS.ErrnoException
            return refuse(code === "ENOENT" ? "there is no such file" : message)
          }
        })
  const text = yield* Effect.try({
    try: () => new TextDecoder("utf-8", { fatal: true }).decode(bytes),
    catch: () => refuse("it is not UTF-8")
  })
  return yield* text.trimStart().startsWith("<") ? fromXml(text, refuse) : fromJson(text, refuse)
})

type Refuse = (reason: string) => InvalidTestReport

const expected = `JSON is a list of {"name", "outcome"}, such a list in "tests", or what vitest and jest print with --reporter=json`

const Outcome = Schema.Literals(["passed", "failed", "skipped"])

const Results = Schema.Array(
  Schema.Struct({
    name: Schema.NonEmptyString,
    outcome: Outcome,
    duration: Schema.optionalKey(Schema.Finite),
    message: Schema.optionalKey(Schema.String)
  })
)

const Reported = Schema.Struct({
  testResults: Schema.Array(
    Schema.Struct({
      name: Schema.optionalKey(Schema.String),
      status: Schema.optionalKey(Schema.String),
      message: Schema.optionalKey(Schema.NullOr(Schema.String)),
      assertionResults: Schema.Array(
        Schema.Struct({
          ancestorTitles: Schema.optionalKey(Schema.Array(Schema.String)),
          title: Schema.String,
          status: Schema.String,
          duration: Schema.optionalKey(Schema.NullOr(Schema.Finite)),
          failureMessages: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.String)))
        })
      )
    })
  )
})

const Json = Schema.Union([Schema.Struct({ tests: Results }), Reported, Results])

const decodeJson = Schema.decodeUnknownEffect(Schema.fromJsonString(Json))

const fromJson = (text: string, refuse: Refuse): Effect.Effect<ReadonlyArray<TestResult>, InvalidTestReport> =>
  decodeJson(text).pipe(
    Effect.mapError((error) => refuse(`it is no report of tests: ${error.message}. ${expected}`)),
    Effect.map((found) => {
      if (!("testResults" in found)) return "tests" in found ? found.tests : found
      const results = found.testResults.flatMap((suite) => {
        // Vitest and jest give the path of the file, which is another one on every machine.
        const file = suite.name === undefined ? "a file" : basename(suite.name)
        const results = suite.assertionResults.map(
          ({ ancestorTitles = [], duration, failureMessages, status, title }): TestResult => ({
            name: [...ancestorTitles.filter((title) => title !== ""), title].join(" > "),
            outcome: status === "passed" ? "passed" : status === "failed" ? "failed" : "skipped",
            ...(typeof duration === "number" && duration >= 0 ? { duration } : undefined),
            ...messageOf(failureMessages?.join("\n"))
          })
        )
        // A file that could not even be loaded has no tests to fail.
        if (results.length > 0 || suite.status !== "failed") return results
        return [{ name: file, outcome: "failed" as const, ...messageOf(suite.message) }]
      })
      return unique(results)
    })
  )

const messageOf = (text: string | null | undefined): Pick<TestResult, "message"> | undefined =>
  text === undefined || text === null || text.trim() === "" ? undefined : { message: text }

const fromXml = Effect.fnUntraced(function* (text: string, refuse: Refuse) {
  const Xml = yield* Effect.promise(() => import("effect/encoding/Xml"))
  const roots = yield* Stream.make(text).pipe(
    Stream.pipeThroughChannel(Xml.decodeString()),
    Stream.pipeThroughChannel(Xml.elements(["*"], { maxElementSize: Infinity })),
    Stream.runCollect,
    Effect.mapError(({ message }) => refuse(`it is no XML: ${message}`))
  )
  const results: Array<TestResult> = []
  for (const root of roots) {
    if (root.name !== "testsuites" && root.name !== "testsuite") {
      return yield* refuse(`it is no report of tests: JUnit's begins with <testsuites>, and this with <${root.name}>`)
    }
    for (const found of testCases(root)) results.push(found)
  }
  return unique(results)
})

/** The test cases of suites, which may be in suites themselves. */
function* testCases(suite: Element): Iterable<TestResult> {
  for (const child of suite.children) {
    if (typeof child === "string") continue
    if (child.name !== "testcase") yield* testCases(child)
    else yield fromCase(child)
  }
}

const fromCase = ({ attributes, children }: Element): TestResult => {
  const within = children.filter((child) => typeof child !== "string")
  const failure = within.find(({ name }) => name === "failure" || name === "error")
  const isSkipped = within.some(({ name }) => name === "skipped")
  const { classname = "", name = "", time } = attributes
  const seconds = Number(time?.replaceAll(",", ""))
  const said = failure === undefined ? undefined : [failure.attributes["message"], textIn(failure)]
  return {
    name: [classname, name].filter((part) => part !== "").join(" > ") || "a test without a name",
    outcome: failure !== undefined ? "failed" : isSkipped ? "skipped" : "passed",
    ...(time !== undefined && seconds >= 0 && Number.isFinite(seconds) ? { duration: seconds * 1000 } : undefined),
    ...messageOf(said?.filter((part) => part !== undefined && part.trim() !== "").join("\n"))
  }
}

const textIn = ({ children }: Element): string => children.filter((child) => typeof child === "string").join("")

/** Runners have names several times over, and results are compared by name: all but the first get a number. */
const unique = (results: ReadonlyArray<TestResult>): ReadonlyArray<TestResult> => {
  const taken = new Set(results.map(({ name }) => name))
  const counts = new Map<string, number>()
  return results.map((result) => {
    const { name } = result
    let count = (counts.get(name) ?? 0) + 1
    if (count > 1) while (taken.has(`${name} (${count})`)) count++
    counts.set(name, count)
    return count === 1 ? result : { ...result, name: `${name} (${count})` }
  })
}
