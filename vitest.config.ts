import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    projects: ["packages/*", "apps/*", "tooling/repo"],
    // All cores: Vitest leaves one free, which on a machine with two is half of it.
    maxWorkers: "100%",
    reporters: ["default", "./tooling/tally.ts"],
    // Matched from the folder of each project.
    coverage: { provider: "v8", include: ["**/src/**/*.ts"], reporter: ["text", "json-summary"] }
  }
})
