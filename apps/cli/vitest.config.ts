import { defineProject } from "vitest/config"

// Commands run as processes of their own, ~0.5 s each, and many times that on a busy machine.
export default defineProject({ test: { name: "@heph/cli", include: ["test/**/*.test.ts"], testTimeout: 120_000 } })
