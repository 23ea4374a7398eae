export * as HistoryUrl from "./HistoryUrl.ts"
