import * as ContentMemory from "@heph/content/ContentMemory"
import * as BlobStoreSuite from "@heph/content/testing/BlobStoreSuite"

BlobStoreSuite.suite("ContentMemory", { layer: ContentMemory.layer })
