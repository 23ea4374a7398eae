export * as HistorySqlite from "./HistorySqlite.ts"
