import * as BlobStoreSuite from "@heph/content/testing/BlobStoreSuite"
import * as ContentSqlite from "@heph/history-sqlite/ContentSqlite"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { temporaryFile } from "./fixtures/files.ts"

const reopen = Effect.map(temporaryFile, (filename) => ContentSqlite.layer({ filename }))

BlobStoreSuite.suite("ContentSqlite", { layer: Layer.unwrap(reopen), reopen })
