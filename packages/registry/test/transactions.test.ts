import { describe, expect, it } from "@effect/vitest"
import * as Handler from "@heph/bus/Handler"
import { HeadConflict, HistoryStoreError } from "@heph/history/HistoryStore"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as Matrix from "./matrix.ts"
import * as Support from "./support.ts"

/** What goes wrong here is logged, as it should be. */
const silently = Effect.provide(Logger.layer([]))

const errorOf = (exit: Exit.Exit<unknown, unknown>): unknown =>
  Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined

const interrupted = (exit: Exit.Exit<unknown, unknown>): boolean =>
  Exit.isFailure(exit) && Cause.hasInterrupts(exit.cause)

/** Interrupts a transaction once it is at a gate, opens the gate, and waits for what becomes of it. */
const interruptAt = Effect.fnUntraced(function* (
  run: Effect.Effect<unknown, unknown>,
  gate: { readonly reached: boolean; open: boolean },
  label: string
) {
  const fiber = yield* Effect.forkDetach(run, { startImmediately: true })
  yield* Support.eventually(() => gate.reached, label)
  fiber.interruptUnsafe()
  yield* Effect.yieldNow
  gate.open = true
  return yield* Matrix.end(fiber)
})

const wait = (gate: { reached: boolean; readonly open: boolean }) =>
  Effect.gen(function* () {
    gate.reached = true
    while (!gate.open) yield* Effect.yieldNow
  })

describe.each(Matrix.subjects)("%s", (subject) => {
  describe.each([
    ["at once", false],
    ["later", true]
  ] as const)("with handlers that answer %s", (_, slow) => {
    it.effect.each(Matrix.allFaults)("comes to nothing where one %s, anywhere", (fault) =>
      Effect.gen(function* () {
        const cell = yield* Matrix.cell(subject, slow)
        const before = yield* Matrix.facts(cell)
        for (const point of Matrix.points("forward")) {
          const label = `handler ${point.handler}, operation ${point.operation}`
          Matrix.arm(cell, point, fault)
          const exit = yield* Matrix.outcome(cell.run)
          expect(errorOf(exit), label).toMatchObject(Matrix.faults[fault])
          expect(yield* Matrix.facts(cell), label).toEqual(before)
          Matrix.agree(cell, label)
          expect(cell.opened.registry.status().outOfStep, label).toEqual([])
          Matrix.disarm(cell)
        }
        yield* Matrix.works(cell, "in the end")
      }).pipe(silently)
    )
  })

  it.effect("E3: comes to nothing where its caller is interrupted, anywhere", () =>
    Effect.gen(function* () {
      const cell = yield* Matrix.cell(subject)
      const before = yield* Matrix.facts(cell)
      for (const point of Matrix.points("forward")) {
        const label = `handler ${point.handler}, operation ${point.operation}`
        const exit = yield* interruptAt(cell.run, Matrix.hold(cell, point), label)
        expect(interrupted(exit), label).toBe(true)
        expect(yield* Matrix.facts(cell), label).toEqual(before)
        Matrix.agree(cell, label)
        Matrix.disarm(cell)
      }
      yield* Matrix.works(cell, "in the end")
    }).pipe(silently)
  )

  it.effect.each(["begin", "commit"] as const)("whose caller is interrupted during %s", (callback) =>
    Effect.gen(function* () {
      for (const at of [0, 1, 2]) {
        const cell = yield* Matrix.cell(subject)
        const before = yield* Matrix.facts(cell)
        const gate = { reached: false, open: false }
        const told: Array<string> = []
        yield* Effect.scoped(
          Effect.gen(function* () {
            for (const i of [0, 1, 2]) {
              yield* cell.opened.bus.participate({
                name: `participant ${i}`,
                begin: () => (i === at && callback === "begin" ? wait(gate) : undefined),
                commit: () => {
                  told.push("commit")
                  return i === at ? wait(gate) : undefined
                },
                discard: () => void told.push("discard")
              })
            }
            yield* interruptAt(cell.run, gate, `participant ${at}`)
          })
        )
        Matrix.agree(cell, `participant ${at}`)
        const after = yield* Matrix.facts(cell)
        // Before the append it comes to nothing; after it, it is done all the same.
        expect(told).toEqual(Array.from({ length: 3 }, () => (callback === "begin" ? "discard" : "commit")))
        if (callback === "begin") expect(after, `participant ${at}`).toEqual(before)
        else expect(after.version, `participant ${at}`).toBe(cell.target)
        yield* Matrix.works(cell, `participant ${at}`, callback === "commit")
      }
    }).pipe(silently)
  )

  it.effect.each(["rejects", "fails", "throws", "dies", "hangs"] as const)(
    "E2: comes to nothing where a participant's vote %s",
    (fault) =>
      Effect.gen(function* () {
        const cell = yield* Matrix.cell(subject)
        const before = yield* Matrix.facts(cell)
        for (const at of [0, 1, 2]) {
          const told: Array<string> = []
          yield* Effect.scoped(
            Effect.gen(function* () {
              for (const i of [0, 1, 2]) {
                yield* cell.opened.bus.participate({
                  name: `participant ${i}`,
                  begin: () => (i === at ? Matrix.commits(fault) : undefined),
                  commit: () => void told.push(`commit ${i}`),
                  discard: () => void told.push(`discard ${i}`)
                })
              }
              const exit = yield* Matrix.outcome(cell.run)
              const expected = { _tag: "ParticipantRefused", participant: `participant ${at}` }
              expect(errorOf(exit), `participant ${at}`).toMatchObject(expected)
            })
          )
          // A clean no holds nothing open; whoever broke might.
          const discards = [0, 1, 2].filter((i) => i !== at || fault !== "rejects").map((i) => `discard ${i}`)
          expect([...told].sort(), `participant ${at}`).toEqual(discards)
          expect(yield* Matrix.facts(cell), `participant ${at}`).toEqual(before)
          Matrix.agree(cell, `participant ${at}`)
        }
        yield* Matrix.works(cell, "in the end")
      }).pipe(silently)
  )

  it.effect.each(["fails", "throws", "dies", "hangs"] as const)(
    "E10: is done, whatever a participant does on commit: it %s",
    (fault) =>
      Effect.gen(function* () {
        for (const at of [0, 1, 2]) {
          const cell = yield* Matrix.cell(subject)
          const told: Array<string> = []
          yield* Effect.scoped(
            Effect.gen(function* () {
              for (const i of [0, 1, 2]) {
                yield* cell.opened.bus.participate({
                  name: `participant ${i}`,
                  commit: () => {
                    told.push(`commit ${i}`)
                    return i === at ? Effect.asVoid(Matrix.effectOf(Matrix.commits(fault))) : undefined
                  },
                  discard: () => void told.push(`discard ${i}`)
                })
              }
              expect(Exit.isSuccess(yield* Matrix.outcome(cell.run)), `participant ${at}`).toBe(true)
            })
          )
          expect([...told].sort()).toEqual(["commit 0", "commit 1", "commit 2"])
          Matrix.agree(cell, `participant ${at}`)
          yield* Matrix.works(cell, `participant ${at}`, true)
        }
      }).pipe(silently)
  )
})

/** Those that write to the store: an append, or a move of head. */
const writing = ["apply", "travel", "revert"] as const

describe.each(writing)("%s, when the store", (subject) => {
  const full = new HistoryStoreError({ reason: "Full", store: "test", detail: "the disk is full" })

  /** A store that does something else on a write while it is told to. */
  const failing = (instead: Effect.Effect<never, HistoryStoreError>) => {
    const fault = { on: false }
    const or = <A, E>(write: Effect.Effect<A, E>) =>
      Effect.suspend((): Effect.Effect<A, E | HistoryStoreError> => (fault.on ? instead : write))
    const change = (store: Support.Store): Partial<Support.Store> => ({
      append: (versions, revision) => or(store.append(versions, revision)),
      moveHead: (version, timestamp, revision) => or(store.moveHead(version, timestamp, revision))
    })
    return { fault, change }
  }

  it.effect.each([
    ["fails", Effect.fail(full)],
    ["dies", Effect.die(new Error("a bug in a store"))],
    ["fails later", Effect.andThen(Effect.yieldNow, Effect.fail(full))]
  ] as const)("%s: nothing happened, and participants hear of it", ([, instead]) =>
    Effect.gen(function* () {
      const { change, fault } = failing(instead)
      const cell = yield* Matrix.cell(subject, false, change)
      const before = yield* Matrix.facts(cell)
      const told: Array<string> = []
      for (const bad of Matrix.allFaults) {
        fault.on = true
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* cell.opened.bus.participate({
              name: "participant",
              commit: () => void told.push("commit"),
              // What goes wrong in it is reported and changes nothing.
              discard: () => {
                told.push("discard")
                return Effect.asVoid(Matrix.effectOf(Matrix.commits(bad)))
              }
            })
            const error = errorOf(yield* Matrix.outcome(cell.run))
            expect(error).toMatchObject({ message: expect.stringMatching(/disk is full|a bug in a store/) as string })
          })
        )
        expect(yield* Matrix.facts(cell)).toEqual(before)
        Matrix.agree(cell, `a discard that ${bad}`)
      }
      expect(told).toEqual(Matrix.allFaults.map(() => "discard"))
      fault.on = false
      yield* Matrix.works(cell, "in the end")
    }).pipe(silently)
  )

  it.effect("F3: was written by somebody else first: it catches up through the handlers, and tries again", () =>
    Effect.gen(function* () {
      for (const times of [1, 2, 5]) {
        let left = 0
        let write: Effect.Effect<unknown, unknown> = Effect.void
        const intrude = <A, E>(effect: Effect.Effect<A, E>) =>
          Effect.suspend(() => (left-- > 0 ? Effect.andThen(Effect.orDie(write), effect) : effect))
        const cell = yield* Matrix.cell(subject, false, (store) => ({
          append: (versions, revision) => intrude(store.append(versions, revision)),
          moveHead: (version, timestamp, revision) => intrude(store.moveHead(version, timestamp, revision))
        }))
        const { other } = cell
        let n = 0
        // The other one reads what this one wrote before; then it writes something of its own.
        write = Effect.andThen(
          other.registry.follow,
          Effect.suspend(() => other.registry.apply([Support.create(`other:${++n}`, n, "k.two")]))
        )
        left = times
        expect(Exit.isSuccess(yield* Matrix.outcome(cell.run)), `${times} times`).toBe(true)
        Matrix.agree(cell, `${times} times`)
        yield* other.registry.follow
        expect(Support.showAll(other.registry.current())).toEqual(Support.showAll(cell.opened.registry.current()))
        // Travel leaves what the other one wrote behind, as versions; a change is made on top of it.
        const kept = [...cell.opened.registry.current().namespace("other")].length
        expect(kept).toBe(subject === "travel" ? 0 : times)
        expect((yield* other.registry.versions()).length).toBe(
          (subject === "apply" ? 2 : subject === "travel" ? 2 : 3) + times
        )
        expect((yield* other.registry.verify).damage).toEqual([])
      }
    }).pipe(silently)
  )

  it.effect("is always written by somebody else first: it says so after a while", () =>
    Effect.gen(function* () {
      let on = false
      const conflict = (revision: number) =>
        Effect.fail(new HeadConflict({ expected: revision, found: { head: 7, revision: revision + 1 } }))
      const cell = yield* Matrix.cell(subject, false, (store) => ({
        append: (versions, revision) => (on ? conflict(revision) : store.append(versions, revision)),
        moveHead: (version, timestamp, revision) =>
          on ? conflict(revision) : store.moveHead(version, timestamp, revision)
      }))
      const before = yield* Matrix.facts(cell)
      on = true
      expect(errorOf(yield* Matrix.outcome(cell.run))).toMatchObject({ _tag: "VersionConflict", current: 7 })
      on = false
      expect(yield* Matrix.facts(cell)).toEqual(before)
      Matrix.agree(cell, "refused")
      yield* Matrix.works(cell, "in the end")
    }).pipe(silently)
  )

  it.effect("is being written: an interruption comes too late", () =>
    Effect.gen(function* () {
      const gate = { reached: false, open: false }
      let on = false
      const or = <A, E>(write: Effect.Effect<A, E>) => (on ? Effect.andThen(wait(gate), write) : write)
      const cell = yield* Matrix.cell(subject, false, (store) => ({
        append: (versions, revision) => or(store.append(versions, revision)),
        moveHead: (version, timestamp, revision) => or(store.moveHead(version, timestamp, revision))
      }))
      const before = yield* Matrix.facts(cell)
      on = true
      yield* interruptAt(cell.run, gate, "the write")
      on = false
      const after = yield* Matrix.facts(cell)
      expect(after.info.revision).toBe(before.info.revision + 1)
      expect(after.version).toBe(after.info.head)
      Matrix.agree(cell, "written")
      yield* Matrix.works(cell, "in the end", true)
    }).pipe(silently)
  )
})

describe.each(["apply", "travel", "revert", "follow"] as const)("%s that fails", (subject) => {
  /** Refuses the last operation, when all others have accepted everything. */
  const refusingLast = Effect.fnUntraced(function* (cell: Matrix.Cell) {
    let asked = 0
    const last: Handler.Handler = ({ phase }) =>
      phase === "forward" && ++asked === Matrix.operations ? Handler.reject("last") : Handler.accept
    yield* cell.opened.bus.handle("k.*", last, { name: "last" })
  })

  it.effect("E7: goes all the way back, though its caller is interrupted meanwhile", () =>
    Effect.gen(function* () {
      const cell = yield* Matrix.cell(subject)
      const before = yield* Matrix.facts(cell)
      for (const point of Matrix.points("rollback")) {
        const label = `handler ${point.handler}, rollback ${point.operation}`
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* refusingLast(cell)
            yield* interruptAt(cell.run, Matrix.hold(cell, point), label)
          })
        )
        expect(yield* Matrix.facts(cell), label).toEqual(before)
        Matrix.agree(cell, label)
        Matrix.disarm(cell)
      }
      yield* Matrix.works(cell, "in the end")
    }).pipe(silently)
  )

  it.effect.each(Matrix.allFaults)(
    "E8, E9: tells which handler cannot take back, because it %s; resync heals",
    (fault) =>
      Effect.gen(function* () {
        const cell = yield* Matrix.cell(subject)
        const { registry } = cell.opened
        const before = yield* Matrix.facts(cell)
        for (const point of Matrix.points("rollback")) {
          const label = `handler ${point.handler}, rollback ${point.operation}`
          Matrix.arm(cell, point, fault)
          const done = yield* Effect.scoped(Effect.andThen(refusingLast(cell), Matrix.outcome(cell.run)))
          const error = errorOf(done) as { readonly failures: ReadonlyArray<{ readonly id: string }> }
          expect(error, label).toMatchObject({
            _tag: "RollbackIncomplete",
            reason: { _tag: "HandlerRejected", detail: "last" },
            failures: [{ handler: `handler ${point.handler}` }]
          })
          const ids = error.failures.map(({ id }) => id)
          // The others went all the way back.
          Matrix.agree(cell, label, [point.handler])
          expect(yield* Matrix.facts(cell), label).toEqual(before)
          expect(registry.status().outOfStep, label).toEqual(ids)
          Matrix.disarm(cell)
          const refused: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
            registry.apply([Support.create("e:more")]),
            registry.applyVersion(0),
            registry.revert(0),
            registry.loadState([]),
            registry.follow
          ]
          for (const write of refused) {
            expect(errorOf(yield* Effect.exit(write)), label).toMatchObject({ _tag: "OutOfStep", ids })
          }
          yield* registry.resync
          expect(registry.status().outOfStep, label).toEqual([])
          Matrix.agree(cell, label)
          Matrix.disarm(cell)
        }
        yield* Matrix.works(cell, "in the end")
      }).pipe(silently)
  )
})

describe("the matrix", () => {
  it("has at least 500 cells", () => {
    const all = Matrix.subjects.length
    const points = Matrix.handlers * Matrix.operations
    const handlers = all * 2 * Matrix.allFaults.length * points
    const callers = all * points
    const participants = all * 3 * (5 + 4 + 2)
    const stores = writing.length * (3 * Matrix.allFaults.length + 3 + 1 + 1)
    const rollbacks = 4 * points * (1 + Matrix.allFaults.length)
    expect(handlers + callers + participants + stores + rollbacks).toBeGreaterThan(1500)
  })
})
