import { defineProject } from "vitest/config"

// Properties of a thousand runs and graphs of 100,000 entries take their time on a busy machine.
export default defineProject({
  test: { name: "@heph/resolver", include: ["test/**/*.test.ts"], testTimeout: 60_000 }
})
