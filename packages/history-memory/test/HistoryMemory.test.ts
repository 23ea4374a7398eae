import * as HistoryMemory from "@heph/history-memory/HistoryMemory"
import * as HistoryStoreSuite from "@heph/history/testing/HistoryStoreSuite"

HistoryStoreSuite.suite("HistoryMemory", { layer: HistoryMemory.layer })
