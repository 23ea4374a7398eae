import { defineProject } from "vitest/config"

export default defineProject({ test: { name: "@heph/cli", include: ["test/**/*.test.ts"] } })
