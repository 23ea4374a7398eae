// Checks what users will get: `npm run pack:check [-- --node 22 --node 24]`.
//
//     pack every public package ──▶ publint, attw ──▶ npm install of the tarballs into an empty project
//         ──▶ type-check and run the examples of the READMEs there, and the installed `heph`, on each Node asked for
//
// Runs on the Node of the workspace; needs npm on PATH, and its registry.
import { execFile } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, dirname, join } from "node:path"
import { parseArgs } from "node:util"
import { launch } from "./postgres/src/server.ts"
import * as Examples from "./repo/src/Examples.ts"
import * as Workspace from "./repo/src/Workspace.ts"

const { values } = parseArgs({ options: { node: { type: "string", multiple: true, default: [] } } })

/** A step that did not work; its message is what the user sees. */
class Failure extends Error {}

/**
 * Runs a command to its end and returns its standard output.
 *
 * @param {string} command
 * @param {ReadonlyArray<string>} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} [options]
 * @returns {Promise<string>}
 */
const run = (command, args, options) =>
  new Promise((resolve, reject) => {
    // npm runs on the workspace's Node here, which does not know the certificates of the machine unless told.
    const env = { NODE_USE_SYSTEM_CA: "1", ...process.env, ...options?.env }
    const settings = { cwd: options?.cwd ?? Workspace.root, env, shell: process.platform === "win32", maxBuffer: 1e8 }
    execFile(command, args, settings, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else reject(new Failure(`${command} ${args.join(" ")}\n${stdout}${stderr}`.trim()))
    })
  })

/**
 * Runs a step under its heading, and says how long it took.
 *
 * @template A
 * @param {string} name
 * @param {() => Promise<A>} work
 */
const step = async (name, work) => {
  const start = performance.now()
  process.stdout.write(`${name} … `)
  const result = await work()
  console.log(`${((performance.now() - start) / 1000).toFixed(1)} s`)
  return result
}

/**
 * Does the work for every item, two at a time.
 *
 * @template A
 * @param {Iterable<A>} items
 * @param {(item: A) => Promise<unknown>} work
 */
const forEach = async (items, work) => {
  const queue = [...items]
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item)
  }
  await Promise.all([worker(), worker()])
}

const quiet = ["--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error", "--prefer-offline"]
const home = mkdtempSync(join(tmpdir(), "heph-pack-"))
process.on("exit", () => rmSync(home, { recursive: true, force: true }))
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130))

const tarballs = join(home, "tarballs")
const project = join(home, "project")
const examples = Examples.collect().filter(({ document }) =>
  Workspace.published.some(({ dir }) => document === `${dir}/README.md`)
)

/** @type {{ packageManager: string }} */
const rootManifest = JSON.parse(Workspace.read("package.json"))
/** The versions that the workspace has for what users install beside the packages. */
const versionOf = (/** @type {string} */ name) => {
  /** @type {{ version: string }} */
  const { version } = JSON.parse(Workspace.read(`tooling/repo/node_modules/${name}/package.json`))
  return version
}

const pack = async () => {
  mkdirSync(tarballs)
  const filters = ["--filter", "./packages/*", "--filter", "./apps/*"]
  const args = [
    "--yes",
    ...quiet,
    rootManifest.packageManager,
    ...filters,
    "-r",
    "pack",
    "--pack-destination",
    tarballs
  ]
  await run("npx", args)
  const files = readdirSync(tarballs)
  if (files.length !== Workspace.published.length)
    throw new Failure(`expected ${Workspace.published.length} tarballs, got ${files.join(", ")}`)
  return new Map(
    Workspace.published.map(({ key, manifest }) => [
      manifest.name,
      join(tarballs, `heph-${key}-${manifest.version}.tgz`)
    ])
  )
}

/** @param {ReadonlyMap<string, string>} packed */
const install = async (packed) => {
  const dependencies = Object.fromEntries([...packed].map(([name, file]) => [name, `file:${file}`]))
  const manifest = {
    private: true,
    type: "module",
    dependencies: {
      ...dependencies,
      "@types/node": versionOf("@types/node"),
      effect: versionOf("effect"),
      typescript: versionOf("typescript")
    },
    // Packages name each other by version, which npm does not have yet.
    overrides: Object.fromEntries([...packed.keys()].map((name) => [name, `$${name}`]))
  }
  mkdirSync(project)
  writeFileSync(join(project, "package.json"), JSON.stringify(manifest, null, 2))
  await run("npm", ["install", ...quiet], { cwd: project })
}

/** Type-checks the examples against the installed declarations, which are checked as well. */
const checkTypes = async () => {
  const dir = join(project, "examples")
  Examples.write(dir, examples)
  const compilerOptions = {
    target: "es2024",
    module: "nodenext",
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    noEmit: true,
    types: ["node"]
  }
  writeFileSync(join(dir, "tsconfig.json"), JSON.stringify({ compilerOptions }))
  await run(join(project, "node_modules/.bin/tsc"), ["-p", dir], { cwd: project })
}

/** The program of a Node release, from npm. */
const fetchNode = async (/** @type {string} */ release) => {
  const dir = join(home, `node-${release}`)
  mkdirSync(dir)
  writeFileSync(join(dir, "package.json"), JSON.stringify({ private: true }))
  await run("npm", ["install", ...quiet, `node@${release}`], { cwd: dir })
  return join(dir, "node_modules/node/bin/node")
}

/** @param {string} node */
const useOn = async (node) => {
  const running = examples.filter((example) => example.run)
  // Some of them write to a server, which must have nothing of theirs yet.
  const server = await launch()
  process.env["HEPH_POSTGRES"] = server.url
  /** @type {Awaited<ReturnType<typeof Examples.run>>} */
  let outcomes
  try {
    outcomes = await Examples.run(join(project, "examples"), running, node)
  } finally {
    await server.close()
  }
  const problems = [...outcomes].filter(([, problem]) => problem !== undefined)
  if (problems.length > 0) throw new Failure(problems.map(([name, problem]) => `${name}: ${problem}`).join("\n"))
  const PATH = `${dirname(node)}${delimiter}${process.env["PATH"]}`
  const version = await run(join(project, "node_modules/.bin/heph"), ["--version"], {
    cwd: home,
    env: { ...process.env, PATH }
  })
  const cli = Workspace.apps.find(({ key }) => key === "cli")
  if (!version.includes(`${cli?.manifest.version}`)) {
    throw new Failure(`heph --version printed ${version.trim()}, and its package says ${cli?.manifest.version}`)
  }
}

try {
  const packed = await step("pack", pack)
  await step("publint", () => forEach(packed.values(), (file) => run("publint", ["--strict", file])))
  await step("attw", () =>
    forEach(packed.values(), (file) => run("attw", ["--profile", "esm-only", "--format", "ascii", "--no-emoji", file]))
  )
  await step("npm install of the tarballs", () => install(packed))
  await step(`types of ${examples.length} README examples`, checkTypes)
  await step(`README examples and heph on Node ${process.version}`, () => useOn(process.execPath))
  for (const release of values.node) {
    const node = await step(`npm install of Node ${release}`, () => fetchNode(release))
    const version = (await run(node, ["--version"])).trim()
    await step(`README examples and heph on Node ${version}`, () => useOn(node))
  }
  console.log(`${packed.size} packages are fit to publish.`)
} catch (cause) {
  if (!(cause instanceof Failure)) throw cause
  console.error(`failed\n\n${cause.message}`)
  process.exitCode = 1
}
