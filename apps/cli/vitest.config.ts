import { defineProject } from "vitest/config"

export default defineProject({
  test: {
    name: "@heph/cli",
    include: ["test/**/*.test.ts"],
    globalSetup: ["@heph/test-postgres/setup"],
    // Commands run as processes of their own, ~0.5 s each, and many times that on a busy machine.
    testTimeout: 120_000
  }
})
