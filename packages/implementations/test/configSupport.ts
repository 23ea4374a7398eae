import * as RegistryConfig from "@heph/implementations/RegistryConfig"
import * as Result from "effect/Result"

/** What a `heph.yaml` sets. */
export const settings = (text: string): RegistryConfig.Settings =>
  Result.getOrThrow(RegistryConfig.parseFile(text, "heph.yaml"))

/** The problems that something is refused with, without the advice of each. */
export const problems = (
  result: Result.Result<RegistryConfig.Settings, RegistryConfig.InvalidConfig>
): ReadonlyArray<string> =>
  Result.getOrThrow(Result.flip(result)).problems.map(({ column, line, reason, source }) =>
    [source, ...(line === undefined ? [] : [line, column]), ` ${reason}`].join(":")
  )

/** The problems that a `heph.yaml` is refused with. */
export const refused = (text: string): ReadonlyArray<string> => problems(RegistryConfig.parseFile(text, "heph.yaml"))

/** The text of a `heph.yaml` with these options, the first of them on line 3 and all at column 5. */
export const file = (...lines: ReadonlyArray<string>): string =>
  ["components:", "  registry:", ...lines.map((line) => `    ${line}`), ""].join("\n")
