// Closes a run with the plain line "N passed, N failed[, N skipped]", counted from Vitest's own results.
import type { Reporter, SerializedError, TestModule } from "vitest/node"

export default class Tally implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>, unhandled: ReadonlyArray<SerializedError>): void {
    let passed = 0
    let failed = unhandled.length // an error outside every test fails the run
    let skipped = 0
    for (const module of modules) {
      failed += module.errors().length // a file that does not load holds no test to fail
      for (const suite of module.children.allSuites()) failed += suite.errors().length // a failing hook
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state === "passed") passed++
        else if (state === "failed") failed++
        else skipped++ // skipped, todo, or never reached
      }
    }
    const line = `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`
    process.once("exit", () => console.log(line)) // after every other reporter and the coverage table
  }
}
