import { defineProject } from "vitest/config"

export default defineProject({
  test: {
    name: "@heph/history-postgres",
    include: ["test/**/*.test.ts"],
    globalSetup: ["@heph/test-postgres/setup"]
  }
})
