/**
 * A task: what is to become better, how that is tested and measured, and what to begin with. It is a folder:
 *
 *     task.json     what it is about, its objective, its limits          {@link Definition}
 *     start/*.ts    the versions to begin with
 *     judge.ts      exports `tests` and `measure`, and runs beside each candidate in a process of its own
 *     *.json        what is measured on: `train`, and `heldOut`, which no candidate is chosen by
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Module from "./internal/module.ts"

/** The folder of a task is not as one must be, or there is none. */
export class InvalidTask extends Schema.TaggedError<InvalidTask>()("InvalidTask", {
  /** The file or folder. */
  path: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `${this.path}: ${this.reason}`
  }
}

const Positive = Schema.Int.check(Schema.isGreaterThan(0))

/** What `task.json` says. Other keys are refused. */
export const Definition = Schema.Struct({
  title: Schema.NonEmptyString,
  /** The component that its versions are of: `project.component`. */
  component: Schema.NonEmptyString,
  /** What a candidate has to do, for people and for models. */
  goal: Schema.NonEmptyString,
  objective: Schema.Struct({
    /** One of what `measure` of the judge gives. */
    metric: Schema.NonEmptyString,
    /** Which values of it are better. */
    direction: Schema.Literals(["lower", "higher"]),
    unit: Schema.optionalKey(Schema.String)
  }),
  /** Files beside it. */
  data: Schema.Struct({ train: Schema.NonEmptyString, heldOut: Schema.optionalKey(Schema.NonEmptyString) }),
  limits: Schema.Struct({
    /** In milliseconds, for each test. */
    test: Positive,
    /** In milliseconds, for measuring. */
    measure: Positive,
    /** In MB. */
    memory: Positive,
    /** Of a candidate's code, in characters. */
    size: Positive
  })
})

/** A task that has been read. */
export interface Task extends Omit<typeof Definition.Type, "data"> {
  /** The name of its folder. */
  readonly name: string
  /** In the order of their names. */
  readonly starts: ReadonlyArray<Start>
  /** The script of `judge.ts`. */
  readonly judge: string
  readonly data: { readonly train: unknown; readonly heldOut: unknown }
}

/** A version to begin with. */
export interface Start {
  /** The name of its file, without what follows the dot. */
  readonly name: string
  readonly code: string
}

// Beside the sources, and beside what they are compiled to.
const builtInFolder = fileURLToPath(new URL("../tasks/", import.meta.url))

/** The names of the tasks that come with this. */
export const builtIn: ReadonlyArray<string> = readdirSync(builtInFolder, { withFileTypes: true })
  .filter((item) => item.isDirectory())
  .map(({ name }) => name)
  .sort()

/** The task of a name, of those that come with this, or of a folder. */
export const load = Effect.fn("Task.load")(function* (nameOrFolder: string) {
  const folder = builtIn.includes(nameOrFolder) ? path.join(builtInFolder, nameOrFolder) : path.resolve(nameOrFolder)
  if (!existsSync(path.join(folder, "task.json"))) {
    const reason = `there is no task.json in it; the tasks that come with this are ${builtIn.join(", ")}`
    return yield* new InvalidTask({ path: nameOrFolder, reason })
  }
  const { data, ...definition } = yield* readDefinition(path.join(folder, "task.json"))
  const judgeFile = path.join(folder, "judge.ts")
  const judge = yield* Effect.fromResult(
    Result.mapError(
      Module.toScript(yield* readText(judgeFile)),
      (reason) => new InvalidTask({ path: judgeFile, reason })
    )
  )
  const starts = yield* Effect.forEach(yield* startFiles(path.join(folder, "start")), (file) =>
    Effect.map(readText(file), (code): Start => ({ name: path.basename(file, ".ts"), code }))
  )
  const train = yield* readJson(path.join(folder, data.train))
  const heldOut = data.heldOut === undefined ? undefined : yield* readJson(path.join(folder, data.heldOut))
  const task: Task = {
    ...definition,
    name: path.basename(folder),
    starts,
    judge: judge.code,
    data: { train, heldOut }
  }
  return task
})

const attempt = <A>(file: string, use: () => A): Effect.Effect<A, InvalidTask> =>
  Effect.try({
    try: use,
    catch: (cause) => new InvalidTask({ path: file, reason: cause instanceof Error ? cause.message : String(cause) })
  })

const readText = (file: string) => attempt(file, () => readFileSync(file, "utf8"))

const readJson = (file: string) =>
  Effect.flatMap(readText(file), (text) => attempt(file, () => JSON.parse(text) as unknown))

const decodeDefinition = Schema.decodeUnknownEffect(Definition, { onExcessProperty: "error", errors: "all" })

const readDefinition = (file: string) =>
  Effect.flatMap(readJson(file), (json) =>
    Effect.mapError(decodeDefinition(json), (error) => new InvalidTask({ path: file, reason: error.message }))
  )

const startFiles = Effect.fnUntraced(function* (folder: string) {
  const names = yield* attempt(folder, () => readdirSync(folder))
  const files = names
    .filter((name) => name.endsWith(".ts"))
    .sort()
    .map((name) => path.join(folder, name))
    .filter((file) => statSync(file).isFile())
  if (files.length === 0) return yield* new InvalidTask({ path: folder, reason: "there is no .ts file to begin with" })
  return files
})
