export * as HistoryMemory from "./HistoryMemory.ts"
