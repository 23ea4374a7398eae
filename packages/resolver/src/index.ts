/** Dependencies between entries. */
export * as DependencyGraph from "./DependencyGraph.ts"
export * as DependencyPattern from "./DependencyPattern.ts"
export * as Reference from "./Reference.ts"
export * as Resolver from "./Resolver.ts"
export * as Topological from "./Topological.ts"
