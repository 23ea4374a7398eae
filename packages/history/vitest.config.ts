import { defineProject } from "vitest/config"

export default defineProject({ test: { name: "@heph/history", include: ["test/**/*.test.ts"] } })
