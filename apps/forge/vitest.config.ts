import { defineProject } from "vitest/config"

export default defineProject({
  test: {
    name: "@heph/forge",
    include: ["test/**/*.test.ts"],
    // Candidates and commands run as processes of their own, which take their time on a busy machine.
    testTimeout: 120_000
  }
})
