export * as ContentPostgres from "./ContentPostgres.ts"
export * as HistoryPostgres from "./HistoryPostgres.ts"
