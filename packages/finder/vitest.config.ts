import { defineProject } from "vitest/config"

export default defineProject({ test: { name: "@heph/finder", include: ["test/**/*.test.ts"], testTimeout: 60_000 } })
