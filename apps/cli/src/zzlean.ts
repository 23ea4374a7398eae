import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as Stdio from "effect/Stdio"
import * as Terminal from "effect/Terminal"
import * as Spawner from "effect/process/ChildProcessSpawner"
export const layer = Layer.mergeAll(FileSystem.layerNoop({}), Path.layer, Stdio.layerTest({}), Layer.succeed(Terminal.Terminal, Terminal.make({columns: Effect.succeed(80), rows: Effect.succeed(24), size: Effect.die("x"), readInput: Effect.die("x"), readLine: Effect.die("x"), display: () => Effect.void} as any)), Layer.succeed(Spawner.ChildProcessSpawner, Spawner.make(() => Effect.die("x"))))
