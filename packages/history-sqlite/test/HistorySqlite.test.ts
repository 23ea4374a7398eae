import * as HistorySqlite from "@heph/history-sqlite/HistorySqlite"
import * as HistoryStoreSuite from "@heph/history/testing/HistoryStoreSuite"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { temporaryFile } from "./fixtures/files.ts"

const reopen = Effect.map(temporaryFile, (filename) => HistorySqlite.layer({ filename }))

HistoryStoreSuite.suite("HistorySqlite", { layer: Layer.unwrap(reopen), reopen })
