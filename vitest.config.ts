import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    projects: ["packages/*", "apps/*", "tooling/repo"],
    reporters: ["default", "./tooling/tally.ts"],
    coverage: { provider: "v8", include: ["{packages,apps}/*/src/**/*.ts"], reporter: ["text", "json-summary"] }
  }
})
