/** The versioned, event-driven registry. */
export * as Change from "./Change.ts"
export * as Registry from "./Registry.ts"
export * as RegistryError from "./RegistryError.ts"
export * as Snapshot from "./Snapshot.ts"
