// Packs every public package as pnpm would publish it and checks the tarballs. Run by `pnpm pack:check`.
import { execFileSync } from "node:child_process"
import { mkdtempSync, readdirSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const dir = mkdtempSync(join(tmpdir(), "heph-pack-"))
const run = (cmd, ...args) => execFileSync(cmd, args, { stdio: "inherit" })
run("pnpm", "-r", "pack", "--pack-destination", dir)
for (const file of readdirSync(dir)) {
  run("publint", "--strict", join(dir, file))
  run("attw", "--profile", "esm-only", "--format", "ascii", join(dir, file))
}
