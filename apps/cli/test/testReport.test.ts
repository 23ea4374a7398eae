import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestReport from "../src/TestReport.ts"
import { folder } from "./support.ts"

const read = (text: string | Uint8Array) =>
  Effect.suspend(() => TestReport.read(join(folder({ report: text }), "report")))

describe("a report of tests", () => {
  it.effect("in the words of the registry, a list or below tests", () =>
    Effect.gen(function* () {
      const tests = [
        { name: "adds", outcome: "passed", duration: 1.5 },
        { name: "divides", outcome: "failed", message: "by 0" },
        { name: "roots", outcome: "skipped" }
      ]
      expect(yield* read(JSON.stringify(tests))).toEqual(tests)
      expect(yield* read(JSON.stringify({ tests, by: "me" }))).toEqual(tests)
      expect(yield* read("[]")).toEqual([])
    })
  )

  it.effect("of vitest and jest: titles joined, the same ones numbered, a file that was not loaded as a test", () =>
    Effect.gen(function* () {
      const assertion = {
        ancestorTitles: ["", "sort"],
        title: "works",
        status: "passed",
        duration: 2,
        failureMessages: []
      }
      const report = {
        success: false,
        testResults: [
          {
            name: "/src/a.test.ts",
            status: "failed",
            message: "",
            assertionResults: [
              assertion,
              { ...assertion, status: "failed", duration: null, failureMessages: ["expected 1", "at a.ts"] },
              { ...assertion, title: "works (2)", status: "pending" },
              { ...assertion, ancestorTitles: [], title: "later", status: "todo" }
            ]
          },
          { name: "/src/b.test.ts", status: "failed", message: "SyntaxError", assertionResults: [] },
          { name: "/src/c.test.ts", status: "passed", assertionResults: [] }
        ]
      }
      expect(yield* read(JSON.stringify(report))).toEqual([
        { name: "sort > works", outcome: "passed", duration: 2 },
        { name: "sort > works (3)", outcome: "failed", message: "expected 1\nat a.ts" },
        { name: "sort > works (2)", outcome: "skipped", duration: 2 },
        { name: "later", outcome: "skipped", duration: 2 },
        { name: "b.test.ts", outcome: "failed", message: "SyntaxError" }
      ])
    })
  )

  it.effect("of JUnit: suites in suites, seconds as milliseconds, what failed and why", () =>
    Effect.gen(function* () {
      const report = `<?xml version="1.0" encoding="utf-8"?>
        <testsuites>
          <testsuite name="outer" tests="4">
            <properties><property name="x" value="1"/></properties>
            <testcase classname="lab.Sort" name="letters &amp; digits" time="0.25"/>
            <testsuite name="inner">
              <testcase name="numbers" time="1,000.5"><failure message="expected 1" type="E"><![CDATA[at <a.py>]]></failure></testcase>
              <testcase name="breaks"><error>boom</error></testcase>
            </testsuite>
            <testcase name="slow" time="oops"><skipped/></testcase>
          </testsuite>
        </testsuites>`
      const expected = [
        { name: "lab.Sort > letters & digits", outcome: "passed", duration: 250 },
        { name: "numbers", outcome: "failed", duration: 1_000_500, message: "expected 1\nat <a.py>" },
        { name: "breaks", outcome: "failed", message: "boom" },
        { name: "slow", outcome: "skipped" }
      ]
      expect(yield* read(report)).toEqual(expected)
      expect(yield* read(`<testsuite>${"<testcase name='t'/>".repeat(3)}</testsuite>`)).toEqual(
        ["t", "t (2)", "t (3)"].map((name) => ({ name, outcome: "passed" }))
      )
    })
  )

  it.effect.each<[what: string, text: string | Uint8Array, reason: RegExp]>([
    ["no JSON", "TAP version 13", /^.*report: it is no report of tests: .*--reporter=json$/s],
    ["another JSON", `{"a":1}`, /no report of tests/],
    ["an outcome that is none", `[{"name":"a","outcome":"ok"}]`, /outcome/],
    ["a test without a name", `[{"name":"","outcome":"passed"}]`, /name/],
    ["broken XML", "<testsuite><testcase>", /it is no XML: /],
    ["another XML", "<html></html>", /this with <html>$/],
    ["an entity of its own", `<!DOCTYPE a [<!ENTITY b "c">]><testsuite name="&b;"/>`, /it is no XML: /],
    ["bytes", new Uint8Array([60, 255]), /it is not UTF-8$/]
  ])("is refused where it is %s", ([, text, reason]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(read(text))
      expect(error._tag).toBe("InvalidTestReport")
      expect(error.message).toMatch(reason)
    })
  )

  it.effect("is refused where there is none", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(TestReport.read(join(folder(), "none.json")))
      expect(error.message).toMatch(/none\.json: there is no such file$/)
    })
  )
})
