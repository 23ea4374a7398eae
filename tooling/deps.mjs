// Lets `npm start` and `npm test` work in a fresh clone on a machine that has only Node and npm:
// when the dependencies are missing or older than the lockfile, installs them with the pinned pnpm.
// Under pnpm it does nothing, since pnpm does the same by itself (verifyDepsBeforeRun).
import { spawnSync } from "node:child_process"
import { existsSync, readFileSync, statSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const major = Number(process.versions.node.split(".")[0])

/** @param {string} file */
const changed = (file) => statSync(root + file, { throwIfNoEntry: false })?.mtimeMs ?? 0

/** @param {string} message */
const fail = (message) => {
  console.error(`\n${message}`)
  process.exit(1)
}

if (major < 18) fail(`Node ${process.version} is too old to install the dependencies: use 18 or later.`)

const underPnpm = process.env["npm_config_user_agent"]?.startsWith("pnpm/")
// pnpm writes this file at the end of an install, so that a broken-off one is done again.
if (!underPnpm && changed("node_modules/.pnpm-workspace-state-v1.json") < changed("pnpm-lock.yaml")) {
  /** @type {{ packageManager: string }} */
  const { packageManager } = JSON.parse(readFileSync(root + "package.json", "utf8"))
  console.error(`Installing the dependencies with ${packageManager} …`)
  const { error, status } = spawnSync(
    "npx",
    // Without --prefer-offline, npx waits for minutes where there is no network.
    ["--yes", "--prefer-offline", "--loglevel=error", packageManager, "install", "--frozen-lockfile"],
    {
      cwd: root,
      // npx may run on the workspace's own Node, which does not know the certificates of the machine unless told.
      env: { NODE_USE_SYSTEM_CA: "1", ...process.env },
      shell: process.platform === "win32",
      stdio: ["ignore", process.stderr, process.stderr]
    }
  )
  if (status !== 0) {
    fail(
      `The dependencies could not be installed (${error?.message ?? `pnpm ended with ${status}`}; its reasons are above).\n` +
        `An install needs the npm registry, or a pnpm store that has everything. To try again: npx ${packageManager} install`
    )
  }
}

// The lockfile brings Node 26 for Linux and macOS; elsewhere it must be there already.
if (major < 26 && !existsSync(`${root}node_modules/.bin/node`)) {
  fail(
    `No Node 26 comes with the dependencies on ${process.platform}-${process.arch}, and this one is ${process.version}.`
  )
}
