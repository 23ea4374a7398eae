import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

setFlagsFromString("--expose-gc")

/** Collects garbage. Its finalizers are still to run: they are tasks of their own. */
export const collect = runInNewContext("gc") as () => void

const sweep = async (): Promise<void> => {
  collect()
  await new Promise((resolve) => setImmediate(resolve))
}

/** Collects garbage until there is no more of it, and lets its finalizers run. */
export const settle = async (): Promise<void> => {
  for (let i = 0; i < 3; i++) await sweep()
}

/** Collects garbage until something holds; false where it does not after a good while. */
export const collectUntil = async (holds: () => boolean): Promise<boolean> => {
  for (let i = 0; i < 50 && !holds(); i++) await sweep()
  return holds()
}

/** The heap that is in use once the garbage is gone, in bytes. */
export const heapUsed = async (): Promise<number> => {
  await settle()
  return process.memoryUsage().heapUsed
}
