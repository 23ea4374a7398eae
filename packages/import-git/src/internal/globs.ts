/** Which paths are wanted. */
import { Minimatch, type MinimatchOptions } from "minimatch"

/** The longest glob, in UTF-16 units. */
const maxLength = 1000

const options: MinimatchOptions = { dot: true, nocomment: true, nonegate: true, platform: "linux" }

/** The first of the globs that is none. */
export const invalid = (globs: ReadonlyArray<string>): string | undefined =>
  globs.find((glob) => trimmed(glob) === "" || glob.length > maxLength)

/** Whether a path matches one of the globs, or is below a folder that does. */
export const matcher = (globs: ReadonlyArray<string>): ((path: string) => boolean) => {
  const patterns = globs
    .map(trimmed)
    .flatMap((glob) => [glob, `${glob}/**`].map((glob) => new Minimatch(glob, options)))
  return (path) => patterns.some((pattern) => pattern.match(path))
}

/** As from the top, whose own name is `.`. */
const trimmed = (glob: string): string =>
  /^\.\/*$/.test(glob) ? "**" : glob.replace(/^\.?\/+/, "").replace(/\/+$/, "")
