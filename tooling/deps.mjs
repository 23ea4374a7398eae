// Lets `npm start` and `npm test` work in a fresh clone on a machine that has only Node and npm:
// when the dependencies are missing or older than the lockfile, installs them with the pinned pnpm.
// Under pnpm it does nothing, since pnpm does the same by itself (verifyDepsBeforeRun).
import { spawnSync } from "node:child_process"
import { readFileSync, statSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const changed = (file) => statSync(root + file, { throwIfNoEntry: false })?.mtimeMs ?? 0
const underPnpm = process.env.npm_config_user_agent?.startsWith("pnpm/")

if (!underPnpm && changed("node_modules/.pnpm-workspace-state-v1.json") < changed("pnpm-lock.yaml")) {
  const { packageManager } = JSON.parse(readFileSync(root + "package.json", "utf8"))
  const { status } = spawnSync("npx", ["--yes", "--prefer-offline", packageManager, "install", "--frozen-lockfile"], {
    cwd: root,
    shell: process.platform === "win32",
    stdio: ["ignore", process.stderr, process.stderr]
  })
  process.exitCode = status ?? 1
}
