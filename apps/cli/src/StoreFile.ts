/** The files of a store that is in one. */
import { statSync } from "node:fs"

/** How many bytes the file has, and those that SQLite keeps beside it. */
export const size = (filename: string): number =>
  ["", "-wal", "-shm"].reduce((sum, end) => sum + (statSync(filename + end, { throwIfNoEntry: false })?.size ?? 0), 0)
