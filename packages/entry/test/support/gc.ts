import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

setFlagsFromString("--expose-gc")
const gc = runInNewContext("gc") as () => void

/** Collects garbage, and lets its finalizers run, which are tasks of their own. */
const collect = async (): Promise<void> => {
  gc()
  await new Promise((resolve) => setImmediate(resolve))
}

/** Collects garbage until there is no more of it. */
export const settle = async (): Promise<void> => {
  for (let i = 0; i < 3; i++) await collect()
}

/** Collects garbage until something holds; false where it does not after a good while. */
export const collectUntil = async (holds: () => boolean): Promise<boolean> => {
  for (let i = 0; i < 50 && !holds(); i++) await collect()
  return holds()
}

/** The heap that is in use once the garbage is gone, in bytes. */
export const heapUsed = async (): Promise<number> => {
  await settle()
  return process.memoryUsage().heapUsed
}
