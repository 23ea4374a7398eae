import { expect, it } from "@effect/vitest"
/** What holds for every changeset, whatever the handlers do: all of them have it, or none of it. */
import * as Bus from "@heph/bus/Bus"
import * as Handler from "@heph/bus/Handler"
import * as ChangeSet from "@heph/changeset/ChangeSet"
import * as Delta from "@heph/changeset/Delta"
import * as Entry from "@heph/entry/Entry"
import * as State from "@heph/entry/State"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import * as fc from "fast-check"
import { drive, Holdings, input } from "./support/kit.ts"

const ids = ["app:a", "app:b", "app:c", "lib:a", "lib:b", "lib:c"]
const kinds = ["function.lua", "function.js", "service.http", "registry.entry"]

const stateArb = fc
  .dictionary(
    fc.constantFrom(...ids),
    fc.record({
      kind: fc.constantFrom(...kinds),
      data: fc.integer({ min: 0, max: 3 }),
      on: fc.subarray(ids, { maxLength: 2 })
    })
  )
  .map((entries) =>
    State.fromIterable(
      Object.entries(entries).map(([id, { data, kind, on }]) =>
        Entry.makeUnsafe({ id, kind, data, meta: { depends_on: on } })
      )
    )
  )

/** What a handler does with an id: how often it puts it off, how long it takes, and how it ends. */
const behaviourArb = fc.record({
  deferrals: fc.constantFrom(0, 0, 0, 1, 2, 100),
  way: fc.constantFrom("value", "effect", "soon", "in 20 s"),
  end: fc.constantFrom(...Array.from({ length: 12 }, () => "accept"), "reject", "fail", "throw", "hang", "accept late")
})
const handlerArb = fc.record({
  pattern: fc.constantFrom("*", "function.*", "service.*", "*.lua"),
  behaviour: fc.dictionary(fc.constantFrom(...ids), behaviourArb)
})

const matches: Record<string, (kind: string) => boolean> = {
  "*": () => true,
  "function.*": (kind) => kind.startsWith("function."),
  "service.*": (kind) => kind.startsWith("service."),
  "*.lua": (kind) => kind.endsWith(".lua")
}

it("all handlers hold the state after, or, if it failed, all of them the state before", async () => {
  let committed = 0
  let failed = 0
  const property = fc.asyncProperty(
    stateArb,
    stateArb,
    fc.array(handlerArb, { minLength: 1, maxLength: 3 }),
    fc.constantFrom("appends", "appends", "fails"),
    async (from, to, handlers, append) => {
      const { changeset } = Delta.buildDelta(from, to)
      const program = Effect.gen(function* () {
        const bus = yield* Bus.make()
        const holdings: Array<Holdings> = []
        for (const { behaviour, pattern } of handlers) {
          const mine = (state: State.State) =>
            new Holdings([...state].filter(({ kind }) => kind !== "registry.entry" && matches[pattern]!(kind)))
          const held = mine(from)
          holdings.push(held)
          const putOff = new Map<string, number>()
          yield* bus.handle(pattern, (request) => {
            const does = behaviour[request.id.value]
            if (request.phase === "rollback" || does === undefined) return held.accept(request)
            const deferrals = putOff.get(request.id.value) ?? 0
            if (deferrals < does.deferrals) {
              putOff.set(request.id.value, deferrals + 1)
              return Handler.defer("not yet")
            }
            if (does.end === "reject") return Handler.reject("no")
            if (does.end === "throw") throw new Error("thrown")
            if (does.end === "fail") return Effect.delay(Effect.die("failed"), "1 second")
            if (does.end === "hang") return Effect.never
            const work = Effect.sync(() => held.accept(request))
            if (does.end === "accept late") return Effect.uninterruptible(Effect.delay(work, "30500 millis"))
            if (does.way === "value") return held.accept(request)
            return does.way === "effect" ? work : Effect.delay(work, does.way === "soon" ? "1 millis" : "20 seconds")
          })
        }
        const exit = yield* drive(
          bus.transact(input(changeset, { append: append === "fails" ? Effect.fail("no") : Effect.void }))
        )
        const harmless = handlers.every(({ behaviour }) =>
          Object.values(behaviour).every(({ deferrals, end }) => deferrals === 0 && end === "accept")
        )
        const appends = append !== "fails"
        expect(Exit.isSuccess(exit)).toBe(appends && (harmless || Exit.isSuccess(exit)))
        const expected = Exit.isSuccess(exit) ? to : from
        if (Exit.isSuccess(exit)) committed++
        else failed++
        holdings.forEach((held, i) => {
          const { pattern } = handlers[i]!
          const wanted = [...expected].filter(({ kind }) => kind !== "registry.entry" && matches[pattern]!(kind))
          expect(held.list).toEqual(new Holdings(wanted).list)
          expect(held.misfits).toEqual([])
        })
      })
      // The changeset is right by itself: what is wrong is the bus's.
      expect([...Result.getOrThrow(ChangeSet.apply(from, changeset))]).toEqual([...to])
      await Effect.runPromise(Effect.provide(Effect.scoped(program), TestClock.layer()))
    }
  )
  await fc.assert(property, { numRuns: 800 })
  // Both ways were taken often.
  expect(Math.min(committed, failed)).toBeGreaterThan(50)
}, 60_000)
