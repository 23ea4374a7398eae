import { defineProject } from "vitest/config"

export default defineProject({ test: { name: "@heph/changeset", include: ["test/**/*.test.ts"] } })
