import { defineProject } from "vitest/config"

export default defineProject({ test: { name: "@heph/entry", include: ["test/**/*.test.ts"] } })
