import { defineProject } from "vitest/config"

export default defineProject({ test: { name: "@heph/history-memory", include: ["test/**/*.test.ts"] } })
