/** How a version gets its name within its component. Whatever the strategy, no name is given twice. */
import * as semver from "semver"

/**
 * - `incremental`: 1, 2, 3 …
 * - `semantic`: 1.0.0, then what the metadata says grows: major, minor, or patch where it is silent
 * - `content`: the SHA-256 of the code; code that the component has already gets `-2`, `-3` … behind it
 */
export type VersionStrategy = "incremental" | "semantic" | "content"

/** What a name is made from. */
export interface Naming {
  readonly strategy: VersionStrategy
  /** The version's place in its component, from 1. */
  readonly sequence: number
  /** The hash of its code. */
  readonly hash: string
  readonly bump: "major" | "minor" | "patch"
  /** The name of the component's newest version. */
  readonly newest: string | undefined
  /** Every name that the component has, asked for only where the newest one does not tell. */
  readonly names: () => Iterable<string>
  readonly isTaken: (name: string) => boolean
}

/**
 * The name of the next version. It costs a few lookups, and a look at all names only where the strategy was another one
 * before.
 *
 * @example
 * import * as VersionStrategy from "@heph/implementations/VersionStrategy"
 *
 * const taken = ["1.0.0", "1.0.1"]
 * const name = VersionStrategy.next({
 *   strategy: "semantic",
 *   sequence: 3,
 *   hash: "0".repeat(64),
 *   bump: "minor",
 *   newest: "1.0.1",
 *   names: () => taken,
 *   isTaken: (name) => taken.includes(name)
 * })
 * console.log(name) //=> 1.1.0
 */
export const next = (naming: Naming): string => {
  const { bump, hash, isTaken, sequence, strategy } = naming
  if (strategy === "incremental") {
    for (let number = sequence; ; number++) if (!isTaken(String(number))) return String(number)
  }
  if (strategy === "content") {
    if (!isTaken(hash)) return hash
    for (let copy = 2; ; copy++) if (!isTaken(`${hash}-${copy}`)) return `${hash}-${copy}`
  }
  const highest = highestOf(naming)
  if (highest === undefined) return "1.0.0"
  let name = semver.inc(highest, bump)!
  while (isTaken(name)) name = semver.inc(name, "patch")!
  return name
}

/** Whether a name is a semantic version as it is written here: no `v`, no white space. */
const isSemantic = (name: string): boolean => semver.valid(name) === name

const highestOf = ({ names, newest }: Naming): string | undefined => {
  if (newest === undefined) return undefined
  if (isSemantic(newest)) return newest
  let highest: string | undefined
  for (const name of names()) {
    if (isSemantic(name) && (highest === undefined || semver.gt(name, highest))) highest = name
  }
  return highest
}
