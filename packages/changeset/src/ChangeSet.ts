/** An ordered list of operations that leads from one state to another. */
import type * as Operation from "./Operation.ts"

export type ChangeSet = ReadonlyArray<Operation.Operation>
