/** The transaction bus. */
export * as Bus from "./Bus.ts"
export * as Handler from "./Handler.ts"
export * as RegistryEvent from "./RegistryEvent.ts"
export * as Transaction from "./Transaction.ts"
