import { defineProject } from "vitest/config"

export default defineProject({ test: { name: "@heph/history-sqlite", include: ["test/**/*.test.ts"] } })
