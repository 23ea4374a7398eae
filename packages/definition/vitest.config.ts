import { defineProject } from "vitest/config"

export default defineProject({ test: { name: "@heph/definition", include: ["test/**/*.test.ts"] } })
