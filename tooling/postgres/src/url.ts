/** Where the server is that `setup` started, for tests. */
import { inject } from "vitest"

declare module "vitest" {
  export interface ProvidedContext {
    postgres: string
  }
}

/** Under which name it is provided. */
export const key = "postgres"

/** The URL of the server that runs as long as the tests do. */
export const url = (): string => inject(key)
