import { defineProject } from "vitest/config"

export default defineProject({
  test: { name: "@heph/registry", include: ["test/**/*.test.ts"], globalSetup: ["@heph/test-postgres/setup"] }
})
