export * as Backup from "./Backup.ts"
export * as ContentSqlite from "./ContentSqlite.ts"
export * as HistorySqlite from "./HistorySqlite.ts"
