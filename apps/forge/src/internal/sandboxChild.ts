/**
 * What runs in the process of its own: a judge over a candidate, told line by line.
 *
 *     judge      in this realm, whose intrinsics are frozen, with no process and no code from strings
 *     candidate  in a realm of its own for each test, with no clock, no modules and no input or output
 *
 * Node is given this file as text, so that it may be refused every file there is. A step that takes too long is broken
 * off from inside where it can be; whoever started the process ends it where it cannot.
 */
import { readFileSync, writeSync } from "node:fs"
import * as vm from "node:vm"
import type { Message, Request } from "./sandbox.ts"

interface Judge {
  readonly tests: { readonly [name: string]: (candidate: unknown, data: unknown) => unknown }
  readonly measure: (candidate: unknown, data: unknown) => unknown
}

const { candidate, data, judge, limits, loading, measuring } = JSON.parse(readFileSync(0, "utf8")) as Request
const host = process
const clock = performance
const say = (message: Message): void => {
  writeSync(1, `${JSON.stringify(message)}\n`)
}

/** At most this much of what a candidate threw is told. */
const longest = 500

const describe = (thrown: unknown): string => {
  const { message, name } = Object(thrown) as { readonly message?: unknown; readonly name?: unknown }
  const text = typeof message !== "string" ? String(thrown) : name === "Error" ? message : `${String(name)}: ${message}`
  return text.length > longest ? `${text.slice(0, longest)}…` : text
}

const slot: { run: () => void } = { run: () => {} }
Object.defineProperty(globalThis, "heph", { value: slot })
const call = new vm.Script("heph.run()")

/** Runs something for so long; the message says why it did not come to its end. */
const timed = (run: () => void, timeout: number): string | undefined => {
  let message: string | undefined
  slot.run = () => {
    try {
      run()
    } catch (thrown) {
      message = "it threw what cannot be told"
      message = describe(thrown)
    }
  }
  try {
    call.runInThisContext({ timeout })
  } catch (thrown) {
    const isLate = (thrown as NodeJS.ErrnoException).code === "ERR_SCRIPT_EXECUTION_TIMEOUT"
    return isLate ? `it took longer than ${timeout} ms` : (message ?? "it threw what cannot be told")
  }
  return message
}

const step = (name: string, timeout: number, run: () => void): boolean => {
  say({ _tag: "Begun", name })
  const start = clock.now()
  const message = timed(run, timeout)
  say({ _tag: "Ended", name, message: message ?? null, duration: Math.round(clock.now() - start) })
  return message === undefined
}

/** No clock, nothing shared with other threads, and a `Math.random` that gives the same each time: mulberry32. */
const confine = new vm.Script(`{
  for (const name of ["Date", "Temporal", "WebAssembly", "SharedArrayBuffer", "Atomics", "console"]) delete globalThis[name]
  let state = 1
  Math.random = () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}`)

const finite = (measured: unknown): Readonly<Record<string, number>> => {
  const found: Record<string, number> = {}
  for (const [name, value] of Object.entries(Object(measured) as object)) {
    if (typeof value !== "number" || !Number.isFinite(value)) throw new Error(`${name} is no finite number: ${value}`)
    found[name] = value
  }
  return found
}

/** Whoever is given an object of this realm must not be able to change what all of them have. */
const freeze = (): void => {
  const names = vm.runInNewContext("Object.getOwnPropertyNames(globalThis)") as ReadonlyArray<string>
  for (const name of names) {
    const value: unknown = Reflect.get(globalThis, name)
    if (name === "globalThis" || Object(value) !== value) continue
    Object.freeze(value)
    Object.freeze(Reflect.get(value as object, "prototype"))
  }
  for (const iterator of [[].values(), new Map().values(), new Set().values(), "".matchAll(/x/g)]) {
    Object.freeze(Object.getPrototypeOf(iterator))
  }
}

const run = (): void => {
  let tests: Judge["tests"] = {}
  let measure: Judge["measure"] = () => ({})
  const wrong = timed(() => {
    const loaded = vm.runInThisContext(judge, { filename: "judge.ts" }) as Judge
    tests = loaded.tests
    measure = loaded.measure
    if (Object(tests) !== tests || typeof measure !== "function") {
      throw new Error("it must export tests, a record of functions, and measure, a function")
    }
    for (const name of [loading, measuring]) {
      if (Object.hasOwn(tests, name))
        throw new Error(`a test cannot be called ${JSON.stringify(name)}: that is a step of its own`)
    }
  }, limits.measure)
  if (wrong !== undefined) return say({ _tag: "Broken", reason: wrong })
  const names = Object.keys(tests)
  say({ _tag: "Listed", names })
  let script: vm.Script | undefined
  const instance = (): unknown => {
    const context = vm.createContext(vm.constants.DONT_CONTEXTIFY, { codeGeneration: { strings: false, wasm: false } })
    confine.runInContext(context)
    return script!.runInContext(context)
  }
  let passed = step(loading, limits.test, () => {
    script = new vm.Script(candidate, { filename: "candidate.ts" })
    instance()
  })
  if (!passed) return
  for (const name of names) {
    const test = tests[name]!
    const isPassed = step(name, limits.test, () => {
      const answer = test(instance(), data)
      if (typeof (Object(answer) as { readonly then?: unknown }).then === "function") {
        throw new Error("the test is asynchronous, which the judge of a task cannot be")
      }
    })
    passed &&= isPassed
  }
  if (!passed) return
  let measured: Readonly<Record<string, number>> = {}
  const isMeasured = step(measuring, limits.measure, () => {
    measured = finite(measure(instance(), data))
  })
  if (isMeasured) say({ _tag: "Measured", metrics: measured })
}

freeze()
Reflect.deleteProperty(globalThis, "process")
run()
say({ _tag: "Done" })
// At once: promises and whatever else a candidate has left behind never get their turn.
host.exit(0)
