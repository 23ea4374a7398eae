import * as BlobStoreSuite from "@heph/content/testing/BlobStoreSuite"
import * as ContentPostgres from "@heph/history-postgres/ContentPostgres"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { freshSchema, url } from "./fixtures/places.ts"

const reopen = Effect.map(freshSchema, (schema) => ContentPostgres.layer({ url, schema }))

BlobStoreSuite.suite("ContentPostgres", { layer: Layer.unwrap(reopen), reopen })
