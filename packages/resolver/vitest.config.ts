import { defineProject } from "vitest/config"

export default defineProject({ test: { name: "@heph/resolver", include: ["test/**/*.test.ts"] } })
