/** A process that follows a store, through a handler, and says when it saw each version. Run by the benchmark `scale`. */
import * as Bus from "@heph/bus/Bus"
import * as Handler from "@heph/bus/Handler"
import * as HistoryUrl from "@heph/history-url/HistoryUrl"
import * as History from "@heph/history/History"
import * as Registry from "@heph/registry/Registry"
import * as Resolver from "@heph/resolver/Resolver"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"

const [, , follow, url] = process.argv
const say = (message: unknown) => process.send?.(message)

if (follow === "--follow" && url !== undefined) {
  const services = Layer.mergeAll(
    History.layer.pipe(Layer.provide(HistoryUrl.layer(url))),
    Bus.layer(),
    Resolver.layer()
  )
  const program = Effect.gen(function* () {
    const registry = yield* Registry.Registry
    const bus = yield* Bus.Bus
    yield* bus.handle("service", () => Handler.accept)
    yield* registry.loadState([])
    say("ready")
    yield* Stream.runForEach(registry.watch(), ({ version }) =>
      Effect.sync(() => say([version.id, String(process.hrtime.bigint())]))
    )
  })
  process.once("disconnect", () => process.exit())
  await Effect.runPromise(Effect.scoped(Effect.provide(program, Registry.layer().pipe(Layer.provideMerge(services)))))
}
