import * as HistoryPostgres from "@heph/history-postgres/HistoryPostgres"
import * as HistoryStoreSuite from "@heph/history/testing/HistoryStoreSuite"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { freshSchema, url } from "./fixtures/places.ts"

const reopen = Effect.map(freshSchema, (schema) => HistoryPostgres.layer({ url, schema }))

HistoryStoreSuite.suite("HistoryPostgres", { layer: Layer.unwrap(reopen), reopen })
