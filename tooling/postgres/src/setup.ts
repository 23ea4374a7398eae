/**
 * Vitest's `globalSetup` of whoever tests with PostgreSQL: `url()` is that of a server that runs as long
 * as the tests do, or that of `HEPH_TEST_POSTGRES`, whose user may create schemas. A server that does not start fails
 * the run: nothing that needs it is ever skipped.
 */
import type { TestProject } from "vitest/node"
import { launch, type Server } from "./server.ts"
import { key } from "./url.ts"

let server: Server | undefined

export const setup = async (project: TestProject): Promise<void> => {
  const given = process.env["HEPH_TEST_POSTGRES"]
  if (given !== undefined && given !== "") return project.provide(key, given)
  server = await launch().catch((cause: unknown) => {
    throw new Error(
      "PostgreSQL DID NOT START, and these tests need it. Name a server in HEPH_TEST_POSTGRES, or see what is wrong below.",
      { cause }
    )
  })
  project.provide(key, server.url)
}

export const teardown = async (): Promise<void> => server?.close()
