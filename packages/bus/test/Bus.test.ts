import { describe, expect, it } from "@effect/vitest"
import * as Bus from "@heph/bus/Bus"
import * as Handler from "@heph/bus/Handler"
import * as Operation from "@heph/changeset/Operation"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { entry, input, noting } from "./support/kit.ts"

/** Which of these kinds a pattern asks its handler about. */
const matched = Effect.fnUntraced(function* (pattern: string, kinds: ReadonlyArray<string>) {
  const bus = yield* Bus.make({ silentKinds: [] })
  const found: Array<string> = []
  yield* bus.handle(pattern, ({ kind }) => {
    found.push(kind)
    return Handler.accept
  })
  yield* bus.transact(input(kinds.map((kind, i) => Operation.create(entry(`app:${i}`, 1, kind)))))
  return found
})

describe("patterns", () => {
  const kinds = ["function", "function.lua", "function.lua.async", "service.http", "a/b", ".hidden", "..", "!x", "#x"]
  const cases: ReadonlyArray<readonly [string, ReadonlyArray<string>]> = [
    ["function", ["function"]],
    ["function.*", ["function.lua", "function.lua.async"]],
    ["*", kinds],
    ["**", kinds],
    ["*.http", ["service.http"]],
    ["*.l?a", ["function.lua"]],
    ["{function,service}.*", ["function.lua", "function.lua.async", "service.http"]],
    ["+(function|service).http", ["service.http"]],
    ["[a.]*", ["a/b", ".hidden", ".."]],
    ["a*b", ["a/b"]],
    ["!x", ["!x"]],
    ["#x", ["#x"]],
    ["Function", []]
  ]
  for (const [pattern, expected] of cases) {
    it.effect(
      `H10: ${pattern} is a glob over the whole kind, in which dots and slashes are characters like others`,
      () =>
        Effect.gen(function* () {
          expect(yield* matched(pattern, kinds)).toEqual(expected)
        })
    )
  }

  it.effect("H12: one of many wildcards is no trap", () =>
    Effect.gen(function* () {
      const kind = Array.from({ length: 200 }, () => "a").join(".")
      expect(yield* matched(`${"**.".repeat(60)}b`, [kind])).toEqual([])
      expect(yield* matched(`${"a*".repeat(100)}b`, [kind])).toEqual([])
    })
  )

  const invalid = ["", "function *", "a\u0000", "x".repeat(513), "{a,b}".repeat(12)]
  for (const pattern of invalid) {
    it.effect(`H13: ${JSON.stringify(pattern.slice(0, 20))} is refused where the handler is registered`, () =>
      Effect.gen(function* () {
        const bus = yield* Bus.make()
        const error = yield* Effect.flip(bus.handle(pattern, () => Handler.accept))
        expect(error).toMatchObject({ _tag: "InvalidKindPattern", pattern })
        expect(bus.concerns([Operation.create(entry("app:a"))])).toBe(false)
      })
    )
  }

  it.effect("say what is wrong with them", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      const { message } = yield* Effect.flip(bus.handle("", () => Handler.accept))
      expect(message).toBe(
        `"" is no pattern of kinds: write a glob, as in "function.*": a kind is text that is not empty`
      )
    })
  )
})

describe("silent kinds", () => {
  const run = Effect.fnUntraced(function* (options: Bus.Options | undefined, kinds: ReadonlyArray<string>) {
    const bus = yield* Bus.make(options)
    const notes: Array<string> = []
    yield* bus.handle("*", noting(notes))
    yield* bus.observe("entry.create", ({ kind }) => notes.push(`seen ${kind}`))
    yield* bus.observe("registry.commit", () => notes.push("commit"))
    const changeset = kinds.map((kind, i) => Operation.create(entry(`app:${i}`, 1, kind)))
    yield* bus.transact(input(changeset, { append: Effect.sync(() => void notes.push("append")) }))
    return notes
  })

  it.effect("are put to nobody and announced to nobody, and are part of the transaction", () =>
    Effect.gen(function* () {
      const kinds = ["registry.entry", "ns.requirement", "ns.dependency", "ns.definition"]
      expect(Bus.silentKinds).toEqual(kinds)
      expect(yield* run(undefined, kinds)).toEqual(["append", "commit"])
    })
  )

  it.effect("are what the configuration says, instead", () =>
    Effect.gen(function* () {
      const notes = yield* run({ silentKinds: ["function.lua"] }, ["registry.entry", "function.lua"])
      expect(notes).toEqual(["seen registry.entry", "forward create app:0", "append", "commit"])
    })
  )
})

describe("concerns", () => {
  const changeset = [Operation.create(entry("app:a"))]
  const silent = [Operation.create(entry("app:a", 1, "registry.entry"))]

  it.effect("nobody at first", () =>
    Effect.gen(function* () {
      expect((yield* Bus.make()).concerns(changeset)).toBe(false)
    })
  )

  it.effect("a handler of one of the kinds", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      yield* bus.handle("service.*", () => Handler.accept)
      expect(bus.concerns(changeset)).toBe(false)
      yield* bus.handle("function.*", () => Handler.accept)
      expect([bus.concerns(changeset), bus.concerns(silent)]).toEqual([true, false])
    })
  )

  it.effect("every participant and observer, whatever the kinds", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      yield* Effect.scoped(
        Effect.andThen(
          bus.participate({ name: "p" }),
          Effect.sync(() => expect(bus.concerns(silent)).toBe(true))
        )
      )
      expect(bus.concerns(silent)).toBe(false)
      yield* Effect.scoped(
        Effect.andThen(
          bus.observe("registry.commit", () => {}),
          Effect.sync(() => expect(bus.concerns(silent)).toBe(true))
        )
      )
      expect(bus.concerns(silent)).toBe(false)
    })
  )

  it.effect("a delete that does not know what it deletes: it has to be refused, not waved through", () =>
    Effect.gen(function* () {
      const bus = yield* Bus.make()
      yield* bus.handle("service.*", () => Handler.accept)
      const incomplete = [Operation.remove(entry("app:a").id)]
      expect(bus.concerns(incomplete)).toBe(true)
      const exit = yield* Effect.exit(bus.transact(input(incomplete)))
      expect(Exit.isFailure(exit) && Cause.hasDies(exit.cause)).toBe(true)
    })
  )
})

describe("the service", () => {
  it.effect("is a layer, and two of them share nothing", () =>
    Effect.gen(function* () {
      const notes: Array<string> = []
      const use = Effect.gen(function* () {
        const bus = yield* Bus.Bus
        yield* bus.transact(input([Operation.create(entry("app:a"))]))
        yield* bus.handle("*", noting(notes))
        yield* bus.transact(input([Operation.create(entry("app:b"))]))
      })
      yield* Effect.provide(use, Bus.layer())
      yield* Effect.provide(use, Bus.layer())
      expect(notes).toEqual(["forward create app:b", "forward create app:b"])
    })
  )
})
