/**
 * Which references entries make: `meta.depends_on`, and wherever the registered patterns point.
 *
 * A {@link References} function is all that ordering needs; {@link Resolver} is the service that holds the patterns of a
 * registry. What depends on what in a state is `DependencyGraph`.
 */
import type * as Entry from "@heph/entry/Entry"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as DependencyPattern from "./DependencyPattern.ts"
import * as Reference from "./Reference.ts"

/** Finds the references that an entry makes. The same entry always gives the same ones. */
export type References = (entry: Entry.Entry) => Reference.References

/**
 * The references at these patterns' places. Cost follows the places, not the size of the entry.
 *
 * @example
 * import * as Entry from "@heph/entry/Entry"
 * import * as DependencyPattern from "@heph/resolver/DependencyPattern"
 * import * as Resolver from "@heph/resolver/Resolver"
 * import * as Result from "effect/Result"
 *
 * const imports = Result.getOrThrow(DependencyPattern.compile({ path: "data.imports.*", allowWildcard: true }))
 * const entry = Entry.makeUnsafe({ id: "app:api", kind: "library", data: { imports: { sql: "db", log: "core:log" } } })
 * console.log(Resolver.referencesAt([imports])(entry).entries.join(" ")) //=> app:db core:log
 */
export const referencesAt =
  (patterns: ReadonlyArray<DependencyPattern.Compiled>): References =>
  (entry) => {
    const texts: Array<string> = []
    for (const pattern of patterns) DependencyPattern.collect(pattern, entry, texts)
    return Reference.fromTexts(texts, entry.id)
  }

const builtIn = [Result.getOrThrow(DependencyPattern.compile(DependencyPattern.dependsOn))]

/** The references in `meta.depends_on`, which count everywhere. */
export const declared: References = referencesAt(builtIn)

/**
 * The patterns of a registry.
 *
 * @example
 * import * as Resolver from "@heph/resolver/Resolver"
 * import * as Effect from "effect/Effect"
 *
 * const program = Effect.gen(function* () {
 *   const resolver = yield* Resolver.Resolver
 *   yield* resolver.registerPattern({ path: "meta.server", description: "the server it is mounted on" })
 *   return resolver.patterns().map((pattern) => pattern.path)
 * })
 * console.log(Effect.runSync(Effect.provide(program, Resolver.layer()))) //=> [ 'meta.depends_on', 'meta.server' ]
 */
export class Resolver extends Context.Service<
  Resolver,
  {
    /** Adds a place where references are found, from the next use on. A path may be registered twice. */
    readonly registerPattern: (
      pattern: DependencyPattern.DependencyPattern
    ) => Effect.Effect<void, DependencyPattern.InvalidPattern>
    /** Every pattern in force, `meta.depends_on` first, in the order they were registered. */
    readonly patterns: () => ReadonlyArray<DependencyPattern.DependencyPattern>
    /** The references in force now: another function after each registration, so that it can serve as a version. */
    readonly references: () => References
  }
>()("@heph/resolver/Resolver") {}

/** A resolver with these patterns beside `meta.depends_on`. */
export const make = Effect.fnUntraced(function* (patterns: ReadonlyArray<DependencyPattern.DependencyPattern> = []) {
  const compiled = [...builtIn]
  let references: References = declared
  const registerPattern = Effect.fn("Resolver.registerPattern")(function* (
    pattern: DependencyPattern.DependencyPattern
  ) {
    compiled.push(yield* Effect.fromResult(DependencyPattern.compile(pattern)))
    references = referencesAt([...compiled])
  })
  for (const pattern of patterns) yield* registerPattern(pattern)
  return Resolver.of({
    registerPattern,
    patterns: () => compiled.map(({ pattern }) => pattern),
    references: () => references
  })
})

/** The resolver of a registry. */
export const layer = (
  patterns: ReadonlyArray<DependencyPattern.DependencyPattern> = []
): Layer.Layer<Resolver, DependencyPattern.InvalidPattern> => Layer.effect(Resolver, make(patterns))
