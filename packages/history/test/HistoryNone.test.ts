import * as HistoryNone from "@heph/history/HistoryNone"
import * as HistoryStoreSuite from "@heph/history/testing/HistoryStoreSuite"

HistoryStoreSuite.suite("HistoryNone", { layer: HistoryNone.layer })
