export * as HistoryPostgres from "./HistoryPostgres.ts"
