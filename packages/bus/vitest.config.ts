import { defineProject } from "vitest/config"

export default defineProject({ test: { name: "@heph/bus", include: ["test/**/*.test.ts"] } })
