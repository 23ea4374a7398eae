import { defineProject } from "vitest/config"

export default defineProject({ test: { name: "@heph/import-git", include: ["test/**/*.test.ts"] } })
