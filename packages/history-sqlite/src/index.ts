export * as Backup from "./Backup.ts"
export * as HistorySqlite from "./HistorySqlite.ts"
