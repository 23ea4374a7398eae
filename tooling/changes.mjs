// Checks that what changed since a release is announced: `npm run changes`.
//
// A package's last release is the last commit that touched its CHANGELOG.md, which only `changeset version` writes. So
// this needs no branch to compare with, and works in a clone of one branch; a package that was never released must
// have a changeset. On a branch, with origin/main at hand, changesets' own check of the branch comes on top.
import { execFileSync, spawnSync } from "node:child_process"
import { globSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { readChangesets } from "@changesets/read"

const root = fileURLToPath(new URL("..", import.meta.url))

/** @param {ReadonlyArray<string>} args */
const git = (...args) => execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim()

/** What npm gets of a package, and what makes it. */
const shipped = ["src", "package.json", "examples"]

const announced = new Set(
  (await readChangesets(root)).flatMap((changeset) => changeset.releases.map((release) => release.name))
)
const missing = []

for (const path of globSync("{packages,apps}/*/package.json", { cwd: root }).sort()) {
  const dir = path.slice(0, -"/package.json".length)
  /** @type {{ name: string, private?: boolean }} */
  const { name, private: unpublished } = JSON.parse(readFileSync(root + path, "utf8"))
  if (unpublished || announced.has(name)) continue
  // Just now being released: `changeset version` has run, and its commit is still to come.
  if (git("status", "--porcelain", "--", `${dir}/CHANGELOG.md`) !== "") continue
  const released = git("log", "-1", "--format=%H", "--", `${dir}/CHANGELOG.md`)
  if (released === "") missing.push(`${name} was never released and has no changeset`)
  else {
    const changed = git("diff", "--name-only", released, "--", ...shipped.map((part) => `${dir}/${part}`))
    if (changed !== "")
      missing.push(`${name} changed since its release ${released.slice(0, 9)}: ${changed.split("\n").join(", ")}`)
  }
}

if (missing.length > 0) {
  console.error(`${missing.join("\n")}\nDescribe the change for its users: npx changeset`)
  process.exitCode = 1
} else {
  console.log(
    `Changesets for ${[...announced].sort().join(", ") || "nothing"}; nothing else changed since its release.`
  )
}

const base = spawnSync("git", ["merge-base", "HEAD", "origin/main"], { cwd: root, encoding: "utf8" })
if (base.status === 0 && base.stdout.trim() !== git("rev-parse", "HEAD")) {
  const { status } = spawnSync("changeset", ["status", "--since=origin/main"], { cwd: root, stdio: "inherit" })
  if (status !== 0) process.exitCode = 1
}
