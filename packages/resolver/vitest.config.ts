import { defineProject } from "vitest/config"

// Properties of a thousand runs and graphs of 100,000 entries take their time on a busy machine. Files share a process,
// since there is nothing in it that they could change for each other, and loading takes longer than most of them run.
export default defineProject({
  test: { name: "@heph/resolver", include: ["test/**/*.test.ts"], testTimeout: 60_000, isolate: false }
})
