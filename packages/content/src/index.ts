/** Content by its hash. */
export * as BlobStore from "./BlobStore.ts"
export * as ContentMemory from "./ContentMemory.ts"
export * as ContentStore from "./ContentStore.ts"
export * as ContentTransfer from "./ContentTransfer.ts"
export * as Hash from "./Hash.ts"
