import { defineProject } from "vitest/config"

export default defineProject({ test: { name: "@heph/content", include: ["test/**/*.test.ts"] } })
