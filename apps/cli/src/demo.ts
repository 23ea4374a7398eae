/**
 * `npm start`: the product on real input, without a question. Applies the examples to `./registry`, looks around, goes
 * back and forward again, imports the git history of this repository, shows versions of its code, and says what to try next.
 * What it does the first time it finds done the second time.
 */
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { run, runMain } from "./main.ts"
import { note, Output, print, type Stream, type Streams } from "./Output.ts"
import * as Settings from "./Settings.ts"
import * as Table from "./Table.ts"

const store = "./registry"
const there = fileURLToPath(new URL("../examples", import.meta.url))
const examples = relative("", there).startsWith("..") ? there : relative("", there)

/** What stands before each line that a command prints. */
const indent = "  "

/** A command failed, and has told why. */
class Stopped extends Schema.TaggedError<Stopped>()("Stopped", { code: Schema.Int }) {}

/** Streams that keep what is written to them, in one text. */
const keeping = (streams: Streams) => {
  const kept: Array<string> = []
  const write: Stream["write"] = (text) =>
    Effect.sync(() => void kept.push(typeof text === "string" ? text : Buffer.from(text).toString()))
  const keep = ({ columns, style }: Stream): Stream => ({
    isTerminal: false,
    columns: columns === undefined ? undefined : columns - indent.length,
    style,
    write
  })
  return { streams: { out: keep(streams.out), err: keep(streams.err) }, text: () => kept.join("") }
}

/** What a command prints. Where it fails, that is told, and the demonstration ends. */
const heph = Effect.fnUntraced(function* (args: ReadonlyArray<string>) {
  const streams: Streams = yield* Output
  const kept = keeping(streams)
  const code = yield* run(["--store", store, ...args]).pipe(Effect.provideService(Output, kept.streams))
  if (code === 0) return kept.text()
  yield* Effect.ignore(streams.err.write(kept.text()))
  return yield* new Stopped({ code })
})

/** Shows a command and what it prints: of many lines the first ones and the last. */
const show = Effect.fnUntraced(function* (args: ReadonlyArray<string>, most = 16) {
  const { out } = yield* Output
  const words = [...storeWords, ...args].map((word) => (/^[\w./:=-]+$/.test(word) ? word : `'${word}'`))
  yield* print(out.style.cyan(`$ heph ${words.join(" ")}`))
  const lines = (yield* heph(args)).split("\n").slice(0, -1)
  const hidden = lines.length - most
  const shown =
    hidden <= 1 ? lines : [...lines.slice(0, most - 2), out.style.dim(`… ${hidden} lines more …`), ...lines.slice(-2)]
  yield* print(shown.map((line) => (line === "" ? "" : indent + line)).join("\n"))
})

/** Commands are shown as they work here: with the folder, where another one would be taken without it. */
const storeWords = (process.env["HEPH_STORE"] ?? "") !== "" || existsSync(Settings.file) ? ["--store", store] : []

const title = (text: string) => Effect.flatMap(Output, ({ out }) => print(`\n${out.style.bold(text)}`))

/** The versions on the way from the root to head. */
const versions = Effect.gen(function* () {
  const { path } = JSON.parse(yield* heph(["path", "v0", "head", "--json"])) as {
    readonly path: ReadonlyArray<{ readonly version: number }>
  }
  return [0, ...path.map(({ version }) => version)]
})

const demonstration = Effect.gen(function* () {
  const { out } = yield* Output
  yield* print(`${out.style.bold("Hephaestus Registry")}: the definitions of ${examples} in a registry at ${store}`)

  yield* title("1. What would applying the definitions change?")
  yield* show(["plan", examples])
  yield* title("2. Apply them: one transaction, dependencies first, one version.")
  yield* show(["apply", examples, "-m", "the examples"])
  yield* title("3. The versions there are.")
  yield* show(["log", "--limit", "10"])
  yield* title("4. Ask for entries by what they are.")
  yield* show(["find", ".kind=function.*", "meta.team=accounts", "--sort", ".name", "--limit", "5"])
  yield* show(["deps", "shop.infra:main_db", "--reverse", "--transitive"], 10)

  const way = yield* versions
  const head = way.at(-1) ?? 0
  const before = way.at(-2) ?? 0
  yield* title(`5. Go back to v${before}, and to v${head} again: nothing is lost on the way.`)
  yield* Effect.gen(function* () {
    yield* show(["checkout", `v${before}`])
    yield* show(["status"])
  }).pipe(Effect.ensuring(Effect.orDie(show(["checkout", `v${head}`]))))
  yield* show(["verify"])

  const component = yield* hasGit ? imported : sampled
  const [newest, other] = yield* newestOf(component)
  yield* title(`7. The versions of ${component}, and what the last one changed.`)
  yield* show(["versions", component, "--desc", "--limit", "5"])
  if (newest !== undefined && other !== undefined) yield* show(["compare", other, newest], 24)
  yield* title("8. Where it comes from, and which code says what.")
  yield* show(["lineage", newest ?? component], 10)
  yield* show(["search", "code~^export (class|const)", "--sort", "meta.created", "--desc", "--limit", "3"])

  yield* title("What to try next")
  const columns: ReadonlyArray<Table.Column> = [
    { mark: (cell, style) => style.cyan(cell) },
    { mark: (cell, style) => style.dim(cell) }
  ]
  yield* print(Table.render(columns, next(head, component, newest ?? component, other ?? component), out))
  yield* print(`\nChange a file in ${examples} and run npm start again, or remove ${store} to begin anew.`)
  return 0
})

/** This repository. Whether its history can be read: it is one, whole, with a commit, and git is there and trusts it. */
const repository = fileURLToPath(new URL("../../..", import.meta.url))
const git = (...args: ReadonlyArray<string>) => spawnSync("git", ["-C", repository, ...args], { encoding: "utf8" })
const hasGit =
  existsSync(join(repository, ".git")) &&
  git("rev-parse", "--verify", "--quiet", "HEAD").status === 0 &&
  git("rev-parse", "--is-shallow-repository").stdout.trim() === "false"

/** Registers the history of this repository; gives the file with the most versions. */
const imported = Effect.gen(function* () {
  yield* title("6. Import the git history of this repository: each file a component, each change of it a version.")
  yield* show(["import", "git", relative("", repository) || ".", "--project", "heph"])
  const { components } = JSON.parse(yield* heph(["versions", "--json"])) as {
    readonly components: ReadonlyArray<{ readonly component: string; readonly count: number }>
  }
  const code = components.filter(({ component }) => component.endsWith(".ts"))
  return code.reduce((most, one) => (one.count > most.count ? one : most)).component
})

const sample = fileURLToPath(new URL("../sample", import.meta.url))

/** Registers the sample, where there is no repository: a function that got better, with its scores. */
const sampled = Effect.gen(function* () {
  const component = "sample.median"
  yield* title("6. Register some versions of a function, with their scores.")
  const { components } = JSON.parse(yield* heph(["versions", "--json"])) as {
    readonly components: ReadonlyArray<{ readonly component: string }>
  }
  if (components.some((one) => one.component === component)) {
    yield* show(["versions"])
    return component
  }
  for (const [folder, speed] of Object.entries({ first: 1.0, sorted: 2.4, selected: 6.1 })) {
    const file = relative("", join(sample, folder, "median.js"))
    yield* show(["register", file, "--component", component, "--metric", `speed=${speed}`, "-m", folder])
  }
  return component
})

/** The ids of the two newest versions of a component. */
const newestOf = Effect.fnUntraced(function* (component: string) {
  const { versions } = JSON.parse(yield* heph(["versions", component, "--desc", "--limit", "2", "--json"])) as {
    readonly versions: ReadonlyArray<{ readonly id: string }>
  }
  return versions.map(({ id }) => id)
})

const next = (
  head: number,
  component: string,
  newest: string,
  other: string
): ReadonlyArray<readonly [command: string, what: string]> => [
  ["npx heph --help", "every command, with examples"],
  ["npx heph find '*.name=user' --data", "entries whose names hold user, with their data"],
  [`npx heph show v${head}`, "what a version changed, value by value"],
  [`npx heph tag works v${head}`, "a name for it"],
  [`npx heph plan ${examples} --prune --json`, "the same plan for a script"],
  [`npx heph compare ${other} ${newest} --html compared.html`, "what changed, as a page"],
  [`npx heph search near ${component}`, "code that is like it"],
  [`npx heph record ${newest} --metric score=1 --tag good`, "what you find out about it"],
  ["npm run forge -- run bin-packing --rounds 20", "a loop that improves code, and keeps every attempt"],
  ["npx heph watch", "versions as they come, while you apply in another terminal"]
]

const program: Effect.Effect<number> =
  process.argv.length > 2
    ? Effect.as(note("npm start takes no arguments. To run a command: npx heph --help"), 2)
    : demonstration.pipe(
        Effect.catchTags({
          OutputClosed: () => Effect.succeed(0),
          OutputFailed: ({ message }) => Effect.as(note(message), 1),
          Stopped: ({ code }) => Effect.succeed(code)
        })
      )

runMain(program)
