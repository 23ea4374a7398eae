import { defineProject } from "vitest/config"

export default defineProject({
  test: { name: "@heph/implementations", include: ["test/**/*.test.ts"], globalSetup: ["@heph/test-postgres/setup"] }
})
