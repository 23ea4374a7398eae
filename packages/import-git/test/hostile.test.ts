import * as fs from "node:fs"
import * as path from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { describe, expect, it } from "@effect/vitest"
import * as GitRepository from "@heph/import-git/GitRepository"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ChildProcessSpawner, makeHandle } from "effect/process/ChildProcessSpawner"
import * as Stream from "effect/Stream"
import { commitsOf, nameOf, read } from "./fixtures/import.ts"
import { type CommitSpec, git, gitText, repository, temporaryFolder } from "./fixtures/repositories.ts"

/** With variables of the environment set, or unset, which a child process started meanwhile has. */
const withEnvironment = <A, E, R>(
  variables: Readonly<Record<string, string>>,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const before = Object.keys(variables).map((name) => [name, process.env[name]] as const)
      Object.assign(process.env, variables)
      return before
    }),
    () => effect,
    (before) =>
      Effect.sync(() => {
        for (const [name, value] of before) {
          if (value === undefined) delete process.env[name]
          else process.env[name] = value
        }
      })
  )

const lines = (word: string): string => `${word}\n`.repeat(20)

const submodule = (digit: string) => ({ mode: "160000" as const, content: digit.repeat(40) })

const history: ReadonlyArray<CommitSpec> = [
  { parents: [], files: { a: lines("a"), b: lines("b"), "new\nline": "1", ":(glob)*": "2" }, message: "\nblob\u0001:" },
  { parents: [0], files: { "src/x": `${lines("a")}more\n`, "src/y": `${lines("b")}more\n`, m: submodule("1") } },
  { parents: [0], files: { a: `${lines("a")}x\n`, b: lines("b"), "new\nline": "", "HEAD^": "" }, message: ":1 2 grün" },
  { parents: [1, 2], files: { "src/x": lines("both"), "new\nline": "2", "HEAD^": "\n\n", m: submodule("2") } }
]

/** All that a read gives, in words. */
const summary = Effect.fnUntraced(function* (folder: string) {
  const commits = yield* commitsOf(folder)
  const contents = yield* read(folder)
  return [
    commits.map(({ author, date, id, message, skipped }) => [id, author.name, date, message, skipped]),
    contents.map(([{ parents, version }, { bytes }]) => [
      nameOf(version),
      ...parents.map(nameOf),
      Buffer.from(bytes!).toString()
    ])
  ]
})

/** Every process writes what it writes in pieces of so many bytes. */
const inPieces = (length: number) =>
  Layer.effect(
    ChildProcessSpawner,
    Effect.map(ChildProcessSpawner, (spawner) =>
      ChildProcessSpawner.of({
        ...spawner,
        spawn: (command) =>
          Effect.map(spawner.spawn(command), (handle) =>
            makeHandle({
              ...handle,
              stdout: Stream.flatMap(handle.stdout, (bytes) =>
                Stream.fromIterable(
                  Array.from({ length: Math.ceil(bytes.length / length) }, (_, i) =>
                    bytes.subarray(i * length, (i + 1) * length)
                  )
                ).pipe(Stream.rechunk(1))
              )
            })
          )
      })
    )
  ).pipe(Layer.provide(NodeServices.layer))

it.layer(NodeServices.layer)("a history is read the same", (it) => {
  it.effect.each([1, 2, 7, 64])("in pieces of %i bytes", (length) =>
    Effect.gen(function* () {
      const { folder } = yield* repository(history)
      const whole = yield* summary(folder)
      expect(yield* Effect.provide(summary(folder), inPieces(length))).toEqual(whole)
    })
  )

  it.effect("whatever the user prefers", () =>
    Effect.gen(function* () {
      const { folder } = yield* repository(history)
      const plain = yield* summary(folder)
      const settings = {
        "core.quotePath": "true",
        "core.abbrev": "5",
        "core.pager": "false",
        "diff.renames": "false",
        "diff.renameLimit": "1",
        "diff.external": "false",
        "diff.noprefix": "true",
        "diff.relative": "true",
        "diff.orderFile": "/nowhere",
        "diff.ignoreSubmodules": "all",
        "diff.statGraphWidth": "1",
        "format.pretty": "oneline",
        "i18n.logOutputEncoding": "ISO-8859-1",
        "log.date": "relative",
        "log.diffMerges": "off",
        "log.follow": "true",
        "log.mailmap": "true",
        "log.showRoot": "false",
        "log.showSignature": "true",
        "color.ui": "always"
      }
      for (const [name, value] of Object.entries(settings)) git(folder, ["config", name, value])
      expect(yield* summary(folder)).toEqual(plain)
    })
  )

  it.effect("in a process that git started for another repository", () =>
    Effect.gen(function* () {
      const { folder } = yield* repository(history)
      const other = yield* repository([{ parents: [], files: { other: "1" } }])
      const plain = yield* summary(folder)
      const variables = {
        GIT_DIR: other.folder,
        GIT_WORK_TREE: other.folder,
        GIT_INDEX_FILE: path.join(other.folder, "index"),
        GIT_OBJECT_DIRECTORY: path.join(other.folder, "objects"),
        GIT_LITERAL_PATHSPECS: "1",
        LC_ALL: "de_DE.UTF-8",
        LANGUAGE: "de"
      }
      expect(yield* withEnvironment(variables, summary(folder))).toEqual(plain)
    })
  )

  it.effect("as the reader's replacements have it, like git show", () =>
    Effect.gen(function* () {
      const { folder, ids } = yield* repository(history)
      const instead = git(folder, ["hash-object", "-w", "--stdin"], "instead").toString().trim()
      git(folder, ["replace", gitText(folder, "rev-parse", `${ids[0]}:a`), instead])
      const found = (yield* read(folder)).find(([{ version }]) => version.commit === ids[0] && version.path === "a")
      expect(Buffer.from(found![1].bytes!)).toEqual(git(folder, ["show", `${ids[0]}:a`]))
    })
  )
})

it.layer(NodeServices.layer)("what is odd in a history", (it) => {
  it.effect("are paths that are not UTF-8: skipped by name, and the others are not", () =>
    Effect.gen(function* () {
      const { folder } = yield* repository([{ parents: [], files: { a: "1" } }])
      const blob = gitText(folder, "rev-parse", "HEAD:a")
      const entry = (name: Buffer) => Buffer.concat([Buffer.from(`100644 blob ${blob}\t`), name, Buffer.from("\0")])
      const names = [Buffer.from("caf\xe9", "latin1"), Buffer.from("caf\uFFFD"), Buffer.from("\uFEFFbom")]
      const tree = git(folder, ["mktree", "-z"], Buffer.concat(names.map(entry)))
        .toString()
        .trim()
      const commit = gitText(folder, "commit-tree", "-m", "names", tree)
      const [made] = yield* commitsOf(folder, { revisions: [commit] })
      expect(made!.changes.map(({ version }) => version.path).sort()).toEqual(["caf\uFFFD", "\uFEFFbom"])
      expect(made!.skipped).toEqual([{ path: "caf\uFFFD", reason: "encoding" }])
    })
  )

  it.effect("are such paths that look like another file's: each is taken for itself", () =>
    Effect.gen(function* () {
      const { folder } = yield* repository([{ parents: [], files: { a: "1" } }])
      const commit = (bytes: string, text: string, ...parents: ReadonlyArray<string>) => {
        const blobs = [bytes, text].map((content) => git(folder, ["hash-object", "-w", "--stdin"], content).toString())
        const [first, second] = blobs.map((id) => Buffer.from(`100644 blob ${id.trim()}\tcaf`))
        const entries = [first!, Buffer.from([0xe9, 0]), second!, Buffer.from("\uFFFD\0")]
        const tree = git(folder, ["mktree", "-z"], Buffer.concat(entries)).toString().trim()
        return gitText(folder, "commit-tree", "-m", "m", ...parents.flatMap((parent) => ["-p", parent]), tree)
      }
      const base = commit("0", "0")
      const ours = commit("0", "ours", base)
      const theirs = commit("theirs", "theirs", base)
      const merge = commit("theirs", "both", ours, theirs)
      const made = (yield* commitsOf(folder, { revisions: [merge] })).find(({ id }) => id === merge)!
      expect(made.skipped).toEqual([])
      expect(made.changes.map(({ parents }) => parents.map(({ commit }) => commit))).toEqual([[ours, theirs]])
    })
  )

  it.effect("are messages in other encodings, authors without a name and dates that are none", () =>
    Effect.gen(function* () {
      const { folder } = yield* repository([{ parents: [], files: { a: "1" } }])
      const tree = gitText(folder, "rev-parse", "HEAD^{tree}")
      const made = Effect.fnUntraced(function* (author: string, message: string, encoding?: string) {
        const header = `tree ${tree}\nauthor ${author}\ncommitter Ada <a@b> 1 +0000\n`
        const text = `${header}${encoding === undefined ? "" : `encoding ${encoding}\n`}\n${message}`
        const args = ["hash-object", "-t", "commit", "-w", "--literally", "--stdin"]
        const id = git(folder, args, Buffer.from(text, "latin1")).toString().trim()
        const [commit] = yield* commitsOf(folder, { revisions: [id] })
        return [commit!.author.name, commit!.author.email, commit!.date, commit!.message]
      })
      expect(yield* made("Ad\xe9 <a@b> 1 +0000", "gr\xfcn", "ISO-8859-1")).toEqual(["Adé", "a@b", 1000, "grün"])
      expect(yield* made("Ad\xe9 <a@b> 1 +0000", "gr\xfcn\n\n")).toEqual(["Ad\uFFFD", "a@b", 1000, "gr\uFFFDn"])
      expect(yield* made(" <> 1 +0000", "")).toEqual(["", "", 1000, ""])
      expect(yield* made("Ada <a@b> never", "m")).toEqual(["Ada", "a@b", 0, "m"])
      expect(yield* made("Ada <a@b> 99999999999999999 +0000", "m")).toEqual(["Ada", "a@b", 0, "m"])
    })
  )
})

it.layer(NodeServices.layer)("a repository is refused", (it) => {
  const refusal = (folder: string, options?: GitRepository.Options) => Effect.flip(GitRepository.open(folder, options))

  it.effect("where there is none", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const missing = path.join(folder, "missing")
      expect(yield* refusal(folder)).toMatchObject({ _tag: "GitError", reason: "NotARepository", repository: folder })
      expect(yield* refusal(missing)).toMatchObject({ reason: "NotARepository", repository: missing })
    })
  )

  it.effect("where there is no git", () =>
    Effect.gen(function* () {
      const { folder } = yield* repository(history)
      const error = yield* withEnvironment({ PATH: folder }, refusal(folder))
      expect([error.reason, error.message]).toEqual(["GitMissing", expect.stringContaining("Install git")])
    })
  )

  it.effect("that belongs to somebody else, with what to do about it", () =>
    Effect.gen(function* () {
      const { folder } = yield* repository(history)
      const error = yield* withEnvironment({ GIT_TEST_ASSUME_DIFFERENT_OWNER: "1" }, refusal(folder))
      expect(error.reason).toBe("Untrusted")
      expect(error.message).toContain(`git config --global --add safe.directory ${folder}`)
    })
  )

  it.effect("for a revision that it does not have, or an option in its place", () =>
    Effect.gen(function* () {
      const { folder } = yield* repository(history)
      for (const revision of ["nowhere", "--all", "HEAD:a", ""]) {
        const error = yield* refusal(folder, { revisions: ["main", revision] })
        expect([error.reason, error.message]).toEqual([
          "UnknownRevision",
          expect.stringContaining(JSON.stringify(revision))
        ])
      }
    })
  )

  it.effect.each(["", "/", "a".repeat(1001)])("for the glob %j", (glob) =>
    Effect.gen(function* () {
      const { folder } = yield* repository(history)
      expect(yield* refusal(folder, { paths: ["a", glob] })).toMatchObject({ reason: "InvalidGlob" })
    })
  )
})

describe("a damaged repository", () => {
  const remove = (folder: string, id: string) =>
    Effect.sync(() => fs.rmSync(path.join(folder, "objects", id.slice(0, 2), id.slice(2))))

  /** With every object in a file of its own. */
  const loose = Effect.gen(function* () {
    const { folder, ids } = yield* repository(history)
    for (const pack of fs.globSync(path.join(folder, "objects/pack/*.pack"))) {
      const bytes = fs.readFileSync(pack)
      for (const file of fs.globSync(path.join(folder, "objects/pack/*"))) fs.rmSync(file)
      git(folder, ["unpack-objects", "-q"], bytes)
    }
    return { folder, ids }
  })

  it.layer(NodeServices.layer)("is read as far as it goes, and then", (it) => {
    it.effect("names the content that is missing", () =>
      Effect.gen(function* () {
        const { folder } = yield* loose
        const blob = gitText(folder, "rev-parse", "HEAD:new\nline")
        yield* remove(folder, blob)
        const error = yield* Effect.flip(read(folder))
        expect(error).toMatchObject({ reason: "Unreadable", repository: folder })
        expect(error.message).toContain(blob)
      })
    )

    it.effect("names the content that is damaged", () =>
      Effect.gen(function* () {
        const { folder } = yield* loose
        const blob = gitText(folder, "rev-parse", "HEAD:new\nline")
        const file = path.join(folder, "objects", blob.slice(0, 2), blob.slice(2))
        fs.chmodSync(file, 0o600)
        fs.writeFileSync(file, "damaged")
        const error = yield* Effect.flip(read(folder))
        expect(error).toMatchObject({ reason: "Unreadable", repository: folder })
        expect(error.message).toContain(blob)
      })
    )

    it.effect("says what git says of a tree that is missing", () =>
      Effect.gen(function* () {
        const { folder } = yield* loose
        const tree = gitText(folder, "rev-parse", "HEAD^{tree}")
        yield* remove(folder, tree)
        const error = yield* Effect.flip(commitsOf(folder))
        expect(error).toMatchObject({ reason: "Failed", repository: folder })
        expect(error.message).toContain(tree)
      })
    )

    it.effect("says what git says of a commit that is missing, and is not taken for an empty one", () =>
      Effect.gen(function* () {
        const { folder, ids } = yield* loose
        yield* remove(folder, ids[0]!)
        expect((yield* Effect.flip(commitsOf(folder))).message).toContain(ids[0])
        yield* remove(folder, ids[3]!)
        expect((yield* Effect.flip(commitsOf(folder))).message).toContain(ids[3])
      })
    )

    it.effect.each([0, 1, 2])("names the missing commit %i that git's index of commits still knows", (missing) =>
      Effect.gen(function* () {
        const { folder, ids } = yield* loose
        git(folder, ["commit-graph", "write", "--reachable"])
        yield* remove(folder, ids[missing]!)
        const error = yield* Effect.flip(commitsOf(folder))
        expect(error).toMatchObject({ reason: "Unreadable", repository: folder })
        expect(error.message).toContain(ids[missing])
      })
    )
  })
})
