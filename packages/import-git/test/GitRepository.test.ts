import * as fs from "node:fs"
import * as path from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { describe, expect, it } from "@effect/vitest"
import type { Commit } from "@heph/import-git/Commit"
import * as GitRepository from "@heph/import-git/GitRepository"
import * as Effect from "effect/Effect"
import { type ChildProcessHandle, ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Stream from "effect/Stream"
import { commitsOf, read } from "./fixtures/import.ts"
import { type CommitSpec, git, gitText, repository, temporaryFolder } from "./fixtures/repositories.ts"

const text = (word: string): string => `${word}\n`.repeat(20)

/** What became of the files of each commit: `path < parents`, with commits by their place in the list. */
const story = (ids: ReadonlyArray<string>, commits: ReadonlyArray<Commit>): Record<number, ReadonlyArray<string>> =>
  Object.fromEntries(
    commits.map(({ changes, deleted, id, skipped }) => [
      ids.indexOf(id),
      [
        ...changes.map(({ parents, version }) =>
          [version.path, ...parents.map(({ commit, path }) => `< ${ids.indexOf(commit)}:${path}`)].join(" ")
        ),
        ...deleted.map(({ commit, path }) => `deleted ${ids.indexOf(commit)}:${path}`),
        ...skipped.map(({ path, reason }) => `skipped ${path}: ${reason}`)
      ].sort()
    ])
  )

const byPath = ([a]: ReadonlyArray<unknown>, [b]: ReadonlyArray<unknown>): number => String(a).localeCompare(String(b))

const storyOf = Effect.fnUntraced(function* (commits: ReadonlyArray<CommitSpec>, options?: GitRepository.Options) {
  const { folder, ids } = yield* repository(commits)
  return story(ids, yield* commitsOf(folder, options))
})

it.layer(NodeServices.layer)("GitRepository", (it) => {
  describe("the commits of a line", () => {
    it.effect("come oldest first, with who wrote them, when and why", () =>
      Effect.gen(function* () {
        const { folder, ids } = yield* repository([
          {
            parents: [],
            files: { a: "1" },
            message: "first\n\nwith a body\n",
            author: "Grace Hopper <grace@example.org>"
          },
          { parents: [0], files: { a: "2" }, message: "grün ☃", author: " <>" },
          { parents: [1], files: { a: "2" } }
        ])
        const commits = yield* commitsOf(folder)
        expect(
          commits.map(({ author, date, id, message, parents }) => ({ author, date, id, message, parents }))
        ).toEqual([
          {
            id: ids[0],
            parents: [],
            author: { name: "Grace Hopper", email: "grace@example.org" },
            date: 1_600_000_000_000,
            message: "first\n\nwith a body"
          },
          {
            id: ids[1],
            parents: [ids[0]],
            author: { name: "", email: "" },
            date: 1_600_000_001_000,
            message: "grün ☃"
          },
          {
            id: ids[2],
            parents: [ids[1]],
            author: { name: "Ada", email: "ada@example.org" },
            date: 1_600_000_002_000,
            message: ""
          }
        ])
      })
    )

    it.effect("give a file a version where they change it", () =>
      Effect.gen(function* () {
        const found = yield* storyOf([
          { parents: [], files: { a: "1", "src/b": "1" } },
          { parents: [0], files: { a: "2", "src/b": "1" } },
          { parents: [1], files: { a: "2", "src/b": "2", c: "1" } },
          { parents: [2], files: { a: { mode: "100755", content: "2" }, "src/b": "2", c: "1" } }
        ])
        expect(found).toEqual({ 0: ["a", "src/b"], 1: ["a < 0:a"], 2: ["c", "src/b < 0:src/b"], 3: ["a < 1:a"] })
      })
    )

    it.effect("may have ids of SHA-256", () =>
      Effect.gen(function* () {
        const { folder, ids } = yield* repository(
          [
            { parents: [], files: { a: "1" } },
            { parents: [0], files: { a: "2" } }
          ],
          "sha256"
        )
        expect(ids.map((id) => id.length)).toEqual([64, 64])
        expect(story(ids, yield* commitsOf(folder))).toEqual({ 0: ["a"], 1: ["a < 0:a"] })
        expect((yield* read(folder)).map(([, { bytes }]) => Buffer.from(bytes!).toString())).toEqual(["1", "2"])
      })
    )

    it.effect("follow a file that is renamed, edited or not", () =>
      Effect.gen(function* () {
        const found = yield* storyOf([
          { parents: [], files: { a: text("a"), b: text("b") } },
          { parents: [0], files: { "src/a": text("a"), "src/b": `${text("b")}more\n` } },
          { parents: [1], files: { "src/a": text("a2"), "src/b": `${text("b")}more\n` } }
        ])
        expect(found).toEqual({ 0: ["a", "b"], 1: ["src/a < 0:a", "src/b < 0:b"], 2: ["src/a < 1:src/a"] })
      })
    )

    it.effect("know a file again that was deleted, or renamed away", () =>
      Effect.gen(function* () {
        const found = yield* storyOf([
          { parents: [], files: { a: text("a"), b: text("b") } },
          { parents: [0], files: { c: text("b") } },
          { parents: [1], files: { c: text("b") } },
          { parents: [2], files: { a: text("again"), b: text("new"), c: text("b") } }
        ])
        expect(found).toEqual({ 0: ["a", "b"], 1: ["c < 0:b", "deleted 0:a"], 2: [], 3: ["a < 0:a", "b < 0:b"] })
      })
    )

    it.effect("say which files are executable, links or binary, and skip submodules by name", () =>
      Effect.gen(function* () {
        const bytes = Uint8Array.from({ length: 512 }, (_, i) => i % 256)
        const { folder } = yield* repository([
          {
            parents: [],
            files: {
              run: { mode: "100755", content: "#!/bin/sh\n" },
              link: { mode: "120000", content: "../else where" },
              data: { mode: "100644", content: bytes },
              empty: "",
              "lib/sub": { mode: "160000", content: "1".repeat(40) }
            }
          },
          // The submodule becomes a file, the file a submodule, the link a file.
          {
            parents: [0],
            files: { "lib/sub": "now a file", empty: { mode: "160000", content: "2".repeat(40) }, link: "x" }
          }
        ])
        const commits = yield* commitsOf(folder)
        expect(commits.map(({ skipped }) => skipped)).toEqual([
          [{ path: "lib/sub", reason: "submodule" }],
          [{ path: "empty", reason: "submodule" }]
        ])
        const found = (yield* read(folder)).map(([{ parents, version }, { bytes }]) => [
          version.path,
          version.kind,
          parents.length,
          Buffer.from(bytes!).toString("latin1")
        ])
        expect(found.sort(byPath)).toEqual([
          ["data", "file", 0, Buffer.from(bytes).toString("latin1")],
          ["empty", "file", 0, ""],
          ["lib/sub", "file", 0, "now a file"],
          ["link", "link", 0, "../else where"],
          ["link", "file", 1, "x"],
          ["run", "executable", 0, "#!/bin/sh\n"]
        ])
      })
    )
  })

  describe("a merge", () => {
    const base: CommitSpec = { parents: [], files: { a: text("a"), b: text("b") } }

    it.effect("that takes each file from one side makes no version", () =>
      Effect.gen(function* () {
        const found = yield* storyOf([
          base,
          { parents: [0], files: { a: text("ours"), b: text("b") } },
          { parents: [0], files: { a: text("a"), b: text("theirs"), c: "new" } },
          { parents: [1, 2], files: { a: text("ours"), b: text("theirs"), c: "new" } },
          { parents: [3], files: { a: text("ours2"), b: text("theirs2"), c: "new2" } }
        ])
        expect(found).toMatchObject({ 3: [], 4: ["a < 1:a", "b < 2:b", "c < 2:c"] })
      })
    )

    it.effect("that settles a conflict makes a version with two parents", () =>
      Effect.gen(function* () {
        const found = yield* storyOf([
          base,
          { parents: [0], files: { a: text("ours"), b: text("b") } },
          { parents: [0], files: { a: text("theirs"), b: text("b") } },
          { parents: [1, 2], files: { a: text("both"), b: text("b") } },
          { parents: [3], files: { a: text("after"), b: text("b") } }
        ])
        expect(found).toMatchObject({ 3: ["a < 1:a < 2:a"], 4: ["a < 3:a"] })
      })
    )

    it.effect("of three branches may have three parents", () =>
      Effect.gen(function* () {
        const found = yield* storyOf([
          base,
          ...["x", "y", "z"].map((word) => ({ parents: [0], files: { a: text(word), b: text("b") } })),
          { parents: [3, 1, 2], files: { a: text("all"), b: text("b") } }
        ])
        expect(found).toMatchObject({ 4: ["a < 3:a < 1:a < 2:a"] })
      })
    )

    it.effect("makes versions of what it changes by itself, and deletes what no side has deleted", () =>
      Effect.gen(function* () {
        const found = yield* storyOf([
          base,
          { parents: [0], files: { a: text("a"), b: text("b"), c: "ours" } },
          { parents: [0], files: { a: text("a"), b: text("b"), d: "theirs" } },
          { parents: [1, 2], files: { a: text("evil"), c: "ours", d: "theirs", e: "out of nowhere" } }
        ])
        expect(found).toMatchObject({ 3: ["a < 0:a", "deleted 0:b", "e"] })
      })
    )

    it.effect("of a branch that renamed and one that edited has the parents of both names", () =>
      Effect.gen(function* () {
        const found = yield* storyOf([
          base,
          { parents: [0], files: { moved: text("a"), b: text("b") } },
          { parents: [0], files: { a: `${text("a")}edited\n`, b: text("b") } },
          { parents: [1, 2], files: { moved: `${text("a")}edited\n`, b: text("b") } }
        ])
        expect(found).toMatchObject({ 1: ["moved < 0:a"], 2: ["a < 0:a"], 3: ["moved < 1:moved < 2:a"] })
      })
    )

    it.effect("takes the deletion of one side without deleting again", () =>
      Effect.gen(function* () {
        const found = yield* storyOf([
          base,
          { parents: [0], files: { a: text("a") } },
          { parents: [0], files: { a: text("a2"), b: text("b") } },
          { parents: [1, 2], files: { a: text("a2") } },
          { parents: [2, 1], files: { a: text("a2") } },
          { parents: [3, 4], files: { a: text("a2") } }
        ])
        expect(found).toMatchObject({ 1: ["deleted 0:b"], 3: [], 4: [], 5: [] })
      })
    )

    it.effect("of unrelated histories has a root on either side", () =>
      Effect.gen(function* () {
        const found = yield* storyOf([
          base,
          { parents: [], files: { z: "z" } },
          { parents: [0, 1], files: { a: text("a"), b: text("b"), z: "z2" } }
        ])
        expect(found).toEqual({ 0: ["a", "b"], 1: ["z"], 2: ["z < 1:z"] })
      })
    )
  })

  describe("a choice of files", () => {
    const commits: ReadonlyArray<CommitSpec> = [
      { parents: [], files: { "src/a.ts": text("a"), "lib/b.ts": text("b"), "src/.hidden/c.md": "c", "[x].ts": "x" } },
      { parents: [0], files: { "lib/a.ts": text("a"), "src/b.ts": text("b"), "src/.hidden/c.md": "c2", "[x].ts": "x" } }
    ]

    it.effect("by globs leaves the others out, and what is renamed into it begins there", () =>
      Effect.gen(function* () {
        expect(yield* storyOf(commits, { paths: ["src/**/*.ts"] })).toEqual({
          0: ["src/a.ts"],
          1: ["src/b.ts"]
        })
        expect(yield* storyOf(commits, { paths: ["*/a.ts", "**/*.md"] })).toEqual({
          0: ["src/.hidden/c.md", "src/a.ts"],
          1: ["lib/a.ts < 0:src/a.ts", "src/.hidden/c.md < 0:src/.hidden/c.md"]
        })
      })
    )

    it.effect("by a folder means what is below it, and a file's own name the file", () =>
      Effect.gen(function* () {
        expect(yield* storyOf(commits, { paths: ["./src/"] })).toMatchObject({ 0: ["src/.hidden/c.md", "src/a.ts"] })
        expect(yield* storyOf(commits, { paths: ["\\[x].ts"] })).toMatchObject({ 0: ["[x].ts"] })
        expect(yield* storyOf(commits, { paths: ["."] })).toEqual(yield* storyOf(commits))
        expect(yield* storyOf(commits, { paths: ["*.ts"] })).toMatchObject({ 0: ["[x].ts"] })
      })
    )
  })

  describe("where the history ends", () => {
    it.effect("is HEAD, or what is named, or everything that there is", () =>
      Effect.gen(function* () {
        const { folder, ids } = yield* repository([
          { parents: [], files: { a: "1" } },
          { parents: [0], files: { a: "2" } },
          { parents: [0], files: { a: "3" } }
        ])
        const found = Effect.fnUntraced(function* (options?: GitRepository.Options) {
          const opened = yield* GitRepository.open(folder, options)
          const commits = yield* Stream.runCollect(opened.commits)
          expect(yield* opened.count).toBe(commits.length)
          return commits.map(({ id }) => ids.indexOf(id)).sort((a, b) => a - b)
        })
        git(folder, ["tag", "-a", "-m", "a tag", "v1", ids[1]!])
        expect(yield* found()).toEqual([0, 2])
        expect(yield* found({ revisions: ["v1"] })).toEqual([0, 1])
        expect(yield* found({ revisions: [ids[0]!, "c1"] })).toEqual([0, 1])
        expect(yield* found({ revisions: "all" })).toEqual([0, 1, 2])
      })
    )

    it.effect("is where it was when the repository was opened", () =>
      Effect.gen(function* () {
        const { folder, ids } = yield* repository([
          { parents: [], files: { a: "1" } },
          { parents: [0], files: { a: "2" } }
        ])
        const opened = yield* GitRepository.open(folder)
        git(folder, ["update-ref", "refs/heads/main", ids[0]!])
        expect((yield* Stream.runCollect(opened.commits)).map(({ id }) => id)).toEqual(ids)
        expect(yield* opened.count).toBe(2)
      })
    )

    it.effect("is nowhere in an empty repository", () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        git(folder, ["init", "--quiet", "."])
        const opened = yield* GitRepository.open(folder)
        expect([opened.tips, yield* opened.count, yield* Stream.runCollect(opened.commits)]).toEqual([[], 0, []])
        expect((yield* GitRepository.open(folder, { revisions: "all" })).tips).toEqual([])
      })
    )
  })

  describe("the folder given", () => {
    it.effect("may be the top, any folder below it, a linked work tree, a submodule, or the folder of git itself", () =>
      Effect.gen(function* () {
        const root = yield* temporaryFolder
        const inner = path.join(root, "inner.lib")
        const outer = path.join(root, "my.app")
        for (const folder of [inner, outer]) {
          fs.mkdirSync(path.join(folder, "deep", "er"), { recursive: true })
          fs.writeFileSync(path.join(folder, "deep", "er", "file"), folder)
          git(folder, ["init", "--quiet", "--initial-branch=main", "."])
          git(folder, ["add", "."])
          git(folder, ["commit", "--quiet", "-m", path.basename(folder)])
        }
        git(outer, ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", inner, "vendor/sub"])
        git(outer, ["commit", "--quiet", "-m", "submodule"])
        git(outer, ["worktree", "add", "--quiet", "--detach", path.join(root, "tree")])
        git(root, ["clone", "--quiet", "--bare", outer, "bare.git"])
        const found = Effect.fnUntraced(function* (...parts: ReadonlyArray<string>) {
          const { folder, project } = yield* GitRepository.open(path.join(root, ...parts))
          const commits = yield* commitsOf(path.join(root, ...parts))
          const paths = commits.flatMap(({ changes }) => changes.map(({ version }) => version.path))
          return [path.relative(root, folder), project, paths.sort().join(" ")]
        })
        const files = ".gitmodules deep/er/file"
        expect(yield* found("my.app")).toEqual(["my.app", "my%2Eapp", files])
        expect(yield* found("my.app", "deep", "er")).toEqual(["my.app", "my%2Eapp", files])
        expect(yield* found("my.app", ".git")).toEqual(["my.app/.git", "my%2Eapp", files])
        expect(yield* found("tree")).toEqual(["tree", "tree", files])
        expect(yield* found("bare.git")).toEqual(["bare.git", "bare", files])
        expect(yield* found("my.app", "vendor", "sub")).toEqual(["my.app/vendor/sub", "sub", "deep/er/file"])
      })
    )

    it.effect("may be a shallow clone if that is allowed, and begins where it was cut off", () =>
      Effect.gen(function* () {
        const { folder } = yield* repository([
          { parents: [], files: { a: "1", b: "1" } },
          { parents: [0], files: { a: "2", b: "1" } },
          { parents: [1], files: { a: "3", b: "1" } }
        ])
        const clone = path.join(yield* temporaryFolder, "clone")
        git(folder, ["clone", "--quiet", "--bare", "--depth=2", `file://${folder}`, clone])
        const refused = yield* Effect.flip(GitRepository.open(clone))
        expect([refused.reason, refused.message]).toEqual(["Shallow", expect.stringContaining("git fetch --unshallow")])
        const commits = yield* commitsOf(clone, { allowShallow: true })
        expect(
          commits.map(({ changes }) => changes.map(({ parents, version }) => [version.path, parents.length]))
        ).toEqual([
          [
            ["a", 0],
            ["b", 0]
          ],
          [["a", 1]]
        ])
      })
    )
  })

  describe("contents", () => {
    it.effect("are left out above the limit, and the ones behind them are whole", () =>
      Effect.gen(function* () {
        const sizes = [0, 1, 99, 100, 101, 300_000, 100]
        const { folder } = yield* repository([
          {
            parents: [],
            files: Object.fromEntries(sizes.map((size, i) => [`f${i}`, String(i).repeat(size)]))
          }
        ])
        const found = (yield* read(folder, { maxFileBytes: 100 })).map(([{ version }, { bytes, size }]) => [
          version.path,
          size,
          bytes === undefined ? undefined : Buffer.from(bytes).toString()
        ])
        expect(found.sort(byPath)).toEqual(
          sizes.map((size, i) => [`f${i}`, size, size > 100 ? undefined : String(i).repeat(size)])
        )
      })
    )

    it.effect("are given for more items than fit into any pipe, each with its own", () =>
      Effect.gen(function* () {
        const big = "x".repeat(100_000)
        const { folder } = yield* repository([{ parents: [], files: { small: "s", big } }])
        const opened = yield* GitRepository.open(folder)
        const blobs = ["small", "small", "small", "big"].map((name) => gitText(folder, "rev-parse", `HEAD:${name}`))
        const items = Array.from({ length: 12_000 }, (_, i) => ({ i, blob: blobs[i % blobs.length]! }))
        const found = yield* opened
          .read(Stream.fromIterable(items), ({ blob }) => blob)
          .pipe(
            Stream.map(([{ i }, { size }]) => [i, size]),
            Stream.runCollect
          )
        expect(found).toEqual(items.map(({ i }) => [i, i % 4 === 3 ? big.length : 1]))
      })
    )

    it.effect("of no items are none", () =>
      Effect.gen(function* () {
        const { folder } = yield* repository([{ parents: [], files: { a: "1" } }])
        const opened = yield* GitRepository.open(folder)
        expect(yield* Stream.runCollect(opened.read(Stream.empty, (blob: string) => blob))).toEqual([])
      })
    )

    it.effect("end with the error of the items", () =>
      Effect.gen(function* () {
        const { folder } = yield* repository([{ parents: [], files: { a: "1" } }])
        const opened = yield* GitRepository.open(folder)
        const items = Stream.concat(
          Stream.succeed(gitText(folder, "rev-parse", "HEAD:a")),
          Stream.fail("no more" as const)
        )
        expect(yield* Effect.flip(Stream.runCollect(opened.read(items, (blob) => blob)))).toBe("no more")
      })
    )
  })

  it.effect("a reader that has enough leaves no process behind", () =>
    Effect.gen(function* () {
      const { folder, ids } = yield* repository(
        Array.from({ length: 3000 }, (_, i) => ({ parents: i === 0 ? [] : [i - 1], files: { a: String(i) } }))
      )
      const spawner = yield* ChildProcessSpawner
      const started: Array<ChildProcessHandle> = []
      const running = Effect.map(
        Effect.suspend(() => Effect.forEach(started, ({ isRunning }) => isRunning)),
        (all) => all.filter((one) => one).length
      )
      const opened = yield* GitRepository.open(folder).pipe(
        Effect.provideService(
          ChildProcessSpawner,
          ChildProcessSpawner.of({
            ...spawner,
            spawn: (command) => Effect.tap(spawner.spawn(command), (handle) => Effect.sync(() => started.push(handle)))
          })
        )
      )
      const busy: Array<number> = []
      const first = yield* opened.commits.pipe(
        Stream.rechunk(1),
        Stream.tap(() => Effect.map(running, (count) => busy.push(count))),
        Stream.take(2),
        Stream.runCollect
      )
      expect(first.map(({ id }) => id)).toEqual(ids.slice(0, 2))
      expect([busy[0]! > 0, yield* running]).toEqual([true, 0])
    })
  )
})
